/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool-def.h"

#include "errors.h"
#include "pool-source.h"
#include "schema-validate.h"
#include "xml-tables.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define DOCUMENT_LABEL "(storage_pool_definition)"

/* Of the file that a definition is saved in. */
#define FILE_SUFFIX ".xml"

static const XmlNamespace mount_namespace = {
    "fs",
    "http://libvirt.org/schemas/storagepool/fs/1.0",
};
static const XmlNamespace rbd_namespace = {
    "rbd",
    "http://libvirt.org/schemas/storagepool/rbd/1.0",
};

const XmlNamespace logical_namespace = {"logical", "urn:cistern:logical:1"};

XmlScope xml_scope(const PoolSchema *schema, guint64 extra)
{
    return (XmlScope){
        .schema = schema,
        .bits = schema->flags | SCOPE_TAKES(schema->takes) | extra,
    };
}

/* ---- Namespaced options ---- */

static const XmlField mount_option_fields[] = {
    {
        .name = "@name",
        .kind = XML_STRING,
        .flags = XML_REQUIRED | XML_KEEP_EMPTY,
        .offset = offsetof(PoolOption, name),
        .missing = "no fs mount option name specified",
    },
    {},
};

static bool check_rbd_name(const XmlNode *node, void *object, const XmlScope *scope, GError **error)
{
    if (*((const PoolOption *)object)->name != '\0')
        return true;
    return error_set(error, ERROR_XML, ORIGIN_STORAGE, "empty rbd option name specified");
}

static bool check_rbd_value(const XmlNode *node, void *object, const XmlScope *scope,
                            GError **error)
{
    const PoolOption *option = object;

    if (!option->value)
        return error_set(error, ERROR_XML, ORIGIN_STORAGE,
                         "no rbd option value specified for name '%s'", option->name);
    if (*option->value == '\0')
        return error_set(error, ERROR_XML, ORIGIN_STORAGE,
                         "empty rbd option value specified for name '%s'", option->name);
    return true;
}

static const XmlField rbd_option_fields[] = {
    {
        .name = "@name",
        .kind = XML_STRING,
        .flags = XML_REQUIRED | XML_KEEP_EMPTY,
        .offset = offsetof(PoolOption, name),
        .missing = "no rbd option name specified",
        .check = check_rbd_name,
    },
    {
        .name = "@value",
        .kind = XML_STRING,
        .flags = XML_KEEP_EMPTY,
        .offset = offsetof(PoolOption, value),
        .check = check_rbd_value,
    },
    {},
};

/* ---- Thin pools ---- */

static const XmlField thin_pool_fields[] = {
    {
        .name = "@name",
        .kind = XML_STRING,
        .flags = XML_REQUIRED,
        .offset = offsetof(ThinPool, name),
        .missing = "no thin pool name specified",
    },
    {
        .name = "@default",
        .kind = XML_WORD,
        .offset = offsetof(ThinPool, chosen),
        .words = &tri_state_words,
        .unknown = "unknown 'default' of a thin pool: ",
    },
    {
        .name = "@capacity",
        .kind = XML_BYTES,
        .flags = XML_OUTPUT_ONLY | XML_VOLATILE,
        .offset = offsetof(ThinPool, capacity),
    },
    {
        .name = "@data_percent",
        .kind = XML_STRING,
        .flags = XML_OUTPUT_ONLY | XML_VOLATILE,
        .offset = offsetof(ThinPool, data_percent),
    },
    {
        .name = "@metadata_percent",
        .kind = XML_STRING,
        .flags = XML_OUTPUT_ONLY | XML_VOLATILE,
        .offset = offsetof(ThinPool, meta_percent),
    },
    {},
};

/* ---- Pool ---- */

static const XmlNamespace *namespace_in_use(const PoolDef *def, const XmlScope *scope)
{
    if (def->n_thin_pools > 0 && scope->bits & POOL_THIN_POOLS)
        return &logical_namespace;
    if (def->n_options == 0)
        return NULL;
    return scope->bits & POOL_RBD_OPTIONS ? &rbd_namespace : &mount_namespace;
}

void xml_namespace_declare(const XmlNamespace *namespace, XmlWriter *writer)
{
    g_autofree char *name = g_strconcat("xmlns:", namespace->prefix, NULL);

    xml_writer_attribute(writer, name, namespace->uri);
}

