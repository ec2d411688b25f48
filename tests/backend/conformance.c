/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conformance.h"

#include "errors.h"
#include "recorder.h"

#include <string.h>

#define MIB (G_GUINT64_CONSTANT(1) << 20)

/* A started pool and an operation for it. */
typedef struct World {
    const ConformanceFixture *fixture;
    const Backend *backend;
    PoolDef *pool;
    Operation *op;
} World;

static void world_open(World *world, const ConformanceFixture *fixture)
{
    GError *error = NULL;

    *world = (World){
        .fixture = fixture,
        .backend = fixture->backend,
        .pool = fixture->pool_new(),
        .op = operation_new(g_get_monotonic_time() + 60 * G_USEC_PER_SEC),
    };
    if (world->backend->build)
        g_assert_true(world->backend->build(world->pool, world->op, 0, &error));
    g_assert_no_error(error);
    if (world->backend->start)
        g_assert_true(world->backend->start(world->pool, world->op, &error));
    g_assert_no_error(error);
}

static void world_close(World *world)
{
    GError *error = NULL;

    if (world->backend->stop)
        g_assert_true(world->backend->stop(world->pool, NULL, &error));
    g_assert_no_error(error);
    operation_unref(world->op);
    world->fixture->pool_free(world->pool);
}

#define autoworld __attribute__((cleanup(world_close)))

static void scan(World *world, Recorder *recorder)
{
    GError *error = NULL;

    g_assert_true(world->backend->scan(world->pool, world->op, &recorder->scan, &error));
    g_assert_no_error(error);
}

static guint count_volumes(World *world)
{
    g_auto(Recorder) recorder;

    recorder_init(&recorder);
    scan(world, &recorder);
    return recorder_count(&recorder);
}

static VolumeDef *spec_new(const World *world, const char *name, int format)
{
    VolumeDef *spec = volume_def_new();

    spec->name = g_strdup(name);
    spec->target.format = format;
    spec->capacity = 2 * MIB;
    spec->has_capacity = spec->has_allocation = true;
    return spec;
}

static int plain_format(const World *world)
{
    return world->fixture->volume_formats[0];
}

static void create(World *world, const char *name, VolumeState *ret)
{
    g_autoptr(VolumeDef) spec = spec_new(world, name, plain_format(world));
    GError *error = NULL;

    g_assert_true(world->backend->volume_create(world->pool, world->op, spec, 0, ret, &error));
    g_assert_no_error(error);
}

static bool exists(World *world, const char *name)
{
    g_auto(VolumeState) state = {0};
    g_autoptr(GError) error = NULL;
    bool found = world->backend->volume_stat(world->pool, world->op, name, &state, &error);

    g_assert_true(found == (error == NULL));
    g_assert_true(found == (state.volume != NULL));
    if (!found)
        g_assert_cmpint(error_code(error), ==, ERROR_NO_VOLUME);
    return found;
}

static Io *open_volume(World *world, const VolumeDef *volume, VolumeAccess access)
{
    GError *error = NULL;
    Io *io = NULL;

    g_assert_true(world->backend->volume_open(world->pool, world->op, volume, access, &io, &error));
    g_assert_no_error(error);
    return io;
}

static void write_pattern(World *world, const VolumeDef *volume, guint64 offset)
{
    g_autoptr(Io) io = open_volume(world, volume, VOLUME_WRITE);
    GError *error = NULL;

    g_assert_true(io->ops->write(io, "pattern", 7, offset, &error));
    g_assert_true(io->ops->flush(io, &error));
}

static void assert_bytes(World *world, const VolumeDef *volume, guint64 offset, const char *bytes)
{
    g_autoptr(Io) io = open_volume(world, volume, VOLUME_READ);
    GError *error = NULL;
    char got[7];

    g_assert_cmpint(io->ops->read(io, got, sizeof got, offset, &error), ==, sizeof got);
    g_assert_cmpmem(got, sizeof got, bytes, sizeof got);
}

static void test_up(gconstpointer data)
{
    autoworld World world;
    bool up = false;
    GError *error = NULL;

    world_open(&world, data);
    if (!world.backend->is_up) {
        g_test_skip("the type has no check");
        return;
    }
    g_assert_true(world.backend->is_up(world.pool, world.op, &up, &error));
    g_assert_true(up);
}

static void test_scan_empty(gconstpointer data)
{
    g_auto(Recorder) recorder;
    autoworld World world;

    world_open(&world, data);
    recorder_init(&recorder);
    scan(&world, &recorder);
    g_assert_cmpuint(recorder_count(&recorder), ==, 0);
    g_assert_true(recorder.has_space);
    g_assert_cmpuint(recorder.space.capacity, ==,
                     recorder.space.allocation + recorder.space.available);
}

