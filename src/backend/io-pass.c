/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io.h"

#include "errors.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>

/* Between two looks. Of what is read the window is longer than what the kernel reads ahead. */
#define WRITE_WINDOW (G_GUINT64_CONSTANT(8) << 20)
#define READ_WINDOW  (G_GUINT64_CONSTANT(32) << 20)
/* As much stays in memory: a small volume as a whole, and what the disk is still busy with. */
#define KEPT (G_GUINT64_CONSTANT(64) << 20)

/* The last page of the next window, as far as the kernel does not read ahead. Storage
 * that doesn't tell may have it. */
static bool is_cached(const IoPass *pass)
{
    char byte;
    const struct iovec vector = {&byte, 1};

    return preadv2(pass->fd, &vector, 1, (off_t)(pass->reached + READ_WINDOW - 1), RWF_NOWAIT) >=
               0 ||
           errno != EAGAIN;
}

static void look_ahead(IoPass *pass)
{
    pass->was_cached = !pass->writes && pass->reached >= pass->kept && is_cached(pass);
}

void io_pass_begin(IoPass *pass, const Io *io, bool writes, guint64 offset)
{
    *pass = (IoPass){
        .fd = io->fd,
        .writes = writes,
        .kept = offset + KEPT,
        .reached = offset,
        .behind = offset,
    };
}

static void let_go(const IoPass *pass, guint64 start, guint64 end)
{
    (void)posix_fadvise(pass->fd, (off_t)start, (off_t)(end - start), POSIX_FADV_DONTNEED);
}

/* What can't be asked to write early writes at the flush. Any other failure is of data that was
 * written before. */
static bool sync_range(const IoPass *pass, guint64 start, guint64 end, unsigned flags,
                       GError **error)
{
    if (sync_file_range(pass->fd, (off_t)start, (off_t)(end - start), flags) == 0 ||
        errno == ENOSYS || errno == EINVAL || errno == ESPIPE)
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno,
                           "cannot write what lies before offset %" G_GUINT64_FORMAT " to disk",
                           end);
}

/* Only what is on the disk can be let go. By now it mostly is; the wait keeps us from writing
 * faster than the disk. */
static bool end_writing(IoPass *pass, guint64 offset, GError **error)
{
    if (!sync_range(pass, pass->reached, offset, SYNC_FILE_RANGE_WRITE, error))
        return false;
    if (offset <= pass->kept)
        return true;
    guint64 end = offset - KEPT;
    if (!sync_range(pass, pass->behind, end,
                    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                        SYNC_FILE_RANGE_WAIT_AFTER,
                    error))
        return false;
    let_go(pass, pass->behind, end);
    pass->behind = end;
    return true;
}

static bool end_reading(IoPass *pass, guint64 offset, GError **error)
{
    if (pass->reached >= pass->kept && !pass->was_cached)
        let_go(pass, pass->reached, offset);
    return true;
}

bool io_pass_moved(IoPass *pass, guint64 offset, GError **error)
{
    if (pass->fd < 0 || offset < pass->reached + (pass->writes ? WRITE_WINDOW : READ_WINDOW))
        return true;
    if (!(pass->writes ? end_writing : end_reading)(pass, offset, error))
        return false;
    pass->reached = offset;
    look_ahead(pass);
    return true;
}
