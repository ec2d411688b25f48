/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Volume groups on a stand-in for lvm2: command lines, and what happens when one fails. */
#include "lvm-fake.h"

#include "errors.h"
#include "fd.h"
#include "recorder.h"

#include <string.h>
#include <unistd.h>

#define MIB (G_GUINT64_CONSTANT(1) << 20)

static VolumeDef *spec_new(const char *name, guint64 capacity, guint64 allocation)
{
    VolumeDef *spec = volume_def_new();

    spec->name = g_strdup(name);
    spec->capacity = capacity;
    spec->allocation = allocation;
    spec->has_capacity = spec->has_allocation = true;
    return spec;
}

static bool create(FakeLvm *fake, const VolumeDef *spec, VolumeState *ret, GError **error)
{
    return fake->backend->volume_create(fake->pool, fake->op, spec, 0, ret, error);
}

static void assert_log(FakeLvm *fake, const char *expected)
{
    g_assert_cmpstr(fake->log->str, ==, expected);
    g_string_truncate(fake->log, 0);
}

static void assert_state(FakeLvm *fake, const char *expected)
{
    g_autofree char *state = fake_lvm_state(fake);

    g_assert_cmpstr(state, ==, expected);
}

static void assert_error(GError **error, int code, const char *part)
{
    g_assert_error(*error, CISTERN_ERROR, code);
    if (!strstr((*error)->message, part))
        g_test_fail_printf("'%s' is not in: %s", part, (*error)->message);
    g_clear_error(error);
}

/* ---- command lines ---- */

#define GROUP_COLUMNS "vg_name,vg_size,vg_free,vg_extent_size,vg_missing_pv_count,vg_exported"
#define VOLUME_COLUMNS                                                                             \
    "lv_name,lv_uuid,lv_attr,lv_size,lv_parent,lv_tags,origin,origin_size,pool_lv,"                \
    "data_percent,metadata_percent,lv_layout"
#define FORM "--reportformat json"
#define REPORT                                                                                     \
    "lvm fullreport " FORM " --units b --nosuffix --configreport vg "                              \
    "--options " GROUP_COLUMNS " --configreport pv --options pv_name,pv_missing "                  \
    "--configreport lv --all --options " VOLUME_COLUMNS                                            \
    " --configreport seg --options lv_uuid,seg_start,seg_le_ranges "                               \
    "--configreport pvseg --options pv_name -- vg0\n"
#define ALONE "lv_role!={thickorigin} && lv_role!={extthinorigin}"
#define ONE_REPORT(name)                                                                           \
    "lvs --segments " FORM " --units b --nosuffix --options " GROUP_COLUMNS "," VOLUME_COLUMNS     \
    ",seg_start,seg_le_ranges -- vg0/" name "\n"

static void test_create_linear(FakeLvm *fake, gconstpointer data)
{
    g_autoptr(VolumeDef) spec = spec_new("a", 5 * MIB + 1, 5 * MIB + 1);
    g_auto(VolumeState) made = {0};
    g_autoptr(GError) error = NULL;

    if (!fake->op)
        return;
    create(fake, spec, &made, &error);
    g_assert_no_error(error);
    assert_log(fake, "lvcreate --yes --type linear --wipesignatures y --zero y "
                     "--size 5243392b --name a -- vg0\n" ONE_REPORT("a"));
    g_assert_cmpstr(made.volume->key, ==, "uuid-a");
    g_assert_cmpuint(made.volume->capacity, ==, 8 * MIB);
    g_assert_cmpuint(made.volume->n_extents, ==, 1);
    g_assert_cmpuint(made.volume->extents[0].end, ==, 8 * MIB);
    assert_state(fake, "a:8:;");
}

