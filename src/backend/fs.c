/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"

#include "btrfs.h"
#include "device-tag.h"
#include "errors.h"
#include "folder-entry.h"
#include "folder.h"
#include "mkfs.h"
#include "mount.h"
#include "signature.h"
#include "source-check.h"
#include "source-match.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* A file system on a device, mounted by the pool. */

/* libvirt's, and btrfs, which it lacks. */
static const char *const format_names[] = {
    "auto", "ext2", "ext3", "ext4", "ufs",   "iso9660", "udf",   "gfs",
    "gfs2", "vfat", "hfs+", "xfs",  "ocfs2", "vmfs",    "btrfs",
};

static const FormatTable formats = {
    .names = format_names,
    .count = G_N_ELEMENTS(format_names),
};

static const char *format_of(const PoolDef *pool)
{
    return format_names[pool->source.format];
}

/* ---- the device ---- */

static const char *source_of(const PoolDef *pool)
{
    return pool->source.devices[0].path;
}

static bool refuse_many(const PoolDef *pool, const GPtrArray *paths, GError **error)
{
    GString *list = g_string_new(NULL);

    for (guint i = 0; i < paths->len; i++)
        g_string_append_printf(list, "%s'%s'", i > 0 ? ", " : "", (char *)paths->pdata[i]);
    error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
              "%u devices are '%s': %s. Give the pool the path of the right one", paths->len,
              source_of(pool), list->str);
    g_string_free(list, TRUE);
    return false;
}

static bool find_tagged(const PoolDef *pool, const DeviceTag *tag, Operation *op, char **ret,
                        GError **error)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);

    if (!device_tag_find(tag, op, paths, error))
        return false;
    if (paths->len > 1)
        return refuse_many(pool, paths, error);
    *ret = paths->len == 1 ? g_strdup(paths->pdata[0]) : NULL;
    return true;
}

/* Its path; NULL when there is no device of that tag. Errors: several have it. */
static bool find_device(const PoolDef *pool, Operation *op, char **ret, GError **error)
{
    g_auto(DeviceTag) tag = {0};

    if (device_tag_parse(source_of(pool), &tag))
        return find_tagged(pool, &tag, op, ret, error);
    *ret = g_path_is_absolute(source_of(pool)) ? g_strdup(source_of(pool)) : NULL;
    return true;
}

static bool need_device(const PoolDef *pool, Operation *op, char **ret, GError **error)
{
    if (!find_device(pool, op, ret, error))
        return false;
    return *ret || error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                             "there is no device '%s': a source is a path, UUID=… or LABEL=…",
                             source_of(pool));
}

static bool find_number(const char *path, dev_t *ret)
{
    struct stat st;

    if (!path || stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
        return false;
    *ret = st.st_rdev;
    return true;
}

/* ---- mounting ---- */

static bool is_present(dev_t device)
{
    g_autofree char *path = g_strdup_printf("/sys/dev/block/%u:%u", major(device), minor(device));

    return access(path, F_OK) == 0;
}

/* The device that is mounted has to have the tag: others that have it now don't matter. */
static bool is_named_by(const DeviceTag *tag, dev_t shown)
{
    return !is_present(shown) || device_tag_is_on(tag, shown);
}

/* By device numbers, for a path may lead to another device by now. What is mounted from a device
 * that was pulled out stays mounted, and can only be recognised by both being gone. */
static bool is_at_path(const char *path, dev_t shown)
{
    dev_t wanted;

    return find_number(path, &wanted) ? wanted == shown : !is_present(shown);
}

static bool is_device(const PoolDef *pool, dev_t shown)
{
    g_auto(DeviceTag) tag = {0};

    if (device_tag_parse(source_of(pool), &tag))
        return is_named_by(&tag, shown);
    return is_at_path(source_of(pool), shown);
}

/* Only one of its devices is shown, by its path. */
static bool is_btrfs_device(const PoolDef *pool, const Mounted *mounted)
{
    dev_t shown;

    if (!find_number(mounted->source, &shown)) /* pulled out */
        return is_device(pool, 0);
    g_autoptr(GArray) members = btrfs_members(shown);
    for (guint i = 0; i < members->len; i++)
        if (is_device(pool, g_array_index(members, dev_t, i)))
            return true;
    return false;
}

static bool is_source(const PoolDef *pool, const Mounted *mounted)
{
    if (mounted->subvolume)
        return is_btrfs_device(pool, mounted) && btrfs_is_wanted(pool, mounted);
    return g_strcmp0(mounted->root, "/") == 0 && is_device(pool, mounted->device);
}

static bool plan(const PoolDef *pool, Operation *op, MountPlan *ret, GError **error)
{
    if (!need_device(pool, op, &ret->source, error))
        return false;
    ret->format = format_of(pool);
    ret->options = mount_options(pool, NULL);
    return true;
}

static const MountKind kind = {.plan = plan, .is_source = is_source};

static bool fs_is_up(const PoolDef *pool, Operation *op, bool *ret_up, GError **error)
{
    return mount_is_up(&kind, pool, ret_up, error);
}

static bool fs_start(const PoolDef *pool, Operation *op, GError **error)
{
    return mount_start(&kind, pool, op, error);
}

static bool fs_stop(const PoolDef *pool, Operation *op, GError **error)
{
    return mount_stop(&kind, pool, op, error);
}

static bool fs_erase(const PoolDef *pool, Operation *op, guint flags, GError **error)
{
    return mount_erase(pool, flags, error);
}

static bool fs_owns_folder(const PoolDef *pool, int folder, GError **error)
{
    return mount_owns_folder(&kind, pool, folder, error);
}

/* ---- what the kernel has given up ---- */

/* By the flag of its own mount: a file system that became so by an error doesn't have it. */
static bool is_mounted_read_only(const Folder *folder)
{
    g_autofree char *fdinfo = g_strdup_printf("/proc/self/fdinfo/%d", folder->fd);
    g_autoptr(GPtrArray) list = mounted_at(folder->path, NULL);
    int id = mounted_read_id(fdinfo);

    for (guint i = 0; list && i < list->len; i++) {
        const Mounted *mounted = list->pdata[i];
        if (mounted->id == id)
            return mounted->read_only;
    }
    return true;
}

/* After an error of its device a file system takes no more writes, though it is mounted for
 * writing; what can be read is still there. Not all of them say so unless a write is tried: here of
 * a file without a name, which leaves nothing behind. */
static bool takes_writes(const Folder *folder)
{
    autofd int file = openat(folder->fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

    return file >= 0 || (errno != EROFS && errno != EIO) || is_mounted_read_only(folder);
}

static bool fs_scan(const PoolDef *pool, Operation *op, Scan *scan, GError **error)
{
    autofolder Folder folder = {.fd = -1};

    if (!folder_open(pool, &folder, error))
        return false;
    if (!takes_writes(&folder))
        scan->set_degraded(scan, "its file system takes no more writes after an error: stop the "
                                 "pool, check it with fsck, and start the pool again");
    return folder_scan(pool, op, scan, error);
}

/* ---- making the file system ---- */

static bool check_format(const PoolDef *pool, GError **error)
{
    if (pool->source.format != 0)
        return true;
    return error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE,
                     "Failed to make filesystem of type 'auto' on device '%s': name the format "
                     "that it is to have",
                     pool->source.devices[0].path);
}

/* Nobody has it mounted, nor made a part of something else. */
static bool check_unused(const char *device, GError **error)
{
    autofd int fd = open(device, O_RDONLY | O_EXCL | O_CLOEXEC | O_NOCTTY);

    if (fd >= 0)
        return true;
    if (errno == EBUSY)
        return error_set(error, ERROR_BUSY, ORIGIN_STORAGE,
                         "device '%s' is in use: it is mounted, or part of a volume group, an "
                         "array or a mapping",
                         device);
    return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot open device '%s'", device);
}

static bool check_device(const PoolDef *pool, const char *device, guint flags, GError **error)
{
    dev_t number;

    if (!device || access(device, F_OK) < 0)
        return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                         "Source device does not exist when formatting pool '%s'", pool->name);
    if (!find_number(device, &number))
        return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                         "'%s' is not a block device", device);
    return check_unused(device, error) &&
           (!(flags & BUILD_NO_OVERWRITE) || signature_check_blank(device, format_of(pool), error));
}

