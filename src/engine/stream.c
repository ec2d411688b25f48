/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backend-call.h"
#include "pool-private.h"

#include <errno.h>

/* Uploads and downloads. */

/* Between two looks at whether the job was cancelled. */
#define WRITE_CHUNK (256 * 1024)
#define ZERO_CHUNK  (G_GUINT64_CONSTANT(1) << 30)
/* Between two notes of how far an upload has come: what comes in this time is lost when this
 * process is killed. */
#define NOTE_PAUSE G_TIME_SPAN_SECOND

struct VolumeStream {
    Pool *pool;
    char *name;
    Lease *lease;
    Operation *op;
    Io *io;
    VolumeAccess access;
    bool sparse;
    guint64 offset;     /* where it began */
    guint64 begin;      /* where the upload began that it is a part of */
    guint64 position;   /* where it is */
    guint64 end;        /* what lies behind is none of its business */
    guint64 data_start; /* of sparse downloads: where the next data is */
    guint64 data_end;
    IoPass pass;
    bool is_lost;     /* of an upload: something of it is not on the disk, and nobody knows what */
    bool noted;       /* of an upload: there is a note of it */
    gint64 next_note; /* when the next is due, monotonic */
};

/* ---- opening ---- */

static bool seek_failed(const char *name, guint64 offset, int errnum, GError **error)
{
    return error_set_errno(error, ORIGIN_STREAMS, errnum,
                           "cannot seek to offset %" G_GUINT64_FORMAT " of volume '%s'", offset,
                           name);
}

/* What grows takes whatever comes; everything else has its size. */
static bool find_end(VolumeStream *stream, guint64 length, GError **error)
{
    guint64 size = G_MAXINT64;

    if ((stream->access == VOLUME_READ || !stream->io->ops->grows) &&
        !stream->io->ops->size(stream->io, &size, error))
        return false;
    guint64 rest = size > stream->offset ? size - stream->offset : 0;
    if (length > 0)
        rest = MIN(rest, length);
    stream->end = stream->offset + rest;
    operation_set_progress(stream->op, 0, rest < G_MAXINT64 - stream->offset ? rest : 0);
    return true;
}

static void note_upload(VolumeStream *stream)
{
    const ResumePoint point = {stream->begin, stream->position - stream->begin};

    uploads_note(stream->pool, stream->name, &point);
    stream->noted = true;
    stream->next_note = g_get_monotonic_time() + NOTE_PAUSE;
}

/* An upload that begins where a broken one ended is the same one. */
static void claim_upload(VolumeStream *stream, const VolumeDef *volume)
{
    const ResumePoint point = uploads_recall(stream->pool, volume);
    const bool goes_on = point.done > 0 && point.offset + point.done == stream->offset;

    stream->begin = goes_on ? point.offset : stream->offset;
}

/* From the first write on the volume is marked, should this process die. */
static void note_first(VolumeStream *stream)
{
    if (!stream->noted)
        note_upload(stream);
}

static bool open_leased(VolumeStream *stream, guint64 length, GError **error)
{
    g_auto(PoolView) view = pool_view(stream->pool);
    g_autoptr(VolumeDef) volume =
        pool_present_volume(stream->pool, &view, stream->name, stream->op, error);

    if (!volume ||
        !call_volume_open_stream(&view, stream->op, volume, stream->access, &stream->io, error))
        return false;
    io_pass_begin(&stream->pass, stream->io, stream->access == VOLUME_WRITE, stream->offset);
    if (!find_end(stream, length, error))
        return false;
    if (stream->access == VOLUME_WRITE)
        claim_upload(stream, volume);
    return true;
}

static void stream_free(VolumeStream *stream)
{
    io_close(stream->io);
    lease_release(stream->lease);
    operation_unref(stream->op);
    pool_unref(stream->pool);
    g_free(stream->name);
    g_free(stream);
}

static VolumeStream *stream_new(Pool *pool, const char *name, VolumeAccess access, guint64 offset,
                                guint flags, Lease *lease, Operation *op)
{
    VolumeStream *stream = g_new0(VolumeStream, 1);

    stream->pool = pool_ref(pool);
    stream->name = g_strdup(name);
    stream->lease = lease;
    stream->op = operation_ref(op);
    stream->access = access;
    stream->sparse = flags & STREAM_SPARSE;
    stream->offset = stream->position = offset;
    stream->data_start = stream->data_end = offset;
    return stream;
}

