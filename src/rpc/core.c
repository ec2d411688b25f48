/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core.h"
#include "session.h"

#include <errno.h>

#define DEFAULT_CLIENTS            5000
#define DEFAULT_CLIENT_REQUESTS    5
#define DEFAULT_QUEUED             (64u << 20)
#define DEFAULT_READ_DEADLINE      2000
#define DEFAULT_KEEPALIVE_INTERVAL 5
#define DEFAULT_KEEPALIVE_COUNT    5

/* How often one looks whether it is only silent storage that is waited for. */
#define WAIT_TICK (100 * G_TIME_SPAN_MILLISECOND)

typedef struct Letter {
    LetterFunc deliver;
    void *data;
    GDestroyNotify drop;
} Letter;

#define DEFAULT_UNAUTHENTICATED 20
#define DEFAULT_AUTH_TIMEOUT    60
#define WAITERS_MAX             64

static ServerConfig with_defaults(const ServerConfig *config)
{
    ServerConfig full = config ? *config : (ServerConfig){0};

    full.max_clients = full.max_clients ?: DEFAULT_CLIENTS;
    full.max_client_requests = full.max_client_requests ?: DEFAULT_CLIENT_REQUESTS;
    full.max_message =
        full.max_message ? MIN(full.max_message, FRAME_LENGTH_MAX) : FRAME_LENGTH_MAX;
    full.max_queued = full.max_queued ?: DEFAULT_QUEUED;
    full.read_deadline = full.read_deadline ?: DEFAULT_READ_DEADLINE;
    full.keepalive_interval = full.keepalive_interval ?: DEFAULT_KEEPALIVE_INTERVAL;
    full.keepalive_count = full.keepalive_count ?: DEFAULT_KEEPALIVE_COUNT;
    full.max_unauthenticated = full.max_unauthenticated ?: DEFAULT_UNAUTHENTICATED;
    full.auth_timeout = full.auth_timeout ?: DEFAULT_AUTH_TIMEOUT;
    full.sasl_min_ssf = MAX(full.sasl_min_ssf, SASL_MIN_SSF);
    return full;
}

typedef struct Waiting {
    WorkFunc func;
    void *data;
} Waiting;

static void run_waiting(void *data, void *unused)
{
    g_autofree Waiting *waiting = data;

    waiting->func(waiting->data);
}

Core *core_new(Engine *engine, const ServerConfig *config)
{
    Core *core = g_new0(Core, 1);

    g_atomic_ref_count_init(&core->refs);
    g_mutex_init(&core->lock);
    g_cond_init(&core->changed);
    g_queue_init(&core->letters);
    if (!bell_init(&core->bell, 0))
        g_error("no sockets can be made: %s", g_strerror(errno));
    core->working = g_hash_table_new(NULL, NULL);
    core->engine = engine;
    core->config = with_defaults(config);
    core->waiters = g_thread_pool_new(run_waiting, NULL, WAITERS_MAX, FALSE, NULL);
    return core;
}

Core *core_ref(Core *core)
{
    g_atomic_ref_count_inc(&core->refs);
    return core;
}

void core_unref(Core *core)
{
    if (!g_atomic_ref_count_dec(&core->refs))
        return;
    g_thread_pool_free(core->waiters, FALSE, FALSE);
    g_hash_table_unref(core->working);
    g_mutex_clear(&core->lock);
    g_cond_clear(&core->changed);
    bell_clear(&core->bell);
    g_free(core);
}

/* ---- letters ---- */

/* `*ret_first`: the loop doesn't know yet that there are letters. */
static bool put_letter(Core *core, Letter *letter, bool *ret_first)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&core->lock);

    if (core->shut)
        return false;
    *ret_first = g_queue_is_empty(&core->letters);
    g_queue_push_tail(&core->letters, letter);
    return true;
}

void core_post(Core *core, LetterFunc deliver, void *data, GDestroyNotify drop)
{
    Letter *letter = g_new(Letter, 1);
    bool is_first;

    *letter = (Letter){deliver, data, drop};
    if (!put_letter(core, letter, &is_first)) {
        drop(data);
        g_free(letter);
    } else if (is_first) {
        bell_ring(&core->bell);
    }
}

static GQueue take_letters(Core *core)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&core->lock);
    GQueue taken = core->letters;

    g_queue_init(&core->letters);
    return taken;
}

