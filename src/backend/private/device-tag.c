/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-tag.h"

#include "block-name.h"
#include "fd.h"

#include <blkid/blkid.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define CLASS "/sys/class/block"

/* Floppy drives, which take seconds to say that they are empty. */
#define FLOPPY_MAJOR 2

typedef struct blkid_struct_probe Probe;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Probe, blkid_free_probe)

/* ---- their text ---- */

static const struct {
    const char *word, *folder;
    const char *value; /* libblkid's name of it */
    bool of_partition;
    bool any_case; /* hexadecimal */
} rows[] = {
    [DEVICE_TAG_UUID] = {"UUID", "/dev/disk/by-uuid/", "UUID", .any_case = true},
    [DEVICE_TAG_LABEL] = {"LABEL", "/dev/disk/by-label/", "LABEL"},
    [DEVICE_TAG_PARTUUID] = {"PARTUUID", "/dev/disk/by-partuuid/", "PART_ENTRY_UUID",
                             .of_partition = true, .any_case = true},
    [DEVICE_TAG_PARTLABEL] = {"PARTLABEL", "/dev/disk/by-partlabel/", "PART_ENTRY_NAME",
                              .of_partition = true},
};

void device_tag_clear(DeviceTag *tag)
{
    g_clear_pointer(&tag->value, g_free);
}

/* The names of udev's links have bytes as "\x20". */
static char *decode(const char *name)
{
    GString *text = g_string_new(NULL);

    for (const char *at = name; *at; at++) {
        if (at[0] == '\\' && at[1] == 'x' && g_ascii_isxdigit(at[2]) && g_ascii_isxdigit(at[3])) {
            int byte = g_ascii_xdigit_value(at[2]) * 16 + g_ascii_xdigit_value(at[3]);
            g_string_append_c(text, (char)byte);
            at += 3;
        } else {
            g_string_append_c(text, *at);
        }
    }
    return g_string_free(text, FALSE);
}

static char *value_of_word(const char *text, const char *word)
{
    char *found = NULL, *value = NULL;

    if (blkid_parse_tag_string(text, &found, &value) != 0)
        return NULL;
    char *result = g_str_equal(found, word) ? g_strdup(value) : NULL;
    free(found);
    free(value);
    return result;
}

bool device_tag_parse(const char *text, DeviceTag *ret)
{
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        char *value = g_str_has_prefix(text, rows[i].folder) ? decode(text + strlen(rows[i].folder))
                                                             : value_of_word(text, rows[i].word);
        if (value) {
            *ret = (DeviceTag){.kind = (DeviceTagKind)i, .value = value};
            return true;
        }
    }
    return false;
}

static bool matches(const DeviceTag *tag, const char *value)
{
    return rows[tag->kind].any_case ? g_ascii_strcasecmp(tag->value, value) == 0
                                    : g_str_equal(tag->value, value);
}

/* ---- asking a device ---- */

/* A device that holds the tag, and what tells the parts of one file system from copies of it. */
typedef struct Holder {
    char *path;
    char *uuid, *part; /* NULL where it has none */
} Holder;

static void holder_free(Holder *holder)
{
    g_free(holder->path);
    g_free(holder->uuid);
    g_free(holder->part);
    g_free(holder);
}

static Probe *probe_new(int fd, bool of_partition)
{
    g_autoptr(Probe) probe = blkid_new_probe();

    if (!probe || blkid_probe_set_device(probe, fd, 0, 0) != 0)
        return NULL;
    blkid_probe_enable_superblocks(probe, !of_partition);
    blkid_probe_set_superblocks_flags(probe,
                                      BLKID_SUBLKS_UUID | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_USAGE);
    blkid_probe_enable_partitions(probe, of_partition);
    blkid_probe_set_partitions_flags(probe, BLKID_PARTS_ENTRY_DETAILS);
    return g_steal_pointer(&probe);
}

static const char *look_up(Probe *probe, const char *name)
{
    const char *value = NULL;

    return blkid_probe_lookup_value(probe, name, &value, NULL) == 0 ? value : NULL;
}

