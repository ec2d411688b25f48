/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frame.h"
#include "protocol.h"
#include <stdlib.h>
#include <string.h>

/*
 * A stream of messages as either side may get it: the first byte of the input
 * says in what pieces it comes, and when it is odd that the connection has
 * streams. Each payload goes through every decoder that its header could lead
 * to, and what was decoded must survive encoding. Stream data is taken over
 * with its block.
 */

#define STREAM_TRUST (1024 * 1024)

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void demand(bool fact)
{
    if (!fact)
        abort();
}

/* Encodes a value that was decoded; of two encodings of equal values the bytes are the same. */
static GByteArray *encode(const XdrType *type, const void *value)
{
    GByteArray *bytes = g_byte_array_new();

    demand(xdr_encode(type, value, bytes, FRAME_PAYLOAD_MAX, NULL));
    return bytes;
}

static void check_again(const XdrType *type, const void *value)
{
    g_autoptr(GByteArray) bytes = encode(type, value);
    g_autofree void *again = g_malloc0(type->size);

    demand(xdr_decode(type, bytes->data, bytes->len, again, NULL));
    g_autoptr(GByteArray) bytes_again = encode(type, again);
    demand(bytes->len == bytes_again->len &&
           memcmp(bytes->data, bytes_again->data, bytes->len) == 0);
    xdr_clear(type, again);
}

static void decode(const XdrType *type, const guint8 *data, gsize size)
{
    g_autofree void *value = g_malloc0(type->size);

    if (type->size == 0 || !xdr_decode(type, data, size, value, NULL))
        return;
    check_again(type, value);
    xdr_clear(type, value);
}

static void decode_all(const Frame *frame)
{
    const Program *program = program_find(frame->header.program, frame->header.version);
    const Procedure *procedure = program ? procedure_find(program, frame->header.procedure) : NULL;

    if (procedure) {
        decode(procedure->args, frame->payload, frame->size);
        decode(procedure->result, frame->payload, frame->size);
    }
    decode(&rpc_hole_type, frame->payload, frame->size);
    g_error_free(frame_parse_error(frame->payload, frame->size));
}

static void take_block(FrameReader *reader, Frame *frame, const guint8 *payload)
{
    gsize before = reader->end - reader->start;
    g_autofree guint8 *block = frame_reader_take(reader, frame);

    demand(frame->taken && reader->end - reader->start < before);
    demand(frame->size == 0 || memcmp(frame->payload, payload, frame->size) == 0);
}

/* False when the connection would have been closed. */
static bool take_frames(FrameReader *reader)
{
    FrameResult result;
    Frame frame;

    while ((result = frame_reader_peek(reader, FRAME_LENGTH_MAX, &frame, NULL)) == FRAME_READY) {
        /* A copy of exactly this size, so that a sanitizer sees reading beyond it. */
        g_autofree guint8 *payload = g_memdup2(frame.payload, frame.size);
        Frame copy = frame;
        copy.payload = payload;
        decode_all(&copy);
        if (frame.header.type == FRAME_STREAM)
            take_block(reader, &frame, payload);
        frame_reader_consume(reader, &frame);
    }
    return result == FRAME_INCOMPLETE;
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    FrameReader reader = FRAME_READER_INIT;
    gsize piece = size > 0 && data[0] ? data[0] : 65536;

    reader.fds = FRAME_FDS_MAX; /* as if descriptors had come */
    reader.trust = piece % 2 ? STREAM_TRUST : 0;
    for (gsize at = 1; at < size; at += piece) {
        frame_reader_feed(&reader, data + at, MIN(piece, size - at));
        demand(reader.size <= 2 * size + 131072 + reader.trust);
        if (!take_frames(&reader))
            break;
    }
    frame_reader_clear(&reader);
    return 0;
}
