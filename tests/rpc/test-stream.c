/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fd.h"
#include "server-fixture.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Uploads and downloads, packet by packet. */

#define MIB (1024 * 1024)

/* ---- a pool with files ---- */

typedef struct World {
    ServerFixture *fixture;
    Peer *peer;
    RpcPool pool;
} World;

static World world_open(const ServerConfig *config)
{
    World world = {.fixture = server_fixture_new(config)};

    world.peer = peer_open(world.fixture);
    world.pool = peer_start_pool(world.peer, world.fixture, "p");
    return world;
}

static void world_close(World *world)
{
    rpc_pool_done(&world->pool);
    peer_free(world->peer);
    server_fixture_free(world->fixture);
}

#define autoworld __attribute__((cleanup(world_close)))

static char *path_of(const World *world, const char *name)
{
    return g_build_filename(world->fixture->folder, "p", name, NULL);
}

/* `size` bytes that differ from one place to the next. */
static guint8 *pattern(gsize size, guint seed)
{
    guint8 *bytes = g_malloc(MAX(size, 1));

    for (gsize i = 0; i < size; i++)
        bytes[i] = (guint8)((i * 31 + i / 251 + seed) % 255 + 1);
    return bytes;
}

static void put(const World *world, const char *name, const void *bytes, gsize size)
{
    g_autofree char *path = path_of(world, name);

    g_assert_true(g_file_set_contents(path, bytes, (gssize)size, NULL));
}

static void assert_file(const World *world, const char *name, const void *bytes, gsize size)
{
    g_autofree char *path = path_of(world, name);
    g_autofree char *content = NULL;
    gsize length = 0;

    g_assert_true(g_file_get_contents(path, &content, &length, NULL));
    g_assert_cmpuint(length, ==, size);
    g_assert_cmpint(memcmp(content, bytes, size), ==, 0);
}

/* ---- packets ---- */

static RpcVolumeStream arguments(const char *name, guint64 offset, guint64 length, guint flags)
{
    return (RpcVolumeStream){
        .volume = {(char *)"p", (char *)name, (char *)""},
        .offset = offset,
        .length = length,
        .flags = flags,
    };
}

static guint32 open_stream(Peer *peer, gint32 procedure, const char *name, guint64 offset,
                           guint64 length, guint flags)
{
    RpcVolumeStream args = arguments(name, offset, length, flags);
    guint32 serial = peer_send(peer, &program_remote, procedure, &args);
    g_autoptr(GError) error = peer_answer(peer, &program_remote, procedure, serial, NULL);

    g_assert_no_error(error);
    return serial;
}

static guint32 open_upload(Peer *peer, const char *name)
{
    return open_stream(peer, REMOTE_STORAGE_VOL_UPLOAD, name, 0, 0, 0);
}

static guint32 open_download(Peer *peer, const char *name)
{
    return open_stream(peer, REMOTE_STORAGE_VOL_DOWNLOAD, name, 0, 0, 0);
}

static FrameHeader packet_header(gint32 procedure, guint32 serial, FrameType type,
                                 FrameStatus status)
{
    return (FrameHeader){PROGRAM_REMOTE, 1, procedure, type, serial, status};
}

static void send_packet(Peer *peer, gint32 procedure, guint32 serial, FrameStatus status,
                        const void *bytes, gsize size)
{
    FrameHeader header = packet_header(procedure, serial, FRAME_STREAM, status);
    g_autoptr(GByteArray) frame = frame_new_raw(&header, bytes, size);

    peer_send_bytes(peer, frame->data, frame->len);
}

static void send_data(Peer *peer, guint32 serial, const void *bytes, gsize size)
{
    send_packet(peer, REMOTE_STORAGE_VOL_UPLOAD, serial, FRAME_CONTINUE, bytes, size);
}

static void send_hole(Peer *peer, guint32 serial, gint64 length, guint32 flags)
{
    FrameHeader header =
        packet_header(REMOTE_STORAGE_VOL_UPLOAD, serial, FRAME_STREAM_HOLE, FRAME_CONTINUE);
    g_autoptr(GByteArray) frame =
        frame_new(&header, &rpc_hole_type, &(RpcHole){length, flags}, NULL);

    peer_send_bytes(peer, frame->data, frame->len);
}

static void receive_packet(Peer *peer, gint32 procedure, guint32 serial, Frame *ret)
{
    g_assert_true(peer_receive(peer, ret));
    g_assert_cmpuint(ret->header.program, ==, PROGRAM_REMOTE);
    g_assert_cmpuint(ret->header.version, ==, 1);
    g_assert_cmpint(ret->header.procedure, ==, procedure);
    g_assert_cmpuint(ret->header.serial, ==, serial);
}

static void assert_confirmed(Peer *peer, gint32 procedure, guint32 serial)
{
    Frame frame;

    do
        receive_packet(peer, procedure, serial, &frame);
    while (frame.header.status == FRAME_CONTINUE);
    g_assert_cmpuint(frame.header.type, ==, FRAME_STREAM);
    g_assert_cmpuint(frame.header.status, ==, FRAME_OK);
    g_assert_cmpuint(frame.size, ==, 0);
}

