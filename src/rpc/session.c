/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"
#include "core.h"
#include "errors.h"
#include "fd.h"
#include "log.h"
#include "server-private.h"
#include "stream.h"
#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAMES_PER_TURN    64      /* then the other clients have theirs */
#define QUEUED_SOFT_LIMIT  1048576 /* bytes unsent: further requests wait */
#define VECTORS_PER_WRITE  16
#define PROGRESS_INTERVAL  100 /* milliseconds */
#define STREAMS_MAX        256
#define STREAMS_SOFT_LIMIT 262144 /* bytes unsent: streams wait */
#define LEAVE_TIME         G_TIME_SPAN_SECOND
#define SENDS_PER_TURN     16
#define EARLY_MESSAGE_MAX  524288 /* bytes of a message before authentication: SASL's largest */
#define AUTH_FAILURES_MAX  5
#define LINE_CALLS_MAX     64      /* of one connection, that wait for others of it to end … */
#define LINE_BYTES_MAX     1048576 /* … and bytes of their arguments: then its socket waits */

typedef struct SessionSource {
    GSource source;
    Session *session;
} SessionSource;

static void session_update(Session *session);

/* ---- life ---- */

Session *session_ref(Session *session)
{
    session->refs++;
    return session;
}

void session_unref(Session *session)
{
    if (!session || --session->refs > 0)
        return;
    g_array_unref(session->registrations);
    g_ptr_array_unref(session->calls);
    g_ptr_array_unref(session->streams);
    identity_unref(session->identity);
    sasl_unref(session->sasl);
    g_free(session->uri);
    core_unref(session->core);
    g_free(session);
}

static void drop_timer(GSource **timer)
{
    if (*timer)
        g_source_destroy(*timer);
    g_clear_pointer(timer, g_source_unref);
}

static GSource *start_timer(Session *session, guint milliseconds, GSourceFunc func, void *data)
{
    GSource *timer = g_timeout_source_new(milliseconds);

    g_source_set_callback(timer, func, data, NULL);
    g_source_attach(timer, session->core->config.context);
    return timer;
}

/* Nobody waits for this call any more. What only reads is stopped, changes are finished. */
static void orphan_call(Call *call)
{
    drop_timer(&call->timer);
    call->session = NULL;
    if (call->procedure->flags & PROCEDURE_READ_ONLY)
        call_cancel(call);
}

static void free_frame(void *frame)
{
    g_byte_array_unref(frame);
}

void session_close(Session *session, const char *why)
{
    if (session->fd < 0)
        return;
    log_debug("%s: closed: %s", session->client, why);
    g_source_destroy(session->source);
    g_clear_pointer(&session->source, g_source_unref);
    session->fd = -1;
    g_clear_pointer(&session->transport, transport_free);
    if (session->next_transport)
        session->next_transport->fd = -1;
    g_clear_pointer(&session->next_transport, transport_free);
    drop_timer(&session->auth_timer);
    drop_timer(&session->progress_timer);
    drop_timer(&session->keepalive_timer);
    for (guint i = 0; i < session->calls->len; i++)
        orphan_call(session->calls->pdata[i]);
    g_ptr_array_set_size(session->calls, 0);
    for (CallLane lane = 0; lane < LANE_COUNT; lane++)
        g_queue_clear(&session->lines[lane]);
    for (guint i = 0; i < session->streams->len; i++)
        stream_abandon(session->streams->pdata[i]);
    g_ptr_array_set_size(session->streams, 0);
    g_queue_clear_full(&session->out, free_frame);
    g_queue_clear_full(&session->events, event_free);
    core_count_listeners(session->core, -(gint)session->registrations->len);
    frame_reader_clear(&session->reader);
    server_forget(session->server, session);
}

bool session_may_take_leave(const Session *session)
{
    return session->answered > 0 && g_get_monotonic_time() - session->answered < LEAVE_TIME;
}

/* ---- streams ---- */

static Stream *find_stream(Session *session, const FrameHeader *header)
{
    for (guint i = 0; i < session->streams->len; i++)
        if (stream_is(session->streams->pdata[i], header))
            return session->streams->pdata[i];
    return NULL;
}

static void drop_stream(Session *session, guint index)
{
    stream_abandon(session->streams->pdata[index]);
    g_ptr_array_remove_index(session->streams, index);
    if (session->streams->len == 0)
        session->reader.trust = 0;
}

