/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <fcntl.h>
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/* File descriptors: closed by attribute, opened beneath a folder, read and written whole. */

/* `autofd int fd = -1;` closes at the end of the scope. */
#define autofd __attribute__((cleanup(fd_cleanup)))
void fd_cleanup(int *fd);

/* Gives the descriptor away: returns *fd and sets it to -1. */
int fd_steal(int *fd);

/* Closes *fd if it is open and sets it to -1. Keeps errno. */
void fd_close(int *fd);

/* Opens an existing folder for use with the calls below. Returns -1 with errno. */
int fd_open_folder(const char *path);

/* Opens `name` so that no step of the way (`..`, absolute or outward links, magic links) leaves
 * the folder: EXDEV if it would. O_CLOEXEC, O_NOCTTY are added. Returns -1 with errno. */
int fd_open_beneath(int folder, const char *name, int flags, mode_t mode);

/* Reads at an offset until `size` bytes or the end of the file.
 * Returns the number of bytes, or -1 with errno. */
ssize_t fd_read_at(int fd, void *buffer, size_t size, guint64 offset);

/* Writes all bytes at an offset. False with errno (a write of 0 bytes counts as ENOSPC). */
bool fd_write_at(int fd, const void *buffer, size_t size, guint64 offset);

/* Sees to it that names made, changed or removed in the folder reach the disk. True where the file
 * system has nothing to flush; false with errno. */
bool fd_flush_folder(int folder);

/* Reads a whole small file beneath a folder into a NUL-terminated buffer; more than
 * `limit` bytes is EFBIG. NULL with errno. */
char *fd_read_file_at(int folder, const char *name, size_t limit, size_t *ret_size);
