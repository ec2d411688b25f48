/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backend-call.h"
#include "pool-private.h"

#include "log.h"

/* Making, starting, stopping and unmaking pools. */

/* ---- shared steps ---- */

/* Enters a new run: what calls and the watch of an earlier one still bring is dropped. Returns the
 * old list for the caller to free. Call with the lock held. */
static Inventory *new_run(Pool *pool, Inventory *list)
{
    Inventory *old = pool->inventory;

    pool->run++;
    pool->inventory = list;
    g_clear_pointer(&pool->problem, g_free);
    g_clear_pointer(&pool->degraded, g_free);
    g_clear_pointer(&pool->dirty, g_hash_table_unref);
    pool->dirty_all = false;
    pool->lost_watch = 0;
    return old;
}

static void begin_run(Pool *pool, const PoolView *view)
{
    Inventory *empty = inventory_new_empty(view->def->target_path);
    g_autoptr(Inventory) old = NULL;

    g_mutex_lock(&pool->engine->lock);
    old = new_run(pool, empty);
    g_mutex_unlock(&pool->engine->lock);
}

/* The pool no longer runs: its saved definition is in force again. */
static void end_run(Pool *pool)
{
    g_autoptr(Inventory) old = NULL;
    g_autoptr(PoolDef) live = NULL;

    g_mutex_lock(&pool->engine->lock);
    old = new_run(pool, NULL);
    pool->phase = PHASE_INACTIVE;
    if (pool->parked) {
        live = pool->def;
        pool->def = g_steal_pointer(&pool->parked);
    }
    g_mutex_unlock(&pool->engine->lock);
}

static void announce(Pool *pool, EventKind kind)
{
    event_push(pool->engine->events, kind, pool->name, &pool->uuid);
    event_deliver(pool->engine->events);
}

static void log_ignored(Pool *pool, const char *step, GError *error)
{
    log_warning("pool '%s': %s failed, ignoring: %s", pool->name, step, error->message);
}

static void sweep(Pool *pool, const PoolView *view, Operation *op)
{
    g_autoptr(GError) error = NULL;

    if (!call_sweep(view, op, &error))
        log_ignored(pool, "removing what was left half made", error);
}

/* ---- flags ---- */

static bool check_build_flags(const PoolView *view, guint flags, GError **error)
{
    const guint overwrite = BUILD_OVERWRITE | BUILD_NO_OVERWRITE;
    bool no_format = view->backend->flags & BACKEND_NO_FORMAT;

    if (!view->backend->build)
        return true;
    if (!error_check_flags(error, flags, view->backend->build_flags | (no_format ? overwrite : 0),
                           "storagePoolBuild"))
        return false;
    if ((flags & overwrite) == overwrite)
        return error_set_bare(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                              "Flags 'VIR_STORAGE_POOL_BUILD_OVERWRITE' and "
                              "'VIR_STORAGE_POOL_BUILD_NO_OVERWRITE' are mutually exclusive");
    if (no_format && (flags & overwrite))
        return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                         "No source device specified when formatting pool '%s'", view->def->name);
    return true;
}

static bool build(const PoolView *view, guint flags, Operation *op, GError **error)
{
    return check_build_flags(view, flags, error) && call_build(view, op, flags, error);
}

#define CREATE_BUILD_FLAGS                                                                         \
    (POOL_CREATE_WITH_BUILD | POOL_CREATE_WITH_BUILD_OVERWRITE |                                   \
     POOL_CREATE_WITH_BUILD_NO_OVERWRITE)

static guint build_flags_of(guint create_flags)
{
    return (create_flags & POOL_CREATE_WITH_BUILD_OVERWRITE ? BUILD_OVERWRITE : 0) |
           (create_flags & POOL_CREATE_WITH_BUILD_NO_OVERWRITE ? BUILD_NO_OVERWRITE : 0);
}

/* ---- start ---- */

