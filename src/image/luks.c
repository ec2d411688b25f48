/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <jansson.h>

#include "prober.h"
#include "units.h"

/*
 * LUKS headers. They are not an image format: the volume is raw and encrypted,
 * and its data begins behind the header.
 */

#define SECTOR     512
#define LUKS2_JSON 4096 /* where version 2's metadata text starts */

static void set_payload(ImageInfo *info, guint64 value, guint64 scale)
{
    if (__builtin_mul_overflow(value, scale, &info->payload_offset) ||
        info->payload_offset > G_MAXINT64) {
        info->payload_offset = 0;
        image_info_problem(info, "the LUKS header puts its data beyond 2^63 bytes");
    }
}

static void check_payload(Reader *reader, ImageInfo *info)
{
    if (info->payload_offset <= reader->size)
        return;
    image_info_problem(info,
                       "the LUKS header puts its data at byte %" G_GUINT64_FORMAT
                       ", behind the end of the volume",
                       info->payload_offset);
    info->payload_offset = 0;
}

static void read_luks1(Reader *reader, ImageInfo *info)
{
    guint32 sectors;

    info->encryption = ENCRYPTION_LUKS;
    if (reader_be32(reader, 104, &sectors))
        set_payload(info, sectors, SECTOR);
    else
        image_info_problem(info, "the LUKS header ends too early");
    check_payload(reader, info);
}

/* The lowest offset of all segments: during a reencryption there are several. */
static bool first_segment(json_t *segments, guint64 *ret)
{
    const char *key;
    json_t *segment;
    guint64 offset;

    *ret = G_MAXUINT64;
    json_object_foreach(segments, key, segment)
    {
        const char *text = json_string_value(json_object_get(segment, "offset"));
        if (!text || !number_parse(text, G_MAXINT64, &offset))
            return false;
        *ret = MIN(*ret, offset);
    }
    return *ret != G_MAXUINT64;
}

static bool read_segments(Reader *reader, ImageInfo *info, gsize length)
{
    g_autofree char *text = NULL;
    guint64 offset;

    if (!reader_string(reader, LUKS2_JSON, length, &text))
        return false;
    json_t *root = json_loads(text, 0, NULL);
    bool ok = first_segment(json_object_get(root, "segments"), &offset);
    json_decref(root);
    if (ok)
        set_payload(info, offset, 1);
    return ok;
}

static void read_luks2(Reader *reader, ImageInfo *info)
{
    guint64 header;

    info->encryption = ENCRYPTION_LUKS2;
    if (!reader_be64(reader, 8, &header) || header <= LUKS2_JSON ||
        !read_segments(reader, info, header - LUKS2_JSON))
        image_info_problem(info, "the LUKS2 header does not say where the data begins");
    check_payload(reader, info);
}

const ImageProber luks1_prober = {
    .format = IMAGE_FORMAT_RAW,
    IMAGE_MAGIC("LUKS\xba\xbe"),
    .version = {.offset = 6, .size = 2, .big = true},
    .version_first = 1,
    .version_last = 1,
    .read = read_luks1,
};

const ImageProber luks2_prober = {
    .format = IMAGE_FORMAT_RAW,
    IMAGE_MAGIC("LUKS\xba\xbe"),
    .version = {.offset = 6, .size = 2, .big = true},
    .version_first = 2,
    .version_last = 2,
    .read = read_luks2,
};
