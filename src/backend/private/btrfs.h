/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mounted.h"
#include "pool-def.h"

/* What only btrfs has: several devices under one file system, and several trees of folders in it,
 * one of which is mounted. */

/* Numbers (dev_t) of all the devices of the file system that this one is of, itself first. */
GArray *btrfs_members(dev_t device);

/* What is mounted is the whole subvolume that the pool's mount options name: by "subvolid=", by
 * "subvol=", or the file system's default one now. Where the default can't be asked for, because
 * something lies over the mount or its device is gone, any subvolume passes. */
bool btrfs_is_wanted(const PoolDef *pool, const Mounted *mounted);
