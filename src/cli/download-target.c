/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "download-target.h"

#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART_SUFFIX ".part"
#define ZEROS_SIZE  ((gsize)64 * 1024)
/* A pipe that nobody empties is asked again so often whether Ctrl-C was pressed. */
#define PATIENCE 100 /* milliseconds */

/* ---- opening ---- */

static bool fail_with(int failure)
{
    errno = failure;
    return false;
}

/* The name may have gone to another file before the lock was there: the last holder's download was
 * finished. */
static bool is_still_named(const DownloadTarget *target)
{
    struct stat named, opened;
    return fstat(target->fd, &opened) == 0 && lstat(target->part, &named) == 0 &&
           named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

static bool open_part_once(DownloadTarget *target, mode_t mode)
{
    struct stat st;
    target->fd =
        open(target->part, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, mode);
    if (target->fd < 0 || fstat(target->fd, &st) < 0)
        return false;
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)
        return fail_with(EEXIST); /* not made by us */
    if (flock(target->fd, LOCK_EX | LOCK_NB) < 0)
        return fail_with(errno == EWOULDBLOCK ? EBUSY : errno);
    return true;
}

/* On failure what was opened is closed, and nothing of it removed: it may be another's. */
static bool open_part(DownloadTarget *target, mode_t mode)
{
    for (;;) {
        bool opened = open_part_once(target, mode);
        int failure = errno;
        if (opened && is_still_named(target))
            return true;
        if (target->fd >= 0)
            close(target->fd);
        target->fd = -1;
        if (!opened)
            return fail_with(failure);
    }
}

static bool begin_part(DownloadTarget *target, bool go_on)
{
    off_t size = go_on ? lseek(target->fd, 0, SEEK_END) : 0;
    target->position = (guint64)MAX(size, 0);
    return size >= 0 && (go_on || ftruncate(target->fd, 0) == 0);
}

/* `present` NULL: there is none of that name yet. A file that is there keeps its mode. */
static bool open_file(DownloadTarget *target, const char *path, const struct stat *present,
                      bool go_on)
{
    char *real = present ? realpath(path, NULL) : NULL; /* a link goes on leading to its file */
    if (present && (!real || access(real, W_OK) < 0)) {
        free(real);
        return false;
    }
    target->path = g_strdup(real ? real : path);
    target->part = g_strconcat(target->path, PART_SUFFIX, NULL);
    free(real);
    mode_t mode = present ? present->st_mode & 0777 : 0666;
    return open_part(target, mode) && (!present || fchmod(target->fd, mode) == 0) &&
           begin_part(target, go_on);
}

static bool open_other(DownloadTarget *target, const char *path, bool go_on)
{
    if (go_on)
        return fail_with(ESPIPE);
    target->fd = path ? open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY)
                      : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    return target->fd >= 0;
}

bool download_target_open(DownloadTarget *target, const char *path, bool go_on)
{
    struct stat st;
    bool standard_output = strcmp(path, "-") == 0;
    *target = (DownloadTarget){.name = standard_output ? "standard output" : path, .fd = -1};
    if (standard_output)
        return open_other(target, NULL, go_on);
    if (stat(path, &st) < 0)
        return errno == ENOENT && open_file(target, path, NULL, go_on);
    if (S_ISDIR(st.st_mode))
        return fail_with(EISDIR);
    return S_ISREG(st.st_mode) ? open_file(target, path, &st, go_on)
                               : open_other(target, path, go_on);
}

/* ---- writing ---- */

/* False when Ctrl-C was pressed. Files and devices are always ready. */
static bool wait_for_reader(const DownloadTarget *target)
{
    struct pollfd wait = {.fd = target->fd, .events = POLLOUT};
    while (!progress_interrupted())
        if (poll(&wait, 1, PATIENCE) > 0)
            return true;
    errno = EINTR;
    return false;
}

static ssize_t write_some(const DownloadTarget *target, const guint8 *bytes, gsize size)
{
    if (target->part)
        return pwrite(target->fd, bytes, size, (off_t)target->position);
    return wait_for_reader(target) ? write(target->fd, bytes, size) : -1;
}

static int target_write(const void *bytes, size_t size, void *data)
{
    DownloadTarget *target = data;
    for (gsize done = 0; done < size;) {
        ssize_t count = write_some(target, (const guint8 *)bytes + done, size - done);
        if (count < 0 && (errno == EINTR || errno == EAGAIN) && !progress_interrupted())
            continue;
        if (count <= 0) {
            target->failure = count < 0 ? errno : ENOSPC;
            return -1;
        }
        done += (gsize)count;
        target->position += (guint64)count;
    }
    return 0;
}

/* A file had nothing there before; elsewhere a hole has to be written. */
static int target_hole(uint64_t length, void *data)
{
    static const guint8 zeros[ZEROS_SIZE];
    DownloadTarget *target = data;
    if (target->part) {
        target->position += length;
        return 0;
    }
    while (length > 0) {
        gsize size = (gsize)MIN(length, ZEROS_SIZE);
        if (target_write(zeros, size, target) < 0)
            return -1;
        length -= size;
    }
    return 0;
}

const CisternStreamSink download_target_calls = {target_write, target_hole};

bool download_target_tail(const DownloadTarget *target, void *tail, gsize tail_size)
{
    for (gsize done = 0; done < tail_size;) {
        ssize_t got = pread(target->fd, (guint8 *)tail + done, tail_size - done,
                            (off_t)(target->position - tail_size + done));
        if (got == 0)
            errno = EIO;
        if (got <= 0)
            return false;
        done += (gsize)got;
    }
    return true;
}

/* ---- the end ---- */

static bool flush_folder(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool flushed = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    int failure = errno;
    if (fd >= 0)
        close(fd);
    errno = failure;
    return flushed;
}

static void drop_handle(DownloadTarget *target)
{
    if (target->fd >= 0)
        close(target->fd);
    target->fd = -1;
    g_clear_pointer(&target->path, g_free);
    g_clear_pointer(&target->part, g_free);
}

bool download_target_finish(DownloadTarget *target)
{
    if (!target->part) /* a pipe has nothing to flush */
        return fsync(target->fd) == 0 || errno == EINVAL || errno == EROFS || errno == ENOTSUP;
    if (ftruncate(target->fd, (off_t)target->position) < 0 || fsync(target->fd) < 0 ||
        rename(target->part, target->path) < 0)
        return false;
    target->unsettled = flush_folder(target->path) ? 0 : errno;
    drop_handle(target);
    return true;
}

void download_target_close(DownloadTarget *target)
{
    if (target->fd >= 0 && target->part && target->position == 0)
        unlink(target->part);
    drop_handle(target);
}
