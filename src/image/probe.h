/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "volume-def.h"

/*
 * Recognising image formats. One table of probers (probe.c), one file per
 * family of formats; each prober reads through a bounded Reader, never the file
 * itself, and never trusts a length before it is checked.
 */

/* A window on the bytes of an image. Reads outside it fail; they never read past the buffer. */
typedef struct Reader Reader;

/* What a header says. Strings are owned; image_info_clear() frees them. */
typedef struct ImageInfo {
    ImageFormat format; /* RAW when nothing matched */
    guint64 capacity;   /* bytes; 0 = the header gives none, use the file's size */
    char *backing;      /* as the header has it, or NULL */
    int backing_format; /* ImageFormat, or -1 when the header gives none: probe the file then.
                         * RAW for a word that is not known here */
    char *backing_format_name; /* that word, as the header has it, or NULL */
    char *data_file;           /* qcow2 external data file, as the header has it */
    EncryptionFormat encryption;
    guint64 payload_offset; /* bytes of a LUKS header before the data; capacity excludes it */
    guint qcow2_version;    /* 2, 3, or 0 */
    guint64 cluster_size;   /* bytes, 0 = not applicable */
    guint features;         /* VolumeFeature bits */
    bool dirty, corrupt;    /* qcow2 incompatible bits 0, 1 */
    char *problem;          /* what is wrong with a header that was recognised but makes no sense */
} ImageInfo;

void image_info_clear(ImageInfo *info);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImageInfo, image_info_clear)

#define IMAGE_HEADER_SIZE 33280 /* no prober looks beyond, but for vhdx and LUKS2 metadata */

/* Probes an open image. `size` is the file's or device's size. Reads as little as it can: one
 * small read decides for most files. False only when reading fails (errno in the error); an image
 * that makes no sense is a success with `problem` set. */
bool image_probe_fd(int fd, guint64 size, ImageInfo *ret, GError **error);

/* The same over bytes in memory that stand for the start of an image of `size` bytes. */
void image_probe_buffer(const guint8 *bytes, gsize length, guint64 size, ImageInfo *ret);

/* Copies what a document shows (format, capacity, encryption, compat, cluster size, features,
 * backing path and format, problem) into a volume of `file_size` bytes whose fields for these are
 * unset; strings are allocated. The backing path is made absolute against `folder`, the image's
 * own folder. A backing format that the header leaves open becomes raw; who can open the backing
 * file probes it and sets a better one. */
void image_info_apply(const ImageInfo *info, guint64 file_size, const char *folder,
                      VolumeDef *volume);

/* Where a backing string points, seen from an image in `folder`: a local path (absolute), or NULL
 * for anything that is not a local file (URIs, json: of other drivers). */
char *image_backing_path(const char *backing, const char *folder);
