/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* A loop device over a scratch file, which stands for the block devices of pools. */
typedef struct LoopDevice {
    char *path; /* the node */
    char *file;
} LoopDevice;

typedef struct LoopOptions {
    guint64 size;      /* bytes of the file */
    guint sector_size; /* 0 = 512 */
    bool read_only;
} LoopOptions;

/* False, and the test is skipped, where there are none (no root, a container). */
bool loop_attach(LoopDevice *ret, const LoopOptions *options);
void loop_detach(LoopDevice *device);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LoopDevice, loop_detach)