/* What is in a part of an array shows through it. */
static bool is_part_of_array(Probe *probe)
{
    return g_strcmp0(look_up(probe, "USAGE"), "raid") == 0;
}

/* Every signature: what an earlier file system left doesn't hide the one that is there. */
static bool find_in_probe(Probe *probe, const DeviceTag *tag)
{
    const char *name = rows[tag->kind].value;

    if (rows[tag->kind].of_partition)
        return blkid_do_safeprobe(probe) == 0 && look_up(probe, name) &&
               matches(tag, look_up(probe, name));
    while (blkid_do_probe(probe) == 0 && !is_part_of_array(probe))
        if (look_up(probe, name) && matches(tag, look_up(probe, name)))
            return true;
    return false;
}

/* NULL when the device doesn't hold it. */
static Holder *find_on(const DeviceTag *tag, dev_t device)
{
    g_autofree char *path = block_node(device);
    autofd int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
    g_autoptr(Probe) probe = fd >= 0 ? probe_new(fd, rows[tag->kind].of_partition) : NULL;

    if (!probe || !find_in_probe(probe, tag))
        return NULL;
    Holder *holder = g_new(Holder, 1);
    *holder = (Holder){
        .path = g_steal_pointer(&path),
        .uuid = g_strdup(look_up(probe, "UUID")),
        .part = g_strdup(look_up(probe, "UUID_SUB")),
    };
    return holder;
}

bool device_tag_is_on(const DeviceTag *tag, dev_t device)
{
    Holder *holder = find_on(tag, device);

    if (!holder)
        return false;
    holder_free(holder);
    return true;
}

/* ---- asking them all ---- */

static bool is_held(const char *name, const char *holders)
{
    g_autofree char *path = g_build_filename(CLASS, name, holders, NULL);
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);

    return folder && g_dir_read_name(folder);
}

static bool is_part_of_held(const char *name)
{
    g_autofree char *partition = block_attribute(name, "partition");

    return partition && is_held(name, "../holders");
}

static bool reads(const char *name, const char *attribute, const char *expected)
{
    g_autofree char *text = block_attribute(name, attribute);

    return g_strcmp0(text, expected) == 0;
}

/* mkfs.vfat and boot images put a table over the file system of the whole disk, which its
 * partition then shows once more. */
static bool is_whole_disk_again(const char *name)
{
    return reads(name, "start", "0");
}

/* It has content of its own that can be read without waiting for somebody. */
static bool is_candidate(const DeviceTag *tag, const char *name, dev_t *ret_device)
{
    return block_number(name, ret_device) && major(*ret_device) != FLOPPY_MAJOR &&
           !reads(name, "size", "0") && !reads(name, "dm/suspended", "1") &&
           !is_held(name, "holders") && !is_part_of_held(name) &&
           (rows[tag->kind].of_partition || !is_whole_disk_again(name));
}

/* Parts of one file system have its UUID, and each one of its own; a copy has both. */
static bool is_known(const GPtrArray *holders, const Holder *holder)
{
    for (guint i = 0; holder->part && i < holders->len; i++) {
        const Holder *other = holders->pdata[i];
        if (other->part && g_strcmp0(other->uuid, holder->uuid) == 0 &&
            !g_str_equal(other->part, holder->part))
            return true;
    }
    return false;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *list_names(void)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) folder = g_dir_open(CLASS, 0, NULL);

    for (const char *name; folder && (name = g_dir_read_name(folder));)
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    return names;
}

bool device_tag_find(const DeviceTag *tag, Operation *op, GPtrArray *ret_paths, GError **error)
{
    g_autoptr(GPtrArray) names = list_names();
    g_autoptr(GPtrArray) holders = g_ptr_array_new_with_free_func((GDestroyNotify)holder_free);

    for (guint i = 0; i < names->len; i++) {
        dev_t device;
        if (!operation_check(op, error))
            return false;
        Holder *holder = is_candidate(tag, names->pdata[i], &device) ? find_on(tag, device) : NULL;
        if (!holder)
            continue;
        if (!is_known(holders, holder))
            g_ptr_array_add(ret_paths, g_strdup(holder->path));
        g_ptr_array_add(holders, holder);
    }
    return true;
}
