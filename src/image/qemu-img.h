/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "volume-def.h"

/* Command lines of qemu-img: pure functions, each returns a NULL-terminated vector (g_strfreev). */

typedef struct QemuImgCreate {
    const char *format;
    const char *path;
    guint64 capacity; /* bytes; 0 with backing = as the backing file */
    bool exact;       /* the capacity isn't rounded up to KiB */
    const char *backing, *backing_format;
    guint64 cluster_size; /* 0 = the tool's */
} QemuImgCreate;

/* What a conversion writes into: it is there, and keeps its size. */
typedef struct QemuImgTarget {
    const char *format;
    const char *path;
    bool reads_zero; /* it is all zeros now */
    /* A file that nobody else can open. It isn't locked: where locks are mandatory (CIFS), the tool
     * couldn't write itself what it has locked. */
    bool is_draft;
} QemuImgTarget;

char **qemu_img_create_argv(const QemuImgCreate *create);

/* `-p` progress is on. */
char **qemu_img_convert_argv(const char *in_format, const char *in, const QemuImgTarget *out);

char **qemu_img_resize_argv(const char *format, const char *path, guint64 capacity, bool shrink);

/* Reads the last percentage of qemu-img -p out of a chunk; false when there is none. */
bool qemu_img_parse_progress(const char *chunk, gsize size, double *ret_percent);
