/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * The process's log: one line per message on stderr, with the journal's
 * priority prefix when stderr is the journal. Libraries log at debug only; an
 * error is logged once, where its request ends. Thread-safe.
 */
typedef enum LogLevel {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
} LogLevel;

/* Messages above `level` are dropped. The start value is LOG_LEVEL_WARNING. */
void log_set_level(LogLevel level);
LogLevel log_level(void);

void log_message(LogLevel level, const char *format, ...) G_GNUC_PRINTF(2, 3);

#define log_error(...)   log_message(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_message(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
    (log_level() >= LOG_LEVEL_DEBUG ? log_message(LOG_LEVEL_DEBUG, __VA_ARGS__) : (void)0)
