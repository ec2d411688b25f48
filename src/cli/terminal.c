/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

static struct {
    bool output, error, color;
} terminal;

void terminal_init(const Call *call)
{
    const char *no_color = g_getenv("NO_COLOR");
    terminal.output = isatty(STDOUT_FILENO) == 1;
    terminal.error = isatty(STDERR_FILENO) == 1;
    terminal.color = !call_option(call, "no-color") && (!no_color || *no_color == '\0') &&
                     g_strcmp0(g_getenv("TERM"), "dumb") != 0;
}

bool terminal_on_output(void)
{
    return terminal.output;
}

bool terminal_on_error(void)
{
    return terminal.error;
}

int terminal_width(void)
{
    struct winsize size = {0};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

static const char *escape_of(Color color, bool on_terminal)
{
    static const char *const escapes[] = {"\033[0m", "\033[32m", "\033[33m", "\033[31m"};
    return on_terminal && terminal.color ? escapes[color] : "";
}

const char *terminal_color_output(Color color)
{
    return escape_of(color, terminal.output);
}

const char *terminal_color_error(Color color)
{
    return escape_of(color, terminal.error);
}
