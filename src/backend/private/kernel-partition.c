/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel-partition.h"

#include "device-use.h"
#include "errors.h"
#include "fd.h"
#include "mapped-partition.h"

#include <errno.h>
#include <linux/blkpg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

/* ---- reading ---- */

/* Its files claim to be a page long. */
#define SYSFS_SIZE 65536

/* One number of a sysfs file. */
static bool read_number(int folder, const char *entry, const char *file, guint64 *ret)
{
    g_autofree char *path = g_build_filename(entry, file, NULL);
    g_autofree char *text = fd_read_file_at(folder, path, SYSFS_SIZE, NULL);

    return text && g_ascii_string_to_unsigned(g_strchomp(text), 10, 0, G_MAXINT64, ret, NULL);
}

static bool read_device(int folder, const char *entry, dev_t *ret)
{
    g_autofree char *path = g_build_filename(entry, "dev", NULL);
    g_autofree char *text = fd_read_file_at(folder, path, SYSFS_SIZE, NULL);
    char *colon = text ? strchr(text, ':') : NULL;

    if (!colon)
        return false;
    *ret = makedev((guint)strtoul(text, NULL, 10), (guint)strtoul(colon + 1, NULL, 10));
    return true;
}

/* False for what is no partition, or is just going away. */
static bool read_partition(int folder, const char *entry, KernelPartition *ret)
{
    guint64 number, start, size;

    if (!read_number(folder, entry, "partition", &number) ||
        !read_number(folder, entry, "start", &start) ||
        !read_number(folder, entry, "size", &size) || !read_device(folder, entry, &ret->device))
        return false;
    ret->number = (guint)number;
    ret->start = start * 512; /* sysfs counts so, whatever the disk's sectors */
    ret->size = size * 512;
    return true;
}

static gint by_number(gconstpointer a, gconstpointer b)
{
    const KernelPartition *one = a, *other = b;

    return (one->number > other->number) - (one->number < other->number);
}

GArray *kernel_partitions_read(dev_t disk)
{
    g_autofree char *path = g_strdup_printf("/sys/dev/block/%u:%u", major(disk), minor(disk));
    g_autoptr(GDir) entries = g_dir_open(path, 0, NULL);
    autofd int folder = fd_open_folder(path);
    GArray *partitions = g_array_new(FALSE, FALSE, sizeof(KernelPartition));
    const char *entry;

    /* A plain file, as tests have, has no such folder, nor partitions. */
    while (entries && folder >= 0 && (entry = g_dir_read_name(entries))) {
        KernelPartition partition;
        if (read_partition(folder, entry, &partition))
            g_array_append_val(partitions, partition);
    }
    mapped_partitions_read(disk, partitions);
    g_array_sort(partitions, by_number);
    return partitions;
}

const KernelPartition *kernel_partition_find(GArray *partitions, guint number)
{
    for (guint i = 0; i < partitions->len; i++) {
        const KernelPartition *partition = &g_array_index(partitions, KernelPartition, i);
        if (partition->number == number)
            return partition;
    }
    return NULL;
}

/* ---- telling ---- */

guint64 kernel_partition_size(const Partition *partition)
{
    guint64 size = partition->end - partition->start;

    return partition->kind == PARTITION_EXTENDED ? MIN(size, partition->shown) : size;
}

static bool tell(const Disk *disk, int operation, guint number, guint64 start, guint64 size)
{
    struct blkpg_partition data = {.start = (long long)start,
                                   .length = (long long)size,
                                   .pno = (int)number};
    struct blkpg_ioctl_arg argument = {.op = operation, .datalen = sizeof data, .data = &data};

    return ioctl(disk->fd, BLKPG, &argument) == 0;
}

static bool plain_add(const Disk *disk, const Partition *partition, Operation *op, GError **error)
{
    if (tell(disk, BLKPG_ADD_PARTITION, partition->number, partition->start,
             kernel_partition_size(partition)))
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno,
                           "cannot tell the kernel of the new partition %u", partition->number);
}

