/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lookup.h"

#include <string.h>

static bool not_found(void)
{
    int code = cistern_last_error()->code;
    return code == CISTERN_ERROR_NO_POOL || code == CISTERN_ERROR_NO_VOLUME;
}

CisternPool *lookup_pool(const Call *call, const char *name_or_uuid)
{
    if (g_uuid_string_is_valid(name_or_uuid)) {
        CisternPool *pool = cistern_find_pool_by_uuid(call->connection, name_or_uuid);
        if (pool || !not_found())
            return pool;
    }
    return cistern_find_pool(call->connection, name_or_uuid);
}

CisternPool *lookup_call_pool(const Call *call)
{
    return lookup_pool(call, call_text(call, "pool"));
}

static CisternVolume *volume_anywhere(const Call *call, const char *text)
{
    CisternVolume *volume = cistern_find_volume_by_key(call->connection, text);
    if (volume || !not_found())
        return volume;
    return cistern_find_volume_by_path(call->connection, text);
}

CisternVolume *lookup_volume(const Call *call, CisternPool *pool, const char *text)
{
    if (!pool)
        return volume_anywhere(call, text);
    CisternVolume *volume = cistern_find_volume(pool, text);
    if (volume || !not_found())
        return volume;
    volume = volume_anywhere(call, text);
    if (volume && strcmp(cistern_volume_pool_name(volume), cistern_pool_name(pool)) == 0)
        return volume;
    cistern_volume_free(volume);
    return cistern_find_volume(pool, text); /* its error names what was asked for */
}

CisternVolume *lookup_call_volume(const Call *call)
{
    const char *pool_text = call_text(call, "pool");
    g_autoptr(CisternPool) pool = pool_text ? lookup_pool(call, pool_text) : NULL;
    if (pool_text && !pool)
        return NULL;
    return lookup_volume(call, pool, call_text(call, "vol"));
}
