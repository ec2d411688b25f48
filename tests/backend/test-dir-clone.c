/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dir-fixture.h"

#include "errors.h"
#include "image-format.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Copies of volumes, within a folder and from elsewhere. */

#define MIB (G_GUINT64_CONSTANT(1) << 20)

static VolumeDef *clone_ok(const DirWorld *world, const VolumeDef *source, const VolumeDef *spec,
                           guint flags)
{
    GError *error = NULL;
    VolumeDef *made = dir_clone(world, source, spec, flags, &error);

    g_assert_no_error(error);
    return made;
}

static void clone_refused(const DirWorld *world, const VolumeDef *source, const VolumeDef *spec,
                          guint flags, int code, const char *pattern)
{
    guint before = dir_count(world);
    g_autoptr(GError) error = NULL;

    g_assert_null(dir_clone(world, source, spec, flags, &error));
    g_assert_error(error, CISTERN_ERROR, code);
    g_assert_true(g_pattern_match_simple(pattern, error_detail(error)) ||
                  (g_test_message("got: %s", error->message), false));
    g_assert_cmpuint(dir_count(world), ==, before);
}

/* Data here and there, and a tail that is no whole block. */
static VolumeDef *put_source(const DirWorld *world, const char *name)
{
    dir_put(world, name, "start", 8 * MIB + 1234);
    autofd int fd = openat(world->fd, name, O_RDWR | O_CLOEXEC);
    g_assert_true(fd_write_at(fd, "middle", 6, 5 * MIB - 3));
    g_assert_true(fd_write_at(fd, "end", 3, 8 * MIB + 1231));
    return dir_stat(world, name);
}

static void assert_same(const DirWorld *world, const char *a, const char *b)
{
    gsize size_a, size_b;
    g_autofree char *bytes_a = fd_read_file_at(world->fd, a, 64 * MIB, &size_a);
    g_autofree char *bytes_b = fd_read_file_at(world->fd, b, 64 * MIB, &size_b);

    g_assert_nonnull(bytes_a);
    g_assert_nonnull(bytes_b);
    g_assert_cmpuint(size_b, >=, size_a);
    g_assert_true(memcmp(bytes_a, bytes_b, size_a) == 0);
    for (gsize i = size_a; i < size_b; i++)
        g_assert_cmpint(bytes_b[i], ==, 0);
}

static void assert_same_content(const DirWorld *world, const VolumeDef *a, const VolumeDef *b)
{
    g_autofree char *output = dir_run((
        const char *[]){"qemu-img", "compare", "-f", image_format_name(a->target.format), "-F",
                        image_format_name(b->target.format), a->target.path, b->target.path, NULL});

    g_assert_nonnull(strstr(output, "identical"));
}

static void test_raw(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) source = put_source(world, "source");
    g_autoptr(VolumeDef) spec = dir_spec("copy", IMAGE_FORMAT_RAW, 0);
    guint64 done, total;

    g_autoptr(VolumeDef) copy = clone_ok(world, source, spec, 0);
    g_assert_cmpuint(copy->capacity, ==, source->capacity);
    g_assert_cmpuint(copy->allocation, <, MIB);
    assert_same(world, "source", "copy");
    operation_get_progress(world->op, &done, &total);
    g_assert_cmpuint(done, ==, source->capacity);
    g_assert_cmpuint(total, ==, source->capacity);
}

static void test_raw_larger(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) source = put_source(world, "source");
    g_autoptr(VolumeDef) spec = dir_spec("copy", IMAGE_FORMAT_RAW, 20 * MIB);
    g_autoptr(VolumeDef) full = dir_spec("full", IMAGE_FORMAT_RAW, 10 * MIB);

    spec->target.permissions.mode = 0640;
    g_autoptr(VolumeDef) copy = clone_ok(world, source, spec, 0);
    g_assert_cmpuint(copy->capacity, ==, 20 * MIB);
    g_assert_cmpuint(copy->target.permissions.mode, ==, 0640);
    assert_same(world, "source", "copy");
    full->allocation = 10 * MIB;
    g_autoptr(VolumeDef) allocated = clone_ok(world, source, full, 0);
    g_assert_cmpuint(allocated->allocation, >=, 10 * MIB);
    assert_same(world, "source", "full");
}

