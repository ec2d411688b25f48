/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backend-call.h"
#include "pool-private.h"

#include "log.h"

/* What was on disk and what is up, when this process starts or reads its files again. */

/* How long an open waits for pools to be read. Those that take longer, with storage that hangs,
 * are reported as inaccessible and follow when they are done. */
#define RESTORE_PATIENCE (5 * G_TIME_SPAN_SECOND)
/* How long one pool may take to say whether it is up, and to be read. */
#define RESUME_SECONDS 600

/* ---- reading the files ---- */

static void log_problems(GPtrArray *problems)
{
    for (guint i = 0; i < problems->len; i++) {
        const StoreProblem *problem = problems->pdata[i];
        log_error("%s is left out: %s", problem->path, problem->error->message);
    }
}

static GPtrArray *load(Engine *engine, StoreKind kind, GError **error)
{
    g_autoptr(GPtrArray) problems =
        g_ptr_array_new_with_free_func((GDestroyNotify)store_problem_free);
    GPtrArray *defs = store_load(engine->store, kind, &engine->schemas, problems, error);

    log_problems(problems);
    return defs;
}

typedef void (*Adopt)(Pool *pool, PoolDef *def);

/* Gives each definition its pool. One that conflicts with another is logged and left out. */
static void adopt_all(Engine *engine, GPtrArray *defs, Adopt adopt)
{
    for (guint i = 0; i < defs->len; i++) {
        PoolDef *def = defs->pdata[i];
        g_auto(PoolClaim) claim = {0};
        g_autoptr(GError) error = NULL;
        if (engine_check_backend(engine_backend(engine, def->schema), &error) &&
            pool_claim_take(&claim, engine, def, NULL, &error))
            adopt(claim.pool, def);
        else
            log_error("pool '%s' is left out: %s", def->name, error->message);
    }
}

static void adopt_state(Pool *pool, PoolDef *def)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    pool->phase = PHASE_RESUMING;
}

/* A running pool keeps what it runs with. Returns what is replaced. */
static PoolDef *place_config(Pool *pool, PoolDef *def)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);
    PoolDef **place = pool->phase == PHASE_INACTIVE ? &pool->def : &pool->parked;
    const PoolDef *present = *place ? *place : pool->def;

    if (pool->persistent && pool_def_equal(present, def))
        return NULL;
    PoolDef *old = *place;
    bool as_running = place == &pool->parked && pool_def_equal(pool->def, def);
    *place = as_running ? NULL : pool_def_ref(def);
    pool->persistent = true;
    return old;
}

static void adopt_config(Pool *pool, PoolDef *def)
{
    bool autostart = store_autostart(pool->engine->store, pool->name);

    pool_def_unref(place_config(pool, def));
    g_mutex_lock(&pool->engine->lock);
    pool->autostart = autostart;
    g_mutex_unlock(&pool->engine->lock);
}

static bool load_all(Engine *engine, GError **error)
{
    g_autoptr(GPtrArray) states = load(engine, STORE_STATE, error);
    if (!states)
        return false;
    g_autoptr(GPtrArray) configs = load(engine, STORE_CONFIG, error);
    if (!configs)
        return false;
    adopt_all(engine, states, adopt_state);
    adopt_all(engine, configs, adopt_config);
    return true;
}

/* ---- waiting for work, for a while ---- */

/* Counts what still goes on; whoever is last frees it. */
typedef struct Batch {
    gatomicrefcount refs;
    GMutex lock;
    GCond done;
    guint left;
} Batch;

static Batch *batch_new(void)
{
    Batch *batch = g_new0(Batch, 1);

    g_atomic_ref_count_init(&batch->refs);
    g_mutex_init(&batch->lock);
    g_cond_init(&batch->done);
    return batch;
}

static void batch_unref(Batch *batch)
{
    if (!g_atomic_ref_count_dec(&batch->refs))
        return;
    g_mutex_clear(&batch->lock);
    g_cond_clear(&batch->done);
    g_free(batch);
}

static void batch_finish(Batch *batch)
{
    g_mutex_lock(&batch->lock);
    batch->left--;
    g_cond_signal(&batch->done);
    g_mutex_unlock(&batch->lock);
    batch_unref(batch);
}

