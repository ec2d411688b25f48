/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backend-call.h"
#include "pool-private.h"

#include "draft.h"
#include "log.h"

#include <string.h>

bool volume_not_found(const char *name, GError **error)
{
    return error_set(error, ERROR_NO_VOLUME, ORIGIN_STORAGE,
                     "no storage vol with matching name '%s'", name);
}

static bool name_is_possible(const Backend *backend, const char *name)
{
    if (!*name || !g_utf8_validate(name, -1, NULL))
        return false;
    if (!(backend->flags & BACKEND_FOLDER))
        return true;
    return !strchr(name, '/') && !g_str_equal(name, ".") && !g_str_equal(name, "..") &&
           !draft_is_name(name);
}

/* ---- windows ---- */

void change_window_open(ChangeWindow *window, Pool *pool, const char *only)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    *window = (ChangeWindow){.pool = pool, .run = pool->run, .only = only};
    if (!only)
        window->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    pool->windows = g_list_prepend(pool->windows, window);
}

void change_window_close(ChangeWindow *window)
{
    g_mutex_lock(&window->pool->engine->lock);
    window->pool->windows = g_list_remove(window->pool->windows, window);
    g_mutex_unlock(&window->pool->engine->lock);
    g_clear_pointer(&window->names, g_hash_table_unref);
}

static void note_change(Pool *pool, const char *name)
{
    for (GList *l = pool->windows; l; l = l->next) {
        ChangeWindow *window = l->data;
        if (!window->only)
            g_hash_table_add(window->names, g_strdup(name));
        else if (g_str_equal(window->only, name))
            window->touched = true;
    }
}

/* ---- one volume ---- */

static bool is_current(const Pool *pool, guint64 run)
{
    return pool->run == run && pool->inventory;
}

/* ---- sizes that follow from extents ---- */

/* Swaps in a definition made from the one in force. Returns the old one. */
static PoolDef *swap_state(Pool *pool, const PoolSpace *space, const Permissions *permissions)
{
    PoolDef *old = pool->def;

    pool->def = pool_def_with_state(old, space, permissions);
    return old;
}

/* Bytes of the pool that a volume takes. */
static guint64 footprint(const VolumeRecord *record)
{
    g_autoptr(VolumeDef) volume = record ? volume_record_unpack(record, NULL) : NULL;
    guint64 bytes = 0;

    for (guint i = 0; volume && i < volume->n_extents; i++)
        bytes += volume->extents[i].end - volume->extents[i].start;
    return bytes;
}

/* The same of what a list has under a name. */
static guint64 footprint_in(const Inventory *list, const char *name)
{
    g_autoptr(VolumeRecord) record = inventory_find(list, name);

    return footprint(record);
}

static bool space_follows_extents(const Pool *pool)
{
    return engine_backend(pool->engine, pool->def->schema)->flags & BACKEND_SPACE_BY_EXTENTS;
}

/* `taken` may be negative. */
static void take_space(PoolSpace *space, gint64 taken)
{
    gint64 available = (gint64)space->available - taken;

    space->available = (guint64)CLAMP(available, 0, (gint64)space->capacity);
    space->allocation = space->capacity - space->available;
}

/* Call with the lock held. */
static void account(Pool *pool, gint64 taken)
{
    PoolSpace space = pool->def->space;

    if (taken == 0)
        return;
    take_space(&space, taken);
    pool_def_unref(swap_state(pool, &space, NULL));
}

/* Swaps in a list with this record (NULL: without the name). Returns the old list, for the caller
 * to free without the lock. */
static Inventory *swap_record(Pool *pool, const char *name, VolumeRecord *record)
{
    Inventory *old = pool->inventory;

    if (space_follows_extents(pool))
        account(pool, (gint64)(footprint(record) - footprint_in(old, name)));
    pool->inventory = record ? inventory_with(old, record) : inventory_without(old, name);
    note_change(pool, name);
    return old;
}

static VolumeRecord *record_from(const PoolView *view, const VolumeState *state)
{
    return volume_record_new(state->volume, state->has_identity ? &state->identity : NULL,
                             view->def->target_path);
}

VolumeRecord *pool_put_volume(Pool *pool, const PoolView *view, const VolumeState *state)
{
    VolumeRecord *record = record_from(view, state);
    g_autoptr(Inventory) old = NULL;

    g_mutex_lock(&pool->engine->lock);
    if (pool->inventory)
        old = swap_record(pool, state->volume->name, record);
    g_mutex_unlock(&pool->engine->lock);
    return record;
}

