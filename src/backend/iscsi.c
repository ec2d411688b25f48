/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"

#include "source-check.h"
#include "source-match.h"

/* An iSCSI target, logged in to by the kernel; volumes are its units. */

static bool check(const PoolDef *pool, GError **error)
{
    return source_check_one_host(pool, error) && source_check_one_device(pool, error) &&
           source_check_auth(pool, AUTH_CHAP, "chap", error);
}

const Backend backend_iscsi = {
    .schema =
        {
            .type = "iscsi",
            .number = 5,
            .list_flag = 1 << 11,
            .host_rank = 4,
            .takes = SOURCE_HOST | SOURCE_DEVICE | SOURCE_INITIATOR,
            .requires = SOURCE_HOST,
            .flags = POOL_HAS_TARGET | POOL_TARGET_PATH_REQUIRED,
            .discover_host_word = "iscsi",
        },
    .unavailable = "This build can't log in to iSCSI targets.",
    .same_source = source_same_target,
    .check = check,
};
