/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connection.h"

/* Handed out by one call at most, so that a stream of events does not keep its caller for ever. */
#define BATCH_MAX 1024

/* One for the caller; one for each kind of event at the other side. */
typedef struct Registration {
    gint32 ids[RPC_EVENT_COUNT]; /* of the other side; the first is the public one */
    CisternEventCallback callback;
    void *data;
} Registration;

struct EventRegistry {
    /* Held through a registration, so that an event that is quicker than the answer to it waits. */
    GMutex lock;
    GPtrArray *registrations;
};

EventRegistry *event_registry_new(void)
{
    EventRegistry *registry = g_new0(EventRegistry, 1);
    g_mutex_init(&registry->lock);
    registry->registrations = g_ptr_array_new_with_free_func(g_free);
    return registry;
}

void event_registry_free(EventRegistry *registry)
{
    g_ptr_array_unref(registry->registrations);
    g_mutex_clear(&registry->lock);
    g_free(registry);
}

/* ---- registering ---- */

static int deregister_kind(CisternConnection *connection, gint32 id)
{
    return call_for_nothing(connection, REMOTE_CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY,
                            &(RpcInt){id});
}

static bool register_kinds(CisternConnection *connection, CisternPool *pool,
                           gint32 ids[RPC_EVENT_COUNT])
{
    for (gint32 kind = 0; kind < RPC_EVENT_COUNT; kind++) {
        RpcEventRegister args = {kind, pool ? &pool->id : NULL};
        ids[kind] = call_for_int(connection, REMOTE_CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY, &args);
        if (ids[kind] >= 0)
            continue;
        while (kind-- > 0)
            deregister_kind(connection, ids[kind]);
        return false;
    }
    return true;
}

int cistern_event_register(CisternConnection *connection, CisternPool *pool,
                           CisternEventCallback callback, void *data)
{
    if (!given(connection) || !given(callback))
        return -1;
    EventRegistry *registry = connection_events(connection);
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&registry->lock);
    Registration registration = {.callback = callback, .data = data};
    if (!register_kinds(connection, pool, registration.ids))
        return -1;
    g_ptr_array_add(registry->registrations, g_memdup2(&registration, sizeof registration));
    return registration.ids[0];
}

static Registration *find_registration(EventRegistry *registry, RpcEventId kind, gint32 id)
{
    for (guint i = 0; i < registry->registrations->len; i++) {
        Registration *registration = registry->registrations->pdata[i];
        if (registration->ids[kind] == id)
            return registration;
    }
    return NULL;
}

int cistern_event_unregister(CisternConnection *connection, int id)
{
    if (!given(connection))
        return -1;
    EventRegistry *registry = connection_events(connection);
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&registry->lock);
    Registration *registration = find_registration(registry, RPC_EVENT_LIFECYCLE, id);
    if (!registration) {
        GError *error = NULL;
        error_set(&error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                  "there is no event registration with the id %d", id);
        return last_error_take(error);
    }
    int result = 0;
    for (guint kind = 0; kind < RPC_EVENT_COUNT; kind++)
        if (deregister_kind(connection, registration->ids[kind]) < 0)
            result = -1;
    g_ptr_array_remove_fast(registry->registrations, registration);
    return result;
}

/* ---- handing out ---- */

static bool copy_registration(EventRegistry *registry, const RpcEvent *event, Registration *ret)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&registry->lock);
    Registration *found = find_registration(registry, event->id, event->callback_id);
    if (found)
        *ret = *found;
    return found != NULL;
}

/* False for an event that nobody waits for any more. */
static bool hand_out(CisternConnection *connection, RpcEvent *event)
{
    Registration registration;
    if (!copy_registration(connection_events(connection), event, &registration)) {
        rpc_event_clear(event);
        return false;
    }
    CisternPool *pool = pool_handle_new(connection, &event->pool);
    registration.callback(pool,
                          event->id == RPC_EVENT_REFRESH ? CISTERN_EVENT_REFRESHED
                                                         : (CisternPoolEvent)event->kind,
                          registration.data);
    cistern_pool_free(pool);
    return true;
}

int cistern_dispatch_events(CisternConnection *connection, int timeout)
{
    if (!given(connection))
        return -1;
    gint64 now = g_get_monotonic_time();
    gint64 deadline = timeout < 0 ? G_MAXINT64 : now + timeout * G_TIME_SPAN_MILLISECOND;
    g_autoptr(GError) error = NULL;
    RpcWait result = RPC_WAIT_EVENT;
    int count = 0;
    while (result == RPC_WAIT_EVENT && count < BATCH_MAX) {
        RpcEvent event;
        result = connection_next_event(connection, count > 0 ? now : deadline, &event, &error);
        if (result == RPC_WAIT_EVENT && hand_out(connection, &event))
            count++;
    }
    if (count == 0 && result == RPC_WAIT_LOST)
        return last_error_take(g_steal_pointer(&error));
    return count;
}
