/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * The daemon's sockets. Those for this machine lie in a folder that the daemon
 * alone can write: whoever else could would be able to put his own socket, or a
 * link, in their place.
 */

/* Makes the folder (with the mode) where it is missing and opens it. Its last step must not be a
 * link, it must belong to this user and nobody else may write in it. -1 on failure. */
int listener_open_folder(const char *path, guint mode, GError **error);

/* A listening socket `name` in the folder, in place of one that a dead daemon left; the
 * caller holds the lock that says that no daemon lives. `path` is the folder's. `group`: (gid_t)-1
 * for the process's own. -1 on failure.
 * Errors: ERROR_SYSTEM; ERROR_INVALID_ARGUMENT when clients could not reach so long a path. */
int listener_new(int folder, const char *path, const char *name, guint mode, gid_t group,
                 GError **error);

/* Whether it is an address, or the name of one, that this machine can listen on; may wait for a
 * name to be resolved. The error says what is wrong with it. */
bool listener_check_address(const char *address, GError **error);

/* Listening TCP sockets: on the one address, or with NULL on all of IPv6 and IPv4. Adds their
 * descriptors to `ret` (int). */
bool listener_new_tcp(const char *address, guint port, GArray *ret, GError **error);
