/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"

#include "disk.h"
#include "source-check.h"

/* An iSCSI target, spoken to without the kernel; volumes are its units. */

static bool check(const PoolDef *pool, GError **error)
{
    return source_check_one_host(pool, error) && source_check_one_device(pool, error) &&
           source_check_auth(pool, AUTH_CHAP, "chap", error);
}

const Backend backend_iscsi_direct = {
    .schema =
        {
            .type = "iscsi-direct",
            .number = 6,
            .list_flag = 1 << 19,
            .host_rank = 5,
            .takes = SOURCE_HOST | SOURCE_DEVICE | SOURCE_INITIATOR,
            .requires = SOURCE_HOST | SOURCE_INITIATOR,
            .discover_host_word = "iscsi",
            .disk_protocol = &disk_over_iscsi,
        },
    .unavailable = "This build can't speak iSCSI by itself.",
    .check = check,
};
