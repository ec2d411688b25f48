/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-private.h"

#include "errors.h"
#include "fd.h"
#include "frame.h"
#include "log.h"
#include "operation.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* Events that are kept for a program that doesn't ask for them; later ones are dropped. */
#define EVENTS_MAX 16384

typedef struct Call {
    Waiter waiter;
    guint32 serial;
    const Program *program;
    const Procedure *procedure;
    RpcStream *stream; /* that the call opens, or NULL */
    bool answered;
    guint32 status;
    guint8 *payload;
    gsize size;
    guint64 done, total; /* progress */
} Call;

void rpc_event_clear(RpcEvent *event)
{
    xdr_clear(&rpc_pool_type, &event->pool);
}

static void event_free(gpointer event)
{
    rpc_event_clear(event);
    g_free(event);
}

RpcClient *rpc_client_new_over(Transport *transport, const char *peer)
{
    RpcClient *client = g_new0(RpcClient, 1);
    (void)g_unix_set_fd_nonblocking(transport->fd, true, NULL);
    client->transport = transport;
    client->fd = transport->fd;
    client->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    client->peer = g_strdup(peer);
    client->unsent = g_byte_array_new();
    client->calls = g_hash_table_new(NULL, NULL);
    g_mutex_init(&client->lock);
    g_queue_init(&client->waiters);
    g_queue_init(&client->events);
    g_queue_init(&client->streams);
    return client;
}

RpcClient *rpc_client_new(int fd, const char *peer)
{
    return rpc_client_new_over(transport_new(fd), peer);
}

Transport *rpc_client_transport(RpcClient *client)
{
    return client->transport;
}

void rpc_client_encrypt(RpcClient *client, Sasl *sasl)
{
    client->transport = sasl_wrap(sasl, client->transport);
}

void rpc_client_free(RpcClient *client)
{
    if (!client)
        return;
    transport_free(client->transport);
    fd_close(&client->wake);
    g_free(client->peer);
    g_byte_array_unref(client->unsent);
    g_hash_table_unref(client->calls);
    g_queue_clear_full(&client->events, event_free);
    frame_reader_clear(&client->reader);
    g_clear_error(&client->failure);
    g_mutex_clear(&client->lock);
    g_free(client);
}

/* ---- with the lock held ---- */

void client_wake_reader(RpcClient *client)
{
    guint64 one = 1;
    if (client->reading && write(client->wake, &one, sizeof one) < 0)
        log_debug("can't wake the reading thread: %s", g_strerror(errno));
}

void waiter_set_ready(Waiter *waiter)
{
    waiter->ready = true;
    g_cond_signal(&waiter->cond);
}

static void wake_waiter(gpointer data, gpointer unused)
{
    (void)unused;
    g_cond_signal(&((Waiter *)data)->cond);
}

/* The first reason counts. */
static void connection_fail(RpcClient *client, GError *reason)
{
    if (client->failure) {
        g_error_free(reason);
        return;
    }
    client->failure = reason;
    (void)shutdown(client->fd, SHUT_RDWR);
    g_queue_foreach(&client->waiters, wake_waiter, NULL);
    client_wake_reader(client);
}

void client_lose(RpcClient *client, const char *format, ...)
{
    GError *reason = NULL;
    va_list args;
    va_start(args, format);
    g_autofree char *detail = g_strdup_vprintf(format, args);
    va_end(args);
    error_set(&reason, ERROR_RPC, ORIGIN_RPC, "the connection to %s was lost: %s", client->peer,
              detail);
    connection_fail(client, reason);
}

static void wake_writers(RpcClient *client)
{
    for (GList *link = client->waiters.head; link; link = link->next)
        if (((Waiter *)link->data)->for_room)
            waiter_set_ready(link->data);
}

static void count_sent(RpcClient *client, gsize count)
{
    client->unsent_offset += count;
    if (client->unsent_offset < client->unsent->len)
        return;
    g_byte_array_set_size(client->unsent, 0);
    client->unsent_offset = 0;
    wake_writers(client);
}

static bool has_unsent(RpcClient *client)
{
    return client->unsent->len > 0 || transport_has_unsent(client->transport);
}

static void flush(RpcClient *client)
{
    while (has_unsent(client) && !client->failure) {
        struct iovec rest = {client->unsent->data + client->unsent_offset,
                             client->unsent->len - client->unsent_offset};
        ssize_t n = transport_send(client->transport, &rest, 1);
        if (n >= 0)
            count_sent(client, (gsize)n);
        else if (errno == EAGAIN)
            return client_wake_reader(client); /* it waits until more can be written */
        else if (errno != EINTR)
            client_lose(client, "%s", g_strerror(errno));
    }
}