VolumeStream *volume_stream_open(Pool *pool, const char *name, VolumeAccess access,
                                 const StreamRange *range, guint flags, const Request *request,
                                 GError **error)
{
    const bool writes = access == VOLUME_WRITE;

    if (!error_check_flags(error, flags, STREAM_SPARSE,
                           writes ? "storageVolUpload" : "storageVolDownload"))
        return NULL;
    if (range->offset > G_MAXINT64) {
        seek_failed(name, range->offset, EINVAL, error);
        return NULL;
    }
    Lease *lease =
        lease_take_one(pool, writes ? OP_VOLUME_UPLOAD : OP_VOLUME_DOWNLOAD, name, request, error);
    if (!lease)
        return NULL;
    VolumeStream *stream = stream_new(pool, name, access, range->offset, flags, lease, request->op);
    if (!open_leased(stream, range->length, error))
        g_clear_pointer(&stream, stream_free);
    return stream;
}

/* ---- writing ---- */

static bool no_room(GError **error)
{
    return error_set_errno(error, ORIGIN_STREAMS, ENOSPC, "cannot write to stream");
}

/* The storage's own error, as one of the stream. Takes over `failure`. */
static bool stream_failed(const VolumeStream *stream, GError *failure, GError **error)
{
    GError *told =
        error_from_wire(failure->code, ORIGIN_STREAMS, error_errno(failure), failure->message);

    g_error_free(failure);
    error_add_context(&told, "pool '%s': volume '%s': ", stream->pool->name, stream->name);
    g_propagate_error(error, told);
    return false;
}

static guint64 room(const VolumeStream *stream)
{
    return stream->end > stream->position ? stream->end - stream->position : 0;
}

/* The disk didn't take what was written before. Takes over `failure`. */
static bool stream_lost(VolumeStream *stream, GError *failure, GError **error)
{
    stream->is_lost = true;
    return stream_failed(stream, failure, error);
}

static bool advance(VolumeStream *stream, guint64 size, GError **error)
{
    GError *failure = NULL;

    stream->position += size;
    operation_add_progress(stream->op, size);
    return io_pass_moved(&stream->pass, stream->position, &failure) ||
           stream_lost(stream, failure, error);
}

static bool write_chunk(VolumeStream *stream, const void *data, gsize size, GError **error)
{
    GError *failure = NULL;

    if (!operation_check(stream->op, error))
        return false;
    note_first(stream);
    if (!stream->io->ops->write(stream->io, data, size, stream->position, &failure))
        return stream_failed(stream, failure, error);
    return advance(stream, size, error);
}

/* What is noted is on the disk. */
static bool note_if_due(VolumeStream *stream, GError **error)
{
    GError *failure = NULL;

    if (!stream->noted || g_get_monotonic_time() < stream->next_note)
        return true;
    if (!io_settle(stream->io, &failure))
        return stream_lost(stream, failure, error);
    note_upload(stream);
    return true;
}

bool volume_stream_write(VolumeStream *stream, const void *data, gsize size, GError **error)
{
    gsize fits = MIN(size, room(stream));

    for (gsize done = 0; done < fits; done += WRITE_CHUNK)
        if (!write_chunk(stream, (const guint8 *)data + done, MIN(fits - done, WRITE_CHUNK), error))
            return false;
    return note_if_due(stream, error) && (fits == size || no_room(error));
}

static bool zero_chunk(VolumeStream *stream, guint64 length, GError **error)
{
    GError *failure = NULL;

    if (!operation_check(stream->op, error))
        return false;
    note_first(stream);
    if (!stream->io->ops->zero(stream->io, stream->position, length, false, &failure))
        return stream_failed(stream, failure, error);
    return advance(stream, length, error);
}

/* In portions as far as there is something to zero; the rest only makes the volume longer. */
static bool write_zeros(VolumeStream *stream, guint64 length, GError **error)
{
    guint64 size;

    if (!stream->io->ops->size(stream->io, &size, error))
        return false;
    while (length > 0) {
        guint64 inside = size > stream->position ? size - stream->position : 0;
        guint64 chunk = MIN(length, inside ? MIN(inside, ZERO_CHUNK) : length);
        if (!zero_chunk(stream, chunk, error))
            return false;
        length -= chunk;
    }
    return true;
}

bool volume_stream_write_hole(VolumeStream *stream, gint64 length, GError **error)
{
    if (!stream->sparse)
        return error_set(error, ERROR_INTERNAL, ORIGIN_RPC,
                         "a hole came in a stream that was not opened as a sparse one");
    if (length <= 0)
        return error_set(error, ERROR_INTERNAL, ORIGIN_RPC,
                         "a hole of %" G_GINT64_FORMAT " bytes; it must have some", length);
    guint64 fits = MIN((guint64)length, room(stream));
    return write_zeros(stream, fits, error) && note_if_due(stream, error) &&
           (fits == (guint64)length || no_room(error));
}

