/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lvm-mapper.h"

#include "fd.h"
#include "lvm-group.h"

#include <errno.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define CONTROL "/dev/mapper/control"

/* Of an LVM device's UUID in the device mapper: "LVM-", the group's, the volume's. */
#define UUID_PREFIX  "LVM-"
#define UUID_LENGTH  32
#define SECTOR_BYTES 512

/* A call with room for the status of a single target, which for ours is one short line. */
typedef struct MapperCall {
    struct dm_ioctl head;
    char data[4096];
} MapperCall;

static bool call_flagged(MapperCall *mapper, unsigned long request, guint32 flags, const char *name)
{
    autofd int fd = open(CONTROL, O_RDWR | O_CLOEXEC);

    *mapper = (MapperCall){
        .head = {.version = {DM_VERSION_MAJOR, 0, 0},
                 .data_size = sizeof *mapper,
                 .data_start = offsetof(MapperCall, data),
                 .flags = DM_NOFLUSH_FLAG | flags},
    };
    if (fd < 0 || strlen(name) >= sizeof mapper->head.name)
        return false;
    memcpy(mapper->head.name, name, strlen(name) + 1);
    return ioctl(fd, request, &mapper->head) == 0;
}

static bool call(MapperCall *mapper, unsigned long request, const char *name)
{
    return call_flagged(mapper, request, 0, name);
}

bool lvm_mapper_exists(const char *name)
{
    MapperCall mapper;

    return call(&mapper, DM_DEV_STATUS, name);
}

bool lvm_mapper_open_count(const char *name, guint *ret)
{
    MapperCall mapper;

    if (!call(&mapper, DM_DEV_STATUS, name))
        return false;
    *ret = (guint)MAX(mapper.head.open_count, 0);
    return true;
}

/* Of a device of one target of this type; freed by the caller. `flags`: 0 for the status line,
 * DM_STATUS_TABLE_FLAG for that of the table. */
static char *read_line(const char *name, const char *type, guint32 flags)
{
    MapperCall mapper;
    struct dm_target_spec target;

    if (!call_flagged(&mapper, DM_TABLE_STATUS, flags, name) || mapper.head.target_count != 1 ||
        mapper.head.flags & DM_BUFFER_FULL_FLAG)
        return NULL;
    const char *at = (const char *)&mapper + mapper.head.data_start;
    memcpy(&target, at, sizeof target);
    if (strncmp(target.target_type, type, sizeof target.target_type) != 0)
        return NULL;
    return g_strdup(at + sizeof target);
}

bool lvm_mapper_thin_allocation(const char *name, guint64 *ret)
{
    g_autofree char *status = read_line(name, "thin", 0);

    if (!status || sscanf(status, "%" G_GUINT64_FORMAT, ret) != 1 ||
        *ret > G_MAXINT64 / SECTOR_BYTES)
        return false;
    *ret *= SECTOR_BYTES;
    return true;
}

/* "<major>:<minor> <first sector>". */
bool lvm_mapper_linear_start(const char *name, dev_t disk, guint64 *ret)
{
    g_autofree char *table = read_line(name, "linear", DM_STATUS_TABLE_FLAG);
    guint number[2];

    if (!table || sscanf(table, "%u:%u %" G_GUINT64_FORMAT, &number[0], &number[1], ret) != 3 ||
        makedev(number[0], number[1]) != disk || *ret > G_MAXINT64 / SECTOR_BYTES)
        return false;
    *ret *= SECTOR_BYTES;
    return true;
}

/* "<transaction> <used>/<total metadata blocks> <used>/<total data blocks> …", or "Fail". */
bool lvm_thin_usage_parse(const char *status, ThinUsage *ret)
{
    ThinUsage usage;
    int found = sscanf(status,
                       "%*u %" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
                       "/%" G_GUINT64_FORMAT,
                       &usage.meta_used, &usage.meta_total, &usage.data_used, &usage.data_total);

    if (found != 4 || usage.meta_used > usage.meta_total || usage.data_used > usage.data_total)
        return false;
    *ret = usage;
    return true;
}

bool lvm_mapper_thin_usage(const char *name, ThinUsage *ret)
{
    g_autofree char *status = read_line(name, "thin-pool", 0);

    return status && lvm_thin_usage_parse(status, ret);
}

/* What isn't empty is never told as 0, what isn't full never as 100, as lvm2 does. */
static int hundredths(guint64 used, guint64 total)
{
    if (used == 0 || total == 0)
        return total == 0 ? -1 : 0;
    if (used == total)
        return 10000;
    return CLAMP((int)((double)used / (double)total * 10000 + 0.5), 1, 9999);
}

void lvm_thin_usage_tell(const ThinUsage *usage, ThinPool *thin)
{
    g_free(thin->data_percent);
    g_free(thin->meta_percent);
    thin->data_percent = lvm_percent_text(hundredths(usage->data_used, usage->data_total));
    thin->meta_percent = lvm_percent_text(hundredths(usage->meta_used, usage->meta_total));
}

/* Groups of 6, 4, 4, 4, 4, 4, 6 letters. */
static char *dashed(const char *uuid)
{
    return g_strdup_printf("%.6s-%.4s-%.4s-%.4s-%.4s-%.4s-%.6s", uuid, uuid + 6, uuid + 10,
                           uuid + 14, uuid + 18, uuid + 22, uuid + 26);
}

char *lvm_mapper_uuid(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
        return NULL;
    g_autofree char *file =
        g_strdup_printf("/sys/dev/block/%u:%u/dm/uuid", major(st.st_rdev), minor(st.st_rdev));
    g_autofree char *text = NULL;
    if (!g_file_get_contents(file, &text, NULL, NULL))
        return NULL;
    g_strchomp(text);
    if (!g_str_has_prefix(text, UUID_PREFIX) ||
        strlen(text) != strlen(UUID_PREFIX) + 2 * UUID_LENGTH)
        return NULL;
    return dashed(text + strlen(UUID_PREFIX) + UUID_LENGTH);
}
