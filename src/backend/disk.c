/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"

#include "source-match.h"

/* A partitioned disk; volumes are its partitions. */

static const char *const label_names[] = {
    "unknown", "dos", "dvh", "gpt", "mac", "bsd", "pc98", "sun", "lvm2",
};

static const FormatTable labels = {
    .names = label_names,
    .count = G_N_ELEMENTS(label_names),
};

/* What a partition may be marked as; these take the place of the image formats. */
static const char *const partition_names[] = {
    "none", "linux", "fat16", "fat32", "linux-swap", "linux-lvm", "linux-raid", "extended",
};

static const FormatTable partitions = {
    .names = partition_names,
    .count = G_N_ELEMENTS(partition_names),
};

const Backend backend_disk = {
    .schema =
        {
            .type = "disk",
            .number = 4,
            .list_flag = 1 << 10,
            .host_rank = 8,
            .takes = SOURCE_DEVICE,
            .requires = SOURCE_DEVICE,
            .flags = POOL_HAS_TARGET | POOL_TARGET_PATH_REQUIRED | POOL_FREE_EXTENTS |
                     POOL_VOLUME_NEEDS_CAPACITY,
            .source_formats = &labels,
            .volume_formats = &partitions,
        },
    .unavailable = "This build can't partition disks.",
    .same_source = source_same_device,
};
