/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"
#include "errors.h"
#include "stream.h"

/* Volumes. Only what the snapshot holds is answered on the loop. */

/* Takes over the record, which may be NULL with the error set. */
static bool give_volume(Pool *pool, VolumeRecord *found, RpcVolume *ret)
{
    g_autoptr(VolumeRecord) record = found;

    if (!record)
        return false;
    g_autoptr(PoolDef) def = pool_definition(pool);
    *ret = (RpcVolume){
        .pool = g_strdup(pool_name(pool)),
        .name = g_strdup(volume_record_name(record)),
        .key = volume_record_key(record, def->target_path),
    };
    return true;
}

/* ---- look-ups ---- */

/* In the snapshot; if it isn't there and this is the loop, the turn is deferred. */
static VolumeRecord *find_volume(Turn *turn, Pool *pool, const char *name, GError **error)
{
    VolumeRecord *record = pool_peek_volume(pool, name);
    Request request = turn_request(turn);

    if (record)
        return record;
    if (turn->stage == TURN_ON_WORKER)
        return pool_find_volume(pool, name, &request, error);
    turn_defer(turn);
    return NULL;
}

static bool on_lookup_by_name(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcPoolName *args = data;
    g_autoptr(Pool) pool =
        engine_find_pool_by_uuid(turn_engine(turn), &args->pool.uuid, args->pool.name, error);
    RpcVolume *ret = result;

    return pool && give_volume(pool, find_volume(turn, pool, args->name, error), ret) &&
           turn_check_access(turn, pool, ret->name, ret->key, error);
}

typedef VolumeRecord *(*EngineSearch)(Engine *engine, const char *text, Pool **ret_pool,
                                      const Request *request, GError **error);

typedef VolumeRecord *(*EnginePeek)(Engine *engine, const char *text, Pool **ret_pool,
                                    GError **error);

static bool search(Turn *turn, const RpcText *args, EnginePeek peek, EngineSearch find,
                   RpcVolume *ret, GError **error)
{
    g_autoptr(Pool) pool = NULL;
    Request request = turn_request(turn);
    VolumeRecord *record = turn->stage == TURN_ON_WORKER
                               ? find(turn_engine(turn), args->text, &pool, &request, error)
                               : peek(turn_engine(turn), args->text, &pool, error);

    if (!record && pool)
        return turn_defer_to(turn, pool);
    return give_volume(pool, record, ret) &&
           turn_check_access(turn, pool, ret->name, ret->key, error);
}

static bool on_lookup_by_key(Turn *turn, const void *data, void *result, GError **error)
{
    return search(turn, data, engine_peek_volume_by_key, engine_find_volume_by_key, result, error);
}

static bool on_lookup_by_path(Turn *turn, const void *data, void *result, GError **error)
{
    return search(turn, data, engine_peek_volume_by_path, engine_find_volume_by_path, result,
                  error);
}

static bool on_get_path(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcVolume *args = data;
    g_autoptr(Pool) pool = turn_find_volume_pool(turn, args, error);
    g_autoptr(VolumeRecord) record =
        pool && !turn->deferred ? find_volume(turn, pool, args->name, error) : NULL;

    if (!record)
        return false;
    g_autoptr(PoolDef) def = pool_definition(pool);
    ((RpcText *)result)->text = volume_record_path(record, def->target_path);
    return true;
}

/* ---- reading ---- */

/* The volume as it is now or, when the storage has not answered in time, as it last was. */
static VolumeDef *read_volume(Turn *turn, Pool *pool, const char *name, GError **error)
{
    Request request = turn_request(turn);

    if (turn->stage == TURN_LATE)
        return volume_last_known(pool, name, error);
    return volume_read(pool, name, &request, error);
}

