/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"

#include "errors.h"
#include "folder.h"
#include "mount.h"
#include "signature.h"
#include "source-check.h"
#include "source-match.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
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

/* Its path, of tags by libblkid (g_free); NULL when none has that tag now. */
static char *find_device(const PoolDef *pool)
{
    const char *text = pool->source.devices[0].path;

    if (g_path_is_absolute(text))
        return g_strdup(text);
    char *found = blkid_evaluate_spec(text, NULL);
    char *path = g_path_is_absolute(found ? found : "") ? g_strdup(found) : NULL;
    free(found);
    return path;
}

static char *need_device(const PoolDef *pool, GError **error)
{
    char *path = find_device(pool);

    if (!path)
        error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                  "there is no device '%s': a source is a path, UUID=… or LABEL=…",
                  pool->source.devices[0].path);
    return path;
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

/* The kernel's name of a device: "sda1". */
static char *kernel_name(dev_t device)
{
    g_autofree char *path = g_strdup_printf("/sys/dev/block/%u:%u", major(device), minor(device));
    g_autofree char *link = g_file_read_link(path, NULL);

    return link ? g_path_get_basename(link) : NULL;
}

/* A btrfs over several devices is shown by one of them. */
static bool share_btrfs(dev_t a, dev_t b)
{
    g_autofree char *name_a = kernel_name(a);
    g_autofree char *name_b = kernel_name(b);
    g_autoptr(GDir) systems = g_dir_open("/sys/fs/btrfs", 0, NULL);

    for (const char *id; systems && name_a && name_b && (id = g_dir_read_name(systems));) {
        g_autofree char *has_a = g_build_filename("/sys/fs/btrfs", id, "devices", name_a, NULL);
        g_autofree char *has_b = g_build_filename("/sys/fs/btrfs", id, "devices", name_b, NULL);
        if (access(has_a, F_OK) == 0 && access(has_b, F_OK) == 0)
            return true;
    }
    return false;
}

/* By device numbers, for a path may lead to another device by now. What is mounted from a device
 * that was pulled out stays mounted, and can only be recognised by both being gone. */
static bool is_source(const PoolDef *pool, const Mounted *mounted)
{
    bool btrfs = g_strcmp0(mounted->format, "btrfs") == 0;
    g_autofree char *path = find_device(pool);
    dev_t wanted, shown = mounted->device;

    if (!btrfs && g_strcmp0(mounted->root, "/") != 0)
        return false; /* a part of it, bound there */
    if (btrfs && !find_number(mounted->source, &shown))
        return g_strcmp0(path, mounted->source) == 0;
    if (!find_number(path, &wanted))
        return !is_present(shown) && (!path || g_strcmp0(path, mounted->source) == 0);
    return wanted == shown || (btrfs && share_btrfs(wanted, shown));
}

static bool plan(const PoolDef *pool, MountPlan *ret, GError **error)
{
    ret->source = need_device(pool, error);
    ret->format = format_of(pool);
    ret->options = mount_options(pool, NULL);
    return ret->source != NULL;
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

/* ---- making the file system ---- */

/* What tells mkfs to write over what is there. */
static const struct {
    const char *format, *word;
} forces[] = {
    {"ext2", "-F"}, {"ext3", "-F"}, {"ext4", "-F"}, {"xfs", "-f"}, {"vfat", "-I"}, {"btrfs", "-f"},
};

static const char *find_force(const char *format)
{
    for (guint i = 0; i < G_N_ELEMENTS(forces); i++)
        if (g_str_equal(forces[i].format, format))
            return forces[i].word;
    return NULL;
}

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

static bool run_mkfs(const char *format, const char *device, Operation *op, GError **error)
{
    const char *force = find_force(format);
    const char *const forced[] = {"mkfs", "-t", format, force, device, NULL};
    const char *const plain[] = {"mkfs", "-t", format, device, NULL};
    Command command = {.argv = force ? forced : plain};

    if (command_run_ok(op, &command, NULL, error))
        return true;
    g_prefix_error(error, "Failed to make filesystem of type '%s' on device '%s': ", format,
                   device);
    return false;
}

static bool build_and_format(const PoolDef *pool, Operation *op, guint flags, GError **error)
{
    g_autoptr(GPtrArray) made = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *device = find_device(pool);

    if (!check_format(pool, error) || !check_device(pool, device, flags, error) ||
        !folder_lay_out(pool, made, error))
        return false;
    if (run_mkfs(format_of(pool), device, op, error))
        return true;
    folder_take_back(made);
    return false;
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
    .scan = folder_scan,
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
