/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core.h"
#include "log.h"
#include "server-private.h"
#include "session-private.h"

/* ---- delivery to who has registered ---- */

static void send_lifecycle(Session *session, gint32 id, const RpcPool *pool, EventKind kind)
{
    RpcEventLifecycle value = {.callback_id = id, .pool = *pool, .event = (gint32)kind};

    session_send_message(session, PROGRAM_REMOTE, REMOTE_STORAGE_POOL_EVENT_LIFECYCLE, 1,
                         &rpc_event_lifecycle_type, &value);
}

static void send_refresh(Session *session, gint32 id, const RpcPool *pool)
{
    RpcEventRefresh value = {.callback_id = id, .pool = *pool};

    session_send_message(session, PROGRAM_REMOTE, REMOTE_STORAGE_POOL_EVENT_REFRESH, 1,
                         &rpc_event_refresh_type, &value);
}

static bool wants_event(const Registration *registration, const Event *event)
{
    gint32 id = event->kind == EVENT_REFRESHED ? RPC_EVENT_REFRESH : RPC_EVENT_LIFECYCLE;

    return registration->family == EVENTS_OF_POOLS && registration->event == id &&
           (!registration->has_pool || uuid_equal(&registration->pool, &event->pool_uuid));
}

static bool may_see(Core *core, Identity *identity, const Event *event, GError **error)
{
    AccessQuery query = {
        .identity = identity,
        .right = {ACCESS_POOL, "getattr"},
        .pool_name = event->pool_name,
        .pool_uuid = &event->pool_uuid,
    };

    return core_allows(core, &query, error);
}

static void deliver_event(Session *session, const Event *event)
{
    RpcPool pool = {.name = (char *)event->pool_name, .uuid = event->pool_uuid};

    for (guint i = 0; session->fd >= 0 && i < session->registrations->len; i++) {
        const Registration *r = &g_array_index(session->registrations, Registration, i);
        if (!wants_event(r, event))
            continue;
        if (event->kind == EVENT_REFRESHED)
            send_refresh(session, r->id, &pool);
        else
            send_lifecycle(session, r->id, &pool, event->kind);
    }
}

/* ---- events that wait for the access driver, one after the other ---- */

typedef struct EventQuestion {
    Core *core;
    Session *session; /* a reference, used by the loop only */
    Identity *identity;
    Event *event;
    bool allowed;
} EventQuestion;

static void ask_about_event(Session *session);

static void free_question(void *data)
{
    EventQuestion *question = data;

    identity_unref(question->identity);
    event_free(question->event);
    core_unref(question->core);
    g_free(question);
}

static void event_was_asked(Server *server, void *data)
{
    EventQuestion *question = data;
    g_autoptr(Session) session = question->session;

    session->asking = false;
    if (question->allowed)
        deliver_event(session, question->event);
    free_question(question);
    ask_about_event(session);
}

/* The server is gone: nobody but us has the session. */
static void event_was_asked_in_vain(void *data)
{
    session_unref(((EventQuestion *)data)->session);
    free_question(data);
}

static void ask(void *data)
{
    EventQuestion *question = data;

    question->allowed = may_see(question->core, question->identity, question->event, NULL);
    core_post(question->core, event_was_asked, question, event_was_asked_in_vain);
}

static void ask_about_event(Session *session)
{
    if (session->fd < 0 || session->asking || g_queue_is_empty(&session->events))
        return;
    EventQuestion *question = g_new0(EventQuestion, 1);
    question->core = core_ref(session->core);
    question->session = session_ref(session);
    question->identity = identity_ref(session->identity);
    question->event = g_queue_pop_head(&session->events);
    session->asking = true;
    core_run_waiting(session->core, ask, question);
}

static void queue_event(Session *session, const Event *event)
{
    if (session->events.length >= SESSION_EVENTS_MAX) {
        log_warning("%s: an event of pool '%s' is not told: %d others wait for the access driver",
                    session->client, event->pool_name, SESSION_EVENTS_MAX);
        return;
    }
    g_queue_push_tail(&session->events, event_copy(event));
    ask_about_event(session);
}

void session_send_event(Session *session, const Event *event)
{
    if (session->registrations->len == 0)
        return;
    if (session->core->config.access_waits)
        queue_event(session, event);
    else if (may_see(session->core, session->identity, event, NULL))
        deliver_event(session, event);
}
