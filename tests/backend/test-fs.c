/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conformance.h"
#include "device-tag.h"
#include "dir-fixture.h"
#include "errors.h"
#include "image-format.h"
#include "loop-device.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * File systems on loop devices, mounted where nobody else sees them. Without
 * the means for that all is skipped.
 */

#define MIB (G_GUINT64_CONSTANT(1) << 20)

static const Backend *find_backend(const char *type)
{
    for (guint i = 0; i < n_backends; i++)
        if (g_str_equal(backends[i]->schema.type, type))
            return backends[i];
    g_assert_not_reached();
}

static int format_number(const char *name)
{
    const FormatTable *table = find_backend("fs")->schema.source_formats;

    for (guint i = 0; i < table->count; i++)
        if (g_str_equal(table->names[i], name))
            return (int)i;
    g_assert_not_reached();
}

static PoolDef *pool_on(const char *device, const char *format, const char *target)
{
    PoolDef *pool = dir_pool_at(target);

    pool->schema = &find_backend("fs")->schema;
    pool->source.devices = g_new0(PoolDevice, 1);
    pool->source.n_devices = 1;
    pool->source.devices[0].path = g_strdup(device);
    pool->source.format = format_number(format);
    return pool;
}

/* ---- commands that are watched, made up or made to fail ---- */

typedef struct Commands {
    GString *log;          /* one line per command */
    const char *pretended; /* programs that are not run, but succeed */
    const char *failing;   /* … but fail */
} Commands;

static bool run_watched(Operation *op, const Command *command, CommandResult *ret, void *data,
                        GError **error)
{
    Commands *commands = data;
    g_autofree char *line = g_strjoinv(" ", (char **)command->argv);

    g_string_append_printf(commands->log, "%s\n", line);
    bool fails = g_strcmp0(commands->failing, command->argv[0]) == 0;
    if (!fails && g_strcmp0(commands->pretended, command->argv[0]) != 0)
        return command_run_real(op, command, ret, NULL, error);
    *ret = (CommandResult){.exit_status = fails,
                           .output = g_strdup(""),
                           .errors = g_strdup(fails ? "made to fail" : "")};
    return true;
}

/* ---- one pool on one disk ---- */

typedef struct World {
    const Backend *backend;
    LoopDevice disk;
    char *scratch;
    PoolDef *pool;
    Operation *op;
    Commands commands;
} World;

static void setup(World *world, gconstpointer data)
{
    *world = (World){.backend = find_backend("fs")};
    g_assert_true(loop_attach(&world->disk, &(LoopOptions){.size = 64 * MIB}));
    world->scratch = g_dir_make_tmp("fs-XXXXXX", NULL);
    g_autofree char *target = g_build_filename(world->scratch, "pool", NULL);
    world->commands.log = g_string_new(NULL);
    world->op = operation_new(g_get_monotonic_time() + 100 * G_USEC_PER_SEC);
    operation_set_runner(world->op, run_watched, &world->commands);
    world->pool = pool_on(world->disk.path, "ext4", target);
}

static void teardown(World *world, gconstpointer data)
{
    while (umount2(world->pool->target_path, MNT_DETACH) == 0)
        ;
    (void)rmdir(world->pool->target_path);
    g_assert_cmpint(rmdir(world->scratch), ==, 0);
    pool_def_unref(world->pool);
    operation_unref(world->op);
    g_string_free(world->commands.log, TRUE);
    loop_detach(&world->disk);
    g_free(world->scratch);
}

static void build(World *world, guint flags)
{
    GError *error = NULL;

    world->backend->build(world->pool, world->op, flags, &error);
    g_assert_no_error(error);
}

static void start(World *world)
{
    GError *error = NULL;

    world->backend->start(world->pool, world->op, &error);
    g_assert_no_error(error);
}

static void stop(World *world)
{
    GError *error = NULL;

    world->backend->stop(world->pool, world->op, &error);
    g_assert_no_error(error);
}

static bool is_up(World *world)
{
    GError *error = NULL;
    bool up;

    g_assert_true(world->backend->is_up(world->pool, world->op, &up, &error));
    return up;
}

static void assert_error(GError *error, int code, const char *pattern)
{
    g_assert_error(error, CISTERN_ERROR, code);
    if (!g_pattern_match_simple(pattern, error->message))
        g_error("not '%s': %s", pattern, error->message);
    g_error_free(error);
}

static void refuse_build(World *world, guint flags, int code, const char *pattern)
{
    GError *error = NULL;

    g_assert_false(world->backend->build(world->pool, world->op, flags, &error));
    assert_error(error, code, pattern);
}

static void refuse_start(World *world, int code, const char *pattern)
{
    GError *error = NULL;

    g_assert_false(world->backend->start(world->pool, world->op, &error));
    assert_error(error, code, pattern);
}

static void refuse_stop(World *world, const char *pattern)
{
    GError *error = NULL;

    g_assert_false(world->backend->stop(world->pool, world->op, &error));
    assert_error(error, ERROR_BUSY, pattern);
    g_assert_true(is_up(world));
}

static void set_device(World *world, const char *text)
{
    g_free(world->pool->source.devices[0].path);
    world->pool->source.devices[0].path = g_strdup(text);
}

static bool has_target(World *world)
{
    return g_file_test(world->pool->target_path, G_FILE_TEST_IS_DIR);
}

