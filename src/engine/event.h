/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine.h"

/*
 * Events on their way to the listeners. What changes a pool queues the event in
 * the same locked section as the change, so that events are in the order of the
 * changes, and delivers when it holds no lock.
 */
typedef struct EventQueue EventQueue;

EventQueue *event_queue_new(void);
void event_queue_free(EventQueue *queue);

/* Never waits, calls nobody. */
void event_push(EventQueue *queue, EventKind kind, const char *pool_name, const Uuid *pool_uuid);

/* Calls the listeners with all that is queued, one event at a time. When it returns, what the
 * caller pushed has been heard, perhaps in another thread. */
void event_deliver(EventQueue *queue);

guint event_add_listener(EventQueue *queue, EventListener listener, void *data);
/* Waits for a delivery that is going on. */
void event_remove_listener(EventQueue *queue, guint id);
