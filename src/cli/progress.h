/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call.h"

/*
 * What a long call shows while it runs, and how Ctrl-C ends it. The first SIGINT
 * cancels the call; a second one ends the program.
 */

/* From now on SIGINT is kept for progress_interrupted() instead of ending the program. */
void progress_catch_interrupts(void);
bool progress_interrupted(void);

/* Shows the calls of this thread under a title, from half a second on, where standard error is a
 * terminal. */
void progress_begin(const Call *call, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* How much will come, where only we know: for the time until progress_end(). */
void progress_expect(guint64 total);
/* Takes the bar away. Harmless without a progress_begin(). */
void progress_end(const Call *call);
