/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool-source.h"
#include "errors.h"
#include "pool-def.h"
#include "xml-tables.h"

#include <string.h>

static const char *const tri_state_names[] = {"", "yes", "no"};
const FormatTable tri_state_words = {
    .names = tri_state_names,
    .count = G_N_ELEMENTS(tri_state_names),
    .input_first = TRI_YES,
};

static const XmlField host_fields[] = {
    {
        .name = "@name",
        .kind = XML_STRING,
        .flags = XML_REQUIRED | XML_KEEP_EMPTY,
        .offset = offsetof(PoolHost, name),
        .missing = "missing storage pool host name",
    },
    {
        .name = "@port",
        .kind = XML_INT,
        .flags = XML_KEEP_EMPTY,
        .offset = offsetof(PoolHost, port),
    },
    {},
};

static const XmlField free_extent_fields[] = {
    {
        .name = "@start",
        .kind = XML_BYTES,
        .flags = XML_ALWAYS,
        .offset = offsetof(FreeExtent, start),
    },
    {
        .name = "@end",
        .kind = XML_BYTES,
        .flags = XML_ALWAYS,
        .offset = offsetof(FreeExtent, end),
    },
    {},
};

static const XmlField device_fields[] = {
    {
        .name = "@path",
        .kind = XML_STRING,
        .flags = XML_REQUIRED | XML_KEEP_EMPTY,
        .offset = offsetof(PoolDevice, path),
        .missing = "missing storage pool source device path",
    },
    {
        .name = "@part_separator",
        .kind = XML_WORD,
        .flags = XML_KEEP_EMPTY,
        .offset = offsetof(PoolDevice, part_separator),
        .words = &tri_state_words,
    },
    {
        .name = "freeExtent",
        .kind = XML_LIST,
        .flags = XML_OUTPUT_ONLY | XML_VOLATILE,
        .offset = offsetof(PoolDevice, free_extents),
        .count = offsetof(PoolDevice, n_free_extents),
        .size = sizeof(FreeExtent),
        .scope = POOL_FREE_EXTENTS,
        .fields = free_extent_fields,
    },
    {},
};

/* ---- Adapter ---- */

static const char *const adapter_names[] = {"", "scsi_host", "fc_host"};
static const FormatTable adapter_words = {
    .names = adapter_names,
    .count = G_N_ELEMENTS(adapter_names),
    .input_first = ADAPTER_SCSI_HOST,
};

/* The old form has no type, only a name. */
static bool check_adapter_type(const XmlNode *node, void *object, const XmlScope *scope,
                               GError **error)
{
    PoolAdapter *adapter = object;

    if (adapter->type != ADAPTER_NONE)
        return true;
    if (xml_node_attribute(node, "wwnn") || xml_node_attribute(node, "wwpn") ||
        xml_node_attribute(node, "parent"))
        return error_set(error, ERROR_XML, ORIGIN_STORAGE,
                         "Use of 'wwnn', 'wwpn', and 'parent' attributes requires use of the "
                         "adapter 'type'");
    if (xml_node_find(node, NULL, "parentaddr"))
        return error_set(error, ERROR_XML, ORIGIN_STORAGE,
                         "Use of 'parentaddr' element requires use of the adapter 'type'");
    if (xml_node_attribute(node, "name"))
        adapter->type = ADAPTER_SCSI_HOST;
    return true;
}

static bool is_scsi_host(const void *object)
{
    return ((const PoolAdapter *)object)->type == ADAPTER_SCSI_HOST;
}

static bool is_fc_host(const void *object)
{
    return ((const PoolAdapter *)object)->type == ADAPTER_FC_HOST;
}

/* The limits of the PCI bus. Domain numbers may be wider than the bus knows. */
static bool check_address(const XmlNode *node, void *object, const XmlScope *scope, GError **error)
{
    const PciAddress *address = object;

    if (address->bus > 0xff)
        return error_set(error, ERROR_XML, ORIGIN_NONE,
                         "Invalid PCI address bus='0x%x', must be <= 0xFF", address->bus);
    if (address->slot > 0x1f)
        return error_set(error, ERROR_XML, ORIGIN_NONE,
                         "Invalid PCI address slot='0x%x', must be <= 0x1F", address->slot);
    if (address->function > 7)
        return error_set(error, ERROR_XML, ORIGIN_NONE,
                         "Invalid PCI address function=0x%x, must be <= 7", address->function);
    return true;
}

