/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every public call, over an engine in this process on a scratch folder with real files. */
#include "scratch.h"

#include <cistern/cistern.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)

static const char *own_path; /* of this program */

typedef struct Fixture {
    char *folder;  /* of everything */
    char *uri;     /* embed:///folder/state */
    char *storage; /* folder/pool */
    CisternConnection *connection;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer unused)
{
    fixture->folder = scratch_new();
    fixture->uri = g_strdup_printf("embed://%s/state", fixture->folder);
    fixture->storage = g_build_filename(fixture->folder, "pool", NULL);
    fixture->connection = cistern_open(fixture->uri, 0);
    if (!fixture->connection)
        g_error("%s", cistern_last_error()->message);
}

static void tear_down(Fixture *fixture, gconstpointer unused)
{
    cistern_close(fixture->connection);
    scratch_remove(fixture->folder);
    g_free(fixture->uri);
    g_free(fixture->storage);
}

/* For a call that must succeed. */
#define must(call)                                                                                 \
    G_STMT_START                                                                                   \
    {                                                                                              \
        if (!(call))                                                                               \
            g_error("%s: %s", #call, cistern_last_error()->message);                               \
    }                                                                                              \
    G_STMT_END

/* For a call that must fail with this code. */
#define must_fail(call, wanted)                                                                    \
    G_STMT_START                                                                                   \
    {                                                                                              \
        if (!(call))                                                                               \
            g_error("%s succeeded", #call);                                                        \
        if (cistern_last_error()->code != (int)(wanted))                                           \
            g_error("%s: code %d, %s", #call, cistern_last_error()->code,                          \
                    cistern_last_error()->message);                                                \
    }                                                                                              \
    G_STMT_END

static char *pool_document(Fixture *fixture, const char *name)
{
    return g_strdup_printf("<pool type='dir'><name>%s</name><target><path>%s/%s</path></target>"
                           "</pool>",
                           name, fixture->storage, name);
}

static CisternPool *define(Fixture *fixture, const char *name)
{
    g_autofree char *xml = pool_document(fixture, name);
    CisternPool *pool = cistern_pool_define(fixture->connection, xml, 0);
    must(pool);
    return pool;
}

/* Defined, built and started. */
static CisternPool *start(Fixture *fixture, const char *name)
{
    CisternPool *pool = define(fixture, name);
    g_assert_cmpint(g_mkdir_with_parents(fixture->storage, 0755), ==, 0);
    must(cistern_pool_start(pool, CISTERN_POOL_CREATE_BUILD) == 0);
    return pool;
}

static CisternVolume *create(CisternPool *pool, const char *name, uint64_t capacity,
                             const char *format)
{
    g_autofree char *xml =
        g_strdup_printf("<volume><name>%s</name><capacity>%" G_GUINT64_FORMAT
                        "</capacity><allocation>0"
                        "</allocation><target><format type='%s'/></target></volume>",
                        name, (guint64)capacity, format);
    CisternVolume *volume = cistern_volume_create(pool, xml, 0);
    must(volume);
    return volume;
}

/* ---- errors ---- */

static gpointer other_thread(gpointer unused)
{
    g_assert_cmpint(cistern_last_error()->code, ==, 0);
    g_assert_cmpstr(cistern_last_error()->message, ==, "");
    return NULL;
}

static void test_last_error(void)
{
    must_fail(!cistern_open("nonsense:///", 0), CISTERN_ERROR_NO_CONNECT);
    g_assert_cmpstr(cistern_last_error()->name, ==, "no-connect");
    g_assert_cmpint(cistern_last_error()->exit_status, !=, 0);
    g_thread_join(g_thread_new("other", other_thread, NULL));
    must_fail(!cistern_open("embed:///dir", 2), CISTERN_ERROR_INVALID_ARGUMENT);
    must_fail(!cistern_open("cistern:///system?socket=/nowhere/sock", 0), CISTERN_ERROR_SYSTEM);
    g_assert_cmpint(cistern_last_error()->system_error, ==, ENOENT);
    g_assert_cmpuint(cistern_version(), ==, CISTERN_VERSION_NUMBER);
}

/* NULL where there must be none is an error, never a crash. */
static void test_null(Fixture *fixture, gconstpointer unused)
{
    CisternConnection *connection = fixture->connection;
    CisternPool *pool = define(fixture, "p"), **pools;
    CisternPoolInfo info;
    CisternVolumeInfo volume_info;
    CisternVolume **volumes;
    CisternVolumeEntry *entries;
    CisternChainEntry *chain;
    CisternJob *jobs;
    const bool failed[] = {
        !cistern_uri(NULL),
        cistern_is_embedded(NULL) < 0,
        !cistern_capabilities(NULL),
        !cistern_pool_capabilities(NULL, 0),
        cistern_list_pools(NULL, &pools, 0) < 0,
        cistern_list_pools(connection, NULL, 0) < 0,
        !cistern_find_pool(NULL, "p"),
        !cistern_find_pool(connection, NULL),
        !cistern_find_pool_by_uuid(connection, NULL),
        !cistern_find_pool_by_target_path(connection, NULL),
        !cistern_find_pool_of_volume(NULL),
        !cistern_pool_name(NULL),
        !cistern_pool_uuid(NULL),
        !cistern_discover_sources(connection, NULL, NULL, 0),
        cistern_pool_info(NULL, &info) < 0,
        cistern_pool_info(pool, NULL) < 0,
        cistern_pool_is_active(NULL) < 0,
        cistern_pool_is_persistent(NULL) < 0,
        cistern_pool_autostart(NULL) < 0,
        !cistern_pool_xml(NULL, 0),
        !cistern_pool_define(connection, NULL, 0),
        !cistern_pool_create(connection, NULL, 0),
        cistern_pool_start(NULL, 0) < 0,
        cistern_pool_build(NULL, 0) < 0,
        cistern_pool_stop(NULL) < 0,
        cistern_pool_undefine(NULL) < 0,
        cistern_pool_erase(NULL, 0) < 0,
        cistern_pool_refresh(NULL, 0) < 0,
        cistern_pool_set_autostart(NULL, 1) < 0,
        cistern_list_volumes(NULL, &volumes, 0) < 0,
        cistern_list_volumes(pool, NULL, 0) < 0,
        cistern_pool_volume_count(NULL) < 0,
        cistern_list_volumes_page(NULL, NULL, 1, &entries) < 0,
        cistern_list_volumes_page(pool, NULL, 1, NULL) < 0,
        !cistern_find_volume(pool, NULL),
        !cistern_find_volume_by_key(connection, NULL),
        !cistern_find_volume_by_path(connection, NULL),
        !cistern_volume_name(NULL),
        !cistern_volume_key(NULL),
        !cistern_volume_pool_name(NULL),
        cistern_volume_info(NULL, &volume_info, 0) < 0,
        !cistern_volume_xml(NULL, 0),
        !cistern_volume_path(NULL),
        !cistern_volume_create(pool, NULL, 0),
        !cistern_volume_create_from(pool, "<volume/>", NULL, 0),
        cistern_volume_delete(NULL, 0) < 0,
        cistern_volume_resize(NULL, 1, 0) < 0,
        cistern_volume_wipe(NULL, 0, 0) < 0,
        cistern_volume_chain(NULL, &chain) < 0,
        cistern_list_jobs(connection, NULL) < 0,
        cistern_list_jobs(NULL, &jobs) < 0,
        cistern_job_cancel(NULL, 1) < 0,
        cistern_event_register(connection, NULL, NULL, NULL) < 0,
        cistern_event_unregister(NULL, 0) < 0,
        cistern_dispatch_events(NULL, 0) < 0,
    };
    for (size_t i = 0; i < G_N_ELEMENTS(failed); i++)
        if (!failed[i])
            g_error("call %zu succeeded", i);
    g_assert_cmpint(cistern_last_error()->code, ==, CISTERN_ERROR_INVALID_ARGUMENT);
    cistern_close(NULL);
    cistern_pool_free(NULL);
    cistern_volume_free(NULL);
    cistern_volume_entries_free(NULL, 0);
    cistern_chain_free(NULL, 0);
    cistern_jobs_free(NULL, 0);
    cistern_set_progress(NULL, NULL, NULL);
    cistern_pool_free(pool);
}

/* ---- connections ---- */

static void test_connection(Fixture *fixture, gconstpointer unused)
{
    g_assert_cmpstr(cistern_uri(fixture->connection), ==, fixture->uri);
    g_assert_cmpint(cistern_is_embedded(fixture->connection), ==, 1);
    char *capabilities = cistern_capabilities(fixture->connection);
    must(capabilities);
    g_assert_nonnull(strstr(capabilities, "<value>dir</value>"));
    free(capabilities);
    capabilities = cistern_pool_capabilities(fixture->connection, 0);
    must(capabilities);
    g_assert_nonnull(strstr(capabilities, "<pool type='dir' supported='yes'>"));
    free(capabilities);
    must_fail(!cistern_pool_capabilities(fixture->connection, 8), CISTERN_ERROR_INVALID_ARGUMENT);
}

/* Handles outlive their connection, though nothing can be done with them. */
static void test_closed(Fixture *fixture, gconstpointer unused)
{
    CisternPool *pool = define(fixture, "p");
    cistern_close(g_steal_pointer(&fixture->connection));
    g_assert_cmpstr(cistern_pool_name(pool), ==, "p");
    must_fail(cistern_pool_is_active(pool) < 0, CISTERN_ERROR_RPC);
    cistern_pool_free(pool);
}

static void test_read_only(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *xml = pool_document(fixture, "q");
    cistern_pool_free(define(fixture, "p"));
    CisternConnection *reader = cistern_open(fixture->uri, CISTERN_OPEN_READ_ONLY);
    must(reader);
    CisternPool *pool = cistern_find_pool(reader, "p");
    must(pool);
    must_fail(!cistern_pool_define(reader, xml, 0), CISTERN_ERROR_OPERATION_DENIED);
    must_fail(cistern_pool_start(pool, 0) < 0, CISTERN_ERROR_OPERATION_DENIED);
    must_fail(cistern_pool_undefine(pool) < 0, CISTERN_ERROR_OPERATION_DENIED);
    cistern_pool_free(pool);
    cistern_close(reader);
}

/* Two connections of one process share the engine; it lives as long as either. */
static void test_shared(Fixture *fixture, gconstpointer unused)
{
    CisternConnection *second = cistern_open(fixture->uri, 0);
    must(second);
    cistern_pool_free(define(fixture, "p"));
    cistern_close(g_steal_pointer(&fixture->connection));
    CisternPool *pool = cistern_find_pool(second, "p");
    must(pool);
    cistern_pool_free(pool);
    cistern_close(second);
}

static guint count_entries(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint count = 0;
    g_assert_nonnull(dir);
    while (g_dir_read_name(dir))
        count++;
    return count;
}

/* The same folder, again and again: what was saved is there; descriptors and threads are not. */
static void test_reopen(Fixture *fixture, gconstpointer unused)
{
    cistern_pool_free(define(fixture, "p"));
    guint fds = 0, threads = 0;
    for (int i = 0; i < 20; i++) {
        cistern_close(g_steal_pointer(&fixture->connection));
        fixture->connection = cistern_open(fixture->uri, 0);
        must(fixture->connection);
        fds = i == 0 ? count_entries("/proc/self/fd") : fds;
        threads = i == 0 ? count_entries("/proc/self/task") : threads;
    }
    g_assert_cmpuint(count_entries("/proc/self/fd"), <=, fds);
    g_assert_cmpuint(count_entries("/proc/self/task"), <=, threads);
    CisternPool *pool = cistern_find_pool(fixture->connection, "p");
    must(pool);
    cistern_pool_free(pool);
}

/* ---- pools ---- */

static void test_define(Fixture *fixture, gconstpointer unused)
{
    CisternPool *pools[] = {define(fixture, "b"), define(fixture, "a")}, **list;
    g_assert_cmpint(cistern_list_pools(fixture->connection, &list, 0), ==, 2);
    g_assert_cmpstr(cistern_pool_name(list[0]), ==, "a");
    g_assert_cmpstr(cistern_pool_uuid(list[1]), ==, cistern_pool_uuid(pools[0]));
    cistern_pool_free(list[0]);
    cistern_pool_free(list[1]);
    free(list);
    g_assert_cmpint(cistern_list_pools(fixture->connection, &list, CISTERN_LIST_POOLS_ACTIVE), ==,
                    0);
    free(list);
    must_fail(cistern_list_pools(fixture->connection, &list, 1u << 31) < 0,
              CISTERN_ERROR_INVALID_ARGUMENT);

    CisternPool *found =
        cistern_find_pool_by_uuid(fixture->connection, cistern_pool_uuid(pools[0]));
    must(found);
    g_assert_cmpstr(cistern_pool_name(found), ==, "b");
    cistern_pool_free(found);
    must_fail(!cistern_find_pool_by_uuid(fixture->connection, "xyz"),
              CISTERN_ERROR_INVALID_ARGUMENT);
    must_fail(!cistern_find_pool(fixture->connection, "c"), CISTERN_ERROR_NO_POOL);

    g_assert_cmpint(cistern_pool_is_persistent(pools[0]), ==, 1);
    g_assert_cmpint(cistern_pool_is_active(pools[0]), ==, 0);
    g_assert_cmpint(cistern_pool_autostart(pools[0]), ==, 0);
    must(cistern_pool_set_autostart(pools[0], 5) == 0);
    g_assert_cmpint(cistern_pool_autostart(pools[0]), ==, 1);
    char *xml = cistern_pool_xml(pools[0], CISTERN_POOL_XML_INACTIVE);
    must(xml);
    g_assert_nonnull(strstr(xml, "<name>b</name>"));
    CisternPool *again = cistern_pool_define(fixture->connection, xml, 0);
    must(again);
    cistern_pool_free(again);
    free(xml);
    must_fail(!cistern_pool_define(fixture->connection, "<pool", 0), CISTERN_ERROR_XML_DETAIL);
    must_fail(!cistern_pool_define(fixture->connection, "<volume/>", 0), CISTERN_ERROR_XML);

    for (int i = 0; i < 2; i++) {
        must(cistern_pool_undefine(pools[i]) == 0);
        must_fail(cistern_pool_undefine(pools[i]) < 0, CISTERN_ERROR_NO_POOL);
        cistern_pool_free(pools[i]);
    }
}

static void test_life(Fixture *fixture, gconstpointer unused)
{
    CisternPoolInfo info;
    CisternPool *pool = define(fixture, "p");
    g_assert_cmpint(g_mkdir_with_parents(fixture->storage, 0755), ==, 0);
    must_fail(cistern_pool_start(pool, 0) < 0, CISTERN_ERROR_SYSTEM);
    must(cistern_pool_build(pool, 0) == 0);
    must(cistern_pool_start(pool, 0) == 0);
    must_fail(cistern_pool_start(pool, 0) < 0, CISTERN_ERROR_OPERATION_INVALID);
    must(cistern_pool_info(pool, &info) == 0);
    g_assert_cmpint(info.state, ==, CISTERN_POOL_RUNNING);
    g_assert_cmpuint(info.capacity, >, 0);

    char *xml = cistern_pool_xml(pool, 0);
    must(xml);
    free(xml);
    g_autofree char *target = g_build_filename(fixture->storage, "p", NULL);
    CisternPool *found = cistern_find_pool_by_target_path(fixture->connection, target);
    must(found);
    cistern_pool_free(found);
    must_fail(!cistern_find_pool_by_target_path(fixture->connection, "/nowhere"),
              CISTERN_ERROR_NO_POOL);
    must(cistern_pool_refresh(pool, 0) == 0);
    must_fail(cistern_pool_refresh(pool, 1) < 0, CISTERN_ERROR_INVALID_ARGUMENT);
    must_fail(cistern_pool_undefine(pool) < 0, CISTERN_ERROR_OPERATION_INVALID);
    must(cistern_pool_stop(pool) == 0);
    must_fail(cistern_pool_stop(pool) < 0, CISTERN_ERROR_OPERATION_INVALID);
    must_fail(cistern_pool_volume_count(pool) < 0, CISTERN_ERROR_OPERATION_INVALID);
    must(cistern_pool_erase(pool, 0) == 0);
    g_assert_false(g_file_test(target, G_FILE_TEST_EXISTS));
    must_fail(!cistern_discover_sources(fixture->connection, "dir", NULL, 0),
              CISTERN_ERROR_NO_SUPPORT);
    cistern_pool_free(pool);
}

static void test_transient(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *xml = pool_document(fixture, "t");
    g_assert_cmpint(g_mkdir_with_parents(fixture->storage, 0755), ==, 0);
    CisternPool *pool = cistern_pool_create(fixture->connection, xml, CISTERN_POOL_CREATE_BUILD);
    must(pool);
    g_assert_cmpint(cistern_pool_is_persistent(pool), ==, 0);
    must_fail(cistern_pool_set_autostart(pool, 1) < 0, CISTERN_ERROR_INTERNAL);
    must(cistern_pool_stop(pool) == 0);
    must_fail(cistern_pool_is_active(pool) < 0, CISTERN_ERROR_NO_POOL);
    cistern_pool_free(pool);
}

/* ---- volumes ---- */

static void check_lookups(Fixture *fixture, CisternPool *pool, CisternVolume *volume)
{
    char *path = cistern_volume_path(volume);
    must(path);
    g_assert_cmpstr(cistern_volume_key(volume), ==, path);
    g_assert_cmpstr(cistern_volume_pool_name(volume), ==, cistern_pool_name(pool));
    CisternVolume *found[] = {
        cistern_find_volume(pool, cistern_volume_name(volume)),
        cistern_find_volume_by_key(fixture->connection, path),
        cistern_find_volume_by_path(fixture->connection, path),
    };
    for (size_t i = 0; i < G_N_ELEMENTS(found); i++) {
        must(found[i]);
        g_assert_cmpstr(cistern_volume_name(found[i]), ==, cistern_volume_name(volume));
        cistern_volume_free(found[i]);
    }
    CisternPool *home = cistern_find_pool_of_volume(volume);
    must(home);
    g_assert_cmpstr(cistern_pool_uuid(home), ==, cistern_pool_uuid(pool));
    cistern_pool_free(home);
    free(path);
}

static void test_volume(Fixture *fixture, gconstpointer unused)
{
    CisternVolumeInfo info;
    CisternPool *pool = start(fixture, "p");
    CisternVolume *volume = create(pool, "v", 4 * MIB, "raw");
    check_lookups(fixture, pool, volume);
    must_fail(!cistern_find_volume(pool, "w"), CISTERN_ERROR_NO_VOLUME);
    must_fail(!cistern_find_volume_by_key(fixture->connection, "w"), CISTERN_ERROR_NO_VOLUME);
    must_fail(!cistern_find_volume_by_path(fixture->connection, "/w"), CISTERN_ERROR_NO_VOLUME);

    must(cistern_volume_info(volume, &info, 0) == 0);
    g_assert_cmpint(info.type, ==, CISTERN_VOLUME_FILE);
    g_assert_cmpuint(info.capacity, ==, 4 * MIB);
    must(cistern_volume_info(volume, &info, CISTERN_VOLUME_INFO_PHYSICAL) == 0);
    g_assert_cmpuint(info.allocation, ==, 4 * MIB);
    must_fail(cistern_volume_info(volume, &info, 4) < 0, CISTERN_ERROR_INVALID_ARGUMENT);
    char *xml = cistern_volume_xml(volume, 0);
    must(xml);
    g_assert_nonnull(strstr(xml, "<name>v</name>"));
    must_fail(!cistern_volume_create(pool, xml, 0), CISTERN_ERROR_VOLUME_EXISTS);
    free(xml);

    must(cistern_volume_resize(volume, 8 * MIB, 0) == 0);
    must_fail(cistern_volume_resize(volume, MIB, 0) < 0, CISTERN_ERROR_INVALID_ARGUMENT);
    must(cistern_volume_resize(volume, MIB, CISTERN_VOLUME_RESIZE_DELTA) == 0);
    must(cistern_volume_info(volume, &info, 0) == 0);
    g_assert_cmpuint(info.capacity, ==, 9 * MIB);
    must(cistern_volume_wipe(volume, CISTERN_WIPE_ZERO, 0) == 0);
    must_fail(cistern_volume_wipe(volume, 99, 0) < 0, CISTERN_ERROR_INVALID_ARGUMENT);
    must(cistern_volume_delete(volume, 0) == 0);
    must_fail(cistern_volume_delete(volume, 0) < 0, CISTERN_ERROR_NO_VOLUME);
    cistern_volume_free(volume);
    cistern_pool_free(pool);
}

static void test_clone(Fixture *fixture, gconstpointer unused)
{
    CisternPool *pool = start(fixture, "p"), *other = start(fixture, "q");
    CisternVolume *source = create(pool, "v", MIB, "raw");
    char *path = cistern_volume_path(source);
    g_autofree char *data = g_strnfill((gsize)MIB, 'x'), *copy = NULL;
    g_assert_true(g_file_set_contents(path, data, (gssize)MIB, NULL));
    free(path);
    CisternVolume *clone = cistern_volume_create_from(
        other, "<volume><name>c</name><target><format type='raw'/></target></volume>", source, 0);
    must(clone);
    path = cistern_volume_path(clone);
    gsize size;
    g_assert_true(g_file_get_contents(path, &copy, &size, NULL));
    g_assert_cmpmem(copy, size, data, MIB);
    free(path);
    cistern_volume_free(clone);
    cistern_volume_free(source);
    cistern_pool_free(pool);
    cistern_pool_free(other);
}

static void test_chain(Fixture *fixture, gconstpointer unused)
{
    CisternPool *pool = start(fixture, "p");
    CisternVolume *base = create(pool, "base.qcow2", MIB, "qcow2");
    char *path = cistern_volume_path(base);
    g_autofree char *xml = g_strdup_printf(
        "<volume><name>top</name><capacity>%u</capacity><target><format type='qcow2'/></target>"
        "<backingStore><path>%s</path><format type='qcow2'/></backingStore></volume>",
        (guint)MIB, path);
    CisternVolume *top = cistern_volume_create(pool, xml, 0);
    must(top);
    CisternChainEntry *chain;
    g_assert_cmpint(cistern_volume_chain(top, &chain), ==, 2);
    g_assert_cmpstr(chain[1].path, ==, path);
    g_assert_cmpstr(chain[1].format, ==, "qcow2");
    g_assert_cmpuint(chain[0].capacity, ==, MIB);
    g_assert_cmpstr(chain[1].problem, ==, "");
    cistern_chain_free(chain, 2);
    free(path);
    cistern_volume_free(top);
    cistern_volume_free(base);
    cistern_pool_free(pool);
}

static void test_pages(Fixture *fixture, gconstpointer unused)
{
    enum { COUNT = 25 };
    CisternPool *pool = start(fixture, "p");
    CisternVolume **volumes;
    CisternVolumeEntry *entries;
    for (int i = 0; i < COUNT; i++) {
        g_autofree char *name = g_strdup_printf("v%02d", i);
        cistern_volume_free(create(pool, name, MIB, i % 2 ? "raw" : "qcow2"));
    }
    g_assert_cmpint(cistern_pool_volume_count(pool), ==, COUNT);
    g_assert_cmpint(cistern_list_volumes(pool, &volumes, 0), ==, COUNT);
    for (int i = 0; i < COUNT; i++) {
        g_autofree char *name = g_strdup_printf("v%02d", i);
        g_assert_cmpstr(cistern_volume_name(volumes[i]), ==, name);
        cistern_volume_free(volumes[i]);
    }
    free(volumes);

    int seen = 0, count;
    g_autofree char *after = NULL;
    while ((count = cistern_list_volumes_page(pool, after, 10, &entries)) > 0) {
        for (int i = 0; i < count; i++, seen++) {
            g_assert_cmpstr(entries[i].format, ==, seen % 2 ? "raw" : "qcow2");
            g_assert_cmpuint(entries[i].capacity, ==, MIB);
            g_assert_true(g_str_has_suffix(entries[i].path, entries[i].name));
            g_assert_cmpstr(entries[i].backing, ==, "");
            g_assert_cmpstr(entries[i].problem, ==, "");
        }
        g_free(after);
        after = g_strdup(entries[count - 1].name);
        cistern_volume_entries_free(entries, count);
    }
    g_assert_cmpint(count, ==, 0);
    g_assert_cmpint(seen, ==, COUNT);
    cistern_volume_entries_free(entries, 0);
    must_fail(cistern_list_volumes_page(pool, NULL, 0, &entries) < 0,
              CISTERN_ERROR_INVALID_ARGUMENT);
    must_fail(cistern_list_volumes_page(pool, NULL, 4097, &entries) < 0,
              CISTERN_ERROR_INVALID_ARGUMENT);
    cistern_pool_free(pool);
}

/* ---- threads ---- */

typedef struct Worker {
    CisternPool *pool;
    int number;
} Worker;

static gpointer make_and_delete(gpointer data)
{
    Worker *worker = data;
    for (int i = 0; i < 20; i++) {
        g_autofree char *name = g_strdup_printf("v%d-%d", worker->number, i);
        CisternVolume *volume = create(worker->pool, name, MIB, "qcow2");
        must_fail(!cistern_find_volume(worker->pool, "none"), CISTERN_ERROR_NO_VOLUME);
        must(cistern_volume_delete(volume, 0) == 0);
        cistern_volume_free(volume);
    }
    return NULL;
}

static void test_threads(Fixture *fixture, gconstpointer unused)
{
    enum { COUNT = 4 };
    Worker workers[COUNT];
    GThread *threads[COUNT];
    CisternPool *pool = start(fixture, "p");
    for (int i = 0; i < COUNT; i++) {
        workers[i] = (Worker){pool, i};
        threads[i] = g_thread_new("worker", make_and_delete, &workers[i]);
    }
    for (int i = 0; i < COUNT; i++)
        g_thread_join(threads[i]);
    g_assert_cmpint(cistern_pool_volume_count(pool), ==, 0);
    cistern_pool_free(pool);
}

static gpointer wait_for_ever(gpointer connection)
{
    must_fail(cistern_dispatch_events(connection, -1) < 0, CISTERN_ERROR_RPC);
    return NULL;
}

/* cistern_close() ends the waiting of others. */
static void test_close_under_call(Fixture *fixture, gconstpointer unused)
{
    GThread *waiter = g_thread_new("waiter", wait_for_ever, fixture->connection);
    g_usleep(100000);
    cistern_close(g_steal_pointer(&fixture->connection));
    g_thread_join(waiter);
}

/* ---- events ---- */

static void note_event(CisternPool *pool, CisternPoolEvent event, void *data)
{
    g_string_append_printf(data, "%s:%d ", cistern_pool_name(pool), (int)event);
}

static void collect(Fixture *fixture, GString *seen, const char *wanted)
{
    while (strlen(seen->str) < strlen(wanted))
        g_assert_cmpint(cistern_dispatch_events(fixture->connection, 5000), >, 0);
    g_assert_cmpstr(seen->str, ==, wanted);
    g_string_truncate(seen, 0);
}

static void test_events(Fixture *fixture, gconstpointer unused)
{
    g_autoptr(GString) all = g_string_new(NULL), one = g_string_new(NULL);
    int id = cistern_event_register(fixture->connection, NULL, note_event, all);
    must(id >= 0);
    g_assert_cmpint(cistern_dispatch_events(fixture->connection, 0), ==, 0);
    CisternPool *pool = start(fixture, "p");
    int other = cistern_event_register(fixture->connection, pool, note_event, one);
    must(other >= 0 && other != id);
    must(cistern_pool_refresh(pool, 0) == 0);
    must(cistern_pool_stop(pool) == 0);
    cistern_pool_free(define(fixture, "q"));
    collect(fixture, all, "p:0 p:2 p:6 p:3 q:0 ");
    collect(fixture, one, "p:6 p:3 ");
    must(cistern_event_unregister(fixture->connection, id) == 0);
    must_fail(cistern_event_unregister(fixture->connection, id) < 0,
              CISTERN_ERROR_INVALID_ARGUMENT);
    must(cistern_pool_undefine(pool) == 0);
    collect(fixture, one, "p:1 ");
    g_assert_cmpstr(all->str, ==, "");
    must(cistern_event_unregister(fixture->connection, other) == 0);
    g_assert_cmpint(cistern_dispatch_events(fixture->connection, 20), ==, 0);
    cistern_pool_free(pool);
}

/* ---- jobs and progress ---- */

typedef struct Cancel {
    int calls;
    uint64_t done, total;
} Cancel;

static int cancel_soon(uint64_t done, uint64_t total, void *data)
{
    Cancel *cancel = data;
    cancel->calls++;
    cancel->done = done;
    cancel->total = total;
    return cancel->calls >= 3;
}

/* 35 passes take long enough to be stopped. */
static void test_cancel(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *scrub = g_find_program_in_path("scrub");
    if (!scrub) {
        g_test_skip("scrub is not installed");
        return;
    }
    Cancel cancel = {0};
    CisternPool *pool = start(fixture, "p");
    CisternVolume *volume = create(pool, "v", 256 * MIB, "raw");
    cistern_set_progress(fixture->connection, cancel_soon, &cancel);
    must_fail(cistern_volume_wipe(volume, CISTERN_WIPE_GUTMANN, 0) < 0, CISTERN_ERROR_ABORTED);
    g_assert_cmpint(cancel.calls, ==, 3);
    cistern_set_progress(fixture->connection, NULL, NULL);
    must(cistern_volume_delete(volume, 0) == 0);
    g_assert_cmpint(cancel.calls, ==, 3);
    cistern_volume_free(volume);
    cistern_pool_free(pool);
}

static gpointer wipe_thoroughly(gpointer volume)
{
    must_fail(cistern_volume_wipe(volume, CISTERN_WIPE_GUTMANN, 0) < 0, CISTERN_ERROR_ABORTED);
    return NULL;
}

static void test_jobs(Fixture *fixture, gconstpointer unused)
{
    CisternJob *jobs;
    int count;
    g_autofree char *scrub = g_find_program_in_path("scrub");
    g_assert_cmpint(cistern_list_jobs(fixture->connection, &jobs), ==, 0);
    cistern_jobs_free(jobs, 0);
    must_fail(cistern_job_cancel(fixture->connection, 12345) < 0, CISTERN_ERROR_INVALID_ARGUMENT);
    if (!scrub) {
        g_test_skip("scrub is not installed");
        return;
    }
    CisternPool *pool = start(fixture, "p");
    CisternVolume *volume = create(pool, "v", 256 * MIB, "raw");
    GThread *thread = g_thread_new("wipe", wipe_thoroughly, volume);
    while ((count = cistern_list_jobs(fixture->connection, &jobs)) == 0) {
        cistern_jobs_free(jobs, count);
        g_usleep(10000);
    }
    g_assert_cmpint(count, ==, 1);
    g_assert_cmpstr(jobs[0].operation, ==, "wipe");
    g_assert_cmpstr(jobs[0].pool, ==, "p");
    g_assert_cmpstr(jobs[0].volume, ==, "v");
    g_assert_cmpstr(jobs[0].client, ==, "embedded");
    g_assert_cmpint(llabs(jobs[0].started - g_get_real_time()), <, 60 * G_USEC_PER_SEC);
    must(cistern_job_cancel(fixture->connection, jobs[0].id) == 0);
    cistern_jobs_free(jobs, count);
    g_thread_join(thread);
    cistern_volume_free(volume);
    cistern_pool_free(pool);
}

/* ---- other processes, other boots ---- */

/* Another process that opens the URI, says so, and lets go when its stdin ends or after a time. */
static GPid start_holder(Fixture *fixture, const char *seconds, int *ret_stdin)
{
    char *argv[] = {(char *)own_path, (char *)"--hold", fixture->uri, (char *)seconds, NULL};
    GPid pid;
    int out;
    char byte;
    g_assert_true(g_spawn_async_with_pipes(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                                           &pid, ret_stdin, &out, NULL, NULL));
    g_assert_cmpint(read(out, &byte, 1), ==, 1);
    close(out);
    return pid;
}

static int hold(const char *uri, int seconds)
{
    CisternConnection *connection = cistern_open(uri, 0);
    char byte = '.';
    if (!connection || write(1, &byte, 1) != 1)
        return 1;
    if (seconds > 0)
        sleep((unsigned)seconds);
    else if (read(0, &byte, 1) < 0)
        return 1;
    cistern_close(connection);
    return 0;
}

static void test_wait_for_process(Fixture *fixture, gconstpointer unused)
{
    int in;
    cistern_close(g_steal_pointer(&fixture->connection));
    GPid pid = start_holder(fixture, "1", &in);
    fixture->connection = cistern_open(fixture->uri, 0);
    must(fixture->connection);
    close(in);
    g_spawn_close_pid(pid);
}

static void test_held_by_process(Fixture *fixture, gconstpointer unused)
{
    int in;
    cistern_close(g_steal_pointer(&fixture->connection));
    GPid pid = start_holder(fixture, "0", &in);
    g_autofree char *holder = g_strdup_printf("process %d (test-client-emb", (int)pid);
    must_fail(!cistern_open(fixture->uri, 0), CISTERN_ERROR_OPERATION_INVALID);
    if (!strstr(cistern_last_error()->message, holder))
        g_error("%s", cistern_last_error()->message);
    close(in);
    fixture->connection = cistern_open(fixture->uri, 0);
    must(fixture->connection);
    g_spawn_close_pid(pid);
}

/* A process that is killed leaves nothing that has to be cleaned up by hand. */
static void test_killed_process(Fixture *fixture, gconstpointer unused)
{
    int in;
    cistern_close(g_steal_pointer(&fixture->connection));
    GPid pid = start_holder(fixture, "0", &in);
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    fixture->connection = cistern_open(fixture->uri, 0);
    must(fixture->connection);
    close(in);
    g_spawn_close_pid(pid);
}

static void reopen_in(Fixture *fixture, const char *boot_id)
{
    g_autofree char *file = g_build_filename(fixture->folder, "state", "run", "autostarted", NULL);
    cistern_close(g_steal_pointer(&fixture->connection));
    if (boot_id)
        g_assert_true(g_file_set_contents(file, boot_id, -1, NULL));
    fixture->connection = cistern_open(fixture->uri, 0);
    must(fixture->connection);
}

static void check_active(Fixture *fixture, const char *name, int wanted)
{
    CisternPool *pool = cistern_find_pool(fixture->connection, name);
    g_assert_cmpint(pool ? cistern_pool_is_active(pool) : -1, ==, wanted);
    cistern_pool_free(pool);
}

/* Running pools stay so from process to process, not from boot to boot. */
static void test_boot(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *xml = pool_document(fixture, "transient");
    CisternPool *pools[] = {
        start(fixture, "plain"),
        start(fixture, "auto"),
        cistern_pool_create(fixture->connection, xml, CISTERN_POOL_CREATE_BUILD),
    };
    must(pools[2]);
    must(cistern_pool_set_autostart(pools[1], 1) == 0);
    for (size_t i = 0; i < G_N_ELEMENTS(pools); i++)
        cistern_pool_free(pools[i]);

    reopen_in(fixture, NULL);
    check_active(fixture, "plain", 1);
    check_active(fixture, "auto", 1);
    check_active(fixture, "transient", 1);

    reopen_in(fixture, "an earlier one");
    check_active(fixture, "plain", 0);
    check_active(fixture, "auto", 1);
    check_active(fixture, "transient", -1);
}

/* ---- default URI ---- */

static void test_default_uri(Fixture *fixture, gconstpointer unused)
{
    g_setenv("CISTERN_DEFAULT_URI", fixture->uri, TRUE);
    for (int i = 0; i < 2; i++) {
        CisternConnection *connection = cistern_open(i ? "" : NULL, 0);
        must(connection);
        g_assert_cmpstr(cistern_uri(connection), ==, fixture->uri);
        cistern_close(connection);
    }
    g_unsetenv("CISTERN_DEFAULT_URI");
}

#define ADD(path, func) g_test_add("/client" path, Fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    if (argc == 4 && g_str_equal(argv[1], "--hold"))
        return hold(argv[2], atoi(argv[3]));
    g_test_init(&argc, &argv, NULL);
    own_path = argv[0];
    g_test_add_func("/client/last-error", test_last_error);
    ADD("/null", test_null);
    ADD("/connection", test_connection);
    ADD("/closed", test_closed);
    ADD("/read-only", test_read_only);
    ADD("/shared", test_shared);
    ADD("/reopen", test_reopen);
    ADD("/define", test_define);
    ADD("/life", test_life);
    ADD("/transient", test_transient);
    ADD("/volume", test_volume);
    ADD("/clone", test_clone);
    ADD("/chain", test_chain);
    ADD("/pages", test_pages);
    ADD("/threads", test_threads);
    ADD("/close-under-call", test_close_under_call);
    ADD("/events", test_events);
    ADD("/cancel", test_cancel);
    ADD("/jobs", test_jobs);
    ADD("/process/wait", test_wait_for_process);
    ADD("/process/held", test_held_by_process);
    ADD("/process/killed", test_killed_process);
    ADD("/boot", test_boot);
    ADD("/default-uri", test_default_uri);
    return g_test_run();
}
