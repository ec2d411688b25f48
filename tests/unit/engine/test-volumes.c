/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine-fixture.h"

/* Volume calls: their checks, their effects on the list, look-ups. */

#define NO_SUPPORT "this function is not supported by the connection driver: "

static VolumeRecord *create(Fixture *f, Pool *pool, const char *name, guint64 capacity,
                            GError **error)
{
    g_autofree char *xml = volume_xml(name, capacity);

    return volume_create(pool, xml, 0, NOW(f), error);
}

static VolumeRecord *copy(Fixture *f, Pool *pool, const char *name, guint64 capacity,
                          Pool *source_pool, const char *source, GError **error)
{
    g_autofree char *xml = volume_xml(name, capacity);

    return volume_create_from(pool, xml, source_pool, source, 0, NOW(f), error);
}

static void check_listed(Pool *pool, const char *wanted)
{
    g_autofree char *names = listed(pool);

    g_assert_cmpstr(names, ==, wanted);
}

static void test_create(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = fixture_define_started(f, "dir", "p");
    g_autoptr(GError) error = NULL;

    g_autoptr(VolumeRecord) record = create(f, pool, "v", 4096, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(volume_record_capacity(record), ==, 4096);
    check_listed(pool, "v");

    g_assert_null(create(f, pool, "v", 4096, &error));
    check_error(&error, ERROR_VOLUME_EXISTS, "storage volume 'v' exists already");

    fake_fail("volume_create", 1, ERROR_SYSTEM, "cannot write: No space left on device");
    g_assert_null(create(f, pool, "w", 4096, &error));
    check_error(&error, ERROR_SYSTEM,
                "pool 'p': volume 'w': cannot write: No space left on device");
    check_listed(pool, "v");

    g_assert_null(volume_create(pool, "<volume/>", 16, NOW(f), &error));
    check_error(&error, ERROR_INVALID_ARGUMENT,
                "unsupported flags (0x10) in function storageVolCreateXML");
    g_assert_null(volume_create(pool, "<volume/>", VOLUME_CREATE_REFLINK, NOW(f), &error));
    check_error_prefix(&error, ERROR_INVALID_ARGUMENT, "unsupported flags (0x2) in function");
    g_assert_null(volume_create(pool, "<volume/>", 0, NOW(f), &error));
    check_error(&error, ERROR_XML, "XML error: missing volume name element");
}

static void test_create_over_vanished(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = fixture_define_started(f, "fs", "p");
    g_autoptr(GError) error = NULL;

    fixture_create_volume(f, pool, "v", 1024);
    fake_remove_volume("/fake/p", "v");
    g_autoptr(VolumeRecord) record = create(f, pool, "v", 4096, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(volume_record_capacity(record), ==, 4096);
}

static void test_create_over_unlisted(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = fixture_define_started(f, "fs", "p");
    g_autoptr(GError) error = NULL;

    fake_add_volume("/fake/p", "v", 1024);
    g_assert_null(create(f, pool, "v", 4096, &error));
    check_error(&error, ERROR_OPERATION_INVALID,
                "Requested operation is not valid: volume target path '/fake/p/v' already exists");
}

static void test_capacity_required(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = fixture_define_started(f, "zfs", "p");
    g_autoptr(GError) error = NULL;

    g_assert_null(create(f, pool, "v", 0, &error));
    check_error(&error, ERROR_NO_SUPPORT,
                NO_SUPPORT "volume capacity required for this storage pool");
}

static void test_clone(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = fixture_define_started(f, "dir", "p");
    g_autoptr(Pool) other = fixture_define_started(f, "fs", "q");
    g_autoptr(GError) error = NULL;

    fixture_create_volume(f, pool, "v", 4096);
    g_autoptr(VolumeRecord) smaller = copy(f, other, "c", 1024, pool, "v", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(volume_record_capacity(smaller), ==, 4096);
    g_autoptr(VolumeRecord) larger = copy(f, pool, "d", 8192, pool, "v", &error);
    g_assert_cmpuint(volume_record_capacity(larger), ==, 8192);
    check_listed(pool, "d v");
    check_listed(other, "c");

    g_assert_null(copy(f, pool, "d", 1, pool, "v", &error));
    check_error(&error, ERROR_INTERNAL, "internal error: storage volume name 'd' already in use.");
    g_assert_null(copy(f, pool, "e", 1, pool, "none", &error));
    check_error(&error, ERROR_NO_VOLUME,
                "Storage volume not found: no storage vol with matching name 'none'");
    g_assert_true(pool_stop(other, NOW(f), NULL));
    g_assert_null(copy(f, pool, "e", 1, other, "c", &error));
    check_error(&error, ERROR_OPERATION_INVALID,
                "Requested operation is not valid: storage pool 'q' is not active");
}

static void test_resize(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = fixture_define_started(f, "dir", "p");
    g_autoptr(GError) error = NULL;
    static const struct {
        guint64 capacity;
        guint flags;
        guint64 wanted; /* 0: refused */
        ErrorCode code;
        const char *message;
    } steps[] = {
        {8192, 0, 8192},
        {4096, 0, 0, ERROR_INVALID_ARGUMENT,
         "invalid argument: Can't shrink capacity below current capacity unless shrink flag "
         "explicitly specified"},
        {4096, VOLUME_RESIZE_SHRINK, 4096},
        {4096, VOLUME_RESIZE_DELTA, 8192},
        {1024, VOLUME_RESIZE_DELTA | VOLUME_RESIZE_SHRINK, 7168},
        {0, 0, 0, ERROR_INVALID_ARGUMENT,
         "invalid argument: capacity in virStorageVolResize must not be zero"},
        {G_MAXINT64, VOLUME_RESIZE_DELTA, 0, ERROR_OVERFLOW,
         "numerical overflow: value too large: 9223372036854775807"},
        {(guint64)1 << 50, VOLUME_RESIZE_ALLOCATE, 0, ERROR_OPERATION_FAILED,
         "operation failed: Not enough space left in storage pool"},
        {8192, VOLUME_RESIZE_ALLOCATE, 8192},
        {4096, VOLUME_RESIZE_SHRINK, 0, ERROR_INVALID_ARGUMENT,
         "invalid argument: can't shrink capacity below existing allocation"},
        {1, 8, 0, ERROR_INVALID_ARGUMENT, "unsupported flags (0x8) in function storageVolResize"},
    };

    fixture_create_volume(f, pool, "v", 4096);
    for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
        bool done = volume_resize(pool, "v", steps[i].capacity, steps[i].flags, NOW(f), &error);
        g_assert_true(done == (steps[i].wanted != 0));
        if (!done) {
            check_error(&error, steps[i].code, steps[i].message);
            continue;
        }
        g_autoptr(VolumeRecord) record = pool_peek_volume(pool, "v");
        g_assert_cmpuint(volume_record_capacity(record), ==, steps[i].wanted);
    }
}

static void test_delete(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = fixture_define_started(f, "dir", "p");
    g_autoptr(GError) error = NULL;

    fixture_create_volume(f, pool, "v", 4096);
    g_assert_false(volume_delete(pool, "v", VOLUME_DELETE_ZEROED, NOW(f), &error));
    check_error_prefix(&error, ERROR_INVALID_ARGUMENT, "unsupported flags (0x1) in function ");
    fake_fail("volume_delete", 1, ERROR_SYSTEM, "cannot unlink file '/fake/p/v': I/O error");
    g_assert_false(volume_delete(pool, "v", 0, NOW(f), &error));
    check_error(&error, ERROR_SYSTEM,
                "pool 'p': volume 'v': cannot unlink file '/fake/p/v': I/O error");
    check_listed(pool, "v");
    g_assert_true(volume_delete(pool, "v", 0, NOW(f), &error));
    check_listed(pool, "");
    g_assert_false(volume_delete(pool, "v", 0, NOW(f), &error));
    check_error(&error, ERROR_NO_VOLUME,
                "Storage volume not found: no storage vol with matching name 'v'");
    /* One that nobody has looked at yet can be deleted just so. */
    fake_add_volume("/fake/p", "w", 1);
    g_assert_true(volume_delete(pool, "w", 0, NOW(f), &error));
    g_assert_false(fake_has_volume("/fake/p", "w"));
}

static void test_wipe(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = fixture_define_started(f, "dir", "p");
    g_autoptr(GError) error = NULL;

    fixture_create_volume(f, pool, "v", 4096);
    g_assert_false(volume_wipe(pool, "v", 10, NOW(f), &error));
    check_error(&error, ERROR_INVALID_ARGUMENT,
                "invalid argument: wiping algorithm 10 not supported");
    g_assert_true(volume_wipe(pool, "v", WIPE_ZERO, NOW(f), &error));
    g_assert_cmpuint(fake_calls("volume_wipe"), ==, 1);
}

static void test_unsupported(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) dir = fixture_define_started(f, "dir", "p");
    g_autoptr(GError) error = NULL;

    fake_add_volume("/fake/s", "unit:0:0:1", 4096);
    fixture_create_volume(f, dir, "v", 4096);
    g_autoptr(Pool) pool = fixture_define_started(f, "scsi", "s");
    check_listed(pool, "unit:0:0:1");
    g_assert_null(create(f, pool, "v", 1, &error));
    check_error(&error, ERROR_NO_SUPPORT,
                NO_SUPPORT "storage pool does not support volume creation");
    g_assert_null(copy(f, pool, "v", 1, dir, "v", &error));
    check_error(&error, ERROR_NO_SUPPORT,
                NO_SUPPORT "storage pool does not support volume creation from an existing volume");
    g_assert_false(volume_delete(pool, "unit:0:0:1", 0, NOW(f), &error));
    check_error(&error, ERROR_NO_SUPPORT, NO_SUPPORT "storage pool does not support vol deletion");
    g_assert_false(volume_resize(pool, "unit:0:0:1", 8192, 0, NOW(f), &error));
    check_error(&error, ERROR_NO_SUPPORT,
                NO_SUPPORT "storage pool does not support changing of volume capacity");
    g_assert_false(volume_wipe(pool, "unit:0:0:1", 0, NOW(f), &error));
    check_error(&error, ERROR_NO_SUPPORT, NO_SUPPORT "storage pool doesn't support volume wiping");
    g_assert_false(volume_delete(pool, "none", 0, NOW(f), &error));
    check_error_prefix(&error, ERROR_NO_VOLUME, "Storage volume not found: ");
    /* What was listed is all there is to know. */
    g_autoptr(VolumeDef) known = volume_read(pool, "unit:0:0:1", NOW(f), &error);
    g_assert_cmpuint(known->capacity, ==, 4096);
}

static void test_find_unlisted(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = fixture_define_started(f, "dir", "p");
    g_autoptr(GError) error = NULL;

    fake_add_volume("/fake/p", "v", 4096);
    g_assert_null(pool_peek_volume(pool, "v"));
    g_autoptr(VolumeRecord) record G_GNUC_UNUSED = pool_find_volume(pool, "v", NOW(f), &error);
    g_assert_no_error(error);
    check_listed(pool, "v");
    guint stats = fake_calls("volume_stat");
    g_autoptr(VolumeRecord) again G_GNUC_UNUSED = pool_find_volume(pool, "v", NOW(f), &error);
    g_assert_cmpuint(fake_calls("volume_stat"), ==, stats);
}

static void test_impossible_names(Fixture *f, gconstpointer data)
{
    static const char *const names[] = {"", ".", "..", "a/b", "../v", "\xff", ".cistern-draft.x"};
    g_autoptr(Pool) pool = fixture_define_started(f, "dir", "p");
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_assert_null(pool_find_volume(pool, names[i], NOW(f), &error));
        g_assert_cmpint(error_code(error), ==, ERROR_NO_VOLUME);
        g_clear_error(&error);
        g_assert_null(volume_read(pool, names[i], NOW(f), &error));
        g_clear_error(&error);
        g_assert_false(volume_delete(pool, names[i], 0, NOW(f), &error));
        g_clear_error(&error);
        g_assert_false(volume_wipe(pool, names[i], 0, NOW(f), &error));
        g_clear_error(&error);
    }
    g_assert_cmpuint(fake_calls("volume_stat"), ==, 0);
}