static void test_scan_foreign(gconstpointer data)
{
    autoworld World world;

    world_open(&world, data);
    world.fixture->add_foreign(world.pool);
    g_assert_cmpuint(count_volumes(&world), ==, 0);
}

static void test_scan_many(gconstpointer data)
{
    g_auto(Recorder) recorder;
    autoworld World world;

    world_open(&world, data);
    for (guint i = 0; i < 20; i++) {
        g_auto(VolumeState) state = {0};
        g_autofree char *name = g_strdup_printf("volume-%u", i);
        create(&world, name, &state);
    }
    recorder_init(&recorder);
    scan(&world, &recorder);
    g_assert_cmpuint(recorder_count(&recorder), ==, 20);
    const VolumeDef *volume = recorder_find(&recorder, "volume-7");
    g_assert_nonnull(volume);
    g_assert_cmpuint(volume->capacity, ==, 2 * MIB);
    g_assert_null(volume->problem);
}

/* What create, stat and scan say of a volume is the same. */
static void test_create_stat_delete(gconstpointer data)
{
    g_auto(Recorder) recorder;
    g_auto(VolumeState) made = {0}, seen = {0};
    autoworld World world;
    GError *error = NULL;

    world_open(&world, data);
    create(&world, "one", &made);
    g_assert_true(world.backend->volume_stat(world.pool, world.op, "one", &seen, &error));
    recorder_init(&recorder);
    scan(&world, &recorder);
    const VolumeDef *listed = recorder_find(&recorder, "one");
    g_assert_nonnull(listed);
    const VolumeDef *others[] = {seen.volume, listed};
    for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
        g_assert_cmpstr(made.volume->name, ==, others[i]->name);
        g_assert_cmpstr(made.volume->key, ==, others[i]->key);
        g_assert_cmpstr(made.volume->target.path, ==, others[i]->target.path);
        g_assert_cmpint(made.volume->type, ==, others[i]->type);
        g_assert_cmpint(made.volume->target.format, ==, others[i]->target.format);
        g_assert_cmpuint(made.volume->capacity, ==, others[i]->capacity);
        g_assert_cmpuint(made.volume->allocation, ==, others[i]->allocation);
    }
    g_assert_true(world.backend->volume_delete(world.pool, world.op, listed, 0, &error));
    g_assert_false(exists(&world, "one"));
    g_assert_true(world.backend->volume_delete(world.pool, world.op, listed, 0, &error));
    g_assert_cmpuint(count_volumes(&world), ==, 0);
}

static void test_every_format(gconstpointer data)
{
    autoworld World world;

    world_open(&world, data);
    for (const int *format = world.fixture->volume_formats; *format >= 0; format++) {
        g_autofree char *name = g_strdup_printf("format-%d", *format);
        g_autoptr(VolumeDef) spec = spec_new(&world, name, *format);
        g_auto(VolumeState) state = {0};
        GError *error = NULL;
        world.backend->volume_create(world.pool, world.op, spec, 0, &state, &error);
        g_assert_no_error(error);
        g_assert_cmpint(state.volume->target.format, ==, *format);
        g_assert_null(state.volume->problem);
        g_assert_true(world.backend->volume_delete(world.pool, world.op, state.volume, 0, &error));
        g_assert_no_error(error);
    }
    g_assert_cmpuint(count_volumes(&world), ==, 0);
}

static void test_duplicate(gconstpointer data)
{
    g_auto(VolumeState) first = {0}, second = {0};
    autoworld World world;
    g_autoptr(GError) error = NULL;

    world_open(&world, data);
    create(&world, "one", &first);
    write_pattern(&world, first.volume, 0);
    g_autoptr(VolumeDef) spec = spec_new(&world, "one", plain_format(&world));
    g_assert_false(world.backend->volume_create(world.pool, world.op, spec, 0, &second, &error));
    g_assert_nonnull(error);
    g_assert_null(second.volume);
    assert_bytes(&world, first.volume, 0, "pattern");
    g_assert_cmpuint(count_volumes(&world), ==, 1);
}