static const XmlField address_fields[] = {
    {
        .name = "@domain",
        .kind = XML_UINT,
        .flags = XML_KEEP_EMPTY | XML_ALWAYS,
        .offset = offsetof(PciAddress, domain),
        .hex_digits = 4,
    },
    {
        .name = "@bus",
        .kind = XML_UINT,
        .flags = XML_KEEP_EMPTY | XML_ALWAYS,
        .offset = offsetof(PciAddress, bus),
        .hex_digits = 2,
    },
    {
        .name = "@slot",
        .kind = XML_UINT,
        .flags = XML_KEEP_EMPTY | XML_ALWAYS,
        .offset = offsetof(PciAddress, slot),
        .hex_digits = 2,
    },
    {
        .name = "@function",
        .kind = XML_UINT,
        .flags = XML_KEEP_EMPTY | XML_ALWAYS,
        .offset = offsetof(PciAddress, function),
        .hex_digits = 1,
    },
    {.kind = XML_CHECK, .check = check_address},
    {},
};

static bool check_unique_id(const XmlNode *node, void *object, const XmlScope *scope,
                            GError **error)
{
    if (((const PoolAdapter *)object)->unique_id >= 0)
        return true;
    return error_set(error, ERROR_XML, ORIGIN_STORAGE,
                     "Missing or invalid scsi adapter 'unique_id' value");
}

static const XmlField parentaddr_fields[] = {
    {
        .name = "@unique_id",
        .kind = XML_INT,
        .offset = offsetof(PoolAdapter, unique_id),
        .unset = -1,
        .malformed = "Missing or invalid scsi adapter 'unique_id' value",
        .check = check_unique_id,
    },
    {
        .name = "address",
        .kind = XML_STRUCT,
        .flags = XML_REQUIRED,
        .offset = offsetof(PoolAdapter, address),
        .turn = -1,
        .fields = address_fields,
        .missing = "Missing scsi_host PCI address element",
    },
    {},
};

#define ADAPTER_STRING(attribute, member, adapter_kind)                                            \
    {                                                                                              \
        .name = attribute, .kind = XML_STRING, .flags = XML_KEEP_EMPTY,                            \
        .offset = offsetof(PoolAdapter, member), .when = adapter_kind,                             \
    }

static const XmlField adapter_fields[] = {
    {
        .name = "@type",
        .kind = XML_WORD,
        .flags = XML_KEEP_EMPTY,
        .offset = offsetof(PoolAdapter, type),
        .words = &adapter_words,
        .check = check_adapter_type,
    },
    ADAPTER_STRING("@name", name, is_scsi_host),
    {
        .name = "parentaddr",
        .kind = XML_STRUCT,
        .has = offsetof(PoolAdapter, has_parentaddr),
        .fields = parentaddr_fields,
        .when = is_scsi_host,
    },
    ADAPTER_STRING("@parent", parent, is_fc_host),
    ADAPTER_STRING("@parent_wwnn", parent_wwnn, is_fc_host),
    ADAPTER_STRING("@parent_wwpn", parent_wwpn, is_fc_host),
    ADAPTER_STRING("@parent_fabric_wwn", parent_fabric_wwn, is_fc_host),
    {
        .name = "@managed",
        .kind = XML_WORD,
        .flags = XML_KEEP_EMPTY,
        .offset = offsetof(PoolAdapter, managed),
        .words = &tri_state_words,
        .when = is_fc_host,
    },
    ADAPTER_STRING("@wwnn", wwnn, is_fc_host),
    ADAPTER_STRING("@wwpn", wwpn, is_fc_host),
    {},
};

static bool check_scsi_host(const PoolAdapter *adapter, GError **error)
{
    if (!adapter->name && !adapter->has_parentaddr)
        return error_set(error, ERROR_XML, ORIGIN_STORAGE,
                         "Either 'name' or 'parent' must be specified for the 'scsi_host' adapter");
    if (adapter->name && adapter->has_parentaddr)
        return error_set(error, ERROR_XML, ORIGIN_STORAGE,
                         "Both 'name' and 'parent' cannot be specified for the 'scsi_host' "
                         "adapter");
    return true;
}

/* A world wide name is sixteen hex digits, perhaps behind "0x". */
static bool check_wwn(const char *wwn, GError **error)
{
    if (!wwn)
        return true;
    const char *digits = g_str_has_prefix(wwn, "0x") ? wwn + 2 : wwn;
    if (strlen(digits) == 16 && strspn(digits, "0123456789abcdefABCDEF") == 16)
        return true;
    return error_set(error, ERROR_INTERNAL, ORIGIN_NONE, "Malformed wwn: %s", wwn);
}