static void test_create_thin(FakeLvm *fake, gconstpointer data)
{
    g_autoptr(VolumeDef) spec = spec_new("a", 64 * MIB, 0);
    g_auto(VolumeState) made = {0};
    g_autoptr(GError) error = NULL;

    if (!fake->op)
        return;
    g_assert_false(create(fake, spec, &made, &error));
    assert_error(&error, ERROR_OPERATION_UNSUPPORTED, "no thin pool");
    fake_lvm_add(fake, "tp", 32 * MIB, 't');
    g_string_truncate(fake->log, 0);
    create(fake, spec, &made, &error);
    g_assert_no_error(error);
    assert_log(fake, REPORT "lvcreate --yes --type thin --thinpool tp --virtualsize 67108864b "
                            "--name a -- vg0\n" ONE_REPORT("a"));
    g_assert_cmpstr(made.volume->target.thin_pool, ==, "tp");
    g_assert_cmpuint(made.volume->allocation, ==, 16 * MIB); /* 25 % */
    g_assert_cmpuint(made.volume->n_extents, ==, 0);
}

static void test_choice(FakeLvm *fake, gconstpointer data)
{
    g_autoptr(VolumeDef) spec = spec_new("a", 64 * MIB, 0);
    const ThinPool known[] = {{.name = (char *)"fast"}, {.name = (char *)"slow"}};
    g_auto(VolumeState) made = {0};
    g_autoptr(GError) error = NULL;

    if (!fake->op)
        return;
    fake_lvm_add(fake, "fast", 32 * MIB, 't');
    fake_lvm_add(fake, "slow", 32 * MIB, 't');
    pool_def_set_thin_pools(fake->pool, known, 2);
    g_assert_false(create(fake, spec, &made, &error));
    assert_error(&error, ERROR_OPERATION_UNSUPPORTED, "('fast', 'slow')");
    fake->pool->thin_pools[1].chosen = TRI_YES;
    g_string_truncate(fake->log, 0);
    g_assert_true(create(fake, spec, &made, &error));
    g_assert_nonnull(strstr(fake->log->str, "--thinpool slow"));
    /* What storage tells later keeps the choice. */
    pool_def_set_thin_pools(fake->pool, known, 1);
    g_assert_cmpstr(pool_def_thin_pool(fake->pool)->name, ==, "slow");
    spec->target.thin_pool = g_strdup("--help");
    g_assert_false(create(fake, spec, &made, &error));
    assert_error(&error, ERROR_INVALID_ARGUMENT, "'--help'");
}

static void test_absent_thin_pool(FakeLvm *fake, gconstpointer data)
{
    g_autoptr(VolumeDef) spec = spec_new("a", 64 * MIB, 0);
    const ThinPool chosen[] = {{.name = (char *)"nosuch", .chosen = TRI_YES}};
    g_auto(VolumeState) made = {0};
    g_autoptr(GError) error = NULL;

    if (!fake->op)
        return;
    fake_lvm_add(fake, "tp", 32 * MIB, 't');
    pool_def_set_thin_pools(fake->pool, chosen, 1);
    fake->pool->thin_pools[0].chosen = TRI_YES;
    g_assert_false(create(fake, spec, &made, &error));
    assert_error(&error, ERROR_OPERATION_UNSUPPORTED,
                 "'nosuch', which the pool's document chooses; it has 'tp'");
}

static void test_snapshot(FakeLvm *fake, gconstpointer data)
{
    g_autoptr(VolumeDef) spec = spec_new("s", 16 * MIB, 4 * MIB);
    g_auto(VolumeState) made = {0};
    g_autoptr(GError) error = NULL;

    if (!fake->op)
        return;
    fake_lvm_add(fake, "a", 16 * MIB, '-');
    spec->has_backing = true;
    spec->backing.path = g_build_filename(fake->folder, "a", NULL);
    create(fake, spec, &made, &error);
    g_assert_no_error(error);
    assert_log(fake, ONE_REPORT("a") "lvcreate --yes --snapshot --size 4194304b --name s -- "
                                     "vg0/a\n" ONE_REPORT("s"));
    g_assert_cmpstr(made.volume->backing.path, ==, spec->backing.path);
    g_free(spec->backing.path);
    spec->backing.path = g_strdup("/etc/passwd");
    g_assert_false(create(fake, spec, &made, &error));
    assert_error(&error, ERROR_CONFIG_UNSUPPORTED, "same group");
}

static void test_names(FakeLvm *fake, gconstpointer data)
{
    static const char *const names[] = {"--help", "a b", "a/b", ".", "..", "snapshot1", "x_tmeta"};

    if (!fake->op)
        return;
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(VolumeDef) spec = spec_new(names[i], MIB, MIB);
        g_auto(VolumeState) made = {0};
        g_autoptr(GError) error = NULL;
        g_assert_false(create(fake, spec, &made, &error));
        assert_error(&error, ERROR_INVALID_ARGUMENT, names[i]);
    }
    assert_log(fake, "");
}

