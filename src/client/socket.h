/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Connects to a unix socket. Returns the descriptor, or -1.
 * Errors: ERROR_SYSTEM with errno (ENOENT, ECONNREFUSED: nobody is there);
 * ERROR_INVALID_ARGUMENT for a path that is too long for a socket. */
int socket_connect(const char *path, GError **error);
