/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frame.h"
#include "errors.h"
#include "fd.h"
#include "protocol.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define READ_SIZE_MIN 4096u  /* what an idle connection that says something costs */
#define READ_SIZE_MAX 65536u /* read ahead beyond the message at hand */
#define FD_BATCH      4

static void put_word(guint8 *at, guint32 word)
{
    word = GUINT32_TO_BE(word);
    memcpy(at, &word, sizeof word);
}

static guint32 get_word(const guint8 *at)
{
    guint32 word;

    memcpy(&word, at, sizeof word);
    return GUINT32_FROM_BE(word);
}

/* ---- writing ---- */

void frame_put_header(const FrameHeader *header, gsize size, guint8 ret[FRAME_HEADER_SIZE])
{
    put_word(ret, (guint32)(FRAME_HEADER_SIZE + size));
    put_word(ret + 4, header->program);
    put_word(ret + 8, header->version);
    put_word(ret + 12, (guint32)header->procedure);
    put_word(ret + 16, header->type);
    put_word(ret + 20, header->serial);
    put_word(ret + 24, header->status);
}

static GByteArray *frame_begin(const FrameHeader *header, gsize expected)
{
    GByteArray *frame = g_byte_array_sized_new((guint)(FRAME_HEADER_SIZE + expected));

    g_byte_array_set_size(frame, FRAME_HEADER_SIZE);
    frame_put_header(header, 0, frame->data);
    return frame;
}

static GByteArray *frame_finish(GByteArray *frame)
{
    put_word(frame->data, frame->len);
    return frame;
}

GByteArray *frame_new(const FrameHeader *header, const XdrType *type, const void *value,
                      GError **error)
{
    g_autoptr(GByteArray) frame = frame_begin(header, xdr_min_size(type));

    if (!xdr_encode(type, value, frame, FRAME_LENGTH_MAX, error))
        return NULL;
    return frame_finish(g_steal_pointer(&frame));
}

GByteArray *frame_new_raw(const FrameHeader *header, const void *payload, gsize size)
{
    GByteArray *frame = frame_begin(header, size);

    g_byte_array_append(frame, payload, (guint)size);
    return frame_finish(frame);
}

/* The array would make its room a power of two. */
GByteArray *frame_new_room(const FrameHeader *header, gsize size)
{
    guint8 *data = g_malloc(FRAME_HEADER_SIZE + size);

    frame_put_header(header, size, data);
    return g_byte_array_new_take(data, FRAME_HEADER_SIZE + size);
}

void frame_set_payload_size(GByteArray *frame, gsize size)
{
    g_byte_array_set_size(frame, (guint)(FRAME_HEADER_SIZE + size));
    put_word(frame->data, frame->len);
}

/* ---- errors ---- */

#define ERROR_TEXT_MAX 65536 /* bytes */

static char *cut_text(const char *text)
{
    return g_strndup(text, ERROR_TEXT_MAX);
}

/* Refused flags name the function where libvirt's peers expect it. */
static const char *refusing_function(const GError *error)
{
    static const char words[] = " in function ";
    const char *at = strstr(error->message, words);

    return error_code(error) == ERROR_INVALID_ARGUMENT && at ? at + strlen(words) : NULL;
}

/* What stands before the detail, as the template that libvirt's peers expect. */
static char *error_template(const GError *error)
{
    gsize frame = (gsize)(error_detail(error) - error->message);

    return g_strdup_printf("%.*s%%s", (int)frame, error->message);
}

static void fill_error(const GError *error, RpcError *ret)
{
    const char *function = refusing_function(error);
    int errnum = error_errno(error);

    *ret = (RpcError){
        .code = (gint32)error_code(error),
        .origin = (gint32)error_origin(error),
        .message = cut_text(error->message),
        .level = 2,
        .str1 = function ? cut_text(function) : error_template(error),
        .str2 = cut_text(error_detail(error)),
        .int1 = function ? 0
                : errnum ? errnum
                         : -1,
        .int2 = function ? 0 : -1,
    };
}

