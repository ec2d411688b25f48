/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "folder.h"

#include "acting.h"
#include "content-wipe.h"
#include "errors.h"
#include "file-attributes.h"
#include "folder-make.h"
#include "image-tool.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool open_failed(const char *path, int errnum, GError **error)
{
    if (errnum == ENOENT)
        return error_set(error, ERROR_NO_VOLUME, ORIGIN_STORAGE,
                         "no storage vol with matching path '%s'", path);
    if (errnum == ENODEV)
        return error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE, "unexpected storage mode for '%s'",
                         path);
    if (errnum == ELOOP || errnum == EXDEV)
        return error_set(error, ERROR_OPERATION_UNSUPPORTED, ORIGIN_STORAGE,
                         "'%s' is a link: use the volume that it leads to", path);
    return error_set_errno(error, ORIGIN_STORAGE, errnum,
                           "Failed to open storage volume with path '%s'", path);
}

/* Opening alone may do something to these. */
static bool is_foreign(mode_t mode)
{
    return S_ISCHR(mode) || S_ISFIFO(mode) || S_ISSOCK(mode);
}

/* Opens what has content: files and block devices, else -1 with errno. A link is followed for
 * reading only, and inside the folder. A device is claimed for writing: EBUSY while this host
 * itself uses it. */
static int open_content(const Folder *folder, const char *name, VolumeAccess access,
                        struct stat *ret, Acting *ret_acting)
{
    struct stat st = {0};

    if (fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && is_foreign(st.st_mode)) {
        errno = ENODEV;
        return -1;
    }
    int claim = S_ISBLK(st.st_mode) ? O_EXCL : 0;
    autofd int fd = access == VOLUME_READ
                        ? entry_open_read(folder, name)
                        : acting_open_kept(folder->fd, name,
                                           O_RDWR | O_NONBLOCK | O_NOFOLLOW | claim, ret_acting);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        errno = S_ISDIR(st.st_mode) ? EISDIR : ENODEV;
        return -1;
    }
    *ret = st;
    return fd_steal(&fd);
}

/* A volume of a pool, open for work on its content. */
typedef struct Content {
    Folder folder;
    char *path;
    int fd;
    struct stat stat;
    Operation *op;
    Acting acting; /* for its owner, where nobody else may write */
} Content;

#define autocontent  __attribute__((cleanup(content_close)))
#define CONTENT_INIT ((Content){.folder.fd = -1, .fd = -1})

static void content_close(Content *content)
{
    fd_close(&content->fd);
    folder_close(&content->folder);
    g_free(content->path);
    acting_end(&content->acting);
}

static bool content_open(const PoolDef *pool, const VolumeDef *volume, VolumeAccess access,
                         Operation *op, Content *ret, GError **error)
{
    if (!entry_name_check(volume->name, error) || !folder_open(pool, &ret->folder, error))
        return false;
    ret->op = op;
    ret->path = folder_entry_path(&ret->folder, volume->name);
    ret->fd = open_content(&ret->folder, volume->name, access, &ret->stat, &ret->acting);
    return ret->fd >= 0 || open_failed(ret->path, errno, error);
}

bool folder_volume_open(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                        VolumeAccess access, Io **ret, GError **error)
{
    autocontent Content content = CONTENT_INIT;

    if (!content_open(pool, volume, access, op, &content, error))
        return false;
    *ret = io_new_fd(fd_steal(&content.fd));
    return true;
}

static bool set_size(const Content *content, guint64 size, GError **error)
{
    if (ftruncate(content->fd, (off_t)size) == 0)
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno,
                           "Failed to truncate file '%s' to %" G_GUINT64_FORMAT " bytes",
                           content->path, size);
}

static bool flush(const Content *content, GError **error)
{
    if (fdatasync(content->fd) == 0)
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot write '%s' to disk",
                           content->path);
}

/* What was cut off can't be brought back: an error would say that it is still there. */
static bool shrink_raw(const Content *content, guint64 capacity, GError **error)
{
    if (!set_size(content, capacity, error))
        return false;
    if (fdatasync(content->fd) < 0)
        log_warning("'%s' is smaller, but may have its old size after a power failure: %s",
                    content->path, g_strerror(errno));
    return true;
}

/* The holes that the file had get their space too. A file system that can't do that can't be
 * helped: writing there would race with whoever uses the volume. */
