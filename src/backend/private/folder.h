/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"

/*
 * Pools whose volumes are the entries of a folder. The operations below have
 * the shapes that `Backend` wants; a pool type whose target_path is such a folder
 * puts them into its row and adds what is its own (mounting, mostly).
 *
 * Everything inside the folder is reached through its descriptor, never by path,
 * so that neither a name nor a link, nor a race with either, leads outside. Where
 * the folder is a mount, Backend.owns_folder is asked about each descriptor first.
 */

/* What a row of such a type has for build_flags; the formatting flags among them are refused by
 * folder_build() in libvirt's words. */
#define FOLDER_BUILD_FLAGS (BUILD_REPAIR | BUILD_RESIZE | BUILD_NO_OVERWRITE | BUILD_OVERWRITE)

/* Makes the folder and its parents, with owner, mode and copy-on-write as the definition says. What
 * was made is put into `ret_made` (paths, g_free), for a caller whose next step fails; when this
 * fails it is taken back. Errors: ERROR_INVALID_ARGUMENT "path 'P' is not absolute", ERROR_SYSTEM.
 */
bool folder_lay_out(const PoolDef *pool, GPtrArray *ret_made, GError **error);
void folder_take_back(GPtrArray *made);

/* Pool. */
bool folder_is_up(const PoolDef *pool, Operation *op, bool *ret_up, GError **error);
bool folder_build(const PoolDef *pool, Operation *op, guint flags, GError **error);
bool folder_start(const PoolDef *pool, Operation *op, GError **error);
bool folder_erase(const PoolDef *pool, Operation *op, guint flags, GError **error);
bool folder_scan(const PoolDef *pool, Operation *op, Scan *scan, GError **error);
bool folder_space(const PoolDef *pool, Operation *op, PoolSpace *ret, GError **error);
bool folder_sweep(const PoolDef *pool, Operation *op, GError **error);

/* Volume. */
bool folder_volume_stat(const PoolDef *pool, Operation *op, const char *name, VolumeState *ret,
                        GError **error);
bool folder_volume_create(const PoolDef *pool, Operation *op, const VolumeDef *spec, guint flags,
                          VolumeState *ret, GError **error);
bool folder_volume_clone(const PoolDef *pool, Operation *op, const VolumeDef *spec,
                         const VolumeSource *source, guint flags, VolumeState *ret, GError **error);
bool folder_volume_resize(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                          guint64 capacity, guint flags, GError **error);
bool folder_volume_wipe(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                        WipeAlgorithm algorithm, GError **error);
bool folder_volume_delete(const PoolDef *pool, Operation *op, const VolumeDef *volume, guint flags,
                          GError **error);
bool folder_volume_open(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                        VolumeAccess access, Io **ret, GError **error);
