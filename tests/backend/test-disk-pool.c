/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"
#include "disk-node.h"
#include "errors.h"
#include "kernel-partition.h"
#include "label-skip.h"
#include "loop-device.h"
#include "recorder.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Disk pools on loop devices. The kernel need not read partition tables for that: it is told. */

#define MIB (G_GUINT64_CONSTANT(1) << 20)

typedef struct World {
    LoopDevice loop;
    PoolDef *pool;
    Operation *op;
    bool usable;
} World;

static PoolDef *pool_at(const char *device, const char *label)
{
    PoolDef *pool = g_new0(PoolDef, 1);

    g_atomic_ref_count_init(&pool->refs);
    pool->schema = &backend_disk.schema;
    pool->name = g_strdup("pool");
    pool->target_path = g_strdup("/dev");
    pool->permissions = PERMISSIONS_INIT;
    pool->source.devices = g_new0(PoolDevice, 1);
    pool->source.n_devices = 1;
    pool->source.devices[0].path = g_strdup(device);
    pool->source.format = format_from_name(pool->schema->source_formats, label);
    return pool;
}

static bool build(World *world, guint flags, GError **error)
{
    return backend_disk.build(world->pool, world->op, flags, error);
}

static void setup(World *world, gconstpointer label)
{
    GError *error = NULL;

    *world = (World){.op = operation_new(g_get_monotonic_time() + 100 * G_USEC_PER_SEC)};
    if (!label_is_testable(label))
        return;
    if (!loop_attach(&world->loop, &(const LoopOptions){.size = 128 * MIB}))
        return;
    world->usable = true;
    world->pool = pool_at(world->loop.path, label);
    build(world, 0, &error);
    g_assert_no_error(error);
    g_assert_true(backend_disk.start(world->pool, world->op, &error));
}

/* The kernel keeps a loop device's partitions beyond its file. */
static void forget_partitions(World *world)
{
    autodisk Disk disk = DISK_INIT;

    g_assert_true(disk_open(world->pool, DISK_READ, NULL, &disk, NULL));
    g_autoptr(GArray) known = kernel_partitions_read(disk.device);
    for (guint i = 0; i < known->len; i++)
        kernel_partition_remove(&disk, g_array_index(known, KernelPartition, i).number, NULL, NULL);
}

static void teardown(World *world, gconstpointer label)
{
    if (world->usable)
        forget_partitions(world);
    loop_detach(&world->loop);
    g_clear_pointer(&world->pool, pool_def_unref);
    operation_unref(world->op);
}

#define NEEDS_LOOP(world)                                                                          \
    if (!(world)->usable)                                                                          \
    return

/* ---- helpers ---- */

static char *name_of(const World *world, guint number)
{
    g_autofree char *base = g_path_get_basename(world->loop.path);

    return g_strdup_printf("%sp%u", base, number);
}

static VolumeDef *spec_new(const char *name, guint64 capacity, int format)
{
    VolumeDef *spec = volume_def_new();

    spec->name = g_strdup(name);
    spec->target.format = format;
    spec->capacity = spec->allocation = capacity;
    spec->has_capacity = true;
    return spec;
}

static bool create(World *world, guint number, guint64 capacity, int format, VolumeState *ret,
                   GError **error)
{
    g_autofree char *name = name_of(world, number);
    g_autoptr(VolumeDef) spec = spec_new(name, capacity, format);

    return backend_disk.volume_create(world->pool, world->op, spec, 0, ret, error);
}

static VolumeDef *make(World *world, guint number, guint64 capacity)
{
    VolumeState state = {0};
    GError *error = NULL;

    create(world, number, capacity, CONTENT_NONE, &state, &error);
    g_assert_no_error(error);
    return state.volume;
}

static VolumeDef *look(World *world, guint number)
{
    g_autofree char *name = name_of(world, number);
    VolumeState state = {0};
    g_autoptr(GError) error = NULL;

    if (!backend_disk.volume_stat(world->pool, world->op, name, &state, &error))
        g_assert_cmpint(error_code(error), ==, ERROR_NO_VOLUME);
    return state.volume;
}

static bool remove_volume(World *world, const VolumeDef *volume, GError **error)
{
    return backend_disk.volume_delete(world->pool, world->op, volume, 0, error);
}

