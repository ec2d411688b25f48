/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backend-call.h"
#include "chain.h"
#include "path.h"
#include "pool-private.h"

#include <string.h>

/* Looking for volumes and reading them. */

/* ---- by name ---- */

VolumeRecord *pool_find_volume(Pool *pool, const char *name, const Request *request, GError **error)
{
    g_auto(VolumeState) state = {0};

    if (!lease_check(pool, OP_LOOK, error))
        return NULL;
    VolumeRecord *record = pool_peek_volume(pool, name);
    g_autoptr(GError) failure = NULL;
    if (!record)
        record = pool_ask_storage(pool, name, request->op, &state, &failure);
    /* Told by the name that was asked for, whatever the storage calls it. */
    if (error_code(failure) == ERROR_NO_VOLUME)
        volume_not_found(name, error);
    else if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    return record;
}

/* ---- by key and path ---- */

typedef VolumeRecord *(*InventoryFind)(const Inventory *inventory, const char *text);

/* In what is known of the running pools: never waits. */
static VolumeRecord *find_known(GPtrArray *pools, InventoryFind find, const char *text,
                                Pool **ret_pool)
{
    for (guint i = 0; i < pools->len; i++) {
        g_autoptr(Inventory) inventory = pool_present_list(pools->pdata[i]);
        VolumeRecord *record = inventory ? find(inventory, text) : NULL;
        if (!record)
            continue;
        *ret_pool = pool_ref(pools->pdata[i]);
        return record;
    }
    return NULL;
}

VolumeRecord *engine_peek_path(Engine *engine, const char *path, Pool **ret_pool)
{
    g_autoptr(GPtrArray) pools = engine_active_pools(engine);

    return find_known(pools, inventory_find_path, path, ret_pool);
}

/* The name that this path would have in the pool, or NULL. */
static const char *name_in_folder(Pool *pool, const char *path)
{
    g_auto(PoolView) view = pool_view(pool);
    const char *slash = strrchr(path, '/');

    if (!(view.backend->flags & (BACKEND_FOLDER | BACKEND_NAMED_PATHS)) || !slash ||
        !view.def->target_path)
        return NULL;
    gsize length = (gsize)(slash - path);
    if (strlen(view.def->target_path) != length || strncmp(path, view.def->target_path, length))
        return NULL;
    return slash + 1;
}

/* NULL without an error: it isn't there. */
static VolumeRecord *find_in_folder(Pool *pool, const char *path, Operation *op, GError **error)
{
    const char *name = name_in_folder(pool, path);
    g_auto(VolumeState) state = {0};
    g_autoptr(GError) failure = NULL;
    VolumeRecord *record = name ? pool_ask_storage(pool, name, op, &state, &failure) : NULL;

    if (failure && error_code(failure) != ERROR_NO_VOLUME)
        g_propagate_error(error, g_steal_pointer(&failure));
    return record;
}

/* Asks the storage of those pools only whose folder it is. NULL without an error: none has it. */
static VolumeRecord *find_in_folders(GPtrArray *pools, const char *path, Pool **ret_pool,
                                     Operation *op, GError **error)
{
    g_autoptr(GError) failure = NULL;
    VolumeRecord *record = NULL;

    for (guint i = 0; i < pools->len && !record && !failure; i++) {
        record = find_in_folder(pools->pdata[i], path, op, &failure);
        if (record)
            *ret_pool = pool_ref(pools->pdata[i]);
    }
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    return record;
}

static void key_not_found(const char *key, GError **error)
{
    error_set(error, ERROR_NO_VOLUME, ORIGIN_STORAGE, "no storage vol with matching key %s", key);
}

VolumeRecord *engine_find_volume_by_key(Engine *engine, const char *key, Pool **ret_pool,
                                        const Request *request, GError **error)
{
    g_autoptr(GPtrArray) pools = engine_active_pools(engine);
    VolumeRecord *record = find_known(pools, inventory_find_key, key, ret_pool);
    g_autoptr(GError) failure = NULL;

    if (!record)
        record = find_in_folders(pools, key, ret_pool, request->op, &failure);
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    else if (!record)
        key_not_found(key, error);
    return record;
}

static void path_not_found(const char *path, const char *clean, GError **error)
{
    if (g_str_equal(path, clean))
        error_set(error, ERROR_NO_VOLUME, ORIGIN_STORAGE, "no storage vol with matching path '%s'",
                  path);
    else
        error_set(error, ERROR_NO_VOLUME, ORIGIN_STORAGE,
                  "no storage vol with matching path '%s' (%s)", path, clean);
}

VolumeRecord *engine_find_volume_by_path(Engine *engine, const char *path, Pool **ret_pool,
                                         const Request *request, GError **error)
{
    g_autoptr(GPtrArray) pools = engine_active_pools(engine);
    g_autofree char *clean = path_clean(path);
    VolumeRecord *record = find_known(pools, inventory_find_path, clean, ret_pool);
    g_autoptr(GError) failure = NULL;

    if (!record)
        record = find_in_folders(pools, clean, ret_pool, request->op, &failure);
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    else if (!record)
        path_not_found(path, clean, error);
    return record;
}

/* ---- by key and path, without waiting ---- */

/* The known volume; else *ret_pool is the one whose folder it would be in, or NULL. */
static VolumeRecord *peek(Engine *engine, InventoryFind find, const char *text, Pool **ret_pool)
{
    g_autoptr(GPtrArray) pools = engine_active_pools(engine);
    VolumeRecord *record = find_known(pools, find, text, ret_pool);

    for (guint i = 0; i < pools->len && !*ret_pool; i++)
        if (name_in_folder(pools->pdata[i], text))
            *ret_pool = pool_ref(pools->pdata[i]);
    return record;
}

VolumeRecord *engine_peek_volume_by_key(Engine *engine, const char *key, Pool **ret_pool,
                                        GError **error)
{
    VolumeRecord *record = peek(engine, inventory_find_key, key, ret_pool);

    if (!*ret_pool)
        key_not_found(key, error);
    return record;
}

VolumeRecord *engine_peek_volume_by_path(Engine *engine, const char *path, Pool **ret_pool,
                                         GError **error)
{
    g_autofree char *clean = path_clean(path);
    VolumeRecord *record = peek(engine, inventory_find_path, clean, ret_pool);

    if (!*ret_pool)
        path_not_found(path, clean, error);
    return record;
}

/* ---- reading ---- */

VolumeDef *volume_read(Pool *pool, const char *name, const Request *request, GError **error)
{
    g_auto(VolumeState) state = {0};

    if (!lease_check(pool, OP_LOOK, error))
        return NULL;
    if (!pool_backend(pool)->volume_stat)
        return volume_last_known(pool, name, error);
    g_autoptr(VolumeRecord) record = pool_ask_storage(pool, name, request->op, &state, error);
    return record ? g_steal_pointer(&state.volume) : NULL;
}

GPtrArray *volume_chain(Pool *pool, const char *name, const Request *request, GError **error)
{
    g_autoptr(VolumeDef) volume = volume_read(pool, name, request, error);

    return volume ? image_chain_read(volume->target.path, request->op) : NULL;
}
