/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"

#include "disk.h"
#include "source-match.h"

/* A Sheepdog cluster; volumes are its virtual disk images. */

const Backend backend_sheepdog = {
    .schema =
        {
            .type = "sheepdog",
            .number = 10,
            .list_flag = 1 << 15,
            .host_rank = 10,
            .takes = SOURCE_HOST | SOURCE_NAME,
            .requires = SOURCE_HOST,
            .flags = POOL_NAME_FROM_SOURCE,
            .disk_protocol = &disk_over_sheepdog,
        },
    .unavailable = "This build can't connect to Sheepdog clusters.",
    .same_source = source_same_host,
};
