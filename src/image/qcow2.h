/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Writing fresh qcow2 images, without any tool.
 * Source of the layout: QEMU's docs/interop/qcow2.txt.
 */
typedef enum Qcow2Preallocation {
    QCOW2_PREALLOC_OFF,
    QCOW2_PREALLOC_METADATA, /* tables point at clusters; the clusters are a hole */
    QCOW2_PREALLOC_FALLOC,   /* and their space is reserved */
} Qcow2Preallocation;

typedef struct Qcow2Options {
    guint64 capacity;           /* bytes; rounded up to 512 */
    guint version;              /* 2 (compat 0.10) or 3 (compat 1.1) */
    guint64 cluster_size;       /* bytes, a power of two in 512 … 2 MiB; 0 = 65536 */
    bool lazy_refcounts;        /* version 3 only */
    bool extended_l2;           /* version 3 only, clusters of at least 16 KiB */
    const char *backing;        /* as it goes into the header, at most 1023 bytes; NULL = none */
    const char *backing_format; /* word for the header; required with backing */
    Qcow2Preallocation preallocation; /* not with backing */
} Qcow2Options;

/* Refuses options that no image can have, in one sentence. */
bool qcow2_check_options(const Qcow2Options *options, GError **error);

/* Writes the image into an empty file. Nothing is flushed. */
bool qcow2_write(int fd, const Qcow2Options *options, GError **error);
