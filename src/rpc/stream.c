/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream.h"
#include "core.h"
#include "errors.h"
#include "log.h"
#include "session.h"
#include <glib-unix.h>

/* What one turn on a worker moves at most; then others of the same pool have theirs. */
#define BYTES_PER_TURN (16 * 1024 * 1024)
/* How often one looks whether the storage still answers, in milliseconds. */
#define TICK 500

/* What the client, or its disappearance, has asked for last. */
typedef enum StreamWish { WISH_NONE, WISH_FINISH, WISH_ABORT, WISH_BREAK } StreamWish;

/* Of an upload. */
typedef struct Piece {
    guint8 *block; /* holds the data */
    const guint8 *data;
    gsize size;
    gint64 hole; /* instead of data */
    bool is_hole;
} Piece;

struct Stream {
    gatomicrefcount refs;
    Core *core;
    Pool *pool;
    Operation *op;
    char *client;       /* a GRefString */
    FrameHeader header; /* of its packets */
    VolumeAccess access;
    VolumeStream *volume; /* of whoever pumps; NULL once closed */

    /* The loop's own. */
    Session *session; /* NULL: nobody to be told */
    GSource *cancelled, *timer;
    bool over;

    GMutex lock;  /* guards what follows */
    GQueue queue; /* upload: Piece to be written; download: GByteArray to be sent */
    gsize queued; /* bytes in it */
    StreamWish wish;
    bool pumping; /* a worker has it, or will */
    bool lost;    /* that worker hangs in storage that doesn't answer */
    bool started; /* there is a session to be told */
    bool posted;  /* it will be */
    bool refused; /* a packet did not fit */
    GByteArray
        *last; /* of a download: the packet that ends it, sent when the volume is free again */
    bool closed;
    GError *failure;
};

/* ---- life ---- */

static void piece_free(void *data)
{
    Piece *piece = data;

    g_free(piece->block);
    g_free(piece);
}

static void frame_free(void *frame)
{
    g_byte_array_unref(frame);
}

/* With the lock held. */
static void drop_queue(Stream *stream)
{
    g_queue_clear_full(&stream->queue, stream->access == VOLUME_WRITE ? piece_free : frame_free);
    stream->queued = 0;
}

Stream *stream_new(Call *call, Pool *pool, VolumeStream *volume, VolumeAccess access)
{
    Stream *stream = g_new0(Stream, 1);

    g_atomic_ref_count_init(&stream->refs);
    stream->core = core_ref(call->core);
    stream->pool = pool_ref(pool);
    stream->op = operation_ref(call->op);
    stream->client = g_ref_string_new(call->client);
    stream->header = call->header;
    stream->header.type = FRAME_STREAM;
    stream->header.status = FRAME_CONTINUE;
    stream->access = access;
    stream->volume = volume;
    g_mutex_init(&stream->lock);
    g_queue_init(&stream->queue);
    return stream;
}

Stream *stream_ref(Stream *stream)
{
    g_atomic_ref_count_inc(&stream->refs);
    return stream;
}

void stream_unref(Stream *stream)
{
    if (!stream || !g_atomic_ref_count_dec(&stream->refs))
        return;
    g_assert(!stream->volume);
    drop_queue(stream);
    g_clear_pointer(&stream->last, g_byte_array_unref);
    g_clear_error(&stream->failure);
    g_mutex_clear(&stream->lock);
    g_ref_string_release(stream->client);
    operation_unref(stream->op);
    pool_unref(stream->pool);
    core_unref(stream->core);
    g_free(stream);
}

static void unref_stream(void *stream)
{
    stream_unref(stream);
}

/* ---- telling the session ---- */

static void deliver_news(Server *server, void *data)
{
    g_autoptr(Stream) stream = data;

    g_mutex_lock(&stream->lock);
    stream->posted = false;
    g_mutex_unlock(&stream->lock);
    if (stream->session)
        session_stream_news(stream->session);
}

/* With the lock held. */
static void post_news(Stream *stream)
{
    if (!stream->started || stream->posted)
        return;
    stream->posted = true;
    core_post(stream->core, deliver_news, stream_ref(stream), unref_stream);
}

/* ---- on a worker: the next step ---- */

typedef enum Step { STEP_REST, STEP_MOVE, STEP_CLOSE } Step;

