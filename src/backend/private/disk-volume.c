/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk-volume.h"

#include "device-volume.h"
#include "errors.h"
#include "kernel-partition.h"
#include "log.h"
#include "mapped-partition.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- what there is ---- */

static guint64 sum_logical(const PartitionTable *table)
{
    guint64 sum = 0;

    for (guint i = 0; i < table->partitions->len; i++) {
        const Partition *partition = &g_array_index(table->partitions, Partition, i);
        if (partition->kind == PARTITION_LOGICAL)
            sum += partition->end - partition->start;
    }
    return sum;
}

static void set_extent(VolumeDef *volume, const Disk *disk, const Partition *partition)
{
    volume->extents = g_new0(VolumeExtent, 1);
    volume->n_extents = 1;
    volume->extents[0] = (VolumeExtent){.device = g_strdup(disk->path),
                                        .start = partition->start,
                                        .end = partition->end};
}

static VolumeDef *describe(const Disk *disk, const PartitionTable *table,
                           const Partition *partition)
{
    VolumeDef *volume = volume_def_new();
    g_autoptr(GError) failure = NULL;

    volume->type = VOLUME_BLOCK;
    volume->name = disk_partition_name(disk, partition->number);
    volume->target.path = disk_partition_path(disk, partition->number);
    volume->key = g_strdup(volume->target.path);
    volume->target.format = (int)partition->content;
    set_extent(volume, disk, partition);
    volume->capacity = volume->allocation = partition->end - partition->start;
    if (!device_volume_describe(volume, &failure))
        volume->problem = g_strdup(failure->message);
    if (partition->kind == PARTITION_EXTENDED) {
        volume->capacity = partition->end - partition->start;
        volume->allocation = sum_logical(table);
        volume->physical = kernel_partition_size(partition);
    }
    return volume;
}

static void tell_space(const PartitionTable *table, Scan *scan)
{
    g_autofree FreeExtent *extents = g_new0(FreeExtent, table->free->len);
    PoolSpace space = {0};

    for (guint i = 0; i < table->free->len; i++) {
        const FreeRange *range = &g_array_index(table->free, FreeRange, i);
        extents[i] = (FreeExtent){.start = range->start, .end = range->end};
        space.available += range->end - range->start;
        space.capacity = MAX(space.capacity, range->end);
    }
    for (guint i = 0; i < table->partitions->len; i++) {
        const Partition *partition = &g_array_index(table->partitions, Partition, i);
        if (partition->kind == PARTITION_RESERVED)
            continue;
        space.capacity = MAX(space.capacity, partition->end);
        if (partition->kind != PARTITION_EXTENDED)
            space.allocation += partition->end - partition->start;
    }
    scan->set_space(scan, &space, NULL);
    scan->set_free_extents(scan, extents, table->free->len);
}

bool disk_scan(const PoolDef *pool, Operation *op, Scan *scan, GError **error)
{
    autodisk Disk disk = DISK_INIT;

    if (!disk_open(pool, DISK_READ, op, &disk, error))
        return false;
    g_autoptr(PartitionTable) table = disk_read_table(&disk, error);
    if (!table)
        return false;
    disk_unlock(&disk);
    if (table->damage)
        log_warning("pool '%s': partition table of '%s': %s", pool->name, disk.path, table->damage);
    for (guint i = 0; i < table->partitions->len; i++) {
        const Partition *partition = &g_array_index(table->partitions, Partition, i);
        if (!operation_check(op, error))
            return false;
        if (partition->kind == PARTITION_RESERVED)
            continue;
        g_autoptr(VolumeDef) volume = describe(&disk, table, partition);
        scan->add(scan, volume, NULL);
    }
    tell_space(table, scan);
    return true;
}

static bool not_found(const char *name, GError **error)
{
    return error_set(error, ERROR_NO_VOLUME, ORIGIN_STORAGE,
                     "no storage vol with matching name '%s'", name);
}

static const Partition *find_by_name(const Disk *disk, const PartitionTable *table,
                                     const char *name)
{
    guint number = disk_partition_number(disk, name);
    const Partition *partition = number ? partition_table_find(table, number) : NULL;

    return partition && partition->kind != PARTITION_RESERVED ? partition : NULL;
}