static bool plain_resize(const Disk *disk, const Partition *partition, Operation *op,
                         GError **error)
{
    if (tell(disk, BLKPG_RESIZE_PARTITION, partition->number, partition->start,
             kernel_partition_size(partition)))
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno,
                           "cannot tell the kernel the new size of partition %u",
                           partition->number);
}

static bool plain_remove(const Disk *disk, guint number, Operation *op, bool *ret_busy,
                         GError **error)
{
    /* ENXIO: it doesn't know of it, which is what is wanted. */
    if (tell(disk, BLKPG_DEL_PARTITION, number, 0, 0) || errno == ENXIO)
        return true;
    *ret_busy = errno == EBUSY;
    return error_set_errno(error, ORIGIN_STORAGE, errno,
                           "cannot take partition %u of '%s' out of the kernel's list", number,
                           disk->path);
}

typedef bool (*ReleaseFunc)(const Disk *disk, guint number, Operation *op, bool *ret_busy,
                            GError **error);

/* How the kernel is told. */
typedef struct Teller {
    bool (*add)(const Disk *disk, const Partition *partition, Operation *op, GError **error);
    bool (*resize)(const Disk *disk, const Partition *partition, Operation *op, GError **error);
    ReleaseFunc remove;
    ReleaseFunc let_shrink; /* nobody has it open any more, and it may be gone */
} Teller;

static const Teller tellers[] = {
    [false] = {plain_add, plain_resize, plain_remove, plain_remove},
    [true] = {mapped_partition_add, mapped_partition_resize, mapped_partition_remove,
              mapped_partition_check_idle},
};

bool kernel_partition_add(const Disk *disk, const Partition *partition, Operation *op,
                          GError **error)
{
    return tellers[disk->is_mapped].add(disk, partition, op, error);
}

/* udev and others look into every new node for a moment: that is no use, but is in the way. */
#define PROBE_TRIES 75
#define PROBE_PAUSE (20 * 1000) /* microseconds */

static bool in_use(const char *device, guint number, const char *use, GError **error)
{
    return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "partition %u of '%s' is in use: %s", number, device,
                     use ? use : "a program has it open");
}

static char *partition_use(const Disk *disk, guint number)
{
    g_autoptr(GArray) known = kernel_partitions_read(disk->device);
    const KernelPartition *partition = kernel_partition_find(known, number);

    return partition ? device_use(partition->device) : NULL;
}

static bool release(const Disk *disk, guint number, ReleaseFunc func, Operation *op, GError **error)
{
    for (guint tries = 0;; tries++) {
        g_autoptr(GError) failure = NULL;
        bool busy = false;

        if (func(disk, number, op, &busy, &failure))
            return true;
        if (!busy) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return false;
        }
        g_autofree char *use = partition_use(disk, number);
        if (use || tries == PROBE_TRIES)
            return in_use(disk->path, number, use, error);
        if (!operation_check(op, error))
            return false;
        g_usleep(PROBE_PAUSE);
    }
}

bool kernel_partition_remove(const Disk *disk, guint number, Operation *op, GError **error)
{
    return release(disk, number, tellers[disk->is_mapped].remove, op, error);
}

/* ---- showing ---- */

static bool is_shown(const KernelPartition *shown, const Partition *partition)
{
    return shown && shown->start == partition->start &&
           (shown->size == kernel_partition_size(partition) ||
            partition->kind == PARTITION_EXTENDED);
}

static bool show(const Disk *disk, GArray *known, const Partition *partition, Operation *op,
                 GError **error)
{
    const KernelPartition *shown = kernel_partition_find(known, partition->number);

    if (is_shown(shown, partition))
        return true;
    if (shown && shown->start == partition->start)
        return tellers[disk->is_mapped].resize(disk, partition, op, error);
    return kernel_partition_add(disk, partition, op, error);
}

