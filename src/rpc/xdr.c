/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xdr.h"
#include "errors.h"
#include <string.h>

const XdrType xdr_nothing = {0, NULL, 0};

typedef struct Cursor {
    const guint8 *data;
    gsize left;
} Cursor;

typedef struct Writer {
    GByteArray *buffer;
    gsize limit;
} Writer;

static bool decode_type(Cursor *cursor, const XdrType *type, void *ret, GError **error);
static bool encode_type(Writer *writer, const XdrType *type, const void *value, GError **error);

static void *field_at(void *value, guint offset)
{
    return (guint8 *)value + offset;
}

static const void *const_field_at(const void *value, guint offset)
{
    return (const guint8 *)value + offset;
}

static gsize padding(gsize size)
{
    return -size & 3;
}

static guint32 string_max(const XdrField *field)
{
    return field->max ? field->max : XDR_STRING_MAX;
}

/* The member of a union that its discriminant chooses, or NULL. */
static const XdrField *union_member(const XdrField *field, const void *value)
{
    gint32 choice;

    memcpy(&choice, const_field_at(value, field->count_offset), sizeof choice);
    if (choice < 1 || (guint)choice > field->type->n_fields)
        return NULL;
    return &field->type->fields[choice - 1];
}

/* ---- sizes ---- */

static gsize min_of_field(const XdrField *field)
{
    switch (field->kind) {
    case XDR_HYPER:
    case XDR_UHYPER:
    case XDR_DOUBLE:
        return 8;
    case XDR_FIXED:
        return field->max + padding(field->max);
    case XDR_FIXED_CHARS:
        return 4 * (gsize)field->max;
    case XDR_STRUCT:
        return xdr_min_size(field->type);
    case XDR_INT:
    case XDR_UINT:
    case XDR_STRING:
    case XDR_OPTIONAL_STRING:
    case XDR_CHARS:
    case XDR_OPTIONAL:
    case XDR_ARRAY:
    case XDR_UNION:
        return 4;
    }
    g_assert_not_reached();
}

gsize xdr_min_size(const XdrType *type)
{
    gsize size = 0;

    for (guint i = 0; i < type->n_fields; i++)
        size += min_of_field(&type->fields[i]);
    return size;
}

/* ---- decoding ---- */

static bool too_short(const XdrField *field, GError **error)
{
    return error_set(error, ERROR_RPC, ORIGIN_RPC, "the message ends within '%s'", field->name);
}

static bool too_large(const XdrField *field, guint64 size, guint32 max, GError **error)
{
    return error_set(error, ERROR_RPC, ORIGIN_RPC,
                     "'%s' is too large for a message: %" G_GUINT64_FORMAT
                     ", at most %u are allowed",
                     field->name, size, max);
}

static bool take(Cursor *cursor, gsize size, const guint8 **ret)
{
    if (size > cursor->left)
        return false;
    *ret = cursor->data;
    cursor->data += size;
    cursor->left -= size;
    return true;
}

static bool take_word(Cursor *cursor, guint32 *ret)
{
    const guint8 *bytes;
    guint32 word;

    if (!take(cursor, sizeof word, &bytes))
        return false;
    memcpy(&word, bytes, sizeof word);
    *ret = GUINT32_FROM_BE(word);
    return true;
}

static bool decode_word(Cursor *cursor, const XdrField *field, void *ret, GError **error)
{
    return take_word(cursor, ret) || too_short(field, error);
}

static bool decode_long(Cursor *cursor, const XdrField *field, void *ret, GError **error)
{
    const guint8 *bytes;
    guint64 number;

    if (!take(cursor, sizeof number, &bytes))
        return too_short(field, error);
    memcpy(&number, bytes, sizeof number);
    number = GUINT64_FROM_BE(number);
    memcpy(ret, &number, sizeof number); /* a double has the same order of bytes */
    return true;
}

static bool decode_fixed(Cursor *cursor, const XdrField *field, void *ret, GError **error)
{
    const guint8 *bytes;

    if (!take(cursor, field->max + padding(field->max), &bytes))
        return too_short(field, error);
    memcpy(ret, bytes, field->max);
    return true;
}

