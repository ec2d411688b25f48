/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "workers.h"

#include "bell.h"
#include "log.h"
#include "priority.h"
#include "thread.h"

#include <errno.h>

#define IDLE_SECONDS 5
/* Of all threads, those that are written off included. */
#define THREADS_LIMIT 1024
/* Enough for XML of the depth that is let in and for io buffers, which are on the heap. */
#define STACK_SIZE (1024 * 1024)

typedef struct Work {
    WorkFunc func;
    void *data;
    gint64 started; /* monotonic */
    bool is_long;   /* it counts as such */
    GList place;    /* in Lane.running */
} Work;

/* The work of one key. Exists while there is any. */
typedef struct Lane {
    gconstpointer key;
    guint limit;
    GQueue running; /* of Work */
    guint n_long;   /* of those */
    bool is_hung;
    GQueue queue; /* of Work */
    bool is_ready;
    GList ready; /* its place in Workers.ready: may start work, waits for its turn */
} Lane;

struct Workers {
    GMutex lock;
    Bell wake;   /* an idle thread shall look */
    GCond ended; /* a thread has ended */
    WorkersLimits limits;
    GHashTable *lanes; /* key → Lane */
    GQueue ready;      /* of Lane, taking turns */
    guint threads, idle;
    guint written_off; /* of the threads: those that run work of hung lanes */
    guint n_long;      /* of the threads: those that run long work of others */
    bool is_looking;   /* a thread was woken or started and hasn't looked yet */
    bool stopping;     /* threads end when there is nothing to do */
    bool abandoned;    /* nobody waits any more: the last thread releases all */
};

Workers *workers_new(const WorkersLimits *limits)
{
    Workers *workers = g_new0(Workers, 1);

    g_mutex_init(&workers->lock);
    if (!bell_init(&workers->wake, IDLE_SECONDS))
        g_error("no sockets can be made: %s", g_strerror(errno));
    g_cond_init(&workers->ended);
    workers->limits = *limits;
    workers->lanes = g_hash_table_new(NULL, NULL);
    g_queue_init(&workers->ready);
    return workers;
}

static void lane_free(Lane *lane)
{
    g_queue_clear_full(&lane->queue, g_free);
    g_free(lane);
}

static void workers_free(Workers *workers)
{
    GHashTableIter iter;
    void *lane;

    g_hash_table_iter_init(&iter, workers->lanes);
    while (g_hash_table_iter_next(&iter, NULL, &lane))
        lane_free(lane);
    g_hash_table_unref(workers->lanes);
    bell_clear(&workers->wake);
    g_cond_clear(&workers->ended);
    g_mutex_clear(&workers->lock);
    g_free(workers);
}

/* ---- lanes; all with the lock held ---- */

static Lane *get_lane(Workers *workers, gconstpointer key)
{
    Lane *lane = g_hash_table_lookup(workers->lanes, key);

    if (lane)
        return lane;
    lane = g_new0(Lane, 1);
    lane->key = key;
    lane->limit = key ? workers->limits.per_key : MAX(workers->limits.threads / 2, 1);
    lane->ready.data = lane;
    g_queue_init(&lane->queue);
    g_queue_init(&lane->running);
    g_hash_table_insert(workers->lanes, (gpointer)key, lane);
    return lane;
}

/* Lines a lane up if it has work and may start it; removes it when it has none left. */
static void settle_lane(Workers *workers, Lane *lane)
{
    guint counted = lane->running.length - lane->n_long;

    if (!lane->is_ready && !g_queue_is_empty(&lane->queue) && counted < lane->limit) {
        lane->is_ready = true;
        g_queue_push_tail_link(&workers->ready, &lane->ready);
    } else if (g_queue_is_empty(&lane->running) && g_queue_is_empty(&lane->queue)) {
        g_hash_table_remove(workers->lanes, lane->key);
        lane_free(lane);
    }
}

/* The next work of the lane whose turn it is; NULL when none may start. */
static Work *take_work(Workers *workers, Lane **ret_lane)
{
    GList *link = g_queue_pop_head_link(&workers->ready);

    if (!link)
        return NULL;
    Lane *lane = link->data;
    lane->is_ready = false;
    workers->written_off += lane->is_hung;
    Work *work = g_queue_pop_head(&lane->queue);
    work->started = g_get_monotonic_time();
    work->place.data = work;
    g_queue_push_tail_link(&lane->running, &work->place);
    settle_lane(workers, lane);
    *ret_lane = lane;
    return work;
}

/* ---- threads ---- */

/* Sleeps until woken, with the lock given back meanwhile. False after the idle time. */
static bool wait_for_work(Workers *workers)
{
    workers->idle++;
    g_mutex_unlock(&workers->lock);
    bool was_woken = bell_wait(&workers->wake);
    g_mutex_lock(&workers->lock);
    workers->idle--;
    workers->is_looking = false;
    return was_woken;
}

static void unlock_and_wake(Workers *workers);

/* A hung lane's work is written off, whether it is long or not. */
static void count_out(Workers *workers, Lane *lane, Work *work)
{
    g_queue_unlink(&lane->running, &work->place);
    lane->n_long -= work->is_long;
    if (lane->is_hung)
        workers->written_off--;
    else
        workers->n_long -= work->is_long;
}

static void run_work(Workers *workers, Work *work, Lane *lane)
{
    unlock_and_wake(workers);
    work->func(work->data);
    g_mutex_lock(&workers->lock);
    count_out(workers, lane, work);
    g_free(work);
    settle_lane(workers, lane);
}

