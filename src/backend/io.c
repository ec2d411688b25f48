/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io.h"

#include "errors.h"
#include "fd.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZERO_CHUNK (1024 * 1024)

static gssize read_fd(Io *io, void *buffer, gsize size, guint64 offset, GError **error)
{
    ssize_t got = fd_read_at(io->fd, buffer, size, offset);

    if (got < 0)
        error_set_errno(error, ORIGIN_STORAGE, errno, "cannot read at offset %" G_GUINT64_FORMAT,
                        offset);
    return got;
}

static bool write_fd(Io *io, const void *buffer, gsize size, guint64 offset, GError **error)
{
    if (fd_write_at(io->fd, buffer, size, offset))
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno,
                           "cannot write at offset %" G_GUINT64_FORMAT, offset);
}

/* Ways to make a range read as zeros. Each returns false with errno. */

static bool punch_hole(int fd, guint64 offset, guint64 length)
{
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                     (off_t)length) == 0;
}

static bool zero_range(int fd, guint64 offset, guint64 length)
{
    return fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                     (off_t)length) == 0;
}

static bool zero_blocks(int fd, guint64 offset, guint64 length)
{
    guint64 range[2] = {offset, length};

    return ioctl(fd, BLKZEROOUT, range) == 0;
}

static bool write_zeros(int fd, guint64 offset, guint64 length)
{
    static guint8 zeros[ZERO_CHUNK]; /* not const, so that it takes no room in the program */

    while (length > 0) {
        gsize size = MIN(length, sizeof zeros);
        if (!fd_write_at(fd, zeros, size, offset))
            return false;
        offset += size;
        length -= size;
    }
    return true;
}

typedef bool (*ZeroFunc)(int fd, guint64 offset, guint64 length);

/* In the order they are tried, by kind of storage and whether its space is to stay reserved. */
static const ZeroFunc zero_funcs[2][2][4] = {
    [false] = {[false] = {punch_hole, zero_range, write_zeros}, [true] = {zero_range, write_zeros}},
    [true] =
        {[false] = {punch_hole, zero_blocks, write_zeros}, [true] = {zero_blocks, write_zeros}},
};

/* What a way answers that this storage, or this alignment, does not know. */
static bool is_unsupported(int errnum)
{
    return errnum == EOPNOTSUPP || errnum == EINVAL || errnum == ENOTTY || errnum == ENOSYS ||
           errnum == ENODEV;
}

static bool zero_by_any(int fd, const ZeroFunc *funcs, guint64 offset, guint64 length)
{
    for (; *funcs; funcs++) {
        if ((*funcs)(fd, offset, length))
            return true;
        if (!is_unsupported(errno))
            return false;
    }
    return false;
}

/* Makes the range zero. What lies behind a file's end, and needs no reserved space, only makes it
 * longer. */
static bool zero_range_of(int fd, const struct stat *st, guint64 offset, guint64 length,
                          bool reserve)
{
    guint64 size = (guint64)st->st_size;
    bool grows = S_ISREG(st->st_mode) && size < offset + length;
    guint64 inside = !grows || reserve ? length : size > offset ? size - offset : 0;

    if (inside > 0 && !zero_by_any(fd, zero_funcs[S_ISBLK(st->st_mode)][reserve], offset, inside))
        return false;
    return !grows || ftruncate(fd, (off_t)(offset + length)) == 0;
}

static bool zero_fd(Io *io, guint64 offset, guint64 length, bool reserve, GError **error)
{
    struct stat st;

    if (length == 0)
        return true;
    if (fstat(io->fd, &st) == 0 && zero_range_of(io->fd, &st, offset, length, reserve))
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno,
                           "cannot write zeros at offset %" G_GUINT64_FORMAT, offset);
}

static bool size_fd(Io *io, guint64 *ret, GError **error)
{
    struct stat st;

    if (fstat(io->fd, &st) < 0)
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot read the size");
    if (!S_ISBLK(st.st_mode)) {
        *ret = (guint64)st.st_size;
        return true;
    }
    if (ioctl(io->fd, BLKGETSIZE64, ret) < 0)
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot read the size of the device");
    return true;
}

static bool next_data_fd(Io *io, guint64 offset, guint64 *ret_start, guint64 *ret_end,
                         GError **error)
{
    guint64 size;

    if (!size_fd(io, &size, error))
        return false;
    off_t start = lseek(io->fd, (off_t)offset, SEEK_DATA);
    if (start < 0 && errno == ENXIO) {
        *ret_start = *ret_end = size;
        return true;
    }
    if (start < 0 && !is_unsupported(errno))
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot look for data");
    off_t end = start < 0 ? -1 : lseek(io->fd, start, SEEK_HOLE);
    /* Storage that can't tell is all data. */
    *ret_start = end < 0 ? MIN(offset, size) : (guint64)start;
    *ret_end = end < 0 ? size : (guint64)end;
    return true;
}

static bool flush_fd(Io *io, GError **error)
{
    if (fdatasync(io->fd) == 0)
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot write the data to disk");
}

static void close_fd(Io *io)
{
    fd_close(&io->fd);
    g_free(io);
}

static const IoOps fd_ops = {
    .read = read_fd,
    .write = write_fd,
    .zero = zero_fd,
    .next_data = next_data_fd,
    .size = size_fd,
    .flush = flush_fd,
    .close = close_fd,
};

Io *io_new_fd(int fd)
{
    Io *io = g_new(Io, 1);

    *io = (Io){.ops = &fd_ops, .fd = fd};
    return io;
}

void io_close(Io *io)
{
    if (io)
        io->ops->close(io);
}
