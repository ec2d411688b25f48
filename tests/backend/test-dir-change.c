/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dir-fixture.h"

#include "errors.h"
#include "image-format.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Resizing, wiping, deleting and opening volumes of a folder. */

#define MIB (G_GUINT64_CONSTANT(1) << 20)

static struct stat stat_of(const DirWorld *world, const char *name)
{
    struct stat st;

    g_assert_cmpint(fstatat(world->fd, name, &st, AT_SYMLINK_NOFOLLOW), ==, 0);
    return st;
}

static guint64 size_of(const DirWorld *world, const char *name)
{
    return (guint64)stat_of(world, name).st_size;
}

static bool resize(const DirWorld *world, const VolumeDef *volume, guint64 capacity, guint flags,
                   GError **error)
{
    return world->backend->volume_resize(world->pool, world->op, volume, capacity, flags, error);
}

static void test_resize_raw(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) volume = dir_create_plain(world, "v", IMAGE_FORMAT_RAW, MIB);
    GError *error = NULL;

    g_assert_true(resize(world, volume, 8 * MIB, 0, &error));
    g_assert_cmpuint(size_of(world, "v"), ==, 8 * MIB);
    g_assert_cmpuint(stat_of(world, "v").st_blocks, ==, 0);
    g_assert_true(resize(world, volume, 10 * MIB, VOLUME_RESIZE_ALLOCATE, &error));
    g_assert_cmpuint(size_of(world, "v"), ==, 10 * MIB);
    /* All of it, not just what it grew by. */
    g_assert_cmpuint(stat_of(world, "v").st_blocks * 512, >=, 10 * MIB);
    g_assert_true(resize(world, volume, 12345, VOLUME_RESIZE_SHRINK, &error));
    g_assert_cmpuint(size_of(world, "v"), ==, 12345);
}

static void test_resize_no_space(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) volume = dir_create_plain(world, "v", IMAGE_FORMAT_RAW, MIB);
    g_autoptr(GError) error = NULL;

    g_assert_false(
        resize(world, volume, G_GUINT64_CONSTANT(1) << 50, VOLUME_RESIZE_ALLOCATE, &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_OPERATION_FAILED);
    g_assert_cmpuint(size_of(world, "v"), ==, MIB);
}

static void test_resize_images(DirWorld *world, gconstpointer data)
{
    static const int formats[] = {IMAGE_FORMAT_QCOW2, IMAGE_FORMAT_QED};
    g_autoptr(GError) refused = NULL;
    GError *error = NULL;

    if (!dir_needs("qemu-img"))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_autofree char *name = g_strdup_printf("v%u", i);
        g_autoptr(VolumeDef) volume = dir_create_plain(world, name, formats[i], 4 * MIB);
        resize(world, volume, 16 * MIB, 0, &error);
        g_assert_no_error(error);
        g_autoptr(VolumeDef) after = dir_stat(world, name);
        g_assert_cmpuint(after->capacity, ==, 16 * MIB);
    }
    g_autoptr(VolumeDef) image = dir_stat(world, "v0");
    g_assert_false(resize(world, image, 32 * MIB, VOLUME_RESIZE_ALLOCATE, &refused));
    g_assert_error(refused, CISTERN_ERROR, ERROR_OPERATION_UNSUPPORTED);
    g_assert_cmpstr(error_detail(refused), ==, "preallocate is only supported for raw type volume");
    g_assert_true(resize(world, image, 2 * MIB, VOLUME_RESIZE_SHRINK, &error));
    g_autoptr(VolumeDef) smaller = dir_stat(world, "v0");
    g_assert_cmpuint(smaller->capacity, ==, 2 * MIB);
}

/* An overlay whose header names its base without a folder. */
static void test_resize_relative_overlay(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) base = dir_create_plain(world, "ba\"se, \\1", IMAGE_FORMAT_RAW, MIB);
    g_autoptr(VolumeDef) spec = dir_spec("overlay", IMAGE_FORMAT_QCOW2, 2 * MIB);
    GError *error = NULL;

    if (!dir_needs("qemu-img"))
        return;
    spec->has_backing = true;
    spec->backing.path = g_strdup(base->name);
    spec->backing.format = IMAGE_FORMAT_RAW;
    g_autoptr(VolumeDef) overlay = dir_create(world, spec, 0);
    resize(world, overlay, 8 * MIB, 0, &error);
    g_assert_no_error(error);
    g_autoptr(VolumeDef) after = dir_stat(world, "overlay");
    g_assert_cmpuint(after->capacity, ==, 8 * MIB);
    g_assert_cmpstr(after->backing.path, ==, base->target.path);
}

