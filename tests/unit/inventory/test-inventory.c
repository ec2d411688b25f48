/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inventory.h"
#include "samples.h"

#include <pthread.h>
#include <string.h>

/* ---- a model: the same volumes in a sorted array ---- */

typedef struct Model {
    GPtrArray *records; /* VolumeRecord, ordered by name */
} Model;

static guint model_index(const Model *model, const char *name, bool *ret_found)
{
    guint low = 0, high = model->records->len;

    while (low < high) {
        guint middle = (low + high) / 2;
        int order = strcmp(volume_record_name(g_ptr_array_index(model->records, middle)), name);
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_found = false;
    return low;
}

static void model_put(Model *model, VolumeRecord *record)
{
    bool found;
    guint at = model_index(model, volume_record_name(record), &found);

    if (found)
        g_ptr_array_remove_index(model->records, at);
    g_ptr_array_insert(model->records, (gint)at, volume_record_ref(record));
}

static void model_drop(Model *model, const char *name)
{
    bool found;
    guint at = model_index(model, name, &found);

    if (found)
        g_ptr_array_remove_index(model->records, at);
}

static Model *model_new(void)
{
    Model *model = g_new(Model, 1);

    model->records = g_ptr_array_new_with_free_func((GDestroyNotify)volume_record_unref);
    return model;
}

static void model_free(Model *model)
{
    g_ptr_array_unref(model->records);
    g_free(model);
}

static Model *model_copy(const Model *model)
{
    Model *copy = model_new();

    for (guint i = 0; i < model->records->len; i++)
        g_ptr_array_add(copy->records, volume_record_ref(g_ptr_array_index(model->records, i)));
    return copy;
}

typedef struct Walk {
    const Model *model;
    guint at, left;
} Walk;

static bool check_next(VolumeRecord *record, void *data)
{
    Walk *walk = data;

    g_assert_cmpuint(walk->at, <, walk->model->records->len);
    g_assert_true(record == g_ptr_array_index(walk->model->records, walk->at));
    walk->at++;
    return --walk->left > 0;
}

static void assert_is_model(const Inventory *inventory, const Model *model)
{
    Walk walk = {model, 0, G_MAXUINT};

    g_assert_cmpuint(inventory_count(inventory), ==, model->records->len);
    inventory_foreach(inventory, NULL, check_next, &walk);
    g_assert_cmpuint(walk.at, ==, model->records->len);
}

/* A page of the list behind some name, there or not. */
static void assert_page(const Inventory *inventory, const Model *model, const char *after)
{
    bool found;
    guint start = model_index(model, after, &found) + (found ? 1 : 0);
    Walk walk = {model, start, 100};

    inventory_foreach(inventory, after, check_next, &walk);
    g_assert_cmpuint(walk.at, ==, MIN(start + 100, model->records->len));
}

static void assert_finds(VolumeRecord *found, VolumeRecord *expected)
{
    g_assert_true(found == expected);
    volume_record_unref(found);
}

/* ---- random edits ---- */

enum { NAMES = 4000 };

static char *key_of(guint i)
{
    return g_strdup_printf("key-%u", i);
}

/* Kinds of volumes by number: derived from the name, with own key, with own key and path. Now and
 * then another kind, so that replacing changes the trees a volume is in. */
static VolumeRecord *random_record(GRand *rand, guint i)
{
    g_autofree char *name = g_strdup_printf("vm-%04u.img", i);
    g_autofree char *key = key_of(i);
    g_autofree char *path = g_strdup_printf("/dev/vg/lv-%u", i);
    gint32 kind = g_rand_int_range(rand, 0, 3);

    if (kind == 0)
        return sample_record(name, g_rand_int(rand));
    return sample_device(name, key, kind == 1 ? NULL : path);
}

static void assert_lookups(const Inventory *inventory, const Model *model, guint i)
{
    g_autofree char *name = g_strdup_printf("vm-%04u.img", i);
    g_autofree char *derived = g_strdup_printf(SAMPLE_TARGET "/vm-%04u.img", i);
    g_autofree char *own_path = g_strdup_printf("/dev/vg/lv-%u", i);
    g_autofree char *own_key = key_of(i);
    bool found;
    guint at = model_index(model, name, &found);
    VolumeRecord *expected = found ? g_ptr_array_index(model->records, at) : NULL;
    bool has_key = expected && volume_record_own_key(expected);
    bool has_path = expected && volume_record_own_path(expected);

    assert_finds(inventory_find(inventory, name), expected);
    assert_finds(inventory_find_key(inventory, own_key), has_key ? expected : NULL);
    assert_finds(inventory_find_key(inventory, derived), has_key ? NULL : expected);
    assert_finds(inventory_find_path(inventory, own_path), has_path ? expected : NULL);
    assert_finds(inventory_find_path(inventory, derived), has_path ? NULL : expected);
}

typedef struct Snapshot {
    Inventory *inventory;
    Model *model;
} Snapshot;

static void snapshot_check_and_clear(void *data)
{
    Snapshot *snapshot = data;

    assert_is_model(snapshot->inventory, snapshot->model);
    inventory_unref(snapshot->inventory);
    model_free(snapshot->model);
}

static void set_inventory(Inventory **inventory, Inventory *next)
{
    inventory_unref(*inventory);
    *inventory = next;
}

static void random_edit(GRand *rand, Inventory **inventory, Model *model, bool growing)
{
    guint i = (guint)g_rand_int_range(rand, 0, NAMES);

    if (g_rand_int_range(rand, 0, 10) < (growing ? 7 : 3)) {
        g_autoptr(VolumeRecord) record = random_record(rand, i);
        set_inventory(inventory, inventory_with(*inventory, record));
        model_put(model, record);
    } else {
        g_autofree char *name = g_strdup_printf("vm-%04u.img", i);
        set_inventory(inventory, inventory_without(*inventory, name));
        model_drop(model, name);
    }
}

static void test_random_edits(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(815);
    g_autoptr(GArray) snapshots = g_array_new(FALSE, FALSE, sizeof(Snapshot));
    g_autoptr(Inventory) inventory = inventory_new_empty(SAMPLE_TARGET);
    Model *model = model_new();

    g_array_set_clear_func(snapshots, snapshot_check_and_clear);
    for (guint step = 0; step < 100000; step++) {
        random_edit(rand, &inventory, model, step / 20000 % 2 == 0);
        if (step % 2500 == 0) {
            Snapshot snapshot = {inventory_ref(inventory), model_copy(model)};
            g_array_append_val(snapshots, snapshot);
        }
        if (step % 10 == 0)
            assert_lookups(inventory, model, (guint)g_rand_int_range(rand, 0, NAMES));
        if (step % 1000 == 0) {
            g_autofree char *after = g_strdup_printf("vm-%d", g_rand_int_range(rand, 0, 9999));
            assert_is_model(inventory, model);
            assert_page(inventory, model, after);
        }
    }
    model_free(model);
}

static void test_down_to_nothing(void)
{
    g_autoptr(Inventory) inventory = inventory_new_empty(SAMPLE_TARGET);

    for (guint round = 0; round < 2; round++) {
        for (guint i = 0; i < 1000; i++) {
            g_autofree char *name = g_strdup_printf("%u", i * 7919 % 1000);
            g_autoptr(VolumeRecord) record = sample_record(name, i);
            set_inventory(&inventory, inventory_with(inventory, record));
        }
        g_assert_cmpuint(inventory_count(inventory), ==, 1000);
        for (guint i = 0; i < 1000; i++) {
            g_autofree char *name = g_strdup_printf("%u", i * 7907 % 1000);
            set_inventory(&inventory, inventory_without(inventory, name));
        }
        g_assert_cmpuint(inventory_count(inventory), ==, 0);
        g_assert_null(inventory_find(inventory, "1"));
        g_assert_null(inventory_find_path(inventory, SAMPLE_TARGET "/1"));
    }
}

/* ---- building in bulk ---- */

typedef enum Order { IN_ORDER, REVERSED, SHUFFLED } Order;

static guint place(Order order, guint i, guint count)
{
    if (order == SHUFFLED)
        return (guint)((guint64)i * 7919 % count);
    return order == IN_ORDER ? i : count - 1 - i;
}

static Inventory *build(Model *model, guint count, Order order)
{
    g_autofree VolumeRecord **records = g_new(VolumeRecord *, count);

    for (guint i = 0; i < count; i++) {
        g_autofree char *name = g_strdup_printf("vm-%07u.qcow2", place(order, i, count));
        records[i] = sample_record(name, i);
        if (model)
            model_put(model, records[i]);
    }
    return inventory_build(SAMPLE_TARGET, records, count);
}

static void test_build(void)
{
    static const guint counts[] = {0, 1, 2, 56, 57, 64, 65, 127, 128, 129, 3584, 4097, 10000};

    for (guint i = 0; i < G_N_ELEMENTS(counts); i++)
        for (Order order = IN_ORDER; order <= SHUFFLED; order++) {
            Model *model = model_new();
            g_autoptr(Inventory) inventory = build(model, counts[i], order);
            g_autoptr(VolumeRecord) record = sample_record("vm-00000000", 1);
            assert_is_model(inventory, model);
            g_autoptr(Inventory) with = inventory_with(inventory, record);
            assert_is_model(inventory, model);
            model_put(model, record);
            assert_is_model(with, model);
            model_free(model);
        }
}

static void test_same_names(void)
{
    VolumeRecord *records[] = {
        sample_record("b", 1), sample_record("a", 2), sample_record("b", 3),
        sample_record("a", 4), sample_record("b", 5),
    };
    g_autoptr(Inventory) inventory = inventory_build(SAMPLE_TARGET, records, G_N_ELEMENTS(records));
    g_autoptr(VolumeRecord) a = inventory_find(inventory, "a");
    g_autoptr(VolumeRecord) b = inventory_find(inventory, "b");

    g_assert_cmpuint(inventory_count(inventory), ==, 2);
    g_assert_cmpuint(volume_record_capacity(a), ==, 4);
    g_assert_cmpuint(volume_record_capacity(b), ==, 5);
}

/* Names that agree in their first eight bytes and more, are prefixes of each other, or hold bytes
 * beyond ASCII. */
static void test_awkward_names(void)
{
    static const char *const names[] = {
        "x-aaaaaaaaaaaaaaab",
        "x-aaaaaaaaaaaaaaaa",
        "x-aaaaaaaa",
        "x-aaaaaaa",
        "x-",
        "x-\xff\xfe",
        "x-\x01",
        "x-aaaaaaaaa",
        "x-\n",
        "x-\xc3\xa4",
    };
    Model *model = model_new();
    VolumeRecord *records[G_N_ELEMENTS(names)];

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        records[i] = sample_record(names[i], i);
        model_put(model, records[i]);
    }
    g_autoptr(Inventory) inventory = inventory_build(SAMPLE_TARGET, records, G_N_ELEMENTS(records));
    assert_is_model(inventory, model);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(VolumeRecord) record = inventory_find(inventory, names[i]);
        g_assert_cmpuint(volume_record_capacity(record), ==, i);
    }
    model_free(model);
}

