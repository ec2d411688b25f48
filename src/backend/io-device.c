/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io-fd.h"

#include "errors.h"
#include "fd.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Block devices: of a fixed size, addressed by sectors where the kernel is asked for more than
 * reading and writing. */

static bool size_device(Io *io, guint64 *ret, GError **error)
{
    if (ioctl(io->fd, BLKGETSIZE64, ret) == 0)
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot read the size of the device");
}

/* Asked before anything is written: the kernel would write what fits. */
static bool check_range(Io *io, guint64 offset, guint64 length, GError **error)
{
    guint64 size;

    if (!size_device(io, &size, error))
        return false;
    if (size == 0) /* what is left of a device that is gone */
        return error_set_errno(error, ORIGIN_STORAGE, ENODEV,
                               "cannot write at offset %" G_GUINT64_FORMAT, offset);
    if (offset <= size && length <= size - offset)
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, ENOSPC,
                           "cannot write %" G_GUINT64_FORMAT " bytes at offset %" G_GUINT64_FORMAT
                           " of a device of %" G_GUINT64_FORMAT " bytes",
                           length, offset, size);
}

static bool write_device(Io *io, const void *buffer, gsize size, guint64 offset, GError **error)
{
    return check_range(io, offset, size, error) && io_fd_write(io, buffer, size, offset, error);
}

static bool zero_by_blocks(int fd, guint64 offset, guint64 length)
{
    guint64 range[2] = {offset, length};

    return ioctl(fd, BLKZEROOUT, range) == 0;
}

/* In the order they are tried, by whether the space is to stay reserved. */
static const ZeroFunc zero_funcs[2][4] = {
    [false] = {zero_by_hole, zero_by_blocks, zero_by_writes},
    [true] = {zero_by_blocks, zero_by_writes},
};

/* Whole sectors by the device's own means; what is left of them at either end is written. */
static bool zero_sectors(int fd, guint64 offset, guint64 length, bool reserve)
{
    guint64 end = offset + length;
    int sector = 0;

    if (ioctl(fd, BLKSSZGET, &sector) < 0 || sector <= 0)
        return zero_by_writes(fd, offset, length);
    guint64 unit = (guint64)sector;
    guint64 first = MIN((offset + unit - 1) / unit * unit, end);
    guint64 last = MAX(end / unit * unit, first);
    return zero_by_writes(fd, offset, first - offset) &&
           (last == first || zero_by_any(fd, zero_funcs[reserve], first, last - first)) &&
           zero_by_writes(fd, last, end - last);
}

static bool zero_device(Io *io, guint64 offset, guint64 length, bool reserve, GError **error)
{
    if (length == 0)
        return true;
    return check_range(io, offset, length, error) &&
           (zero_sectors(io->fd, offset, length, reserve) || io_zero_failed(offset, error));
}

/* A device doesn't tell: all is data. */
static bool next_data_device(Io *io, guint64 offset, guint64 *ret_start, guint64 *ret_end,
                             GError **error)
{
    guint64 size;

    if (!size_device(io, &size, error))
        return false;
    *ret_start = MIN(offset, size);
    *ret_end = size;
    return true;
}

/* The disk that a partition is on: its name in /sys, where '!' stands for '/'; NULL for what is no
 * partition. */
static char *find_whole(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return NULL;
    g_autofree char *link =
        g_strdup_printf("/sys/dev/block/%u:%u", major(st.st_rdev), minor(st.st_rdev));
    g_autofree char *mark = g_build_filename(link, "partition", NULL);
    g_autofree char *place = access(mark, F_OK) == 0 ? g_file_read_link(link, NULL) : NULL;
    if (!place)
        return NULL;
    g_autofree char *folder = g_path_get_dirname(place);
    g_autofree char *name = g_path_get_basename(folder);
    return g_strconcat("/dev/", g_strdelimit(name, "!", '/'), NULL);
}

/* The disk as a whole has a cache of its own, which lives on while any partition is in use. */
static void forget_whole(int fd)
{
    g_autofree char *path = find_whole(fd);
    autofd int whole = path ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;

    if (whole >= 0)
        (void)ioctl(whole, BLKFLSBUF, 0);
}

/* Also forgets what is kept in memory: whoever reads the device later, by whatever path, gets what
 * is on the disk. That takes a privilege, and is a hint, for all is written. */
static bool flush_device(Io *io, GError **error)
{
    if (!io_fd_flush(io, error))
        return false;
    (void)ioctl(io->fd, BLKFLSBUF, 0);
    forget_whole(io->fd);
    return true;
}

const IoOps io_device_ops = {
    .read = io_fd_read,
    .write = write_device,
    .zero = zero_device,
    .next_data = next_data_device,
    .size = size_device,
    .flush = flush_device,
    .close = io_fd_close,
};
