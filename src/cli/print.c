/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "print.h"

#include "report.h"
#include "terminal.h"
#include "text.h"

int print_value(const Call *call, const char *member, const char *value)
{
    if (call->json) {
        json_t *object = json_object();
        json_set_text(object, member, value);
        return json_print(object);
    }
    g_autofree char *shown = terminal_on_output() ? text_escape(value) : g_strdup(value);
    puts(shown);
    return STATUS_OK;
}

void print_field(const char *title, const char *value)
{
    g_autofree char *label = g_strdup_printf("%s:", title);
    g_autofree char *shown = text_escape(value);
    printf("%-15s %s\n", label, shown);
}

int print_pool_done(const Call *call, CisternPool *pool, const char *result, const char *format,
                    ...)
{
    if (call->json) {
        json_t *object = json_object();
        json_set_text(object, "pool", cistern_pool_name(pool));
        json_set_text(object, "uuid", cistern_pool_uuid(pool));
        json_set_text(object, "result", result);
        return json_print(object);
    }
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return report_done(call, "%s", message);
}

json_t *volume_done_json(CisternVolume *volume, const char *result)
{
    json_t *object = json_object();
    json_set_text(object, "pool", cistern_volume_pool_name(volume));
    json_set_text(object, "volume", cistern_volume_name(volume));
    json_set_text(object, "key", cistern_volume_key(volume));
    json_set_text(object, "result", result);
    return object;
}

int print_volume_done(const Call *call, CisternVolume *volume, const char *result,
                      const char *format, ...)
{
    if (call->json)
        return json_print(volume_done_json(volume, result));
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return report_done(call, "%s", message);
}

const char *yes_or_no(bool value)
{
    return value ? "yes" : "no";
}
