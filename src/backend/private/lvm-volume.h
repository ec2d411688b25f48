/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"

/*
 * The volume operations of logical volumes (see Backend). Which kind is made:
 *
 *  - with a backing store, a snapshot of that volume of the group; of a thick one
 *    the allocation is the size of its store;
 *  - else, with a thin pool in the document or an allocation below the capacity, a
 *    thin volume, in the pool's thin pool where the document names none;
 *  - else a linear volume, with its signatures wiped.
 *
 * A volume whose content follows carries LVM_DRAFT_TAG until it is whole.
 */
bool lvm_volume_stat(const PoolDef *pool, Operation *op, const char *name, VolumeState *ret,
                     GError **error);
/* Where the node is still that volume's and as long, all but a thin volume's allocation, owner,
 * mode and times are taken from `known`. */
bool lvm_volume_restat(const PoolDef *pool, Operation *op, const VolumeDef *known, VolumeState *ret,
                       GError **error);
bool lvm_volume_create(const PoolDef *pool, Operation *op, const VolumeDef *spec, guint flags,
                       VolumeState *ret, GError **error);
/* A thin volume is cloned by a snapshot that shares its blocks, unless full allocation or another
 * thin pool is asked for; everything else is copied. */
bool lvm_volume_clone(const PoolDef *pool, Operation *op, const VolumeDef *spec,
                      const VolumeSource *source, guint flags, VolumeState *ret, GError **error);
bool lvm_volume_resize(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                       guint64 capacity, guint flags, GError **error);
bool lvm_volume_wipe(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                     WipeAlgorithm algorithm, GError **error);
bool lvm_volume_delete(const PoolDef *pool, Operation *op, const VolumeDef *volume, guint flags,
                       GError **error);

/* Of the volume that is still the one described, not of what has its name now. */
bool lvm_volume_open(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                     VolumeAccess access, Io **ret, GError **error);

/* Removes a half-made volume that its maker left, while it carries LVM_DRAFT_TAG and nothing
 * depends on it. Sets *ret_removed to false when nothing is known to have been removed. */
bool lvm_volume_sweep(const char *group, const char *name, Operation *op, bool *ret_removed,
                      GError **error);
