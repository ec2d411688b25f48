/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "volume-def.h"

#include "errors.h"
#include "schema-validate.h"
#include "units.h"
#include "xml-tables.h"

#include <string.h>

/* ---- Extents ---- */

static const XmlField extent_fields[] = {
    {.name = "@path", .kind = XML_STRING, .offset = offsetof(VolumeExtent, device)},
    {
        .name = "@start",
        .kind = XML_BYTES,
        .flags = XML_ALWAYS,
        .offset = offsetof(VolumeExtent, start),
    },
    {
        .name = "@end",
        .kind = XML_BYTES,
        .flags = XML_ALWAYS,
        .offset = offsetof(VolumeExtent, end),
    },
    {},
};

static void format_extent(const VolumeExtent *extent, const XmlScope *scope, XmlWriter *writer)
{
    XmlMark mark = xml_writer_begin(writer, NULL, "extent");

    xml_fields_format(extent_fields + 1, extent, scope, writer);
    xml_writer_end(writer, &mark, XML_EMPTY_CLOSED);
}

/* Extents that follow each other on one device share its element. */
static void format_extents(const void *object, const XmlScope *scope, XmlWriter *writer)
{
    const VolumeDef *def = object;

    if (def->n_extents == 0)
        return;
    const VolumeExtent *extent = def->extents, *end = extent + def->n_extents;
    XmlMark source = xml_writer_begin(writer, NULL, "source");
    while (extent < end) {
        const char *path = extent->device;
        XmlMark device = xml_writer_begin(writer, NULL, "device");

        xml_writer_attribute(writer, "path", path);
        for (; extent < end && g_str_equal(extent->device, path); extent++)
            format_extent(extent, scope, writer);
        xml_writer_end(writer, &device, XML_EMPTY_CLOSED);
    }
    xml_writer_end(writer, &source, XML_EMPTY_CLOSED);
}

/* ---- Encryption ---- */

static const char *const encryption_names[] = {"", "default", "qcow", "luks", "luks2"};
static const FormatTable encryption_words = {
    .names = encryption_names,
    .count = G_N_ELEMENTS(encryption_names),
    .input_first = ENCRYPTION_DEFAULT,
};

static const char *const engine_names[] = {"", "qemu", "librbd"};
static const FormatTable engine_words = {
    .names = engine_names,
    .count = G_N_ELEMENTS(engine_names),
    .input_first = ENCRYPTION_ENGINE_QEMU,
};

const char *encryption_format_name(EncryptionFormat format)
{
    return format_name(&encryption_words, (int)format);
}

const char *encryption_engine_name(EncryptionEngine engine)
{
    return format_name(&engine_words, (int)engine);
}

static bool check_secret_type(const XmlNode *node, void *object, const XmlScope *scope,
                              GError **error)
{
    const char *type = ((const SecretRef *)object)->type;

    if (g_str_equal(type, "passphrase"))
        return true;
    return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                     "unknown volume encryption secret type %s", type);
}

static const XmlField secret_fields[] = {
    {
        .name = "@type",
        .kind = XML_STRING,
        .flags = XML_REQUIRED,
        .offset = offsetof(SecretRef, type),
        .missing = "unknown volume encryption secret type",
        .check = check_secret_type,
    },
    {.name = "", .kind = XML_STRUCT, .flags = XML_ALWAYS, .fields = secret_ref_fields},
    {},
};

static const XmlField cipher_fields[] = {
    {
        .name = "@name",
        .kind = XML_STRING,
        .flags = XML_REQUIRED | XML_KEEP_EMPTY,
        .offset = offsetof(Encryption, cipher_name),
        .missing = "cipher info missing 'name' attribute",
    },
    {
        .name = "@size",
        .kind = XML_UINT,
        .flags = XML_REQUIRED | XML_KEEP_EMPTY | XML_ALWAYS,
        .offset = offsetof(Encryption, cipher_size),
    },
    {
        .name = "@mode",
        .kind = XML_STRING,
        .flags = XML_KEEP_EMPTY,
        .offset = offsetof(Encryption, cipher_mode),
    },
    {
        .name = "@hash",
        .kind = XML_STRING,
        .flags = XML_KEEP_EMPTY,
        .offset = offsetof(Encryption, cipher_hash),
    },
    {},
};

static bool check_ivgen(const XmlNode *node, void *object, const XmlScope *scope, GError **error)
{
    if (((const Encryption *)object)->cipher_name)
        return true;
    return error_set(error, ERROR_XML, ORIGIN_STORAGE,
                     "ivgen element found, but cipher is missing");
}

