/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dir-fixture.h"

#include "draft.h"
#include "errors.h"

#include <glib/gstdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

/* Building, starting, measuring, sweeping and erasing the folder of a dir pool. */

typedef struct Site {
    const Backend *backend;
    PoolDef *pool; /* its folder is not made yet */
} Site;

static void setup(Site *site, gconstpointer data)
{
    *site = (Site){.backend = dir_backend(), .pool = dir_pool_new()};
}

static void teardown(Site *site, gconstpointer data)
{
    dir_pool_free(site->pool);
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    return st.st_mode & 07777;
}

static void build(Site *site)
{
    GError *error = NULL;

    site->backend->build(site->pool, NULL, 0, &error);
    g_assert_no_error(error);
}

static void test_build_default(Site *site, gconstpointer data)
{
    mode_t old = umask(0077);

    build(site);
    umask(old);
    g_assert_cmpint(mode_of(site->pool->target_path), ==, 0711);
    g_assert_cmpint(g_chmod(site->pool->target_path, 0750), ==, 0);
    build(site); /* again: only what was given is set */
    g_assert_cmpint(mode_of(site->pool->target_path), ==, 0750);
}

static void test_build_given(Site *site, gconstpointer data)
{
    struct stat st;

    site->pool->permissions.mode = 0750;
    if (geteuid() == 0) {
        site->pool->permissions.uid = 12;
        site->pool->permissions.gid = 34;
    }
    build(site);
    g_assert_cmpint(mode_of(site->pool->target_path), ==, 0750);
    g_assert_cmpint(stat(site->pool->target_path, &st), ==, 0);
    if (geteuid() == 0) {
        g_assert_cmpint(st.st_uid, ==, 12);
        g_assert_cmpint(st.st_gid, ==, 34);
    }
}

static void test_build_parents(Site *site, gconstpointer data)
{
    g_autofree char *parent = g_strdup(site->pool->target_path);
    mode_t old = umask(0027);
    PoolDef *deep = dir_pool_at(parent);

    g_free(deep->target_path);
    deep->target_path = g_strconcat(parent, "/a/b", NULL);
    g_assert_true(site->backend->build(deep, NULL, 0, NULL));
    umask(old);
    g_assert_cmpint(mode_of(parent), ==, 0750);
    g_assert_cmpint(mode_of(deep->target_path), ==, 0711);
    pool_def_unref(deep);
}

static void refuse_build(Site *site, guint flags, int code, const char *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(site->backend->build(site->pool, NULL, flags, &error));
    g_assert_error(error, CISTERN_ERROR, code);
    g_assert_cmpstr(error_detail(error), ==, message);
}

static void test_build_refused(Site *site, gconstpointer data)
{
    g_autofree char *path = g_strdup(site->pool->target_path);

    refuse_build(site, BUILD_OVERWRITE, ERROR_OPERATION_INVALID,
                 "No source device specified when formatting pool 'pool'");
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_free(site->pool->target_path);
    site->pool->target_path = g_strdup("relative/path");
    refuse_build(site, 0, ERROR_INVALID_ARGUMENT, "path 'relative/path' is not absolute");
    g_free(site->pool->target_path);
    site->pool->target_path = g_steal_pointer(&path);
}

/* What a failed build made is gone again: here the no-COW control is missing. */
static void test_build_undone(Site *site, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *message =
        g_strdup_printf("unable to control COW flag on '%s', not btrfs: Function not implemented",
                        site->pool->target_path);

    site->pool->cow = TRI_NO;
    if (site->backend->build(site->pool, NULL, 0, &error)) {
        g_test_skip("scratch files are on btrfs");
        return;
    }
    g_assert_cmpstr(error->message, ==, message);
    g_assert_cmpint(error_code(error), ==, ERROR_SYSTEM);
    g_assert_cmpint(error_origin(error), ==, ORIGIN_NONE);
    g_assert_false(g_file_test(site->pool->target_path, G_FILE_TEST_EXISTS));
}

static void assert_start(Site *site, const char *reason)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *message =
        g_strdup_printf("cannot open directory '%s': %s", site->pool->target_path, reason);
    bool up = true;

    g_assert_false(site->backend->start(site->pool, NULL, &error));
    g_assert_cmpstr(error->message, ==, message);
    g_assert_cmpint(error_code(error), ==, ERROR_SYSTEM);
    g_assert_cmpint(error_origin(error), ==, ORIGIN_NONE);
    g_assert_true(site->backend->is_up(site->pool, NULL, &up, NULL));
    g_assert_false(up);
}

static void test_start(Site *site, gconstpointer data)
{
    bool up = false;

    assert_start(site, "No such file or directory");
    g_assert_true(g_file_set_contents(site->pool->target_path, "", 0, NULL));
    assert_start(site, "Not a directory");
    g_assert_cmpint(g_unlink(site->pool->target_path), ==, 0);
    build(site);
    g_assert_true(site->backend->start(site->pool, NULL, NULL));
    g_assert_true(site->backend->is_up(site->pool, NULL, &up, NULL));
    g_assert_true(up);
}

