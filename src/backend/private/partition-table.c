/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "partition-library.h"

#include "errors.h"
#include "fd.h"
#include "partition-gpt.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_PARTED
#define PARTED (&partition_parted)
#else
#define PARTED NULL
#endif

#define GPT_LINUX "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
#define GPT_BASIC "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"

/* ---- labels ---- */

/* In the order in which their magic is looked for. */
static const PartitionLabel labels[] = {
    {
        .name = "gpt",
        .library_name = "gpt",
        .blkid_name = "gpt",
        .magic_offset = 0x200,
        .magic = "EFI PART",
        .magic_size = 8,
        .number_max = 128,
        .library = &partition_fdisk,
        .is_torn = partition_gpt_is_torn,
        .contradiction = partition_gpt_contradiction,
        .types = {GPT_LINUX, GPT_LINUX, GPT_BASIC, GPT_BASIC,
                  "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F", "E6D6D379-F507-44C2-A23C-238F2A3DF928",
                  "A19D880F-05FC-4D3B-A006-743F0F84911E"},
    },
    {
        .name = "dvh",
        .library_name = "sgi",
        .blkid_name = "sgi",
        .magic_offset = 0,
        .magic = "\x0b\xe5\xa9\x41",
        .magic_size = 4,
        .number_max = 8,
        .cylinder = 2048,
        .library = &partition_fdisk,
        .types = {"83", "83", NULL, NULL, "82", "8e", "fd"},
    },
    {
        .name = "mac",
        .library_name = "mac",
        .blkid_name = "mac",
        .magic_offset = 0,
        .magic = "ER",
        .magic_size = 2,
        .number_max = 64,
        .library = PARTED,
        .types = {"ext2", "ext2", "fat16", "fat32", "linux-swap", "ext2", "ext2"},
    },
    {
        .name = "bsd",
        .library_name = "bsd",

        .magic_offset = 0x40,
        .magic = "\x57\x45\x56\x82",
        .magic_size = 4,
        .number_max = 8,
        .library = PARTED,
        .types = {"ext2", "ext2", "fat16", "fat32", "linux-swap", "ext2", "ext2"},
    },
    {
        .name = "sun",
        .library_name = "sun",
        .blkid_name = "sun",
        .magic_offset = 0x1fc,
        .magic = "\xda\xbe",
        .magic_size = 2,
        .number_max = 8,
        .cylinder = 2048,
        .counts_cylinders = true,
        .library = &partition_fdisk,
        .types = {"83", "83", NULL, NULL, "82", "8e", "fd"},
    },
    {
        .name = "pc98",
        .counts_cylinders = true,
        .library_name = "pc98",

        .magic_offset = 0,
        .magic = "\xcb\0\0\0IPL1",
        .magic_size = 8,
        .number_max = 16,
        .library = PARTED,
        .types = {"ext2", "ext2", "fat16", "fat32", "linux-swap", "ext2", "ext2"},
    },
    {
        .name = "dos",
        .library_name = "dos",
        .blkid_name = "dos",
        .magic_offset = 0x1fe,
        .magic = "\x55\xaa",
        .magic_size = 2,
        .number_max = 4,
        .library = &partition_fdisk,
        .types = {"83", "83", "e", "c", "82", "8e", "fd", "f"},
    },
};

const PartitionLabel *partition_label_find(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(labels); i++)
        if (g_str_equal(labels[i].name, name))
            return &labels[i];
    return NULL;
}

const char *partition_label_name(const PartitionLabel *label)
{
    return label->name;
}

const char *partition_label_blkid_name(const PartitionLabel *label)
{
    return label->blkid_name;
}

bool partition_label_check(const PartitionLabel *label, GError **error)
{
    if (label->library)
        return true;
    return error_set(error, ERROR_NO_SUPPORT, ORIGIN_STORAGE,
                     "this build can't handle '%s' disk labels: it was made without libparted",
                     label->name);
}

/* Volume groups have this in their second sector, and may have any magic before it. */
#define LVM_OFFSET 0x218
#define LVM_MAGIC  "LVM2 001"

