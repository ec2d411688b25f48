/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lvm-run.h"

#include "command.h"
#include "errors.h"

#include <stdarg.h>
#include <string.h>

#define UNDO_SECONDS 60

/* Beside its errors lvm2 tells what might go wrong one day. */
static char *without_warnings(const char *messages)
{
    g_auto(GStrv) lines = g_strsplit(messages, "\n", -1);
    GString *text = g_string_new(NULL);

    for (char **line = lines; *line; line++) {
        g_strstrip(*line);
        if (**line && !g_str_has_prefix(*line, "WARNING: "))
            g_string_append_printf(text, "%s%s", text->len ? "; " : "", *line);
    }
    if (text->len == 0)
        g_string_append(text, messages);
    return g_string_free(text, FALSE);
}

/* What clients tell apart by the code. */
static const struct {
    const char *words;
    ErrorCode code;
    const char *meaning;
} meanings[] = {
    {"already exists", ERROR_VOLUME_EXISTS, ""},
    {"Failed to find logical volume", ERROR_NO_VOLUME, ""},

    {"insufficient free space", ERROR_OPERATION_FAILED, "Not enough space left in storage pool: "},
    {"nsufficient suitable allocatable extents", ERROR_OPERATION_FAILED,
     "Not enough space left in storage pool: "},
    {"in use", ERROR_BUSY, ""},
    {"is used by another device", ERROR_BUSY, ""},
    {"open logical volume", ERROR_BUSY, ""},
    {"Snapshot origin volumes", ERROR_OPERATION_INVALID,
     "it has snapshots: delete them first, then resize it: "},
    {" is exported", ERROR_OPERATION_INVALID,
     "the volume group is exported: 'vgimport' makes it usable again: "},
    {"Multiple VGs found with the same name", ERROR_OPERATION_INVALID,
     "several volume groups have that name: give all but one another ('vgrename UUID NAME'): "},
};

static bool failed(const char *program, const CommandResult *result, GError **error)
{
    g_autofree char *said = without_warnings(result->errors ? result->errors : "");

    for (guint i = 0; i < G_N_ELEMENTS(meanings); i++)
        if (strstr(said, meanings[i].words))
            return error_set(error, meanings[i].code, ORIGIN_STORAGE, "%s%s: %s",
                             meanings[i].meaning, program, said);
    return error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE, "%s failed with status %d: %s", program,
                     result->exit_status, said);
}

/* lvm2 takes several steps, between which a volume is there by half; nothing but its own next step
 * puts that right. */
static bool run(Operation *op, const char *const *argv, CommandResult *ret, GError **error)
{
    const Command command = {.argv = argv, .outlives_us = true};

    if (!command_run(op, &command, ret, error))
        return false;
    return ret->exit_status == 0 || failed(argv[0], ret, error);
}

bool lvm_run_list(Operation *op, const GPtrArray *argv, GError **error)
{
    g_auto(CommandResult) result = {0};

    return run(op, (const char *const *)argv->pdata, &result, error);
}

bool lvm_run(Operation *op, GError **error, const char *program, ...)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    va_list arguments;

    va_start(arguments, program);
    for (const char *word = program; word; word = va_arg(arguments, const char *))
        g_ptr_array_add(argv, (char *)word);
    va_end(arguments);
    g_ptr_array_add(argv, NULL);
    return lvm_run_list(op, argv, error);
}

bool lvm_run_remove(Operation *op, const char *group, const char *volume, const char *only,
                    bool *ret_removed, GError **error)
{
    g_autofree char *where = g_strconcat(group, "/", volume, NULL);
    g_autofree char *said = g_strdup_printf("\"%s\" successfully removed", volume);
    const char *argv[] = {"lvremove", "--yes", "--force", "--select", only, "--", where, NULL};
    g_auto(CommandResult) result = {0};

    if (!run(op, argv, &result, error))
        return false;
    *ret_removed = result.output && strstr(result.output, said);
    return true;
}

Operation *lvm_undo_operation(Operation *op)
{
    Operation *undo = operation_new(g_get_monotonic_time() + UNDO_SECONDS * G_TIME_SPAN_SECOND);
    void *data = NULL;
    CommandRunner runner = operation_runner(op, &data);

    operation_set_runner(undo, runner, data);
    return undo;
}
