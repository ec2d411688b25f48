/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transport.h"
#include "uri.h"

/* The way to a daemon on another host, handshake done. NULL on failure.
 * Errors: ERROR_SYSTEM, ERROR_AUTH_FAILED, ERROR_CONFIG_UNSUPPORTED. */
Transport *remote_connect(const Uri *uri, bool read_only, GError **error);

/* The argument vector of ssh: what the far side's shell sees is quoted. Free with g_strfreev(). */
char **remote_ssh_arguments(const Uri *uri, bool read_only);
