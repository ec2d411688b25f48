/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "volume-def.h"

/*
 * The <disk> element that attaches a volume to a machine. Facts: libvirt's domain
 * format as of 9.0.
 */

/* How machines reach volumes that are neither files nor devices of the host: a type of pool that
 * has such names one of these in its schema. */
typedef struct DiskProtocol {
    const char *name;        /* the word of <source protocol=''> */
    const char *secret_type; /* of the secret in <auth>; NULL: the protocol knows no passwords */
    bool one_host;           /* takes only the first of the pool's hosts */
    bool has_initiator;      /* takes the pool's initiator */
    /* What <source name=''> is. The caller frees it. */
    char *(*source_name)(const PoolDef *pool, const VolumeDef *volume, GError **error);
} DiskProtocol;

extern const DiskProtocol disk_over_rbd, disk_over_gluster, disk_over_sheepdog, disk_over_iscsi;

/* What the machine is to see. What is NULL follows from the rest: an ISO image is a cdrom, all else
 * a disk; the target's name says the bus, the bus the target's name. */
typedef struct DiskOptions {
    const char *device; /* "disk", "cdrom" or "floppy" */
    const char *bus;    /* "virtio", "scsi", "sata", … */
    const char *target; /* "vda" */
    bool read_only;     /* a cdrom always is */
} DiskOptions;

/* The element, ended by a newline; the caller frees it. `volume` is as its document has it, with
 * its type. An encrypted volume whose document names no secret gets an <encryption> without one.
 * Errors: ERROR_OPERATION_UNSUPPORTED for a volume that can't be a disk (a folder, a format that no
 * machine reads); ERROR_INVALID_ARGUMENT for options that are no libvirt words, or don't fit. */
char *disk_format(const PoolDef *pool, const VolumeDef *volume, const DiskOptions *options,
                  GError **error);
