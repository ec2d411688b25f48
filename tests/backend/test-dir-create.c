/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dir-fixture.h"

#include "errors.h"
#include "image-format.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* New volumes in a folder: what they become, and what is refused. */

#define MIB (G_GUINT64_CONSTANT(1) << 20)

static struct stat stat_of(const DirWorld *world, const char *name)
{
    struct stat st;

    g_assert_cmpint(fstatat(world->fd, name, &st, AT_SYMLINK_NOFOLLOW), ==, 0);
    return st;
}

static void test_raw(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) sparse = dir_create_plain(world, "sparse", IMAGE_FORMAT_RAW, 10 * MIB);
    g_autoptr(VolumeDef) spec = dir_spec("part", IMAGE_FORMAT_RAW, 10 * MIB);
    struct stat st = stat_of(world, "sparse");

    g_assert_cmpuint(st.st_size, ==, 10 * MIB);
    g_assert_cmpuint(st.st_blocks, ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, 0600);
    g_assert_cmpuint(sparse->capacity, ==, 10 * MIB);
    spec->allocation = 3 * MIB;
    g_autoptr(VolumeDef) part = dir_create(world, spec, 0);
    g_assert_cmpuint(part->allocation, >=, 3 * MIB);
    g_assert_cmpuint(part->allocation, <, 4 * MIB);
    g_assert_cmpuint(part->capacity, ==, 10 * MIB);
    g_assert_cmpuint(dir_count(world), ==, 2);
}

/* The file has no room for more than its capacity. */
static void test_raw_allocation_capped(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) spec = dir_spec("full", IMAGE_FORMAT_RAW, 2 * MIB);

    spec->allocation = 50 * MIB;
    g_autoptr(VolumeDef) full = dir_create(world, spec, 0);
    g_assert_cmpuint(full->capacity, ==, 2 * MIB);
    g_assert_cmpuint(full->physical, ==, 2 * MIB);
    g_assert_cmpuint(full->allocation, >=, 2 * MIB);
}

static void test_odd_sizes(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) zero = dir_create_plain(world, "zero", IMAGE_FORMAT_RAW, 0);
    g_autoptr(VolumeDef) odd = dir_create_plain(world, "odd", IMAGE_FORMAT_RAW, 12345);
    g_autoptr(VolumeDef) huge = dir_spec("huge", IMAGE_FORMAT_RAW, G_MAXINT64);

    g_assert_cmpuint(zero->capacity, ==, 0);
    g_assert_cmpuint(odd->capacity, ==, 12345);
    dir_refuse(world, huge, 0, ERROR_SYSTEM, "cannot extend file '*/huge' to *: File too large");
}

static void test_permissions(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) spec = dir_spec("v", IMAGE_FORMAT_RAW, MIB);
    mode_t old = umask(0077);

    spec->target.permissions.mode = 0664;
    if (geteuid() == 0) {
        spec->target.permissions.uid = 1234;
        spec->target.permissions.gid = 4321;
    }
    g_autoptr(VolumeDef) volume = dir_create(world, spec, 0);
    umask(old);
    g_assert_cmpint(stat_of(world, "v").st_mode & 07777, ==, 0664);
    g_assert_cmpuint(volume->target.permissions.mode, ==, 0664);
    if (geteuid() == 0) {
        g_assert_cmpuint(stat_of(world, "v").st_uid, ==, 1234);
        g_assert_cmpuint(stat_of(world, "v").st_gid, ==, 4321);
    }
}

static void test_label(DirWorld *world, gconstpointer data)
{
    static const char label[] = "system_u:object_r:virt_image_t:s0";
    g_autoptr(VolumeDef) spec = dir_spec("v", IMAGE_FORMAT_RAW, MIB);
    VolumeState state = {0};
    g_autoptr(GError) error = NULL;

    spec->target.permissions.label = g_strdup(label);
    if (world->backend->volume_create(world->pool, world->op, spec, 0, &state, &error)) {
        g_assert_cmpstr(state.volume->target.permissions.label, ==, label);
        volume_state_clear(&state);
    } else {
        g_assert_nonnull(strstr(error->message, "cannot set the label"));
        g_assert_cmpuint(dir_count(world), ==, 0);
    }
}

