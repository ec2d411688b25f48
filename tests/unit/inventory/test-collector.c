/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collector.h"
#include "samples.h"

#include <pthread.h>
#include <string.h>

static void add_file(Scan *scan, guint i)
{
    g_autofree char *name = g_strdup_printf("file-%u", i);
    VolumeDef volume = sample_file(name, i);
    FileIdentity identity = sample_identity(i);

    scan->add(scan, &volume, &identity);
}

static bool keep_file(Scan *scan, guint i)
{
    g_autofree char *name = g_strdup_printf("file-%u", i);
    FileIdentity identity = sample_identity(i);

    return scan->keep(scan, name, &identity);
}

/* A snapshot of files 0 … count - 1, made by a first scan. */
static Inventory *first_scan(guint count)
{
    g_autoptr(Collector) collector = collector_new(SAMPLE_TARGET, NULL);
    g_auto(ScanResult) result = {0};

    for (guint i = 0; i < count; i++) {
        g_assert_false(keep_file(collector_scan(collector), i));
        add_file(collector_scan(collector), i);
    }
    collector_finish(collector, &result);
    g_assert_false(result.unchanged);
    g_assert_cmpuint(inventory_count(result.inventory), ==, count);
    return g_steal_pointer(&result.inventory);
}

static void test_first(void)
{
    g_autoptr(Inventory) inventory = first_scan(100);
    g_autoptr(VolumeRecord) record = inventory_find(inventory, "file-42");

    g_assert_cmpuint(volume_record_capacity(record), ==, 42);
}

static void test_unchanged(void)
{
    g_autoptr(Inventory) before = first_scan(100);
    g_autoptr(Collector) collector = collector_new(SAMPLE_TARGET, before);
    g_auto(ScanResult) result = {0};

    for (guint i = 100; i-- > 0;)
        g_assert_true(keep_file(collector_scan(collector), i));
    collector_finish(collector, &result);
    g_assert_true(result.unchanged);
    g_assert_true(result.inventory == before);
}

static void test_nothing_before_nothing_now(void)
{
    g_autoptr(Inventory) before = inventory_new_empty(SAMPLE_TARGET);
    g_autoptr(Collector) collector = collector_new(SAMPLE_TARGET, before);
    g_auto(ScanResult) result = {0};

    collector_finish(collector, &result);
    g_assert_true(result.unchanged);
    g_assert_true(result.inventory == before);
}

static void test_one_missing(void)
{
    g_autoptr(Inventory) before = first_scan(100);
    g_autoptr(Collector) collector = collector_new(SAMPLE_TARGET, before);
    g_auto(ScanResult) result = {0};

    for (guint i = 1; i < 100; i++)
        g_assert_true(keep_file(collector_scan(collector), i));
    collector_finish(collector, &result);
    g_assert_false(result.unchanged);
    g_assert_cmpuint(inventory_count(result.inventory), ==, 99);
    g_assert_null(inventory_find(result.inventory, "file-0"));
    g_assert_cmpuint(inventory_count(before), ==, 100);
}

/* A folder that changes while it is read can show one name twice: the count is right, the list
 * isn't. */
static void test_one_twice_one_missing(void)
{
    g_autoptr(Inventory) before = first_scan(100);
    g_autoptr(Collector) collector = collector_new(SAMPLE_TARGET, before);
    g_auto(ScanResult) result = {0};

    for (guint i = 1; i < 100; i++)
        g_assert_true(keep_file(collector_scan(collector), i));
    g_assert_true(keep_file(collector_scan(collector), 50));
    collector_finish(collector, &result);
    g_assert_false(result.unchanged);
    g_assert_cmpuint(inventory_count(result.inventory), ==, 99);
}

static void test_one_changed(void)
{
    g_autoptr(Inventory) before = first_scan(100);
    g_autoptr(Collector) collector = collector_new(SAMPLE_TARGET, before);
    Scan *scan = collector_scan(collector);
    FileIdentity identity = sample_identity(7);
    VolumeDef volume = sample_file("file-7", 4711);
    g_auto(ScanResult) result = {0};

    identity.ctime++;
    g_assert_false(scan->keep(scan, "file-7", &identity));
    scan->add(scan, &volume, &identity);
    for (guint i = 0; i < 100; i++)
        if (i != 7)
            g_assert_true(keep_file(scan, i));
    collector_finish(collector, &result);
    g_assert_false(result.unchanged);

    g_autoptr(VolumeRecord) old = inventory_find(before, "file-7");
    g_autoptr(VolumeRecord) new = inventory_find(result.inventory, "file-7");
    g_autoptr(VolumeRecord) kept_before = inventory_find(before, "file-8");
    g_autoptr(VolumeRecord) kept = inventory_find(result.inventory, "file-8");
    g_assert_cmpuint(volume_record_capacity(old), ==, 7);
    g_assert_cmpuint(volume_record_capacity(new), ==, 4711);
    g_assert_true(kept == kept_before);
}

static void test_other_target(void)
{
    g_autoptr(Inventory) before = first_scan(3);
    g_autoptr(Collector) collector = collector_new("/elsewhere", before);
    g_auto(ScanResult) result = {0};

    g_assert_false(keep_file(collector_scan(collector), 1));
    collector_finish(collector, &result);
    g_assert_false(result.unchanged);
    g_assert_cmpstr(inventory_target_path(result.inventory), ==, "/elsewhere");
}

