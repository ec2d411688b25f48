/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Upload and download through the public library alone. */
#include "scratch.h"

#include <cistern/cistern.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1024 * 1024)

typedef struct Fixture {
    char *folder;
    CisternConnection *connection;
    CisternPool *pool;
    CisternVolume *volume;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer unused)
{
    fixture->folder = scratch_new();
    g_autofree char *uri = g_strdup_printf("embed://%s/engine", fixture->folder);
    g_autofree char *xml = g_strdup_printf("<pool type='dir'><name>p</name><target>"
                                           "<path>%s/p</path></target></pool>",
                                           fixture->folder);
    g_autofree char *path = g_build_filename(fixture->folder, "p", NULL);
    g_assert_cmpint(mkdir(path, 0755), ==, 0);
    fixture->connection = cistern_open(uri, 0);
    g_assert_nonnull(fixture->connection);
    fixture->pool = cistern_pool_create(fixture->connection, xml, 0);
    g_assert_nonnull(fixture->pool);
    fixture->volume =
        cistern_volume_create(fixture->pool,
                              "<volume><name>v</name><capacity>0</capacity></volume>", 0);
    g_assert_nonnull(fixture->volume);
}

static void tear_down(Fixture *fixture, gconstpointer unused)
{
    cistern_volume_free(fixture->volume);
    cistern_pool_free(fixture->pool);
    cistern_close(fixture->connection);
    scratch_remove(fixture->folder);
}

static guint8 *pattern(gsize size)
{
    guint8 *bytes = g_malloc(size);
    for (gsize i = 0; i < size; i++)
        bytes[i] = (guint8)((i * 131 + i / 509) % 255 + 1);
    return bytes;
}

static void assert_content(Fixture *fixture, const guint8 *bytes, gsize size)
{
    g_autofree char *path = g_build_filename(fixture->folder, "p", "v", NULL);
    g_autofree char *content = NULL;
    gsize length = 0;
    g_assert_true(g_file_get_contents(path, &content, &length, NULL));
    g_assert_cmpuint(length, ==, size);
    g_assert_cmpint(memcmp(content, bytes, size), ==, 0);
}

/* ---- bytes in memory as source and target ---- */

typedef struct Buffer {
    const guint8 *bytes;
    gsize size, at;
    gsize hole_start, hole_end; /* of the source */
    gsize fail_at;              /* 0: never */
    GByteArray *got;
    guint holes;
} Buffer;

static int64_t read_buffer(void *out, size_t size, void *data)
{
    Buffer *buffer = data;
    gsize end = buffer->at < buffer->hole_start ? buffer->hole_start : buffer->size;
    gsize count = MIN(size, end - buffer->at);

    g_assert_cmpuint(size, >=, 65536);
    if (buffer->fail_at && buffer->at >= buffer->fail_at)
        return -1;
    memcpy(out, buffer->bytes + buffer->at, count);
    buffer->at += count;
    return (int64_t)count;
}

static int64_t hole_in_buffer(void *data)
{
    Buffer *buffer = data;
    if (buffer->at != buffer->hole_start || buffer->hole_end <= buffer->at)
        return 0;
    buffer->at = buffer->hole_end;
    return (int64_t)(buffer->hole_end - buffer->hole_start);
}

static const CisternStreamSource source = {hole_in_buffer, read_buffer};

static int write_buffer(const void *bytes, size_t size, void *data)
{
    Buffer *buffer = data;
    g_byte_array_append(buffer->got, bytes, (guint)size);
    return buffer->fail_at && buffer->got->len >= buffer->fail_at;
}

static int hole_to_buffer(uint64_t length, void *data)
{
    Buffer *buffer = data;
    g_autofree guint8 *zeros = g_malloc0(length);
    g_byte_array_append(buffer->got, zeros, (guint)length);
    buffer->holes++;
    return 0;
}

static const CisternStreamSink sink = {write_buffer, hole_to_buffer};

static void assert_error(int code)
{
    g_assert_cmpint(cistern_last_error()->code, ==, code);
}

/* ---- tests ---- */

