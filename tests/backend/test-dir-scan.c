/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dir-fixture.h"

#include "errors.h"
#include "image-format.h"
#include "qcow2.h"
#include "recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* What a scan of a folder lists, keeps, leaves out, and never touches. */

static void scan(const DirWorld *world, Recorder *recorder)
{
    GError *error = NULL;

    world->backend->scan(world->pool, world->op, &recorder->scan, &error);
    g_assert_no_error(error);
}

static void put_qcow2(const DirWorld *world, const char *name, const Qcow2Options *options)
{
    autofd int fd = openat(world->fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    g_assert_true(qcow2_write(fd, options, NULL));
}

/* Long enough for the identity of what was written to count. */
static void settle(void)
{
    g_usleep(80 * 1000);
}

static void test_kinds(DirWorld *world, gconstpointer data)
{
    g_auto(Recorder) recorder;
    struct stat st;

    dir_put(world, "raw", "data", 100000);
    dir_put(world, ".hidden", "", 0);
    dir_put(world, "-leading-dash", "", 0);
    dir_put(world, "gr\xc3\xbc\xc3\x9f dich & <co>", "", 0);
    put_qcow2(world, "image",
              &(Qcow2Options){.capacity = 1 << 30,
                              .version = 3,
                              .cluster_size = 131072,
                              .backing = "raw",
                              .backing_format = "raw"});
    g_assert_cmpint(mkdirat(world->fd, "folder", 0750), ==, 0);
    g_assert_cmpint(mkfifoat(world->fd, "fifo", 0600), ==, 0);
    recorder_init(&recorder);
    scan(world, &recorder);
    g_assert_cmpuint(recorder_count(&recorder), ==, 6);

    const VolumeDef *raw = recorder_find(&recorder, "raw");
    g_assert_cmpint(fstatat(world->fd, "raw", &st, 0), ==, 0);
    g_assert_cmpint(raw->type, ==, VOLUME_FILE);
    g_assert_cmpint(raw->target.format, ==, IMAGE_FORMAT_RAW);
    g_assert_cmpuint(raw->capacity, ==, 100000);
    g_assert_cmpuint(raw->physical, ==, 100000);
    g_assert_cmpuint(raw->allocation, ==, (guint64)st.st_blocks * 512);
    g_assert_cmpuint(raw->target.permissions.mode, ==, 0600);
    g_assert_cmpuint(raw->target.permissions.uid, ==, st.st_uid);
    g_assert_true(raw->target.has_timestamps);
    g_assert_cmpint(raw->target.timestamps.mtime, ==,
                    st.st_mtim.tv_sec * G_GINT64_CONSTANT(1000000000) + st.st_mtim.tv_nsec);
    g_assert_cmpstr(raw->key, ==, raw->target.path);

    const VolumeDef *image = recorder_find(&recorder, "image");
    g_autofree char *backing = dir_path(world, "raw");
    g_assert_cmpint(image->target.format, ==, IMAGE_FORMAT_QCOW2);
    g_assert_cmpuint(image->capacity, ==, 1 << 30);
    g_assert_cmpuint(image->target.cluster_size, ==, 131072);
    g_assert_cmpstr(image->target.compat, ==, "1.1");
    g_assert_cmpstr(image->backing.path, ==, backing);

    const VolumeDef *folder = recorder_find(&recorder, "folder");
    g_assert_cmpint(folder->type, ==, VOLUME_DIR);
    g_assert_cmpint(folder->target.format, ==, IMAGE_FORMAT_DIR);
    g_assert_cmpuint(folder->capacity, ==, 0);
    g_assert_cmpuint(folder->physical, ==, 0);
    g_assert_cmpuint(recorder.permissions.mode, ==, 0711);
    g_assert_true(recorder.has_space);
}

static void test_keep(DirWorld *world, gconstpointer data)
{
    g_auto(Recorder) recorder;

    for (guint i = 0; i < 300; i++) {
        g_autofree char *name = g_strdup_printf("v%u", i);
        dir_put(world, name, "x", 1000);
    }
    settle();
    recorder_init(&recorder);
    scan(world, &recorder);
    g_assert_cmpuint(recorder_count(&recorder), ==, 300);

    recorder_start_again(&recorder);
    dir_put(world, "v7", "y", 1000);
    g_assert_cmpint(unlinkat(world->fd, "v8", 0), ==, 0);
    dir_put(world, "new", "", 5);
    g_assert_cmpint(fchmodat(world->fd, "v9", 0640, 0), ==, 0);
    scan(world, &recorder);
    g_assert_cmpuint(recorder.n_kept, ==, 297);
    g_assert_cmpuint(recorder_count(&recorder), ==, 3);
    g_assert_nonnull(recorder_find(&recorder, "v7"));
    g_assert_nonnull(recorder_find(&recorder, "new"));
    g_assert_cmpuint(recorder_find(&recorder, "v9")->target.permissions.mode, ==, 0640);
}

/* A file written within the clock's last tick may be written again without its times showing it. */
static void test_fresh_file_not_kept(DirWorld *world, gconstpointer data)
{
    g_auto(Recorder) recorder;

    dir_put(world, "fresh", "x", 1000);
    recorder_init(&recorder);
    scan(world, &recorder);
    g_assert_nonnull(recorder_find(&recorder, "fresh"));
    g_assert_cmpuint(g_hash_table_size(recorder.identities), ==, 0);
    settle();
    recorder_start_again(&recorder);
    scan(world, &recorder);
    g_assert_cmpuint(g_hash_table_size(recorder.identities), ==, 1);
}

static void link_to(const DirWorld *world, const char *target, const char *name)
{
    g_assert_cmpint(symlinkat(target, world->fd, name), ==, 0);
}

static void test_links(DirWorld *world, gconstpointer data)
{
    static const char *const outward[] = {"out-absolute", "out-relative", "out-folder", "proc"};
    g_auto(Recorder) recorder;
    g_autofree char *absolute = dir_path(world, "file");
    g_autofree char *outside = g_strconcat(world->pool->target_path, ".secret", NULL);

    g_assert_true(g_file_set_contents(outside, "secret", 6, NULL));
    dir_put(world, "file", "text", 4096);
    g_assert_cmpint(mkdirat(world->fd, "sub", 0700), ==, 0);
    dir_put(world, "sub/inner", "", 77);
    link_to(world, "file", "in");
    link_to(world, absolute, "in-absolute");
    link_to(world, "sub/inner", "in-deep");
    link_to(world, "sub", "in-folder");
    link_to(world, "nowhere", "dangling");
    link_to(world, "circle", "circle");
    link_to(world, outside, outward[0]);
    link_to(world, "../pool.secret", outward[1]);
    link_to(world, "..", outward[2]);
    link_to(world, "/proc/self/root/etc/passwd", outward[3]);
    recorder_init(&recorder);
    scan(world, &recorder);

    g_assert_cmpuint(recorder_find(&recorder, "in")->capacity, ==, 4096);
    g_assert_cmpuint(recorder_find(&recorder, "in-absolute")->capacity, ==, 4096);
    g_assert_cmpuint(recorder_find(&recorder, "in-deep")->capacity, ==, 77);
    g_assert_cmpint(recorder_find(&recorder, "in-folder")->type, ==, VOLUME_DIR);
    g_assert_null(recorder_find(&recorder, "in")->problem);
    g_assert_null(recorder_find(&recorder, "dangling"));
    g_assert_null(recorder_find(&recorder, "circle"));
    for (guint i = 0; i < G_N_ELEMENTS(outward); i++) {
        const VolumeDef *volume = recorder_find(&recorder, outward[i]);
        g_assert_cmpstr(volume->problem, ==,
                        "a link that leaves the pool's folder is not followed");
        g_assert_cmpuint(volume->capacity, ==, 0);
        g_assert_cmpint(volume->target.format, ==, IMAGE_FORMAT_UNKNOWN);
    }
    g_assert_cmpint(unlink(outside), ==, 0);
}

static void test_problems(DirWorld *world, gconstpointer data)
{
    g_auto(Recorder) recorder;
    Qcow2Options options = {.capacity = 1 << 20, .version = 3};

    put_qcow2(world, "lying", &options);
    autofd int fd = openat(world->fd, "lying", O_RDWR | O_CLOEXEC);
    g_assert_true(fd_write_at(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, 24)); /* its size */
    dir_put(world, "good", "", 10);
    settle();
    recorder_init(&recorder);
    scan(world, &recorder);
    g_assert_cmpuint(recorder_count(&recorder), ==, 2);
    g_assert_nonnull(recorder_find(&recorder, "lying")->problem);
    g_assert_null(recorder_find(&recorder, "good")->problem);
}

/* As somebody who may list the folder and not read the file. */
static void test_unreadable(DirWorld *world, gconstpointer data)
{
    g_auto(Recorder) recorder;
    g_autofree char *scratch = g_path_get_dirname(world->pool->target_path);
    uid_t self = geteuid();

    dir_put(world, "closed", "x", 100);
    g_assert_cmpint(fchmodat(world->fd, "closed", 0, 0), ==, 0);
    g_assert_cmpint(chmod(world->pool->target_path, 0755), ==, 0);
    g_assert_cmpint(chmod(scratch, 0755), ==, 0);
    settle();
    recorder_init(&recorder);
    if (self == 0)
        g_assert_cmpint(seteuid(65534), ==, 0);
    scan(world, &recorder);
    g_assert_cmpint(seteuid(self), ==, 0);
    const VolumeDef *volume = recorder_find(&recorder, "closed");
    g_assert_cmpstr(volume->problem, ==, "cannot be opened: Permission denied");
    g_assert_cmpuint(volume->capacity, ==, 100);
    g_assert_cmpuint(g_hash_table_size(recorder.identities), ==, 0); /* asked again next time */
}

static void test_ploop(DirWorld *world, gconstpointer data)
{
    g_auto(Recorder) recorder;

    g_assert_cmpint(mkdirat(world->fd, "p", 0700), ==, 0);
    dir_put(world, "p/root.hds", "", 65536);
    dir_put(world, "p/DiskDescriptor.xml", "", 0);
    g_assert_cmpint(mkdirat(world->fd, "trap", 0700), ==, 0);
    link_to(world, "/etc/passwd", "trap/root.hds");
    dir_put(world, "trap/DiskDescriptor.xml", "", 0);
    recorder_init(&recorder);
    scan(world, &recorder);
    const VolumeDef *volume = recorder_find(&recorder, "p");
    g_assert_cmpint(volume->type, ==, VOLUME_PLOOP);
    g_assert_cmpint(volume->target.format, ==, IMAGE_FORMAT_PLOOP);
    g_assert_cmpuint(volume->physical, ==, 65536);
    g_assert_cmpint(recorder_find(&recorder, "trap")->type, ==, VOLUME_DIR);

    GError *error = NULL;
    g_assert_true(world->backend->volume_delete(world->pool, world->op, volume, 0, &error));
    g_assert_no_error(error);
    g_assert_cmpint(faccessat(world->fd, "p", F_OK, 0), !=, 0);
    g_assert_cmpuint(dir_count(world), ==, 1);
}

typedef struct Churn {
    const DirWorld *world;
    gint stop;
} Churn;

static void *churn(void *data)
{
    Churn *run = data;

    for (guint i = 0; !g_atomic_int_get(&run->stop); i = (i + 1) % 50) {
        g_autofree char *name = g_strdup_printf("churn-%u", i);
        dir_put(run->world, name, "x", 10);
        (void)unlinkat(run->world->fd, name, 0);
    }
    return NULL;
}

/* Files come and go while the folder is read. */
static void test_vanishing(DirWorld *world, gconstpointer data)
{
    Churn run = {.world = world};
    GThread *thread;

    for (guint i = 0; i < 500; i++) {
        g_autofree char *name = g_strdup_printf("stays-%u", i);
        dir_put(world, name, "", i);
    }
    thread = g_thread_new("churn", churn, &run);
    for (guint round = 0; round < 50; round++) {
        g_auto(Recorder) recorder;
        recorder_init(&recorder);
        scan(world, &recorder);
        for (guint i = 0; i < 500; i++) {
            g_autofree char *name = g_strdup_printf("stays-%u", i);
            const VolumeDef *volume = recorder_find(&recorder, name);
            g_assert_nonnull(volume);
            g_assert_cmpuint(volume->capacity, ==, i);
        }
    }
    g_atomic_int_set(&run.stop, 1);
    g_thread_join(thread);
}

static void assert_no_volume(const DirWorld *world, const char *name, int code)
{
    g_autoptr(GError) error = NULL;
    VolumeState state = {0};

    g_assert_false(world->backend->volume_stat(world->pool, world->op, name, &state, &error));
    g_assert_error(error, CISTERN_ERROR, code);
    g_assert_null(state.volume);
}

static void test_stat(DirWorld *world, gconstpointer data)
{
    static const char *const never[] = {"nowhere", "..",          ".",    "",
                                        "a/b",     "line\nbreak", "\xff", ".cistern-draft.0000"};
    g_autofree char *outside = g_strconcat(world->pool->target_path, ".secret", NULL);

    dir_put(world, "line\nbreak", "", 0);
    dir_put(world, ".cistern-draft.0000", "", 0);
    for (guint i = 0; i < G_N_ELEMENTS(never); i++)
        assert_no_volume(world, never[i], ERROR_NO_VOLUME);
    g_assert_cmpint(mkfifoat(world->fd, "fifo", 0600), ==, 0);
    assert_no_volume(world, "fifo", ERROR_INTERNAL);
    link_to(world, outside, "out");
    g_autoptr(VolumeDef) out = dir_stat(world, "out");
    g_assert_nonnull(out->problem);
    dir_put(world, "file", "", 123);
    g_autoptr(VolumeDef) file = dir_stat(world, "file");
    g_assert_cmpuint(file->capacity, ==, 123);
}

static void test_label(DirWorld *world, gconstpointer data)
{
    static const char label[] = "system_u:object_r:virt_image_t:s0";
    g_autofree char *path = dir_path(world, "file");

    dir_put(world, "file", "", 0);
    if (setxattr(path, "security.selinux", label, sizeof label, 0) < 0) {
        g_test_skip("no labels here");
        return;
    }
    g_autoptr(VolumeDef) file = dir_stat(world, "file");
    g_assert_cmpstr(file->target.permissions.label, ==, label);
}

static void test_gone(DirWorld *world, gconstpointer data)
{
    g_auto(Recorder) recorder;
    g_autoptr(GError) error = NULL;

    recorder_init(&recorder);
    g_assert_cmpint(rmdir(world->pool->target_path), ==, 0);
    g_assert_false(world->backend->scan(world->pool, world->op, &recorder.scan, &error));
    g_assert_cmpint(error_errno(error), ==, ENOENT);
    g_assert_cmpint(mkdir(world->pool->target_path, 0700), ==, 0);
}

#define ADD(name, function)                                                                        \
    g_test_add("/dir/scan/" name, DirWorld, NULL, dir_setup, function, dir_teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("kinds", test_kinds);
    ADD("keep", test_keep);
    ADD("fresh-file-not-kept", test_fresh_file_not_kept);
    ADD("links", test_links);
    ADD("problems", test_problems);
    ADD("unreadable", test_unreadable);
    ADD("ploop", test_ploop);
    ADD("vanishing", test_vanishing);
    ADD("stat", test_stat);
    ADD("label", test_label);
    ADD("gone", test_gone);
    return g_test_run();
}
