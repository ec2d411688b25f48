/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call.h"
#include "transport.h"

/*
 * One client's connection. Everything here belongs to the loop.
 */
typedef enum EventFamily {
    EVENTS_OF_POOLS,
    EVENTS_OF_DOMAINS,
    EVENTS_OF_DOMAINS_LEGACY, /* registered without a callback id */
    EVENTS_OF_NETWORKS,
    EVENTS_OF_DEVICES,
    EVENTS_OF_SECRETS,
} EventFamily;

typedef struct Registration {
    gint32 id;
    EventFamily family;
    gint32 event;  /* the family's number; of pools RpcEventId */
    bool has_pool; /* of this pool only */
    Uuid pool;
} Registration;

#define SESSION_REGISTRATIONS_MAX 1024
#define SESSION_ABANDONED_MAX     64
#define SESSION_EVENTS_MAX        4096 /* that wait for the access driver; later ones are dropped */

typedef enum SessionStage {
    SESSION_SHAKING_HANDS,  /* TLS is being agreed on */
    SESSION_AUTHENTICATING, /* calls for that are all that is allowed */
    SESSION_READY,
} SessionStage;

struct Session {
    guint refs;
    Server *server;
    Core *core;
    int fd; /* the transport's; -1 once closed */
    Transport *transport;
    Transport *next_transport; /* takes its place when all is sent */
    GSource *source;
    gpointer poll_tag;
    GIOCondition watched; /* what the source wakes up for */
    Identity *identity;   /* who this is */
    const char *client;   /* its label */

    ListenerKind kind;
    ListenerAuth auth;
    SessionStage stage;
    GIOCondition handshake_wants;
    gint64 began; /* g_get_monotonic_time() */
    GSource *auth_timer;
    Sasl *sasl; /* the exchange at hand */
    guint auth_failures;

    FrameReader reader;
    GQueue out;       /* GByteArray: whole messages */
    gsize out_offset; /* bytes of the first that were sent */
    gsize queued;     /* bytes in `out` */
    bool corked;      /* collecting messages to send them at once */
    bool parked;      /* the next message has to wait for a call to end */
    bool alone;       /* a call is running beside which no other is taken */
    bool pending;     /* `reader` may hold messages that were not taken yet */

    bool opened, read_only, closing;
    char *uri;
    GPtrArray *calls;          /* that are with workers: first reference of each */
    guint running[LANE_COUNT]; /* of these, how many are begun and unanswered */
    GQueue lines[LANE_COUNT];  /* Call: of these, those that aren't begun; no references */
    gsize in_line;             /* bytes of their arguments */

    GPtrArray *streams; /* a reference to each */
    guint stream_turn;  /* which of them sends next */
    gint64 answered;    /* when a change or a stream last ended; 0: never */

    GArray *registrations;
    GQueue events; /* Event: those that wait for the access driver */
    bool asking;   /* it is being asked about the first of them */

    bool progress;
    GSource *progress_timer;
    GSource *keepalive_timer;
    guint pings; /* sent and unanswered */
    bool heard;  /* something came since the timer's last tick */
};

/* Takes over the transport. */
Session *session_new(Server *server, Core *core, Transport *transport,
                     const ListenerConfig *listener, Identity *identity);
Session *session_ref(Session *session);
void session_unref(Session *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Session, session_unref)

/* Closes the socket; running calls go on without anyone to answer. Harmless when done before. */
void session_close(Session *session, const char *why);

/* What it waited for has just ended, and it may still want to hang up in good order: libvirt's
 * clients die by SIGPIPE when the socket goes before that. */
bool session_may_take_leave(const Session *session);

/* Queues a whole message, which is taken over. */
void session_send(Session *session, GByteArray *frame);

/* Delivers a call that a worker has done (a LetterFunc). */
void session_call_done(Server *server, void *call);

/* A stream has something to send, or takes packets again. */
void session_stream_news(Session *session);

/* Sends the event to whoever asked for it. */
void session_send_event(Session *session, const Event *event);

/* ---- for the connection's handlers ---- */

void session_start_keepalive(Session *session);
void session_set_progress(Session *session, bool on);

/* False when no such call is running. */
bool session_cancel_call(Session *session, guint32 serial);

/* True when the other end of the socket may speak for others: root, or this process's user. */
bool session_peer_is_trusted(Session *session);

void session_set_identity(Session *session, Identity *identity);

/* The client is whom it says it is. */
void session_set_authenticated(Session *session);

/* Counts a failed try; too many end the connection after the answer. */
void session_count_auth_failure(Session *session);

/* What follows goes through this, once what is queued was sent. */
void session_change_transport(Session *session, Transport *transport);
