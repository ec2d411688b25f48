/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xml-fields.h"

#include "errors.h"
#include "path.h"
#include "permissions.h"
#include "units.h"
#include "uuid.h"

#include <errno.h>
#include <string.h>

#define NANOSECONDS 1000000000

/* The field's member of an object. */
static void *member(const XmlField *field, const void *object)
{
    return (char *)object + field->offset;
}

static bool *has_member(const XmlField *field, const void *object)
{
    return field->has ? (bool *)((char *)object + field->has) : NULL;
}

static guint *count_member(const XmlField *field, const void *object)
{
    return (guint *)(void *)((char *)object + field->count);
}

static void *item(const XmlField *field, const void *items, guint index)
{
    return (char *)items + field->size * index;
}

static bool is_end(const XmlField *field)
{
    return !field->name && field->kind != XML_CHECK;
}

static bool owns_memory(const XmlField *field)
{
    return !(field->flags & XML_ALIAS) && field->kind != XML_CHECK && field->kind != XML_CUSTOM;
}

static const FormatTable *words_of(const XmlField *field, const PoolSchema *schema)
{
    return field->words_of ? field->words_of(schema) : field->words;
}

static bool holds(const XmlField *field, const void *object, const XmlScope *scope)
{
    if ((scope->bits & field->scope) != field->scope || (field->when && !field->when(object)))
        return false;
    return field->kind != XML_WORD || words_of(field, scope->schema);
}

/* What holds for the fields of a structure. */
static XmlScope inner_scope(const XmlField *field, const XmlScope *scope)
{
    XmlScope inner = *scope;

    inner.bits |= field->adds;
    return inner;
}

/* A path in a row is elements, then perhaps an attribute. */
static const char *attribute_of(const XmlField *field)
{
    const char *at = strchr(field->name, '@');

    return at ? at + 1 : NULL;
}

static char *element_path(const XmlField *field)
{
    const char *at = strchr(field->name, '@');

    if (!at)
        return g_strdup(field->name);
    return g_strndup(field->name, at > field->name ? (gsize)(at - field->name) - 1 : 0);
}

/* ---- Parsing ---- */

bool xml_refuse_attribute(const XmlNode *node, const char *attribute, const char *value,
                          const char *expected, GError **error)
{
    return error_set(error, ERROR_XML, ORIGIN_XML,
                     "Invalid value for attribute '%s' in element '%s': '%s'.%s%s", attribute,
                     xml_node_name(node), value, expected ? " Expected " : "",
                     expected ? expected : "");
}

bool xml_refuse_missing(const XmlNode *node, const char *attribute, GError **error)
{
    return error_set(error, ERROR_XML, ORIGIN_XML,
                     "Missing required attribute '%s' in element '%s'", attribute,
                     xml_node_name(node));
}

/* Where a value was found. */
typedef struct Place {
    const XmlField *field;
    const XmlScope *scope;
    const XmlNode *node;
    const char *attribute; /* or NULL */
    const char *text;
} Place;

static bool refuse_missing(const XmlField *field, const XmlNode *node, GError **error)
{
    ErrorCode code = field->flags & XML_UNSUPPORTED ? ERROR_CONFIG_UNSUPPORTED : ERROR_XML;

    if (!field->missing)
        return xml_refuse_missing(node, attribute_of(field), error);
    return error_set(error, code, ORIGIN_STORAGE, "%s", field->missing);
}

static bool refuse_malformed(const Place *place, const char *expected, GError **error)
{
    const XmlField *field = place->field;

    if (!field->malformed)
        return xml_refuse_attribute(place->node, place->attribute, place->text, expected, error);
    return error_set(error, ERROR_XML, ORIGIN_STORAGE, "%s", field->malformed);
}

bool xml_read_number(const char *text, int base, guint64 max, guint64 *ret)
{
    char *end;

    while (g_ascii_isspace(*text))
        text++;
    text += *text == '+';
    if (!g_ascii_isdigit(*text))
        return false;
    errno = 0;
    *ret = g_ascii_strtoull(text, &end, base);
    return errno == 0 && *end == '\0' && *ret <= max;
}

static bool parse_string(const Place *place, void *value, GError **error)
{
    *(char **)value =
        place->field->flags & XML_CLEAN_PATH ? path_clean(place->text) : g_strdup(place->text);
    return true;
}

