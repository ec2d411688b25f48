/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * The daemon's sockets, in a folder that it alone can write: whoever else could
 * would be able to put his own socket, or a link, in their place.
 */

/* Makes the folder (mode 0700) where it is missing and opens it. Its last step must not be a link,
 * it must belong to this user and nobody else may write in it. -1 on failure. */
int listener_open_folder(const char *path, GError **error);

/* A listening socket `name` (mode 0600) in the folder, in place of one that a dead daemon left; the
 * caller holds the lock that says that no daemon lives. `path` is the folder's. -1 on failure.
 * Errors: ERROR_SYSTEM; ERROR_INVALID_ARGUMENT when clients could not reach so long a path. */
int listener_new(int folder, const char *path, const char *name, GError **error);