static void test_resize(FakeLvm *fake, gconstpointer data)
{
    g_auto(VolumeState) state = {0};
    g_autoptr(GError) error = NULL;
    const Backend *backend = fake->backend;

    if (!fake->op)
        return;
    fake_lvm_add(fake, "a", 16 * MIB, '-');
    g_assert_true(backend->volume_stat(fake->pool, fake->op, "a", &state, &error));
    g_string_truncate(fake->log, 0);
    g_assert_true(backend->volume_resize(fake->pool, fake->op, state.volume, 32 * MIB, 0, &error));
    g_assert_true(backend->volume_resize(fake->pool, fake->op, state.volume, 8 * MIB,
                                         VOLUME_RESIZE_SHRINK, &error));
    g_assert_true(backend->volume_resize(fake->pool, fake->op, state.volume, 16 * MIB, 0, &error));
    /* A loop device tells no UUID, so lvm2 is asked. */
    assert_log(fake, ONE_REPORT("a") "lvextend --yes --size 33554432b -- vg0/a\n" ONE_REPORT(
                         "a") "lvreduce --yes --force --size 8388608b -- vg0/a\n" ONE_REPORT("a"));
}

static void test_delete(FakeLvm *fake, gconstpointer data)
{
    g_auto(VolumeState) state = {0};
    g_autoptr(GError) error = NULL;
    const Backend *backend = fake->backend;

    if (!fake->op)
        return;
    fake_lvm_add(fake, "a", 16 * MIB, '-');
    g_assert_true(backend->volume_stat(fake->pool, fake->op, "a", &state, &error));
    fake->fail = 1;
    fake->says = "  WARNING: no.\n  Logical volume vg0/a in use.";
    g_assert_false(backend->volume_delete(fake->pool, fake->op, state.volume, 0, &error));
    assert_error(&error, ERROR_BUSY, "lvremove: Logical volume vg0/a in use.");
    g_string_truncate(fake->log, 0);
    g_assert_true(backend->volume_delete(fake->pool, fake->op, state.volume, 0, &error));
    assert_log(fake, "lvremove --yes --force --select lv_uuid=\"uuid-a\" && lv_layout!={pool} "
                     "&& " ALONE " -- vg0/a\n");
    assert_state(fake, "");
}

static void test_delete_in_silence(FakeLvm *fake, gconstpointer data)
{
    g_auto(VolumeState) state = {0};
    g_autoptr(GError) error = NULL;

    if (!fake->op)
        return;
    fake_lvm_add(fake, "a", 16 * MIB, '-');
    g_assert_true(fake->backend->volume_stat(fake->pool, fake->op, "a", &state, &error));
    fake->silent = true;
    fake->backend->volume_delete(fake->pool, fake->op, state.volume, 0, &error);
    g_assert_no_error(error);
    assert_state(fake, "");
}

/* Thick snapshots, active or not, and thin volumes that read from it. */
static void test_delete_origin(FakeLvm *fake, gconstpointer data)
{
    g_auto(VolumeState) state = {0};
    g_autoptr(GError) error = NULL;
    const Backend *backend = fake->backend;

    if (!fake->op)
        return;
    fake_lvm_add(fake, "a", 16 * MIB, 'o')->state = '-';
    fake_lvm_add(fake, "snap", 16 * MIB, 's')->origin = g_strdup("a");
    FakeVolume *child = fake_lvm_add(fake, "child", 16 * MIB, 'V');
    child->origin = g_strdup("a");
    child->pool = g_strdup("tp");
    g_assert_true(backend->volume_stat(fake->pool, fake->op, "a", &state, &error));
    g_assert_false(backend->volume_delete(fake->pool, fake->op, state.volume, 0, &error));
    assert_error(&error, ERROR_OPERATION_INVALID, "'a' has snapshots: 'snap', 'child'");
    assert_state(fake, "a:16:;snap:16:;child:16:;");
    g_string_truncate(fake->log, 0);
    g_assert_true(backend->volume_delete(fake->pool, fake->op, state.volume,
                                         VOLUME_DELETE_WITH_SNAPSHOTS, &error));
    assert_log(fake, "lvremove --yes --force --select lv_uuid=\"uuid-a\" && lv_layout!={pool} "
                     "-- vg0/a\n");
    /* Thin snapshots of thin volumes live on. */
    fake_lvm_add(fake, "thin", 16 * MIB, 'V')->pool = g_strdup("tp");
    FakeVolume *copy = fake_lvm_add(fake, "copy", 16 * MIB, 'V');
    copy->origin = g_strdup("thin");
    copy->pool = g_strdup("tp");
    volume_state_clear(&state);
    g_assert_true(backend->volume_stat(fake->pool, fake->op, "thin", &state, &error));
    g_assert_true(backend->volume_delete(fake->pool, fake->op, state.volume, 0, &error));
}

