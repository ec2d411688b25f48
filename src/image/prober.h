/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "probe.h"
#include "reader.h"

/*
 * What every family of formats brings: one constant row per format. The row
 * says how to recognise an image and where its capacity is; read() adds what
 * does not fit into a row. A new format is a file with its row, and a line in
 * the table of probe.c.
 */

typedef struct ImageNumber {
    guint offset;
    guint8 size;   /* 1, 2, 4 or 8 bytes; 0 = the format has no such number */
    bool big;      /* big-endian */
    guint16 scale; /* factor to bytes, for capacities; 0 = 1 */
} ImageNumber;

typedef struct ImageProber {
    ImageFormat format;
    guint magic_offset;
    guint magic_length;
    const char *magic;
    ImageNumber version;
    guint32 version_first, version_last; /* an image of another version is not this format */
    ImageNumber capacity;
    /* Called with format and capacity set. Reports through image_info_problem(). */
    void (*read)(Reader *reader, ImageInfo *info);
} ImageProber;

#define IMAGE_MAGIC(text) .magic = text, .magic_length = sizeof(text) - 1

extern const ImageProber cow_prober, iso_prober, luks1_prober, luks2_prober, ploop_prober,
    ploop_old_prober, qcow_prober, qcow2_prober, qed_prober, vdi_prober, vhdx_prober,
    vmdk_descriptor_prober, vmdk_prober, vpc_prober;

/* Notes what is wrong with a recognised header; the first note stays. */
void image_info_problem(ImageInfo *info, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Notes that the header ends before it is complete. */
void image_info_truncated(ImageInfo *info);

#define IMAGE_BACKING_MAX 1023 /* bytes of a backing file's name in qcow, qcow2 and qed */

/* Takes the backing file's name from inside the header; an empty one is none. */
void image_info_read_backing(ImageInfo *info, Reader *reader, guint64 offset, guint32 length);

/* value × scale bytes as capacity; one that does not fit into 63 bits is a problem. */
void image_info_set_capacity(ImageInfo *info, guint64 value, guint64 scale);
