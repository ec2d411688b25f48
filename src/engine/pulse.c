/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pulse.h"

#include "backend-call.h"
#include "lease-private.h"
#include "log.h"
#include "pool-private.h"
#include "thread.h"

/* How often one looks while something runs, and how long an answer counts. */
#define LOOK_INTERVAL (250 * G_TIME_SPAN_MILLISECOND)
#define ASK_INTERVAL  (3 * G_TIME_SPAN_SECOND)
#define STACK_SIZE    (256 * 1024)
/* How long work counts against the few places that a pool's calls have. */
#define LONG_WORK (250 * G_TIME_SPAN_MILLISECOND)

struct Pulse {
    Engine *engine;
    pthread_t thread;
    GMutex lock; /* guards what follows */
    GCond wake;
    bool sleeping; /* nothing runs: wait until something does */
    bool stopping;
    guint asking;                 /* threads that ask a pool's storage */
    void (*then)(Engine *engine); /* the last of them frees all */
};

/* ---- asking one pool ---- */

static void set_silent(Pool *pool, bool silent)
{
    for (int share = 0; share < WORK_SHARES; share++)
        workers_write_off(pool->engine->workers, pool_work_key(pool, share), silent);
}

/* Returns for how long it had been silent, or 0. */
static gint64 note_answer(Pool *pool)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);
    gint64 now = g_get_monotonic_time();
    gint64 silence = pool->silent ? now - pool->asked : 0;

    pool->silent = false;
    pool->asked = 0;
    pool->answered = now;
    return silence;
}

/* Then the workers may be gone. */
static bool is_stopping(Pulse *pulse)
{
    g_mutex_lock(&pulse->lock);
    bool stopping = pulse->stopping;
    g_mutex_unlock(&pulse->lock);
    return stopping;
}

static void free_all(Pulse *pulse)
{
    Engine *engine = pulse->engine;
    void (*then)(Engine * engine) = pulse->then;

    g_mutex_clear(&pulse->lock);
    g_cond_clear(&pulse->wake);
    g_free(pulse);
    then(engine);
}

static void end_asking(Pulse *pulse)
{
    g_mutex_lock(&pulse->lock);
    pulse->asking--;
    bool is_last = pulse->asking == 0 && pulse->then;
    g_cond_broadcast(&pulse->wake);
    g_mutex_unlock(&pulse->lock);
    if (is_last)
        free_all(pulse);
}

static void *ask(void *data)
{
    g_autoptr(Pool) pool = data;
    Engine *engine = pool->engine;
    g_auto(PoolView) view = pool_view(pool);
    PoolSpace space;

    (void)call_space(&view, NULL, &space, NULL); /* an error is an answer too */
    gint64 silence = note_answer(pool);
    if (silence > 0 && !is_stopping(engine->pulse)) {
        log_warning("pool '%s': its storage answers again, after %d s", pool->name,
                    (int)(silence / G_USEC_PER_SEC));
        set_silent(pool, false);
        pool_look_again(pool);
    }
    end_asking(engine->pulse);
    return NULL;
}

static void start_asking(Pulse *pulse, Pool *pool)
{
    g_mutex_lock(&pulse->lock);
    pulse->asking++;
    g_mutex_unlock(&pulse->lock);
    if (thread_start_detached(STACK_SIZE, ask, pool_ref(pool)) == 0)
        return;
    note_answer(pool); /* no thread: that says nothing about the storage */
    pool_unref(pool);
    end_asking(pulse);
}

typedef enum Finding { ALL_RIGHT, TO_BE_ASKED, FELL_SILENT, STILL_SILENT } Finding;

static Finding look_at(Pool *pool)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);
    gint64 now = g_get_monotonic_time();

    if (pool->silent)
        return STILL_SILENT;
    if (pool->asked) {
        pool->silent = now - pool->asked >= PULSE_PATIENCE;
        return pool->silent ? FELL_SILENT : ALL_RIGHT;
    }
    if (now - pool->answered < ASK_INTERVAL)
        return ALL_RIGHT;
    pool->asked = now;
    return TO_BE_ASKED;
}

static void examine(Pulse *pulse, Pool *pool)
{
    Finding finding = look_at(pool);

    if (finding == TO_BE_ASKED) {
        start_asking(pulse, pool);
        return;
    }
    if (finding == FELL_SILENT)
        log_warning("pool '%s': its storage does not answer", pool->name);
    if (finding != ALL_RIGHT)
        set_silent(pool, true); /* again and again: work may have begun since */
}

