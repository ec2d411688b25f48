/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"

#include "disk.h"
#include "source-check.h"

/* A pool of a Ceph cluster; volumes are its block images. */

static bool check(const PoolDef *pool, GError **error)
{
    return source_check_auth(pool, AUTH_CEPH, "ceph", error);
}

const Backend backend_rbd = {
    .schema =
        {
            .type = "rbd",
            .number = 9,
            .list_flag = 1 << 14,
            .host_rank = 9,
            .takes = SOURCE_HOST | SOURCE_NAME,
            .requires = SOURCE_HOST,
            .flags = POOL_NAME_FROM_SOURCE | POOL_SOURCE_NAME_STRICT | POOL_RBD_OPTIONS,
            .volume_formats = &image_formats,
            .capability_formats_empty = true,
            .disk_protocol = &disk_over_rbd,
        },
    .unavailable = "This build can't connect to Ceph clusters.",
    .check = check,
};
