/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io-fd.h"

#include "errors.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

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

/* Also forgets what it keeps in memory: whoever reads the device later, by whatever path (the whole
 * disk, a mapping, a guest that goes past the cache), and we ourselves get what is on the disk. */
static bool flush_device(Io *io, GError **error)
{
    if (!io_fd_flush(io, error))
        return false;
    (void)ioctl(io->fd, BLKFLSBUF, 0); /* privileged; a hint here, for all is written */
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
