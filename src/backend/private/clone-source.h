/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"
#include "image-tool.h"
#include "probe.h"

/* What a clone is made of, whatever the type of its pool. */

/* The format of the source's bytes: raw unless its pool is one of image files. */
int clone_source_format(const VolumeSource *source);

/* Refuses what has no content that could be read: folders, encrypted volumes. */
bool clone_source_check(const VolumeSource *source, GError **error);

/* The header of a source, whether it has a descriptor or not; nothing is read of a raw one, whose
 * `ret` stays empty. */
bool clone_source_probe(const VolumeSource *source, ImageInfo *ret, GError **error);

/* The bytes of the source's content: the capacity of an image, the size of raw data. */
bool clone_source_capacity(const VolumeSource *source, const ImageInfo *info, guint64 *ret,
                           GError **error);

/* Writes the source's content, decoded, into `target`, the file or device `fd`, by the tool.
 * `staging` is a descriptor of an empty file for a source that has none of its own, into which it
 * is copied; -1 else. */
bool clone_source_convert(const VolumeSource *source, int staging, guint64 capacity,
                          const QemuImgTarget *target, int fd, Operation *op, GError **error);
