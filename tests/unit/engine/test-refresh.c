/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine-fixture.h"

#include <string.h>

/* Refresh beside everything else, and when it fails. */

#define AT_ONCE (G_TIME_SPAN_SECOND / 5) /* far more than memory takes, on a busy machine too */

typedef struct Refresh {
    Fixture *f;
    Pool *pool;
    GThread *thread;
    bool done;
} Refresh;

static gpointer refresh_run(gpointer data)
{
    Refresh *refresh = data;

    refresh->done = pool_refresh(refresh->pool, NOW(refresh->f), NULL);
    return NULL;
}

static void refresh_start_hung(Refresh *refresh, const char *where)
{
    fake_hang(where, false);
    refresh->thread = g_thread_new("refresh", refresh_run, refresh);
    fake_wait_hanging();
}

static void refresh_finish(Refresh *refresh)
{
    fake_release();
    g_thread_join(refresh->thread);
    g_assert_true(refresh->done);
}

static void check_listed(Pool *pool, const char *wanted)
{
    g_autofree char *names = listed(pool);

    g_assert_cmpstr(names, ==, wanted);
}

static Pool *scene(Fixture *f)
{
    Pool *pool = fixture_define_started(f, "dir", "p");

    fixture_create_volume(f, pool, "a", 4096);
    fixture_create_volume(f, pool, "b", 4096);
    return pool;
}

static void test_sees_changes(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = scene(f);

    fake_add_volume("/fake/p", "c", 1);
    fake_remove_volume("/fake/p", "a");
    check_listed(pool, "a b");
    g_assert_true(pool_refresh(pool, NOW(f), NULL));
    check_listed(pool, "b c");
}

/* Whatever hangs, what is known is told at once. */
static void test_readers_never_wait(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = scene(f);
    Refresh refresh = {.f = f, .pool = pool};
    g_autoptr(Pool) found = NULL;

    refresh_start_hung(&refresh, "scan");
    gint64 begin = g_get_monotonic_time();
    for (guint i = 0; i < 100; i++) {
        PoolInfo info;
        g_autoptr(VolumeRecord) by_name = pool_find_volume(pool, "a", NOW(f), NULL);
        g_autoptr(VolumeDef) known = volume_last_known(pool, "b", NULL);
        g_autoptr(GPtrArray) pools = engine_list_pools(f->engine, 0);
        g_autofree char *xml G_GNUC_UNUSED = pool_format(pool, false);
        pool_get_info(pool, &info);
        g_assert_true(by_name && known && pools->len == 1);
        g_assert_cmpint(info.state, ==, POOL_STATE_RUNNING);
        check_listed(pool, "a b");
    }
    g_autoptr(VolumeRecord) by_path =
        engine_find_volume_by_path(f->engine, "/fake/p/a", &found, NOW(f), NULL);
    g_assert_nonnull(by_path);
    g_assert_cmpint(g_get_monotonic_time() - begin, <, AT_ONCE);
    refresh_finish(&refresh);
}

/* A hung pool doesn't keep volumes of others from being found by path. */
static void test_hung_stat(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) hung G_GNUC_UNUSED = scene(f);
    g_autoptr(Pool) other = fixture_define_started(f, "fs", "q");
    g_autoptr(Pool) found = NULL;
    g_autoptr(GError) error = NULL;

    fixture_create_volume(f, other, "v", 1);
    fake_hang("volume_stat", true);
    g_autoptr(VolumeRecord) record G_GNUC_UNUSED =
        engine_find_volume_by_path(f->engine, "/fake/q/v", &found, NOW(f), &error);
    g_assert_no_error(error);
    g_assert_true(found == other);
    /* Not in any folder of a pool: nobody is asked. */
    g_assert_null(engine_find_volume_by_path(f->engine, "/elsewhere/v", &found, NOW(f), &error));
    g_assert_cmpint(error_code(error), ==, ERROR_NO_VOLUME);
    fake_release();
}

/* What jobs did while the scan saw the old state is right, not what the scan saw. */
static void test_jobs_win(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = scene(f);
    Refresh refresh = {.f = f, .pool = pool};

    refresh_start_hung(&refresh, "scan_seen");
    fixture_create_volume(f, pool, "new", 4096);
    g_assert_true(volume_delete(pool, "a", 0, NOW(f), NULL));
    g_assert_true(volume_resize(pool, "b", 8192, 0, NOW(f), NULL));
    check_listed(pool, "b new");
    refresh_finish(&refresh);
    check_listed(pool, "b new");
    g_autoptr(VolumeRecord) record = pool_peek_volume(pool, "b");
    g_assert_cmpuint(volume_record_capacity(record), ==, 8192);
}

