/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io.h"

#include "crew.h"
#include "dir-fixture.h"
#include "errors.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Open content (files, block devices), the mover between two of them, and the crew of threads. */

#define MIB (G_GUINT64_CONSTANT(1) << 20)

static Io *open_scratch(guint64 size)
{
    g_autofree char *name = NULL;
    int fd = g_file_open_tmp("backend-io-XXXXXX", &name, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(unlink(name), ==, 0);
    g_assert_cmpint(ftruncate(fd, (off_t)size), ==, 0);
    return io_new_fd(fd);
}

static void put(Io *io, const char *text, guint64 offset)
{
    GError *error = NULL;

    g_assert_true(io->ops->write(io, text, strlen(text), offset, &error));
}

static void assert_text(Io *io, const char *text, gsize size, guint64 offset)
{
    g_autofree char *got = g_malloc(size);
    GError *error = NULL;

    g_assert_cmpint(io->ops->read(io, got, size, offset, &error), ==, (gssize)size);
    g_assert_cmpmem(got, size, text, size);
}

static guint64 size_of(Io *io)
{
    guint64 size;

    g_assert_true(io->ops->size(io, &size, NULL));
    return size;
}

static guint64 blocks_of(Io *io)
{
    struct stat st;

    g_assert_cmpint(fstat(io->fd, &st), ==, 0);
    return (guint64)st.st_blocks;
}

static void check_zero(Io *io, bool reserve)
{
    GError *error = NULL;

    for (guint64 at = 0; at < 2 * MIB; at += 4096)
        put(io, "data", at);
    guint64 full = blocks_of(io);
    g_assert_true(io->ops->zero(io, 4096, MIB, reserve, &error));
    assert_text(io, "data", 4, 0);
    assert_text(io, "\0\0\0\0", 4, 4096);
    assert_text(io, "\0\0\0\0", 4, MIB);
    assert_text(io, "data", 4, 4096 + MIB);
    if (reserve)
        g_assert_cmpuint(blocks_of(io), >=, full);
    /* Odd edges, and past the end: then the file grows. */
    g_assert_true(io->ops->zero(io, 4096 + MIB + 1, 2, reserve, &error));
    assert_text(io, "d\0\0a", 4, 4096 + MIB);
    g_assert_true(io->ops->zero(io, 2 * MIB - 10, 110, reserve, &error));
    g_assert_true(io->ops->zero(io, 0, 0, reserve, &error));
    assert_text(io, "data", 4, 0);
}

static void test_zero_file(void)
{
    g_autoptr(Io) punched = open_scratch(2 * MIB), reserved = open_scratch(2 * MIB);

    check_zero(punched, false);
    g_assert_cmpuint(size_of(punched), ==, 2 * MIB + 100);
    check_zero(reserved, true);
    g_assert_cmpuint(size_of(reserved), ==, 2 * MIB + 100);
}

static void test_next_data(void)
{
    g_autoptr(Io) io = open_scratch(8 * MIB);
    guint64 start, end;

    put(io, "data", 4 * MIB + 100);
    g_assert_true(io->ops->next_data(io, 0, &start, &end, NULL));
    g_assert_cmpuint(start, <=, 4 * MIB + 100);
    g_assert_cmpuint(end, >=, 4 * MIB + 104);
    g_assert_true(io->ops->next_data(io, end, &start, &end, NULL));
    g_assert_cmpuint(start, ==, 8 * MIB);
    g_assert_cmpuint(end, ==, 8 * MIB);
}

static void test_errors(void)
{
    int fd = open("/dev/full", O_RDWR | O_CLOEXEC);
    g_autoptr(Io) io = io_new_fd(fd);
    g_autoptr(GError) error = NULL;

    g_assert_false(io->ops->write(io, "x", 1, 0, &error));
    g_assert_cmpint(error_errno(error), ==, ENOSPC);
    io_close(NULL);
}

/* A loop device stands for the block devices of other pool types. */
static void test_block_device(void)
{
    g_autofree char *path = NULL, *device = NULL;
    autofd int image = g_file_open_tmp("backend-loop-XXXXXX", &path, NULL);
    const char *attach[] = {"losetup", "--find", "--show", path, NULL};
    Command command = {.argv = attach};
    g_auto(CommandResult) result = {0};
    guint64 start, end;

    g_assert_cmpint(ftruncate(image, 4 * MIB), ==, 0);
    if (!command_run_ok(NULL, &command, &result, NULL)) {
        g_test_skip("no loop devices");
        g_assert_cmpint(unlink(path), ==, 0);
        return;
    }
    device = g_strdup(g_strchomp(result.output));
    g_autoptr(Io) io = io_new_fd(open(device, O_RDWR | O_CLOEXEC));
    g_assert_cmpint(io->fd, >=, 0);
    g_assert_cmpuint(size_of(io), ==, 4 * MIB);
    for (guint i = 0; i < 2; i++) {
        bool reserve = i;
        for (guint64 at = 0; at < 2 * MIB; at += 512)
            put(io, "data", at);
        g_assert_true(io->ops->zero(io, 4096, MIB, reserve, NULL));
        assert_text(io, "data", 4, 0);
        assert_text(io, "\0\0\0\0", 4, MIB);
        assert_text(io, "data", 4, 4096 + MIB);
        g_assert_true(io->ops->zero(io, 4096 + MIB + 1, 2, reserve, NULL));
        assert_text(io, "d\0\0a", 4, 4096 + MIB);
    }
    g_assert_true(io->ops->next_data(io, 0, &start, &end, NULL));
    g_assert_cmpuint(end, <=, 4 * MIB);
    g_autoptr(GError) error = NULL;
    g_assert_false(io->ops->write(io, "beyond", 6, 4 * MIB - 2, &error));
    g_assert_cmpint(error_errno(error), ==, ENOSPC);
    g_assert_true(io->ops->flush(io, NULL));
    /* A device is not fresh: what the source has no data for is zeroed. */
    g_autoptr(Io) source = open_scratch(3 * MIB);
    put(source, "copied", MIB);
    g_assert_true(io_copy(source, io, 4 * MIB, 0, NULL, NULL));
    assert_text(io, "\0\0\0\0", 4, 0);
    assert_text(io, "copied", 6, MIB);
    assert_text(io, "\0\0\0\0", 4, 4096 + MIB);
    io_close(g_steal_pointer(&io));
    g_free(dir_run((const char *[]){"losetup", "-d", device, NULL}));
    g_assert_cmpint(unlink(path), ==, 0);
}

static void test_copy_over_data(void)
{
    g_autoptr(Io) from = open_scratch(4 * MIB), to = open_scratch(6 * MIB);

    put(from, "new", 2 * MIB);
    for (guint64 at = 0; at < 6 * MIB; at += 4096)
        put(to, "old", at);
    g_assert_true(io_copy(from, to, 5 * MIB, 0, NULL, NULL));
    assert_text(to, "\0\0\0", 3, 0);
    assert_text(to, "new", 3, 2 * MIB);
    assert_text(to, "\0\0\0", 3, 4 * MIB + 4096); /* beyond the source's end */
    assert_text(to, "old", 3, 5 * MIB);           /* beyond what was asked for */
}

static void test_copy_fresh(void)
{
    g_autoptr(Io) from = open_scratch(4 * MIB), to = open_scratch(4 * MIB);
    g_autoptr(Operation) op = operation_new(OPERATION_NO_DEADLINE);
    guint64 done, total;

    put(from, "data", 3 * MIB);
    g_assert_true(io_copy(from, to, 4 * MIB, IO_COPY_FRESH, op, NULL));
    assert_text(to, "data", 4, 3 * MIB);
    g_assert_cmpuint(blocks_of(to) * 512, <, MIB);
    operation_get_progress(op, &done, &total);
    g_assert_cmpuint(done, ==, 4 * MIB);
    g_assert_cmpuint(total, ==, 4 * MIB);
}

typedef struct Tasks {
    atomic_uchar *seen;
    atomic_uint running, most;
    guint wait; /* microseconds of waiting per task */
    Operation *cancel;
} Tasks;

static void run_task(guint index, void *data)
{
    Tasks *tasks = data;
    guint running = atomic_fetch_add(&tasks->running, 1) + 1;
    guint most = atomic_load(&tasks->most);

    while (running > most && !atomic_compare_exchange_weak(&tasks->most, &most, running))
        ;
    atomic_fetch_add(&tasks->seen[index], 1);
    if (tasks->wait)
        g_usleep(tasks->wait);
    if (tasks->cancel && index == 100)
        operation_cancel(tasks->cancel);
    atomic_fetch_sub(&tasks->running, 1);
}

static void check_crew(guint count, guint wait, guint min_threads, guint max_threads)
{
    g_autofree atomic_uchar *seen = g_new0(atomic_uchar, count + 1);
    Tasks tasks = {.seen = seen, .wait = wait};
    GError *error = NULL;

    g_assert_true(crew_run(count, run_task, &tasks, NULL, &error));
    for (guint i = 0; i < count; i++)
        g_assert_cmpint(atomic_load(&seen[i]), ==, 1);
    g_assert_cmpuint(atomic_load(&tasks.most), >=, min_threads);
    g_assert_cmpuint(atomic_load(&tasks.most), <=, max_threads);
}

static void test_crew(void)
{
    check_crew(0, 0, 0, 0);
    check_crew(1, 0, 1, 1);
    check_crew(17, 0, 1, 1);
    check_crew(100000, 0, 1, CREW_THREADS_MAX);
    check_crew(5000, 1000, 9, CREW_THREADS_MAX); /* waiting tasks get more threads */
}

static void test_crew_cancelled(void)
{
    g_autofree atomic_uchar *seen = g_new0(atomic_uchar, 100000);
    g_autoptr(Operation) op = operation_new(OPERATION_NO_DEADLINE);
    Tasks tasks = {.seen = seen, .cancel = op};
    g_autoptr(GError) error = NULL;

    g_assert_false(crew_run(100000, run_task, &tasks, op, &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_ABORTED);
    g_assert_cmpuint(atomic_load(&tasks.running), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/io/zero-file", test_zero_file);
    g_test_add_func("/io/next-data", test_next_data);
    g_test_add_func("/io/errors", test_errors);
    g_test_add_func("/io/block-device", test_block_device);
    g_test_add_func("/io/copy-over-data", test_copy_over_data);
    g_test_add_func("/io/copy-fresh", test_copy_fresh);
    g_test_add_func("/crew/all-once", test_crew);
    g_test_add_func("/crew/cancelled", test_crew_cancelled);
    return g_test_run();
}