static void scan(World *world, Recorder *recorder)
{
    GError *error = NULL;

    recorder_init(recorder);
    backend_disk.scan(world->pool, world->op, &recorder->scan, &error);
    g_assert_no_error(error);
}

static guint64 node_size(const char *path)
{
    autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
    guint64 size = 0;

    g_assert_cmpint(ioctl(fd, BLKGETSIZE64, &size), ==, 0);
    return size;
}

static void put(const VolumeDef *volume, const char *text, guint64 offset)
{
    autofd int fd = open(volume->target.path, O_RDWR | O_CLOEXEC);

    g_assert_true(fd_write_at(fd, text, strlen(text), offset));
    g_assert_cmpint(fsync(fd), ==, 0);
}

static void assert_text(const VolumeDef *volume, const char *text, guint64 offset)
{
    autofd int fd = open(volume->target.path, O_RDONLY | O_CLOEXEC);
    char got[16] = "";

    g_assert_cmpint(fd_read_at(fd, got, strlen(text), offset), ==, (gssize)strlen(text));
    g_assert_cmpstr(got, ==, text);
}

#define assert_refused(call, wanted, words)                                                        \
    do {                                                                                           \
        g_autoptr(GError) refused_ = NULL;                                                         \
        GError **refusal = &refused_;                                                              \
        g_assert_false(call);                                                                      \
        g_assert_nonnull(refused_);                                                                \
        if (!strstr(refused_->message, words))                                                     \
            g_assert_cmpstr(refused_->message, ==, words);                                         \
        g_assert_cmpint(error_code(refused_), ==, wanted);                                         \
    } while (0)

/* ---- volumes ---- */

static void test_life(World *world, gconstpointer label)
{
    GError *error = NULL;

    NEEDS_LOOP(world);
    g_autoptr(VolumeDef) one = make(world, 1, 4 * MIB);
    g_autoptr(VolumeDef) two = make(world, 2, 8 * MIB);
    g_assert_null(one->problem);
    g_assert_cmpint(one->type, ==, VOLUME_BLOCK);
    g_assert_cmpuint(one->capacity, ==, 4 * MIB);
    g_assert_cmpuint(one->allocation, ==, 4 * MIB);
    g_assert_cmpuint(one->physical, ==, 4 * MIB);
    g_assert_cmpstr(one->key, ==, one->target.path);
    g_assert_cmpuint(one->n_extents, ==, 1);
    g_assert_cmpstr(one->extents[0].device, ==, world->loop.path);
    g_assert_cmpuint(one->extents[0].start % MIB, ==, 0);
    g_assert_cmpuint(node_size(two->target.path), ==, 8 * MIB);
    g_assert_cmpuint(two->extents[0].start, ==, one->extents[0].end);

    g_auto(Recorder) recorder;
    scan(world, &recorder);
    g_assert_cmpuint(recorder_count(&recorder), ==, 2);
    g_assert_cmpuint(recorder.space.allocation, ==, 12 * MIB);
    g_assert_cmpuint(recorder.space.capacity, ==, recorder.space.available + two->extents[0].end);

    put(two, "data", 0);
    g_assert_true(remove_volume(world, one, &error));
    g_assert_cmpint(access(one->target.path, F_OK), <, 0);
    g_assert_null(look(world, 1));
    g_assert_true(remove_volume(world, one, &error)); /* gone already */
    assert_text(two, "data", 0);
    g_autoptr(VolumeDef) again = make(world, 1, 2 * MIB); /* the gap is the best fit */
    g_assert_cmpuint(again->extents[0].start, ==, one->extents[0].start);
}

