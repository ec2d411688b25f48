/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call-log.h"

#include "errors.h"
#include "log.h"

#include <unistd.h>

/* The name of the pool that the call begins with, or NULL. */
static const char *pool_in_arguments(const Call *call)
{
    const XdrType *type = call->procedure->args;

    if (!call->args)
        return NULL;
    if (type->n_fields > 0 && type->fields[0].kind == XDR_STRUCT)
        type = type->fields[0].type;
    if (type == &rpc_pool_type)
        return ((const RpcPool *)call->args)->name;
    return type == &rpc_volume_type ? ((const RpcVolume *)call->args)->pool : NULL;
}

/* A program that has the engine within itself is told already, and says so itself. */
static bool is_embedded(const Call *call)
{
    return call->identity->has_process && call->identity->pid == getpid();
}

static LogLevel level_of(const Call *call, const GError *error)
{
    static const ErrorCode own_faults[] = {ERROR_SYSTEM, ERROR_NO_MEMORY, ERROR_OPERATION_FAILED,
                                           ERROR_TIMEOUT};

    if (!error)
        return LOG_LEVEL_DEBUG;
    for (guint i = 0; i < G_N_ELEMENTS(own_faults) && !is_embedded(call); i++)
        if (error_code(error) == own_faults[i])
            return LOG_LEVEL_WARNING;
    return LOG_LEVEL_INFO;
}

void call_log_end(Call *call, const GError *error)
{
    LogLevel level = level_of(call, error);

    if (!g_atomic_int_compare_and_exchange(&call->logged, 0, 1) || log_level() < level)
        return;
    const char *pool = pool_in_arguments(call);
    log_message(level, "request %" G_GUINT64_FORMAT " of %s: %s%s%s%s: %s, %.1f ms%s%s", call->id,
                call->client, call->procedure->name, pool ? " in pool '" : "", pool ? pool : "",
                pool ? "'" : "", error ? "failed" : "done",
                (double)(g_get_monotonic_time() - call->began) / 1000, error ? ": " : "",
                error ? error->message : "");
}
