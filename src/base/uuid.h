/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct Uuid {
    guint8 bytes[16];
} Uuid;

#define UUID_STRING_SIZE 37 /* with the NUL */

/* 32 hex digits in any case; dashes between bytes and surrounding blanks are optional. */
bool uuid_parse(const char *text, Uuid *ret);

/* Lower case 8-4-4-4-12. Returns buffer. */
char *uuid_format(const Uuid *uuid, char buffer[UUID_STRING_SIZE]);

void uuid_generate(Uuid *ret);
bool uuid_equal(const Uuid *a, const Uuid *b);
guint uuid_hash(gconstpointer uuid);
gboolean uuid_equal_func(gconstpointer a, gconstpointer b);
