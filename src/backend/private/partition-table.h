/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "operation.h"

/*
 * The table of a partitioned disk, whatever its label: libfdisk does dos, gpt,
 * sun and dvh (which it calls sgi), libparted bsd, mac and pc98. (libfdisk's bsd
 * is another one: it has the label in the second sector, libvirt in the first.)
 *
 * A table is read into memory, changed there, and written in one go. All places
 * are bytes, `end` is exclusive.
 */

/* What a partition is marked as. The order is that of the disk pool's volume formats. */
typedef enum PartitionContent {
    CONTENT_NONE, /* plain data; also whatever has no word here */
    CONTENT_LINUX,
    CONTENT_FAT16,
    CONTENT_FAT32,
    CONTENT_SWAP,
    CONTENT_LVM,
    CONTENT_RAID,
    CONTENT_EXTENDED,
    CONTENT_COUNT,
} PartitionContent;

typedef enum PartitionKind {
    PARTITION_PLAIN,
    PARTITION_EXTENDED, /* dos: holds the logical ones */
    PARTITION_LOGICAL,
    PARTITION_RESERVED, /* the label's own: the whole disk, the volume header, the map */
} PartitionKind;

/* Of a name on the disk, in UTF-8: gpt has room for 36 characters. */
#define PARTITION_NAME_CHARACTERS 36
#define PARTITION_NAME_SIZE       (PARTITION_NAME_CHARACTERS * 4 + 1)

typedef struct Partition {
    guint number; /* as the kernel counts, from 1 */
    PartitionKind kind;
    PartitionContent content;
    guint64 start, end;
    guint64 shown; /* of an extended one: what the kernel shows of it, partition_shown_size() */
    /* That a new one is to have, where the label has names (gpt); not read back. */
    char name[PARTITION_NAME_SIZE];
} Partition;

/* Where a partition could go; both ends lie on the grain, unless the disk ends before. */
typedef struct FreeRange {
    guint64 start, end;
    bool is_logical; /* within the extended partition */
} FreeRange;

/* A part of the table on the disk. */
typedef struct TableArea {
    guint64 offset;
    guint size;
} TableArea;

/* What the kernel shows of an extended partition: never its content. */
guint64 partition_shown_size(guint64 sector);

typedef struct PartitionLabel PartitionLabel;

typedef struct PartitionTable {
    const PartitionLabel *label;
    int fd;       /* borrowed */
    char *device; /* for messages and libraries */
    guint64 sector;
    guint64 grain;       /* starts are multiples of it: 1 MiB, or a cylinder for old labels */
    guint64 first, last; /* what the label lets partitions have */
    guint number_max;    /* the most partitions beside logical ones */
    GArray *partitions;  /* Partition, by number */
    GArray *free;        /* FreeRange, by place */
    char *damage;    /* what is wrong with the table: it can be read, but not changed; or NULL */
    bool is_torn;    /* all that is wrong with it is that its last writer ended half way */
    GArray *areas;   /* TableArea: where the table was when it was read */
    GBytes *image;   /* the table's bytes on the disk when it was read */
    bool is_written; /* what was changed is on the disk, or may be in part */
    void *state;     /* the library's */
} PartitionTable;

/* The label of one of libvirt's words; NULL for words that are no partition table. */
const PartitionLabel *partition_label_find(const char *name);
/* Refuses labels that this build can't write, with the reason.
 * Errors: ERROR_NO_SUPPORT. */
bool partition_label_check(const PartitionLabel *label, GError **error);
/* What libblkid calls it; NULL for labels that it doesn't find. */
const char *partition_label_blkid_name(const PartitionLabel *label);
/* The label on the disk by its magic, NULL when there is none (or a logical volume group's).
 * Errors: ERROR_SYSTEM. */
bool partition_label_detect(int fd, const char *device, const PartitionLabel **ret, GError **error);
const char *partition_label_name(const PartitionLabel *label);

/* Whether a gpt's second copy is at the disk's end, whatever is at its beginning.
 * Errors: ERROR_SYSTEM. */
bool partition_gpt_backup_detect(int fd, const char *device, bool *ret, GError **error);

/* Writes an empty table. The caller has cleared what was there before.
 * Errors: ERROR_OPERATION_FAILED with what the library said. */
bool partition_label_write(const PartitionLabel *label, int fd, const char *device, GError **error);

/* Reads the table. Errors: ERROR_OPERATION_FAILED where it can't be read. */
PartitionTable *partition_table_read(const PartitionLabel *label, int fd, const char *device,
                                     GError **error);
void partition_table_free(PartitionTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PartitionTable, partition_table_free)

/* NULL when there is none. Valid until the next change. */
const Partition *partition_table_find(const PartitionTable *table, guint number);
const Partition *partition_table_extended(const PartitionTable *table);
/* The number that the next partition of this kind gets; 0: the label has no more. */
guint partition_table_next_number(const PartitionTable *table, PartitionKind kind);
/* The smallest free range that holds `size` bytes; NULL when there is none. */
const FreeRange *partition_table_best_fit(const PartitionTable *table, guint64 size,
                                          bool is_logical);
/* How far the partition could reach. */
guint64 partition_table_room_end(const PartitionTable *table, const Partition *partition);

/* Changes in memory. The numbers of later logical partitions change with a removal.
 * Errors: ERROR_OPERATION_FAILED with what the library said. */
bool partition_table_add(PartitionTable *table, const Partition *wanted, GError **error);
bool partition_table_remove(PartitionTable *table, guint number, GError **error);
bool partition_table_resize(PartitionTable *table, guint number, guint64 end, GError **error);

/* Writes a torn table anew, from the copy of it that is whole; nothing to do for others.
 * Errors: as of partition_table_write(). */
bool partition_table_mend(PartitionTable *table, GError **error);
/* Refuses a table that is damaged. Errors: ERROR_OPERATION_INVALID. */
bool partition_table_check_sound(const PartitionTable *table, GError **error);
/* Writes the table if it still is on the disk as it was read, and flushes it.
 * When the disk doesn't take all of it, what was there is put back.
 * Errors: ERROR_OPERATION_INVALID when it has changed, ERROR_OPERATION_FAILED, ERROR_SYSTEM. */
bool partition_table_write(PartitionTable *table, GError **error);