bool disk_volume_stat(const PoolDef *pool, Operation *op, const char *name, VolumeState *ret,
                      GError **error)
{
    autodisk Disk disk = DISK_INIT;

    if (!disk_open(pool, DISK_READ, op, &disk, error))
        return false;
    g_autoptr(PartitionTable) table = disk_read_table(&disk, error);
    if (!table)
        return false;
    const Partition *partition = find_by_name(&disk, table, name);
    if (!partition)
        return not_found(name, error);
    ret->volume = describe(&disk, table, partition);
    return true;
}

static bool is_another(const VolumeDef *volume, GError **error)
{
    return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "volume '%s' is another partition now: refresh the pool", volume->name);
}

/* ---- a change ---- */

typedef struct Change {
    Disk disk;
    PartitionTable *table;
    GArray *before; /* Partition rows, as they were */
    Operation *op;
} Change;

#define autochange __attribute__((cleanup(change_end)))

static void change_end(Change *change)
{
    if (change->disk.fd >= 0)
        disk_let_go(&change->disk, change->op);
    disk_close(&change->disk);
    g_clear_pointer(&change->table, partition_table_free);
    g_clear_pointer(&change->before, g_array_unref);
}

static bool change_begin(Change *change, const PoolDef *pool, Operation *op, GError **error)
{
    *change = (Change){.disk = DISK_INIT, .op = op};
    if (!disk_open(pool, DISK_CHANGE, op, &change->disk, error) ||
        (change->disk.is_mapped && !mapped_disk_check_name(&change->disk, error)))
        return false;
    change->table = disk_read_table(&change->disk, error);
    if (!change->table || !partition_table_mend(change->table, error) ||
        !partition_table_check_sound(change->table, error))
        return false;
    change->before = g_array_copy(change->table->partitions);
    return true;
}

/* Writes what was changed in memory, the kernel's list with it. */
static bool change_commit(Change *change, GError **error)
{
    Disk *disk = &change->disk;
    GArray *after = change->table->partitions;

    if (!kernel_partitions_make_way(disk, change->before, after, change->op, error))
        return false;
    if (!partition_table_write(change->table, error)) {
        kernel_partitions_show(disk, change->before, NULL, NULL);
        return false;
    }
    disk_unlock(disk); /* udev looks at new nodes only when the disk isn't locked */
    return kernel_partitions_show(disk, after, change->op, error);
}

/* The partition of a volume that was listed before, if it still is the same one; NULL when there
 * is none of that name any more. */
static bool find_listed(const Change *change, const VolumeDef *volume, const Partition **ret,
                        GError **error)
{
    *ret = find_by_name(&change->disk, change->table, volume->name);
    if (!*ret || volume->n_extents == 0 || volume->extents[0].start == (*ret)->start)
        return true;
    return is_another(volume, error);
}

/* ---- create ---- */

static bool has_logical(const Change *change)
{
    return g_str_equal(partition_label_name(change->disk.label), "dos");
}

static bool check_extended(const Change *change, GError **error)
{
    if (!has_logical(change))
        return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                         "a '%s' disk label has no extended partitions: leave the format out",
                         partition_label_name(change->disk.label));
    if (partition_table_extended(change->table))
        return error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE,
                         "extended partition already exists");
    return true;
}

/* libvirt's rule: primary ones as long as there are numbers, then logical ones. */
static bool choose_kind(const Change *change, const VolumeDef *spec, PartitionKind *ret,
                        GError **error)
{
    const Partition *extended = partition_table_extended(change->table);

    *ret = PARTITION_PLAIN;
    if (spec->target.format == CONTENT_EXTENDED) {
        if (!check_extended(change, error))
            return false;
        *ret = PARTITION_EXTENDED;
    }
    if (partition_table_next_number(change->table, *ret))
        return true;
    if (!has_logical(change))
        return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                         "the partition table of '%s' is full: it was made for %u partitions",
                         change->disk.path, change->table->number_max);
    if (!extended)
        return error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE,
                         "no extended partition found and no primary partition available");
    *ret = PARTITION_LOGICAL;
    return true;
}

static bool choose_number(const Change *change, const VolumeDef *spec, Partition *wanted,
                          GError **error)
{
    wanted->number = partition_table_next_number(change->table, wanted->kind);
    if (wanted->number == 0)
        return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                         "the partition table of '%s' is full", change->disk.path);
    g_autofree char *expected = disk_partition_name(&change->disk, wanted->number);
    if (g_str_equal(spec->name, expected))
        return true;
    return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                     "invalid partition name '%s', expected '%s'", spec->name, expected);
}

