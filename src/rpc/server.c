/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server.h"
#include "core.h"
#include "errors.h"
#include "fd.h"
#include "log.h"
#include "server-private.h"
#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>

#define ACCEPTS_PER_TURN 16
#define ACCEPT_PAUSE     1000 /* milliseconds, when out of descriptors */
#define SHUT_TIMEOUT     (5 * G_USEC_PER_SEC)

/* While there are as many unknown clients as may be, those that dawdle this long make room. */
#define RELIEF_TIME     (3 * G_USEC_PER_SEC)
#define RELIEF_INTERVAL 500 /* milliseconds */

struct Server {
    Core *core;
    GHashTable *sessions; /* a reference to each */
    GPtrArray *listeners;
    GSource *letters;
    GSource *relief;   /* runs while listeners are held up by unknown clients */
    guint listener_id; /* of the engine's events */
    gint64 idle_since;
    gint32 next_registration;
};

typedef struct Listener {
    Server *server;
    int fd;
    ListenerConfig config;
    GSource *source; /* waits for clients, or for the end of a pause; NULL: held up */
} Listener;

/* ---- sessions ---- */

void server_forget(Server *server, Session *session)
{
    if (g_hash_table_remove(server->sessions, session))
        session_unref(session);
    server->idle_since = g_get_monotonic_time();
    server_count_authenticated(server);
}

gint32 server_next_registration(Server *server)
{
    return server->next_registration++;
}

guint server_client_count(Server *server)
{
    return g_hash_table_size(server->sessions);
}

static Transport *new_transport(int fd, const ListenerConfig *listener)
{
    g_autoptr(GError) error = NULL;

    if (listener->kind != LISTENER_TLS)
        return transport_new(fd);
    Transport *transport = tls_transport_new_server(listener->tls, fd, &error);
    if (!transport)
        log_warning("no TLS for a client: %s", error->message);
    return transport;
}

static void add_session(Server *server, int fd, const ListenerConfig *listener, Identity *identity)
{
    if (server_client_count(server) >= server->core->config.max_clients) {
        log_warning("%s: refused: there are %u clients already", identity->label,
                    server_client_count(server));
        fd_close(&fd);
        return;
    }
    Transport *transport = new_transport(fd, listener);
    if (!transport)
        return;
    log_debug("%s: connected", identity->label);
    g_hash_table_add(server->sessions,
                     session_new(server, server->core, transport, listener, identity));
}

static void unref_session(void *session)
{
    session_unref(session);
}

/* References to all sessions, for loops in which they may close. */
static GPtrArray *list_sessions(Server *server)
{
    GPtrArray *sessions = g_ptr_array_new_with_free_func(unref_session);
    GHashTableIter iter;
    gpointer session;

    g_hash_table_iter_init(&iter, server->sessions);
    while (g_hash_table_iter_next(&iter, &session, NULL))
        g_ptr_array_add(sessions, session_ref(session));
    return sessions;
}

/* ---- events ---- */

Event *event_copy(const Event *event)
{
    Event *copy = g_new(Event, 1);

    *copy = *event;
    copy->pool_name = g_strdup(event->pool_name);
    return copy;
}

void event_free(void *data)
{
    Event *event = data;

    g_free((char *)event->pool_name);
    g_free(event);
}

static void deliver_event(Server *server, void *event)
{
    g_autoptr(GPtrArray) sessions = list_sessions(server);

    for (guint i = 0; i < sessions->len; i++)
        session_send_event(sessions->pdata[i], event);
    event_free(event);
}

/* In the thread that caused the event. */
static void on_event(const Event *event, void *data)
{
    Core *core = data;

    if (core_has_listeners(core))
        core_post(core, deliver_event, event_copy(event), event_free);
}

/* ---- what other threads ask for ---- */

typedef struct NewSocket {
    int fd;
    ListenerConfig config;
    Identity *identity; /* NULL: it listens */
} NewSocket;

static void free_socket(void *data)
{
    NewSocket *socket = data;

    fd_close(&socket->fd);
    tls_context_unref(socket->config.tls);
    identity_unref(socket->identity);
    g_free(socket);
}

static void post_socket(Server *server, LetterFunc deliver, int fd, const ListenerConfig *config,
                        Identity *identity)
{
    NewSocket *socket = g_new(NewSocket, 1);

    *socket = (NewSocket){fd, *config, identity};
    if (config->tls)
        tls_context_ref(config->tls);
    core_post(server->core, deliver, socket, free_socket);
}

static void deliver_client(Server *server, void *data)
{
    NewSocket *socket = data;

    add_session(server, fd_steal(&socket->fd), &socket->config, socket->identity);
    free_socket(socket);
}

