/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * The one table of commands. Parsing, --help, `help`, completion in three shells
 * and the check of the manual page all read it.
 */

typedef struct Call Call;

typedef enum ArgumentKind {
    ARGUMENT_FLAG,        /* no value */
    ARGUMENT_STRING,      /* any text */
    ARGUMENT_SIZE,        /* "10G": a scaled number of bytes */
    ARGUMENT_SIZE_CHANGE, /* the same, with an optional minus */
    ARGUMENT_NUMBER,      /* decimal digits */
    ARGUMENT_ENUM,        /* one of `values` */
    ARGUMENT_ENUM_LIST,   /* some of `values`, with commas between */
} ArgumentKind;

/* What a shell offers for a value. `values`, where given, are always offered. */
typedef enum Completion {
    COMPLETE_NOTHING,
    COMPLETE_FILE,
    COMPLETE_POOL,
    COMPLETE_VOLUME, /* of the pool given as --inputpool or --pool, else paths */
    COMPLETE_JOB,
    COMPLETE_COMMAND,
} Completion;

typedef struct Argument {
    const char *name; /* without the dashes */
    ArgumentKind kind;
    bool required;
    char letter; /* short form; global options only */
    Completion completion;
    const char *const *values; /* words of an enum; suggestions for a string */
    const char *placeholder;   /* what help calls the value; NULL: by kind */
    const char *excludes;      /* an argument that can't be given beside this one */
    const char *needs;         /* an argument that must be given beside this one */
    const char *help;
} Argument;

typedef enum CommandFlags {
    COMMAND_OFFLINE = 1 << 0, /* needs no connection */
    COMMAND_HIDDEN = 1 << 1,  /* not in help */
    COMMAND_REST = 1 << 2,    /* takes any number of words, unparsed */
} CommandFlags;

typedef struct Command {
    const char *name;
    const char *group; /* "pool", "volume", "job", "host" */
    const char *summary;
    const char *description;   /* more than the summary, or NULL */
    unsigned int flags;        /* CommandFlags */
    const Argument *arguments; /* up to one without a name; values fill them in this order */
    int (*run)(Call *call);    /* returns the exit status */
} Command;

typedef struct CommandGroup {
    const char *name;
    const char *title;
} CommandGroup;

extern const Command command_table[]; /* up to one without a name */
extern const CommandGroup command_groups[];
extern const Argument global_options[];

const Command *command_find(const char *name);
const Argument *argument_find(const Argument *arguments, const char *name);

/* How help and messages call an argument's value: "size". */
const char *argument_placeholder(const Argument *argument);
bool argument_takes_value(const Argument *argument);
int argument_count(const Argument *arguments);

/* Index of `word` in `values`, or -1. */
int word_index(const char *const *values, const char *word);

/* Words that appear in enums, in the order of their numbers in the public header. */
extern const char *const pool_type_words[];
extern const char *const pool_type_filter_words[]; /* in the order of the list flags */
extern const char *const wipe_algorithm_words[];
extern const char *const pool_event_words[];
extern const char *const shell_words[];
