/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lvm-name.h"

#include "errors.h"

#include <string.h>

#define NAME_MAX_BYTES 127
#define NAME_BYTES     G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "+_.-"

static const char *const reserved_starts[] = {"pvmove", "snapshot"};
static const char *const reserved_parts[] = {
    "_cdata", "_cmeta", "_corig",  "_cpool",   "_cvol",  "_imeta", "_iorig",   "_mimage", "_mlog",
    "_rmeta", "_tdata", "_rimage", "_pmspare", "_tmeta", "_vdata", "_vorigin", "_wcorig",
};

bool lvm_name_is_valid(const char *name)
{
    gsize length = strlen(name);

    return length > 0 && length <= NAME_MAX_BYTES && strspn(name, NAME_BYTES) == length &&
           *name != '-' && !g_str_equal(name, ".") && !g_str_equal(name, "..");
}

static bool is_reserved(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(reserved_starts); i++)
        if (g_str_has_prefix(name, reserved_starts[i]))
            return true;
    for (guint i = 0; i < G_N_ELEMENTS(reserved_parts); i++)
        if (strstr(name, reserved_parts[i]))
            return true;
    return false;
}

bool lvm_volume_name_is_valid(const char *name)
{
    return lvm_name_is_valid(name) && !is_reserved(name);
}

static bool check_name(const char *what, const char *name, GError **error)
{
    if (lvm_name_is_valid(name))
        return true;
    return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                     "'%s' can't be the name of a %s: LVM takes up to %d letters, digits, "
                     "'+', '_', '.' and '-', and no '-' first",
                     name, what, NAME_MAX_BYTES);
}

bool lvm_check_group_name(const char *name, GError **error)
{
    return check_name("volume group", name, error);
}

bool lvm_check_volume_name(const char *name, GError **error)
{
    if (!check_name("logical volume", name, error))
        return false;
    if (!is_reserved(name))
        return true;
    return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                     "'%s' can't be the name of a logical volume: LVM keeps it for its own", name);
}

static void append_doubled(GString *text, const char *name)
{
    for (; *name; name++) {
        g_string_append_c(text, *name);
        if (*name == '-')
            g_string_append_c(text, '-');
    }
}

char *lvm_mapper_name(const char *group, const char *volume, const char *suffix)
{
    GString *text = g_string_new(NULL);

    append_doubled(text, group);
    g_string_append_c(text, '-');
    append_doubled(text, volume);
    g_string_append(text, suffix);
    return g_string_free(text, FALSE);
}