static void assert_stream_error(Peer *peer, gint32 procedure, guint32 serial, ErrorCode code,
                                ErrorOrigin origin, const char *message)
{
    Frame frame;

    do
        receive_packet(peer, procedure, serial, &frame);
    while (frame.header.status == FRAME_CONTINUE);
    g_assert_cmpuint(frame.header.type, ==, FRAME_STREAM);
    g_assert_cmpuint(frame.header.status, ==, FRAME_ERROR);
    g_autoptr(GError) error = frame_parse_error(frame.payload, frame.size);
    g_assert_error(error, CISTERN_ERROR, (int)code);
    g_assert_cmpint(error_origin(error), ==, origin);
    if (message)
        g_assert_cmpstr(error->message, ==, message);
}

static void finish(Peer *peer, gint32 procedure, guint32 serial)
{
    send_packet(peer, procedure, serial, FRAME_OK, NULL, 0);
    assert_confirmed(peer, procedure, serial);
}

static void finish_upload(Peer *peer, guint32 serial)
{
    finish(peer, REMOTE_STORAGE_VOL_UPLOAD, serial);
}

/* All data up to the end, holes as "hole LENGTH" lines in `holes` (NULL: none may come). */
static GByteArray *receive_all(Peer *peer, guint32 serial, GString *holes)
{
    GByteArray *bytes = g_byte_array_new();
    RpcHole hole;
    Frame frame;

    for (;;) {
        receive_packet(peer, REMOTE_STORAGE_VOL_DOWNLOAD, serial, &frame);
        g_assert_cmpuint(frame.header.status, ==, FRAME_CONTINUE);
        if (frame.header.type == FRAME_STREAM && frame.size == 0)
            return bytes;
        if (frame.header.type == FRAME_STREAM) {
            g_byte_array_append(bytes, frame.payload, (guint)frame.size);
            if (holes)
                g_string_append_printf(holes, "data %" G_GSIZE_FORMAT "\n", frame.size);
            continue;
        }
        g_assert_cmpuint(frame.header.type, ==, FRAME_STREAM_HOLE);
        g_assert_nonnull(holes);
        g_assert_true(xdr_decode(&rpc_hole_type, frame.payload, frame.size, &hole, NULL));
        g_assert_cmpuint(hole.flags, ==, 0);
        g_string_append_printf(holes, "hole %" G_GINT64_FORMAT "\n", hole.length);
    }
}

static void assert_download(Peer *peer, const char *name, guint64 offset, guint64 length,
                            const void *bytes, gsize size)
{
    guint32 serial = open_stream(peer, REMOTE_STORAGE_VOL_DOWNLOAD, name, offset, length, 0);
    g_autoptr(GByteArray) got = receive_all(peer, serial, NULL);

    g_assert_cmpuint(got->len, ==, size);
    g_assert_true(size == 0 || memcmp(got->data, bytes, size) == 0);
    finish(peer, REMOTE_STORAGE_VOL_DOWNLOAD, serial);
}

static void upload_all(Peer *peer, const char *name, const guint8 *bytes, gsize size, gsize piece)
{
    guint32 serial = open_upload(peer, name);

    for (gsize at = 0; at < size; at += piece)
        send_data(peer, serial, bytes + at, MIN(piece, size - at));
    finish_upload(peer, serial);
}

static void assert_alive(Peer *peer)
{
    RpcText type;

    peer_call(peer, REMOTE_CONNECT_GET_TYPE, NULL, &type);
    g_assert_cmpstr(type.text, ==, "storage");
    g_free(type.text);
}

static guint count_jobs(const World *world)
{
    GPtrArray *jobs = engine_list_jobs(world->fixture->engine);
    guint count = jobs->len;

    g_ptr_array_unref(jobs);
    return count;
}

static void wait_for_no_jobs(const World *world)
{
    for (guint i = 0; i < 2000 && count_jobs(world) > 0; i++)
        g_usleep(10000);
    g_assert_cmpuint(count_jobs(world), ==, 0);
}

static RpcResumePoint resume_point(Peer *peer, const char *name)
{
    RpcVolume volume = {(char *)"p", (char *)name, (char *)""};
    RpcResumePoint point;
    guint32 serial = peer_send(peer, &program_cistern, CISTERN_VOLUME_RESUME_POINT, &volume);
    g_autoptr(GError) error =
        peer_answer(peer, &program_cistern, CISTERN_VOLUME_RESUME_POINT, serial, &point);

    g_assert_no_error(error);
    return point;
}

/* ---- uploads ---- */

