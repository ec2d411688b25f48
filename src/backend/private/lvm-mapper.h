/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pool-def.h"

#include <glib.h>
#include <stdbool.h>

/*
 * What the kernel's device mapper tells of logical volumes: in microseconds,
 * where a command of lvm2 takes a good part of a second. All is false or unknown where there is
 * no device mapper, no right to ask it, or no such device.
 */

/* The LVM UUID of the volume whose node is at `path`, in lvm2's form; NULL when that's none. */
char *lvm_mapper_uuid(const char *path);
/* The same of the device that is open as `fd`. */
char *lvm_mapper_open_uuid(int fd);

/* Bytes of its pool that a thin volume takes. */
bool lvm_mapper_thin_allocation(const char *name, guint64 *ret);

/* How full a thin pool (suffix "-tpool") is. */
typedef struct ThinUsage {
    guint64 data_used, data_total; /* blocks */
    guint64 meta_used, meta_total; /* blocks, of another size */
} ThinUsage;

bool lvm_mapper_thin_usage(const char *name, ThinUsage *ret);
/* Reads the kernel's status line of a thin pool; for the call above and its test. */
bool lvm_thin_usage_parse(const char *status, ThinUsage *ret);
/* What was never written of the volumes of a thin pool (suffix "-tpool") reads as zeros: not where
 * somebody has turned its zeroing off. */
bool lvm_mapper_thin_zeroes(const char *name);
/* Reads the line of a thin pool's table; for the call above and its test. */
bool lvm_thin_zeroes_parse(const char *table);

/* Puts it into a thin pool's description, as lvm2 words it. */
void lvm_thin_usage_tell(const ThinUsage *usage, ThinPool *thin);