static void assert_commands(World *world, const char *expected)
{
    g_autofree char *device = g_strdelimit(g_strdup(world->disk.path), "\n", ' ');
    g_auto(GStrv) by_device = g_strsplit(world->commands.log->str, device, -1);
    g_autofree char *with_device = g_strjoinv("DEVICE", by_device);
    g_auto(GStrv) by_target = g_strsplit(with_device, world->pool->target_path, -1);
    g_autofree char *text = g_strjoinv("TARGET", by_target);

    g_assert_cmpstr(text, ==, expected);
    g_string_truncate(world->commands.log, 0);
}

/* ---- build ---- */

static void test_build_rules(World *world, gconstpointer data)
{
    build(world, BUILD_NO_OVERWRITE);
    assert_commands(world, "mkfs -t ext4 -F DEVICE\n");
    g_assert_true(has_target(world));
    refuse_build(world, BUILD_NO_OVERWRITE, ERROR_POOL_BUILT,
                 "*Device '/dev/loop*' already formatted using 'ext4'");
    world->pool->source.format = format_number("btrfs");
    refuse_build(world, BUILD_NO_OVERWRITE, ERROR_POOL_BUILT,
                 "*Format of device '/dev/loop*' does not match the expected format 'btrfs', "
                 "forced overwrite is necessary: it holds 'ext4'");
    build(world, 0);
    assert_commands(world, "");
    world->pool->source.format = format_number("ext2");
    build(world, BUILD_OVERWRITE);
    assert_commands(world, "mkfs -t ext2 -F DEVICE\n");
    refuse_build(world, BUILD_NO_OVERWRITE, ERROR_POOL_BUILT, "*already formatted using 'ext2'");
}

static void test_mkfs_words(World *world, gconstpointer data)
{
    static const struct {
        const char *format, *line;
    } rows[] = {
        {"ext2", "mkfs -t ext2 -F DEVICE\n"}, {"ext3", "mkfs -t ext3 -F DEVICE\n"},
        {"ext4", "mkfs -t ext4 -F DEVICE\n"}, {"xfs", "mkfs -t xfs -f DEVICE\n"},
        {"vfat", "mkfs -t vfat -I DEVICE\n"}, {"btrfs", "mkfs -t btrfs -f DEVICE\n"},
        {"ufs", "mkfs -t ufs DEVICE\n"},      {"iso9660", "mkfs -t iso9660 DEVICE\n"},
        {"udf", "mkfs -t udf DEVICE\n"},      {"gfs", "mkfs -t gfs DEVICE\n"},
        {"gfs2", "mkfs -t gfs2 DEVICE\n"},    {"hfs+", "mkfs -t hfs+ DEVICE\n"},
        {"ocfs2", "mkfs -t ocfs2 DEVICE\n"},  {"vmfs", "mkfs -t vmfs DEVICE\n"},
    };

    world->commands.pretended = "mkfs";
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        world->pool->source.format = format_number(rows[i].format);
        build(world, BUILD_OVERWRITE);
        assert_commands(world, rows[i].line);
    }
}

static void test_build_refused(World *world, gconstpointer data)
{
    world->pool->source.format = 0;
    refuse_build(world, BUILD_OVERWRITE, ERROR_INTERNAL,
                 "*Failed to make filesystem of type 'auto'*");
    world->pool->source.format = format_number("ext4");
    set_device(world, "/dev/nonexistent");
    refuse_build(world, BUILD_OVERWRITE, ERROR_OPERATION_INVALID,
                 "*Source device does not exist when formatting pool 'pool'");
    set_device(world, "LABEL=nobody-has-this");
    refuse_build(world, BUILD_OVERWRITE, ERROR_OPERATION_INVALID, "*Source device does not exist*");
    set_device(world, "-F");
    refuse_build(world, BUILD_OVERWRITE, ERROR_OPERATION_INVALID, "*Source device does not exist*");
    set_device(world, world->disk.file);
    refuse_build(world, BUILD_OVERWRITE, ERROR_OPERATION_INVALID, "*is not a block device");
    assert_commands(world, "");
    g_assert_false(has_target(world));
}

/* ---- devices named by what they hold ---- */

/* Nobody else's, though others run these tests at the same time. */
static char *own_label(World *world)
{
    return g_strdup_printf("fs-%d", getpid());
}

static char *tag_of(const char *device, const char *word)
{
    const char *blkid[] = {"blkid", "-p", "-o", "value", "-s", word, device, NULL};
    g_autofree char *value = g_strchomp(dir_run(blkid));

    return g_strdup_printf("%s=%s", word, value);
}

/* An ext4 that the pool names by its UUID or LABEL. */
static void name_by(World *world, const char *word)
{
    g_autofree char *label = own_label(world);

    set_device(world, world->disk.path);
    build(world, BUILD_OVERWRITE);
    g_free(dir_run((const char *[]){"e2label", world->disk.path, label, NULL}));
    g_autofree char *text = tag_of(world->disk.path, word);
    set_device(world, text);
    g_string_truncate(world->commands.log, 0);
}

static void assert_tagged(World *world, const char *format, const char *pattern)
{
    const char *value = strchr(world->pool->source.devices[0].path, '=') + 1;
    g_auto(GStrv) words = g_strsplit(pattern, "TAG", -1);
    g_autofree char *line = g_strjoinv(value, words);

    world->pool->source.format = format_number(format);
    build(world, BUILD_OVERWRITE);
    assert_commands(world, line);
}

