/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-private.h"

#include "errors.h"

#include <errno.h>

/* Bytes that are kept for a thread that doesn't take them. */
#define QUEUE_MAX (4 * 1024 * 1024)
/* How long the confirmation of an abort is waited for. */
#define ABORT_PATIENCE (5 * G_TIME_SPAN_SECOND)

struct RpcStream {
    GList link; /* in RpcClient.streams, once it has a serial */
    RpcClient *client;
    FrameHeader header; /* of its packets */
    RpcProgressFunc progress;
    void *progress_data;
    guint64 done, total;
    gint64 reported; /* when progress was told last */
    Waiter waiter;   /* of the thread that uses it, for packets */

    /* Guarded by the client's lock. */
    bool added;
    GQueue pieces; /* RpcStreamPiece */
    gsize queued;  /* bytes in them */
    bool at_end;   /* no more data comes */
    bool confirmed;
    bool aborting; /* what still comes is dropped */
    GError *failure;
};

/* ---- life ---- */

RpcStream *client_stream_new(RpcClient *client, const Program *program, gint32 procedure,
                             guint64 total, RpcProgressFunc progress, void *data)
{
    RpcStream *stream = g_new0(RpcStream, 1);

    stream->link.data = stream;
    stream->client = client;
    stream->header = (FrameHeader){
        .program = program->number,
        .version = PROGRAM_VERSION,
        .procedure = procedure,
        .type = FRAME_STREAM,
        .status = FRAME_CONTINUE,
    };
    stream->progress = progress;
    stream->progress_data = data;
    stream->total = total;
    stream->reported = g_get_monotonic_time();
    g_cond_init(&stream->waiter.cond);
    g_queue_init(&stream->pieces);
    return stream;
}

void client_add_stream(RpcClient *client, RpcStream *stream, guint32 serial)
{
    stream->header.serial = serial;
    stream->added = true;
    g_queue_push_tail_link(&client->streams, &stream->link);
}

static void free_piece(void *data)
{
    RpcStreamPiece *piece = data;

    g_free(piece->data);
    g_free(piece);
}

/* With the lock held. The packet that had to wait may go on. */
static void unstall(RpcClient *client)
{
    if (!client->stalled)
        return;
    client->stalled = false;
    client_take_frames(client);
    client_wake_reader(client);
}

/* With the lock held. */
static void drop_pieces(RpcStream *stream)
{
    g_queue_clear_full(&stream->pieces, free_piece);
    stream->queued = 0;
}

void client_stream_free(RpcStream *stream)
{
    RpcClient *client = stream->client;

    g_mutex_lock(&client->lock);
    if (stream->added)
        g_queue_unlink(&client->streams, &stream->link);
    drop_pieces(stream);
    unstall(client);
    g_mutex_unlock(&client->lock);
    g_clear_error(&stream->failure);
    g_cond_clear(&stream->waiter.cond);
    g_free(stream);
}

/* ---- what comes in (lock held) ---- */

static RpcStream *find_stream(RpcClient *client, const FrameHeader *header)
{
    for (GList *link = client->streams.head; link; link = link->next) {
        RpcStream *stream = link->data;
        if (stream->header.serial == header->serial && stream->header.program == header->program &&
            stream->header.procedure == header->procedure)
            return stream;
    }
    return NULL;
}

static bool fail(RpcStream *stream, const char *text)
{
    if (!stream->failure)
        error_set(&stream->failure, ERROR_RPC, ORIGIN_STREAMS, "%s", text);
    return true;
}

static void push_piece(RpcStream *stream, guint8 *data, guint64 size)
{
    RpcStreamPiece *piece = g_new(RpcStreamPiece, 1);

    *piece = (RpcStreamPiece){data, size};
    stream->queued += data ? size : sizeof *piece;
    g_queue_push_tail(&stream->pieces, piece);
}