static void test_folder(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) volume = dir_create_plain(world, "d", IMAGE_FORMAT_DIR, 0);
    GError *error = NULL;

    g_assert_cmpint(volume->type, ==, VOLUME_DIR);
    g_assert_true(S_ISDIR(stat_of(world, "d").st_mode));
    g_assert_cmpint(stat_of(world, "d").st_mode & 07777, ==, 0600);
    dir_put(world, "d/inside", "", 0);
    g_assert_false(world->backend->volume_delete(world->pool, world->op, volume, 0, &error));
    g_assert_true(g_str_has_prefix(error->message, "cannot remove directory '"));
    g_clear_error(&error);
    g_assert_cmpint(unlinkat(world->fd, "d/inside", 0), ==, 0);
    g_assert_true(world->backend->volume_delete(world->pool, world->op, volume, 0, &error));
}

static void check_image(const DirWorld *world, const char *name)
{
    g_autofree char *path = dir_path(world, name);
    g_autofree char *output = dir_run((const char *[]){"qemu-img", "check", path, NULL});

    g_assert_nonnull(strstr(output, "No errors"));
}

static void test_qcow2(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) spec = dir_spec("options", IMAGE_FORMAT_QCOW2, 64 * MIB);

    if (!dir_needs("qemu-img"))
        return;
    g_autoptr(VolumeDef) plain = dir_create_plain(world, "plain", IMAGE_FORMAT_QCOW2, 64 * MIB);
    g_assert_cmpstr(plain->target.compat, ==, "1.1");
    g_assert_cmpuint(plain->capacity, ==, 64 * MIB);
    check_image(world, "plain");
    spec->target.cluster_size = 131072;
    spec->target.has_features = true;
    spec->target.features = FEATURE_LAZY_REFCOUNTS | FEATURE_EXTENDED_L2;
    g_autoptr(VolumeDef) options = dir_create(world, spec, 0);
    g_assert_cmpuint(options->target.cluster_size, ==, 131072);
    g_assert_cmpuint(options->target.features, ==, spec->target.features);
    check_image(world, "options");
    g_autoptr(VolumeDef) old_spec = dir_spec("old", IMAGE_FORMAT_QCOW2, 64 * MIB);
    old_spec->target.compat = g_strdup("0.10");
    g_autoptr(VolumeDef) old = dir_create(world, old_spec, 0);
    g_assert_null(old->target.compat);
    check_image(world, "old");
}

static void test_qcow2_preallocated(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) metadata = dir_spec("metadata", IMAGE_FORMAT_QCOW2, 16 * MIB);
    g_autoptr(VolumeDef) full = dir_spec("full", IMAGE_FORMAT_QCOW2, 16 * MIB);

    if (!dir_needs("qemu-img"))
        return;
    g_autoptr(VolumeDef) a = dir_create(world, metadata, VOLUME_CREATE_PREALLOC_METADATA);
    g_assert_cmpuint(a->physical, >, 16 * MIB);
    g_assert_cmpuint(a->allocation, <, MIB);
    full->allocation = full->capacity;
    g_autoptr(VolumeDef) b = dir_create(world, full, VOLUME_CREATE_PREALLOC_METADATA);
    g_assert_cmpuint(b->allocation, >=, 16 * MIB);
    check_image(world, "metadata");
    check_image(world, "full");
}

static VolumeDef *overlay_spec(const char *name, int format, const char *backing,
                               int backing_format, guint64 capacity)
{
    VolumeDef *spec = dir_spec(name, format, capacity);

    spec->has_backing = true;
    spec->backing.path = g_strdup(backing);
    spec->backing.format = backing_format;
    return spec;
}

