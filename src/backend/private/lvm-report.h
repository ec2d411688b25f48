/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "operation.h"

/*
 * The reports of lvm2 (--reportformat json): sections ("vg", "lv", "seg", "pv")
 * of rows of texts. The reader is tolerant: messages that tools print in between
 * are skipped, backslashes that older lvm2 doesn't escape are taken as they
 * are. What it returns is hostile: names and numbers are checked by who uses them.
 */
typedef struct LvmReport LvmReport;
typedef struct LvmRow LvmRow;

/* NULL with ERROR_INTERNAL when it is no report. */
LvmReport *lvm_report_parse(const char *text, gsize size, GError **error);
void lvm_report_free(LvmReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LvmReport, lvm_report_free)

/* All rows of a section, borrowed from the report. */
GPtrArray *lvm_report_rows(const LvmReport *report, const char *section);

/* The text of a column; "" when the row has none. Never NULL. */
const char *lvm_row_text(const LvmRow *row, const char *column);
/* A size or number below 2^63. False when it is none. */
bool lvm_row_number(const LvmRow *row, const char *column, guint64 *ret);
/* Hundredths of a percent, from "12.34"; -1 when the column is empty or malformed. */
int lvm_row_percent(const LvmRow *row, const char *column);

/* Runs a reporting command ("lvs", …) whose arguments ask for JSON. *ret_status is its exit
 * status: lvm2 has 5 for "something is wrong", with a report that may be complete or empty.
 * *ret_errors is what it said on stderr; freed by the caller. Errors: those of command_run(),
 * ERROR_INTERNAL for no report. */
LvmReport *lvm_report_run(Operation *op, const char *const *argv, int *ret_status,
                          char **ret_errors, GError **error);
