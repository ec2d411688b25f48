/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core.h"
#include "errors.h"
#include "log.h"
#include "session-private.h"
#include "stream.h"
#include <errno.h>

#define VECTORS_PER_WRITE  16
#define STREAMS_MAX        256
#define STREAMS_SOFT_LIMIT 262144 /* bytes unsent: streams wait */
#define SENDS_PER_TURN     16

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

void session_adopt_stream(Session *session, Call *call)
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

bool session_take_packet(Session *session, Frame *frame)
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

bool session_has_unsent(Session *session)
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

void session_flush(Session *session)
{
    fill_from_streams(session);
    for (guint budget = SENDS_PER_TURN;
         session->fd >= 0 && session_has_unsent(session) && budget > 0 && send_some(session);
         budget--)
        fill_from_streams(session);
    if (session->fd < 0 || session_has_unsent(session))
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

void session_send_message(Session *session, guint32 program, gint32 procedure, guint32 serial,
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

void session_stream_news(Session *session)
{
    g_autoptr(Session) kept = session_ref(session);

    kept->parked = false;
    session_flush(kept);
    session_update(kept);
}

void session_change_transport(Session *session, Transport *transport)
{
    if (transport == session->transport)
        return;
    session->next_transport = transport;
    session_flush(session);
}
