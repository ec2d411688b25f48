/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A new folder below TMPDIR. */
char *scratch_new(void);

/* Removes it with all that is in it, and frees the path. */
void scratch_remove(char *path);