bool partition_label_detect(int fd, const char *device, const PartitionLabel **ret, GError **error)
{
    char head[2 * SECTOR_SIZE] = {0};

    *ret = NULL;
    if (fd_read_at(fd, head, sizeof head, 0) < 0)
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot read beginning of file '%s'",
                               device);
    if (memcmp(head + LVM_OFFSET, LVM_MAGIC, strlen(LVM_MAGIC)) == 0)
        return true;
    for (guint i = 0; i < G_N_ELEMENTS(labels) && !*ret; i++)
        if (memcmp(head + labels[i].magic_offset, labels[i].magic, labels[i].magic_size) == 0)
            *ret = &labels[i];
    return true;
}

/* As the kernel itself has it for the tables it reads: two sectors of 512 bytes, or one of more. */
guint64 partition_shown_size(guint64 sector)
{
    return MAX(sector, 2 * SECTOR_SIZE);
}

bool partition_label_write(const PartitionLabel *label, int fd, const char *device, GError **error)
{
    if (!label->library->format(label, fd, device, error))
        return false;
    if (fsync(fd) == 0)
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot flush '%s'", device);
}

/* ---- free space ---- */

static gint by_number(gconstpointer a, gconstpointer b)
{
    const Partition *one = a, *other = b;

    return (one->number > other->number) - (one->number < other->number);
}

static gint by_place(gconstpointer a, gconstpointer b)
{
    const Partition *one = *(Partition *const *)a, *other = *(Partition *const *)b;

    return (one->start > other->start) - (one->start < other->start);
}

static guint64 round_up(guint64 value, guint64 grain)
{
    guint64 rest = value % grain;

    return rest ? value + (grain - rest) : value;
}

static bool is_logical(const Partition *partition)
{
    return partition->kind == PARTITION_LOGICAL;
}

/* A reserved partition that begins with the disk may be the whole of it: it takes no space. */
static bool takes_space(const PartitionTable *table, const Partition *partition)
{
    return partition->kind != PARTITION_RESERVED || partition->end < table->last;
}

static GPtrArray *in_order(const PartitionTable *table, bool logical)
{
    GPtrArray *order = g_ptr_array_new();

    for (guint i = 0; i < table->partitions->len; i++) {
        Partition *partition = &g_array_index(table->partitions, Partition, i);
        if (is_logical(partition) == logical && takes_space(table, partition))
            g_ptr_array_add(order, partition);
    }
    g_ptr_array_sort(order, by_place);
    return order;
}

static void add_free(PartitionTable *table, guint64 start, guint64 end, bool logical)
{
    FreeRange range = {.start = round_up(start, table->grain), .end = end, .is_logical = logical};

    if (range.start < range.end && range.end - range.start >= table->grain)
        g_array_append_val(table->free, range);
}

/* What `from` … `end` has beside its partitions. `lead`: how much each one needs before it. */
static void find_free(PartitionTable *table, guint64 from, guint64 end, bool logical, guint64 lead)
{
    g_autoptr(GPtrArray) order = in_order(table, logical);
    guint64 place = from;

    for (guint i = 0; i < order->len; i++) {
        const Partition *partition = order->pdata[i];
        guint64 limit = MIN(partition->start - MIN(lead, partition->start), end);
        add_free(table, place + lead, limit, logical);
        place = MAX(place, partition->end);
    }
    add_free(table, place + lead, end, logical);
}

static gint free_by_place(gconstpointer a, gconstpointer b)
{
    const FreeRange *one = a, *other = b;

    return (one->start > other->start) - (one->start < other->start);
}

static void fill_free(PartitionTable *table)
{
    const Partition *extended = partition_table_extended(table);

    g_array_set_size(table->free, 0);
    find_free(table, table->first, table->last, false, 0);
    if (extended)
        find_free(table, extended->start, extended->end, true, LOGICAL_LEAD);
    g_array_sort(table->free, free_by_place);
}

/* ---- what can't be right ---- */

static char *overlap(const PartitionTable *table, bool logical)
{
    g_autoptr(GPtrArray) order = in_order(table, logical);

    for (guint i = 1; i < order->len; i++) {
        const Partition *before = order->pdata[i - 1], *after = order->pdata[i];
        if (after->start < before->end)
            return g_strdup_printf("partitions %u and %u overlap", before->number, after->number);
    }
    return NULL;
}

static char *outside(const PartitionTable *table)
{
    const Partition *extended = partition_table_extended(table);

    for (guint i = 0; i < table->partitions->len; i++) {
        const Partition *partition = &g_array_index(table->partitions, Partition, i);
        guint64 end = is_logical(partition) && extended ? extended->end : table->last;
        if (partition->start >= partition->end || (partition->end > end))
            return g_strdup_printf("partition %u reaches beyond the end of its space",
                                   partition->number);
    }
    return NULL;
}

