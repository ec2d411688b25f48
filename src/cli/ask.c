/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ask.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>

/* Without the end of the line; NULL at the end of input. */
static char *read_line(FILE *terminal)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length = getline(&line, &size, terminal);

    if (length < 0) {
        free(line);
        return NULL;
    }
    line[strcspn(line, "\n")] = '\0';
    return line;
}

static char *read_unseen(FILE *terminal)
{
    struct termios before, without_echo;
    bool changed = tcgetattr(fileno(terminal), &before) == 0;

    if (changed) {
        without_echo = before;
        without_echo.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(fileno(terminal), TCSAFLUSH, &without_echo);
    }
    char *line = read_line(terminal);
    if (changed)
        tcsetattr(fileno(terminal), TCSAFLUSH, &before);
    fputc('\n', terminal);
    return line;
}

char *ask_on_terminal(CisternCredential wanted, const char *prompt, void *unused)
{
    FILE *terminal = fopen("/dev/tty", "r+e");

    if (!terminal)
        return NULL;
    setvbuf(terminal, NULL, _IONBF, 0);
    fprintf(terminal, "%s: ", prompt);
    char *answer =
        wanted == CISTERN_CREDENTIAL_PASSWORD ? read_unseen(terminal) : read_line(terminal);
    fclose(terminal);
    return answer;
}
