/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"
#include "core.h"
#include "errors.h"
#include "fd.h"
#include "log.h"
#include "server-private.h"
#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAMES_PER_TURN   64      /* then the other clients have theirs */
#define QUEUED_SOFT_LIMIT 1048576 /* bytes unsent: further requests wait */
#define VECTORS_PER_WRITE 16
#define PROGRESS_INTERVAL 100 /* milliseconds */

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
    g_ref_string_release(session->client);
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
        operation_cancel(call->op);
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
    fd_close(&session->fd);
    drop_timer(&session->progress_timer);
    drop_timer(&session->keepalive_timer);
    for (guint i = 0; i < session->calls->len; i++)
        orphan_call(session->calls->pdata[i]);
    g_ptr_array_set_size(session->calls, 0);
    g_queue_clear_full(&session->out, free_frame);
    frame_reader_clear(&session->reader);
    server_forget(session->server, session);
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

/* One sendmsg(). True while there may be more to do. */
static bool send_some(Session *session)
{
    struct iovec vectors[VECTORS_PER_WRITE];
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = gather(session, vectors)};
    ssize_t count = sendmsg(session->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (count >= 0) {
        count_sent(session, (gsize)count);
        return !g_queue_is_empty(&session->out);
    }
    if (errno == EINTR)
        return true;
    if (errno != EAGAIN)
        session_close(session, g_strerror(errno));
    return false;
}

