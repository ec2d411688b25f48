/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xdr.h"
#include <sys/types.h>

/*
 * Framing: a message is a length word that counts itself, a header of six
 * words, and a payload.
 */

#define FRAME_HEADER_SIZE 28       /* length word included */
#define FRAME_LENGTH_MAX  33554436 /* largest legal length word */
#define FRAME_PAYLOAD_MAX (FRAME_LENGTH_MAX - FRAME_HEADER_SIZE)
#define FRAME_FDS_MAX     32
#define FRAME_STREAM_MAX  262120 /* payload of stream data, as libvirt's peers send it */

typedef enum FrameType {
    FRAME_CALL = 0,
    FRAME_REPLY = 1,
    FRAME_MESSAGE = 2,
    FRAME_STREAM = 3,
    FRAME_CALL_WITH_FDS = 4,
    FRAME_REPLY_WITH_FDS = 5,
    FRAME_STREAM_HOLE = 6,
} FrameType;

typedef enum FrameStatus {
    FRAME_OK = 0,
    FRAME_ERROR = 1,
    FRAME_CONTINUE = 2,
} FrameStatus;

typedef struct FrameHeader {
    guint32 program;
    guint32 version;
    gint32 procedure;
    guint32 type; /* FrameType, or anything else that came */
    guint32 serial;
    guint32 status; /* FrameStatus, or anything else that came */
} FrameHeader;

/* A whole message as bytes: header and the encoding of `value` (`type` may be xdr_nothing, with
 * `value` NULL). Errors: ERROR_RPC when it is too large to be sent. */
GByteArray *frame_new(const FrameHeader *header, const XdrType *type, const void *value,
                      GError **error);

/* A whole message with the payload as it is (stream data). */
GByteArray *frame_new_raw(const FrameHeader *header, const void *payload, gsize size);

/* A message with room for a payload of `size` bytes, to be filled from FRAME_HEADER_SIZE on. Once
 * it is known how many bytes the payload has, the second makes it whole. */
GByteArray *frame_new_room(const FrameHeader *header, gsize size);
void frame_set_payload_size(GByteArray *frame, gsize size);

/* The first FRAME_HEADER_SIZE bytes of a message with a payload of `size` bytes. */
void frame_put_header(const FrameHeader *header, gsize size, guint8 ret[FRAME_HEADER_SIZE]);

/* The reply of an error: `header` is that of the call. Texts that are too long to be sent are
 * cut. Never fails. */
GByteArray *frame_new_error(const FrameHeader *header, const GError *error);

/* Reads the payload of an error reply. Never NULL: a payload that can't be read is ERROR_RPC. */
GError *frame_parse_error(const guint8 *payload, gsize size);

/* ---- reading ---- */

/* Puts messages together from the pieces that a socket gives. The buffer grows with the bytes that
 * really came, whatever the length word says, and is freed when it is empty. */
typedef struct FrameReader {
    guint8 *data;
    gsize size, start, end; /* allocated; the unread bytes are [start, end) */
    guint fds;              /* descriptors that came and were not claimed by a message yet */
    gsize
        trust; /* a message up to this size gets its buffer at once; for connections with streams */
} FrameReader;

#define FRAME_READER_INIT ((FrameReader){0})

typedef struct Frame {
    FrameHeader header;
    const guint8 *payload; /* valid until the reader is used again */
    gsize size;
    guint fds;  /* descriptors announced (FRAME_CALL_WITH_FDS); they were closed on arrival */
    bool taken; /* by frame_reader_take() */
} Frame;

typedef enum FrameResult {
    FRAME_READY,      /* *ret is the next message */
    FRAME_INCOMPLETE, /* more bytes are needed */
    FRAME_BROKEN,     /* no way to go on: close the connection */
} FrameResult;

/* One recvmsg() into the buffer. Returns the number of bytes, 0 at the end, -1 with errno (EAGAIN
 * when there is nothing now). Descriptors that come along are closed and counted. */
ssize_t frame_reader_receive(FrameReader *reader, int fd);

/* Adds bytes that came some other way. */
void frame_reader_feed(FrameReader *reader, const guint8 *data, gsize size);

/* Looks at the next message without taking it away. `length_max`: see FRAME_LENGTH_MAX.
 * Errors (FRAME_BROKEN): ERROR_RPC with what is wrong. */
FrameResult frame_reader_peek(FrameReader *reader, gsize length_max, Frame *ret, GError **error);

/* Takes away the message that frame_reader_peek() has just shown, unless it was taken. */
void frame_reader_consume(FrameReader *reader, const Frame *frame);

/* Takes the message away and gives its bytes to the caller, uncopied if they are most of what the
 * reader has. Frame.payload points into what is returned; free with g_free(). */
guint8 *frame_reader_take(FrameReader *reader, Frame *frame);

void frame_reader_clear(FrameReader *reader);