static const XmlField ivgen_fields[] = {
    {.kind = XML_CHECK, .check = check_ivgen},
    {
        .name = "@name",
        .kind = XML_STRING,
        .flags = XML_REQUIRED | XML_KEEP_EMPTY,
        .offset = offsetof(Encryption, ivgen_name),
        .missing = "missing ivgen info name string",
    },
    {
        .name = "@hash",
        .kind = XML_STRING,
        .flags = XML_KEEP_EMPTY,
        .offset = offsetof(Encryption, ivgen_hash),
    },
    {},
};

/* Only LUKS lets its cipher be chosen. */
static bool is_luks(const void *object)
{
    return ((const Encryption *)object)->format == ENCRYPTION_LUKS;
}

static bool has_cipher(const void *object)
{
    return ((const Encryption *)object)->cipher_name != NULL;
}

static const XmlField encryption_fields[] = {
    {
        .name = "@format",
        .kind = XML_WORD,
        .flags = XML_REQUIRED,
        .offset = offsetof(Encryption, format),
        .words = &encryption_words,
        .missing = "unknown volume encryption format",
        .unknown = "unknown volume encryption format type ",
    },
    {
        .name = "@engine",
        .kind = XML_WORD,
        .flags = XML_KEEP_EMPTY,
        .offset = offsetof(Encryption, engine),
        .words = &engine_words,
    },
    {
        .name = "secret",
        .kind = XML_LIST,
        .offset = offsetof(Encryption, secrets),
        .count = offsetof(Encryption, n_secrets),
        .size = sizeof(SecretRef),
        .fields = secret_fields,
    },
    {
        .name = "cipher",
        .kind = XML_STRUCT,
        .fields = cipher_fields,
        .when = is_luks,
        .written = has_cipher,
    },
    {.name = "ivgen", .kind = XML_STRUCT, .fields = ivgen_fields, .when = is_luks},
    {},
};

/* ---- Features ---- */

static const struct {
    const char *name;
    VolumeFeature bit;
} features[] = {
    {"lazy_refcounts", FEATURE_LAZY_REFCOUNTS},
    {"extended_l2", FEATURE_EXTENDED_L2},
};

static bool parse_feature(const XmlNode *node, VolumeTarget *target, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(features); i++) {
        if (g_str_equal(xml_node_name(node), features[i].name)) {
            target->features |= features[i].bit;
            return true;
        }
    }
    return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE, "unsupported feature %s",
                     xml_node_name(node));
}

/* Features came with the second version of the format, so they ask for it. */
static bool parse_features(const XmlNode *node, void *object, const XmlScope *scope, GError **error)
{
    VolumeTarget *target = object;
    const XmlNode *list = xml_node_find(node, NULL, "features");

    if (!list)
        return true;
    target->has_features = true;
    if (!target->compat)
        target->compat = g_strdup("1.1");
    for (const XmlNode *child = xml_node_first_child(list); child; child = xml_node_next(child))
        if (!parse_feature(child, target, error))
            return false;
    return true;
}

static void format_features(const void *object, const XmlScope *scope, XmlWriter *writer)
{
    const VolumeTarget *target = object;

    if (!target->has_features)
        return;
    XmlMark mark = xml_writer_begin(writer, NULL, "features");
    for (guint i = 0; i < G_N_ELEMENTS(features); i++) {
        if (target->features & features[i].bit) {
            XmlMark feature = xml_writer_begin(writer, NULL, features[i].name);

            xml_writer_end(writer, &feature, XML_EMPTY_CLOSED);
        }
    }
    xml_writer_end(writer, &mark, XML_EMPTY_CLOSED);
}

/* ---- Target and backing store ---- */

static const FormatTable *volume_words(const PoolSchema *schema)
{
    return schema->volume_formats;
}

static bool format_is_known(const void *object)
{
    return ((const VolumeTarget *)object)->format >= 0;
}

static bool has_encryption(const void *object)
{
    return ((const VolumeTarget *)object)->encryption.format != ENCRYPTION_NONE;
}

#define TIME(element, member)                                                                      \
    {                                                                                              \
        .name = element, .kind = XML_TIME, .flags = XML_ALWAYS,                                    \
        .offset = offsetof(Timestamps, member),                                                    \
    }

static const XmlField timestamps_fields[] = {
    TIME("atime", atime), TIME("mtime", mtime), TIME("ctime", ctime), TIME("btime", btime), {},
};