/* Some clients never say that they have seen the end of a download. */
static bool make_place_for_stream(Session *session)
{
    for (guint i = 0; i < session->streams->len && session->streams->len >= STREAMS_MAX; i++)
        if (stream_is_idle(session->streams->pdata[i]))
            drop_stream(session, i);
    return session->streams->len < STREAMS_MAX;
}

static bool check_stream(Session *session, const Call *call, GError **error)
{
    if (find_stream(session, &call->header))
        return error_set(error, ERROR_RPC, ORIGIN_RPC, "a stream with the serial %u is still open",
                         call->header.serial);
    return make_place_for_stream(session) ||
           error_set(error, ERROR_BUSY, ORIGIN_RPC, "%d streams of this connection are open",
                     STREAMS_MAX);
}

/* Before the reply is sent: then packets may come. */
static void adopt_stream(Session *session, Call *call)
{
    g_autoptr(GError) error = NULL;

    if (!check_stream(session, call, &error)) {
        g_byte_array_unref(call->reply);
        call->reply = call_refuse(call, error);
        return;
    }
    Stream *stream = g_steal_pointer(&call->stream);
    g_ptr_array_add(session->streams, stream);
    session->reader.trust = STREAM_QUEUE_MAX;
    stream_start(stream, session);
}

static bool take_packet(Session *session, Frame *frame)
{
    Stream *stream = find_stream(session, &frame->header);

    return !stream || stream_take(stream, &session->reader, frame);
}

/* ---- sending ---- */

static guint gather(Session *session, struct iovec vectors[VECTORS_PER_WRITE])
{
    guint count = 0;
    gsize offset = session->out_offset;

    for (GList *l = session->out.head; l && count < VECTORS_PER_WRITE; l = l->next) {
        GByteArray *frame = l->data;
        vectors[count++] = (struct iovec){frame->data + offset, frame->len - offset};
        offset = 0;
    }
    return count;
}

static void count_sent(Session *session, gsize count)
{
    session->queued -= count;
    session->out_offset += count;
    while (!g_queue_is_empty(&session->out)) {
        GByteArray *frame = g_queue_peek_head(&session->out);
        if (session->out_offset < frame->len)
            return;
        session->out_offset -= frame->len;
        g_byte_array_unref(g_queue_pop_head(&session->out));
    }
}

static bool has_unsent(Session *session)
{
    return !g_queue_is_empty(&session->out) || transport_has_unsent(session->transport);
}

/* One piece. True while there may be more to do. */
static bool send_some(Session *session)
{
    struct iovec vectors[VECTORS_PER_WRITE];
    guint n_vectors = gather(session, vectors);
    ssize_t count = transport_send(session->transport, vectors, n_vectors);

    if (count >= 0) {
        count_sent(session, (gsize)count);
        return count > 0;
    }
    if (errno == EINTR)
        return true;
    if (errno != EAGAIN)
        session_close(session, g_strerror(errno));
    return false;
}

/* What the client has sent before it could know the answer is not what it means to say through the
 * new transport. */
static void change_transport(Session *session)
{
    if (session->reader.start < session->reader.end)
        return session_close(session, "it went on in the clear after encryption was agreed on");
    session->transport = g_steal_pointer(&session->next_transport);
}

/* Streams send when little else waits, and take turns. */
static void fill_from_streams(Session *session)
{
    for (guint silent = 0;
         silent < session->streams->len && session->queued < STREAMS_SOFT_LIMIT;) {
        guint turn = session->stream_turn++ % session->streams->len;
        Stream *stream = session->streams->pdata[turn];
        GByteArray *frame = stream_next(stream);
        silent = frame ? 0 : silent + 1;
        if (!frame)
            continue;
        session->queued += frame->len;
        g_queue_push_tail(&session->out, frame);
        if (!stream_is_over(stream))
            continue;
        drop_stream(session, turn);
        session->answered = g_get_monotonic_time();
    }
}

static void session_flush(Session *session)
{
    fill_from_streams(session);
    for (guint budget = SENDS_PER_TURN;
         session->fd >= 0 && has_unsent(session) && budget > 0 && send_some(session); budget--)
        fill_from_streams(session);
    if (session->fd < 0 || has_unsent(session))
        return;
    if (session->next_transport)
        change_transport(session);
    if (session->closing)
        session_close(session, "the client said goodbye");
}

void session_send(Session *session, GByteArray *frame)
{
    if (session->fd < 0) {
        g_byte_array_unref(frame);
        return;
    }
    session->queued += frame->len;
    g_queue_push_tail(&session->out, frame);
    if (!session->corked)
        session_flush(session);
    if (session->queued > session->core->config.max_queued)
        session_close(session, "it does not read what it asked for");
    session_update(session);
}