void server_add_client(Server *server, int fd, bool read_only, const char *label)
{
    Identity *identity = identity_of_peer(fd);

    identity_set_label(identity, label);
    post_socket(server, deliver_client, fd, &(ListenerConfig){.read_only = read_only}, identity);
}

/* ---- listening ---- */

static void listener_wait(Listener *listener);

static void set_source(Listener *listener, GSource *source, GSourceFunc func)
{
    if (listener->source) {
        g_source_destroy(listener->source);
        g_source_unref(listener->source);
    }
    listener->source = source;
    if (!source)
        return;
    g_source_set_callback(source, func, listener, NULL);
    g_source_attach(source, listener->server->core->config.context);
}

static void listener_free(void *data)
{
    Listener *listener = data;

    set_source(listener, NULL, NULL);
    tls_context_unref(listener->config.tls);
    fd_close(&listener->fd);
    g_free(listener);
}

static Identity *identify(const Listener *listener, int fd)
{
    if (listener->config.kind == LISTENER_UNIX)
        return identity_of_peer(fd);
    return identity_of_address(fd, listener->config.kind == LISTENER_TLS ? "tls" : "tcp");
}

/* Its clients have something to do before they are known. */
static bool has_unknown_clients(const ListenerConfig *config)
{
    return config->kind == LISTENER_TLS || config->auth != LISTENER_AUTH_NONE;
}

static gboolean pause_ends(void *listener)
{
    listener_wait(listener);
    return G_SOURCE_REMOVE;
}

static void accept_failed(Listener *listener, int errnum)
{
    if (errnum == EAGAIN || errnum == ECONNABORTED || errnum == EINTR)
        return;
    log_warning("no connection can be accepted for a second: %s", g_strerror(errnum));
    set_source(listener, g_timeout_source_new(ACCEPT_PAUSE), pause_ends);
}

/* Local ones and those from the network are counted apart: these shall not lock out those. */
static guint count_unknown(Server *server, bool is_local)
{
    GHashTableIter iter;
    gpointer item;
    guint count = 0;

    g_hash_table_iter_init(&iter, server->sessions);
    while (g_hash_table_iter_next(&iter, &item, NULL)) {
        const Session *session = item;
        count += session->stage != SESSION_READY && (session->kind == LISTENER_UNIX) == is_local;
    }
    return count;
}

static bool has_too_many_unknown(Server *server, const ListenerConfig *config)
{
    return has_unknown_clients(config) && count_unknown(server, config->kind == LISTENER_UNIX) >=
                                              server->core->config.max_unauthenticated;
}

static void close_dawdlers(Server *server)
{
    g_autoptr(GPtrArray) sessions = list_sessions(server);
    gint64 latest = g_get_monotonic_time() - RELIEF_TIME;

    for (guint i = 0; i < sessions->len; i++) {
        Session *session = sessions->pdata[i];
        if (session->stage != SESSION_READY && !session->alone && session->began < latest)
            session_close(session, "others wait, and it has not authenticated");
    }
}

static gboolean relieve(void *data)
{
    Server *server = data;

    close_dawdlers(server);
    server_count_authenticated(server);
    return G_SOURCE_CONTINUE;
}

static void start_relief(Server *server)
{
    if (server->relief)
        return;
    server->relief = g_timeout_source_new(RELIEF_INTERVAL);
    g_source_set_callback(server->relief, relieve, server, NULL);
    g_source_attach(server->relief, server->core->config.context);
}

static void stop_relief(Server *server)
{
    if (server->relief)
        g_source_destroy(server->relief);
    g_clear_pointer(&server->relief, g_source_unref);
}

/* Whether there are as many unknown clients as may be; then no more are taken for now. */
static bool hold_up(Listener *listener)
{
    if (!has_too_many_unknown(listener->server, &listener->config))
        return false;
    log_info("no further clients for now: %u have not authenticated yet",
             listener->server->core->config.max_unauthenticated);
    set_source(listener, NULL, NULL);
    start_relief(listener->server);
    return true;
}

void server_count_authenticated(Server *server)
{
    bool any_held_up = false;

    for (guint i = 0; server->relief && i < server->listeners->len; i++) {
        Listener *listener = server->listeners->pdata[i];
        if (listener->source)
            continue;
        if (has_too_many_unknown(server, &listener->config))
            any_held_up = true;
        else
            listener_wait(listener);
    }
    if (!any_held_up)
        stop_relief(server);
}

static bool accept_one(Listener *listener)
{
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        accept_failed(listener, errno);
        return false;
    }
    g_autoptr(Identity) identity = identify(listener, fd);
    add_session(listener->server, fd, &listener->config, identity);
    return !hold_up(listener);
}

static gboolean clients_wait(int fd, GIOCondition condition, void *listener)
{
    for (guint i = 0; i < ACCEPTS_PER_TURN && accept_one(listener); i++)
        continue;
    return G_SOURCE_CONTINUE;
}

