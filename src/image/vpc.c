/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prober.h"

/* Microsoft Virtual PC / VHD with a copy of the footer at the start (dynamic and differencing). */
const ImageProber vpc_prober = {
    .format = IMAGE_FORMAT_VPC,
    IMAGE_MAGIC("conectix"),
    .version = {.offset = 12, .size = 4, .big = true},
    .version_first = 0x10000,
    .version_last = 0x10000,
    .capacity = {.offset = 40, .size = 8, .big = true},
};