/* What the device is named by has to be on it afterwards too. */
static bool format_device(const PoolDef *pool, const char *device, const DeviceTag *kept,
                          Operation *op, GError **error)
{
    g_autoptr(GPtrArray) made = g_ptr_array_new_with_free_func(g_free);

    if (!folder_lay_out(pool, made, error))
        return false;
    if (mkfs_run(format_of(pool), device, kept, op, error))
        return true;
    folder_take_back(made);
    return false;
}

static bool build_and_format(const PoolDef *pool, Operation *op, guint flags, GError **error)
{
    g_autofree char *device = NULL;
    g_auto(DeviceTag) tag = {0};
    const DeviceTag *kept = device_tag_parse(source_of(pool), &tag) ? &tag : NULL;

    return check_format(pool, error) && find_device(pool, op, &device, error) &&
           check_device(pool, device, flags, error) &&
           mkfs_check_keeps(format_of(pool), kept, error) &&
           format_device(pool, device, kept, op, error);
}

static bool fs_build(const PoolDef *pool, Operation *op, guint flags, GError **error)
{
    return flags ? build_and_format(pool, op, flags, error) : folder_build(pool, op, 0, error);
}

static const BackendTool tools[] = {{"mount", NULL},
                                    {"umount", NULL},
                                    {"mkfs", NULL},
                                    {NULL, NULL}};

const Backend backend_fs = {
    .schema =
        {
            .type = "fs",
            .number = 1,
            .list_flag = 1 << 7,
            .host_rank = 1,
            .takes = SOURCE_DEVICE,
            .requires = SOURCE_DEVICE,
            .flags = POOL_HAS_TARGET | POOL_TARGET_PATH_REQUIRED | POOL_HAS_COW |
                     POOL_MOUNT_OPTIONS | POOL_VOLUME_NAME_NO_SLASH,
            .source_formats = &formats,
            .volume_formats = &image_formats,
        },
    .concurrency = BACKEND_PARALLEL,
    .flags = BACKEND_FOLDER,
    .tools = tools,
    .build_flags = BUILD_NO_OVERWRITE | BUILD_OVERWRITE,
    .same_source = source_same_device_or_name,
    .check = source_check_one_device,
    .owns_folder = fs_owns_folder,
    .is_up = fs_is_up,
    .build = fs_build,
    .start = fs_start,
    .stop = fs_stop,
    .erase = fs_erase,
    .scan = fs_scan,
    .space = folder_space,
    .sweep = folder_sweep,
    .volume_stat = folder_volume_stat,
    .volume_create = folder_volume_create,
    .volume_clone = folder_volume_clone,
    .volume_resize = folder_volume_resize,
    .volume_wipe = folder_volume_wipe,
    .volume_delete = folder_volume_delete,
    .volume_open = folder_volume_open,
};
