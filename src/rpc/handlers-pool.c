/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"
#include "errors.h"

/* Pools. What reads answers on the loop, what changes something goes to a worker. */

static void fill_pool(Pool *pool, RpcPool *ret)
{
    ret->name = g_strdup(pool_name(pool));
    ret->uuid = *pool_uuid(pool);
}

/* Seconds that a stop has for storage that doesn't answer: its backend knows how to leave it. */
#define STOP_PATIENCE 60

/* ---- lists ---- */

/* References to the pools of the filter that the caller may see. */
static GPtrArray *visible_pools(Turn *turn, guint filter)
{
    GPtrArray *pools = engine_list_pools(turn_engine(turn), filter);
    GPtrArray *visible = g_ptr_array_new_with_free_func((GDestroyNotify)pool_unref);

    for (guint i = 0; i < pools->len; i++) {
        if (turn_may_list(turn, pools->pdata[i], NULL, NULL))
            g_ptr_array_add(visible, pool_ref(pools->pdata[i]));
    }
    g_ptr_array_unref(pools);
    return visible;
}

static bool check_max_names(gint32 max, GError **error)
{
    return (max >= 0 && max <= RPC_LIST_MAX) ||
           error_set(error, ERROR_RPC, ORIGIN_RPC,
                     "a list of %d names was asked for; 0 to %d are possible", max, RPC_LIST_MAX);
}

static bool on_count_pools(Turn *turn, const void *data, void *result, GError **error)
{
    g_autoptr(GPtrArray) pools = visible_pools(turn, turn->call->row->filter);

    ((RpcInt *)result)->value = (gint32)pools->len;
    return true;
}

static bool on_name_pools(Turn *turn, const void *data, void *result, GError **error)
{
    gint32 max = ((const RpcInt *)data)->value;
    RpcNames *names = result;

    if (!check_max_names(max, error))
        return false;
    g_autoptr(GPtrArray) pools = visible_pools(turn, turn->call->row->filter);
    guint32 count = MIN(pools->len, (guint32)max);
    names->names = g_new0(char *, count);
    for (; names->n_names < count; names->n_names++)
        names->names[names->n_names] = g_strdup(pool_name(pools->pdata[names->n_names]));
    return true;
}

static bool on_list_all(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcListPools *args = data;
    RpcPoolList *list = result;

    if (!error_check_flags(error, args->flags, POOL_LIST_ALL_FLAGS,
                           "storageConnectListAllStoragePools"))
        return false;
    g_autoptr(GPtrArray) pools = visible_pools(turn, args->flags);
    list->count = pools->len;
    if (!args->need_results)
        return true;
    list->pools = g_new0(RpcPool, pools->len);
    for (; list->n_pools < pools->len; list->n_pools++)
        fill_pool(pools->pdata[list->n_pools], &list->pools[list->n_pools]);
    return true;
}

/* ---- look-ups ---- */

/* Takes over the pool, which may be NULL with the error set. */
static bool give_pool(Turn *turn, Pool *found, RpcPool *ret, GError **error)
{
    g_autoptr(Pool) pool = found;

    if (!pool || !turn_check_access(turn, pool, NULL, NULL, error))
        return false;
    fill_pool(pool, ret);
    return true;
}

static bool on_lookup_by_name(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcText *args = data;

    return give_pool(turn, engine_find_pool_by_name(turn_engine(turn), args->text, error), result,
                     error);
}

static bool on_lookup_by_uuid(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcUuid *args = data;

    return give_pool(turn, engine_find_pool_by_uuid(turn_engine(turn), &args->uuid, NULL, error),
                     result, error);
}

/* By the volume's pool name alone: the volume need not exist. */
static bool on_lookup_by_volume(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcVolume *args = data;

    return give_pool(turn, engine_find_pool_by_name(turn_engine(turn), args->pool, error), result,
                     error);
}

static bool on_lookup_by_target_path(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcText *args = data;

    return give_pool(turn, engine_find_pool_by_target_path(turn_engine(turn), args->text, error),
                     result, error);
}

/* ---- reading ---- */

static bool on_get_info(Turn *turn, const void *data, void *result, GError **error)
{
    g_autoptr(Pool) pool = turn_find_pool(turn, data, error);
    PoolInfo info;

    if (!pool)
        return false;
    pool_get_info(pool, &info);
    *(RpcPoolInfo *)result = (RpcPoolInfo){
        .state = info.state,
        .capacity = info.space.capacity,
        .allocation = info.space.allocation,
        .available = info.space.available,
    };
    return true;
}