static void send_message(Session *session, guint32 program, gint32 procedure, guint32 serial,
                         const XdrType *type, const void *value)
{
    g_autoptr(GError) error = NULL;
    FrameHeader header = {program, PROGRAM_VERSION, procedure, FRAME_MESSAGE, serial, FRAME_OK};
    GByteArray *frame = frame_new(&header, type, value, &error);

    if (frame)
        session_send(session, frame);
    else
        log_warning("%s: a message could not be sent: %s", session->client, error->message);
}

static void send_keepalive(Session *session, gint32 procedure)
{
    send_message(session, PROGRAM_KEEPALIVE, procedure, 0, &xdr_nothing, NULL);
}

/* ---- calls that are with workers ---- */

static gboolean report_progress(void *data);

static guint count_running(const Session *session)
{
    return session->running[LANE_STORAGE] + session->running[LANE_OTHER];
}

static guint count_in_line(const Session *session)
{
    return session->lines[LANE_STORAGE].length + session->lines[LANE_OTHER].length;
}

static void update_progress_timer(Session *session)
{
    bool wanted = session->progress && count_running(session) > 0;

    if (wanted && !session->progress_timer)
        session->progress_timer = start_timer(session, PROGRESS_INTERVAL, report_progress, session);
    else if (!wanted)
        drop_timer(&session->progress_timer);
}

static void send_progress(Session *session, Call *call)
{
    RpcProgress value = {.serial = call->header.serial};

    operation_get_progress(call->op, &value.done, &value.total);
    if (value.done == call->reported_done && value.total == call->reported_total)
        return;
    call->reported_done = value.done;
    call->reported_total = value.total;
    send_message(session, PROGRAM_CISTERN, CISTERN_PROGRESS, call->header.serial,
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
    drop_timer(&call->timer);
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
        adopt_stream(session, call);
    if (!call->answered)
        answer(session, call, g_steal_pointer(&call->reply));
    if (!(call->procedure->flags & PROCEDURE_READ_ONLY))
        session->answered = g_get_monotonic_time();
    if (call->row->finish && session->fd >= 0)
        call->row->finish(session, call);
    g_ptr_array_remove_fast(session->calls, call);
    session_update(session);
}

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
        return start_timer(session, row.tick, call_ticks, call);
    return row.limit > 0 ? start_timer(session, row.limit, call_is_late, call) : NULL;
}

/* The pool whose share of the workers a call takes: that of the handle it begins with. */
static Pool *target_pool(Call *call)
{
    const XdrType *type = call->procedure->args;
    Engine *engine = call->core->engine;

    if (type->n_fields > 0 && type->fields[0].kind == XDR_STRUCT)
        type = type->fields[0].type;
    if (type == &rpc_pool_type)
        return engine_find_pool_by_uuid(engine, &((RpcPool *)call->args)->uuid, NULL, NULL);
    if (type == &rpc_volume_type)
        return engine_find_pool_by_name(engine, ((RpcVolume *)call->args)->pool, NULL);
    return NULL;
}

/* The pool of another volume that the call reads, if it has one. */
static Pool *source_pool(Call *call)
{
    const XdrType *type = call->procedure->args;

    for (guint i = 1; i < type->n_fields; i++)
        if (type->fields[i].kind == XDR_STRUCT && type->fields[i].type == &rpc_volume_type) {
            const RpcVolume *source =
                (const void *)((const char *)call->args + type->fields[i].offset);
            return engine_find_pool_by_name(call->core->engine, source->pool, NULL);
        }
    return NULL;
}

static bool is_for_storage(const HandlerRow *row)
{
    return row->place == ON_WORKER || row->place == ON_CONTROL || row->place == LOOP_THEN_WORKER;
}

/* Chooses the threads it takes: storage that hangs must not take those of other pools. */
static WorkShare choose_share(Call *call)
{
    g_autoptr(Pool) source = source_pool(call);

    if (!is_for_storage(call->row))
        return WORK_CONTROL;
    if (!call->pool)
        call->pool = target_pool(call);
    if (!source || source == call->pool)
        return call->row->place == ON_CONTROL ? WORK_CONTROL : WORK_STORAGE;
    pool_unref(call->pool);
    call->pool = g_steal_pointer(&source);
    return WORK_SOURCE;
}