static void test_mkfs_tags(World *world, gconstpointer data)
{
    static const struct {
        const char *format, *uuid, *label; /* NULL: it can't keep it */
    } rows[] = {
        {"ext2", "mkfs -t ext2 -F -U TAG DEVICE\n", "mkfs -t ext2 -F -L TAG DEVICE\n"},
        {"ext3", "mkfs -t ext3 -F -U TAG DEVICE\n", "mkfs -t ext3 -F -L TAG DEVICE\n"},
        {"ext4", "mkfs -t ext4 -F -U TAG DEVICE\n", "mkfs -t ext4 -F -L TAG DEVICE\n"},
        {"xfs", "mkfs -t xfs -f -m uuid=TAG DEVICE\n", "mkfs -t xfs -f -L TAG DEVICE\n"},
        {"btrfs", NULL, "mkfs -t btrfs -f -L TAG DEVICE\n"},
        {"vfat", NULL, "mkfs -t vfat -I -n TAG DEVICE\n"},
        {"udf", NULL, NULL},
        {"gfs2", NULL, NULL},
    };

    for (guint i = 0; i < 2 * G_N_ELEMENTS(rows); i++) {
        bool by_uuid = i % 2 == 0;
        const char *line = by_uuid ? rows[i / 2].uuid : rows[i / 2].label;
        world->commands.pretended = NULL;
        world->pool->source.format = format_number("ext4");
        name_by(world, by_uuid ? "UUID" : "LABEL");
        world->commands.pretended = "mkfs";
        if (line) {
            assert_tagged(world, rows[i / 2].format, line);
            continue;
        }
        world->pool->source.format = format_number(rows[i / 2].format);
        refuse_build(world, BUILD_OVERWRITE, ERROR_OPERATION_INVALID,
                     by_uuid ? "*can't make a file system with the UUID '*"
                             : "*can't make a file system with the label '*");
        assert_commands(world, "");
    }
}

/* FAT's number, which no other format can have. */
static void test_mkfs_short_uuid(World *world, gconstpointer data)
{
    g_autofree char *digits = g_strdup_printf("%08X", (guint)getpid());
    g_autofree char *tag = g_strdup_printf("UUID=%.4s-%s", digits, digits + 4);
    g_autofree char *line = g_strdup_printf("mkfs -t vfat -I -i %s DEVICE\n", digits);
    const char *mkfs[] = {"mkfs.vfat", "-I", "-i", digits, world->disk.path, NULL};

    g_free(dir_run(mkfs));
    set_device(world, tag);
    refuse_build(world, BUILD_OVERWRITE, ERROR_OPERATION_INVALID,
                 "*mkfs of 'ext4' can't make a file system with the UUID '*-*'*");
    assert_commands(world, "");
    assert_tagged(world, "vfat", line);
    g_autofree char *after = tag_of(world->disk.path, "UUID");
    g_assert_cmpstr(after, ==, tag);
}

/* ext4 has room for 16 bytes, and mkfs would cut the rest off. */
static void test_mkfs_long_label(World *world, gconstpointer data)
{
    g_autofree char *label = g_strdup_printf("fs-long-%09d", getpid());
    g_autofree char *tag = g_strconcat("LABEL=", label, NULL);
    const char *mkfs[] = {"mkfs.btrfs", "-qfM", "-L", label, world->disk.path, NULL};

    g_free(dir_run(mkfs));
    set_device(world, tag);
    refuse_build(world, BUILD_OVERWRITE, ERROR_OPERATION_INVALID, "*with the label 'fs-long-*'*");
    assert_commands(world, "");
}

static void test_built_again(World *world, gconstpointer data)
{
    static const char *const words[] = {"UUID", "LABEL"};

    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        name_by(world, words[i]);
        build(world, BUILD_OVERWRITE);
        start(world);
        stop(world);
    }
}

static void test_tag_texts(void)
{
    static const struct {
        const char *text;
        int kind;
        const char *value;
    } rows[] = {
        {"UUID=a-b", DEVICE_TAG_UUID, "a-b"},
        {"LABEL=lab label", DEVICE_TAG_LABEL, "lab label"},
        {"LABEL=-o x", DEVICE_TAG_LABEL, "-o x"},
        {"PARTUUID=1-01", DEVICE_TAG_PARTUUID, "1-01"},
        {"PARTLABEL=EFI", DEVICE_TAG_PARTLABEL, "EFI"},
        {"/dev/disk/by-uuid/a-b", DEVICE_TAG_UUID, "a-b"},
        {"/dev/disk/by-label/lab\\x20label\\x5cx", DEVICE_TAG_LABEL, "lab label\\x"},
        {"/dev/disk/by-partuuid/1-01", DEVICE_TAG_PARTUUID, "1-01"},
        {"/dev/disk/by-partlabel/EFI", DEVICE_TAG_PARTLABEL, "EFI"},
        {"/dev/sda1", -1, NULL},
        {"/dev/disk/by-id/ata-x", -1, NULL},
        {"sda1", -1, NULL},
        {"-L", -1, NULL},
        {"NAME=x", -1, NULL},
        {"LABEL", -1, NULL},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(DeviceTag) tag = {.kind = 77};
        bool is_tag = device_tag_parse(rows[i].text, &tag);
        g_assert_cmpint(is_tag, ==, rows[i].kind >= 0);
        g_assert_cmpint(is_tag ? (int)tag.kind : -1, ==, rows[i].kind);
        g_assert_cmpstr(tag.value, ==, rows[i].value);
    }
}