/* As libvirt's library cuts it, as go-libvirt does, and odd. */
static void test_upload(void)
{
    autoworld World world = world_open(NULL);
    const gsize size = 9 * MIB + 17;
    g_autofree guint8 *bytes = pattern(size + 3, 1);
    const gsize pieces[] = {262120, 4194276, 1000003};

    put(&world, "v", "", 0);
    for (guint i = 0; i < G_N_ELEMENTS(pieces); i++) {
        upload_all(world.peer, "v", bytes + i, size, pieces[i]);
        assert_file(&world, "v", bytes + i, size);
    }
    /* A file is not cut where an upload ends. */
    upload_all(world.peer, "v", (const guint8 *)"x", 1, 1);
    bytes[2] = 'x';
    assert_file(&world, "v", bytes + 2, size);
    g_assert_cmpuint(count_jobs(&world), ==, 0);
}

/* Many packets in one piece of bytes, single bytes, empty packets between. */
static void test_upload_small(void)
{
    autoworld World world = world_open(NULL);
    g_autofree guint8 *bytes = pattern(5000, 2);
    g_autoptr(GByteArray) all = g_byte_array_new();

    put(&world, "v", "", 0);
    guint32 serial = open_upload(world.peer, "v");
    FrameHeader header =
        packet_header(REMOTE_STORAGE_VOL_UPLOAD, serial, FRAME_STREAM, FRAME_CONTINUE);
    for (guint i = 0; i < 5000; i++) {
        g_autoptr(GByteArray) frame = frame_new_raw(&header, bytes + i, 1);
        g_byte_array_append(all, frame->data, frame->len);
        if (i % 100 == 0) {
            g_autoptr(GByteArray) empty = frame_new_raw(&header, NULL, 0);
            g_byte_array_append(all, empty->data, empty->len);
        }
    }
    peer_send_bytes(world.peer, all->data, all->len);
    finish_upload(world.peer, serial);
    assert_file(&world, "v", bytes, 5000);
}

static void test_upload_range(void)
{
    autoworld World world = world_open(NULL);
    guint32 serial;

    put(&world, "v", "0123456789", 10);
    serial = open_stream(world.peer, REMOTE_STORAGE_VOL_UPLOAD, "v", 3, 4, 0);
    send_data(world.peer, serial, "ab", 2);
    send_data(world.peer, serial, "cd", 2);
    finish_upload(world.peer, serial);
    assert_file(&world, "v", "012abcd789", 10);
    /* behind the end of a file there is more file */
    serial = open_stream(world.peer, REMOTE_STORAGE_VOL_UPLOAD, "v", 12, 0, 0);
    send_data(world.peer, serial, "x", 1);
    finish_upload(world.peer, serial);
    assert_file(&world, "v", "012abcd789\0\0x", 13);
}

static void test_upload_too_long(void)
{
    autoworld World world = world_open(NULL);
    guint32 serial;

    put(&world, "v", "0123456789", 10);
    serial = open_stream(world.peer, REMOTE_STORAGE_VOL_UPLOAD, "v", 2, 4, 0);
    send_data(world.peer, serial, "abcdef", 6);
    assert_stream_error(world.peer, REMOTE_STORAGE_VOL_UPLOAD, serial, ERROR_SYSTEM, ORIGIN_STREAMS,
                        "cannot write to stream: No space left on device");
    /* what comes for a dead stream is nobody's */
    send_data(world.peer, serial, "ghi", 3);
    send_packet(world.peer, REMOTE_STORAGE_VOL_UPLOAD, serial, FRAME_OK, NULL, 0);
    assert_alive(world.peer);
    peer_assert_quiet(world.peer);
    assert_file(&world, "v", "01abcd6789", 10);
    wait_for_no_jobs(&world);
}

static void test_upload_abort(void)
{
    autoworld World world = world_open(NULL);
    g_autofree guint8 *bytes = pattern(MIB, 3);

    put(&world, "v", "", 0);
    guint32 serial = open_upload(world.peer, "v");
    send_data(world.peer, serial, bytes, MIB);
    send_packet(world.peer, REMOTE_STORAGE_VOL_UPLOAD, serial, FRAME_ERROR, NULL, 0);
    assert_confirmed(world.peer, REMOTE_STORAGE_VOL_UPLOAD, serial);
    send_data(world.peer, serial, bytes, 10);
    assert_alive(world.peer);
    g_assert_cmpuint(count_jobs(&world), ==, 0);
    upload_all(world.peer, "v", bytes, MIB, 262120);
    assert_file(&world, "v", bytes, MIB);
}

