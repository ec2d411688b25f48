/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine-fixture.h"

#include "log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Thin pools that others fill: looked at between scans, warned of before they are full. */

#define WHERE "/fake/p"

typedef struct World {
    Fixture base;
    Pool *pool;
    guint looks;
    guint listener;
    gint refreshed; /* events; atomic */
    int stderr_fd;  /* the test's own, while `log` takes its place */
    int log;
} World;

static void on_event(const Event *event, void *data)
{
    if (event->kind == EVENT_REFRESHED)
        g_atomic_int_inc(&((World *)data)->refreshed);
}

static void set_up(World *world, gconstpointer data)
{
    g_autofree char *path = NULL;

    fixture_set_up(&world->base, NULL);
    world->pool = fixture_define_started(&world->base, "logical", "p");
    world->listener = engine_add_listener(world->base.engine, on_event, world);
    world->log = g_file_open_tmp("cistern-log-XXXXXX", &path, NULL);
    g_assert_cmpint(world->log, >=, 0);
    unlink(path);
    world->stderr_fd = dup(STDERR_FILENO);
    g_assert_cmpint(dup2(world->log, STDERR_FILENO), ==, STDERR_FILENO);
}

static void tear_down(World *world, gconstpointer data)
{
    dup2(world->stderr_fd, STDERR_FILENO);
    close(world->stderr_fd);
    close(world->log);
    engine_remove_listener(world->base.engine, world->listener);
    pool_unref(world->pool);
    fixture_tear_down(&world->base, NULL);
}

/* Looks until one look that began now is over, and one after it that may have failed. */
static void look(World *world)
{
    world->looks = fake_calls("thin_usage") + 3;
    while (fake_calls("thin_usage") < world->looks) {
        engine_look_at_fill(world->base.engine);
        g_usleep(1000);
    }
}

static void check_document(World *world, const char *wanted)
{
    g_autofree char *document = pool_format(world->pool, false);

    if (!strstr(document, wanted))
        g_error("'%s' is not in %s", wanted, document);
}

/* What was logged since the last time: how many lines, the last of which holds `wanted`. */
static void check_log(World *world, guint lines, const char *wanted)
{
    char text[4096];
    ssize_t size = pread(world->log, text, sizeof text - 1, 0);
    guint count = 0;

    if (size < 0)
        g_error("the log can't be read: %s", g_strerror(errno));
    text[size] = '\0';
    for (ssize_t i = 0; i < size; i++)
        count += text[i] == '\n';
    g_assert_cmpuint(count, ==, lines);
    if (wanted && !strstr(text, wanted))
        g_error("'%s' is not in %s", wanted, text);
    g_assert_cmpint(ftruncate(world->log, 0), ==, 0);
    g_assert_cmpint(lseek(world->log, 0, SEEK_SET), ==, 0);
}

static void check_events(World *world, gint wanted)
{
    g_assert_cmpint(g_atomic_int_get(&world->refreshed), ==, wanted);
    g_atomic_int_set(&world->refreshed, 0);
}

static void fill(World *world, const char *data_percent, const char *meta_percent)
{
    fake_set_thin_pool(WHERE, data_percent, meta_percent);
    look(world);
}

static void begin(World *world, const char *data_percent, const char *meta_percent)
{
    fake_set_thin_pool(WHERE, data_percent, meta_percent);
    g_assert_true(pool_refresh(world->pool, NOW(&world->base), NULL));
    check_events(world, 1);
}

static void test_thresholds(World *world, gconstpointer data)
{
    begin(world, "10.00", "1.00");
    check_log(world, 0, NULL);
    guint scans = fake_calls("scan");

    fill(world, "79.99", "1.00");
    check_document(world, "data_percent='79.99' metadata_percent='1.00'");
    check_log(world, 0, NULL);
    check_events(world, 0);
    fill(world, "80.00", "1.00");
    check_document(world, "data_percent='80.00'");
    check_log(world, 1, "pool 'p': thin pool 'tp' fills up: data 80.00 %, metadata 1.00 %");
    check_events(world, 1);
    fill(world, "90.00", "2.00"); /* said already */
    check_document(world, "data_percent='90.00' metadata_percent='2.00'");
    check_log(world, 0, NULL);
    check_events(world, 0);
    fill(world, "90.00", "85.00"); /* the other one */
    check_log(world, 1, "metadata 85.00 %");
    check_events(world, 1);
    fill(world, "95.00", "85.00");
    check_log(world, 1, "data 95.00 %");
    check_events(world, 1);
    fill(world, "100.00", "85.00");
    check_log(world, 0, NULL);
    check_events(world, 0);
    g_assert_cmpuint(fake_calls("scan"), ==, scans);
}

