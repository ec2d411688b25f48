/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "partition-table.h"

/* What a library does for partition-table.c. */
typedef struct PartitionLibrary {
    /* Fills `sector`, `first`, `last`, `damage` and `state`; `grain` where it isn't 1 MiB,
     * `number_max` where it isn't the label's. */
    bool (*load)(PartitionTable *table, GError **error);
    void (*unload)(PartitionTable *table);
    /* Appends what the table in memory has to table->partitions. */
    bool (*list)(PartitionTable *table, GError **error);
    bool (*format)(const PartitionLabel *label, int fd, const char *device, GError **error);
    bool (*add)(PartitionTable *table, const Partition *wanted, GError **error);
    bool (*remove)(PartitionTable *table, const Partition *partition, GError **error);
    bool (*resize)(PartitionTable *table, const Partition *partition, guint64 end, GError **error);
    bool (*write)(PartitionTable *table, GError **error);
    /* Appends where the table is on the disk to table->areas. */
    void (*locate)(PartitionTable *table);
} PartitionLibrary;

struct PartitionLabel {
    const char *name;         /* libvirt's */
    const char *library_name; /* the library's */
    const char *blkid_name;   /* libblkid's */
    guint64 magic_offset;     /* source: libvirt's table of disk labels */
    const char *magic;
    gsize magic_size;
    guint number_max;                /* the most partitions beside logical ones */
    guint cylinder;                  /* sectors of a new label's cylinder; 0: it has none */
    bool counts_cylinders;           /* partitions begin and end with them */
    const PartitionLibrary *library; /* NULL: not in this build */
    bool (*is_torn)(const PartitionTable *table); /* NULL: its one copy can't tell */
    /* What else on the disk says otherwise than the table; NULL: nothing. Free with g_free(). */
    char *(*contradiction)(const PartitionTable *table);
    const char *types[CONTENT_COUNT]; /* the library's word for each content; NULL: as for none */
};

extern const PartitionLibrary partition_fdisk;
extern const PartitionLibrary partition_parted;

#define SECTOR_SIZE ((guint64)512)
#define GRAIN       ((guint64)1 << 20)

/* What is kept free before each logical partition: a sector there says where it is. */
#define LOGICAL_LEAD GRAIN
