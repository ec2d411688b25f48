/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lease-private.h"
#include "pool-private.h"

#include "path.h"

#include <string.h>

void pool_list_init(Engine *engine)
{
    engine->by_name =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)pool_unref);
    engine->by_uuid = g_hash_table_new(uuid_hash, uuid_equal_func);
    g_queue_init(&engine->candidates);
}

void pool_list_clear(Engine *engine)
{
    g_hash_table_unref(engine->by_uuid);
    g_hash_table_unref(engine->by_name);
}

/* ---- finding ---- */

bool pool_not_found_by_uuid(const Uuid *uuid, const char *name, GError **error)
{
    char text[UUID_STRING_SIZE];

    uuid_format(uuid, text);
    if (!name)
        return error_set(error, ERROR_NO_POOL, ORIGIN_STORAGE,
                         "no storage pool with matching uuid '%s'", text);
    return error_set(error, ERROR_NO_POOL, ORIGIN_STORAGE,
                     "no storage pool with matching uuid '%s' (%s)", text, name);
}

/* A new reference unless the pool is gone or NULL. Call with the lock held. */
static Pool *ref_if_there(Pool *pool)
{
    return pool && pool_phase(pool) != PHASE_GONE ? pool_ref(pool) : NULL;
}

Pool *engine_find_pool_by_name(Engine *engine, const char *name, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&engine->lock);
    Pool *pool = ref_if_there(g_hash_table_lookup(engine->by_name, name));

    if (!pool)
        error_set(error, ERROR_NO_POOL, ORIGIN_STORAGE, "no storage pool with matching name '%s'",
                  name);
    return pool;
}

Pool *engine_find_pool_by_uuid(Engine *engine, const Uuid *uuid, const char *name_hint,
                               GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&engine->lock);
    Pool *pool = ref_if_there(g_hash_table_lookup(engine->by_uuid, uuid));

    if (!pool)
        pool_not_found_by_uuid(uuid, name_hint, error);
    return pool;
}

static Pool *find_target(GPtrArray *pools, const char *path)
{
    for (guint i = 0; i < pools->len; i++) {
        g_autoptr(PoolDef) def = pool_definition(pools->pdata[i]);
        if (g_strcmp0(def->target_path, path) == 0)
            return pool_ref(pools->pdata[i]);
    }
    return NULL;
}

Pool *engine_find_pool_by_target_path(Engine *engine, const char *path, GError **error)
{
    g_autofree char *clean = path_clean(path);
    g_autoptr(GPtrArray) pools = engine_active_pools(engine);
    Pool *pool = find_target(pools, clean);

    if (pool)
        return pool;
    if (g_str_equal(path, clean))
        error_set(error, ERROR_NO_POOL, ORIGIN_STORAGE,
                  "no storage pool with matching target path '%s'", path);
    else
        error_set(error, ERROR_NO_POOL, ORIGIN_STORAGE,
                  "no storage pool with matching target path '%s' (%s)", path, clean);
    return NULL;
}

/* ---- listing ---- */

typedef bool (*PoolFilter)(const Pool *pool, guint filter);

/* Of a pair of bits: does the pool pass, being the first or the second? */
static bool passes_pair(guint filter, bool is_first, guint first, guint second)
{
    return !(filter & (first | second)) || (filter & (is_first ? first : second));
}

static bool passes(const Pool *pool, guint filter)
{
    const guint types =
        POOL_LIST_ALL_FLAGS &
        ~(guint)(POOL_LIST_INACTIVE | POOL_LIST_ACTIVE | POOL_LIST_PERSISTENT |
                 POOL_LIST_TRANSIENT | POOL_LIST_AUTOSTART | POOL_LIST_NO_AUTOSTART);

    return pool_phase(pool) != PHASE_GONE &&
           passes_pair(filter, pool_is_up(pool), POOL_LIST_ACTIVE, POOL_LIST_INACTIVE) &&
           passes_pair(filter, pool->persistent, POOL_LIST_PERSISTENT, POOL_LIST_TRANSIENT) &&
           passes_pair(filter, pool->autostart, POOL_LIST_AUTOSTART, POOL_LIST_NO_AUTOSTART) &&
           (!(filter & types) || (filter & types & pool->def->schema->list_flag));
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp((*(Pool *const *)a)->name, (*(Pool *const *)b)->name);
}

static void collect(Engine *engine, guint filter, GPtrArray *ret)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&engine->lock);
    GHashTableIter iter;
    gpointer pool;

    g_hash_table_iter_init(&iter, engine->by_name);
    while (g_hash_table_iter_next(&iter, NULL, &pool))
        if (passes(pool, filter))
            g_ptr_array_add(ret, pool_ref(pool));
}

GPtrArray *engine_list_pools(Engine *engine, guint filter)
{
    GPtrArray *pools = g_ptr_array_new_with_free_func((GDestroyNotify)pool_unref);

    collect(engine, filter, pools);
    g_ptr_array_sort(pools, compare_names);
    return pools;
}

GPtrArray *engine_active_pools(Engine *engine)
{
    return engine_list_pools(engine, POOL_LIST_ACTIVE);
}

/* ---- claiming ---- */

/* The definitions that a new one must not share its source with: those of all other pools, and
 * those that are being made and came earlier. Elements are references. */
