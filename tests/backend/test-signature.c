/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "signature.h"

#include "dir-fixture.h"
#include "errors.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define MIB 1048576

/* What stands for a device: a file that the tools write on. */
typedef struct Disk {
    char *folder, *path;
} Disk;

static void setup(Disk *disk, gconstpointer data)
{
    disk->folder = g_dir_make_tmp("signature-XXXXXX", NULL);
    disk->path = g_build_filename(disk->folder, "disk", NULL);
    autofd int fd = open(disk->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, 320 * MIB), ==, 0);
}

static void teardown(Disk *disk, gconstpointer data)
{
    g_unlink(disk->path);
    g_assert_cmpint(g_rmdir(disk->folder), ==, 0);
    g_free(disk->path);
    g_free(disk->folder);
}

static void run(const char *program, const char *option, const char *path, const char *input)
{
    const char *argv[] = {program, option, path, NULL};
    Command command = {.argv = argv, .input = input, .input_size = input ? strlen(input) : 0};
    GError *error = NULL;

    command_run_ok(NULL, &command, NULL, &error);
    g_assert_no_error(error);
}

static void make_ext4(const Disk *disk)
{
    run("mkfs.ext4", "-qF", disk->path, NULL);
}

static void make_gpt(const Disk *disk)
{
    run("sfdisk", "-q", disk->path, "label: gpt\nsize=16M\n");
}

