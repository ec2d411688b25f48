/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "command.h"

/* The names of a Gluster server's volumes, by the gluster tool (strings, g_free). `host` must have
 * passed host_name_check().
 * Errors: those of command_run_ok(); ERROR_OPERATION_FAILED with the server's text, which comes
 * inside an XML document with status 0; ERROR_XML_DETAIL for what is none. */
bool gluster_list_volumes(const char *host, Operation *op, GPtrArray *ret_names, GError **error);