static void send_frame(RpcClient *client, const GByteArray *frame)
{
    if (client->failure)
        return;
    g_byte_array_append(client->unsent, frame->data, frame->len);
    flush(client);
}

/* ---- what comes in (lock held) ---- */

static void take_reply(RpcClient *client, const Frame *frame)
{
    Call *call = g_hash_table_lookup(client->calls, GUINT_TO_POINTER(frame->header.serial));
    /* Nobody waits for the answers to cancellations. */
    if (!call || call->answered || call->program->number != frame->header.program)
        return;
    call->answered = true;
    call->status = frame->header.status;
    call->payload = g_memdup2(frame->payload, frame->size);
    call->size = frame->size;
    waiter_set_ready(&call->waiter);
}

static void take_ping(RpcClient *client, const Frame *frame)
{
    FrameHeader pong = {
        .program = PROGRAM_KEEPALIVE,
        .version = PROGRAM_VERSION,
        .procedure = KEEPALIVE_PONG,
        .type = FRAME_MESSAGE,
    };
    /* Unsent calls are as good a sign of life, and nobody can make us store pongs. */
    if (frame->header.procedure != KEEPALIVE_PING || client->unsent->len > 0)
        return;
    g_autoptr(GByteArray) bytes = frame_new_raw(&pong, NULL, 0);
    send_frame(client, bytes);
}

static void take_progress(RpcClient *client, const Frame *frame)
{
    RpcProgress progress;
    if (frame->header.procedure != CISTERN_PROGRESS ||
        !xdr_decode(&rpc_progress_type, frame->payload, frame->size, &progress, NULL))
        return;
    Call *call = g_hash_table_lookup(client->calls, GUINT_TO_POINTER(progress.serial));
    if (!call)
        return;
    call->done = progress.done;
    call->total = progress.total;
}

static bool decode_event(const Frame *frame, RpcEvent *ret)
{
    if (frame->header.procedure == REMOTE_STORAGE_POOL_EVENT_LIFECYCLE) {
        RpcEventLifecycle event;
        if (!xdr_decode(&rpc_event_lifecycle_type, frame->payload, frame->size, &event, NULL))
            return false;
        *ret = (RpcEvent){RPC_EVENT_LIFECYCLE, event.callback_id, event.pool, event.event};
        return true;
    }
    if (frame->header.procedure == REMOTE_STORAGE_POOL_EVENT_REFRESH) {
        RpcEventRefresh event;
        if (!xdr_decode(&rpc_event_refresh_type, frame->payload, frame->size, &event, NULL))
            return false;
        *ret = (RpcEvent){RPC_EVENT_REFRESH, event.callback_id, event.pool, 0};
        return true;
    }
    return false;
}

static void take_event(RpcClient *client, const Frame *frame)
{
    RpcEvent event;
    if (client->events.length >= EVENTS_MAX || !decode_event(frame, &event))
        return;
    g_queue_push_tail(&client->events, g_memdup2(&event, sizeof event));
    for (GList *link = client->waiters.head; link; link = link->next)
        if (((Waiter *)link->data)->for_events)
            waiter_set_ready(link->data);
}

static void take_message(RpcClient *client, const Frame *frame)
{
    static const struct {
        guint32 program;
        void (*take)(RpcClient *client, const Frame *frame);
    } rows[] = {
        {PROGRAM_REMOTE, take_event},
        {PROGRAM_CISTERN, take_progress},
        {PROGRAM_KEEPALIVE, take_ping},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].program == frame->header.program)
            rows[i].take(client, frame);
}

/* False: not now. */
static bool take_frame(RpcClient *client, const Frame *frame)
{
    if (frame->header.type == FRAME_REPLY)
        take_reply(client, frame);
    else if (frame->header.type == FRAME_MESSAGE)
        take_message(client, frame);
    else if (frame->header.type == FRAME_STREAM || frame->header.type == FRAME_STREAM_HOLE)
        return client_take_packet(client, frame);
    else /* no descriptor was asked for */
        client_lose(client, "it sent a message of type %u that nobody waits for",
                    frame->header.type);
    return true;
}

