/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine-fixture.h"

#include <string.h>

/* Who is refused because of whom, who waits, and how jobs are told about. */

#define IN_THE_WAY " is in the way: wait for it, or cancel it."

/* A call in a thread of its own that hangs in the storage. */
typedef struct Background {
    Fixture *f;
    Pool *pool;
    const char *volume, *source;
    const Request *request;
    bool (*call)(struct Background *background, GError **error);
    GThread *thread;
    GError *error;
    bool done;
} Background;

static gpointer background_run(gpointer data)
{
    Background *background = data;

    background->done = background->call(background, &background->error);
    return NULL;
}

static void background_start(Background *background)
{
    background->request = NOW(background->f);
    background->thread = g_thread_new("background", background_run, background);
}

static void background_start_hung(Background *background, const char *operation, bool cancellable)
{
    fake_hang(operation, cancellable);
    background_start(background);
    fake_wait_hanging();
}

static void background_join(Background *background)
{
    g_thread_join(background->thread);
    g_clear_error(&background->error);
}

static bool do_create(Background *b, GError **error)
{
    g_autofree char *xml = volume_xml(b->volume, 4096);
    g_autoptr(VolumeRecord) record = volume_create(b->pool, xml, 0, b->request, error);

    return record != NULL;
}

static bool do_clone(Background *b, GError **error)
{
    g_autofree char *xml = volume_xml(b->volume, 4096);
    g_autoptr(VolumeRecord) record =
        volume_create_from(b->pool, xml, b->pool, b->source, 0, b->request, error);

    return record != NULL;
}

static bool do_delete(Background *b, GError **error)
{
    return volume_delete(b->pool, b->volume, 0, b->request, error);
}

static bool do_wipe(Background *b, GError **error)
{
    return volume_wipe(b->pool, b->volume, WIPE_ZERO, b->request, error);
}

static bool do_resize(Background *b, GError **error)
{
    return volume_resize(b->pool, b->volume, 8192, 0, b->request, error);
}

static bool do_refresh(Background *b, GError **error)
{
    return pool_refresh(b->pool, b->request, error);
}

static bool do_stop(Background *b, GError **error)
{
    return pool_stop(b->pool, b->request, error);
}

/* ---- the table: one call hangs, another comes ---- */

typedef bool (*Call)(Background *b, GError **error);

typedef struct Pair {
    const char *name;
    const char *hang; /* where the first one hangs */
    Call first;
    const char *first_volume;
    Call second;
    const char *second_volume;
    ErrorCode code;      /* of the second: 0 it goes on at once, ERROR_TIMEOUT it waits */
    const char *message; /* its start; %s is the job */
} Pair;

#define NOT_OK    "Requested operation is not valid: "
#define BUILDING  NOT_OK "volume 'n' is still being allocated. Job "
#define IN_USE(v) NOT_OK "volume '" v "' is still in use. Job "
#define JOBS      "internal error: pool 'p' has asynchronous jobs running. Job "
#define EXISTS    "storage volume 'n' exists already"
#define NAME_USED "internal error: storage volume name 'n' already in use."
#define LATER     "Timed out during operation: "