static void batch_wait(Batch *batch, gint64 end)
{
    g_mutex_lock(&batch->lock);
    while (batch->left > 0 && g_cond_wait_until(&batch->done, &batch->lock, end))
        ;
    if (batch->left > 0)
        log_warning("%u pools are still being read", batch->left);
    g_mutex_unlock(&batch->lock);
    batch_unref(batch);
}

typedef struct Task {
    Batch *batch;
    Pool *pool;
    void (*func)(Pool *pool);
} Task;

static void task_run(void *data)
{
    Task *task = data;

    task->func(task->pool);
    pool_unref(task->pool);
    batch_finish(task->batch);
    g_free(task);
}

static void batch_add(Batch *batch, Pool *pool, void (*func)(Pool *pool))
{
    Task *task = g_new(Task, 1);

    *task = (Task){.batch = batch, .pool = pool_ref(pool), .func = func};
    g_atomic_ref_count_inc(&batch->refs);
    g_mutex_lock(&batch->lock);
    batch->left++;
    g_mutex_unlock(&batch->lock);
    engine_run(pool->engine, pool, WORK_STORAGE, task_run, task);
}

/* Runs func on workers for those pools that `wants` it. */
static void for_pools(Engine *engine, bool (*wants)(Pool *pool), void (*func)(Pool *pool))
{
    g_autoptr(GPtrArray) pools = engine_list_pools(engine, 0);
    Batch *batch = batch_new();

    for (guint i = 0; i < pools->len; i++)
        if (wants(pools->pdata[i]))
            batch_add(batch, pools->pdata[i], func);
    batch_wait(batch, g_get_monotonic_time() + RESTORE_PATIENCE);
}

/* ---- what was running ---- */

static bool was_running(Pool *pool)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    return pool->phase == PHASE_RESUMING;
}

/* Whether it still is. A type that has nothing outside the daemon runs as its state file says; of
 * the others that file only says which to look for. When it can't be told, the pool isn't given up:
 * it counts as running, and its scan says what is wrong. */
static bool is_up(Pool *pool, Operation *op)
{
    g_auto(PoolView) view = pool_view(pool);
    g_autoptr(GError) error = NULL;
    bool up = false;

    if ((view.backend->flags & BACKEND_ALWAYS_UP) || !view.backend->is_up)
        return true;
    if (call_is_up(&view, op, &up, &error))
        return up;
    log_error("can't tell whether it is still up: %s", error->message);
    return true;
}

static bool look_whether_up(Pool *pool, Operation *op)
{
    bool up = is_up(pool, op);

    if (operation_is_cancelled(op))
        return false;
    return up ? pool_resume(pool, op) : pool_forget_run(pool);
}

static void resume_again(void *data);

/* Called off by a stop, which may fail yet: the next try waits for it, and has nothing to do when
 * it has succeeded. Not on the threads for storage, where calls may wait for it. */
static void resume(Pool *pool)
{
    g_autoptr(Operation) op = operation_new(engine_deadline(RESUME_SECONDS));
    Request request = {.op = op, .client = "restart"};
    g_autoptr(Lease) lease = lease_take_one(pool, OP_RESUME, NULL, &request, NULL);

    if (lease && !look_whether_up(pool, op))
        engine_run(pool->engine, pool, WORK_CONTROL, resume_again, pool_ref(pool));
}

static void resume_again(void *data)
{
    g_autoptr(Pool) pool = data;

    resume(pool);
}

/* ---- autostart ---- */

static bool wants_autostart(Pool *pool)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    return pool->autostart && pool->phase == PHASE_INACTIVE;
}

static void autostart(Pool *pool)
{
    g_autoptr(Operation) op = operation_new(engine_deadline(RESUME_SECONDS));
    Request request = {.op = op, .client = "autostart"};
    g_autoptr(GError) error = NULL;

    if (!pool_start(pool, 0, &request, &error))
        log_error("pool '%s' couldn't be autostarted: %s", pool->name, error->message);
}

/* ---- all of it ---- */

bool engine_restore(Engine *engine, GError **error)
{
    if (!load_all(engine, error))
        return false;
    for_pools(engine, was_running, resume);
    uploads_sweep(engine);
    if (store_claim_autostart(engine->store))
        for_pools(engine, wants_autostart, autostart);
    return true;
}

bool engine_reload(Engine *engine, GError **error)
{
    g_autoptr(GPtrArray) configs = load(engine, STORE_CONFIG, error);

    if (!configs)
        return false;
    adopt_all(engine, configs, adopt_config);
    return true;
}