/* With the lock held. What the queue still has is written even when the client is gone. */
static bool must_close(Stream *stream)
{
    if (stream->failure || stream->wish == WISH_ABORT || stream->last)
        return true;
    if (!operation_check(stream->op, &stream->failure))
        return true;
    return stream->wish != WISH_NONE &&
           (stream->access == VOLUME_READ || g_queue_is_empty(&stream->queue));
}

/* With the lock held. */
static bool must_rest(const Stream *stream)
{
    return stream->access == VOLUME_WRITE ? g_queue_is_empty((GQueue *)&stream->queue)
                                          : stream->queued >= STREAM_QUEUE_MAX;
}

/* With the lock held. */
static void stop_pump(Stream *stream)
{
    stream->pumping = false;
    if (!stream->lost)
        core_stream_ends(stream->core);
}

/* *ret is the piece to be written, of an upload. */
static Step next_step(Stream *stream, Piece **ret)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&stream->lock);

    if (must_close(stream))
        return STEP_CLOSE;
    if (must_rest(stream)) {
        stop_pump(stream);
        return STEP_REST;
    }
    if (stream->access == VOLUME_WRITE)
        *ret = g_queue_pop_head(&stream->queue);
    return STEP_MOVE;
}

/* ---- on a worker: moving data ---- */

/* With the lock held. The first failure is the one that counts. Takes over `failure`. */
static void note_failure(Stream *stream, GError *failure)
{
    if (stream->failure)
        g_clear_error(&failure);
    else
        stream->failure = failure;
}

static void count_written(Stream *stream, const Piece *piece, GError *failure)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&stream->lock);

    stream->queued -= MIN(stream->queued, piece->size);
    note_failure(stream, failure);
    if (stream->refused)
        post_news(stream);
}

/* Returns the bytes moved. */
static gsize write_piece(Stream *stream, Piece *piece)
{
    GError *failure = NULL;
    gsize size = piece->size;

    if (piece->is_hole)
        volume_stream_write_hole(stream->volume, piece->hole, &failure);
    else
        volume_stream_write(stream->volume, piece->data, size, &failure);
    count_written(stream, piece, failure);
    piece_free(piece);
    return size;
}

static GByteArray *hole_frame(const Stream *stream, guint64 length)
{
    FrameHeader header = stream->header;

    header.type = FRAME_STREAM_HOLE;
    return frame_new(&header, &rpc_hole_type, &(RpcHole){.length = (gint64)length}, NULL);
}

/* An empty packet is the end of the data. */
static GByteArray *read_frame(Stream *stream, GError **error)
{
    g_autoptr(GByteArray) frame = frame_new_room(&stream->header, FRAME_STREAM_MAX);
    StreamPiece piece;

    if (!volume_stream_read(stream->volume, frame->data + FRAME_HEADER_SIZE, FRAME_STREAM_MAX,
                            &piece, error))
        return NULL;
    if (piece.hole > 0)
        return hole_frame(stream, piece.hole);
    frame_set_payload_size(frame, piece.size);
    return g_steal_pointer(&frame);
}

/* With the lock held. */
static void push_frame(Stream *stream, GByteArray *frame)
{
    stream->queued += frame->len;
    g_queue_push_tail(&stream->queue, frame);
    post_news(stream);
}

static gsize read_piece(Stream *stream)
{
    GError *failure = NULL;
    GByteArray *frame = read_frame(stream, &failure);
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&stream->lock);

    if (!frame) {
        note_failure(stream, failure);
        return 0;
    }
    gsize size = frame->len;
    if (stream->lost)
        g_byte_array_unref(frame);
    else if (size == FRAME_HEADER_SIZE)
        stream->last = frame;
    else
        push_frame(stream, frame);
    return size;
}

static void close_volume(Stream *stream)
{
    GError *failure = NULL;

    g_mutex_lock(&stream->lock);
    bool whole = !stream->failure && stream->wish == WISH_FINISH;
    g_mutex_unlock(&stream->lock);
    volume_stream_close(g_steal_pointer(&stream->volume), whole, &failure);

    g_mutex_lock(&stream->lock);
    note_failure(stream, failure);
    if (stream->failure)
        log_info("%s: %s", stream->client, stream->failure->message);
    else if (stream->last && stream->wish == WISH_NONE)
        push_frame(stream, g_steal_pointer(&stream->last));
    stream->closed = true;
    stop_pump(stream);
    post_news(stream);
    g_mutex_unlock(&stream->lock);
}

