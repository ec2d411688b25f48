/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bell.h"
#include "call.h"

/*
 * What the loop and the workers share: the engine, the configuration, and the
 * letters that workers leave for the loop. Outlives the server for as long as a
 * worker hangs in a call.
 */
struct Core {
    gatomicrefcount refs;
    Engine *engine;
    ServerConfig config;  /* defaults filled in; fixed */
    guint64 last_request; /* the loop's own */
    bool draining;        /* likewise: nothing new is begun */
    guint open_streams;   /* likewise: those of the sessions, also while they wait for a client */
    Bell bell;            /* rings when letters come */
    gint listeners;       /* atomic: registrations for events, of all sessions */

    GMutex lock; /* guards what follows */
    GCond changed;
    GQueue letters;
    bool shut;            /* the server is gone: no letter is taken */
    GThreadPool *waiters; /* threads that wait for others: polkit, SASL's password stores */
    GHashTable *working;  /* Call: those that are with workers */
    guint streams;        /* that are with workers */
};

/* Runs on the loop. */
typedef void (*LetterFunc)(Server *server, void *data);

Core *core_new(Engine *engine, const ServerConfig *config);
Core *core_ref(Core *core);
void core_unref(Core *core);

/* Has `deliver(data)` run on the loop, in the order of posting; `drop(data)` instead when the
 * server is gone. Thread-safe. */
void core_post(Core *core, LetterFunc deliver, void *data, GDestroyNotify drop);

/* Runs what was posted, after the bell was rung. */
void core_deliver(Core *core, Server *server);

/* So many more clients' registrations for events; events that nobody has asked for needn't be
 * posted. The second is thread-safe. */
void core_count_listeners(Core *core, gint change);
bool core_has_listeners(Core *core);

/* Gives the call to a worker, of this share of the pool's; it comes back by session_call_done().
 * Takes over a reference. */
void core_work(Core *core, Pool *pool, WorkShare share, Call *call);

/* False when a pool that the call works on doesn't answer any more, and the call's own patience
 * (HandlerRow) is over. On the loop only. */
bool core_check_answers(Core *core, Call *call, GError **error);

/* The same for a call that waits for others than storage (ON_WORKER_ALONE), or that has to wait for
 * the access driver before its handler runs on the loop. */
void core_wait(Core *core, Call *call);

/* Runs `func(data)` on such a thread. */
void core_run_waiting(Core *core, WorkFunc func, void *data);

/* A worker begins and ends to work on a stream: core_shut() waits for these too. */
void core_stream_begins(Core *core);
void core_stream_ends(Core *core);

/* Whether a stream is open, or something is at work that changes something and whose storage
 * answers. On the loop only. */
bool core_is_busy(Core *core);

/* No letter is taken from now on. Cancels the working calls and waits up to `timeout` microseconds
 * for their end. */
void core_shut(Core *core, gint64 timeout);
