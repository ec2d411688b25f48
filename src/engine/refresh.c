/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backend-call.h"
#include "log.h"
#include "pool-private.h"

static void note_problem(ChangeWindow *window, const GError *error)
{
    Pool *pool = window->pool;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    if (pool->run != window->run)
        return;
    g_free(pool->problem);
    pool->problem = g_strdup(error->message);
}

/* A scan that was called off says nothing about the storage. */
static bool is_problem(const GError *error)
{
    return error_code(error) != ERROR_ABORTED;
}

/* Once, until something else is found. */
static void tell_degraded(Pool *pool, const ScanResult *result)
{
    g_autofree char *known = pool_problem(pool);

    if (result->degraded && g_strcmp0(known, result->degraded) != 0)
        log_warning("pool '%s' is degraded: %s", pool->name, result->degraded);
}

static bool scan_in(ChangeWindow *window, Collector *collector, const PoolView *view, Operation *op,
                    GError **error)
{
    g_auto(ScanResult) result = {0};
    g_autoptr(GError) failure = NULL;

    if (!call_scan(view, op, collector_scan(collector), &failure)) {
        if (is_problem(failure))
            note_problem(window, failure);
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    collector_finish(collector, &result);
    tell_degraded(window->pool, &result);
    return pool_adopt_scan(window, &result, error);
}

bool pool_scan(Pool *pool, Operation *op, GError **error)
{
    ChangeWindow window;

    change_window_open(&window, pool, NULL);
    g_auto(PoolView) view = pool_view(pool);
    g_autoptr(Inventory) previous = pool_present_list(pool);
    g_autoptr(Collector) collector = collector_new(view.def->target_path, previous);
    bool scanned = scan_in(&window, collector, &view, op, error);
    change_window_close(&window);
    return scanned;
}

bool pool_refresh(Pool *pool, const Request *request, GError **error)
{
    g_autoptr(Lease) lease = lease_take_one(pool, OP_REFRESH, NULL, request, error);

    if (!lease)
        return false;
    pool_watch(pool); /* it may have been lost */
    if (!pool_scan(pool, request->op, error))
        return false;
    event_push(pool->engine->events, EVENT_REFRESHED, pool->name, &pool->uuid);
    event_deliver(pool->engine->events);
    return true;
}
