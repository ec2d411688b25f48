/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Bytes from hex digits with blanks between them. */
GByteArray *hex_bytes(const char *hex);

void assert_bytes(const guint8 *data, gsize size, const char *hex);