/* What the partitions themselves have wrong; NULL: nothing. */
static char *contradiction(const PartitionTable *table)
{
    char *found = outside(table);

    if (!found)
        found = overlap(table, false);
    if (!found)
        found = overlap(table, true);
    return !found && table->label->contradiction ? table->label->contradiction(table) : found;
}

/* What the library had to say comes first. */
static void judge(PartitionTable *table)
{
    g_autofree char *found = contradiction(table);

    table->is_torn = !found && table->label->is_torn && table->label->is_torn(table);
    if (!table->damage)
        table->damage = g_steal_pointer(&found);
}

static bool refresh(PartitionTable *table, GError **error)
{
    g_array_set_size(table->partitions, 0);
    if (!table->label->library->list(table, error))
        return false;
    g_array_sort(table->partitions, by_number);
    fill_free(table);
    return true;
}

/* ---- reading ---- */

/* All bytes of the table, as they are on the disk now. */
static GBytes *read_image(PartitionTable *table, GError **error)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    for (guint i = 0; i < table->areas->len; i++) {
        const TableArea *area = &g_array_index(table->areas, TableArea, i);
        guint old = bytes->len;
        g_byte_array_set_size(bytes, old + area->size);
        memset(bytes->data + old, 0, area->size);
        if (fd_read_at(table->fd, bytes->data + old, area->size, area->offset) < 0) {
            error_set_errno(error, ORIGIN_STORAGE, errno, "cannot read the partition table of '%s'",
                            table->device);
            return NULL;
        }
    }
    return g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
}

PartitionTable *partition_table_read(const PartitionLabel *label, int fd, const char *device,
                                     GError **error)
{
    g_autoptr(PartitionTable) table = g_new0(PartitionTable, 1);

    table->label = label;
    table->fd = fd;
    table->device = g_strdup(device);
    table->grain = GRAIN;
    table->number_max = label->number_max;
    table->partitions = g_array_new(FALSE, FALSE, sizeof(Partition));
    table->free = g_array_new(FALSE, FALSE, sizeof(FreeRange));
    table->areas = g_array_new(FALSE, FALSE, sizeof(TableArea));
    if (!label->library->load(table, error) || !refresh(table, error))
        return NULL;
    judge(table);
    label->library->locate(table);
    table->image = read_image(table, error);
    return table->image ? g_steal_pointer(&table) : NULL;
}

void partition_table_free(PartitionTable *table)
{
    if (!table)
        return;
    if (table->state)
        table->label->library->unload(table);
    g_free(table->device);
    g_array_unref(table->partitions);
    g_array_unref(table->free);
    g_array_unref(table->areas);
    g_free(table->damage);
    g_clear_pointer(&table->image, g_bytes_unref);
    g_free(table);
}

/* ---- looking ---- */

const Partition *partition_table_find(const PartitionTable *table, guint number)
{
    for (guint i = 0; i < table->partitions->len; i++) {
        const Partition *partition = &g_array_index(table->partitions, Partition, i);
        if (partition->number == number)
            return partition;
    }
    return NULL;
}

const Partition *partition_table_extended(const PartitionTable *table)
{
    for (guint i = 0; i < table->partitions->len; i++) {
        const Partition *partition = &g_array_index(table->partitions, Partition, i);
        if (partition->kind == PARTITION_EXTENDED)
            return partition;
    }
    return NULL;
}

/* Logical partitions are numbered on from here, without gaps. */
#define LOGICAL_FIRST 5u
#define LOGICAL_MAX   56u /* libfdisk's limit: 60 in all */

guint partition_table_next_number(const PartitionTable *table, PartitionKind kind)
{
    guint number = kind == PARTITION_LOGICAL ? LOGICAL_FIRST : 1;
    guint limit = kind == PARTITION_LOGICAL ? LOGICAL_FIRST + LOGICAL_MAX - 1 : table->number_max;

    while (number <= limit && partition_table_find(table, number))
        number++;
    return number <= limit ? number : 0;
}

