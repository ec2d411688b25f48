/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image-format.h"

static const char *const names[] = {
    [IMAGE_FORMAT_NONE] = "none",       [IMAGE_FORMAT_RAW] = "raw",
    [IMAGE_FORMAT_DIR] = "dir",         [IMAGE_FORMAT_BOCHS] = "bochs",
    [IMAGE_FORMAT_CLOOP] = "cloop",     [IMAGE_FORMAT_DMG] = "dmg",
    [IMAGE_FORMAT_ISO] = "iso",         [IMAGE_FORMAT_VPC] = "vpc",
    [IMAGE_FORMAT_VDI] = "vdi",         [IMAGE_FORMAT_FAT] = "fat",
    [IMAGE_FORMAT_VHD] = "vhd",         [IMAGE_FORMAT_PLOOP] = "ploop",
    [IMAGE_FORMAT_COW] = "cow",         [IMAGE_FORMAT_QCOW] = "qcow",
    [IMAGE_FORMAT_QCOW2] = "qcow2",     [IMAGE_FORMAT_QED] = "qed",
    [IMAGE_FORMAT_VMDK] = "vmdk",       [IMAGE_FORMAT_VHDX] = "vhdx",
    [IMAGE_FORMAT_UNKNOWN] = "unknown",
};

const FormatTable image_formats = {
    .names = names,
    .count = IMAGE_FORMAT_COUNT,
    .output_extra = 2,
    .default_id = IMAGE_FORMAT_RAW,
    .input_first = IMAGE_FORMAT_RAW,
};

const char *image_format_name(int id)
{
    return format_name(&image_formats, id);
}

int image_content_format(int format)
{
    return format == IMAGE_FORMAT_ISO || format == IMAGE_FORMAT_NONE ? IMAGE_FORMAT_RAW : format;
}
