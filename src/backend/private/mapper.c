/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mapper.h"

#include "fd.h"

#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#define CONTROL "/dev/mapper/control"

/* A call with room for the status of a single target, which for ours is one short line. */
typedef struct MapperCall {
    struct dm_ioctl head;
    char data[4096];
} MapperCall;

static bool call(MapperCall *mapper, unsigned long request, guint32 flags, const char *name)
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

bool mapper_exists(const char *name)
{
    MapperCall mapper;

    return call(&mapper, DM_DEV_STATUS, 0, name);
}

bool mapper_open_count(const char *name, guint *ret)
{
    MapperCall mapper;

    if (!call(&mapper, DM_DEV_STATUS, 0, name))
        return false;
    *ret = (guint)MAX(mapper.head.open_count, 0);
    return true;
}

/* Of a device of one target of this type. `flags`: 0 for the status line, DM_STATUS_TABLE_FLAG for
 * that of the table. */
static char *read_line(const char *name, const char *type, guint32 flags)
{
    MapperCall mapper;
    struct dm_target_spec target;

    if (!call(&mapper, DM_TABLE_STATUS, flags, name) || mapper.head.target_count != 1 ||
        mapper.head.flags & DM_BUFFER_FULL_FLAG)
        return NULL;
    const char *at = (const char *)&mapper + mapper.head.data_start;
    memcpy(&target, at, sizeof target);
    if (strncmp(target.target_type, type, sizeof target.target_type) != 0)
        return NULL;
    return g_strdup(at + sizeof target);
}

char *mapper_status(const char *name, const char *type)
{
    return read_line(name, type, 0);
}

char *mapper_table(const char *name, const char *type)
{
    return read_line(name, type, DM_STATUS_TABLE_FLAG);
}

/* "<major>:<minor> <first sector>". */
bool mapper_linear_start(const char *name, dev_t disk, guint64 *ret)
{
    g_autofree char *table = mapper_table(name, "linear");
    guint number[2];

    if (!table || sscanf(table, "%u:%u %" G_GUINT64_FORMAT, &number[0], &number[1], ret) != 3 ||
        makedev(number[0], number[1]) != disk || *ret > G_MAXINT64 / MAPPER_SECTOR)
        return false;
    *ret *= MAPPER_SECTOR;
    return true;
}