static bool take_hole(RpcStream *stream, const Frame *frame)
{
    RpcHole hole;

    if (!xdr_decode(&rpc_hole_type, frame->payload, frame->size, &hole, NULL) || hole.flags != 0 ||
        hole.length <= 0)
        return fail(stream, "a hole came that can't be understood");
    push_piece(stream, NULL, (guint64)hole.length);
    return true;
}

static bool take_content(RpcStream *stream, const Frame *frame)
{
    if (stream->at_end || stream->aborting)
        return true;
    if (stream->queued >= QUEUE_MAX)
        return false;
    if (frame->header.type == FRAME_STREAM_HOLE)
        return take_hole(stream, frame);
    if (frame->size > 0)
        push_piece(stream, g_memdup2(frame->payload, frame->size), frame->size);
    else
        stream->at_end = true;
    return true;
}

static bool take_packet(RpcStream *stream, const Frame *frame)
{
    if (frame->header.status == FRAME_CONTINUE)
        return take_content(stream, frame);
    if (frame->header.status == FRAME_OK)
        stream->confirmed = true;
    else if (!stream->failure)
        stream->failure = frame_parse_error(frame->payload, frame->size);
    return true;
}

/* Packets of a stream that was given up come late; they are nobody's. */
bool client_take_packet(RpcClient *client, const Frame *frame)
{
    RpcStream *stream = find_stream(client, &frame->header);

    if (!stream)
        return true;
    if (!take_packet(stream, frame))
        return false;
    waiter_set_ready(&stream->waiter);
    return true;
}

/* ---- waiting (lock held on entry and return) ---- */

static bool report(RpcStream *stream, GError **error)
{
    gint64 now = g_get_monotonic_time();

    if (!stream->progress || now - stream->reported < RPC_CLIENT_TICK * 1000)
        return true;
    stream->reported = now;
    g_mutex_unlock(&stream->client->lock);
    bool go_on = stream->progress(stream->done, stream->total, stream->progress_data);
    g_mutex_lock(&stream->client->lock);
    return go_on || error_set(error, ERROR_ABORTED, ORIGIN_STREAMS, "it was cancelled");
}

/* Whether the stream still is of use. */
static bool check(RpcStream *stream, GError **error)
{
    const GError *failure = stream->failure ? stream->failure : stream->client->failure;

    if (!failure)
        return report(stream, error);
    g_propagate_error(error, g_error_copy(failure));
    return false;
}

/* Once: until the waiter is ready, or the next report is due. */
static bool wait_some(RpcStream *stream, Waiter *waiter, GError **error)
{
    gint64 deadline =
        stream->progress ? g_get_monotonic_time() + RPC_CLIENT_TICK * 1000 : G_MAXINT64;

    client_wait_until(stream->client, waiter, deadline);
    return check(stream, error);
}

/* Takes what has come meanwhile, without waiting. */
static bool look(RpcStream *stream, GError **error)
{
    stream->waiter.ready = false;
    client_wait_until(stream->client, &stream->waiter, 0);
    return check(stream, error);
}

/* ---- sending (lock held on entry and return) ---- */

static bool wait_for_room(RpcStream *stream, GError **error)
{
    RpcClient *client = stream->client;
    Waiter waiter = {.for_room = true};
    bool ok = true;

    if (client->unsent->len == 0)
        return true;
    g_cond_init(&waiter.cond);
    while (ok && client->unsent->len > 0) {
        waiter.ready = false; /* others may have been quicker */
        ok = wait_some(stream, &waiter, error);
    }
    g_cond_clear(&waiter.cond);
    return ok;
}

/* What the socket doesn't take is copied, so that others can send behind it. */
static void keep_rest(RpcClient *client, struct iovec vectors[2], gsize sent)
{
    for (guint i = 0; i < 2; i++) {
        gsize skip = MIN(sent, vectors[i].iov_len);
        g_byte_array_append(client->unsent, (const guint8 *)vectors[i].iov_base + skip,
                            (guint)(vectors[i].iov_len - skip));
        sent -= skip;
    }
}

