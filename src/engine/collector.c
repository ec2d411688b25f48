/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collector.h"

#include <pthread.h>

/* A scan's threads report at once: each has, but for collisions, a list and lock of its own. */
enum { SHARDS = 64 };

typedef struct Shard {
    pthread_mutex_t lock;
    GPtrArray *records;
    guint64 added;    /* records that are new */
    guint64 kept_sum; /* of the marks of kept records */
} __attribute__((aligned(64))) Shard;

struct Collector {
    Scan scan;
    char *target_path;
    Inventory *previous; /* or NULL */
    Shard shards[SHARDS];
    pthread_mutex_t lock; /* for `result`, whose inventory is set at the end */
    ScanResult result;
};

static Collector *from_scan(Scan *scan)
{
    return (void *)scan; /* its first member */
}

G_STATIC_ASSERT(offsetof(Collector, scan) == 0);

/* Thread handles are addresses of stacks, alike in their low bits. */
static Shard *own_shard(Collector *collector)
{
    guint64 thread = (guint64)pthread_self();

    return &collector->shards[(thread * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15)) >> 58];
}

/* A number for a record, such that different sets of records have different sums. */
static guint64 record_mark(const VolumeRecord *record)
{
    guint64 mark = (guint64)(guintptr)record * G_GUINT64_CONSTANT(0xff51afd7ed558ccd);

    mark = (mark ^ mark >> 33) * G_GUINT64_CONSTANT(0xc4ceb9fe1a85ec53);
    return mark ^ mark >> 33;
}

/* Takes over the reference. */
static void report(Collector *collector, VolumeRecord *record, bool kept)
{
    Shard *shard = own_shard(collector);

    pthread_mutex_lock(&shard->lock);
    g_ptr_array_add(shard->records, record);
    if (kept)
        shard->kept_sum += record_mark(record);
    else
        shard->added++;
    pthread_mutex_unlock(&shard->lock);
}

static bool scan_keep(Scan *scan, const char *name, const FileIdentity *identity)
{
    Collector *collector = from_scan(scan);

    if (!collector->previous)
        return false;
    g_autoptr(VolumeRecord) record = inventory_find(collector->previous, name);
    if (!record || !volume_record_has_identity(record, identity))
        return false;
    report(collector, g_steal_pointer(&record), true);
    return true;
}

static void scan_add(Scan *scan, const VolumeDef *volume, const FileIdentity *identity)
{
    Collector *collector = from_scan(scan);

    report(collector, volume_record_new(volume, identity, collector->target_path), false);
}

static void scan_set_space(Scan *scan, const PoolSpace *space, const Permissions *permissions)
{
    Collector *collector = from_scan(scan);
    ScanResult *result = &collector->result;

    pthread_mutex_lock(&collector->lock);
    result->has_space = true;
    result->space = *space;
    if (permissions) {
        g_free(result->permissions.label);
        result->has_permissions = true;
        result->permissions = *permissions;
        result->permissions.label = g_strdup(permissions->label);
    }
    pthread_mutex_unlock(&collector->lock);
}

static void scan_set_free_extents(Scan *scan, const FreeExtent *extents, guint count)
{
    Collector *collector = from_scan(scan);
    ScanResult *result = &collector->result;

    pthread_mutex_lock(&collector->lock);
    g_free(result->free_extents);
    result->has_free_extents = true;
    result->free_extents = g_memdup2(extents, count * sizeof *extents);
    result->n_free_extents = count;
    pthread_mutex_unlock(&collector->lock);
}

static void scan_set_thin_pools(Scan *scan, const ThinPool *thin_pools, guint count)
{
    Collector *collector = from_scan(scan);
    ScanResult *result = &collector->result;

    pthread_mutex_lock(&collector->lock);
    thin_pools_free(result->thin_pools, result->n_thin_pools);
    result->has_thin_pools = true;
    result->thin_pools = thin_pools_copy(thin_pools, count);
    result->n_thin_pools = count;
    pthread_mutex_unlock(&collector->lock);
}