bool kernel_partitions_show(const Disk *disk, GArray *partitions, Operation *op, GError **error)
{
    g_autoptr(GArray) known = kernel_partitions_read(disk->device);
    bool ok = true;

    for (guint i = 0; i < partitions->len; i++) {
        const Partition *partition = &g_array_index(partitions, Partition, i);
        if (partition->kind != PARTITION_RESERVED)
            ok = show(disk, known, partition, op, ok ? error : NULL) && ok;
    }
    return ok;
}

/* ---- making way for a change ---- */

static const Partition *find(GArray *list, guint number)
{
    for (guint i = 0; i < list->len; i++)
        if (g_array_index(list, Partition, i).number == number)
            return &g_array_index(list, Partition, i);
    return NULL;
}

/* It may only grow where it is; for anything else nobody may have it open. */
static bool can_stay(const Partition *before, const Partition *after)
{
    return after && after->start == before->start && after->end >= before->end;
}

static bool overlaps(const KernelPartition *known, const Partition *partition)
{
    return known->start < partition->end && partition->start < known->start + known->size;
}

/* What the kernel shows where a new partition is to be, though the table has nothing there: the
 * rest of a change that broke off, or a label's "whole disk". */
static bool is_stray(const KernelPartition *known, GArray *from, GArray *to)
{
    if (find(from, known->number) && find(from, known->number)->kind != PARTITION_RESERVED)
        return false;
    for (guint i = 0; i < to->len; i++) {
        const Partition *partition = &g_array_index(to, Partition, i);
        if (partition->kind != PARTITION_RESERVED && !find(from, partition->number) &&
            (partition->number == known->number || overlaps(known, partition)))
            return true;
    }
    return false;
}

static bool is_in_the_way(const KernelPartition *known, GArray *from, GArray *to)
{
    const Partition *before = find(from, known->number);

    if (is_stray(known, from, to))
        return true;
    return before && before->kind != PARTITION_RESERVED &&
           !can_stay(before, find(to, known->number));
}

static ReleaseFunc release_func(const Disk *disk, const KernelPartition *known, GArray *to)
{
    const Partition *after = find(to, known->number);
    const Teller *teller = &tellers[disk->is_mapped];

    return after && after->start == known->start ? teller->let_shrink : teller->remove;
}

bool kernel_partitions_make_way(const Disk *disk, GArray *from, GArray *to, Operation *op,
                                GError **error)
{
    g_autoptr(GArray) known = kernel_partitions_read(disk->device);

    for (guint i = known->len; i > 0; i--) {
        const KernelPartition *partition = &g_array_index(known, KernelPartition, i - 1);
        if (!is_in_the_way(partition, from, to))
            continue;
        if (!release(disk, partition->number, release_func(disk, partition, to), op, error)) {
            kernel_partitions_show(disk, from, op, NULL);
            return false;
        }
    }
    return true;
}

/* ---- settling ---- */

static bool is_in_free_space(const KernelPartition *known, const PartitionTable *table)
{
    guint64 end = known->start + known->size;

    for (guint i = 0; i < table->free->len; i++) {
        const FreeRange *range = &g_array_index(table->free, FreeRange, i);
        if (known->start >= range->start && end <= range->end)
            return true;
    }
    return false;
}

static bool is_outdated(const KernelPartition *known, const PartitionTable *table)
{
    const Partition *real = partition_table_find(table, known->number);

    return real ? real->start != known->start : is_in_free_space(known, table);
}

bool kernel_partitions_settle(const Disk *disk, const PartitionTable *table, Operation *op,
                              GError **error)
{
    g_autoptr(GArray) known = kernel_partitions_read(disk->device);

    for (guint i = 0; i < known->len; i++) {
        const KernelPartition *partition = &g_array_index(known, KernelPartition, i);
        if (is_outdated(partition, table) &&
            !kernel_partition_remove(disk, partition->number, op, error))
            return false;
    }
    return kernel_partitions_show(disk, table->partitions, op, error);
}
