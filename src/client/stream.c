/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connection.h"

#include "errors.h"
#include "frame.h"

/* Uploads and downloads. */

static bool gave_up(const char *who, GError **error)
{
    return error_set(error, ERROR_ABORTED, ORIGIN_STREAMS, "the %s of the data gave up", who);
}

/* ---- upload ---- */

typedef struct Upload {
    const CisternStreamSource *source;
    void *data;
    bool sparse;
    guint8 *buffer; /* FRAME_STREAM_MAX bytes */
} Upload;

static bool send_holes(Upload *upload, RpcStream *stream, GError **error)
{
    int64_t length = 0;

    while (upload->sparse && (length = upload->source->hole(upload->data)) > 0)
        if (!rpc_stream_send_hole(stream, (guint64)length, error))
            return false;
    return length == 0 || gave_up("source", error);
}

static bool send_all(void *data, RpcStream *stream, GError **error)
{
    Upload *upload = data;
    int64_t size;

    do {
        if (!send_holes(upload, stream, error))
            return false;
        size = upload->source->read(upload->buffer, FRAME_STREAM_MAX, upload->data);
        if (size < 0 || size > FRAME_STREAM_MAX)
            return gave_up("source", error);
        if (size > 0 && !rpc_stream_send(stream, upload->buffer, (gsize)size, error))
            return false;
    } while (size > 0);
    return true;
}

int cistern_volume_upload(CisternVolume *volume, uint64_t offset, uint64_t length,
                          unsigned int flags, const CisternStreamSource *source, void *data)
{
    const bool sparse = flags & CISTERN_STREAM_SPARSE;
    if (!given(volume) || !given(source) || !given(source->read) ||
        (sparse && !given(source->hole)))
        return -1;
    g_autofree guint8 *buffer = g_malloc(FRAME_STREAM_MAX);
    Upload upload = {source, data, sparse, buffer};
    RpcVolumeStream args = {volume->id, offset, length, flags};
    return connection_stream(volume->connection, REMOTE_STORAGE_VOL_UPLOAD, &args, send_all,
                             &upload)
               ? 0
               : -1;
}

/* ---- download ---- */

typedef struct Download {
    const CisternStreamSink *sink;
    void *data;
} Download;

static bool hand_over(const Download *download, const RpcStreamPiece *piece, GError **error)
{
    int status = 0;

    if (piece->data)
        status = download->sink->write(piece->data, (size_t)piece->size, download->data);
    else if (download->sink->hole)
        status = download->sink->hole(piece->size, download->data);
    else
        return error_set(error, ERROR_RPC, ORIGIN_STREAMS, "a hole came that was not asked for");
    return status == 0 || gave_up("target", error);
}

static bool receive_all(void *data, RpcStream *stream, GError **error)
{
    RpcStreamPiece piece;
    bool ok = true;

    do {
        if (!rpc_stream_receive(stream, &piece, error))
            return false;
        g_autofree guint8 *held G_GNUC_UNUSED = piece.data;
        ok = piece.size == 0 || hand_over(data, &piece, error);
    } while (ok && piece.size > 0);
    return ok;
}

int cistern_volume_download(CisternVolume *volume, uint64_t offset, uint64_t length,
                            unsigned int flags, const CisternStreamSink *sink, void *data)
{
    if (!given(volume) || !given(sink) || !given(sink->write) ||
        ((flags & CISTERN_STREAM_SPARSE) && !given(sink->hole)))
        return -1;
    Download download = {sink, data};
    RpcVolumeStream args = {volume->id, offset, length, flags};
    return connection_stream(volume->connection, REMOTE_STORAGE_VOL_DOWNLOAD, &args, receive_all,
                             &download)
               ? 0
               : -1;
}

/* ---- going on ---- */

int cistern_volume_resume_point(CisternVolume *volume, CisternResumePoint *ret_point)
{
    RpcResumePoint point;
    if (!given(volume) || !given(ret_point) ||
        !connection_call_own(volume->connection, CISTERN_VOLUME_RESUME_POINT, &volume->id, &point))
        return -1;
    *ret_point = (CisternResumePoint){point.offset, point.done};
    return 0;
}