/* The volume was removed, and something else has its name now. */
static void test_another(FakeLvm *fake, gconstpointer data)
{
    g_auto(VolumeState) state = {0};
    g_autoptr(GError) error = NULL;
    g_autoptr(Io) io = NULL;
    const Backend *backend = fake->backend;

    if (!fake->op)
        return;
    FakeVolume *volume = fake_lvm_add(fake, "a", 16 * MIB, '-');
    g_assert_true(backend->volume_stat(fake->pool, fake->op, "a", &state, &error));
    for (guint i = 0; i < 2; i++) {
        volume->again = i == 0;
        volume->kind = i == 0 ? '-' : 't';
        g_assert_false(backend->volume_delete(fake->pool, fake->op, state.volume,
                                              VOLUME_DELETE_WITH_SNAPSHOTS, &error));
        assert_error(&error, ERROR_OPERATION_INVALID, "another volume now");
        g_assert_false(backend->volume_wipe(fake->pool, fake->op, state.volume, WIPE_ZERO, &error));
        assert_error(&error, ERROR_OPERATION_INVALID, "another volume now");
        g_assert_false(
            backend->volume_resize(fake->pool, fake->op, state.volume, 32 * MIB, 0, &error));
        assert_error(&error, ERROR_OPERATION_INVALID, "another volume now");
        g_assert_false(
            backend->volume_open(fake->pool, fake->op, state.volume, VOLUME_WRITE, &io, &error));
        assert_error(&error, ERROR_OPERATION_INVALID, "another volume now");
        assert_state(fake, "a:16:;");
    }
}

/* Also one whose store is as large as its capacity, which is what creating one makes. */
static void test_thick_snapshot(FakeLvm *fake, gconstpointer data)
{
    g_auto(VolumeState) state = {0};
    g_autoptr(GError) error = NULL;
    const Backend *backend = fake->backend;

    if (!fake->op)
        return;
    fake_lvm_add(fake, "a", 16 * MIB, 'o');
    fake_lvm_add(fake, "snap", 16 * MIB, 's')->origin = g_strdup("a");
    g_assert_true(backend->volume_stat(fake->pool, fake->op, "snap", &state, &error));
    g_assert_false(backend->volume_resize(fake->pool, fake->op, state.volume, 32 * MIB, 0, &error));
    assert_error(&error, ERROR_OPERATION_UNSUPPORTED, "is a snapshot");
    g_assert_false(backend->volume_wipe(fake->pool, fake->op, state.volume, WIPE_ZERO, &error));
    assert_error(&error, ERROR_NO_SUPPORT, "is sparse");
}

/* ---- stat and scan ---- */

static void test_stat(FakeLvm *fake, gconstpointer data)
{
    g_auto(VolumeState) state = {0};
    g_autoptr(GError) error = NULL;

    if (!fake->op)
        return;
    g_assert_false(fake->backend->volume_stat(fake->pool, fake->op, "a", &state, &error));
    assert_error(&error, ERROR_NO_VOLUME, "'a'");
    assert_log(fake, ONE_REPORT("a"));

    g_assert_false(fake->backend->volume_stat(fake->pool, fake->op, "-a", &state, &error));
    assert_error(&error, ERROR_NO_VOLUME, "'-a'");
    assert_log(fake, "");
}

