/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connection.h"

#include <stdlib.h>
#include <string.h>

/* ---- handles ---- */

CisternVolume *volume_handle_new(CisternConnection *connection, RpcVolume *id)
{
    CisternVolume *volume = g_new(CisternVolume, 1);
    volume->connection = connection_ref(connection);
    volume->id = *id;
    *id = (RpcVolume){0};
    return volume;
}

void cistern_volume_free(CisternVolume *volume)
{
    if (!volume)
        return;
    connection_unref(volume->connection);
    xdr_clear(&rpc_volume_type, &volume->id);
    g_free(volume);
}

const char *cistern_volume_name(CisternVolume *volume)
{
    return given(volume) ? volume->id.name : NULL;
}

const char *cistern_volume_key(CisternVolume *volume)
{
    return given(volume) ? volume->id.key : NULL;
}

const char *cistern_volume_pool_name(CisternVolume *volume)
{
    return given(volume) ? volume->id.pool : NULL;
}

/* ---- finding ---- */

static int compare_volumes(const void *a, const void *b)
{
    return strcmp((*(CisternVolume *const *)a)->id.name, (*(CisternVolume *const *)b)->id.name);
}

int cistern_list_volumes(CisternPool *pool, CisternVolume ***ret_volumes, unsigned int flags)
{
    RpcVolumeList list;
    if (!given(pool) || !given(ret_volumes))
        return -1;
    RpcListVolumes args = {.pool = pool->id, .need_results = 1, .flags = flags};
    if (!connection_call(pool->connection, REMOTE_STORAGE_POOL_LIST_ALL_VOLUMES, &args, &list))
        return -1;
    CisternVolume **volumes = g_new0(CisternVolume *, list.n_volumes + 1);
    for (guint32 i = 0; i < list.n_volumes; i++)
        volumes[i] = volume_handle_new(pool->connection, &list.volumes[i]);
    g_free(list.volumes);
    qsort(volumes, list.n_volumes, sizeof *volumes, compare_volumes);
    *ret_volumes = volumes;
    return (int)list.n_volumes;
}

CisternVolume *cistern_find_volume(CisternPool *pool, const char *name)
{
    if (!given(pool) || !given(name))
        return NULL;
    return call_for_volume(pool->connection, REMOTE_STORAGE_VOL_LOOKUP_BY_NAME,
                           &(RpcPoolName){pool->id, (char *)name});
}

CisternVolume *cistern_find_volume_by_key(CisternConnection *connection, const char *key)
{
    if (!given(connection) || !given(key))
        return NULL;
    return call_for_volume(connection, REMOTE_STORAGE_VOL_LOOKUP_BY_KEY, &(RpcText){(char *)key});
}

CisternVolume *cistern_find_volume_by_path(CisternConnection *connection, const char *path)
{
    if (!given(connection) || !given(path))
        return NULL;
    return call_for_volume(connection, REMOTE_STORAGE_VOL_LOOKUP_BY_PATH, &(RpcText){(char *)path});
}

/* ---- reading ---- */

/* Flags need a newer call; without them the one that every daemon has is enough. */
int cistern_volume_info(CisternVolume *volume, CisternVolumeInfo *ret_info, unsigned int flags)
{
    RpcVolumeInfo info;
    if (!given(volume) || !given(ret_info))
        return -1;
    RpcVolumeFlags args = {volume->id, flags};
    RemoteProcedure procedure =
        flags ? REMOTE_STORAGE_VOL_GET_INFO_FLAGS : REMOTE_STORAGE_VOL_GET_INFO;
    if (!connection_call(volume->connection, procedure, flags ? (void *)&args : &volume->id, &info))
        return -1;
    *ret_info = (CisternVolumeInfo){
        .type = (CisternVolumeType)info.type,
        .capacity = info.capacity,
        .allocation = info.allocation,
    };
    return 0;
}

char *cistern_volume_xml(CisternVolume *volume, unsigned int flags)
{
    if (!given(volume))
        return NULL;
    return call_for_text(volume->connection, REMOTE_STORAGE_VOL_GET_XML_DESC,
                         &(RpcVolumeFlags){volume->id, flags});
}

char *cistern_volume_path(CisternVolume *volume)
{
    if (!given(volume))
        return NULL;
    return call_for_text(volume->connection, REMOTE_STORAGE_VOL_GET_PATH, &volume->id);
}

/* ---- changing ---- */

CisternVolume *cistern_volume_create(CisternPool *pool, const char *xml, unsigned int flags)
{
    if (!given(pool) || !given(xml))
        return NULL;
    return call_for_volume(pool->connection, REMOTE_STORAGE_VOL_CREATE_XML,
                           &(RpcVolumeCreate){pool->id, (char *)xml, flags});
}

CisternVolume *cistern_volume_create_from(CisternPool *pool, const char *xml, CisternVolume *source,
                                          unsigned int flags)
{
    if (!given(pool) || !given(xml) || !given(source))
        return NULL;
    return call_for_volume(pool->connection, REMOTE_STORAGE_VOL_CREATE_XML_FROM,
                           &(RpcVolumeCreateFrom){pool->id, (char *)xml, source->id, flags});
}

int cistern_volume_delete(CisternVolume *volume, unsigned int flags)
{
    if (!given(volume))
        return -1;
    return call_for_nothing(volume->connection, REMOTE_STORAGE_VOL_DELETE,
                            &(RpcVolumeFlags){volume->id, flags});
}

int cistern_volume_resize(CisternVolume *volume, uint64_t capacity, unsigned int flags)
{
    if (!given(volume))
        return -1;
    return call_for_nothing(volume->connection, REMOTE_STORAGE_VOL_RESIZE,
                            &(RpcVolumeResize){volume->id, capacity, flags});
}

int cistern_volume_wipe(CisternVolume *volume, unsigned int algorithm, unsigned int flags)
{
    if (!given(volume))
        return -1;
    return call_for_nothing(volume->connection, REMOTE_STORAGE_VOL_WIPE_PATTERN,
                            &(RpcVolumeWipe){volume->id, algorithm, flags});
}
