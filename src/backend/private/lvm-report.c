/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lvm-report.h"

#include "command.h"
#include "errors.h"
#include "units.h"

#include <jansson.h>
#include <string.h>

/* A group of a hundred thousand volumes has a report of 60 MB. */
#define REPORT_LIMIT ((size_t)256 << 20)

struct LvmReport {
    json_t *root;
};

/* ---- what is no JSON ---- */

/* lvm2 writes a row or a bracket per line, beginning with one of these; messages don't. */
static bool is_json_line(const char *line, gsize length)
{
    gsize blanks = 0;

    while (blanks < length && (line[blanks] == ' ' || line[blanks] == '\t'))
        blanks++;
    return blanks < length && strchr("{}[],\"", line[blanks]);
}

/* A backslash that begins no escape stands for itself. */
static void append_mended(GString *text, const char *line, gsize length)
{
    for (gsize i = 0; i < length; i++) {
        g_string_append_c(text, line[i]);
        if (line[i] != '\\')
            continue;
        if (i + 1 < length && (line[i + 1] == '"' || line[i + 1] == '\\'))
            g_string_append_c(text, line[++i]);
        else
            g_string_append_c(text, '\\');
    }
}

static char *mend(const char *text, gsize size)
{
    GString *mended = g_string_sized_new(size);
    const char *end = text + size;

    for (const char *line = text; line < end;) {
        const char *newline = memchr(line, '\n', (gsize)(end - line));
        gsize length = newline ? (gsize)(newline - line) + 1 : (gsize)(end - line);
        if (is_json_line(line, length))
            append_mended(mended, line, length);
        line += length;
    }
    return g_string_free(mended, FALSE);
}

/* ---- reading ---- */

LvmReport *lvm_report_parse(const char *text, gsize size, GError **error)
{
    json_error_t problem;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &problem);

    if (!root) {
        g_autofree char *mended = mend(text, size);
        root = json_loads(mended, 0, &problem);
    }
    if (!json_is_object(root)) {
        error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE, "lvm2's report can't be read: %s",
                  root ? "it is no object" : problem.text);
        json_decref(root);
        return NULL;
    }
    LvmReport *report = g_new(LvmReport, 1);
    report->root = root;
    return report;
}

void lvm_report_free(LvmReport *report)
{
    if (!report)
        return;
    json_decref(report->root);
    g_free(report);
}

static void add_rows(GPtrArray *rows, json_t *list)
{
    gsize index;
    json_t *row;

    json_array_foreach(list, index, row) if (json_is_object(row)) g_ptr_array_add(rows, row);
}

GPtrArray *lvm_report_rows(const LvmReport *report, const char *section)
{
    GPtrArray *rows = g_ptr_array_new();
    gsize index;
    json_t *part;

    json_array_foreach(json_object_get(report->root, "report"), index, part)
        add_rows(rows, json_object_get(part, section));
    return rows;
}

const char *lvm_row_text(const LvmRow *row, const char *column)
{
    const char *text =
        json_string_value(json_object_get((const json_t *)(const void *)row, column));

    return text ? text : "";
}

bool lvm_row_number(const LvmRow *row, const char *column, guint64 *ret)
{
    return number_parse(lvm_row_text(row, column), G_MAXINT64, ret);
}

int lvm_row_percent(const LvmRow *row, const char *column)
{
    const char *text = lvm_row_text(row, column), *point = strchr(text, '.');
    g_autofree char *whole = point ? g_strndup(text, (gsize)(point - text)) : g_strdup(text);
    guint64 percent, hundredths = 0;

    if (!number_parse(whole, 100, &percent))
        return -1;
    if (point && (strlen(point + 1) != 2 || !number_parse(point + 1, 99, &hundredths)))
        return -1;
    return (int)MIN(percent * 100 + hundredths, 10000);
}

LvmReport *lvm_report_run(Operation *op, const char *const *argv, int *ret_status,
                          char **ret_errors, GError **error)
{
    const Command command = {.argv = argv, .output_limit = REPORT_LIMIT};
    g_auto(CommandResult) result = {0};

    if (!command_run(op, &command, &result, error))
        return NULL;
    LvmReport *report = lvm_report_parse(result.output, result.output_size, error);
    if (!report) {
        error_add_context(error, "%s ended with status %d (%s): ", argv[0], result.exit_status,
                          result.errors);
        return NULL;
    }
    *ret_status = result.exit_status;
    *ret_errors = g_strdup(result.errors);
    return report;
}