static GPtrArray *enter_candidate(Engine *engine, PoolDef *def)
{
    GPtrArray *others = g_ptr_array_new_with_free_func((GDestroyNotify)pool_def_unref);
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&engine->lock);
    GHashTableIter iter;
    gpointer pool;

    g_hash_table_iter_init(&iter, engine->by_name);
    while (g_hash_table_iter_next(&iter, NULL, &pool))
        if (pool_phase(pool) != PHASE_GONE)
            g_ptr_array_add(others, pool_def_ref(((Pool *)pool)->def));
    for (GList *l = engine->candidates.head; l; l = l->next)
        g_ptr_array_add(others, pool_def_ref(l->data));
    g_queue_push_tail(&engine->candidates, def);
    return others;
}

static void leave_candidate(Engine *engine, PoolDef *def)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&engine->lock);

    g_queue_remove(&engine->candidates, def);
}

static bool shares_source(Engine *engine, const PoolDef *added, const PoolDef *existing)
{
    const Backend *a = engine_backend(engine, added->schema);
    const Backend *b = engine_backend(engine, existing->schema);

    return a->same_source && a->same_source == b->same_source &&
           !g_str_equal(added->name, existing->name) && a->same_source(added, existing);
}

static bool refuse_source(const PoolDef *other, const Request *request, GError **error)
{
    if (request && request->judge)
        return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                         "Storage source conflict with another pool");
    return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                     "Storage source conflict with pool: '%s'", other->name);
}

static bool check_source(Engine *engine, const PoolDef *def, GPtrArray *others,
                         const Request *request, GError **error)
{
    for (guint i = 0; i < others->len; i++)
        if (shares_source(engine, def, others->pdata[i]))
            return refuse_source(others->pdata[i], request, error);
    return true;
}

static bool check_name(Engine *engine, const PoolDef *def, GError **error)
{
    Pool *same_uuid = g_hash_table_lookup(engine->by_uuid, &def->uuid);
    Pool *same_name = g_hash_table_lookup(engine->by_name, def->name);
    char text[UUID_STRING_SIZE];

    if (same_uuid && !g_str_equal(same_uuid->name, def->name))
        return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                         "pool '%s' is already defined with uuid %s", same_uuid->name,
                         uuid_format(&def->uuid, text));
    if (same_name && !same_uuid)
        return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                         "pool '%s' already exists with uuid %s", def->name,
                         uuid_format(&same_name->uuid, text));
    return true;
}

static Pool *find_or_add(Engine *engine, PoolDef *def)
{
    Pool *pool = g_hash_table_lookup(engine->by_name, def->name);

    if (pool)
        return pool;
    pool = pool_new(engine, def);
    g_hash_table_insert(engine->by_name, pool->name, pool);
    g_hash_table_insert(engine->by_uuid, &pool->uuid, pool);
    return pool;
}

static Pool *claim_pool(Engine *engine, PoolDef *def, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&engine->lock);

    if (!check_name(engine, def, error))
        return NULL;
    Pool *pool = find_or_add(engine, def);
    pool->claims++;
    return pool_ref(pool);
}

/* ---- who may claim ---- */

static bool judge_pool(const char *name, const Uuid *uuid, const Request *request, GError **error)
{
    const Subject subject = {.pool_name = name, .pool_uuid = uuid};

    return request_check(request, &subject, error);
}

/* A pool that has one of the document's name and uuid, but not both. */
static bool judge_existing(Pool *found, const PoolDef *def, const Request *request, GError **error)
{
    g_autoptr(Pool) pool = found;

    if (!pool || (g_str_equal(pool->name, def->name) && uuid_equal(&pool->uuid, &def->uuid)))
        return true;
    return judge_pool(pool->name, &pool->uuid, request, error);
}

/* The document's pool, and those whose name or uuid it gives to another: what is said of these is
 * for those who may change them. A claim is granted for the first only, so what others do
 * meanwhile opens nothing. */
static bool judge_claim(Engine *engine, const PoolDef *def, const Request *request, GError **error)
{
    if (!request || !request->judge)
        return true;
    return judge_pool(def->name, &def->uuid, request, error) &&
           judge_existing(engine_find_pool_by_name(engine, def->name, NULL), def, request, error) &&
           judge_existing(engine_find_pool_by_uuid(engine, &def->uuid, NULL, NULL), def, request,
                          error);
}

bool pool_claim_take(PoolClaim *ret, Engine *engine, PoolDef *def, const Request *request,
                     GError **error)
{
    if (!judge_claim(engine, def, request, error))
        return false;
    g_autoptr(GPtrArray) others = enter_candidate(engine, def);
    Pool *pool = NULL;

    if (check_source(engine, def, others, request, error))
        pool = claim_pool(engine, def, error);
    if (!pool) {
        leave_candidate(engine, def);
        return false;
    }
    *ret = (PoolClaim){.pool = pool, .def = pool_def_ref(def)};
    return true;
}

void pool_claim_clear(PoolClaim *claim)
{
    if (!claim->pool)
        return;
    Engine *engine = claim->pool->engine;

    leave_candidate(engine, claim->def);
    g_mutex_lock(&engine->lock);
    claim->pool->claims--;
    pool_list_settle(claim->pool);
    g_mutex_unlock(&engine->lock);
    g_clear_pointer(&claim->pool, pool_unref);
    g_clear_pointer(&claim->def, pool_def_unref);
}

void pool_list_settle(Pool *pool)
{
    Engine *engine = pool->engine;

    if (pool_phase(pool) != PHASE_GONE || pool->claims > 0 || lease_holds_pool(engine, pool) ||
        g_hash_table_lookup(engine->by_name, pool->name) != pool)
        return;
    g_hash_table_remove(engine->by_uuid, &pool->uuid);
    g_hash_table_remove(engine->by_name, pool->name);
}