static void test_read(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = fixture_define_started(f, "dir", "p");
    g_autoptr(GError) error = NULL;

    fixture_create_volume(f, pool, "v", 4096);
    fake_add_volume("/fake/p", "v", 8192); /* grown by somebody else */
    g_autoptr(VolumeDef) old = volume_last_known(pool, "v", &error);
    g_assert_cmpuint(old->capacity, ==, 4096);
    g_autoptr(VolumeDef) present = volume_read(pool, "v", NOW(f), &error);
    g_assert_cmpuint(present->capacity, ==, 8192);
    g_autoptr(VolumeDef) known = volume_last_known(pool, "v", &error);
    g_assert_cmpuint(known->capacity, ==, 8192);

    fake_remove_volume("/fake/p", "v");
    g_assert_null(volume_read(pool, "v", NOW(f), &error));
    check_error(&error, ERROR_NO_VOLUME,
                "Storage volume not found: no storage vol with matching name 'v'");
    check_listed(pool, "");
    g_assert_null(volume_last_known(pool, "v", &error));
}

static void test_find_by_path(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) fs G_GNUC_UNUSED = fixture_define_started(f, "fs", "q");
    g_autoptr(Pool) dir = fixture_define_started(f, "dir", "p");
    g_autoptr(GError) error = NULL;
    g_autoptr(Pool) found = NULL;

    fixture_create_volume(f, dir, "v", 4096);
    g_autoptr(VolumeRecord) by_path G_GNUC_UNUSED =
        engine_find_volume_by_path(f->engine, "/fake//p/v", &found, NOW(f), &error);
    g_assert_no_error(error);
    g_assert_true(found == dir);
    g_clear_pointer(&found, pool_unref);
    g_autoptr(VolumeRecord) by_key G_GNUC_UNUSED =
        engine_find_volume_by_key(f->engine, "/fake/p/v", &found, NOW(f), &error);
    g_assert_true(found == dir);
    g_clear_pointer(&found, pool_unref);

    fake_add_volume("/fake/p", "w", 1);
    g_autoptr(VolumeRecord) unlisted G_GNUC_UNUSED =
        engine_find_volume_by_path(f->engine, "/fake/p/w", &found, NOW(f), &error);
    g_assert_no_error(error);
    g_assert_true(found == dir);
    g_clear_pointer(&found, pool_unref);

    g_assert_null(engine_find_volume_by_path(f->engine, "/fake//p/x", &found, NOW(f), &error));
    check_error(&error, ERROR_NO_VOLUME,
                "Storage volume not found: no storage vol with matching path '/fake//p/x' "
                "(/fake/p/x)");
    g_assert_null(engine_find_volume_by_path(f->engine, "/fake/p/x", &found, NOW(f), &error));
    check_error(&error, ERROR_NO_VOLUME,
                "Storage volume not found: no storage vol with matching path '/fake/p/x'");
    g_assert_null(engine_find_volume_by_key(f->engine, "k", &found, NOW(f), &error));
    check_error(&error, ERROR_NO_VOLUME,
                "Storage volume not found: no storage vol with matching key k");
    g_assert_null(found);
}

