/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io.h"

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

/* Only what is on the disk can be let go. By now it mostly is; the wait keeps us from writing
 * faster than the disk. */
static void end_writing(IoPass *pass, guint64 offset)
{
    (void)sync_file_range(pass->fd, (off_t)pass->reached, (off_t)(offset - pass->reached),
                          SYNC_FILE_RANGE_WRITE);
    if (offset <= pass->kept)
        return;
    guint64 end = offset - KEPT;
    (void)sync_file_range(pass->fd, (off_t)pass->behind, (off_t)(end - pass->behind),
                          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                              SYNC_FILE_RANGE_WAIT_AFTER);
    let_go(pass, pass->behind, end);
    pass->behind = end;
}

static void end_reading(IoPass *pass, guint64 offset)
{
    if (pass->reached >= pass->kept && !pass->was_cached)
        let_go(pass, pass->reached, offset);
}

void io_pass_moved(IoPass *pass, guint64 offset)
{
    if (pass->fd < 0 || offset < pass->reached + (pass->writes ? WRITE_WINDOW : READ_WINDOW))
        return;
    (pass->writes ? end_writing : end_reading)(pass, offset);
    pass->reached = offset;
    look_ahead(pass);
}
