/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "workers.h"

#include <pthread.h>

#include "log.h"
#include "priority.h"

#define IDLE_SECONDS 5
/* Of all threads, those that are written off included. */
#define THREADS_LIMIT 1024
/* Enough for XML of the depth that is let in and for io buffers, which are on the heap. */
#define STACK_SIZE (1024 * 1024)

typedef struct Work {
    WorkFunc func;
    void *data;
} Work;

/* The work of one key. Exists while there is any. */
typedef struct Lane {
    gconstpointer key;
    guint limit;
    guint running;
    bool is_hung;
    GQueue queue; /* of Work */
    bool is_ready;
    GList ready; /* its place in Workers.ready: may start work, waits for its turn */
} Lane;

/* The condition is GLib's: to signal a pthread_cond_t may wait for threads that were signalled
 * before and haven't got a processor since, and it is the loop that signals. */
struct Workers {
    GMutex lock;
    GCond wake;  /* an idle thread shall look */
    GCond ended; /* a thread has ended */
    guint max_threads, max_per_key;
    GHashTable *lanes; /* key → Lane */
    GQueue ready;      /* of Lane, taking turns */
    guint threads, idle;
    guint written_off; /* of the threads: those that run work of hung lanes */
    bool is_looking;   /* a thread was woken or started and hasn't looked yet */
    bool stopping;     /* threads end when there is nothing to do */
    bool abandoned;    /* nobody waits any more: the last thread releases all */
};

Workers *workers_new(guint max_threads, guint max_per_key)
{
    Workers *workers = g_new0(Workers, 1);

    g_mutex_init(&workers->lock);
    g_cond_init(&workers->wake);
    g_cond_init(&workers->ended);
    workers->max_threads = MAX(max_threads, 1);
    workers->max_per_key = MAX(max_per_key, 1);
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
    g_cond_clear(&workers->wake);
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
    lane->limit = key ? workers->max_per_key : MAX(workers->max_threads / 2, 1);
    lane->ready.data = lane;
    g_queue_init(&lane->queue);
    g_hash_table_insert(workers->lanes, (gpointer)key, lane);
    return lane;
}

/* Lines a lane up if it has work and may start it; removes it when it has none left. */
static void settle_lane(Workers *workers, Lane *lane)
{
    if (!lane->is_ready && !g_queue_is_empty(&lane->queue) && lane->running < lane->limit) {
        lane->is_ready = true;
        g_queue_push_tail_link(&workers->ready, &lane->ready);
    } else if (lane->running == 0 && g_queue_is_empty(&lane->queue)) {
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
    lane->running++;
    workers->written_off += lane->is_hung;
    Work *work = g_queue_pop_head(&lane->queue);
    settle_lane(workers, lane);
    *ret_lane = lane;
    return work;
}

/* ---- threads ---- */

/* Sleeps until woken, with the lock given back meanwhile. False after the idle time. */
static bool wait_for_work(Workers *workers)
{
    gint64 until = g_get_monotonic_time() + IDLE_SECONDS * G_USEC_PER_SEC;

    workers->idle++;
    bool was_woken = g_cond_wait_until(&workers->wake, &workers->lock, until);
    workers->idle--;
    workers->is_looking = false;
    return was_woken;
}

static void unlock_and_wake(Workers *workers);

static void run_work(Workers *workers, Work *work, Lane *lane)
{
    unlock_and_wake(workers);
    work->func(work->data);
    g_free(work);
    g_mutex_lock(&workers->lock);
    lane->running--;
    workers->written_off -= lane->is_hung;
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

/* Returns an errno. */
static int start_thread(Workers *workers)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int status;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    status = pthread_create(&thread, &attributes, run_thread, workers);
    pthread_attr_destroy(&attributes);
    return status;
}

/* Sees to it that a thread looks for work, if there is any that may start. One at a time: when it
 * has found some, it sees to the next. True when that is a sleeping one, which has to be woken. */
static bool choose_thread(Workers *workers)
{
    if (workers->is_looking || g_queue_is_empty(&workers->ready))
        return false;
    if (workers->idle > 0)
        return workers->is_looking = true;
    if (workers->threads - workers->written_off >= workers->max_threads ||
        workers->threads >= THREADS_LIMIT)
        return false;
    int status = start_thread(workers);
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
        g_cond_signal(&workers->wake);
}

/* One that is woken before the lock is free would sleep again at once. */
static void unlock_and_wake(Workers *workers)
{
    bool is_asleep = choose_thread(workers);

    g_mutex_unlock(&workers->lock);
    if (is_asleep)
        g_cond_signal(&workers->wake);
}

/* ---- the rest of the interface ---- */

void workers_run(Workers *workers, gconstpointer key, WorkFunc func, void *data)
{
    Work *work = g_new(Work, 1);

    *work = (Work){func, data};
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
        if (hung)
            workers->written_off += lane->running;
        else
            workers->written_off -= lane->running;
        wake_thread(workers);
        g_cond_broadcast(&workers->ended);
    }
    g_mutex_unlock(&workers->lock);
}

void workers_busy_keys(Workers *workers, GHashTable *ret)
{
    GHashTableIter iter;
    void *lane;

    g_mutex_lock(&workers->lock);
    g_hash_table_iter_init(&iter, workers->lanes);
    while (g_hash_table_iter_next(&iter, NULL, &lane))
        if (((Lane *)lane)->running > 0)
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
    g_cond_broadcast(&workers->wake);
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