/* A second device that holds all that the first one does. */
static void copy_disk(World *world, LoopDevice *ret)
{
    g_autofree char *from = g_strconcat("if=", world->disk.path, NULL);

    g_assert_true(loop_attach(ret, &(LoopOptions){.size = 64 * MIB}));
    g_autofree char *to = g_strconcat("of=", ret->path, NULL);
    g_free(dir_run((const char *[]){"dd", from, to, "bs=1M", "status=none", NULL}));
}

static void write_volume(World *world, const char *name)
{
    g_auto(VolumeState) state = {0};
    g_autoptr(VolumeDef) spec = dir_spec(name, IMAGE_FORMAT_RAW, 4096);
    GError *error = NULL;

    world->backend->volume_create(world->pool, world->op, spec, 0, &state, &error);
    g_assert_no_error(error);
}

/* Who gets the same tag later doesn't take the running pool over, nor is it started by chance. */
static void test_copied_tag(World *world, gconstpointer data)
{
    static const char *const words[] = {"UUID", "LABEL"};

    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        g_auto(LoopDevice) copy = {0};
        name_by(world, words[i]);
        start(world);
        copy_disk(world, &copy);
        g_autofree char *pattern =
            g_strdup_printf("*2 devices are '%s=*': *'%s'*", words[i], copy.path);
        g_assert_true(is_up(world));
        write_volume(world, "new");
        stop(world);
        g_assert_false(is_up(world));
        refuse_start(world, ERROR_OPERATION_FAILED, pattern);
        refuse_build(world, BUILD_OVERWRITE, ERROR_OPERATION_FAILED, pattern);
        g_assert_cmpint(mount(copy.path, world->pool->target_path, "ext4", 0, NULL), ==, 0);
        g_assert_true(is_up(world)); /* it has the tag too, and somebody has chosen */
        stop(world);
        loop_detach(&copy);
        start(world);
        stop(world);
    }
}

static void test_other_tag(World *world, gconstpointer data)
{
    name_by(world, "LABEL");
    start(world);
    g_free(dir_run((const char *[]){"e2label", world->disk.path, "fs-another", NULL}));
    g_assert_false(is_up(world));
    g_assert_cmpint(umount2(world->pool->target_path, 0), ==, 0);
}

static void test_build_in_use(World *world, gconstpointer data)
{
    build(world, BUILD_OVERWRITE);
    start(world);
    refuse_build(world, BUILD_OVERWRITE, ERROR_BUSY, "*device '/dev/loop*' is in use: *");
    stop(world);
}

static void test_mkfs_fails(World *world, gconstpointer data)
{
    world->commands.failing = "mkfs";
    refuse_build(world, BUILD_NO_OVERWRITE, ERROR_INTERNAL,
                 "*Failed to make filesystem of type 'ext4' on device '/dev/loop*': *mkfs failed "
                 "with status 1: made to fail");
    g_assert_false(has_target(world));
    build(world, 0);
    refuse_build(world, BUILD_NO_OVERWRITE, ERROR_INTERNAL, "*made to fail");
    g_assert_true(has_target(world)); /* it was there before */
}

/* ---- start ---- */

static void test_start_stop(World *world, gconstpointer data)
{
    GError *error = NULL;

    build(world, BUILD_OVERWRITE);
    g_string_truncate(world->commands.log, 0);
    world->pool->options = g_new0(PoolOption, 1);
    world->pool->n_options = 1;
    world->pool->options[0].name = g_strdup("noatime");
    g_assert_false(is_up(world));
    start(world);
    assert_commands(world, "mount -o nodev,nosuid,noexec,noatime -t ext4 -- DEVICE TARGET\n");
    g_assert_true(is_up(world));
    start(world);
    assert_commands(world, "");
    g_assert_false(world->backend->erase(world->pool, world->op, 0, &error));
    assert_error(error, ERROR_SYSTEM, "*failed to remove pool '*': Device or resource busy");
    stop(world);
    assert_commands(world, "umount TARGET\n");
    g_assert_false(is_up(world));
    stop(world);
    assert_commands(world, "");
    error = NULL;
    g_assert_true(world->backend->erase(world->pool, world->op, 0, &error));
    g_assert_false(has_target(world));
}

static void test_start_fails(World *world, gconstpointer data)
{
    build(world, 0);
    refuse_start(world, ERROR_INTERNAL, "*mount failed with status 32: *");
    g_assert_false(is_up(world));
    set_device(world, "LABEL=nobody-has-this");
    refuse_start(world, ERROR_OPERATION_FAILED, "*there is no device 'LABEL=nobody-has-this'*");
    set_device(world, "-o loop");
    refuse_start(world, ERROR_OPERATION_FAILED, "*there is no device '-o loop'*");
}

static void test_mount_lies(World *world, gconstpointer data)
{
    build(world, BUILD_OVERWRITE);
    world->commands.pretended = "mount";
    refuse_start(world, ERROR_OPERATION_FAILED, "*was mounted on '*', but there is now nothing");
}

