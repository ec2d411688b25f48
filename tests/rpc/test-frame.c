/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "errors.h"
#include "fd.h"
#include "frame.h"
#include "hex.h"
#include "protocol.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const FrameHeader lookup_call = {PROGRAM_REMOTE, 1, REMOTE_STORAGE_POOL_LOOKUP_BY_NAME,
                                        FRAME_CALL,     2, FRAME_OK};

static void test_golden(void)
{
    const FrameHeader call = {PROGRAM_REMOTE, 1, REMOTE_AUTH_LIST, FRAME_CALL, 0, FRAME_OK};
    const FrameHeader reply = {PROGRAM_REMOTE, 1, REMOTE_AUTH_LIST, FRAME_REPLY, 0, FRAME_OK};
    const FrameHeader ping = {PROGRAM_KEEPALIVE, 1, KEEPALIVE_PING, FRAME_MESSAGE, 0, FRAME_OK};
    gint32 none = RPC_AUTH_NONE;
    g_autoptr(GByteArray) a = frame_new(&call, &xdr_nothing, NULL, NULL);
    g_autoptr(GByteArray) b =
        frame_new(&reply, procedure_find(&program_remote, REMOTE_AUTH_LIST)->result,
                  &(RpcAuthTypes){1, &none}, NULL);
    g_autoptr(GByteArray) c = frame_new(&ping, &xdr_nothing, NULL, NULL);

    assert_bytes(a->data, a->len, "0000001c 20008086 00000001 00000042 00000000 00000000 00000000");
    assert_bytes(b->data, b->len,
                 "00000024 20008086 00000001 00000042 00000001 00000000 00000000"
                 "00000001 00000000");
    assert_bytes(c->data, c->len, "0000001c 6b656570 00000001 00000001 00000002 00000000 00000000");
}

static const char *const no_pool_error =
    "000000e0 20008086 00000001 00000054 00000001 00000002 00000001" /* header */
    "00000031 00000012 00000001 00000041"
    "53746f7261676520706f6f6c206e6f7420666f756e643a20" /* Storage pool not found: */
    "6e6f2073746f7261676520706f6f6c2077697468206d61746368696e67206e616d6520276e6f706527 000000"
    "00000002 00000000 00000001 0000001a"
    "53746f7261676520706f6f6c206e6f7420666f756e643a202573 0000"
    "00000001 00000029"
    "6e6f2073746f7261676520706f6f6c2077697468206d61746368696e67206e616d6520276e6f706527 000000"
    "00000000 ffffffff ffffffff 00000000";

static void test_error(void)
{
    g_autoptr(GError) error = NULL;

    error_set(&error, ERROR_NO_POOL, ORIGIN_STORAGE, "no storage pool with matching name 'nope'");
    g_autoptr(GByteArray) frame = frame_new_error(&lookup_call, error);
    assert_bytes(frame->data, frame->len, no_pool_error);
    g_autoptr(GError) again =
        frame_parse_error(frame->data + FRAME_HEADER_SIZE, frame->len - FRAME_HEADER_SIZE);
    g_assert_error(again, CISTERN_ERROR, ERROR_NO_POOL);
    g_assert_cmpint(error_origin(again), ==, ORIGIN_STORAGE);
    g_assert_cmpstr(again->message, ==, error->message);
}

static void test_error_errno(void)
{
    g_autoptr(GError) error = NULL;

    error_set_errno(&error, ORIGIN_STORAGE, ENOSPC, "cannot write '%s'", "/x");
    g_autoptr(GByteArray) frame = frame_new_error(&lookup_call, error);
    g_autoptr(GError) again =
        frame_parse_error(frame->data + FRAME_HEADER_SIZE, frame->len - FRAME_HEADER_SIZE);
    g_assert_error(again, CISTERN_ERROR, ERROR_SYSTEM);
    g_assert_cmpint(error_errno(again), ==, ENOSPC);
}

static void test_error_flags(void)
{
    g_autoptr(GError) error = NULL;
    RpcError value;

    g_assert_false(error_check_flags(&error, 5, 1, "storagePoolGetXMLDesc"));
    g_autoptr(GByteArray) frame = frame_new_error(&lookup_call, error);
    g_assert_true(xdr_decode(&rpc_error_type, frame->data + FRAME_HEADER_SIZE,
                             frame->len - FRAME_HEADER_SIZE, &value, NULL));
    g_assert_cmpint(value.code, ==, 8);
    g_assert_cmpstr(value.str1, ==, "storagePoolGetXMLDesc");
    g_assert_cmpint(value.int1, ==, 0);
    g_assert_cmpint(value.int2, ==, 0);
    xdr_clear(&rpc_error_type, &value);
}

