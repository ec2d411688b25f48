/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connection.h"

#include <stdlib.h>
#include <string.h>

/* ---- handles ---- */

CisternPool *pool_handle_new(CisternConnection *connection, RpcPool *id)
{
    CisternPool *pool = g_new(CisternPool, 1);
    pool->connection = connection_ref(connection);
    pool->id = *id;
    uuid_format(&id->uuid, pool->uuid);
    *id = (RpcPool){0};
    return pool;
}

void cistern_pool_free(CisternPool *pool)
{
    if (!pool)
        return;
    connection_unref(pool->connection);
    g_free(pool->id.name);
    g_free(pool);
}

const char *cistern_pool_name(CisternPool *pool)
{
    return given(pool) ? pool->id.name : NULL;
}

const char *cistern_pool_uuid(CisternPool *pool)
{
    return given(pool) ? pool->uuid : NULL;
}

/* ---- finding ---- */

static int compare_pools(const void *a, const void *b)
{
    return strcmp((*(CisternPool *const *)a)->id.name, (*(CisternPool *const *)b)->id.name);
}

int cistern_list_pools(CisternConnection *connection, CisternPool ***ret_pools, unsigned int flags)
{
    RpcPoolList list;
    RpcListPools args = {.need_results = 1, .flags = flags};
    if (!given(connection) || !given(ret_pools) ||
        !connection_call(connection, REMOTE_CONNECT_LIST_ALL_STORAGE_POOLS, &args, &list))
        return -1;
    CisternPool **pools = g_new0(CisternPool *, list.n_pools + 1);
    for (guint32 i = 0; i < list.n_pools; i++)
        pools[i] = pool_handle_new(connection, &list.pools[i]);
    g_free(list.pools);
    qsort(pools, list.n_pools, sizeof *pools, compare_pools);
    *ret_pools = pools;
    return (int)list.n_pools;
}

CisternPool *cistern_find_pool(CisternConnection *connection, const char *name)
{
    if (!given(connection) || !given(name))
        return NULL;
    return call_for_pool(connection, REMOTE_STORAGE_POOL_LOOKUP_BY_NAME, &(RpcText){(char *)name});
}

CisternPool *cistern_find_pool_by_uuid(CisternConnection *connection, const char *uuid)
{
    RpcUuid args;
    if (!given(connection) || !given(uuid))
        return NULL;
    if (uuid_parse(uuid, &args.uuid))
        return call_for_pool(connection, REMOTE_STORAGE_POOL_LOOKUP_BY_UUID, &args);
    GError *error = NULL;
    error_set(&error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
              "'%s' is not a UUID (32 hex digits, with or without dashes)", uuid);
    last_error_take(error);
    return NULL;
}

CisternPool *cistern_find_pool_by_target_path(CisternConnection *connection, const char *path)
{
    if (!given(connection) || !given(path))
        return NULL;
    return call_for_pool(connection, REMOTE_STORAGE_POOL_LOOKUP_BY_TARGET_PATH,
                         &(RpcText){(char *)path});
}

CisternPool *cistern_find_pool_of_volume(CisternVolume *volume)
{
    if (!given(volume))
        return NULL;
    return call_for_pool(volume->connection, REMOTE_STORAGE_POOL_LOOKUP_BY_VOLUME, &volume->id);
}

char *cistern_discover_sources(CisternConnection *connection, const char *type, const char *spec,
                               unsigned int flags)
{
    RpcFindSources args = {(char *)type, (char *)spec, flags};
    if (!given(connection) || !given(type))
        return NULL;
    return call_for_text(connection, REMOTE_CONNECT_FIND_STORAGE_POOL_SOURCES, &args);
}

/* ---- reading ---- */