static bool check_parent_names(const PoolAdapter *adapter, GError **error)
{
    if (adapter->parent_wwnn && !adapter->parent_wwpn)
        return error_set(error, ERROR_XML, ORIGIN_STORAGE,
                         "when providing parent_wwnn='%s', the parent_wwpn must also be provided",
                         adapter->parent_wwnn);
    if (adapter->parent_wwpn && !adapter->parent_wwnn)
        return error_set(error, ERROR_XML, ORIGIN_STORAGE,
                         "when providing parent_wwpn='%s', the parent_wwnn must also be provided",
                         adapter->parent_wwpn);
    return check_wwn(adapter->parent_wwnn, error) && check_wwn(adapter->parent_wwpn, error) &&
           check_wwn(adapter->parent_fabric_wwn, error);
}

static bool check_fc_host(const PoolAdapter *adapter, GError **error)
{
    if (!adapter->wwnn || !adapter->wwpn)
        return error_set(error, ERROR_XML, ORIGIN_STORAGE,
                         "'wwnn' and 'wwpn' must be specified for adapter type 'fchost'");
    return check_wwn(adapter->wwnn, error) && check_wwn(adapter->wwpn, error) &&
           check_parent_names(adapter, error);
}

bool pool_adapter_check(const PoolAdapter *adapter, GError **error)
{
    switch (adapter->type) {
    case ADAPTER_SCSI_HOST:
        return check_scsi_host(adapter, error);
    case ADAPTER_FC_HOST:
        return check_fc_host(adapter, error);
    default:
        return error_set(error, ERROR_XML, ORIGIN_STORAGE, "missing storage pool source adapter");
    }
}

/* ---- Authentication ---- */

static const char *const auth_names[] = {"none", "chap", "ceph"};
static const FormatTable auth_words = {
    .names = auth_names,
    .count = G_N_ELEMENTS(auth_names),
};

static const XmlField auth_secret_fields[] = {
    {
        .name = "@type",
        .kind = XML_STRING,
        .flags = XML_KEEP_EMPTY,
        .offset = offsetof(SecretRef, type),
    },
    {.name = "", .kind = XML_STRUCT, .flags = XML_ALWAYS, .fields = secret_ref_fields},
    {},
};

static bool check_auth(const XmlNode *node, void *object, const XmlScope *scope, GError **error)
{
    if (((const PoolAuth *)object)->type != AUTH_NONE)
        return true;
    return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                     "storage pool missing auth type");
}

static const XmlField auth_fields[] = {
    {
        .name = "@type",
        .kind = XML_WORD,
        .offset = offsetof(PoolAuth, type),
        .words = &auth_words,
        .unknown = "unknown auth type '",
    },
    {
        .name = "@username",
        .kind = XML_STRING,
        .flags = XML_REQUIRED,
        .offset = offsetof(PoolAuth, username),
        .turn = -1,
        .missing = "missing username for auth",
    },
    {
        .name = "secret",
        .kind = XML_STRUCT,
        .flags = XML_REQUIRED,
        .offset = offsetof(PoolAuth, secret),
        .fields = auth_secret_fields,
        .missing = "Missing <secret> element in auth",
    },
    {.kind = XML_CHECK, .check = check_auth},
    {},
};

/* ---- Source ---- */

static const FormatTable *source_words(const PoolSchema *schema)
{
    return schema->source_formats;
}

static bool check_name(const XmlNode *node, void *object, const XmlScope *scope, GError **error)
{
    if (!node || ((const PoolSource *)object)->name || !(scope->bits & POOL_SOURCE_NAME_STRICT))
        return true;
    return error_set(error, ERROR_XML, ORIGIN_STORAGE, "element 'name' is mandatory for RBD pool");
}

static bool check_dir(const XmlNode *node, void *object, const XmlScope *scope, GError **error)
{
    PoolSource *source = object;

    if (!source->dir && scope->bits & POOL_SOURCE_DIR_ROOT)
        source->dir = g_strdup("/");
    return true;
}

/* A protocol version goes with the first two formats of a list, whatever they are called: that is
 * how libvirt decides. The text ends up among mount options. */
