/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "inventory.h"

/* Volumes for tests. */

#define SAMPLE_TARGET "/srv/images"

/* A definition on the stack that borrows its strings: a qcow2 file as a scan of a folder finds it.
 */
static inline VolumeDef sample_file(const char *name, guint64 size)
{
    VolumeDef volume;

    volume_def_init(&volume);
    volume.type = VOLUME_FILE;
    volume.name = (char *)name;
    volume.capacity = size;
    volume.allocation = size / 2;
    volume.physical = size / 2;
    volume.target.format = IMAGE_FORMAT_QCOW2;
    volume.target.permissions = (Permissions){.mode = 0600, .uid = 64055, .gid = 64055};
    volume.target.has_timestamps = true;
    volume.target.timestamps = (Timestamps){
        .atime = 1795369161255481462 + (gint64)size,
        .mtime = 1795369161251983997,
        .ctime = 1795369161255447806,
    };
    volume.target.compat = (char *)"1.1";
    volume.target.cluster_size = 65536;
    volume.target.has_features = true;
    return volume;
}

static inline FileIdentity sample_identity(guint64 inode)
{
    return (FileIdentity){
        .device = 2049,
        .inode = inode,
        .size = 197120,
        .mtime = 1795369161251983997,
        .ctime = 1795369161255447806,
    };
}

static inline VolumeRecord *sample_record(const char *name, guint64 size)
{
    VolumeDef volume = sample_file(name, size);
    FileIdentity identity = sample_identity(size);

    return volume_record_new(&volume, &identity, SAMPLE_TARGET);
}

/* A volume whose key and path have nothing to do with its name. */
static inline VolumeRecord *sample_device(const char *name, const char *key, const char *path)
{
    VolumeDef volume;

    volume_def_init(&volume);
    volume.type = VOLUME_BLOCK;
    volume.name = (char *)name;
    volume.key = (char *)key;
    volume.target.path = (char *)path;
    volume.capacity = volume.allocation = volume.physical = 1 << 30;
    return volume_record_new(&volume, NULL, SAMPLE_TARGET);
}