void client_take_frames(RpcClient *client)
{
    g_autoptr(GError) reason = NULL;
    FrameResult result;
    Frame frame;

    while (!client->failure && (result = frame_reader_peek(&client->reader, FRAME_LENGTH_MAX,
                                                           &frame, &reason)) != FRAME_INCOMPLETE) {
        if (result == FRAME_BROKEN)
            return client_lose(client, "%s", reason->message);
        client->stalled = !take_frame(client, &frame);
        if (client->stalled)
            return;
        frame_reader_consume(&client->reader, &frame);
    }
}

/* ---- waiting ---- */

/* Without the lock, in the one thread that reads. Returns frame_reader_receive()'s result. When
 * stalled it only waits, for room to send or for another thread. */
static ssize_t receive(RpcClient *client, bool unsent, bool stalled, gint64 deadline)
{
    struct pollfd fds[] = {
        {.fd = stalled && !unsent ? -1 : client->fd,
         .events = (short)((stalled ? 0 : POLLIN) | (unsent ? POLLOUT : 0))},
        {.fd = client->wake, .events = POLLIN},
    };
    guint64 count;

    if (poll(fds, G_N_ELEMENTS(fds), operation_poll_timeout(deadline)) <= 0) {
        errno = EAGAIN;
        return -1;
    }
    if (fds[1].revents && read(client->wake, &count, sizeof count) < 0)
        log_debug("can't read the wake-up descriptor: %s", g_strerror(errno));
    if (stalled || !(fds[0].revents & ~POLLOUT)) {
        errno = EAGAIN;
        return -1;
    }
    return transport_receive(client->transport, &client->reader);
}

/* Reads once, with the lock given back meanwhile. */
static void read_once(RpcClient *client, gint64 deadline)
{
    bool unsent = has_unsent(client), stalled = client->stalled;

    client->reading = true;
    g_mutex_unlock(&client->lock);
    ssize_t n = receive(client, unsent, stalled, deadline);
    int errnum = errno;
    g_mutex_lock(&client->lock);
    client->reading = false;

    if (n > 0)
        client_take_frames(client);
    else if (n == 0)
        client_lose(client, "it closed the connection");
    else if (errnum != EAGAIN && errnum != EINTR)
        client_lose(client, "%s", g_strerror(errnum));
    flush(client);
}

static void wait_for_reader(RpcClient *client, Waiter *waiter, gint64 deadline)
{
    if (deadline == G_MAXINT64)
        g_cond_wait(&waiter->cond, &client->lock);
    else
        (void)g_cond_wait_until(&waiter->cond, &client->lock, deadline);
}

/* Until the waiter is ready, the connection lost or the time over, but looks once at the socket
 * in any case. The lock is held on entry and return. Whoever leaves hands the reading to another
 * waiter. */
void client_wait_until(RpcClient *client, Waiter *waiter, gint64 deadline)
{
    bool in_time = true;

    waiter->link.data = waiter;
    g_queue_push_tail_link(&client->waiters, &waiter->link);
    while (!waiter->ready && !client->failure && in_time) {
        if (client->reading)
            wait_for_reader(client, waiter, deadline);
        else
            read_once(client, deadline);
        in_time = g_get_monotonic_time() < deadline;
    }
    g_queue_unlink(&client->waiters, &waiter->link);
    if (!client->reading && client->waiters.head)
        wake_waiter(client->waiters.head->data, NULL);
}

/* ---- calls ---- */

static GByteArray *new_call_frame(const Program *program, const Procedure *procedure,
                                  guint32 serial, const void *args, GError **error)
{
    FrameHeader header = {
        .program = program->number,
        .version = PROGRAM_VERSION,
        .procedure = procedure->number,
        .type = FRAME_CALL,
        .serial = serial,
    };
    return frame_new(&header, procedure->args, args, error);
}

static void send_cancel(RpcClient *client, guint32 serial)
{
    const Procedure *procedure = procedure_find(&program_cistern, CISTERN_CALL_CANCEL);
    RpcSerial args = {serial};
    g_autoptr(GByteArray) frame =
        new_call_frame(&program_cistern, procedure, client->next_serial++, &args, NULL);
    send_frame(client, frame);
}