static void test_upload_refused(void)
{
    autoworld World world = world_open(NULL);
    g_autoptr(Peer) reader = peer_new(world.fixture, true);
    RpcVolumeStream args = arguments("v", 0, 0, 2);

    put(&world, "v", "x", 1);
    peer_fail(world.peer, REMOTE_STORAGE_VOL_UPLOAD, &args, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
              NULL);
    peer_fail(world.peer, REMOTE_STORAGE_VOL_DOWNLOAD, &args, ERROR_INVALID_ARGUMENT,
              ORIGIN_STORAGE, NULL);
    args = arguments("v", G_MAXUINT64, 0, 0);
    for (gint32 p = REMOTE_STORAGE_VOL_UPLOAD; p <= REMOTE_STORAGE_VOL_DOWNLOAD; p++) {
        guint32 serial = peer_send(world.peer, &program_remote, p, &args);
        g_autoptr(GError) error = peer_answer(world.peer, &program_remote, p, serial, NULL);
        g_assert_error(error, CISTERN_ERROR, ERROR_SYSTEM);
        g_assert_cmpint(error_origin(error), ==, ORIGIN_STREAMS);
        g_assert_cmpint(error_errno(error), ==, EINVAL);
    }
    args = arguments("nope", 0, 0, 0);
    peer_fail(world.peer, REMOTE_STORAGE_VOL_UPLOAD, &args, ERROR_NO_VOLUME, ORIGIN_STORAGE, NULL);
    peer_call(reader, REMOTE_CONNECT_OPEN, &(RpcOpen){(char *)"storage:///system", 1}, NULL);
    args = arguments("v", 0, 0, 0);
    peer_fail(reader, REMOTE_STORAGE_VOL_UPLOAD, &args, ERROR_OPERATION_DENIED, ORIGIN_STORAGE,
              "operation forbidden: read only access prevents virStorageVolUpload");
    peer_fail(reader, REMOTE_STORAGE_VOL_DOWNLOAD, &args, ERROR_OPERATION_DENIED, ORIGIN_STORAGE,
              NULL);
    assert_file(&world, "v", "x", 1);
    g_assert_cmpuint(count_jobs(&world), ==, 0);
}

/* The volume is re-read, and that is told, before the end is confirmed. */
static void test_upload_is_seen(void)
{
    autoworld World world = world_open(NULL);
    RpcVolume handle = {(char *)"p", (char *)"v", (char *)""};
    RpcVolumeInfo info;
    RpcInt id;
    Frame frame;
    bool event = false, confirmed = false;

    put(&world, "v", "", 0);
    peer_call(world.peer, REMOTE_CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY,
              &(RpcEventRegister){.event = RPC_EVENT_REFRESH}, &id);
    guint32 serial = open_upload(world.peer, "v");
    send_data(world.peer, serial, "0123456789", 10);
    send_packet(world.peer, REMOTE_STORAGE_VOL_UPLOAD, serial, FRAME_OK, NULL, 0);
    /* The event and the confirmation, in either order. */
    for (guint i = 0; i < 2; i++) {
        g_assert_true(peer_receive(world.peer, &frame));
        if (frame.header.procedure == REMOTE_STORAGE_POOL_EVENT_REFRESH)
            event = true;
        else if (frame.header.serial == serial && frame.header.status == FRAME_OK)
            confirmed = true;
    }
    g_assert_true(event);
    g_assert_true(confirmed);
    peer_call(world.peer, REMOTE_STORAGE_VOL_GET_INFO, &handle, &info);
    g_assert_cmpuint(info.capacity, ==, 10);
}

static void test_volume_is_held(void)
{
    autoworld World world = world_open(NULL);
    RpcVolumeStream args = arguments("v", 0, 0, 0);
    RpcVolumeFlags handle = {{(char *)"p", (char *)"v", (char *)""}, 0};
    g_autoptr(Peer) other = peer_open(world.fixture);

    put(&world, "v", "0123456789", 10);
    guint32 serial = open_upload(world.peer, "v");
    g_assert_cmpuint(count_jobs(&world), ==, 1);
    peer_fail(other, REMOTE_STORAGE_VOL_UPLOAD, &args, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
              NULL);
    peer_fail(other, REMOTE_STORAGE_VOL_DOWNLOAD, &args, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
              NULL);
    peer_fail(other, REMOTE_STORAGE_VOL_DELETE, &handle, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
              NULL);
    peer_fail(other, REMOTE_STORAGE_POOL_DESTROY, &world.pool, ERROR_INTERNAL, ORIGIN_STORAGE,
              NULL);
    peer_call(other, REMOTE_STORAGE_POOL_REFRESH, &(RpcPoolFlags){world.pool, 0}, NULL);
    finish_upload(world.peer, serial);
    /* A download whose end nobody confirms holds nothing. */
    serial = open_download(world.peer, "v");
    g_autoptr(GByteArray) got = receive_all(world.peer, serial, NULL);
    peer_call(other, REMOTE_STORAGE_VOL_DELETE, &handle, NULL);
}

/* ---- downloads ---- */

static void test_download(void)
{
    autoworld World world = world_open(NULL);
    const gsize size = 9 * MIB + 5;
    g_autofree guint8 *bytes = pattern(size, 4);

    put(&world, "v", bytes, size);
    assert_download(world.peer, "v", 0, 0, bytes, size);
    assert_download(world.peer, "v", 1, 0, bytes + 1, size - 1);
    assert_download(world.peer, "v", MIB, 100, bytes + MIB, 100);
    assert_download(world.peer, "v", size - 3, 100, bytes + size - 3, 3);
    assert_download(world.peer, "v", size, 0, "", 0);
    assert_download(world.peer, "v", size + 12345, 7, "", 0);
    assert_download(world.peer, "v", G_MAXINT64, G_MAXUINT64, "", 0);
}

