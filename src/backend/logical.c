/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"

#include "source-match.h"

/* An LVM volume group; volumes are its logical volumes. */

static const char *const format_names[] = {"unknown", "lvm2"};

static const FormatTable formats = {
    .names = format_names,
    .count = G_N_ELEMENTS(format_names),
    .default_id = 1,
};

const Backend backend_logical = {
    .schema =
        {
            .type = "logical",
            .number = 3,
            .list_flag = 1 << 9,
            .host_rank = 3,
            .takes = SOURCE_DEVICE | SOURCE_NAME,
            .flags = POOL_HAS_TARGET | POOL_NAME_FROM_SOURCE | POOL_VOLUME_NEEDS_CAPACITY |
                     POOL_THIN_POOLS,
            .target_prefix = "/dev/",
            .source_formats = &formats,
        },
    .unavailable = "This build can't manage LVM volume groups.",
    .same_source = source_same_device,
};
