/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk-node.h"

#include "device-use.h"
#include "errors.h"
#include "kernel-partition.h"
#include "log.h"
#include "mapped-partition.h"
#include "signature.h"

#include <errno.h>
#include <libudev.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

typedef struct udev Udev;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Udev, udev_unref)
typedef struct udev_device UdevDevice;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UdevDevice, udev_device_unref)
typedef struct udev_monitor UdevMonitor;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UdevMonitor, udev_monitor_unref)

/* ---- which label ---- */

const PartitionLabel *disk_label(const PoolDef *pool, GError **error)
{
    const char *word = format_name(pool->schema->source_formats, pool->source.format);
    const PartitionLabel *label = partition_label_find(g_str_equal(word, "unknown") ? "dos" : word);

    if (!label) {
        error_set(error, ERROR_NO_SUPPORT, ORIGIN_STORAGE,
                  "'%s' is no partition table that a disk can have", word);
        return NULL;
    }
    return partition_label_check(label, error) ? label : NULL;
}

/* The labels that libblkid doesn't know, or elsewhere on the disk: libvirt asks parted. */
static bool check_magic(const Disk *disk, const PartitionLabel *found, GError **error)
{
    if (found == disk->label)
        return true;
    if (!found)
        return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                         "Unrecognized disk label found, requires build");
    return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                     "Known, but different label format present, requires build --overwrite: '%s' "
                     "has a '%s' label",
                     disk->path, partition_label_name(found));
}

bool disk_check_label(const Disk *disk, GError **error)
{
    const PartitionLabel *found = NULL;

    if (partition_label_blkid_name(disk->label))
        return signature_require(disk->path, partition_label_blkid_name(disk->label), error);
    return partition_label_detect(disk->fd, disk->path, &found, error) &&
           check_magic(disk, found, error);
}

PartitionTable *disk_read_table(const Disk *disk, GError **error)
{
    return partition_table_read(disk->label, disk->fd, disk->path, error);
}

/* ---- opening ---- */

/* As the kernel names partitions; of device-mapper disks as libvirt does. */
static void find_names(Disk *disk)
{
    g_autofree char *real = realpath(disk->path, NULL);
    g_autofree char *base = real ? g_path_get_basename(real) : NULL;

    disk->is_mapped = base && g_str_has_prefix(base, "dm-");
    disk->node = g_strdup(real && !disk->is_mapped ? real : disk->path);
    gsize length = strlen(disk->node);
    disk->separator = g_ascii_isdigit(disk->node[length - 1]) ||
                      (disk->is_mapped && disk->pool->source.devices[0].part_separator == TRI_YES);
}

static int open_flags(DiskAccess access)
{
    return (access == DISK_READ ? O_RDONLY : O_RDWR) | (access == DISK_OWN ? O_EXCL : 0) |
           O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
}

/* Says who has it: the disk itself or one of its partitions. */
static bool disk_in_use(const char *path, GError **error)
{
    struct stat st;
    g_autofree char *use = NULL;

    if (stat(path, &st) == 0) {
        g_autoptr(GArray) known = kernel_partitions_read(st.st_rdev);
        use = device_use(st.st_rdev);
        for (guint i = 0; i < known->len && !use; i++)
            use = device_use(g_array_index(known, KernelPartition, i).device);
    }
    return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE, "disk '%s' is in use: %s",
                     path, use ? use : "another program has claimed it");
}

static bool open_node(Disk *disk, DiskAccess access, GError **error)
{
    struct stat st;

    disk->fd = open(disk->path, open_flags(access));
    if (disk->fd < 0)
        return errno == EBUSY ? disk_in_use(disk->path, error)
                              : error_set_errno(error, ORIGIN_STORAGE, errno,
                                                "cannot open disk '%s'", disk->path);
    if (fstat(disk->fd, &st) < 0 || !S_ISBLK(st.st_mode))
        return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE, "'%s' is no block device",
                         disk->path);
    disk->device = st.st_rdev;
    return true;
}

#define LOCK_PAUSE (5 * 1000) /* microseconds */

static bool lock_disk(Disk *disk, DiskAccess access, Operation *op, GError **error)
{
    int kind = access == DISK_READ ? LOCK_SH : LOCK_EX;

    while (flock(disk->fd, kind | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot lock disk '%s'",
                                   disk->path);
        if (!operation_check(op, error))
            return false;
        g_usleep(LOCK_PAUSE);
    }
    return true;
}

bool disk_open(const PoolDef *pool, DiskAccess access, Operation *op, Disk *ret, GError **error)
{
    *ret = DISK_INIT;
    if (!operation_check(op, error))
        return false;
    ret->pool = pool;
    ret->path = pool->source.devices[0].path;
    ret->label = disk_label(pool, error);
    if (!ret->label || !open_node(ret, access, error) || !lock_disk(ret, access, op, error))
        return false;
    /* What counts is on the disk, not what is remembered of it: it may fail by now, or another
     * host may have written it. */
    (void)posix_fadvise(ret->fd, 0, 0, POSIX_FADV_DONTNEED);
    find_names(ret);
    return true;
}

