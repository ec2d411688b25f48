/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "io.h"

/* What files and block devices, which io_new_fd() both takes, have in common. For io*.c only. */

gssize io_fd_read(Io *io, void *buffer, gsize size, guint64 offset, GError **error);
bool io_fd_write(Io *io, const void *buffer, gsize size, guint64 offset, GError **error);
bool io_fd_flush(Io *io, GError **error);
void io_fd_close(Io *io);

/* A way to make a range read as zeros. Returns false with errno. */
typedef bool (*ZeroFunc)(int fd, guint64 offset, guint64 length);

bool zero_by_hole(int fd, guint64 offset, guint64 length);
bool zero_by_writes(int fd, guint64 offset, guint64 length);

/* Tries one way after the other, as long as the storage, or the alignment, does not know the way.
 * `funcs` ends with NULL. Returns false with errno. */
bool zero_by_any(int fd, const ZeroFunc *funcs, guint64 offset, guint64 length);

bool io_zero_failed(guint64 offset, GError **error);

/* io-device.c */
extern const IoOps io_device_ops;
