/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "operation.h"
#include "permissions.h"

#include <sys/stat.h>

/* What files and folders have beside their content. `path` is for messages only. */

/* Sets owner and group of an open file as far as they are given. */
bool file_set_owner(int fd, const char *path, const Permissions *permissions, GError **error);

/* The same, and mode and label. */
bool file_set_permissions(int fd, const char *path, const Permissions *permissions, GError **error);

/* The security label, or NULL when there is none. */
char *file_read_label(int fd);

/* Whether a file's block count includes all of its data, also what is yet to be written to disk:
 * so it is on the file systems named there; others (network, FUSE) may tell anything. */
bool file_system_counts_blocks(int fd);

/* True on a file system that can keep files from being copied on write. */
bool file_has_cow_control(int fd);

/* Whether new data of the file, or new files of the folder, are written in place ("no copy on
 * write"). A file must be empty. Errors: ERROR_SYSTEM where the file system can't. */
bool file_set_nocow(int fd, const char *path, bool nocow, GError **error);

/* True if file_set_nocow() was done on this file or on its folder. */
bool file_is_nocow(int fd);

/* Refuses early what can't fit. Errors: ERROR_OPERATION_FAILED
 * "Not enough space left in storage pool: …". */
bool file_check_space(int fd, guint64 bytes, GError **error);

/* Reserves the space of a range, which must read as zeros, and lets the file reach to its end. */
bool file_reserve(int fd, const char *path, guint64 offset, guint64 length, Operation *op,
                  GError **error);
