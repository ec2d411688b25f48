/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lvm-mapper.h"

#include "lvm-group.h"
#include "mapper.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Of an LVM device's UUID in the device mapper: "LVM-", the group's, the volume's. */
#define UUID_PREFIX "LVM-"
#define UUID_LENGTH 32

bool lvm_mapper_thin_allocation(const char *name, guint64 *ret)
{
    g_autofree char *status = mapper_status(name, "thin");

    if (!status || sscanf(status, "%" G_GUINT64_FORMAT, ret) != 1 ||
        *ret > G_MAXINT64 / MAPPER_SECTOR)
        return false;
    *ret *= MAPPER_SECTOR;
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
    g_autofree char *status = mapper_status(name, "thin-pool");

    return status && lvm_thin_usage_parse(status, ret);
}

/* "<metadata> <data> <sectors of a block> <low water mark> <count> <feature>…" */
bool lvm_thin_zeroes_parse(const char *table)
{
    g_auto(GStrv) words = g_strsplit(table, " ", -1);

    return g_strv_length(words) >= 5 &&
           !g_strv_contains((const char *const *)words, "skip_block_zeroing");
}

bool lvm_mapper_thin_zeroes(const char *name)
{
    g_autofree char *table = mapper_table(name, "thin-pool");

    return table && lvm_thin_zeroes_parse(table);
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

static char *read_uuid(const struct stat *st)
{
    if (!S_ISBLK(st->st_mode))
        return NULL;
    g_autofree char *file =
        g_strdup_printf("/sys/dev/block/%u:%u/dm/uuid", major(st->st_rdev), minor(st->st_rdev));
    g_autofree char *text = NULL;
    if (!g_file_get_contents(file, &text, NULL, NULL))
        return NULL;
    g_strchomp(text);
    if (!g_str_has_prefix(text, UUID_PREFIX) ||
        strlen(text) != strlen(UUID_PREFIX) + 2 * UUID_LENGTH)
        return NULL;
    return dashed(text + strlen(UUID_PREFIX) + UUID_LENGTH);
}

char *lvm_mapper_uuid(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? read_uuid(&st) : NULL;
}

char *lvm_mapper_open_uuid(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 ? read_uuid(&st) : NULL;
}