/* Refused before anything is changed, and nothing is left of it. */
static void test_names(World *world, gconstpointer label)
{
    VolumeState none = {0};
    g_autofree char *expected = name_of(world, 1);
    g_autofree char *words = g_strdup_printf("expected '%s'", expected);
    g_autoptr(VolumeDef) odd = spec_new("foo", 4 * MIB, CONTENT_NONE);

    NEEDS_LOOP(world);
    assert_refused(backend_disk.volume_create(world->pool, world->op, odd, 0, &none, refusal),
                   ERROR_INVALID_ARGUMENT, words);
    assert_refused(create(world, 2, 4 * MIB, CONTENT_NONE, &none, refusal), ERROR_INVALID_ARGUMENT,
                   words);
    assert_refused(create(world, 1, 200 * MIB, CONTENT_NONE, &none, refusal), ERROR_INTERNAL,
                   "no large enough free extent");
    g_auto(Recorder) recorder;
    scan(world, &recorder);
    g_assert_cmpuint(recorder_count(&recorder), ==, 0);
    g_assert_cmpuint(recorder.space.allocation, ==, 0);
}

static bool resize(World *world, const VolumeDef *volume, guint64 capacity, GError **error)
{
    return backend_disk.volume_resize(world->pool, world->op, volume, capacity,
                                      VOLUME_RESIZE_SHRINK, error);
}

static void test_resize(World *world, gconstpointer label)
{
    GError *error = NULL;

    NEEDS_LOOP(world);
    g_autoptr(VolumeDef) one = make(world, 1, 4 * MIB);
    g_autoptr(VolumeDef) two = make(world, 2, 4 * MIB);
    g_autoptr(VolumeDef) three = make(world, 3, 4 * MIB);
    put(one, "data", MIB);
    assert_refused(resize(world, one, 5 * MIB, refusal), ERROR_OPERATION_FAILED,
                   "can have 4194304 bytes");
    g_assert_true(remove_volume(world, two, &error));
    {
        autofd int open_elsewhere = open(one->target.path, O_RDWR | O_CLOEXEC);
        g_assert_true(resize(world, one, 8 * MIB, &error)); /* growing harms nobody */
        g_assert_no_error(error);
        assert_refused(resize(world, one, 2 * MIB, refusal), ERROR_OPERATION_INVALID, "is in use");
        g_assert_cmpuint(node_size(one->target.path), ==, 8 * MIB);
    }
    assert_refused(resize(world, one, 8 * MIB + 1, refusal), ERROR_OPERATION_FAILED,
                   "can have 8388608 bytes");
    assert_text(one, "data", MIB);
    g_assert_true(resize(world, one, 2 * MIB, &error));
    g_autoptr(VolumeDef) small = look(world, 1);
    g_assert_cmpuint(small->capacity, ==, 2 * MIB);
    g_assert_cmpuint(small->extents[0].end - small->extents[0].start, ==, 2 * MIB);
    assert_text(small, "data", MIB);
    g_assert_true(resize(world, three, 9 * MIB + 1, &error)); /* rounded up */
    g_autoptr(VolumeDef) large = look(world, 3);
    g_assert_cmpuint(large->capacity, ==, 10 * MIB);
}

static void test_in_use(World *world, gconstpointer label)
{
    GError *error = NULL;

    NEEDS_LOOP(world);
    g_autoptr(VolumeDef) one = make(world, 1, 4 * MIB);
    g_autoptr(VolumeDef) two = make(world, 2, 4 * MIB);
    {
        autofd int claimed = open(one->target.path, O_RDWR | O_EXCL | O_CLOEXEC);
        assert_refused(remove_volume(world, one, refusal), ERROR_OPERATION_INVALID, "is in use");
        assert_refused(build(world, BUILD_OVERWRITE, refusal), ERROR_OPERATION_INVALID, "in use");
        assert_refused(backend_disk.erase(world->pool, world->op, 0, refusal),
                       ERROR_OPERATION_INVALID, "in use");
        g_assert_true(
            remove_volume(world, two, &error)); /* that is no reason to leave the others */
        g_autoptr(VolumeDef) other = make(world, 2, 2 * MIB);
    }
    g_autoptr(VolumeDef) still = look(world, 1);
    g_assert_null(still->problem);
    g_assert_true(remove_volume(world, one, &error));
}

