/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-volume.h"

#include "dir-fixture.h"
#include "errors.h"
#include "loop-device.h"

#include <errno.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Volumes that are block devices: loop devices stand for them. */

#define MIB (G_GUINT64_CONSTANT(1) << 20)

#define LOOP(name, ...)                                                                            \
    g_auto(LoopDevice) name = {0};                                                                 \
    if (!loop_attach(&name, &(const LoopOptions){__VA_ARGS__}))                                    \
    return

/* ---- helpers ---- */

/* Reads from the disk, past every cache. */
static void assert_bytes(const LoopDevice *device, guint64 offset, const char *bytes, gsize size)
{
    autofd int fd = open(device->path, O_RDONLY | O_CLOEXEC);
    g_autofree char *got = g_malloc(size);

    g_assert_cmpint(ioctl(fd, BLKFLSBUF, 0), ==, 0);
    g_assert_cmpint(fd_read_at(fd, got, size, offset), ==, (gssize)size);
    g_assert_cmpmem(got, size, bytes, size);
}

/* Every sector of the device begins with the word. */
static void mark(const LoopDevice *device, const char *word)
{
    autofd int fd = open(device->path, O_RDWR | O_CLOEXEC);
    guint64 size = 0;

    g_assert_cmpint(ioctl(fd, BLKGETSIZE64, &size), ==, 0);
    for (guint64 at = 0; at < size; at += 512)
        g_assert_true(fd_write_at(fd, word, strlen(word), at));
    g_assert_cmpint(fdatasync(fd), ==, 0);
}

/* How many bytes of a range are not zero. */
static guint64 count_data(const LoopDevice *device, guint64 offset, guint64 end)
{
    autofd int fd = open(device->path, O_RDONLY | O_CLOEXEC);
    g_autofree char *got = g_malloc(end - offset);
    guint64 count = 0;

    g_assert_cmpint(fd_read_at(fd, got, end - offset, offset), ==, (gssize)(end - offset));
    for (guint64 i = 0; i < end - offset; i++)
        count += got[i] != 0;
    return count;
}

