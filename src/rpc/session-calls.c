/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core.h"
#include "errors.h"
#include "session-private.h"

#define PROGRESS_INTERVAL 100 /* milliseconds */

/* ---- what runs, and how far it is ---- */

guint session_count_running(const Session *session)
{
    return session->running[LANE_STORAGE] + session->running[LANE_OTHER];
}

guint session_count_in_line(const Session *session)
{
    return session->lines[LANE_STORAGE].length + session->lines[LANE_OTHER].length;
}

static gboolean report_progress(void *data);

static void update_progress_timer(Session *session)
{
    bool wanted = session->progress && session_count_running(session) > 0;

    if (wanted && !session->progress_timer)
        session->progress_timer =
            session_start_timer(session, PROGRESS_INTERVAL, report_progress, session);
    else if (!wanted)
        session_drop_timer(&session->progress_timer);
}

static void send_progress(Session *session, Call *call)
{
    RpcProgress value = {.serial = call->header.serial};

    operation_get_progress(call->op, &value.done, &value.total);
    if (value.done == call->reported_done && value.total == call->reported_total)
        return;
    call->reported_done = value.done;
    call->reported_total = value.total;
    session_send_message(session, PROGRAM_CISTERN, CISTERN_PROGRESS, call->header.serial,
                         &rpc_progress_type, &value);
}

static gboolean report_progress(void *data)
{
    g_autoptr(Session) session = session_ref(data);

    /* A reader that lags behind gets the newest figures once it has caught up. */
    for (guint i = 0; i < session->calls->len && g_queue_is_empty(&session->out); i++) {
        Call *call = session->calls->pdata[i];
        if (!call->answered)
            send_progress(session, call);
    }
    return G_SOURCE_CONTINUE;
}

void session_set_progress(Session *session, bool on)
{
    session->progress = on;
    update_progress_timer(session);
}

/* ---- answers ---- */

static void leave_line(Session *session, Call *call)
{
    call->in_line = false;
    session->in_line -= call->size;
    g_queue_remove(&session->lines[call->lane], call);
}

static void start_next(Session *session, CallLane lane);

static void answer(Session *session, Call *call, GByteArray *reply)
{
    call->answered = true;
    session_drop_timer(&call->timer);
    if (call->in_line)
        leave_line(session, call);
    else
        session->running[call->lane]--;
    session->parked = session->alone = false;
    update_progress_timer(session);
    session_send(session, reply);
    if (session->fd >= 0)
        start_next(session, call->lane);
}

/* No worker will bring it back. */
static void answer_in_line(Session *session, Call *call, GByteArray *reply)
{
    g_autoptr(Call) kept = call_ref(call);

    g_ptr_array_remove_fast(session->calls, call);
    answer(session, kept, reply);
}

void session_call_done(Server *server, void *data)
{
    g_autoptr(Call) call = data;
    g_autoptr(Session) session = call->session ? session_ref(call->session) : NULL;

    if (!session)
        return;
    if (!call->answered && !call->reply) /* it was only asked whether it may */
        call->reply = call_answer(call, TURN_ON_LOOP);
    call->session = NULL;
    if (!call->answered && call->stream)
        session_adopt_stream(session, call);
    if (!call->answered)
        answer(session, call, g_steal_pointer(&call->reply));
    if (!(call->procedure->flags & PROCEDURE_READ_ONLY))
        session->answered = g_get_monotonic_time();
    if (call->row->finish && session->fd >= 0)
        call->row->finish(session, call);
    g_ptr_array_remove_fast(session->calls, call);
    session_update(session);
}

bool session_cancel_call(Session *session, guint32 serial)
{
    bool found = false;

    for (guint i = 0; i < session->calls->len; i++) {
        Call *call = session->calls->pdata[i];
        if (call->header.serial != serial || call->answered)
            continue;
        call_cancel(call);
        found = true;
    }
    return found;
}

/* ---- deadlines ---- */

/* What each kind of deadline means, times in milliseconds. */
typedef struct DeadlineRow {
    guint limit; /* from the request on; 0: none */
    guint tick;  /* how often one looks whether the storage still answers; 0: never */
} DeadlineRow;

