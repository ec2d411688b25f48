/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "partition-library.h"

#include "errors.h"
#include "fd.h"

#include <errno.h>
#include <libfdisk.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* dos, gpt, sun and sgi by libfdisk. It never sees a path it could open, only our descriptor. */

typedef struct Fdisk {
    struct fdisk_context *context;
    GString *said; /* what it warned of */
} Fdisk;

static void fdisk_close(Fdisk *fdisk)
{
    if (!fdisk)
        return;
    if (fdisk->context)
        fdisk_unref_context(fdisk->context);
    g_string_free(fdisk->said, TRUE);
    g_free(fdisk);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fdisk, fdisk_close)

typedef struct fdisk_table FdiskTable;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FdiskTable, fdisk_unref_table)
typedef struct fdisk_partition FdiskPartition;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FdiskPartition, fdisk_unref_partition)
typedef struct fdisk_parttype FdiskType;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FdiskType, fdisk_unref_parttype)
typedef struct fdisk_iter FdiskIter;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FdiskIter, fdisk_free_iter)

/* Said of each dos label on a disk of more than 2 TiB, which is what set_bounds() sees to. Source:
 * libfdisk/src/dos.c; the library's messages are translated only where a program asks for it. */
#define SIZE_HINT "The size of this disk is"

/* Nobody is there to answer: whatever it asks is declined, what it warns of is kept. */
static int on_ask(struct fdisk_context *context, struct fdisk_ask *ask, void *data)
{
    Fdisk *fdisk = data;
    int type = fdisk_ask_get_type(ask);

    if (type == FDISK_ASKTYPE_INFO)
        return 0;
    if (type != FDISK_ASKTYPE_WARN && type != FDISK_ASKTYPE_WARNX)
        return -EINVAL;
    const char *message = fdisk_ask_print_get_mesg(ask);
    if (!g_str_has_prefix(message, SIZE_HINT))
        g_string_append_printf(fdisk->said, "%s%s", fdisk->said->len ? " " : "", message);
    return 0;
}

/* `result` is what a call of the library returned. */
static bool check(Fdisk *fdisk, int result, const char *what, const char *device, GError **error)
{
    if (result == 0)
        return true;
    return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE, "cannot %s '%s': %s", what,
                     device, fdisk->said->len ? fdisk->said->str : g_strerror(abs(result)));
}

static Fdisk *fdisk_open(int fd, const char *device, GError **error)
{
    g_autoptr(Fdisk) fdisk = g_new0(Fdisk, 1);

    fdisk->said = g_string_new(NULL);
    fdisk->context = fdisk_new_context();
    fdisk_set_ask(fdisk->context, on_ask, fdisk);
    if (!check(fdisk, fdisk_assign_device_by_fd(fdisk->context, fd, device, 0),
               "read the partition table of", device, error))
        return NULL;
    return g_steal_pointer(&fdisk);
}

static struct fdisk_context *context_of(const PartitionTable *table)
{
    return ((Fdisk *)table->state)->context;
}

/* ---- reading ---- */

/* Of labels that count in cylinders. */
static guint64 cylinder_size(struct fdisk_context *context)
{
    return (guint64)fdisk_get_geom_heads(context) * fdisk_get_geom_sectors(context);
}

static bool is_dos(const PartitionLabel *label)
{
    return g_str_equal(label->library_name, "dos");
}

static bool is_gpt(const PartitionLabel *label)
{
    return g_str_equal(label->library_name, "gpt");
}

static void set_bounds(PartitionTable *table, struct fdisk_context *context)
{
    guint64 cylinder = cylinder_size(context);
    guint64 first = fdisk_get_first_lba(context), end = fdisk_get_last_lba(context) + 1;

    if (table->label->counts_cylinders && cylinder) {
        table->grain = cylinder * table->sector;
        end = fdisk_get_nsectors(context) / cylinder * cylinder;
    }
    if (is_dos(table->label)) /* that is all its numbers can say */
        end = MIN(end, G_MAXUINT32);
    table->first = MAX(first * table->sector, table->grain);
    table->last = end * table->sector;
}

