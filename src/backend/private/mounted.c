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
    *mounted = (Mounted){0};
}

static Mounted copy_row(struct libmnt_fs *row)
{
    return (Mounted){
        .id = mnt_fs_get_id(row),
        .device = mnt_fs_get_devno(row),
        .source = g_strdup(mnt_fs_get_source(row)),
        .format = g_strdup(mnt_fs_get_fstype(row)),
        .root = g_strdup(mnt_fs_get_root(row)),
        .target = g_strdup(mnt_fs_get_target(row)),
    };
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

/* Of several mounts at one place the last is on top. */
static bool find_target(Table *table, const char *target, Mounted *ret)
{
    g_autoptr(Walk) walk = mnt_new_iter(MNT_ITER_BACKWARD);
    struct libmnt_fs *row;

    while (target && mnt_table_next_fs(table, walk, &row) == 0)
        if (g_strcmp0(mnt_fs_get_target(row), target) == 0) {
            *ret = copy_row(row);
            return true;
        }
    return false;
}

/* With the links of its folders resolved, its last name as it is. */
static bool find_in_real_folder(Table *table, const char *path, Mounted *ret)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    char *real = realpath(folder, NULL);
    g_autofree char *resolved = real ? g_build_filename(real, name, NULL) : NULL;

    free(real);
    return find_target(table, resolved, ret);
}

static bool find_resolved(Table *table, const char *path, Mounted *ret)
{
    char *real = realpath(path, NULL);
    bool found = find_target(table, real, ret);

    free(real);
    return found;
}

/* Looking at a mount's own folder may wait for its server: that comes last, when no mount is known
 * by that name. */
static bool find_path(Table *table, const char *path, Mounted *ret)
{
    return find_target(table, path, ret) || find_in_real_folder(table, path, ret) ||
           find_resolved(table, path, ret);
}

bool mounted_at(const char *path, Mounted *ret, bool *ret_found, GError **error)
{
    g_autoptr(Table) table = read_table(error);

    if (!table)
        return false;
    *ret_found = find_path(table, path, ret);
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

bool mounted_under(int folder, const char *path, Mounted *ret, bool *ret_found, GError **error)
{
    g_autofree char *fdinfo = g_strdup_printf("/proc/self/fdinfo/%d", folder);
    g_auto(Mounted) mounted = {0};

    if (!mounted_at(path, &mounted, ret_found, error))
        return false;
    *ret_found = *ret_found && mounted.id == mounted_read_id(fdinfo);
    if (*ret_found) {
        *ret = mounted;
        mounted = (Mounted){0};
    }
    return true;
}
