/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "file-attributes.h"

#include "errors.h"
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LABEL_NAME    "security.selinux"
#define LABEL_MAX     4096
#define RESERVE_CHUNK (G_GUINT64_CONSTANT(1) << 30) /* between two looks at the operation */
#define ZERO_CHUNK    (G_GUINT64_CONSTANT(1) << 20)

bool file_set_owner(int fd, const char *path, const Permissions *permissions, GError **error)
{
    if (permissions->uid == ID_UNSET && permissions->gid == ID_UNSET)
        return true;
    if (fchown(fd, permissions->uid, permissions->gid) == 0)
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot chown '%s' to (%d, %d)", path,
                           (int)permissions->uid, (int)permissions->gid);
}

static bool set_label(int fd, const char *path, const char *label, GError **error)
{
    if (!label || fsetxattr(fd, LABEL_NAME, label, strlen(label) + 1, 0) == 0)
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot set the label '%s' on '%s'", label,
                           path);
}

bool file_set_permissions(int fd, const char *path, const Permissions *permissions, GError **error)
{
    /* The mode comes after the owner, whose change may clear bits of it. */
    if (!file_set_owner(fd, path, permissions, error))
        return false;
    if (permissions->mode != MODE_UNSET && fchmod(fd, permissions->mode) < 0)
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot set mode of '%s' to %04o",
                               path, permissions->mode);
    return set_label(fd, path, permissions->label, error);
}

char *file_read_label(int fd)
{
    char label[LABEL_MAX + 1];
    ssize_t size = fgetxattr(fd, LABEL_NAME, label, LABEL_MAX);

    if (size <= 0)
        return NULL;
    label[size] = '\0';
    return g_utf8_validate(label, -1, NULL) ? g_strdup(label) : NULL;
}

bool file_has_cow_control(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && (guint64)fs.f_type == BTRFS_SUPER_MAGIC;
}

bool file_system_counts_blocks(int fd)
{
    static const guint64 magics[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,
                                     TMPFS_MAGIC};
    struct statfs fs;

    if (fstatfs(fd, &fs) < 0)
        return false;
    for (guint i = 0; i < G_N_ELEMENTS(magics); i++)
        if ((guint64)fs.f_type == magics[i])
            return true;
    return false;
}

bool file_set_nocow(int fd, const char *path, bool nocow, GError **error)
{
    int flags = 0, errnum = file_has_cow_control(fd) ? 0 : ENOSYS;

    if (!errnum && ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
        errnum = errno;
    flags = nocow ? flags | FS_NOCOW_FL : flags & ~FS_NOCOW_FL;
    if (!errnum && ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0)
        errnum = errno;
    if (!errnum)
        return true;
    return error_set_errno(error, ORIGIN_NONE, errnum, "unable to control COW flag on '%s'%s", path,
                           errnum == ENOSYS ? ", not btrfs" : "");
}

bool file_is_nocow(int fd)
{
    int flags = 0;

    return file_has_cow_control(fd) && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 &&
           (flags & FS_NOCOW_FL);
}

bool file_check_space(int fd, guint64 bytes, GError **error)
{
    struct statvfs fs;

    if (fstatvfs(fd, &fs) < 0)
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot read the free space");
    guint64 free = (guint64)(geteuid() == 0 ? fs.f_bfree : fs.f_bavail) * fs.f_frsize;
    if (bytes <= free)
        return true;
    return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                     "Not enough space left in storage pool: %" G_GUINT64_FORMAT
                     " bytes are needed, %" G_GUINT64_FORMAT " are free",
                     bytes, free);
}

/* Reserves the start of the range. Returns how much that was, or -1 with errno. */
static gint64 reserve_some(int fd, guint64 offset, guint64 length, bool *in_kernel)
{
    length = MIN(length, RESERVE_CHUNK);
    if (*in_kernel) {
        if (fallocate(fd, 0, (off_t)offset, (off_t)length) == 0)
            return (gint64)length;
        if (errno != EOPNOTSUPP && errno != ENOSYS)
            return errno == EINTR ? 0 : -1;
        *in_kernel = false;
    }
    length = MIN(length, ZERO_CHUNK);
    g_autofree guint8 *zeros = g_malloc0(length);
    return fd_write_at(fd, zeros, length, offset) ? (gint64)length : -1;
}

bool file_reserve(int fd, const char *path, guint64 offset, guint64 length, Operation *op,
                  GError **error)
{
    bool in_kernel = true;

    if (!file_check_space(fd, length, error))
        return false;
    for (guint64 done = 0; done < length;) {
        if (!operation_check(op, error))
            return false;
        gint64 some = reserve_some(fd, offset + done, length - done, &in_kernel);
        if (some < 0)
            return error_set_errno(error, ORIGIN_STORAGE, errno,
                                   "cannot allocate %" G_GUINT64_FORMAT " bytes in file '%s'",
                                   length, path);
        done += (guint64)some;
        operation_set_progress(op, done, length);
    }
    return true;
}
