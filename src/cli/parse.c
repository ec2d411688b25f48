/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse.h"

#include "size.h"
#include "text.h"

#include <string.h>

G_DEFINE_QUARK(cistern - usage - error - quark, usage_error)

typedef struct Parser {
    Call *call;
    const char *const *words;
    int count;
    int next;
    bool ended;              /* "--" was there */
    bool lost;               /* there is no such command */
    const Argument *pending; /* option whose value is missing at the end of the line */
    GPtrArray *positionals;  /* words without an option name */
} Parser;

static bool refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool refuse(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error_literal(error, USAGE_ERROR, 0, message);
    return false;
}

void call_init(Call *call)
{
    *call = (Call){.rest = g_ptr_array_new()};
    call->options = g_new0(const char *, argument_count(global_options) + 1);
}

void call_clear(Call *call)
{
    g_clear_pointer(&call->options, g_free);
    g_clear_pointer(&call->values, g_free);
    g_clear_pointer(&call->rest, g_ptr_array_unref);
}

static void choose_command(Call *call, const Command *command)
{
    call->command = command;
    call->values = g_new0(const char *, argument_count(command->arguments) + 1);
}

/* Where the value of an argument is kept: with the command or with the global options. */
static const char **value_slot(Call *call, const Argument *argument)
{
    int global = argument_count(global_options);
    if (argument >= global_options && argument < global_options + global)
        return &call->options[argument - global_options];
    return &call->values[argument - call->command->arguments];
}

static bool store(Parser *parser, const Argument *argument, const char *value, GError **error)
{
    const char **slot = value_slot(parser->call, argument);
    if (*slot)
        return refuse(error, "option --%s is given twice", argument->name);
    *slot = value;
    return true;
}

/* The value of an option: behind its "=", else the next word. */
static bool take_value(Parser *parser, const Argument *argument, const char *attached,
                       GError **error)
{
    if (attached)
        return store(parser, argument, attached, error);
    if (parser->next < parser->count)
        return store(parser, argument, parser->words[parser->next++], error);
    parser->pending = argument;
    return refuse(error, "option --%s needs a value: <%s>", argument->name,
                  argument_placeholder(argument));
}

static const Argument *find_option(const Parser *parser, const char *name)
{
    const Command *command = parser->call->command;
    const Argument *own = command ? argument_find(command->arguments, name) : NULL;
    return own ? own : argument_find(global_options, name);
}

static bool unknown_option(const Parser *parser, const char *option, GError **error)
{
    const Command *command = parser->call->command;
    g_autofree char *shown = text_escape(option);
    if (!command)
        return refuse(error, "unknown option '%s'; 'cistern --help' lists the options", shown);
    return refuse(error, "%s has no option '%s'; 'cistern %s --help' lists its options",
                  command->name, shown, command->name);
}

static bool parse_long_option(Parser *parser, const char *word, GError **error)
{
    const char *equals = strchr(word, '=');
    g_autofree char *name = equals ? g_strndup(word, (size_t)(equals - word)) : g_strdup(word);
    const Argument *argument = find_option(parser, name + strlen("--"));
    if (!argument)
        return unknown_option(parser, name, error);
    if (argument_takes_value(argument))
        return take_value(parser, argument, equals ? equals + 1 : NULL, error);
    if (equals)
        return refuse(error, "option --%s takes no value", argument->name);
    return store(parser, argument, "", error);
}

static const Argument *find_letter(char letter)
{
    for (const Argument *argument = global_options; argument->name; argument++)
        if (argument->letter == letter)
            return argument;
    return NULL;
}

/* "-r", "-rq", "-c URI", "-cURI". */
static bool parse_letters(Parser *parser, const char *word, GError **error)
{
    for (const char *letter = word + 1; *letter; letter++) {
        const Argument *argument = find_letter(*letter);
        if (!argument)
            return unknown_option(parser, word, error);
        if (argument_takes_value(argument))
            return take_value(parser, argument, letter[1] ? letter + 1 : NULL, error);
        if (!store(parser, argument, "", error))
            return false;
    }
    return true;
}

static bool unknown_command(Parser *parser, const char *word, GError **error)
{
    g_autofree char *shown = text_escape(word);
    parser->lost = true;
    return refuse(error, "unknown command '%s'; 'cistern help' lists the commands", shown);
}

static bool parse_plain_word(Parser *parser, const char *word, GError **error)
{
    Call *call = parser->call;
    if (!call->command) {
        const Command *command = command_find(word);
        if (!command)
            return unknown_command(parser, word, error);
        choose_command(call, command);
        return true;
    }
    bool rest = call->command->flags & COMMAND_REST;
    g_ptr_array_add(rest ? call->rest : parser->positionals, (gpointer)word);
    return true;
}

/* "-" and numbers below zero are values, not options. */
static bool is_letters(const Parser *parser, const char *word)
{
    bool number = parser->call->command && g_ascii_isdigit(word[1]);
    return word[0] == '-' && word[1] != '\0' && !number;
}