static void test_stale(World *world, gconstpointer label)
{
    GError *error = NULL;
    Io *io = NULL;

    NEEDS_LOOP(world);
    g_autoptr(VolumeDef) listed = make(world, 1, 4 * MIB);
    g_autoptr(VolumeDef) two = make(world, 2, 4 * MIB);
    g_assert_true(remove_volume(world, listed, &error));
    g_autoptr(VolumeDef) large = make(world, 1, 8 * MIB); /* elsewhere, under the same name */
    put(large, "data", 0);
    assert_refused(remove_volume(world, listed, refusal), ERROR_OPERATION_INVALID,
                   "another partition now");
    assert_refused(resize(world, listed, 8 * MIB, refusal), ERROR_OPERATION_INVALID,
                   "another partition now");
    assert_refused(backend_disk.volume_wipe(world->pool, world->op, listed, WIPE_ZERO, refusal),
                   ERROR_OPERATION_INVALID, "another partition now");
    assert_refused(backend_disk.volume_open(world->pool, world->op, listed, VOLUME_WRITE, &io,
                                            refusal),
                   ERROR_OPERATION_INVALID, "another partition now");
    assert_text(large, "data", 0);
}

static void test_wipe(World *world, gconstpointer label)
{
    GError *error = NULL;

    NEEDS_LOOP(world);
    g_autoptr(VolumeDef) one = make(world, 1, 4 * MIB);
    g_autoptr(VolumeDef) two = make(world, 2, 4 * MIB);
    put(one, "data", 4 * MIB - 4);
    put(two, "next", 0);
    g_assert_true(backend_disk.volume_wipe(world->pool, world->op, one, WIPE_ZERO, &error));
    assert_text(one, "", 4 * MIB - 4);
    assert_text(two, "next", 0);
}

/* ---- clone ---- */

static bool clone_volume(World *world, guint number, const VolumeDef *from, Operation *op,
                         VolumeState *ret, GError **error)
{
    g_autofree char *name = name_of(world, number);
    g_autoptr(VolumeDef) spec = spec_new(name, from->capacity, CONTENT_NONE);
    Io *opened = NULL;

    g_assert_true(
        backend_disk.volume_open(world->pool, world->op, from, VOLUME_READ, &opened, NULL));
    g_autoptr(Io) io = opened;
    VolumeSource source = {.pool = world->pool, .volume = from, .io = io};
    return backend_disk.volume_clone(world->pool, op, spec, &source, 0, ret, error);
}

static void test_clone(World *world, gconstpointer label)
{
    g_auto(VolumeState) made = {0};
    GError *error = NULL;

    NEEDS_LOOP(world);
    g_autoptr(VolumeDef) one = make(world, 1, 4 * MIB);
    put(one, "data", 3 * MIB);
    clone_volume(world, 2, one, world->op, &made, &error);
    g_assert_no_error(error);
    assert_text(made.volume, "data", 3 * MIB);
    g_autoptr(VolumeDef) seen = look(world, 2);
    g_assert_cmpstr(seen->target.path, ==, made.volume->target.path);
    g_assert_cmpuint(seen->extents[0].start, ==, made.volume->extents[0].start);
}

static gssize broken_read(Io *io, void *buffer, gsize size, guint64 offset, GError **error)
{
    if (offset < 2 * MIB) {
        memset(buffer, 'x', size);
        return (gssize)size;
    }
    error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE, "the source broke");
    return -1;
}

static bool broken_size(Io *io, guint64 *ret, GError **error)
{
    *ret = 4 * MIB;
    return true;
}

static bool broken_data(Io *io, guint64 offset, guint64 *ret_start, guint64 *ret_end,
                        GError **error)
{
    *ret_start = offset;
    *ret_end = 4 * MIB;
    return true;
}

static void broken_close(Io *io)
{
}

static const IoOps broken_ops = {
    .read = broken_read,
    .size = broken_size,
    .next_data = broken_data,
    .close = broken_close,
};