static guint64 available(Pool *pool)
{
    PoolInfo info;

    pool_get_info(pool, &info);
    g_assert_cmpuint(info.space.allocation + info.space.available, ==, info.space.capacity);
    return info.space.available;
}

/* Nothing but the first scan has asked for sizes. */
static void test_space_by_extents(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = fixture_define_started(f, "logical", "p");
    g_autoptr(GError) error = NULL;
    guint64 whole = available(pool);

    fixture_create_volume(f, pool, "v", 4096);
    g_assert_cmpuint(available(pool), ==, whole - 4096);
    fixture_create_volume(f, pool, "w", 1024);
    g_assert_cmpuint(available(pool), ==, whole - 5120);
    g_assert_true(volume_resize(pool, "v", 8192, VOLUME_RESIZE_ALLOCATE, NOW(f), &error));
    g_assert_cmpuint(available(pool), ==, whole - 9216);
    g_assert_true(volume_delete(pool, "w", 0, NOW(f), &error));
    g_assert_cmpuint(available(pool), ==, whole - 8192);
    fake_remove_volume("/fake/p", "v");
    g_assert_null(volume_read(pool, "v", NOW(f), &error));
    g_assert_cmpuint(available(pool), ==, whole);
}

/* What is changed while a scan reads is neither counted twice nor lost. */
static gpointer refresh_in_thread(gpointer pool)
{
    g_autoptr(Operation) op = operation_new(OPERATION_NO_DEADLINE);
    const Request request = {.op = op, .client = "test"};

    g_assert_true(pool_refresh(pool, &request, NULL));
    return NULL;
}