static bool fill_holes(const Content *content, guint64 size, GError **error)
{
    if (size == 0 || fallocate(content->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) == 0 ||
        errno == EOPNOTSUPP)
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno,
                           "cannot allocate %" G_GUINT64_FORMAT " bytes in file '%s'", size,
                           content->path);
}

static bool grow_raw(const Content *content, guint64 size, guint64 capacity, guint flags,
                     GError **error)
{
    if (!(flags & VOLUME_RESIZE_ALLOCATE))
        return set_size(content, capacity, error);
    return file_reserve(content->fd, content->path, size, capacity - size, content->op, error) &&
           fill_holes(content, size, error);
}

static bool resize_raw(const Content *content, guint64 capacity, guint flags, GError **error)
{
    guint64 size = (guint64)content->stat.st_size;

    if (capacity < size)
        return shrink_raw(content, capacity, error);
    if (grow_raw(content, size, capacity, flags, error) && flush(content, error))
        return true;
    (void)!ftruncate(content->fd, (off_t)size);
    return false;
}

static bool check_resize(const VolumeDef *volume, guint flags, GError **error)
{
    bool encrypted = volume->target.encryption.format != ENCRYPTION_NONE;
    bool raw = image_content_format(volume->target.format) == IMAGE_FORMAT_RAW;

    if ((flags & VOLUME_RESIZE_ALLOCATE) && !raw)
        return error_set(error, ERROR_OPERATION_UNSUPPORTED, ORIGIN_STORAGE,
                         "preallocate is only supported for raw type volume");
    if ((flags & VOLUME_RESIZE_ALLOCATE) && encrypted)
        return error_set(error, ERROR_OPERATION_UNSUPPORTED, ORIGIN_STORAGE,
                         "preallocate is only supported for an unencrypted raw volume");
    if (encrypted)
        return error_set(
            error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
            "an encrypted volume can't be resized: its secrets are not available here");
    return true;
}

bool folder_volume_resize(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                          guint64 capacity, guint flags, GError **error)
{
    autocontent Content content = CONTENT_INIT;
    int format = image_content_format(volume->target.format);

    if (!check_resize(volume, flags, error) ||
        !content_open(pool, volume, VOLUME_WRITE, op, &content, error))
        return false;
    if (format == IMAGE_FORMAT_RAW)
        return resize_raw(&content, capacity, flags, error);
    return image_tool_resize(op, content.fd, image_format_name(format), content.folder.path,
                             capacity, flags & VOLUME_RESIZE_SHRINK, error);
}

bool folder_volume_wipe(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                        WipeAlgorithm algorithm, GError **error)
{
    autocontent Content content = CONTENT_INIT;

    return content_open(pool, volume, VOLUME_WRITE, op, &content, error) &&
           content_wipe(content.fd, content.path, algorithm, op, error);
}

/* A folder that is a volume goes as a whole: it becomes a draft first, so that one that is half
 * removed is finished by the next sweep. */
static bool remove_ploop(const Folder *folder, const char *name, GError **error)
{
    autodraft Draft draft = DRAFT_INIT;

    if (!draft_create_folder(folder->fd, 0700, &draft, error))
        return false;
    if (renameat(folder->fd, name, draft.fd, "volume") == 0 || errno == ENOENT)
        return true;
    g_autofree char *path = folder_entry_path(folder, name);
    return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot remove directory '%s'", path);
}

static bool remove_entry(const Folder *folder, const char *name, bool is_folder, GError **error)
{
    if (acting_unlink(folder->fd, name, is_folder ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT)
        return true;
    g_autofree char *path = folder_entry_path(folder, name);
    return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot %s '%s'",
                           is_folder ? "remove directory" : "unlink file", path);
}

bool folder_volume_delete(const PoolDef *pool, Operation *op, const VolumeDef *volume, guint flags,
                          GError **error)
{
    autofolder Folder folder = {.fd = -1};

    if (!error_check_flags(error, flags, 0, "virStorageBackendDeleteLocal") ||
        !entry_name_check(volume->name, error) || !folder_open(pool, &folder, error))
        return false;
    bool ok = volume->type == VOLUME_PLOOP
                  ? remove_ploop(&folder, volume->name, error)
                  : remove_entry(&folder, volume->name, volume->type == VOLUME_DIR, error);
    /* Gone is gone: an error would say that the volume is still there. */
    if (ok && !fd_flush_folder(folder.fd))
        log_warning("'%s/%s' is removed, but may come back after a power failure: %s", folder.path,
                    volume->name, g_strerror(errno));
    return ok;
}
