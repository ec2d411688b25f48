/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mounted.h"

#include "errors.h"

#include <errno.h>
#include <libmount/libmount.h>
#include <stdlib.h>
#include <string.h>

#define MOUNTINFO "/proc/self/mountinfo"

typedef struct libmnt_table Table;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, mnt_unref_table)
typedef struct libmnt_iter Walk;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Walk, mnt_free_iter)

void mounted_clear(Mounted *mounted)
{
    g_free(mounted->source);
    g_free(mounted->format);
    g_free(mounted->root);
    g_free(mounted->target);
    g_free(mounted->subvolume);
    g_free(mounted->subvolume_id);
    *mounted = (Mounted){0};
}

static void mounted_free(Mounted *mounted)
{
    mounted_clear(mounted);
    g_free(mounted);
}

/* What btrfs tells after its other options: "subvolid=256,subvol=/a". A path may have commas. */
static void copy_subvolume(struct libmnt_fs *row, Mounted *ret)
{
    const char *options = mnt_fs_get_fs_options(row);
    const char *id = options ? strstr(options, "subvolid=") : NULL;
    const char *path = id ? strstr(id, ",subvol=") : NULL;

    if (!path || g_strcmp0(ret->format, "btrfs") != 0)
        return;
    id += strlen("subvolid=");
    ret->subvolume_id = g_strndup(id, (gsize)(path - id));
    ret->subvolume = g_strdup(path + strlen(",subvol="));
}

static Mounted copy_row(struct libmnt_fs *row)
{
    Mounted mounted = {
        .id = mnt_fs_get_id(row),
        .parent = mnt_fs_get_parent_id(row),
        .device = mnt_fs_get_devno(row),
        .source = g_strdup(mnt_fs_get_source(row)),
        .format = g_strdup(mnt_fs_get_fstype(row)),
        .read_only = mnt_optstr_get_option(mnt_fs_get_vfs_options(row), "ro", NULL, NULL) == 0,
        .root = g_strdup(mnt_fs_get_root(row)),
        .target = g_strdup(mnt_fs_get_target(row)),
    };

    copy_subvolume(row, &mounted);
    return mounted;
}

static Table *read_table(GError **error)
{
    g_autoptr(Table) table = mnt_new_table();
    int status = table ? mnt_table_parse_file(table, MOUNTINFO) : -ENOMEM;

    if (status == 0)
        return g_steal_pointer(&table);
    error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE, "cannot read " MOUNTINFO ": %s",
              status < 0 ? g_strerror(-status) : "it has lines that are not understood");
    return NULL;
}

static bool find_target(Table *table, const char *target, GPtrArray *ret)
{
    g_autoptr(Walk) walk = mnt_new_iter(MNT_ITER_FORWARD);
    struct libmnt_fs *row;

    while (target && mnt_table_next_fs(table, walk, &row) == 0)
        if (g_strcmp0(mnt_fs_get_target(row), target) == 0) {
            Mounted mounted = copy_row(row);
            g_ptr_array_add(ret, g_memdup2(&mounted, sizeof mounted));
        }
    return ret->len > 0;
}

/* With the links of its folders resolved, its last name as it is. */
static bool find_in_real_folder(Table *table, const char *path, GPtrArray *ret)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    char *real = realpath(folder, NULL);
    g_autofree char *resolved = real ? g_build_filename(real, name, NULL) : NULL;

    free(real);
    return find_target(table, resolved, ret);
}

static bool find_resolved(Table *table, const char *path, GPtrArray *ret)
{
    char *real = realpath(path, NULL);
    bool found = find_target(table, real, ret);

    free(real);
    return found;
}

/* Looking at a mount's own folder may wait for its server: that comes last, when no mount is known
 * by that name. */
static bool find_path(Table *table, const char *path, GPtrArray *ret)
{
    return find_target(table, path, ret) || find_in_real_folder(table, path, ret) ||
           find_resolved(table, path, ret);
}

GPtrArray *mounted_at(const char *path, GError **error)
{
    g_autoptr(Table) table = read_table(error);
    GPtrArray *found = NULL;

    if (!table)
        return NULL;
    found = g_ptr_array_new_with_free_func((GDestroyNotify)mounted_free);
    find_path(table, path, found);
    return found;
}

/* ---- what lies over it ---- */

static bool is_above(const char *folder, const char *path)
{
    size_t size = strlen(folder);

    return g_str_equal(folder, "/") ? path[1] != '\0'
                                    : strncmp(path, folder, size) == 0 && path[size] == '/';
}

/* What hides the `row` itself is mounted on it, at its own place. */
static struct libmnt_fs *find_on_top(Table *table, struct libmnt_fs *row)
{
    g_autoptr(Walk) walk = mnt_new_iter(MNT_ITER_FORWARD);
    struct libmnt_fs *other;

    while (mnt_table_next_fs(table, walk, &other) == 0)
        if (mnt_fs_get_parent_id(other) == mnt_fs_get_id(row) &&
            g_strcmp0(mnt_fs_get_target(other), mnt_fs_get_target(row)) == 0)
            return other;
    return NULL;
}

/* What hides its place is mounted on the same mount, at a folder above: had it been there first,
 * the row would be on it. */
static struct libmnt_fs *find_beside(Table *table, struct libmnt_fs *row)
{
    g_autoptr(Walk) walk = mnt_new_iter(MNT_ITER_FORWARD);
    struct libmnt_fs *other;

    while (mnt_table_next_fs(table, walk, &other) == 0)
        if (mnt_fs_get_parent_id(other) == mnt_fs_get_parent_id(row) &&
            is_above(mnt_fs_get_target(other), mnt_fs_get_target(row)))
            return other;
    return NULL;
}

static struct libmnt_fs *find_id(Table *table, int id)
{
    g_autoptr(Walk) walk = mnt_new_iter(MNT_ITER_FORWARD);
    struct libmnt_fs *row;

    while (mnt_table_next_fs(table, walk, &row) == 0)
        if (mnt_fs_get_id(row) == id)
            return row;
    return NULL;
}

static struct libmnt_fs *find_over(Table *table, int id)
{
    struct libmnt_fs *row = find_id(table, id);
    struct libmnt_fs *found = row ? find_on_top(table, row) : NULL;

    while (row && !found) {
        found = find_beside(table, row);
        int parent = mnt_fs_get_parent_id(row);
        row = parent == mnt_fs_get_id(row) ? NULL : find_id(table, parent);
    }
    return found;
}

bool mounted_over(const Mounted *mounted, Mounted *ret, bool *ret_found, GError **error)
{
    g_autoptr(Table) table = read_table(error);

    if (!table)
        return false;
    struct libmnt_fs *row = find_over(table, mounted->id);
    *ret_found = row != NULL;
    if (row)
        *ret = copy_row(row);
    return true;
}

int mounted_read_id(const char *fdinfo)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents(fdinfo, &text, NULL, NULL))
        return -1;
    const char *line = strstr(text, "mnt_id:");
    return line ? atoi(line + strlen("mnt_id:")) : -1;
}
