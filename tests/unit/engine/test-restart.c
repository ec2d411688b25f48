/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine-fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* What the next engine on the same folders makes of what the last one left. */

static Pool *find(Fixture *f, const char *name)
{
    return engine_find_pool_by_name(f->engine, name, NULL);
}

static void check_active(Fixture *f, const char *name, bool active)
{
    g_autoptr(Pool) pool = find(f, name);

    g_assert_nonnull(pool);
    g_assert_true(pool_is_active(pool) == active);
}

static void make_pools(Fixture *f)
{
    g_autofree char *transient = pool_xml("fs", "transient", NULL);
    g_autofree char *lost = pool_xml("fs", "lost", NULL);
    g_autoptr(Pool) a = fixture_define_started(f, "dir", "dir-up");
    g_autoptr(Pool) b = fixture_define_started(f, "dir", "dir-down");
    g_autoptr(Pool) c G_GNUC_UNUSED = fixture_define_started(f, "fs", "fs-up");
    g_autoptr(Pool) d G_GNUC_UNUSED = fixture_define_started(f, "fs", "fs-unmounted");
    g_autoptr(Pool) e G_GNUC_UNUSED = fixture_define(f, "fs", "fs-never");
    g_autoptr(Pool) t = engine_create_pool(f->engine, transient, 0, NOW(f), NULL);
    g_autoptr(Pool) l = engine_create_pool(f->engine, lost, 0, NOW(f), NULL);

    g_assert_true(t && l);
    g_assert_true(pool_stop(b, NOW(f), NULL));
    fixture_create_volume(f, a, "v", 4096);
}

/* What happens to the storage while no engine runs. */
static void change_storage(void)
{
    fake_add_volume("/fake/dir-up", "w", 1);
    fake_set_up("/fake/fs-up", true);
    fake_set_up("/fake/transient", true);
    fake_set_up("/fake/fs-unmounted", false);
    fake_set_up("/fake/lost", false);
    fake_set_up("/fake/fs-never", true); /* mounted by somebody else */
}

static void check_pools(Fixture *f)
{
    g_autoptr(Pool) up = find(f, "dir-up");
    g_autoptr(Pool) transient = find(f, "transient");

    check_active(f, "dir-up", true);
    check_active(f, "dir-down", false);
    check_active(f, "fs-up", true);
    check_active(f, "fs-unmounted", false);
    check_active(f, "fs-never", false);
    check_active(f, "transient", true);
    g_assert_false(pool_is_persistent(transient));
    g_assert_null(find(f, "lost"));
    g_autofree char *names = listed(up);
    g_assert_cmpstr(names, ==, "v w");
    g_autofree char *stale = g_build_filename(f->state_dir, "fs-unmounted.xml", NULL);
    g_assert_false(g_file_test(stale, G_FILE_TEST_EXISTS));
}

static void test_restart(Fixture *f, gconstpointer data)
{
    make_pools(f);
    fixture_close(f);
    change_storage();
    fake_add_volume("/fake/dir-up", "v", 4096);
    fixture_open(f);
    check_pools(f);
    fixture_reopen(f);
    check_pools(f);
}

#define ROOT_VARIABLE "CISTERN_TEST_ROOT"

/* Runs in a process of its own, on the folders of test_killed(), which dies without a word. */
static void die_with_pools(void)
{
    const char *root = g_getenv(ROOT_VARIABLE);
    Fixture f = {.requests = g_ptr_array_new()};

    fake_reset();
    g_assert_nonnull(root);
    f.config_dir = g_build_filename(root, "etc", NULL);
    f.state_dir = g_build_filename(root, "run", NULL);
    fixture_open(&f);
    make_pools(&f);
    _exit(0);
}