static const Pair pairs[] = {
    {"create-create", "volume_create", do_create, "n", do_create, "n", ERROR_VOLUME_EXISTS, EXISTS},
    {"create-clone", "volume_create", do_create, "n", do_clone, "n", ERROR_INTERNAL, NAME_USED},
    {"create-delete", "volume_create", do_create, "n", do_delete, "n", ERROR_OPERATION_INVALID,
     BUILDING},
    {"create-wipe", "volume_create", do_create, "n", do_wipe, "n", ERROR_OPERATION_INVALID,
     BUILDING},
    {"create-resize", "volume_create", do_create, "n", do_resize, "n", ERROR_OPERATION_INVALID,
     BUILDING},
    {"create-other", "volume_create", do_create, "n", do_delete, "v", 0, NULL},
    {"create-refresh", "volume_create", do_create, "n", do_refresh, NULL, 0, NULL},
    {"create-stop", "volume_create", do_create, "n", do_stop, NULL, ERROR_INTERNAL, JOBS},
    {"clone-delete", "volume_clone", do_clone, "n", do_delete, "v", ERROR_OPERATION_INVALID,
     IN_USE("v")},
    {"clone-resize", "volume_clone", do_clone, "n", do_resize, "v", ERROR_OPERATION_INVALID,
     IN_USE("v")},
    {"clone-clone", "volume_clone", do_clone, "n", do_wipe, "w", 0, NULL},
    {"clone-stop", "volume_clone", do_clone, "n", do_stop, NULL, ERROR_INTERNAL, JOBS},
    {"wipe-wipe", "volume_wipe", do_wipe, "v", do_wipe, "v", ERROR_OPERATION_INVALID, IN_USE("v")},
    {"wipe-delete", "volume_wipe", do_wipe, "v", do_delete, "v", ERROR_OPERATION_INVALID,
     IN_USE("v")},
    {"wipe-clone", "volume_wipe", do_wipe, "v", do_clone, "n", ERROR_OPERATION_INVALID,
     IN_USE("v")},
    {"wipe-refresh", "volume_wipe", do_wipe, "v", do_refresh, NULL, 0, NULL},
    {"wipe-stop", "volume_wipe", do_wipe, "v", do_stop, NULL, ERROR_INTERNAL, JOBS},
    {"delete-delete", "volume_delete", do_delete, "v", do_delete, "v", ERROR_TIMEOUT, LATER},
    {"delete-resize", "volume_delete", do_delete, "v", do_resize, "v", ERROR_TIMEOUT, LATER},
    {"delete-create", "volume_delete", do_delete, "v", do_create, "v", ERROR_TIMEOUT, LATER},
    {"delete-stop", "volume_delete", do_delete, "v", do_stop, NULL, ERROR_TIMEOUT, LATER},
    {"resize-wipe", "volume_resize", do_resize, "v", do_wipe, "v", ERROR_TIMEOUT, LATER},
    {"refresh-refresh", "scan", do_refresh, NULL, do_refresh, NULL, ERROR_TIMEOUT, LATER},
    {"refresh-create", "scan", do_refresh, NULL, do_create, "n", 0, NULL},
    {"refresh-delete", "scan", do_refresh, NULL, do_delete, "v", 0, NULL},
    {"refresh-clone", "scan", do_refresh, NULL, do_clone, "n", 0, NULL},
};

static Pool *scene(Fixture *f, const char *type)
{
    Pool *pool = fixture_define_started(f, type, "p");

    fixture_create_volume(f, pool, "v", 4096);
    fixture_create_volume(f, pool, "w", 4096);
    return pool;
}

static void run_pair(Fixture *f, const Pair *pair)
{
    g_autoptr(Pool) pool = scene(f, "fs");
    Background first = {
        .f = f, .pool = pool, .volume = pair->first_volume, .source = "v", .call = pair->first};
    Background second = {
        .f = f, .pool = pool, .volume = pair->second_volume, .source = "v", .call = pair->second};

    background_start_hung(&first, pair->hang, false);
    second.request = fixture_request(f, pair->code == ERROR_TIMEOUT ? 150 : 0);
    bool done = pair->second(&second, &second.error);
    g_assert_true(done == !pair->code);
    if (!done)
        check_error_prefix(&second.error, pair->code, pair->message);
    fake_release();
    background_join(&first);
    g_assert_true(first.done);
}

static bool allow_all(const Subject *subject, void *data, GError **error)
{
    return true;
}

/* Who isn't shown everything is told a job's number, not what it is about. */
static void test_unnamed(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = scene(f, "fs");
    Background clone = {.f = f, .pool = pool, .volume = "n", .source = "v", .call = do_clone};
    Request judged = *NOW(f);
    g_autoptr(GError) error = NULL;

    judged.judge = allow_all;
    background_start_hung(&clone, "volume_clone", false);
    g_assert_false(pool_stop(pool, &judged, &error));
    g_assert_nonnull(strstr(error->message, " (clone)" IN_THE_WAY));
    g_clear_error(&error);
    g_assert_false(volume_delete(pool, "v", 0, &judged, &error));
    g_assert_nonnull(strstr(error->message, "volume 'v' is still in use"));
    g_assert_nonnull(strstr(error->message, " (clone)" IN_THE_WAY));
    fake_release();
    background_join(&clone);
}

static void test_pair(gconstpointer data)
{
    Fixture f = {0};

    fixture_set_up(&f, NULL);
    run_pair(&f, data);
    fixture_tear_down(&f, NULL);
}

/* ---- waiting ---- */

static void test_wait_and_go(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = scene(f, "fs");
    Background first = {.f = f, .pool = pool, .call = do_refresh};
    Background second = first;

    background_start_hung(&first, "scan", false);
    background_start(&second);
    g_usleep(20000);
    g_assert_cmpuint(fake_calls("scan"), ==, 2); /* the start's and the first's */
    fake_release();
    background_join(&first);
    background_join(&second);
    g_assert_true(first.done && second.done);
    g_assert_cmpuint(fake_calls("scan"), ==, 3);
}

