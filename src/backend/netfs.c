/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"

#include "source-check.h"
#include "source-match.h"

/* A folder of a file server, mounted by the pool. */

static const char *const format_names[] = {"auto", "nfs", "glusterfs", "cifs"};

static const FormatTable formats = {
    .names = format_names,
    .count = G_N_ELEMENTS(format_names),
};

const Backend backend_netfs = {
    .schema =
        {
            .type = "netfs",
            .number = 2,
            .list_flag = 1 << 8,
            .host_rank = 2,
            .takes = SOURCE_HOST | SOURCE_DIR,
            .requires = SOURCE_HOST | SOURCE_DIR,
            .flags = POOL_HAS_TARGET | POOL_TARGET_PATH_REQUIRED | POOL_MOUNT_OPTIONS |
                     POOL_VOLUME_NAME_NO_SLASH,
            .source_formats = &formats,
            .volume_formats = &image_formats,
            .discover_host_word = "netfs",
        },
    .unavailable = "This build can't mount network file systems.",
    .same_source = source_same_host_dir,
    .check = source_check_one_host,
};