/* Whether another call of the lane may begin. */
static bool has_place(const Session *session, CallLane lane)
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

static void start_on_worker(Session *session, Call *call)
{
    call->session = session;
    call->timer = watch_call(session, call);
    g_ptr_array_add(session->calls, call_ref(call));
    if (has_place(session, call->lane)) {
        begin(session, call);
        return;
    }
    call->in_line = true;
    session->in_line += call->size;
    g_queue_push_tail(&session->lines[call->lane], call);
}

/* No use in asking storage that doesn't answer: the reply, or NULL. */
static GByteArray *answer_at_once(Call *call)
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
    Call *call = has_place(session, lane) ? g_queue_peek_head(&session->lines[lane]) : NULL;

    if (!call)
        return;
    GByteArray *reply = answer_at_once(call);
    if (reply) {
        answer_in_line(session, call, reply); /* which goes on with the next */
    } else {
        leave_line(session, call);
        begin(session, call);
    }
}

/* ---- taking requests ---- */

static bool asks_first(const Session *session, const Procedure *procedure)
{
    return session->core->config.access_waits && procedure->rights[0].object != ACCESS_NONE;
}

static bool may_need_worker(const Session *session, const Procedure *procedure,
                            const HandlerRow *row)
{
    return (row->place != ON_LOOP && row->place != ON_SESSION) || asks_first(session, procedure);
}

static bool is_tried_on_loop(const Session *session, const Procedure *procedure,
                             const HandlerRow *row)
{
    return row->place != ON_WORKER && row->place != ON_CONTROL && row->place != ON_WORKER_ALONE &&
           !asks_first(session, procedure);
}

static CallLane lane_of(const HandlerRow *row)
{
    return row->place == ON_WORKER || row->place == LOOP_THEN_WORKER ? LANE_STORAGE : LANE_OTHER;
}

/* The operation ends by itself soon after the answer had to be given. */
static Operation *new_operation(const Session *session, const HandlerRow *row)
{
    guint limit = deadline_of(session, row).limit;

    return operation_new(limit ? g_get_monotonic_time() + (limit + 1000) * G_GINT64_CONSTANT(1000)
                               : OPERATION_NO_DEADLINE);
}

static Call *new_call(Session *session, const Procedure *procedure, const HandlerRow *row,
                      const FrameHeader *header)
{
    Call *call = g_new0(Call, 1);

    g_atomic_ref_count_init(&call->refs);
    call->core = core_ref(session->core);
    call->procedure = procedure;
    call->row = row;
    call->lane = lane_of(row);
    call->header = *header;
    call->identity = identity_ref(session->identity);
    call->client = call->identity->label;
    call->op = new_operation(session, row);
    call->cancellable = g_cancellable_new();
    call->id = ++session->core->last_request;
    call->began = g_get_monotonic_time();
    if (row->place == ON_WORKER_ALONE && session->sasl)
        call->sasl = sasl_ref(session->sasl);
    if (session->stage == SESSION_AUTHENTICATING && session->auth == LISTENER_AUTH_POLKIT)
        call->polkit_action =
            session->read_only ? "org.libvirt.unix.monitor" : "org.libvirt.unix.manage";
    if (row->deadline == DEADLINE_LOOKUP)
        call->expires = g_get_monotonic_time() + LOOKUP_DEADLINE * G_GINT64_CONSTANT(1000);
    return call;
}

static bool decode_args(Call *call, const Frame *frame, GError **error)
{
    const XdrType *type = call->procedure->args;
    g_autofree void *args = g_malloc0(type->size);

    if (!xdr_decode(type, frame->payload, frame->size, args, error))
        return false;
    call->args = g_steal_pointer(&args);
    call->size = frame->size;
    return true;
}

static bool refuse_read_only(Call *call, GError **error)
{
    g_autofree char *function = procedure_function(call->header.program, call->procedure);

    return error_set(error, ERROR_OPERATION_DENIED, ORIGIN_STORAGE, "read only access prevents %s",
                     function);
}

/* While the daemon waits for what runs, nothing is begun; jobs may be looked at and cancelled. */
static bool check_open(const Session *session, const Call *call, GError **error)
{
    const FrameHeader *header = &call->header;
    bool is_close = header->program == PROGRAM_REMOTE && header->procedure == REMOTE_CONNECT_CLOSE;

    return !session->core->draining || header->program == PROGRAM_CISTERN || is_close ||
           error_set(error, ERROR_OPERATION_INVALID, ORIGIN_RPC,
                     "the daemon is stopping; connect again when it is back");
}