static void format_type(const void *object, const XmlScope *scope, XmlWriter *writer)
{
    const PoolDef *def = object;
    const XmlNamespace *namespace = namespace_in_use(def, scope);

    xml_writer_attribute(writer, "type", def->schema->type);
    if (namespace)
        xml_namespace_declare(namespace, writer);
}

static bool check_pool_name(const XmlNode *node, void *object, const XmlScope *scope,
                            GError **error)
{
    PoolDef *def = object;

    if (!def->name && scope->bits & POOL_NAME_FROM_SOURCE)
        def->name = g_strdup(def->source.name);
    if (!def->name)
        return error_set(error, ERROR_XML, ORIGIN_STORAGE, "missing pool source name element");
    if (strchr(def->name, '/'))
        return error_set(error, ERROR_XML, ORIGIN_STORAGE, "name %s cannot contain '/'", def->name);
    return true;
}

static bool check_cow(const XmlNode *node, void *object, const XmlScope *scope, GError **error)
{
    if (((const PoolDef *)object)->cow == TRI_UNSET || scope->bits & POOL_HAS_COW)
        return true;
    return error_set(error, ERROR_NO_SUPPORT, ORIGIN_STORAGE,
                     "cow feature may only be used for 'fs' and 'dir' pools");
}

static bool check_source(const XmlNode *node, void *object, const XmlScope *scope, GError **error)
{
    PoolDef *def = object;
    PoolSource *source = &def->source;
    guint requires = scope->schema->requires;

    if (requires & SOURCE_HOST && source->n_hosts == 0)
        return error_set(error, ERROR_XML, ORIGIN_STORAGE, "missing storage pool source host name");
    if (requires & SOURCE_DIR && !source->dir)
        return error_set(error, ERROR_XML, ORIGIN_STORAGE, "missing storage pool source path");
    if (!source->name && scope->bits & POOL_NAME_FROM_SOURCE)
        source->name = g_strdup(def->name);
    if (requires & SOURCE_ADAPTER && !pool_adapter_check(&source->adapter, error))
        return false;
    if (requires & SOURCE_DEVICE && source->n_devices == 0)
        return error_set(error, ERROR_XML, ORIGIN_STORAGE,
                         "missing storage pool source device name");
    return true;
}

static bool check_initiator(const XmlNode *node, void *object, const XmlScope *scope,
                            GError **error)
{
    if (!(scope->schema->requires & SOURCE_INITIATOR) ||
        ((const PoolDef *)object)->source.initiator)
        return true;
    return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE, "missing initiator IQN");
}

/* Types whose volumes have a place of their own don't take another. */
static bool check_target_path(const XmlNode *node, void *object, const XmlScope *scope,
                              GError **error)
{
    PoolDef *def = object;

    if (scope->schema->target_prefix) {
        g_free(def->target_path);
        def->target_path = g_strconcat(scope->schema->target_prefix, def->source.name, NULL);
    }
    if (!def->target_path && scope->bits & POOL_TARGET_PATH_REQUIRED)
        return error_set(error, ERROR_XML, ORIGIN_STORAGE, "missing storage pool target path");
    return true;
}

static const XmlField target_fields[] = {
    {
        .name = "path",
        .kind = XML_STRING,
        .flags = XML_CLEAN_PATH,
        .offset = offsetof(PoolDef, target_path),
        .check = check_target_path,
    },
    {
        .name = "permissions",
        .kind = XML_STRUCT,
        .offset = offsetof(PoolDef, permissions),
        .fields = permissions_fields,
    },
    {},
};

static const char *const refresh_names[] = {"", "default", "capacity"};
static const FormatTable refresh_words = {
    .names = refresh_names,
    .count = G_N_ELEMENTS(refresh_names),
    .input_first = REFRESH_ALLOCATION_DEFAULT,
};

/* At most one is chosen. */
static bool check_thin_pools(const XmlNode *node, void *object, const XmlScope *scope,
                             GError **error)
{
    const PoolDef *def = object;
    guint chosen = 0;

    for (guint i = 0; i < def->n_thin_pools; i++)
        chosen += def->thin_pools[i].chosen == TRI_YES;
    if (chosen <= 1)
        return true;
    return error_set(error, ERROR_XML, ORIGIN_STORAGE, "only one thin pool can be the default");
}

