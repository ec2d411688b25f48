/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lvm-use.h"

#include "command.h"
#include "lvm-name.h"
#include "mapper.h"

#include <string.h>

/* A volume of the group that the kernel has a device for. */
typedef struct Mapped {
    char *kernel_name; /* "dm-3" */
    char *name;        /* the device mapper's: "vg0-root" */
    char *number;      /* "254:3" */
} Mapped;

static void mapped_free(Mapped *mapped)
{
    g_free(mapped->kernel_name);
    g_free(mapped->name);
    g_free(mapped->number);
    g_free(mapped);
}

/* Without its newline; NULL when there is no such file. */
static char *read_line(const char *folder, const char *device, const char *file)
{
    g_autofree char *path = g_build_filename(folder, device, file, NULL);
    char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return NULL;
    return g_strchomp(text);
}

/* A single hyphen ends the group's name: behind it follows another letter. */
static bool is_of_group(const char *name, const char *prefix)
{
    gsize length = strlen(prefix);

    return name && g_str_has_prefix(name, prefix) && name[length] && name[length] != '-';
}

static GPtrArray *list_mapped(const char *blocks, const char *group)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)mapped_free);
    g_autofree char *prefix = lvm_mapper_name(group, "", "");
    g_autoptr(GDir) folder = g_dir_open(blocks, 0, NULL);

    for (const char *device; folder && (device = g_dir_read_name(folder));) {
        g_autofree char *name = read_line(blocks, device, "dm/name");
        if (!is_of_group(name, prefix))
            continue;
        Mapped *mapped = g_new(Mapped, 1);
        *mapped =
            (Mapped){g_strdup(device), g_steal_pointer(&name), read_line(blocks, device, "dev")};
        g_ptr_array_add(list, mapped);
    }
    return list;
}

static const Mapped *find_by_number(GPtrArray *list, const char *number)
{
    for (guint i = 0; i < list->len; i++) {
        const Mapped *mapped = list->pdata[i];
        if (g_strcmp0(mapped->number, number) == 0)
            return mapped;
    }
    return NULL;
}

/* By any path that names it: /dev/dm-3, /dev/mapper/vg0-root, /dev/vg0/root. */
static const Mapped *find_by_path(GPtrArray *list, const char *group, const char *path)
{
    g_autofree char *folder = g_strconcat("/dev/", group, "/", NULL);
    g_autofree char *name = g_str_has_prefix(path, folder)
                                ? lvm_mapper_name(group, path + strlen(folder), "")
                                : g_path_get_basename(path);

    for (guint i = 0; i < list->len; i++) {
        const Mapped *mapped = list->pdata[i];
        if (g_str_equal(mapped->name, name) || g_str_equal(mapped->kernel_name, name))
            return mapped;
    }
    return NULL;
}

static GStrv read_lines(const char *root, const char *path)
{
    g_autofree char *file = g_strconcat(root, path, NULL);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(file, &text, NULL, NULL))
        return g_new0(char *, 1);
    return g_strsplit(text, "\n", -1);
}

/* Fields of a line of mountinfo (proc(5)): number, mount point, and the source behind " - ".
 * Some file systems (btrfs) have a number of their own, so the source counts too. */
static char *find_mount(const char *root, GPtrArray *list, const char *group)
{
    g_auto(GStrv) lines = read_lines(root, "/proc/self/mountinfo");

    for (char **line = lines; *line; line++) {
        g_auto(GStrv) fields = g_strsplit(*line, " ", 7);
        const char *tail = strstr(*line, " - ");
        g_auto(GStrv) behind = g_strsplit(tail ? tail + 3 : "", " ", 3);
        if (g_strv_length(fields) < 6)
            continue;
        const Mapped *mapped = find_by_number(list, fields[2]);
        if (!mapped && g_strv_length(behind) >= 2)
            mapped = find_by_path(list, group, behind[1]);
        if (mapped)
            return g_strdup_printf("mounted on '%s' (%s)", fields[4], mapped->name);
    }
    return NULL;
}

static char *find_swap(const char *root, GPtrArray *list, const char *group)
{
    g_auto(GStrv) lines = read_lines(root, "/proc/swaps");

    for (char **line = lines; *line; line++) {
        g_auto(GStrv) fields = g_strsplit(*line, " ", 2);
        const Mapped *mapped = *fields ? find_by_path(list, group, fields[0]) : NULL;
        if (mapped)
            return g_strdup_printf("swap (%s)", mapped->name);
    }
    return NULL;
}

static bool is_in_list(GPtrArray *list, const char *kernel_name)
{
    for (guint i = 0; i < list->len; i++)
        if (g_str_equal(((const Mapped *)list->pdata[i])->kernel_name, kernel_name))
            return true;
    return false;
}

/* Encryption, RAID or another group's physical volume on top. The group's own hidden volumes are
 * held by those they are part of. */
static char *find_holder(const char *blocks, GPtrArray *list)
{
    for (guint i = 0; i < list->len; i++) {
        const Mapped *mapped = list->pdata[i];
        g_autofree char *path = g_build_filename(blocks, mapped->kernel_name, "holders", NULL);
        g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
        for (const char *holder; folder && (holder = g_dir_read_name(folder));)
            if (!is_in_list(list, holder))
                return g_strdup_printf("held by %s (%s)", holder, mapped->name);
    }
    return NULL;
}

char *lvm_host_use(const char *root, const char *group)
{
    g_autofree char *blocks = g_strconcat(root, "/sys/class/block", NULL);
    g_autoptr(GPtrArray) list = list_mapped(blocks, group);

    if (list->len == 0)
        return NULL;
    char *use = find_mount(root, list, group);
    if (!use)
        use = find_swap(root, list, group);
    return use ? use : find_holder(blocks, list);
}

static bool is_open(const Mapped *mapped)
{
    guint count = 0;

    return mapper_open_count(mapped->name, &count) && count > 0;
}

/* udev may be looking at a device that just came or was closed. */
static bool remove_idle(GPtrArray *list, Operation *op, GError **error)
{
    for (guint i = list->len; i > 0; i--) {
        const Mapped *mapped = list->pdata[i - 1];
        const char *argv[] = {"dmsetup", "remove", "--retry", "--", mapped->name, NULL};
        const Command command = {.argv = argv};
        if (is_open(mapped))
            continue;
        if (!command_run_ok(op, &command, NULL, error))
            return false;
        g_ptr_array_remove_index(list, i - 1);
    }
    return true;
}

static char *join_names(GPtrArray *list)
{
    GString *names = g_string_new(NULL);

    for (guint i = 0; i < list->len; i++)
        g_string_append_printf(names, "%s'%s'", i ? ", " : "", ((Mapped *)list->pdata[i])->name);
    return g_string_free(names, FALSE);
}

/* What others of the group are made of is open until those are gone: so from the top down. */
bool lvm_remove_mapped(const char *group, Operation *op, char **ret_left, GError **error)
{
    g_autoptr(GPtrArray) list = list_mapped("/sys/class/block", group);
    guint before;

    do {
        before = list->len;
        if (!remove_idle(list, op, error))
            return false;
    } while (list->len > 0 && list->len < before);
    *ret_left = list->len > 0 ? join_names(list) : NULL;
    return true;
}