/* A source without a descriptor, as librbd's: bytes in memory, some reads short. */
typedef struct Memory {
    Io io;
    const char *bytes;
    guint64 size;
    guint64 fail_at; /* reads beyond fail; 0 = none do */
    Operation *cancel;
} Memory;

static gssize memory_read(Io *io, void *buffer, gsize size, guint64 offset, GError **error)
{
    const Memory *memory = (const Memory *)io;

    if (memory->cancel)
        operation_cancel(memory->cancel);
    if (memory->fail_at && offset >= memory->fail_at) {
        error_set(error, ERROR_SYSTEM, ORIGIN_STORAGE, "Input/output error");
        return -1;
    }
    size = MIN(size, 100 * 1024 + 7);
    if (offset >= memory->size)
        return 0;
    size = MIN(size, memory->size - offset);
    memcpy(buffer, memory->bytes + offset, size);
    return (gssize)size;
}

static bool memory_next_data(Io *io, guint64 offset, guint64 *ret_start, guint64 *ret_end,
                             GError **error)
{
    *ret_start = offset;
    *ret_end = ((const Memory *)io)->size;
    return true;
}

static bool memory_size(Io *io, guint64 *ret, GError **error)
{
    *ret = ((const Memory *)io)->size;
    return true;
}

static void memory_close(Io *io)
{
}

static const IoOps memory_ops = {
    .read = memory_read,
    .next_data = memory_next_data,
    .size = memory_size,
    .close = memory_close,
};

static bool clone_memory(DirWorld *world, Memory *memory, int format, const VolumeDef *spec,
                         VolumeState *ret, GError **error)
{
    g_autoptr(VolumeDef) volume = dir_spec("far", format, memory->size);
    VolumeSource source = {.pool = world->pool, .volume = volume, .io = &memory->io};

    volume->target.path = g_strdup("pool/far");
    memory->io = (Io){.ops = &memory_ops, .fd = -1};
    return world->backend->volume_clone(world->pool, world->op, spec, &source, 0, ret, error);
}

static void test_without_descriptor(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) spec = dir_spec("copy", IMAGE_FORMAT_RAW, 0);
    g_autoptr(VolumeDef) image_spec = dir_spec("image", IMAGE_FORMAT_QCOW2, 0);
    g_auto(VolumeState) copy = {0}, image = {0};
    GError *error = NULL;
    gsize size;

    volume_def_free(put_source(world, "source"));
    g_autofree char *bytes = fd_read_file_at(world->fd, "source", 64 * MIB, &size);
    Memory memory = {.bytes = bytes, .size = size};

    clone_memory(world, &memory, IMAGE_FORMAT_RAW, spec, &copy, &error);
    g_assert_no_error(error);
    assert_same(world, "source", "copy");
    g_assert_cmpuint(copy.volume->allocation, <, MIB); /* zeros were left out */
    if (!dir_needs("qemu-img"))
        return;
    clone_memory(world, &memory, IMAGE_FORMAT_RAW, image_spec, &image, &error);
    g_assert_no_error(error);
    assert_same_content(world, copy.volume, image.volume);
    g_assert_cmpuint(dir_count(world), ==, 3);
}

static void test_source_fails(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) spec = dir_spec("copy", IMAGE_FORMAT_RAW, 0);
    g_autofree char *bytes = g_strnfill(4 * MIB, 'x');
    Memory broken = {.bytes = bytes, .size = 4 * MIB, .fail_at = 2 * MIB};
    Memory slow = {.bytes = bytes, .size = 4 * MIB, .cancel = world->op};
    g_autoptr(GError) failed = NULL, cancelled = NULL;
    VolumeState state = {0};

    g_assert_false(clone_memory(world, &broken, IMAGE_FORMAT_RAW, spec, &state, &failed));
    g_assert_error(failed, CISTERN_ERROR, ERROR_SYSTEM);
    g_assert_cmpuint(dir_count(world), ==, 0);
    g_assert_false(clone_memory(world, &slow, IMAGE_FORMAT_RAW, spec, &state, &cancelled));
    g_assert_error(cancelled, CISTERN_ERROR, ERROR_ABORTED);
    g_assert_cmpuint(dir_count(world), ==, 0);
}