static void test_state_of_pool(void)
{
    g_autoptr(Collector) collector = collector_new(NULL, NULL);
    Scan *scan = collector_scan(collector);
    PoolSpace first = {1, 2, 3}, second = {30, 20, 10};
    Permissions permissions = {.mode = 0711, .uid = 1, .gid = 2, .label = (char *)"label"};
    FreeExtent extents[] = {{0, 10}, {20, 30}};
    g_auto(ScanResult) result = {0};

    scan->set_space(scan, &first, &permissions);
    scan->set_space(scan, &second, &permissions);
    scan->set_free_extents(scan, extents, 1);
    scan->set_free_extents(scan, extents, 2);
    scan->set_degraded(scan, "half of it");
    scan->set_degraded(scan, "all of it");
    collector_finish(collector, &result);
    g_assert_true(result.has_space && result.has_permissions && result.has_free_extents);
    g_assert_cmpuint(result.space.capacity, ==, 30);
    g_assert_cmpuint(result.space.available, ==, 10);
    g_assert_cmpuint(result.permissions.mode, ==, 0711);
    g_assert_cmpstr(result.permissions.label, ==, "label");
    g_assert_cmpuint(result.n_free_extents, ==, 2);
    g_assert_cmpuint(result.free_extents[1].end, ==, 30);
    g_assert_cmpstr(result.degraded, ==, "all of it");
}

static void test_nothing_reported(void)
{
    g_autoptr(Collector) collector = collector_new(NULL, NULL);
    g_auto(ScanResult) result = {0};

    collector_finish(collector, &result);
    g_assert_false(result.has_space || result.has_permissions || result.has_free_extents);
    g_assert_null(result.degraded);
    g_assert_cmpuint(result.permissions.mode, ==, MODE_UNSET);
    g_assert_cmpuint(inventory_count(result.inventory), ==, 0);
}

/* A scan that failed: whatever it had reported is released (the leak checker looks). */
static void test_given_up(void)
{
    g_autoptr(Inventory) before = first_scan(10);
    g_autoptr(Collector) collector = collector_new(SAMPLE_TARGET, before);

    g_assert_true(keep_file(collector_scan(collector), 3));
    add_file(collector_scan(collector), 11);
}

/* ---- many threads ---- */

enum { THREADS = 32, FILES = 20000 };

typedef struct Crew {
    Scan *scan;
    gint next;
} Crew;

/* Of 20,000 files every tenth is new. */
static void *scan_files(void *data)
{
    Crew *crew = data;
    gint i;

    while ((i = g_atomic_int_add(&crew->next, 1)) < FILES)
        if (!keep_file(crew->scan, (guint)i)) {
            g_assert_cmpint(i % 10, ==, 0);
            add_file(crew->scan, (guint)i);
        }
    return NULL;
}

static Inventory *nine_of_ten(void)
{
    g_autoptr(Collector) collector = collector_new(SAMPLE_TARGET, NULL);
    g_auto(ScanResult) result = {0};

    for (guint i = 0; i < FILES; i++)
        if (i % 10 != 0)
            add_file(collector_scan(collector), i);
    collector_finish(collector, &result);
    return g_steal_pointer(&result.inventory);
}

static void test_threads(void)
{
    g_autoptr(Inventory) before = nine_of_ten();
    g_autoptr(Collector) collector = collector_new(SAMPLE_TARGET, before);
    Crew crew = {collector_scan(collector), 0};
    g_auto(ScanResult) result = {0};
    pthread_t threads[THREADS];

    for (guint i = 0; i < THREADS; i++)
        g_assert_cmpint(pthread_create(&threads[i], NULL, scan_files, &crew), ==, 0);
    for (guint i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    collector_finish(collector, &result);
    g_assert_cmpuint(inventory_count(result.inventory), ==, FILES);
    for (guint i = 0; i < FILES; i++) {
        g_autofree char *name = g_strdup_printf("file-%u", i);
        g_autoptr(VolumeRecord) record = inventory_find(result.inventory, name);
        g_autoptr(VolumeRecord) old = inventory_find(before, name);
        g_assert_cmpuint(volume_record_capacity(record), ==, i);
        g_assert_true(i % 10 == 0 ? old == NULL : old == record);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collector/first", test_first);
    g_test_add_func("/collector/unchanged", test_unchanged);
    g_test_add_func("/collector/nothing-before-nothing-now", test_nothing_before_nothing_now);
    g_test_add_func("/collector/one-missing", test_one_missing);
    g_test_add_func("/collector/one-twice-one-missing", test_one_twice_one_missing);
    g_test_add_func("/collector/one-changed", test_one_changed);
    g_test_add_func("/collector/other-target", test_other_target);
    g_test_add_func("/collector/state-of-pool", test_state_of_pool);
    g_test_add_func("/collector/nothing-reported", test_nothing_reported);
    g_test_add_func("/collector/given-up", test_given_up);
    g_test_add_func("/collector/threads", test_threads);
    return g_test_run();
}