static void test_mounted_by_other(World *world, gconstpointer data)
{
    build(world, BUILD_OVERWRITE);
    g_assert_cmpint(mount("stranger", world->pool->target_path, "tmpfs", 0, NULL), ==, 0);
    g_string_truncate(world->commands.log, 0);
    refuse_start(world, ERROR_OPERATION_INVALID, "*'stranger' (tmpfs) is mounted on '*' already*");
    g_assert_false(is_up(world));
    stop(world); /* it isn't ours */
    assert_commands(world, "");
    g_assert_cmpint(umount2(world->pool->target_path, 0), ==, 0);
}

/* The target is written with a link in it. */
static void test_linked_target(World *world, gconstpointer data)
{
    g_autofree char *link = g_strconcat(world->scratch, "-link", NULL);
    g_autofree char *target = g_build_filename(link, "pool", NULL);
    g_autofree char *real = world->pool->target_path;
    g_auto(VolumeState) state = {0};
    g_autoptr(VolumeDef) spec = dir_spec("one", IMAGE_FORMAT_RAW, MIB);
    GError *error = NULL;

    g_assert_cmpint(symlink(world->scratch, link), ==, 0);
    world->pool->target_path = target;
    build(world, BUILD_OVERWRITE);
    start(world);
    g_assert_true(is_up(world));
    world->backend->volume_create(world->pool, world->op, spec, 0, &state, &error);
    g_assert_no_error(error);
    stop(world);
    g_assert_false(is_up(world));
    world->pool->target_path = g_steal_pointer(&real);
    g_assert_cmpint(unlink(link), ==, 0);
}

static void test_by_tag(World *world, gconstpointer data)
{
    static const char *const words[] = {"UUID", "LABEL"};

    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        name_by(world, words[i]);
        start(world);
        assert_commands(world, "mount -o nodev,nosuid,noexec -t ext4 -- DEVICE TARGET\n");
        g_assert_true(is_up(world));
        stop(world);
    }
}

/* ---- the truth about the mount ---- */

static guint count_entries(const char *path)
{
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    guint count = 0;

    while (g_dir_read_name(folder))
        count++;
    return count;
}

/* Each operation on what is not the pool's own storage is refused, and nothing is written there. */
static void assert_all_refused(World *world, const char *pattern)
{
    const Backend *backend = world->backend;
    g_autoptr(VolumeDef) spec = dir_spec("new", IMAGE_FORMAT_RAW, MIB);
    g_auto(VolumeState) state = {0};
    GError *errors[7] = {0};
    PoolSpace space;
    Io *io = NULL;

    guint before = count_entries(world->pool->target_path);
    backend->volume_create(world->pool, world->op, spec, 0, &state, &errors[0]);
    backend->volume_stat(world->pool, world->op, "new", &state, &errors[1]);
    backend->volume_resize(world->pool, world->op, spec, 2 * MIB, 0, &errors[2]);
    backend->volume_wipe(world->pool, world->op, spec, WIPE_ZERO, &errors[3]);
    backend->volume_delete(world->pool, world->op, spec, 0, &errors[4]);
    backend->volume_open(world->pool, world->op, spec, VOLUME_WRITE, &io, &errors[5]);
    backend->space(world->pool, world->op, &space, &errors[6]);
    for (guint i = 0; i < G_N_ELEMENTS(errors); i++)
        assert_error(errors[i], ERROR_OPERATION_INVALID, pattern);
    GError *error = NULL;
    g_assert_false(backend->sweep(world->pool, world->op, &error));
    assert_error(error, ERROR_OPERATION_INVALID, pattern);
    g_assert_cmpuint(count_entries(world->pool->target_path), ==, before);
    g_assert_false(is_up(world));
}

static void test_unmounted(World *world, gconstpointer data)
{
    build(world, BUILD_OVERWRITE);
    start(world);
    g_assert_cmpint(umount2(world->pool->target_path, 0), ==, 0);
    assert_all_refused(world, "*nothing is mounted on '*': stop the pool and start it again");
}

/* The pool's own is below: neither stopped nor started, and nothing is tried. */
static void refuse_covered(World *world, const char *name, const char *place)
{
    g_autofree char *pattern = g_strdup_printf(
        "*file system is mounted on '*', but '%s' (tmpfs) is mounted over it on '%s'*", name,
        place);
    GError *error = NULL;

    g_assert_false(world->backend->stop(world->pool, world->op, &error));
    assert_error(error, ERROR_BUSY, pattern);
    refuse_start(world, ERROR_OPERATION_INVALID, pattern);
    assert_commands(world, "");
}

/* A folder above is mounted over: the path leads elsewhere. */
static void test_hidden(World *world, gconstpointer data)
{
    build(world, BUILD_OVERWRITE);
    start(world);
    g_string_truncate(world->commands.log, 0);
    g_assert_cmpint(mount("stranger", world->scratch, "tmpfs", 0, NULL), ==, 0);
    g_assert_false(is_up(world));
    refuse_covered(world, "stranger", world->scratch);
    g_assert_cmpint(umount2(world->scratch, 0), ==, 0);
    g_assert_true(is_up(world));
    stop(world);
}

/* The pool's own, twice at its place. */
static void test_mounted_twice(World *world, gconstpointer data)
{
    const char *target = world->pool->target_path;

    build(world, BUILD_OVERWRITE);
    start(world);
    g_assert_cmpint(mount(target, target, NULL, MS_BIND, NULL), ==, 0);
    g_assert_true(is_up(world));
    g_string_truncate(world->commands.log, 0);
    stop(world);
    assert_commands(world, "umount TARGET\numount TARGET\n");
    g_assert_false(is_up(world));
}