static void test_conversions(DirWorld *world, gconstpointer data)
{
    static const int formats[] = {IMAGE_FORMAT_QCOW2, IMAGE_FORMAT_RAW,  IMAGE_FORMAT_QED,
                                  IMAGE_FORMAT_QCOW2, IMAGE_FORMAT_VMDK, IMAGE_FORMAT_VMDK,
                                  IMAGE_FORMAT_VDI,   IMAGE_FORMAT_QCOW2};
    g_autoptr(VolumeDef) before = NULL;

    if (!dir_needs("qemu-img"))
        return;
    dir_put(world, "first", "content", 4 * MIB);
    before = dir_stat(world, "first");
    for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_autofree char *name = g_strdup_printf("v%u", i);
        g_autoptr(VolumeDef) spec = dir_spec(name, formats[i], 4 * MIB);
        g_autoptr(VolumeDef) after = clone_ok(world, before, spec, 0);
        g_assert_cmpint(after->target.format, ==, formats[i]);
        g_assert_cmpuint(after->capacity, ==, 4 * MIB);
        assert_same_content(world, before, after);
        if (formats[i] == IMAGE_FORMAT_QCOW2)
            g_assert_cmpstr(after->target.compat, ==, "1.1");
        volume_def_free(g_steal_pointer(&before));
        before = g_steal_pointer(&after);
    }
}

/* More than the source has is given in every format; with full allocation for raw. */
static void test_larger_image(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) image = NULL;
    g_autoptr(VolumeDef) to_image = dir_spec("image", IMAGE_FORMAT_QCOW2, 16 * MIB);
    g_autoptr(VolumeDef) same = dir_spec("same", IMAGE_FORMAT_QCOW2, 32 * MIB);
    g_autoptr(VolumeDef) to_raw = dir_spec("raw", IMAGE_FORMAT_RAW, 24 * MIB);

    if (!dir_needs("qemu-img"))
        return;
    dir_put(world, "first", "content", 4 * MIB);
    g_autoptr(VolumeDef) first = dir_stat(world, "first");
    image = clone_ok(world, first, to_image, 0);
    g_assert_cmpuint(image->capacity, ==, 16 * MIB);
    g_autoptr(VolumeDef) larger = clone_ok(world, image, same, 0);
    g_assert_cmpuint(larger->capacity, ==, 32 * MIB);
    to_raw->allocation = 24 * MIB;
    g_autoptr(VolumeDef) raw = clone_ok(world, image, to_raw, 0);
    g_assert_cmpuint(raw->capacity, ==, 24 * MIB);
    g_assert_cmpuint(raw->allocation, >=, 24 * MIB);
    assert_same(world, "first", "raw");
}

static void test_same_format_is_copied(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) image = dir_create_plain(world, "image", IMAGE_FORMAT_QCOW2, 16 * MIB);
    g_autoptr(VolumeDef) spec = dir_spec("copy", IMAGE_FORMAT_QCOW2, 16 * MIB);
    g_autoptr(VolumeDef) other = dir_spec("other", IMAGE_FORMAT_QCOW2, 16 * MIB);

    g_autoptr(VolumeDef) copy = clone_ok(world, image, spec, 0);
    g_assert_cmpuint(copy->capacity, ==, 16 * MIB);
    assert_same(world, "image", "copy");
    if (!dir_needs("qemu-img"))
        return;
    other->target.cluster_size = 4096;
    g_autoptr(VolumeDef) converted = clone_ok(world, image, other, 0);
    g_assert_cmpuint(converted->target.cluster_size, ==, 4096);
}