static void test_scan(FakeLvm *fake, gconstpointer data)
{
    g_auto(Recorder) recorder;
    g_autoptr(GError) error = NULL;

    recorder_init(&recorder);
    if (!fake->op)
        return;
    fake_lvm_add(fake, "a", 8 * MIB, '-');
    fake_lvm_add(fake, "tp", 32 * MIB, 't');
    fake_lvm_add(fake, "idle", 4 * MIB, '-')->state = '-';
    fake_lvm_add(fake, "gone", 4 * MIB, '-')->health = 'p';
    FakeVolume *half = fake_lvm_add(fake, "half", 4 * MIB, '-');
    g_free(half->tags);
    half->tags = g_strdup("other,cistern-draft");
    g_assert_true(fake->backend->scan(fake->pool, fake->op, &recorder.scan, &error));
    g_assert_no_error(error);
    assert_log(fake, REPORT);
    g_assert_cmpuint(recorder_count(&recorder), ==, 3);
    g_assert_null(recorder_find(&recorder, "a")->problem);
    g_assert_nonnull(strstr(recorder_find(&recorder, "idle")->problem, "lvchange -ay vg0/idle"));
    g_assert_nonnull(strstr(recorder_find(&recorder, "gone")->problem, "is missing"));
    g_assert_cmpuint(recorder.space.available, ==, (1020 - 52) * MIB);
    g_assert_cmpuint(recorder.n_thin_pools, ==, 1);
    g_assert_cmpstr(recorder.thin_pools[0].data_percent, ==, "25.00");
}

static void test_sweep(FakeLvm *fake, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    if (!fake->op)
        return;
    fake_lvm_add(fake, "a", 8 * MIB, '-');
    for (guint i = 0; i < 2; i++) {
        FakeVolume *half = fake_lvm_add(fake, i ? "open" : "half", 4 * MIB, '-');
        g_free(half->tags);
        half->tags = g_strdup("cistern-draft");
        half->open = i ? 'o' : '-';
    }
    g_assert_true(fake->backend->sweep(fake->pool, fake->op, &error));
    assert_log(fake, REPORT "lvremove --yes --force --select lv_tags={cistern-draft} && " ALONE
                            " -- vg0/half\n");
    assert_state(fake, "a:8:;open:4:cistern-draft;");
    /* Somebody's snapshot of what was left half made. */
    fake_lvm_find(fake, "open")->open = '-';
    fake_lvm_add(fake, "backup", 4 * MIB, 's')->origin = g_strdup("open");
    g_assert_true(fake->backend->sweep(fake->pool, fake->op, &error));
    assert_log(fake, REPORT);
    assert_state(fake, "a:8:;open:4:cistern-draft;backup:4:;");
}

/* ---- up, down, build, erase ---- */

static void test_life(FakeLvm *fake, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    bool up = false;

    if (!fake->op)
        return;
    g_assert_true(fake->backend->is_up(fake->pool, fake->op, &up, &error));
    g_assert_true(up);
    g_string_truncate(fake->log, 0);
    g_assert_true(fake->backend->start(fake->pool, fake->op, &error));
    assert_log(fake, REPORT); /* nothing to activate */
    fake_lvm_add(fake, "a", 8 * MIB, '-')->state = '-';
    g_assert_true(fake->backend->start(fake->pool, fake->op, &error));
    assert_log(fake, REPORT "vgchange -aly -- vg0\n");
    g_assert_true(fake->backend->stop(fake->pool, fake->op, &error));
    assert_log(fake, "vgchange -aln -- vg0\n");
    fake->exists = false;
    g_assert_true(fake->backend->is_up(fake->pool, fake->op, &up, &error));
    g_assert_false(up);
    g_assert_false(fake->backend->start(fake->pool, fake->op, &error));
    assert_error(&error, ERROR_CONFIG_UNSUPPORTED, "cannot find logical volume group name 'vg0'");
}

static void test_exported(FakeLvm *fake, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    bool up = true;

    if (!fake->op)
        return;
    fake->exported = true;
    g_assert_true(fake->backend->is_up(fake->pool, fake->op, &up, &error));
    g_assert_false(up);
    g_assert_false(fake->backend->start(fake->pool, fake->op, &error));
    assert_error(&error, ERROR_OPERATION_INVALID, "'vgimport vg0'");
    g_assert_false(fake->backend->build(fake->pool, fake->op, BUILD_OVERWRITE, &error));
    assert_error(&error, ERROR_OPERATION_INVALID, "'vgimport vg0'");
    g_assert_false(fake->backend->erase(fake->pool, fake->op, 0, &error));
    assert_error(&error, ERROR_OPERATION_INVALID, "'vgimport vg0'");
}

