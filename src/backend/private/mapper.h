/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * What the kernel's device mapper tells of its devices, by their names there: in
 * microseconds. All is false or NULL where there is no device mapper, no right to ask it,
 * or no such device.
 */

/* The unit of its tables, whatever a disk's sectors. */
#define MAPPER_SECTOR 512

bool mapper_exists(const char *name);

/* How often the device is open, by guests and by the host. */
bool mapper_open_count(const char *name, guint *ret);

/* The status line of a device of one target of this type; freed by the caller. */
char *mapper_status(const char *name, const char *type);

/* The same of the line of its table. */
char *mapper_table(const char *name, const char *type);

/* Where on the disk a device of one linear piece begins, in bytes; false when it isn't on it. */
bool mapper_linear_start(const char *name, dev_t disk, guint64 *ret);
