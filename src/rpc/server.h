/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine.h"
#include "identity.h"
#include "protocol.h"
#include "tls.h"

/*
 * The server's side of the protocol. All sockets and timers belong to the thread
 * that runs the given main context; what may wait for storage runs on the
 * engine's workers. Unless said otherwise the calls below belong to that thread
 * too (or to whoever has it stopped).
 */
typedef struct Server Server;

/* What an access driver is asked. Fields that don't apply are NULL. */
typedef struct AccessQuery {
    const Identity *identity; /* who asks */
    AccessRight right;
    const char *pool_name; /* with pool_uuid, or neither */
    const Uuid *pool_uuid;
    const char *volume_name, *volume_key;
} AccessQuery;

/* Called in a worker thread when `access_waits`, else in any. False with ERROR_ACCESS_DENIED. */
typedef bool (*AccessCheck)(const AccessQuery *query, void *data, GError **error);

/* Zero or NULL in a field means its default. */
typedef struct ServerConfig {
    GMainContext *context;     /* default: the global default context */
    guint max_clients;         /* default 5000; further ones are closed at once */
    guint max_client_requests; /* calls of one client on workers, by CallLane; default 5, further
                                  ones wait in line */
    guint32 max_message;       /* largest length word accepted; default FRAME_LENGTH_MAX */
    gsize max_queued;          /* unsent bytes of one client; default 64 MiB, beyond that it is
                                  disconnected */
    guint read_deadline;       /* milliseconds until volume info and XML are answered from what was
                                  last known; default 2000 */
    guint keepalive_interval;  /* seconds; default 5 */
    guint keepalive_count;     /* unanswered pings until a client is given up; default 5 */
    const char *uri_path; /* "/system" or "/session": the only path that a connection's name may
                             have; default: any. Must outlive the server */
    AccessCheck access;   /* default: everything is allowed; see polkit.h */
    void *access_data;
    bool access_waits;         /* `access` may take its time: it is asked on workers only */
    guint max_unauthenticated; /* clients that have not said who they are; default 20, then no
                                  further ones are taken until one has, or has run out of time */
    guint auth_timeout; /* seconds a client has for handshake and authentication, the time that
                           polkit's user takes to answer not counted; default 60 */
    guint sasl_min_ssf; /* least strength in bits of the encryption that SASL has to bring on
                           TCP sockets; default 56, which is also the least */
    const char *const *sasl_users; /* patterns (`*`, `?`) of user names; default: any */
} ServerConfig;

typedef enum ListenerKind { LISTENER_UNIX, LISTENER_TCP, LISTENER_TLS } ListenerKind;

typedef enum ListenerAuth {
    LISTENER_AUTH_NONE,   /* who can connect is in */
    LISTENER_AUTH_POLKIT, /* unix sockets: polkit is asked; root is in */
    LISTENER_AUTH_SASL,
} ListenerAuth;

typedef struct ListenerConfig {
    ListenerKind kind;
    ListenerAuth auth;
    bool read_only;  /* calls that change something are refused */
    TlsContext *tls; /* LISTENER_TLS: a reference is taken; see tls.h */
} ListenerConfig;

/* `engine` must outlive the server. */
Server *server_new(Engine *engine, const ServerConfig *config);

/* Takes over a connected stream socket. Thread-safe. `read_only`: calls that change something are
 * refused. `label` says in logs and job lists who it is ("unix:4711"). */
void server_add_client(Server *server, int fd, bool read_only, const char *label);

/* Takes over a listening stream socket, also when it fails. Thread-safe.
 * Errors: ERROR_CONFIG_UNSUPPORTED for kinds and authentications that don't go together: TCP
 * without SASL is not served, polkit knows the callers of unix sockets only. */
bool server_listen(Server *server, int listen_fd, const ListenerConfig *config, GError **error);

/* New certificates for the connections that come from now on. Thread-safe. */
void server_set_tls(Server *server, TlsContext *tls);

/* Connected clients. */
guint server_client_count(Server *server);

/* When the last client has gone, or else the server was made (g_get_monotonic_time()); 0 while
 * there are clients. */
gint64 server_idle_since(Server *server);

/* Nobody can connect any more, and new calls are refused, but for those that look at jobs or cancel
 * them. What runs goes on. */
void server_drain(Server *server);

/* Whether a call is running that changes something and whose storage answers, a stream is open, or
 * a client for which that has just ended has not hung up yet. */
bool server_is_busy(Server *server);

/* Closes all sockets, cancels running calls and waits for them. The context must not be running
 * in another thread. */
void server_free(Server *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Server, server_free)
