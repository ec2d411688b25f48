/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "random-value.h"
#include <string.h>

#define COUNT_MAX 4

static void *at(void *value, guint offset)
{
    return (guint8 *)value + offset;
}

static void random_bytes(GRand *rand, guint8 *bytes, gsize size)
{
    for (gsize i = 0; i < size; i++)
        bytes[i] = (guint8)g_rand_int(rand);
}

static char *random_text(GRand *rand)
{
    gsize size = (gsize)g_rand_int_range(rand, 0, 20);
    char *text = g_malloc0(size + 1);

    for (gsize i = 0; i < size; i++)
        text[i] = (char)g_rand_int_range(rand, 1, 256);
    return text;
}

static guint32 random_count(const XdrField *field, GRand *rand)
{
    return (guint32)g_rand_int_range(rand, 0, (gint32)MIN(field->max, COUNT_MAX) + 1);
}

static void random_array(const XdrField *field, GRand *rand, void *value)
{
    guint32 *count = at(value, field->count_offset);
    guint8 *elements;

    *count = random_count(field, rand);
    elements = *count ? g_malloc0_n(*count, field->type->size) : NULL;
    for (guint32 i = 0; i < *count; i++)
        random_value(field->type, rand, elements + i * field->type->size);
    *(void **)at(value, field->offset) = elements;
}

static void random_chars(const XdrField *field, GRand *rand, void *value)
{
    guint32 *count = at(value, field->count_offset);
    guint8 *bytes;

    *count = random_count(field, rand);
    bytes = *count ? g_malloc(*count) : NULL;
    random_bytes(rand, bytes, *count);
    *(void **)at(value, field->offset) = bytes;
}

static void random_field(const XdrField *field, GRand *rand, void *value);

static void random_union(const XdrField *field, GRand *rand, void *value)
{
    gint32 *choice = at(value, field->count_offset);

    *choice = g_rand_int_range(rand, 1, (gint32)field->type->n_fields + 1);
    random_field(&field->type->fields[*choice - 1], rand, at(value, field->offset));
}

static void random_field(const XdrField *field, GRand *rand, void *value)
{
    void *ret = at(value, field->offset);
    double number;

    switch (field->kind) {
    case XDR_INT:
    case XDR_UINT:
        random_bytes(rand, ret, 4);
        return;
    case XDR_HYPER:
    case XDR_UHYPER:
        random_bytes(rand, ret, 8);
        return;
    case XDR_DOUBLE:
        number = g_rand_double(rand);
        memcpy(ret, &number, sizeof number);
        return;
    case XDR_STRING:
        *(char **)ret = random_text(rand);
        return;
    case XDR_OPTIONAL_STRING:
        *(char **)ret = g_rand_boolean(rand) ? random_text(rand) : NULL;
        return;
    case XDR_FIXED:
    case XDR_FIXED_CHARS:
        random_bytes(rand, ret, field->max);
        return;
    case XDR_CHARS:
        random_chars(field, rand, value);
        return;
    case XDR_STRUCT:
        random_value(field->type, rand, ret);
        return;
    case XDR_OPTIONAL:
        *(void **)ret = g_rand_boolean(rand) ? g_malloc0(field->type->size) : NULL;
        if (*(void **)ret)
            random_value(field->type, rand, *(void **)ret);
        return;
    case XDR_ARRAY:
        random_array(field, rand, value);
        return;
    case XDR_UNION:
        random_union(field, rand, value);
        return;
    }
    g_assert_not_reached();
}

void random_value(const XdrType *type, GRand *rand, void *ret)
{
    for (guint i = 0; i < type->n_fields; i++)
        random_field(&type->fields[i], rand, ret);
}
