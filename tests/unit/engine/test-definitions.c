/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine-fixture.h"

#include <string.h>

/* Saved and running definitions, names, uuids and sources that collide, start and stop. */

#define UUID_A "6695eb01-f6a4-8304-79aa-97f2502e193f"
#define UUID_B "7795eb01-f6a4-8304-79aa-97f2502e193f"

static Pool *define_xml(Fixture *f, const char *xml, GError **error)
{
    return engine_define_pool(f->engine, xml, false, NOW(f), error);
}

static char *xml_at(const char *type, const char *name, const char *uuid, const char *path)
{
    return g_strdup_printf("<pool type='%s'><name>%s</name><uuid>%s</uuid><source/>"
                           "<target><path>%s</path></target></pool>",
                           type, name, uuid, path);
}

static void check_path(Pool *pool, bool inactive, const char *path)
{
    g_autofree char *xml = pool_format(pool, inactive);
    g_autofree char *element = g_strdup_printf("<path>%s</path>", path);

    g_assert_nonnull(strstr(xml, element));
}

static bool config_exists(Fixture *f, const char *name)
{
    g_autofree char *path = g_strdup_printf("%s/%s.xml", f->config_dir, name);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static bool state_exists(Fixture *f, const char *name)
{
    g_autofree char *path = g_strdup_printf("%s/%s.xml", f->state_dir, name);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void test_redefine_active(Fixture *f, gconstpointer data)
{
    g_autofree char *old_xml = xml_at("fs", "p", UUID_A, "/fake/old");
    g_autofree char *new_xml = xml_at("fs", "p", UUID_A, "/fake/new");
    g_autoptr(GError) error = NULL;
    g_autoptr(Pool) pool = define_xml(f, old_xml, &error);

    g_assert_true(pool_start(pool, 0, NOW(f), NULL));
    g_autoptr(Pool) again = define_xml(f, new_xml, &error);
    g_assert_no_error(error);
    g_assert_true(again == pool);
    check_path(pool, false, "/fake/old");
    check_path(pool, true, "/fake/new");
    g_assert_true(fake_is_up("/fake/old"));

    g_assert_true(pool_stop(pool, NOW(f), NULL));
    g_assert_false(fake_is_up("/fake/old"));
    check_path(pool, false, "/fake/new");
    g_assert_true(pool_start(pool, 0, NOW(f), NULL));
    g_assert_true(fake_is_up("/fake/new"));
}

static void test_redefine_inactive(Fixture *f, gconstpointer data)
{
    g_autofree char *old_xml = xml_at("fs", "p", UUID_A, "/fake/old");
    g_autofree char *new_xml = xml_at("dir", "p", UUID_A, "/fake/new");
    g_autoptr(Pool) pool = define_xml(f, old_xml, NULL);
    g_autoptr(Pool) again = define_xml(f, new_xml, NULL);

    g_assert_true(again == pool);
    check_path(pool, false, "/fake/new");
    g_assert_cmpstr(pool_backend(pool)->schema.type, ==, "dir");
}

static void test_create_parks_saved(Fixture *f, gconstpointer data)
{
    g_autofree char *saved = xml_at("fs", "p", UUID_A, "/fake/saved");
    g_autofree char *live = xml_at("fs", "p", UUID_A, "/fake/live");
    g_autoptr(Pool) pool = define_xml(f, saved, NULL);
    g_autoptr(GError) error = NULL;

    fake_fail("start", 1, ERROR_OPERATION_FAILED, "no such device");
    g_assert_null(engine_create_pool(f->engine, live, 0, NOW(f), &error));
    check_error(&error, ERROR_OPERATION_FAILED, "operation failed: pool 'p': no such device");
    check_path(pool, false, "/fake/saved");

    g_autoptr(Pool) created = engine_create_pool(f->engine, live, 0, NOW(f), &error);
    g_assert_true(created == pool);
    check_path(pool, false, "/fake/live");
    check_path(pool, true, "/fake/saved");
    g_assert_true(pool_stop(pool, NOW(f), NULL));
    check_path(pool, false, "/fake/saved");
    g_assert_true(pool_is_persistent(pool));
}

static void test_transient(Fixture *f, gconstpointer data)
{
    g_autofree char *xml = pool_xml("fs", "t", UUID_A);
    g_autoptr(GError) error = NULL;
    g_autoptr(Pool) pool = engine_create_pool(f->engine, xml, 0, NOW(f), &error);

    g_assert_no_error(error);
    g_assert_true(pool_is_active(pool));
    g_assert_false(pool_is_persistent(pool));
    g_assert_false(config_exists(f, "t"));
    g_assert_true(state_exists(f, "t"));
    g_assert_true(pool_stop(pool, NOW(f), NULL));
    g_assert_false(state_exists(f, "t"));
    g_assert_null(engine_find_pool_by_name(f->engine, "t", &error));
    check_error(&error, ERROR_NO_POOL,
                "Storage pool not found: no storage pool with matching name 't'");
    g_assert_false(pool_start(pool, 0, NOW(f), &error));
    check_error(&error, ERROR_NO_POOL,
                "Storage pool not found: no storage pool with matching uuid '" UUID_A "' (t)");
}

static void test_transient_becomes_persistent(Fixture *f, gconstpointer data)
{
    g_autofree char *xml = pool_xml("fs", "t", UUID_A);
    g_autoptr(Pool) pool = engine_create_pool(f->engine, xml, 0, NOW(f), NULL);
    g_autoptr(Pool) defined = define_xml(f, xml, NULL);

    g_assert_true(defined == pool);
    g_assert_true(pool_is_persistent(pool));
    g_assert_true(pool_stop(pool, NOW(f), NULL));
    g_autoptr(Pool) found = engine_find_pool_by_name(f->engine, "t", NULL);
    g_assert_true(found == pool);
}

static void test_failed_transient_is_gone(Fixture *f, gconstpointer data)
{
    static const char *const steps[] = {"start", "scan", "build"};
    g_autofree char *xml = pool_xml("fs", "t", UUID_A);
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
        fake_fail(steps[i], 1, ERROR_OPERATION_FAILED, "broken");
        g_assert_null(engine_create_pool(f->engine, xml, POOL_CREATE_WITH_BUILD, NOW(f), &error));
        check_error(&error, ERROR_OPERATION_FAILED, "operation failed: pool 't': broken");
        g_assert_null(engine_find_pool_by_name(f->engine, "t", NULL));
        g_assert_false(state_exists(f, "t"));
        g_assert_false(fake_is_up("/fake/t"));
    }
    g_autoptr(Pool) pool = engine_create_pool(f->engine, xml, 0, NOW(f), &error);
    g_assert_no_error(error);
    g_assert_true(pool_is_active(pool));
}

static void test_failed_stop_stays(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = fixture_define_started(f, "fs", "p");
    g_autoptr(GError) error = NULL;

    fixture_create_volume(f, pool, "v", 1024);
    fake_fail("stop", 1, ERROR_SYSTEM, "cannot unmount: Device or resource busy");
    g_assert_false(pool_stop(pool, NOW(f), &error));
    check_error(&error, ERROR_SYSTEM, "pool 'p': cannot unmount: Device or resource busy");
    g_assert_true(pool_is_active(pool));
    g_assert_true(state_exists(f, "p"));
    g_autofree char *names = listed(pool);
    g_assert_cmpstr(names, ==, "v");
}

static void test_undefine(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = fixture_define(f, "dir", "p");

    g_assert_true(config_exists(f, "p"));
    g_assert_true(pool_set_autostart(pool, true, NULL));
    g_assert_true(pool_undefine(pool, NOW(f), NULL));
    g_assert_false(config_exists(f, "p"));
    g_autofree char *link = g_strdup_printf("%s/autostart/p.xml", f->config_dir);
    g_assert_false(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
    g_autoptr(Pool) again = fixture_define(f, "dir", "p");
    g_assert_false(pool_autostart(again));
    g_assert_true(again != pool);
}

static void test_name_and_uuid(Fixture *f, gconstpointer data)
{
    g_autofree char *first = xml_at("fs", "a", UUID_A, "/fake/1");
    g_autofree char *same_uuid = xml_at("fs", "b", UUID_A, "/fake/2");
    g_autofree char *same_name = xml_at("fs", "a", UUID_B, "/fake/3");
    g_autoptr(Pool) pool G_GNUC_UNUSED = define_xml(f, first, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_null(define_xml(f, same_uuid, &error));
    check_error(&error, ERROR_OPERATION_FAILED,
                "operation failed: pool 'a' is already defined with uuid " UUID_A);
    g_assert_null(define_xml(f, same_name, &error));
    check_error(&error, ERROR_OPERATION_FAILED,
                "operation failed: pool 'a' already exists with uuid " UUID_A);
    g_assert_null(engine_create_pool(f->engine, same_name, 0, NOW(f), &error));
    check_error(&error, ERROR_OPERATION_FAILED,
                "operation failed: pool 'a' already exists with uuid " UUID_A);
}

static void test_source(Fixture *f, gconstpointer data)
{
    g_autofree char *first = xml_at("dir", "a", UUID_A, "/fake/1");
    g_autofree char *same_source = xml_at("dir", "b", UUID_A, "/fake/1");
    g_autofree char *other_type = xml_at("fs", "c", UUID_B, "/fake/1");
    g_autoptr(Pool) pool G_GNUC_UNUSED = define_xml(f, first, NULL);
    g_autoptr(GError) error = NULL;

    /* The source is looked at before name and uuid. */
    g_assert_null(define_xml(f, same_source, &error));
    check_error(&error, ERROR_OPERATION_FAILED,
                "operation failed: Storage source conflict with pool: 'a'");
    g_autoptr(Pool) other G_GNUC_UNUSED = define_xml(f, other_type, &error);
    g_assert_no_error(error);
}

static void test_missing_backend(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(define_xml(f, "<pool type='rbd'><name>r</name></pool>", &error));
    check_error(&error, ERROR_INTERNAL, "internal error: missing backend for pool type 8 (rbd)");
}

static void test_unusable_source(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = fixture_define(f, "fs", "unusable");
    g_autoptr(GError) error = NULL;

    g_assert_false(pool_start(pool, 0, NOW(f), &error));
    check_error(&error, ERROR_CONFIG_UNSUPPORTED,
                "unsupported configuration: expected exactly 1 device for the storage pool");
    g_assert_cmpuint(fake_calls("start"), ==, 0);
}

static void test_flags(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) fs = fixture_define(f, "fs", "p");
    g_autoptr(Pool) dir = fixture_define(f, "dir", "d");
    g_autoptr(Pool) scsi = fixture_define(f, "scsi", "s");
    g_autoptr(GError) error = NULL;

    g_assert_false(pool_start(fs, 8, NOW(f), &error));
    check_error(&error, ERROR_INVALID_ARGUMENT,
                "unsupported flags (0x8) in function storagePoolCreate");
    g_assert_false(pool_build(fs, BUILD_REPAIR, NOW(f), &error));
    check_error_prefix(&error, ERROR_INVALID_ARGUMENT, "unsupported flags (0x1) in function ");
    g_assert_false(pool_build(fs, BUILD_OVERWRITE | BUILD_NO_OVERWRITE, NOW(f), &error));
    check_error(&error, ERROR_INVALID_ARGUMENT,
                "Flags 'VIR_STORAGE_POOL_BUILD_OVERWRITE' and "
                "'VIR_STORAGE_POOL_BUILD_NO_OVERWRITE' are mutually exclusive");
    g_assert_false(pool_build(dir, BUILD_OVERWRITE, NOW(f), &error));
    check_error(&error, ERROR_OPERATION_INVALID,
                "Requested operation is not valid: No source device specified when formatting "
                "pool 'd'");
    g_assert_cmpuint(fake_calls("build"), ==, 0);
    g_assert_true(pool_build(scsi, 0, NOW(f), &error)); /* nothing to do is fine */
    g_assert_false(pool_erase(dir, ERASE_ZEROED, NOW(f), &error));
    check_error_prefix(&error, ERROR_INVALID_ARGUMENT, "unsupported flags (0x1) in function ");
    g_assert_true(pool_erase(dir, 0, NOW(f), &error));
    g_assert_cmpuint(fake_calls("erase"), ==, 1);
}

static void test_lookups(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) pool = fixture_define_started(f, "dir", "p");
    g_autoptr(GError) error = NULL;
    Uuid missing;

    g_assert_true(uuid_parse(UUID_A, &missing));
    g_assert_null(engine_find_pool_by_uuid(f->engine, &missing, NULL, &error));
    check_error(&error, ERROR_NO_POOL,
                "Storage pool not found: no storage pool with matching uuid '" UUID_A "'");
    g_assert_null(engine_find_pool_by_uuid(f->engine, &missing, "n", &error));
    check_error(&error, ERROR_NO_POOL,
                "Storage pool not found: no storage pool with matching uuid '" UUID_A "' (n)");
    g_autoptr(Pool) by_uuid = engine_find_pool_by_uuid(f->engine, pool_uuid(pool), NULL, &error);
    g_assert_true(by_uuid == pool);
    g_autoptr(Pool) by_path = engine_find_pool_by_target_path(f->engine, "/fake//p/", &error);
    g_assert_true(by_path == pool);
    g_assert_null(engine_find_pool_by_target_path(f->engine, "/x//y", &error));
    check_error(&error, ERROR_NO_POOL,
                "Storage pool not found: no storage pool with matching target path '/x//y' (/x/y)");
    g_assert_null(engine_find_pool_by_target_path(f->engine, "/x", &error));
    check_error(&error, ERROR_NO_POOL,
                "Storage pool not found: no storage pool with matching target path '/x'");
    g_assert_true(pool_stop(pool, NOW(f), NULL));
    g_assert_null(engine_find_pool_by_target_path(f->engine, "/fake/p", &error));
}

/* Running pools without a target are passed over (CVE-2020-10703), whichever come first. */
static void test_lookup_without_target(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) first G_GNUC_UNUSED = fixture_define_started(f, "sheepdog", "a");
    g_autoptr(Pool) pool = fixture_define_started(f, "dir", "p");
    g_autoptr(Pool) last G_GNUC_UNUSED = fixture_define_started(f, "sheepdog", "z");
    g_autoptr(PoolDef) def = pool_definition(first);
    static const char *const misses[] = {"", "/", "a", "/fake/a", "/fake/z"};
    g_autoptr(GError) error = NULL;

    g_assert_null(def->target_path);
    g_autoptr(Pool) found = engine_find_pool_by_target_path(f->engine, "/fake/p", &error);
    g_assert_true(found == pool);
    for (guint i = 0; i < G_N_ELEMENTS(misses); i++) {
        g_assert_null(engine_find_pool_by_target_path(f->engine, misses[i], &error));
        check_error_prefix(&error, ERROR_NO_POOL, "Storage pool not found: ");
    }
}