static void assert_found(const Disk *disk, const char *expected)
{
    g_autofree char *found = NULL;
    GError *error = NULL;

    signature_find(disk->path, &found, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(found, ==, expected);
}

static void assert_refused(bool ok, GError *error, int code, const char *pattern)
{
    g_assert_false(ok);
    g_assert_error(error, CISTERN_ERROR, code);
    g_assert_true(g_pattern_match_simple(pattern, error_detail(error)) ||
                  (g_test_message("got: %s", error->message), false));
    g_error_free(error);
}

#define ASSERT_REFUSED(call, code, pattern)                                                        \
    ({                                                                                             \
        GError *refusal = NULL;                                                                    \
        bool ok_ = call;                                                                           \
        assert_refused(ok_, refusal, code, pattern);                                               \
    })

static void test_blank(Disk *disk, gconstpointer data)
{
    GError *error = NULL;

    assert_found(disk, NULL);
    g_assert_true(signature_check_blank(disk->path, "ext4", &error));
    ASSERT_REFUSED(signature_require(disk->path, "ext4", &refusal), ERROR_PROBE_FAILED,
                   "Device '*/disk' is unrecognized, requires build");
}

static void test_file_system(Disk *disk, gconstpointer data)
{
    GError *error = NULL;

    make_ext4(disk);
    assert_found(disk, "ext4");
    g_assert_true(signature_require(disk->path, "ext4", &error));
    ASSERT_REFUSED(signature_check_blank(disk->path, "ext4", &refusal), ERROR_POOL_BUILT,
                   "Device '*/disk' already formatted using 'ext4'");
    ASSERT_REFUSED(signature_check_blank(disk->path, "xfs", &refusal), ERROR_POOL_BUILT,
                   "Format of device '*/disk' does not match the expected format 'xfs', forced "
                   "overwrite is necessary: it holds 'ext4'");
    ASSERT_REFUSED(signature_require(disk->path, "gpt", &refusal), ERROR_OPERATION_INVALID,
                   "Format of device '*/disk' does not match the expected format 'gpt': it holds "
                   "'ext4'");
}

static void test_partitions(Disk *disk, gconstpointer data)
{
    GError *error = NULL;

    make_gpt(disk);
    assert_found(disk, "gpt");
    g_assert_true(signature_require(disk->path, "gpt", &error));
    ASSERT_REFUSED(signature_check_blank(disk->path, "LVM2_member", &refusal), ERROR_POOL_BUILT,
                   "*forced overwrite is necessary: it holds 'gpt'");
}

/* The superblock of another file system where the first leaves room for it. */
static void test_two_formats(Disk *disk, gconstpointer data)
{
    char superblock[1024];
    autofd int fd = open(disk->path, O_RDWR | O_CLOEXEC);
    g_autofree char *found = NULL;
    GError *error = NULL;

    make_ext4(disk);
    g_assert_cmpint(fd_read_at(fd, superblock, sizeof superblock, 1024), ==, sizeof superblock);
    run("mkfs.xfs", "-qf", disk->path, NULL);
    assert_found(disk, "xfs");
    g_assert_true(fd_write_at(fd, superblock, sizeof superblock, 1024));
    ASSERT_REFUSED(signature_find(disk->path, &found, &refusal), ERROR_PROBE_FAILED,
                   "Found additional probes to run*'*/disk' has signatures of more than one*");
    ASSERT_REFUSED(signature_check_blank(disk->path, "xfs", &refusal), ERROR_PROBE_FAILED,
                   "Found additional*");
    g_assert_true(signature_clear(disk->path, NULL, &error));
    assert_found(disk, NULL);
}

static void assert_zeros(const Disk *disk, guint64 offset)
{
    static const char zeros[MIB];
    g_autofree char *got = g_malloc(MIB);
    autofd int fd = open(disk->path, O_RDONLY | O_CLOEXEC);

    g_assert_cmpint(fd_read_at(fd, got, MIB, offset), ==, MIB);
    g_assert_cmpmem(got, MIB, zeros, MIB);
}

static void test_clear(Disk *disk, gconstpointer data)
{
    autofd int fd = open(disk->path, O_RDWR | O_CLOEXEC);
    GError *error = NULL;

    make_gpt(disk);
    g_assert_true(fd_write_at(fd, "kept", 4, 2 * MIB));
    g_assert_true(signature_clear(disk->path, NULL, &error));
    g_assert_no_error(error);
    assert_found(disk, NULL);
    assert_zeros(disk, 0);
    assert_zeros(disk, 319 * MIB);
    char kept[4];
    g_assert_cmpint(fd_read_at(fd, kept, 4, 2 * MIB), ==, 4);
    g_assert_cmpmem(kept, 4, "kept", 4);
    /* The rest of what another tool would look for is gone too. */
    const char *argv[] = {"wipefs", "--noheadings", disk->path, NULL};
    g_autofree char *left = dir_run(argv);
    g_assert_cmpstr(left, ==, "");
}

static void test_clear_short(Disk *disk, gconstpointer data)
{
    autofd int fd = open(disk->path, O_RDWR | O_CLOEXEC);
    char got[5] = "";
    GError *error = NULL;

    g_assert_cmpint(ftruncate(fd, 5000), ==, 0);
    g_assert_true(fd_write_at(fd, "hello", 5, 4995));
    g_assert_true(signature_clear(disk->path, NULL, &error));
    g_assert_cmpint(lseek(fd, 0, SEEK_END), ==, 5000);
    g_assert_cmpint(fd_read_at(fd, got, 5, 4995), ==, 5);
    g_assert_cmpmem(got, 5, "\0\0\0\0\0", 5);
}

static void test_cancelled(Disk *disk, gconstpointer data)
{
    g_autoptr(Operation) op = operation_new(OPERATION_NO_DEADLINE);

    make_ext4(disk);
    operation_cancel(op);
    ASSERT_REFUSED(signature_clear(disk->path, op, &refusal), ERROR_ABORTED, "*");
    assert_found(disk, "ext4");
}

static void test_absent(Disk *disk, gconstpointer data)
{
    g_autofree char *found = NULL;

    ASSERT_REFUSED(signature_find("/nonexistent", &found, &refusal), ERROR_PROBE_FAILED,
                   "Failed to create filesystem probe for device /nonexistent: No such file*");
    ASSERT_REFUSED(signature_clear("/nonexistent", NULL, &refusal), ERROR_SYSTEM,
                   "cannot open '/nonexistent'*");
}

/* A node that somebody holds. */
static void test_in_use(Disk *disk, gconstpointer data)
{
    const char *setup_argv[] = {"losetup", "--find", "--show", disk->path, NULL};
    g_auto(CommandResult) result = {0};
    Command command = {.argv = setup_argv};
    GError *error = NULL;

    if (geteuid() != 0 || !command_run_ok(NULL, &command, &result, NULL)) {
        g_test_skip("needs loop devices");
        return;
    }
    g_strchomp(result.output);
    make_ext4(disk);
    autofd int fd = open(result.output, O_RDONLY | O_EXCL | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    ASSERT_REFUSED(signature_clear(result.output, NULL, &refusal), ERROR_SYSTEM,
                   "'/dev/loop*' is in use: *");
    assert_found(disk, "ext4");
    fd_close(&fd);
    g_assert_true(signature_clear(result.output, NULL, &error));
    assert_found(disk, NULL);
    const char *detach[] = {"losetup", "--detach", result.output, NULL};
    g_free(dir_run(detach));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(Disk *disk, gconstpointer data);
    } tests[] = {
        {"/signature/blank", test_blank},           {"/signature/file-system", test_file_system},
        {"/signature/partitions", test_partitions}, {"/signature/two-formats", test_two_formats},
        {"/signature/clear", test_clear},           {"/signature/clear-short", test_clear_short},
        {"/signature/cancelled", test_cancelled},   {"/signature/absent", test_absent},
        {"/signature/in-use", test_in_use},
    };

    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Disk, NULL, setup, tests[i].run, teardown);
    return g_test_run();
}
