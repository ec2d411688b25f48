/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conformance.h"
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
#include <sys/stat.h>
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
    static const char *const tags[] = {"UUID", "LABEL"};

    for (guint i = 0; i < G_N_ELEMENTS(tags); i++) {
        build(world, BUILD_OVERWRITE);
        g_free(dir_run((const char *[]){"e2label", world->disk.path, "cistern-test-fs", NULL}));
        const char *blkid[] = {"blkid", "-c",    "/dev/null",      "-o", "value",
                               "-s",    tags[i], world->disk.path, NULL};
        g_autofree char *value = g_strchomp(dir_run(blkid));
        g_autofree char *text = g_strdup_printf("%s=%s", tags[i], value);
        set_device(world, text);
        g_string_truncate(world->commands.log, 0);
        start(world);
        assert_commands(world, "mount -o nodev,nosuid,noexec -t ext4 -- DEVICE TARGET\n");
        g_assert_true(is_up(world));
        stop(world);
        set_device(world, world->disk.path);
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

static void test_replaced(World *world, gconstpointer data)
{
    build(world, BUILD_OVERWRITE);
    start(world);
    g_assert_cmpint(mount("stranger", world->pool->target_path, "tmpfs", 0, NULL), ==, 0);
    assert_all_refused(world, "*is not the pool's source, but 'stranger' (tmpfs)");
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

/* ---- stop ---- */

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
        {"/fs/bound-part", test_bound_part},
        {"/fs/stop-busy", test_stop_busy},
        {"/fs/stop-nested", test_stop_nested},
        {"/fs/stop-own", test_stop_own},
        {"/fs/umount-fails", test_umount_fails},
    };

    g_test_init(&argc, &argv, NULL);
    if (!hide_mounts() || access("/dev/loop-control", R_OK | W_OK) < 0) {
        g_print("1..0 # SKIP no file system can be mounted here\n");
        return 0;
    }
    for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, World, NULL, setup, tests[i].run, teardown);
    add_conformance();
    return g_test_run();
}