const FreeRange *partition_table_best_fit(const PartitionTable *table, guint64 size, bool logical)
{
    const FreeRange *best = NULL;

    for (guint i = 0; i < table->free->len; i++) {
        const FreeRange *range = &g_array_index(table->free, FreeRange, i);
        guint64 room = range->end - range->start;
        if (range->is_logical != logical || room < size)
            continue;
        if (!best || room < best->end - best->start)
            best = range;
    }
    return best;
}

guint64 partition_table_room_end(const PartitionTable *table, const Partition *partition)
{
    guint64 start = round_up(partition->end, table->grain);
    guint64 lead = is_logical(partition) ? LOGICAL_LEAD : 0;

    for (guint i = 0; i < table->free->len; i++) {
        const FreeRange *range = &g_array_index(table->free, FreeRange, i);
        if (range->is_logical != is_logical(partition))
            continue;
        if (range->start >= partition->end && range->start <= start + lead)
            return range->end;
    }
    return partition->end;
}

/* ---- changing ---- */

/* Libraries have their own ideas of rounding: what is in the table now is what counts. */
static bool check_made(const PartitionTable *table, const Partition *wanted, GError **error)
{
    const Partition *made = partition_table_find(table, wanted->number);

    if (made && made->start == wanted->start && made->end == wanted->end)
        return true;
    return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                     "partition %u of '%s' can't be made as it should be: its table has other "
                     "units",
                     wanted->number, table->device);
}

bool partition_table_add(PartitionTable *table, const Partition *wanted, GError **error)
{
    return table->label->library->add(table, wanted, error) && refresh(table, error) &&
           check_made(table, wanted, error);
}

bool partition_table_remove(PartitionTable *table, guint number, GError **error)
{
    const Partition *partition = partition_table_find(table, number);

    return table->label->library->remove(table, partition, error) && refresh(table, error);
}

bool partition_table_resize(PartitionTable *table, guint number, guint64 end, GError **error)
{
    const Partition *partition = partition_table_find(table, number);
    Partition wanted = *partition;

    wanted.end = end;
    return table->label->library->resize(table, partition, end, error) && refresh(table, error) &&
           check_made(table, &wanted, error);
}

bool partition_table_check_sound(const PartitionTable *table, GError **error)
{
    if (!table->damage)
        return true;
    return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "the partition table of '%s' is not sound and is left alone: %s; mend it "
                     "first (fdisk, sgdisk)",
                     table->device, table->damage);
}

static bool check_unchanged(PartitionTable *table, GError **error)
{
    g_autoptr(GBytes) now = read_image(table, error);

    if (!now)
        return false;
    if (g_bytes_equal(now, table->image))
        return true;
    return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "another program changed the partition table of '%s' meanwhile: refresh the "
                     "pool and try again",
                     table->device);
}

static bool write_and_flush(PartitionTable *table, GError **error)
{
    if (!table->label->library->write(table, error))
        return false;
    if (fsync(table->fd) == 0)
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot flush the partition table of '%s'",
                           table->device);
}

static bool is_unchanged_on_disk(PartitionTable *table)
{
    (void)posix_fadvise(table->fd, 0, 0, POSIX_FADV_DONTNEED);
    return check_unchanged(table, NULL);
}

/* A disk that takes a part of a table only gets back what was there. What it doesn't take has not
 * changed on it either, but in memory. */
static bool put_back(PartitionTable *table)
{
    const guint8 *bytes = g_bytes_get_data(table->image, NULL);

    for (guint i = 0; i < table->areas->len; i++) {
        const TableArea *area = &g_array_index(table->areas, TableArea, i);
        (void)fd_write_at(table->fd, bytes, area->size, area->offset);
        bytes += area->size;
    }
    (void)fsync(table->fd);
    return is_unchanged_on_disk(table);
}

/* The library's writing, whatever is on the disk. */
static bool put(PartitionTable *table, GError **error)
{
    if (!check_unchanged(table, error))
        return false;
    bool ok = write_and_flush(table, error);
    table->is_written = ok || !put_back(table);
    return ok;
}

bool partition_table_write(PartitionTable *table, GError **error)
{
    return partition_table_check_sound(table, error) && put(table, error);
}

bool partition_table_mend(PartitionTable *table, GError **error)
{
    if (!table->is_torn)
        return true;
    if (!put(table, error))
        return false;
    g_clear_pointer(&table->image, g_bytes_unref);
    table->image = read_image(table, error);
    table->is_torn = table->is_written = false;
    g_clear_pointer(&table->damage, g_free);
    return table->image != NULL;
}