static void test_missing_device(FakeLvm *fake, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    if (!fake->op)
        return;
    fake_lvm_add(fake, "a", 8 * MIB, '-')->state = '-';
    fake->fail = 2;
    g_assert_false(fake->backend->start(fake->pool, fake->op, &error));
    assert_error(&error, ERROR_INTERNAL, "vgchange failed with status 5: broken");
    fake->missing = 1;
    fake->fail = 2;
    g_assert_true(fake->backend->start(fake->pool, fake->op, &error));
    g_auto(Recorder) recorder = {0};
    recorder_init(&recorder);
    g_assert_true(fake->backend->scan(fake->pool, fake->op, &recorder.scan, &error));
    g_assert_cmpstr(recorder.degraded, ==, "volume group 'vg0' lacks 1 of its devices");
    g_free(fake->pool->source.devices[0].path);
    fake->pool->source.devices[0].path = g_strdup("/dev/null");
    g_assert_false(fake->backend->start(fake->pool, fake->op, &error));
    assert_error(&error, ERROR_CONFIG_UNSUPPORTED, "any matching source devices");
    fake->exists = false;
    fake->pool->source.devices[0].path[5] = 'x';
    g_assert_false(fake->backend->start(fake->pool, fake->op, &error));
    assert_error(&error, ERROR_CONFIG_UNSUPPORTED,
                 "its device '/dev/xull' can't be read: No such file or directory");
}

/* lvm2 can't deactivate what it doesn't find; the pool stops all the same. */
static void test_stop_lost(FakeLvm *fake, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    if (!fake->op)
        return;
    fake->exists = false;
    fake->fail = 1;
    fake->says = "Volume group \"vg0\" not found";
    g_assert_true(fake->backend->stop(fake->pool, fake->op, &error));
    g_assert_no_error(error);
    assert_log(fake, "vgchange -aln -- vg0\n" REPORT);
    fake->exists = true;
    fake->fail = 1;
    fake->says = NULL;
    g_assert_false(fake->backend->stop(fake->pool, fake->op, &error));
    assert_error(&error, ERROR_INTERNAL, "broken");
}

static void test_stop_in_use(FakeLvm *fake, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    if (!fake->op)
        return;
    fake_lvm_add(fake, "a", 8 * MIB, '-')->open = 'o';
    fake->fail = 1;
    fake->says = "Can't deactivate volume group \"vg0\" with 1 open logical volume(s)";
    g_assert_false(fake->backend->stop(fake->pool, fake->op, &error));
    assert_error(&error, ERROR_BUSY, "in use: 'a'");
    g_assert_false(fake->backend->erase(fake->pool, fake->op, 0, &error));
    assert_error(&error, ERROR_BUSY, "in use: 'a'");
    assert_state(fake, "a:8:;");
}

static void test_build(FakeLvm *fake, gconstpointer data)
{
    const char *device = fake->device.path;
    g_autoptr(GError) error = NULL;

    if (!fake->op)
        return;
    g_assert_false(fake->backend->build(fake->pool, fake->op, 0, &error));
    assert_error(&error, ERROR_OPERATION_FAILED, "exists already");
    fake->exists = false;
    g_string_truncate(fake->log, 0);
    g_assert_true(fake->backend->build(fake->pool, fake->op, 0, &error));
    g_autofree char *expected =
        g_strconcat(REPORT "pvcreate -- ", device, "\nvgcreate -- vg0 ", device, "\n", NULL);
    assert_log(fake, expected);
    g_assert_true(fake->backend->erase(fake->pool, fake->op, 0, &error));
    g_autofree char *erased =
        g_strconcat(REPORT "vgremove --yes --force -- vg0\npvremove -- ", device, "\n", NULL);
    assert_log(fake, erased);
}

