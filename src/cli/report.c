/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report.h"

#include "json-output.h"
#include "progress.h"
#include "terminal.h"
#include "text.h"

#include <stdio.h>

static void print_error_json(const CisternError *error)
{
    g_autoptr(json_t) details = json_object();
    json_set_text(details, "name", error->name);
    json_set_integer(details, "code", error->code);
    json_set_integer(details, "origin", error->origin);
    json_set_integer(details, "errno", error->system_error);
    json_set_integer(details, "exit_status", error->exit_status);
    json_set_text(details, "message", error->message);
    g_autoptr(json_t) document = json_object();
    json_object_set(document, "error", details);
    json_print_line(stderr, document);
}

static int report_error(const Call *call, const CisternError *error)
{
    fflush(stdout);
    if (call->json) {
        print_error_json(error);
        return error->exit_status;
    }
    g_autofree char *message = text_escape(error->message);
    fprintf(stderr, "cistern: %serror:%s %s\n", terminal_color_error(COLOR_RED),
            terminal_color_error(COLOR_NONE), message);
    return error->exit_status;
}

int report_failure(const Call *call)
{
    return report_failure_hint(call, NULL);
}

int report_failure_hint(const Call *call, const char *hint)
{
    CisternError error = *cistern_last_error();
    g_autofree char *message = hint ? g_strdup_printf("%s; %s", error.message, hint) : NULL;
    if (message)
        error.message = message;
    if (error.code == CISTERN_ERROR_ABORTED && progress_interrupted())
        error.exit_status = STATUS_INTERRUPTED;
    else if (error.exit_status == STATUS_OK)
        error.exit_status = STATUS_FAILED;
    return report_error(call, &error);
}

int report_interrupted(const Call *call, const char *hint)
{
    g_autofree char *message = g_strconcat("interrupted", hint ? "; " : "", hint, NULL);
    return report_error(call, &(CisternError){.code = CISTERN_ERROR_ABORTED,
                                              .name = "aborted",
                                              .message = message,
                                              .exit_status = STATUS_INTERRUPTED});
}

int report_usage(const Call *call, const char *message)
{
    return report_error(call, &(CisternError){.code = CISTERN_ERROR_INVALID_ARGUMENT,
                                              .name = "usage",
                                              .message = message,
                                              .exit_status = STATUS_USAGE});
}

int report_trouble(const Call *call, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return report_error(call, &(CisternError){.code = CISTERN_ERROR_OPERATION_FAILED,
                                              .name = "program",
                                              .message = message,
                                              .exit_status = STATUS_FAILED});
}

void report_note(const Call *call, const char *format, ...)
{
    if (call_option(call, "quiet"))
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *shown = text_escape(message);
    fprintf(stderr, "cistern: %s\n", shown);
}

int report_done(const Call *call, const char *format, ...)
{
    if (call->json || call_option(call, "quiet"))
        return STATUS_OK;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *shown = text_escape(message);
    printf("%s\n", shown);
    return STATUS_OK;
}