static void fill(const DirWorld *world, const char *name, guint64 size)
{
    autofd int fd = openat(world->fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    g_autofree char *bytes = g_strnfill(size, 'x');

    g_assert_true(fd_write_at(fd, bytes, size, 0));
}

static void assert_zero(const DirWorld *world, const char *name, guint64 size)
{
    gsize got;
    g_autofree char *bytes = fd_read_file_at(world->fd, name, 64 * MIB, &got);

    g_assert_nonnull(bytes);
    g_assert_cmpuint(got, ==, size);
    for (gsize i = 0; i < got; i++)
        if (bytes[i])
            g_error("byte %" G_GSIZE_FORMAT " is left", i);
}

static void wipe(const DirWorld *world, const char *name, WipeAlgorithm algorithm)
{
    g_autoptr(VolumeDef) volume = dir_stat(world, name);
    GError *error = NULL;

    world->backend->volume_wipe(world->pool, world->op, volume, algorithm, &error);
    g_assert_no_error(error);
}

static void test_wipe_zero(DirWorld *world, gconstpointer data)
{
    guint64 done, total;

    fill(world, "full", 2 * MIB + 100);
    guint64 blocks = (guint64)stat_of(world, "full").st_blocks;
    wipe(world, "full", WIPE_ZERO);
    assert_zero(world, "full", 2 * MIB + 100);
    g_assert_cmpuint(stat_of(world, "full").st_blocks, ==, blocks);
    operation_get_progress(world->op, &done, &total);
    g_assert_cmpuint(done, ==, 2 * MIB + 100);
    g_assert_cmpuint(total, ==, done);

    dir_put(world, "sparse", "secret", 5 * MIB);
    wipe(world, "sparse", WIPE_ZERO);
    assert_zero(world, "sparse", 5 * MIB);
    g_assert_cmpuint(stat_of(world, "sparse").st_blocks, ==, 0);
    dir_put(world, "empty", "", 0);
    wipe(world, "empty", WIPE_ZERO);
    wipe(world, "empty", WIPE_TRIM);
}

static void test_wipe_trim(DirWorld *world, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    fill(world, "full", MIB);
    g_autoptr(VolumeDef) volume = dir_stat(world, "full");
    if (!world->backend->volume_wipe(world->pool, world->op, volume, WIPE_TRIM, &error)) {
        g_assert_error(error, CISTERN_ERROR, ERROR_OPERATION_UNSUPPORTED);
        return;
    }
    assert_zero(world, "full", MIB);
    g_assert_cmpuint(stat_of(world, "full").st_blocks, ==, 0);
}

/* Records what would be run. */
static bool record(Operation *op, const Command *command, CommandResult *ret, void *data,
                   GError **error)
{
    g_autofree char *line = g_strjoinv(" ", (char **)command->argv);
    GString *lines = data;

    g_string_append_printf(lines, "%s\n", line);
    g_assert_cmpuint(command->n_pass_fds, ==, 1);
    *ret = (CommandResult){.output = g_strdup(""), .errors = g_strdup("")};
    return true;
}

static void test_wipe_scrub_commands(DirWorld *world, gconstpointer data)
{
    g_autoptr(GString) lines = g_string_new(NULL);

    fill(world, "-v", 1000);
    operation_set_runner(world->op, record, lines);
    for (WipeAlgorithm i = WIPE_NNSA; i <= WIPE_RANDOM; i++) {
        g_autofree char *pattern =
            g_strdup_printf("scrub -f -p %s /proc/self/fd/*\n", wipe_algorithm_name(i));
        g_string_truncate(lines, 0);
        wipe(world, "-v", i);
        g_assert_true(g_pattern_match_simple(pattern, lines->str));
    }
}

static void test_wipe_scrub(DirWorld *world, gconstpointer data)
{
    gsize size;

    if (!dir_needs("scrub"))
        return;
    fill(world, "v", 10000);
    wipe(world, "v", WIPE_RANDOM);
    g_autofree char *bytes = fd_read_file_at(world->fd, "v", MIB, &size);
    g_assert_cmpuint(size, ==, 10000); /* not filled up to a block */
    g_autofree char *before = g_strnfill(10000, 'x');
    g_assert_cmpint(memcmp(bytes + 5000, before, 1000), !=, 0);
}

static void refuse_wipe(const DirWorld *world, const char *name, int code, const char *pattern)
{
    g_autoptr(VolumeDef) volume = dir_spec(name, IMAGE_FORMAT_RAW, 0);
    g_autoptr(GError) error = NULL;

    g_assert_false(world->backend->volume_wipe(world->pool, world->op, volume, WIPE_ZERO, &error));
    g_assert_error(error, CISTERN_ERROR, code);
    g_assert_true(g_pattern_match_simple(pattern, error_detail(error)));
}

static void refuse_open(const DirWorld *world, const char *name, VolumeAccess access, int code,
                        const char *pattern)
{
    g_autoptr(VolumeDef) volume = dir_spec(name, IMAGE_FORMAT_RAW, 0);
    g_autoptr(GError) error = NULL;
    Io *io = NULL;

    g_assert_false(
        world->backend->volume_open(world->pool, world->op, volume, access, &io, &error));
    g_assert_error(error, CISTERN_ERROR, code);
    g_assert_null(io);
    g_assert_true(g_pattern_match_simple(pattern, error_detail(error)));
}

static void test_refused(DirWorld *world, gconstpointer data)
{
    g_autofree char *outside = g_strconcat(world->pool->target_path, ".secret", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(outside, "secret", 6, NULL));
    g_assert_cmpint(mkdirat(world->fd, "folder", 0700), ==, 0);
    g_assert_cmpint(mkfifoat(world->fd, "fifo", 0600), ==, 0);
    g_assert_cmpint(symlinkat(outside, world->fd, "out"), ==, 0);
    dir_put(world, "file", "text", 4);
    g_assert_cmpint(symlinkat("file", world->fd, "in"), ==, 0);
    for (VolumeAccess access = VOLUME_READ; access <= VOLUME_WRITE; access++) {
        refuse_open(world, "folder", access, ERROR_SYSTEM,
                    "Failed to open storage volume with path '*/folder': Is a directory");
        refuse_open(world, "fifo", access, ERROR_INTERNAL, "unexpected storage mode for '*/fifo'");
        refuse_open(world, "none", access, ERROR_NO_VOLUME,
                    "no storage vol with matching path '*/none'");
        refuse_open(world, "out", access, ERROR_OPERATION_UNSUPPORTED, "'*/out' is a link: *");
        refuse_open(world, "../pool.secret", access, ERROR_OPERATION_INVALID, "*");
    }
    refuse_open(world, "in", VOLUME_WRITE, ERROR_OPERATION_UNSUPPORTED, "'*/in' is a link: *");
    g_autoptr(VolumeDef) in = dir_stat(world, "in");
    g_autoptr(Io) io = NULL;
    g_assert_true(world->backend->volume_open(world->pool, world->op, in, VOLUME_READ, &io, NULL));
    refuse_wipe(world, "folder", ERROR_SYSTEM, "*: Is a directory");
    refuse_wipe(world, "out", ERROR_OPERATION_UNSUPPORTED, "* is a link: *");
    refuse_wipe(world, "none", ERROR_NO_VOLUME, "*");
    g_autoptr(VolumeDef) out = dir_spec("out", IMAGE_FORMAT_RAW, 0);
    g_assert_false(resize(world, out, 0, VOLUME_RESIZE_SHRINK, &error));
    /* Deleting a link removes the link. */
    g_assert_true(world->backend->volume_delete(world->pool, world->op, out, 0, NULL));
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(outside, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "secret");
}

static void test_delete(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) volume = dir_create_plain(world, "v", IMAGE_FORMAT_RAW, MIB);
    g_autoptr(GError) error = NULL;
    GError *none = NULL;

    g_assert_false(world->backend->volume_delete(world->pool, world->op, volume,
                                                 VOLUME_DELETE_ZEROED, &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_INVALID_ARGUMENT);
    g_assert_true(world->backend->volume_delete(world->pool, world->op, volume, 0, &none));
    g_assert_true(world->backend->volume_delete(world->pool, world->op, volume, 0, &none));
    /* A folder in the place of the file stays. */
    g_assert_cmpint(mkdirat(world->fd, "v", 0700), ==, 0);
    g_autoptr(GError) folder = NULL;
    g_assert_false(world->backend->volume_delete(world->pool, world->op, volume, 0, &folder));
    g_assert_true(g_str_has_prefix(folder->message, "cannot unlink file '"));
}

static void test_wipe_cancelled(DirWorld *world, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    fill(world, "v", 4 * MIB);
    g_autoptr(VolumeDef) volume = dir_stat(world, "v");
    operation_cancel(world->op);
    g_assert_false(world->backend->volume_wipe(world->pool, world->op, volume, WIPE_ZERO, &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_ABORTED);
    g_assert_cmpuint(size_of(world, "v"), ==, 4 * MIB);
}

#define ADD(name, function)                                                                        \
    g_test_add("/dir/change/" name, DirWorld, NULL, dir_setup, function, dir_teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("resize-raw", test_resize_raw);
    ADD("resize-no-space", test_resize_no_space);
    ADD("resize-images", test_resize_images);
    ADD("resize-relative-overlay", test_resize_relative_overlay);
    ADD("wipe-zero", test_wipe_zero);
    ADD("wipe-trim", test_wipe_trim);
    ADD("wipe-scrub-commands", test_wipe_scrub_commands);
    ADD("wipe-scrub", test_wipe_scrub);
    ADD("wipe-cancelled", test_wipe_cancelled);
    ADD("refused", test_refused);
    ADD("delete", test_delete);
    return g_test_run();
}