static bool parse_int(const Place *place, void *value, GError **error)
{
    const char *text = place->text + strspn(place->text, " \t\n\r");
    bool negative = *text == '-';
    guint64 number;

    if (!xml_read_number(negative ? text + 1 : text, 10, (guint64)G_MAXINT + negative, &number) ||
        (negative && !g_ascii_isdigit(text[1])))
        return refuse_malformed(place, "integer value", error);
    *(int *)value = negative ? (int)-(gint64)number : (int)number;
    return true;
}

static bool parse_uint(const Place *place, void *value, GError **error)
{
    int base = place->field->hex_digits ? 0 : 10;
    guint64 number;

    if (!xml_read_number(place->text, base, G_MAXUINT, &number))
        return refuse_malformed(place, "non-negative integer value", error);
    *(guint *)value = (guint)number;
    return true;
}

static bool parse_octal(const Place *place, void *value, GError **error)
{
    guint64 number;

    if (!xml_read_number(place->text, 8, place->field->max, &number))
        return refuse_malformed(place, NULL, error);
    *(guint *)value = (guint)number;
    return true;
}

/* Numbers above 2^31-1 are written with a sign (libvirt does), but taken so from our own files
 * only. */
static bool parse_id(const Place *place, void *value, GError **error)
{
    guint64 number = 1;
    bool negative = place->text[0] == '-';
    guint64 max = !negative ? G_MAXUINT32 : place->scope->stored ? (guint64)1 << 31 : 1;

    if (!xml_read_number(place->text + negative, 10, max, &number) ||
        (negative && !g_ascii_isdigit(place->text[1])) || (negative && number == 0))
        return refuse_malformed(place, NULL, error);
    *(guint32 *)value = negative ? (guint32)-number : (guint32)number;
    return true;
}

static bool parse_size(const Place *place, void *value, GError **error)
{
    guint64 number;

    if (!xml_read_number(place->text, 10, G_MAXUINT64, &number))
        return refuse_malformed(place, NULL, error);
    return size_scale(number, xml_node_attribute(place->node, "unit"), value, error);
}

static bool parse_uuid(const Place *place, void *value, GError **error)
{
    return uuid_parse(place->text, value) || refuse_malformed(place, NULL, error);
}

static bool refuse_word(const Place *place, GError **error)
{
    const char *unknown = place->field->unknown;

    if (!unknown)
        return xml_refuse_attribute(place->node, place->attribute, place->text, NULL, error);
    return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE, "%s%s%s", unknown,
                     place->text, g_str_has_suffix(unknown, "'") ? "'" : "");
}

static bool parse_word(const Place *place, const FormatTable *words, void *value, GError **error)
{
    int id = format_from_name(words, place->text);

    if (id < words->input_first)
        return refuse_word(place, error);
    *(int *)value = id;
    return true;
}

typedef bool (*ValueParser)(const Place *place, void *value, GError **error);

/* Kinds that are one text each. */
static const ValueParser value_parsers[] = {
    [XML_STRING] = parse_string, [XML_INT] = parse_int, [XML_UINT] = parse_uint,
    [XML_OCTAL] = parse_octal,   [XML_ID] = parse_id,   [XML_SIZE] = parse_size,
    [XML_UUID] = parse_uuid,
};

static bool parse_value(const XmlField *field, const XmlNode *parent, void *object,
                        const XmlScope *scope, GError **error)
{
    g_autofree char *path = element_path(field);
    const XmlNode *node = xml_node_find(parent, NULL, path);
    Place place = {.field = field, .scope = scope, .node = node, .attribute = attribute_of(field)};
    g_autofree char *text = NULL;

    if (node)
        text = place.attribute ? g_strdup(xml_node_attribute(node, place.attribute))
                               : xml_node_text(node);
    if (!text || (*text == '\0' && !(field->flags & XML_KEEP_EMPTY)))
        return !(field->flags & XML_REQUIRED) || refuse_missing(field, node, error);

    place.text = text;
    if (field->has)
        *has_member(field, object) = true;
    if (field->kind == XML_WORD)
        return parse_word(&place, words_of(field, scope->schema), member(field, object), error);
    return value_parsers[field->kind](&place, member(field, object), error);
}

static bool parse_struct(const XmlField *field, const XmlNode *parent, void *object,
                         const XmlScope *scope, GError **error)
{
    const XmlNode *node = xml_node_find(parent, NULL, field->name);
    XmlScope inner = inner_scope(field, scope);

    if (!node && field->flags & XML_REQUIRED)
        return refuse_missing(field, parent, error);
    if (!node && !(field->flags & XML_ALWAYS))
        return true;
    if (field->has)
        *has_member(field, object) = true;
    return xml_fields_parse(field->fields, node, member(field, object), &inner, error);
}

