/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"

#include "source-match.h"

/* A ZFS pool or dataset; volumes are its block volumes. */

const Backend backend_zfs = {
    .schema =
        {
            .type = "zfs",
            .number = 12,
            .list_flag = 1 << 17,
            .host_rank = 12,
            .takes = SOURCE_DEVICE | SOURCE_NAME,
            .flags = POOL_HAS_TARGET | POOL_NAME_FROM_SOURCE | POOL_VOLUME_NEEDS_CAPACITY,
            .target_prefix = "/dev/zvol/",
        },
    .unavailable = "This build can't manage ZFS pools.",
    .same_source = source_same_device_or_name,
};
