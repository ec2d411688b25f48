/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call.h"

/*
 * One client's connection. Everything here belongs to the loop.
 */
typedef struct Registration {
    gint32 id;
    gint32 event;  /* RpcEventId */
    bool has_pool; /* of this pool only */
    Uuid pool;
} Registration;

#define SESSION_REGISTRATIONS_MAX 1024
#define SESSION_ABANDONED_MAX     64

struct Session {
    guint refs;
    Server *server;
    Core *core;
    int fd;
    GSource *source;
    gpointer poll_tag;
    char *client; /* a GRefString: who this is, for logs and jobs */

    FrameReader reader;
    GQueue out;       /* GByteArray: whole messages */
    gsize out_offset; /* bytes of the first that were sent */
    gsize queued;     /* bytes in `out` */
    bool corked;      /* collecting messages to send them at once */
    bool parked;      /* the next message has to wait for a call to end */
    bool pending;     /* `reader` may hold messages that were not taken yet */

    bool opened, read_only, closing;
    char *uri;
    GPtrArray *calls; /* that are with workers: first reference of each */
    guint running;    /* of these, how many are unanswered */

    GArray *registrations;
    gint32 next_registration;

    bool progress;
    GSource *progress_timer;
    GSource *keepalive_timer;
    guint pings; /* sent and unanswered */
    bool heard;  /* something came since the timer's last tick */
};

/* Takes over the socket. */
Session *session_new(Server *server, Core *core, int fd, bool read_only, const char *client);
Session *session_ref(Session *session);
void session_unref(Session *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Session, session_unref)

/* Closes the socket; running calls go on without anyone to answer. Harmless when done before. */
void session_close(Session *session, const char *why);

/* Queues a whole message, which is taken over. */
void session_send(Session *session, GByteArray *frame);

/* Delivers a call that a worker has done (a LetterFunc). */
void session_call_done(Server *server, void *call);

/* Sends the event to whoever asked for it. */
void session_send_event(Session *session, const Event *event);

/* ---- for the connection's handlers ---- */

void session_start_keepalive(Session *session);
void session_set_progress(Session *session, bool on);

/* False when no such call is running. */
bool session_cancel_call(Session *session, guint32 serial);

/* True when the other end of the socket may speak for others: root, or this process's user. */
bool session_peer_is_trusted(Session *session);
