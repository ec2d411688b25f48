/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine.h"
#include "protocol.h"

/*
 * The server's side of the protocol. All sockets and timers belong to the thread
 * that runs the given main context; what may wait for storage runs on the
 * engine's workers. Unless said otherwise the calls below belong to that thread
 * too (or to whoever has it stopped).
 */
typedef struct Server Server;

/* What an access driver is asked. Fields that don't apply are NULL. */
typedef struct AccessQuery {
    const char *client; /* label of the connection */
    AccessRight right;
    Pool *pool;
    const char *volume_name, *volume_key;
} AccessQuery;

/* May be called in any thread. False with ERROR_ACCESS_DENIED. */
typedef bool (*AccessCheck)(const AccessQuery *query, void *data, GError **error);

/* Zero or NULL in a field means its default. */
typedef struct ServerConfig {
    GMainContext *context;     /* default: the global default context */
    guint max_clients;         /* default 5000; further ones are closed at once */
    guint max_client_requests; /* calls of one client on workers; default 5, then its socket is
                                  not read until one is answered */
    guint32 max_message;       /* largest length word accepted; default FRAME_LENGTH_MAX */
    gsize max_queued;          /* unsent bytes of one client; default 64 MiB, beyond that it is
                                  disconnected */
    guint read_deadline;       /* milliseconds until volume info and XML are answered from what was
                                  last known; default 2000 */
    guint keepalive_interval;  /* seconds; default 5 */
    guint keepalive_count;     /* unanswered pings until a client is given up; default 5 */
    const char *uri_path; /* "/system" or "/session": the only path that a connection's name may
                             have; default: any. Must outlive the server */
    AccessCheck access;   /* default: everything is allowed */
    void *access_data;
} ServerConfig;

/* `engine` must outlive the server. */
Server *server_new(Engine *engine, const ServerConfig *config);

/* Takes over a connected stream socket. Thread-safe. `read_only`: calls that change something are
 * refused. `label` says in logs and job lists who it is ("unix:4711"). */
void server_add_client(Server *server, int fd, bool read_only, const char *label);

/* Takes over a listening unix socket. Thread-safe. */
void server_add_listener(Server *server, int listen_fd, bool read_only);

/* Connected clients. */
guint server_client_count(Server *server);

/* Closes all sockets, cancels running calls and waits for them. The context must not be running
 * in another thread. */
void server_free(Server *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Server, server_free)