static void test_backing(DirWorld *world, gconstpointer data)
{
    dir_make(world, "base", IMAGE_FORMAT_QCOW2, 32 * MIB);
    g_autofree char *path = dir_path(world, "base");

    if (!dir_needs("qemu-img"))
        return;
    g_autoptr(VolumeDef) spec = overlay_spec("a", IMAGE_FORMAT_QCOW2, path, IMAGE_FORMAT_QCOW2, 0);
    g_autoptr(VolumeDef) a = dir_create(world, spec, 0);
    g_assert_cmpuint(a->capacity, ==, 32 * MIB); /* that of its base */
    g_assert_cmpstr(a->backing.path, ==, path);
    g_assert_cmpint(a->backing.format, ==, IMAGE_FORMAT_QCOW2);
    /* Relative names count from the pool's folder; the format is found out. */
    g_autoptr(VolumeDef) relative =
        overlay_spec("b", IMAGE_FORMAT_QCOW2, "a", IMAGE_FORMAT_NONE, 64 * MIB);
    g_autoptr(VolumeDef) b = dir_create(world, relative, 0);
    g_assert_cmpuint(b->capacity, ==, 64 * MIB);
    g_assert_cmpint(b->backing.format, ==, IMAGE_FORMAT_QCOW2);
    g_autofree char *file = dir_path(world, "b");
    g_autofree char *info = dir_run((const char *[]){"qemu-img", "info", file, NULL});
    g_assert_nonnull(strstr(info, "backing file: a "));
    g_assert_nonnull(strstr(info, "backing file format: qcow2"));
    check_image(world, "b");
    g_autoptr(VolumeDef) qed = overlay_spec("q", IMAGE_FORMAT_QED, "base", IMAGE_FORMAT_QCOW2, 0);
    g_autoptr(VolumeDef) q = dir_create(world, qed, 0);
    g_assert_cmpuint(q->capacity, ==, 32 * MIB);
    g_assert_cmpstr(q->backing.path, ==, path);
}

static void test_backing_refused(DirWorld *world, gconstpointer data)
{
    g_autofree char *self = dir_path(world, "self");
    g_autoptr(VolumeDef) missing =
        overlay_spec("v", IMAGE_FORMAT_QCOW2, "missing", IMAGE_FORMAT_RAW, MIB);
    g_autoptr(VolumeDef) wrong =
        overlay_spec("v", IMAGE_FORMAT_QCOW2, "raw", IMAGE_FORMAT_QCOW2, MIB);
    g_autoptr(VolumeDef) remote =
        overlay_spec("v", IMAGE_FORMAT_QCOW2, "nbd://host/x", IMAGE_FORMAT_RAW, 0);
    g_autoptr(VolumeDef) raw = overlay_spec("v", IMAGE_FORMAT_RAW, "raw", IMAGE_FORMAT_RAW, MIB);
    g_autoptr(VolumeDef) folder = overlay_spec("v", IMAGE_FORMAT_DIR, "raw", IMAGE_FORMAT_RAW, MIB);
    g_autoptr(VolumeDef) own =
        overlay_spec("self", IMAGE_FORMAT_QCOW2, self, IMAGE_FORMAT_RAW, MIB);
    g_autoptr(VolumeDef) prealloc =
        overlay_spec("v", IMAGE_FORMAT_QCOW2, "raw", IMAGE_FORMAT_RAW, MIB);

    dir_put(world, "raw", "x", 1000);
    dir_refuse(world, missing, 0, ERROR_SYSTEM,
               "inaccessible backing store volume */missing: No such file or directory");
    dir_refuse(world, wrong, 0, ERROR_CONFIG_UNSUPPORTED,
               "backing store '*/raw' has format 'raw', not 'qcow2'");
    dir_refuse(world, remote, 0, ERROR_INVALID_ARGUMENT, "give a capacity: *");
    dir_refuse(world, raw, 0, ERROR_NO_SUPPORT, "backing storage not supported for raw volumes");
    dir_refuse(world, folder, 0, ERROR_NO_SUPPORT,
               "backing storage not supported for directories volumes");
    dir_refuse(world, own, 0, ERROR_SYSTEM, "inaccessible backing store volume *");
    dir_refuse(world, prealloc, VOLUME_CREATE_PREALLOC_METADATA, ERROR_CONFIG_UNSUPPORTED,
               "metadata preallocation conflicts with backing store");
}

