/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk-node.h"

/*
 * Partitions as volumes. A change is made in this order, so that a process that
 * dies leaves the state before or the state after: the kernel gives up what goes,
 * the table is written, the kernel is told what is new. A clone is shown by the kernel
 * before the table has it: half made, it is in no table, and disk_sweep() takes it away.
 */

/* Backend.scan */
bool disk_scan(const PoolDef *pool, Operation *op, Scan *scan, GError **error);
/* Backend.sweep */
bool disk_sweep(const PoolDef *pool, Operation *op, GError **error);

/* The volume operations of Backend. */
bool disk_volume_stat(const PoolDef *pool, Operation *op, const char *name, VolumeState *ret,
                      GError **error);
bool disk_volume_create(const PoolDef *pool, Operation *op, const VolumeDef *spec, guint flags,
                        VolumeState *ret, GError **error);
bool disk_volume_clone(const PoolDef *pool, Operation *op, const VolumeDef *spec,
                       const VolumeSource *source, guint flags, VolumeState *ret, GError **error);
bool disk_volume_resize(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                        guint64 capacity, guint flags, GError **error);
bool disk_volume_wipe(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                      WipeAlgorithm algorithm, GError **error);
bool disk_volume_delete(const PoolDef *pool, Operation *op, const VolumeDef *volume, guint flags,
                        GError **error);
bool disk_volume_open(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                      VolumeAccess access, Io **ret, GError **error);
