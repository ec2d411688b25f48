/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include "errors.h"

#define TIMEOUT_MAX (10 * 365 * 86400) /* seconds */

void options_clear(Options *options)
{
    g_clear_pointer(&options->root, g_free);
    g_clear_pointer(&options->config_file, g_free);
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

static bool check(const Options *options, int timeout, GError **error)
{
    if (options->root && options->libvirt)
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                         "--libvirt takes libvirt's folders, --root one of your own; give one of "
                         "them");
    return (timeout >= 0 && timeout <= TIMEOUT_MAX) ||
           error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                     "--timeout is a number of seconds up to %d", TIMEOUT_MAX);
}

/* The empty text is a variable that a script forgot to set, not the current folder. */
static bool make_absolute(const char *option, const char *path, char **ret, GError **error)
{
    *ret = path ? g_canonicalize_filename(path, NULL) : NULL;
    return !path || path[0] != '\0' ||
           error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE, "%s names nothing", option);
}

bool options_parse(int argc, char **argv, Options *ret, GError **error)
{
    g_autofree char *root = NULL, *config = NULL, *level = NULL;
    gboolean verbose = FALSE, version = FALSE, libvirt = FALSE, check_config = FALSE;
    int timeout = 0;
    const GOptionEntry entries[] = {
        {"root", 0, 0, G_OPTION_ARG_FILENAME, &root,
         "Keep everything beneath DIR: definitions in etc, states and sockets in run", "DIR"},
        {"libvirt", 0, 0, G_OPTION_ARG_NONE, &libvirt,
         "Take the place of virtstoraged: its sockets, definitions and states", NULL},
        {"config", 'f', 0, G_OPTION_ARG_FILENAME, &config, "Read this configuration file", "FILE"},
        {"check-config", 0, 0, G_OPTION_ARG_NONE, &check_config,
         "Read the configuration, say what is wrong with it and exit", NULL},
        {"timeout", 't', 0, G_OPTION_ARG_INT, &timeout,
         "Exit after so many seconds without clients and jobs", "SECONDS"},
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

    LogLevel log_level = LOG_LEVEL_INFO;
    if (level && !parse_level(level, &log_level, error))
        return false;
    *ret = (Options){
        .libvirt = libvirt,
        .timeout = (guint)timeout,
        .has_log_level = level || verbose,
        .log_level = log_level,
        .check_config = check_config,
        .show_version = version,
    };
    return make_absolute("--root", root, &ret->root, error) &&
           make_absolute("--config", config, &ret->config_file, error) &&
           check(ret, timeout, error);
}
