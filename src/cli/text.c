/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text.h"

#include <stdbool.h>
#include <string.h>

static void append_code(GString *out, gunichar character)
{
    static const char *const short_forms[] = {['\t'] = "\\t", ['\n'] = "\\n", ['\r'] = "\\r"};
    if (character < G_N_ELEMENTS(short_forms) && short_forms[character])
        g_string_append(out, short_forms[character]);
    else if (character < 0x100)
        g_string_append_printf(out, "\\x%02x", character);
    else
        g_string_append_printf(out, "\\u%04x", character);
}

static bool acts_on_terminals(gunichar character)
{
    switch (g_unichar_type(character)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
    case G_UNICODE_SURROGATE:
        return true;
    default:
        return false;
    }
}

static char *escape(const char *text, const char *kept)
{
    GString *out = g_string_new(NULL);
    while (*text != '\0') {
        gunichar character = g_utf8_get_char_validated(text, -1);
        if (character == (gunichar)-1 || character == (gunichar)-2) {
            append_code(out, (guchar)*text++);
            continue;
        }
        if (acts_on_terminals(character) && !(character < 0x80 && strchr(kept, (int)character)))
            append_code(out, character);
        else
            g_string_append_unichar(out, character);
        text = g_utf8_next_char(text);
    }
    return g_string_free(out, FALSE);
}

char *text_escape(const char *text)
{
    return escape(text, "");
}

char *text_escape_document(const char *text)
{
    return escape(text, "\n\t");
}

int text_width(const char *escaped)
{
    int width = 0;
    for (; *escaped != '\0'; escaped = g_utf8_next_char(escaped)) {
        gunichar character = g_utf8_get_char(escaped);
        if (!g_unichar_iszerowidth(character))
            width += g_unichar_iswide(character) ? 2 : 1;
    }
    return width;
}

/* The last block of a bar in eighths, from empty to nearly full. */
static const char *const eighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};

static char *bar_of_blocks(double part, int width)
{
    GString *bar = g_string_new(NULL);
    int filled = (int)(part * width * 8 + 0.5);
    for (int column = 0; column < width; column++) {
        int rest = CLAMP(filled - column * 8, 0, 8);
        g_string_append(bar, rest == 8 ? "█" : rest == 0 ? "░" : eighths[rest]);
    }
    return g_string_free(bar, FALSE);
}

static char *bar_of_letters(double part, int width)
{
    GString *bar = g_string_new(NULL);
    int filled = (int)(part * width + 0.5);
    for (int column = 0; column < width; column++)
        g_string_append_c(bar, column < filled ? '#' : '-');
    return g_string_free(bar, FALSE);
}

char *text_bar(double part, int width)
{
    part = CLAMP(part, 0, 1);
    return g_get_charset(NULL) ? bar_of_blocks(part, width) : bar_of_letters(part, width);
}