static void test_there_and_back(Fixture *fixture, gconstpointer unused)
{
    const gsize size = 20 * MIB + 3;
    g_autofree guint8 *bytes = pattern(size);
    g_autoptr(GByteArray) got = g_byte_array_new();
    Buffer from = {.bytes = bytes, .size = size}, to = {.got = got};

    g_assert_cmpint(cistern_volume_upload(fixture->volume, 0, 0, 0, &source, &from), ==, 0);
    assert_content(fixture, bytes, size);
    g_assert_cmpint(cistern_volume_download(fixture->volume, 0, 0, 0, &sink, &to), ==, 0);
    g_assert_cmpuint(got->len, ==, size);
    g_assert_cmpint(memcmp(got->data, bytes, size), ==, 0);
    g_byte_array_set_size(got, 0);
    g_assert_cmpint(cistern_volume_download(fixture->volume, MIB + 1, 100, 0, &sink, &to), ==, 0);
    g_assert_cmpuint(got->len, ==, 100);
    g_assert_cmpint(memcmp(got->data, bytes + MIB + 1, 100), ==, 0);
}

static void test_sparse(Fixture *fixture, gconstpointer unused)
{
    const gsize size = 12 * MIB;
    g_autofree guint8 *bytes = pattern(size);
    g_autofree char *path = g_build_filename(fixture->folder, "p", "v", NULL);
    g_autoptr(GByteArray) got = g_byte_array_new();
    Buffer old = {.bytes = bytes, .size = size};
    Buffer from = {.bytes = bytes, .size = size, .hole_start = 2 * MIB, .hole_end = 10 * MIB};
    Buffer to = {.got = got};
    struct stat st;

    g_assert_cmpint(cistern_volume_upload(fixture->volume, 0, 0, 0, &source, &old), ==, 0);
    g_assert_cmpint(cistern_volume_upload(fixture->volume, 0, 0, CISTERN_STREAM_SPARSE, &source,
                                          &from),
                    ==, 0);
    memset(bytes + 2 * MIB, 0, 8 * MIB);
    assert_content(fixture, bytes, size);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_blocks * 512, <, 6 * MIB);
    g_assert_cmpint(cistern_volume_download(fixture->volume, 0, 0, CISTERN_STREAM_SPARSE, &sink,
                                            &to),
                    ==, 0);
    g_assert_cmpuint(to.holes, ==, 1);
    g_assert_cmpuint(got->len, ==, size);
    g_assert_cmpint(memcmp(got->data, bytes, size), ==, 0);
}

static int64_t read_endlessly(void *out, size_t size, void *data)
{
    uint64_t *given = data;

    memset(out, 1, size);
    *given += size;
    return *given < (uint64_t)64 * 1024 * MIB ? (int64_t)size : 0;
}

/* ---- a volume of a fixed size ---- */

static char *run(const char *const *argv)
{
    char *output = NULL;
    int status = -1;

    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL,
                      NULL, NULL, &output, NULL, &status, NULL) ||
        status != 0)
        g_clear_pointer(&output, g_free);
    return output ? g_strchomp(output) : NULL;
}

/* A block device as a volume of the pool, over the file; NULL where there are none. */
static char *attach(Fixture *fixture, const char *file, const char *node)
{
    char *device = run((const char *[]){"losetup", "--find", "--show", file, NULL});
    struct stat st;

    if (!device) {
        g_test_skip("no loop devices");
        return NULL;
    }
    g_assert_cmpint(stat(device, &st), ==, 0);
    g_assert_cmpint(mknod(node, S_IFBLK | 0600, st.st_rdev), ==, 0);
    g_assert_cmpint(cistern_pool_refresh(fixture->pool, 0), ==, 0);
    return device;
}

static void assert_download(CisternVolume *volume, guint flags, const guint8 *bytes, gsize size)
{
    g_autoptr(GByteArray) got = g_byte_array_new();
    Buffer to = {.got = got};

    g_assert_cmpint(cistern_volume_download(volume, 0, 0, flags, &sink, &to), ==, 0);
    g_assert_cmpuint(got->len, ==, size);
    g_assert_cmpint(memcmp(got->data, bytes, size), ==, 0);
}

