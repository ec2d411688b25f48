/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "prober.h"

/*
 * VMware disks: sparse extents with a descriptor inside, and descriptor files
 * that name their extents. A descriptor is text, one setting per line.
 */

#define SECTOR            512
#define DESCRIPTOR_OFFSET SECTOR /* where the header gives none */
#define DESCRIPTOR_MAX    (20 * SECTOR)

/* Takes the next line off the text, without its end. False at the end of the text. */
static bool next_line(char **text, char **ret_line)
{
    if (**text == '\0')
        return false;
    *ret_line = *text;
    char *end = *text + strcspn(*text, "\r\n");
    *text = *end ? end + 1 : end;
    *end = '\0';
    return true;
}

static void read_parent_hint(const char *line, ImageInfo *info)
{
    static const char key[] = "parentFileNameHint=\"";

    if (info->backing || !g_str_has_prefix(line, key))
        return;
    line += sizeof(key) - 1;
    const char *end = strchr(line, '"');
    if (end && end > line)
        info->backing = g_strndup(line, (gsize)(end - line));
}

static char *descriptor_text(Reader *reader, guint64 offset)
{
    gsize length;
    const guint8 *bytes = reader_upto(reader, offset, DESCRIPTOR_MAX, &length);

    return bytes ? g_strndup((const char *)bytes, length) : NULL;
}

static guint64 descriptor_offset(Reader *reader)
{
    guint64 sector;

    if (!reader_le64(reader, 28, &sector) || sector == 0 ||
        sector > (IMAGE_HEADER_SIZE - DESCRIPTOR_MAX) / SECTOR)
        return DESCRIPTOR_OFFSET;
    return sector * SECTOR;
}

static void read_vmdk(Reader *reader, ImageInfo *info)
{
    g_autofree char *text = descriptor_text(reader, descriptor_offset(reader));
    char *rest = text, *line;

    while (rest && next_line(&rest, &line))
        read_parent_hint(line, info);
}

/* `RW 4192256 SPARSE "disk-s001.vmdk"`: adds the sectors. False when there are too many. */
static bool add_extent(const char *line, guint64 *sectors)
{
    static const char *const access[] = {"RW ", "RDONLY ", "NOACCESS "};

    for (gsize i = 0; i < G_N_ELEMENTS(access); i++) {
        if (g_str_has_prefix(line, access[i]))
            return !__builtin_add_overflow(*sectors,
                                           g_ascii_strtoull(line + strlen(access[i]), NULL, 10),
                                           sectors);
    }
    return true;
}

static void read_descriptor_file(Reader *reader, ImageInfo *info)
{
    g_autofree char *text = descriptor_text(reader, 0);
    char *rest = text, *line;
    guint64 sectors = 0;
    bool fits = true;

    while (rest && next_line(&rest, &line)) {
        read_parent_hint(line, info);
        fits = fits && add_extent(line, &sectors);
    }
    if (sectors == 0)
        image_info_problem(info, "the vmdk descriptor names no extents");
    image_info_set_capacity(info, fits ? sectors : G_MAXUINT64, SECTOR);
}

const ImageProber vmdk_prober = {
    .format = IMAGE_FORMAT_VMDK,
    IMAGE_MAGIC("KDMV"),
    .version = {.offset = 4, .size = 4},
    .version_first = 1,
    .version_last = 3,
    .capacity = {.offset = 12, .size = 8, .scale = SECTOR},
    .read = read_vmdk,
};

const ImageProber vmdk_descriptor_prober = {
    .format = IMAGE_FORMAT_VMDK,
    IMAGE_MAGIC("# Disk DescriptorFile"),
    .read = read_descriptor_file,
};
