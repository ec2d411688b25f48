/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io-fd.h"

#include "errors.h"
#include "fd.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZERO_CHUNK (1024 * 1024)

gssize io_fd_read(Io *io, void *buffer, gsize size, guint64 offset, GError **error)
{
    ssize_t got = fd_read_at(io->fd, buffer, size, offset);

    if (got < 0)
        error_set_errno(error, ORIGIN_STORAGE, errno, "cannot read at offset %" G_GUINT64_FORMAT,
                        offset);
    return got;
}

bool io_fd_write(Io *io, const void *buffer, gsize size, guint64 offset, GError **error)
{
    if (fd_write_at(io->fd, buffer, size, offset))
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno,
                           "cannot write at offset %" G_GUINT64_FORMAT, offset);
}

bool zero_by_hole(int fd, guint64 offset, guint64 length)
{
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                     (off_t)length) == 0;
}

static bool zero_by_range(int fd, guint64 offset, guint64 length)
{
    return fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                     (off_t)length) == 0;
}

bool zero_by_writes(int fd, guint64 offset, guint64 length)
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

/* In the order they are tried, by whether the space is to stay reserved. */
static const ZeroFunc zero_funcs[2][4] = {
    [false] = {zero_by_hole, zero_by_range, zero_by_writes},
    [true] = {zero_by_range, zero_by_writes},
};

/* EACCES: NFS asks for these by who calls, not by who opened the file. */
static bool is_unsupported(int errnum)
{
    return errnum == EACCES || errnum == EOPNOTSUPP || errnum == EINVAL || errnum == ENOTTY ||
           errnum == ENOSYS || errnum == ENODEV;
}

bool zero_by_any(int fd, const ZeroFunc *funcs, guint64 offset, guint64 length)
{
    for (; *funcs; funcs++) {
        if ((*funcs)(fd, offset, length))
            return true;
        if (!is_unsupported(errno))
            return false;
    }
    return false;
}

bool io_zero_failed(guint64 offset, GError **error)
{
    return error_set_errno(error, ORIGIN_STORAGE, errno,
                           "cannot write zeros at offset %" G_GUINT64_FORMAT, offset);
}

/* Makes the range zero. What lies behind a file's end, and needs no reserved space, only makes it
 * longer. */
static bool zero_range_of(int fd, guint64 size, guint64 offset, guint64 length, bool reserve)
{
    bool grows = size < offset + length;
    guint64 inside = !grows || reserve ? length : size > offset ? size - offset : 0;

    if (inside > 0 && !zero_by_any(fd, zero_funcs[reserve], offset, inside))
        return false;
    return !grows || ftruncate(fd, (off_t)(offset + length)) == 0;
}

static bool zero_file(Io *io, guint64 offset, guint64 length, bool reserve, GError **error)
{
    guint64 size;

    if (length == 0)
        return true;
    return io->ops->size(io, &size, error) &&
           (zero_range_of(io->fd, size, offset, length, reserve) || io_zero_failed(offset, error));
}

static bool size_file(Io *io, guint64 *ret, GError **error)
{
    struct stat st;

    if (fstat(io->fd, &st) < 0)
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot read the size");
    *ret = (guint64)st.st_size;
    return true;
}

static bool next_data_file(Io *io, guint64 offset, guint64 *ret_start, guint64 *ret_end,
                           GError **error)
{
    guint64 size;

    if (!size_file(io, &size, error))
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

bool io_fd_flush(Io *io, GError **error)
{
    if (fdatasync(io->fd) == 0)
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot write the data to disk");
}

bool io_settle(Io *io, GError **error)
{
    return io->fd >= 0 ? io_fd_flush(io, error) : io->ops->flush(io, error);
}

void io_fd_close(Io *io)
{
    fd_close(&io->fd);
    g_free(io);
}

static const IoOps file_ops = {
    .grows = true,
    .read = io_fd_read,
    .write = io_fd_write,
    .zero = zero_file,
    .next_data = next_data_file,
    .size = size_file,
    .flush = io_fd_flush,
    .close = io_fd_close,
};

Io *io_new_fd(int fd)
{
    Io *io = g_new(Io, 1);
    struct stat st;
    bool is_device = fstat(fd, &st) == 0 && S_ISBLK(st.st_mode);

    *io = (Io){.ops = is_device ? &io_device_ops : &file_ops, .fd = fd};
    return io;
}

void io_close(Io *io)
{
    if (io)
        io->ops->close(io);
}
