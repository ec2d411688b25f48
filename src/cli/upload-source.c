/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "upload-source.h"

#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Zeros in a pipe count as a hole from so many on, which keeps holes in step with blocks. */
#define BLOCK_SIZE ((gsize)64 * 1024)
/* A pipe's holes are told at least this often. */
#define HOLE_MAX ((guint64)64 << 20)
/* A pipe that has nothing to read is asked again so often whether Ctrl-C was pressed. */
#define PATIENCE 100 /* milliseconds */

/* ---- open, close ---- */

static bool find_size(UploadSource *source)
{
    struct stat st;
    if (fstat(source->fd, &st) < 0)
        return false;
    if (S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return false;
    }
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return true;
    off_t start = lseek(source->fd, 0, SEEK_CUR); /* standard input may be somewhere inside */
    off_t end = lseek(source->fd, 0, SEEK_END);
    if (start < 0 || end < 0 || lseek(source->fd, start, SEEK_SET) < 0)
        return false;
    source->seekable = true;
    source->position = (guint64)start;
    source->size = (guint64)MAX(end, start);
    return true;
}

bool upload_source_open(UploadSource *source, const char *path)
{
    bool standard_input = strcmp(path, "-") == 0;
    *source = (UploadSource){.name = standard_input ? "standard input" : path, .left = G_MAXUINT64};
    source->fd = standard_input ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return source->fd >= 0 && find_size(source);
}

void upload_source_close(UploadSource *source)
{
    if (source->fd >= 0 && source->seekable) /* others may share it */
        (void)lseek(source->fd, (off_t)source->position, SEEK_SET);
    if (source->fd >= 0)
        close(source->fd);
    g_clear_pointer(&source->block, g_free);
    source->fd = -1;
}

/* ---- reading ---- */

/* False when Ctrl-C was pressed. */
static bool wait_for_pipe(const UploadSource *source)
{
    struct pollfd wait = {.fd = source->fd, .events = POLLIN};
    while (!progress_interrupted())
        if (poll(&wait, 1, PATIENCE) > 0)
            return true;
    errno = EINTR;
    return false;
}

/* Some bytes at the position, 0 at the end, -1 with errno. */
static ssize_t read_some(const UploadSource *source, void *buffer, gsize size)
{
    ssize_t got;
    do {
        if (!source->seekable && !wait_for_pipe(source))
            return -1;
        got = source->seekable ? pread(source->fd, buffer, size, (off_t)source->position)
                               : read(source->fd, buffer, size);
    } while (got < 0 && (errno == EINTR || errno == EAGAIN) && !progress_interrupted());
    return got;
}

static int64_t give_up(UploadSource *source, int failure)
{
    source->failure = failure;
    return -1;
}

static int64_t take(UploadSource *source, void *buffer, gsize size)
{
    ssize_t got = read_some(source, buffer, size);
    if (got < 0)
        return give_up(source, errno);
    source->position += (guint64)got;
    return got;
}

/* What was counted on and did not come. */
static int64_t end_soon(UploadSource *source)
{
    source->ended_soon = true;
    return -1;
}

/* ---- holes of files ---- */

/* A file system that doesn't know holes says so, and then has none. */
static int64_t hole_in_file(UploadSource *source)
{
    off_t here = (off_t)source->position;
    if (source->left == 0 || source->position >= source->size ||
        source->position < source->data_end)
        return 0;
    off_t data = lseek(source->fd, here, SEEK_DATA);
    if (data < 0)
        data = errno == ENXIO ? (off_t)source->size : here;
    if (data > here) {
        guint64 length = MIN((guint64)(data - here), source->left);
        source->position += length;
        source->left -= length;
        return (int64_t)length;
    }
    off_t end = lseek(source->fd, here, SEEK_HOLE);
    source->data_end = end > here ? (guint64)end : G_MAXUINT64;
    return 0;
}

/* ---- holes of pipes ---- */

static bool fill_block(UploadSource *source)
{
    gsize wanted = (gsize)MIN(BLOCK_SIZE, source->left);
    if (!source->block)
        source->block = g_malloc(BLOCK_SIZE);
    source->block_at = source->block_size = 0;
    while (source->block_size < wanted) {
        int64_t got = take(source, source->block + source->block_size, wanted - source->block_size);
        if (got < 0)
            return false;
        if (got == 0)
            break;
        source->block_size += (gsize)got;
    }
    return true;
}

static bool is_zero(const guint8 *block, gsize size)
{
    return size > 0 && block[0] == 0 && memcmp(block, block + 1, size - 1) == 0;
}

static void drop_block(UploadSource *source)
{
    if (source->left != G_MAXUINT64)
        source->left -= source->block_size;
    source->block_at = source->block_size = 0;
}

static int64_t hole_in_pipe(UploadSource *source)
{
    int64_t length = 0;
    if (source->block_at < source->block_size)
        return 0;
    while ((guint64)length < HOLE_MAX) {
        if (!fill_block(source))
            return -1;
        if (!is_zero(source->block, source->block_size))
            break;
        length += (int64_t)source->block_size;
        drop_block(source);
    }
    return length;
}

static int64_t source_hole(void *data)
{
    UploadSource *source = data;
    return source->seekable ? hole_in_file(source) : hole_in_pipe(source);
}

/* ---- data ---- */

static int64_t take_from_block(UploadSource *source, void *buffer, gsize size)
{
    gsize count = MIN(size, source->block_size - source->block_at);
    memcpy(buffer, source->block + source->block_at, count);
    source->block_at += count;
    return (int64_t)count;
}

static gsize fitting(const UploadSource *source, gsize size)
{
    guint64 fits = MIN(size, source->left);
    if (source->data_end > source->position)
        fits = MIN(fits, source->data_end - source->position);
    return (gsize)fits;
}

static int64_t source_read(void *buffer, size_t size, void *data)
{
    UploadSource *source = data;
    gsize fits = fitting(source, size);
    if (fits == 0)
        return 0;
    int64_t got = source->block_at < source->block_size ? take_from_block(source, buffer, fits)
                                                        : take(source, buffer, fits);
    if (got == 0 && source->left != G_MAXUINT64)
        return end_soon(source);
    if (got > 0 && source->left != G_MAXUINT64)
        source->left -= (guint64)got;
    return got;
}

const CisternStreamSource upload_source_calls = {source_hole, source_read};

/* ---- going on ---- */

static bool pass_over(UploadSource *source, void *buffer, gsize size)
{
    for (gsize done = 0; done < size;) {
        int64_t got = take(source, (guint8 *)buffer + done, size - done);
        if (got <= 0)
            return got == 0 && end_soon(source) == 0;
        done += (gsize)got;
    }
    return true;
}

bool upload_source_skip(UploadSource *source, guint64 count, void *tail, gsize tail_size)
{
    g_autofree guint8 *buffer = g_malloc(BLOCK_SIZE);
    guint64 before = count - tail_size;
    if (source->seekable)
        source->position += before;
    for (guint64 left = source->seekable ? 0 : before; left > 0;) {
        gsize size = (gsize)MIN(left, BLOCK_SIZE);
        if (!pass_over(source, buffer, size))
            return false;
        left -= size;
    }
    return pass_over(source, tail, tail_size);
}
