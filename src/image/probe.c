/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe.h"

#include "errors.h"
#include "log.h"
#include "prober.h"

/* The order decides where an image fits more than one row: the cheap looks at the first block
 * come before the one far behind it (iso). */
static const ImageProber *const probers[] = {
    &vpc_prober,  &vdi_prober,   &ploop_prober, &ploop_old_prober, &cow_prober,
    &qcow_prober, &qcow2_prober, &qed_prober,   &vmdk_prober,      &vmdk_descriptor_prober,
    &vhdx_prober, &luks1_prober, &luks2_prober, &iso_prober,
};

void image_info_problem(ImageInfo *info, const char *format, ...)
{
    va_list args;

    if (info->problem)
        return;
    va_start(args, format);
    info->problem = g_strdup_vprintf(format, args);
    va_end(args);
}

void image_info_truncated(ImageInfo *info)
{
    image_info_problem(info, "the %s header ends too early", image_format_name(info->format));
}

void image_info_read_backing(ImageInfo *info, Reader *reader, guint64 offset, guint32 length)
{
    g_autofree char *name = NULL;

    if (length > IMAGE_BACKING_MAX)
        image_info_problem(info, "the backing file's name is longer than %d bytes",
                           IMAGE_BACKING_MAX);
    else if (offset > IMAGE_HEADER_SIZE - length || !reader_string(reader, offset, length, &name))
        image_info_problem(info, "the backing file's name lies outside the header");
    else if (*name)
        info->backing = g_steal_pointer(&name);
}

void image_info_set_capacity(ImageInfo *info, guint64 value, guint64 scale)
{
    guint64 capacity;

    if (__builtin_mul_overflow(value, scale, &capacity) || capacity > G_MAXINT64)
        image_info_problem(info, "the %s header gives a capacity beyond 2^63 bytes",
                           image_format_name(info->format));
    else
        info->capacity = capacity;
}

static bool load(Reader *reader, const ImageNumber *number, guint64 *ret)
{
    const guint8 *bytes = reader_bytes(reader, number->offset, number->size);

    if (!bytes)
        return false;
    *ret = 0;
    for (guint i = 0; i < number->size; i++)
        *ret = *ret << 8 | bytes[number->big ? i : number->size - 1 - i];
    return true;
}

static bool version_fits(const ImageProber *prober, Reader *reader)
{
    guint64 version;

    if (prober->version.size == 0)
        return true;
    if (load(reader, &prober->version, &version) && version >= prober->version_first &&
        version <= prober->version_last)
        return true;
    log_debug("an image with the magic of %s has another version",
              image_format_name(prober->format));
    return false;
}

static void read_capacity(const ImageProber *prober, Reader *reader, ImageInfo *info)
{
    guint64 value;

    if (prober->capacity.size == 0)
        return;
    if (load(reader, &prober->capacity, &value))
        image_info_set_capacity(info, value, MAX(prober->capacity.scale, 1));
    else
        image_info_truncated(info);
}

static bool try_prober(const ImageProber *prober, Reader *reader, ImageInfo *info)
{
    if (!reader_matches(reader, prober->magic_offset, prober->magic, prober->magic_length) ||
        !version_fits(prober, reader))
        return false;
    info->format = prober->format;
    read_capacity(prober, reader, info);
    if (prober->read)
        prober->read(reader, info);
    return true;
}

static void probe(Reader *reader, ImageInfo *ret)
{
    *ret = (ImageInfo){.format = IMAGE_FORMAT_RAW, .backing_format = -1};
    for (gsize i = 0; i < G_N_ELEMENTS(probers); i++) {
        if (try_prober(probers[i], reader, ret))
            return;
    }
}

bool image_probe_fd(int fd, guint64 size, ImageInfo *ret, GError **error)
{
    g_auto(Reader) reader;

    reader_init_fd(&reader, fd, size);
    probe(&reader, ret);
    if (reader.errnum == 0)
        return true;
    image_info_clear(ret);
    return error_set_errno(error, ORIGIN_STORAGE, reader.errnum, "cannot read the image's header");
}

void image_probe_buffer(const guint8 *bytes, gsize length, guint64 size, ImageInfo *ret)
{
    g_auto(Reader) reader;

    reader_init_buffer(&reader, bytes, length, size);
    probe(&reader, ret);
}
