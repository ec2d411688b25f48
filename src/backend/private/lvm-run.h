/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "operation.h"

/* Runs a changing command of lvm2, "lvcreate", "--yes", …, NULL. It goes on when this process is
 * killed, under lvm2's lock of the group, for which the next one's reports wait. Errors:
 * ERROR_VOLUME_EXISTS, ERROR_NO_VOLUME, ERROR_BUSY where a volume is in use, ERROR_OPERATION_FAILED
 * where there is no room, else ERROR_INTERNAL, each with what the command said; those of
 * command_run(). */
bool lvm_run(Operation *op, GError **error, const char *program, ...) G_GNUC_NULL_TERMINATED;
/* The same for arguments in an array of strings, ended by NULL. */
bool lvm_run_list(Operation *op, const GPtrArray *argv, GError **error);

/* Removes a volume, whatever it holds, if lvm2's selection `only` (lvmreport(7)) holds for it; that
 * is decided under lvm2's lock of the group. Sets *ret_removed to false when nothing is known to
 * have been removed, which is no error. */
bool lvm_run_remove(Operation *op, const char *group, const char *volume, const char *only,
                    bool *ret_removed, GError **error);

/* An operation for taking back what the failed one has begun: with a deadline of its own and the
 * same runner of programs. */
Operation *lvm_undo_operation(Operation *op);
