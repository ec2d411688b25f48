/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "log.h"

#include <stdbool.h>

typedef struct Options {
    char *root; /* absolute, or NULL */
    LogLevel log_level;
    bool show_version;
} Options;

void options_clear(Options *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

/* Reads the command line; --help is answered here and ends the process. */
bool options_parse(int argc, char **argv, Options *ret, GError **error);

/* Where things lie. */
typedef struct Folders {
    char *base;   /* locked as a whole (see state-folder.h), or NULL */
    char *config; /* definitions */
    char *state;  /* running pools */
    char *sockets;
    bool has_read_only_socket;
} Folders;

/* Beneath the root of the options; else the system's for root, the user's for others. */
Folders folders_choose(const Options *options);
void folders_clear(Folders *folders);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Folders, folders_clear)
