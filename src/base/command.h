/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "operation.h"

/*
 * External programs. Every program is run here: an argument vector and no
 * shell, LC_ALL=C, a process group of its own, stdin from memory or
 * /dev/null, output bounded. It dies with us, unless it says otherwise. Secrets
 * travel through `input` or passed descriptors only.
 */
typedef struct Command {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
    const void *input;       /* bytes for stdin, or NULL */
    size_t input_size;
    size_t output_limit; /* bytes of stdout kept; 0 = 1 MiB; more output is an error */
    const int *pass_fds; /* descriptors that stay open in the child under the same number */
    size_t n_pass_fds;
    /* It goes on to its own end when this process is killed: for programs that take several steps
     * to a change, under a lock of their own, and don't take up a half of it later. What they print
     * then goes nowhere. Cancel and deadline end them like any other. */
    bool outlives_us;
    gint64 time_limit; /* microseconds, within the operation's deadline; 0 = none of its own */
    /* Called with each chunk of stdout as it comes, to read progress; may be NULL. */
    void (*on_output)(const char *chunk, size_t size, void *data);
    void *data;
} Command;

typedef struct CommandResult {
    int exit_status; /* 0–255, or -1 when a signal ended it */
    int signal;      /* that signal, else 0 */
    char *output;    /* stdout, NUL-terminated */
    size_t output_size;
    char *errors; /* the last 4 KiB of stderr, NUL-terminated, without trailing white space */
} CommandResult;

void command_result_clear(CommandResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CommandResult, command_result_clear)

/* Runs the command to its end through the operation's runner. True when the program was started
 * and ended by itself, whatever its exit status. Errors: the program is missing (ERROR_INTERNAL,
 * names the program), cancelled, past the deadline or the time limit (ERROR_TIMEOUT; the process
 * group is terminated, then killed), too much output. */
bool command_run(Operation *op, const Command *command, CommandResult *ret, GError **error);

/* command_run() and an error for any exit status but 0: "<program> failed with status N: <stderr>".
 */
bool command_run_ok(Operation *op, const Command *command, CommandResult *ret, GError **error);

/* The real runner, which an operation has until another is set. */
bool command_run_real(Operation *op, const Command *command, CommandResult *ret, void *data,
                      GError **error);
