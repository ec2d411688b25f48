/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prober.h"

#define BACKING_OFFSET 8
#define BACKING_MAX    1024

static void read_cow(Reader *reader, ImageInfo *info)
{
    g_autofree char *name = NULL;

    if (!reader_string(reader, BACKING_OFFSET, BACKING_MAX, &name))
        image_info_truncated(info);
    else if (*name)
        info->backing = g_steal_pointer(&name);
}

/* User Mode Linux copy-on-write file, version 2. */
const ImageProber cow_prober = {
    .format = IMAGE_FORMAT_COW,
    IMAGE_MAGIC("OOOM"),
    .version = {.offset = 4, .size = 4, .big = true},
    .version_first = 2,
    .version_last = 2,
    .capacity = {.offset = 1036, .size = 8, .big = true},
    .read = read_cow,
};