void pool_drop_volume(Pool *pool, const char *name)
{
    g_autoptr(Inventory) old = NULL;

    g_mutex_lock(&pool->engine->lock);
    if (pool->inventory)
        old = swap_record(pool, name, NULL);
    g_mutex_unlock(&pool->engine->lock);
}

/* Brings in what was read while the window was open, unless somebody else knew better.
 * `fresh` NULL: the storage has no such volume. Returns what is now listed. */
static VolumeRecord *settle_restat(ChangeWindow *window, VolumeRecord *fresh)
{
    Pool *pool = window->pool;
    g_autoptr(Inventory) old = NULL;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    if (!is_current(pool, window->run))
        return fresh ? volume_record_ref(fresh) : NULL;
    if (window->touched)
        return inventory_find(pool->inventory, window->only);
    old = swap_record(pool, window->only, fresh);
    return fresh ? volume_record_ref(fresh) : NULL;
}

/* One that comes again under its name is another. */
static void drop_vanished(ChangeWindow *window)
{
    g_autoptr(VolumeRecord) listed = settle_restat(window, NULL);

    if (!listed)
        uploads_forget(window->pool, window->only);
}

static bool ask(const PoolView *view, const VolumeRecord *known, const char *name, Operation *op,
                VolumeState *ret, GError **error)
{
    if (!known || !view->backend->volume_restat)
        return call_volume_stat(view, op, name, ret, error);
    g_autoptr(VolumeDef) volume = pool_unpack_volume(view, known);
    return call_volume_restat(view, op, volume, ret, error);
}

static VolumeRecord *restat_in(ChangeWindow *window, Operation *op, VolumeState *ret,
                               GError **error)
{
    g_auto(PoolView) view = pool_view(window->pool);
    g_autoptr(VolumeRecord) known = pool_peek_volume(window->pool, window->only);
    g_autoptr(GError) failure = NULL;

    if (!ask(&view, known, window->only, op, ret, &failure)) {
        if (error_code(failure) == ERROR_NO_VOLUME && known && view.backend->volume_stat)
            drop_vanished(window);
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
    }
    if (known && ret->has_identity && volume_record_has_identity(known, &ret->identity))
        return g_steal_pointer(&known);
    g_autoptr(VolumeRecord) fresh = record_from(&view, ret);
    VolumeRecord *listed = settle_restat(window, fresh);
    return listed ? listed : g_steal_pointer(&fresh);
}

VolumeRecord *pool_restat(Pool *pool, const char *name, Operation *op, VolumeState *ret,
                          GError **error)
{
    ChangeWindow window;

    change_window_open(&window, pool, name);
    VolumeRecord *record = restat_in(&window, op, ret, error);
    change_window_close(&window);
    return record;
}

VolumeRecord *pool_ask_storage(Pool *pool, const char *name, Operation *op, VolumeState *ret,
                               GError **error)
{
    if (name_is_possible(pool_backend(pool), name))
        return pool_restat(pool, name, op, ret, error);
    volume_not_found(name, error);
    return NULL;
}

/* ---- the whole pool ---- */

/* A failed scan marks the pool. */
static void scan_after_change(Pool *pool, Operation *op)
{
    g_autoptr(GError) error = NULL;

    if (!pool_scan(pool, op, &error))
        log_debug("keeping the last known list: %s", error->message);
}

void pool_update_space(Pool *pool, Operation *op)
{
    g_auto(PoolView) view = pool_view(pool);
    PoolSpace space = view.def->space;
    g_autoptr(GError) error = NULL;
    g_autoptr(PoolDef) old = NULL;

    if (view.backend->flags & BACKEND_SCAN_AFTER_CHANGE) {
        scan_after_change(pool, op);
        return;
    }
    if (!view.backend->space)
        return;
    if (!call_space(&view, op, &space, &error)) {
        log_debug("keeping the last known sizes: %s", error->message);
        return;
    }
    g_mutex_lock(&pool->engine->lock);
    if (pool->inventory)
        old = swap_state(pool, &space, NULL);
    g_mutex_unlock(&pool->engine->lock);
}

static void set_free_extents(PoolDef *def, const ScanResult *result)
{
    PoolDevice *device = &def->source.devices[0];

    g_free(device->free_extents);
    device->free_extents =
        g_memdup2(result->free_extents, result->n_free_extents * sizeof(FreeExtent));
    device->n_free_extents = result->n_free_extents;
}

static PoolDef *adopt_state(Pool *pool, const ScanResult *result)
{
    PoolDef *old = swap_state(pool, result->has_space ? &result->space : &pool->def->space,
                              result->has_permissions ? &result->permissions : NULL);

    if (result->has_free_extents && pool->def->source.n_devices > 0)
        set_free_extents(pool->def, result);
    if (result->has_thin_pools)
        pool_def_set_thin_pools(pool->def, result->thin_pools, result->n_thin_pools);
    return old;
}