static void move_on_device(CisternVolume *volume, guint8 *bytes, gsize size)
{
    Buffer from = {.bytes = bytes, .size = size};
    Buffer longer = {.bytes = bytes, .size = size + 1};
    /* Neither end of the hole is one of a sector. */
    Buffer sparse = {.bytes = bytes, .size = size, .hole_start = MIB + 1, .hole_end = 3 * MIB + 7};

    g_assert_cmpint(cistern_volume_upload(volume, 0, 0, 0, &source, &from), ==, 0);
    assert_download(volume, 0, bytes, size);
    g_assert_cmpint(cistern_volume_upload(volume, 0, 0, CISTERN_STREAM_SPARSE, &source, &sparse),
                    ==, 0);
    memset(bytes + MIB + 1, 0, 2 * MIB + 6);
    assert_download(volume, CISTERN_STREAM_SPARSE, bytes, size);
    g_assert_cmpint(cistern_volume_upload(volume, 0, 0, 0, &source, &longer), ==, -1);
    assert_error(CISTERN_ERROR_SYSTEM);
    g_assert_cmpint(cistern_last_error()->system_error, ==, ENOSPC);
}

/* What does not fit is an error, and a hole reads as zeros there too. */
static void test_device(Fixture *fixture, gconstpointer unused)
{
    const gsize size = 4 * MIB + 512;
    g_autofree char *file = g_build_filename(fixture->folder, "disk", NULL);
    g_autofree char *node = g_build_filename(fixture->folder, "p", "dev", NULL);
    g_autofree guint8 *bytes = pattern(size + 1);

    g_assert_true(g_file_set_contents(file, "", 0, NULL));
    g_assert_cmpint(truncate(file, (off_t)size), ==, 0);
    g_autofree char *device = attach(fixture, file, node);
    if (!device)
        return;
    CisternVolume *volume = cistern_find_volume(fixture->pool, "dev");
    g_assert_nonnull(volume);
    move_on_device(volume, bytes, size);
    cistern_volume_free(volume);
    g_free(run((const char *[]){"losetup", "-d", device, NULL}));
}

/* It hears of it on its way, not at the end. */
static void test_too_long(Fixture *fixture, gconstpointer unused)
{
    const CisternStreamSource endless = {NULL, read_endlessly};
    uint64_t given = 0;

    g_assert_cmpint(cistern_volume_upload(fixture->volume, 0, MIB, 0, &endless, &given), ==, -1);
    assert_error(CISTERN_ERROR_SYSTEM);
    g_assert_cmpint(cistern_last_error()->system_error, ==, ENOSPC);
    g_assert_cmpuint(given, <, (uint64_t)64 * 1024 * MIB);
    g_assert_cmpint(cistern_pool_volume_count(fixture->pool), ==, 1);
}

static void test_source_gives_up(Fixture *fixture, gconstpointer unused)
{
    g_autofree guint8 *bytes = pattern(8 * MIB);
    Buffer from = {.bytes = bytes, .size = 8 * MIB, .fail_at = 4 * MIB};
    CisternResumePoint point;

    g_assert_cmpint(cistern_volume_upload(fixture->volume, 0, 0, 0, &source, &from), ==, -1);
    assert_error(CISTERN_ERROR_ABORTED);
    /* and goes on where it was */
    g_assert_cmpint(cistern_volume_resume_point(fixture->volume, &point), ==, 0);
    g_assert_cmpuint(point.offset, ==, 0);
    g_assert_cmpuint(point.done, <=, from.at);
    from = (Buffer){.bytes = bytes, .size = 8 * MIB, .at = point.done};
    g_assert_cmpint(cistern_volume_upload(fixture->volume, point.offset + point.done, 0, 0, &source,
                                          &from),
                    ==, 0);
    assert_content(fixture, bytes, 8 * MIB);
    g_assert_cmpint(cistern_volume_resume_point(fixture->volume, &point), ==, 0);
    g_assert_cmpuint(point.done, ==, 0);
}

static void assert_point(Fixture *fixture, uint64_t offset, uint64_t done)
{
    CisternResumePoint point;

    g_assert_cmpint(cistern_volume_resume_point(fixture->volume, &point), ==, 0);
    g_assert_cmpuint(point.offset, ==, offset);
    g_assert_cmpuint(point.done, ==, done);
}

/* An upload of what `from` has before it gives up; the last of it may not get there. */
static CisternResumePoint break_off(Fixture *fixture, uint64_t offset, Buffer *from)
{
    CisternResumePoint point;

    g_assert_cmpint(cistern_volume_upload(fixture->volume, offset, 0, 0, &source, from), ==, -1);
    assert_error(CISTERN_ERROR_ABORTED);
    g_assert_cmpint(cistern_volume_resume_point(fixture->volume, &point), ==, 0);
    return point;
}