static void test_download_broken_off(void)
{
    autoworld World world = world_open(NULL);
    g_autofree guint8 *bytes = pattern(16 * MIB, 5);
    const FrameStatus ends[] = {FRAME_OK, FRAME_ERROR};

    put(&world, "v", bytes, 16 * MIB);
    for (guint i = 0; i < G_N_ELEMENTS(ends); i++) {
        guint32 serial = open_download(world.peer, "v");
        send_packet(world.peer, REMOTE_STORAGE_VOL_DOWNLOAD, serial, ends[i], NULL, 0);
        assert_confirmed(world.peer, REMOTE_STORAGE_VOL_DOWNLOAD, serial);
        assert_alive(world.peer);
        g_assert_cmpuint(count_jobs(&world), ==, 0);
    }
}

static void test_data_into_download(void)
{
    autoworld World world = world_open(NULL);

    put(&world, "v", "0123456789", 10);
    guint32 serial = open_download(world.peer, "v");
    send_packet(world.peer, REMOTE_STORAGE_VOL_DOWNLOAD, serial, FRAME_CONTINUE, "x", 1);
    assert_stream_error(world.peer, REMOTE_STORAGE_VOL_DOWNLOAD, serial, ERROR_RPC, ORIGIN_STREAMS,
                        NULL);
    assert_alive(world.peer);
    assert_file(&world, "v", "0123456789", 10);
}

/* A reader that does not read costs nobody else anything, and gets all of it in the end. */
static void test_slow_reader(void)
{
    autoworld World world = world_open(NULL);
    const gsize size = 24 * MIB;
    g_autofree guint8 *bytes = pattern(size, 6);
    g_autoptr(Peer) other = peer_open(world.fixture);
    guint32 serials[4];

    put(&world, "v", bytes, size);
    for (guint i = 0; i < G_N_ELEMENTS(serials); i++) {
        RpcVolumeStream args = arguments("v", 0, 0, 0);
        serials[i] = peer_send(world.peer, &program_remote, REMOTE_STORAGE_VOL_DOWNLOAD, &args);
    }
    for (guint i = 0; i < 20; i++) {
        assert_alive(other);
        g_usleep(10000);
    }
    assert_download(other, "v", 0, 0, bytes, size);
    gsize got[4] = {0};
    guint ended = 0;
    while (ended < 4) {
        Frame frame;
        g_assert_true(peer_receive(world.peer, &frame));
        if (frame.header.type == FRAME_REPLY)
            continue;
        guint index = frame.header.serial - serials[0];
        g_assert_cmpuint(index, <, 4);
        if (frame.size == 0)
            ended++;
        g_assert_cmpuint(got[index] + frame.size, <=, size);
        g_assert_true(frame.size == 0 ||
                      memcmp(frame.payload, bytes + got[index], frame.size) == 0);
        got[index] += frame.size;
    }
    for (guint i = 0; i < 4; i++)
        g_assert_cmpuint(got[i], ==, size);
}

/* ---- holes ---- */

/* False where the file system has no holes of this size. */
static bool make_sparse(const World *world, const char *name)
{
    g_autofree char *path = path_of(world, name);
    g_autofree guint8 *bytes = pattern(MIB, 7);
    autofd int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pwrite(fd, bytes, MIB, 4 * MIB), ==, MIB);
    g_assert_cmpint(ftruncate(fd, 16 * MIB), ==, 0);
    return lseek(fd, 0, SEEK_DATA) == 4 * MIB && lseek(fd, 4 * MIB, SEEK_HOLE) == 5 * MIB;
}

static void test_sparse_download(void)
{
    autoworld World world = world_open(NULL);
    g_autofree guint8 *bytes = pattern(MIB, 7);
    g_autoptr(GString) seen = g_string_new(NULL);

    g_assert_true(make_sparse(&world, "v"));
    guint32 serial = open_stream(world.peer, REMOTE_STORAGE_VOL_DOWNLOAD, "v", 0, 0, 1);
    g_autoptr(GByteArray) got = receive_all(world.peer, serial, seen);
    g_assert_cmpstr(seen->str, ==,
                    "hole 4194304\ndata 262120\ndata 262120\ndata 262120\ndata 262120\n"
                    "data 96\nhole 11534336\n");
    g_assert_cmpint(memcmp(got->data, bytes, MIB), ==, 0);
    finish(world.peer, REMOTE_STORAGE_VOL_DOWNLOAD, serial);

    /* a range that begins in data and ends in a hole, one within a hole */
    g_string_truncate(seen, 0);
    serial = open_stream(world.peer, REMOTE_STORAGE_VOL_DOWNLOAD, "v", 5 * MIB - 10, 30, 1);
    g_byte_array_unref(got);
    got = receive_all(world.peer, serial, seen);
    g_assert_cmpstr(seen->str, ==, "data 10\nhole 20\n");
    g_string_truncate(seen, 0);
    serial = open_stream(world.peer, REMOTE_STORAGE_VOL_DOWNLOAD, "v", 100, 30, 1);
    g_byte_array_unref(got);
    got = receive_all(world.peer, serial, seen);
    g_assert_cmpstr(seen->str, ==, "hole 30\n");
    /* without the flag it is all data */
    serial = open_stream(world.peer, REMOTE_STORAGE_VOL_DOWNLOAD, "v", 100, 30, 0);
    g_byte_array_unref(got);
    got = receive_all(world.peer, serial, NULL);
    g_assert_cmpuint(got->len, ==, 30);
}

