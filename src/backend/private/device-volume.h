/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"

/*
 * Volumes that are block devices: logical volumes, partitions, LUNs. A node is
 * looked at before it is opened, refused when it is no block device, and what
 * was looked at is what is opened. Links on the way to it are followed:
 * /dev/VG/LV is one.
 */

/* Waits until the node at `path` is there (or, with `present` false, is gone) and udev is done
 * with that device; where no udev runs, for the node alone. Errors: operation_check()'s, and after
 * 30 s, whatever the operation's deadline, ERROR_TIMEOUT "device 'P' did not appear within 30 s".
 */
bool device_await(const char *path, bool present, Operation *op, GError **error);

/* Fills in what the node at volume->target.path tells: type, capacity = allocation = physical =
 * its size in bytes, permissions, times, label. Fields set before (name, key, extents) stay.
 * Errors: ERROR_NO_VOLUME when it is absent, ERROR_INTERNAL "unexpected storage mode for 'P'" when
 * it is no block device, ERROR_SYSTEM. */
bool device_volume_describe(VolumeDef *volume, GError **error);

/* Owner, mode and label that the document asks for (mode 0600 by default), set on the node. udev
 * may set its own at the device's next event. */
bool device_volume_apply_permissions(const char *path, const Permissions *permissions,
                                     GError **error);

/* Opens the node's content. For writing it is claimed: refused, with ERROR_SYSTEM/EBUSY and the
 * holders' names, while this host itself uses it (mounted, in a volume group, RAID or swap). That
 * a guest uses it doesn't show. Returns -1 with *error. */
int device_open_content(const char *path, VolumeAccess access, GError **error);

/* Backend.volume_open and Backend.volume_wipe for volumes whose target.path is the node. An Io of
 * a node never grows: writing past its end fails with ENOSPC before anything is written. All
 * algorithms of wiping are there; "trim" where the device can discard. */
bool device_volume_open(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                        VolumeAccess access, Io **ret, GError **error);
bool device_volume_wipe(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                        WipeAlgorithm algorithm, GError **error);

/* Puts the content of a clone's source on the fresh node at `path`, decoded where the source is an
 * image; what lies beyond its end reads as zeros. `reads_zero`: the node is known to be all zeros
 * now (a new thin volume), so that holes can be left out. Flushed. Errors: before anything is
 * written, ERROR_OPERATION_FAILED when the source's content is larger than the node; what can't be
 * cloned (see clone_source_check()). */
bool device_volume_fill(const char *path, bool reads_zero, const VolumeSource *source,
                        Operation *op, GError **error);

/* The bytes of content a clone of `source` needs: the capacity of an image, the size of raw data.
 */
bool device_volume_content_size(const VolumeSource *source, guint64 *ret, GError **error);
