/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "schema-validate.h"

#include "errors.h"
#include "schema-texts.h"

#include <libxml/relaxng.h>
#include <string.h>

/* Findings beyond this are cut off: a document can be wrong in every line. */
#define FINDINGS_LIMIT 4096

static const struct {
    const char *name;
    const char *text;
} sources[] = {
    [SCHEMA_POOL] = {"pool.rng", schema_text_pool},
    [SCHEMA_VOLUME] = {"volume.rng", schema_text_volume},
    [SCHEMA_POOL_CAPABILITIES] = {"pool-capabilities.rng", schema_text_pool_capabilities},
    [SCHEMA_SOURCES] = {"sources.rng", schema_text_sources},
};
G_STATIC_ASSERT(G_N_ELEMENTS(sources) == SCHEMA_KIND_COUNT);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlRelaxNGValidCtxt, xmlRelaxNGFreeValidCtxt)

const char *schema_text(SchemaKind kind)
{
    return sources[kind].text;
}

static void collect(void *data, xmlError *problem)
{
    GString *findings = data;

    if (problem->message && findings->len < FINDINGS_LIMIT)
        g_string_append(findings, problem->message);
}

/* Our own schemas: that they are good is a matter of the tests. */
static gpointer read_schema(gpointer data)
{
    const char *text = data;
    xmlRelaxNGParserCtxt *parser = xmlRelaxNGNewMemParserCtxt(text, (int)strlen(text));
    xmlRelaxNG *schema = xmlRelaxNGParse(parser);

    xmlRelaxNGFreeParserCtxt(parser);
    g_assert(schema);
    return schema;
}

/* Schemas are read when first used and kept; libxml2 doesn't change them afterwards. */
static xmlRelaxNG *find_schema(SchemaKind kind)
{
    static GOnce onces[SCHEMA_KIND_COUNT] = {G_ONCE_INIT, G_ONCE_INIT, G_ONCE_INIT, G_ONCE_INIT};

    return g_once(&onces[kind], read_schema, (gpointer)sources[kind].text);
}

bool schema_validate(SchemaKind kind, const char *xml, GError **error)
{
    g_autoptr(GString) findings = g_string_new(NULL);
    g_autoptr(xmlRelaxNGValidCtxt) context = xmlRelaxNGNewValidCtxt(find_schema(kind));
    g_autoptr(xmlDoc) document = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
                                               XML_PARSE_NONET | XML_PARSE_IGNORE_ENC |
                                                   XML_PARSE_NOERROR | XML_PARSE_NOWARNING);

    if (!context || !document)
        return error_set(error, ERROR_NO_MEMORY, ORIGIN_XML, "no validator for %s",
                         sources[kind].name);
    xmlRelaxNGSetValidStructuredErrors(context, collect, findings);
    if (xmlRelaxNGValidateDoc(context, document) == 0)
        return true;
    g_strchomp(findings->str);
    return error_set(error, ERROR_XML_INVALID_SCHEMA, ORIGIN_XML,
                     "Unable to validate doc against %s\n%s", sources[kind].name, findings->str);
}