/* Rounded up, as nothing else could begin in the rest. */
static guint64 end_of(const PartitionTable *table, guint64 start, guint64 size, guint64 limit)
{
    guint64 end = start + size;
    guint64 rest = end % table->grain;

    return rest ? MIN(end + (table->grain - rest), limit) : end;
}

static bool choose_place(const Change *change, guint64 size, Partition *wanted, GError **error)
{
    guint64 sector = change->table->sector;
    guint64 need = size + (sector - size % sector) % sector;
    const FreeRange *range =
        partition_table_best_fit(change->table, need, wanted->kind == PARTITION_LOGICAL);

    if (!range)
        return error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE, "no large enough free extent");
    wanted->start = range->start;
    wanted->shown = partition_shown_size(change->table->sector);
    wanted->end = end_of(change->table, range->start, need, range->end);
    return true;
}

static bool check_spec(const VolumeDef *spec, GError **error)
{
    if (spec->target.encryption.format == ENCRYPTION_NONE)
        return true;
    return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                     "encrypted partitions can't be made: create a plain one and encrypt it in "
                     "the machine");
}

/* "<pool>-<number>": tells to whom it belongs, and is the only one of its name in
 * /dev/disk/by-partlabel. */
static void choose_name(const Change *change, Partition *wanted)
{
    char number[16];

    g_snprintf(number, sizeof number, "-%u", wanted->number);
    g_utf8_strncpy(wanted->name, change->disk.pool->name,
                   PARTITION_NAME_CHARACTERS - strlen(number));
    g_strlcat(wanted->name, number, sizeof wanted->name);
}

static bool choose(const Change *change, const VolumeDef *spec, guint64 size, Partition *ret,
                   GError **error)
{
    bool has_format = spec->target.format > 0 && spec->target.format < CONTENT_COUNT;

    *ret =
        (Partition){.content = has_format ? (PartitionContent)spec->target.format : CONTENT_NONE};
    if (!choose_kind(change, spec, &ret->kind, error) || !choose_number(change, spec, ret, error) ||
        !choose_place(change, size, ret, error))
        return false;
    choose_name(change, ret);
    return true;
}

/* Waits for the node, gives it to whom the document says, and describes it. */
static bool finish_node(const Disk *disk, const PartitionTable *table, const Partition *partition,
                        const VolumeDef *spec, Operation *op, VolumeState *ret, GError **error)
{
    g_autofree char *node = disk_partition_node(disk, partition->number);

    if (!device_await(node, true, op, error) ||
        !device_volume_apply_permissions(node, &spec->target.permissions, error))
        return false;
    ret->volume = describe(disk, table, partition);
    return true;
}

static void remove_again(const PoolDef *pool, guint number)
{
    autochange Change change;
    g_autoptr(GError) error = NULL;

    if (!change_begin(&change, pool, NULL, &error) ||
        (partition_table_find(change.table, number) &&
         (!partition_table_remove(change.table, number, &error) ||
          !change_commit(&change, &error))))
        log_warning("pool '%s': partition %u, whose making failed, can't be removed: %s",
                    pool->name, number, error->message);
}

/* The disk is let go before the node is looked at. */
static bool create_partition(const PoolDef *pool, Operation *op, const VolumeDef *spec,
                             Change *change, Partition *ret, bool *ret_written, GError **error)
{
    *ret_written = false;
    if (!change_begin(change, pool, op, error) ||
        !choose(change, spec, spec->capacity, ret, error) ||
        !partition_table_add(change->table, ret, error))
        return false;
    /* Once written, it has to be taken out again if the rest fails. */
    bool ok = change_commit(change, error);
    *ret_written = ok || change->table->is_written;
    disk_let_go(&change->disk, op);
    return ok;
}

bool disk_volume_create(const PoolDef *pool, Operation *op, const VolumeDef *spec, guint flags,
                        VolumeState *ret, GError **error)
{
    autochange Change change = {.disk = DISK_INIT};
    Partition made = {0};
    bool written = false;

    if (!check_spec(spec, error))
        return false;
    if (create_partition(pool, op, spec, &change, &made, &written, error) &&
        finish_node(&change.disk, change.table, &made, spec, op, ret, error))
        return true;
    if (written)
        remove_again(pool, made.number);
    return false;
}

