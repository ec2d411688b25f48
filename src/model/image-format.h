/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pool-schema.h"

/* Formats of image files, in libvirt's order; ids in the volume_formats of folder-like pools. */
typedef enum ImageFormat {
    IMAGE_FORMAT_NONE,
    IMAGE_FORMAT_RAW,
    IMAGE_FORMAT_DIR,
    IMAGE_FORMAT_BOCHS,
    IMAGE_FORMAT_CLOOP,
    IMAGE_FORMAT_DMG,
    IMAGE_FORMAT_ISO,
    IMAGE_FORMAT_VPC,
    IMAGE_FORMAT_VDI,
    IMAGE_FORMAT_FAT,
    IMAGE_FORMAT_VHD,
    IMAGE_FORMAT_PLOOP,
    IMAGE_FORMAT_COW,
    IMAGE_FORMAT_QCOW,
    IMAGE_FORMAT_QCOW2,
    IMAGE_FORMAT_QED,
    IMAGE_FORMAT_VMDK,
    IMAGE_FORMAT_COUNT,
    /* Found in files, never accepted in a document and not in libvirt's list: */
    IMAGE_FORMAT_VHDX = IMAGE_FORMAT_COUNT,
    IMAGE_FORMAT_UNKNOWN, /* the file couldn't be read: taken for nothing, least of all for raw */
} ImageFormat;

/* The words above (vhdx included at the end, beyond `count`); default raw; `none` is output only.
 */
extern const FormatTable image_formats;

/* The word for any of these. */
const char *image_format_name(int id);

/* The format that stands for `format` in a volume's bytes: an ISO image is made like a raw one. */
int image_content_format(int format);
