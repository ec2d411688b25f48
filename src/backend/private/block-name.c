/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "block-name.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

char *block_name(dev_t device)
{
    g_autofree char *path = g_strdup_printf("/sys/dev/block/%u:%u", major(device), minor(device));
    g_autofree char *link = g_file_read_link(path, NULL);

    return link ? g_path_get_basename(link) : NULL;
}

char *block_attribute(const char *name, const char *attribute)
{
    g_autofree char *path = g_build_filename("/sys/class/block", name, attribute, NULL);
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? g_strchomp(text) : NULL;
}

bool block_number(const char *name, dev_t *ret)
{
    g_autofree char *text = block_attribute(name, "dev");
    g_auto(GStrv) words = g_strsplit(text ? text : "", ":", 2);
    guint64 numbers[2];

    if (g_strv_length(words) != 2)
        return false;
    for (guint i = 0; i < 2; i++)
        if (!g_ascii_string_to_unsigned(words[i], 10, 0, G_MAXUINT32, &numbers[i], NULL))
            return false;
    *ret = makedev((guint)numbers[0], (guint)numbers[1]);
    return true;
}

static bool is_node_of(const char *path, dev_t device)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == device;
}

static char *mapper_node(const char *name, dev_t device)
{
    g_autofree char *mapped = block_attribute(name, "dm/name");
    g_autofree char *path = mapped ? g_build_filename("/dev/mapper", mapped, NULL) : NULL;

    return path && is_node_of(path, device) ? g_steal_pointer(&path) : NULL;
}

char *block_node(dev_t device)
{
    g_autofree char *name = block_name(device);
    char *mapped = name ? mapper_node(name, device) : NULL;

    if (!name || mapped)
        return mapped;
    g_autofree char *plain = g_strdelimit(g_strdup(name), "!", '/');
    g_autofree char *path = g_build_filename("/dev", plain, NULL);
    return is_node_of(path, device) ? g_steal_pointer(&path) : NULL;
}