/* ---- clone ---- */

/* Shows the kernel a partition that the table hasn't. */
static bool show_draft(const PoolDef *pool, Operation *op, const VolumeDef *spec, guint64 size,
                       Change *change, Partition *ret, GError **error)
{
    if (!change_begin(change, pool, op, error) || !choose(change, spec, size, ret, error))
        return false;
    if (ret->kind == PARTITION_EXTENDED)
        return error_set(error, ERROR_NO_SUPPORT, ORIGIN_STORAGE,
                         "an extended partition has no content that could be copied");
    g_autoptr(GArray) after = g_array_copy(change->before);
    g_array_append_val(after, *ret);
    Disk *disk = &change->disk;
    if (!kernel_partitions_make_way(disk, change->before, after, op, error))
        return false;
    disk_unlock(disk);
    return kernel_partition_add(disk, ret, op, error);
}

/* The table gets what the kernel shows already, if the place is still free. */
static bool enter_draft(const PoolDef *pool, Operation *op, const Partition *draft,
                        bool *ret_written, GError **error)
{
    autochange Change change;

    if (!change_begin(&change, pool, op, error) || !partition_table_add(change.table, draft, error))
        return false;
    bool ok = partition_table_write(change.table, error);
    *ret_written = change.table->is_written;
    return ok;
}

/* The disk was let go: it is opened anew, for this alone. */
static void drop_draft(const Disk *disk, guint number)
{
    Disk again = *disk;
    autofd int fd = open(disk->node, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    g_autoptr(GError) error = NULL;

    again.fd = fd;
    if (fd >= 0 && !kernel_partition_remove(&again, number, NULL, &error))
        log_warning("a clone's unfinished partition stays until the next start: %s",
                    error->message);
}

/* It is held open from before the disk is let go to the end, or udev might take it away. */
static bool fill_draft(Change *change, const PoolDef *pool, const VolumeDef *spec,
                       const Partition *draft, const VolumeSource *source, bool *ret_written,
                       VolumeState *ret, GError **error)
{
    g_autofree char *node = disk_partition_node(&change->disk, draft->number);
    autofd int held = open(node, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    disk_let_go(&change->disk, change->op);
    return device_await(node, true, change->op, error) &&
           device_volume_apply_permissions(node, &spec->target.permissions, error) &&
           device_volume_fill(node, false, source, change->op, error) &&
           enter_draft(pool, change->op, draft, ret_written, error) &&
           finish_node(&change->disk, change->table, draft, spec, change->op, ret, error);
}

bool disk_volume_clone(const PoolDef *pool, Operation *op, const VolumeDef *spec,
                       const VolumeSource *source, guint flags, VolumeState *ret, GError **error)
{
    autochange Change change = {.disk = DISK_INIT};
    Partition draft = {0};
    bool written = false;
    guint64 size = 0;

    if (flags & VOLUME_CREATE_REFLINK)
        return error_set(error, ERROR_OPERATION_UNSUPPORTED, ORIGIN_STORAGE,
                         "partitions can't share blocks: copy without reflink");
    if (!check_spec(spec, error) || !device_volume_content_size(source, &size, error) ||
        !show_draft(pool, op, spec, MAX(size, spec->capacity), &change, &draft, error))
        return false;
    if (fill_draft(&change, pool, spec, &draft, source, &written, ret, error))
        return true;
    if (written)
        remove_again(pool, draft.number);
    drop_draft(&change.disk, draft.number);
    return false;
}

/* ---- delete ---- */

static bool check_deletable(const Change *change, const Partition *partition, const char *name,
                            GError **error)
{
    if (partition->kind != PARTITION_EXTENDED || sum_logical(change->table) == 0)
        return true;
    return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "extended partition '%s' holds logical ones: delete those first", name);
}

bool disk_volume_delete(const PoolDef *pool, Operation *op, const VolumeDef *volume, guint flags,
                        GError **error)
{
    autochange Change change;
    const Partition *partition = NULL;

    if (!change_begin(&change, pool, op, error) || !find_listed(&change, volume, &partition, error))
        return false;
    if (!partition) /* gone already */
        return true;
    return check_deletable(&change, partition, volume->name, error) &&
           partition_table_remove(change.table, partition->number, error) &&
           change_commit(&change, error);
}

/* ---- resize ---- */

static guint64 last_logical_end(const PartitionTable *table)
{
    guint64 end = 0;

    for (guint i = 0; i < table->partitions->len; i++) {
        const Partition *partition = &g_array_index(table->partitions, Partition, i);
        if (partition->kind == PARTITION_LOGICAL)
            end = MAX(end, partition->end);
    }
    return end;
}

static bool choose_end(const Change *change, const Partition *partition, guint64 capacity,
                       guint64 *ret, GError **error)
{
    guint64 limit = partition_table_room_end(change->table, partition);
    guint64 room = limit - partition->start;

    if (capacity > room)
        return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                         "Not enough space left in storage pool: with the free space that follows "
                         "it, the partition can have %" G_GUINT64_FORMAT " bytes",
                         room);
    *ret = end_of(change->table, partition->start, MAX(capacity, change->table->sector), limit);
    if (partition->kind == PARTITION_EXTENDED && *ret < last_logical_end(change->table))
        return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                         "the extended partition holds logical ones beyond that size");
    return true;
}