static void test_create_after_delete(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = scene(f, "fs");
    Background delete = {.f = f, .pool = pool, .volume = "v", .call = do_delete};
    Background create = {.f = f, .pool = pool, .volume = "v", .call = do_create};

    background_start_hung(&delete, "volume_delete", false);
    background_start(&create);
    g_usleep(20000);
    g_assert_cmpuint(fake_calls("volume_create"), ==, 2);
    fake_release();
    background_join(&delete);
    background_join(&create);
    g_assert_true(delete.done && create.done);
    g_assert_true(fake_has_volume("/fake/p", "v"));
}

static void test_cancel_waiting(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = scene(f, "fs");
    Background first = {.f = f, .pool = pool, .call = do_refresh};
    Background second = first;

    background_start_hung(&first, "scan", false);
    background_start(&second);
    g_usleep(20000);
    operation_cancel(second.request->op);
    g_thread_join(second.thread);
    g_assert_false(second.done);
    check_error_prefix(&second.error, ERROR_ABORTED, "operation aborted: ");
    fake_release();
    background_join(&first);
}

/* Who came first goes first: a stop that waits isn't overtaken by what it would have to wait for
 * again. */
static void test_order(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = scene(f, "fs");
    Background delete = {.f = f, .pool = pool, .volume = "v", .call = do_delete};
    Background stop = {.f = f, .pool = pool, .call = do_stop};
    g_autoptr(GError) error = NULL;

    background_start_hung(&delete, "volume_delete", false);
    background_start(&stop);
    g_usleep(20000);
    g_assert_false(volume_resize(pool, "w", 8192, 0, fixture_request(f, 150), &error));
    check_error_prefix(&error, ERROR_TIMEOUT, LATER);
    fake_release();
    background_join(&delete);
    background_join(&stop);
    g_assert_true(delete.done && stop.done);
}

/* What happens to one pool is nothing to another. */
static void test_other_pool(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = scene(f, "zfs");
    g_autoptr(Pool) other = fixture_define_started(f, "zfs", "q");
    Background create = {.f = f, .pool = pool, .volume = "n", .call = do_create};
    g_autoptr(GError) error = NULL;

    background_start_hung(&create, "volume_create", false);
    fake_hang(NULL, false);
    fixture_create_volume(f, other, "n", 4096);
    g_assert_true(volume_delete(other, "n", 0, NOW(f), &error));
    g_assert_true(pool_refresh(other, NOW(f), &error));
    g_assert_true(pool_stop(other, NOW(f), &error));
    fake_release();
    background_join(&create);
    g_assert_true(create.done);
}

static void test_serial_pool(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = scene(f, "zfs");
    Background first = {.f = f, .pool = pool, .volume = "n", .call = do_create};
    g_autofree char *xml = volume_xml("m", 4096);
    g_autoptr(GError) error = NULL;

    background_start_hung(&first, "volume_create", false);
    g_assert_null(volume_create(pool, xml, 0, fixture_request(f, 150), &error));
    check_error_prefix(&error, ERROR_TIMEOUT, LATER);
    fake_release();
    background_join(&first);
    g_autoptr(VolumeRecord) record G_GNUC_UNUSED = volume_create(pool, xml, 0, NOW(f), &error);
    g_assert_no_error(error);
}

/* A scan that hangs for good doesn't keep its pool from being stopped, and what it brings in the
 * end is dropped. */
static void test_stop_during_scan(Fixture *f, gconstpointer data)
{
    bool cancellable = GPOINTER_TO_INT(data);
    g_autoptr(Pool) pool = scene(f, "fs");
    Background refresh = {.f = f, .pool = pool, .call = do_refresh};
    g_autoptr(GError) error = NULL;

    background_start_hung(&refresh, "scan_seen", cancellable);
    g_assert_true(pool_stop(pool, NOW(f), &error));
    g_assert_no_error(error);
    g_assert_false(pool_is_active(pool));
    fake_release();
    g_thread_join(refresh.thread);
    g_assert_false(refresh.done);
    check_error_prefix(&refresh.error, ERROR_ABORTED, "operation aborted: ");
    g_assert_null(pool_inventory(pool, NULL));
    g_assert_true(pool_start(pool, 0, NOW(f), &error));
    g_autofree char *names = listed(pool);
    g_assert_cmpstr(names, ==, "v w");
}

static void test_stop_during_cancellable_scan(Fixture *f, gconstpointer data)
{
    test_stop_during_scan(f, GINT_TO_POINTER(true));
}

static bool do_overlay(Background *b, GError **error)
{
    const char *xml = "<volume><name>o</name><capacity>4096</capacity><target>"
                      "<format type='qcow2'/></target><backingStore><path>/fake/p/v</path>"
                      "<format type='raw'/></backingStore></volume>";
    g_autoptr(VolumeRecord) record = volume_create(b->pool, xml, 0, b->request, error);

    return record != NULL;
}

