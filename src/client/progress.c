/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "progress.h"

typedef struct ProgressRow {
    guint64 connection; /* the key */
    Progress progress;
} ProgressRow;

static GPrivate rows_key = G_PRIVATE_INIT((GDestroyNotify)g_hash_table_unref);

void progress_set(guint64 connection, CisternProgress callback, void *data)
{
    GHashTable *rows = g_private_get(&rows_key);
    if (!callback)
        return progress_forget(connection);
    if (!rows) {
        rows = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
        g_private_set(&rows_key, rows);
    }
    ProgressRow *row = g_new(ProgressRow, 1);
    *row = (ProgressRow){connection, {callback, data}};
    g_hash_table_replace(rows, &row->connection, row);
}

void progress_forget(guint64 connection)
{
    GHashTable *rows = g_private_get(&rows_key);
    if (rows)
        g_hash_table_remove(rows, &connection);
}

const Progress *progress_find(guint64 connection)
{
    GHashTable *rows = g_private_get(&rows_key);
    ProgressRow *row = rows ? g_hash_table_lookup(rows, &connection) : NULL;
    return row ? &row->progress : NULL;
}

bool progress_report(guint64 done, guint64 total, void *progress)
{
    const Progress *row = progress;
    return row->callback(done, total, row->data) == 0;
}