/* It is mounted elsewhere too, which isn't the pool's. */
static void test_mounted_elsewhere(World *world, gconstpointer data)
{
    g_autofree char *other = g_build_filename(world->scratch, "other", NULL);

    build(world, BUILD_OVERWRITE);
    start(world);
    g_assert_cmpint(mkdir(other, 0700), ==, 0);
    g_assert_cmpint(mount(world->pool->target_path, other, NULL, MS_BIND, NULL), ==, 0);
    stop(world);
    g_assert_false(is_up(world));
    g_assert_cmpint(umount2(other, 0), ==, 0);
    g_assert_cmpint(rmdir(other), ==, 0);
}

static void test_umount_lies(World *world, gconstpointer data)
{
    GError *error = NULL;

    build(world, BUILD_OVERWRITE);
    start(world);
    world->commands.pretended = "umount";
    g_assert_false(world->backend->stop(world->pool, world->op, &error));
    assert_error(error, ERROR_OPERATION_FAILED, "*'*' is still mounted, though umount says*");
    world->commands.pretended = NULL;
    stop(world);
}

static void test_replaced(World *world, gconstpointer data)
{
    build(world, BUILD_OVERWRITE);
    start(world);
    g_assert_cmpint(mount("stranger", world->pool->target_path, "tmpfs", 0, NULL), ==, 0);
    assert_all_refused(world, "*is not the pool's source, but 'stranger' (tmpfs)");
    g_string_truncate(world->commands.log, 0);
    refuse_covered(world, "stranger", world->pool->target_path);
    g_assert_cmpint(umount2(world->pool->target_path, 0), ==, 0);
    g_assert_true(is_up(world));
    stop(world);
}

/* The right device, but a folder of it. */
static void test_bound_part(World *world, gconstpointer data)
{
    const char *target = world->pool->target_path;
    g_autofree char *other = g_build_filename(world->scratch, "other", NULL);
    g_autofree char *part = g_build_filename(other, "part", NULL);

    build(world, BUILD_OVERWRITE);
    g_assert_cmpint(mkdir(other, 0700), ==, 0);
    g_assert_cmpint(mount(world->disk.path, other, "ext4", 0, NULL), ==, 0);
    g_assert_cmpint(mkdir(part, 0700), ==, 0);
    g_assert_cmpint(mount(part, target, NULL, MS_BIND, NULL), ==, 0);
    assert_all_refused(world, "*is not the pool's source*");
    refuse_start(world, ERROR_OPERATION_INVALID, "*is mounted on '*' already*");
    g_assert_cmpint(umount2(target, 0), ==, 0);
    g_assert_cmpint(umount2(other, 0), ==, 0);
    g_assert_cmpint(rmdir(other), ==, 0);
}

/* ---- btrfs: which of its subvolumes ---- */

static void set_option(World *world, const char *text)
{
    if (world->pool->n_options == 0) {
        world->pool->options = g_new0(PoolOption, 1);
        world->pool->n_options = 1;
    }
    g_free(world->pool->options[0].name);
    world->pool->options[0].name = g_strdup(text);
}

/* What is mounted on the target and how the pool sees it. */
static bool passes(World *world, const char *options)
{
    const char *target = world->pool->target_path;

    g_assert_cmpint(mount(world->disk.path, target, "btrfs", 0, options), ==, 0);
    bool up = is_up(world);
    g_assert_cmpint(umount2(target, 0), ==, 0);
    return up;
}

static bool bound_passes(World *world, const char *top, const char *name)
{
    g_autofree char *part = g_build_filename(top, name, NULL);

    g_assert_cmpint(mount(part, world->pool->target_path, NULL, MS_BIND, NULL), ==, 0);
    bool up = is_up(world);
    g_assert_cmpint(umount2(world->pool->target_path, 0), ==, 0);
    return up;
}

/* A second mount of the same with a folder and three subvolumes. False: there is no btrfs here. */
static bool fill_btrfs(World *world, const char *top)
{
    static const char *const names[] = {"a", "a/b", "a b,c"};
    g_autofree char *folder = g_build_filename(top, "folder", NULL);

    g_free(dir_run((const char *[]){"mkfs.btrfs", "-qfM", world->disk.path, NULL}));
    g_assert_cmpint(mkdir(top, 0700), ==, 0);
    if (mount(world->disk.path, top, "btrfs", 0, NULL) < 0) {
        g_assert_cmpint(rmdir(top), ==, 0);
        g_test_skip("no btrfs in this kernel");
        return false;
    }
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(top, names[i], NULL);
        g_free(dir_run((const char *[]){"btrfs", "subvolume", "create", path, NULL}));
    }
    g_assert_cmpint(mkdir(folder, 0700), ==, 0);
    return true;
}