static void test_error_cut(void)
{
    g_autofree char *text = g_strnfill(XDR_STRING_MAX + 10, 'x');
    g_autoptr(GError) error = NULL;

    error_set(&error, ERROR_INTERNAL, ORIGIN_NONE, "%s", text);
    g_autoptr(GByteArray) frame = frame_new_error(&lookup_call, error);
    g_assert_cmpuint(frame->len, <, 200000);
    g_autoptr(GError) nonsense = frame_parse_error((const guint8 *)"abc", 3);
    g_assert_error(nonsense, CISTERN_ERROR, ERROR_RPC);
}

/* ---- reading ---- */

static GByteArray *some_frame(guint32 serial, gsize payload)
{
    FrameHeader header = lookup_call;
    g_autofree char *bytes = g_strnfill(payload, 'p');

    header.serial = serial;
    return frame_new_raw(&header, bytes, payload);
}

static void expect(FrameReader *reader, guint32 serial, gsize payload)
{
    Frame frame;

    g_assert_cmpint(frame_reader_peek(reader, FRAME_LENGTH_MAX, &frame, NULL), ==, FRAME_READY);
    g_assert_cmpuint(frame.header.serial, ==, serial);
    g_assert_cmpuint(frame.size, ==, payload);
    frame_reader_consume(reader, &frame);
}

static void expect_nothing(FrameReader *reader)
{
    Frame frame;

    g_assert_cmpint(frame_reader_peek(reader, FRAME_LENGTH_MAX, &frame, NULL), ==,
                    FRAME_INCOMPLETE);
}

static void test_byte_by_byte(void)
{
    g_autoptr(GByteArray) frame = some_frame(9, 33);
    FrameReader reader = FRAME_READER_INIT;

    for (guint i = 0; i < frame->len; i++) {
        expect_nothing(&reader);
        frame_reader_feed(&reader, frame->data + i, 1);
    }
    expect(&reader, 9, 33);
    expect_nothing(&reader);
    g_assert_null(reader.data); /* an idle connection holds no buffer */
}

static void test_many_at_once(void)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    FrameReader reader = FRAME_READER_INIT;

    for (guint32 i = 0; i < 1000; i++) {
        g_autoptr(GByteArray) frame = some_frame(i, i * 7 % 500);
        g_byte_array_append(all, frame->data, frame->len);
    }
    frame_reader_feed(&reader, all->data, all->len);
    for (guint32 i = 0; i < 1000; i++)
        expect(&reader, i, i * 7 % 500);
    expect_nothing(&reader);
    frame_reader_clear(&reader);
}

/* 32 MiB in pieces of 64 KiB: what is copied grows with the size, not with its square. */
static void test_largest(void)
{
    g_autoptr(GByteArray) frame = some_frame(1, FRAME_PAYLOAD_MAX);
    FrameReader reader = FRAME_READER_INIT;
    gint64 start = g_get_monotonic_time();

    g_assert_cmpuint(frame->len, ==, FRAME_LENGTH_MAX);
    for (guint at = 0; at < frame->len; at += 65536)
        frame_reader_feed(&reader, frame->data + at, MIN(65536, frame->len - at));
    expect(&reader, 1, FRAME_PAYLOAD_MAX);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 5 * G_USEC_PER_SEC);
    frame_reader_clear(&reader);
}

/* A connection with streams reads a packet straight into a block of its size, and gives it away. */
static void test_taken(void)
{
    const FrameHeader header = {PROGRAM_REMOTE, 1, 208, FRAME_STREAM, 3, FRAME_CONTINUE};
    g_autofree guint8 *bytes = g_malloc(FRAME_STREAM_MAX);
    FrameReader reader = {.trust = 1024 * 1024};
    Frame frame;

    memset(bytes, 'x', FRAME_STREAM_MAX);
    g_autoptr(GByteArray) large = frame_new_raw(&header, bytes, FRAME_STREAM_MAX);
    g_autoptr(GByteArray) small = frame_new_raw(&header, "small", 5);
    frame_reader_feed(&reader, large->data, large->len);
    g_assert_cmpuint(reader.size, ==, large->len);
    frame_reader_feed(&reader, small->data, small->len);
    g_assert_cmpint(frame_reader_peek(&reader, FRAME_LENGTH_MAX, &frame, NULL), ==, FRAME_READY);
    const guint8 *before = reader.data;
    g_autofree guint8 *block = frame_reader_take(&reader, &frame);
    g_assert_true(block == before);
    g_assert_true(frame.taken);
    frame_reader_consume(&reader, &frame); /* does nothing */
    g_assert_cmpint(memcmp(frame.payload, bytes, FRAME_STREAM_MAX), ==, 0);

    g_assert_cmpint(frame_reader_peek(&reader, FRAME_LENGTH_MAX, &frame, NULL), ==, FRAME_READY);
    g_autofree guint8 *copy = frame_reader_take(&reader, &frame);
    g_assert_cmpuint(frame.size, ==, 5);
    g_assert_cmpint(memcmp(frame.payload, "small", 5), ==, 0);
    g_assert_true(frame.payload == copy);
    g_assert_null(reader.data);
    frame_reader_clear(&reader);
}

