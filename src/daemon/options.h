/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config.h"

typedef struct Options {
    char *root;        /* absolute, or NULL */
    char *config_file; /* absolute, or NULL */
    bool libvirt;      /* in the place of libvirt's storage daemon */
    guint timeout;     /* seconds without clients and jobs after which it ends; 0: never */
    bool has_log_level;
    LogLevel log_level; /* then it goes before the configuration's */
    bool check_config;
    bool show_version;
} Options;

void options_clear(Options *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

/* Reads the command line; --help is answered here and ends the process. */
bool options_parse(int argc, char **argv, Options *ret, GError **error);
