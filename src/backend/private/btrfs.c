/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "btrfs.h"

#include "block-name.h"
#include "fd.h"

#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- devices ---- */

/* The folder of the devices of its file system, where the kernel knows it. */
static char *find_members(dev_t device)
{
    g_autofree char *name = block_name(device);
    g_autoptr(GDir) systems = g_dir_open("/sys/fs/btrfs", 0, NULL);

    for (const char *id; systems && name && (id = g_dir_read_name(systems));) {
        g_autofree char *folder = g_build_filename("/sys/fs/btrfs", id, "devices", NULL);
        g_autofree char *member = g_build_filename(folder, name, NULL);
        if (access(member, F_OK) == 0)
            return g_steal_pointer(&folder);
    }
    return NULL;
}

GArray *btrfs_members(dev_t device)
{
    GArray *members = g_array_new(FALSE, FALSE, sizeof(dev_t));
    g_autofree char *folder = find_members(device);
    g_autoptr(GDir) names = folder ? g_dir_open(folder, 0, NULL) : NULL;

    g_array_append_val(members, device);
    for (const char *name; names && (name = g_dir_read_name(names));) {
        dev_t member;
        if (block_number(name, &member) && member != device)
            g_array_append_val(members, member);
    }
    return members;
}

/* ---- subvolumes ---- */

/* The value of an option, the last one that is given (g_free); NULL without it. */
static char *find_option(const PoolDef *pool, const char *prefix)
{
    char *value = NULL;

    for (guint i = 0; i < pool->n_options; i++) {
        g_auto(GStrv) words = g_strsplit(pool->options[i].name, ",", -1);
        for (char **word = words; *word; word++)
            if (g_str_has_prefix(*word, prefix)) {
                g_free(value);
                value = g_strdup(*word + strlen(prefix));
            }
    }
    return value;
}

/* As the kernel shows a part of a file system: "/a/b", "/". */
static char *as_root(const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);
    GString *root = g_string_new(NULL);

    for (char **name = names; *name; name++)
        if (**name)
            g_string_append_printf(root, "/%s", *name);
    return g_string_free(root->len > 0 ? root : g_string_assign(root, "/"), FALSE);
}

/* What is found in the tree of trees under "default". */
static guint64 read_default(const struct btrfs_ioctl_search_args *args)
{
    const char *at = args->buf, *end = args->buf + sizeof args->buf;
    struct btrfs_ioctl_search_header header;
    struct btrfs_dir_item item;

    if (args->key.nr_items == 0 || (gsize)(end - at) < sizeof header + sizeof item)
        return 0;
    memcpy(&header, at, sizeof header);
    memcpy(&item, at + sizeof header, sizeof item);
    return header.type == BTRFS_DIR_ITEM_KEY && header.len >= sizeof item
               ? GUINT64_FROM_LE(item.location.objectid)
               : 0;
}

/* Number of the subvolume that is mounted when none is named; 0 when that can't be told. */
static guint64 find_default(const Mounted *mounted)
{
    struct btrfs_ioctl_search_args args = {
        .key = {.tree_id = BTRFS_ROOT_TREE_OBJECTID,
                .min_objectid = BTRFS_ROOT_TREE_DIR_OBJECTID,
                .max_objectid = BTRFS_ROOT_TREE_DIR_OBJECTID,
                .min_type = BTRFS_DIR_ITEM_KEY,
                .max_type = BTRFS_DIR_ITEM_KEY,
                .max_offset = G_MAXUINT64,
                .max_transid = G_MAXUINT64,
                .nr_items = 1},
    };
    autofd int fd = open(mounted->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOCTTY);
    g_autofree char *fdinfo = g_strdup_printf("/proc/self/fdinfo/%d", fd);

    if (fd < 0 || mounted_read_id(fdinfo) != mounted->id ||
        ioctl(fd, BTRFS_IOC_TREE_SEARCH, &args) < 0)
        return 0;
    return read_default(&args);
}

static bool is_wanted_number(const char *shown, guint64 wanted)
{
    return wanted == 0 || g_ascii_strtoull(shown, NULL, 10) == wanted;
}

/* The kernel takes 0 for the uppermost one. */
static guint64 parse_number(const char *text)
{
    guint64 number = g_ascii_strtoull(text, NULL, 0);

    return number == 0 ? BTRFS_FS_TREE_OBJECTID : number;
}

bool btrfs_is_wanted(const PoolDef *pool, const Mounted *mounted)
{
    g_autofree char *number = find_option(pool, "subvolid=");
    g_autofree char *path = find_option(pool, "subvol=");
    g_autofree char *root = path ? as_root(path) : NULL;

    if (!mounted->subvolume || g_strcmp0(mounted->root, mounted->subvolume) != 0)
        return false; /* a folder of it, bound there */
    if (number)
        return is_wanted_number(mounted->subvolume_id, parse_number(number));
    if (root)
        return g_str_equal(root, mounted->root);
    return is_wanted_number(mounted->subvolume_id, find_default(mounted));
}