static bool decode_fixed_chars(Cursor *cursor, const XdrField *field, guint8 *ret, GError **error)
{
    for (guint32 word, i = 0; i < field->max; i++) {
        if (!take_word(cursor, &word))
            return too_short(field, error);
        ret[i] = (guint8)word;
    }
    return true;
}

static bool decode_string(Cursor *cursor, const XdrField *field, void *ret, GError **error)
{
    const guint8 *bytes;
    guint32 size;

    if (!take_word(cursor, &size))
        return too_short(field, error);
    if (size > string_max(field))
        return too_large(field, size, string_max(field), error);
    if (!take(cursor, size + padding(size), &bytes))
        return too_short(field, error);
    if (memchr(bytes, 0, size))
        return error_set(error, ERROR_RPC, ORIGIN_RPC, "'%s' has a NUL byte in it", field->name);
    *(char **)ret = g_strndup((const char *)bytes, size);
    return true;
}

static bool decode_optional_string(Cursor *cursor, const XdrField *field, void *ret, GError **error)
{
    guint32 present;

    if (!take_word(cursor, &present))
        return too_short(field, error);
    return !present || decode_string(cursor, field, ret, error);
}

/* A count whose elements of at least `element_size` bytes can really follow. */
static bool decode_count(Cursor *cursor, const XdrField *field, gsize element_size, guint32 *ret,
                         GError **error)
{
    guint32 count;

    if (!take_word(cursor, &count))
        return too_short(field, error);
    if (count > field->max)
        return too_large(field, count, field->max, error);
    if (count > cursor->left / element_size)
        return too_short(field, error);
    *ret = count;
    return true;
}

static bool decode_chars(Cursor *cursor, const XdrField *field, void *value, GError **error)
{
    guint8 **bytes = field_at(value, field->offset);
    guint32 *count = field_at(value, field->count_offset);
    guint32 word;

    if (!decode_count(cursor, field, sizeof word, count, error))
        return false;
    *bytes = *count ? g_malloc(*count) : NULL;
    for (guint32 i = 0; i < *count && take_word(cursor, &word); i++)
        (*bytes)[i] = (guint8)word;
    return true;
}

static bool decode_optional(Cursor *cursor, const XdrField *field, void *ret, GError **error)
{
    guint32 present;

    if (!take_word(cursor, &present))
        return too_short(field, error);
    if (!present)
        return true;
    *(void **)ret = g_malloc0(field->type->size);
    return decode_type(cursor, field->type, *(void **)ret, error);
}

static bool decode_array(Cursor *cursor, const XdrField *field, void *value, GError **error)
{
    guint8 **elements = field_at(value, field->offset);
    guint32 *count = field_at(value, field->count_offset);

    if (!decode_count(cursor, field, xdr_min_size(field->type), count, error))
        return false;
    *elements = *count ? g_malloc0_n(*count, field->type->size) : NULL;
    for (guint32 i = 0; i < *count; i++)
        if (!decode_type(cursor, field->type, *elements + i * field->type->size, error))
            return false;
    return true;
}

static bool decode_field(Cursor *cursor, const XdrField *field, void *value, GError **error);

static bool decode_union(Cursor *cursor, const XdrField *field, void *value, GError **error)
{
    const XdrField *member = union_member(field, value);

    if (!member)
        return error_set(error, ERROR_RPC, ORIGIN_RPC, "'%s' is of an unknown type", field->name);
    return decode_field(cursor, member, field_at(value, field->offset), error);
}

static bool decode_field(Cursor *cursor, const XdrField *field, void *value, GError **error)
{
    void *ret = field_at(value, field->offset);

    switch (field->kind) {
    case XDR_INT:
    case XDR_UINT:
        return decode_word(cursor, field, ret, error);
    case XDR_HYPER:
    case XDR_UHYPER:
    case XDR_DOUBLE:
        return decode_long(cursor, field, ret, error);
    case XDR_STRING:
        return decode_string(cursor, field, ret, error);
    case XDR_OPTIONAL_STRING:
        return decode_optional_string(cursor, field, ret, error);
    case XDR_FIXED:
        return decode_fixed(cursor, field, ret, error);
    case XDR_FIXED_CHARS:
        return decode_fixed_chars(cursor, field, ret, error);
    case XDR_CHARS:
        return decode_chars(cursor, field, value, error);
    case XDR_STRUCT:
        return decode_type(cursor, field->type, ret, error);
    case XDR_OPTIONAL:
        return decode_optional(cursor, field, ret, error);
    case XDR_ARRAY:
        return decode_array(cursor, field, value, error);
    case XDR_UNION:
        return decode_union(cursor, field, value, error);
    }
    g_assert_not_reached();
}

