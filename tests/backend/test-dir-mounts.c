/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dir-fixture.h"

#include "errors.h"
#include "image-format.h"

#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * What depends on the file system: shared blocks, no-copy-on-write, a full
 * disk. Each test mounts a file system of its own in a mount namespace of this
 * process; without the means for that it is skipped.
 */
#define MIB        (G_GUINT64_CONSTANT(1) << 20)
#define IMAGE_SIZE (400 * MIB)

typedef struct Mount {
    DirWorld world; /* its pool is a folder of the mounted file system */
    char *scratch, *device, *image;
    bool ready;
} Mount;

static char *run_or_null(const char *const *argv)
{
    Command command = {.argv = argv};
    g_auto(CommandResult) result = {0};

    return command_run_ok(NULL, &command, &result, NULL)
               ? g_strchomp(g_steal_pointer(&result.output))
               : NULL;
}

static bool runs(const char *const *argv)
{
    g_autofree char *output = run_or_null(argv);

    return output != NULL;
}

static bool make_image(Mount *self)
{
    autofd int fd = open(self->image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    return fd >= 0 && ftruncate(fd, IMAGE_SIZE) == 0;
}

/* Nobody else sees what is mounted, and it goes with the process. */
static bool mount_here(const Mount *self, const char *type)
{
    static bool has_namespace;

    if (!has_namespace &&
        (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
        return false;
    has_namespace = true;
    return mount(self->device, self->scratch, type, 0, NULL) == 0;
}

static bool mount_loop(Mount *self, const char *type)
{
    g_autofree char *mkfs = g_strconcat("mkfs.", type, NULL);
    const char *quiet = g_str_equal(type, "ext4") ? "-F" : "-f";

    if (!make_image(self) || !runs((const char *[]){mkfs, "-q", quiet, self->image, NULL}))
        return false;
    self->device = run_or_null((const char *[]){"losetup", "--find", "--show", self->image, NULL});
    return self->device && mount_here(self, type);
}

static void setup(Mount *self, gconstpointer type)
{
    g_autofree char *folder = NULL;

    *self = (Mount){.scratch = g_dir_make_tmp("backend-XXXXXX", NULL)};
    self->image = g_strconcat(self->scratch, ".img", NULL);
    self->ready = mount_loop(self, type);
    folder = g_build_filename(self->scratch, "pool", NULL);
    self->world = (DirWorld){
        .backend = dir_backend(),
        .pool = dir_pool_at(folder),
        .op = operation_new(OPERATION_NO_DEADLINE),
        .fd = -1,
    };
    if (!self->ready)
        g_test_skip("no file system can be mounted here");
}

static void teardown(Mount *self, gconstpointer type)
{
    fd_close(&self->world.fd);
    operation_unref(self->world.op);
    pool_def_unref(self->world.pool);
    if (self->ready)
        g_assert_cmpint(umount2(self->scratch, MNT_DETACH), ==, 0);
    if (self->device)
        g_assert_true(runs((const char *[]){"losetup", "-d", self->device, NULL}));
    (void)unlink(self->image);
    g_assert_cmpint(rmdir(self->scratch), ==, 0);
    g_free(self->image);
    g_free(self->device);
    g_free(self->scratch);
}

static void build(Mount *self)
{
    DirWorld *world = &self->world;
    GError *error = NULL;

    world->backend->build(world->pool, world->op, 0, &error);
    g_assert_no_error(error);
    world->fd = fd_open_folder(world->pool->target_path);
    g_assert_cmpint(world->fd, >=, 0);
}

static int attributes(const DirWorld *world, const char *name)
{
    autofd int fd = openat(world->fd, name, O_RDONLY | O_CLOEXEC);
    int flags = 0;

    g_assert_cmpint(ioctl(fd, FS_IOC_GETFLAGS, &flags), ==, 0);
    return flags;
}

/* True when the file's first data is on blocks that another file has too. */
static bool is_shared(const DirWorld *world, const char *name)
{
    autofd int fd = openat(world->fd, name, O_RDONLY | O_CLOEXEC);
    g_autofree struct fiemap *map = g_malloc0(sizeof *map + sizeof(struct fiemap_extent));

    map->fm_length = FIEMAP_MAX_OFFSET;
    map->fm_flags = FIEMAP_FLAG_SYNC;
    map->fm_extent_count = 1;
    g_assert_cmpint(ioctl(fd, FS_IOC_FIEMAP, map), ==, 0);
    return map->fm_mapped_extents > 0 && (map->fm_extents[0].fe_flags & FIEMAP_EXTENT_SHARED);
}

static void fill(const DirWorld *world, const char *name, guint64 size)
{
    autofd int fd = openat(world->fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    g_autofree char *bytes = g_strnfill(size, 'x');

    g_assert_true(fd_write_at(fd, bytes, size, 0));
    g_assert_cmpint(fsync(fd), ==, 0);
}

static VolumeDef *clone_ok(const DirWorld *world, const char *source, const char *name, int format,
                           guint64 capacity, guint64 allocation, guint flags)
{
    g_autoptr(VolumeDef) from = dir_stat(world, source);
    g_autoptr(VolumeDef) spec = dir_spec(name, format, capacity);
    GError *error = NULL;

    spec->allocation = allocation;
    VolumeDef *made = dir_clone(world, from, spec, flags, &error);
    g_assert_no_error(error);
    return made;
}

static void clone_shared(const DirWorld *world, const char *source, const char *name,
                         guint64 capacity, guint flags)
{
    g_autoptr(VolumeDef) made = clone_ok(world, source, name, IMAGE_FORMAT_RAW, capacity, 0, flags);

    g_assert_true(is_shared(world, made->name));
}

static void test_reflink(Mount *self, gconstpointer type)
{
    DirWorld *world = &self->world;

    if (!self->ready)
        return;
    build(self);
    fill(world, "source", 4 * MIB + 777); /* ends inside a block */
    clone_shared(world, "source", "asked", 0, VOLUME_CREATE_REFLINK);
    clone_shared(world, "source", "unasked", 0, 0);
    clone_shared(world, "source", "larger", 20 * MIB, VOLUME_CREATE_REFLINK);
    /* All space was asked for: nothing is shared then. */
    g_autoptr(VolumeDef) full =
        clone_ok(world, "source", "full", IMAGE_FORMAT_RAW, 8 * MIB, 8 * MIB, 0);
    g_assert_cmpuint(full->allocation, >=, 8 * MIB);

    g_autofree char *a = fd_read_file_at(world->fd, "source", 64 * MIB, NULL);
    gsize size;
    g_autofree char *b = fd_read_file_at(world->fd, "larger", 64 * MIB, &size);
    g_assert_cmpuint(size, ==, 20 * MIB);
    g_assert_true(memcmp(a, b, 4 * MIB + 777) == 0);
    g_assert_cmpint(b[4 * MIB + 777], ==, 0);

    dir_make(world, "image", IMAGE_FORMAT_QCOW2, 64 * MIB);
    g_autoptr(VolumeDef) copy =
        clone_ok(world, "image", "image2", IMAGE_FORMAT_QCOW2, 64 * MIB, 0, VOLUME_CREATE_REFLINK);
    g_assert_cmpint(copy->target.format, ==, IMAGE_FORMAT_QCOW2);
}

static void test_reflink_impossible(Mount *self, gconstpointer type)
{
    DirWorld *world = &self->world;
    g_autoptr(VolumeDef) spec = dir_spec("copy", IMAGE_FORMAT_RAW, 0);
    g_autoptr(GError) error = NULL;

    if (!self->ready)
        return;
    build(self);
    fill(world, "source", MIB);
    g_autoptr(VolumeDef) source = dir_stat(world, "source");
    g_autofree char *message = g_strdup_printf("failed to clone files from '%s': %s",
                                               source->target.path, g_strerror(EOPNOTSUPP));
    g_assert_null(dir_clone(world, source, spec, VOLUME_CREATE_REFLINK, &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_SYSTEM);
    g_assert_cmpstr(error->message, ==, message);
    g_assert_cmpuint(dir_count(world), ==, 1);
    g_autoptr(VolumeDef) copied = dir_clone(world, source, spec, 0, NULL);
    g_assert_cmpuint(copied->capacity, ==, MIB);
}

static void test_nocow(Mount *self, gconstpointer type)
{
    DirWorld *world = &self->world;
    g_autoptr(VolumeDef) spec = dir_spec("nocow", IMAGE_FORMAT_RAW, MIB);

    if (!self->ready)
        return;
    world->pool->cow = TRI_YES;
    build(self);
    g_assert_false(attributes(world, ".") & FS_NOCOW_FL);
    dir_make(world, "cow", IMAGE_FORMAT_RAW, MIB);
    g_assert_false(attributes(world, "cow") & FS_NOCOW_FL);
    spec->target.nocow = true;
    volume_def_free(dir_create(world, spec, 0));
    g_assert_true(attributes(world, "nocow") & FS_NOCOW_FL);
    fd_close(&world->fd);
    world->pool->cow = TRI_UNSET; /* written in place unless told otherwise */
    build(self);
    g_assert_true(attributes(world, ".") & FS_NOCOW_FL);
    /* The clone of a file that is copied on write still shares its blocks. */
    fill(world, "cow", 4 * MIB);
    clone_shared(world, "cow", "shared", 0, VOLUME_CREATE_REFLINK);
    dir_make(world, "inherits", IMAGE_FORMAT_RAW, MIB);
    g_assert_true(attributes(world, "inherits") & FS_NOCOW_FL);
}

/* The disk fills up in the middle of it: an error that says so, and nothing left. */
static void test_full(Mount *self, gconstpointer type)
{
    DirWorld *world = &self->world;
    g_autoptr(VolumeDef) spec = dir_spec("copy", IMAGE_FORMAT_RAW, 0);
    g_autoptr(VolumeDef) raw = dir_spec("raw", IMAGE_FORMAT_RAW, IMAGE_SIZE);
    g_autoptr(GError) error = NULL;

    if (!self->ready)
        return;
    build(self);
    fill(world, "source", 220 * MIB);
    g_autoptr(VolumeDef) source = dir_stat(world, "source");
    g_assert_null(dir_clone(world, source, spec, 0, &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_SYSTEM);
    g_assert_cmpint(error_errno(error), ==, ENOSPC);
    g_assert_cmpuint(dir_count(world), ==, 1);
    raw->allocation = IMAGE_SIZE;
    dir_refuse(world, raw, 0, ERROR_OPERATION_FAILED, "Not enough space left in storage pool: *");
}

#define ADD(name, type, function)                                                                  \
    g_test_add("/dir/mounts/" type "/" name, Mount, type, setup, function, teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("reflink", "xfs", test_reflink);
    ADD("reflink", "btrfs", test_reflink);
    ADD("reflink-impossible", "ext4", test_reflink_impossible);
    ADD("nocow", "btrfs", test_nocow);
    ADD("full", "ext4", test_full);
    return g_test_run();
}
