/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "prober.h"

/* qcow (version 1) and qcow2 (versions 2, 3). Source of the layout: QEMU's
 * docs/interop/qcow2.txt. */

#define CLUSTER_BITS_MIN 9
#define CLUSTER_BITS_MAX 21
#define HEADER_SIZE_V2   72
#define HEADER_SIZE_V3   104
#define FORMAT_NAME_MAX  15

/* Bits of the incompatible features. */
#define INCOMPAT_DIRTY       (1u << 0)
#define INCOMPAT_CORRUPT     (1u << 1)
#define INCOMPAT_EXTENDED_L2 (1u << 4)
#define INCOMPAT_KNOWN       0x1f
#define COMPAT_LAZY          (1u << 0)

static void read_backing(Reader *reader, ImageInfo *info)
{
    guint64 offset;
    guint32 length;

    if (!reader_be64(reader, 8, &offset) || !reader_be32(reader, 16, &length))
        image_info_truncated(info);
    else if (offset != 0)
        image_info_read_backing(info, reader, offset, length);
}

static void read_encryption(Reader *reader, guint offset, ImageInfo *info)
{
    static const EncryptionFormat methods[] = {ENCRYPTION_NONE, ENCRYPTION_QCOW, ENCRYPTION_LUKS};
    guint32 method;

    if (!reader_be32(reader, offset, &method))
        image_info_truncated(info);
    else if (method >= G_N_ELEMENTS(methods))
        image_info_problem(info, "the %s header gives an unknown encryption method, %u",
                           image_format_name(info->format), method);
    else
        info->encryption = methods[method];
}

static void read_qcow(Reader *reader, ImageInfo *info)
{
    read_backing(reader, info);
    read_encryption(reader, 36, info);
}

/* A name that is not in our list is kept; such files (host_device, file, …) are raw. */
static void set_backing_format(ImageInfo *info, const char *name)
{
    int format = strcmp(name, image_format_name(IMAGE_FORMAT_VHDX)) == 0
                     ? IMAGE_FORMAT_VHDX
                     : format_from_name(&image_formats, name);

    info->backing_format = MAX(format, IMAGE_FORMAT_RAW);
    g_free(info->backing_format_name);
    info->backing_format_name = g_strdup(name);
}

static void read_backing_format(Reader *reader, guint64 offset, guint32 length, ImageInfo *info)
{
    g_autofree char *name = NULL;

    if (length > FORMAT_NAME_MAX)
        image_info_problem(info, "the name of the backing format is longer than %d bytes",
                           FORMAT_NAME_MAX);
    else if (reader_string(reader, offset, length, &name) && *name)
        set_backing_format(info, name);
}

static void read_data_file(Reader *reader, guint64 offset, guint32 length, ImageInfo *info)
{
    g_clear_pointer(&info->data_file, g_free);
    if (length > IMAGE_BACKING_MAX)
        image_info_problem(info, "the data file's name is longer than %d bytes", IMAGE_BACKING_MAX);
    else
        reader_string(reader, offset, length, &info->data_file);
}

typedef struct Extension {
    guint32 type;
    void (*read)(Reader *reader, guint64 offset, guint32 length, ImageInfo *info);
} Extension;

static const Extension extensions[] = {
    {0xe2792aca, read_backing_format},
    {0x44415441, read_data_file},
};

static void read_extension(Reader *reader, guint32 type, guint64 offset, guint32 length,
                           ImageInfo *info)
{
    for (gsize i = 0; i < G_N_ELEMENTS(extensions); i++) {
        if (extensions[i].type == type)
            extensions[i].read(reader, offset, length, info);
    }
}

/* Each extension's data is padded to 8 bytes; type 0 ends the list. */
static void read_extensions(Reader *reader, guint64 offset, guint64 end, ImageInfo *info)
{
    guint32 type, length;

    while (offset + 8 <= end) {
        if (!reader_be32(reader, offset, &type) || !reader_be32(reader, offset + 4, &length)) {
            image_info_truncated(info);
            return;
        }
        if (type == 0)
            return;
        offset += 8;
        if (length > end - offset) {
            image_info_problem(info, "header extension 0x%08x does not fit into the header", type);
            return;
        }
        read_extension(reader, type, offset, length, info);
        offset += ((guint64)length + 7) & ~7ULL;
    }
}