/* The type is parsed by find_schema(): it decides on all that follows. */
const XmlField pool_fields[] = {
    {.name = "@type", .kind = XML_CUSTOM, .format = format_type},
    {
        .name = "name",
        .kind = XML_STRING,
        .offset = offsetof(PoolDef, name),
        .check = check_pool_name,
    },
    {
        .name = "uuid",
        .kind = XML_UUID,
        .offset = offsetof(PoolDef, uuid),
        .malformed = "malformed uuid element",
    },
    {
        .name = "capacity",
        .kind = XML_SIZE,
        .flags = XML_OUTPUT_ONLY | XML_ALWAYS | XML_VOLATILE,
        .offset = offsetof(PoolDef, space.capacity),
        .unit = "bytes",
    },
    {
        .name = "allocation",
        .kind = XML_SIZE,
        .flags = XML_OUTPUT_ONLY | XML_ALWAYS | XML_VOLATILE,
        .offset = offsetof(PoolDef, space.allocation),
        .unit = "bytes",
    },
    {
        .name = "available",
        .kind = XML_SIZE,
        .flags = XML_OUTPUT_ONLY | XML_ALWAYS | XML_VOLATILE,
        .offset = offsetof(PoolDef, space.available),
        .unit = "bytes",
    },
    {
        .name = "features/cow/@state",
        .kind = XML_WORD,
        .flags = XML_KEEP_EMPTY,
        .offset = offsetof(PoolDef, cow),
        .words = &tri_state_words,
        .check = check_cow,
    },
    {
        .name = "source",
        .kind = XML_STRUCT,
        .flags = XML_ALWAYS | XML_PAIR,
        .offset = offsetof(PoolDef, source),
        .turn = -1,
        .fields = pool_source_fields,
    },
    {.kind = XML_CHECK, .check = check_source},
    {
        .name = "target",
        .kind = XML_STRUCT,
        .flags = XML_ALWAYS | XML_PAIR,
        .scope = POOL_HAS_TARGET,
        .fields = target_fields,
    },
    {.kind = XML_CHECK, .check = check_initiator},
    {
        .name = "refresh/volume/@allocation",
        .kind = XML_WORD,
        .offset = offsetof(PoolDef, refresh_allocation),
        .words = &refresh_words,
        .unknown = "unknown storage pool volume refresh allocation type ",
    },
    {
        .name = "config_opts/option",
        .kind = XML_LIST,
        .offset = offsetof(PoolDef, options),
        .count = offsetof(PoolDef, n_options),
        .size = sizeof(PoolOption),
        .scope = POOL_RBD_OPTIONS,
        .fields = rbd_option_fields,
        .namespace = &rbd_namespace,
    },
    {
        .name = "mount_opts/option",
        .kind = XML_LIST,
        .flags = XML_ALIAS,
        .offset = offsetof(PoolDef, options),
        .count = offsetof(PoolDef, n_options),
        .size = sizeof(PoolOption),
        .scope = POOL_MOUNT_OPTIONS,
        .fields = mount_option_fields,
        .namespace = &mount_namespace,
    },
    {
        .name = "thin_pool",
        .kind = XML_LIST,
        .offset = offsetof(PoolDef, thin_pools),
        .count = offsetof(PoolDef, n_thin_pools),
        .size = sizeof(ThinPool),
        .scope = POOL_THIN_POOLS,
        .fields = thin_pool_fields,
        .namespace = &logical_namespace,
        .check = check_thin_pools,
    },
    {},
};

/* ---- The value ---- */

static PoolDef *pool_def_new(const PoolSchema *schema)
{
    PoolDef *def = g_new0(PoolDef, 1);

    g_atomic_ref_count_init(&def->refs);
    xml_fields_init(pool_fields, def);
    pool_source_init(&def->source, schema);
    uuid_generate(&def->uuid);
    def->schema = schema;
    return def;
}

PoolDef *pool_def_ref(PoolDef *def)
{
    g_atomic_ref_count_inc(&def->refs);
    return def;
}

void pool_def_unref(PoolDef *def)
{
    if (!def || !g_atomic_ref_count_dec(&def->refs))
        return;
    xml_fields_clear(pool_fields, def);
    g_free(def);
}

PoolDef *pool_def_copy(const PoolDef *def)
{
    /* All but the count of references, which other threads may be changing. */
    const gsize start = offsetof(PoolDef, schema);
    PoolDef *copy = g_new0(PoolDef, 1);

    memcpy((char *)copy + start, (const char *)def + start, sizeof(*def) - start);
    g_atomic_ref_count_init(&copy->refs);
    xml_fields_own(pool_fields, copy);
    return copy;
}