static void test_space_during_scan(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = fixture_define_started(f, "logical", "p");
    guint64 whole = available(pool);
    g_autoptr(GError) error = NULL;

    fixture_create_volume(f, pool, "old", 1024);
    fake_hang("scan_seen", true);
    GThread *thread = g_thread_new("refresh", refresh_in_thread, pool);
    fake_wait_hanging();
    fixture_create_volume(f, pool, "new", 4096);
    g_assert_true(volume_delete(pool, "old", 0, NOW(f), &error));
    fake_release();
    g_thread_join(thread);
    check_listed(pool, "new");
    g_assert_cmpuint(available(pool), ==, whole - 4096);
}

static void test_restat(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = fixture_define_started(f, "logical", "p");
    g_autoptr(GError) error = NULL;
    g_autoptr(Pool) found = NULL;

    fake_add_volume("/fake/p", "v", 4096);
    g_autoptr(VolumeRecord) unlisted G_GNUC_UNUSED =
        engine_find_volume_by_path(f->engine, "/fake/p/v", &found, NOW(f), &error);
    g_assert_no_error(error);
    g_assert_true(found == pool);
    g_assert_cmpuint(fake_calls("volume_stat"), ==, 1);
    g_autoptr(VolumeDef) volume G_GNUC_UNUSED = volume_read(pool, "v", NOW(f), &error);
    g_assert_no_error(error);
    g_assert_cmpuint(fake_calls("volume_stat"), ==, 1);
    g_assert_cmpuint(fake_calls("volume_restat"), ==, 1);
}

