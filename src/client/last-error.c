/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "last-error.h"

#include <cistern/cistern.h>

typedef struct LastError {
    CisternError public;
    GError *error; /* owns the message */
} LastError;

static void last_error_free(gpointer data)
{
    LastError *last = data;
    g_clear_error(&last->error);
    g_free(last);
}

static GPrivate last_error_key = G_PRIVATE_INIT(last_error_free);

static LastError *last_error_of_thread(void)
{
    LastError *last = g_private_get(&last_error_key);
    if (last)
        return last;
    last = g_new0(LastError, 1);
    last->public = (CisternError){.name = "none", .message = ""};
    g_private_set(&last_error_key, last);
    return last;
}

const CisternError *cistern_last_error(void)
{
    return &last_error_of_thread()->public;
}

int last_error_take(GError *error)
{
    LastError *last = last_error_of_thread();
    g_clear_error(&last->error);
    last->error = error;
    last->public = (CisternError){
        .code = error_code(error),
        .origin = error_origin(error),
        .system_error = error_errno(error),
        .name = error_name(error_code(error)),
        .message = error->message,
        .exit_status = error_exit_status(error_code(error)),
    };
    return -1;
}

int last_error_null(const char *argument)
{
    GError *error = NULL;
    error_set(&error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE, "%s must not be NULL", argument);
    return last_error_take(error);
}
