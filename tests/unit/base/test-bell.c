/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bell.h"

#include <poll.h>

#define SLEEPERS 4

typedef struct Fixture {
    Bell bell;
    gint woken; /* atomic: returns of bell_wait() that were true */
} Fixture;

static void set_up(Fixture *fixture, gconstpointer patience)
{
    g_assert_true(bell_init(&fixture->bell, GPOINTER_TO_UINT(patience)));
}

static void tear_down(Fixture *fixture, gconstpointer unused)
{
    bell_clear(&fixture->bell);
    g_assert_cmpint(fixture->bell.ear, ==, -1);
}

static bool is_ringing(const Fixture *fixture)
{
    struct pollfd fd = {fixture->bell.ear, POLLIN, 0};

    return poll(&fd, 1, 0) == 1;
}

static void test_waits_no_longer_than_told(Fixture *fixture, gconstpointer unused)
{
    gint64 began = g_get_monotonic_time();

    g_assert_false(bell_wait(&fixture->bell));
    g_assert_cmpint(g_get_monotonic_time() - began, >=, G_USEC_PER_SEC * 9 / 10);
}

static void test_ring_before_the_wait_counts(Fixture *fixture, gconstpointer unused)
{
    bell_ring(&fixture->bell);
    g_assert_true(bell_wait(&fixture->bell));
    g_assert_false(is_ringing(fixture));
}

static void test_hush(Fixture *fixture, gconstpointer unused)
{
    g_assert_false(is_ringing(fixture));
    bell_hush(&fixture->bell); /* of a silent one: doesn't wait */
    bell_ring(&fixture->bell);
    g_assert_true(is_ringing(fixture));
    bell_hush(&fixture->bell);
    g_assert_false(is_ringing(fixture));
}

static void test_ringing_never_blocks(Fixture *fixture, gconstpointer unused)
{
    for (guint i = 0; i < 10000; i++)
        bell_ring(&fixture->bell);
    g_assert_true(bell_wait(&fixture->bell));
}

static void *sleep_once(void *data)
{
    Fixture *fixture = data;

    if (bell_wait(&fixture->bell))
        g_atomic_int_inc(&fixture->woken);
    return NULL;
}

static void start_sleepers(Fixture *fixture, GThread *threads[SLEEPERS])
{
    for (guint i = 0; i < SLEEPERS; i++)
        threads[i] = g_thread_new("sleeper", sleep_once, fixture);
}

static void join_sleepers(GThread *threads[SLEEPERS])
{
    for (guint i = 0; i < SLEEPERS; i++)
        g_thread_join(threads[i]);
}

static void test_one_ring_wakes_one(Fixture *fixture, gconstpointer unused)
{
    GThread *threads[SLEEPERS];

    start_sleepers(fixture, threads);
    bell_ring(&fixture->bell);
    bell_ring(&fixture->bell);
    join_sleepers(threads); /* the others have waited in vain */
    g_assert_cmpint(fixture->woken, ==, 2);
}

static void test_ring_for_good_wakes_all(Fixture *fixture, gconstpointer unused)
{
    GThread *threads[SLEEPERS];

    start_sleepers(fixture, threads);
    bell_ring_for_good(&fixture->bell);
    join_sleepers(threads);
    g_assert_cmpint(fixture->woken, ==, SLEEPERS);
    g_assert_true(bell_wait(&fixture->bell));
}

static void add(const char *path, guint patience, void (*test)(Fixture *, gconstpointer))
{
    g_test_add(path, Fixture, GUINT_TO_POINTER(patience), set_up, test, tear_down);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/bell/waits-no-longer-than-told", 1, test_waits_no_longer_than_told);
    add("/bell/ring-before-the-wait-counts", 0, test_ring_before_the_wait_counts);
    add("/bell/hush", 0, test_hush);
    add("/bell/ringing-never-blocks", 0, test_ringing_never_blocks);
    add("/bell/one-ring-wakes-one", 1, test_one_ring_wakes_one);
    add("/bell/ring-for-good-wakes-all", 0, test_ring_for_good_wakes_all);
    return g_test_run();
}