void core_deliver(Core *core, Server *server)
{
    Letter *letter;

    bell_hush(&core->bell);
    GQueue letters = take_letters(core);
    while ((letter = g_queue_pop_head(&letters))) {
        letter->deliver(server, letter->data);
        g_free(letter);
    }
}

void core_count_listeners(Core *core, gint change)
{
    g_atomic_int_add(&core->listeners, change);
}

bool core_has_listeners(Core *core)
{
    return g_atomic_int_get(&core->listeners) > 0;
}

/* ---- workers ---- */

static void mark_working(Core *core, Call *call)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&core->lock);

    g_hash_table_add(core->working, call);
}

/* The call is not to be touched by its worker any more. */
static void mark_done(Core *core, Call *call)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&core->lock);

    g_hash_table_remove(core->working, call);
    g_cond_broadcast(&core->changed);
}

static void drop_call(void *data)
{
    call_unref(data);
}

/* The reply; NULL when the loop is to make it. */
static GByteArray *answer(Call *call)
{
    g_autoptr(GError) error = NULL;

    /* Whoever waited for it may have been answered long ago. */
    if (!operation_check(call->op, &error))
        return call_refuse(call, error);
    if (call->core->config.access_waits && !call_check_connect(call, &error))
        return call_refuse(call, error);
    return call->row->place == ON_SESSION ? NULL : call_answer(call, TURN_ON_WORKER);
}

static void work(void *data)
{
    Call *call = data;
    Core *core = core_ref(call->core);

    call->reply = answer(call);
    mark_done(core, call);
    core_post(core, session_call_done, call, drop_call);
    core_unref(core);
}

void core_work(Core *core, Pool *pool, WorkShare share, Call *call)
{
    mark_working(core, call);
    engine_run(core->engine, pool, share, work, call);
}

static bool is_patient(const Call *call)
{
    return g_get_monotonic_time() - call->began < call->row->patience * G_TIME_SPAN_SECOND;
}

bool core_check_answers(Core *core, Call *call, GError **error)
{
    if (is_patient(call))
        return true;
    return (!call->pool || pool_check_answers(call->pool, error)) &&
           engine_check_answers(core->engine, call->op, error);
}

/* Nothing but what waits for storage that doesn't answer. */
static bool only_silent_left(Core *core)
{
    GHashTableIter iter;
    void *call;

    g_hash_table_iter_init(&iter, core->working);
    while (g_hash_table_iter_next(&iter, &call, NULL))
        if (core_check_answers(core, call, NULL))
            return false;
    return true;
}

void core_run_waiting(Core *core, WorkFunc func, void *data)
{
    Waiting *waiting = g_new(Waiting, 1);

    *waiting = (Waiting){func, data};
    g_thread_pool_push(core->waiters, waiting, NULL);
}

void core_wait(Core *core, Call *call)
{
    mark_working(core, call);
    core_run_waiting(core, work, call);
}

void core_stream_begins(Core *core)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&core->lock);

    core->streams++;
}

void core_stream_ends(Core *core)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&core->lock);

    core->streams--;
    g_cond_broadcast(&core->changed);
}

bool core_is_busy(Core *core)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&core->lock);
    bool busy = core->streams > 0 || core->open_streams > 0;
    GHashTableIter iter;
    void *key;

    g_hash_table_iter_init(&iter, core->working);
    while (!busy && g_hash_table_iter_next(&iter, &key, NULL)) {
        Call *call = key;
        busy =
            !(call->procedure->flags & PROCEDURE_READ_ONLY) && core_check_answers(core, call, NULL);
    }
    return busy;
}

static void cancel_call(void *call, void *value, void *data)
{
    call_cancel(call);
}

static void wait_for_workers(Core *core, gint64 timeout)
{
    gint64 end = g_get_monotonic_time() + timeout;

    g_hash_table_foreach(core->working, cancel_call, NULL);
    while (g_get_monotonic_time() < end && (core->streams > 0 || !only_silent_left(core)))
        g_cond_wait_until(&core->changed, &core->lock, g_get_monotonic_time() + WAIT_TICK);
}

void core_shut(Core *core, gint64 timeout)
{
    Letter *letter;

    g_mutex_lock(&core->lock);
    core->shut = true;
    wait_for_workers(core, timeout);
    g_mutex_unlock(&core->lock);
    GQueue letters = take_letters(core);
    while ((letter = g_queue_pop_head(&letters))) {
        letter->drop(letter->data);
        g_free(letter);
    }
}