static DeadlineRow deadline_of(const Session *session, const HandlerRow *row)
{
    const DeadlineRow deadlines[] = {
        [DEADLINE_NONE] = {0, 0},
        [DEADLINE_CHANGE] = {0, 500},
        [DEADLINE_LOOKUP] = {LOOKUP_DEADLINE, 500},
        [DEADLINE_LATE] = {session->core->config.read_deadline, 0},
    };

    return deadlines[row->deadline];
}

Operation *session_new_operation(const Session *session, const HandlerRow *row)
{
    guint limit = deadline_of(session, row).limit;

    return operation_new(limit ? g_get_monotonic_time() + (limit + 1000) * G_GINT64_CONSTANT(1000)
                               : OPERATION_NO_DEADLINE);
}

static bool check_time(const Call *call, GError **error)
{
    if (call->expires == 0 || g_get_monotonic_time() < call->expires)
        return true;
    return error_set(error, ERROR_TIMEOUT, ORIGIN_STORAGE,
                     "the storage%s%s%s did not answer within %d seconds; see whether it is "
                     "reachable",
                     call->pool ? " of pool '" : "", call->pool ? pool_name(call->pool) : "",
                     call->pool ? "'" : "", LOOKUP_DEADLINE / 1000);
}

/* Whoever waits for the call is answered; it is called off, what it still brings is dropped. */
static void give_up(Call *call, GByteArray *reply)
{
    g_autoptr(Session) session = session_ref(call->session);

    if (call->in_line) {
        answer_in_line(session, call, reply);
    } else {
        answer(session, call, reply);
        call_cancel(call);
    }
    session_update(session);
}

static gboolean call_is_late(void *data)
{
    g_autoptr(Call) call = call_ref(data);

    give_up(call, call_answer(call, TURN_LATE));
    return G_SOURCE_REMOVE;
}

static gboolean call_ticks(void *data)
{
    g_autoptr(Call) call = call_ref(data);
    g_autoptr(GError) error = NULL;

    if (core_check_answers(call->core, call, &error) && check_time(call, &error))
        return G_SOURCE_CONTINUE;
    give_up(call, call_refuse(call, error));
    return G_SOURCE_REMOVE;
}

static GSource *watch_call(Session *session, Call *call)
{
    DeadlineRow row = deadline_of(session, call->row);

    if (row.tick > 0)
        return session_start_timer(session, row.tick, call_ticks, call);
    return row.limit > 0 ? session_start_timer(session, row.limit, call_is_late, call) : NULL;
}

/* ---- beginning, or waiting in line ---- */

bool session_has_place(const Session *session, CallLane lane)
{
    return session->running[lane] < session->core->config.max_client_requests;
}

static void begin(Session *session, Call *call)
{
    session->running[call->lane]++;
    update_progress_timer(session);
    session->alone = call->row->place == ON_SESSION || call->row->place == ON_WORKER_ALONE;
    if (session->alone || call->row->place == ON_LOOP)
        core_wait(session->core, call_ref(call));
    else
        core_work(session->core, call->pool, call->share, call_ref(call));
}

void session_start_on_worker(Session *session, Call *call)
{
    call->session = session;
    call->timer = watch_call(session, call);
    g_ptr_array_add(session->calls, call_ref(call));
    if (session_has_place(session, call->lane)) {
        begin(session, call);
        return;
    }
    call->in_line = true;
    session->in_line += call->size;
    g_queue_push_tail(&session->lines[call->lane], call);
}

GByteArray *session_answer_at_once(Call *call)
{
    g_autoptr(GError) error = NULL;

    if (call->row->place == ON_CONTROL || core_check_answers(call->core, call, &error))
        return NULL;
    if (call->row->deadline == DEADLINE_LATE)
        return call_answer(call, TURN_LATE);
    return call_refuse(call, error);
}

static void start_next(Session *session, CallLane lane)
{
    Call *call = session_has_place(session, lane) ? g_queue_peek_head(&session->lines[lane]) : NULL;

    if (!call)
        return;
    GByteArray *reply = session_answer_at_once(call);
    if (reply) {
        answer_in_line(session, call, reply); /* which goes on with the next */
    } else {
        leave_line(session, call);
        begin(session, call);
    }
}
