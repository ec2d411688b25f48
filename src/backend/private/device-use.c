/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-use.h"

#include <libmount/libmount.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

typedef struct libmnt_table MountTable;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MountTable, mnt_unref_table)

static char *mount_use(dev_t device)
{
    g_autoptr(MountTable) mounts = mnt_new_table_from_file("/proc/self/mountinfo");
    struct libmnt_fs *fs = mounts ? mnt_table_find_devno(mounts, device, MNT_ITER_FORWARD) : NULL;

    return fs ? g_strdup_printf("mounted on '%s'", mnt_fs_get_target(fs)) : NULL;
}

static bool is_device(const char *path, dev_t device)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == device;
}

static char *swap_use(dev_t device)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents("/proc/swaps", &text, NULL, NULL))
        return NULL;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 1; lines[0] && lines[i]; i++) {
        lines[i][strcspn(lines[i], " \t")] = '\0';
        if (is_device(lines[i], device))
            return g_strdup("used as swap");
    }
    return NULL;
}

static char *holder_use(dev_t device)
{
    g_autofree char *path =
        g_strdup_printf("/sys/dev/block/%u:%u/holders", major(device), minor(device));
    g_autoptr(GDir) holders = g_dir_open(path, 0, NULL);
    const char *holder = holders ? g_dir_read_name(holders) : NULL;

    return holder ? g_strdup_printf("used by '%s'", holder) : NULL;
}

char *device_use(dev_t device)
{
    char *use = mount_use(device);

    if (!use)
        use = swap_use(device);
    return use ? use : holder_use(device);
}