/* Everything that is checked before the handler looks at anything, in libvirt's order. */
static bool check_call(Session *session, Call *call, GError **error)
{
    guint flags = call->procedure->flags;

    if (session->stage != SESSION_READY && !(flags & PROCEDURE_BEFORE_AUTH))
        return error_set(error, ERROR_RPC, ORIGIN_RPC,
                         "authentication required; AUTH_LIST says which");
    if (!session->opened && !(flags & PROCEDURE_BEFORE_OPEN))
        return error_set(error, ERROR_INTERNAL, ORIGIN_RPC, "connection not open");
    if (session->read_only && !(flags & PROCEDURE_READ_ONLY))
        return refuse_read_only(call, error);
    if (may_need_worker(session, call->procedure, call->row) &&
        session->calls->len - count_running(session) - count_in_line(session) >=
            SESSION_ABANDONED_MAX)
        return error_set(error, ERROR_BUSY, ORIGIN_RPC,
                         "%d calls of this connection still wait for storage that does not answer",
                         SESSION_ABANDONED_MAX);
    return check_open(session, call, error) &&
           (asks_first(session, call->procedure) || call_check_connect(call, error));
}

/* The reply, or NULL when a worker will make it. */
static GByteArray *run_call(Session *session, Call *call, const Frame *frame)
{
    g_autoptr(GError) error = NULL;
    GByteArray *reply = NULL;

    if (!decode_args(call, frame, &error) || !check_call(session, call, &error))
        return call_refuse(call, error);
    call->session = session; /* for the connection's own handlers */
    if (is_tried_on_loop(session, call->procedure, call->row))
        reply = call_answer(call, TURN_ON_LOOP);
    call->session = NULL;
    if (reply)
        return reply;
    call->share = choose_share(call);
    reply = answer_at_once(call);
    if (!reply)
        start_on_worker(session, call);
    return reply;
}

static bool refuse(Session *session, const FrameHeader *header, GError *error)
{
    log_info("%s: %s", session->client, error->message);
    session_send(session, frame_new_error(header, error));
    g_error_free(error);
    return true;
}

/* Answers a call that no row fits. */
static bool refuse_unknown(Session *session, const FrameHeader *header, const Program *program)
{
    GError *error = NULL;

    if (!program)
        error_set(&error, ERROR_RPC, ORIGIN_RPC, "unknown program 0x%x version %u", header->program,
                  header->version);
    else
        error_set(&error, ERROR_RPC, ORIGIN_RPC, "unknown procedure: %d", header->procedure);
    return refuse(session, header, error);
}

static bool refuse_status(Session *session, const FrameHeader *header)
{
    GError *error = NULL;

    error_set(&error, ERROR_RPC, ORIGIN_RPC, "a call with status %u; it must be %d", header->status,
              FRAME_OK);
    return refuse(session, header, error);
}

/* Whether a call may begin, or wait in line without keeping those behind it from being answered. */
static bool has_room(const Session *session, const Procedure *procedure, const HandlerRow *row)
{
    bool is_alone = row->place == ON_WORKER_ALONE || row->place == ON_SESSION;

    if (!may_need_worker(session, procedure, row))
        return true;
    if (is_alone)
        return has_place(session, lane_of(row));
    return count_in_line(session) < LINE_CALLS_MAX && session->in_line < LINE_BYTES_MAX;
}

/* False: not now, a running call has to end first. */
static bool take_call(Session *session, const Frame *frame)
{
    const FrameHeader *header = &frame->header;
    const Program *program = program_find(header->program, header->version);
    const Procedure *procedure = program ? procedure_find(program, header->procedure) : NULL;
    const HandlerRow *row = procedure ? handler_find(program, header->procedure) : NULL;

    if (!row)
        return refuse_unknown(session, header, program);
    if (header->status != FRAME_OK)
        return refuse_status(session, header);
    if (!has_room(session, procedure, row))
        return false;
    g_autoptr(Call) call = new_call(session, procedure, row, header);
    GByteArray *reply = run_call(session, call, frame);
    if (reply)
        session_send(session, reply);
    return true;
}

static void take_keepalive(Session *session, const FrameHeader *header)
{
    if (header->type == FRAME_MESSAGE && header->procedure == KEEPALIVE_PING)
        send_keepalive(session, KEEPALIVE_PONG);
}

