/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"

#include "disk.h"
#include "errors.h"
#include "source-match.h"

#include <string.h>

/* A folder of a Gluster volume, reached without a mount; volumes are its files. */

static bool check(const PoolDef *pool, GError **error)
{
    const PoolSource *source = &pool->source;

    if (strchr(source->name, '/'))
        return error_set(error, ERROR_XML, ORIGIN_STORAGE,
                         "gluster pool name '%s' must not contain /", source->name);
    if (source->dir[0] != '/')
        return error_set(error, ERROR_XML, ORIGIN_STORAGE,
                         "gluster pool path '%s' must start with /", source->dir);
    return true;
}

const Backend backend_gluster = {
    .schema =
        {
            .type = "gluster",
            .number = 11,
            .list_flag = 1 << 16,
            .host_rank = 11,
            .takes = SOURCE_HOST | SOURCE_DIR | SOURCE_NAME,
            .requires = SOURCE_HOST,
            .flags = POOL_NAME_FROM_SOURCE | POOL_SOURCE_DIR_ROOT,
            .volume_formats = &image_formats,
            .discover_host_word = "gluster",
            .disk_protocol = &disk_over_gluster,
        },
    .unavailable = "This build can't connect to Gluster volumes.",
    .same_source = source_same_host_name_dir,
    .check = check,
};