static void test_options_refused(DirWorld *world, gconstpointer data)
{
    static const struct {
        int format;
        const char *compat;
        guint features, flags;
        const char *message;
    } rows[] = {
        {IMAGE_FORMAT_RAW, NULL, 0, VOLUME_CREATE_PREALLOC_METADATA,
         "metadata preallocation is not supported for raw volumes"},
        {IMAGE_FORMAT_VDI, NULL, 0, VOLUME_CREATE_PREALLOC_METADATA,
         "metadata preallocation only available with qcow2"},
        {IMAGE_FORMAT_QED, "1.1", 0, 0, "compatibility option only available with qcow2"},
        {IMAGE_FORMAT_VMDK, NULL, FEATURE_LAZY_REFCOUNTS, 0,
         "format features only available with qcow2"},
        {IMAGE_FORMAT_QCOW2, "0.10", FEATURE_LAZY_REFCOUNTS, 0,
         "lazy_refcounts not supported with compat level 0.10"},
        {IMAGE_FORMAT_QCOW2, "0.10", FEATURE_EXTENDED_L2, 0,
         "'extended_l2' not supported with compat level 0.10"},
        {IMAGE_FORMAT_QCOW2, "3.7", 0, 0, "compat '3.7' is not known: *"},
        {IMAGE_FORMAT_BOCHS, NULL, 0, 0, "volumes of format 'bochs' can be listed but not made"},
        {IMAGE_FORMAT_PLOOP, NULL, 0, 0, "volumes of format 'ploop' can be listed but not made"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(VolumeDef) spec = dir_spec("v", rows[i].format, MIB);
        spec->target.compat = g_strdup(rows[i].compat);
        spec->target.features = rows[i].features;
        spec->target.has_features = rows[i].features != 0;
        dir_refuse(world, spec, rows[i].flags, ERROR_CONFIG_UNSUPPORTED, rows[i].message);
    }
    g_autoptr(VolumeDef) secret = dir_spec("v", IMAGE_FORMAT_RAW, MIB);
    secret->target.encryption.format = ENCRYPTION_LUKS;
    dir_refuse(world, secret, 0, ERROR_CONFIG_UNSUPPORTED, "encrypted volumes can't be made: *");
}

static void test_nocow_refused(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) raw = dir_spec("v", IMAGE_FORMAT_RAW, MIB);
    g_autoptr(VolumeDef) qcow2 = dir_spec("q", IMAGE_FORMAT_QCOW2, MIB);

    raw->target.nocow = qcow2->target.nocow = true;
    dir_refuse(world, raw, 0, ERROR_SYSTEM,
               "unable to control COW flag on '*/v', not btrfs: Function not implemented");
    g_autoptr(VolumeDef) harmless = dir_create(world, qcow2, 0);
    g_assert_cmpint(harmless->target.format, ==, IMAGE_FORMAT_QCOW2);
}

static void test_names(DirWorld *world, gconstpointer data)
{
    static const char *const good[] = {"-rf",  "--help", "a b",     ".hidden", "gr\xc3\xbc\xc3\x9f",
                                       "%s%n", "a,b=c",  "json:{}", "'quoted'"};
    static const char *const bad[] = {"a/b",
                                      "/etc/x",
                                      "..",
                                      ".",
                                      "",
                                      "line\nbreak",
                                      "bell\a",
                                      "\xff\xfe",
                                      "del\x7f",
                                      "\xef\xbf\xbe",
                                      ".cistern-draft.1"};
    g_autofree char *longest = g_strnfill(255, 'n');
    g_autofree char *too_long = g_strnfill(256, 'n');
    g_autofree char *much_too_long = g_strnfill(4096, 'n');

    for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
        dir_make(world, good[i], IMAGE_FORMAT_RAW, 1);
        g_autoptr(VolumeDef) seen = dir_stat(world, good[i]);
        g_assert_cmpstr(seen->name, ==, good[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(VolumeDef) spec = dir_spec(bad[i], IMAGE_FORMAT_RAW, 1);
        dir_refuse(world, spec, 0, ERROR_OPERATION_INVALID, "volume name '*' *");
    }
    g_autoptr(VolumeDef) spec = dir_spec("a/b", IMAGE_FORMAT_RAW, 1);
    dir_refuse(world, spec, 0, ERROR_OPERATION_INVALID, "volume name 'a/b' cannot contain '/'");
    dir_make(world, longest, IMAGE_FORMAT_RAW, 1);
    g_autoptr(VolumeDef) no = dir_spec(too_long, IMAGE_FORMAT_RAW, 1);
    dir_refuse(world, no, 0, ERROR_OPERATION_INVALID, "*is longer than 255 bytes");
    g_autoptr(VolumeDef) never = dir_spec(much_too_long, IMAGE_FORMAT_RAW, 1);
    dir_refuse(world, never, 0, ERROR_OPERATION_INVALID, "*is longer than 255 bytes");
}

/* Names that could pass for options reach no program as such. */
static void test_names_and_tools(DirWorld *world, gconstpointer data)
{
    static const char *const names[] = {"-f", "--object", "a,b", "nbd:x"};

    if (!dir_needs("qemu-img"))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(VolumeDef) volume = dir_create_plain(world, names[i], IMAGE_FORMAT_VDI, MIB);
        g_assert_cmpint(volume->target.format, ==, IMAGE_FORMAT_VDI);
        g_assert_cmpint(stat_of(world, names[i]).st_mode & 07777, ==, 0600);
    }
}