/* One that broke off, went on and broke off again is still one; a third time without a single byte
 * too. */
static void test_breaks_off_again(Fixture *fixture, gconstpointer unused)
{
    const gsize size = 32 * MIB;
    g_autofree guint8 *bytes = pattern(size);
    Buffer from = {.bytes = bytes, .size = size, .fail_at = 12 * MIB};

    CisternResumePoint first = break_off(fixture, 0, &from);
    g_assert_cmpuint(first.offset, ==, 0);
    g_assert_cmpuint(first.done, >, 0);
    assert_point(fixture, 0, first.done);
    from = (Buffer){.bytes = bytes, .size = size, .at = first.done, .fail_at = 24 * MIB};
    CisternResumePoint second = break_off(fixture, first.done, &from);
    g_assert_cmpuint(second.offset, ==, 0);
    g_assert_cmpuint(second.done, >, first.done);
    from = (Buffer){.bytes = bytes, .size = size, .at = second.done, .fail_at = 1};
    CisternResumePoint third = break_off(fixture, second.done, &from);
    g_assert_cmpuint(third.offset, ==, 0);
    g_assert_cmpuint(third.done, ==, second.done);
    from = (Buffer){.bytes = bytes, .size = size, .at = third.done};
    g_assert_cmpint(cistern_volume_upload(fixture->volume, third.done, 0, 0, &source, &from), ==,
                    0);
    assert_content(fixture, bytes, size);
    assert_point(fixture, 0, 0);
}