static bool parse_list(const XmlField *field, const XmlNode *parent, void *object,
                       const XmlScope *scope, GError **error)
{
    const char *uri = field->namespace ? field->namespace->uri : NULL;
    g_autoptr(GPtrArray) nodes = xml_node_find_all(parent, uri, field->name);

    if (nodes->len == 0)
        return true;
    /* Items count one by one, so that what was parsed can be freed after a refusal. */
    char *items = g_malloc0_n(nodes->len, field->size);
    *(void **)member(field, object) = items;
    for (guint i = 0; i < nodes->len; i++) {
        xml_fields_init(field->fields, item(field, items, i));
        *count_member(field, object) = i + 1;
        if (!xml_fields_parse(field->fields, nodes->pdata[i], item(field, items, i), scope, error))
            return false;
    }
    return true;
}

static bool parse_row(const XmlField *field, const XmlNode *node, void *object,
                      const XmlScope *scope, GError **error)
{
    if (field->flags & XML_OUTPUT_ONLY || (scope->bits & field->input_scope) != field->input_scope)
        return true;
    if (field->parse)
        return field->parse(node, object, scope, error);
    switch (field->kind) {
    case XML_STRUCT:
        return parse_struct(field, node, object, scope, error);
    case XML_LIST:
        return parse_list(field, node, object, scope, error);
    case XML_PRESENCE:
        *(bool *)member(field, object) = xml_node_find(node, NULL, field->name) != NULL;
        return true;
    case XML_CHECK:
    case XML_CUSTOM:
        return true;
    default:
        return parse_value(field, node, object, scope, error);
    }
}

bool xml_fields_parse(const XmlField *fields, const XmlNode *node, void *object,
                      const XmlScope *scope, GError **error)
{
    for (int turn = XML_FIRST_TURN; turn <= 0; turn++) {
        for (const XmlField *field = fields; !is_end(field); field++) {
            if (field->turn != turn || !holds(field, object, scope))
                continue;
            if (!parse_row(field, node, object, scope, error))
                return false;
            if (field->check && !field->check(node, object, scope, error))
                return false;
        }
    }
    return true;
}

/* ---- Output ---- */

static char *time_text(gint64 time)
{
    gint64 seconds = time / NANOSECONDS, rest = time % NANOSECONDS;

    if (rest < 0) {
        rest += NANOSECONDS;
        seconds--;
    }
    if (rest == 0)
        return g_strdup_printf("%" G_GINT64_FORMAT, seconds);
    return g_strdup_printf("%" G_GINT64_FORMAT ".%09" G_GINT64_FORMAT, seconds, rest);
}

static char *uuid_text(const Uuid *uuid)
{
    char buffer[UUID_STRING_SIZE];

    return g_strdup(uuid_format(uuid, buffer));
}

static char *uint_text(const XmlField *field, guint value)
{
    if (field->hex_digits)
        return g_strdup_printf("0x%0*x", (int)field->hex_digits, value);
    return g_strdup_printf("%u", value);
}

/* The number in a member, to be compared with `unset`. */
static gint64 number_of(const XmlField *field, const void *value)
{
    switch (field->kind) {
    case XML_UINT:
    case XML_OCTAL:
        return *(const guint *)value;
    case XML_ID:
        return *(const guint32 *)value;
    case XML_SIZE:
    case XML_BYTES:
    case XML_TIME:
        return *(const gint64 *)value;
    default:
        return *(const int *)value;
    }
}

/* NULL when the member is unset. */
static char *value_text(const XmlField *field, const void *value, const PoolSchema *schema)
{
    if (field->kind == XML_STRING)
        return g_strdup(*(char *const *)value);
    if (field->kind == XML_UUID)
        return uuid_text(value);
    if (!(field->flags & XML_ALWAYS) && number_of(field, value) == field->unset)
        return NULL;
    switch (field->kind) {
    case XML_UINT:
        return uint_text(field, *(const guint *)value);
    case XML_OCTAL:
        return g_strdup_printf("0%o", *(const guint *)value);
    case XML_ID:
        return g_strdup_printf("%d", (int)*(const guint32 *)value);
    case XML_SIZE:
    case XML_BYTES:
        return g_strdup_printf("%" G_GUINT64_FORMAT, *(const guint64 *)value);
    case XML_TIME:
        return time_text(*(const gint64 *)value);
    case XML_WORD:
        return g_strdup(format_name(words_of(field, schema), *(const int *)value));
    default:
        return g_strdup_printf("%d", *(const int *)value);
    }
}

