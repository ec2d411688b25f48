/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pool-def.h"

/* Rules of several types about how much of a source a usable pool has (for Backend.check). The
 * parser is laxer: it takes any number of what a type takes. */

/* Exactly one device. Errors: ERROR_INTERNAL "missing source device",
 * ERROR_CONFIG_UNSUPPORTED "expected exactly 1 device for the storage pool". */
bool source_check_one_device(const PoolDef *pool, GError **error);

/* Exactly one host. Errors: ERROR_CONFIG_UNSUPPORTED
 * "Expected exactly 1 host for the storage pool". */
bool source_check_one_host(const PoolDef *pool, GError **error);

/* A host name or address that programs can be given as an argument.
 * Errors: ERROR_INVALID_ARGUMENT for what looks like an option, or holds what no host name has. */
bool host_name_check(const char *name, GError **error);

/* No auth, or one of this type. Errors: ERROR_XML "<pool> pool only supports '<word>' auth type".
 */
bool source_check_auth(const PoolDef *pool, AuthType type, const char *word, GError **error);