/* The same when the pool runs again before the old scan ends. */
static void test_restart_during_scan(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = scene(f, "fs");
    Background refresh = {.f = f, .pool = pool, .call = do_refresh};
    PoolInfo info;

    background_start_hung(&refresh, "scan_seen", false);
    fake_hang(NULL, false);
    g_assert_true(pool_stop(pool, NOW(f), NULL));
    fake_remove_volume("/fake/p", "v");
    g_assert_true(pool_start(pool, 0, NOW(f), NULL));
    fake_release();
    background_join(&refresh);
    g_assert_false(refresh.done);
    g_autofree char *names = listed(pool);
    g_assert_cmpstr(names, ==, "w");
    pool_get_info(pool, &info);
    g_assert_cmpint(info.state, ==, POOL_STATE_RUNNING);
}

/* The backing file of a volume that is being made stays. */
static void test_backing(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = scene(f, "dir");
    Background create = {.f = f, .pool = pool, .call = do_overlay};
    g_autoptr(GError) error = NULL;

    background_start_hung(&create, "volume_create", false);
    g_assert_false(volume_delete(pool, "v", 0, NOW(f), &error));
    check_error_prefix(&error, ERROR_OPERATION_INVALID, IN_USE("v"));
    g_assert_true(volume_delete(pool, "w", 0, NOW(f), &error));
    fake_release();
    background_join(&create);
    g_assert_true(create.done);
    g_assert_true(volume_delete(pool, "v", 0, NOW(f), &error));
}

/* ---- jobs ---- */

static void test_jobs(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = scene(f, "fs");
    Background clone = {.f = f, .pool = pool, .volume = "n", .source = "v", .call = do_clone};
    g_autoptr(GError) error = NULL;

    g_autoptr(GPtrArray) none = engine_list_jobs(f->engine);
    g_assert_cmpuint(none->len, ==, 0);
    background_start_hung(&clone, "volume_clone", true);
    operation_set_progress(clone.request->op, 7, 9);
    g_autoptr(GPtrArray) jobs = engine_list_jobs(f->engine);
    g_assert_cmpuint(jobs->len, ==, 1);
    const JobInfo *job = jobs->pdata[0];
    g_assert_cmpstr(job->operation, ==, "clone");
    g_assert_cmpstr(job->pool, ==, "p");
    g_assert_cmpstr(job->volume, ==, "n");
    g_assert_cmpstr(job->client, ==, "test");
    g_assert_cmpuint(job->done, ==, 7);
    g_assert_cmpuint(job->total, ==, 9);
    g_assert_cmpint(ABS(g_get_real_time() - job->started), <, 60 * G_TIME_SPAN_SECOND);

    g_autofree char *wanted =
        g_strdup_printf(JOBS "%" G_GUINT64_FORMAT " (clone of 'n')" IN_THE_WAY, job->id);
    g_assert_false(pool_stop(pool, NOW(f), &error));
    check_error(&error, ERROR_INTERNAL, wanted);

    g_assert_false(engine_cancel_job(f->engine, job->id + 1, &error));
    g_assert_cmpint(error_code(error), ==, ERROR_INVALID_ARGUMENT);
    g_clear_error(&error);
    g_assert_true(engine_cancel_job(f->engine, job->id, &error));
    g_thread_join(clone.thread);
    g_assert_false(clone.done);
    check_error_prefix(&clone.error, ERROR_ABORTED, "operation aborted: ");
    g_autofree char *names = listed(pool);
    g_assert_cmpstr(names, ==, "v w");
    g_assert_true(pool_stop(pool, NOW(f), &error));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_autofree char *path = g_strdup_printf("/engine/leases/%s", pairs[i].name);
        g_test_add_data_func(path, &pairs[i], test_pair);
    }
    ENGINE_TEST("/engine/leases/unnamed", test_unnamed);
    ENGINE_TEST("/engine/leases/wait-and-go", test_wait_and_go);
    ENGINE_TEST("/engine/leases/create-after-delete", test_create_after_delete);
    ENGINE_TEST("/engine/leases/cancel-waiting", test_cancel_waiting);
    ENGINE_TEST("/engine/leases/order", test_order);
    ENGINE_TEST("/engine/leases/other-pool", test_other_pool);
    ENGINE_TEST("/engine/leases/serial-pool", test_serial_pool);
    ENGINE_TEST("/engine/leases/stop-during-scan", test_stop_during_scan);
    ENGINE_TEST("/engine/leases/stop-during-cancellable-scan", test_stop_during_cancellable_scan);
    ENGINE_TEST("/engine/leases/restart-during-scan", test_restart_during_scan);
    ENGINE_TEST("/engine/leases/backing", test_backing);
    ENGINE_TEST("/engine/leases/jobs", test_jobs);
    return g_test_run();
}