static void remove_state(Pool *pool)
{
    g_autoptr(GError) error = NULL;

    if (!store_remove(pool->engine->store, STORE_STATE, pool->name, &error))
        log_ignored(pool, "removing its state file", error);
}

static void undo_start(Pool *pool, const PoolView *view)
{
    g_autoptr(Operation) op = operation_new(engine_deadline(30));
    g_autoptr(GError) error = NULL;

    pool_unwatch(pool);
    if (!call_stop(view, op, &error))
        log_ignored(pool, "stopping it after a failed start", error);
}

/* The part of a start that has to be undone when it fails. */
static bool fill(Pool *pool, const PoolView *view, Operation *op, GError **error)
{
    sweep(pool, view, op);
    begin_run(pool, view);
    pool_watch(pool);
    return pool_scan(pool, op, error);
}

/* The state file comes first: should this process die now, the next one looks whether the storage
 * is up. Without that file it would have something up that it knows nothing of. */
static bool run(Pool *pool, const PoolView *view, Operation *op, GError **error)
{
    if (!store_save(pool->engine->store, STORE_STATE, view->def, error))
        return false;
    if (call_start(view, op, error)) {
        if (fill(pool, view, op, error))
            return true;
        undo_start(pool, view);
    }
    remove_state(pool);
    return false;
}

static bool bring_up(Pool *pool, const PoolView *view, guint create_flags, Operation *op,
                     GError **error)
{
    if (!call_check(view, error))
        return false;
    if ((create_flags & CREATE_BUILD_FLAGS) &&
        !build(view, build_flags_of(create_flags), op, error))
        return false;
    return run(pool, view, op, error);
}

static void set_running(Pool *pool)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    pool->phase = PHASE_ACTIVE;
    event_push(pool->engine->events, EVENT_STARTED, pool->name, &pool->uuid);
}

/* With the lease of a start or create held. */
static bool start(Pool *pool, guint create_flags, Operation *op, GError **error)
{
    g_auto(PoolView) view = pool_view(pool);

    if (!engine_check_backend(view.backend, error) ||
        !bring_up(pool, &view, create_flags, op, error)) {
        end_run(pool);
        return false;
    }
    set_running(pool);
    event_deliver(pool->engine->events);
    return true;
}

static bool check_create_flags(guint flags, const char *function, GError **error)
{
    const guint both = POOL_CREATE_WITH_BUILD_OVERWRITE | POOL_CREATE_WITH_BUILD_NO_OVERWRITE;

    if (!error_check_flags(error, flags, CREATE_BUILD_FLAGS, function))
        return false;
    if ((flags & both) != both)
        return true;
    return error_set_bare(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                          "Flags 'VIR_STORAGE_POOL_CREATE_WITH_BUILD_OVERWRITE' and "
                          "'VIR_STORAGE_POOL_CREATE_WITH_BUILD_NO_OVERWRITE' are mutually "
                          "exclusive");
}

bool pool_start(Pool *pool, guint flags, const Request *request, GError **error)
{
    if (!check_create_flags(flags, "storagePoolCreate", error))
        return false;
    g_autoptr(Lease) lease = lease_take_one(pool, OP_START, NULL, request, error);

    return lease && start(pool, flags, request->op, error);
}

/* ---- define, create ---- */

static PoolDef *parse(Engine *engine, const char *xml, guint flags, GError **error)
{
    g_autoptr(PoolDef) def = pool_def_parse(xml, &engine->schemas, flags, error);

    if (!def || !pool_name_check(def->name, error) ||
        !engine_check_backend(engine_backend(engine, def->schema), error))
        return NULL;
    return g_steal_pointer(&def);
}

/* Puts a definition in its place: in force when the pool doesn't run, parked when it does. Returns
 * the one it replaces. Call with the lock held. */