/* Reports to the caller from time to time while it waits. The lock is held on entry and return. */
static void wait_with_progress(RpcClient *client, Call *call, RpcProgressFunc progress, void *data)
{
    bool cancelled = false;

    while (!call->answered && !client->failure) {
        client_wait_until(client, &call->waiter, g_get_monotonic_time() + RPC_CLIENT_TICK * 1000);
        if (call->answered || client->failure || cancelled)
            continue;
        guint64 done = call->done, total = call->total;
        g_mutex_unlock(&client->lock);
        cancelled = !progress(done, total, data);
        g_mutex_lock(&client->lock);
        if (cancelled)
            send_cancel(client, call->serial);
    }
}

/* Sends the call and waits for its answer. False when the connection is lost. */
static bool exchange(RpcClient *client, Call *call, const void *args, RpcProgressFunc progress,
                     void *data, GError **error)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&client->lock);
    call->serial = client->next_serial++;
    g_autoptr(GByteArray) frame =
        new_call_frame(call->program, call->procedure, call->serial, args, error);
    if (!frame)
        return false;
    g_hash_table_insert(client->calls, GUINT_TO_POINTER(call->serial), call);
    if (call->stream) /* packets may come together with the answer */
        client_add_stream(client, call->stream, call->serial);
    send_frame(client, frame);
    if (progress)
        wait_with_progress(client, call, progress, data);
    else
        client_wait_until(client, &call->waiter, G_MAXINT64);
    g_hash_table_remove(client->calls, GUINT_TO_POINTER(call->serial));
    if (!call->answered)
        g_propagate_error(error, g_error_copy(client->failure));
    return call->answered;
}

static bool read_answer(const Call *call, void *result, GError **error)
{
    if (call->status == FRAME_OK)
        return call->procedure->result == &xdr_nothing ||
               xdr_decode(call->procedure->result, call->payload, call->size, result, error);
    if (call->status == FRAME_ERROR) {
        g_propagate_error(error, frame_parse_error(call->payload, call->size));
        return false;
    }
    return error_set(error, ERROR_RPC, ORIGIN_RPC,
                     "the answer to call %s has the unknown status %u", call->procedure->name,
                     call->status);
}

static bool make_call(RpcClient *client, const Program *program, gint32 procedure, const void *args,
                      RpcStream *stream, void *result, RpcProgressFunc progress, void *data,
                      GError **error)
{
    Call call = {.program = program,
                 .procedure = procedure_find(program, procedure),
                 .stream = stream};
    g_cond_init(&call.waiter.cond);
    bool ok =
        exchange(client, &call, args, progress, data, error) && read_answer(&call, result, error);
    g_cond_clear(&call.waiter.cond);
    g_free(call.payload);
    return ok;
}

bool rpc_client_call(RpcClient *client, const Program *program, gint32 procedure, const void *args,
                     void *result, RpcProgressFunc progress, void *data, GError **error)
{
    return make_call(client, program, procedure, args, NULL, result, progress, data, error);
}

RpcStream *rpc_client_open_stream(RpcClient *client, const Program *program, gint32 procedure,
                                  const void *args, guint64 total, RpcProgressFunc progress,
                                  void *data, GError **error)
{
    RpcStream *stream = client_stream_new(client, program, procedure, total, progress, data);
    if (make_call(client, program, procedure, args, stream, NULL, progress, data, error))
        return stream;
    client_stream_free(stream);
    return NULL;
}

/* The lock is held on entry and return. */
static void wait_for_event(RpcClient *client, gint64 deadline)
{
    Waiter waiter = {.for_events = true};
    g_cond_init(&waiter.cond);
    client_wait_until(client, &waiter, deadline);
    g_cond_clear(&waiter.cond);
}

RpcWait rpc_client_next_event(RpcClient *client, gint64 deadline, RpcEvent *ret, GError **error)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&client->lock);
    bool in_time = true;

    while (!client->events.head && !client->failure && in_time) {
        wait_for_event(client, deadline);
        in_time = g_get_monotonic_time() < deadline;
    }
    /* What came before the connection was lost is still handed out. */
    g_autofree RpcEvent *event = g_queue_pop_head(&client->events);
    if (event) {
        *ret = *event;
        return RPC_WAIT_EVENT;
    }
    if (!client->failure)
        return RPC_WAIT_TIMEOUT;
    g_propagate_error(error, g_error_copy(client->failure));
    return RPC_WAIT_LOST;
}

void rpc_client_shut(RpcClient *client)
{
    GError *reason = NULL;
    error_set(&reason, ERROR_RPC, ORIGIN_RPC, "the connection to %s was closed", client->peer);
    g_mutex_lock(&client->lock);
    connection_fail(client, reason);
    g_mutex_unlock(&client->lock);
}