static void *run_thread(void *data)
{
    Workers *workers = data;
    bool awake = true;
    Lane *lane;

    priority_work();
    g_mutex_lock(&workers->lock);
    workers->is_looking = false;
    for (;;) {
        Work *work = take_work(workers, &lane);
        if (work) {
            run_work(workers, work, lane);
            awake = true;
        } else if (awake && !workers->stopping) {
            awake = wait_for_work(workers);
        } else {
            break;
        }
    }
    bool is_last = --workers->threads == 0 && workers->abandoned;
    g_cond_broadcast(&workers->ended);
    g_mutex_unlock(&workers->lock);
    if (is_last)
        workers_free(workers);
    return NULL;
}

/* Sees to it that a thread looks for work, if there is any that may start. One at a time: when it
 * has found some, it sees to the next. True when that is a sleeping one, which has to be woken. */
static bool choose_thread(Workers *workers)
{
    if (workers->is_looking || g_queue_is_empty(&workers->ready))
        return false;
    if (workers->idle > 0)
        return workers->is_looking = true;
    if (workers->threads - workers->written_off - workers->n_long >= workers->limits.threads ||
        workers->threads >= THREADS_LIMIT)
        return false;
    int status = thread_start_detached(STACK_SIZE, run_thread, workers);
    if (status != 0) {
        /* What is queued starts when another thread is free, or with the next work. */
        log_warning("cannot start another worker thread: %s", g_strerror(status));
        return false;
    }
    workers->threads++;
    workers->is_looking = true;
    return false;
}

static void wake_thread(Workers *workers)
{
    if (choose_thread(workers))
        bell_ring(&workers->wake);
}

/* One that is woken before the lock is free would sleep again at once. */
static void unlock_and_wake(Workers *workers)
{
    bool is_asleep = choose_thread(workers);

    g_mutex_unlock(&workers->lock);
    if (is_asleep)
        bell_ring(&workers->wake);
}

/* ---- the rest of the interface ---- */

void workers_run(Workers *workers, gconstpointer key, WorkFunc func, void *data)
{
    Work *work = g_new(Work, 1);

    *work = (Work){.func = func, .data = data};
    g_mutex_lock(&workers->lock);
    if (workers->abandoned) {
        g_free(work);
    } else {
        Lane *lane = get_lane(workers, key);
        g_queue_push_tail(&lane->queue, work);
        settle_lane(workers, lane);
    }
    unlock_and_wake(workers);
}

void workers_write_off(Workers *workers, gconstpointer key, bool hung)
{
    g_mutex_lock(&workers->lock);
    Lane *lane = g_hash_table_lookup(workers->lanes, key);
    if (lane && lane->is_hung != hung) {
        lane->is_hung = hung;
        if (hung) {
            workers->written_off += lane->running.length;
            workers->n_long -= lane->n_long;
        } else {
            workers->written_off -= lane->running.length;
            workers->n_long += lane->n_long;
        }
        wake_thread(workers);
        g_cond_broadcast(&workers->ended);
    }
    g_mutex_unlock(&workers->lock);
}

/* The oldest come first. */
static void set_long(Workers *workers, Lane *lane, gint64 before)
{
    for (GList *place = lane->running.head; place; place = place->next) {
        Work *work = place->data;
        if (work->started > before || lane->n_long >= workers->limits.long_per_key)
            return;
        if (work->is_long)
            continue;
        work->is_long = true;
        lane->n_long++;
        workers->n_long += !lane->is_hung;
    }
}

void workers_set_long(Workers *workers, gint64 age)
{
    gint64 before = g_get_monotonic_time() - age;
    GHashTableIter iter;
    void *lane;

    g_mutex_lock(&workers->lock);
    g_hash_table_iter_init(&iter, workers->lanes);
    while (g_hash_table_iter_next(&iter, NULL, &lane)) {
        set_long(workers, lane, before);
        settle_lane(workers, lane);
    }
    unlock_and_wake(workers);
}

void workers_busy_keys(Workers *workers, GHashTable *ret)
{
    GHashTableIter iter;
    void *lane;

    g_mutex_lock(&workers->lock);
    g_hash_table_iter_init(&iter, workers->lanes);
    while (g_hash_table_iter_next(&iter, NULL, &lane))
        if (!g_queue_is_empty(&((Lane *)lane)->running))
            g_hash_table_add(ret, (gpointer)((Lane *)lane)->key);
    g_mutex_unlock(&workers->lock);
}

/* Forgets what hasn't started. With the lock held. */
static void drop_queued(Workers *workers)
{
    GHashTableIter iter;
    void *lane;

    g_queue_init(&workers->ready);
    g_hash_table_iter_init(&iter, workers->lanes);
    while (g_hash_table_iter_next(&iter, NULL, &lane)) {
        g_queue_clear_full(&((Lane *)lane)->queue, g_free);
        ((Lane *)lane)->is_ready = false;
    }
}

bool workers_stop(Workers *workers, gint64 timeout)
{
    gint64 until = g_get_monotonic_time() + timeout;
    bool in_time = true;

    g_mutex_lock(&workers->lock);
    workers->stopping = true;
    bell_ring_for_good(&workers->wake);
    wake_thread(workers);
    while (workers->threads > workers->written_off && in_time)
        in_time = g_cond_wait_until(&workers->ended, &workers->lock, until);
    bool all_ended = workers->threads == 0;
    if (!all_ended) {
        workers->abandoned = true;
        drop_queued(workers);
    }
    g_mutex_unlock(&workers->lock);
    if (all_ended)
        workers_free(workers);
    return all_ended;
}
