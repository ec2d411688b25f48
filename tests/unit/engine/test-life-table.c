/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine-fixture.h"

/* Every state of a pool with every call: what is answered. */

#define UUID_A   "6695eb01-f6a4-8304-79aa-97f2502e193f"
#define NOT_OK   "Requested operation is not valid: "
#define GONE     "Storage pool not found: no storage pool with matching uuid '" UUID_A "' (p)"
#define WAITS    "waits"
#define PATIENCE 150 /* milliseconds of calls that are expected to wait */

typedef enum State {
    ST_GONE,
    ST_INACTIVE,
    ST_STARTING,
    ST_ACTIVE,
    ST_TRANSIENT,
    ST_STOPPING,
    ST_RESUMING, /* by test_resuming() */
    ST_COUNT
} State;

static const char *const state_names[] = {"gone",      "inactive", "starting", "active",
                                          "transient", "stopping", "resuming"};

/* ---- the calls ---- */

static bool call_define(Fixture *f, Pool *pool, const Request *request, GError **error)
{
    g_autofree char *xml = pool_xml("fs", "p", UUID_A);
    g_autoptr(Pool) defined = engine_define_pool(f->engine, xml, false, request, error);

    return defined != NULL;
}

static bool call_create(Fixture *f, Pool *pool, const Request *request, GError **error)
{
    g_autofree char *xml = pool_xml("fs", "p", UUID_A);
    g_autoptr(Pool) created = engine_create_pool(f->engine, xml, 0, request, error);

    return created != NULL;
}

static bool call_start(Fixture *f, Pool *pool, const Request *request, GError **error)
{
    return pool_start(pool, 0, request, error);
}

static bool call_build(Fixture *f, Pool *pool, const Request *request, GError **error)
{
    return pool_build(pool, 0, request, error);
}

static bool call_stop(Fixture *f, Pool *pool, const Request *request, GError **error)
{
    return pool_stop(pool, request, error);
}

static bool call_undefine(Fixture *f, Pool *pool, const Request *request, GError **error)
{
    return pool_undefine(pool, request, error);
}

static bool call_erase(Fixture *f, Pool *pool, const Request *request, GError **error)
{
    return pool_erase(pool, 0, request, error);
}

static bool call_refresh(Fixture *f, Pool *pool, const Request *request, GError **error)
{
    return pool_refresh(pool, request, error);
}

static bool call_autostart(Fixture *f, Pool *pool, const Request *request, GError **error)
{
    return pool_set_autostart(pool, true, error);
}

static bool call_list(Fixture *f, Pool *pool, const Request *request, GError **error)
{
    g_autoptr(Inventory) inventory = pool_inventory(pool, error);

    return inventory != NULL;
}

static bool call_find(Fixture *f, Pool *pool, const Request *request, GError **error)
{
    g_autoptr(VolumeRecord) record = pool_find_volume(pool, "v", request, error);

    return record != NULL;
}

static bool call_volume_create(Fixture *f, Pool *pool, const Request *request, GError **error)
{
    g_autofree char *xml = volume_xml("new", 1024);
    g_autoptr(VolumeRecord) record = volume_create(pool, xml, 0, request, error);

    return record != NULL;
}

static bool call_volume_clone(Fixture *f, Pool *pool, const Request *request, GError **error)
{
    g_autofree char *xml = volume_xml("new", 1024);
    g_autoptr(VolumeRecord) record = volume_create_from(pool, xml, pool, "v", 0, request, error);

    return record != NULL;
}

static bool call_volume_delete(Fixture *f, Pool *pool, const Request *request, GError **error)
{
    return volume_delete(pool, "v", 0, request, error);
}

static bool call_volume_resize(Fixture *f, Pool *pool, const Request *request, GError **error)
{
    return volume_resize(pool, "v", 1 << 20, 0, request, error);
}

static bool call_volume_wipe(Fixture *f, Pool *pool, const Request *request, GError **error)
{
    return volume_wipe(pool, "v", WIPE_ZERO, request, error);
}

/* ---- the table ---- */

typedef struct Answer {
    ErrorCode code; /* 0: it succeeds */
    const char *message;
} Answer;

typedef struct Row {
    const char *name;
    bool (*call)(Fixture *f, Pool *pool, const Request *request, GError **error);
    Answer answers[ST_COUNT];
} Row;

#define IS_GONE                                                                                    \
    {                                                                                              \
        ERROR_NO_POOL, GONE                                                                        \
    }