/* ---- all pools something runs on ---- */

static void add_leased(Engine *engine, GHashTable *busy)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&engine->lock);

    for (GList *l = engine->running.head; l; l = l->next) {
        const Lease *lease = l->data;
        for (guint i = 0; i < lease->count; i++)
            g_hash_table_add(busy, (gpointer)pool_work_key(lease->holds[i].pool, WORK_STORAGE));
    }
}

static bool is_busy(Pool *pool, GHashTable *busy)
{
    for (int share = 0; share < WORK_SHARES; share++)
        if (g_hash_table_contains(busy, pool_work_key(pool, share)))
            return true;
    return false;
}

/* False when nothing runs. */
static bool examine_all(Pulse *pulse)
{
    Engine *engine = pulse->engine;
    g_autoptr(GHashTable) busy = g_hash_table_new(NULL, NULL);

    workers_set_long(engine->workers, LONG_WORK);
    workers_busy_keys(engine->workers, busy);
    add_leased(engine, busy);
    if (g_hash_table_size(busy) == 0)
        return false;
    g_autoptr(GPtrArray) pools = engine_list_pools(engine, 0);
    for (guint i = 0; i < pools->len; i++)
        if (is_busy(pools->pdata[i], busy))
            examine(pulse, pools->pdata[i]);
    return true;
}

/* ---- the thread ---- */

static void wait_a_while(Pulse *pulse)
{
    gint64 until = g_get_monotonic_time() + LOOK_INTERVAL;
    bool in_time = true;

    while (!pulse->stopping && in_time)
        in_time = g_cond_wait_until(&pulse->wake, &pulse->lock, until);
}

static void wait_for_work(Pulse *pulse)
{
    while (!pulse->stopping && __atomic_load_n(&pulse->sleeping, __ATOMIC_SEQ_CST))
        g_cond_wait(&pulse->wake, &pulse->lock);
}

static void *run_thread(void *data)
{
    Pulse *pulse = data;

    g_mutex_lock(&pulse->lock);
    while (!pulse->stopping) {
        wait_a_while(pulse);
        /* Before looking: what comes after that wakes us. */
        __atomic_store_n(&pulse->sleeping, true, __ATOMIC_SEQ_CST);
        g_mutex_unlock(&pulse->lock);
        bool busy = examine_all(pulse);
        g_mutex_lock(&pulse->lock);
        if (!busy)
            wait_for_work(pulse);
    }
    g_mutex_unlock(&pulse->lock);
    return NULL;
}

void pulse_wake(Pulse *pulse)
{
    if (!__atomic_load_n(&pulse->sleeping, __ATOMIC_SEQ_CST) ||
        !__atomic_exchange_n(&pulse->sleeping, false, __ATOMIC_SEQ_CST))
        return;
    g_mutex_lock(&pulse->lock);
    g_cond_broadcast(&pulse->wake);
    g_mutex_unlock(&pulse->lock);
}

/* ---- interface ---- */

Pulse *pulse_new(Engine *engine)
{
    Pulse *pulse = g_new0(Pulse, 1);

    pulse->engine = engine;
    g_mutex_init(&pulse->lock);
    g_cond_init(&pulse->wake);
    pulse->sleeping = true;
    int status = pthread_create(&pulse->thread, NULL, run_thread, pulse);
    if (status != 0)
        g_error("no thread can be started: %s", g_strerror(status));
    return pulse;
}

/* How long a stop waits for storage that was asked just now. */
static void wait_for_answers(Pulse *pulse)
{
    gint64 until = g_get_monotonic_time() + G_TIME_SPAN_SECOND;
    bool in_time = true;

    while (pulse->asking > 0 && in_time)
        in_time = g_cond_wait_until(&pulse->wake, &pulse->lock, until);
}

void pulse_stop(Pulse *pulse)
{
    g_mutex_lock(&pulse->lock);
    pulse->stopping = true;
    g_cond_broadcast(&pulse->wake);
    g_mutex_unlock(&pulse->lock);
    pthread_join(pulse->thread, NULL);
    g_mutex_lock(&pulse->lock);
    wait_for_answers(pulse);
    g_mutex_unlock(&pulse->lock);
}

void pulse_free(Pulse *pulse, void (*then)(Engine *engine))
{
    g_mutex_lock(&pulse->lock);
    pulse->then = then;
    bool all_answered = pulse->asking == 0;
    g_mutex_unlock(&pulse->lock);
    if (all_answered)
        free_all(pulse);
}