/* ---- keys and paths ---- */

static void assert_key_leads_to(const Inventory *inventory, const char *key, const char *name)
{
    g_autoptr(VolumeRecord) record = inventory_find_key(inventory, key);

    g_assert_cmpstr(record ? volume_record_name(record) : NULL, ==, name);
}

static void test_clashing_keys(void)
{
    VolumeRecord *records[] = {
        sample_device("c", "same", "/dev/c"),
        sample_device("a", "same", "/dev/a"),
        sample_device("b", "same", "/dev/b"),
        sample_device("d", "other", "/dev/d"),
    };
    g_autoptr(Inventory) all = inventory_build(SAMPLE_TARGET, records, G_N_ELEMENTS(records));
    g_autoptr(Inventory) without_c = inventory_without(all, "c");
    g_autoptr(Inventory) without_b = inventory_without(without_c, "b");
    g_autoptr(Inventory) without_a = inventory_without(without_b, "a");

    g_assert_cmpuint(inventory_count(all), ==, 4);
    assert_key_leads_to(all, "same", "c");
    assert_key_leads_to(without_c, "same", "b");
    assert_key_leads_to(without_b, "same", "a");
    assert_key_leads_to(without_a, "same", NULL);
    assert_key_leads_to(without_a, "other", "d");
}