GByteArray *frame_new_error(const FrameHeader *header, const GError *error)
{
    FrameHeader reply = *header;
    RpcError value;

    reply.type = header->type == FRAME_STREAM || header->type == FRAME_STREAM_HOLE ? FRAME_STREAM
                                                                                   : FRAME_REPLY;
    reply.status = FRAME_ERROR;
    fill_error(error, &value);
    GByteArray *frame = frame_new(&reply, &rpc_error_type, &value, NULL);
    g_assert(frame != NULL); /* all texts were cut */
    xdr_clear(&rpc_error_type, &value);
    return frame;
}

GError *frame_parse_error(const guint8 *payload, gsize size)
{
    GError *problem = NULL;
    RpcError value;

    if (!xdr_decode(&rpc_error_type, payload, size, &value, &problem))
        return problem;
    GError *error =
        error_from_wire(value.code, value.origin, value.code == ERROR_SYSTEM ? value.int1 : 0,
                        value.message ? value.message : "an error without a message");
    xdr_clear(&rpc_error_type, &value);
    return error;
}

/* ---- reading ---- */

void frame_reader_clear(FrameReader *reader)
{
    g_free(reader->data);
    *reader = FRAME_READER_INIT;
}

static void give_back_empty(FrameReader *reader)
{
    if (reader->start < reader->end)
        return;
    g_clear_pointer(&reader->data, g_free);
    reader->size = reader->start = reader->end = 0;
}

/* Bytes of the message at hand that are still to come, as far as its length word is to be
 * believed; what is read at once is limited, so that a lying one costs no more than what was sent.
 */
static gsize wanted(const FrameReader *reader)
{
    gsize have = reader->end - reader->start;
    gsize length = have >= 4 ? get_word(reader->data + reader->start) : 0;

    return length > have ? length - have : 0;
}

static void move_to_front(FrameReader *reader)
{
    memmove(reader->data, reader->data + reader->start, reader->end - reader->start);
    reader->end -= reader->start;
    reader->start = 0;
}

/* How large the buffer is to become. */
static gsize larger(const FrameReader *reader)
{
    gsize have = reader->end - reader->start, more = wanted(reader);

    if (have == 0 && reader->trust > 0)
        return FRAME_HEADER_SIZE + FRAME_STREAM_MAX;
    if (more > 0 && have + more <= reader->trust)
        return have + more;
    return reader->size + MAX(CLAMP(have, READ_SIZE_MIN, MAX(more, READ_SIZE_MAX)), READ_SIZE_MIN);
}

/* Whether there are `least` bytes behind `end`, or room for the rest of the message. */
static bool has_room(const FrameReader *reader, gsize least)
{
    gsize more = wanted(reader), room = reader->size - reader->end;

    return room >= least || (more > 0 && room >= more);
}

/* Makes room behind `end`. The buffer doubles, so that the bytes of a large message are copied a
 * fixed number of times, however small the pieces it comes in. */
static void make_room(FrameReader *reader)
{
    if (has_room(reader, READ_SIZE_MIN))
        return;
    if (reader->start > 0)
        move_to_front(reader);
    if (has_room(reader, MAX(READ_SIZE_MIN, reader->size / 4)))
        return;
    reader->size = larger(reader);
    reader->data = g_realloc(reader->data, reader->size);
}

/* Closes descriptors that came along; returns how many there were. */
static guint drop_fds(struct msghdr *message)
{
    guint count = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (gsize at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
            fd_close(&fd);
            count++;
        }
    }
    return count;
}

ssize_t frame_reader_receive(FrameReader *reader, int fd)
{
    union {
        char buffer[CMSG_SPACE(FD_BATCH * sizeof(int))];
        struct cmsghdr align;
    } control;
    ssize_t count;

    make_room(reader);
    struct iovec vector = {reader->data + reader->end, reader->size - reader->end};
    struct msghdr message = {
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = control.buffer,
        .msg_controllen = sizeof control.buffer,
    };
    do
        count = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (count < 0 && errno == EINTR);
    int errnum = errno;
    if (count > 0) {
        reader->end += (gsize)count;
        reader->fds += drop_fds(&message);
    }
    give_back_empty(reader);
    errno = errnum;
    return count;
}