static bool decode_type(Cursor *cursor, const XdrType *type, void *ret, GError **error)
{
    for (guint i = 0; i < type->n_fields; i++)
        if (!decode_field(cursor, &type->fields[i], ret, error))
            return false;
    return true;
}

bool xdr_decode(const XdrType *type, const guint8 *data, gsize size, void *ret, GError **error)
{
    Cursor cursor = {data, size};

    if (type->size)
        memset(ret, 0, type->size);
    if (decode_type(&cursor, type, ret, error))
        return true;
    xdr_clear(type, ret);
    return false;
}

/* ---- encoding ---- */

static bool put(Writer *writer, const void *bytes, gsize size, GError **error)
{
    if (size > writer->limit - writer->buffer->len)
        return error_set(error, ERROR_RPC, ORIGIN_RPC,
                         "the message would be larger than the %" G_GSIZE_FORMAT
                         " bytes that the other side accepts",
                         writer->limit);
    g_byte_array_append(writer->buffer, bytes, (guint)size);
    return true;
}

static bool put_word(Writer *writer, guint32 word, GError **error)
{
    word = GUINT32_TO_BE(word);
    return put(writer, &word, sizeof word, error);
}

static bool put_padded(Writer *writer, const void *bytes, gsize size, GError **error)
{
    static const guint8 zeros[4];

    return put(writer, bytes, size, error) && put(writer, zeros, padding(size), error);
}

static bool encode_word(Writer *writer, const void *value, GError **error)
{
    guint32 word;

    memcpy(&word, value, sizeof word);
    return put_word(writer, word, error);
}

static bool encode_long(Writer *writer, const void *value, GError **error)
{
    guint64 number;

    memcpy(&number, value, sizeof number);
    number = GUINT64_TO_BE(number);
    return put(writer, &number, sizeof number, error);
}

static bool encode_string(Writer *writer, const XdrField *field, const void *value, GError **error)
{
    const char *text = *(const char *const *)value;
    gsize size = text ? strlen(text) : 0;

    if (!text)
        return error_set(error, ERROR_RPC, ORIGIN_RPC, "'%s' is missing", field->name);
    if (size > string_max(field))
        return too_large(field, size, string_max(field), error);
    return put_word(writer, (guint32)size, error) && put_padded(writer, text, size, error);
}

static bool encode_optional_string(Writer *writer, const XdrField *field, const void *value,
                                   GError **error)
{
    bool present = *(const char *const *)value != NULL;

    return put_word(writer, present, error) &&
           (!present || encode_string(writer, field, value, error));
}

static bool encode_count(Writer *writer, const XdrField *field, const void *value, guint32 *ret,
                         GError **error)
{
    *ret = *(const guint32 *)const_field_at(value, field->count_offset);
    if (*ret > field->max)
        return too_large(field, *ret, field->max, error);
    return put_word(writer, *ret, error);
}

static bool encode_words(Writer *writer, const guint8 *bytes, guint32 count, GError **error)
{
    for (guint32 i = 0; i < count; i++)
        if (!put_word(writer, bytes[i], error))
            return false;
    return true;
}

static bool encode_chars(Writer *writer, const XdrField *field, const void *value, GError **error)
{
    const guint8 *bytes = *(guint8 *const *)const_field_at(value, field->offset);
    guint32 count;

    return encode_count(writer, field, value, &count, error) &&
           encode_words(writer, bytes, count, error);
}

static bool encode_optional(Writer *writer, const XdrField *field, const void *value,
                            GError **error)
{
    const void *target = *(void *const *)value;

    return put_word(writer, target != NULL, error) &&
           (!target || encode_type(writer, field->type, target, error));
}

