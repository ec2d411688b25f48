/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kernel-partition.h"

/*
 * Partitions of disks that the device mapper makes (multipath and others): the
 * kernel doesn't partition these, so each partition is a linear device of its own on
 * the disk, with the UUID "part<number>-<the disk's>", as kpartx makes them. dmsetup
 * does it, because it waits for udev.
 */

/* Appends those of the disk, whoever made them; none for what the device mapper didn't make. */
void mapped_partitions_read(dev_t disk, GArray *partitions);

/* Partitions have names that begin with the disk's: it must be the pool's by its own name.
 * Errors: ERROR_OPERATION_INVALID with the path to use. */
bool mapped_disk_check_name(const Disk *disk, GError **error);

/* Of one that is there, whoever has named it: "/dev/mapper/…" (g_free); NULL when there is none. */
char *mapped_partition_node(const Disk *disk, guint number);

/* As their namesakes of kernel-partition.h; *ret_busy is set when somebody has it open.
 * Errors: ERROR_INTERNAL with what dmsetup said. */
bool mapped_partition_add(const Disk *disk, const Partition *partition, Operation *op,
                          GError **error);
bool mapped_partition_resize(const Disk *disk, const Partition *partition, Operation *op,
                             GError **error);
/* Nobody has it open: then a smaller table can take the place of its own, and its name stays. */
bool mapped_partition_check_idle(const Disk *disk, guint number, Operation *op, bool *ret_busy,
                                 GError **error);
bool mapped_partition_remove(const Disk *disk, guint number, Operation *op, bool *ret_busy,
                             GError **error);