/* A path of elements that hold nothing but each other is opened and closed around one value. */
static void format_at_path(const XmlField *field, const char *text, XmlWriter *writer)
{
    g_autofree char *path = element_path(field);
    g_auto(GStrv) names = g_strsplit(path, "/", -1);
    guint depth = g_strv_length(names);
    const char *attribute = attribute_of(field);
    g_autofree XmlMark *marks = g_new(XmlMark, depth + 1);

    for (guint i = 0; i < depth; i++)
        marks[i] = xml_writer_begin(writer, NULL, names[i]);
    if (field->unit)
        xml_writer_attribute(writer, "unit", field->unit);
    if (attribute)
        xml_writer_attribute(writer, attribute, text);
    else
        xml_writer_end_text(writer, &marks[--depth], text);
    while (depth-- > 0)
        xml_writer_end(writer, &marks[depth], XML_EMPTY_CLOSED);
}

static void format_value(const XmlField *field, const void *object, const XmlScope *scope,
                         XmlWriter *writer)
{
    g_autofree char *text = value_text(field, member(field, object), scope->schema);

    if (text)
        format_at_path(field, text, writer);
}

static XmlEmpty when_empty(const XmlField *field)
{
    if (field->flags & XML_PAIR)
        return XML_EMPTY_PAIR;
    return field->flags & XML_ALWAYS ? XML_EMPTY_CLOSED : XML_EMPTY_LEFT_OUT;
}

static void format_struct(const XmlField *field, const void *object, const XmlScope *scope,
                          XmlWriter *writer)
{
    XmlScope inner = inner_scope(field, scope);

    if (*field->name == '\0') {
        xml_fields_format(field->fields, member(field, object), &inner, writer);
        return;
    }
    XmlMark mark = xml_writer_begin(writer, NULL, field->name);
    xml_fields_format(field->fields, member(field, object), &inner, writer);
    xml_writer_end(writer, &mark, when_empty(field));
}

/* A list's name is the item's, perhaps below one that wraps them all. */
static void format_list(const XmlField *field, const void *object, const XmlScope *scope,
                        XmlWriter *writer)
{
    const char *prefix = field->namespace ? field->namespace->prefix : NULL;
    const char *slash = strchr(field->name, '/');
    g_autofree char *wrapper = slash ? g_strndup(field->name, slash - field->name) : NULL;
    const char *name = slash ? slash + 1 : field->name;
    const void *items = *(void *const *)member(field, object);
    guint count = *count_member(field, object);
    XmlMark outer = {};

    if (count == 0)
        return;
    if (wrapper)
        outer = xml_writer_begin(writer, prefix, wrapper);
    for (guint i = 0; i < count; i++) {
        XmlMark mark = xml_writer_begin(writer, prefix, name);

        xml_fields_format(field->fields, item(field, items, i), scope, writer);
        xml_writer_end(writer, &mark, XML_EMPTY_CLOSED);
    }
    if (wrapper)
        xml_writer_end(writer, &outer, XML_EMPTY_CLOSED);
}

static bool is_written(const XmlField *field, const void *object, const XmlScope *scope)
{
    if (field->flags & XML_INPUT_ONLY || !holds(field, object, scope))
        return false;
    if (field->written)
        return field->written(object);
    return !field->has || field->flags & XML_ALWAYS || *has_member(field, object);
}

static void format_row(const XmlField *field, const void *object, const XmlScope *scope,
                       XmlWriter *writer)
{
    if (field->format) {
        field->format(object, scope, writer);
        return;
    }
    switch (field->kind) {
    case XML_STRUCT:
        format_struct(field, object, scope, writer);
        break;
    case XML_LIST:
        format_list(field, object, scope, writer);
        break;
    case XML_PRESENCE:
    case XML_CHECK:
    case XML_CUSTOM:
        break;
    default:
        format_value(field, object, scope, writer);
    }
}

void xml_fields_format(const XmlField *fields, const void *object, const XmlScope *scope,
                       XmlWriter *writer)
{
    for (const XmlField *field = fields; !is_end(field); field++)
        if (is_written(field, object, scope))
            format_row(field, object, scope, writer);
}

