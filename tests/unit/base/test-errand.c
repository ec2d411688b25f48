/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "errand.h"

#include <string.h>

#include "errors.h"

/* A file that answers when it is let. */
typedef struct Storage {
    GMutex lock;
    GCond changed;
    bool is_alive;
    guint answers, dropped;
} Storage;

static void setup(Storage *storage, gconstpointer data)
{
    g_mutex_init(&storage->lock);
    g_cond_init(&storage->changed);
}

static void teardown(Storage *storage, gconstpointer data)
{
    g_mutex_clear(&storage->lock);
    g_cond_clear(&storage->changed);
}

static void look(void *data)
{
    Storage *storage = data;
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&storage->lock);

    while (!storage->is_alive)
        g_cond_wait(&storage->changed, &storage->lock);
    storage->answers++;
}

static void drop(void *data)
{
    Storage *storage = data;
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&storage->lock);

    storage->dropped++;
    g_cond_broadcast(&storage->changed);
}

static void revive(Storage *storage, guint expected)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&storage->lock);

    storage->is_alive = true;
    g_cond_broadcast(&storage->changed);
    while (storage->dropped < expected)
        g_cond_wait(&storage->changed, &storage->lock);
}

static void assert_fails(Storage *storage, const char *path, Operation *op, ErrorCode code,
                         const char *word)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(errand_run(path, look, storage, drop, op, &error));
    g_assert_cmpint(error_code(error), ==, code);
    g_assert_nonnull(strstr(error->message, word));
}

static void test_answers(Storage *storage, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    storage->is_alive = true;
    for (guint i = 1; i <= 3; i++) {
        errand_run("/alive", look, storage, drop, NULL, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(storage->answers, ==, i);
    }
    g_assert_cmpuint(storage->dropped, ==, 0);
}

/* Waited for once; then it is known, until it answers. */
static void test_silent(Storage *storage, gconstpointer data)
{
    gint64 began = g_get_monotonic_time();

    assert_fails(storage, "/dead", NULL, ERROR_TIMEOUT, "'/dead'");
    g_assert_cmpint(g_get_monotonic_time() - began, >=, ERRAND_PATIENCE * G_USEC_PER_SEC);
    assert_fails(storage, "/dead", NULL, ERROR_TIMEOUT, "'/dead'");
    g_assert_cmpuint(storage->dropped, ==, 1); /* what was refused */
    revive(storage, 2);
    g_assert_true(errand_run("/dead", look, storage, drop, NULL, NULL));
}

/* Who goes before the time is over says nothing about the storage. */
static void test_called_off(Storage *storage, gconstpointer data)
{
    g_autoptr(Operation) late = operation_new(g_get_monotonic_time() + 1000);
    g_autoptr(Operation) cancelled = operation_new(OPERATION_NO_DEADLINE);

    assert_fails(storage, "/slow", late, ERROR_TIMEOUT, "");
    operation_cancel(cancelled);
    assert_fails(storage, "/slow", cancelled, ERROR_ABORTED, "");
    revive(storage, 2);
    g_assert_true(errand_run("/slow", look, storage, drop, NULL, NULL));
}

static void test_many(Storage *storage, gconstpointer data)
{
    g_autoptr(Operation) op = operation_new(OPERATION_NO_DEADLINE);

    operation_cancel(op);
    for (guint i = 0; i < ERRANDS_LEFT; i++)
        assert_fails(storage, "/slow", op, ERROR_ABORTED, "");
    assert_fails(storage, "/another", op, ERROR_TIMEOUT, "'/another' is not looked at");
    revive(storage, ERRANDS_LEFT + 1);
    g_assert_true(errand_run("/another", look, storage, drop, NULL, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add("/errand/" name, Storage, NULL, setup, function, teardown)
    ADD("answers", test_answers);
    ADD("silent", test_silent);
    ADD("called-off", test_called_off);
    ADD("many", test_many);
#undef ADD
    return g_test_run();
}