static void test_shrink_allocated(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = fixture_define_started(f, "logical", "p");
    g_autoptr(GError) error = NULL;

    fixture_create_volume(f, pool, "v", 4096);
    g_assert_true(volume_resize(pool, "v", 8192, VOLUME_RESIZE_ALLOCATE, NOW(f), &error));
    g_assert_false(volume_resize(pool, "v", 4096, 0, NOW(f), &error));
    check_error_prefix(&error, ERROR_INVALID_ARGUMENT,
                       "invalid argument: Can't shrink capacity below current");
    g_assert_true(volume_resize(pool, "v", 4096, VOLUME_RESIZE_SHRINK, NOW(f), &error));
    g_assert_no_error(error);
}

static void test_space(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = fixture_define_started(f, "dir", "p");
    PoolInfo before, full, after;

    pool_get_info(pool, &before);
    g_assert_cmpint(before.state, ==, POOL_STATE_RUNNING);
    g_autoptr(VolumeRecord) record G_GNUC_UNUSED =
        volume_create(pool, "<volume><name>v</name><capacity>4096</capacity></volume>", 0, NOW(f),
                      NULL);
    pool_get_info(pool, &full);
    g_assert_cmpuint(full.space.allocation, ==, before.space.allocation + 4096);
    g_assert_true(volume_delete(pool, "v", 0, NOW(f), NULL));
    pool_get_info(pool, &after);
    g_assert_cmpuint(after.space.available, ==, before.space.available);
    /* As libvirt: a stopped pool tells the sizes it had. */
    g_assert_true(pool_stop(pool, NOW(f), NULL));
    pool_get_info(pool, &after);
    g_assert_cmpint(after.state, ==, POOL_STATE_INACTIVE);
    g_assert_cmpuint(after.space.capacity, ==, before.space.capacity);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ENGINE_TEST("/engine/volumes/create", test_create);
    ENGINE_TEST("/engine/volumes/create-over-vanished", test_create_over_vanished);
    ENGINE_TEST("/engine/volumes/create-over-unlisted", test_create_over_unlisted);
    ENGINE_TEST("/engine/volumes/capacity-required", test_capacity_required);
    ENGINE_TEST("/engine/volumes/clone", test_clone);
    ENGINE_TEST("/engine/volumes/resize", test_resize);
    ENGINE_TEST("/engine/volumes/delete", test_delete);
    ENGINE_TEST("/engine/volumes/wipe", test_wipe);
    ENGINE_TEST("/engine/volumes/unsupported", test_unsupported);
    ENGINE_TEST("/engine/volumes/find-unlisted", test_find_unlisted);
    ENGINE_TEST("/engine/volumes/impossible-names", test_impossible_names);
    ENGINE_TEST("/engine/volumes/read", test_read);
    ENGINE_TEST("/engine/volumes/find-by-path", test_find_by_path);
    ENGINE_TEST("/engine/volumes/space", test_space);
    ENGINE_TEST("/engine/volumes/space-by-extents", test_space_by_extents);
    ENGINE_TEST("/engine/volumes/space-during-scan", test_space_during_scan);
    ENGINE_TEST("/engine/volumes/restat", test_restat);
    ENGINE_TEST("/engine/volumes/shrink-allocated", test_shrink_allocated);
    return g_test_run();
}