static bool give_info(Turn *turn, const RpcVolume *handle, bool physical, RpcVolumeInfo *ret,
                      GError **error)
{
    g_autoptr(Pool) pool = turn_find_volume_pool(turn, handle, error);
    g_autoptr(VolumeDef) volume = pool ? read_volume(turn, pool, handle->name, error) : NULL;

    if (!volume)
        return false;
    *ret = (RpcVolumeInfo){
        .type = (gint32)volume->type,
        .capacity = volume->capacity,
        .allocation = physical ? volume->physical : volume->allocation,
    };
    return true;
}

static bool on_get_info(Turn *turn, const void *data, void *result, GError **error)
{
    return give_info(turn, data, false, result, error);
}

static bool on_get_info_flags(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcVolumeFlags *args = data;
    const guint physical = 1;

    return error_check_flags(error, args->flags, physical, "storageVolGetInfoFlags") &&
           give_info(turn, &args->volume, args->flags & physical, result, error);
}

static bool on_get_xml(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcVolumeFlags *args = data;

    if (!error_check_flags(error, args->flags, 0, "storageVolGetXMLDesc"))
        return false;
    g_autoptr(Pool) pool = turn_find_volume_pool(turn, &args->volume, error);
    g_autoptr(VolumeDef) volume = pool ? read_volume(turn, pool, args->volume.name, error) : NULL;
    if (!volume)
        return false;
    g_autoptr(PoolDef) def = pool_definition(pool);
    ((RpcText *)result)->text = volume_def_format(volume, def->schema);
    return true;
}

/* ---- changing ---- */

/* The volume that a handle was given for may be gone, and another have its name. */
static bool check_handle(Pool *pool, const RpcVolume *handle, GError **error)
{
    g_autoptr(VolumeRecord) record = pool_peek_volume(pool, handle->name);

    if (!record || !*handle->key)
        return true;
    g_autoptr(PoolDef) def = pool_definition(pool);
    g_autofree char *key = volume_record_key(record, def->target_path);
    return g_str_equal(key, handle->key) ||
           error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "volume '%s' is another volume now: look it up again", handle->name);
}

static bool on_create_xml(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcVolumeCreate *args = data;
    g_autoptr(Pool) pool = turn_find_pool(turn, &args->pool, error);
    Request request = turn_request(turn);

    return pool &&
           give_volume(pool, volume_create(pool, args->xml, args->flags, &request, error), result);
}

static bool on_create_xml_from(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcVolumeCreateFrom *args = data;
    g_autoptr(Pool) pool = turn_find_pool(turn, &args->pool, error);
    g_autoptr(Pool) source = pool ? turn_find_source_pool(turn, &args->source, error) : NULL;
    Request request = turn_request(turn);

    return source && check_handle(source, &args->source, error) &&
           give_volume(pool,
                       volume_create_from(pool, args->xml, source, args->source.name, args->flags,
                                          &request, error),
                       result);
}

static bool on_delete(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcVolumeFlags *args = data;
    g_autoptr(Pool) pool = turn_find_volume_pool(turn, &args->volume, error);
    Request request = turn_request(turn);

    return pool && check_handle(pool, &args->volume, error) &&
           volume_delete(pool, args->volume.name, args->flags, &request, error);
}

static bool check_capacity(const RpcVolumeResize *args, GError **error)
{
    return args->capacity > 0 || (args->flags & (VOLUME_RESIZE_DELTA | VOLUME_RESIZE_SHRINK)) ||
           error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                     "capacity in virStorageVolResize must not be zero");
}

static bool on_resize(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcVolumeResize *args = data;

    if (!check_capacity(args, error))
        return false;
    g_autoptr(Pool) pool = turn_find_volume_pool(turn, &args->volume, error);
    Request request = turn_request(turn);
    return pool && check_handle(pool, &args->volume, error) &&
           volume_resize(pool, args->volume.name, args->capacity, args->flags, &request, error);
}

static bool wipe(Turn *turn, const RpcVolume *handle, guint algorithm, guint flags, GError **error)
{
    if (!error_check_flags(error, flags, 0, "storageVolWipePattern"))
        return false;
    g_autoptr(Pool) pool = turn_find_volume_pool(turn, handle, error);
    Request request = turn_request(turn);
    return pool && check_handle(pool, handle, error) &&
           volume_wipe(pool, handle->name, algorithm, &request, error);
}

