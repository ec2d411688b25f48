/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * The text of a configuration file, read one setting at a time.
 */
typedef enum ConfigKind { CONFIG_NUMBER, CONFIG_WORD, CONFIG_LIST } ConfigKind;

typedef struct ConfigSetting {
    char *key;
    guint line; /* of the key */
    ConfigKind kind;
    gint64 number;
    char *word;
    GPtrArray *list; /* of char * */
} ConfigSetting;

void config_setting_clear(ConfigSetting *setting);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ConfigSetting, config_setting_clear)

typedef struct ConfigText {
    const char *path; /* for errors */
    const char *at;   /* what comes next */
    guint line;       /* of it, from 1 */
} ConfigText;

typedef enum ConfigResult { CONFIG_SETTING, CONFIG_END, CONFIG_BROKEN } ConfigResult;

/* The next setting, CONFIG_END after the last, or CONFIG_BROKEN with an error that names file and
 * line. */
ConfigResult config_text_next(ConfigText *text, ConfigSetting *ret, GError **error);

/* Sets an error "<file>:<line>: …". Always false. */
bool config_text_fail(const char *path, guint line, GError **error, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