static void listener_wait(Listener *listener)
{
    set_source(listener, g_unix_fd_source_new(listener->fd, G_IO_IN), G_SOURCE_FUNC(clients_wait));
}

static void deliver_listener(Server *server, void *data)
{
    NewSocket *socket = data;
    Listener *listener = g_new0(Listener, 1);

    listener->server = server;
    listener->fd = fd_steal(&socket->fd);
    listener->config = socket->config;
    socket->config.tls = NULL;
    g_unix_set_fd_nonblocking(listener->fd, TRUE, NULL);
    listener_wait(listener);
    g_ptr_array_add(server->listeners, listener);
    free_socket(socket);
}

static bool check_listener(const ListenerConfig *config, GError **error)
{
    const char *problem = NULL;

    if (config->kind == LISTENER_TCP && config->auth != LISTENER_AUTH_SASL)
        problem = "a TCP socket without TLS needs the authentication SASL, which encrypts as well";
    else if (config->kind != LISTENER_UNIX && config->auth == LISTENER_AUTH_POLKIT)
        problem = "polkit knows the callers of unix sockets only";
    else if ((config->kind == LISTENER_TLS) != (config->tls != NULL))
        problem = "certificates belong to TLS sockets, and these need them";
    return !problem || error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_RPC, "%s", problem);
}

bool server_listen(Server *server, int listen_fd, const ListenerConfig *config, GError **error)
{
    if (!check_listener(config, error)) {
        fd_close(&listen_fd);
        return false;
    }
    post_socket(server, deliver_listener, listen_fd, config, NULL);
    return true;
}

static void replace_tls(Server *server, void *tls)
{
    for (guint i = 0; i < server->listeners->len; i++) {
        Listener *listener = server->listeners->pdata[i];
        if (listener->config.kind != LISTENER_TLS)
            continue;
        tls_context_unref(listener->config.tls);
        listener->config.tls = tls_context_ref(tls);
    }
    tls_context_unref(tls);
}

static void drop_tls(void *tls)
{
    tls_context_unref(tls);
}

void server_set_tls(Server *server, TlsContext *tls)
{
    core_post(server->core, replace_tls, tls_context_ref(tls), drop_tls);
}

/* ---- the server ---- */

static gboolean letters_came(int bell, GIOCondition condition, void *server)
{
    core_deliver(((Server *)server)->core, server);
    return G_SOURCE_CONTINUE;
}

static GSource *new_letter_source(Server *server)
{
    GSource *source = g_unix_fd_source_new(server->core->bell.ear, G_IO_IN);

    g_source_set_can_recurse(source, TRUE); /* as a session's */
    g_source_set_callback(source, G_SOURCE_FUNC(letters_came), server, NULL);
    g_source_attach(source, server->core->config.context);
    return source;
}

Server *server_new(Engine *engine, const ServerConfig *config)
{
    Server *server = g_new0(Server, 1);

    server->core = core_new(engine, config);
    server->idle_since = g_get_monotonic_time();
    server->sessions = g_hash_table_new(NULL, NULL);
    server->listeners = g_ptr_array_new_with_free_func(listener_free);
    server->letters = new_letter_source(server);
    server->listener_id = engine_add_listener(engine, on_event, server->core);
    return server;
}

gint64 server_idle_since(Server *server)
{
    return server_client_count(server) > 0 ? 0 : server->idle_since;
}

void server_drain(Server *server)
{
    stop_relief(server);
    g_ptr_array_set_size(server->listeners, 0);
    server->core->draining = true;
}

static bool any_takes_leave(Server *server)
{
    GHashTableIter iter;
    void *session;

    g_hash_table_iter_init(&iter, server->sessions);
    while (g_hash_table_iter_next(&iter, &session, NULL))
        if (session_may_take_leave(session))
            return true;
    return false;
}

bool server_is_busy(Server *server)
{
    return core_is_busy(server->core) || any_takes_leave(server);
}

static void close_sessions(Server *server)
{
    g_autoptr(GPtrArray) sessions = list_sessions(server);

    for (guint i = 0; i < sessions->len; i++)
        session_close(sessions->pdata[i], "the server ends");
}

void server_free(Server *server)
{
    if (!server)
        return;
    stop_relief(server);
    g_ptr_array_set_size(server->listeners, 0);
    close_sessions(server);
    core_shut(server->core, SHUT_TIMEOUT);
    engine_remove_listener(server->core->engine, server->listener_id);
    g_source_destroy(server->letters);
    g_source_unref(server->letters);
    g_ptr_array_unref(server->listeners);
    g_hash_table_unref(server->sessions);
    core_unref(server->core);
    g_free(server);
}