static void read_cluster_size(Reader *reader, ImageInfo *info)
{
    guint32 bits;

    if (!reader_be32(reader, 20, &bits))
        image_info_truncated(info);
    else if (bits < CLUSTER_BITS_MIN || bits > CLUSTER_BITS_MAX)
        image_info_problem(info, "a cluster size of 2^%u bytes is not possible", bits);
    else
        info->cluster_size = 1ULL << bits;
}

static void read_features(Reader *reader, ImageInfo *info)
{
    guint64 incompatible, compatible;

    if (!reader_be64(reader, 72, &incompatible) || !reader_be64(reader, 80, &compatible)) {
        image_info_truncated(info);
        return;
    }
    info->dirty = incompatible & INCOMPAT_DIRTY;
    info->corrupt = incompatible & INCOMPAT_CORRUPT;
    if (compatible & COMPAT_LAZY)
        info->features |= FEATURE_LAZY_REFCOUNTS;
    if (incompatible & INCOMPAT_EXTENDED_L2)
        info->features |= FEATURE_EXTENDED_L2;
    if (incompatible & ~(guint64)INCOMPAT_KNOWN)
        image_info_problem(info,
                           "the image uses features that are not known here (incompatible bits "
                           "0x%" G_GINT64_MODIFIER "x)",
                           incompatible & ~(guint64)INCOMPAT_KNOWN);
}

/* Where the extensions start; 0 when the header's own length makes no sense. */
static guint64 header_length(Reader *reader, ImageInfo *info)
{
    guint32 length;

    if (info->qcow2_version == 2)
        return HEADER_SIZE_V2;
    if (!reader_be32(reader, 100, &length)) {
        image_info_truncated(info);
        return 0;
    }
    if (length >= HEADER_SIZE_V3 && length <= info->cluster_size)
        return length;
    image_info_problem(info, "a header length of %u bytes is not possible", length);
    return 0;
}

/* The extensions end where the backing file's name begins, or with the first cluster. */
static guint64 extensions_end(Reader *reader, const ImageInfo *info)
{
    guint64 end = MIN(info->cluster_size, IMAGE_HEADER_SIZE), name;

    if (reader_be64(reader, 8, &name) && name != 0)
        end = MIN(end, name);
    return MIN(end, reader->size);
}

static void read_qcow2(Reader *reader, ImageInfo *info)
{
    guint32 version = 0;

    reader_be32(reader, 4, &version);
    if (version > 3) {
        image_info_problem(info, "qcow2 version %u is not known here", version);
        return;
    }
    info->qcow2_version = version;
    read_backing(reader, info);
    read_encryption(reader, 32, info);
    read_cluster_size(reader, info);
    if (version == 3)
        read_features(reader, info);
    if (info->cluster_size == 0)
        return;
    guint64 start = header_length(reader, info);
    if (start != 0)
        read_extensions(reader, start, extensions_end(reader, info), info);
}

/* The magic's fourth byte (0xfb) is left unchecked, as the reference does. */
const ImageProber qcow_prober = {
    .format = IMAGE_FORMAT_QCOW,
    IMAGE_MAGIC("QFI"),
    .version = {.offset = 4, .size = 4, .big = true},
    .version_first = 1,
    .version_last = 1,
    .capacity = {.offset = 24, .size = 8, .big = true},
    .read = read_qcow,
};

const ImageProber qcow2_prober = {
    .format = IMAGE_FORMAT_QCOW2,
    IMAGE_MAGIC("QFI"),
    .version = {.offset = 4, .size = 4, .big = true},
    .version_first = 2,
    .version_last = G_MAXUINT32,
    .capacity = {.offset = 24, .size = 8, .big = true},
    .read = read_qcow2,
};