static void scan_set_degraded(Scan *scan, const char *reason)
{
    Collector *collector = from_scan(scan);

    pthread_mutex_lock(&collector->lock);
    g_free(collector->result.degraded);
    collector->result.degraded = g_strdup(reason);
    pthread_mutex_unlock(&collector->lock);
}

Collector *collector_new(const char *target_path, Inventory *previous)
{
    Collector *collector = g_aligned_alloc0(1, sizeof *collector, _Alignof(Collector));

    collector->scan =
        (Scan){scan_keep,           scan_add,         scan_set_space, scan_set_free_extents,
               scan_set_thin_pools, scan_set_degraded};
    collector->target_path = g_strdup(target_path);
    if (previous && g_strcmp0(inventory_target_path(previous), target_path) == 0)
        collector->previous = inventory_ref(previous);
    for (guint i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&collector->shards[i].lock, NULL);
        collector->shards[i].records =
            g_ptr_array_new_with_free_func((GDestroyNotify)volume_record_unref);
    }
    pthread_mutex_init(&collector->lock, NULL);
    collector->result.permissions = PERMISSIONS_INIT;
    return collector;
}

void collector_free(Collector *collector)
{
    if (!collector)
        return;
    for (guint i = 0; i < SHARDS; i++) {
        pthread_mutex_destroy(&collector->shards[i].lock);
        g_ptr_array_unref(collector->shards[i].records);
    }
    pthread_mutex_destroy(&collector->lock);
    scan_result_clear(&collector->result);
    inventory_unref(collector->previous);
    g_free(collector->target_path);
    g_aligned_free(collector);
}

Scan *collector_scan(Collector *collector)
{
    return &collector->scan;
}

static guint64 count_reports(const Collector *collector, guint64 *ret_added)
{
    guint64 count = 0;

    *ret_added = 0;
    for (guint i = 0; i < SHARDS; i++) {
        count += collector->shards[i].records->len;
        *ret_added += collector->shards[i].added;
    }
    return count;
}

static bool add_mark(VolumeRecord *record, void *data)
{
    *(guint64 *)data += record_mark(record);
    return true;
}

/* Counts alone don't tell: a folder that changes while it is read may show one name twice. */
static bool is_unchanged(const Collector *collector)
{
    guint64 added, kept_sum = 0, previous_sum = 0;
    guint64 count = count_reports(collector, &added);

    if (!collector->previous || added > 0 || count != inventory_count(collector->previous))
        return false;
    for (guint i = 0; i < SHARDS; i++)
        kept_sum += collector->shards[i].kept_sum;
    inventory_foreach(collector->previous, NULL, add_mark, &previous_sum);
    return kept_sum == previous_sum;
}

/* Hands all records over to a new snapshot. */
static Inventory *build_inventory(Collector *collector)
{
    guint64 added, count = count_reports(collector, &added), n = 0;
    g_autofree VolumeRecord **records = g_new(VolumeRecord *, count);

    for (guint i = 0; i < SHARDS; i++) {
        g_autoptr(GPtrArray) own = collector->shards[i].records;
        for (guint r = 0; r < own->len; r++)
            records[n++] = g_ptr_array_index(own, r);
        g_ptr_array_set_free_func(own, NULL);
        collector->shards[i].records =
            g_ptr_array_new_with_free_func((GDestroyNotify)volume_record_unref);
    }
    return inventory_build(collector->target_path, records, n);
}

void collector_finish(Collector *collector, ScanResult *ret)
{
    *ret = collector->result;
    collector->result = (ScanResult){.permissions = PERMISSIONS_INIT};
    ret->unchanged = is_unchanged(collector);
    ret->inventory =
        ret->unchanged ? inventory_ref(collector->previous) : build_inventory(collector);
}

void scan_result_clear(ScanResult *result)
{
    inventory_unref(result->inventory);
    g_free(result->permissions.label);
    g_free(result->free_extents);
    thin_pools_free(result->thin_pools, result->n_thin_pools);
    g_free(result->degraded);
    *result = (ScanResult){.permissions = PERMISSIONS_INIT};
}
