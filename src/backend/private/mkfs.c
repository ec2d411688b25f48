/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mkfs.h"

#include "command.h"
#include "errors.h"

#include <string.h>

/* What mkfs of each format is told. */
typedef struct MkfsRow {
    const char *format;
    const char *force;                     /* to write over what is there */
    const char *uuid_option, *uuid_prefix; /* NULL: it can't be told a UUID that is in use */
    bool short_uuid;                       /* eight hexadecimal digits */
    const char *label_option;
    gsize label_max; /* bytes */
} MkfsRow;

/* From the manuals of e2fsprogs, xfsprogs, btrfs-progs and dosfstools. mkfs.btrfs refuses a UUID
 * that any device has, its own too. */
static const MkfsRow mkfs_rows[] = {
    {"ext2", "-F", "-U", "", .label_option = "-L", .label_max = 16},
    {"ext3", "-F", "-U", "", .label_option = "-L", .label_max = 16},
    {"ext4", "-F", "-U", "", .label_option = "-L", .label_max = 16},
    {"xfs", "-f", "-m", "uuid=", .label_option = "-L", .label_max = 12},
    {"vfat", "-I", "-i", "", .short_uuid = true, .label_option = "-n", .label_max = 11},
    {"btrfs", "-f", .label_option = "-L", .label_max = 255},
};

static const MkfsRow plain_row = {0};

static const MkfsRow *find_row(const char *format)
{
    for (guint i = 0; i < G_N_ELEMENTS(mkfs_rows); i++)
        if (g_str_equal(mkfs_rows[i].format, format))
            return &mkfs_rows[i];
    return &plain_row;
}

/* "ABCD-1234", as FAT's serial number is shown. */
static bool is_short_uuid(const char *text)
{
    if (strlen(text) != 9 || text[4] != '-')
        return false;
    for (guint i = 0; i < 9; i++)
        if (i != 4 && !g_ascii_isxdigit(text[i]))
            return false;
    return true;
}

static bool takes_uuid(const MkfsRow *row, const char *uuid)
{
    return row->uuid_option &&
           (row->short_uuid ? is_short_uuid(uuid) : g_uuid_string_is_valid(uuid));
}

static bool takes_label(const MkfsRow *row, const char *label)
{
    return row->label_option && strlen(label) <= row->label_max;
}

static bool keeps(const MkfsRow *row, const DeviceTag *tag)
{
    if (!tag)
        return true;
    switch (tag->kind) {
    case DEVICE_TAG_UUID:
        return takes_uuid(row, tag->value);
    case DEVICE_TAG_LABEL:
        return takes_label(row, tag->value);
    default: /* of the partition, which stays */
        return true;
    }
}

bool mkfs_check_keeps(const char *format, const DeviceTag *tag, GError **error)
{
    if (keeps(find_row(format), tag))
        return true;
    return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "mkfs of '%s' can't make a file system with the %s '%s', by which the pool "
                     "would find its device again: give the pool the path of the device",
                     format, tag->kind == DEVICE_TAG_UUID ? "UUID" : "label", tag->value);
}

/* Its value as mkfs takes it (g_free); NULL when the tag isn't of the file system. */
static char *tag_words(const MkfsRow *row, const DeviceTag *tag, const char **ret_option)
{
    if (tag && tag->kind == DEVICE_TAG_LABEL) {
        *ret_option = row->label_option;
        return g_strdup(tag->value);
    }
    if (!tag || tag->kind != DEVICE_TAG_UUID)
        return NULL;
    *ret_option = row->uuid_option;
    if (row->short_uuid)
        return g_strdup_printf("%.4s%s", tag->value, tag->value + 5);
    return g_strconcat(row->uuid_prefix, tag->value, NULL);
}

bool mkfs_run(const char *format, const char *device, const DeviceTag *tag, Operation *op,
              GError **error)
{
    const MkfsRow *row = find_row(format);
    const char *argv[8] = {"mkfs", "-t", format}, *option = NULL;
    g_autofree char *value = tag_words(row, tag, &option);
    guint count = 3;

    if (row->force)
        argv[count++] = row->force;
    if (value) {
        argv[count++] = option;
        argv[count++] = value;
    }
    argv[count++] = device;
    Command command = {.argv = argv};
    if (command_run_ok(op, &command, NULL, error))
        return true;
    error_add_context(error, "Failed to make filesystem of type '%s' on device '%s': ", format,
                      device);
    return false;
}