static void test_build_over_file(Site *site, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(site->pool->target_path, "keep", -1, NULL));
    g_assert_false(site->backend->build(site->pool, NULL, 0, &error));
    g_assert_true(g_file_test(site->pool->target_path, G_FILE_TEST_IS_REGULAR));
}

static void test_space(Site *site, gconstpointer data)
{
    PoolSpace space;
    struct statvfs fs;

    build(site);
    g_assert_true(site->backend->space(site->pool, NULL, &space, NULL));
    g_assert_cmpint(statvfs(site->pool->target_path, &fs), ==, 0);
    g_assert_cmpuint(space.capacity, ==, (guint64)fs.f_blocks * fs.f_frsize);
    g_assert_cmpuint(space.allocation, ==, space.capacity - space.available);
}

static void test_erase(Site *site, gconstpointer data)
{
    g_autoptr(GError) error = NULL, flag_error = NULL;
    g_autofree char *file = g_build_filename(site->pool->target_path, "volume", NULL);
    g_autofree char *message =
        g_strdup_printf("failed to remove pool '%s': Directory not empty", site->pool->target_path);

    build(site);
    g_assert_true(g_file_set_contents(file, "", 0, NULL));
    g_assert_false(site->backend->erase(site->pool, NULL, ERASE_ZEROED, &flag_error));
    g_assert_error(flag_error, CISTERN_ERROR, ERROR_INVALID_ARGUMENT);
    g_assert_false(site->backend->erase(site->pool, NULL, 0, &error));
    g_assert_cmpstr(error->message, ==, message);
    g_assert_cmpint(g_unlink(file), ==, 0);
    g_assert_true(site->backend->erase(site->pool, NULL, 0, NULL));
    g_assert_false(g_file_test(site->pool->target_path, G_FILE_TEST_EXISTS));
}

/* Leaves a draft behind, as a process does that is killed. */
static void die_in_the_middle(const char *path)
{
    pid_t child = fork();

    if (child == 0) {
        Draft draft;
        int folder = fd_open_folder(path);
        _exit(folder >= 0 && draft_create(folder, 0600, &draft, NULL) ? 0 : 1);
    }
    int status;
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
}

static void test_sweep(Site *site, gconstpointer data)
{
    build(site);
    die_in_the_middle(site->pool->target_path);
    die_in_the_middle(site->pool->target_path);
    g_assert_cmpint(g_rmdir(site->pool->target_path), !=, 0);
    g_assert_true(site->backend->sweep(site->pool, NULL, NULL));
    g_assert_cmpint(g_rmdir(site->pool->target_path), ==, 0);
    build(site);
    die_in_the_middle(site->pool->target_path);
    g_assert_true(site->backend->erase(site->pool, NULL, 0, NULL)); /* sweeps too */
}

static void test_same_source(Site *site, gconstpointer data)
{
    PoolDef *other = dir_pool_at(site->pool->target_path);

    g_assert_true(site->backend->same_source(other, site->pool));
    g_free(other->target_path);
    other->target_path = g_strdup("/elsewhere");
    g_assert_false(site->backend->same_source(other, site->pool));
    pool_def_unref(other);
}

static void test_registry(void)
{
    const PoolSchemaList *schemas = backend_schemas();

    g_assert_cmpuint(n_backends, ==, 14);
    g_assert_cmpuint(schemas->count, ==, n_backends);
    for (guint i = 0; i < n_backends; i++) {
        const Backend *backend = backends[i];
        g_assert_cmpuint(backend->schema.number, ==, i);
        g_assert_true(schemas->schemas[i] == &backend->schema);
        g_assert_true(backend_for_schema(schemas->schemas[i]) == backend);
        g_assert_true(backend_is_available(backend) == (backend->unavailable == NULL));
        for (guint j = 0; j < i; j++)
            g_assert_cmpuint(backends[j]->schema.list_flag, !=, backend->schema.list_flag);
    }
    g_assert_true(backend_is_available(dir_backend()));
}

static void test_wipe_names(void)
{
    g_assert_cmpstr(wipe_algorithm_name(WIPE_ZERO), ==, "zero");
    g_assert_cmpstr(wipe_algorithm_name(WIPE_TRIM), ==, "trim");
    g_assert_null(wipe_algorithm_name(WIPE_COUNT));
    for (guint i = 0; i < WIPE_COUNT; i++)
        g_assert_nonnull(wipe_algorithm_name(i));
}

#define ADD(name, function) g_test_add("/dir/pool/" name, Site, NULL, setup, function, teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("build-default", test_build_default);
    ADD("build-given", test_build_given);
    ADD("build-parents", test_build_parents);
    ADD("build-refused", test_build_refused);
    ADD("build-undone", test_build_undone);
    ADD("build-over-file", test_build_over_file);
    ADD("start", test_start);
    ADD("space", test_space);
    ADD("erase", test_erase);
    ADD("sweep", test_sweep);
    ADD("same-source", test_same_source);
    g_test_add_func("/registry/order", test_registry);
    g_test_add_func("/contract/wipe-names", test_wipe_names);
    return g_test_run();
}
