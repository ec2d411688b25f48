/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine-fixture.h"

/*
 * Eight threads do everything at once to the same few pools and volumes. Only
 * errors that a call may have are had, and in the end list and storage agree.
 * Meant for the thread sanitizer as well.
 */

#define THREADS 8
#define POOLS   3
#define NAMES   6
#define ROUNDS  300

typedef struct Worker {
    Fixture *f;
    GRand *random;
    const Request *request;
} Worker;

static const char *const pool_names[POOLS] = {"a", "b", "c"};
static const char *const pool_types[POOLS] = {"dir", "fs", "zfs"};
static const char *const volume_names[NAMES] = {"u", "v", "w", "x", "y", "z"};

static guint pick(Worker *worker, guint count)
{
    return (guint)g_rand_int_range(worker->random, 0, (gint32)count);
}

static const char *any_volume(Worker *worker)
{
    return volume_names[pick(worker, NAMES)];
}

static void do_define(Worker *worker, Pool *pool, GError **error)
{
    guint i = pick(worker, POOLS);
    g_autofree char *xml = pool_xml(pool_types[i], pool_names[i], NULL);

    pool_unref(engine_define_pool(worker->f->engine, xml, false, worker->request, error));
}

static void do_start(Worker *worker, Pool *pool, GError **error)
{
    pool_start(pool, 0, worker->request, error);
}

static void do_stop(Worker *worker, Pool *pool, GError **error)
{
    if (pick(worker, 4) == 0)
        pool_stop(pool, worker->request, error);
}

static void do_undefine(Worker *worker, Pool *pool, GError **error)
{
    if (pick(worker, 8) == 0)
        pool_undefine(pool, worker->request, error);
}

static void do_refresh(Worker *worker, Pool *pool, GError **error)
{
    pool_refresh(pool, worker->request, error);
}

static void do_autostart(Worker *worker, Pool *pool, GError **error)
{
    pool_set_autostart(pool, pick(worker, 2), error);
}

static void do_create(Worker *worker, Pool *pool, GError **error)
{
    g_autofree char *xml = volume_xml(any_volume(worker), 4096);

    volume_record_unref(volume_create(pool, xml, 0, worker->request, error));
}

static void do_clone(Worker *worker, Pool *pool, GError **error)
{
    g_autofree char *xml = volume_xml(any_volume(worker), 4096);
    g_autoptr(Pool) source =
        engine_find_pool_by_name(worker->f->engine, pool_names[pick(worker, POOLS)], error);

    if (source)
        volume_record_unref(
            volume_create_from(pool, xml, source, any_volume(worker), 0, worker->request, error));
}

static void do_delete(Worker *worker, Pool *pool, GError **error)
{
    volume_delete(pool, any_volume(worker), 0, worker->request, error);
}

static void do_resize(Worker *worker, Pool *pool, GError **error)
{
    volume_resize(pool, any_volume(worker), 8192, VOLUME_RESIZE_SHRINK, worker->request, error);
}

static void do_wipe(Worker *worker, Pool *pool, GError **error)
{
    volume_wipe(pool, any_volume(worker), WIPE_ZERO, worker->request, error);
}

static void do_read(Worker *worker, Pool *pool, GError **error)
{
    volume_def_free(volume_read(pool, any_volume(worker), worker->request, error));
}

static void do_find(Worker *worker, Pool *pool, GError **error)
{
    g_autoptr(Pool) found = NULL;
    g_autofree char *path =
        g_strdup_printf("/fake/%s/%s", pool_names[pick(worker, POOLS)], any_volume(worker));

    volume_record_unref(
        engine_find_volume_by_path(worker->f->engine, path, &found, worker->request, error));
}

static void do_look(Worker *worker, Pool *pool, GError **error)
{
    g_autoptr(GPtrArray) pools = engine_list_pools(worker->f->engine, 0);
    g_autoptr(GPtrArray) jobs G_GNUC_UNUSED = engine_list_jobs(worker->f->engine);
    g_autofree char *xml G_GNUC_UNUSED = pool_format(pool, pick(worker, 2));
    g_autoptr(Inventory) inventory G_GNUC_UNUSED = pool_inventory(pool, error);
    PoolInfo info;

    pool_get_info(pool, &info);
    g_assert_cmpuint(pools->len, <=, POOLS);
}

static void (*const calls[])(Worker *worker, Pool *pool, GError **error) = {
    do_define, do_start,  do_start,  do_stop,  do_undefine, do_refresh, do_autostart,
    do_create, do_create, do_create, do_clone, do_clone,    do_delete,  do_resize,
    do_wipe,   do_read,   do_read,   do_find,  do_find,     do_look,
};

static void check_expected(const GError *error)
{
    static const ErrorCode expected[] = {ERROR_INTERNAL,         ERROR_NO_POOL,
                                         ERROR_NO_VOLUME,        ERROR_OPERATION_INVALID,
                                         ERROR_OPERATION_FAILED, ERROR_VOLUME_EXISTS,
                                         ERROR_ABORTED,          ERROR_INVALID_ARGUMENT};

    for (guint i = 0; i < G_N_ELEMENTS(expected); i++)
        if (error_code(error) == expected[i])
            return;
    g_error("unexpected: %s", error->message);
}

static gpointer work(gpointer data)
{
    Worker *worker = data;

    for (guint i = 0; i < ROUNDS; i++) {
        g_autoptr(GError) error = NULL;
        worker->request = NOW(worker->f);
        g_autoptr(Pool) pool =
            engine_find_pool_by_name(worker->f->engine, pool_names[pick(worker, POOLS)], NULL);
        if (pool)
            calls[pick(worker, G_N_ELEMENTS(calls))](worker, pool, &error);
        else
            do_define(worker, NULL, &error);
        if (error)
            check_expected(error);
    }
    return NULL;
}

static void count_event(const Event *event, void *data)
{
    ++*(guint *)data;
}

static void check_agreement(Fixture *f, const char *name)
{
    g_autoptr(Pool) pool = engine_find_pool_by_name(f->engine, name, NULL);
    g_autofree char *where = g_strdup_printf("/fake/%s", name);

    if (!pool || !pool_is_active(pool))
        return;
    for (guint i = 0; i < NAMES; i++) {
        g_autoptr(VolumeRecord) record = pool_peek_volume(pool, volume_names[i]);
        g_assert_true((record != NULL) == fake_has_volume(where, volume_names[i]));
    }
}

static void test_mixed(Fixture *f, gconstpointer data)
{
    Worker workers[THREADS];
    GThread *threads[THREADS];
    guint events = 0;
    guint id = engine_add_listener(f->engine, count_event, &events);

    for (guint i = 0; i < POOLS; i++)
        pool_unref(fixture_define_started(f, pool_types[i], pool_names[i]));
    for (guint i = 0; i < THREADS; i++) {
        workers[i] = (Worker){.f = f, .random = g_rand_new_with_seed(i)};
        threads[i] = g_thread_new("stress", work, &workers[i]);
    }
    for (guint i = 0; i < THREADS; i++) {
        g_thread_join(threads[i]);
        g_rand_free(workers[i].random);
    }
    engine_remove_listener(f->engine, id);
    g_assert_cmpuint(events, >, 0);
    g_autoptr(GPtrArray) jobs = engine_list_jobs(f->engine);
    g_assert_cmpuint(jobs->len, ==, 0);
    for (guint i = 0; i < POOLS; i++)
        check_agreement(f, pool_names[i]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ENGINE_TEST("/engine/stress/mixed", test_mixed);
    return g_test_run();
}