static void test_sparse_upload(void)
{
    autoworld World world = world_open(NULL);
    g_autofree guint8 *old = pattern(8 * MIB, 8);
    g_autofree guint8 *expected = g_malloc0(10 * MIB);
    g_autofree char *path = path_of(&world, "v");
    struct stat st;

    put(&world, "v", old, 8 * MIB);
    guint32 serial = open_stream(world.peer, REMOTE_STORAGE_VOL_UPLOAD, "v", 0, 0, 1);
    send_hole(world.peer, serial, 2 * MIB, 0);
    send_data(world.peer, serial, "data", 4);
    send_hole(world.peer, serial, 3 * MIB, 0);
    send_hole(world.peer, serial, 5 * MIB - 4, 0);
    finish_upload(world.peer, serial);
    memcpy(expected + 2 * MIB, "data", 4);
    assert_file(&world, "v", expected, 10 * MIB);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_blocks * 512, <, 2 * MIB);
    /* only where there are holes: what lies behind the upload stays */
    put(&world, "v", old, 8 * MIB);
    serial = open_stream(world.peer, REMOTE_STORAGE_VOL_UPLOAD, "v", MIB, 0, 1);
    send_hole(world.peer, serial, MIB + 1, 0);
    finish_upload(world.peer, serial);
    memset(old + MIB, 0, MIB + 1);
    assert_file(&world, "v", old, 8 * MIB);
}

static void test_huge_hole(void)
{
    autoworld World world = world_open(NULL);
    g_autofree char *path = path_of(&world, "v");
    struct stat st;

    put(&world, "v", "abc", 3);
    guint32 serial = open_stream(world.peer, REMOTE_STORAGE_VOL_UPLOAD, "v", 0, 0, 1);
    send_hole(world.peer, serial, G_GINT64_CONSTANT(1) << 40, 0);
    finish_upload(world.peer, serial);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_size, ==, G_GINT64_CONSTANT(1) << 40);
    serial = open_stream(world.peer, REMOTE_STORAGE_VOL_UPLOAD, "v", MIB, 0, 1);
    send_hole(world.peer, serial, G_MAXINT64, 0);
    assert_stream_error(world.peer, REMOTE_STORAGE_VOL_UPLOAD, serial, ERROR_SYSTEM, ORIGIN_STREAMS,
                        NULL);
}

static void test_bad_holes(void)
{
    autoworld World world = world_open(NULL);
    const struct {
        guint stream_flags;
        gint64 length;
        guint32 flags;
    } rows[] = {{0, 10, 0}, {1, 0, 0}, {1, -1, 0}, {1, G_MININT64, 0}, {1, 10, 1}};

    put(&world, "v", "0123456789", 10);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        guint32 serial =
            open_stream(world.peer, REMOTE_STORAGE_VOL_UPLOAD, "v", 0, 0, rows[i].stream_flags);
        Frame frame;
        send_hole(world.peer, serial, rows[i].length, rows[i].flags);
        receive_packet(world.peer, REMOTE_STORAGE_VOL_UPLOAD, serial, &frame);
        g_assert_cmpuint(frame.header.type, ==, FRAME_STREAM);
        g_assert_cmpuint(frame.header.status, ==, FRAME_ERROR);
        assert_alive(world.peer);
    }
    /* half a hole */
    guint32 serial = open_stream(world.peer, REMOTE_STORAGE_VOL_UPLOAD, "v", 0, 0, 1);
    FrameHeader header =
        packet_header(REMOTE_STORAGE_VOL_UPLOAD, serial, FRAME_STREAM_HOLE, FRAME_CONTINUE);
    g_autoptr(GByteArray) bytes = frame_new_raw(&header, "\0\0\0\0", 4);
    peer_send_bytes(world.peer, bytes->data, bytes->len);
    assert_stream_error(world.peer, REMOTE_STORAGE_VOL_UPLOAD, serial, ERROR_RPC, ORIGIN_STREAMS,
                        NULL);
    assert_file(&world, "v", "0123456789", 10);
}

/* ---- what belongs to nothing ---- */

