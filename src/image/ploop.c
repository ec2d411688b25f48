/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prober.h"

/* Parallels expandable images, which ploop uses too. Capacity in sectors: 64 bits wide in the
 * newer form, 32 in the older. */
const ImageProber ploop_prober = {
    .format = IMAGE_FORMAT_PLOOP,
    IMAGE_MAGIC("WithouFreSpacExt"),
    .capacity = {.offset = 36, .size = 8, .scale = 512},
};

const ImageProber ploop_old_prober = {
    .format = IMAGE_FORMAT_PLOOP,
    IMAGE_MAGIC("WithoutFreeSpace"),
    .capacity = {.offset = 36, .size = 4, .scale = 512},
};
