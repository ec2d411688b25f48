/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine-fixture.h"

/* Which events come, and in which order. */

static const char *const words[] = {"defined", "undefined", "started",  "stopped",
                                    "built",   "erased",    "refreshed"};

/* What was heard: "p:defined p:started ". Needs no lock: listeners are called one at a time. */
static void on_event(const Event *event, void *data)
{
    g_string_append_printf(data, "%s:%s ", event->pool_name, words[event->kind]);
}

static void check_heard(GString *heard, const char *wanted)
{
    g_assert_cmpstr(heard->str, ==, wanted);
    g_string_truncate(heard, 0);
}

static void test_life(Fixture *f, gconstpointer data)
{
    g_autoptr(GString) heard = g_string_new(NULL);
    guint id = engine_add_listener(f->engine, on_event, heard);
    g_autofree char *transient = pool_xml("fs", "t", NULL);

    g_autoptr(Pool) pool = fixture_define(f, "dir", "p");
    check_heard(heard, "p:defined ");
    g_assert_true(pool_build(pool, 0, NOW(f), NULL));
    check_heard(heard, "p:built ");
    g_assert_true(pool_start(pool, POOL_CREATE_WITH_BUILD, NOW(f), NULL));
    check_heard(heard, "p:started ");
    g_assert_true(pool_refresh(pool, NOW(f), NULL));
    check_heard(heard, "p:refreshed ");
    fixture_create_volume(f, pool, "v", 1024);
    g_assert_true(volume_resize(pool, "v", 4096, 0, NOW(f), NULL));
    g_assert_true(volume_delete(pool, "v", 0, NOW(f), NULL));
    g_assert_true(pool_set_autostart(pool, true, NULL));
    check_heard(heard, "");
    g_assert_true(pool_stop(pool, NOW(f), NULL));
    check_heard(heard, "p:stopped ");
    g_assert_true(pool_erase(pool, 0, NOW(f), NULL));
    check_heard(heard, "p:erased ");
    g_assert_true(pool_undefine(pool, NOW(f), NULL));
    check_heard(heard, "p:undefined ");
    g_autoptr(Pool) t = engine_create_pool(f->engine, transient, 0, NOW(f), NULL);
    g_assert_true(pool_stop(t, NOW(f), NULL));
    check_heard(heard, "t:started t:stopped ");

    engine_remove_listener(f->engine, id);
    g_autoptr(Pool) silent G_GNUC_UNUSED = fixture_define(f, "dir", "p");
    check_heard(heard, "");
}

static void test_failures_are_silent(Fixture *f, gconstpointer data)
{
    g_autoptr(GString) heard = g_string_new(NULL);
    g_autoptr(Pool) pool = fixture_define(f, "fs", "p");
    guint id = engine_add_listener(f->engine, on_event, heard);

    fake_fail("start", 1, ERROR_OPERATION_FAILED, "broken");
    g_assert_false(pool_start(pool, 0, NOW(f), NULL));
    fake_fail("build", 1, ERROR_OPERATION_FAILED, "broken");
    g_assert_false(pool_build(pool, 0, NOW(f), NULL));
    g_assert_true(pool_start(pool, 0, NOW(f), NULL));
    fake_fail("scan", 1, ERROR_OPERATION_FAILED, "broken");
    g_assert_false(pool_refresh(pool, NOW(f), NULL));
    fake_fail("stop", 1, ERROR_OPERATION_FAILED, "broken");
    g_assert_false(pool_stop(pool, NOW(f), NULL));
    check_heard(heard, "p:started ");
    engine_remove_listener(f->engine, id);
}

static void test_restart_is_silent(Fixture *f, gconstpointer data)
{
    g_autoptr(GString) heard = g_string_new(NULL);

    pool_unref(fixture_define_started(f, "dir", "p"));
    fixture_reopen(f);
    guint id = engine_add_listener(f->engine, on_event, heard);
    check_heard(heard, "");
    engine_remove_listener(f->engine, id);
}

/* ---- order under load: starts and stops of each pool alternate ---- */

#define POOLS  3
#define ROUNDS 60

typedef struct Load {
    Fixture *f;
    Pool *pools[POOLS];
    EventKind last[POOLS];
    guint count;
} Load;

static void check_order(const Event *event, void *data)
{
    Load *load = data;
    guint i = (guint)(event->pool_name[0] - 'a');

    g_assert_cmpuint(i, <, POOLS);
    g_assert_true(event->kind == EVENT_STARTED || event->kind == EVENT_STOPPED);
    g_assert_cmpint(event->kind, !=, load->last[i]);
    load->last[i] = event->kind;
    load->count++;
}

static gpointer toggle(gpointer data)
{
    Load *load = data;

    for (guint i = 0; i < ROUNDS; i++) {
        Pool *pool = load->pools[i % POOLS];
        if (!pool_start(pool, 0, NOW(load->f), NULL))
            pool_stop(pool, NOW(load->f), NULL);
    }
    return NULL;
}

static void test_order(Fixture *f, gconstpointer data)
{
    Load load = {.f = f, .last = {EVENT_STOPPED, EVENT_STOPPED, EVENT_STOPPED}};
    GThread *threads[4];

    for (guint i = 0; i < POOLS; i++)
        load.pools[i] = fixture_define(f, "fs", (const char *[]){"a", "b", "c"}[i]);
    guint id = engine_add_listener(f->engine, check_order, &load);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("toggle", toggle, &load);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    engine_remove_listener(f->engine, id);
    g_assert_cmpuint(load.count, >=, POOLS);
    for (guint i = 0; i < POOLS; i++) {
        g_assert_true(pool_is_active(load.pools[i]) == (load.last[i] == EVENT_STARTED));
        pool_unref(load.pools[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ENGINE_TEST("/engine/events/life", test_life);
    ENGINE_TEST("/engine/events/failures-are-silent", test_failures_are_silent);
    ENGINE_TEST("/engine/events/restart-is-silent", test_restart_is_silent);
    ENGINE_TEST("/engine/events/order", test_order);
    return g_test_run();
}
