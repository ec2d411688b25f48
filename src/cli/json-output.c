/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-output.h"

json_t *json_text(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    return json_string(valid);
}

void json_set_text(json_t *object, const char *member, const char *text)
{
    json_object_set_new(object, member, json_text(text));
}

void json_set_optional(json_t *object, const char *member, const char *text)
{
    json_object_set_new(object, member, text && *text ? json_text(text) : json_null());
}

void json_set_integer(json_t *object, const char *member, json_int_t value)
{
    json_object_set_new(object, member, json_integer(value));
}

/* JSON's integers end at 2^63-1 here; no storage reaches that. */
void json_set_size(json_t *object, const char *member, guint64 bytes)
{
    json_set_integer(object, member, (json_int_t)MIN(bytes, (guint64)G_MAXINT64));
}

void json_set_bool(json_t *object, const char *member, bool value)
{
    json_object_set_new(object, member, json_boolean(value));
}

void json_print_line(FILE *stream, const json_t *document)
{
    json_dumpf(document, stream, JSON_COMPACT);
    putc('\n', stream);
}

int json_print(json_t *document)
{
    json_dumpf(document, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(document);
    return 0;
}

void json_stream_add(JsonStream *stream, json_t *element)
{
    fputs(stream->started ? ",\n  " : "[\n  ", stdout);
    stream->started = true;
    json_dumpf(element, stdout, JSON_ENCODE_ANY);
    json_decref(element);
}

void json_stream_end(JsonStream *stream)
{
    puts(stream->started ? "\n]" : "[]");
}
