/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io.h"

#include "errors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Between two looks at the operation. A kernel without full preemption runs one call to its end: a
 * longer one keeps the thread that answers look-ups waiting. */
#define KERNEL_CHUNK (1024 * 1024)
#define BUFFER_SIZE  (1024 * 1024)
#define BLOCK_SIZE   4096 /* what is written or left out as a whole */

typedef struct Copy {
    Io *from, *to;
    guint64 length;
    bool fresh;
    bool in_kernel; /* until the kernel says that it can't */
    guint8 *buffer;
    IoPass reading, writing;
    Operation *op;
} Copy;

static bool is_zero(const guint8 *bytes, gsize size)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* The end of the run of blocks from `start` on that are all zero, or all not. */
static gsize find_run(const guint8 *bytes, gsize start, gsize size, bool *ret_zero)
{
    bool zero = is_zero(bytes + start, MIN(BLOCK_SIZE, size - start));
    gsize end = start;

    while (end < size && is_zero(bytes + end, MIN(BLOCK_SIZE, size - end)) == zero)
        end += MIN(BLOCK_SIZE, size - end);
    *ret_zero = zero;
    return end;
}

static bool write_data(const Copy *copy, gsize size, guint64 offset, GError **error)
{
    bool zero = false;

    for (gsize at = 0, end; at < size; at = end) {
        end = copy->fresh ? find_run(copy->buffer, at, size, &zero) : size;
        if (!zero &&
            !copy->to->ops->write(copy->to, copy->buffer + at, end - at, offset + at, error))
            return false;
    }
    return true;
}

/* Returns how far it came, or -1. */
static gssize copy_by_buffer(Copy *copy, guint64 offset, guint64 size, GError **error)
{
    if (!copy->buffer)
        copy->buffer = g_malloc(BUFFER_SIZE);
    gssize got =
        copy->from->ops->read(copy->from, copy->buffer, MIN(size, BUFFER_SIZE), offset, error);
    if (got < 0 || !write_data(copy, (gsize)got, offset, error))
        return -1;
    return got;
}

/* What copy_file_range() answers for pairs it can't serve. */
static bool is_beyond_kernel(int errnum)
{
    return errnum == EXDEV || errnum == EINVAL || errnum == EOPNOTSUPP || errnum == ENOSYS ||
           errnum == EPERM || errnum == EACCES || errnum == EBADF || errnum == ETXTBSY;
}

/* Returns how far it came: 0 when the kernel won't do it, or -1. */
static gssize copy_in_kernel(Copy *copy, guint64 offset, guint64 size, GError **error)
{
    loff_t in = (loff_t)offset, out = (loff_t)offset;
    ssize_t done;

    do
        done = copy_file_range(copy->from->fd, &in, copy->to->fd, &out, MIN(size, KERNEL_CHUNK), 0);
    while (done < 0 && errno == EINTR);
    if (done >= 0 || is_beyond_kernel(errno))
        return MAX(done, 0);
    error_set_errno(error, ORIGIN_STORAGE, errno, "cannot copy at offset %" G_GUINT64_FORMAT,
                    offset);
    return -1;
}

static gssize copy_chunk(Copy *copy, guint64 offset, guint64 size, GError **error)
{
    if (copy->in_kernel) {
        gssize done = copy_in_kernel(copy, offset, size, error);
        if (done != 0)
            return done;
        copy->in_kernel = false;
    }
    return copy_by_buffer(copy, offset, size, error);
}

static bool move_on(Copy *copy, guint64 offset, GError **error)
{
    operation_set_progress(copy->op, offset, copy->length);
    return io_pass_moved(&copy->reading, offset, error) &&
           io_pass_moved(&copy->writing, offset, error);
}

static bool zero_chunks(Copy *copy, guint64 start, guint64 end, GError **error)
{
    while (start < end) {
        guint64 size = MIN(end - start, KERNEL_CHUNK);
        if (!operation_check(copy->op, error) ||
            !copy->to->ops->zero(copy->to, start, size, false, error) ||
            !move_on(copy, start + size, error))
            return false;
        start += size;
    }
    return true;
}

static bool copy_data(Copy *copy, guint64 start, guint64 end, GError **error)
{
    while (start < end) {
        if (!operation_check(copy->op, error))
            return false;
        gssize done = copy_chunk(copy, start, end - start, error);
        if (done < 0)
            return false;
        if (done == 0) /* the source became shorter */
            return copy->fresh || zero_chunks(copy, start, end, error);
        start += (guint64)done;
        if (!move_on(copy, start, error))
            return false;
    }
    return true;
}

static bool copy_extents(Copy *copy, GError **error)
{
    guint64 start, end;

    for (guint64 offset = 0; offset < copy->length; offset = end) {
        if (!operation_check(copy->op, error) ||
            !copy->from->ops->next_data(copy->from, offset, &start, &end, error))
            return false;
        if (end <= offset) /* no more data */
            start = end = copy->length;
        start = CLAMP(start, offset, copy->length);
        end = CLAMP(end, start, copy->length);
        if ((!copy->fresh && !zero_chunks(copy, offset, start, error)) ||
            !copy_data(copy, start, end, error))
            return false;
    }
    operation_set_progress(copy->op, copy->length, copy->length);
    return true;
}

bool io_copy(Io *from, Io *to, guint64 length, guint flags, Operation *op, GError **error)
{
    Copy copy = {
        .from = from,
        .to = to,
        .length = length,
        .fresh = flags & IO_COPY_FRESH,
        .in_kernel = from->fd >= 0 && to->fd >= 0,
        .op = op,
    };
    io_pass_begin(&copy.reading, from, false, 0);
    io_pass_begin(&copy.writing, to, true, 0);
    bool ok = copy_extents(&copy, error);

    g_free(copy.buffer);
    return ok;
}

bool io_copy_to_file(Io *from, int file, Operation *op, GError **error)
{
    guint64 length;
    int fd = dup(file);

    if (fd < 0)
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot use a new file");
    g_autoptr(Io) to = io_new_fd(fd);
    if (!from->ops->size(from, &length, error))
        return false;
    if (ftruncate(fd, (off_t)length) < 0)
        return error_set_errno(error, ORIGIN_STORAGE, errno,
                               "cannot extend a file to %" G_GUINT64_FORMAT " bytes", length);
    return io_copy(from, to, length, IO_COPY_FRESH, op, error);
}