static bool on_wipe(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcVolumeFlags *args = data;

    return wipe(turn, &args->volume, WIPE_ZERO, args->flags, error);
}

static bool on_wipe_pattern(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcVolumeWipe *args = data;

    return wipe(turn, &args->volume, args->algorithm, args->flags, error);
}

/* ---- streams ---- */

static bool open_stream(Turn *turn, const RpcVolumeStream *args, VolumeAccess access,
                        GError **error)
{
    g_autoptr(Pool) pool = turn_find_volume_pool(turn, &args->volume, error);
    const StreamRange range = {args->offset, args->length};
    Request request = turn_request(turn);
    bool right = pool && check_handle(pool, &args->volume, error);
    VolumeStream *volume = right ? volume_stream_open(pool, args->volume.name, access, &range,
                                                      args->flags, &request, error)
                                 : NULL;

    if (!volume)
        return false;
    turn->call->stream = stream_new(turn->call, pool, volume, access);
    if (access == VOLUME_READ)
        stream_read_ahead(turn->call->stream);
    return true;
}

static bool on_upload(Turn *turn, const void *data, void *result, GError **error)
{
    return open_stream(turn, data, VOLUME_WRITE, error);
}

static bool on_download(Turn *turn, const void *data, void *result, GError **error)
{
    return open_stream(turn, data, VOLUME_READ, error);
}

static const HandlerRow volume_rows[] = {
    {REMOTE_STORAGE_VOL_LOOKUP_BY_NAME, on_lookup_by_name, LOOP_THEN_WORKER, DEADLINE_LOOKUP},
    {REMOTE_STORAGE_VOL_LOOKUP_BY_KEY, on_lookup_by_key, LOOP_THEN_WORKER, DEADLINE_LOOKUP},
    {REMOTE_STORAGE_VOL_LOOKUP_BY_PATH, on_lookup_by_path, LOOP_THEN_WORKER, DEADLINE_LOOKUP},
    {REMOTE_STORAGE_VOL_GET_PATH, on_get_path, LOOP_THEN_WORKER, DEADLINE_LOOKUP},
    {REMOTE_STORAGE_VOL_GET_INFO, on_get_info, ON_WORKER, DEADLINE_LATE},
    {REMOTE_STORAGE_VOL_GET_INFO_FLAGS, on_get_info_flags, ON_WORKER, DEADLINE_LATE},
    {REMOTE_STORAGE_VOL_GET_XML_DESC, on_get_xml, ON_WORKER, DEADLINE_LATE},
    {REMOTE_STORAGE_VOL_CREATE_XML, on_create_xml, ON_WORKER, DEADLINE_CHANGE},
    {REMOTE_STORAGE_VOL_CREATE_XML_FROM, on_create_xml_from, ON_WORKER, DEADLINE_CHANGE},
    {REMOTE_STORAGE_VOL_DELETE, on_delete, ON_WORKER, DEADLINE_CHANGE},
    {REMOTE_STORAGE_VOL_RESIZE, on_resize, ON_WORKER, DEADLINE_CHANGE},
    {REMOTE_STORAGE_VOL_WIPE, on_wipe, ON_WORKER, DEADLINE_CHANGE},
    {REMOTE_STORAGE_VOL_WIPE_PATTERN, on_wipe_pattern, ON_WORKER, DEADLINE_CHANGE},
    {REMOTE_STORAGE_VOL_UPLOAD, on_upload, ON_WORKER, DEADLINE_CHANGE},
    {REMOTE_STORAGE_VOL_DOWNLOAD, on_download, ON_WORKER, DEADLINE_CHANGE},
};

const HandlerTable volume_handlers = {volume_rows, G_N_ELEMENTS(volume_rows)};
