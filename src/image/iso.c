/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prober.h"

/* ISO 9660: the first volume descriptor, behind a system area of 32 KiB. */
const ImageProber iso_prober = {
    .format = IMAGE_FORMAT_ISO,
    .magic_offset = 32769,
    IMAGE_MAGIC("CD001"),
};