/* ---- reading ---- */

/* Where the stretch of data that the position is in, or before, begins and ends. */
static bool find_data(VolumeStream *stream, GError **error)
{
    if (!stream->sparse) {
        stream->data_start = stream->position;
        stream->data_end = stream->end;
        return true;
    }
    return stream->position < stream->data_end ||
           stream->io->ops->next_data(stream->io, stream->position, &stream->data_start,
                                      &stream->data_end, error);
}

static bool read_data(VolumeStream *stream, void *buffer, gsize size, StreamPiece *ret,
                      GError **error)
{
    guint64 rest = MIN(stream->data_end, stream->end) - stream->position;
    gssize got =
        stream->io->ops->read(stream->io, buffer, MIN(size, rest), stream->position, error);

    if (got < 0)
        return false;
    ret->size = (gsize)got;
    return advance(stream, ret->size, error);
}

static bool read_piece(VolumeStream *stream, void *buffer, gsize size, StreamPiece *ret,
                       GError **error)
{
    if (!find_data(stream, error))
        return false;
    /* With no more data both ends are the size, which may have shrunk. */
    guint64 start = MIN(stream->data_start, stream->end);
    if (start > stream->position) {
        ret->hole = start - stream->position;
        return advance(stream, ret->hole, error);
    }
    if (stream->data_end <= stream->position)
        return true;
    return read_data(stream, buffer, size, ret, error);
}

bool volume_stream_read(VolumeStream *stream, void *buffer, gsize size, StreamPiece *ret,
                        GError **error)
{
    GError *failure = NULL;

    *ret = (StreamPiece){0};
    if (!operation_check(stream->op, error))
        return false;
    if (room(stream) == 0 || read_piece(stream, buffer, size, ret, &failure))
        return true;
    return stream_failed(stream, failure, error);
}

/* ---- uploads that broke off ---- */

/* Files' times are as coarse as the kernel's clock tick. */
#define CLOCK_TICK (20 * G_TIME_SPAN_MILLISECOND)

/* `left` NULL: nobody knows what of it is there. */
static void remember(const VolumeStream *stream, const VolumeDef *left)
{
    const ResumePoint point = {stream->begin, stream->position - stream->begin};

    uploads_remember(stream->pool, stream->name, left, &point);
    g_usleep(CLOCK_TICK); /* so that the next change shows */
}

static bool is_listed(const VolumeStream *stream)
{
    g_autoptr(VolumeRecord) record = pool_peek_volume(stream->pool, stream->name);

    return record != NULL;
}

/* An upload that has written nothing leaves what is known of an earlier one, unless all of that had
 * come. */
static void settle_note(const VolumeStream *stream, bool whole, const VolumeDef *left)
{
    if (!stream->noted && !(whole && stream->position > stream->begin))
        return;
    if (whole || !is_listed(stream))
        uploads_forget(stream->pool, stream->name);
    else
        remember(stream, left);
}

bool volume_resume_point(Pool *pool, const char *name, const Request *request, ResumePoint *ret,
                         GError **error)
{
    g_autoptr(Lease) lease = lease_take_one(pool, OP_VOLUME_RESUME, name, request, error);

    if (!lease)
        return false;
    g_auto(PoolView) view = pool_view(pool);
    g_autoptr(VolumeDef) volume = pool_present_volume(pool, &view, name, request->op, error);
    if (!volume)
        return false;
    *ret = uploads_recall(pool, volume);
    return true;
}

/* ---- closing ---- */

static bool flush(VolumeStream *stream, GError **error)
{
    GError *failure = NULL;

    return stream->io->ops->flush(stream->io, &failure) || stream_failed(stream, failure, error);
}

static bool close_upload(VolumeStream *stream, bool whole, GError **error)
{
    g_auto(VolumeState) left = {0};
    Pool *pool = stream->pool;
    bool flushed = flush(stream, error);

    g_clear_pointer(&stream->io, io_close); /* some storage shows the data only now */
    pool_settle_volume(pool, stream->name, &left);
    bool safe = flushed && !stream->is_lost;
    settle_note(stream, safe && whole, safe ? left.volume : NULL);
    event_push(pool->engine->events, EVENT_REFRESHED, pool->name, &pool->uuid);
    event_deliver(pool->engine->events);
    return flushed;
}

bool volume_stream_close(VolumeStream *stream, bool whole, GError **error)
{
    bool ok = stream->access == VOLUME_READ || close_upload(stream, whole, error);

    stream_free(stream);
    return ok;
}
