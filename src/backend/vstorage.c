/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"

#include "source-match.h"

/* A Virtuozzo Storage cluster, mounted by the pool. */

const Backend backend_vstorage = {
    .schema =
        {
            .type = "vstorage",
            .number = 13,
            .list_flag = 1 << 18,
            .host_rank = 13,
            .takes = SOURCE_NAME,
            .flags = POOL_HAS_TARGET | POOL_TARGET_PATH_REQUIRED | POOL_NAME_FROM_SOURCE |
                     POOL_VOLUME_NAME_NO_SLASH,
            .volume_formats = &image_formats,
        },
    .unavailable = "This build can't mount Virtuozzo Storage clusters.",
    .same_source = source_same_name,
};
