/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool-private.h"

Pool *pool_new(Engine *engine, PoolDef *def)
{
    Pool *pool = g_new0(Pool, 1);

    g_atomic_ref_count_init(&pool->refs);
    pool->engine = engine;
    pool->name = g_strdup(def->name);
    pool->uuid = def->uuid;
    pool->def = pool_def_ref(def);
    return pool;
}

Pool *pool_ref(Pool *pool)
{
    g_atomic_ref_count_inc(&pool->refs);
    return pool;
}

void pool_unref(Pool *pool)
{
    if (!pool || !g_atomic_ref_count_dec(&pool->refs))
        return;
    pool_def_unref(pool->def);
    pool_def_unref(pool->parked);
    g_clear_pointer(&pool->inventory, inventory_unref);
    g_clear_pointer(&pool->dirty, g_hash_table_unref);
    g_clear_pointer(&pool->uploads, g_hash_table_unref);
    g_free(pool->problem);
    g_free(pool->degraded);
    g_free(pool->name);
    g_free(pool);
}

PoolPhase pool_phase(const Pool *pool)
{
    return pool->phase == PHASE_INACTIVE && !pool->persistent ? PHASE_GONE : pool->phase;
}

bool pool_is_up(const Pool *pool)
{
    return pool->phase == PHASE_RESUMING || pool->phase == PHASE_ACTIVE ||
           pool->phase == PHASE_STOPPING;
}

const char *pool_name(Pool *pool)
{
    return pool->name;
}

const Uuid *pool_uuid(Pool *pool)
{
    return &pool->uuid;
}

PoolDef *pool_definition(Pool *pool)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    return pool_def_ref(pool->def);
}

static PoolDef *saved_definition(Pool *pool)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    return pool_def_ref(pool->parked ? pool->parked : pool->def);
}

const Backend *pool_backend(Pool *pool)
{
    g_autoptr(PoolDef) def = pool_definition(pool);

    return engine_backend(pool->engine, def->schema);
}

bool pool_is_active(Pool *pool)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    return pool_is_up(pool);
}

bool pool_is_persistent(Pool *pool)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    return pool->persistent;
}

bool pool_autostart(Pool *pool)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    return pool->autostart;
}

static PoolState state_of(const Pool *pool)
{
    if (pool->building)
        return POOL_STATE_BUILDING;
    if (pool->silent && pool->phase != PHASE_INACTIVE)
        return POOL_STATE_INACCESSIBLE;
    if (!pool_is_up(pool))
        return POOL_STATE_INACTIVE;
    if (pool->problem || pool->phase == PHASE_RESUMING)
        return POOL_STATE_INACCESSIBLE;
    return pool->degraded ? POOL_STATE_DEGRADED : POOL_STATE_RUNNING;
}

void pool_get_info(Pool *pool, PoolInfo *ret)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    *ret = (PoolInfo){.state = state_of(pool), .space = pool->def->space};
}

/* Seconds, 0 when it isn't silent. Call with the lock held. */
static int silence_of(const Pool *pool)
{
    return pool->silent ? (int)((g_get_monotonic_time() - pool->asked) / G_USEC_PER_SEC) : 0;
}

char *pool_problem(Pool *pool)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    if (pool->silent)
        return g_strdup_printf("its storage has not answered for %d seconds", silence_of(pool));
    if (pool->phase == PHASE_RESUMING)
        return g_strdup("its storage has not answered since the daemon was started");
    return g_strdup(pool->problem ? pool->problem : pool->degraded);
}

bool pool_check_answers(Pool *pool, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    return !pool->silent ||
           error_set(error, ERROR_TIMEOUT, ORIGIN_STORAGE,
                     "storage pool '%s': its storage has not answered for %d seconds: see whether "
                     "the server or device behind it is there; the pool goes on when it answers",
                     pool->name, silence_of(pool));
}

char *pool_format(Pool *pool, bool inactive)
{
    g_autoptr(PoolDef) def = inactive ? saved_definition(pool) : pool_definition(pool);

    return pool_def_format(def);
}

PoolView pool_view(Pool *pool)
{
    PoolDef *def = pool_definition(pool);

    return (PoolView){.engine = pool->engine,
                      .backend = engine_backend(pool->engine, def->schema),
                      .def = def};
}

void pool_view_clear(PoolView *view)
{
    g_clear_pointer(&view->def, pool_def_unref);
}
