/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "draft.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "acting.h"
#include "errors.h"
#include "log.h"

#define LOCKED_BYTE      (G_GINT64_CONSTANT(1) << 62)
#define FOLDER_DEPTH_MAX 16 /* a draft folder is shallow; deeper is not ours */

static const guint32 locked_by_byte[] = {NFS_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC,
                                         FUSE_SUPER_MAGIC};

static void choose_name(Draft *draft)
{
    g_snprintf(draft->name, sizeof draft->name, DRAFT_PREFIX "%08x%08x", g_random_int(),
               g_random_int());
}

/* Network file systems make flock() a lock of the whole content, which keeps qemu-img off the image
 * that it is to make. */
static bool is_locked_by_byte(int fd)
{
    struct stat st;
    struct statfs fs;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || fstatfs(fd, &fs) < 0)
        return false;
    for (guint i = 0; i < G_N_ELEMENTS(locked_by_byte); i++)
        if ((guint32)fs.f_type == locked_by_byte[i])
            return true;
    return false;
}

/* That byte lies far behind any end, and nothing else asks for it. */
static bool lock_draft(int fd)
{
    struct flock byte = {.l_type = F_WRLCK,
                         .l_whence = SEEK_SET,
                         .l_start = LOCKED_BYTE,
                         .l_len = 1};

    return is_locked_by_byte(fd) ? fcntl(fd, F_OFD_SETLK, &byte) == 0
                                 : flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* Makes and locks one file. Between the two a sweeper may have taken it for a dead one: then it is
 * gone (no links left) and the caller tries again with EAGAIN. */
static int make_locked(int folder, const char *name, int flags, mode_t mode)
{
    autofd int fd = fd_open_beneath(folder, name, flags, mode);
    struct stat st;

    if (fd < 0)
        return -1;
    if (!lock_draft(fd) || fstat(fd, &st) < 0) {
        int saved = errno;
        unlinkat(folder, name, flags & O_DIRECTORY ? AT_REMOVEDIR : 0);
        errno = saved == EWOULDBLOCK ? EAGAIN : saved;
        return -1;
    }
    if (st.st_nlink == 0) {
        errno = EAGAIN;
        return -1;
    }
    return fd_steal(&fd);
}

static bool draft_make(int folder, int flags, mode_t mode, Draft *ret, GError **error)
{
    Draft draft = {.folder = folder, .fd = -1};

    for (int tries = 0; tries < 16 && draft.fd < 0; tries++) {
        choose_name(&draft);
        if ((flags & O_DIRECTORY) && mkdirat(folder, draft.name, 0700) < 0) {
            if (errno == EEXIST)
                continue;
            break;
        }
        draft.fd = make_locked(folder, draft.name, flags, 0600);
        if (draft.fd < 0 && errno != EEXIST && errno != EAGAIN)
            break;
    }
    if (draft.fd < 0)
        return error_set_errno(error, ORIGIN_STORAGE, errno,
                               "cannot make a new file in the folder");
    /* Exact bits, whatever the umask. */
    if (fchmod(draft.fd, mode) < 0) {
        error_set_errno(error, ORIGIN_STORAGE, errno, "cannot set mode 0%o on a new file",
                        (guint)mode);
        draft_discard(&draft);
        return false;
    }
    *ret = draft;
    return true;
}

bool draft_create(int folder, mode_t mode, Draft *ret, GError **error)
{
    return draft_make(folder, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode, ret, error);
}

bool draft_create_folder(int folder, mode_t mode, Draft *ret, GError **error)
{
    return draft_make(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, mode, ret, error);
}

/* Renames without replacing. Where the file system can't (NFS), a hard link does the same for
 * files; folders are renamed after a look, since nothing better exists. */
static bool rename_new(const Draft *draft, const char *name)
{
    struct stat st;

    if (renameat2(draft->folder, draft->name, draft->folder, name, RENAME_NOREPLACE) == 0)
        return true;
    if (errno != EINVAL && errno != ENOSYS)
        return false;
    if (fstat(draft->fd, &st) < 0)
        return false;
    if (!S_ISDIR(st.st_mode)) {
        if (linkat(draft->folder, draft->name, draft->folder, name, 0) < 0)
            return false;
        (void)unlinkat(draft->folder, draft->name, 0);
        return true;
    }
    if (fstatat(draft->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return false;
    }
    return errno == ENOENT && renameat(draft->folder, draft->name, draft->folder, name) == 0;
}

/* Takes the place of what has the name, which afterwards has the draft's: that way back is open
 * until the folder is on disk. */
static bool rename_over(const Draft *draft, const char *name)
{
    if (renameat2(draft->folder, draft->name, draft->folder, name, RENAME_EXCHANGE) == 0)
        return true;
    if (errno == ENOENT)
        return rename_new(draft, name);
    return (errno == EINVAL || errno == ENOSYS) &&
           renameat(draft->folder, draft->name, draft->folder, name) == 0;
}

/* Undoes a rename that may not have reached the disk. */
static void rename_back(const Draft *draft, const char *name)
{
    if (renameat2(draft->folder, draft->name, draft->folder, name, RENAME_EXCHANGE) < 0 &&
        errno == ENOENT)
        (void)renameat(draft->folder, name, draft->folder, draft->name);
}

static bool report_rename(const char *name, GError **error)
{
    return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot give a new file its name '%s'",
                           name);
}

bool draft_publish(Draft *draft, const char *name, bool replace, GError **error)
{
    if (fsync(draft->fd) < 0)
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot write '%s' to disk", name);
    if (!(replace ? rename_over(draft, name) : rename_new(draft, name)))
        return report_rename(name, error);
    if (!fd_flush_folder(draft->folder)) {
        error_set_errno(error, ORIGIN_STORAGE, errno, "cannot write the name '%s' to disk", name);
        rename_back(draft, name);
        return false;
    }
    if (replace)
        (void)unlinkat(draft->folder, draft->name, 0); /* what was replaced */
    fd_close(&draft->fd);
    *draft = DRAFT_INIT;
    return true;
}

bool draft_publish_unflushed(Draft *draft, const char *name, GError **error)
{
    if (renameat(draft->folder, draft->name, draft->folder, name) < 0)
        return report_rename(name, error);
    fd_close(&draft->fd);
    *draft = DRAFT_INIT;
    return true;
}

static void remove_tree(int folder, const char *name, int depth)
{
    if (acting_unlink(folder, name, 0) == 0 || (errno != EISDIR && errno != EPERM))
        return;
    int fd = acting_open_beneath(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0)
        return;
    DIR *entries = fdopendir(fd);
    if (!entries) {
        fd_close(&fd);
        return;
    }
    for (struct dirent *entry; depth > 0 && (entry = readdir(entries));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_tree(dirfd(entries), entry->d_name, depth - 1);
    closedir(entries);
    (void)acting_unlink(folder, name, AT_REMOVEDIR);
}

void draft_discard(Draft *draft)
{
    if (draft->fd < 0)
        return;
    remove_tree(draft->folder, draft->name, FOLDER_DEPTH_MAX);
    fd_close(&draft->fd);
    *draft = DRAFT_INIT;
}

bool draft_is_name(const char *name)
{
    return g_str_has_prefix(name, DRAFT_PREFIX);
}

/* NFS locks only what is open for writing, and nobody opens a folder for that. */
static int open_to_lock(int folder, const char *name)
{
    int fd = acting_open_beneath(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK);

    return fd >= 0 ? fd : acting_open_beneath(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
}

bool draft_sweep_one(int folder, const char *name)
{
    if (!draft_is_name(name))
        return false;
    autofd int fd = open_to_lock(folder, name);
    if (fd < 0 || !lock_draft(fd))
        return false;
    remove_tree(folder, name, FOLDER_DEPTH_MAX);
    log_debug("removed '%s', left half made by a process that died", name);
    return true;
}

guint draft_sweep(int folder)
{
    int fd = fd_open_beneath(folder, ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
    guint removed = 0;

    if (!entries) {
        fd_close(&fd);
        return 0;
    }
    for (struct dirent *entry; (entry = readdir(entries));)
        removed += draft_sweep_one(folder, entry->d_name);
    closedir(entries);
    return removed;
}