static void test_resize(gconstpointer data)
{
    g_auto(VolumeState) before = {0}, after = {0};
    autoworld World world;
    GError *error = NULL;

    world_open(&world, data);
    if (!world.backend->volume_resize) {
        g_test_skip("the type can't resize");
        return;
    }
    create(&world, "one", &before);
    write_pattern(&world, before.volume, MIB);
    g_assert_true(
        world.backend->volume_resize(world.pool, world.op, before.volume, 4 * MIB, 0, &error));
    g_assert_true(world.backend->volume_stat(world.pool, world.op, "one", &after, &error));
    g_assert_cmpuint(after.volume->capacity, ==, 4 * MIB);
    assert_bytes(&world, after.volume, MIB, "pattern");
    assert_bytes(&world, after.volume, 3 * MIB, "\0\0\0\0\0\0\0");
}

static void test_wipe(gconstpointer data)
{
    g_auto(VolumeState) state = {0}, after = {0};
    autoworld World world;
    GError *error = NULL;

    world_open(&world, data);
    if (!world.backend->volume_wipe) {
        g_test_skip("the type can't wipe");
        return;
    }
    create(&world, "one", &state);
    write_pattern(&world, state.volume, 0);
    g_assert_true(
        world.backend->volume_wipe(world.pool, world.op, state.volume, WIPE_ZERO, &error));
    assert_bytes(&world, state.volume, 0, "\0\0\0\0\0\0\0");
    g_assert_true(world.backend->volume_stat(world.pool, world.op, "one", &after, &error));
    g_assert_cmpuint(after.volume->capacity, ==, 2 * MIB);
}

static bool clone_volume(World *world, const VolumeDef *from, const char *name, Operation *op,
                         VolumeState *ret, GError **error)
{
    g_autoptr(Io) io = open_volume(world, from, VOLUME_READ);
    g_autoptr(VolumeDef) spec = spec_new(world, name, plain_format(world));
    VolumeSource source = {.pool = world->pool, .volume = from, .io = io};

    return world->backend->volume_clone(world->pool, op, spec, &source, 0, ret, error);
}

static void test_clone(gconstpointer data)
{
    g_auto(VolumeState) state = {0}, copy = {0};
    autoworld World world;
    GError *error = NULL;

    world_open(&world, data);
    if (!world.backend->volume_clone) {
        g_test_skip("the type can't clone");
        return;
    }
    create(&world, "one", &state);
    write_pattern(&world, state.volume, MIB);
    g_assert_true(clone_volume(&world, state.volume, "two", world.op, &copy, &error));
    g_assert_cmpstr(copy.volume->name, ==, "two");
    assert_bytes(&world, copy.volume, MIB, "pattern");
    assert_bytes(&world, copy.volume, 0, "\0\0\0\0\0\0\0");
    g_assert_cmpuint(count_volumes(&world), ==, 2);
}

/* A cancelled operation fails as such and leaves nothing. */
static void test_cancel(gconstpointer data)
{
    g_auto(Recorder) recorder;
    g_auto(VolumeState) state = {0}, none = {0};
    g_autoptr(Operation) cancelled = operation_new(OPERATION_NO_DEADLINE);
    g_autoptr(GError) create_error = NULL, clone_error = NULL, scan_error = NULL;
    autoworld World world;

    world_open(&world, data);
    create(&world, "one", &state);
    operation_cancel(cancelled);
    g_autoptr(VolumeDef) spec = spec_new(&world, "two", plain_format(&world));
    spec->allocation = spec->capacity;
    g_assert_false(
        world.backend->volume_create(world.pool, cancelled, spec, 0, &none, &create_error));
    g_assert_cmpint(error_code(create_error), ==, ERROR_ABORTED);
    if (world.backend->volume_clone) {
        g_assert_false(clone_volume(&world, state.volume, "two", cancelled, &none, &clone_error));
        g_assert_cmpint(error_code(clone_error), ==, ERROR_ABORTED);
    }
    recorder_init(&recorder);
    g_assert_false(world.backend->scan(world.pool, cancelled, &recorder.scan, &scan_error));
    g_assert_cmpint(error_code(scan_error), ==, ERROR_ABORTED);
    g_assert_null(none.volume);
    g_assert_cmpuint(count_volumes(&world), ==, 1);
}

/* Runs programs for real, but for the n-th. */
typedef struct FailingRunner {
    guint calls, fail_at;
} FailingRunner;

static bool run_or_fail(Operation *op, const Command *command, CommandResult *ret, void *data,
                        GError **error)
{
    FailingRunner *runner = data;

    if (++runner->calls != runner->fail_at)
        return command_run_real(op, command, ret, NULL, error);
    *ret = (CommandResult){.exit_status = 1,
                           .output = g_strdup(""),
                           .errors = g_strdup("made to fail")};
    return true;
}