/* Something on the second device: the first keeps what it has. */
static void test_build_busy(FakeLvm *fake, gconstpointer data)
{
    const LoopOptions options = {.size = 8 * MIB};
    g_auto(LoopDevice) second = {0};
    g_autoptr(GError) error = NULL;
    PoolSource *source = fake->pool ? &fake->pool->source : NULL;
    char before[16], after[16];

    if (!fake->op || !loop_attach(&second, &options))
        return;
    fake->exists = false;
    source->devices = g_renew(PoolDevice, source->devices, 2);
    source->devices[source->n_devices++] = (PoolDevice){.path = g_strdup(second.path)};
    autofd int busy = open(second.path, O_RDWR | O_EXCL | O_CLOEXEC);
    autofd int first = open(fake->device.path, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(pwrite(first, "something on it", 16, 0), ==, 16);
    g_assert_cmpint(pread(first, before, sizeof before, 0), ==, 16);
    g_assert_false(fake->backend->build(fake->pool, fake->op, BUILD_OVERWRITE, &error));
    assert_error(&error, ERROR_SYSTEM, "is in use");
    g_assert_cmpint(pread(first, after, sizeof after, 0), ==, 16);
    g_assert_cmpmem(before, 16, after, 16);
    assert_log(fake, REPORT);
}

static void test_build_fails(FakeLvm *fake, gconstpointer data)
{
    if (!fake->op)
        return;
    fake->exists = false;
    for (guint nth = 2; nth <= 3; nth++) {
        g_autoptr(GError) error = NULL;
        g_string_truncate(fake->log, 0);
        fake->fail = nth;
        g_assert_false(fake->backend->build(fake->pool, fake->op, 0, &error));
        assert_error(&error, ERROR_INTERNAL, "broken");
        g_assert_nonnull(strstr(fake->log->str, "pvremove -- "));
        g_assert_false(fake->exists);
    }
}

/* ---- clones, and the n-th command that fails ---- */

static bool clone_of(FakeLvm *fake, const char *from, const VolumeDef *spec, VolumeState *ret,
                     GError **error)
{
    g_auto(VolumeState) source = {0};
    g_autoptr(Io) io = NULL;
    const Backend *backend = fake->backend;
    guint fail = fake->fail;

    fake->fail = 0;
    g_assert_true(backend->volume_stat(fake->pool, fake->op, from, &source, NULL));
    g_assert_true(
        backend->volume_open(fake->pool, fake->op, source.volume, VOLUME_READ, &io, NULL));
    g_string_truncate(fake->log, 0);
    fake->fail = fail;
    const VolumeSource origin = {.pool = fake->pool, .volume = source.volume, .io = io};
    return backend->volume_clone(fake->pool, fake->op, spec, &origin, 0, ret, error);
}

/* Before the first command. */
static void test_encrypted(FakeLvm *fake, gconstpointer data)
{
    g_autoptr(VolumeDef) spec = spec_new("c", 8 * MIB, 8 * MIB);
    g_auto(VolumeState) made = {0};
    g_autoptr(GError) error = NULL;

    if (!fake->op)
        return;
    fake_lvm_add(fake, "a", 8 * MIB, '-');
    spec->target.encryption.format = ENCRYPTION_LUKS;
    g_assert_false(create(fake, spec, &made, &error));
    assert_error(&error, ERROR_CONFIG_UNSUPPORTED, "create a plain one and encrypt it");
    g_assert_false(clone_of(fake, "a", spec, &made, &error));
    assert_error(&error, ERROR_CONFIG_UNSUPPORTED, "create a plain one and encrypt it");
    assert_log(fake, "");
    assert_state(fake, "a:8:;");
}

static void test_clone_thin(FakeLvm *fake, gconstpointer data)
{
    g_autoptr(VolumeDef) spec = spec_new("c", 16 * MIB, 0);
    g_auto(VolumeState) made = {0};
    g_autoptr(GError) error = NULL;

    if (!fake->op)
        return;
    fake_lvm_add(fake, "tp", 32 * MIB, 't');
    fake_lvm_add(fake, "a", 8 * MIB, 'V')->pool = g_strdup("tp");
    clone_of(fake, "a", spec, &made, &error);
    g_assert_no_error(error);
    assert_log(fake, "lvcreate --yes --snapshot --setactivationskip n --permission rw "
                     "--addtag cistern-draft --name c -- vg0/a\n"
                     "lvextend --yes --size 16777216b -- vg0/c\n"
                     "lvchange --deltag cistern-draft -- vg0/c\n" ONE_REPORT("c"));
    assert_state(fake, "tp:32:;a:8:;c:16:;");
}

static void test_clone_copies(FakeLvm *fake, gconstpointer data)
{
    g_autoptr(VolumeDef) spec = spec_new("c", 8 * MIB, 8 * MIB);
    g_auto(VolumeState) made = {0};
    g_autoptr(GError) error = NULL;

    if (!fake->op)
        return;
    fake_lvm_add(fake, "a", 8 * MIB, '-');
    clone_of(fake, "a", spec, &made, &error);
    g_assert_no_error(error);
    assert_log(fake, "lvcreate --yes --type linear --wipesignatures y --zero y --size 8388608b "
                     "--addtag cistern-draft --name c -- vg0\n"
                     "lvchange --deltag cistern-draft -- vg0/c\n" ONE_REPORT("c"));
}

/* Each command fails once: what was there is there, nothing else is. */
static void test_nth_fails(FakeLvm *fake, gconstpointer data)
{
    guint failures = 0;

    if (!fake->op)
        return;
    fake_lvm_add(fake, "tp", 32 * MIB, 't');
    fake_lvm_add(fake, "a", 8 * MIB, '-');
    fake_lvm_add(fake, "t", 8 * MIB, 'V')->pool = g_strdup("tp");
    for (guint nth = 1; nth <= 8; nth++) {
        const char *sources[] = {NULL, "a", "t"};
        for (guint i = 0; i < G_N_ELEMENTS(sources); i++) {
            g_autoptr(VolumeDef) spec = spec_new("new", 16 * MIB, i == 2 ? 0 : 16 * MIB);
            g_auto(VolumeState) made = {0};
            g_autoptr(GError) error = NULL;
            fake->fail = nth;
            bool ok = sources[i] ? clone_of(fake, sources[i], spec, &made, &error)
                                 : create(fake, spec, &made, &error);
            failures += !ok;
            assert_state(fake, ok ? "tp:32:;a:8:;t:8:;new:16:;" : "tp:32:;a:8:;t:8:;");
            g_assert_true(ok == (made.volume != NULL));
            fake->fail = 0;
            if (ok)
                g_assert_true(
                    fake->backend->volume_delete(fake->pool, fake->op, made.volume, 0, &error));
        }
    }
    g_assert_cmpuint(failures, >=, 7);
}

#define LVM_TEST(path, function)                                                                   \
    g_test_add("/logical/" path, FakeLvm, NULL, fake_lvm_setup, function, fake_lvm_teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    LVM_TEST("create-linear", test_create_linear);
    LVM_TEST("create-thin", test_create_thin);
    LVM_TEST("choice", test_choice);
    LVM_TEST("absent-thin-pool", test_absent_thin_pool);
    LVM_TEST("encrypted", test_encrypted);
    LVM_TEST("snapshot", test_snapshot);
    LVM_TEST("names", test_names);
    LVM_TEST("resize", test_resize);
    LVM_TEST("delete", test_delete);
    LVM_TEST("delete-in-silence", test_delete_in_silence);
    LVM_TEST("delete-origin", test_delete_origin);
    LVM_TEST("another", test_another);
    LVM_TEST("thick-snapshot", test_thick_snapshot);
    LVM_TEST("stat", test_stat);
    LVM_TEST("scan", test_scan);
    LVM_TEST("sweep", test_sweep);
    LVM_TEST("life", test_life);
    LVM_TEST("exported", test_exported);
    LVM_TEST("missing-device", test_missing_device);
    LVM_TEST("stop-lost", test_stop_lost);
    LVM_TEST("stop-in-use", test_stop_in_use);
    LVM_TEST("build", test_build);
    LVM_TEST("build-busy", test_build_busy);
    LVM_TEST("build-fails", test_build_fails);
    LVM_TEST("clone-thin", test_clone_thin);
    LVM_TEST("clone-copies", test_clone_copies);
    LVM_TEST("nth-fails", test_nth_fails);
    return g_test_run();
}