static void test_again_after_relief(World *world, gconstpointer data)
{
    begin(world, "10.00", NULL);
    fill(world, "96.00", NULL); /* both thresholds at once: said once */
    check_log(world, 1, "data 96.00 %, metadata ? %");
    check_events(world, 1);
    fill(world, "40.00", NULL);
    check_document(world, "data_percent='40.00'");
    check_log(world, 0, NULL);
    check_events(world, 0);
    fill(world, "81.00", NULL);
    check_log(world, 1, "data 81.00 %");
    check_events(world, 1);
}

/* Whoever sees it first says it, alone. */
static void test_scans(World *world, gconstpointer data)
{
    begin(world, "85.00", "1.00");
    check_log(world, 1, "data 85.00 %");
    begin(world, "86.00", "1.00");
    check_log(world, 0, NULL);
    look(world);
    check_log(world, 0, NULL);
    fill(world, "97.00", "1.00");
    check_log(world, 1, "data 97.00 %");
    check_events(world, 1);
    begin(world, "97.00", "1.00");
    check_log(world, 0, NULL);
}

static void test_not_asked(World *world, gconstpointer data)
{
    g_autoptr(Pool) folder G_GNUC_UNUSED = fixture_define_started(&world->base, "dir", "d");

    engine_look_at_fill(world->base.engine); /* no thin pool */
    begin(world, "10.00", "1.00");
    g_assert_true(pool_stop(world->pool, NOW(&world->base), NULL));
    engine_look_at_fill(world->base.engine);
    g_assert_true(pool_start(world->pool, 0, NOW(&world->base), NULL));
    g_assert_cmpuint(fake_calls("thin_usage"), ==, 0);
}

/* One look at a time, and what comes late is of no interest. */
static void test_hanging(World *world, gconstpointer data)
{
    begin(world, "10.00", "1.00");
    fake_set_thin_pool(WHERE, "90.00", "1.00");
    fake_hang("thin_usage", false);
    engine_look_at_fill(world->base.engine);
    fake_wait_hanging();
    guint calls = fake_calls("thin_usage");
    engine_look_at_fill(world->base.engine);
    g_assert_true(pool_stop(world->pool, NOW(&world->base), NULL));
    fake_set_thin_pool(WHERE, "10.00", "1.00");
    g_assert_true(pool_start(world->pool, 0, NOW(&world->base), NULL));
    g_assert_cmpuint(fake_calls("thin_usage"), ==, calls);
    fake_set_thin_pool(WHERE, "91.00", "1.00");
    fake_release();
    look(world); /* the first of its looks may be the late one, still under way */
    check_document(world, "data_percent='91.00'");
    check_log(world, 1, "data 91.00 %");
    check_events(world, 1);
}

static void test_failing(World *world, gconstpointer data)
{
    begin(world, "10.00", "1.00");
    fake_set_thin_pool(WHERE, "90.00", "1.00");
    fake_fail("thin_usage", 1, ERROR_SYSTEM, "no");
    look(world);
    check_document(world, "data_percent='90.00'");
    check_events(world, 1);
}

#define FILL_TEST(path, function) g_test_add(path, World, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FILL_TEST("/engine/fill/thresholds", test_thresholds);
    FILL_TEST("/engine/fill/again-after-relief", test_again_after_relief);
    FILL_TEST("/engine/fill/scans", test_scans);
    FILL_TEST("/engine/fill/not-asked", test_not_asked);
    FILL_TEST("/engine/fill/hanging", test_hanging);
    FILL_TEST("/engine/fill/failing", test_failing);
    return g_test_run();
}