#define NOT_ACTIVE                                                                                 \
    {                                                                                              \
        ERROR_OPERATION_INVALID, NOT_OK "storage pool 'p' is not active"                           \
    }
#define ACTIVE                                                                                     \
    {                                                                                              \
        ERROR_OPERATION_INVALID, NOT_OK "storage pool 'p' is already active"                       \
    }
#define STILL_ACTIVE                                                                               \
    {                                                                                              \
        ERROR_OPERATION_INVALID, NOT_OK "storage pool 'p' is still active"                         \
    }
#define STARTING                                                                                   \
    {                                                                                              \
        ERROR_OPERATION_INVALID, NOT_OK "storage pool 'p' is starting up"                          \
    }
#define NOT_READ                                                                                   \
    {                                                                                              \
        ERROR_TIMEOUT, "Timed out during operation: storage pool 'p': its storage has not "        \
                       "answered since the daemon was started: see whether the server or device "  \
                       "behind it is there; the pool goes on when it answers"                      \
    }
#define DOES_WAIT                                                                                  \
    {                                                                                              \
        ERROR_TIMEOUT, WAITS                                                                       \
    }
#define SUCCEEDS                                                                                   \
    {                                                                                              \
        0, NULL                                                                                    \
    }

/* Columns: gone, inactive, starting, active, transient, stopping, resuming. */
#define ONLY_ACTIVE                                                                                \
    {                                                                                              \
        IS_GONE, NOT_ACTIVE, NOT_ACTIVE, SUCCEEDS, SUCCEEDS, NOT_ACTIVE, DOES_WAIT                 \
    }
#define LOOKING                                                                                    \
    {                                                                                              \
        IS_GONE, NOT_ACTIVE, NOT_ACTIVE, SUCCEEDS, SUCCEEDS, SUCCEEDS, NOT_READ                    \
    }

static const Row table[] = {
    {"define", call_define, {SUCCEEDS, SUCCEEDS, SUCCEEDS, SUCCEEDS, SUCCEEDS, SUCCEEDS, SUCCEEDS}},
    {"create",
     call_create,
     {SUCCEEDS,
      SUCCEEDS,
      {ERROR_OPERATION_INVALID, NOT_OK "pool 'p' is starting up"},
      {ERROR_OPERATION_INVALID, NOT_OK "pool is already active as 'p'"},
      {ERROR_OPERATION_INVALID, NOT_OK "pool is already active as 'p'"},
      DOES_WAIT,
      {ERROR_OPERATION_INVALID, NOT_OK "pool is already active as 'p'"}}},
    {"start", call_start, {IS_GONE, SUCCEEDS, STARTING, ACTIVE, ACTIVE, DOES_WAIT, ACTIVE}},
    {"build", call_build, {IS_GONE, SUCCEEDS, STARTING, ACTIVE, ACTIVE, DOES_WAIT, ACTIVE}},
    {"stop", call_stop, {IS_GONE, NOT_ACTIVE, NOT_ACTIVE, SUCCEEDS, SUCCEEDS, DOES_WAIT, SUCCEEDS}},
    {"undefine",
     call_undefine,
     {IS_GONE, SUCCEEDS, STARTING, STILL_ACTIVE, STILL_ACTIVE, DOES_WAIT, STILL_ACTIVE}},
    {"erase",
     call_erase,
     {IS_GONE,
      {ERROR_NO_SUPPORT,
       "this function is not supported by the connection driver: pool does not support pool "
       "deletion"},
      STARTING,
      STILL_ACTIVE,
      STILL_ACTIVE,
      DOES_WAIT,
      STILL_ACTIVE}},
    {"refresh", call_refresh, ONLY_ACTIVE},
    {"autostart",
     call_autostart,
     {IS_GONE,
      SUCCEEDS,
      SUCCEEDS,
      SUCCEEDS,
      {ERROR_INTERNAL, "internal error: pool has no config file"},
      SUCCEEDS,
      SUCCEEDS}},
    {"list", call_list, LOOKING},
    {"find", call_find, LOOKING},
    {"volume-create", call_volume_create, ONLY_ACTIVE},
    {"volume-clone", call_volume_clone, ONLY_ACTIVE},
    {"volume-delete", call_volume_delete, ONLY_ACTIVE},
    {"volume-resize", call_volume_resize, ONLY_ACTIVE},
    {"volume-wipe", call_volume_wipe, ONLY_ACTIVE},
};

/* ---- reaching a state ---- */