static void test_forgotten(Fixture *fixture, gconstpointer unused)
{
    g_autofree guint8 *bytes = pattern(16 * MIB);
    g_autofree char *path = g_build_filename(fixture->folder, "p", "v", NULL);
    const Buffer whole = {.bytes = bytes, .size = 16 * MIB, .fail_at = 12 * MIB};
    Buffer from = whole;

    g_assert_cmpuint(break_off(fixture, 0, &from).done, >, 0);
    g_assert_true(g_file_set_contents_full(path, "other", 5, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
    assert_point(fixture, 0, 0);

    from = whole;
    g_assert_cmpuint(break_off(fixture, 0, &from).done, >, 0);
    g_assert_cmpint(cistern_volume_wipe(fixture->volume, CISTERN_WIPE_ZERO, 0), ==, 0);
    assert_point(fixture, 0, 0);

    from = whole;
    g_assert_cmpuint(break_off(fixture, 0, &from).done, >, 0);
    g_autofree char *xml = cistern_pool_xml(fixture->pool, 0);
    g_assert_cmpint(cistern_pool_stop(fixture->pool), ==, 0);
    cistern_pool_free(fixture->pool);
    fixture->pool = cistern_pool_create(fixture->connection, xml, 0);
    g_assert_nonnull(fixture->pool);
    assert_point(fixture, 0, 0);
}

static void test_sink_gives_up(Fixture *fixture, gconstpointer unused)
{
    g_autofree guint8 *bytes = pattern(16 * MIB);
    g_autoptr(GByteArray) got = g_byte_array_new();
    Buffer from = {.bytes = bytes, .size = 16 * MIB}, to = {.got = got, .fail_at = 100};

    g_assert_cmpint(cistern_volume_upload(fixture->volume, 0, 0, 0, &source, &from), ==, 0);
    g_assert_cmpint(cistern_volume_download(fixture->volume, 0, 0, 0, &sink, &to), ==, -1);
    assert_error(CISTERN_ERROR_ABORTED);
    g_assert_cmpint(memcmp(got->data, bytes, got->len), ==, 0);
    g_assert_cmpint(cistern_volume_delete(fixture->volume, 0), ==, 0); /* nothing holds it */
}

static int64_t read_slowly(void *out, size_t size, void *data)
{
    g_usleep(30000);
    memset(out, 1, 65536);
    return 65536;
}

typedef struct Heard {
    guint calls;
    guint64 done, total;
} Heard;

static int hear(uint64_t done, uint64_t total, void *data)
{
    Heard *heard = data;
    g_assert_cmpuint(done, >=, heard->done);
    heard->done = done;
    heard->total = total;
    return ++heard->calls >= 3;
}

static void test_progress(Fixture *fixture, gconstpointer unused)
{
    const CisternStreamSource endless = {NULL, read_slowly};
    Heard heard = {0};

    cistern_set_progress(fixture->connection, hear, &heard);
    g_assert_cmpint(cistern_volume_upload(fixture->volume, 0, 1000 * MIB, 0, &endless, NULL), ==,
                    -1);
    assert_error(CISTERN_ERROR_ABORTED);
    cistern_set_progress(fixture->connection, NULL, NULL);
    g_assert_cmpuint(heard.calls, ==, 3);
    g_assert_cmpuint(heard.done, >, 0);
    g_assert_cmpuint(heard.total, ==, 1000 * (guint64)MIB);
}

static void test_arguments(Fixture *fixture, gconstpointer unused)
{
    const CisternStreamSource no_holes = {NULL, read_buffer};
    const CisternStreamSink no_hole = {write_buffer, NULL};
    Buffer buffer = {.bytes = (const guint8 *)""};

    g_assert_cmpint(cistern_volume_upload(NULL, 0, 0, 0, &source, &buffer), ==, -1);
    assert_error(CISTERN_ERROR_INVALID_ARGUMENT);
    g_assert_cmpint(cistern_volume_upload(fixture->volume, 0, 0, 2, &source, &buffer), ==, -1);
    assert_error(CISTERN_ERROR_INVALID_ARGUMENT);
    g_assert_cmpint(cistern_volume_upload(fixture->volume, 0, 0, 1, &no_holes, &buffer), ==, -1);
    assert_error(CISTERN_ERROR_INVALID_ARGUMENT);
    g_assert_cmpint(cistern_volume_download(fixture->volume, 0, 0, 1, &no_hole, &buffer), ==, -1);
    assert_error(CISTERN_ERROR_INVALID_ARGUMENT);
    g_assert_cmpint(cistern_volume_resume_point(fixture->volume, NULL), ==, -1);
    assert_error(CISTERN_ERROR_INVALID_ARGUMENT);
}

/* ---- several at once on one connection ---- */

#define THREADS 6

typedef struct Worker {
    Fixture *fixture;
    guint number;
} Worker;

static void *work(void *data)
{
    Worker *worker = data;
    CisternPool *pool = worker->fixture->pool;
    g_autofree char *xml =
        g_strdup_printf("<volume><name>w%u</name><capacity>0</capacity></volume>", worker->number);
    CisternVolume *volume = cistern_volume_create(pool, xml, 0);
    const gsize size = 6 * MIB + worker->number;
    g_autofree guint8 *bytes = pattern(size);

    g_assert_nonnull(volume);
    for (guint i = 0; i < 3; i++) {
        g_autoptr(GByteArray) got = g_byte_array_new();
        Buffer from = {.bytes = bytes, .size = size}, to = {.got = got};
        g_assert_cmpint(cistern_volume_upload(volume, 0, 0, 0, &source, &from), ==, 0);
        g_assert_cmpint(cistern_pool_volume_count(pool), >=, 2);
        g_assert_cmpint(cistern_volume_download(volume, 0, 0, 0, &sink, &to), ==, 0);
        g_assert_cmpuint(got->len, ==, size);
        g_assert_cmpint(memcmp(got->data, bytes, size), ==, 0);
    }
    cistern_volume_free(volume);
    return NULL;
}

static void test_threads(Fixture *fixture, gconstpointer unused)
{
    Worker workers[THREADS];
    GThread *threads[THREADS];

    for (guint i = 0; i < THREADS; i++) {
        workers[i] = (Worker){fixture, i};
        threads[i] = g_thread_new("worker", work, &workers[i]);
    }
    for (guint i = 0; i < THREADS; i++)
        g_thread_join(threads[i]);
}

#define ADD(path, function) g_test_add(path, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/client/stream/there-and-back", test_there_and_back);
    ADD("/client/stream/sparse", test_sparse);
    ADD("/client/stream/device", test_device);
    ADD("/client/stream/too-long", test_too_long);
    ADD("/client/stream/source-gives-up", test_source_gives_up);
    ADD("/client/stream/breaks-off-again", test_breaks_off_again);
    ADD("/client/stream/forgotten", test_forgotten);
    ADD("/client/stream/sink-gives-up", test_sink_gives_up);
    ADD("/client/stream/progress", test_progress);
    ADD("/client/stream/arguments", test_arguments);
    ADD("/client/stream/threads", test_threads);
    return g_test_run();
}
