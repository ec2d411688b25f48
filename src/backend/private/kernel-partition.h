/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk-node.h"

#include <sys/types.h>

/*
 * The partitions that the kernel knows of a disk. They follow the table one by
 * one: never by reading the whole table anew, which fails as long as any
 * partition is in use, and otherwise takes all nodes away for a moment. Of disks
 * of the device mapper they are devices of their own there (mapped-partition.h).
 */

typedef struct KernelPartition {
    guint number;
    dev_t device;
    guint64 start, size; /* bytes */
} KernelPartition;

/* KernelPartition rows by number, from sysfs; empty for what is no disk. */
GArray *kernel_partitions_read(dev_t disk);
/* NULL when there is none. */
const KernelPartition *kernel_partition_find(GArray *partitions, guint number);

/* What the kernel shows of an extended partition: just its first sectors, never its content. */
guint64 kernel_partition_size(const Partition *partition);

/* In the following, lists are Partition rows, of which reserved ones are left alone. */

/* Shows one partition, which the table need not have yet. Errors: ERROR_SYSTEM. */
bool kernel_partition_add(const Disk *disk, const Partition *partition, Operation *op,
                          GError **error);

/* Takes one away; none there is fine. Waits a little for who just looks into it (udev).
 * Errors: ERROR_OPERATION_INVALID when it is in use, with its user; operation_check()'s. */
bool kernel_partition_remove(const Disk *disk, guint number, Operation *op, GError **error);

/* Before the table is written: takes away what in `to` is gone, moved or shorter than in `from`,
 * and what is shown where something new is to be. Nothing is taken away on failure. */
bool kernel_partitions_make_way(const Disk *disk, GArray *from, GArray *to, Operation *op,
                                GError **error);

/* After it was written (or, with the old list, was not): shows what is not shown yet or has grown.
 * Goes on after a failure; *error is the first. */
bool kernel_partitions_show(const Disk *disk, GArray *partitions, Operation *op, GError **error);

/* Makes the kernel show what the table has, for a disk whose last change broke off or whose label
 * the kernel can't read: what is shown in space that the table has free is taken away. */
bool kernel_partitions_settle(const Disk *disk, const PartitionTable *table, Operation *op,
                              GError **error);
