/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * An operation is what every piece of possibly long work is given: its
 * deadline, whether it was cancelled, how far it is, and how it runs external
 * programs. Reference-counted; all calls are thread-safe, and NULL stands for
 * an operation without deadline that nobody cancels.
 */
typedef struct Operation Operation;
struct Command;
struct CommandResult;

typedef bool (*CommandRunner)(Operation *op, const struct Command *command,
                              struct CommandResult *ret, void *data, GError **error);

#define OPERATION_NO_DEADLINE G_MAXINT64

/* For poll(): milliseconds until a moment of g_get_monotonic_time(), rounded up; 0 once it is over,
 * -1 for OPERATION_NO_DEADLINE. */
int operation_poll_timeout(gint64 deadline);

/* `deadline` is in g_get_monotonic_time() microseconds. */
Operation *operation_new(gint64 deadline);
Operation *operation_ref(Operation *op);
void operation_unref(Operation *op);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Operation, operation_unref)

void operation_cancel(Operation *op);
bool operation_is_cancelled(Operation *op);
gint64 operation_deadline(Operation *op);

/* False with ERROR_ABORTED or ERROR_TIMEOUT once cancelled or past the deadline.
 * Long loops call it at each step. */
bool operation_check(Operation *op, GError **error);

/* A descriptor that becomes readable on cancel, for poll(); -1 for NULL. Owned by the operation. */
int operation_cancel_fd(Operation *op);

/* Bytes or steps done and in all; total 0 = not known. */
void operation_set_progress(Operation *op, guint64 done, guint64 total);
void operation_add_progress(Operation *op, guint64 done);
void operation_get_progress(Operation *op, guint64 *ret_done, guint64 *ret_total);

/* How this operation runs programs. `data` must outlive the operation. */
void operation_set_runner(Operation *op, CommandRunner runner, void *data);
CommandRunner operation_runner(Operation *op, void **ret_data);
