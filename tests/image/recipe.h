/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Images written down as text. A case file has comment lines (#), a recipe,
 * a line "---" and the expected description. The recipe's words, in order:
 *
 *   size N          the image's size in bytes (first)
 *   @N              go to this offset
 *   "text"          these bytes; there are no escapes
 *   0a1b            these bytes, in hexadecimal
 *   be16:N … le64:N a number, big- or little-endian, of 16, 32 or 64 bits
 *   fill:N:xx       N times the byte xx
 *
 * Numbers are decimal or 0x…. What no word sets is zero.
 */
typedef struct Recipe {
    guint64 size;
    guint8 *bytes; /* the image up to the last byte that is set */
    gsize length;
    char *expected;
} Recipe;

/* Fails the test on anything that is not a case file. */
void recipe_load(const char *path, Recipe *ret);
void recipe_clear(Recipe *recipe);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Recipe, recipe_clear)

/* Makes the (sparse) file. */
void recipe_write(const Recipe *recipe, const char *path);
