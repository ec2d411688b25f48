/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "partition-library.h"

#include "errors.h"

#include <dlfcn.h>
#include <glib.h>
#include <parted/parted.h>
#include <string.h>

/*
 * bsd, mac and pc98 by libparted. It keeps its devices and what it last complained of in global
 * variables: one thread at a time uses it. It opens the disk by its path, which we have open and
 * locked; the kernel is not told by it.
 */

/* ---- the library ---- */

/* It is loaded when a disk needs it: with what it needs itself it is half a megabyte that hardly
 * any daemon uses. */
#define LIBRARY "libparted.so.2"

#define CALLS                                                                                      \
    CALL(constraint_destroy)                                                                       \
    CALL(constraint_exact)                                                                         \
    CALL(device_destroy)                                                                           \
    CALL(device_get)                                                                               \
    CALL(disk_add_partition)                                                                       \
    CALL(disk_commit_to_dev)                                                                       \
    CALL(disk_delete_partition)                                                                    \
    CALL(disk_destroy)                                                                             \
    CALL(disk_get_partition)                                                                       \
    CALL(disk_new)                                                                                 \
    CALL(disk_new_fresh)                                                                           \
    CALL(disk_next_partition)                                                                      \
    CALL(disk_set_partition_geom)                                                                  \
    CALL(disk_type_get)                                                                            \
    CALL(exception_set_handler)                                                                    \
    CALL(file_system_type_get)                                                                     \
    CALL(geometry_destroy)                                                                         \
    CALL(geometry_new)                                                                             \
    CALL(partition_destroy)                                                                        \
    CALL(partition_is_active)                                                                      \
    CALL(partition_new)                                                                            \
    CALL(partition_set_system)

#define CALL(name) __typeof__(ped_##name) *name;
static struct {
    CALLS
} parted; /* filled once, by load_library() */
#undef CALL

typedef struct Call {
    const char *name;
    void **place;
} Call;

#define CALL(name) {"ped_" #name, (void **)&parted.name},
static const Call calls[] = {CALLS};
#undef CALL

/* Returns what is wrong, or NULL. */
static const char *load_calls(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

    if (!library)
        return dlerror();
    for (guint i = 0; i < G_N_ELEMENTS(calls); i++) {
        *calls[i].place = dlsym(library, calls[i].name);
        if (!*calls[i].place)
            return dlerror();
    }
    return NULL;
}

static GMutex parted_lock;
static char *complaint; /* guarded by it */

/* Nobody is there to answer: what it asks is left to its default of giving up. */
static PedExceptionOption on_exception(PedException *exception)
{
    g_free(complaint);
    complaint = g_strdup(exception->message);
    return exception->options & PED_EXCEPTION_IGNORE && exception->type <= PED_EXCEPTION_WARNING
               ? PED_EXCEPTION_IGNORE
               : PED_EXCEPTION_UNHANDLED;
}

/* False, unlocked, where the library can't be loaded. */
static bool lock_library(GError **error)
{
    static bool loaded;

    g_mutex_lock(&parted_lock);
    const char *problem = loaded ? NULL : load_calls();
    if (problem) {
        error_set(error, ERROR_NO_SUPPORT, ORIGIN_STORAGE,
                  "disk labels of this kind need libparted: %s", problem);
        g_mutex_unlock(&parted_lock);
        return false;
    }
    loaded = true;
    parted.exception_set_handler(on_exception);
    g_clear_pointer(&complaint, g_free);
    return true;
}

static void unlock_library(void)
{
    g_mutex_unlock(&parted_lock);
}

/* With the lock held. */
static bool failed(const char *what, const char *device, GError **error)
{
    return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE, "cannot %s '%s': %s", what,
                     device, complaint ? complaint : "libparted doesn't say why");
}

static PedDisk *disk_of(const PartitionTable *table)
{
    return table->state;
}

/* ---- devices ---- */

/* It gives out one object per path: who has it is counted, so that the last one frees it, and the
 * next one sees the disk's present size. */
static GHashTable *users; /* PedDevice → number; guarded by the lock */