/* Nothing is unsent before. */
static void send_vectors(RpcClient *client, struct iovec vectors[2])
{
    ssize_t sent;

    do
        sent = transport_send(client->transport, vectors, 2);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN)
        return client_lose(client, "%s", g_strerror(errno));
    keep_rest(client, vectors, (gsize)MAX(sent, 0));
    if (client->unsent->len > 0)
        client_wake_reader(client);
}

static bool send_packet(RpcStream *stream, FrameType type, FrameStatus status, const void *payload,
                        gsize size, GError **error)
{
    FrameHeader header = stream->header;
    guint8 head[FRAME_HEADER_SIZE];
    struct iovec vectors[] = {{head, sizeof head}, {(void *)payload, size}};

    header.type = type;
    header.status = status;
    frame_put_header(&header, size, head);
    if (!wait_for_room(stream, error))
        return false;
    send_vectors(stream->client, vectors);
    return true;
}

bool rpc_stream_send(RpcStream *stream, const void *data, gsize size, GError **error)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&stream->client->lock);

    if (!look(stream, error) ||
        !send_packet(stream, FRAME_STREAM, FRAME_CONTINUE, data, size, error))
        return false;
    stream->done += size;
    return true;
}

bool rpc_stream_send_hole(RpcStream *stream, guint64 length, GError **error)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&stream->client->lock);

    if (!xdr_encode(&rpc_hole_type, &(RpcHole){.length = (gint64)length}, payload,
                    FRAME_PAYLOAD_MAX, error) ||
        !look(stream, error) ||
        !send_packet(stream, FRAME_STREAM_HOLE, FRAME_CONTINUE, payload->data, payload->len, error))
        return false;
    stream->done += length;
    return true;
}

/* ---- receiving ---- */

bool rpc_stream_receive(RpcStream *stream, RpcStreamPiece *ret, GError **error)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&stream->client->lock);

    *ret = (RpcStreamPiece){0};
    if (!report(stream, error))
        return false;
    while (g_queue_is_empty(&stream->pieces) && !stream->at_end) {
        stream->waiter.ready = false;
        if (!wait_some(stream, &stream->waiter, error))
            return false;
    }
    g_autofree RpcStreamPiece *piece = g_queue_pop_head(&stream->pieces);
    if (!piece)
        return true;
    *ret = *piece;
    stream->done += piece->size;
    stream->queued -= piece->data ? piece->size : sizeof *piece;
    if (stream->queued < QUEUE_MAX / 2)
        unstall(stream->client);
    return true;
}

/* ---- the end ---- */

bool rpc_stream_finish(RpcStream *stream, GError **error)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&stream->client->lock);

    if (!send_packet(stream, FRAME_STREAM, FRAME_OK, NULL, 0, error))
        return false;
    while (!stream->confirmed) {
        stream->waiter.ready = false;
        if (!wait_some(stream, &stream->waiter, error))
            return false;
    }
    return true;
}

/* So that the volume is free again when this returns. The lock is held on entry and return. */
static void abort_stream(RpcStream *stream)
{
    gint64 deadline = g_get_monotonic_time() + ABORT_PATIENCE;

    stream->progress = NULL;
    stream->aborting = true;
    drop_pieces(stream);
    unstall(stream->client);
    if (!send_packet(stream, FRAME_STREAM, FRAME_ERROR, NULL, 0, NULL))
        return;
    while (!stream->confirmed && !stream->failure && !stream->client->failure &&
           g_get_monotonic_time() < deadline) {
        stream->waiter.ready = false;
        client_wait_until(stream->client, &stream->waiter, deadline);
    }
}

void rpc_stream_free(RpcStream *stream)
{
    if (!stream)
        return;
    RpcClient *client = stream->client;
    g_mutex_lock(&client->lock);
    if (!stream->confirmed && !stream->failure && !client->failure)
        abort_stream(stream);
    g_mutex_unlock(&client->lock);
    client_stream_free(stream);
}
