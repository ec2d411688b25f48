/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* JSON results; their members are described in docs/json.md. */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/* Members of an object. Text that is not UTF-8 gets U+FFFD in place of what is wrong. */
void json_set_text(json_t *object, const char *member, const char *text);
void json_set_integer(json_t *object, const char *member, json_int_t value);
void json_set_size(json_t *object, const char *member, guint64 bytes);
void json_set_bool(json_t *object, const char *member, bool value);
/* null when the text is empty or NULL. */
void json_set_optional(json_t *object, const char *member, const char *text);

/* A text as an array element. */
json_t *json_text(const char *text);

/* One document in one line. */
void json_print_line(FILE *stream, const json_t *document);

/* One document on standard output, over several lines; takes the reference. Returns 0. */
int json_print(json_t *document);

/* An array on standard output, one element per line, as the elements come. */
typedef struct JsonStream {
    bool started;
} JsonStream;
void json_stream_add(JsonStream *stream, json_t *element); /* takes the reference */
void json_stream_end(JsonStream *stream);
