/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Text from elsewhere (names, paths, messages, documents) before it reaches a
 * person's terminal.
 */

/* A copy on which nothing acts on a terminal: control and formatting characters and bytes that are
 * not UTF-8 appear as \n, \t, \x1b, \u202e. */
char *text_escape(const char *text);

/* The same, keeping line ends and tabs: for documents of several lines. */
char *text_escape_document(const char *text);

/* Columns that escaped text takes on a terminal. */
int text_width(const char *escaped);

/* A bar of `width` columns, `part` (0 to 1) of it full; "####----" where there are no blocks. */
char *text_bar(double part, int width);