static void test_clone_fails(World *world, gconstpointer label)
{
    VolumeState none = {0};
    GError *failure = NULL;

    NEEDS_LOOP(world);
    g_autoptr(VolumeDef) one = make(world, 1, 4 * MIB);
    g_autoptr(Operation) cancelled = operation_new(OPERATION_NO_DEADLINE);
    operation_cancel(cancelled);
    assert_refused(clone_volume(world, 2, one, cancelled, &none, refusal), ERROR_ABORTED, "");
    /* a source that can't be read breaks the copy off in the middle */
    g_autofree char *name = name_of(world, 2);
    g_autoptr(VolumeDef) spec = spec_new(name, 4 * MIB, CONTENT_NONE);
    Io io = {.ops = &broken_ops, .fd = -1};
    VolumeSource source = {.pool = world->pool, .volume = one, .io = &io};
    g_assert_false(
        backend_disk.volume_clone(world->pool, world->op, spec, &source, 0, &none, &failure));
    g_assert_nonnull(failure);
    g_error_free(failure);
    g_assert_null(look(world, 2));
    g_autofree char *node = g_build_filename("/dev", name, NULL);
    g_assert_cmpint(access(node, F_OK), <, 0);
    g_autoptr(VolumeDef) two = make(world, 2, 4 * MIB);
}

/* ---- after a crash ---- */

static void test_sweep(World *world, gconstpointer label)
{
    autodisk Disk disk = DISK_INIT;
    GError *error = NULL;

    NEEDS_LOOP(world);
    g_autoptr(VolumeDef) one = make(world, 1, 4 * MIB);
    g_autoptr(VolumeDef) two = make(world, 2, 4 * MIB);
    g_assert_true(disk_open(world->pool, DISK_READ, world->op, &disk, &error));
    /* a clone that was being filled, and a new volume the kernel wasn't told of yet */
    Partition draft = {.number = 3, .start = 64 * MIB, .end = 68 * MIB};
    g_assert_true(kernel_partition_add(&disk, &draft, world->op, &error));
    g_assert_true(kernel_partition_remove(&disk, 2, world->op, &error));
    g_autofree char *node = disk_partition_node(&disk, 3);
    g_assert_cmpint(access(node, F_OK), ==, 0);
    disk_close(&disk);

    g_auto(Recorder) before;
    scan(world, &before);
    g_assert_cmpuint(recorder_count(&before), ==, 2);
    const VolumeDef *hidden = recorder_find(&before, two->name);
    g_assert_nonnull(hidden->problem);
    g_assert_true(backend_disk.sweep(world->pool, world->op, &error));
    g_assert_no_error(error);
    g_assert_cmpint(access(node, F_OK), <, 0);
    g_autoptr(VolumeDef) shown = look(world, 2);
    g_assert_null(shown->problem);
    g_assert_cmpuint(node_size(shown->target.path), ==, 4 * MIB);
}

/* ---- dos ---- */

static void test_logical(World *world, gconstpointer label)
{
    VolumeState state = {0};
    GError *error = NULL;

    NEEDS_LOOP(world);
    g_autoptr(VolumeDef) primary = make(world, 1, 4 * MIB);
    g_autoptr(VolumeDef) second = make(world, 2, 4 * MIB);
    create(world, 3, 64 * MIB, CONTENT_EXTENDED, &state, &error);
    g_assert_no_error(error);
    g_autoptr(VolumeDef) extended = state.volume;
    g_assert_cmpuint(extended->capacity, ==, 64 * MIB);
    g_assert_cmpuint(extended->allocation, ==, 0);
    g_assert_cmpuint(extended->physical, ==, 1024);
    assert_refused(create(world, 4, 4 * MIB, CONTENT_EXTENDED, &state, refusal), ERROR_INTERNAL,
                   "extended partition already exists");
    g_autoptr(VolumeDef) fourth = make(world, 4, 4 * MIB);
    g_autoptr(VolumeDef) five = make(world, 5, 4 * MIB);
    g_autoptr(VolumeDef) six = make(world, 6, 5 * MIB);
    g_autoptr(VolumeDef) seven = make(world, 7, 6 * MIB);
    put(six, "six", 0);
    put(seven, "seven", 0);
    g_autoptr(VolumeDef) full = look(world, 3);
    g_assert_cmpuint(full->allocation, ==, 15 * MIB);

    assert_refused(remove_volume(world, extended, refusal), ERROR_OPERATION_INVALID, "logical");
    assert_refused(backend_disk.volume_wipe(world->pool, world->op, full, WIPE_ZERO, refusal),
                   ERROR_NO_SUPPORT, "cannot wipe extended partition");
    Io *io = NULL;
    assert_refused(backend_disk.volume_open(world->pool, world->op, full, VOLUME_WRITE, &io,
                                            refusal),
                   ERROR_NO_SUPPORT, "cannot write to extended partition");
    {
        /* its number would change under who has it open */
        autofd int open_elsewhere = open(seven->target.path, O_RDONLY | O_CLOEXEC);
        assert_refused(remove_volume(world, five, refusal), ERROR_OPERATION_INVALID, "partition 7");
        g_autoptr(VolumeDef) still = look(world, 5);
        g_assert_null(still->problem);
        g_autoptr(VolumeDef) and = look(world, 6);
        g_assert_null(and->problem);
    }
    g_assert_true(remove_volume(world, five, &error));
    g_autoptr(VolumeDef) new_five = look(world, 5);
    g_autoptr(VolumeDef) new_six = look(world, 6);
    g_assert_null(look(world, 7));
    g_assert_cmpuint(new_five->capacity, ==, 5 * MIB);
    assert_text(new_five, "six", 0);
    assert_text(new_six, "seven", 0);
    g_assert_true(remove_volume(world, new_six, &error));
    g_assert_true(remove_volume(world, new_five, &error));
    g_assert_true(remove_volume(world, extended, &error));
    g_assert_null(look(world, 3));
    g_assert_nonnull(primary);
}