/* False: more than `budget` bytes were moved, it goes on in a further turn. */
static bool pump_turn(Stream *stream, gsize budget)
{
    Piece *piece = NULL;

    for (gsize moved = 0; moved < budget;) {
        Step step = next_step(stream, &piece);
        if (step == STEP_CLOSE)
            close_volume(stream);
        if (step != STEP_MOVE)
            return true;
        moved += stream->access == VOLUME_WRITE ? write_piece(stream, piece) : read_piece(stream);
    }
    return false;
}

static void pump(void *data)
{
    Stream *stream = data;

    if (pump_turn(stream, BYTES_PER_TURN))
        stream_unref(stream);
    else
        engine_run(stream->core->engine, stream->pool, WORK_STORAGE, pump, stream);
}

/* With the lock held. */
static void start_pump(Stream *stream)
{
    if (stream->pumping || stream->closed)
        return;
    stream->pumping = true;
    core_stream_begins(stream->core);
    engine_run(stream->core->engine, stream->pool, WORK_STORAGE, pump, stream_ref(stream));
}

void stream_read_ahead(Stream *stream)
{
    stream->pumping = true;
    core_stream_begins(stream->core);
    if (pump_turn(stream, FRAME_STREAM_MAX))
        return;
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&stream->lock);
    stop_pump(stream);
}

/* ---- the loop's side ---- */

/* From outside: the job was cancelled, or the engine closes. */
static gboolean on_cancelled(int fd, GIOCondition condition, void *data)
{
    Stream *stream = data;
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&stream->lock);

    start_pump(stream);
    return G_SOURCE_REMOVE;
}

/* With the lock held. The client is told now; the volume is closed when its storage answers again.
 */
static void give_up(Stream *stream, GError *failure)
{
    note_failure(stream, failure);
    stream->lost = true;
    core_stream_ends(stream->core);
    operation_cancel(stream->op);
    if (stream->access == VOLUME_WRITE)
        drop_queue(stream);
    post_news(stream);
}

/* A client that is slow itself doesn't wait for the storage. */
static gboolean on_tick(void *data)
{
    Stream *stream = data;
    GError *failure = NULL;
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&stream->lock);

    if (!stream->pumping || engine_check_answers(stream->core->engine, stream->op, &failure))
        return G_SOURCE_CONTINUE;
    give_up(stream, failure);
    return G_SOURCE_REMOVE;
}

void stream_start(Stream *stream, Session *session)
{
    stream->session = session;
    stream->core->open_streams++;
    stream->timer = g_timeout_source_new(TICK);
    g_source_set_callback(stream->timer, on_tick, stream, NULL);
    g_source_attach(stream->timer, stream->core->config.context);
    stream->cancelled = g_unix_fd_source_new(operation_cancel_fd(stream->op), G_IO_IN);
    g_source_set_callback(stream->cancelled, G_SOURCE_FUNC(on_cancelled), stream, NULL);
    g_source_attach(stream->cancelled, stream->core->config.context);
    g_mutex_lock(&stream->lock);
    stream->started = true;
    if (stream->access == VOLUME_READ && !must_rest(stream))
        start_pump(stream);
    g_mutex_unlock(&stream->lock);
}

static void detach(Stream *stream)
{
    if (stream->session)
        stream->core->open_streams--;
    stream->session = NULL;
    if (stream->cancelled)
        g_source_destroy(stream->cancelled);
    g_clear_pointer(&stream->cancelled, g_source_unref);
    if (stream->timer)
        g_source_destroy(stream->timer);
    g_clear_pointer(&stream->timer, g_source_unref);
}

bool stream_is(const Stream *stream, const FrameHeader *header)
{
    return stream->header.serial == header->serial &&
           stream->header.procedure == header->procedure &&
           stream->header.program == header->program && stream->header.version == header->version;
}

bool stream_is_over(const Stream *stream)
{
    return stream->over;
}

bool stream_is_idle(Stream *stream)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&stream->lock);

    return stream->closed && g_queue_is_empty(&stream->queue);
}

void stream_abandon(Stream *stream)
{
    detach(stream);
    if (stream->access == VOLUME_READ)
        operation_cancel(stream->op);
    g_mutex_lock(&stream->lock);
    if (stream->wish == WISH_NONE)
        stream->wish = WISH_BREAK;
    start_pump(stream);
    g_mutex_unlock(&stream->lock);
}

