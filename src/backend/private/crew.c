/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "crew.h"

#include <stdatomic.h>
#include <sys/resource.h>

#define BATCH          16                            /* tasks taken at a time */
#define PACE_TASKS     64                            /* tasks between two looks at the pace … */
#define PACE_TIME      (5 * G_TIME_SPAN_MILLISECOND) /* … or this time, if it is over before */
#define TASKS_A_THREAD 64                            /* fewer are not worth a thread */

typedef struct Crew {
    CrewTask task;
    void *data;
    guint count;
    Operation *op;
    atomic_uint next; /* the first task that nobody has taken */
    GMutex lock;
    GQueue threads;  /* not yet joined; under lock */
    guint n_threads; /* ever started, the caller included; under lock */
} Crew;

/* How a thread has spent its time since `wall`. */
typedef struct Pace {
    gint64 wall, cpu; /* microseconds */
    long waits;
    guint tasks;
} Pace;

static Pace measure(void)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    return (Pace){
        .wall = g_get_monotonic_time(),
        .cpu = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * G_USEC_PER_SEC +
               usage.ru_utime.tv_usec + usage.ru_stime.tv_usec,
        .waits = usage.ru_nvcsw,
    };
}

/* True when the thread waited more than it worked, and not just for its turn on a busy processor:
 * that is no voluntary wait. */
static bool is_waiting(Pace *pace, guint tasks)
{
    pace->tasks += tasks;
    if (pace->tasks < PACE_TASKS && g_get_monotonic_time() - pace->wall < PACE_TIME)
        return false;
    Pace now = measure();
    bool waiting = now.wall - pace->wall > 2 * (now.cpu - pace->cpu) &&
                   now.waits - pace->waits >= (long)(pace->tasks / 8 + 1);
    *pace = now;
    return waiting;
}

static void *work(void *data);

static void add_thread(Crew *crew)
{
    g_mutex_lock(&crew->lock);
    if (crew->n_threads < CREW_THREADS_MAX && atomic_load(&crew->next) < crew->count) {
        GThread *thread = g_thread_try_new("scan", work, crew, NULL);
        if (thread) {
            g_queue_push_tail(&crew->threads, thread);
            crew->n_threads++;
        }
    }
    g_mutex_unlock(&crew->lock);
}

static void *work(void *data)
{
    Crew *crew = data;
    Pace pace = measure();

    while (operation_check(crew->op, NULL)) {
        guint first = atomic_fetch_add(&crew->next, BATCH);
        if (first >= crew->count)
            break;
        guint end = MIN(first + BATCH, crew->count);
        for (guint i = first; i < end; i++)
            crew->task(i, crew->data);
        if (is_waiting(&pace, end - first))
            add_thread(crew);
    }
    return NULL;
}

static GThread *take_thread(Crew *crew)
{
    g_mutex_lock(&crew->lock);
    GThread *thread = g_queue_pop_head(&crew->threads);
    g_mutex_unlock(&crew->lock);
    return thread;
}

bool crew_run(guint count, CrewTask task, void *data, Operation *op, GError **error)
{
    Crew crew = {.task = task, .data = data, .count = count, .op = op, .n_threads = 1};
    guint wanted = count / TASKS_A_THREAD;

    g_mutex_init(&crew.lock);
    g_queue_init(&crew.threads);
    if (wanted > 1) /* how many there are is read from a file, each time */
        wanted = MIN(wanted, g_get_num_processors());
    for (guint i = 1; i < wanted; i++)
        add_thread(&crew);
    work(&crew);
    /* Only a running thread adds another, so when none is left to join none will come. */
    for (GThread *thread; (thread = take_thread(&crew));)
        g_thread_join(thread);
    g_mutex_clear(&crew.lock);
    return atomic_load(&crew.next) >= count || operation_check(op, error);
}
