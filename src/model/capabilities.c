/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capabilities.h"

#include "xml-write.h"

/* ---- <storagepoolCapabilities> ---- */

static void format_enum(const char *name, const FormatTable *table, guint count, XmlWriter *writer)
{
    XmlMark mark = xml_writer_begin(writer, NULL, "enum");

    xml_writer_attribute(writer, "name", name);
    for (guint i = 0; i < count; i++)
        xml_writer_element(writer, "value", table->names[i]);
    xml_writer_end(writer, &mark, XML_EMPTY_PAIR);
}

/* The words of one table and the one that stands for an absent element. */
static void format_options(const char *element, const char *words, const FormatTable *table,
                           guint count, XmlWriter *writer)
{
    XmlMark mark = xml_writer_begin(writer, NULL, element);
    XmlMark standard = xml_writer_begin(writer, NULL, "defaultFormat");

    xml_writer_attribute(writer, "type", format_name(table, table->default_id));
    xml_writer_end(writer, &standard, XML_EMPTY_CLOSED);
    format_enum(words, table, count, writer);
    xml_writer_end(writer, &mark, XML_EMPTY_CLOSED);
}

static void format_pool(const PoolSchema *schema, bool supported, XmlWriter *writer)
{
    XmlMark mark = xml_writer_begin(writer, NULL, "pool");
    const FormatTable *source = schema->source_formats, *volume = schema->volume_formats;

    xml_writer_attribute(writer, "type", schema->type);
    xml_writer_attribute(writer, "supported", supported ? "yes" : "no");
    if (source)
        format_options("poolOptions", "sourceFormatType", source, source->count, writer);
    if (volume)
        format_options("volOptions", "targetFormatType", volume,
                       schema->capability_formats_empty ? 0 : volume->count, writer);
    xml_writer_end(writer, &mark, XML_EMPTY_PAIR);
}

char *pool_capabilities_format(const PoolSchemaList *schemas, const bool *supported)
{
    XmlWriter writer;

    xml_writer_init(&writer, 0);
    XmlMark root = xml_writer_begin(&writer, NULL, "storagepoolCapabilities");
    for (guint i = 0; i < schemas->count; i++)
        format_pool(schemas->schemas[i], supported[i], &writer);
    xml_writer_end(&writer, &root, XML_EMPTY_PAIR);
    return xml_writer_finish(&writer);
}

/* ---- <capabilities> ---- */

static int compare_ranks(gconstpointer a, gconstpointer b)
{
    const PoolSchema *const *left = a, *const *right = b;

    return (int)(*left)->host_rank - (int)(*right)->host_rank;
}

/* The supported types in the order of their ranks. */
static GPtrArray *sort_supported(const PoolSchemaList *schemas, const bool *supported)
{
    GPtrArray *sorted = g_ptr_array_new();

    for (guint i = 0; i < schemas->count; i++)
        if (supported[i])
            g_ptr_array_add(sorted, (void *)schemas->schemas[i]);
    g_ptr_array_sort(sorted, compare_ranks);
    return sorted;
}

char *host_capabilities_format(const PoolSchemaList *schemas, const bool *supported)
{
    g_autoptr(GPtrArray) sorted = sort_supported(schemas, supported);
    XmlWriter writer;

    xml_writer_init(&writer, 1);
    XmlMark pool = xml_writer_begin(&writer, NULL, "pool");
    XmlMark types = xml_writer_begin(&writer, NULL, "enum");
    xml_writer_attribute(&writer, "name", "type");
    for (guint i = 0; i < sorted->len; i++)
        xml_writer_element(&writer, "value", ((const PoolSchema *)sorted->pdata[i])->type);
    xml_writer_end(&writer, &types, XML_EMPTY_PAIR);
    xml_writer_end(&writer, &pool, XML_EMPTY_PAIR);
    g_autofree char *body = xml_writer_finish(&writer);
    /* Libvirt has an empty line before and after. */
    return g_strconcat("<capabilities>\n\n", body, "\n</capabilities>\n", NULL);
}