static void session_flush(Session *session)
{
    while (session->fd >= 0 && !g_queue_is_empty(&session->out))
        if (!send_some(session))
            break;
    if (session->closing && g_queue_is_empty(&session->out))
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

static void update_progress_timer(Session *session)
{
    bool wanted = session->progress && session->running > 0;

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

static void answer(Session *session, Call *call, GByteArray *reply)
{
    call->answered = true;
    drop_timer(&call->timer);
    session->running--;
    session->parked = false;
    update_progress_timer(session);
    session_send(session, reply);
}

void session_call_done(Server *server, void *data)
{
    g_autoptr(Call) call = data;
    g_autoptr(Session) session = call->session ? session_ref(call->session) : NULL;

    if (!session)
        return;
    call->session = NULL;
    if (!call->answered)
        answer(session, call, g_steal_pointer(&call->reply));
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

    answer(session, call, reply);
    operation_cancel(call->op);
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

/* Chooses the threads it takes: storage that hangs must not take those of other pools. */
static WorkShare choose_share(Call *call)
{
    g_autoptr(Pool) source = source_pool(call);

    if (call->row->place == LOOP_THEN_MEMORY)
        return WORK_CONTROL;
    if (!call->pool)
        call->pool = target_pool(call);
    if (!source || source == call->pool)
        return call->row->place == ON_CONTROL ? WORK_CONTROL : WORK_STORAGE;
    pool_unref(call->pool);
    call->pool = g_steal_pointer(&source);
    return WORK_SOURCE;
}

static void start_on_worker(Session *session, Call *call, WorkShare share)
{
    call->session = session;
    call->timer = watch_call(session, call);
    g_ptr_array_add(session->calls, call_ref(call));
    session->running++;
    update_progress_timer(session);
    core_work(session->core, call->pool, share, call_ref(call));
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

/* ---- taking requests ---- */

static bool may_need_worker(const HandlerRow *row)
{
    return row->place != ON_LOOP;
}

static bool is_tried_on_loop(const HandlerRow *row)
{
    return row->place != ON_WORKER && row->place != ON_CONTROL;
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
    call->header = *header;
    call->client = g_ref_string_acquire(session->client);
    call->op = new_operation(session, row);
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
    return true;
}

static bool check_connect_rights(Session *session, Call *call, GError **error)
{
    Turn turn = {call, TURN_ON_LOOP, false};

    return call->procedure->rights[0].object != ACCESS_CONNECT ||
           turn_check_access(&turn, NULL, NULL, NULL, error);
}

static bool refuse_read_only(Call *call, GError **error)
{
    g_autofree char *function = procedure_function(call->header.program, call->procedure);

    return error_set(error, ERROR_OPERATION_DENIED, ORIGIN_STORAGE, "read only access prevents %s",
                     function);
}

/* Everything that is checked before the handler looks at anything, in libvirt's order. */
static bool check_call(Session *session, Call *call, GError **error)
{
    guint flags = call->procedure->flags;

    if (!session->opened && !(flags & PROCEDURE_BEFORE_OPEN))
        return error_set(error, ERROR_INTERNAL, ORIGIN_RPC, "connection not open");
    if (session->read_only && !(flags & PROCEDURE_READ_ONLY))
        return refuse_read_only(call, error);
    if (call->row->place != ON_LOOP &&
        session->calls->len - session->running >= SESSION_ABANDONED_MAX)
        return error_set(error, ERROR_BUSY, ORIGIN_RPC,
                         "%d calls of this connection still wait for storage that does not answer",
                         SESSION_ABANDONED_MAX);
    return check_connect_rights(session, call, error);
}

/* The reply, or NULL when a worker will make it. */
static GByteArray *run_call(Session *session, Call *call, const Frame *frame)
{
    g_autoptr(GError) error = NULL;
    GByteArray *reply = NULL;

    if (!decode_args(call, frame, &error) || !check_call(session, call, &error))
        return call_refuse(call, error);
    call->session = session; /* for the connection's own handlers */
    if (is_tried_on_loop(call->row))
        reply = call_answer(call, TURN_ON_LOOP);
    call->session = NULL;
    if (reply)
        return reply;
    WorkShare share = choose_share(call);
    reply = answer_at_once(call);
    if (!reply)
        start_on_worker(session, call, share);
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
    if (may_need_worker(row) && session->running >= session->core->config.max_client_requests)
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
static bool take_frame(Session *session, const Frame *frame)
{
    if (frame->header.program == PROGRAM_KEEPALIVE && frame->header.type == FRAME_MESSAGE)
        return take_keepalive(session, &frame->header), true;
    if (frame->header.type == FRAME_CALL || frame->header.type == FRAME_CALL_WITH_FDS)
        return take_call(session, frame);
    return true;
}

/* ---- the socket ---- */

static bool wants_input(const Session *session)
{
    return !session->parked && !session->closing && session->queued <= QUEUED_SOFT_LIMIT;
}

/* False when there is nothing more for now. */
static bool receive(Session *session)
{
    ssize_t count = frame_reader_receive(&session->reader, session->fd);

    if (count > 0)
        return session->heard = true;
    if (count == 0)
        session_close(session, "the client is gone");
    else if (errno != EAGAIN)
        session_close(session, g_strerror(errno));
    return false;
}

/* Takes one message, reading as far as needed. False when there is nothing more for now. */
static bool take_one(Session *session)
{
    g_autoptr(GError) error = NULL;
    Frame frame;
    FrameResult result;

    while ((result = frame_reader_peek(&session->reader, session->core->config.max_message, &frame,
                                       &error)) == FRAME_INCOMPLETE)
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

/* What the source is to wake up for: the socket, or messages that were read and not taken yet. */
static void session_update(Session *session)
{
    GIOCondition wanted = 0;

    if (session->fd < 0 || session->corked)
        return;
    if (wants_input(session))
        wanted |= G_IO_IN;
    if (!g_queue_is_empty(&session->out))
        wanted |= G_IO_OUT;
    g_source_modify_unix_fd(session->source, session->poll_tag, wanted);
    g_source_set_ready_time(session->source, wants_input(session) && session->pending ? 0 : -1);
}

static gboolean session_ready(GSource *source, GSourceFunc callback, void *data)
{
    g_autoptr(Session) session = session_ref(((SessionSource *)source)->session);
    GIOCondition condition = g_source_query_unix_fd(source, session->poll_tag);

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
    session->poll_tag = g_source_add_unix_fd(source, session->fd, G_IO_IN);
    g_source_attach(source, session->core->config.context);
    return source;
}

Session *session_new(Server *server, Core *core, int fd, bool read_only, const char *client)
{
    Session *session = g_new0(Session, 1);

    session->refs = 1;
    session->server = server;
    session->core = core_ref(core);
    session->fd = fd;
    session->read_only = read_only;
    session->client = g_ref_string_new(client);
    session->calls = g_ptr_array_new_with_free_func((GDestroyNotify)call_unref);
    session->registrations = g_array_new(FALSE, FALSE, sizeof(Registration));
    g_queue_init(&session->out);
    session->source = new_source(session);
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

    return registration->event == id &&
           (!registration->has_pool || uuid_equal(&registration->pool, &event->pool_uuid));
}

static bool may_see(Session *session, const Event *event)
{
    g_autoptr(Pool) pool =
        engine_find_pool_by_uuid(session->core->engine, &event->pool_uuid, NULL, NULL);
    AccessQuery query = {session->client, {ACCESS_POOL, "getattr"}, pool, NULL, NULL};

    return core_allows(session->core, &query, NULL);
}

void session_send_event(Session *session, const Event *event)
{
    RpcPool pool = {.name = (char *)event->pool_name, .uuid = event->pool_uuid};

    if (session->registrations->len == 0 || !may_see(session, event))
        return;
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
        operation_cancel(call->op);
        found = true;
    }
    return found;
}

bool session_peer_is_trusted(Session *session)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt(session->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || size != sizeof peer)
        return false;
    return peer.uid == 0 || peer.uid == geteuid();
}
