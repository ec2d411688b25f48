/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"
#include "inventory.h"

/*
 * Collects what a backend's scan reports and makes the pool's next snapshot
 * from it. The Scan part is thread-safe as backend.h demands; making, finishing
 * and freeing a collector belong to one thread.
 *
 * A scan sees storage at different moments. Whoever changes volumes while one
 * runs lays those changes over the result (inventory_with(), inventory_without())
 * before the result is swapped in.
 */
typedef struct Collector Collector;

/* What a finished scan found. Only what the backend reported is set. */
typedef struct ScanResult {
    Inventory *inventory; /* a reference, never NULL: the previous snapshot itself if unchanged */
    bool unchanged;       /* every volume was kept and none is missing */
    bool has_space;
    PoolSpace space; /* bytes */
    bool has_permissions;
    Permissions permissions; /* of the pool's folder */
    bool has_free_extents;
    FreeExtent *free_extents;
    guint n_free_extents;
    bool has_thin_pools;
    ThinPool *thin_pools;
    guint n_thin_pools;
    char *degraded; /* why the pool isn't whole; NULL: it is */
} ScanResult;

void scan_result_clear(ScanResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ScanResult, scan_result_clear)

/* `target_path`: see inventory_new_empty(). `previous` is the snapshot that Scan.keep() looks in;
 * a reference is taken. NULL: nothing is known yet. A snapshot with another target path counts
 * as nothing known. */
Collector *collector_new(const char *target_path, Inventory *previous);
void collector_free(Collector *collector);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Collector, collector_free)

/* What to hand to the backend. Valid as long as the collector. */
Scan *collector_scan(Collector *collector);

/* Makes the snapshot, once, after the scan has returned successfully and none of its threads
 * runs any more. Takes a fraction of a second for a million volumes. Free with
 * scan_result_clear(). */
void collector_finish(Collector *collector, ScanResult *ret);
