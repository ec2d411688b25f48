/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "draft.h"
#include "folder-entry.h"

/* What making a new volume and making a copy have in common. */

typedef struct Making Making;

/* Fills the draft, which is empty. */
typedef bool (*FillFunc)(const Making *making, GError **error);

struct Making {
    const PoolDef *pool;
    const VolumeDef *spec;
    const VolumeSource *source; /* NULL but for a clone */
    guint flags;                /* VolumeCreateFlag bits */
    Operation *op;
    FillFunc fill;
    /* Set by folder_make(): */
    const Folder *folder;
    const char *path; /* of the finished volume */
    int fd;           /* the draft */
    bool as_owner;    /* what only the volume's owner may do is done as that one */
};

/* Refuses what a new volume of this format can't have; a backing store too if it is no clone.
 * The formats that can be made pass. */
bool folder_check_spec(const Making *making, GError **error);

/* What makes a fresh volume of a content format; NULL for formats that can't be made. */
FillFunc folder_filler(int format);

/* Makes the volume as a draft, fills it, and publishes it with owner, mode and label. Where root
 * may not do that (NFS with root_squash) it is done once more, as the owner that the volume shall
 * have. Errors: ERROR_OPERATION_INVALID "volume target path 'P' already exists". */
bool folder_make(Making *making, VolumeState *ret, GError **error);