bool pool_def_equal(const PoolDef *a, const PoolDef *b)
{
    return a->schema == b->schema && xml_fields_equal(pool_fields, a, b);
}

PoolDef *pool_def_with_state(const PoolDef *def, const PoolSpace *space,
                             const Permissions *permissions)
{
    PoolDef *copy = pool_def_copy(def);

    copy->space = *space;
    if (!permissions || !(def->schema->flags & POOL_HAS_TARGET))
        return copy;
    copy->permissions.mode = permissions->mode;
    copy->permissions.uid = permissions->uid;
    copy->permissions.gid = permissions->gid;
    if (permissions->label) {
        g_free(copy->permissions.label);
        copy->permissions.label = g_strdup(permissions->label);
    }
    return copy;
}

const ThinPool *pool_def_thin_pool(const PoolDef *def)
{
    for (guint i = 0; i < def->n_thin_pools; i++)
        if (def->thin_pools[i].chosen == TRI_YES)
            return &def->thin_pools[i];
    return def->n_thin_pools == 1 ? &def->thin_pools[0] : NULL;
}

static ThinPool *find_thin_pool(GArray *list, const char *name)
{
    for (guint i = 0; i < list->len; i++)
        if (g_str_equal(g_array_index(list, ThinPool, i).name, name))
            return &g_array_index(list, ThinPool, i);
    return NULL;
}

/* What the definition says about one, put onto what there is. */
static void keep_choice(GArray *list, const ThinPool *known)
{
    ThinPool *present = find_thin_pool(list, known->name);

    if (known->chosen == TRI_UNSET)
        return;
    if (!present) {
        ThinPool absent = {.name = g_strdup(known->name)};
        present = &g_array_index(g_array_append_val(list, absent), ThinPool, list->len - 1);
    }
    present->chosen = known->chosen;
}

ThinPool *thin_pools_copy(const ThinPool *thin_pools, guint count)
{
    ThinPool *copy = g_memdup2(thin_pools, count * sizeof *thin_pools);

    for (guint i = 0; i < count; i++)
        xml_fields_own(thin_pool_fields, &copy[i]);
    return copy;
}

void thin_pools_free(ThinPool *thin_pools, guint count)
{
    for (guint i = 0; i < count; i++)
        xml_fields_clear(thin_pool_fields, &thin_pools[i]);
    g_free(thin_pools);
}

void pool_def_set_thin_pools(PoolDef *def, const ThinPool *thin_pools, guint count)
{
    GArray *list = g_array_new(FALSE, TRUE, sizeof(ThinPool));
    g_autofree ThinPool *copy = thin_pools_copy(thin_pools, count);

    if (count > 0)
        g_array_append_vals(list, copy, count);
    for (guint i = 0; i < def->n_thin_pools; i++)
        keep_choice(list, &def->thin_pools[i]);
    thin_pools_free(def->thin_pools, def->n_thin_pools);
    def->n_thin_pools = list->len;
    def->thin_pools = (ThinPool *)(void *)g_array_free(list, list->len == 0);
}

static void set_usage(ThinPool *thin, const ThinPool *present)
{
    g_free(thin->data_percent);
    g_free(thin->meta_percent);
    thin->data_percent = g_strdup(present->data_percent);
    thin->meta_percent = g_strdup(present->meta_percent);
}

void pool_def_set_thin_usage(PoolDef *def, const ThinPool *thin_pools, guint count)
{
    for (guint i = 0; i < def->n_thin_pools; i++)
        for (guint j = 0; j < count; j++)
            if (g_str_equal(def->thin_pools[i].name, thin_pools[j].name))
                set_usage(&def->thin_pools[i], &thin_pools[j]);
}

/* ---- Documents ---- */

static const PoolSchema *find_schema(const XmlNode *root, const PoolSchemaList *schemas,
                                     GError **error)
{
    const char *type = xml_node_attribute(root, "type");
    const PoolSchema *schema = type ? pool_schema_find(schemas, type) : NULL;

    if (!type)
        xml_refuse_missing(root, "type", error);
    else if (!schema)
        xml_refuse_attribute(root, "type", type, NULL, error);
    return schema;
}

