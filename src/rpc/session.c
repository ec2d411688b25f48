/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core.h"
#include "log.h"
#include "server-private.h"
#include "session-private.h"
#include "stream.h"
#include <errno.h>
#include <unistd.h>

#define FRAMES_PER_TURN   64      /* then the other clients have theirs */
#define QUEUED_SOFT_LIMIT 1048576 /* bytes unsent: further requests wait */
#define LEAVE_TIME        G_TIME_SPAN_SECOND
#define EARLY_MESSAGE_MAX 524288 /* bytes of a message before authentication: SASL's largest */
#define AUTH_FAILURES_MAX 5

typedef struct SessionSource {
    GSource source;
    Session *session;
} SessionSource;

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

void session_drop_timer(GSource **timer)
{
    if (*timer)
        g_source_destroy(*timer);
    g_clear_pointer(timer, g_source_unref);
}

GSource *session_start_timer(Session *session, guint milliseconds, GSourceFunc func, void *data)
{
    GSource *timer = g_timeout_source_new(milliseconds);

    g_source_set_callback(timer, func, data, NULL);
    g_source_attach(timer, session->core->config.context);
    return timer;
}

/* Nobody waits for this call any more. What only reads is stopped, changes are finished. */
static void orphan_call(Call *call)
{
    session_drop_timer(&call->timer);
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
    session_drop_timer(&session->auth_timer);
    session_drop_timer(&session->progress_timer);
    session_drop_timer(&session->keepalive_timer);
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

/* ---- the socket ---- */

static void send_keepalive(Session *session, gint32 procedure)
{
    session_send_message(session, PROGRAM_KEEPALIVE, procedure, 0, &xdr_nothing, NULL);
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
        return session_take_call(session, frame);
    if (frame->header.type == FRAME_STREAM || frame->header.type == FRAME_STREAM_HOLE)
        return session_take_packet(session, frame);
    return true;
}

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

void session_update(Session *session)
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
    if (session_has_unsent(session))
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
            session_start_timer(session, core->config.auth_timeout * 1000, auth_expired, session);
    return session;
}

/* ---- keepalive ---- */

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
            session_start_timer(session, session->core->config.keepalive_interval * 1000,
                                keepalive_tick, session);
}

/* ---- who the client is ---- */

bool session_peer_is_trusted(Session *session)
{
    g_autoptr(Identity) peer = identity_of_peer(session->fd);

    return session->kind == LISTENER_UNIX && peer->has_user &&
           (peer->uid == 0 || peer->uid == geteuid());
}

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
    session_drop_timer(&session->auth_timer);
    server_count_authenticated(session->server);
}

void session_count_auth_failure(Session *session)
{
    if (++session->auth_failures < AUTH_FAILURES_MAX)
        return;
    session->closing = true;
    session_flush(session);
}
