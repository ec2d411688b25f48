/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Parses "512", "10G", "1MiB", "2KB" into bytes; false for anything else and beyond 2^63-1. */
bool size_from_text(const char *text, guint64 *ret);

/* Digits and nothing else. */
bool number_from_text(const char *text, guint64 *ret);

/* "10.00 GiB". */
char *size_for_people(guint64 bytes);

/* The same, or with `exact` "10737418240 bytes". */
char *size_text(guint64 bytes, bool exact);