static PoolDef *parse_root(const XmlNode *root, const PoolSchemaList *schemas, bool stored,
                           GError **error)
{
    const PoolSchema *schema = find_schema(root, schemas, error);

    if (!schema)
        return NULL;
    g_autoptr(PoolDef) def = pool_def_new(schema);
    XmlScope scope = xml_scope(schema, 0);
    scope.stored = stored;
    if (!xml_fields_parse(pool_fields, root, def, &scope, error))
        return NULL;
    return g_steal_pointer(&def);
}

PoolDef *pool_def_parse(const char *xml, const PoolSchemaList *schemas, guint flags, GError **error)
{
    g_autoptr(XmlDocument) document = xml_document_parse(xml, DOCUMENT_LABEL, "pool", error);

    if (!document)
        return NULL;
    if (flags & POOL_PARSE_VALIDATE && !schema_validate(SCHEMA_POOL, xml, error))
        return NULL;
    return parse_root(xml_document_root(document), schemas, false, error);
}

static char *format_at(const PoolDef *def, guint level)
{
    XmlScope scope = xml_scope(def->schema, 0);
    XmlWriter writer;

    xml_writer_init(&writer, level);
    XmlMark mark = xml_writer_begin(&writer, NULL, "pool");
    xml_fields_format(pool_fields, def, &scope, &writer);
    xml_writer_end(&writer, &mark, XML_EMPTY_PAIR);
    return xml_writer_finish(&writer);
}

char *pool_def_format(const PoolDef *def)
{
    return format_at(def, 0);
}

/* ---- Files ---- */

/* Neither the shell nor an XML comment may trip over it. */
static bool is_plain(const char *name)
{
    return !strpbrk(name, "\r\n\t !\"#$&'()*;<>?[\\]^`{|}~") && !strstr(name, "--");
}

/* In libvirt's words, for it may read the file too; cistern knows the command as well. */
static char *warning_comment(const PoolDef *def)
{
    char uuid[UUID_STRING_SIZE];

    uuid_format(&def->uuid, uuid);
    return g_strdup_printf(
        "<!--\n"
        "WARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE\n"
        "OVERWRITTEN AND LOST. Changes to this xml configuration should be made using:\n"
        "  virsh pool-edit %s\n"
        "or other application using the libvirt API.\n"
        "-->\n\n",
        is_plain(def->name) ? def->name : uuid);
}

char *pool_def_format_config(const PoolDef *def)
{
    g_autofree char *comment = warning_comment(def);
    g_autofree char *document = pool_def_format(def);

    return g_strconcat(comment, document, NULL);
}

char *pool_def_format_state(const PoolDef *def)
{
    g_autofree char *comment = warning_comment(def);
    g_autofree char *document = format_at(def, 1);

    return g_strconcat(comment, "<poolstate>\n", document, "</poolstate>\n", NULL);
}

PoolDef *pool_def_parse_file(const char *xml, const PoolSchemaList *schemas, GError **error)
{
    g_autoptr(XmlDocument) document = xml_document_parse(xml, DOCUMENT_LABEL, NULL, error);

    if (!document)
        return NULL;
    const XmlNode *root = xml_document_root(document);
    if (g_str_equal(xml_node_name(root), "poolstate"))
        root = xml_node_find(root, NULL, "pool");
    if (!root || !g_str_equal(xml_node_name(root), "pool")) {
        error_set(error, ERROR_XML, ORIGIN_XML, "expecting root element of 'pool', not '%s'",
                  xml_node_name(xml_document_root(document)));
        return NULL;
    }
    return parse_root(root, schemas, true, error);
}

bool pool_name_check(const char *name, GError **error)
{
    if (*name == '\0')
        return error_set(error, ERROR_XML, ORIGIN_STORAGE, "missing pool source name element");
    if (!g_utf8_validate(name, -1, NULL))
        return error_set(error, ERROR_XML, ORIGIN_STORAGE, "the pool's name is not UTF-8");
    if (strchr(name, '/'))
        return error_set(error, ERROR_XML, ORIGIN_STORAGE, "name %s cannot contain '/'", name);
    if (strchr(name, '\n'))
        return error_set_bare(error, ERROR_XML_DETAIL, ORIGIN_XML, "invalid char in name: %c",
                              '\n');
    if (strlen(name) + strlen(FILE_SUFFIX) > NAME_MAX)
        return error_set_errno(error, ORIGIN_NONE, ENAMETOOLONG,
                               "Failed to create file '%s" FILE_SUFFIX "'", name);
    return true;
}