static void test_killed(Fixture *f, gconstpointer data)
{
    fixture_close(f);
    g_setenv(ROOT_VARIABLE, f->root, true);
    g_test_trap_subprocess("/engine/restart/killed/subprocess/process", 0, 0);
    g_unsetenv(ROOT_VARIABLE);
    g_test_trap_assert_passed();
    change_storage();
    fake_add_volume("/fake/dir-up", "v", 4096);
    fixture_open(f);
    check_pools(f);
}

static void test_running_and_saved(Fixture *f, gconstpointer data)
{
    const char *uuid = "6695eb01-f6a4-8304-79aa-97f2502e193f";
    g_autofree char *saved = g_strdup_printf("<pool type='fs'><name>p</name><uuid>%s</uuid>"
                                             "<target><path>/fake/new</path></target></pool>",
                                             uuid);
    g_autofree char *live = pool_xml("fs", "p", uuid);
    g_autoptr(Pool) created = engine_create_pool(f->engine, live, 0, NOW(f), NULL);
    g_autoptr(Pool) defined = engine_define_pool(f->engine, saved, false, NOW(f), NULL);

    g_assert_true(created == defined);
    g_clear_pointer(&created, pool_unref);
    g_clear_pointer(&defined, pool_unref);
    fixture_reopen(f);
    g_autoptr(Pool) pool = find(f, "p");
    g_autofree char *running_xml = pool_format(pool, false);
    g_autofree char *saved_xml = pool_format(pool, true);
    g_assert_nonnull(strstr(running_xml, "/fake/p"));
    g_assert_nonnull(strstr(saved_xml, "/fake/new"));
    g_assert_true(pool_is_persistent(pool));
}

static void test_autostart(Fixture *f, gconstpointer data)
{
    g_autofree char *marker = g_build_filename(f->state_dir, "autostarted", NULL);

    {
        g_autoptr(Pool) wanted = fixture_define(f, "fs", "wanted");
        g_autoptr(Pool) broken = fixture_define(f, "fs", "unusable");
        g_autoptr(Pool) other G_GNUC_UNUSED = fixture_define(f, "fs", "other");
        g_assert_true(pool_set_autostart(wanted, true, NULL));
        g_assert_true(pool_set_autostart(broken, true, NULL));
    }
    fixture_reopen(f);
    check_active(f, "wanted", false); /* this boot had its autostart */
    fixture_close(f);
    g_assert_cmpint(g_unlink(marker), ==, 0);
    fixture_open(f);
    check_active(f, "wanted", true);
    check_active(f, "unusable", false);
    check_active(f, "other", false);
    g_autoptr(Pool) wanted = find(f, "wanted");
    g_assert_true(pool_autostart(wanted));
    g_assert_true(pool_stop(wanted, NOW(f), NULL));
    g_clear_pointer(&wanted, pool_unref);
    fixture_reopen(f);
    check_active(f, "wanted", false);
}

