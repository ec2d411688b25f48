/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Where a connection URI leads. */
typedef struct Uri {
    bool embedded;
    char *path; /* absolute: the embedded engine's folder, or the daemon's socket */
    char *name; /* what the daemon is told in OPEN */
    char *text; /* the URI in full */
} Uri;

void uri_free(Uri *uri);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Uri, uri_free)

/* Takes a URI apart as cistern_open() documents it.
 * Errors: ERROR_INVALID_ARGUMENT, ERROR_NO_CONNECT. */
Uri *uri_parse(const char *text, bool read_only, GError **error);

/* The daemon of this user, which serves when no URI is given; and the embedded engine that stands
 * in for it. */
Uri *uri_new_default_daemon(bool read_only);
Uri *uri_new_default_embedded(void);
