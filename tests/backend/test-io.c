/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io.h"

#include "crew.h"
#include "dir-fixture.h"
#include "errors.h"
#include "loop-device.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
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
    g_auto(LoopDevice) device = {0};
    guint64 start, end;

    if (!loop_attach(&device, &(const LoopOptions){.size = 4 * MIB}))
        return;
    g_autoptr(Io) io = io_new_fd(open(device.path, O_RDWR | O_CLOEXEC));
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
}

/* What is written to a partition is seen through the disk, though that has a cache of its own. */
static void test_partition(void)
{
    g_auto(LoopDevice) device = {0};

    if (!loop_attach(&device, &(const LoopOptions){.size = 4 * MIB}))
        return;
    const char *add[] = {"addpart", device.path, "1", "2048", "2048", NULL};
    const char *remove[] = {"delpart", device.path, "1", NULL};
    g_autofree char *path = g_strconcat(device.path, "p1", NULL);
    g_free(dir_run(add));
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        g_free(dir_run(remove));
        g_test_skip("no nodes of partitions");
        return;
    }
    Io *part = io_new_fd(fd), *whole = io_new_fd(open(device.path, O_RDONLY | O_CLOEXEC));
    g_assert_cmpuint(size_of(part), ==, MIB);
    assert_text(whole, "\0\0\0\0", 4, MIB);
    put(part, "text", 0);
    g_assert_true(part->ops->flush(part, NULL));
    assert_text(whole, "text", 4, MIB);
    io_close(part);
    io_close(whole);
    g_free(dir_run(remove));
}

/* Storage whose n-th call fails. */
typedef struct Failing {
    Io io; /* first: the copy gets this */
    Io *inner;
    guint calls, fail_at;
} Failing;

static bool fails_now(Io *io, GError **error)
{
    Failing *failing = (Failing *)io;

    if (++failing->calls < failing->fail_at)
        return false;
    g_assert_cmpuint(failing->calls, ==, failing->fail_at); /* nothing is called after a failure */
    return !error_set_errno(error, ORIGIN_STORAGE, EIO, "injected");
}

static Io *inner_of(Io *io)
{
    return ((Failing *)io)->inner;
}

static gssize failing_read(Io *io, void *buffer, gsize size, guint64 offset, GError **error)
{
    return fails_now(io, error)
               ? -1
               : inner_of(io)->ops->read(inner_of(io), buffer, size, offset, error);
}

static bool failing_write(Io *io, const void *buffer, gsize size, guint64 offset, GError **error)
{
    return !fails_now(io, error) &&
           inner_of(io)->ops->write(inner_of(io), buffer, size, offset, error);
}

static bool failing_zero(Io *io, guint64 offset, guint64 length, bool reserve, GError **error)
{
    return !fails_now(io, error) &&
           inner_of(io)->ops->zero(inner_of(io), offset, length, reserve, error);
}

static bool failing_next_data(Io *io, guint64 offset, guint64 *ret_start, guint64 *ret_end,
                              GError **error)
{
    return !fails_now(io, error) &&
           inner_of(io)->ops->next_data(inner_of(io), offset, ret_start, ret_end, error);
}

static const IoOps failing_ops = {
    .read = failing_read,
    .write = failing_write,
    .zero = failing_zero,
    .next_data = failing_next_data,
};

/* Returns true once the copy is through. */
static bool copy_with_failure(Io *from, Io *to, bool at_source, guint fail_at)
{
    Failing failing = {
        .io = {.ops = &failing_ops, .fd = -1},
        .inner = at_source ? from : to,
        .fail_at = fail_at,
    };
    g_autoptr(GError) error = NULL;

    if (io_copy(at_source ? &failing.io : from, at_source ? to : &failing.io, 5 * MIB, 0, NULL,
                &error))
        return true;
    g_assert_cmpint(error_errno(error), ==, EIO);
    return false;
}

static void test_copy_fails(void)
{
    g_autoptr(Io) from = open_scratch(4 * MIB), to = open_scratch(5 * MIB);

    put(from, "data", 2 * MIB);
    for (guint at_source = 0; at_source < 2; at_source++) {
        guint failures = 0;
        put(to, "old", 4 * MIB);
        while (!copy_with_failure(from, to, at_source, failures + 1))
            failures++;
        g_assert_cmpuint(failures, >=, 3);
        assert_text(to, "data", 4, 2 * MIB);
        assert_text(to, "\0\0\0", 3, 4 * MIB);
    }
}

