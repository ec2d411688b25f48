/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backing.h"
#include "probe.h"

void image_info_clear(ImageInfo *info)
{
    g_free(info->backing);
    g_free(info->backing_format_name);
    g_free(info->data_file);
    g_free(info->problem);
    *info = (ImageInfo){.format = IMAGE_FORMAT_RAW, .backing_format = -1};
}

/* Raw volumes have the file's size; others the header's, or the file's where it gives none. */
static guint64 capacity_of(const ImageInfo *info, guint64 file_size)
{
    guint64 capacity = info->capacity ? info->capacity : file_size;
    return capacity - MIN(info->payload_offset, capacity);
}

static void apply_qcow2(const ImageInfo *info, VolumeTarget *target)
{
    target->cluster_size = info->cluster_size;
    target->features = info->features;
    if (info->qcow2_version < 3)
        return;
    target->has_features = true;
    target->compat = g_strdup("1.1");
}

/* The string's own format (json:) counts before the header's; what is not local is raw. */
static void apply_backing(const ImageInfo *info, const char *folder, VolumeDef *volume)
{
    int format;

    volume->has_backing = true;
    if (!backing_parse(info->backing, folder, &volume->backing.path, &format)) {
        volume->backing.path = g_strdup(info->backing);
        volume->backing.format = IMAGE_FORMAT_RAW;
        return;
    }
    if (format < 0)
        format = info->backing_format;
    volume->backing.format = MAX(format, IMAGE_FORMAT_RAW);
}

void image_info_apply(const ImageInfo *info, guint64 file_size, const char *folder,
                      VolumeDef *volume)
{
    volume->target.format = info->format;
    volume->capacity = capacity_of(info, file_size);
    volume->target.encryption.format = info->encryption;
    apply_qcow2(info, &volume->target);
    if (info->backing)
        apply_backing(info, folder, volume);
    if (info->problem && !volume->problem)
        volume->problem = g_strdup(info->problem);
}
