/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include "errors.h"

#include <unistd.h>

void options_clear(Options *options)
{
    g_clear_pointer(&options->root, g_free);
}

static bool parse_level(const char *word, LogLevel *ret, GError **error)
{
    static const char *const words[] = {
        [LOG_LEVEL_ERROR] = "error",
        [LOG_LEVEL_WARNING] = "warning",
        [LOG_LEVEL_INFO] = "info",
        [LOG_LEVEL_DEBUG] = "debug",
    };
    for (guint i = 0; i < G_N_ELEMENTS(words); i++)
        if (g_str_equal(word, words[i])) {
            *ret = (LogLevel)i;
            return true;
        }
    return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                     "--log-level '%s' is none of error, warning, info, debug", word);
}

bool options_parse(int argc, char **argv, Options *ret, GError **error)
{
    g_autofree char *root = NULL, *level = NULL;
    gboolean verbose = FALSE, version = FALSE;
    const GOptionEntry entries[] = {
        {"root", 0, 0, G_OPTION_ARG_FILENAME, &root,
         "Keep everything beneath DIR: definitions in etc, states and sockets in run", "DIR"},
        {"verbose", 'v', 0, G_OPTION_ARG_NONE, &verbose, "Log what is done (--log-level info)",
         NULL},
        {"log-level", 0, 0, G_OPTION_ARG_STRING, &level,
         "What to log: error, warning (default), info, debug", "LEVEL"},
        {"version", 'V', 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- the storage daemon");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, error))
        return false;
    if (argc > 1)
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                         "unexpected argument '%s'; see --help", argv[1]);

    LogLevel log_level = verbose ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING;
    if (level && !parse_level(level, &log_level, error))
        return false;
    *ret = (Options){
        .root = root ? g_canonicalize_filename(root, NULL) : NULL,
        .log_level = log_level,
        .show_version = version,
    };
    return true;
}

Folders folders_choose(const Options *options)
{
    if (options->root)
        return (Folders){
            .base = g_strdup(options->root),
            .config = g_build_filename(options->root, "etc", NULL),
            .state = g_build_filename(options->root, "run", NULL),
            .sockets = g_build_filename(options->root, "run", NULL),
            .has_read_only_socket = true,
        };
    if (geteuid() == 0)
        return (Folders){
            .config = g_strdup("/etc/cistern/storage"),
            .state = g_strdup("/run/cistern/storage"),
            .sockets = g_strdup("/run/cistern"),
            .has_read_only_socket = true,
        };
    return (Folders){
        .config = g_build_filename(g_get_user_config_dir(), "cistern", "storage", NULL),
        .state = g_build_filename(g_get_user_runtime_dir(), "cistern", "storage", NULL),
        .sockets = g_build_filename(g_get_user_runtime_dir(), "cistern", NULL),
    };
}

void folders_clear(Folders *folders)
{
    g_clear_pointer(&folders->base, g_free);
    g_clear_pointer(&folders->config, g_free);
    g_clear_pointer(&folders->state, g_free);
    g_clear_pointer(&folders->sockets, g_free);
}
