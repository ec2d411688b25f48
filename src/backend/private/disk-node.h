/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"
#include "partition-table.h"

/*
 * The disk of a pool: opened, locked against other programs that write tables
 * (flock on the whole disk, as sfdisk and udev do), and what its partitions are called.
 */

typedef struct Disk {
    const PoolDef *pool;         /* borrowed */
    const PartitionLabel *label; /* that the pool is to have */
    const char *path;            /* as the definition has it; borrowed */
    char *node;                  /* what that leads to; of device-mapper disks the path itself */
    bool separator;              /* a 'p' stands before the number */
    bool is_mapped;              /* by device-mapper */
    dev_t device;
    int fd; /* -1 once let go */
} Disk;

#define DISK_INIT ((Disk){.fd = -1})
#define autodisk  __attribute__((cleanup(disk_close)))

typedef enum DiskAccess {
    DISK_READ,   /* beside others that read */
    DISK_CHANGE, /* alone */
    DISK_OWN,    /* alone, and no partition may be mounted or claimed */
} DiskAccess;

/* Opens and locks. Errors: ERROR_SYSTEM (ENOENT: there is none), ERROR_OPERATION_INVALID when it is
 * no disk or in use; the label's of partition_label_check(); operation_check()'s while another
 * program holds the lock. */
bool disk_open(const PoolDef *pool, DiskAccess access, Operation *op, Disk *ret, GError **error);

/* Gives up the lock and keeps the disk open. */
void disk_unlock(Disk *disk);

/* Closes the disk. udev reads the whole table anew whenever a disk was open for writing, which
 * takes the nodes of all partitions away for a moment unless one of them is open: so one is held
 * until udev has tried. */
void disk_let_go(Disk *disk, Operation *op);
void disk_close(Disk *disk);

/* The table. Errors: those of partition_table_read(), and ERROR_OPERATION_INVALID when the disk has
 * another label. */
PartitionTable *disk_read_table(const Disk *disk, GError **error);
/* The label is the pool's. Errors: libvirt's. */
bool disk_check_label(const Disk *disk, GError **error);

/* "sda1", and "/dev/sda1", or what another program has named that partition of a device-mapper
 * disk. Owned by the caller. */
char *disk_partition_name(const Disk *disk, guint number);
char *disk_partition_node(const Disk *disk, guint number);
/* The node's lasting name in the pool's target folder, as udev has it, or else the node. */
char *disk_partition_path(const Disk *disk, guint number);
/* The number in a volume's name; 0: the name is none of this disk's. */
guint disk_partition_number(const Disk *disk, const char *name);

/* The label a definition asks for: "unknown" is dos. Errors: ERROR_NO_SUPPORT. */
const PartitionLabel *disk_label(const PoolDef *pool, GError **error);