typedef struct Scene {
    Fixture *f;
    Pool *pool;
    GThread *thread; /* hangs in a start or stop, or NULL */
} Scene;

static gpointer start_in_thread(gpointer data)
{
    Scene *scene = data;
    g_autoptr(GError) error = NULL;

    pool_start(scene->pool, 0, NOW(scene->f), &error);
    g_assert_no_error(error);
    return NULL;
}

static gpointer stop_in_thread(gpointer data)
{
    Scene *scene = data;
    g_autoptr(GError) error = NULL;

    pool_stop(scene->pool, NOW(scene->f), &error);
    g_assert_no_error(error);
    return NULL;
}

static void hang_in(Scene *scene, const char *operation, GThreadFunc func)
{
    fake_hang(operation, false);
    scene->thread = g_thread_new(operation, func, scene);
    fake_wait_hanging();
}

static void enter_state(Scene *scene, State state)
{
    g_autofree char *xml = pool_xml("fs", "p", UUID_A);
    g_autoptr(GError) error = NULL;
    Fixture *f = scene->f;

    fake_add_volume("/fake/p", "v", 1024);
    scene->pool = state == ST_TRANSIENT ? engine_create_pool(f->engine, xml, 0, NOW(f), &error)
                                        : engine_define_pool(f->engine, xml, false, NOW(f), &error);
    g_assert_no_error(error);
    if (state == ST_GONE)
        g_assert_true(pool_undefine(scene->pool, NOW(f), NULL));
    if (state == ST_STARTING)
        hang_in(scene, "start", start_in_thread);
    if (state == ST_ACTIVE || state == ST_STOPPING)
        g_assert_true(pool_start(scene->pool, 0, NOW(f), NULL));
    if (state == ST_STOPPING)
        hang_in(scene, "stop", stop_in_thread);
}

static void leave_state(Scene *scene)
{
    fake_release();
    if (scene->thread)
        g_thread_join(scene->thread);
    pool_unref(scene->pool);
}

/* ---- the test ---- */

static void compare(const Row *row, State state, bool done, GError **error)
{
    const Answer *wanted = &row->answers[state];

    g_assert_true(done == !*error);
    if (*error)
        g_test_message("%s when %s: %s", row->name, state_names[state], (*error)->message);
    if (!wanted->code)
        g_assert_no_error(*error);
    else if (g_str_equal(wanted->message, WAITS))
        check_error_prefix(error, ERROR_TIMEOUT, "Timed out during operation: ");
    else
        check_error(error, wanted->code, wanted->message);
}

static void test_call(const Scene *scene, const Row *row, State state)
{
    guint patience = row->answers[state].code == ERROR_TIMEOUT ? PATIENCE : 0;
    g_autoptr(GError) error = NULL;
    bool done = row->call(scene->f, scene->pool, fixture_request(scene->f, patience), &error);

    compare(row, state, done, &error);
}

static void test_cell(Fixture *f, const Row *row, State state)
{
    Scene scene = {.f = f};

    enter_state(&scene, state);
    test_call(&scene, row, state);
    leave_state(&scene);
}

static void test_row(gconstpointer data)
{
    for (guint state = 0; state < ST_RESUMING; state++) {
        Fixture f = {0};
        fixture_set_up(&f, NULL);
        test_cell(&f, data, state);
        fixture_tear_down(&f, NULL);
    }
}

/* A start of the engine waits for the pool's storage for a while: once for all rows, and what ends
 * the state comes last. */
static void test_resuming(Fixture *f, gconstpointer data)
{
    Scene scene = {.f = f};
    const Row *stop = NULL;

    enter_state(&scene, ST_ACTIVE);
    g_clear_pointer(&scene.pool, pool_unref);
    fixture_close(f);
    fake_set_up("/fake/p", true);
    fake_hang("scan", false);
    fixture_open(f);
    scene.pool = engine_find_pool_by_name(f->engine, "p", NULL);
    for (guint i = 0; i < G_N_ELEMENTS(table); i++)
        if (table[i].call == call_stop)
            stop = &table[i];
        else
            test_call(&scene, &table[i], ST_RESUMING);
    test_call(&scene, stop, ST_RESUMING);
    leave_state(&scene);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ENGINE_TEST("/engine/life-resuming", test_resuming);
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *path = g_strdup_printf("/engine/life/%s", table[i].name);
        g_test_add_data_func(path, &table[i], test_row);
    }
    return g_test_run();
}
