/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dlfcn.h>
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <sanitizer/tsan_interface.h>
#include <stdbool.h>
#include <stdlib.h>

/*
 * GLib's locks and reference counts in terms that the thread sanitizer can see.
 *
 * A GLib that wasn't built with the sanitizer does its locking with futexes and
 * atomics of its own, which the sanitizer doesn't know of: everything guarded by
 * a GMutex looks like a race. Linked into a test program, these definitions
 * take the place of the library's for our own code. Part of such builds only.
 */

static void *made_once(gpointer *place, void *(*make)(void), void (*drop)(void *))
{
    void *present = __atomic_load_n(place, __ATOMIC_ACQUIRE);

    if (present)
        return present;
    void *made = make();
    if (__atomic_compare_exchange_n(place, &present, made, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return made;
    drop(made);
    return present;
}

static void check(int result)
{
    if (result != 0)
        abort();
}

/* ---- mutexes ---- */

static void *make_mutex(void)
{
    pthread_mutex_t *mutex = malloc(sizeof(*mutex));

    check(mutex ? pthread_mutex_init(mutex, NULL) : ENOMEM);
    return mutex;
}

static void drop_mutex(void *mutex)
{
    check(pthread_mutex_destroy(mutex));
    free(mutex);
}

static pthread_mutex_t *real_mutex(GMutex *mutex)
{
    return made_once(&mutex->p, make_mutex, drop_mutex);
}

void g_mutex_init(GMutex *mutex)
{
    mutex->p = NULL;
}

void g_mutex_clear(GMutex *mutex)
{
    if (mutex->p)
        drop_mutex(mutex->p);
    mutex->p = NULL;
}

void g_mutex_lock(GMutex *mutex)
{
    check(pthread_mutex_lock(real_mutex(mutex)));
}

void g_mutex_unlock(GMutex *mutex)
{
    check(pthread_mutex_unlock(real_mutex(mutex)));
}

/* ---- conditions ---- */

static void *make_cond(void)
{
    pthread_cond_t *cond = malloc(sizeof(*cond));
    pthread_condattr_t attributes;

    check(cond ? pthread_condattr_init(&attributes) : ENOMEM);
    check(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC));
    check(pthread_cond_init(cond, &attributes));
    check(pthread_condattr_destroy(&attributes));
    return cond;
}

static void drop_cond(void *cond)
{
    check(pthread_cond_destroy(cond));
    free(cond);
}

static pthread_cond_t *real_cond(GCond *cond)
{
    return made_once(&cond->p, make_cond, drop_cond);
}

void g_cond_init(GCond *cond)
{
    cond->p = NULL;
}

void g_cond_clear(GCond *cond)
{
    if (cond->p)
        drop_cond(cond->p);
    cond->p = NULL;
}

void g_cond_wait(GCond *cond, GMutex *mutex)
{
    check(pthread_cond_wait(real_cond(cond), real_mutex(mutex)));
}

gboolean g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time)
{
    struct timespec end = {.tv_sec = end_time / G_TIME_SPAN_SECOND,
                           .tv_nsec = end_time % G_TIME_SPAN_SECOND * 1000};
    int result = pthread_cond_timedwait(real_cond(cond), real_mutex(mutex), &end);

    check(result == ETIMEDOUT ? 0 : result);
    return result == 0;
}

void g_cond_signal(GCond *cond)
{
    check(pthread_cond_signal(real_cond(cond)));
}

void g_cond_broadcast(GCond *cond)
{
    check(pthread_cond_broadcast(real_cond(cond)));
}

/* ---- reference counts ---- */

void(g_atomic_ref_count_init)(gatomicrefcount *count)
{
    __atomic_store_n(count, 1, __ATOMIC_RELEASE);
}

void(g_atomic_ref_count_inc)(gatomicrefcount *count)
{
    __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
}

gboolean(g_atomic_ref_count_dec)(gatomicrefcount *count)
{
    return __atomic_fetch_sub(count, 1, __ATOMIC_ACQ_REL) == 1;
}

/* ---- pools of threads: what is pushed happens before it is run ---- */

typedef struct PoolCall {
    GFunc func;
    gpointer data;
} PoolCall;

static void run_pushed(gpointer data, gpointer user_data)
{
    const PoolCall *call = user_data;

    __tsan_acquire(data);
    call->func(data, call->data);
}

GThreadPool *g_thread_pool_new(GFunc func, gpointer user_data, gint max_threads, gboolean exclusive,
                               GError **error)
{
    GThreadPool *(*real)(GFunc, gpointer, gint, gboolean, GError **) =
        (GThreadPool * (*)(GFunc, gpointer, gint, gboolean, GError **))
            dlsym(RTLD_NEXT, "g_thread_pool_new");
    PoolCall *call = malloc(sizeof(*call)); /* as long as its pool, which is as long as we run */

    check(call ? 0 : ENOMEM);
    *call = (PoolCall){func, user_data};
    return real(run_pushed, call, max_threads, exclusive, error);
}

gboolean g_thread_pool_push(GThreadPool *pool, gpointer data, GError **error)
{
    gboolean (*real)(GThreadPool *, gpointer, GError **) =
        (gboolean(*)(GThreadPool *, gpointer, GError **))dlsym(RTLD_NEXT, "g_thread_pool_push");

    __tsan_release(data);
    return real(pool, data, error);
}
