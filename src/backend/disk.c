/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"

#include "disk-discover.h"
#include "disk-volume.h"
#include "errors.h"
#include "mapped-partition.h"
#include "signature.h"
#include "source-match.h"

#include <unistd.h>

/* A partitioned disk; volumes are its partitions. */

static const char *const label_names[] = {
    "unknown", "dos", "dvh", "gpt", "mac", "bsd", "pc98", "sun", "lvm2",
};

static const FormatTable labels = {
    .names = label_names,
    .count = G_N_ELEMENTS(label_names),
};

/* What a partition may be marked as; these take the place of the image formats. */
static const char *const partition_names[] = {
    "none", "linux", "fat16", "fat32", "linux-swap", "linux-lvm", "linux-raid", "extended",
};

static const FormatTable partitions = {
    .names = partition_names,
    .count = G_N_ELEMENTS(partition_names),
};

G_STATIC_ASSERT(G_N_ELEMENTS(partition_names) == CONTENT_COUNT);

/* ---- up ---- */

static bool check_present(const PoolDef *pool, GError **error)
{
    const char *path = pool->source.devices[0].path;

    if (access(path, F_OK) == 0)
        return true;
    return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                     "device path '%s' doesn't exist", path);
}

static bool check_label(const PoolDef *pool, Operation *op, GError **error)
{
    autodisk Disk disk = DISK_INIT;

    return disk_open(pool, DISK_READ, op, &disk, error) && disk_check_label(&disk, error);
}

static bool disk_is_up(const PoolDef *pool, Operation *op, bool *ret_up, GError **error)
{
    bool present = check_present(pool, NULL);

    if (present && !check_label(pool, op, error))
        return false;
    *ret_up = present;
    return true;
}

static bool disk_start(const PoolDef *pool, Operation *op, GError **error)
{
    return check_present(pool, error) && check_label(pool, op, error);
}

/* ---- build, erase ---- */

/* All that is left of a gpt whose beginning was lost, and the way back to it. */
static bool check_no_backup(const Disk *disk, GError **error)
{
    bool found = false;

    if (!partition_gpt_backup_detect(disk->fd, disk->path, &found, error))
        return false;
    return !found || error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                               "'%s' has lost its beginning, but the backup of its 'gpt' label is "
                               "at its end: restore it from there (gdisk does), or give it up with "
                               "build --overwrite",
                               disk->path);
}

/* Labels that libblkid doesn't know are looked for by their magic too. */
static bool check_unlabelled(const Disk *disk, GError **error)
{
    const PartitionLabel *found = NULL;

    if (!partition_label_detect(disk->fd, disk->path, &found, error))
        return false;
    if (!found)
        return check_no_backup(disk, error);
    if (found == disk->label)
        return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                         "Disk label already formatted using '%s'", partition_label_name(found));
    return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                     "Known, but different label format present, requires build --overwrite: '%s' "
                     "has a '%s' label",
                     disk->path, partition_label_name(found));
}

static bool check_blank(const Disk *disk, GError **error)
{
    const char *word = partition_label_blkid_name(disk->label);

    return signature_check_blank(disk->path, word ? word : partition_label_name(disk->label),
                                 error) &&
           check_unlabelled(disk, error);
}

static GArray *shown_partitions(const Disk *disk)
{
    g_autoptr(GArray) known = kernel_partitions_read(disk->device);
    GArray *list = g_array_new(FALSE, FALSE, sizeof(Partition));

    for (guint i = 0; i < known->len; i++) {
        const KernelPartition *shown = &g_array_index(known, KernelPartition, i);
        Partition partition = {.number = shown->number,
                               .start = shown->start,
                               .end = shown->start + shown->size};
        g_array_append_val(list, partition);
    }
    return list;
}

/* The kernel gives up all partitions, which it does for unused ones only. */
static bool drop_partitions(const Disk *disk, Operation *op, GError **error)
{
    g_autoptr(GArray) shown = shown_partitions(disk);
    g_autoptr(GArray) none = g_array_new(FALSE, FALSE, sizeof(Partition));

    return kernel_partitions_make_way(disk, shown, none, op, error);
}

/* Partitions that are devices of their own hold the disk: nobody can own it beside them. */
static bool give_up_mapped(const PoolDef *pool, bool overwrite, Operation *op, GError **error)
{
    autodisk Disk disk = DISK_INIT;

    if (!disk_open(pool, DISK_READ, op, &disk, error))
        return false;
    return !disk.is_mapped ||
           ((overwrite || check_blank(&disk, error)) && mapped_disk_check_name(&disk, error) &&
            drop_partitions(&disk, op, error));
}

/* Everything that could be in the way is looked at before the first byte is changed. */
static bool make_empty(const PoolDef *pool, bool overwrite, Operation *op, GError **error)
{
    autodisk Disk disk = DISK_INIT;

    if (!give_up_mapped(pool, overwrite, op, error) ||
        !disk_open(pool, DISK_OWN, op, &disk, error) ||
        (!overwrite && !check_blank(&disk, error)) || !drop_partitions(&disk, op, error))
        return false;
    disk_close(&disk); /* which gives up the claim that the next one needs */
    return signature_clear(pool->source.devices[0].path, op, error);
}

static bool disk_build(const PoolDef *pool, Operation *op, guint flags, GError **error)
{
    autodisk Disk disk = DISK_INIT;

    if (!make_empty(pool, flags & BUILD_OVERWRITE, op, error) ||
        !disk_open(pool, DISK_OWN, op, &disk, error))
        return false;
    return partition_label_write(disk.label, disk.fd, disk.path, error);
}

static bool disk_erase(const PoolDef *pool, Operation *op, guint flags, GError **error)
{
    return make_empty(pool, true, op, error);
}

const Backend backend_disk = {
    .schema =
        {
            .type = "disk",
            .number = 4,
            .list_flag = 1 << 10,
            .host_rank = 8,
            .takes = SOURCE_DEVICE,
            .requires = SOURCE_DEVICE,
            .flags = POOL_HAS_TARGET | POOL_TARGET_PATH_REQUIRED | POOL_FREE_EXTENTS |
                     POOL_VOLUME_NEEDS_CAPACITY,
            .source_formats = &labels,
            .volume_formats = &partitions,
        },
    .concurrency = BACKEND_SERIAL_POOL,
    .flags = BACKEND_SCAN_AFTER_CHANGE | BACKEND_SHRINKS_ALLOCATED,
    .build_flags = BUILD_NO_OVERWRITE | BUILD_OVERWRITE,
    .same_source = source_same_device_or_name,
    .discover = disk_discover,
    .is_up = disk_is_up,
    .build = disk_build,
    .start = disk_start,
    .erase = disk_erase,
    .scan = disk_scan,
    .sweep = disk_sweep,
    .volume_stat = disk_volume_stat,
    .volume_create = disk_volume_create,
    .volume_clone = disk_volume_clone,
    .volume_resize = disk_volume_resize,
    .volume_wipe = disk_volume_wipe,
    .volume_delete = disk_volume_delete,
    .volume_open = disk_volume_open,
};