static void test_no_extended(World *world, gconstpointer label)
{
    VolumeState none = {0};

    NEEDS_LOOP(world);
    for (guint i = 1; i <= 4; i++)
        volume_def_free(make(world, i, MIB));
    assert_refused(create(world, 5, MIB, CONTENT_NONE, &none, refusal), ERROR_INTERNAL,
                   "no extended partition found and no primary partition available");
}

/* ---- the pool ---- */

static void test_build(World *world, gconstpointer label)
{
    bool up = false;
    GError *error = NULL;

    NEEDS_LOOP(world);
    g_autoptr(VolumeDef) one = make(world, 1, 4 * MIB);
    assert_refused(build(world, 0, refusal), ERROR_POOL_BUILT, "already formatted using 'gpt'");
    assert_refused(build(world, BUILD_NO_OVERWRITE, refusal), ERROR_POOL_BUILT,
                   "already formatted");
    g_autoptr(VolumeDef) kept = look(world, 1);
    g_assert_null(kept->problem);

    world->pool->source.format = format_from_name(world->pool->schema->source_formats, "dos");
    assert_refused(build(world, 0, refusal), ERROR_POOL_BUILT, "forced overwrite is necessary");
    assert_refused(backend_disk.is_up(world->pool, world->op, &up, refusal),
                   ERROR_OPERATION_INVALID, "does not match the expected format 'dos'");
    g_assert_true(build(world, BUILD_OVERWRITE, &error));
    g_assert_true(backend_disk.is_up(world->pool, world->op, &up, &error));
    g_assert_true(up);
    g_assert_cmpint(access(one->target.path, F_OK), <, 0);
    g_assert_null(look(world, 1));

    g_assert_true(backend_disk.erase(world->pool, world->op, 0, &error));
    assert_refused(backend_disk.start(world->pool, world->op, refusal), ERROR_PROBE_FAILED,
                   "unrecognized, requires build");
    g_assert_true(build(world, 0, &error));
}

static void test_absent(World *world, gconstpointer label)
{
    g_autoptr(PoolDef) pool = pool_at("/dev/no-such-disk", "gpt");
    g_autoptr(PoolDef) other = pool_at("/dev/null", "gpt");
    g_autoptr(PoolDef) group = pool_at("/dev/null", "lvm2");
    bool up = true;
    GError *error = NULL;

    g_assert_true(backend_disk.is_up(pool, world->op, &up, &error));
    g_assert_false(up);
    assert_refused(backend_disk.start(pool, world->op, refusal), ERROR_INVALID_ARGUMENT,
                   "device path '/dev/no-such-disk' doesn't exist");
    assert_refused(backend_disk.start(other, world->op, refusal), ERROR_OPERATION_INVALID,
                   "is no block device");
    assert_refused(backend_disk.build(group, world->op, 0, refusal), ERROR_NO_SUPPORT, "lvm2");
}