static PoolDef *set_saved(Pool *pool, PoolDef *def)
{
    PoolDef **place = pool->phase == PHASE_INACTIVE ? &pool->def : &pool->parked;
    PoolDef *old = *place;

    *place = pool_def_ref(def);
    pool->persistent = true;
    return old;
}

static bool define(Pool *pool, PoolDef *def, GError **error)
{
    g_autoptr(PoolDef) old = NULL;

    if (!store_save(pool->engine->store, STORE_CONFIG, def, error))
        return false;
    g_mutex_lock(&pool->engine->lock);
    old = set_saved(pool, def);
    event_push(pool->engine->events, EVENT_DEFINED, pool->name, &pool->uuid);
    g_mutex_unlock(&pool->engine->lock);
    event_deliver(pool->engine->events);
    return true;
}

Pool *engine_define_pool(Engine *engine, const char *xml, bool validate, const Request *request,
                         GError **error)
{
    g_autoptr(PoolDef) def = parse(engine, xml, validate ? POOL_PARSE_VALIDATE : 0, error);
    g_auto(PoolClaim) claim = {0};

    if (!def || !pool_claim_take(&claim, engine, def, request, error))
        return NULL;
    g_autoptr(Lease) lease = lease_take_one(claim.pool, OP_DEFINE, NULL, request, error);
    if (!lease || !define(claim.pool, def, error))
        return NULL;
    return pool_ref(claim.pool);
}

/* The running definition of a pool that is being created; a saved one steps aside. */
static void set_live(Pool *pool, PoolDef *def)
{
    g_autoptr(PoolDef) old = NULL;

    g_mutex_lock(&pool->engine->lock);
    if (pool->persistent && !pool->parked)
        pool->parked = g_steal_pointer(&pool->def);
    old = pool->def;
    pool->def = pool_def_ref(def);
    g_mutex_unlock(&pool->engine->lock);
}

Pool *engine_create_pool(Engine *engine, const char *xml, guint flags, const Request *request,
                         GError **error)
{
    if (!check_create_flags(flags, "storagePoolCreateXML", error))
        return NULL;
    g_autoptr(PoolDef) def = parse(engine, xml, 0, error);
    g_auto(PoolClaim) claim = {0};

    if (!def || !pool_claim_take(&claim, engine, def, request, error))
        return NULL;
    g_autoptr(Lease) lease = lease_take_one(claim.pool, OP_CREATE, NULL, request, error);
    if (!lease)
        return NULL;
    set_live(claim.pool, def);
    return start(claim.pool, flags, request->op, error) ? pool_ref(claim.pool) : NULL;
}

/* ---- stop ---- */

/* A pool whose state file stays would run again after a restart: then it had better run on. */
static bool forget_state(Pool *pool, const PoolView *view, Operation *op, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (store_remove(pool->engine->store, STORE_STATE, pool->name, error))
        return true;
    if (!call_start(view, op, &failure))
        log_ignored(pool, "starting it again after a failed stop", failure);
    return false;
}

static bool take_down(Pool *pool, Operation *op, GError **error)
{
    g_auto(PoolView) view = pool_view(pool);

    pool_unwatch(pool); /* it would tell that the folder is gone */
    if (call_stop(&view, op, error) && forget_state(pool, &view, op, error))
        return true;
    pool_watch(pool);
    return false;
}

bool pool_stop(Pool *pool, const Request *request, GError **error)
{
    g_autoptr(Lease) lease = lease_take_one(pool, OP_STOP, NULL, request, error);

    if (!lease || !take_down(pool, request->op, error))
        return false;
    uploads_forget_all(pool);
    end_run(pool);
    announce(pool, EVENT_STOPPED);
    return true;
}

/* ---- undefine, autostart ---- */

static PoolDef *set_undefined(Pool *pool)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    pool->persistent = false;
    pool->autostart = false;
    event_push(pool->engine->events, EVENT_UNDEFINED, pool->name, &pool->uuid);
    return g_steal_pointer(&pool->parked);
}

