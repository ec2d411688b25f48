/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine-fixture.h"

#include "registry.h"

#include <glib/gstdio.h>

static void request_free(Request *request)
{
    operation_unref(request->op);
    g_free(request);
}

void fixture_open(Fixture *fixture)
{
    EngineConfig config = {.config_dir = fixture->config_dir,
                           .state_dir = fixture->state_dir,
                           .backends = fixture->real ? backends : fake_backends,
                           .n_backends = fixture->real ? n_backends : n_fake_backends};
    g_autoptr(GError) error = NULL;

    fixture->engine = engine_open(&config, &error);
    g_assert_no_error(error);
}

void fixture_close(Fixture *fixture)
{
    g_clear_pointer(&fixture->engine, engine_close);
}

void fixture_reopen(Fixture *fixture)
{
    fixture_close(fixture);
    fixture_open(fixture);
}

void fixture_set_up(Fixture *fixture, gconstpointer data)
{
    fake_reset();
    fixture->real = data != NULL;
    g_mutex_init(&fixture->lock);
    fixture->root = g_dir_make_tmp("cistern-engine-XXXXXX", NULL);
    g_assert_nonnull(fixture->root);
    fixture->config_dir = g_build_filename(fixture->root, "etc", NULL);
    fixture->state_dir = g_build_filename(fixture->root, "run", NULL);
    fixture->requests = g_ptr_array_new_with_free_func((GDestroyNotify)request_free);
    fixture_open(fixture);
}

static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        if (g_unlink(child) != 0)
            remove_tree(child);
    }
    g_rmdir(path);
}

void fixture_tear_down(Fixture *fixture, gconstpointer data)
{
    fixture_close(fixture);
    remove_tree(fixture->root);
    g_assert_false(g_file_test(fixture->root, G_FILE_TEST_EXISTS));
    g_ptr_array_unref(fixture->requests);
    g_free(fixture->state_dir);
    g_free(fixture->config_dir);
    g_free(fixture->root);
    g_mutex_clear(&fixture->lock);
}

const Request *fixture_request(Fixture *fixture, guint milliseconds)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&fixture->lock);
    Request *request = g_new(Request, 1);
    gint64 deadline = milliseconds ? g_get_monotonic_time() + milliseconds * G_TIME_SPAN_MILLISECOND
                                   : OPERATION_NO_DEADLINE;

    *request = (Request){.op = operation_new(deadline), .client = "test"};
    g_ptr_array_add(fixture->requests, request);
    return request;
}

char *pool_xml(const char *type, const char *name, const char *uuid)
{
    g_autofree char *element = uuid ? g_strdup_printf("<uuid>%s</uuid>", uuid) : g_strdup("");

    return g_strdup_printf("<pool type='%s'><name>%s</name>%s<source/>"
                           "<target><path>/fake/%s</path></target></pool>",
                           type, name, element, name);
}

char *volume_xml(const char *name, guint64 capacity)
{
    return g_strdup_printf("<volume><name>%s</name><capacity>%" G_GUINT64_FORMAT
                           "</capacity><allocation>0</allocation></volume>",
                           name, capacity);
}

Pool *fixture_define(Fixture *fixture, const char *type, const char *name)
{
    g_autofree char *xml = pool_xml(type, name, NULL);
    g_autoptr(GError) error = NULL;
    Pool *pool = engine_define_pool(fixture->engine, xml, false, NOW(fixture), &error);

    g_assert_no_error(error);
    return pool;
}

Pool *fixture_define_started(Fixture *fixture, const char *type, const char *name)
{
    Pool *pool = fixture_define(fixture, type, name);
    g_autoptr(GError) error = NULL;

    pool_start(pool, 0, NOW(fixture), &error);
    g_assert_no_error(error);
    return pool;
}

void fixture_create_volume(Fixture *fixture, Pool *pool, const char *name, guint64 capacity)
{
    g_autofree char *xml = volume_xml(name, capacity);
    g_autoptr(GError) error = NULL;
    g_autoptr(VolumeRecord) record = volume_create(pool, xml, 0, NOW(fixture), &error);

    g_assert_no_error(error);
    g_assert_cmpstr(volume_record_name(record), ==, name);
}

static bool append_name(VolumeRecord *record, void *data)
{
    GString *names = data;

    if (names->len)
        g_string_append_c(names, ' ');
    g_string_append(names, volume_record_name(record));
    return true;
}

char *listed(Pool *pool)
{
    GString *names = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(Inventory) inventory = pool_inventory(pool, &error);

    g_assert_no_error(error);
    inventory_foreach(inventory, NULL, append_name, names);
    return g_string_free(names, FALSE);
}

void check_error(GError **error, ErrorCode code, const char *message)
{
    g_assert_nonnull(*error);
    g_assert_cmpstr((*error)->message, ==, message);
    g_assert_cmpint(error_code(*error), ==, code);
    g_clear_error(error);
}

void check_error_prefix(GError **error, ErrorCode code, const char *prefix)
{
    g_assert_nonnull(*error);
    if (!g_str_has_prefix((*error)->message, prefix))
        g_assert_cmpstr((*error)->message, ==, prefix);
    g_assert_cmpint(error_code(*error), ==, code);
    g_clear_error(error);
}
