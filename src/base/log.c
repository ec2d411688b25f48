/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static _Atomic LogLevel current_level = LOG_LEVEL_WARNING;

/* The word for people, and the journal's priority (sd-daemon(3)). */
static const struct {
    const char *word;
    int priority;
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", 3},
    [LOG_LEVEL_WARNING] = {"warning", 4},
    [LOG_LEVEL_INFO] = {"info", 6},
    [LOG_LEVEL_DEBUG] = {"debug", 7},
};

void log_set_level(LogLevel level)
{
    atomic_store(&current_level, level);
}

LogLevel log_level(void)
{
    return atomic_load_explicit(&current_level, memory_order_relaxed);
}

void log_message(LogLevel level, const char *format, ...)
{
    g_autofree char *text = NULL;
    g_autofree char *line = NULL;
    va_list args;

    if (level > log_level())
        return;
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    /* A message may quote hostile names: no control characters reach the terminal. */
    for (char *c = text; *c; c++)
        if ((guchar)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    if (g_getenv("JOURNAL_STREAM"))
        line = g_strdup_printf("<%d>%s\n", levels[level].priority, text);
    else
        line = g_strdup_printf("cistern: %s: %s\n", levels[level].word, text);
    fputs(line, stderr);
}