static char *pool_names(Fixture *f, guint filter)
{
    g_autoptr(GPtrArray) pools = engine_list_pools(f->engine, filter);
    GString *names = g_string_new(NULL);

    for (guint i = 0; i < pools->len; i++)
        g_string_append(names, pool_name(pools->pdata[i]));
    return g_string_free(names, FALSE);
}

static void check_names(Fixture *f, guint filter, const char *wanted)
{
    g_autofree char *names = pool_names(f, filter);

    g_assert_cmpstr(names, ==, wanted);
}

static void test_filter(Fixture *f, gconstpointer data)
{
    g_autoptr(Pool) c = fixture_define(f, "fs", "c");
    g_autoptr(Pool) b G_GNUC_UNUSED = fixture_define_started(f, "dir", "b");
    g_autofree char *xml = pool_xml("fs", "a", NULL);
    g_autoptr(Pool) a G_GNUC_UNUSED = engine_create_pool(f->engine, xml, 0, NOW(f), NULL);

    g_assert_true(pool_set_autostart(c, true, NULL));
    check_names(f, 0, "abc");
    check_names(f, POOL_LIST_ACTIVE, "ab");
    check_names(f, POOL_LIST_INACTIVE, "c");
    check_names(f, POOL_LIST_ACTIVE | POOL_LIST_INACTIVE, "abc");
    check_names(f, POOL_LIST_TRANSIENT, "a");
    check_names(f, POOL_LIST_ACTIVE | POOL_LIST_PERSISTENT, "b");
    check_names(f, POOL_LIST_AUTOSTART, "c");
    check_names(f, POOL_LIST_NO_AUTOSTART, "ab");
    check_names(f, 1 << 6, "b");
    check_names(f, (1 << 7) | POOL_LIST_ACTIVE, "a");
    check_names(f, 1 << 9, "");
}

