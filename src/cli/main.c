/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ask.h"
#include "help.h"
#include "parse.h"
#include "progress.h"
#include "report.h"
#include "terminal.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>

static void tell_connection(const Call *call)
{
    if (!call_option(call, "verbose"))
        return;
    const char *uri = cistern_uri(call->connection);
    bool chosen = call_option(call, "connect") || g_getenv("CISTERN_DEFAULT_URI");
    if (cistern_is_embedded(call->connection))
        report_note(call, "%sthe embedded engine in this process serves %s",
                    chosen ? "" : "no daemon answers; ", uri);
    else
        report_note(call, "connected to the daemon at %s", uri);
}

static int run_connected(Call *call)
{
    unsigned int flags = call_option(call, "readonly") ? CISTERN_OPEN_READ_ONLY : 0;
    cistern_set_ask(ask_on_terminal, NULL);
    call->connection = cistern_open(call_option(call, "connect"), flags);
    if (!call->connection)
        return report_failure(call);
    progress_catch_interrupts();
    tell_connection(call);
    int status = call->command->run(call);
    cistern_close(call->connection);
    return status;
}

/* Results that could not be written are a failure, not a success. */
static int finish_output(const Call *call, int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    int failure = errno;
    return status == STATUS_OK
               ? report_trouble(call, "can't write the output: %s", g_strerror(failure))
               : status;
}

static int run(Call *call)
{
    if (call_option(call, "version"))
        return command_find("version")->run(call);
    if (!call->command) {
        help_program(call);
        return call_option(call, "help") ? STATUS_OK : STATUS_USAGE;
    }
    if (call_option(call, "help"))
        return help_command(call, call->command);
    if (call->command->flags & COMMAND_OFFLINE)
        return call->command->run(call);
    return run_connected(call);
}

int main(int argc, char **argv)
{
    setlocale(LC_ALL, "");
    Call call;
    call_init(&call);
    g_autoptr(GError) error = NULL;
    bool parsed = call_parse(&call, (const char *const *)argv + 1, MAX(argc - 1, 0), &error);
    terminal_init(&call);
    int status = parsed ? run(&call) : report_usage(&call, error->message);
    status = finish_output(&call, status);
    call_clear(&call);
    return status;
}
