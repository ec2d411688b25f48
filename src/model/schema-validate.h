/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The RNG schemas, which are part of the library (sources: data/schemas). */
typedef enum SchemaKind {
    SCHEMA_POOL,
    SCHEMA_VOLUME,
    SCHEMA_POOL_CAPABILITIES,
    SCHEMA_SOURCES,
    SCHEMA_KIND_COUNT,
} SchemaKind;

/* Checks a document that xml_document_parse() has accepted. Thread-safe.
 * Errors: ERROR_XML_INVALID_SCHEMA with the validator's findings, one a line. */
bool schema_validate(SchemaKind kind, const char *xml, GError **error);

/* The text of a schema. */
const char *schema_text(SchemaKind kind);
