/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "volume-def.h"

/* Command lines of qemu-img: pure functions, each returns a NULL-terminated vector (g_strfreev). */

typedef struct QemuImgCreate {
    const char *format;
    const char *path;
    guint64 capacity; /* bytes; 0 with backing = as the backing file */
    const char *backing, *backing_format;
    const char *preallocation; /* "metadata", "falloc", or NULL */
    bool nocow;
    const char *compat;   /* or NULL */
    guint64 cluster_size; /* 0 = the tool's */
    guint features;
    bool is_there;   /* convert: onto an existing file or device, which keeps its size */
    bool reads_zero; /* … that is all zeros now; only with is_there */
} QemuImgCreate;

char **qemu_img_create_argv(const QemuImgCreate *create);

/* `-p` progress is on; `options` may be NULL. */
char **qemu_img_convert_argv(const char *in_format, const char *in, const QemuImgCreate *out);

char **qemu_img_resize_argv(const char *format, const char *path, guint64 capacity, bool shrink);

/* Reads the last percentage of qemu-img -p out of a chunk; false when there is none. */
bool qemu_img_parse_progress(const char *chunk, gsize size, double *ret_percent);
