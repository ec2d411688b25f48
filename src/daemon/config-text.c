/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-text.h"

#include "errors.h"

#include <stdarg.h>
#include <string.h>

#define NUMBER_MAX_LENGTH 18 /* digits that surely fit */
#define KEY_CHARACTERS    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

void config_setting_clear(ConfigSetting *setting)
{
    g_clear_pointer(&setting->key, g_free);
    g_clear_pointer(&setting->word, g_free);
    g_clear_pointer(&setting->list, g_ptr_array_unref);
}

bool config_text_fail(const char *path, guint line, GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *detail = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set_bare(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE, "%s:%u: %s", path, line,
                          detail);
}

#define fail(text, ...) config_text_fail((text)->path, (text)->line, error, __VA_ARGS__)

/* ---- what means nothing ---- */

static void skip_blanks(ConfigText *text)
{
    text->at += strspn(text->at, " \t\r");
}

static void skip_comment(ConfigText *text)
{
    if (*text->at == '#')
        text->at += strcspn(text->at, "\n");
}

/* Blanks, comments and ends of lines. */
static void skip_lines(ConfigText *text)
{
    for (;;) {
        skip_blanks(text);
        skip_comment(text);
        if (*text->at != '\n')
            return;
        text->at++;
        text->line++;
    }
}

/* ---- values ---- */

static bool read_word(ConfigText *text, char **ret, GError **error)
{
    const char quote = *text->at;
    const char ends[] = {quote, '\n', '\0'};
    size_t length = strcspn(text->at + 1, ends);

    if (text->at[1 + length] != quote)
        return fail(text, "the quotation mark at %.20s is not closed on its line",
                    g_utf8_validate(text->at, (gssize)MIN(length, 20), NULL) ? text->at
                                                                             : "its beginning");
    *ret = g_strndup(text->at + 1, length);
    text->at += length + 2;
    return true;
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

static bool read_element(ConfigText *text, GPtrArray *list, GError **error)
{
    char *word = NULL;

    if (!is_quote(*text->at))
        return fail(text, "a list holds words in quotation marks, separated by commas");
    if (!read_word(text, &word, error))
        return false;
    g_ptr_array_add(list, word);
    skip_lines(text);
    if (*text->at == ',')
        text->at++;
    else if (*text->at != ']')
        return fail(text, "after a word of a list comes a comma or the closing bracket");
    skip_lines(text);
    return true;
}

static bool read_list(ConfigText *text, ConfigSetting *setting, GError **error)
{
    setting->kind = CONFIG_LIST;
    setting->list = g_ptr_array_new_with_free_func(g_free);
    text->at++;
    skip_lines(text);
    while (*text->at != ']') {
        if (*text->at == '\0')
            return config_text_fail(text->path, setting->line, error,
                                    "the list of '%s' has no closing bracket", setting->key);
        if (!read_element(text, setting->list, error))
            return false;
    }
    text->at++;
    return true;
}

static bool read_number(ConfigText *text, ConfigSetting *setting, GError **error)
{
    bool negative = *text->at == '-';
    const char *digits = text->at + negative;
    size_t length = strspn(digits, "0123456789");

    if (length == 0 || length > NUMBER_MAX_LENGTH)
        return fail(
            text,
            "the value of '%s' is neither a number, nor a word in quotation marks, nor a list",
            setting->key);
    setting->kind = CONFIG_NUMBER;
    setting->number = g_ascii_strtoll(text->at, NULL, 10);
    text->at = digits + length;
    return true;
}

static bool read_value(ConfigText *text, ConfigSetting *setting, GError **error)
{
    if (*text->at == '[')
        return read_list(text, setting, error);
    if (!is_quote(*text->at))
        return read_number(text, setting, error);
    setting->kind = CONFIG_WORD;
    return read_word(text, &setting->word, error);
}

/* ---- settings ---- */

static bool read_key(ConfigText *text, ConfigSetting *setting, GError **error)
{
    size_t length = strspn(text->at, KEY_CHARACTERS);

    if (length == 0)
        return fail(text, "a line is `key = value`, a comment that begins with #, or empty");
    setting->line = text->line;
    setting->key = g_strndup(text->at, length);
    text->at += length;
    skip_blanks(text);
    if (*text->at != '=')
        return fail(text, "after '%s' comes no '='", setting->key);
    text->at++;
    skip_blanks(text);
    return true;
}

static bool read_end_of_line(ConfigText *text, const ConfigSetting *setting, GError **error)
{
    skip_blanks(text);
    skip_comment(text);
    return *text->at == '\n' || *text->at == '\0' ||
           fail(text, "after the value of '%s' comes something else", setting->key);
}

ConfigResult config_text_next(ConfigText *text, ConfigSetting *ret, GError **error)
{
    g_auto(ConfigSetting) setting = {0};

    skip_lines(text);
    if (*text->at == '\0')
        return CONFIG_END;
    if (!read_key(text, &setting, error) || !read_value(text, &setting, error) ||
        !read_end_of_line(text, &setting, error))
        return CONFIG_BROKEN;
    *ret = setting;
    setting = (ConfigSetting){0};
    return CONFIG_SETTING;
}