static bool check_compat(const XmlNode *node, void *object, const XmlScope *scope, GError **error)
{
    const char *compat = ((const VolumeTarget *)object)->compat;
    guint64 number;

    if (!compat)
        return true;
    g_auto(GStrv) parts = g_strsplit(compat, ".", -1);
    if (g_strv_length(parts) == 2 && number_parse(parts[0], G_MAXUINT, &number) &&
        number_parse(parts[1], G_MAXUINT, &number))
        return true;
    return error_set(error, ERROR_XML, ORIGIN_STORAGE,
                     "forbidden characters in 'compat' attribute");
}

/* Unlike other sizes this one may use all 64 bits, and libvirt words its refusal otherwise. */
static bool parse_cluster_size(const XmlNode *node, void *object, const XmlScope *scope,
                               GError **error)
{
    VolumeTarget *target = object;
    const XmlNode *element = xml_node_find(node, NULL, "clusterSize");
    g_autofree char *text = element ? xml_node_text(element) : NULL;
    const char *unit = element ? xml_node_attribute(element, "unit") : NULL;
    guint64 number, factor;

    if (!text || *text == '\0')
        return true;
    if (!xml_read_number(text, 10, G_MAXUINT64, &number))
        return error_set(error, ERROR_XML, ORIGIN_XML,
                         "Invalid value '%s' for element or attribute './target/clusterSize'",
                         text);
    if (!unit_factor(unit, &factor, error))
        return false;
    if (__builtin_mul_overflow(number, factor, &target->cluster_size))
        return error_set(error, ERROR_OVERFLOW, ORIGIN_NONE, "value too large: %s%s", text,
                         unit ? unit : "");
    return true;
}

static bool parse_thin_pool(const XmlNode *node, void *object, const XmlScope *scope,
                            GError **error)
{
    VolumeTarget *target = object;
    const XmlNode *element = xml_node_find(node, logical_namespace.uri, "thin_pool");

    if (!element)
        return true;
    target->thin_pool = g_strdup(xml_node_attribute(element, "name"));
    if (target->thin_pool && *target->thin_pool)
        return true;
    return error_set(error, ERROR_XML, ORIGIN_STORAGE, "no thin pool name specified");
}

static void format_thin_pool(const void *object, const XmlScope *scope, XmlWriter *writer)
{
    const VolumeTarget *target = object;

    if (!target->thin_pool)
        return;
    XmlMark mark = xml_writer_begin(writer, logical_namespace.prefix, "thin_pool");
    xml_writer_attribute(writer, "name", target->thin_pool);
    xml_writer_end(writer, &mark, XML_EMPTY_CLOSED);
}

/* Of a backing store only path, format and permissions can be given; the rest is found out. */
static const XmlField volume_target_fields[] = {
    {.name = "path", .kind = XML_STRING, .offset = offsetof(VolumeTarget, path)},
    {
        .name = "format/@type",
        .kind = XML_WORD,
        .flags = XML_ALWAYS,
        .offset = offsetof(VolumeTarget, format),
        .words_of = volume_words,
        .unknown = "unknown volume format type ",
        .written = format_is_known,
    },
    {
        .name = "permissions",
        .kind = XML_STRUCT,
        .offset = offsetof(VolumeTarget, permissions),
        .fields = permissions_fields,
    },
    {
        .name = "timestamps",
        .kind = XML_STRUCT,
        .flags = XML_OUTPUT_ONLY | XML_VOLATILE,
        .offset = offsetof(VolumeTarget, timestamps),
        .has = offsetof(VolumeTarget, has_timestamps),
        .fields = timestamps_fields,
    },
    {
        .name = "encryption",
        .kind = XML_STRUCT,
        .flags = XML_PAIR,
        .offset = offsetof(VolumeTarget, encryption),
        .input_scope = SCOPE_TARGET,
        .fields = encryption_fields,
        .written = has_encryption,
    },
    {
        .name = "compat",
        .kind = XML_STRING,
        .offset = offsetof(VolumeTarget, compat),
        .input_scope = SCOPE_TARGET,
        .check = check_compat,
    },
    {
        .name = "nocow",
        .kind = XML_PRESENCE,
        .flags = XML_INPUT_ONLY,
        .offset = offsetof(VolumeTarget, nocow),
        .input_scope = SCOPE_TARGET,
    },
    {
        .name = "clusterSize",
        .kind = XML_SIZE,
        .offset = offsetof(VolumeTarget, cluster_size),
        .input_scope = SCOPE_TARGET,
        .unit = "B",
        .parse = parse_cluster_size,
    },
    {
        .name = "features",
        .kind = XML_CUSTOM,
        .input_scope = SCOPE_TARGET,
        .parse = parse_features,
        .format = format_features,
    },
    {
        .name = "thin_pool/@name",
        .kind = XML_STRING,
        .offset = offsetof(VolumeTarget, thin_pool),
        .scope = POOL_THIN_POOLS,
        .input_scope = SCOPE_TARGET,
        .parse = parse_thin_pool,
        .format = format_thin_pool,
    },
    {
        .name = "has_features",
        .kind = XML_PRESENCE,
        .flags = XML_HIDDEN,
        .offset = offsetof(VolumeTarget, has_features),
    },
    {
        .name = "features",
        .kind = XML_UINT,
        .flags = XML_HIDDEN,
        .offset = offsetof(VolumeTarget, features),
    },
    {},
};