/* More of them than are laid over in one go. */
static void test_many_jobs_win(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = scene(f);
    Refresh refresh = {.f = f, .pool = pool};

    refresh_start_hung(&refresh, "scan_seen");
    for (guint i = 0; i < 300; i++) {
        g_autofree char *name = g_strdup_printf("new%u", i);
        fixture_create_volume(f, pool, name, 4096);
    }
    refresh_finish(&refresh);
    g_autoptr(Inventory) inventory = pool_inventory(pool, NULL);
    g_assert_cmpuint(inventory_count(inventory), ==, 302);
}

typedef struct Reader {
    Fixture *f;
    Pool *pool;
} Reader;

static gpointer read_a(gpointer data)
{
    Reader *reader = data;
    g_autoptr(VolumeDef) def G_GNUC_UNUSED = volume_read(reader->pool, "a", NOW(reader->f), NULL);

    return NULL;
}

/* A read that began before a deletion must not bring the volume back. */
static void test_late_read(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = scene(f);
    Reader reader = {f, pool};

    fake_add_volume("/fake/p", "a", 99); /* changed, so that the read has something to tell */
    fake_hang("volume_stat", false);
    GThread *thread = g_thread_new("read", read_a, &reader);
    fake_wait_hanging();
    g_assert_true(volume_delete(pool, "a", 0, NOW(f), NULL));
    fake_add_volume("/fake/p", "a", 99); /* so that the late read finds it */
    fake_release();
    g_thread_join(thread);
    check_listed(pool, "b");
}

static void test_failure_keeps_list(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = scene(f);
    g_autoptr(GError) error = NULL;
    PoolInfo info;

    fake_fail("scan", 1, ERROR_SYSTEM, "cannot open directory: Input/output error");
    g_assert_false(pool_refresh(pool, NOW(f), &error));
    check_error(&error, ERROR_SYSTEM, "pool 'p': cannot open directory: Input/output error");
    g_assert_true(pool_is_active(pool));
    check_listed(pool, "a b");
    pool_get_info(pool, &info);
    g_assert_cmpint(info.state, ==, POOL_STATE_INACCESSIBLE);
    g_autofree char *problem = pool_problem(pool);
    g_assert_cmpstr(problem, ==, "pool 'p': cannot open directory: Input/output error");

    g_assert_true(pool_refresh(pool, NOW(f), &error));
    pool_get_info(pool, &info);
    g_assert_cmpint(info.state, ==, POOL_STATE_RUNNING);
    g_assert_null(pool_problem(pool));
}

static void test_cancel_is_no_problem(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = scene(f);
    const Request *request = NOW(f);
    g_autoptr(GError) error = NULL;
    PoolInfo info;

    operation_cancel(request->op);
    g_assert_false(pool_refresh(pool, request, &error));
    check_error_prefix(&error, ERROR_ABORTED, "operation aborted: ");
    pool_get_info(pool, &info);
    g_assert_cmpint(info.state, ==, POOL_STATE_RUNNING);
}

static PoolState state_of(Pool *pool)
{
    PoolInfo info;

    pool_get_info(pool, &info);
    return info.state;
}

/* What a scan finds not to work shows until one finds all well; the list is a true one. */
static void test_degraded(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = scene(f);

    fake_set_degraded("/fake/p", "half of it is gone");
    fake_add_volume("/fake/p", "c", 1);
    g_assert_true(pool_refresh(pool, NOW(f), NULL));
    g_autofree char *problem = pool_problem(pool);
    g_assert_cmpstr(problem, ==, "half of it is gone");
    g_assert_cmpint(state_of(pool), ==, POOL_STATE_DEGRADED);
    check_listed(pool, "a b c");
    fake_set_degraded("/fake/p", NULL);
    g_assert_true(pool_refresh(pool, NOW(f), NULL));
    g_assert_cmpint(state_of(pool), ==, POOL_STATE_RUNNING);
    g_assert_null(pool_problem(pool));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ENGINE_TEST("/engine/refresh/sees-changes", test_sees_changes);
    ENGINE_TEST("/engine/refresh/readers-never-wait", test_readers_never_wait);
    ENGINE_TEST("/engine/refresh/hung-stat", test_hung_stat);
    ENGINE_TEST("/engine/refresh/jobs-win", test_jobs_win);
    ENGINE_TEST("/engine/refresh/many-jobs-win", test_many_jobs_win);
    ENGINE_TEST("/engine/refresh/late-read", test_late_read);
    ENGINE_TEST("/engine/refresh/failure-keeps-list", test_failure_keeps_list);
    ENGINE_TEST("/engine/refresh/degraded", test_degraded);
    ENGINE_TEST("/engine/refresh/cancel-is-no-problem", test_cancel_is_no_problem);
    return g_test_run();
}