static bool fdisk_load(PartitionTable *table, GError **error)
{
    g_autoptr(Fdisk) fdisk = fdisk_open(table->fd, table->device, error);

    if (!fdisk)
        return false;
    struct fdisk_label *label = fdisk_get_label(fdisk->context, NULL);
    if (!fdisk_has_label(fdisk->context) || !label ||
        !g_str_equal(fdisk_label_get_name(label), table->label->library_name))
        return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                         "cannot read the partition table of '%s': it is damaged%s%s",
                         table->device, fdisk->said->len ? ": " : "", fdisk->said->str);
    table->sector = fdisk_get_sector_size(fdisk->context);
    /* So that the sector before a logical partition is where LOGICAL_LEAD has room for it. */
    if (is_dos(table->label))
        fdisk_set_first_lba(fdisk->context, LOGICAL_LEAD / table->sector);
    set_bounds(table, fdisk->context);
    if (is_gpt(table->label)) /* as many as it was made for */
        table->number_max = (guint)fdisk_get_npartitions(fdisk->context);
    if (fdisk->said->len)
        table->damage = g_strdup(fdisk->said->str);
    g_string_truncate(fdisk->said, 0);
    table->state = g_steal_pointer(&fdisk);
    return true;
}

static void fdisk_unload(PartitionTable *table)
{
    fdisk_close(table->state);
}

static bool is_type(struct fdisk_parttype *type, const char *word)
{
    const char *text = fdisk_parttype_get_string(type);

    if (text)
        return g_ascii_strcasecmp(text, word) == 0;
    return fdisk_parttype_get_code(type) == strtoul(word, NULL, 16);
}

/* Plain data has no word, whatever it was marked with. Where a type stands for both kinds of FAT,
 * it is the newer one. */
static PartitionContent content_of(const PartitionLabel *label, struct fdisk_parttype *type)
{
    for (int i = CONTENT_COUNT - 1; i >= CONTENT_FAT16 && type; i--)
        if (label->types[i] && is_type(type, label->types[i]) &&
            !g_str_equal(label->types[i], label->types[CONTENT_NONE]))
            return (PartitionContent)i;
    return CONTENT_NONE;
}

/* Type of the header on sgi disks. */
#define SGI_VOLUME_HEADER 0

static PartitionKind kind_of(const PartitionLabel *label, struct fdisk_partition *partition)
{
    struct fdisk_parttype *type = fdisk_partition_get_type(partition);

    if (fdisk_partition_is_container(partition))
        return PARTITION_EXTENDED;
    if (fdisk_partition_is_nested(partition))
        return PARTITION_LOGICAL;
    if (fdisk_partition_is_wholedisk(partition) ||
        (g_str_equal(label->library_name, "sgi") && type &&
         fdisk_parttype_get_code(type) == SGI_VOLUME_HEADER))
        return PARTITION_RESERVED;
    return PARTITION_PLAIN;
}

static bool fdisk_list(PartitionTable *table, GError **error)
{
    g_autoptr(FdiskTable) list = NULL;
    g_autoptr(FdiskIter) iter = fdisk_new_iter(FDISK_ITER_FORWARD);
    struct fdisk_partition *partition = NULL;

    if (!check(table->state, fdisk_get_partitions(context_of(table), &list), "list partitions of",
               table->device, error))
        return false;
    while (fdisk_table_next_partition(list, iter, &partition) == 0) {
        Partition found = {
            .number = (guint)fdisk_partition_get_partno(partition) + 1,
            .kind = kind_of(table->label, partition),
            .content = content_of(table->label, fdisk_partition_get_type(partition)),
            .start = fdisk_partition_get_start(partition) * table->sector,
        };
        found.end = found.start + fdisk_partition_get_size(partition) * table->sector;
        if (found.kind == PARTITION_EXTENDED) {
            found.content = CONTENT_EXTENDED;
            found.shown = partition_shown_size(table->sector);
        }
        g_array_append_val(table->partitions, found);
    }
    return true;
}