void disk_unlock(Disk *disk)
{
    flock(disk->fd, LOCK_UN);
}

void disk_close(Disk *disk)
{
    fd_close(&disk->fd);
    g_clear_pointer(&disk->node, g_free);
}

/* ---- letting go ---- */

/* How long udev gets; then it isn't going to look at all. */
#define UDEV_MILLISECONDS 500

static UdevMonitor *listen_kernel(Udev *udev)
{
    g_autoptr(UdevMonitor) monitor = udev_monitor_new_from_netlink(udev, "kernel");

    if (!monitor || udev_monitor_filter_add_match_subsystem_devtype(monitor, "block", "disk") < 0 ||
        udev_monitor_enable_receiving(monitor) < 0)
        return NULL;
    return g_steal_pointer(&monitor);
}

static bool is_change_of(UdevMonitor *monitor, dev_t device)
{
    g_autoptr(UdevDevice) event = udev_monitor_receive_device(monitor);

    return event && udev_device_get_devnum(event) == device &&
           g_strcmp0(udev_device_get_action(event), "change") == 0;
}

static void await_change(UdevMonitor *monitor, dev_t device)
{
    gint64 end = g_get_monotonic_time() + UDEV_MILLISECONDS * 1000;
    struct pollfd waiting = {.fd = udev_monitor_get_fd(monitor), .events = POLLIN};

    for (;;) {
        gint64 left = (end - g_get_monotonic_time()) / 1000;
        if (left <= 0 || poll(&waiting, 1, (int)left) <= 0)
            return;
        if (is_change_of(monitor, device))
            return;
    }
}

/* Any partition that can be held. */
static int open_some_partition(const Disk *disk)
{
    g_autoptr(GArray) known = kernel_partitions_read(disk->device);
    int fd = -1;

    for (guint i = 0; i < known->len && fd < 0; i++) {
        g_autofree char *node =
            disk_partition_node(disk, g_array_index(known, KernelPartition, i).number);
        fd = open(node, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    }
    return fd;
}

void disk_let_go(Disk *disk, Operation *op)
{
    autofd int held = open_some_partition(disk);
    /* The device mapper's partitions are none of the table's reader. */
    bool has_udev = !disk->is_mapped && access("/run/udev/control", F_OK) == 0;
    g_autoptr(Udev) udev = has_udev && held >= 0 ? udev_new() : NULL;
    g_autoptr(UdevMonitor) monitor = udev ? listen_kernel(udev) : NULL;

    fd_close(&disk->fd);
    if (monitor)
        await_change(monitor, disk->device);
}

/* ---- names ---- */

static char *own_node(const Disk *disk, guint number)
{
    return g_strdup_printf("%s%s%u", disk->node, disk->separator ? "p" : "", number);
}

char *disk_partition_node(const Disk *disk, guint number)
{
    char *node = disk->is_mapped ? mapped_partition_node(disk, number) : NULL;

    return node ? node : own_node(disk, number);
}

char *disk_partition_name(const Disk *disk, guint number)
{
    g_autofree char *node = own_node(disk, number);

    return g_path_get_basename(node);
}

guint disk_partition_number(const Disk *disk, const char *name)
{
    g_autofree char *base = g_path_get_basename(disk->node);
    gsize length = strlen(base);
    guint64 number = 0;

    if (strncmp(name, base, length) != 0)
        return 0;
    name += length;
    if (disk->separator && *name++ != 'p')
        return 0;
    if (*name == '0' || !g_ascii_string_to_unsigned(name, 10, 1, G_MAXUINT16, &number, NULL))
        return 0;
    return (guint)number;
}

/* Names that outlast a restart are below a folder of /dev. */
static bool is_stable_folder(const char *folder)
{
    return folder && g_str_has_prefix(folder, "/dev/") && folder[strlen("/dev/")] != '\0';
}

static gint compare_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The first of the device's links in the folder. */
static char *find_link(dev_t device, const char *folder)
{
    g_autoptr(Udev) udev = udev_new();
    g_autoptr(UdevDevice) node = udev ? udev_device_new_from_devnum(udev, 'b', device) : NULL;
    g_autoptr(GPtrArray) links = g_ptr_array_new();
    g_autofree char *prefix = g_strconcat(folder, "/", NULL);
    struct udev_list_entry *entry;

    if (!node)
        return NULL;
    udev_list_entry_foreach(entry, udev_device_get_devlinks_list_entry(node))
    {
        const char *name = udev_list_entry_get_name(entry);
        if (g_str_has_prefix(name, prefix) && !strchr(name + strlen(prefix), '/'))
            g_ptr_array_add(links, (void *)name);
    }
    g_ptr_array_sort(links, compare_text);
    return links->len ? g_strdup(links->pdata[0]) : NULL;
}

char *disk_partition_path(const Disk *disk, guint number)
{
    g_autofree char *node = disk_partition_node(disk, number);
    struct stat st;
    char *path = NULL;

    if (is_stable_folder(disk->pool->target_path) && stat(node, &st) == 0 && S_ISBLK(st.st_mode))
        path = find_link(st.st_rdev, disk->pool->target_path);
    return path ? path : g_steal_pointer(&node);
}
