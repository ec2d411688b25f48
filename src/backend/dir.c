/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"

#include "folder.h"

/* A folder that is there already, or is made by build. */

static bool same_folder(const PoolDef *added, const PoolDef *existing)
{
    return g_str_equal(added->target_path, existing->target_path);
}

const Backend backend_dir = {
    .schema =
        {
            .type = "dir",
            .number = 0,
            .list_flag = 1 << 6,
            .host_rank = 0,
            .flags = POOL_HAS_TARGET | POOL_TARGET_PATH_REQUIRED | POOL_HAS_COW |
                     POOL_VOLUME_NAME_NO_SLASH,
            .volume_formats = &image_formats,
        },
    .concurrency = BACKEND_PARALLEL,
    .flags = BACKEND_FOLDER | BACKEND_NO_FORMAT | BACKEND_ALWAYS_UP,
    .build_flags = FOLDER_BUILD_FLAGS,
    .same_source = same_folder,
    .is_up = folder_is_up,
    .build = folder_build,
    .start = folder_start,
    .erase = folder_erase,
    .scan = folder_scan,
    .space = folder_space,
    .sweep = folder_sweep,
    .volume_stat = folder_volume_stat,
    .volume_create = folder_volume_create,
    .volume_clone = folder_volume_clone,
    .volume_resize = folder_volume_resize,
    .volume_wipe = folder_volume_wipe,
    .volume_delete = folder_volume_delete,
    .volume_open = folder_volume_open,
};
