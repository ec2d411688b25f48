/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "help.h"

#include "commands.h"
#include "json-output.h"
#include "report.h"
#include "text.h"

#include <string.h>

#define LABEL_WIDTH 30
#define LINE_WIDTH  92

/* ---- text ---- */

/* Breaks `text` at spaces into lines that begin at column `indent`; the first line is already
 * there. */
static void print_wrapped(const char *text, int indent)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    int column = indent;
    for (char **word = words; *word; word++) {
        int width = text_width(*word);
        if (column > indent && column + 1 + width > LINE_WIDTH) {
            printf("\n%*s", indent, "");
            column = indent;
        }
        printf("%s%s", column > indent ? " " : "", *word);
        column += width + (column > indent);
    }
    putchar('\n');
}

static void print_labelled(const char *label, const char *text)
{
    int padding = LABEL_WIDTH - 2 - text_width(label);
    if (padding > 1)
        printf("  %s%*s", label, padding, "");
    else
        printf("  %s\n%*s", label, LABEL_WIDTH, "");
    print_wrapped(text, LABEL_WIDTH);
}

/* "--pool <pool>", "-o, --output <text|json>". */
static char *option_label(const Argument *argument)
{
    GString *label = g_string_new(NULL);
    if (argument->letter)
        g_string_append_printf(label, "-%c, ", argument->letter);
    g_string_append_printf(label, "--%s", argument->name);
    if (argument_takes_value(argument))
        g_string_append_printf(label, " <%s>", argument_placeholder(argument));
    return g_string_free(label, FALSE);
}

static void print_arguments(const char *title, const Argument *arguments, bool required)
{
    bool any = false;
    for (; arguments->name; arguments++) {
        if (arguments->required != required)
            continue;
        if (!any)
            printf("\n%s:\n", title);
        any = true;
        g_autofree char *label = required ? g_strdup_printf("[--%s] <%s>", arguments->name,
                                                            argument_placeholder(arguments))
                                          : option_label(arguments);
        print_labelled(label, arguments->help);
    }
}

static void print_usage(const Command *command)
{
    g_autoptr(GString) usage = g_string_new("Usage: cistern ");
    g_string_append(usage, command->name);
    for (const Argument *argument = command->arguments; argument->name; argument++) {
        g_autofree char *label = option_label(argument);
        if (argument->required)
            g_string_append_printf(usage, " <%s>", argument->name);
        else
            g_string_append_printf(usage, " [%s]", label);
    }
    print_wrapped(usage->str, 0);
}

static void print_group(const CommandGroup *group)
{
    printf("%s (cistern help %s):\n", group->title, group->name);
    for (const Command *command = command_table; command->name; command++)
        if (strcmp(command->group, group->name) == 0 && !(command->flags & COMMAND_HIDDEN))
            print_labelled(command->name, command->summary);
    putchar('\n');
}

/* ---- JSON ---- */

static json_t *argument_json(const Argument *argument)
{
    static const char *const kinds[] = {"flag",   "string", "size",     "size-change",
                                        "number", "enum",   "enum-list"};
    char letter[] = {argument->letter, '\0'};
    json_t *object = json_object();
    json_set_text(object, "name", argument->name);
    json_set_text(object, "kind", kinds[argument->kind]);
    json_set_bool(object, "required", argument->required);
    json_set_optional(object, "letter", letter);
    json_t *values = json_array();
    for (int i = 0; argument->values && argument->values[i]; i++)
        json_array_append_new(values, json_text(argument->values[i]));
    json_object_set_new(object, "values", values);
    json_set_text(object, "help", argument->help);
    return object;
}

static json_t *arguments_json(const Argument *arguments)
{
    json_t *array = json_array();
    for (; arguments->name; arguments++)
        json_array_append_new(array, argument_json(arguments));
    return array;
}

static json_t *command_json(const Command *command)
{
    json_t *object = json_object();
    json_set_text(object, "name", command->name);
    json_set_text(object, "group", command->group);
    json_set_text(object, "summary", command->summary);
    json_set_optional(object, "description", command->description);
    json_object_set_new(object, "arguments", arguments_json(command->arguments));
    return object;
}

/* The commands of one group, or of all (NULL). */
static int print_commands_json(const CommandGroup *group)
{
    json_t *commands = json_array();
    for (const Command *command = command_table; command->name; command++) {
        bool wanted = !group || strcmp(command->group, group->name) == 0;
        if (wanted && !(command->flags & COMMAND_HIDDEN))
            json_array_append_new(commands, command_json(command));
    }
    json_t *object = json_object();
    json_object_set_new(object, "options", arguments_json(global_options));
    json_object_set_new(object, "commands", commands);
    return json_print(object);
}

/* ---- entry points ---- */

int help_program(const Call *call)
{
    if (call->json)
        return print_commands_json(NULL);
    puts("Usage: cistern [options] <command> [arguments]\n\n"
         "Manages pools and volumes of storage for virtual machines.\n");
    for (const CommandGroup *group = command_groups; group->name; group++)
        print_group(group);
    fputs("'cistern <command> --help' tells more about a command, cistern(1) everything.\n",
          stdout);
    print_arguments("Options", global_options, false);
    return STATUS_OK;
}

int help_command(const Call *call, const Command *command)
{
    if (call->json)
        return json_print(command_json(command));
    print_usage(command);
    printf("\n%s: ", command->name);
    print_wrapped(command->summary, text_width(command->name) + 2);
    if (command->description) {
        putchar('\n');
        print_wrapped(command->description, 0);
    }
    print_arguments("Arguments", command->arguments, true);
    print_arguments("Options", command->arguments, false);
    puts("\nThe options of every command are listed by 'cistern --help'.");
    return STATUS_OK;
}

static const CommandGroup *find_group(const char *name)
{
    for (const CommandGroup *group = command_groups; group->name; group++)
        if (strcmp(group->name, name) == 0)
            return group;
    return NULL;
}

int run_help(Call *call)
{
    const char *topic = call_text(call, "command");
    if (!topic)
        return help_program(call);
    const Command *command = command_find(topic);
    if (command)
        return help_command(call, command);
    const CommandGroup *group = find_group(topic);
    if (!group) {
        g_autofree char *shown = text_escape(topic);
        g_autofree char *message =
            g_strdup_printf("there is no command or group '%s'; 'cistern help' lists them", shown);
        return report_usage(call, message);
    }
    if (call->json)
        return print_commands_json(group);
    print_group(group);
    return STATUS_OK;
}