/* Bytes of the file that are in memory. */
static guint64 resident(const Io *io, guint64 size)
{
    gsize page = (gsize)sysconf(_SC_PAGESIZE), pages = size / page, count = 0;
    g_autofree guchar *vector = g_malloc(pages);
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, io->fd, 0);

    g_assert_true(map != MAP_FAILED);
    g_assert_cmpint(mincore(map, size, vector), ==, 0);
    for (gsize i = 0; i < pages; i++)
        count += vector[i] & 1;
    g_assert_cmpint(munmap(map, size), ==, 0);
    return count * page;
}

#define PASS_SIZE (160 * MIB)

static void pass_over(Io *io, bool writes)
{
    g_autofree char *bytes = g_strnfill(MIB, 'x');
    IoPass pass;

    io_pass_begin(&pass, io, writes, 0);
    for (guint64 at = 0; at < PASS_SIZE; at += MIB) {
        if (writes)
            g_assert_true(io->ops->write(io, bytes, MIB, at, NULL));
        else
            g_assert_cmpint(io->ops->read(io, bytes, MIB, at, NULL), ==, MIB);
        g_assert_true(io_pass_moved(&pass, at + MIB, NULL));
    }
}

/* A large pass keeps little in memory, but doesn't throw out what was there before it. */
static void test_pass(void)
{
    g_autoptr(Io) io = open_scratch(PASS_SIZE);
    struct statfs fs;

    g_assert_cmpint(fstatfs(io->fd, &fs), ==, 0);
    if ((guint64)fs.f_type == TMPFS_MAGIC || (guint64)fs.f_type == OVERLAYFS_SUPER_MAGIC) {
        g_test_skip("files that live in memory, or are kept by another file system");
        return;
    }
    pass_over(io, true);
    g_assert_cmpuint(resident(io, PASS_SIZE), <=, 100 * MIB);
    g_assert_true(io->ops->flush(io, NULL));
    g_autofree char *all = g_malloc(PASS_SIZE);
    g_assert_cmpint(io->ops->read(io, all, PASS_SIZE, 0, NULL), ==, PASS_SIZE);
    guint64 before = resident(io, PASS_SIZE);
    pass_over(io, false);
    g_assert_cmpuint(resident(io, PASS_SIZE), >=, before);
}

static guint waits_to_fail; /* the n-th wait for the disk from now on fails; 0: none */

/* Takes the place of the C library's. What the kernel tells here it doesn't tell at a flush. */
int sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags)
{
    if (flags & SYNC_FILE_RANGE_WAIT_BEFORE && waits_to_fail > 0 && --waits_to_fail == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_sync_file_range, fd, offset, length, flags);
}

/* What the disk refuses in the middle of a long copy is an error of the copy. */
static void test_pass_fails(void)
{
    g_autoptr(Io) from = open_scratch(PASS_SIZE), to = open_scratch(PASS_SIZE);

    for (guint64 at = 0; at < PASS_SIZE; at += MIB)
        put(from, "data", at);
    for (guint failures = 1; failures <= 3; failures++) {
        g_autoptr(GError) error = NULL;
        waits_to_fail = failures;
        g_assert_false(io_copy(from, to, PASS_SIZE, IO_COPY_FRESH, NULL, &error));
        g_assert_error(error, CISTERN_ERROR, ERROR_SYSTEM);
        g_assert_cmpint(error_errno(error), ==, EIO);
    }
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
    g_test_add_func("/io/partition", test_partition);
    g_test_add_func("/io/copy-fails", test_copy_fails);
    g_test_add_func("/io/pass", test_pass);
    g_test_add_func("/io/pass-fails", test_pass_fails);
    g_test_add_func("/io/copy-over-data", test_copy_over_data);
    g_test_add_func("/io/copy-fresh", test_copy_fresh);
    g_test_add_func("/crew/all-once", test_crew);
    g_test_add_func("/crew/cancelled", test_crew_cancelled);
    return g_test_run();
}
