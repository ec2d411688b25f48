/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"

#include "text.h"

#include <stdio.h>

#define COLUMN_GAP 3

typedef struct Cell {
    char *text;
    int width;
} Cell;

struct Table {
    bool head;
    bool started; /* the head was printed and the widths are fixed */
    guint columns;
    int *widths;
    GArray *titles; /* of Cell */
    GArray *cells;  /* of Cell, row by row */
};

static void cell_clear(gpointer cell)
{
    g_free(((Cell *)cell)->text);
}

static GArray *cells_new(void)
{
    GArray *cells = g_array_new(FALSE, FALSE, sizeof(Cell));
    g_array_set_clear_func(cells, cell_clear);
    return cells;
}

Table *table_new(const char *const *titles, bool head)
{
    Table *table = g_new0(Table, 1);
    table->head = head;
    table->titles = cells_new();
    table->cells = cells_new();
    for (; titles[table->columns]; table->columns++) {
        const char *title = titles[table->columns];
        Cell cell = {g_strdup(title), text_width(title)};
        g_array_append_val(table->titles, cell);
    }
    table->widths = g_new0(int, table->columns);
    return table;
}

void table_free(Table *table)
{
    if (!table)
        return;
    g_array_unref(table->titles);
    g_array_unref(table->cells);
    g_free(table->widths);
    g_free(table);
}

void table_add(Table *table, const char *text)
{
    Cell cell = {.text = text_escape(text)};
    cell.width = text_width(cell.text);
    g_array_append_val(table->cells, cell);
}

void table_add_drawn(Table *table, const char *drawn, int width)
{
    Cell cell = {g_strdup(drawn), width};
    g_array_append_val(table->cells, cell);
}

static void widen(Table *table, const GArray *cells)
{
    for (guint i = 0; i < cells->len; i++) {
        int *width = &table->widths[i % table->columns];
        *width = MAX(*width, g_array_index(cells, Cell, i).width);
    }
}

static void print_row(const Table *table, const GArray *cells, guint first)
{
    for (guint column = 0; column < table->columns; column++) {
        const Cell *cell = &g_array_index(cells, Cell, first + column);
        bool last = column + 1 == table->columns;
        int padding = last ? 0 : MAX(table->widths[column] - cell->width, 0) + COLUMN_GAP;
        printf("%s%s%*s", column == 0 ? " " : "", cell->text, padding, "");
    }
    putchar('\n');
}

static void print_head(const Table *table)
{
    print_row(table, table->titles, 0);
    for (guint column = 0; column < table->columns; column++)
        for (int i = 0; i < table->widths[column] + COLUMN_GAP; i++)
            putchar('-');
    putchar('\n');
}

void table_print(Table *table)
{
    if (!table->started) {
        table->started = true;
        if (table->head)
            widen(table, table->titles);
        widen(table, table->cells);
        if (table->head)
            print_head(table);
    }
    for (guint first = 0; first + table->columns <= table->cells->len; first += table->columns)
        print_row(table, table->cells, first);
    g_array_set_size(table->cells, 0);
}

void table_end(Table *table)
{
    table_print(table);
    if (table->head)
        putchar('\n');
}