/* False: not now. What belongs to nothing is ignored. */
static bool take_frame(Session *session, Frame *frame)
{
    if (frame->header.program == PROGRAM_KEEPALIVE && frame->header.type == FRAME_MESSAGE)
        return take_keepalive(session, &frame->header), true;
    if (frame->header.type == FRAME_CALL || frame->header.type == FRAME_CALL_WITH_FDS)
        return take_call(session, frame);
    if (frame->header.type == FRAME_STREAM || frame->header.type == FRAME_STREAM_HOLE)
        return take_packet(session, frame);
    return true;
}

/* ---- the socket ---- */

static bool wants_input(const Session *session)
{
    return !session->parked && !session->alone && !session->closing && !session->next_transport &&
           session->queued <= QUEUED_SOFT_LIMIT;
}

/* False when there is nothing more for now. */
static bool receive(Session *session)
{
    ssize_t count = transport_receive(session->transport, &session->reader);

    if (count > 0)
        return session->heard = true;
    if (count == 0)
        session_close(session, "the client is gone");
    else if (errno != EAGAIN)
        session_close(session, g_strerror(errno));
    return false;
}

static gsize message_max(const Session *session)
{
    gsize max = session->core->config.max_message;

    return session->stage == SESSION_READY ? max : MIN(max, EARLY_MESSAGE_MAX);
}

/* Takes one message, reading as far as needed. False when there is nothing more for now. */
static bool take_one(Session *session)
{
    g_autoptr(GError) error = NULL;
    Frame frame;
    FrameResult result;

    while ((result = frame_reader_peek(&session->reader, message_max(session), &frame, &error)) ==
           FRAME_INCOMPLETE)
        if (!receive(session))
            return session->pending = false;
    if (result == FRAME_BROKEN) {
        session_close(session, error->message);
        return false;
    }
    session->parked = !take_frame(session, &frame);
    if (session->parked || session->fd < 0)
        return false;
    frame_reader_consume(&session->reader, &frame);
    return true;
}

static void session_read(Session *session)
{
    guint budget = FRAMES_PER_TURN;

    session->corked = session->pending = true;
    while (session->fd >= 0 && wants_input(session) && budget > 0 && take_one(session))
        budget--;
    session->corked = false;
    session_flush(session);
}

/* Telling the source anything wakes the loop up. */
static void watch_socket(Session *session, GIOCondition wanted)
{
    if (wanted == session->watched)
        return;
    session->watched = wanted;
    g_source_modify_unix_fd(session->source, session->poll_tag, wanted);
}

/* What the source is to wake up for: the socket, or messages that were read and not taken yet. */
static void session_update(Session *session)
{
    GIOCondition wanted = 0;

    if (session->fd < 0 || session->corked)
        return;
    if (session->stage == SESSION_SHAKING_HANDS) {
        watch_socket(session, session->handshake_wants);
        return;
    }
    if (wants_input(session))
        wanted |= G_IO_IN;
    if (has_unsent(session))
        wanted |= G_IO_OUT;
    watch_socket(session, wanted);
    g_source_set_ready_time(session->source, wants_input(session) && session->pending ? 0 : -1);
}

static void hands_are_shaken(Session *session)
{
    const char *name = transport_peer_name(session->transport);
    g_autoptr(Identity) identity = identity_copy(session->identity);

    identity->x509_name = g_strdup(name);
    session_set_identity(session, identity);
    log_info("%s: TLS with '%s'", session->client, name ?: "no certificate");
    session->stage = SESSION_AUTHENTICATING;
    if (session->auth == LISTENER_AUTH_NONE)
        session_set_authenticated(session);
}

static void shake_hands(Session *session)
{
    g_autoptr(GError) error = NULL;
    HandshakeResult result = transport_handshake(session->transport, &error);

    session->handshake_wants = result == HANDSHAKE_WRITE ? G_IO_OUT : G_IO_IN;
    if (result == HANDSHAKE_FAILED) {
        log_info("%s: %s", session->client, error->message);
        session_close(session, "no TLS");
    } else if (result == HANDSHAKE_DONE) {
        hands_are_shaken(session);
    }
    session_update(session);
}