bool disk_volume_resize(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                        guint64 capacity, guint flags, GError **error)
{
    autochange Change change;
    const Partition *partition = NULL;
    guint64 end = 0;

    if (!change_begin(&change, pool, op, error) || !find_listed(&change, volume, &partition, error))
        return false;
    if (!partition)
        return not_found(volume->name, error);
    if (!choose_end(&change, partition, capacity, &end, error))
        return false;
    if (end == partition->end)
        return true;
    return partition_table_resize(change.table, partition->number, end, error) &&
           change_commit(&change, error);
}

/* ---- content ---- */

static bool is_extended(const VolumeDef *volume)
{
    return volume->target.format == CONTENT_EXTENDED;
}

/* The node must be the very partition that was listed: another one may have its name by now. */
static bool check_node(const PoolDef *pool, const VolumeDef *volume, Operation *op, GError **error)
{
    autodisk Disk disk = DISK_INIT;

    if (!disk_open(pool, DISK_READ, op, &disk, error))
        return false;
    if (volume->n_extents == 0)
        return true;
    g_autoptr(GArray) known = kernel_partitions_read(disk.device);
    const KernelPartition *shown =
        kernel_partition_find(known, disk_partition_number(&disk, volume->name));
    if (shown && shown->start == volume->extents[0].start)
        return true;
    return is_another(volume, error);
}

bool disk_volume_wipe(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                      WipeAlgorithm algorithm, GError **error)
{
    if (is_extended(volume))
        return error_set(error, ERROR_NO_SUPPORT, ORIGIN_STORAGE,
                         "cannot wipe extended partition '%s'", volume->target.path);
    return check_node(pool, volume, op, error) &&
           device_volume_wipe(pool, op, volume, algorithm, error);
}

bool disk_volume_open(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                      VolumeAccess access, Io **ret, GError **error)
{
    if (is_extended(volume) && access == VOLUME_WRITE)
        return error_set(error, ERROR_NO_SUPPORT, ORIGIN_STORAGE,
                         "cannot write to extended partition '%s': its logical ones would be lost",
                         volume->target.path);
    return check_node(pool, volume, op, error) &&
           device_volume_open(pool, op, volume, access, ret, error);
}

/* ---- after a crash ---- */

static bool settle(Disk *disk, const PartitionTable *table, Operation *op, GError **error)
{
    if (!partition_table_check_sound(table, error))
        return false;
    disk_unlock(disk);
    return kernel_partitions_settle(disk, table, op, error);
}

/* A change begins with mending. */
static bool settle_torn(const PoolDef *pool, Operation *op, GError **error)
{
    autochange Change change;

    if (!change_begin(&change, pool, op, error))
        return false;
    log_info("pool '%s': the partition table of '%s', half written by a program that was ended, "
             "was written anew from the copy that is whole",
             pool->name, change.disk.path);
    return settle(&change.disk, change.table, op, error);
}

bool disk_sweep(const PoolDef *pool, Operation *op, GError **error)
{
    autodisk Disk disk = DISK_INIT;

    if (!disk_open(pool, DISK_READ, op, &disk, error))
        return false;
    g_autoptr(PartitionTable) table = disk_read_table(&disk, error);
    if (!table)
        return false;
    if (!table->is_torn)
        return settle(&disk, table, op, error);
    disk_close(&disk); /* with the lock that a change needs */
    return settle_torn(pool, op, error);
}