static void test_unknown_packets(void)
{
    autoworld World world = world_open(NULL);
    const FrameStatus statuses[] = {FRAME_OK, FRAME_ERROR, FRAME_CONTINUE, 77};

    put(&world, "v", "", 0);
    guint32 serial = open_upload(world.peer, "v");
    for (guint i = 0; i < G_N_ELEMENTS(statuses); i++) {
        send_packet(world.peer, REMOTE_STORAGE_VOL_UPLOAD, serial + 1, statuses[i], "x", 1);
        send_packet(world.peer, REMOTE_STORAGE_VOL_DOWNLOAD, serial, statuses[i], "x", 1);
        send_packet(world.peer, 1, serial, statuses[i], NULL, 0);
    }
    send_packet(world.peer, REMOTE_STORAGE_VOL_UPLOAD, serial, 77, "x", 1);
    send_data(world.peer, serial, "abc", 3);
    finish_upload(world.peer, serial);
    assert_file(&world, "v", "abc", 3);
    peer_assert_quiet(world.peer);
}

static void test_serial_used_twice(void)
{
    autoworld World world = world_open(NULL);
    RpcVolumeStream args = arguments("w", 0, 0, 0);

    put(&world, "v", "", 0);
    put(&world, "w", "", 0);
    guint32 serial = open_upload(world.peer, "v");
    world.peer->serial = serial;
    peer_fail(world.peer, REMOTE_STORAGE_VOL_UPLOAD, &args, ERROR_RPC, ORIGIN_RPC, NULL);
    send_data(world.peer, serial, "abc", 3);
    finish_upload(world.peer, serial);
    assert_file(&world, "v", "abc", 3);
    wait_for_no_jobs(&world);
    /* free again */
    world.peer->serial = serial;
    upload_all(world.peer, "w", (const guint8 *)"x", 1, 1);
}

/* ---- broken connections ---- */

static void test_client_gone(void)
{
    autoworld World world = world_open(NULL);
    g_autofree guint8 *bytes = pattern(4 * MIB, 9);
    RpcVolume handle = {(char *)"p", (char *)"v", (char *)""};
    Peer *other = peer_open(world.fixture);
    RpcVolumeInfo info;

    put(&world, "v", "", 0);
    guint32 serial = open_upload(other, "v");
    for (guint i = 0; i < 16; i++)
        send_data(other, serial, bytes + i * MIB / 4, MIB / 4);
    peer_send_bytes(other, "\0\4", 2); /* half of a length word */
    peer_free(other);
    wait_for_no_jobs(&world);
    RpcResumePoint point = resume_point(world.peer, "v");
    g_assert_cmpuint(point.offset, ==, 0);
    g_assert_cmpuint(point.done, >, 0);
    g_assert_cmpuint(point.done, <=, 4 * MIB);
    g_assert_cmpuint(point.done % (MIB / 4), ==, 0);
    assert_file(&world, "v", bytes, point.done);
    peer_call(world.peer, REMOTE_STORAGE_VOL_GET_INFO, &handle, &info);
    g_assert_cmpuint(info.capacity, ==, point.done);
}

static void test_reader_gone(void)
{
    autoworld World world = world_open(NULL);
    g_autofree guint8 *bytes = pattern(8 * MIB, 9);
    Peer *other = peer_open(world.fixture);

    put(&world, "v", bytes, 8 * MIB);
    (void)open_download(other, "v");
    peer_free(other);
    wait_for_no_jobs(&world);
    assert_alive(world.peer);
}

static void test_resume(void)
{
    autoworld World world = world_open(NULL);
    RpcVolumeFlags handle = {{(char *)"p", (char *)"v", (char *)""}, 0};
    g_autoptr(Peer) other = peer_open(world.fixture);

    put(&world, "v", "0123456789", 10);
    g_assert_cmpuint(resume_point(world.peer, "v").done, ==, 0);
    guint32 serial = open_stream(world.peer, REMOTE_STORAGE_VOL_UPLOAD, "v", 2, 0, 0);
    send_data(world.peer, serial, "ab", 2);
    /* while it runs there is no answer */
    guint32 asked = peer_send(other, &program_cistern, CISTERN_VOLUME_RESUME_POINT, &handle.volume);
    g_autoptr(GError) error =
        peer_answer(other, &program_cistern, CISTERN_VOLUME_RESUME_POINT, asked, NULL);
    g_assert_error(error, CISTERN_ERROR, ERROR_OPERATION_INVALID);
    for (guint i = 0; i < 500; i++) { /* until it was written: an abort drops what was not */
        g_autofree char *path = path_of(&world, "v");
        g_autofree char *content = NULL;
        g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
        if (content[2] == 'a')
            break;
        g_usleep(10000);
    }
    send_packet(world.peer, REMOTE_STORAGE_VOL_UPLOAD, serial, FRAME_ERROR, NULL, 0);
    assert_confirmed(world.peer, REMOTE_STORAGE_VOL_UPLOAD, serial);
    RpcResumePoint point = resume_point(world.peer, "v");
    g_assert_cmpuint(point.offset, ==, 2);
    g_assert_cmpuint(point.done, ==, 2);
    /* anything that changes the volume ends it */
    put(&world, "v", "0123456789", 10);
    g_assert_cmpuint(resume_point(world.peer, "v").done, ==, 0);
    upload_all(world.peer, "v", (const guint8 *)"x", 1, 1);
    g_assert_cmpuint(resume_point(world.peer, "v").done, ==, 0);
    peer_call(world.peer, REMOTE_STORAGE_VOL_DELETE, &handle, NULL);
}