/* ---- Volume ---- */

static const char *const type_names[] = {
    [VOLUME_FILE] = "file",       [VOLUME_BLOCK] = "block",   [VOLUME_DIR] = "dir",
    [VOLUME_NETWORK] = "network", [VOLUME_NETDIR] = "netdir", [VOLUME_PLOOP] = "ploop",
};
static const FormatTable type_words = {
    .names = type_names,
    .count = VOLUME_TYPE_COUNT,
};

const char *volume_type_name(VolumeType type)
{
    return format_name(&type_words, (int)type);
}

/* A backing store without a path is none. */
static bool parse_backing(const XmlNode *node, void *object, const XmlScope *scope, GError **error)
{
    VolumeDef *def = object;
    const XmlNode *path = xml_node_find(node, NULL, "backingStore/path");
    g_autofree char *text = path ? xml_node_text(path) : NULL;

    if (!text || *text == '\0')
        return true;
    def->has_backing = true;
    return xml_fields_parse(volume_target_fields, xml_node_find(node, NULL, "backingStore"),
                            &def->backing, scope, error);
}

static bool check_capacity(const XmlNode *node, void *object, const XmlScope *scope, GError **error)
{
    const VolumeDef *def = object;

    if (def->has_capacity || def->has_backing || scope->bits & SCOPE_CAPACITY_OPTIONAL)
        return true;
    return error_set(error, ERROR_XML, ORIGIN_STORAGE, "missing capacity element");
}

static bool check_allocation(const XmlNode *node, void *object, const XmlScope *scope,
                             GError **error)
{
    VolumeDef *def = object;

    if (!def->has_allocation)
        def->allocation = def->capacity;
    return true;
}

/* What the type of pool makes of an otherwise good volume. */
static bool check_volume(const XmlNode *node, void *object, const XmlScope *scope, GError **error)
{
    const VolumeDef *def = object;

    if (scope->bits & POOL_VOLUME_NEEDS_CAPACITY && def->capacity == 0 &&
        !(scope->bits & SCOPE_CAPACITY_OPTIONAL))
        return error_set(error, ERROR_NO_SUPPORT, ORIGIN_STORAGE,
                         "volume capacity required for this storage pool");
    if (scope->bits & POOL_VOLUME_NAME_NO_SLASH && strchr(def->name, '/'))
        return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                         "volume name '%s' cannot contain '/'", def->name);
    return true;
}

static void declare_namespace(const void *object, const XmlScope *scope, XmlWriter *writer)
{
    if (((const VolumeDef *)object)->target.thin_pool)
        xml_namespace_declare(&logical_namespace, writer);
}