/* Makes, grows and removes a volume. False when a command failed. */
static bool live_through(World *world, int format, Operation *op, GError **error)
{
    const Backend *backend = world->backend;
    g_autoptr(VolumeDef) spec = spec_new(world, "subject", format);
    g_auto(VolumeState) state = {0};

    if (!backend->volume_create(world->pool, op, spec, 0, &state, error)) {
        g_assert_false(exists(world, "subject"));
        return false;
    }
    bool ok = state.volume->type == VOLUME_DIR || !backend->volume_resize ||
              backend->volume_resize(world->pool, op, state.volume, 4 * MIB, 0, error);
    g_assert_true(exists(world, "subject"));
    return ok && backend->volume_delete(world->pool, op, state.volume, 0, error);
}

static bool can_resize(World *world, int format)
{
    g_autoptr(GError) error = NULL;
    g_auto(VolumeState) rest = {0};

    if (live_through(world, format, world->op, &error))
        return true;
    if (world->backend->volume_stat(world->pool, NULL, "subject", &rest, NULL))
        world->backend->volume_delete(world->pool, NULL, rest.volume, 0, NULL);
    return false;
}

static void fail_each_command(World *world, int format)
{
    for (guint n = 1;; n++) {
        g_autoptr(Operation) op = operation_new(OPERATION_NO_DEADLINE);
        g_autoptr(GError) error = NULL;
        g_auto(VolumeState) rest = {0};
        FailingRunner runner = {.fail_at = n};
        operation_set_runner(op, run_or_fail, &runner);
        bool ok = live_through(world, format, op, &error);
        if (runner.calls < n) {
            g_assert_no_error(error);
            g_assert_true(ok);
            return;
        }
        g_assert_false(ok);
        g_assert_nonnull(strstr(error->message, "made to fail"));
        if (world->backend->volume_stat(world->pool, NULL, "subject", &rest, NULL))
            g_assert_true(world->backend->volume_delete(world->pool, NULL, rest.volume, 0, NULL));
    }
}

static void test_failing_commands(gconstpointer data)
{
    autoworld World world;

    world_open(&world, data);
    g_assert_true(can_resize(&world, plain_format(&world)));
    for (const int *format = world.fixture->volume_formats; *format >= 0; format++)
        if (can_resize(&world, *format))
            fail_each_command(&world, *format);
    g_assert_cmpuint(count_volumes(&world), ==, 0);
}

static void test_sweep_harmless(gconstpointer data)
{
    g_auto(VolumeState) state = {0};
    autoworld World world;
    GError *error = NULL;

    world_open(&world, data);
    if (!world.backend->sweep) {
        g_test_skip("the type leaves nothing to sweep");
        return;
    }
    create(&world, "one", &state);
    g_assert_true(world.backend->sweep(world.pool, world.op, &error));
    g_assert_true(exists(&world, "one"));
}

typedef enum Needs { NEEDS_NOTHING, NEEDS_FOREIGN, NEEDS_CREATE } Needs;

static const struct {
    const char *name;
    void (*run)(gconstpointer data);
    Needs needs;
} cases[] = {
    {"up", test_up, NEEDS_NOTHING},
    {"scan-empty", test_scan_empty, NEEDS_NOTHING},
    {"scan-foreign", test_scan_foreign, NEEDS_FOREIGN},
    {"scan-many", test_scan_many, NEEDS_CREATE},
    {"create-stat-delete", test_create_stat_delete, NEEDS_CREATE},
    {"every-format", test_every_format, NEEDS_CREATE},
    {"duplicate", test_duplicate, NEEDS_CREATE},
    {"resize", test_resize, NEEDS_CREATE},
    {"wipe", test_wipe, NEEDS_CREATE},
    {"clone", test_clone, NEEDS_CREATE},
    {"cancel", test_cancel, NEEDS_CREATE},
    {"failing-commands", test_failing_commands, NEEDS_CREATE},
    {"sweep-harmless", test_sweep_harmless, NEEDS_CREATE},
};

static bool applies(const ConformanceFixture *fixture, Needs needs)
{
    if (needs == NEEDS_FOREIGN)
        return fixture->add_foreign != NULL;
    return needs == NEEDS_NOTHING || fixture->backend->volume_create;
}

void conformance_add(const ConformanceFixture *fixture)
{
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/%s/conformance/%s", fixture->name, cases[i].name);
        if (applies(fixture, cases[i].needs))
            g_test_add_data_func(path, fixture, cases[i].run);
    }
}
