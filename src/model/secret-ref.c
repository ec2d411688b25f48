/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "errors.h"
#include "pool-def.h"
#include "xml-tables.h"

/* Libvirt tells no domain for these. */
static bool parse_secret(const XmlNode *node, void *object, const XmlScope *scope, GError **error)
{
    SecretRef *secret = object;
    const char *uuid = xml_node_attribute(node, "uuid");
    const char *usage = xml_node_attribute(node, "usage");

    if (!uuid && !usage)
        return error_set(error, ERROR_XML, ORIGIN_NONE, "missing secret uuid or usage attribute");
    if (uuid && usage)
        return error_set(error, ERROR_XML, ORIGIN_NONE, "either secret uuid or usage expected");
    if (uuid && !uuid_parse(uuid, &secret->uuid))
        return error_set(error, ERROR_XML, ORIGIN_NONE, "invalid secret uuid '%s'", uuid);
    secret->has_uuid = uuid != NULL;
    secret->usage = g_strdup(usage);
    return true;
}

const XmlField secret_ref_fields[] = {
    {
        .name = "@uuid",
        .kind = XML_UUID,
        .offset = offsetof(SecretRef, uuid),
        .has = offsetof(SecretRef, has_uuid),
        .parse = parse_secret,
    },
    {
        .name = "@usage",
        .kind = XML_STRING,
        .flags = XML_OUTPUT_ONLY, /* parsed with the UUID */
        .offset = offsetof(SecretRef, usage),
    },
    {},
};