/* ---- the loop's side: what came; the session looks for an answer afterwards ---- */

/* With the lock held. */
static void wish(Stream *stream, StreamWish wish)
{
    if (stream->wish != WISH_NONE)
        return;
    stream->wish = wish;
    if (wish == WISH_ABORT || stream->access == VOLUME_READ)
        drop_queue(stream);
    start_pump(stream);
}

/* With the lock held. */
static void fail(Stream *stream, const char *text)
{
    if (stream->failure || stream->wish != WISH_NONE)
        return;
    error_set(&stream->failure, ERROR_RPC, ORIGIN_STREAMS, "%s", text);
    drop_queue(stream);
    start_pump(stream);
}

static Piece *new_piece(FrameReader *reader, Frame *frame)
{
    Piece *piece = g_new0(Piece, 1);

    piece->block = frame_reader_take(reader, frame);
    piece->data = frame->payload;
    piece->size = frame->size;
    return piece;
}

static Piece *new_hole(const Frame *frame)
{
    RpcHole hole;
    Piece *piece = NULL;

    if (!xdr_decode(&rpc_hole_type, frame->payload, frame->size, &hole, NULL) || hole.flags != 0)
        return NULL;
    piece = g_new0(Piece, 1);
    piece->is_hole = true;
    piece->hole = hole.length;
    return piece;
}

/* With the lock held. */
static void push_piece(Stream *stream, Piece *piece)
{
    stream->queued += piece->size;
    g_queue_push_tail(&stream->queue, piece);
    start_pump(stream);
}

/* With the lock held. Holes take no bytes, but memory all the same. */
static bool is_full(const Stream *stream, gsize size)
{
    return stream->queue.length >= STREAM_QUEUE_MAX / 1024 ||
           (stream->queued > 0 && stream->queued + size > STREAM_QUEUE_MAX);
}

/* With the lock held. */
static bool take_content(Stream *stream, FrameReader *reader, Frame *frame)
{
    bool is_hole = frame->header.type == FRAME_STREAM_HOLE;
    Piece *piece = NULL;

    if (stream->wish != WISH_NONE || stream->failure || (frame->size == 0 && !is_hole))
        return true;
    if (stream->access == VOLUME_READ)
        return fail(stream, "data came into a stream that goes the other way"), true;
    if (is_full(stream, frame->size)) {
        stream->refused = true;
        return false;
    }
    piece = is_hole ? new_hole(frame) : new_piece(reader, frame);
    if (piece)
        push_piece(stream, piece);
    else
        fail(stream, "a hole that can't be understood");
    return true;
}

bool stream_take(Stream *stream, FrameReader *reader, Frame *frame)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&stream->lock);

    stream->refused = false;
    if (frame->header.status == FRAME_CONTINUE)
        return take_content(stream, reader, frame);
    if (frame->header.type == FRAME_STREAM && frame->header.status == FRAME_OK)
        wish(stream, WISH_FINISH);
    if (frame->header.type == FRAME_STREAM && frame->header.status == FRAME_ERROR)
        wish(stream, WISH_ABORT);
    return true;
}

/* ---- the loop's side: what is to be sent ---- */

/* With the lock held. */
static GByteArray *pop_frame(Stream *stream)
{
    GByteArray *frame = g_queue_pop_head(&stream->queue);

    stream->queued -= frame->len;
    if (stream->queued <= STREAM_QUEUE_MAX / 2)
        start_pump(stream);
    return frame;
}

/* With the lock held. What it was that the client waits for. */
static GByteArray *last_frame(Stream *stream)
{
    FrameHeader header = stream->header;

    stream->over = true;
    if (stream->failure && stream->wish != WISH_ABORT)
        return frame_new_error(&header, stream->failure);
    header.status = FRAME_OK;
    return frame_new_raw(&header, NULL, 0);
}

GByteArray *stream_next(Stream *stream)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&stream->lock);

    if (stream->access == VOLUME_READ && !g_queue_is_empty(&stream->queue))
        return pop_frame(stream);
    if (!stream->over && (stream->closed || stream->lost) &&
        (stream->failure || stream->wish != WISH_NONE))
        return last_frame(stream);
    return NULL;
}
