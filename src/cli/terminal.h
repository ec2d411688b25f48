/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call.h"

/* What standard output and standard error lead to, as found at the start. */

typedef enum Color { COLOR_NONE, COLOR_GREEN, COLOR_YELLOW, COLOR_RED } Color;

/* Looks at the file descriptors, --no-color and NO_COLOR. */
void terminal_init(const Call *call);

bool terminal_on_output(void);
bool terminal_on_error(void);

/* Columns of the terminal on standard error; 80 when it doesn't say. */
int terminal_width(void);

/* What to print around coloured text; "" without colours. */
const char *terminal_color_output(Color color);
const char *terminal_color_error(Color color);
