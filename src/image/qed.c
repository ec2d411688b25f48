/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prober.h"

#define FEATURE_BACKING  (1u << 0)
#define FEATURE_NO_PROBE (1u << 2) /* the backing file is raw */

static void read_backing(Reader *reader, ImageInfo *info)
{
    guint32 offset, length;

    if (!reader_le32(reader, 56, &offset) || !reader_le32(reader, 60, &length))
        image_info_truncated(info);
    else
        image_info_read_backing(info, reader, offset, length);
}

/* Without the no-probe bit the backing file's format is left open, not an error. */
static void read_qed(Reader *reader, ImageInfo *info)
{
    guint64 features;

    if (!reader_le64(reader, 16, &features)) {
        image_info_truncated(info);
        return;
    }
    if (features & FEATURE_BACKING)
        read_backing(reader, info);
    if (info->backing && features & FEATURE_NO_PROBE)
        info->backing_format = IMAGE_FORMAT_RAW;
}

/* QEMU Enhanced Disk. Source of the layout: QEMU's docs/interop/qed_spec.txt. */
const ImageProber qed_prober = {
    .format = IMAGE_FORMAT_QED,
    IMAGE_MAGIC("QED"),
    .capacity = {.offset = 48, .size = 8},
    .read = read_qed,
};