static void test_exists(DirWorld *world, gconstpointer data)
{
    static const char *const names[] = {"file", "folder", "fifo", "link"};

    dir_put(world, "file", "precious", 100);
    g_assert_cmpint(mkdirat(world->fd, "folder", 0700), ==, 0);
    g_assert_cmpint(mkfifoat(world->fd, "fifo", 0600), ==, 0);
    g_assert_cmpint(symlinkat("/nowhere", world->fd, "link"), ==, 0);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(VolumeDef) spec = dir_spec(names[i], IMAGE_FORMAT_RAW, MIB);
        dir_refuse(world, spec, 0, ERROR_OPERATION_INVALID,
                   "volume target path '*' already exists");
    }
    g_autofree char *text = fd_read_file_at(world->fd, "file", 1000, NULL);
    g_assert_cmpstr(text, ==, "precious");
}

static void test_no_space(DirWorld *world, gconstpointer data)
{
    struct statvfs fs;

    g_assert_cmpint(fstatvfs(world->fd, &fs), ==, 0);
    guint64 too_much = (guint64)fs.f_bfree * fs.f_frsize + (G_GUINT64_CONSTANT(1) << 30);
    g_autoptr(VolumeDef) raw = dir_spec("v", IMAGE_FORMAT_RAW, too_much);
    g_autoptr(VolumeDef) qcow2 = dir_spec("v", IMAGE_FORMAT_QCOW2, too_much);
    raw->allocation = qcow2->allocation = too_much;
    dir_refuse(world, raw, 0, ERROR_OPERATION_FAILED, "Not enough space left in storage pool: *");
    dir_refuse(world, qcow2, VOLUME_CREATE_PREALLOC_METADATA, ERROR_OPERATION_FAILED,
               "Not enough space left in storage pool: *");
    dir_make(world, "sparse", IMAGE_FORMAT_RAW, too_much);
}

static bool run_cancelled(Operation *op, const Command *command, CommandResult *ret, void *data,
                          GError **error)
{
    operation_cancel(op);
    return error_set(error, ERROR_ABORTED, ORIGIN_STORAGE, "cancelled on request");
}

static void test_tool_cancelled(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) spec = dir_spec("v", IMAGE_FORMAT_VDI, MIB);

    operation_set_runner(world->op, run_cancelled, NULL);
    dir_refuse(world, spec, 0, ERROR_ABORTED, "*");
}

/* A tool that says that all went well and made nothing of the kind. */
static bool run_nothing(Operation *op, const Command *command, CommandResult *ret, void *data,
                        GError **error)
{
    *ret = (CommandResult){.output = g_strdup(""), .errors = g_strdup("")};
    return true;
}

static void test_tool_lies(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) spec = dir_spec("v", IMAGE_FORMAT_VDI, MIB);

    operation_set_runner(world->op, run_nothing, NULL);
    dir_refuse(world, spec, 0, ERROR_INTERNAL, "qemu-img was to make *");
}

static void test_cancelled_late(DirWorld *world, gconstpointer data)
{
    g_autoptr(VolumeDef) spec = dir_spec("v", IMAGE_FORMAT_QCOW2, MIB);

    operation_cancel(world->op);
    dir_refuse(world, spec, 0, ERROR_ABORTED, "*");
}

#define ADD(name, function)                                                                        \
    g_test_add("/dir/create/" name, DirWorld, NULL, dir_setup, function, dir_teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("raw", test_raw);
    ADD("raw-allocation-capped", test_raw_allocation_capped);
    ADD("odd-sizes", test_odd_sizes);
    ADD("permissions", test_permissions);
    ADD("label", test_label);
    ADD("folder", test_folder);
    ADD("qcow2", test_qcow2);
    ADD("qcow2-preallocated", test_qcow2_preallocated);
    ADD("backing", test_backing);
    ADD("backing-refused", test_backing_refused);
    ADD("options-refused", test_options_refused);
    ADD("nocow-refused", test_nocow_refused);
    ADD("names", test_names);
    ADD("names-and-tools", test_names_and_tools);
    ADD("exists", test_exists);
    ADD("no-space", test_no_space);
    ADD("tool-cancelled", test_tool_cancelled);
    ADD("tool-lies", test_tool_lies);
    ADD("cancelled-late", test_cancelled_late);
    return g_test_run();
}
