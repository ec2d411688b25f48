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

struct Server {
    Core *core;
    GHashTable *sessions; /* a reference to each */
    GPtrArray *listeners;
    GSource *letters;
    guint listener_id; /* of the engine's events */
    gint32 next_registration;
};

typedef struct Listener {
    Server *server;
    int fd;
    bool read_only;
    GSource *source; /* waits for clients, or for the end of a pause */
} Listener;

/* ---- sessions ---- */

void server_forget(Server *server, Session *session)
{
    if (g_hash_table_remove(server->sessions, session))
        session_unref(session);
}

gint32 server_next_registration(Server *server)
{
    return server->next_registration++;
}

guint server_client_count(Server *server)
{
    return g_hash_table_size(server->sessions);
}

static void add_session(Server *server, int fd, bool read_only, const char *client)
{
    if (server_client_count(server) >= server->core->config.max_clients) {
        log_warning("%s: refused: there are %u clients already", client,
                    server_client_count(server));
        fd_close(&fd);
        return;
    }
    log_debug("%s: connected", client);
    g_hash_table_add(server->sessions, session_new(server, server->core, fd, read_only, client));
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

static void free_event(void *data)
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
    free_event(event);
}

/* In the thread that caused the event. */
static void on_event(const Event *event, void *core)
{
    Event *copy = g_new(Event, 1);

    *copy = *event;
    copy->pool_name = g_strdup(event->pool_name);
    core_post(core, deliver_event, copy, free_event);
}

/* ---- what other threads ask for ---- */

typedef struct NewSocket {
    int fd;
    bool read_only;
    char *client; /* NULL: it listens */
} NewSocket;

static void free_socket(void *data)
{
    NewSocket *socket = data;

    fd_close(&socket->fd);
    g_free(socket->client);
    g_free(socket);
}

static void post_socket(Server *server, LetterFunc deliver, int fd, bool read_only,
                        const char *client)
{
    NewSocket *socket = g_new(NewSocket, 1);

    *socket = (NewSocket){fd, read_only, g_strdup(client)};
    core_post(server->core, deliver, socket, free_socket);
}

static void deliver_client(Server *server, void *data)
{
    NewSocket *socket = data;

    add_session(server, fd_steal(&socket->fd), socket->read_only, socket->client);
    free_socket(socket);
}

void server_add_client(Server *server, int fd, bool read_only, const char *label)
{
    post_socket(server, deliver_client, fd, read_only, label);
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
    fd_close(&listener->fd);
    g_free(listener);
}

static char *describe_peer(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || size != sizeof peer)
        return g_strdup("unix");
    return g_strdup_printf("unix:%d", (int)peer.pid);
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

static bool accept_one(Listener *listener)
{
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        accept_failed(listener, errno);
        return false;
    }
    g_autofree char *client = describe_peer(fd);
    add_session(listener->server, fd, listener->read_only, client);
    return true;
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
    listener->read_only = socket->read_only;
    g_unix_set_fd_nonblocking(listener->fd, TRUE, NULL);
    listener_wait(listener);
    g_ptr_array_add(server->listeners, listener);
    free_socket(socket);
}

void server_add_listener(Server *server, int listen_fd, bool read_only)
{
    post_socket(server, deliver_listener, listen_fd, read_only, NULL);
}

/* ---- the server ---- */

typedef struct LetterSource {
    GSource source;
    Server *server;
} LetterSource;

static gboolean letters_came(GSource *source, GSourceFunc callback, void *data)
{
    Server *server = ((LetterSource *)source)->server;

    g_source_set_ready_time(source, -1);
    core_deliver(server->core, server);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs letter_source_funcs = {.dispatch = letters_came};

static GSource *new_letter_source(Server *server)
{
    GSource *source = g_source_new(&letter_source_funcs, sizeof(LetterSource));

    ((LetterSource *)source)->server = server;
    g_source_attach(source, server->core->config.context);
    return source;
}

Server *server_new(Engine *engine, const ServerConfig *config)
{
    Server *server = g_new0(Server, 1);

    server->core = core_new(engine, config);
    server->sessions = g_hash_table_new(NULL, NULL);
    server->listeners = g_ptr_array_new_with_free_func(listener_free);
    server->letters = new_letter_source(server);
    server->core->source = g_source_ref(server->letters);
    server->listener_id = engine_add_listener(engine, on_event, server->core);
    return server;
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
    g_ptr_array_unref(server->listeners);
    close_sessions(server);
    core_shut(server->core, SHUT_TIMEOUT);
    engine_remove_listener(server->core->engine, server->listener_id);
    g_source_destroy(server->letters);
    g_source_unref(server->letters);
    g_hash_table_unref(server->sessions);
    core_unref(server->core);
    g_free(server);
}
