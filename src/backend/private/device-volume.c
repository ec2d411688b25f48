/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-volume.h"

#include "content-wipe.h"
#include "errors.h"
#include "file-attributes.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MODE_DEFAULT 0600
#define NANOSECONDS  G_GINT64_CONSTANT(1000000000)

static bool open_failed(const char *path, int errnum, GError **error)
{
    if (errnum == ENOENT || errnum == ENOTDIR)
        return error_set(error, ERROR_NO_VOLUME, ORIGIN_STORAGE,
                         "no storage vol with matching path '%s'", path);
    if (errnum == ENOTBLK)
        return error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE, "unexpected storage mode for '%s'",
                         path);
    return error_set_errno(error, ORIGIN_STORAGE, errnum,
                           "Failed to open storage volume with path '%s'", path);
}

/* Looks before it opens, for opening alone may do something to what is no block device; what was
 * looked at is what gets opened. A path may lead over links, as those of logical volumes do.
 * Returns -1 with errno. */
static int open_device(const char *path, int flags, struct stat *ret)
{
    autofd int node = open(path, O_PATH | O_CLOEXEC);
    char link[sizeof "/proc/self/fd/" + 12];

    if (node < 0 || fstat(node, ret) < 0)
        return -1;
    if (!S_ISBLK(ret->st_mode)) {
        errno = ENOTBLK;
        return -1;
    }
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", node);
    return open(link, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

/* ---- who uses it ---- */

/* Device-mapper's and md's devices that stand on this one, as their names say: "dm-3, md0". */
static char *list_holders(dev_t number)
{
    g_autofree char *path =
        g_strdup_printf("/sys/dev/block/%u:%u/holders", major(number), minor(number));
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    GString *list = g_string_new(NULL);

    for (const char *name; folder && (name = g_dir_read_name(folder));)
        g_string_append_printf(list, "%s%s", list->len ? ", " : "", name);
    return g_string_free(list, FALSE);
}

static bool in_use_error(const char *path, dev_t number, GError **error)
{
    g_autofree char *holders = list_holders(number);

    return error_set_errno(error, ORIGIN_STORAGE, EBUSY,
                           "device '%s' is in use by this host (%s%s): unmount or deactivate that "
                           "first",
                           path, *holders ? "held by " : "mounted, swap, or a partition of it is",
                           holders);
}

/* The claim keeps everybody away who claims too: mounts, volume groups, RAID, swap. Guests don't
 * claim: that a machine uses the volume is for its manager to know. Returns -1 with *error. */
static int open_claimed(const char *path, GError **error)
{
    struct stat st = {0};
    int fd = open_device(path, O_RDWR | O_EXCL, &st);

    if (fd < 0 && errno == EBUSY)
        in_use_error(path, st.st_rdev, error);
    else if (fd < 0)
        open_failed(path, errno, error);
    return fd;
}

static int open_for_reading(const char *path, GError **error)
{
    struct stat st;
    int fd = open_device(path, O_RDONLY, &st);

    if (fd < 0)
        open_failed(path, errno, error);
    return fd;
}

/* ---- description ---- */

static gint64 in_nanoseconds(struct timespec time)
{
    return time.tv_sec * NANOSECONDS + time.tv_nsec;
}

static void describe_node(VolumeTarget *target, const struct stat *st)
{
    target->permissions.mode = st->st_mode & 0777;
    target->permissions.uid = st->st_uid;
    target->permissions.gid = st->st_gid;
    target->has_timestamps = true;
    target->timestamps = (Timestamps){
        .atime = in_nanoseconds(st->st_atim),
        .mtime = in_nanoseconds(st->st_mtim),
        .ctime = in_nanoseconds(st->st_ctim),
    };
}

bool device_volume_describe(VolumeDef *volume, GError **error)
{
    const char *path = volume->target.path;
    struct stat st;
    autofd int fd = open_device(path, O_RDONLY, &st);
    guint64 size;

    if (fd < 0)
        return open_failed(path, errno, error);
    if (ioctl(fd, BLKGETSIZE64, &size) < 0)
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot read the size of device '%s'",
                               path);
    volume->type = VOLUME_BLOCK;
    volume->capacity = volume->allocation = volume->physical = size;
    describe_node(&volume->target, &st);
    g_free(volume->target.permissions.label);
    volume->target.permissions.label = file_read_label(fd);
    return true;
}

bool device_volume_apply_permissions(const char *path, const Permissions *permissions,
                                     GError **error)
{
    Permissions wanted = *permissions;
    autofd int fd = open_for_reading(path, error);

    if (wanted.mode == MODE_UNSET)
        wanted.mode = MODE_DEFAULT;
    return fd >= 0 && file_set_permissions(fd, path, &wanted, error);
}

/* ---- content ---- */

int device_open_content(const char *path, VolumeAccess access, GError **error)
{
    int fd = access == VOLUME_WRITE ? open_claimed(path, error) : open_for_reading(path, error);

    /* What others wrote by another path is not in this one's cache. Privileged, hence a hint. */
    if (fd >= 0)
        (void)ioctl(fd, BLKFLSBUF, 0);
    return fd;
}

bool device_volume_open(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                        VolumeAccess access, Io **ret, GError **error)
{
    int fd = device_open_content(volume->target.path, access, error);

    if (fd < 0)
        return false;
    *ret = io_new_fd(fd);
    return true;
}

bool device_volume_wipe(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                        WipeAlgorithm algorithm, GError **error)
{
    autofd int fd = device_open_content(volume->target.path, VOLUME_WRITE, error);

    return fd >= 0 && content_wipe(fd, volume->target.path, algorithm, op, error);
}
