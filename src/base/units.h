/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Numbers and sizes in text. */

/* Parses the digits of a non-negative decimal number, nothing else around them.
 * False for other text or values above `max`. */
bool number_parse(const char *text, guint64 max, guint64 *ret);

/* The factor of a libvirt size unit, in any case: absent, empty, "b", "bytes" = 1; k/KiB = 1024,
 * KB = 1000, … up to e/EiB/EB.
 * Errors: ERROR_INVALID_ARGUMENT "unknown suffix 'Q'". */
bool unit_factor(const char *unit, guint64 *ret, GError **error);

/* value × factor with the limit 2^63-1.
 * Errors: ERROR_OVERFLOW "value too large: 9E". */
bool size_scale(guint64 value, const char *unit, guint64 *ret, GError **error);

/* A size as a person types it: "10G", "1.5TiB" is refused, "512" is bytes. */
bool size_parse(const char *text, guint64 *ret, GError **error);

/* A size as people read it: "10.00 GiB", "512 B". */
char *size_to_string(guint64 bytes);