static VolumeDef *make_overlay(const DirWorld *world)
{
    g_autoptr(VolumeDef) spec = dir_spec("overlay", IMAGE_FORMAT_QCOW2, 4 * MIB);

    dir_put(world, "base", "content", 4 * MIB);
    spec->has_backing = true;
    spec->backing.path = g_strdup("base");
    spec->backing.format = IMAGE_FORMAT_RAW;
    return dir_create(world, spec, 0);
}

static void test_overlay(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) overlay = NULL;
    g_autoptr(VolumeDef) flat_spec = dir_spec("flat", IMAGE_FORMAT_QCOW2, 4 * MIB);
    g_autoptr(VolumeDef) overlay_spec = dir_spec("overlay2", IMAGE_FORMAT_QCOW2, 4 * MIB);
    g_autoptr(VolumeDef) wrong = dir_spec("wrong", IMAGE_FORMAT_QCOW2, 4 * MIB);

    if (!dir_needs("qemu-img"))
        return;
    overlay = make_overlay(world);
    g_autoptr(VolumeDef) flat = clone_ok(world, overlay, flat_spec, 0);
    g_assert_false(flat->has_backing);
    assert_same_content(world, overlay, flat);
    overlay_spec->has_backing = wrong->has_backing = true;
    overlay_spec->backing.path = g_strdup(overlay->backing.path);
    g_autoptr(VolumeDef) second = clone_ok(world, overlay, overlay_spec, 0);
    g_assert_cmpstr(second->backing.path, ==, overlay->backing.path);
    wrong->backing.path = g_strdup("/other");
    clone_refused(world, overlay, wrong, 0, ERROR_INTERNAL,
                  "a different backing store cannot be specified.");
}

static void test_refused(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) folder = dir_create_plain(world, "folder", IMAGE_FORMAT_DIR, 0);
    g_autoptr(VolumeDef) raw = dir_create_plain(world, "raw", IMAGE_FORMAT_RAW, MIB);
    g_autoptr(VolumeDef) to_folder = dir_spec("c", IMAGE_FORMAT_DIR, MIB);
    g_autoptr(VolumeDef) taken = dir_spec("folder", IMAGE_FORMAT_RAW, MIB);
    g_autoptr(VolumeDef) bad_name = dir_spec("../c", IMAGE_FORMAT_RAW, MIB);
    g_autoptr(VolumeDef) image = dir_spec("c", IMAGE_FORMAT_QCOW2, MIB);
    g_autoptr(VolumeDef) secret = volume_def_copy(raw);
    VolumeSource source = {.pool = world->pool, .volume = folder};
    g_autoptr(GError) error = NULL;
    VolumeState state = {0};

    g_assert_false(
        world->backend->volume_clone(world->pool, world->op, image, &source, 0, &state, &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_OPERATION_INVALID);
    clone_refused(world, raw, to_folder, 0, ERROR_CONFIG_UNSUPPORTED, "* can't be a directory");
    clone_refused(world, raw, taken, 0, ERROR_OPERATION_INVALID, "* already exists");
    clone_refused(world, raw, bad_name, 0, ERROR_OPERATION_INVALID, "* cannot contain '/'");
    clone_refused(world, raw, image, VOLUME_CREATE_REFLINK, ERROR_SYSTEM,
                  "failed to clone files from '*/raw': Operation not supported");
    secret->target.encryption.format = ENCRYPTION_LUKS;
    clone_refused(world, secret, image, 0, ERROR_CONFIG_UNSUPPORTED, "*encrypted*");
}

#define ADD(name, function)                                                                        \
    g_test_add("/dir/clone/" name, DirWorld, NULL, dir_setup, function, dir_teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("raw", test_raw);
    ADD("raw-larger", test_raw_larger);
    ADD("without-descriptor", test_without_descriptor);
    ADD("source-fails", test_source_fails);
    ADD("conversions", test_conversions);
    ADD("larger-image", test_larger_image);
    ADD("same-format-is-copied", test_same_format_is_copied);
    ADD("overlay", test_overlay);
    ADD("refused", test_refused);
    return g_test_run();
}
