/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"

#include "source-check.h"
#include "source-match.h"

/* A file system on a device, mounted by the pool. */

static const char *const format_names[] = {
    "auto", "ext2", "ext3", "ext4", "ufs", "iso9660", "udf",
    "gfs",  "gfs2", "vfat", "hfs+", "xfs", "ocfs2",   "vmfs",
};

static const FormatTable formats = {
    .names = format_names,
    .count = G_N_ELEMENTS(format_names),
};

const Backend backend_fs = {
    .schema =
        {
            .type = "fs",
            .number = 1,
            .list_flag = 1 << 7,
            .host_rank = 1,
            .takes = SOURCE_DEVICE,
            .requires = SOURCE_DEVICE,
            .flags = POOL_HAS_TARGET | POOL_TARGET_PATH_REQUIRED | POOL_HAS_COW |
                     POOL_MOUNT_OPTIONS | POOL_VOLUME_NAME_NO_SLASH,
            .source_formats = &formats,
            .volume_formats = &image_formats,
        },
    .unavailable = "This build can't mount file systems.",
    .same_source = source_same_device,
    .check = source_check_one_device,
};