static void test_discovery(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(engine_discover_sources(f->engine, "xx", NULL, NOW(f), &error));
    check_error(&error, ERROR_INTERNAL, "internal error: unknown storage pool type xx");
    g_assert_null(engine_discover_sources(f->engine, "dir", NULL, NOW(f), &error));
    check_error(&error, ERROR_NO_SUPPORT,
                "this function is not supported by the connection driver: pool type 'dir' does "
                "not support source discovery");
}

static void test_capabilities(Fixture *f, gconstpointer data)
{
    g_autofree char *pools = engine_pool_capabilities(f->engine);
    g_autofree char *host = engine_host_capabilities(f->engine);

    g_assert_nonnull(strstr(pools, "<pool type='dir' supported='yes'>"));
    g_assert_nonnull(strstr(pools, "<pool type='rbd' supported='no'>"));
    g_assert_nonnull(strstr(host, "<value>dir</value>"));
    g_assert_null(strstr(host, "<value>rbd</value>"));
}

static gpointer define_one_source(gpointer data)
{
    Fixture *f = data;
    static int next;
    g_autofree char *name = g_strdup_printf("p%d", g_atomic_int_add(&next, 1));
    g_autofree char *xml = g_strdup_printf("<pool type='dir'><name>%s</name><target>"
                                           "<path>/fake/one</path></target></pool>",
                                           name);

    return define_xml(f, xml, NULL);
}