static void assert_subvolumes(World *world, const char *top)
{
    static const struct {
        const char *wanted;
        bool top, a, b;
    } rows[] = {
        {"noatime", .top = true},    {"subvol=a", .a = true},
        {"subvol=/a/", .a = true},   {"noatime,subvol=a/b", .b = true},
        {"subvolid=256", .a = true}, {"subvolid=257,noatime", .b = true},
        {"subvolid=0", .top = true}, {"subvolid=0x100", .a = true},
        {"subvol=/", .top = true},   {"subvol=folder"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        set_option(world, rows[i].wanted);
        g_assert_cmpint(passes(world, NULL), ==, rows[i].top);
        g_assert_cmpint(passes(world, "subvol=a"), ==, rows[i].a);
        g_assert_cmpint(passes(world, "subvol=a/b"), ==, rows[i].b);
        g_assert_false(bound_passes(world, top, "folder"));
    }
}

static void test_subvolumes(World *world, gconstpointer data)
{
    g_autofree char *top = g_build_filename(world->scratch, "top", NULL);

    world->pool->source.format = format_number("btrfs");
    build(world, 0);
    if (!fill_btrfs(world, top))
        return;
    assert_subvolumes(world, top);
    set_option(world, "noatime");
    g_free(dir_run((const char *[]){"btrfs", "subvolume", "set-default", "256", top, NULL}));
    g_assert_false(passes(world, "subvolid=5"));
    g_assert_true(passes(world, NULL));
    g_free(dir_run((const char *[]){"btrfs", "subvolume", "set-default", "258", top, NULL}));
    g_assert_true(passes(world, NULL)); /* "a b,c" */
    g_assert_cmpint(umount2(top, 0), ==, 0);
    g_assert_cmpint(rmdir(top), ==, 0);
}

/* ---- stop ---- */

/* A process that does something in the pool and then waits for its end. */
static pid_t spawn_user(World *world, bool (*use)(const char *folder))
{
    int ready[2];
    char byte = 0;

    g_assert_cmpint(pipe(ready), ==, 0);
    pid_t child = fork();
    if (child == 0) {
        if (use(world->pool->target_path) && write(ready[1], "y", 1) == 1)
            pause();
        _exit(1);
    }
    close(ready[1]);
    g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
    close(ready[0]);
    return child;
}

static bool use_by_socket(const char *folder)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_snprintf(address.sun_path, sizeof address.sun_path, "%s/a socket", folder);
    return bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 1) == 0;
}

static int apart; /* 0: not yet, 1: done, 2: failed */

static gpointer open_apart(gpointer folder)
{
    bool done = unshare(CLONE_FILES) == 0 && open(folder, O_RDONLY | O_DIRECTORY) >= 0;

    g_atomic_int_set(&apart, done ? 1 : 2);
    pause();
    return NULL;
}

/* A thread that has its descriptors for itself. */
static bool use_by_thread(const char *folder)
{
    g_thread_unref(g_thread_new("apart", open_apart, (gpointer)folder));
    while (g_atomic_int_get(&apart) == 0)
        g_usleep(1000);
    return g_atomic_int_get(&apart) == 1;
}

static void test_stop_users(World *world, gconstpointer data)
{
    static bool (*const uses[])(const char *folder) = {use_by_socket, use_by_thread};

    for (guint i = 0; i < G_N_ELEMENTS(uses); i++) {
        build(world, BUILD_OVERWRITE);
        start(world);
        pid_t child = spawn_user(world, uses[i]);
        g_autofree char *pattern = g_strdup_printf("*it is used by process %d (*", child);
        refuse_stop(world, pattern);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        stop(world);
    }
}

static void test_stop_swap(World *world, gconstpointer data)
{
    g_autofree char *file = g_build_filename(world->pool->target_path, "a swap file", NULL);

    build(world, BUILD_OVERWRITE);
    start(world);
    g_free(dir_run((const char *[]){"fallocate", "-l", "4M", file, NULL}));
    g_assert_cmpint(chmod(file, 0600), ==, 0);
    g_free(dir_run((const char *[]){"mkswap", file, NULL}));
    if (swapon(file, 0) < 0) {
        g_test_skip("no swap in this kernel");
        stop(world);
        return;
    }
    refuse_stop(world, "*it is used by the swap file '*/a swap file'");
    g_assert_cmpint(swapoff(file), ==, 0);
    stop(world);
}

static void test_stop_busy(World *world, gconstpointer data)
{
    build(world, BUILD_OVERWRITE);
    start(world);
    pid_t child = fork();
    if (child == 0) {
        if (chdir(world->pool->target_path) == 0)
            pause();
        _exit(1);
    }
    g_autofree char *cwd = g_strdup_printf("/proc/%d/cwd", child);
    for (;;) {
        g_autofree char *link = g_file_read_link(cwd, NULL);
        if (g_strcmp0(link, world->pool->target_path) == 0)
            break;
        g_usleep(1000);
    }
    g_autofree char *pattern =
        g_strdup_printf("*'*' can't be unmounted, it is used by process %d (*)", child);
    refuse_stop(world, pattern);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    stop(world);
    g_assert_false(is_up(world));
}

static void test_stop_nested(World *world, gconstpointer data)
{
    g_autofree char *below = g_build_filename(world->pool->target_path, "below", NULL);

    build(world, BUILD_OVERWRITE);
    start(world);
    g_assert_cmpint(mkdir(below, 0700), ==, 0);
    g_assert_cmpint(mount("x", below, "tmpfs", 0, NULL), ==, 0);
    refuse_stop(world, "*it is used by what is mounted on '*/below'");
    g_assert_cmpint(umount2(below, 0), ==, 0);
    stop(world);
}