const XmlField volume_fields[] = {
    {
        .name = "@type",
        .kind = XML_WORD,
        .flags = XML_ALWAYS,
        .offset = offsetof(VolumeDef, type),
        .turn = -2,
        .words = &type_words,
        .unknown = "unknown volume type '",
    },
    {
        .name = "",
        .kind = XML_CUSTOM,
        .scope = POOL_THIN_POOLS,
        .format = declare_namespace,
    },
    {
        .name = "name",
        .kind = XML_STRING,
        .flags = XML_REQUIRED,
        .offset = offsetof(VolumeDef, name),
        .turn = -3,
        .missing = "missing volume name element",
    },
    {.name = "key", .kind = XML_STRING, .offset = offsetof(VolumeDef, key)},
    {
        .name = "source/device/extent",
        .kind = XML_LIST,
        .flags = XML_OUTPUT_ONLY,
        .offset = offsetof(VolumeDef, extents),
        .count = offsetof(VolumeDef, n_extents),
        .size = sizeof(VolumeExtent),
        .fields = extent_fields,
        .format = format_extents,
    },
    {
        .name = "capacity",
        .kind = XML_SIZE,
        .flags = XML_ALWAYS,
        .offset = offsetof(VolumeDef, capacity),
        .has = offsetof(VolumeDef, has_capacity),
        .unit = "bytes",
        .malformed = "malformed capacity element",
        .check = check_capacity,
    },
    {
        .name = "allocation",
        .kind = XML_SIZE,
        .flags = XML_ALWAYS,
        .offset = offsetof(VolumeDef, allocation),
        .has = offsetof(VolumeDef, has_allocation),
        .unit = "bytes",
        .malformed = "malformed capacity element",
        .check = check_allocation,
    },
    {
        .name = "physical",
        .kind = XML_SIZE,
        .flags = XML_OUTPUT_ONLY,
        .offset = offsetof(VolumeDef, physical),
        .unit = "bytes",
    },
    {
        .name = "target",
        .kind = XML_STRUCT,
        .flags = XML_ALWAYS | XML_PAIR,
        .offset = offsetof(VolumeDef, target),
        .adds = SCOPE_TARGET,
        .fields = volume_target_fields,
    },
    {
        .name = "backingStore",
        .kind = XML_STRUCT,
        .flags = XML_PAIR,
        .offset = offsetof(VolumeDef, backing),
        .has = offsetof(VolumeDef, has_backing),
        .turn = -1,
        .fields = volume_target_fields,
        .parse = parse_backing,
    },
    {.kind = XML_CHECK, .check = check_volume},
    {
        .name = "problem",
        .kind = XML_STRING,
        .flags = XML_HIDDEN,
        .offset = offsetof(VolumeDef, problem),
    },
    {},
};

/* ---- The value ---- */

void volume_def_init(VolumeDef *def)
{
    *def = (VolumeDef){};
    xml_fields_init(volume_fields, def);
}

VolumeDef *volume_def_new(void)
{
    VolumeDef *def = g_new(VolumeDef, 1);

    volume_def_init(def);
    return def;
}

VolumeDef *volume_def_copy(const VolumeDef *def)
{
    VolumeDef *copy = g_memdup2(def, sizeof(*def));

    xml_fields_own(volume_fields, copy);
    return copy;
}

void volume_def_clear(VolumeDef *def)
{
    xml_fields_clear(volume_fields, def);
}

void volume_def_free(VolumeDef *def)
{
    if (!def)
        return;
    volume_def_clear(def);
    g_free(def);
}

bool volume_def_equal(const VolumeDef *a, const VolumeDef *b)
{
    return xml_fields_equal(volume_fields, a, b);
}

/* ---- Documents ---- */

static void use_default_format(VolumeDef *def, const PoolSchema *schema)
{
    if (!schema->volume_formats)
        return;
    def->target.format = schema->volume_formats->default_id;
    def->backing.format = schema->volume_formats->default_id;
}

VolumeDef *volume_def_parse(const char *xml, const PoolSchema *schema, guint flags, GError **error)
{
    g_autoptr(XmlDocument) document =
        xml_document_parse(xml, "(storage_volume_definition)", "volume", error);
    XmlScope scope =
        xml_scope(schema, flags & VOLUME_PARSE_CAPACITY_OPTIONAL ? SCOPE_CAPACITY_OPTIONAL : 0);

    if (!document)
        return NULL;
    if (flags & VOLUME_PARSE_VALIDATE && !schema_validate(SCHEMA_VOLUME, xml, error))
        return NULL;
    g_autoptr(VolumeDef) def = volume_def_new();
    use_default_format(def, schema);
    if (!xml_fields_parse(volume_fields, xml_document_root(document), def, &scope, error))
        return NULL;
    return g_steal_pointer(&def);
}

char *volume_def_format(const VolumeDef *def, const PoolSchema *schema)
{
    XmlScope scope = xml_scope(schema, 0);
    XmlWriter writer;

    xml_writer_init(&writer, 0);
    XmlMark mark = xml_writer_begin(&writer, NULL, "volume");
    xml_fields_format(volume_fields, def, &scope, &writer);
    xml_writer_end(&writer, &mark, XML_EMPTY_PAIR);
    return xml_writer_finish(&writer);
}
