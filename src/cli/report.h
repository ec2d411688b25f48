/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call.h"

/* What the program says beside its results: errors, warnings, successes. */

enum {
    STATUS_OK = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    STATUS_INTERRUPTED = 130,
};

/* The library's last error, on standard error; returns its exit status. */
int report_failure(const Call *call);

/* The same, with what can be done about it behind the message. */
int report_failure_hint(const Call *call, const char *hint);

/* Ctrl-C; returns STATUS_INTERRUPTED. `hint` may be NULL. */
int report_interrupted(const Call *call, const char *hint);

/* A wrong command line; returns STATUS_USAGE. */
int report_usage(const Call *call, const char *message);

/* Any other failure of the program itself; returns STATUS_FAILED. */
int report_trouble(const Call *call, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* "cistern: …" on standard error; nothing with --quiet. */
void report_note(const Call *call, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The program's own words about a success: a line on standard output, nothing with --quiet and in
 * JSON. Always returns STATUS_OK. */
int report_done(const Call *call, const char *format, ...) G_GNUC_PRINTF(2, 3);