static void write_config(Fixture *f, const char *name, const char *text)
{
    g_autofree char *path = g_strdup_printf("%s/%s.xml", f->config_dir, name);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void test_broken_files(Fixture *f, gconstpointer data)
{
    g_autofree char *misnamed = pool_xml("dir", "other", NULL);

    {
        g_autoptr(Pool) pool G_GNUC_UNUSED = fixture_define(f, "dir", "good");
    }
    fixture_close(f);
    write_config(f, "bad", "<pool");
    write_config(f, "misnamed", misnamed);
    fixture_open(f);
    check_active(f, "good", false);
    g_assert_null(find(f, "bad"));
    g_assert_null(find(f, "other"));
    g_assert_null(find(f, "misnamed"));
}

static void test_reload(Fixture *f, gconstpointer data)
{
    const char *uuid = "6695eb01-f6a4-8304-79aa-97f2502e193f";
    g_autofree char *old = pool_xml("fs", "p", uuid);
    g_autofree char *changed = g_strdup_printf("<pool type='fs'><name>p</name><uuid>%s</uuid>"
                                               "<target><path>/fake/new</path></target></pool>",
                                               uuid);
    g_autofree char *added = pool_xml("dir", "added", "7795eb01-f6a4-8304-79aa-97f2502e193f");
    g_autoptr(Pool) pool = engine_define_pool(f->engine, old, false, NOW(f), NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(pool_start(pool, 0, NOW(f), NULL));
    write_config(f, "p", changed);
    write_config(f, "added", added);
    write_config(f, "bad", "<pool");
    g_assert_true(engine_reload(f->engine, &error));
    g_assert_no_error(error);
    check_active(f, "added", false);
    check_active(f, "p", true);
    g_autofree char *running_xml = pool_format(pool, false);
    g_autofree char *saved_xml = pool_format(pool, true);
    g_assert_nonnull(strstr(running_xml, "/fake/p"));
    g_assert_nonnull(strstr(saved_xml, "/fake/new"));
    g_assert_cmpuint(fake_calls("stop"), ==, 0);
    write_config(f, "p", old);
    g_assert_true(engine_reload(f->engine, NULL));
    g_autofree char *same_xml = pool_format(pool, true);
    g_assert_cmpstr(same_xml, ==, running_xml);
}

/* A pool whose state can't be told isn't given up. */
static void test_uncertain(Fixture *f, gconstpointer data)
{
    g_autofree char *xml = pool_xml("fs", "t", NULL);
    PoolInfo info;

    pool_unref(engine_create_pool(f->engine, xml, 0, NOW(f), NULL));
    fixture_close(f);
    fake_fail("is_up", 1, ERROR_SYSTEM, "cannot read mounts: Input/output error");
    fixture_open(f);
    check_active(f, "t", true);
    fixture_close(f);
    fake_fail("scan", 1, ERROR_SYSTEM, "cannot read: Input/output error");
    fixture_open(f);
    g_autoptr(Pool) pool = find(f, "t");
    pool_get_info(pool, &info);
    g_assert_cmpint(info.state, ==, POOL_STATE_INACCESSIBLE);
    g_assert_true(pool_refresh(pool, NOW(f), NULL));
    pool_get_info(pool, &info);
    g_assert_cmpint(info.state, ==, POOL_STATE_RUNNING);
}

static PoolState state_of(Pool *pool)
{
    PoolInfo info;

    pool_get_info(pool, &info);
    return info.state;
}

static void wait_for_state(Pool *pool, PoolState state)
{
    while (state_of(pool) != state)
        g_usleep(10 * 1000);
}

#define NOT_READ                                                                                   \
    "Timed out during operation: storage pool 'slow': its storage has not answered since the "     \
    "daemon was started"

/* It was running, and nothing says that it isn't any more. */
static void check_not_read(Fixture *f, Pool *pool)
{
    g_autofree char *problem = pool_problem(pool);
    g_autofree char *xml = volume_xml("new", 4096);
    g_autoptr(GPtrArray) active = engine_list_pools(f->engine, POOL_LIST_ACTIVE);
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(active->len, ==, 3);
    g_assert_cmpint(state_of(pool), ==, POOL_STATE_INACCESSIBLE);
    g_assert_nonnull(problem);
    g_assert_null(pool_inventory(pool, &error));
    check_error_prefix(&error, ERROR_TIMEOUT, NOT_READ);
    g_assert_null(volume_create(pool, xml, 0, fixture_request(f, 100), &error));
    check_error_prefix(&error, ERROR_TIMEOUT, "Timed out during operation: ");
    g_assert_cmpuint(fake_calls("volume_create"), ==, 1);
}

/* What the resume finds out after all has no say any more. */
static void stop_and_start(Fixture *f, Pool *pool)
{
    g_autoptr(GError) error = NULL;

    pool_stop(pool, NOW(f), &error);
    g_assert_no_error(error);
    g_assert_false(pool_is_active(pool));
    fake_hang(NULL, false);
    pool_start(pool, 0, NOW(f), &error);
    g_assert_no_error(error);
    fixture_create_volume(f, pool, "later", 4096);
}

static void fail_to_stop(Fixture *f, Pool *pool)
{
    g_autoptr(GError) error = NULL;

    fake_fail("stop", 1, ERROR_BUSY, "in use");
    g_assert_false(pool_stop(pool, NOW(f), &error));
    g_assert_true(pool_is_active(pool));
    g_assert_cmpint(state_of(pool), ==, POOL_STATE_INACCESSIBLE);
}

static void test_slow(Fixture *f, gconstpointer data)
{
    const char *const names[] = {"slow", "stopped", "held"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(Pool) pool = fixture_define_started(f, "fs", names[i]);
        if (i == 0)
            fixture_create_volume(f, pool, "v", 4096);
    }
    fake_hang("scan", false);
    fixture_reopen(f);
    {
        g_autoptr(Pool) slow = find(f, "slow");
        g_autoptr(Pool) stopped = find(f, "stopped");
        g_autoptr(Pool) held = find(f, "held");
        check_not_read(f, slow);
        fail_to_stop(f, held);
        stop_and_start(f, stopped);
        fake_release();
        wait_for_state(slow, POOL_STATE_RUNNING);
        wait_for_state(held, POOL_STATE_RUNNING);
        g_autofree char *names_slow = listed(slow), *names_stopped = listed(stopped);
        g_assert_cmpstr(names_slow, ==, "v");
        g_assert_cmpstr(names_stopped, ==, "later");
    }
    fixture_reopen(f); /* the state files are right */
    check_active(f, "slow", true);
    check_active(f, "stopped", true);
    check_active(f, "held", true);
}

/* A stop has called the resume off, and then failed: it begins anew. */
static void test_slow_and_held(Fixture *f, gconstpointer data)
{
    pool_unref(fixture_define_started(f, "fs", "slow"));
    fake_hang("scan", true);
    fixture_reopen(f);
    g_autoptr(Pool) pool = find(f, "slow");
    guint scans = fake_calls("scan");
    fail_to_stop(f, pool);
    while (fake_calls("scan") == scans)
        g_usleep(10 * 1000);
    g_assert_cmpint(state_of(pool), ==, POOL_STATE_INACCESSIBLE);
    fake_release();
    wait_for_state(pool, POOL_STATE_RUNNING);
}

static gpointer refresh_in_thread(gpointer data)
{
    Fixture *f = data;
    g_autoptr(Pool) pool = find(f, "slow");
    g_autoptr(GError) error = NULL;

    pool_refresh(pool, NOW(f), &error);
    g_assert_no_error(error);
    return NULL;
}

/* What waits for the resume doesn't stand in line before it. */
static void test_slow_and_awaited(Fixture *f, gconstpointer data)
{
    pool_unref(fixture_define_started(f, "fs", "slow"));
    fake_hang("is_up", false);
    fixture_reopen(f);
    g_autoptr(Pool) pool = find(f, "slow");
    fail_to_stop(f, pool);
    GThread *thread = g_thread_new("refresh", refresh_in_thread, f);
    g_usleep(200 * 1000); /* it will mostly stand in line then */
    fake_release();
    g_thread_join(thread);
    g_assert_cmpint(state_of(pool), ==, POOL_STATE_RUNNING);
}

static void count_stops(const Event *event, void *data)
{
    if (event->kind == EVENT_STOPPED)
        g_atomic_int_inc((gint *)data);
}

/* Whether it is up is known late: it isn't. */
static void test_slow_and_gone(Fixture *f, gconstpointer data)
{
    gint stops = 0;

    pool_unref(fixture_define_started(f, "fs", "slow"));
    fixture_close(f);
    fake_hang("is_up", false);
    fixture_open(f);
    guint id = engine_add_listener(f->engine, count_stops, &stops);
    g_autoptr(Pool) pool = find(f, "slow");
    g_assert_true(pool_is_active(pool));
    fake_set_up("/fake/slow", false);
    fake_release();
    while (g_atomic_int_get(&stops) == 0)
        g_usleep(10 * 1000);
    g_assert_false(pool_is_active(pool));
    g_assert_true(pool_start(pool, 0, NOW(f), NULL));
    engine_remove_listener(f->engine, id);
}

static gpointer create_in_thread(gpointer data)
{
    Fixture *f = data;
    g_autoptr(Pool) pool = find(f, "p");
    g_autofree char *xml = volume_xml("v", 4096);

    volume_record_unref(volume_create(pool, xml, 0, NOW(f), NULL));
    return NULL;
}

/* Storage is asked for a sign of life while something runs on it, and doesn't answer before the
 * engine is closed: that one is freed, and gives its folders to another, when it does. */
static void test_closed_while_asked(Fixture *f, gconstpointer data)
{
    EngineConfig config = {.config_dir = f->config_dir,
                           .state_dir = f->state_dir,
                           .backends = fake_backends,
                           .n_backends = n_fake_backends};
    g_autoptr(GError) error = NULL;

    pool_unref(fixture_define_started(f, "fs", "p"));
    guint asked = fake_calls("space");
    fake_hang("volume_create", true);
    g_autoptr(GThread) thread = g_thread_new("create", create_in_thread, f);
    fake_wait_hanging();
    fake_hang("space", false);
    while (fake_calls("space") == asked)
        g_usleep(10 * 1000);
    engine_close(g_steal_pointer(&f->engine));
    g_thread_join(g_steal_pointer(&thread));
    g_assert_null(engine_open(&config, &error));
    check_error_prefix(&error, ERROR_OPERATION_INVALID, "Requested operation is not valid: ");
    fake_release();
    while (!(f->engine = engine_open(&config, NULL)))
        g_usleep(10 * 1000);
    check_active(f, "p", true);
}

static void test_second_engine(Fixture *f, gconstpointer data)
{
    EngineConfig config = {.config_dir = f->config_dir,
                           .state_dir = f->state_dir,
                           .backends = fake_backends,
                           .n_backends = n_fake_backends};
    g_autoptr(GError) error = NULL;

    g_assert_null(engine_open(&config, &error));
    check_error_prefix(&error, ERROR_OPERATION_INVALID, "Requested operation is not valid: ");
}

static void test_many(Fixture *f, gconstpointer data)
{
    for (guint i = 0; i < 300; i++) {
        g_autofree char *name = g_strdup_printf("p%u", i);
        g_autoptr(Pool) pool G_GNUC_UNUSED = fixture_define_started(f, "dir", name);
    }
    fixture_reopen(f);
    g_autoptr(GPtrArray) active = engine_list_pools(f->engine, POOL_LIST_ACTIVE);
    g_assert_cmpuint(active->len, ==, 300);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ENGINE_TEST("/engine/restart/restart", test_restart);
    ENGINE_TEST("/engine/restart/killed", test_killed);
    g_test_add_func("/engine/restart/killed/subprocess/process", die_with_pools);
    ENGINE_TEST("/engine/restart/running-and-saved", test_running_and_saved);
    ENGINE_TEST("/engine/restart/autostart", test_autostart);
    ENGINE_TEST("/engine/restart/broken-files", test_broken_files);
    ENGINE_TEST("/engine/restart/reload", test_reload);
    ENGINE_TEST("/engine/restart/uncertain", test_uncertain);
    ENGINE_TEST("/engine/restart/slow", test_slow);
    ENGINE_TEST("/engine/restart/slow-and-held", test_slow_and_held);
    ENGINE_TEST("/engine/restart/slow-and-awaited", test_slow_and_awaited);
    ENGINE_TEST("/engine/restart/slow-and-gone", test_slow_and_gone);
    ENGINE_TEST("/engine/restart/closed-while-asked", test_closed_while_asked);
    ENGINE_TEST("/engine/restart/second-engine", test_second_engine);
    ENGINE_TEST("/engine/restart/many", test_many);
    return g_test_run();
}