static gboolean session_ready(GSource *source, GSourceFunc callback, void *data)
{
    g_autoptr(Session) session = session_ref(((SessionSource *)source)->session);
    GIOCondition condition = g_source_query_unix_fd(source, session->poll_tag);

    if (session->stage == SESSION_SHAKING_HANDS) {
        shake_hands(session);
        return G_SOURCE_CONTINUE;
    }
    if (condition & G_IO_OUT)
        session_flush(session);
    if (session->fd >= 0 && wants_input(session))
        session_read(session);
    else if (condition & (G_IO_HUP | G_IO_ERR))
        session_close(session, "the client is gone");
    session_update(session);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs session_source_funcs = {.dispatch = session_ready};

static GSource *new_source(Session *session)
{
    GSource *source = g_source_new(&session_source_funcs, sizeof(SessionSource));

    ((SessionSource *)source)->session = session;
    g_source_set_can_recurse(source, TRUE); /* GLib wakes its loop up twice for one that can't */
    session->watched = G_IO_IN;
    session->poll_tag = g_source_add_unix_fd(source, session->fd, session->watched);
    g_source_attach(source, session->core->config.context);
    return source;
}

/* The time a user takes to answer polkit's question is his own. */
static gboolean auth_expired(void *data)
{
    g_autoptr(Session) session = session_ref(data);

    if (session->alone)
        return G_SOURCE_CONTINUE;
    session_close(session, "it has not authenticated in time");
    return G_SOURCE_REMOVE;
}

void session_stream_news(Session *session)
{
    g_autoptr(Session) kept = session_ref(session);

    kept->parked = false;
    session_flush(kept);
    session_update(kept);
}

static SessionStage first_stage(const ListenerConfig *listener, const Identity *identity)
{
    if (listener->kind == LISTENER_TLS)
        return SESSION_SHAKING_HANDS;
    if (listener->auth == LISTENER_AUTH_NONE)
        return SESSION_READY;
    return listener->auth == LISTENER_AUTH_POLKIT && identity->has_user && identity->uid == 0
               ? SESSION_READY
               : SESSION_AUTHENTICATING;
}

Session *session_new(Server *server, Core *core, Transport *transport,
                     const ListenerConfig *listener, Identity *identity)
{
    Session *session = g_new0(Session, 1);

    session->refs = 1;
    session->server = server;
    session->core = core_ref(core);
    session->transport = transport;
    session->fd = transport->fd;
    session->read_only = listener->read_only;
    session->kind = listener->kind;
    session->auth = listener->auth;
    session->stage = first_stage(listener, identity);
    session->handshake_wants = G_IO_IN;
    session->began = g_get_monotonic_time();
    session_set_identity(session, identity);
    session->calls = g_ptr_array_new_with_free_func((GDestroyNotify)call_unref);
    session->streams = g_ptr_array_new_with_free_func((GDestroyNotify)stream_unref);
    session->registrations = g_array_new(FALSE, FALSE, sizeof(Registration));
    g_queue_init(&session->out);
    g_queue_init(&session->events);
    session->source = new_source(session);
    if (session->stage != SESSION_READY)
        session->auth_timer =
            start_timer(session, core->config.auth_timeout * 1000, auth_expired, session);
    return session;
}

/* ---- events, keepalive, calls of the connection's handlers ---- */

static void send_lifecycle(Session *session, gint32 id, const RpcPool *pool, EventKind kind)
{
    RpcEventLifecycle value = {.callback_id = id, .pool = *pool, .event = (gint32)kind};

    send_message(session, PROGRAM_REMOTE, REMOTE_STORAGE_POOL_EVENT_LIFECYCLE, 1,
                 &rpc_event_lifecycle_type, &value);
}

static void send_refresh(Session *session, gint32 id, const RpcPool *pool)
{
    RpcEventRefresh value = {.callback_id = id, .pool = *pool};

    send_message(session, PROGRAM_REMOTE, REMOTE_STORAGE_POOL_EVENT_REFRESH, 1,
                 &rpc_event_refresh_type, &value);
}

static bool wants_event(const Registration *registration, const Event *event)
{
    gint32 id = event->kind == EVENT_REFRESHED ? RPC_EVENT_REFRESH : RPC_EVENT_LIFECYCLE;

    return registration->family == EVENTS_OF_POOLS && registration->event == id &&
           (!registration->has_pool || uuid_equal(&registration->pool, &event->pool_uuid));
}

static bool may_see(Core *core, Identity *identity, const Event *event, GError **error)
{
    AccessQuery query = {
        .identity = identity,
        .right = {ACCESS_POOL, "getattr"},
        .pool_name = event->pool_name,
        .pool_uuid = &event->pool_uuid,
    };

    return core_allows(core, &query, error);
}

static void deliver_event(Session *session, const Event *event)
{
    RpcPool pool = {.name = (char *)event->pool_name, .uuid = event->pool_uuid};

    for (guint i = 0; session->fd >= 0 && i < session->registrations->len; i++) {
        const Registration *r = &g_array_index(session->registrations, Registration, i);
        if (!wants_event(r, event))
            continue;
        if (event->kind == EVENT_REFRESHED)
            send_refresh(session, r->id, &pool);
        else
            send_lifecycle(session, r->id, &pool, event->kind);
    }
}

/* ---- events that wait for the access driver, one after the other ---- */

typedef struct EventQuestion {
    Core *core;
    Session *session; /* a reference, used by the loop only */
    Identity *identity;
    Event *event;
    bool allowed;
} EventQuestion;

static void ask_about_event(Session *session);

static void free_question(void *data)
{
    EventQuestion *question = data;

    identity_unref(question->identity);
    event_free(question->event);
    core_unref(question->core);
    g_free(question);
}

static void event_was_asked(Server *server, void *data)
{
    EventQuestion *question = data;
    g_autoptr(Session) session = question->session;

    session->asking = false;
    if (question->allowed)
        deliver_event(session, question->event);
    free_question(question);
    ask_about_event(session);
}

/* The server is gone: nobody but us has the session. */
static void event_was_asked_in_vain(void *data)
{
    session_unref(((EventQuestion *)data)->session);
    free_question(data);
}

static void ask(void *data)
{
    EventQuestion *question = data;

    question->allowed = may_see(question->core, question->identity, question->event, NULL);
    core_post(question->core, event_was_asked, question, event_was_asked_in_vain);
}

static void ask_about_event(Session *session)
{
    if (session->fd < 0 || session->asking || g_queue_is_empty(&session->events))
        return;
    EventQuestion *question = g_new0(EventQuestion, 1);
    question->core = core_ref(session->core);
    question->session = session_ref(session);
    question->identity = identity_ref(session->identity);
    question->event = g_queue_pop_head(&session->events);
    session->asking = true;
    core_run_waiting(session->core, ask, question);
}

static void queue_event(Session *session, const Event *event)
{
    if (session->events.length >= SESSION_EVENTS_MAX) {
        log_warning("%s: an event of pool '%s' is not told: %d others wait for the access driver",
                    session->client, event->pool_name, SESSION_EVENTS_MAX);
        return;
    }
    g_queue_push_tail(&session->events, event_copy(event));
    ask_about_event(session);
}

void session_send_event(Session *session, const Event *event)
{
    if (session->registrations->len == 0)
        return;
    if (session->core->config.access_waits)
        queue_event(session, event);
    else if (may_see(session->core, session->identity, event, NULL))
        deliver_event(session, event);
}

static gboolean keepalive_tick(void *data)
{
    g_autoptr(Session) session = session_ref(data);

    /* Nothing is heard from a client that isn't read. */
    if (session->heard || !wants_input(session)) {
        session->pings = 0;
        session->heard = false;
        return G_SOURCE_CONTINUE;
    }
    if (session->pings >= session->core->config.keepalive_count) {
        session_close(session, "it does not answer keepalive messages");
        return G_SOURCE_REMOVE;
    }
    session->pings++;
    send_keepalive(session, KEEPALIVE_PING);
    return G_SOURCE_CONTINUE;
}

void session_start_keepalive(Session *session)
{
    if (!session->keepalive_timer)
        session->keepalive_timer =
            start_timer(session, session->core->config.keepalive_interval * 1000, keepalive_tick,
                        session);
}

void session_set_progress(Session *session, bool on)
{
    session->progress = on;
    update_progress_timer(session);
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

bool session_peer_is_trusted(Session *session)
{
    g_autoptr(Identity) peer = identity_of_peer(session->fd);

    return session->kind == LISTENER_UNIX && peer->has_user &&
           (peer->uid == 0 || peer->uid == geteuid());
}

/* ---- who the client is ---- */

void session_set_identity(Session *session, Identity *identity)
{
    Identity *before = session->identity;

    session->identity = identity_ref(identity);
    session->client = identity->label;
    identity_unref(before);
}

void session_set_authenticated(Session *session)
{
    session->stage = SESSION_READY;
    drop_timer(&session->auth_timer);
    server_count_authenticated(session->server);
}

void session_count_auth_failure(Session *session)
{
    if (++session->auth_failures < AUTH_FAILURES_MAX)
        return;
    session->closing = true;
    session_flush(session);
}

void session_change_transport(Session *session, Transport *transport)
{
    if (transport == session->transport)
        return;
    session->next_transport = transport;
    session_flush(session);
}