static bool parse_word(Parser *parser, const char *word, GError **error)
{
    if (parser->ended)
        return parse_plain_word(parser, word, error);
    if (strcmp(word, "--") == 0) {
        parser->ended = true;
        return true;
    }
    if (g_str_has_prefix(word, "--"))
        return parse_long_option(parser, word, error);
    if (is_letters(parser, word))
        return parse_letters(parser, word, error);
    return parse_plain_word(parser, word, error);
}

const Argument *call_next_positional(const Call *call)
{
    if (!call->command)
        return NULL;
    const Argument *argument = call->command->arguments;
    for (; argument->name; argument++)
        if (argument_takes_value(argument) && !call->values[argument - call->command->arguments])
            return argument;
    return NULL;
}

static bool place_positionals(Parser *parser, GError **error)
{
    for (guint i = 0; i < parser->positionals->len; i++) {
        const char *word = g_ptr_array_index(parser->positionals, i);
        const Argument *argument = call_next_positional(parser->call);
        g_autofree char *shown = text_escape(word);
        if (!argument)
            return refuse(error, "%s has no use for '%s'; see 'cistern %s --help'",
                          parser->call->command->name, shown, parser->call->command->name);
        *value_slot(parser->call, argument) = word;
    }
    return true;
}

static bool check_words(const Argument *argument, const char *value)
{
    if (argument->kind == ARGUMENT_ENUM)
        return word_index(argument->values, value) >= 0;
    g_auto(GStrv) words = g_strsplit(value, ",", -1);
    for (char **word = words; *word; word++)
        if (word_index(argument->values, *word) < 0)
            return false;
    return words[0] != NULL;
}

static bool check_value(const Argument *argument, const char *value, GError **error)
{
    guint64 number = 0;
    g_autofree char *shown = text_escape(value);
    switch (argument->kind) {
    case ARGUMENT_SIZE_CHANGE:
    case ARGUMENT_SIZE:
        if (argument->kind == ARGUMENT_SIZE_CHANGE && value[0] == '-')
            value++;
        if (!size_from_text(value, &number))
            return refuse(error,
                          "'%s' is not a size for --%s: write a whole number of bytes, or "
                          "one with a unit such as 10G or 512MiB, below 8 EiB",
                          shown, argument->name);
        return true;
    case ARGUMENT_NUMBER:
        if (!number_from_text(value, &number))
            return refuse(error, "'%s' is not a number for --%s", shown, argument->name);
        return true;
    case ARGUMENT_ENUM:
    case ARGUMENT_ENUM_LIST:
        if (!check_words(argument, value)) {
            g_autofree char *words = g_strjoinv(", ", (char **)argument->values);
            return refuse(error, "'%s' is not a value for --%s: it takes %s", shown, argument->name,
                          words);
        }
        return true;
    default:
        return true;
    }
}

static bool check_argument(const Call *call, const Argument *argument, GError **error)
{
    const char *value = call_text(call, argument->name);
    if (!value && argument->required)
        return refuse(error, "%s needs <%s>; see 'cistern %s --help'", call->command->name,
                      argument->name, call->command->name);
    if (!value)
        return true;
    if (argument->excludes && call_text(call, argument->excludes))
        return refuse(error, "--%s and --%s exclude each other", argument->name,
                      argument->excludes);
    if (argument->needs && !call_text(call, argument->needs))
        return refuse(error, "--%s needs --%s beside it", argument->name, argument->needs);
    return check_value(argument, value, error);
}

static bool check_arguments(const Call *call, GError **error)
{
    for (const Argument *argument = call->command->arguments; argument->name; argument++)
        if (!check_argument(call, argument, error))
            return false;
    return true;
}

static bool check_options(const Call *call, GError **error)
{
    for (const Argument *option = global_options; option->name; option++) {
        const char *value = call_option(call, option->name);
        if (value && !check_value(option, value, error))
            return false;
    }
    return true;
}

bool call_parse(Call *call, const char *const *words, int count, GError **error)
{
    g_autoptr(GPtrArray) positionals = g_ptr_array_new();
    Parser parser = {.call = call, .words = words, .count = count, .positionals = positionals};
    while (parser.next < count)
        if (!parse_word(&parser, words[parser.next++], error))
            return false;
    if (!check_options(call, error))
        return false;
    const char *output = call_option(call, "output");
    call->json = output && strcmp(output, "json") == 0;
    if (!call->command || call_option(call, "help") || call_option(call, "version"))
        return true;
    return place_positionals(&parser, error) && check_arguments(call, error);
}

bool call_parse_partial(Call *call, const char *const *words, int count,
                        const Argument **ret_pending, bool *ret_ended)
{
    g_autoptr(GPtrArray) positionals = g_ptr_array_new();
    Parser parser = {.call = call, .words = words, .count = count, .positionals = positionals};
    while (parser.next < count)
        (void)parse_word(&parser, words[parser.next++], NULL);
    if (call->command)
        (void)place_positionals(&parser, NULL);
    *ret_pending = parser.pending;
    *ret_ended = parser.ended;
    return !parser.lost;
}
