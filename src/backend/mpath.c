/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"

#include "source-match.h"

/* The machine's multipath maps: one pool, without a source of its own. */

const Backend backend_mpath = {
    .schema =
        {
            .type = "mpath",
            .number = 8,
            .list_flag = 1 << 13,
            .host_rank = 7,
            .flags = POOL_HAS_TARGET | POOL_TARGET_PATH_REQUIRED,
        },
    .unavailable = "This build can't list multipath maps.",
    .same_source = source_same_always,
};