static bool on_get_xml(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcPoolFlags *args = data;
    const guint inactive = 1;

    if (!error_check_flags(error, args->flags, inactive, "storagePoolGetXMLDesc"))
        return false;
    g_autoptr(Pool) pool = turn_find_pool(turn, &args->pool, error);
    if (!pool)
        return false;
    ((RpcText *)result)->text = pool_format(pool, args->flags & inactive);
    return true;
}

static bool read_bool(Turn *turn, const RpcPool *handle, bool (*get)(Pool *), RpcInt *ret,
                      GError **error)
{
    g_autoptr(Pool) pool = turn_find_pool(turn, handle, error);

    if (!pool)
        return false;
    ret->value = get(pool);
    return true;
}

static bool on_get_autostart(Turn *turn, const void *data, void *result, GError **error)
{
    return read_bool(turn, data, pool_autostart, result, error);
}

static bool on_is_active(Turn *turn, const void *data, void *result, GError **error)
{
    return read_bool(turn, data, pool_is_active, result, error);
}

static bool on_is_persistent(Turn *turn, const void *data, void *result, GError **error)
{
    return read_bool(turn, data, pool_is_persistent, result, error);
}

/* ---- volumes of a pool ---- */

#define LIST_ON_LOOP 256 /* longer lists are made by a worker */

typedef struct VolumeLister {
    Turn *turn;
    Pool *pool;
    const char *target_path;
    guint64 count;          /* seen by the caller */
    guint64 max;            /* added at most */
    RpcVolumeList *volumes; /* one of these, or neither */
    RpcNames *names;
} VolumeLister;

static void add_volume(VolumeLister *lister, VolumeRecord *record, char *key)
{
    const char *name = volume_record_name(record);

    if (lister->volumes)
        lister->volumes->volumes[lister->volumes->n_volumes++] = (RpcVolume){
            .pool = g_strdup(pool_name(lister->pool)),
            .name = g_strdup(name),
            .key = g_strdup(key),
        };
    else if (lister->names)
        lister->names->names[lister->names->n_names++] = g_strdup(name);
}

static bool visit_volume(VolumeRecord *record, void *data)
{
    VolumeLister *lister = data;
    g_autofree char *key = volume_record_key(record, lister->target_path);

    if (!turn_may_list(lister->turn, lister->pool, volume_record_name(record), key))
        return true;
    if (lister->count++ < lister->max)
        add_volume(lister, record, key);
    return true;
}

static void list_volumes(VolumeLister *lister, const Inventory *inventory)
{
    g_autoptr(PoolDef) def = pool_definition(lister->pool);

    lister->target_path = def->target_path;
    inventory_foreach(inventory, NULL, visit_volume, lister);
}

/* How many the caller sees. Without an access driver that needs no look at each. */
static guint64 count_volumes(Turn *turn, Pool *pool, const Inventory *inventory)
{
    VolumeLister lister = {.turn = turn, .pool = pool};

    if (!turn_filters(turn))
        return inventory_count(inventory);
    list_volumes(&lister, inventory);
    return lister.count;
}

/* The wire's lists end at RPC_LIST_MAX, and clients take a shorter list for the whole. */
static bool check_count(Pool *pool, guint64 count, GError **error)
{
    return count <= RPC_LIST_MAX ||
           error_set(error, ERROR_RPC, ORIGIN_RPC,
                     "pool '%s' has %" G_GUINT64_FORMAT
                     " volumes, and one list holds %d at most: list them in pages, with `cistern "
                     "vol-list` or the call VOLUME_LIST_PAGE",
                     pool_name(pool), count, RPC_LIST_MAX);
}

static bool on_count_volumes(Turn *turn, const void *data, void *result, GError **error)
{
    g_autoptr(Pool) pool = turn_find_pool(turn, data, error);
    g_autoptr(Inventory) inventory = pool ? pool_inventory(pool, error) : NULL;

    if (!inventory)
        return false;
    if (turn_filters(turn) && turn->stage == TURN_ON_LOOP)
        return turn_defer(turn);
    ((RpcInt *)result)->value = (gint32)MIN(count_volumes(turn, pool, inventory), G_MAXINT32);
    return true;
}