int cistern_pool_info(CisternPool *pool, CisternPoolInfo *ret_info)
{
    RpcPoolInfo info;
    if (!given(pool) || !given(ret_info) ||
        !connection_call(pool->connection, REMOTE_STORAGE_POOL_GET_INFO, &pool->id, &info))
        return -1;
    *ret_info = (CisternPoolInfo){
        .state = (CisternPoolState)info.state,
        .capacity = info.capacity,
        .allocation = info.allocation,
        .available = info.available,
    };
    return 0;
}

static int ask_pool(CisternPool *pool, RemoteProcedure procedure)
{
    return given(pool) ? call_for_int(pool->connection, procedure, &pool->id) : -1;
}

int cistern_pool_is_active(CisternPool *pool)
{
    return ask_pool(pool, REMOTE_STORAGE_POOL_IS_ACTIVE);
}

int cistern_pool_is_persistent(CisternPool *pool)
{
    return ask_pool(pool, REMOTE_STORAGE_POOL_IS_PERSISTENT);
}

int cistern_pool_autostart(CisternPool *pool)
{
    return ask_pool(pool, REMOTE_STORAGE_POOL_GET_AUTOSTART);
}

int cistern_pool_volume_count(CisternPool *pool)
{
    return ask_pool(pool, REMOTE_STORAGE_POOL_NUM_OF_VOLUMES);
}

char *cistern_pool_xml(CisternPool *pool, unsigned int flags)
{
    if (!given(pool))
        return NULL;
    return call_for_text(pool->connection, REMOTE_STORAGE_POOL_GET_XML_DESC,
                         &(RpcPoolFlags){pool->id, flags});
}

/* ---- changing ---- */

CisternPool *cistern_pool_define(CisternConnection *connection, const char *xml, unsigned int flags)
{
    if (!given(connection) || !given(xml))
        return NULL;
    return call_for_pool(connection, REMOTE_STORAGE_POOL_DEFINE_XML,
                         &(RpcTextFlags){(char *)xml, flags});
}

CisternPool *cistern_pool_create(CisternConnection *connection, const char *xml, unsigned int flags)
{
    if (!given(connection) || !given(xml))
        return NULL;
    return call_for_pool(connection, REMOTE_STORAGE_POOL_CREATE_XML,
                         &(RpcTextFlags){(char *)xml, flags});
}

static int change_pool(CisternPool *pool, RemoteProcedure procedure)
{
    return given(pool) ? call_for_nothing(pool->connection, procedure, &pool->id) : -1;
}

static int change_pool_with_flags(CisternPool *pool, RemoteProcedure procedure, unsigned int flags)
{
    if (!given(pool))
        return -1;
    return call_for_nothing(pool->connection, procedure, &(RpcPoolFlags){pool->id, flags});
}

int cistern_pool_start(CisternPool *pool, unsigned int flags)
{
    return change_pool_with_flags(pool, REMOTE_STORAGE_POOL_CREATE, flags);
}

int cistern_pool_build(CisternPool *pool, unsigned int flags)
{
    return change_pool_with_flags(pool, REMOTE_STORAGE_POOL_BUILD, flags);
}

int cistern_pool_stop(CisternPool *pool)
{
    return change_pool(pool, REMOTE_STORAGE_POOL_DESTROY);
}

int cistern_pool_undefine(CisternPool *pool)
{
    return change_pool(pool, REMOTE_STORAGE_POOL_UNDEFINE);
}

int cistern_pool_erase(CisternPool *pool, unsigned int flags)
{
    return change_pool_with_flags(pool, REMOTE_STORAGE_POOL_DELETE, flags);
}

int cistern_pool_refresh(CisternPool *pool, unsigned int flags)
{
    return change_pool_with_flags(pool, REMOTE_STORAGE_POOL_REFRESH, flags);
}

int cistern_pool_set_autostart(CisternPool *pool, int autostart)
{
    if (!given(pool))
        return -1;
    return call_for_nothing(pool->connection, REMOTE_STORAGE_POOL_SET_AUTOSTART,
                            &(RpcPoolInt){pool->id, autostart != 0});
}