/* A lock of another program is waited for, as long as the caller has time. */
static void test_locked(World *world, gconstpointer label)
{
    VolumeState none = {0};

    NEEDS_LOOP(world);
    autodisk Disk other = DISK_INIT;
    g_assert_true(disk_open(world->pool, DISK_CHANGE, world->op, &other, NULL));
    operation_unref(world->op);
    world->op = operation_new(g_get_monotonic_time() + 50 * 1000);
    assert_refused(create(world, 1, MIB, CONTENT_NONE, &none, refusal), ERROR_TIMEOUT, "");
}

/* Stable names come from udev's links; a folder that has none leaves the node. */
static void test_paths(World *world, gconstpointer label)
{
    NEEDS_LOOP(world);
    g_free(world->pool->target_path);
    world->pool->target_path = g_strdup("/dev/disk/by-nothing");
    g_autoptr(VolumeDef) one = make(world, 1, MIB);
    g_autofree char *name = name_of(world, 1);
    g_autofree char *node = g_build_filename("/dev", name, NULL);
    g_assert_cmpstr(one->target.path, ==, node);
    autodisk Disk disk = DISK_INIT;
    g_assert_true(disk_open(world->pool, DISK_READ, world->op, &disk, NULL));
    g_assert_cmpuint(disk_partition_number(&disk, name), ==, 1);
    static const char *const suffixes[] = {"", "p", "p0", "p01", "1", "px", "p-1", "p99999999"};
    g_autofree char *base = g_path_get_basename(world->loop.path);
    for (guint i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        g_autofree char *odd = g_strconcat(base, suffixes[i], NULL);
        g_assert_cmpuint(disk_partition_number(&disk, odd), ==, 0);
    }
}

/* Before anything is made. */
static void test_encrypted(World *world, gconstpointer label)
{
    g_autofree char *name = NULL;
    VolumeState none = {0};
    Io *opened = NULL;

    NEEDS_LOOP(world);
    g_autoptr(VolumeDef) from = make(world, 1, 4 * MIB);
    name = name_of(world, 2);
    g_autoptr(VolumeDef) spec = spec_new(name, 4 * MIB, CONTENT_NONE);
    spec->target.encryption.format = ENCRYPTION_LUKS;
    assert_refused(backend_disk.volume_create(world->pool, world->op, spec, 0, &none, refusal),
                   ERROR_CONFIG_UNSUPPORTED, "create a plain one and encrypt it in the machine");
    g_assert_true(
        backend_disk.volume_open(world->pool, world->op, from, VOLUME_READ, &opened, NULL));
    g_autoptr(Io) io = opened;
    const VolumeSource source = {.pool = world->pool, .volume = from, .io = io};
    assert_refused(backend_disk.volume_clone(world->pool, world->op, spec, &source, 0, &none,
                                             refusal),
                   ERROR_CONFIG_UNSUPPORTED, "create a plain one and encrypt it in the machine");
    g_assert_null(look(world, 2));
}

#define ADD(path, label, function)                                                                 \
    g_test_add("/disk-pool/" path, World, label, setup, function, teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("life/gpt", "gpt", test_life);
    ADD("life/dos", "dos", test_life);
    ADD("life/sun", "sun", test_life);
    ADD("life/dvh", "dvh", test_life);
    if (label_has_tests("bsd"))
        ADD("life/bsd", "bsd", test_life);
    ADD("names", "gpt", test_names);
    ADD("encrypted", "gpt", test_encrypted);
    ADD("resize/gpt", "gpt", test_resize);
    ADD("resize/dos", "dos", test_resize);
    ADD("in-use", "gpt", test_in_use);
    ADD("stale", "gpt", test_stale);
    ADD("wipe", "gpt", test_wipe);
    ADD("clone/gpt", "gpt", test_clone);
    ADD("clone/dos", "dos", test_clone);
    ADD("clone-fails", "gpt", test_clone_fails);
    ADD("sweep", "gpt", test_sweep);
    ADD("logical", "dos", test_logical);
    ADD("no-extended", "dos", test_no_extended);
    ADD("build", "gpt", test_build);
    ADD("absent", "gpt", test_absent);
    ADD("locked", "gpt", test_locked);
    ADD("paths", "gpt", test_paths);
    return g_test_run();
}