static bool on_name_volumes(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcPoolInt *args = data;
    RpcNames *names = result;

    if (!check_max_names(args->value, error))
        return false;
    g_autoptr(Pool) pool = turn_find_pool(turn, &args->pool, error);
    g_autoptr(Inventory) inventory = pool ? pool_inventory(pool, error) : NULL;
    if (!inventory)
        return false;
    guint64 count = inventory_count(inventory);
    if (count > LIST_ON_LOOP && turn->stage == TURN_ON_LOOP)
        return turn_defer(turn);
    if (!check_count(pool, count_volumes(turn, pool, inventory), error))
        return false;
    VolumeLister lister = {.turn = turn, .pool = pool, .max = (guint64)args->value, .names = names};
    names->names = g_new0(char *, MIN(count, lister.max));
    list_volumes(&lister, inventory);
    return true;
}

static bool on_list_volumes(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcListVolumes *args = data;
    RpcVolumeList *list = result;

    if (!error_check_flags(error, args->flags, 0, "storagePoolListAllVolumes"))
        return false;
    g_autoptr(Pool) pool = turn_find_pool(turn, &args->pool, error);
    g_autoptr(Inventory) inventory = pool ? pool_inventory(pool, error) : NULL;
    if (!inventory)
        return false;
    guint64 count = inventory_count(inventory);
    if (count > LIST_ON_LOOP && turn->stage == TURN_ON_LOOP)
        return turn_defer(turn);
    list->count = (guint32)MIN(count_volumes(turn, pool, inventory), G_MAXUINT32);
    if (!args->need_results)
        return true;
    if (!check_count(pool, list->count, error))
        return false;
    VolumeLister lister = {.turn = turn, .pool = pool, .max = list->count, .volumes = list};
    list->volumes = g_new0(RpcVolume, list->count);
    list_volumes(&lister, inventory);
    return true;
}

/* ---- changing ---- */

static bool on_find_sources(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcFindSources *args = data;
    Request request = turn_request(turn);

    if (!error_check_flags(error, args->flags, 0, "storageConnectFindStoragePoolSources"))
        return false;
    ((RpcText *)result)->text =
        engine_discover_sources(turn_engine(turn), args->type, args->spec, &request, error);
    return ((RpcText *)result)->text != NULL;
}

static bool on_create_xml(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcTextFlags *args = data;
    Request request = turn_request(turn);

    /* Before the document is parsed: who may not do this at all can't make it do work. Whether it
     * may be done to the pool that the document names is asked by the engine (turn_request()). */
    if (!turn_check_access(turn, NULL, NULL, NULL, error))
        return false;
    g_autoptr(Pool) pool =
        engine_create_pool(turn_engine(turn), args->text, args->flags, &request, error);
    if (!pool)
        return false;
    fill_pool(pool, result);
    return true;
}

static bool on_define_xml(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcTextFlags *args = data;
    const guint validate = 1;
    Request request = turn_request(turn);

    if (!error_check_flags(error, args->flags, validate, "storagePoolDefineXML") ||
        !turn_check_access(turn, NULL, NULL, NULL, error))
        return false;
    g_autoptr(Pool) pool =
        engine_define_pool(turn_engine(turn), args->text, args->flags & validate, &request, error);
    if (!pool)
        return false;
    fill_pool(pool, result);
    return true;
}

typedef bool (*PoolAction)(Pool *pool, const Request *request, GError **error);
typedef bool (*PoolFlagsAction)(Pool *pool, guint flags, const Request *request, GError **error);

static bool act(Turn *turn, const RpcPool *handle, PoolAction action, GError **error)
{
    g_autoptr(Pool) pool = turn_find_pool(turn, handle, error);
    Request request = turn_request(turn);

    return pool && action(pool, &request, error);
}

static bool act_with_flags(Turn *turn, const RpcPoolFlags *args, PoolFlagsAction action,
                           GError **error)
{
    g_autoptr(Pool) pool = turn_find_pool(turn, &args->pool, error);
    Request request = turn_request(turn);

    return pool && action(pool, args->flags, &request, error);
}

static bool on_create(Turn *turn, const void *data, void *result, GError **error)
{
    return act_with_flags(turn, data, pool_start, error);
}

static bool on_build(Turn *turn, const void *data, void *result, GError **error)
{
    return act_with_flags(turn, data, pool_build, error);
}

static bool on_delete(Turn *turn, const void *data, void *result, GError **error)
{
    return act_with_flags(turn, data, pool_erase, error);
}

static bool on_destroy(Turn *turn, const void *data, void *result, GError **error)
{
    return act(turn, data, pool_stop, error);
}

static bool on_undefine(Turn *turn, const void *data, void *result, GError **error)
{
    return act(turn, data, pool_undefine, error);
}

static bool on_refresh(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcPoolFlags *args = data;

    return error_check_flags(error, args->flags, 0, "storagePoolRefresh") &&
           act(turn, &args->pool, pool_refresh, error);
}

