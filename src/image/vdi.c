/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prober.h"

/* VirtualBox disk image, header version 1.1. */
const ImageProber vdi_prober = {
    .format = IMAGE_FORMAT_VDI,
    .magic_offset = 64,
    IMAGE_MAGIC("\x7f\x10\xda\xbe"),
    .version = {.offset = 68, .size = 4},
    .version_first = 0x00010001,
    .version_last = 0x00010001,
    .capacity = {.offset = 368, .size = 8},
};
