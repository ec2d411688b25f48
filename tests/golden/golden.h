/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "registry.h"

/*
 * Files of expected documents. A pair is NAME.in.xml, what a client sends, and
 * NAME.out.xml, what comes back. The schemas take both, except where the name
 * begins with "lax-": there the parser takes more than they do.
 */

/* The text of a file below this folder. */
char *golden_read(const char *folder, const char *file);

/* Calls for each pair in a folder (relative to this one), in the order of names. */
typedef void (*GoldenPair)(const char *folder, const char *name, gconstpointer data);
void golden_for_each(const char *folder, GoldenPair call, gconstpointer data);

/* Adds a test per pair: "/<folder>/<name>"; its data is a GoldenCase. */
typedef struct GoldenCase {
    char *folder, *name;
    gconstpointer data;
} GoldenCase;
void golden_add_tests(const char *folder, gconstpointer data, GTestDataFunc test);

char *golden_input(const GoldenCase *golden);
char *golden_output(const GoldenCase *golden);
gboolean golden_is_lax(const GoldenCase *golden);

/* The schema of a pool type of this build. */
const PoolSchema *golden_schema(const char *type);
