/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call.h"

/*
 * The command line. Options may stand anywhere as --option value or
 * --option=value; words without an option name fill the command's value arguments
 * in the order of the table; after "--" everything is such a word.
 */

#define USAGE_ERROR (usage_error_quark())
GQuark usage_error_quark(void);

void call_init(Call *call);
void call_clear(Call *call);

/* Reads all words (without the program's name) and checks that values fit their arguments.
 * The words must outlive the call. Errors: USAGE_ERROR, one sentence. */
bool call_parse(Call *call, const char *const *words, int count, GError **error);

/* Reads what is there of an unfinished line, as far as it makes sense. *ret_pending is the option
 * whose value comes next, or NULL; *ret_ended tells that "--" was there. False when nothing can be
 * said about the line: its command is unknown. */
bool call_parse_partial(Call *call, const char *const *words, int count,
                        const Argument **ret_pending, bool *ret_ended);

/* The argument that the next word without an option name fills, or NULL. */
const Argument *call_next_positional(const Call *call);