static bool encode_array(Writer *writer, const XdrField *field, const void *value, GError **error)
{
    const guint8 *elements = *(guint8 *const *)const_field_at(value, field->offset);
    guint32 count;

    if (!encode_count(writer, field, value, &count, error))
        return false;
    for (guint32 i = 0; i < count; i++)
        if (!encode_type(writer, field->type, elements + i * field->type->size, error))
            return false;
    return true;
}

static bool encode_field(Writer *writer, const XdrField *field, const void *value, GError **error);

static bool encode_union(Writer *writer, const XdrField *field, const void *value, GError **error)
{
    const XdrField *member = union_member(field, value);

    if (!member)
        return error_set(error, ERROR_RPC, ORIGIN_RPC, "'%s' is of an unknown type", field->name);
    return encode_field(writer, member, const_field_at(value, field->offset), error);
}

static bool encode_field(Writer *writer, const XdrField *field, const void *value, GError **error)
{
    const void *at = const_field_at(value, field->offset);

    switch (field->kind) {
    case XDR_INT:
    case XDR_UINT:
        return encode_word(writer, at, error);
    case XDR_HYPER:
    case XDR_UHYPER:
    case XDR_DOUBLE:
        return encode_long(writer, at, error);
    case XDR_STRING:
        return encode_string(writer, field, at, error);
    case XDR_OPTIONAL_STRING:
        return encode_optional_string(writer, field, at, error);
    case XDR_FIXED:
        return put_padded(writer, at, field->max, error);
    case XDR_FIXED_CHARS:
        return encode_words(writer, at, field->max, error);
    case XDR_CHARS:
        return encode_chars(writer, field, value, error);
    case XDR_STRUCT:
        return encode_type(writer, field->type, at, error);
    case XDR_OPTIONAL:
        return encode_optional(writer, field, at, error);
    case XDR_ARRAY:
        return encode_array(writer, field, value, error);
    case XDR_UNION:
        return encode_union(writer, field, value, error);
    }
    g_assert_not_reached();
}

static bool encode_type(Writer *writer, const XdrType *type, const void *value, GError **error)
{
    for (guint i = 0; i < type->n_fields; i++)
        if (!encode_field(writer, &type->fields[i], value, error))
            return false;
    return true;
}

bool xdr_encode(const XdrType *type, const void *value, GByteArray *buffer, gsize limit,
                GError **error)
{
    Writer writer = {buffer, MAX(limit, buffer->len)};
    guint start = buffer->len;

    if (encode_type(&writer, type, value, error))
        return true;
    g_byte_array_set_size(buffer, start);
    return false;
}

/* ---- freeing ---- */

static void clear_field(const XdrField *field, void *value)
{
    void *at = field_at(value, field->offset);
    const XdrField *member;

    switch (field->kind) {
    case XDR_STRING:
    case XDR_OPTIONAL_STRING:
    case XDR_CHARS:
        g_free(*(void **)at);
        return;
    case XDR_STRUCT:
        xdr_clear(field->type, at);
        return;
    case XDR_OPTIONAL:
        if (*(void **)at)
            xdr_clear(field->type, *(void **)at);
        g_free(*(void **)at);
        return;
    case XDR_ARRAY:
        for (guint32 i = 0; *(void **)at && i < *(guint32 *)field_at(value, field->count_offset);
             i++)
            xdr_clear(field->type, *(guint8 **)at + i * field->type->size);
        g_free(*(void **)at);
        return;
    case XDR_UNION:
        member = union_member(field, value);
        if (member)
            clear_field(member, at);
        return;
    case XDR_INT:
    case XDR_UINT:
    case XDR_HYPER:
    case XDR_UHYPER:
    case XDR_DOUBLE:
    case XDR_FIXED:
    case XDR_FIXED_CHARS:
        return;
    }
    g_assert_not_reached();
}

void xdr_clear(const XdrType *type, void *value)
{
    for (guint i = 0; i < type->n_fields; i++)
        clear_field(&type->fields[i], value);
    if (type->size)
        memset(value, 0, type->size);
}