static PedDevice *hold_device(const char *path)
{
    PedDevice *device = parted.device_get(path);

    if (!device)
        return NULL;
    if (!users)
        users = g_hash_table_new(NULL, NULL);
    guint count = GPOINTER_TO_UINT(g_hash_table_lookup(users, device));
    g_hash_table_insert(users, device, GUINT_TO_POINTER(count + 1));
    return device;
}

static void drop_device(PedDevice *device)
{
    guint count = GPOINTER_TO_UINT(g_hash_table_lookup(users, device));

    if (count > 1) {
        g_hash_table_insert(users, device, GUINT_TO_POINTER(count - 1));
        return;
    }
    g_hash_table_remove(users, device);
    parted.device_destroy(device);
}

/* ---- reading ---- */

static PedDisk *open_disk(const char *device, GError **error)
{
    PedDevice *opened = hold_device(device);
    PedDisk *disk = opened ? parted.disk_new(opened) : NULL;

    if (disk)
        return disk;
    failed("read the partition table of", device, error);
    if (opened)
        drop_device(opened);
    return NULL;
}

static void close_disk(PedDisk *disk)
{
    PedDevice *device = disk->dev;

    parted.disk_destroy(disk);
    drop_device(device);
}

static guint64 cylinder_size(const PedDevice *device)
{
    guint64 sectors = (guint64)device->hw_geom.heads * (guint64)device->hw_geom.sectors;

    return MAX(sectors, 1);
}

static bool load_locked(PartitionTable *table, GError **error)
{
    PedDisk *disk = open_disk(table->device, error);

    if (!disk)
        return false;
    if (!g_str_equal(disk->type->name, table->label->library_name)) {
        error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                  "cannot read the partition table of '%s': it is a '%s' one", table->device,
                  disk->type->name);
        close_disk(disk);
        return false;
    }
    table->sector = (guint64)disk->dev->sector_size;
    if (table->label->counts_cylinders)
        table->grain = cylinder_size(disk->dev) * table->sector;
    table->first = table->grain;
    table->last = (guint64)disk->dev->length * table->sector;
    table->damage = g_strdup(complaint);
    table->state = disk;
    return true;
}

static bool parted_load(PartitionTable *table, GError **error)
{
    if (!lock_library(error))
        return false;
    bool ok = load_locked(table, error);
    unlock_library();
    return ok;
}

static void parted_unload(PartitionTable *table)
{
    if (!lock_library(NULL))
        return;
    close_disk(disk_of(table));
    unlock_library();
}

/* What libparted counts as a partition beside those of users: mac's map is one in its own table. */
static bool is_reserved(const PartitionTable *table, const PedPartition *partition)
{
    return g_str_equal(table->label->library_name, "mac") && partition->num == 1 &&
           (guint64)partition->geom.end * table->sector < GRAIN;
}

static bool parted_list(PartitionTable *table, GError **error)
{
    PedPartition *partition = NULL;

    while ((partition = parted.disk_next_partition(disk_of(table), partition))) {
        if (partition->num < 1 || !parted.partition_is_active(partition))
            continue;
        Partition found = {
            .number = (guint)partition->num,
            .kind = is_reserved(table, partition) ? PARTITION_RESERVED : PARTITION_PLAIN,
            .content = CONTENT_NONE, /* libparted tells what is on it, not what it is marked as */
            .start = (guint64)partition->geom.start * table->sector,
            .end = (guint64)(partition->geom.end + 1) * table->sector,
        };
        g_array_append_val(table->partitions, found);
    }
    return true;
}

/* All three are at the beginning of the disk; mac's map is the longest. */
#define HEAD_SIZE (64u * 512u)

static void parted_locate(PartitionTable *table)
{
    TableArea area = {.offset = 0, .size = HEAD_SIZE};

    g_array_append_val(table->areas, area);
}

/* ---- changing ---- */

