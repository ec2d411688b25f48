/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk-discover.h"

#include "backends.h"
#include "device-use.h"
#include "errors.h"
#include "kernel-partition.h"
#include "pool-source.h"
#include "signature.h"

#include <libudev.h>
#include <stdlib.h>
#include <string.h>

typedef struct udev Udev;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Udev, udev_unref)
typedef struct udev_device UdevDevice;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UdevDevice, udev_device_unref)
typedef struct udev_enumerate UdevEnumerate;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UdevEnumerate, udev_enumerate_unref)

/* Disks of memory, and drives whose media come and go. */
static const char *const no_disks[] = {"ram", "zram", "fd", "sr"};

static bool is_kind_of_disk(UdevDevice *device)
{
    const char *name = udev_device_get_sysname(device);
    const char *mapping = udev_device_get_sysattr_value(device, "dm/uuid");

    for (guint i = 0; i < G_N_ELEMENTS(no_disks); i++)
        if (g_str_has_prefix(name, no_disks[i]))
            return false;
    /* Of mappings only those that stand for a disk. */
    return !g_str_has_prefix(name, "dm-") || (mapping && g_str_has_prefix(mapping, "mpath-"));
}

static bool attribute_is_set(UdevDevice *device, const char *name)
{
    const char *value = udev_device_get_sysattr_value(device, name);

    return value && strtoull(value, NULL, 10) > 0;
}

static bool is_free(UdevDevice *device)
{
    dev_t number = udev_device_get_devnum(device);
    g_autoptr(GArray) partitions = kernel_partitions_read(number);
    g_autofree char *use = device_use(number);

    return partitions->len == 0 && !use && attribute_is_set(device, "size") &&
           !attribute_is_set(device, "ro") && !attribute_is_set(device, "removable");
}

/* What can't be read is none to offer. */
static bool is_blank(const char *node)
{
    g_autofree char *found = NULL;

    return signature_find(node, &found, NULL) && !found;
}

static void add_source(GPtrArray *sources, const char *node)
{
    PoolSource *source = g_new0(PoolSource, 1);
    const PoolSchema *schema = &backend_disk.schema;

    pool_source_init(source, schema);
    source->format = format_from_name(schema->source_formats, "gpt");
    source->devices = g_new0(PoolDevice, 1);
    source->n_devices = 1;
    source->devices[0].path = g_strdup(node);
    g_ptr_array_add(sources, source);
}

static void look_at(Udev *udev, const char *path, GPtrArray *sources)
{
    g_autoptr(UdevDevice) device = udev_device_new_from_syspath(udev, path);
    const char *node = device ? udev_device_get_devnode(device) : NULL;

    if (node && g_strcmp0(udev_device_get_devtype(device), "disk") == 0 &&
        is_kind_of_disk(device) && is_free(device) && is_blank(node))
        add_source(sources, node);
}

bool disk_discover(const PoolSource *hint, Operation *op, GPtrArray *ret_sources, GError **error)
{
    g_autoptr(Udev) udev = udev_new();
    g_autoptr(UdevEnumerate) disks = udev ? udev_enumerate_new(udev) : NULL;
    struct udev_list_entry *entry;

    if (!disks || udev_enumerate_add_match_subsystem(disks, "block") < 0 ||
        udev_enumerate_scan_devices(disks) < 0)
        return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                         "cannot list this host's disks");
    udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(disks))
    {
        if (!operation_check(op, error))
            return false;
        look_at(udev, udev_list_entry_get_name(entry), ret_sources);
    }
    return true;
}
