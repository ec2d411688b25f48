/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call.h"

/*
 * Inside the server: one upload or download. The loop hands over what came and
 * fetches what is to be sent; what lies between, at most about STREAM_QUEUE_MAX
 * bytes, is written or read on a worker, a piece of work at a time, so that a
 * stream that waits for its client keeps no thread. All but stream_new() and
 * the counting of references belong to the loop.
 */
#define STREAM_QUEUE_MAX (1024 * 1024)

/* Takes over the open volume. In any thread. */
Stream *stream_new(Call *call, Pool *pool, VolumeStream *volume, VolumeAccess access);
Stream *stream_ref(Stream *stream);
void stream_unref(Stream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Stream, stream_unref)

/* Of a download, on the worker that made it: up to a packet of data, so that it goes out along with
 * the reply. What is nothing but holes is over by then. */
void stream_read_ahead(Stream *stream);

/* Starts the stream: from now on it belongs to the session. */
void stream_start(Stream *stream, Session *session);

/* Whether packets with this header are the stream's. */
bool stream_is(const Stream *stream, const FrameHeader *header);

/* Takes a packet, to which stream_next() may have the answer at once; false: not now, the queue is
 * full. The session's session_stream_news() is called
 * when it isn't any more. */
bool stream_take(Stream *stream, FrameReader *reader, Frame *frame);

/* The next message to be sent, or NULL. session_stream_news() is called when there is one again. */
GByteArray *stream_next(Stream *stream);

/* It keeps neither volume nor data, and only waits for the client's last word. */
bool stream_is_idle(Stream *stream);
/* The last message was fetched. */
bool stream_is_over(const Stream *stream);

/* The client is gone, or never came to hear of it: an upload writes what has come and breaks off.
 */
void stream_abandon(Stream *stream);