/* Labels that libfdisk can't locate are in the first sectors. */
#define HEAD_SIZE 4096u

static void append_areas(PartitionTable *table, GArray *areas)
{
    const char *name;
    uint64_t offset;
    size_t size;

    for (int n = 0; fdisk_locate_disklabel(context_of(table), n, &name, &offset, &size) == 0; n++) {
        TableArea area = {.offset = offset, .size = (guint)MIN(size, GRAIN)};
        g_array_append_val(areas, area);
    }
}

static void fdisk_locate(PartitionTable *table)
{
    append_areas(table, table->areas);
    if (table->areas->len == 0) {
        TableArea area = {.offset = 0, .size = HEAD_SIZE};
        g_array_append_val(table->areas, area);
    }
}

/* ---- changing ---- */

static struct fdisk_parttype *find_type(PartitionTable *table, PartitionContent content)
{
    struct fdisk_label *label = fdisk_get_label(context_of(table), NULL);
    const char *word = table->label->types[content];

    return fdisk_label_parse_parttype(label, word ? word : table->label->types[CONTENT_NONE]);
}

static struct fdisk_partition *new_partition(PartitionTable *table, const Partition *wanted,
                                             guint64 size)
{
    g_autoptr(FdiskType) type = find_type(table, wanted->content);
    struct fdisk_partition *partition = fdisk_new_partition();

    fdisk_partition_set_partno(partition, wanted->number - 1);
    fdisk_partition_set_start(partition, wanted->start / table->sector);
    fdisk_partition_set_size(partition, size / table->sector);
    fdisk_partition_size_explicit(partition, 1);
    fdisk_partition_set_type(partition, type);
    if (*wanted->name)
        fdisk_partition_set_name(partition, wanted->name);
    return partition;
}

static bool add_sized(PartitionTable *table, const Partition *wanted, guint64 size, GError **error)
{
    g_autoptr(FdiskPartition) partition = new_partition(table, wanted, size);
    Fdisk *fdisk = table->state;

    g_string_truncate(fdisk->said, 0);
    return check(fdisk, fdisk_add_partition(fdisk->context, partition, NULL), "add a partition to",
                 table->device, error);
}

/* libfdisk makes partitions of sgi labels a sector shorter than it is told. */
static guint64 missing_size(PartitionTable *table, const Partition *wanted)
{
    g_autoptr(FdiskPartition) made = NULL;

    if (fdisk_get_partition(context_of(table), wanted->number - 1, &made) != 0)
        return 0;
    guint64 size = fdisk_partition_get_size(made) * table->sector;
    guint64 asked = wanted->end - wanted->start;
    return size < asked ? asked - size : 0;
}

static bool fdisk_add(PartitionTable *table, const Partition *wanted, GError **error)
{
    guint64 size = wanted->end - wanted->start;

    if (!add_sized(table, wanted, size, error))
        return false;
    guint64 missing = missing_size(table, wanted);
    if (missing == 0)
        return true;
    fdisk_delete_partition(context_of(table), wanted->number - 1);
    return add_sized(table, wanted, size + missing, error);
}

static bool fdisk_remove(PartitionTable *table, const Partition *partition, GError **error)
{
    Fdisk *fdisk = table->state;

    g_string_truncate(fdisk->said, 0);
    return check(fdisk, fdisk_delete_partition(fdisk->context, partition->number - 1),
                 "remove a partition of", table->device, error);
}

/* Labels whose partitions can't be changed in place get a new one at the same number. */
static bool fdisk_resize(PartitionTable *table, const Partition *partition, guint64 end,
                         GError **error)
{
    Fdisk *fdisk = table->state;
    Partition wanted = *partition;
    g_autoptr(FdiskPartition) change = fdisk_new_partition();

    if (table->label->cylinder) {
        wanted.end = end;
        return fdisk_remove(table, partition, error) && fdisk_add(table, &wanted, error);
    }
    g_string_truncate(fdisk->said, 0);
    fdisk_partition_set_size(change, (end - partition->start) / table->sector);
    fdisk_partition_size_explicit(change, 1);
    return check(fdisk, fdisk_set_partition(fdisk->context, partition->number - 1, change),
                 "resize a partition of", table->device, error);
}