/* Of many that want one source at the same time one at most gets it. */
static void test_source_race(Fixture *f, gconstpointer data)
{
    GThread *threads[8];
    guint defined = 0;

    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("define", define_one_source, f);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_autoptr(Pool) pool = g_thread_join(threads[i]);
        defined += pool != NULL;
    }
    g_assert_cmpuint(defined, ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ENGINE_TEST("/engine/definitions/redefine-active", test_redefine_active);
    ENGINE_TEST("/engine/definitions/redefine-inactive", test_redefine_inactive);
    ENGINE_TEST("/engine/definitions/create-parks-saved", test_create_parks_saved);
    ENGINE_TEST("/engine/definitions/transient", test_transient);
    ENGINE_TEST("/engine/definitions/transient-becomes-persistent",
                test_transient_becomes_persistent);
    ENGINE_TEST("/engine/definitions/failed-transient-is-gone", test_failed_transient_is_gone);
    ENGINE_TEST("/engine/definitions/failed-stop-stays", test_failed_stop_stays);
    ENGINE_TEST("/engine/definitions/undefine", test_undefine);
    ENGINE_TEST("/engine/definitions/name-and-uuid", test_name_and_uuid);
    ENGINE_TEST("/engine/definitions/source", test_source);
    ENGINE_TEST("/engine/definitions/source-race", test_source_race);
    ENGINE_TEST("/engine/definitions/missing-backend", test_missing_backend);
    ENGINE_TEST("/engine/definitions/unusable-source", test_unusable_source);
    ENGINE_TEST("/engine/definitions/flags", test_flags);
    ENGINE_TEST("/engine/definitions/lookups", test_lookups);
    ENGINE_TEST("/engine/definitions/filter", test_filter);
    ENGINE_TEST("/engine/definitions/discovery", test_discovery);
    ENGINE_TEST("/engine/definitions/lookup-without-target", test_lookup_without_target);
    ENGINE_TEST("/engine/definitions/capabilities", test_capabilities);
    return g_test_run();
}
