/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"

/* Wipes a file or block device that is open for writing, by any of the algorithms: zeros, discard,
 * or the patterns of scrub. `path` is for messages only. Flushed.
 *
 * Errors: ERROR_OPERATION_UNSUPPORTED where the storage can't discard; those of command_run_ok();
 * ERROR_SYSTEM. A wipe that fails half-way has changed what it came by. */
bool content_wipe(int fd, const char *path, WipeAlgorithm algorithm, Operation *op, GError **error);