static bool check_protocol(const XmlNode *node, void *object, const XmlScope *scope, GError **error)
{
    const PoolSource *source = object;

    if (!source->protocol_version)
        return true;
    if (source->format > 1)
        return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                         "storage pool protocol ver unsupported for pool type '%s'",
                         format_name(source_words(scope->schema), source->format));
    if (strchr(source->protocol_version, ','))
        return error_set_bare(error, ERROR_XML_DETAIL, ORIGIN_STORAGE,
                              "storage pool protocol ver '%s' must not contain ','",
                              source->protocol_version);
    return true;
}

/* The name and the format are looked at before all else. */
const XmlField pool_source_fields[] = {
    {
        .name = "host",
        .kind = XML_LIST,
        .offset = offsetof(PoolSource, hosts),
        .count = offsetof(PoolSource, n_hosts),
        .size = sizeof(PoolHost),
        .scope = SCOPE_TAKES(SOURCE_HOST),
        .fields = host_fields,
    },
    {
        .name = "device",
        .kind = XML_LIST,
        .offset = offsetof(PoolSource, devices),
        .count = offsetof(PoolSource, n_devices),
        .size = sizeof(PoolDevice),
        .scope = SCOPE_TAKES(SOURCE_DEVICE),
        .fields = device_fields,
    },
    {
        .name = "dir/@path",
        .kind = XML_STRING,
        .flags = XML_CLEAN_PATH,
        .offset = offsetof(PoolSource, dir),
        .scope = SCOPE_TAKES(SOURCE_DIR),
        .check = check_dir,
    },
    {
        .name = "adapter",
        .kind = XML_STRUCT,
        .offset = offsetof(PoolSource, adapter),
        .scope = SCOPE_TAKES(SOURCE_ADAPTER),
        .fields = adapter_fields,
    },
    {
        .name = "name",
        .kind = XML_STRING,
        .offset = offsetof(PoolSource, name),
        .turn = -2,
        .scope = SCOPE_TAKES(SOURCE_NAME),
        .check = check_name,
    },
    {
        .name = "initiator/iqn/@name",
        .kind = XML_STRING,
        .offset = offsetof(PoolSource, initiator),
        .scope = SCOPE_TAKES(SOURCE_INITIATOR),
    },
    {
        .name = "format/@type",
        .kind = XML_WORD,
        .flags = XML_ALWAYS,
        .offset = offsetof(PoolSource, format),
        .turn = -1,
        .words_of = source_words,
        .unknown = "unknown pool format type ",
    },
    {
        .name = "auth",
        .kind = XML_STRUCT,
        .offset = offsetof(PoolSource, auth),
        .fields = auth_fields,
    },
    {
        .name = "protocol/@ver",
        .kind = XML_STRING,
        .offset = offsetof(PoolSource, protocol_version),
        .check = check_protocol,
    },
    {.name = "vendor/@name", .kind = XML_STRING, .offset = offsetof(PoolSource, vendor)},
    {.name = "product/@name", .kind = XML_STRING, .offset = offsetof(PoolSource, product)},
    {},
};

void pool_source_init(PoolSource *source, const PoolSchema *schema)
{
    xml_fields_init(pool_source_fields, source);
    if (schema->source_formats)
        source->format = schema->source_formats->default_id;
}

PoolSource *pool_source_parse(const char *xml, const PoolSchema *schema, GError **error)
{
    g_autoptr(XmlDocument) document =
        xml_document_parse(xml, "(storage_source_specification)", "source", error);
    XmlScope scope = xml_scope(schema, 0);

    if (!document)
        return NULL;
    g_autoptr(PoolSource) source = g_new0(PoolSource, 1);
    pool_source_init(source, schema);
    if (!xml_fields_parse(pool_source_fields, xml_document_root(document), source, &scope, error))
        return NULL;
    return g_steal_pointer(&source);
}

void pool_source_free(PoolSource *source)
{
    if (!source)
        return;
    xml_fields_clear(pool_source_fields, source);
    g_free(source);
}

char *pool_sources_format(const PoolSchema *schema, PoolSource *const *sources, guint count)
{
    XmlScope scope = xml_scope(schema, 0);
    XmlWriter writer;

    xml_writer_init(&writer, 0);
    XmlMark root = xml_writer_begin(&writer, NULL, "sources");
    for (guint i = 0; i < count; i++) {
        XmlMark mark = xml_writer_begin(&writer, NULL, "source");

        xml_fields_format(pool_source_fields, sources[i], &scope, &writer);
        xml_writer_end(&writer, &mark, XML_EMPTY_PAIR);
    }
    xml_writer_end(&writer, &root, XML_EMPTY_PAIR);
    return xml_writer_finish(&writer);
}