static void test_server_ends(void)
{
    World world = world_open(NULL);
    g_autofree guint8 *bytes = pattern(8 * MIB, 10);
    gint64 before = g_get_monotonic_time();

    put(&world, "v", bytes, 8 * MIB);
    put(&world, "w", "", 0);
    (void)open_download(world.peer, "v");
    guint32 serial = open_upload(world.peer, "w");
    send_data(world.peer, serial, bytes, MIB);
    world_close(&world);
    g_assert_cmpint(g_get_monotonic_time() - before, <, 10 * G_USEC_PER_SEC);
}

static void test_job_cancelled(void)
{
    autoworld World world = world_open(NULL);

    put(&world, "v", "", 0);
    guint32 serial = open_upload(world.peer, "v");
    GPtrArray *jobs = engine_list_jobs(world.fixture->engine);
    g_assert_cmpuint(jobs->len, ==, 1);
    const JobInfo *job = jobs->pdata[0];
    g_assert_cmpstr(job->operation, ==, "upload");
    g_assert_cmpstr(job->volume, ==, "v");
    g_assert_true(engine_cancel_job(world.fixture->engine, job->id, NULL));
    g_ptr_array_unref(jobs);
    assert_stream_error(world.peer, REMOTE_STORAGE_VOL_UPLOAD, serial, ERROR_ABORTED,
                        ORIGIN_STORAGE, NULL);
    assert_alive(world.peer);
}

/* ---- many at once ---- */

#define MANY 50

static void test_many(void)
{
    autoworld World world = world_open(NULL);
    const gsize size = MIB / 2;
    g_autofree guint8 *bytes = pattern(size + MANY, 11);
    guint32 serials[MANY];

    for (guint i = 0; i < MANY; i++) {
        g_autofree char *name = g_strdup_printf("v%u", i);
        put(&world, name, "", 0);
        serials[i] = open_upload(world.peer, name);
    }
    for (gsize at = 0; at < size; at += 65536)
        for (guint i = 0; i < MANY; i++) {
            send_data(world.peer, serials[i], bytes + i + at, 65536);
            if (i % 16 == 0)
                assert_alive(world.peer);
        }
    for (guint i = 0; i < MANY; i++)
        finish_upload(world.peer, serials[i]);
    for (guint i = 0; i < MANY; i++) {
        g_autofree char *name = g_strdup_printf("v%u", i);
        assert_file(&world, name, bytes + i, size);
    }
    g_assert_cmpuint(count_jobs(&world), ==, 0);
}

/* Downloads that are never finished give way to new ones. */
static void test_unfinished(void)
{
    autoworld World world = world_open(NULL);

    put(&world, "v", "0123456789", 10);
    for (guint i = 0; i < 600; i++) {
        guint32 serial = open_download(world.peer, "v");
        g_autoptr(GByteArray) got = receive_all(world.peer, serial, NULL);
        g_assert_cmpuint(got->len, ==, 10);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/stream/upload", test_upload);
    g_test_add_func("/stream/upload/small", test_upload_small);
    g_test_add_func("/stream/upload/range", test_upload_range);
    g_test_add_func("/stream/upload/too-long", test_upload_too_long);
    g_test_add_func("/stream/upload/abort", test_upload_abort);
    g_test_add_func("/stream/upload/refused", test_upload_refused);
    g_test_add_func("/stream/upload/is-seen", test_upload_is_seen);
    g_test_add_func("/stream/volume-is-held", test_volume_is_held);
    g_test_add_func("/stream/download", test_download);
    g_test_add_func("/stream/download/broken-off", test_download_broken_off);
    g_test_add_func("/stream/download/data-into", test_data_into_download);
    g_test_add_func("/stream/download/slow-reader", test_slow_reader);
    g_test_add_func("/stream/sparse/download", test_sparse_download);
    g_test_add_func("/stream/sparse/upload", test_sparse_upload);
    g_test_add_func("/stream/sparse/huge", test_huge_hole);
    g_test_add_func("/stream/sparse/bad", test_bad_holes);
    g_test_add_func("/stream/unknown-packets", test_unknown_packets);
    g_test_add_func("/stream/serial-used-twice", test_serial_used_twice);
    g_test_add_func("/stream/client-gone", test_client_gone);
    g_test_add_func("/stream/reader-gone", test_reader_gone);
    g_test_add_func("/stream/resume", test_resume);
    g_test_add_func("/stream/server-ends", test_server_ends);
    g_test_add_func("/stream/job-cancelled", test_job_cancelled);
    g_test_add_func("/stream/many", test_many);
    g_test_add_func("/stream/unfinished", test_unfinished);
    return g_test_run();
}