/* ---- Memory ---- */

static void init_value(const XmlField *field, void *value)
{
    switch (field->kind) {
    case XML_STRING:
        *(char **)value = NULL;
        break;
    case XML_UUID:
        memset(value, 0, sizeof(Uuid));
        break;
    case XML_PRESENCE:
        *(bool *)value = false;
        break;
    case XML_SIZE:
    case XML_BYTES:
    case XML_TIME:
        *(gint64 *)value = field->unset;
        break;
    default: /* the rest is as wide as an int */
        *(gint32 *)value = (gint32)field->unset;
    }
}

void xml_fields_init(const XmlField *fields, void *object)
{
    for (const XmlField *field = fields; !is_end(field); field++) {
        if (!owns_memory(field))
            continue;
        if (field->has)
            *has_member(field, object) = false;
        if (field->kind == XML_STRUCT) {
            xml_fields_init(field->fields, member(field, object));
        } else if (field->kind == XML_LIST) {
            *(void **)member(field, object) = NULL;
            *count_member(field, object) = 0;
        } else {
            init_value(field, member(field, object));
        }
    }
}

static void own_list(const XmlField *field, void *copy)
{
    void **items = member(field, copy);
    guint count = *count_member(field, copy);

    *items = count ? g_memdup2(*items, field->size * count) : NULL;
    for (guint i = 0; i < count; i++)
        xml_fields_own(field->fields, item(field, *items, i));
}

void xml_fields_own(const XmlField *fields, void *copy)
{
    for (const XmlField *field = fields; !is_end(field); field++) {
        if (!owns_memory(field))
            continue;
        if (field->kind == XML_STRING)
            *(char **)member(field, copy) = g_strdup(*(char **)member(field, copy));
        else if (field->kind == XML_STRUCT)
            xml_fields_own(field->fields, member(field, copy));
        else if (field->kind == XML_LIST)
            own_list(field, copy);
    }
}

static void clear_list(const XmlField *field, void *object)
{
    void **items = member(field, object);
    guint *count = count_member(field, object);

    for (guint i = 0; i < *count; i++)
        xml_fields_clear(field->fields, item(field, *items, i));
    g_clear_pointer(items, g_free);
    *count = 0;
}

void xml_fields_clear(const XmlField *fields, void *object)
{
    for (const XmlField *field = fields; !is_end(field); field++) {
        if (!owns_memory(field))
            continue;
        if (field->kind == XML_STRING)
            g_clear_pointer((char **)member(field, object), g_free);
        else if (field->kind == XML_STRUCT)
            xml_fields_clear(field->fields, member(field, object));
        else if (field->kind == XML_LIST)
            clear_list(field, object);
    }
}

static bool equal_lists(const XmlField *field, const void *a, const void *b)
{
    const void *items_a = *(void *const *)member(field, a);
    const void *items_b = *(void *const *)member(field, b);
    guint count = *count_member(field, a);

    if (count != *count_member(field, b))
        return false;
    for (guint i = 0; i < count; i++)
        if (!xml_fields_equal(field->fields, item(field, items_a, i), item(field, items_b, i)))
            return false;
    return true;
}

static bool equal_values(const XmlField *field, const void *a, const void *b)
{
    switch (field->kind) {
    case XML_STRING:
        return g_strcmp0(*(char *const *)a, *(char *const *)b) == 0;
    case XML_UUID:
        return uuid_equal(a, b);
    case XML_PRESENCE:
        return *(const bool *)a == *(const bool *)b;
    default:
        return number_of(field, a) == number_of(field, b);
    }
}

static bool equal_rows(const XmlField *field, const void *a, const void *b)
{
    bool always = field->flags & XML_ALWAYS; /* then output has it, given or not */

    if (field->has && !always && *has_member(field, a) != *has_member(field, b))
        return false;
    if (field->kind == XML_STRUCT)
        return xml_fields_equal(field->fields, member(field, a), member(field, b));
    if (field->kind == XML_LIST)
        return equal_lists(field, a, b);
    return equal_values(field, member(field, a), member(field, b));
}

bool xml_fields_equal(const XmlField *fields, const void *a, const void *b)
{
    for (const XmlField *field = fields; !is_end(field); field++)
        if (owns_memory(field) && !(field->flags & XML_VOLATILE) && !equal_rows(field, a, b))
            return false;
    return true;
}