static void test_lying_length(void)
{
    g_autoptr(GByteArray) bytes = hex_bytes("02000004 20008086");
    FrameReader reader = FRAME_READER_INIT;

    frame_reader_feed(&reader, bytes->data, bytes->len);
    expect_nothing(&reader);
    g_assert_cmpuint(reader.size, <=, 65536);
    frame_reader_clear(&reader);
}

static void assert_broken(const char *hex)
{
    g_autoptr(GByteArray) bytes = hex_bytes(hex);
    g_autoptr(GError) error = NULL;
    FrameReader reader = FRAME_READER_INIT;
    Frame frame;

    frame_reader_feed(&reader, bytes->data, bytes->len);
    g_assert_cmpint(frame_reader_peek(&reader, FRAME_LENGTH_MAX, &frame, &error), ==, FRAME_BROKEN);
    g_assert_error(error, CISTERN_ERROR, ERROR_RPC);
    frame_reader_clear(&reader);
}

static void test_broken(void)
{
    assert_broken("00000000");
    assert_broken("0000001b");
    assert_broken("02000005");
    assert_broken("ffffffff");
    /* a call with descriptors, without its count, with too many, and with none that came */
    assert_broken("0000001c 20008086 00000001 00000042 00000004 00000000 00000000");
    assert_broken("00000020 20008086 00000001 00000042 00000004 00000000 00000000 00000021");
    assert_broken("00000020 20008086 00000001 00000042 00000004 00000000 00000000 00000001 00");
}

static void send_with_fd(int socket, const void *bytes, gsize size, int fd)
{
    char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
    struct iovec vector = {(void *)bytes, size};
    struct msghdr message = {
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof control,
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    g_assert_cmpint(sendmsg(socket, &message, 0), ==, (ssize_t)size);
}

static guint count_fds(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    guint count = 0;

    while (g_dir_read_name(dir))
        count++;
    return count;
}

/* Descriptors are closed as they come; the message counts as if they had never been. */
static void test_descriptors(void)
{
    g_autoptr(GByteArray) bytes = hex_bytes(
        "00000024 20008086 00000001 00000042 00000004 00000005 00000000 00000002 00000000");
    g_autoptr(GByteArray) next = some_frame(6, 4);
    FrameReader reader = FRAME_READER_INIT;
    int sockets[2];
    Frame frame;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), ==, 0);
    guint fds = count_fds();
    g_assert_cmpint(write(sockets[0], bytes->data, bytes->len), ==, bytes->len);
    send_with_fd(sockets[0], "", 1, 0);
    send_with_fd(sockets[0], "", 1, 0);
    g_assert_cmpint(write(sockets[0], next->data, next->len), ==, next->len);
    while (frame_reader_receive(&reader, sockets[1]) > 0)
        continue;
    g_assert_cmpuint(count_fds(), ==, fds);
    g_assert_cmpint(frame_reader_peek(&reader, FRAME_LENGTH_MAX, &frame, NULL), ==, FRAME_READY);
    g_assert_cmpuint(frame.fds, ==, 2);
    g_assert_cmpuint(frame.size, ==, 4);
    frame_reader_consume(&reader, &frame);
    expect(&reader, 6, 4);
    g_assert_cmpuint(reader.fds, ==, 0);
    frame_reader_clear(&reader);
    fd_close(&sockets[0]);
    fd_close(&sockets[1]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rpc/frame/golden", test_golden);
    g_test_add_func("/rpc/frame/error", test_error);
    g_test_add_func("/rpc/frame/error-errno", test_error_errno);
    g_test_add_func("/rpc/frame/error-flags", test_error_flags);
    g_test_add_func("/rpc/frame/error-cut", test_error_cut);
    g_test_add_func("/rpc/frame/byte-by-byte", test_byte_by_byte);
    g_test_add_func("/rpc/frame/many-at-once", test_many_at_once);
    g_test_add_func("/rpc/frame/largest", test_largest);
    g_test_add_func("/rpc/frame/taken", test_taken);
    g_test_add_func("/rpc/frame/lying-length", test_lying_length);
    g_test_add_func("/rpc/frame/broken", test_broken);
    g_test_add_func("/rpc/frame/descriptors", test_descriptors);
    return g_test_run();
}
