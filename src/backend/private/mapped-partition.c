/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mapped-partition.h"

#include "command.h"
#include "errors.h"
#include "mapper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define FOLDER "/dev/mapper/"

/* ---- reading ---- */

/* A line of the device's folder in sysfs; NULL when there is none. */
static char *read_line(dev_t device, const char *file)
{
    g_autofree char *path =
        g_strdup_printf("/sys/dev/block/%u:%u/%s", major(device), minor(device), file);
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? g_strchomp(text) : NULL;
}

static bool read_number(dev_t device, const char *file, guint64 *ret)
{
    g_autofree char *text = read_line(device, file);

    return text && g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64 / MAPPER_SECTOR, ret, NULL);
}

static bool read_holder(dev_t disk, const char *holder, dev_t *ret)
{
    g_autofree char *file = g_strdup_printf("holders/%s/dev", holder);
    g_autofree char *text = read_line(disk, file);
    guint parts[2];

    if (!text || sscanf(text, "%u:%u", &parts[0], &parts[1]) != 2)
        return false;
    *ret = makedev(parts[0], parts[1]);
    return true;
}

/* "part7-…"; 0: it is something else. */
static guint number_of(dev_t device)
{
    g_autofree char *uuid = read_line(device, "dm/uuid");
    guint number = 0;

    return uuid && sscanf(uuid, "part%u-", &number) == 1 ? number : 0;
}

static bool read_partition(dev_t disk, const char *holder, KernelPartition *ret)
{
    guint64 size = 0, start = 0;

    if (!read_holder(disk, holder, &ret->device))
        return false;
    g_autofree char *name = read_line(ret->device, "dm/name");
    ret->number = number_of(ret->device);
    if (ret->number == 0 || !name || !read_number(ret->device, "size", &size) ||
        !mapper_linear_start(name, disk, &start))
        return false;
    ret->start = start;
    ret->size = size * MAPPER_SECTOR;
    return true;
}

void mapped_partitions_read(dev_t disk, GArray *partitions)
{
    g_autofree char *name = read_line(disk, "dm/name");
    g_autofree char *path =
        g_strdup_printf("/sys/dev/block/%u:%u/holders", major(disk), minor(disk));
    g_autoptr(GDir) holders = name ? g_dir_open(path, 0, NULL) : NULL;
    const char *holder;

    while (holders && (holder = g_dir_read_name(holders))) {
        KernelPartition partition;
        if (read_partition(disk, holder, &partition))
            g_array_append_val(partitions, partition);
    }
}

/* ---- names ---- */

bool mapped_disk_check_name(const Disk *disk, GError **error)
{
    g_autofree char *name = read_line(disk->device, "dm/name");
    g_autofree char *path = g_strconcat(FOLDER, name, NULL);

    if (name && g_str_equal(disk->path, path))
        return true;
    return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "partitions of '%s' can't be changed: define the pool with the disk's own "
                     "name, '%s'",
                     disk->path, path);
}

/* Of one that is there, which another program may have named; NULL when there is none. */
static char *shown_name(const Disk *disk, guint number)
{
    g_autoptr(GArray) known = kernel_partitions_read(disk->device);
    const KernelPartition *partition = kernel_partition_find(known, number);

    return partition ? read_line(partition->device, "dm/name") : NULL;
}

char *mapped_partition_node(const Disk *disk, guint number)
{
    g_autofree char *name = shown_name(disk, number);

    return name ? g_strconcat(FOLDER, name, NULL) : NULL;
}

/* kpartx's, so that it sees ours and we see its. */
static char *uuid_of(const Disk *disk, guint number)
{
    g_autofree char *uuid = read_line(disk->device, "dm/uuid");

    if (uuid && *uuid)
        return g_strdup_printf("part%u-%s", number, uuid);
    return g_strdup_printf("part%u-devnode_%u:%u_Linear", number, major(disk->device),
                           minor(disk->device));
}

static char *table_of(const Disk *disk, const Partition *partition)
{
    return g_strdup_printf("0 %" G_GUINT64_FORMAT " linear %u:%u %" G_GUINT64_FORMAT,
                           kernel_partition_size(partition) / MAPPER_SECTOR, major(disk->device),
                           minor(disk->device), partition->start / MAPPER_SECTOR);
}

/* ---- changing ---- */

static bool run(Operation *op, const char *const *argv, GError **error)
{
    Command command = {.argv = argv};
    g_auto(CommandResult) result = {0};

    return command_run_ok(op, &command, &result, error);
}

bool mapped_partition_add(const Disk *disk, const Partition *partition, Operation *op,
                          GError **error)
{
    g_autofree char *name = disk_partition_name(disk, partition->number);
    g_autofree char *uuid = uuid_of(disk, partition->number);
    g_autofree char *table = table_of(disk, partition);
    const char *const argv[] = {"dmsetup", "create", "--uuid", uuid, "--table",
                                table,     "--",     name,     NULL};

    return run(op, argv, error);
}

/* The new table takes effect in one step, whoever has the device open. */
bool mapped_partition_resize(const Disk *disk, const Partition *partition, Operation *op,
                             GError **error)
{
    g_autofree char *name = shown_name(disk, partition->number);
    g_autofree char *table = table_of(disk, partition);

    if (!name)
        return mapped_partition_add(disk, partition, op, error);
    const char *const reload[] = {"dmsetup", "reload", "--table", table, "--", name, NULL};
    const char *const resume[] = {"dmsetup", "resume", "--", name, NULL};

    return run(op, reload, error) && run(op, resume, error);
}

bool mapped_partition_check_idle(const Disk *disk, guint number, Operation *op, bool *ret_busy,
                                 GError **error)
{
    g_autofree char *name = shown_name(disk, number);
    guint open_count = 0;

    *ret_busy = name && mapper_open_count(name, &open_count) && open_count > 0;
    return !*ret_busy || error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE, "'%s%s' is open",
                                   FOLDER, name);
}

bool mapped_partition_remove(const Disk *disk, guint number, Operation *op, bool *ret_busy,
                             GError **error)
{
    g_autofree char *name = shown_name(disk, number);
    GError *failure = NULL;

    if (!name)
        return true;
    if (!mapped_partition_check_idle(disk, number, op, ret_busy, error))
        return false;
    const char *const argv[] = {"dmsetup", "remove", "--", name, NULL};
    if (run(op, argv, &failure))
        return true;
    *ret_busy = strstr(failure->message, "busy") != NULL; /* whoever it was may be gone by now */
    g_propagate_error(error, failure);
    return false;
}
