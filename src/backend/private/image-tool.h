/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "operation.h"
#include "qemu-img.h"

/*
 * Runs of qemu-img on open images. The tool gets descriptors, never paths, so
 * that it works on the very file that was opened, whatever happens to its name.
 * `path` of the options is filled in here.
 */

/* Makes an image in an empty file. The tool gets another, in memory, for it can't make one without
 * locking it, which some file systems (CIFS) keep it from writing to then. */
bool image_tool_create(Operation *op, int fd, const QemuImgCreate *create, GError **error);

typedef struct ImageToolSource {
    int fd;
    const char *format;
    const char *folder; /* where the image's relative backing file is looked for */
    guint64 capacity;   /* bytes, the unit of the operation's progress */
} ImageToolSource;

/* Writes the content of one image into another, which is new and empty. */
bool image_tool_convert(Operation *op, const ImageToolSource *source, int fd,
                        const QemuImgTarget *target, GError **error);

/* Changes the size that an image shows. */
bool image_tool_resize(Operation *op, int fd, const char *format, const char *folder,
                       guint64 capacity, bool shrink, GError **error);