bool pool_undefine(Pool *pool, const Request *request, GError **error)
{
    g_autoptr(Lease) lease = lease_take_one(pool, OP_UNDEFINE, NULL, request, error);

    if (!lease || !store_remove(pool->engine->store, STORE_CONFIG, pool->name, error))
        return false;
    pool_def_unref(set_undefined(pool));
    event_deliver(pool->engine->events);
    return true;
}

bool pool_set_autostart(Pool *pool, bool autostart, GError **error)
{
    g_autoptr(Lease) lease = lease_take_one(pool, OP_AUTOSTART, NULL, NULL, error);

    if (!lease)
        return false;
    /* Even when it seems to be so already: what was read at start may have been wrong. */
    if (!store_set_autostart(pool->engine->store, pool->name, autostart, error))
        return false;
    g_mutex_lock(&pool->engine->lock);
    pool->autostart = autostart;
    g_mutex_unlock(&pool->engine->lock);
    return true;
}

/* ---- build, erase ---- */

static void set_building(Pool *pool, bool building)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    pool->building = building;
}

bool pool_build(Pool *pool, guint flags, const Request *request, GError **error)
{
    g_autoptr(Lease) lease = lease_take_one(pool, OP_BUILD, NULL, request, error);

    if (!lease)
        return false;
    g_auto(PoolView) view = pool_view(pool);
    set_building(pool, true);
    bool built = engine_check_backend(view.backend, error) && call_check(&view, error) &&
                 build(&view, flags, request->op, error);
    set_building(pool, false);
    if (built)
        announce(pool, EVENT_BUILT);
    return built;
}

bool pool_erase(Pool *pool, guint flags, const Request *request, GError **error)
{
    g_autoptr(Lease) lease = lease_take_one(pool, OP_ERASE, NULL, request, error);

    if (!lease)
        return false;
    g_auto(PoolView) view = pool_view(pool);
    /* No type knows a flag here, as in libvirt. */
    if (view.backend->erase && !error_check_flags(error, flags, 0, "storagePoolDelete"))
        return false;
    if (!call_erase(&view, request->op, flags, error))
        return false;
    announce(pool, EVENT_ERASED);
    return true;
}

/* ---- after a restart of this process ---- */

/* Storage may hang so long that a stop, and what came after it, went on without us: whatever
 * follows from what was learned is done in that phase only. */
static bool leave_resuming(Pool *pool, PoolPhase phase)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    if (pool->phase != PHASE_RESUMING)
        return false;
    pool->phase = phase;
    return true;
}

static bool begin_resumed_run(Pool *pool, const PoolView *view)
{
    Inventory *empty = inventory_new_empty(view->def->target_path);
    g_autoptr(Inventory) old = NULL;

    g_mutex_lock(&pool->engine->lock);
    bool is_resuming = pool->phase == PHASE_RESUMING;
    old = is_resuming ? new_run(pool, empty) : empty;
    g_mutex_unlock(&pool->engine->lock);
    return is_resuming;
}

bool pool_resume(Pool *pool, Operation *op)
{
    g_auto(PoolView) view = pool_view(pool);
    g_autoptr(GError) error = NULL;

    sweep(pool, &view, op);
    if (!begin_resumed_run(pool, &view))
        return false;
    pool_watch(pool);
    if (!pool_scan(pool, op, &error)) {
        if (operation_is_cancelled(op))
            return false;
        log_warning("the pool stays up without a list until a refresh succeeds: %s",
                    error->message);
    }
    return leave_resuming(pool, PHASE_ACTIVE);
}

bool pool_forget_run(Pool *pool)
{
    if (!leave_resuming(pool, PHASE_STOPPING))
        return false;
    log_info("pool '%s' was running, but its storage isn't up any more", pool->name);
    remove_state(pool);
    uploads_forget_all(pool);
    end_run(pool);
    announce(pool, EVENT_STOPPED);
    return true;
}