/* One volume's own key is what another's would be derived to. */
static void test_derived_before_claimed(void)
{
    VolumeRecord *records[] = {
        sample_record("plain", 1),
        sample_device("claims", SAMPLE_TARGET "/plain", "/dev/x"),
    };
    g_autoptr(Inventory) both = inventory_build(SAMPLE_TARGET, records, G_N_ELEMENTS(records));
    g_autoptr(Inventory) rest = inventory_without(both, "plain");

    assert_key_leads_to(both, SAMPLE_TARGET "/plain", "plain");
    assert_key_leads_to(rest, SAMPLE_TARGET "/plain", "claims");
}

static void test_paths_that_are_not_ours(void)
{
    VolumeRecord *records[] = {sample_record("v", 1)};
    g_autoptr(Inventory) inventory = inventory_build(SAMPLE_TARGET, records, 1);
    static const char *const others[] = {
        "",
        "/",
        "v",
        SAMPLE_TARGET,
        SAMPLE_TARGET "/",
        SAMPLE_TARGET "v",
        SAMPLE_TARGET "//v",
        SAMPLE_TARGET "/v/",
        "/srv/imagesv",
    };

    assert_key_leads_to(inventory, SAMPLE_TARGET "/v", "v");
    for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
        g_assert_null(inventory_find_path(inventory, others[i]));
        g_assert_null(inventory_find_key(inventory, others[i]));
    }
}