/* Our own hand is on it: the stop waits a moment, then says so. */
static void test_stop_own(World *world, gconstpointer data)
{
    build(world, BUILD_OVERWRITE);
    start(world);
    autofd int fd = fd_open_folder(world->pool->target_path);
    g_autofree char *pattern = g_strdup_printf("*it is used by process %d (*", getpid());
    refuse_stop(world, pattern);
    fd_close(&fd);
    stop(world);
}

static void test_umount_fails(World *world, gconstpointer data)
{
    GError *error = NULL;

    build(world, BUILD_OVERWRITE);
    start(world);
    world->commands.failing = "umount";
    g_assert_false(world->backend->stop(world->pool, world->op, &error));
    assert_error(error, ERROR_INTERNAL, "*umount failed with status 1: made to fail");
    g_assert_true(is_up(world));
    world->commands.failing = NULL;
    stop(world);
}

/* ---- conformance, on each file system ---- */

static LoopDevice conformance_disk;

static PoolDef *new_formatted(const char *format)
{
    g_autofree char *scratch = g_dir_make_tmp("fs-XXXXXX", NULL);
    g_autofree char *target = g_build_filename(scratch, "pool", NULL);
    GError *error = NULL;

    g_assert_true(loop_attach(&conformance_disk, &(LoopOptions){.size = 400 * MIB}));
    PoolDef *pool = pool_on(conformance_disk.path, format, target);
    find_backend("fs")->build(pool, NULL, BUILD_NO_OVERWRITE, &error);
    g_assert_no_error(error);
    return pool;
}

/* Its folder "lost+found" is a volume like any other, but not one that the suite knows. */
static PoolDef *new_ext4(void)
{
    PoolDef *pool = new_formatted("ext4");
    g_autofree char *lost = g_build_filename(pool->target_path, "lost+found", NULL);

    g_assert_true(find_backend("fs")->start(pool, NULL, NULL));
    g_assert_cmpint(rmdir(lost), ==, 0);
    g_assert_true(find_backend("fs")->stop(pool, NULL, NULL));
    return pool;
}

static PoolDef *new_xfs(void)
{
    return new_formatted("xfs");
}

static PoolDef *new_btrfs(void)
{
    return new_formatted("btrfs");
}

static void free_pool(PoolDef *pool)
{
    g_autofree char *scratch = g_path_get_dirname(pool->target_path);

    g_assert_cmpint(rmdir(pool->target_path), ==, 0);
    g_assert_cmpint(rmdir(scratch), ==, 0);
    pool_def_unref(pool);
    loop_detach(&conformance_disk);
}

static void add_conformance(void)
{
    static const int volume_formats[] = {IMAGE_FORMAT_RAW, IMAGE_FORMAT_QCOW2, IMAGE_FORMAT_DIR,
                                         -1};
    static ConformanceFixture fixtures[] = {
        {.name = "xfs", .pool_new = new_xfs},
        {.name = "btrfs", .pool_new = new_btrfs},
        {.name = "ext4", .pool_new = new_ext4},
    };

    for (guint i = 0; i < G_N_ELEMENTS(fixtures); i++) {
        fixtures[i].backend = find_backend("fs");
        fixtures[i].pool_free = free_pool;
        fixtures[i].volume_formats = volume_formats;
        conformance_add(&fixtures[i]);
    }
}

/* Nobody else sees what is mounted, and it goes with the process. */
static bool hide_mounts(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(World *world, gconstpointer data);
    } tests[] = {
        {"/fs/build-rules", test_build_rules},
        {"/fs/mkfs-words", test_mkfs_words},
        {"/fs/mkfs-tags", test_mkfs_tags},
        {"/fs/mkfs-short-uuid", test_mkfs_short_uuid},
        {"/fs/mkfs-long-label", test_mkfs_long_label},
        {"/fs/built-again", test_built_again},
        {"/fs/copied-tag", test_copied_tag},
        {"/fs/other-tag", test_other_tag},
        {"/fs/build-refused", test_build_refused},
        {"/fs/build-in-use", test_build_in_use},
        {"/fs/mkfs-fails", test_mkfs_fails},
        {"/fs/start-stop", test_start_stop},
        {"/fs/start-fails", test_start_fails},
        {"/fs/mount-lies", test_mount_lies},
        {"/fs/mounted-by-other", test_mounted_by_other},
        {"/fs/linked-target", test_linked_target},
        {"/fs/by-tag", test_by_tag},
        {"/fs/unmounted", test_unmounted},
        {"/fs/replaced", test_replaced},
        {"/fs/hidden", test_hidden},
        {"/fs/mounted-twice", test_mounted_twice},
        {"/fs/mounted-elsewhere", test_mounted_elsewhere},
        {"/fs/bound-part", test_bound_part},
        {"/fs/subvolumes", test_subvolumes},
        {"/fs/stop-busy", test_stop_busy},
        {"/fs/stop-nested", test_stop_nested},
        {"/fs/stop-own", test_stop_own},
        {"/fs/stop-users", test_stop_users},
        {"/fs/stop-swap", test_stop_swap},
        {"/fs/umount-lies", test_umount_lies},
        {"/fs/umount-fails", test_umount_fails},
    };

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fs/tag-texts", test_tag_texts);
    if (!hide_mounts() || access("/dev/loop-control", R_OK | W_OK) < 0) {
        g_print("1..0 # SKIP no file system can be mounted here\n");
        return 0;
    }
    for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, World, NULL, setup, tests[i].run, teardown);
    add_conformance();
    return g_test_run();
}
