/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool-schema.h"

#include <string.h>

const PoolSchema *pool_schema_find(const PoolSchemaList *list, const char *type)
{
    for (guint i = 0; i < list->count; i++)
        if (g_str_equal(list->schemas[i]->type, type))
            return list->schemas[i];
    return NULL;
}

int format_from_name(const FormatTable *table, const char *name)
{
    for (guint i = 0; i < table->count; i++)
        if (g_str_equal(table->names[i], name))
            return (int)i;
    return -1;
}

const char *format_name(const FormatTable *table, int id)
{
    return table->names[id >= 0 && (guint)id < table->count + table->output_extra ? id : 0];
}