static void test_target_is_root(void)
{
    VolumeDef volume = sample_file("v", 1);

    volume.key = volume.target.path = (char *)"/v";
    VolumeRecord *records[] = {volume_record_new(&volume, NULL, "/")};
    g_assert_null(volume_record_own_path(records[0]));
    g_autoptr(Inventory) inventory = inventory_build("/", records, 1);
    assert_key_leads_to(inventory, "/v", "v");
}

/* ---- size ---- */

/* A folder's usual mix: qcow2 files, overlays, raw files; and logical volumes with key and
 * extent. */
static VolumeRecord *mixed_record(guint i)
{
    g_autofree char *name = g_strdup_printf("machine-%05u-disk0", i);
    g_autofree char *base = g_strdup_printf(SAMPLE_TARGET "/templates/base-image-%u.qcow2", i % 9);
    VolumeExtent extent = {(char *)"/dev/disk/by-id/nvme-1", i * 4096ull, i * 8192ull};
    FileIdentity identity = sample_identity(i);
    VolumeDef volume = sample_file(name, i);

    if (i % 4 == 0)
        return volume_record_new(&volume, &identity, SAMPLE_TARGET);
    if (i % 4 == 1) {
        volume.has_backing = true;
        volume.backing.path = base;
        volume.backing.format = IMAGE_FORMAT_QCOW2;
        volume.backing.permissions = volume.target.permissions;
        volume.backing.permissions.label = (char *)"system_u:object_r:virt_content_t:s0";
    } else if (i % 4 == 2) {
        volume.key = (char *)"fSLSZH-zAS2-abcd-efgh-ijkl-mnop-qrstuv";
        volume.extents = &extent;
        volume.n_extents = 1;
    } else {
        volume.target.compat = NULL;
        volume.problem = (char *)"cannot open: Permission denied";
    }
    return volume_record_new(&volume, &identity, SAMPLE_TARGET);
}

static void test_memory(void)
{
    enum { COUNT = 100000 };
    g_autofree VolumeRecord **records = g_new(VolumeRecord *, COUNT);

    for (guint i = 0; i < COUNT; i++)
        records[i] = mixed_record(i);
    g_autoptr(Inventory) mixed = inventory_build(SAMPLE_TARGET, records, COUNT);
    g_autoptr(Inventory) plain = build(NULL, COUNT, IN_ORDER);
    guint64 per_mixed = inventory_memory(mixed) / COUNT;
    guint64 per_plain = inventory_memory(plain) / COUNT;

    g_test_message("bytes per volume: %" G_GUINT64_FORMAT " mixed, %" G_GUINT64_FORMAT " plain",
                   per_mixed, per_plain);
    g_assert_cmpuint(per_mixed, <=, 400);
    g_assert_cmpuint(per_plain, <=, 250);
}

/* A million volumes in any order are listed at once and found as fast as a few. */
static void test_million(void)
{
    enum { COUNT = 1000000, EDITS = 20000 };

    gint64 start = g_get_monotonic_time();
    g_autofree VolumeRecord **records = g_new(VolumeRecord *, COUNT);
    for (guint i = 0; i < COUNT; i++) {
        g_autofree char *name = g_strdup_printf("vm-%07u.qcow2", place(SHUFFLED, i, COUNT));
        records[i] = sample_record(name, i);
    }
    gint64 packed = g_get_monotonic_time();
    g_autoptr(Inventory) inventory = inventory_build(SAMPLE_TARGET, records, COUNT);
    gint64 built = g_get_monotonic_time();
    for (guint i = 0; i < COUNT; i++) {
        char name[32];
        g_snprintf(name, sizeof name, "vm-%07u.qcow2", (guint)(i * 7907ull % COUNT));
        g_autoptr(VolumeRecord) record = inventory_find(inventory, name);
        g_assert_nonnull(record);
    }
    gint64 found = g_get_monotonic_time();
    for (guint i = 0; i < EDITS; i++) {
        g_autoptr(VolumeRecord) record = sample_record("vm-0500000.qcow2", i);
        set_inventory(&inventory, inventory_with(inventory, record));
    }
    gint64 edited = g_get_monotonic_time();
    g_test_message("pack %.2f µs, build %.3f s, find %.2f µs, edit %.2f µs",
                   (double)(packed - start) / COUNT, (double)(built - packed) / 1e6,
                   (double)(found - built) / COUNT, (double)(edited - found) / EDITS);
    g_assert_cmpuint(inventory_memory(inventory) / COUNT, <=, 250);
}

