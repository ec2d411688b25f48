/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source-check.h"

#include "errors.h"

#include <string.h>

bool source_check_one_device(const PoolDef *pool, GError **error)
{
    if (pool->source.n_devices == 0)
        return error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE, "missing source device");
    if (pool->source.n_devices > 1)
        return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                         "expected exactly 1 device for the storage pool");
    return true;
}

bool source_check_one_host(const PoolDef *pool, GError **error)
{
    if (pool->source.n_hosts == 1)
        return true;
    return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                     "Expected exactly 1 host for the storage pool");
}

/* Host names, IPv4 and IPv6 addresses with a zone. */
#define HOST_CHARACTERS G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS ".-_:%"

bool host_name_check(const char *name, GError **error)
{
    if (*name && *name != '-' && name[strspn(name, HOST_CHARACTERS)] == '\0')
        return true;
    g_autofree char *shown = g_strescape(name, NULL);
    return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                     "'%.300s' is no host name or address", shown);
}

bool source_check_auth(const PoolDef *pool, AuthType type, const char *word, GError **error)
{
    if (pool->source.auth.type == AUTH_NONE || pool->source.auth.type == type)
        return true;
    return error_set(error, ERROR_XML, ORIGIN_STORAGE, "%s pool only supports '%s' auth type",
                     pool->schema->type, word);
}
