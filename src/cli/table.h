/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * A text table in virsh's layout. Rows are collected and printed page by page:
 * the first page decides the widths of the columns, later pages keep them.
 */

typedef struct Table Table;

/* `titles`: the column heads up to NULL; `head`: print them at all. */
Table *table_new(const char *const *titles, bool head);
void table_free(Table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)

/* Adds one cell to the row being filled; a row is complete when each column has one. Control
 * characters in `text` are escaped. */
void table_add(Table *table, const char *text);

/* The same for text that is the program's own and may hold colours; `width` in columns. */
void table_add_drawn(Table *table, const char *drawn, int width);

/* Prints what was added since the last time, with the head the first time. */
void table_print(Table *table);

/* Prints what is left and the empty line that ends a table. */
void table_end(Table *table);