/* Lays the present state of one volume over a scan's list. Takes over the list. Adds to *taken
 * (unless NULL) what the volume takes of the pool now and didn't for the scan. */
static Inventory *overlay(Inventory *list, const Inventory *present, const char *name,
                          gint64 *taken)
{
    g_autoptr(Inventory) old = list;
    g_autoptr(VolumeRecord) record = inventory_find(present, name);

    if (taken)
        *taken += (gint64)(footprint(record) - footprint_in(list, name));
    return record ? inventory_with(old, record) : inventory_without(old, name);
}

static Inventory *overlay_all(Inventory *list, const Inventory *present, GHashTable *names,
                              gint64 *taken)
{
    GHashTableIter iter;
    gpointer name;

    g_hash_table_iter_init(&iter, names);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        list = overlay(list, present, name, taken);
    return list;
}

/* More names than this are laid over without the lock, which takes another round. */
#define OVERLAY_LOCKED_MAX 64

/* Takes the names that changed since the last round. NULL: there were few enough, and the new list
 * is in (*list is then the old one), or the pool has stopped since (*ret_stopped). Else
 * *ret_present is the list they are to be taken from. */
static GHashTable *adopt_round(ChangeWindow *window, const ScanResult *result, Inventory **list,
                               gint64 *taken, Inventory **ret_present, DefChange *ret_change,
                               bool *ret_stopped)
{
    Pool *pool = window->pool;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    *ret_stopped = !is_current(pool, window->run);
    if (*ret_stopped)
        return NULL;
    if (g_hash_table_size(window->names) > OVERLAY_LOCKED_MAX) {
        GHashTable *names = window->names;
        window->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        *ret_present = inventory_ref(pool->inventory);
        return names;
    }
    Inventory *adopted = overlay_all(*list, pool->inventory, window->names, taken);
    *list = pool->inventory;
    pool->inventory = adopted;
    ret_change->before = adopt_state(pool, result);
    if (taken)
        account(pool, *taken);
    ret_change->after = pool_def_ref(pool->def);
    g_clear_pointer(&pool->problem, g_free);
    g_free(pool->degraded);
    pool->degraded = g_strdup(result->degraded);
    return NULL;
}

bool pool_adopt_scan(ChangeWindow *window, const ScanResult *result, GError **error)
{
    g_autoptr(Inventory) list = inventory_ref(result->inventory);
    g_auto(DefChange) change = {0};
    bool stopped = false;
    const Backend *backend = pool_backend(window->pool);
    gint64 bytes = 0, *taken = backend->flags & BACKEND_SPACE_BY_EXTENTS ? &bytes : NULL;

    for (;;) {
        g_autoptr(Inventory) present = NULL;
        g_autoptr(GHashTable) names =
            adopt_round(window, result, &list, taken, &present, &change, &stopped);
        if (stopped)
            return error_set(error, ERROR_ABORTED, ORIGIN_STORAGE,
                             "the pool was stopped while it was read");
        if (!names)
            break;
        list = overlay_all(g_steal_pointer(&list), present, names, taken);
    }
    pool_warn_of_fill(&change);
    return true;
}

/* ---- reading ---- */

Inventory *pool_present_list(Pool *pool)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    return pool->inventory ? inventory_ref(pool->inventory) : NULL;
}

Inventory *pool_inventory(Pool *pool, GError **error)
{
    if (!lease_check(pool, OP_LOOK, error))
        return NULL;
    Inventory *inventory = pool_present_list(pool);

    /* It may have stopped in between; then its last list is gone. */
    return inventory ? inventory : inventory_new_empty(NULL);
}

VolumeRecord *pool_peek_volume(Pool *pool, const char *name)
{
    g_autoptr(Inventory) inventory = pool_present_list(pool);

    return inventory ? inventory_find(inventory, name) : NULL;
}

VolumeDef *pool_unpack_volume(const PoolView *view, const VolumeRecord *record)
{
    return volume_record_unpack(record, view->def->target_path);
}

VolumeDef *volume_last_known(Pool *pool, const char *name, GError **error)
{
    if (!lease_check(pool, OP_LOOK, error))
        return NULL;
    g_auto(PoolView) view = pool_view(pool);
    g_autoptr(VolumeRecord) record = pool_peek_volume(pool, name);

    if (record)
        return pool_unpack_volume(&view, record);
    volume_not_found(name, error);
    return NULL;
}