/* ---- readers beside a writer ---- */

enum { SHARED_NAMES = 500, READERS = 4 };

typedef struct Shared {
    pthread_mutex_t lock;
    Inventory *current;
    gint stop;
} Shared;

static Inventory *take_current(Shared *shared)
{
    pthread_mutex_lock(&shared->lock);
    Inventory *inventory = inventory_ref(shared->current);
    pthread_mutex_unlock(&shared->lock);
    return inventory;
}

static bool count_record(VolumeRecord *record, void *data)
{
    g_assert_cmpuint(volume_record_allocation(record), ==, volume_record_capacity(record) / 2);
    ++*(guint64 *)data;
    return true;
}

static void *read_all_the_time(void *data)
{
    Shared *shared = data;
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    while (!g_atomic_int_get(&shared->stop)) {
        g_autoptr(Inventory) inventory = take_current(shared);
        guint64 count = 0;
        inventory_foreach(inventory, NULL, count_record, &count);
        g_assert_cmpuint(count, ==, inventory_count(inventory));
        for (guint i = 0; i < 100; i++) {
            g_autofree char *name = g_strdup_printf("%d", g_rand_int_range(rand, 0, SHARED_NAMES));
            g_autoptr(VolumeRecord) record = inventory_find(inventory, name);
            if (record)
                g_assert_cmpstr(volume_record_name(record), ==, name);
        }
    }
    return NULL;
}

static Inventory *next_inventory(GRand *rand, const Inventory *inventory)
{
    g_autofree char *name = g_strdup_printf("%d", g_rand_int_range(rand, 0, SHARED_NAMES));

    if (g_rand_int_range(rand, 0, 3) == 0)
        return inventory_without(inventory, name);
    g_autoptr(VolumeRecord) record = sample_record(name, g_rand_int(rand));
    return inventory_with(inventory, record);
}

static void test_readers_and_writer(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(2);
    Shared shared = {.current = inventory_new_empty(SAMPLE_TARGET)};
    pthread_t readers[READERS];

    pthread_mutex_init(&shared.lock, NULL);
    for (guint i = 0; i < READERS; i++)
        g_assert_cmpint(pthread_create(&readers[i], NULL, read_all_the_time, &shared), ==, 0);
    for (guint i = 0; i < 20000; i++) {
        Inventory *next = next_inventory(rand, shared.current);
        pthread_mutex_lock(&shared.lock);
        Inventory *old = shared.current;
        shared.current = next;
        pthread_mutex_unlock(&shared.lock);
        inventory_unref(old);
    }
    g_atomic_int_set(&shared.stop, 1);
    for (guint i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    inventory_unref(shared.current);
    pthread_mutex_destroy(&shared.lock);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/inventory/random-edits", test_random_edits);
    g_test_add_func("/inventory/down-to-nothing", test_down_to_nothing);
    g_test_add_func("/inventory/build", test_build);
    g_test_add_func("/inventory/same-names", test_same_names);
    g_test_add_func("/inventory/awkward-names", test_awkward_names);
    g_test_add_func("/inventory/clashing-keys", test_clashing_keys);
    g_test_add_func("/inventory/derived-before-claimed", test_derived_before_claimed);
    g_test_add_func("/inventory/paths-that-are-not-ours", test_paths_that_are_not_ours);
    g_test_add_func("/inventory/target-is-root", test_target_is_root);
    g_test_add_func("/inventory/memory", test_memory);
    g_test_add_func("/inventory/million", test_million);
    g_test_add_func("/inventory/readers-and-writer", test_readers_and_writer);
    return g_test_run();
}
