/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The folder of an embedded engine. */

/* Makes the folder where it is missing and locks it, waiting up to `patience` microseconds for
 * another process to let go. Returns the descriptor that holds the lock; closing it gives the
 * folder back. -1 on failure. Errors: ERROR_OPERATION_INVALID naming the process that holds it;
 * ERROR_SYSTEM. */
int state_folder_lock(const char *folder, gint64 patience, GError **error);