void frame_reader_feed(FrameReader *reader, const guint8 *data, gsize size)
{
    while (size > 0) {
        make_room(reader);
        gsize part = MIN(size, reader->size - reader->end);
        memcpy(reader->data + reader->end, data, part);
        reader->end += part;
        data += part;
        size -= part;
    }
}

static bool carries_fds(const FrameHeader *header)
{
    return header->type == FRAME_CALL_WITH_FDS || header->type == FRAME_REPLY_WITH_FDS;
}

static FrameHeader parse_header(const guint8 *at)
{
    return (FrameHeader){
        .program = get_word(at + 4),
        .version = get_word(at + 8),
        .procedure = (gint32)get_word(at + 12),
        .type = get_word(at + 16),
        .serial = get_word(at + 20),
        .status = get_word(at + 24),
    };
}

/* The word behind the header of a message with descriptors says how many; each comes with one more
 * byte behind the message. */
static FrameResult claim_fds(const FrameReader *reader, gsize have, gsize length, Frame *ret,
                             GError **error)
{
    if (ret->size < 4)
        return error_set(error, ERROR_RPC, ORIGIN_RPC,
                         "a message without its count of descriptors"),
               FRAME_BROKEN;
    ret->fds = get_word(ret->payload);
    if (ret->fds > FRAME_FDS_MAX)
        return error_set(error, ERROR_RPC, ORIGIN_RPC,
                         "a message with %u descriptors; at most %d are allowed", ret->fds,
                         FRAME_FDS_MAX),
               FRAME_BROKEN;
    if (have < length + ret->fds)
        return FRAME_INCOMPLETE;
    if (reader->fds < ret->fds)
        return error_set(error, ERROR_RPC, ORIGIN_RPC,
                         "a message that announces descriptors came without them"),
               FRAME_BROKEN;
    ret->payload += 4;
    ret->size -= 4;
    return FRAME_READY;
}

FrameResult frame_reader_peek(FrameReader *reader, gsize length_max, Frame *ret, GError **error)
{
    gsize have = reader->end - reader->start;

    if (have < 4)
        return FRAME_INCOMPLETE;
    const guint8 *at = reader->data + reader->start;
    gsize length = get_word(at);
    if (length < FRAME_HEADER_SIZE || length > length_max)
        return error_set(error, ERROR_RPC, ORIGIN_RPC,
                         "a message of %" G_GSIZE_FORMAT " bytes; %d to %" G_GSIZE_FORMAT
                         " are allowed",
                         length, FRAME_HEADER_SIZE, length_max),
               FRAME_BROKEN;
    if (have < length)
        return FRAME_INCOMPLETE;
    *ret = (Frame){
        .header = parse_header(at),
        .payload = at + FRAME_HEADER_SIZE,
        .size = length - FRAME_HEADER_SIZE,
    };
    return carries_fds(&ret->header) ? claim_fds(reader, have, length, ret, error) : FRAME_READY;
}

void frame_reader_consume(FrameReader *reader, const Frame *frame)
{
    if (frame->taken)
        return;
    gsize length = get_word(reader->data + reader->start);

    reader->start += length + frame->fds;
    reader->fds -= MIN(frame->fds, reader->fds);
    give_back_empty(reader);
}

static guint8 *copy_message(FrameReader *reader, Frame *frame)
{
    guint8 *copy = g_memdup2(frame->payload, frame->size);

    frame_reader_consume(reader, frame);
    frame->payload = copy;
    return copy;
}

guint8 *frame_reader_take(FrameReader *reader, Frame *frame)
{
    gsize end = (gsize)(frame->payload - reader->data) + frame->size;
    gsize rest = reader->end - end;
    guint8 *block = NULL;

    if (frame->fds > 0 || frame->size < reader->size / 2 || rest > frame->size / 2) {
        block = copy_message(reader, frame);
    } else {
        block = g_steal_pointer(&reader->data);
        reader->size = reader->start = reader->end = 0;
        frame_reader_feed(reader, block + end, rest);
    }
    frame->taken = true;
    return block;
}