static bool is_in(const GArray *areas, const TableArea *wanted)
{
    for (guint i = 0; i < areas->len; i++)
        if (g_array_index(areas, TableArea, i).offset == wanted->offset)
            return true;
    return false;
}

/* libfdisk writes the sector that leads to a new one first. Whoever ended between the two would
 * leave a chain into what was there before; so an empty link, which ends the chain as it ended so
 * far, is put there before. Nobody else's: the place is free until the chain leads to it. */
static bool write_empty_link(PartitionTable *table, const TableArea *area, GError **error)
{
    guint8 link[SECTOR_SIZE] = {[SECTOR_SIZE - 2] = 0x55, [SECTOR_SIZE - 1] = 0xaa};

    if (fd_write_at(table->fd, link, sizeof link, area->offset) && fdatasync(table->fd) == 0)
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot write the partition table of '%s'",
                           table->device);
}

static bool write_empty_links(PartitionTable *table, GError **error)
{
    g_autoptr(GArray) areas = g_array_new(FALSE, FALSE, sizeof(TableArea));
    const Partition *extended = partition_table_extended(table);

    append_areas(table, areas);
    if (extended) { /* as long as it is empty, libfdisk doesn't say where its chain begins */
        TableArea first = {.offset = extended->start, .size = (guint)table->sector};
        g_array_append_val(areas, first);
    }
    for (guint i = 0; i < areas->len; i++) {
        const TableArea *area = &g_array_index(areas, TableArea, i);
        if (!is_in(table->areas, area) && !write_empty_link(table, area, error))
            return false;
    }
    return true;
}

static bool fdisk_write(PartitionTable *table, GError **error)
{
    Fdisk *fdisk = table->state;

    if (is_dos(table->label) && !write_empty_links(table, error))
        return false;
    g_string_truncate(fdisk->said, 0);
    return check(fdisk, fdisk_write_disklabel(fdisk->context), "write the partition table of",
                 table->device, error);
}

/* ---- a new table ---- */

/* Sun's label has two partitions from the start that nobody asked for. */
static void drop_defaults(struct fdisk_context *context)
{
    g_autoptr(FdiskTable) list = NULL;
    g_autoptr(FdiskIter) iter = fdisk_new_iter(FDISK_ITER_FORWARD);
    struct fdisk_partition *partition = NULL;

    if (fdisk_get_partitions(context, &list) != 0)
        return;
    while (fdisk_table_next_partition(list, iter, &partition) == 0)
        if (!fdisk_partition_is_wholedisk(partition))
            fdisk_delete_partition(context, fdisk_partition_get_partno(partition));
}

#define CYLINDER_SECTORS 32u

static bool fdisk_format(const PartitionLabel *label, int fd, const char *device, GError **error)
{
    g_autoptr(Fdisk) fdisk = fdisk_open(fd, device, error);

    if (!fdisk)
        return false;
    if (label->cylinder) /* cylinders of 1 MiB, so that partitions begin there */
        fdisk_override_geometry(fdisk->context, 0, label->cylinder / CYLINDER_SECTORS,
                                CYLINDER_SECTORS);
    g_string_truncate(fdisk->said, 0);
    if (!check(fdisk, fdisk_create_disklabel(fdisk->context, label->library_name),
               "write a partition table to", device, error))
        return false;
    if (g_str_equal(label->library_name, "sun"))
        drop_defaults(fdisk->context);
    return check(fdisk, fdisk_write_disklabel(fdisk->context), "write a partition table to", device,
                 error);
}

const PartitionLibrary partition_fdisk = {
    .load = fdisk_load,
    .unload = fdisk_unload,
    .list = fdisk_list,
    .format = fdisk_format,
    .add = fdisk_add,
    .remove = fdisk_remove,
    .resize = fdisk_resize,
    .write = fdisk_write,
    .locate = fdisk_locate,
};