static bool on_set_autostart(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcPoolInt *args = data;
    g_autoptr(Pool) pool = turn_find_pool(turn, &args->pool, error);

    return pool && pool_set_autostart(pool, args->value != 0, error);
}

static const HandlerRow pool_rows[] = {
    {REMOTE_CONNECT_NUM_OF_STORAGE_POOLS, on_count_pools, ON_LOOP, DEADLINE_NONE, POOL_LIST_ACTIVE},
    {REMOTE_CONNECT_LIST_STORAGE_POOLS, on_name_pools, ON_LOOP, DEADLINE_NONE, POOL_LIST_ACTIVE},
    {REMOTE_CONNECT_NUM_OF_DEFINED_STORAGE_POOLS, on_count_pools, ON_LOOP, DEADLINE_NONE,
     POOL_LIST_INACTIVE},
    {REMOTE_CONNECT_LIST_DEFINED_STORAGE_POOLS, on_name_pools, ON_LOOP, DEADLINE_NONE,
     POOL_LIST_INACTIVE},
    {REMOTE_CONNECT_LIST_ALL_STORAGE_POOLS, on_list_all, ON_LOOP, DEADLINE_NONE},
    {REMOTE_STORAGE_POOL_LOOKUP_BY_NAME, on_lookup_by_name, ON_LOOP, DEADLINE_NONE},
    {REMOTE_STORAGE_POOL_LOOKUP_BY_UUID, on_lookup_by_uuid, ON_LOOP, DEADLINE_NONE},
    {REMOTE_STORAGE_POOL_LOOKUP_BY_VOLUME, on_lookup_by_volume, ON_LOOP, DEADLINE_NONE},
    {REMOTE_STORAGE_POOL_LOOKUP_BY_TARGET_PATH, on_lookup_by_target_path, ON_LOOP, DEADLINE_NONE},
    {REMOTE_STORAGE_POOL_GET_INFO, on_get_info, ON_LOOP, DEADLINE_NONE},
    {REMOTE_STORAGE_POOL_GET_XML_DESC, on_get_xml, ON_LOOP, DEADLINE_NONE},
    {REMOTE_STORAGE_POOL_GET_AUTOSTART, on_get_autostart, ON_LOOP, DEADLINE_NONE},
    {REMOTE_STORAGE_POOL_IS_ACTIVE, on_is_active, ON_LOOP, DEADLINE_NONE},
    {REMOTE_STORAGE_POOL_IS_PERSISTENT, on_is_persistent, ON_LOOP, DEADLINE_NONE},
    {REMOTE_STORAGE_POOL_NUM_OF_VOLUMES, on_count_volumes, LOOP_THEN_MEMORY, DEADLINE_NONE},
    {REMOTE_STORAGE_POOL_LIST_VOLUMES, on_name_volumes, LOOP_THEN_MEMORY, DEADLINE_NONE},
    {REMOTE_STORAGE_POOL_LIST_ALL_VOLUMES, on_list_volumes, LOOP_THEN_MEMORY, DEADLINE_NONE},
    {REMOTE_CONNECT_FIND_STORAGE_POOL_SOURCES, on_find_sources, ON_WORKER, DEADLINE_CHANGE},
    {REMOTE_STORAGE_POOL_CREATE_XML, on_create_xml, ON_WORKER, DEADLINE_CHANGE},
    {REMOTE_STORAGE_POOL_DEFINE_XML, on_define_xml, ON_CONTROL, DEADLINE_CHANGE},
    {REMOTE_STORAGE_POOL_CREATE, on_create, ON_WORKER, DEADLINE_CHANGE},
    {REMOTE_STORAGE_POOL_BUILD, on_build, ON_WORKER, DEADLINE_CHANGE},
    {REMOTE_STORAGE_POOL_DESTROY, on_destroy, ON_CONTROL, DEADLINE_CHANGE,
     .patience = STOP_PATIENCE},
    {REMOTE_STORAGE_POOL_DELETE, on_delete, ON_WORKER, DEADLINE_CHANGE},
    {REMOTE_STORAGE_POOL_UNDEFINE, on_undefine, ON_CONTROL, DEADLINE_CHANGE},
    {REMOTE_STORAGE_POOL_REFRESH, on_refresh, ON_WORKER, DEADLINE_CHANGE},
    {REMOTE_STORAGE_POOL_SET_AUTOSTART, on_set_autostart, ON_CONTROL, DEADLINE_CHANGE},
};

const HandlerTable pool_handlers = {pool_rows, G_N_ELEMENTS(pool_rows)};
