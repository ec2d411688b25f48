/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event.h"

typedef struct Pending {
    EventKind kind;
    char *pool_name;
    Uuid pool_uuid;
} Pending;

typedef struct Listener {
    guint id;
    EventListener function;
    void *data;
} Listener;

/* Lock order: delivery, then queue. */
struct EventQueue {
    GMutex delivery; /* guards listeners; held while they are called */
    GArray *listeners;
    guint last_id;
    GMutex lock; /* guards pending */
    GQueue pending;
};

static void pending_free(Pending *pending)
{
    if (!pending)
        return;
    g_free(pending->pool_name);
    g_free(pending);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pending, pending_free)

EventQueue *event_queue_new(void)
{
    EventQueue *queue = g_new0(EventQueue, 1);

    g_mutex_init(&queue->delivery);
    g_mutex_init(&queue->lock);
    g_queue_init(&queue->pending);
    queue->listeners = g_array_new(FALSE, FALSE, sizeof(Listener));
    return queue;
}

void event_queue_free(EventQueue *queue)
{
    if (!queue)
        return;
    g_queue_clear_full(&queue->pending, (GDestroyNotify)pending_free);
    g_array_unref(queue->listeners);
    g_mutex_clear(&queue->delivery);
    g_mutex_clear(&queue->lock);
    g_free(queue);
}

void event_push(EventQueue *queue, EventKind kind, const char *pool_name, const Uuid *pool_uuid)
{
    Pending *pending = g_new(Pending, 1);

    *pending = (Pending){.kind = kind, .pool_name = g_strdup(pool_name), .pool_uuid = *pool_uuid};
    g_mutex_lock(&queue->lock);
    g_queue_push_tail(&queue->pending, pending);
    g_mutex_unlock(&queue->lock);
}

static Pending *event_pop(EventQueue *queue)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&queue->lock);

    return g_queue_pop_head(&queue->pending);
}

static void call_listeners(EventQueue *queue, const Pending *pending)
{
    Event event = {.kind = pending->kind,
                   .pool_name = pending->pool_name,
                   .pool_uuid = pending->pool_uuid};

    for (guint i = 0; i < queue->listeners->len; i++) {
        const Listener *listener = &g_array_index(queue->listeners, Listener, i);
        listener->function(&event, listener->data);
    }
}

void event_deliver(EventQueue *queue)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&queue->delivery);

    for (;;) {
        g_autoptr(Pending) pending = event_pop(queue);
        if (!pending)
            return;
        call_listeners(queue, pending);
    }
}

guint event_add_listener(EventQueue *queue, EventListener listener, void *data)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&queue->delivery);
    Listener added = {.id = ++queue->last_id, .function = listener, .data = data};

    g_array_append_val(queue->listeners, added);
    return added.id;
}

void event_remove_listener(EventQueue *queue, guint id)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&queue->delivery);

    for (guint i = 0; i < queue->listeners->len; i++) {
        if (g_array_index(queue->listeners, Listener, i).id != id)
            continue;
        g_array_remove_index(queue->listeners, i);
        return;
    }
}