static PedConstraint *exactly(PedDisk *disk, PedSector start, PedSector end)
{
    PedGeometry *geometry = parted.geometry_new(disk->dev, start, end - start + 1);
    PedConstraint *constraint = geometry ? parted.constraint_exact(geometry) : NULL;

    if (geometry)
        parted.geometry_destroy(geometry);
    return constraint;
}

static bool add_to(PedDisk *disk, PedPartition *partition, PedSector start, PedSector end)
{
    PedConstraint *constraint = exactly(disk, start, end);
    bool ok = constraint && parted.disk_add_partition(disk, partition, constraint);

    if (constraint)
        parted.constraint_destroy(constraint);
    return ok;
}

static PedPartition *new_partition(PartitionTable *table, const Partition *wanted)
{
    PedSector start = (PedSector)(wanted->start / table->sector);
    PedSector end = (PedSector)(wanted->end / table->sector) - 1;
    PedFileSystemType *type = parted.file_system_type_get(table->label->types[wanted->content]);
    PedPartition *partition =
        parted.partition_new(disk_of(table), PED_PARTITION_NORMAL, type, start, end);

    if (!partition || (parted.partition_set_system(partition, type) &&
                       add_to(disk_of(table), partition, start, end)))
        return partition;
    parted.partition_destroy(partition);
    return NULL;
}

static bool parted_add(PartitionTable *table, const Partition *wanted, GError **error)
{
    if (!lock_library(error))
        return false;
    bool ok = new_partition(table, wanted) || failed("add a partition to", table->device, error);
    unlock_library();
    return ok;
}

static bool parted_remove(PartitionTable *table, const Partition *partition, GError **error)
{
    if (!lock_library(error))
        return false;
    PedPartition *found = parted.disk_get_partition(disk_of(table), (int)partition->number);
    bool ok = (found && parted.disk_delete_partition(disk_of(table), found)) ||
              failed("remove a partition of", table->device, error);
    unlock_library();
    return ok;
}

static bool resize_locked(PartitionTable *table, const Partition *partition, guint64 end)
{
    PedPartition *found = parted.disk_get_partition(disk_of(table), (int)partition->number);
    PedSector first = (PedSector)(partition->start / table->sector);
    PedSector last = (PedSector)(end / table->sector) - 1;
    PedConstraint *constraint = exactly(disk_of(table), first, last);
    bool ok = found && constraint &&
              parted.disk_set_partition_geom(disk_of(table), found, constraint, first, last);

    if (constraint)
        parted.constraint_destroy(constraint);
    return ok;
}

static bool parted_resize(PartitionTable *table, const Partition *partition, guint64 end,
                          GError **error)
{
    if (!lock_library(error))
        return false;
    bool ok = resize_locked(table, partition, end) ||
              failed("resize a partition of", table->device, error);
    unlock_library();
    return ok;
}

static bool parted_write(PartitionTable *table, GError **error)
{
    if (!lock_library(error))
        return false;
    bool ok = parted.disk_commit_to_dev(disk_of(table)) ||
              failed("write the partition table of", table->device, error);
    unlock_library();
    return ok;
}

static bool format_locked(const PartitionLabel *label, const char *device, GError **error)
{
    PedDevice *opened = hold_device(device);
    PedDiskType *type = parted.disk_type_get(label->library_name);
    PedDisk *disk = opened && type ? parted.disk_new_fresh(opened, type) : NULL;
    bool ok = disk && parted.disk_commit_to_dev(disk);

    if (!ok)
        failed("write a partition table to", device, error);
    if (disk)
        parted.disk_destroy(disk);
    if (opened)
        drop_device(opened);
    return ok;
}

static bool parted_format(const PartitionLabel *label, int fd, const char *device, GError **error)
{
    if (!lock_library(error))
        return false;
    bool ok = format_locked(label, device, error);
    unlock_library();
    return ok;
}

const PartitionLibrary partition_parted = {
    .load = parted_load,
    .unload = parted_unload,
    .list = parted_list,
    .format = parted_format,
    .add = parted_add,
    .remove = parted_remove,
    .resize = parted_resize,
    .write = parted_write,
    .locate = parted_locate,
};
