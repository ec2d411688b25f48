/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fd.h"

#include <errno.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void fd_cleanup(int *fd)
{
    fd_close(fd);
}

int fd_steal(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

void fd_close(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = saved;
}

int fd_open_folder(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOCTTY);
}

int fd_open_beneath(int folder, const char *name, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (guint64)(flags | O_CLOEXEC | O_NOCTTY),
        .mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    long fd;

    /* EAGAIN: a component was renamed while the kernel looked; it asks to be called again. */
    for (int tries = 0; tries < 32; tries++) {
        fd = syscall(SYS_openat2, folder, name, &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return (int)fd;
}

ssize_t fd_read_at(int fd, void *buffer, size_t size, guint64 offset)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got = pread(fd, (char *)buffer + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

bool fd_write_at(int fd, const void *buffer, size_t size, guint64 offset)
{
    size_t done = 0;

    while (done < size) {
        ssize_t put = pwrite(fd, (const char *)buffer + done, size - done, (off_t)(offset + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        if (put == 0) {
            errno = ENOSPC;
            return false;
        }
        done += (size_t)put;
    }
    return true;
}

bool fd_flush_folder(int folder)
{
    return fsync(folder) == 0 || errno == EINVAL || errno == EROFS;
}

char *fd_read_file_at(int folder, const char *name, size_t limit, size_t *ret_size)
{
    autofd int fd = fd_open_beneath(folder, name, O_RDONLY | O_NONBLOCK, 0);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return NULL;
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        return NULL;
    }
    if (st.st_size < 0 || (guint64)st.st_size > limit) {
        errno = EFBIG;
        return NULL;
    }
    g_autofree char *text = g_malloc((size_t)st.st_size + 1);
    ssize_t size = fd_read_at(fd, text, (size_t)st.st_size, 0);
    if (size < 0)
        return NULL;
    text[size] = '\0';
    if (ret_size)
        *ret_size = (size_t)size;
    return g_steal_pointer(&text);
}