static void volume_at(VolumeDef *ret, const char *path)
{
    volume_def_init(ret);
    ret->name = g_strdup("v");
    ret->target.path = g_strdup(path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VolumeDef, volume_def_clear)

static Io *open_device(const LoopDevice *device, VolumeAccess access, GError **error)
{
    g_auto(VolumeDef) volume;
    Io *io = NULL;

    volume_at(&volume, device->path);
    if (!device_volume_open(NULL, NULL, &volume, access, &io, error))
        return NULL;
    return io;
}

static bool wipe_device(const LoopDevice *device, WipeAlgorithm algorithm, Operation *op,
                        GError **error)
{
    g_auto(VolumeDef) volume;

    volume_at(&volume, device->path);
    return device_volume_wipe(NULL, op, &volume, algorithm, error);
}

/* ---- description ---- */

static void test_describe(void)
{
    LOOP(device, .size = 3 * MIB + 700);
    g_auto(VolumeDef) volume;
    Permissions permissions = PERMISSIONS_INIT;

    volume_at(&volume, device.path);
    permissions.uid = 12;
    permissions.gid = 34;
    g_assert_true(device_volume_apply_permissions(device.path, &permissions, NULL));
    g_assert_true(device_volume_describe(&volume, NULL));
    g_assert_cmpint(volume.type, ==, VOLUME_BLOCK);
    g_assert_cmpuint(volume.capacity, ==, 3 * MIB + 512); /* whole sectors */
    g_assert_cmpuint(volume.allocation, ==, volume.capacity);
    g_assert_cmpuint(volume.physical, ==, volume.capacity);
    g_assert_cmpuint(volume.target.permissions.mode, ==, 0600);
    g_assert_cmpuint(volume.target.permissions.uid, ==, 12);
    g_assert_cmpuint(volume.target.permissions.gid, ==, 34);
    g_assert_true(volume.target.has_timestamps);
    g_assert_cmpstr(volume.name, ==, "v");
    permissions = (Permissions){.mode = 0640, .uid = 0, .gid = 0};
    g_assert_true(device_volume_apply_permissions(device.path, &permissions, NULL));
    g_assert_true(device_volume_describe(&volume, NULL));
    g_assert_cmpuint(volume.target.permissions.mode, ==, 0640);
}

static void assert_refused(const char *path, int code)
{
    g_auto(VolumeDef) volume;
    Permissions permissions = {.mode = 0777, .uid = ID_UNSET, .gid = ID_UNSET};
    struct stat before, after;
    Io *io = NULL;

    volume_at(&volume, path);
    bool is_there = stat(path, &before) == 0;
    for (guint i = 0; i < 5; i++) {
        g_autoptr(GError) error = NULL;
        bool ok = i == 0   ? device_volume_describe(&volume, &error)
                  : i == 1 ? device_volume_apply_permissions(path, &permissions, &error)
                  : i == 2 ? device_volume_open(NULL, NULL, &volume, VOLUME_READ, &io, &error)
                  : i == 3 ? device_volume_open(NULL, NULL, &volume, VOLUME_WRITE, &io, &error)
                           : device_volume_wipe(NULL, NULL, &volume, WIPE_ZERO, &error);
        g_assert_false(ok);
        g_assert_error(error, CISTERN_ERROR, code);
        g_assert_nonnull(strstr(error->message, path));
    }
    g_assert_cmpint(stat(path, &after), ==, is_there ? 0 : -1);
    g_assert_true(!is_there || before.st_mode == after.st_mode);
}

/* Whatever stands in the place of a node stays untouched; a FIFO would even hang. */
static void test_no_device(void)
{
    g_autofree char *folder = g_dir_make_tmp("backend-device-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(folder, "file", NULL);
    g_autofree char *fifo = g_build_filename(folder, "fifo", NULL);
    g_autofree char *link = g_build_filename(folder, "link", NULL);
    g_autofree char *gone = g_build_filename(folder, "gone", NULL);

    g_assert_true(g_file_set_contents(file, "text", 4, NULL));
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_cmpint(symlink(file, link), ==, 0);
    assert_refused(file, ERROR_INTERNAL);
    assert_refused(fifo, ERROR_INTERNAL);
    assert_refused(link, ERROR_INTERNAL);
    assert_refused("/dev/null", ERROR_INTERNAL);
    assert_refused(folder, ERROR_INTERNAL);
    assert_refused(gone, ERROR_NO_VOLUME);
    g_assert_cmpint(unlink(file) | unlink(fifo) | unlink(link) | rmdir(folder), ==, 0);
}

/* Logical volumes are reached over a link. */
static void test_link_to_device(void)
{
    LOOP(device, .size = MIB);
    g_autofree char *link = g_strconcat(device.file, ".link", NULL);
    g_auto(VolumeDef) volume;

    volume_at(&volume, link);
    g_assert_cmpint(symlink(device.path, link), ==, 0);
    g_assert_true(device_volume_describe(&volume, NULL));
    g_assert_cmpuint(volume.capacity, ==, MIB);
    g_assert_true(device_volume_wipe(NULL, NULL, &volume, WIPE_ZERO, NULL));
    g_assert_cmpint(unlink(link), ==, 0);
}

/* ---- waiting ---- */

static void *make_link(void *data)
{
    const LoopDevice *device = data;
    g_autofree char *link = g_strconcat(device->file, ".link", NULL);

    g_usleep(50000);
    g_assert_cmpint(symlink(device->path, link), ==, 0);
    return NULL;
}

static void test_await(void)
{
    LOOP(device, .size = MIB);
    g_autofree char *link = g_strconcat(device.file, ".link", NULL);
    GThread *thread = g_thread_new("maker", make_link, &device);
    g_autoptr(Operation) op = operation_new(g_get_monotonic_time() + 100000);
    g_autoptr(Operation) cancelled = operation_new(OPERATION_NO_DEADLINE);
    g_autoptr(GError) error = NULL, abort = NULL;

    g_assert_true(device_await(device.path, true, NULL, NULL));
    g_assert_true(device_await(link, true, NULL, NULL));
    g_thread_join(thread);
    g_assert_false(device_await(link, false, op, &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_TIMEOUT);
    operation_cancel(cancelled);
    g_assert_false(device_await(link, false, cancelled, &abort));
    g_assert_error(abort, CISTERN_ERROR, ERROR_ABORTED);
    g_assert_cmpint(unlink(link), ==, 0);
    g_assert_true(device_await(link, false, NULL, NULL));
}

/* ---- content ---- */

static void test_never_grows(void)
{
    LOOP(device, .size = MIB);
    g_autoptr(Io) io = open_device(&device, VOLUME_WRITE, NULL);
    g_autoptr(GError) written = NULL, zeroed = NULL;
    char text[8192];

    mark(&device, "old");
    memset(text, 'n', sizeof text);
    g_assert_false(io->ops->write(io, text, sizeof text, MIB - 4096, &written));
    g_assert_cmpint(error_errno(written), ==, ENOSPC);
    g_assert_false(io->ops->zero(io, MIB - 4096, 8192, false, &zeroed));
    g_assert_cmpint(error_errno(zeroed), ==, ENOSPC);
    assert_bytes(&device, MIB - 4096, "old", 3);
    g_assert_true(io->ops->write(io, text, 4096, MIB - 4096, NULL));
    g_assert_true(io->ops->flush(io, NULL));
    assert_bytes(&device, MIB - 4096, text, 4096);
    assert_bytes(&device, MIB - 4096 - 512, "old", 3);
}

static void test_claimed(void)
{
    LOOP(device, .size = MIB);
    g_autoptr(Io) io = open_device(&device, VOLUME_WRITE, NULL);
    g_autoptr(GError) opened = NULL, wiped = NULL;

    g_assert_nonnull(io);
    g_assert_null(open_device(&device, VOLUME_WRITE, &opened));
    g_assert_cmpint(error_errno(opened), ==, EBUSY);
    g_assert_nonnull(strstr(opened->message, "in use by this host"));
    g_assert_false(wipe_device(&device, WIPE_ZERO, NULL, &wiped));
    g_assert_cmpint(error_errno(wiped), ==, EBUSY);
    g_autoptr(Io) reader = open_device(&device, VOLUME_READ, NULL);
    g_assert_nonnull(reader);
    g_clear_pointer(&io, io_close);
    g_assert_true(wipe_device(&device, WIPE_ZERO, NULL, NULL));
}

static void test_read_only(void)
{
    LOOP(device, .size = MIB, .read_only = true);
    g_autoptr(GError) error = NULL;
    g_autoptr(Io) reader = open_device(&device, VOLUME_READ, NULL);

    g_assert_nonnull(reader);
    g_assert_false(wipe_device(&device, WIPE_ZERO, NULL, &error));
    g_assert_cmpint(error_code(error), ==, ERROR_SYSTEM);
    g_assert_true(error_errno(error) == EACCES || error_errno(error) == EROFS ||
                  error_errno(error) == EPERM);
}

/* A device that went away under an open descriptor. */
static void test_vanished(void)
{
    LOOP(device, .size = MIB);
    g_autoptr(Io) io = open_device(&device, VOLUME_WRITE, NULL);
    g_autoptr(GError) written = NULL, zeroed = NULL;

    g_assert_cmpint(truncate(device.file, 0), ==, 0);
    g_assert_cmpint(ioctl(io->fd, LOOP_SET_CAPACITY, 0), ==, 0);
    bool ok = io->ops->write(io, "x", 1, 0, &written) && io->ops->flush(io, &written);
    g_assert_false(ok);
    g_assert_false(io->ops->zero(io, 0, 4096, true, &zeroed) && io->ops->flush(io, &zeroed));
}

/* ---- wiping ---- */

static void check_wiped(WipeAlgorithm algorithm, guint64 size, guint sector)
{
    LOOP(device, .size = size, .sector_size = sector);
    guint64 end = size / 512 * 512;

    mark(&device, "secret");
    g_assert_true(wipe_device(&device, algorithm, NULL, NULL));
    autofd int fd = open(device.path, O_RDONLY | O_CLOEXEC);
    g_autofree char *content = g_malloc(end);
    g_assert_cmpint(ioctl(fd, BLKFLSBUF, 0), ==, 0);
    g_assert_cmpint(fd_read_at(fd, content, end, 0), ==, (gssize)end);
    g_assert_null(memmem(content, end, "secret", 6));
    if (algorithm == WIPE_ZERO)
        g_assert_cmpuint(count_data(&device, 0, end), ==, 0);
}

static void test_wipe(void)
{
    for (WipeAlgorithm i = WIPE_ZERO; i < WIPE_COUNT; i++) {
        if (i != WIPE_ZERO && i != WIPE_TRIM && !dir_needs("scrub"))
            return;
        check_wiped(i, MIB, 512);
    }
    check_wiped(WIPE_ZERO, 3 * MIB + 512, 512);
    check_wiped(WIPE_ZERO, MIB + 4096, 4096);
    check_wiped(WIPE_RANDOM, MIB + 4096, 4096);
    check_wiped(WIPE_TRIM, MIB + 4096, 4096);
}

static void test_wipe_cancelled(void)
{
    LOOP(device, .size = MIB);
    g_autoptr(Operation) op = operation_new(OPERATION_NO_DEADLINE);
    g_autoptr(GError) error = NULL;

    mark(&device, "kept");
    operation_cancel(op);
    g_assert_false(wipe_device(&device, WIPE_ZERO, op, &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_ABORTED);
    assert_bytes(&device, 0, "kept", 4);
}

/* ---- clones ---- */

/* A file of the world as the source of a clone. */
typedef struct Source {
    VolumeSource source;
    VolumeDef *volume;
    Io *io;
} Source;

static void source_open(Source *ret, DirWorld *world, const char *name)
{
    *ret = (Source){.volume = dir_stat(world, name)};
    g_assert_true(world->backend->volume_open(world->pool, world->op, ret->volume, VOLUME_READ,
                                              &ret->io, NULL));
    ret->source = (VolumeSource){.pool = world->pool, .volume = ret->volume, .io = ret->io};
}

static void source_clear(Source *source)
{
    io_close(source->io);
    volume_def_free(source->volume);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Source, source_clear)

/* The same source as storage without a descriptor gives it. */
static gssize read_inner(Io *io, void *buffer, gsize size, guint64 offset, GError **error)
{
    Io *inner = io->state;

    return inner->ops->read(inner, buffer, size, offset, error);
}

static bool size_inner(Io *io, guint64 *ret, GError **error)
{
    Io *inner = io->state;

    return inner->ops->size(inner, ret, error);
}

static bool all_data(Io *io, guint64 offset, guint64 *ret_start, guint64 *ret_end, GError **error)
{
    *ret_start = offset;
    return size_inner(io, ret_end, error);
}

static const IoOps inner_ops = {.read = read_inner, .size = size_inner, .next_data = all_data};

static void check_fill(DirWorld *world, const char *name, guint sector, bool has_fd)
{
    LOOP(device, .size = 4 * MIB, .sector_size = sector);
    g_auto(Source) source = {0};
    Io bare = {.ops = &inner_ops, .fd = -1};
    guint64 size;

    source_open(&source, world, name);
    bare.state = source.io;
    if (!has_fd)
        source.source.io = &bare;
    mark(&device, "old");
    g_assert_true(device_volume_content_size(&source.source, &size, NULL));
    g_assert_cmpuint(size, ==, 2 * MIB);
    g_assert_true(device_volume_fill(device.path, false, &source.source, world->op, NULL));
    assert_bytes(&device, 0, "text", 4);
    g_assert_cmpuint(count_data(&device, 4, 4 * MIB), ==, 0);
    /* On zeros. */
    g_assert_true(wipe_device(&device, WIPE_ZERO, NULL, NULL));
    g_assert_true(device_volume_fill(device.path, true, &source.source, world->op, NULL));
    assert_bytes(&device, 0, "text", 4);
    g_assert_cmpuint(count_data(&device, 4, 4 * MIB), ==, 0);
}

/* A file made of a device: of its zeros nothing is stored. */
static void check_file_of(DirWorld *world, const LoopDevice *device, const char *name, int format)
{
    g_autoptr(VolumeDef) spec = dir_spec(name, format, 0);
    g_autofree char *path = dir_path(world, name);
    g_auto(VolumeDef) volume;
    g_auto(VolumeState) made = {0};
    g_autoptr(Io) io = open_device(device, VOLUME_READ, NULL);
    PoolDef pool = *world->pool;
    PoolSchema schema = *pool.schema;

    volume_at(&volume, device->path);
    schema.volume_formats = NULL; /* as logical pools have it */
    pool.schema = &schema;
    VolumeSource source = {.pool = &pool, .volume = &volume, .io = io};
    spec->capacity = 16 * MIB; /* as the engine fits it to the source */
    g_assert_true(
        world->backend->volume_clone(world->pool, world->op, spec, &source, 0, &made, NULL));
    g_assert_cmpuint(made.volume->capacity, ==, 16 * MIB);
    g_assert_cmpuint(made.volume->allocation, <, 2 * MIB);
    g_autofree char *output =
        dir_run((const char *[]){"qemu-img", "compare", "-f", "raw", "-F",
                                 image_format_name(format), device->path, path, NULL});
    g_assert_nonnull(strstr(output, "identical"));
}

static void test_source(DirWorld *world, gconstpointer data)
{
    LOOP(device, .size = 16 * MIB);
    autofd int fd = open(device.path, O_RDWR | O_CLOEXEC);

    if (!dir_needs("qemu-img"))
        return;
    g_assert_true(fd_write_at(fd, "text", 4, 0) && fd_write_at(fd, "text", 4, 9 * MIB));
    fd_close(&fd);
    check_file_of(world, &device, "raw", IMAGE_FORMAT_RAW);
    check_file_of(world, &device, "qcow2", IMAGE_FORMAT_QCOW2);
    check_file_of(world, &device, "vmdk", IMAGE_FORMAT_VMDK);
}

static void put_sources(DirWorld *world)
{
    g_autofree char *raw = dir_path(world, "raw"), *image = dir_path(world, "image");

    dir_put(world, "raw", "text", 2 * MIB);
    g_free(dir_run(
        (const char *[]){"qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image, NULL}));
}

static void test_fill(DirWorld *world, gconstpointer data)
{
    if (!dir_needs("qemu-img"))
        return;
    put_sources(world);
    for (guint sector = 512; sector <= 4096; sector *= 8)
        for (guint i = 0; i < 4; i++)
            check_fill(world, i & 1 ? "image" : "raw", sector, i & 2);
}

static void test_fill_too_large(DirWorld *world, gconstpointer data)
{
    LOOP(device, .size = MIB);

    if (!dir_needs("qemu-img"))
        return;
    put_sources(world);
    mark(&device, "old");
    for (guint i = 0; i < 2; i++) {
        g_auto(Source) source = {0};
        g_autoptr(GError) error = NULL;
        source_open(&source, world, i ? "image" : "raw");
        g_assert_false(device_volume_fill(device.path, false, &source.source, world->op, &error));
        g_assert_error(error, CISTERN_ERROR, ERROR_OPERATION_FAILED);
        g_assert_nonnull(strstr(error->message, "does not fit"));
    }
    assert_bytes(&device, 0, "old", 3);
    assert_bytes(&device, MIB - 512, "old", 3);
}

static void test_fill_refused(DirWorld *world, gconstpointer data)
{
    LOOP(device, .size = 4 * MIB);
    g_auto(Source) source = {0};
    g_autoptr(GError) folder = NULL, cancelled = NULL;

    put_sources(world);
    mark(&device, "old");
    source_open(&source, world, "raw");
    source.volume->type = VOLUME_DIR;
    g_assert_false(device_volume_fill(device.path, false, &source.source, world->op, &folder));
    g_assert_error(folder, CISTERN_ERROR, ERROR_OPERATION_INVALID);
    source.volume->type = VOLUME_FILE;
    operation_cancel(world->op);
    g_assert_false(device_volume_fill(device.path, false, &source.source, world->op, &cancelled));
    g_assert_error(cancelled, CISTERN_ERROR, ERROR_ABORTED);
    assert_bytes(&device, 0, "old", 3);
}

#define ADD(name, func) g_test_add("/device/" name, DirWorld, NULL, dir_setup, func, dir_teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/device/describe", test_describe);
    g_test_add_func("/device/no-device", test_no_device);
    g_test_add_func("/device/link-to-device", test_link_to_device);
    g_test_add_func("/device/await", test_await);
    g_test_add_func("/device/never-grows", test_never_grows);
    g_test_add_func("/device/claimed", test_claimed);
    g_test_add_func("/device/read-only", test_read_only);
    g_test_add_func("/device/vanished", test_vanished);
    g_test_add_func("/device/wipe", test_wipe);
    g_test_add_func("/device/wipe-cancelled", test_wipe_cancelled);
    ADD("source", test_source);
    ADD("fill", test_fill);
    ADD("fill-too-large", test_fill_too_large);
    ADD("fill-refused", test_fill_refused);
    return g_test_run();
}
