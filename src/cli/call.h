/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "command-table.h"

#include <cistern/cistern.h>

/* One run of the program: what the command line asks for, and the connection. */
struct Call {
    const Command *command; /* NULL: none given */
    const char **options;   /* values of global_options, in that order; "" for a flag */
    const char **values;    /* values of the command's arguments, likewise; NULL = not given */
    GPtrArray *rest;        /* words of a COMMAND_REST command */
    bool json;              /* --output json */
    CisternConnection *connection; /* NULL for COMMAND_OFFLINE */
};

/* The value of an argument, NULL when it was not given. */
const char *call_text(const Call *call, const char *argument);
bool call_flag(const Call *call, const char *argument);
/* A size or number; false when it was not given. Its text has been checked by the parser. */
bool call_size(const Call *call, const char *argument, guint64 *ret);
/* The place of an enum's word in the argument's `values`, or `fallback`. */
int call_word(const Call *call, const char *argument, int fallback);

/* The value of a global option, NULL when it was not given. */
const char *call_option(const Call *call, const char *option);

/* One row of a table from argument name to flag bit. */
typedef struct FlagBit {
    const char *argument;
    unsigned int bit;
} FlagBit;

/* The bits of those arguments that were given; rows up to one without a name. */
unsigned int call_flags(const Call *call, const FlagBit *bits);

/* What the commands work with; freed at the end of the scope. */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CisternPool, cistern_pool_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CisternVolume, cistern_volume_free)
