/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connection.h"

#include "credentials.h"
#include "embedded.h"
#include "log.h"
#include "progress.h"
#include "remote.h"
#include "socket.h"
#include "uri.h"

#include <errno.h>
#include <string.h>

struct CisternConnection {
    gatomicrefcount refs;
    guint64 id; /* of all connections of this process */
    Uri *uri;
    EventRegistry *events;
    GMutex lock; /* for what follows */
    GCond idle;
    guint running; /* calls */
    bool closed;
    bool progress_asked;
    RpcClient *client;  /* NULL once closed */
    Embedded *embedded; /* NULL with a daemon, or once closed */
};

/* ---- life ---- */

static CisternConnection *connection_new(Uri *uri)
{
    static guint64 last_id;
    static GMutex id_lock;
    CisternConnection *connection = g_new0(CisternConnection, 1);
    g_atomic_ref_count_init(&connection->refs);
    g_mutex_init(&connection->lock);
    g_cond_init(&connection->idle);
    connection->uri = uri;
    connection->events = event_registry_new();
    g_mutex_lock(&id_lock);
    connection->id = ++last_id;
    g_mutex_unlock(&id_lock);
    return connection;
}

CisternConnection *connection_ref(CisternConnection *connection)
{
    g_atomic_ref_count_inc(&connection->refs);
    return connection;
}

void connection_unref(CisternConnection *connection)
{
    if (!g_atomic_ref_count_dec(&connection->refs))
        return;
    event_registry_free(connection->events);
    uri_free(connection->uri);
    g_cond_clear(&connection->idle);
    g_mutex_clear(&connection->lock);
    g_free(connection);
}

static void connection_close(CisternConnection *connection)
{
    g_mutex_lock(&connection->lock);
    connection->closed = true;
    if (connection->client)
        rpc_client_shut(connection->client);
    while (connection->running > 0)
        g_cond_wait(&connection->idle, &connection->lock);
    g_clear_pointer(&connection->client, rpc_client_free);
    g_clear_pointer(&connection->embedded, embedded_unref);
    g_mutex_unlock(&connection->lock);
}

void cistern_close(CisternConnection *connection)
{
    if (!connection)
        return;
    connection_close(connection);
    progress_forget(connection->id);
    connection_unref(connection);
}

EventRegistry *connection_events(CisternConnection *connection)
{
    return connection->events;
}

/* ---- calls ---- */

/* Between these two the client is there, whatever other threads do. */
static RpcClient *enter_call(CisternConnection *connection, GError **error)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&connection->lock);
    if (connection->closed) {
        error_set(error, ERROR_RPC, ORIGIN_RPC, "the connection to '%s' was closed",
                  connection->uri->text);
        return NULL;
    }
    connection->running++;
    return connection->client;
}

static void leave_call(CisternConnection *connection)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&connection->lock);
    if (--connection->running == 0)
        g_cond_broadcast(&connection->idle);
}

static bool call(CisternConnection *connection, const Program *program, gint32 procedure,
                 const void *args, void *result, GError **error)
{
    const Progress *progress = progress_find(connection->id);
    RpcClient *client = enter_call(connection, error);
    if (!client)
        return false;
    bool ok = rpc_client_call(client, program, procedure, args, result,
                              progress ? progress_report : NULL, (gpointer)progress, error);
    leave_call(connection);
    return ok;
}

/* A daemon that lacks the procedure, or our whole program, says so with the code of protocol
 * errors. Callers want to tell this from a broken connection. */
static GError *explain_refusal(CisternConnection *connection, GError *error)
{
    GError *explained = NULL;
    if (error_code(error) != ERROR_RPC ||
        (!g_str_has_prefix(error->message, "unknown procedure") &&
         !g_str_has_prefix(error->message, "unknown program") &&
         !g_str_has_prefix(error->message, "Cannot find program")))
        return error;
    error_set(&explained, ERROR_NO_SUPPORT, ORIGIN_RPC,
              "the daemon behind '%s' does not have this call; it answered: %s",
              connection->uri->text, error->message);
    g_error_free(error);
    return explained;
}

static bool call_and_keep_error(CisternConnection *connection, const Program *program,
                                gint32 procedure, const void *args, void *result)
{
    GError *error = NULL;
    if (call(connection, program, procedure, args, result, &error))
        return true;
    last_error_take(explain_refusal(connection, error));
    return false;
}

bool connection_call(CisternConnection *connection, RemoteProcedure procedure, const void *args,
                     void *result)
{
    return call_and_keep_error(connection, &program_remote, (gint32)procedure, args, result);
}

bool connection_call_own(CisternConnection *connection, CisternProcedure procedure,
                         const void *args, void *result)
{
    return call_and_keep_error(connection, &program_cistern, (gint32)procedure, args, result);
}

static bool run_stream(RpcClient *client, RemoteProcedure procedure, const RpcVolumeStream *args,
                       const Progress *progress, StreamFunc move, void *data, GError **error)
{
    g_autoptr(RpcStream) stream =
        rpc_client_open_stream(client, &program_remote, (gint32)procedure, args, args->length,
                               progress ? progress_report : NULL, (gpointer)progress, error);

    return stream && move(data, stream, error) && rpc_stream_finish(stream, error);
}

bool connection_stream(CisternConnection *connection, RemoteProcedure procedure,
                       const RpcVolumeStream *args, StreamFunc move, void *data)
{
    GError *error = NULL;
    const Progress *progress = progress_find(connection->id);
    RpcClient *client = enter_call(connection, &error);
    bool ok = client && run_stream(client, procedure, args, progress, move, data, &error);
    if (client)
        leave_call(connection);
    if (!ok)
        last_error_take(explain_refusal(connection, error));
    return ok;
}

RpcWait connection_next_event(CisternConnection *connection, gint64 deadline, RpcEvent *ret,
                              GError **error)
{
    RpcClient *client = enter_call(connection, error);
    if (!client)
        return RPC_WAIT_LOST;
    RpcWait result = rpc_client_next_event(client, deadline, ret, error);
    leave_call(connection);
    return result;
}

CisternPool *call_for_pool(CisternConnection *connection, RemoteProcedure procedure,
                           const void *args)
{
    RpcPool id;
    return connection_call(connection, procedure, args, &id) ? pool_handle_new(connection, &id)
                                                             : NULL;
}

CisternVolume *call_for_volume(CisternConnection *connection, RemoteProcedure procedure,
                               const void *args)
{
    RpcVolume id;
    return connection_call(connection, procedure, args, &id) ? volume_handle_new(connection, &id)
                                                             : NULL;
}

char *call_for_text(CisternConnection *connection, RemoteProcedure procedure, const void *args)
{
    RpcText result;
    return connection_call(connection, procedure, args, &result) ? result.text : NULL;
}

int call_for_int(CisternConnection *connection, RemoteProcedure procedure, const void *args)
{
    RpcInt result;
    return connection_call(connection, procedure, args, &result) ? MAX(result.value, 0) : -1;
}

int call_for_nothing(CisternConnection *connection, RemoteProcedure procedure, const void *args)
{
    return connection_call(connection, procedure, args, NULL) ? 0 : -1;
}

/* ---- opening ---- */

static bool check_wanted_auth(const Uri *uri, gint32 offered, GError **error)
{
    gint32 wanted = !uri->auth                         ? offered
                    : g_str_equal(uri->auth, "polkit") ? RPC_AUTH_POLKIT
                                                       : RPC_AUTH_SASL;

    return wanted == offered || offered == RPC_AUTH_NONE ||
           error_set(error, ERROR_AUTH_FAILED, ORIGIN_RPC,
                     "'%s' does not offer the authentication '%s'", uri->text, uri->auth);
}

static bool authenticate(CisternConnection *connection, GError **error)
{
    RpcAuthTypes offered;
    if (!call(connection, &program_remote, REMOTE_AUTH_LIST, NULL, &offered, error))
        return false;
    gint32 type = offered.n_types > 0 ? offered.types[0] : RPC_AUTH_NONE;
    g_free(offered.types);
    if (!check_wanted_auth(connection->uri, type, error))
        return false;
    if (type == RPC_AUTH_NONE)
        return true;
    if (type == RPC_AUTH_POLKIT)
        return call(connection, &program_remote, REMOTE_AUTH_POLKIT, NULL, &(RpcInt){0}, error);
    if (type == RPC_AUTH_SASL)
        return credentials_authenticate(connection->client, connection->uri, error);
    return error_set(error, ERROR_AUTH_UNAVAILABLE, ORIGIN_RPC,
                     "'%s' asks for authentication of kind %d, which this library doesn't have",
                     connection->uri->text, type);
}

static bool shake_hands(CisternConnection *connection, bool read_only, GError **error)
{
    RpcOpen args = {connection->uri->name, read_only ? RPC_OPEN_READ_ONLY : 0};
    return authenticate(connection, error) &&
           call(connection, &program_remote, REMOTE_CONNECT_OPEN, &args, NULL, error);
}

static int connect_embedded(CisternConnection *connection, bool read_only, GError **error)
{
    connection->embedded = embedded_ref_or_start(connection->uri->path, error);
    return connection->embedded ? embedded_connect(connection->embedded, read_only, error) : -1;
}

static bool nobody_there(const GError *error)
{
    return error_errno(error) == ENOENT || error_errno(error) == ECONNREFUSED;
}

static int connect_other(Uri *uri, GError **error)
{
    g_autoptr(GError) reason = NULL;
    int fd = socket_connect(uri->other, &reason);
    if (fd >= 0)
        uri_take_other(uri);
    else if (nobody_there(reason))
        error_set_errno(error, ORIGIN_RPC, error_errno(reason),
                        "no daemon answers on the socket '%s' or '%s'; start cisternd, or say "
                        "where its socket is with ?socket=PATH",
                        uri->path, uri->other);
    else
        g_propagate_error(error, g_steal_pointer(&reason));
    return fd;
}

static int connect_daemon(Uri *uri, GError **error)
{
    g_autoptr(GError) reason = NULL;
    int fd = socket_connect(uri->path, &reason);
    if (fd < 0 && uri->other && nobody_there(reason))
        return connect_other(uri, error);
    if (fd < 0)
        g_propagate_error(error, g_steal_pointer(&reason));
    return fd;
}

static Transport *find_way(CisternConnection *connection, bool read_only, GError **error)
{
    Uri *uri = connection->uri;
    if (uri->transport != URI_UNIX)
        return remote_connect(uri, read_only, error);
    int fd =
        uri->embedded ? connect_embedded(connection, read_only, error) : connect_daemon(uri, error);
    return fd >= 0 ? transport_new(fd) : NULL;
}

static char *peer_name(const Uri *uri)
{
    return g_strdup_printf(uri->embedded ? "the engine on '%s'" : "the daemon at '%s'",
                           uri->host ?: uri->path);
}

/* Takes over the URI. */
static CisternConnection *open_uri(Uri *uri, bool read_only, GError **error)
{
    CisternConnection *connection = connection_new(uri);
    Transport *transport = find_way(connection, read_only, error);
    g_autofree char *peer = peer_name(uri);
    if (transport)
        connection->client = rpc_client_new_over(transport, peer);
    if (transport && shake_hands(connection, read_only, error))
        return connection;
    cistern_close(connection);
    return NULL;
}

static CisternConnection *open_default(bool read_only, GError **error)
{
    g_autoptr(GError) reason = NULL;
    CisternConnection *connection = open_uri(uri_new_default_daemon(read_only), read_only, &reason);
    if (!connection && nobody_there(reason))
        return open_uri(uri_new_default_embedded(), read_only, error);
    if (!connection)
        g_propagate_error(error, g_steal_pointer(&reason));
    return connection;
}

static CisternConnection *open_any(const char *text, bool read_only, GError **error)
{
    if (!text || !*text)
        text = g_getenv("CISTERN_DEFAULT_URI");
    if (!text || !*text)
        return open_default(read_only, error);
    Uri *uri = uri_parse(text, read_only, error);
    return uri ? open_uri(uri, read_only, error) : NULL;
}

CisternConnection *cistern_open(const char *uri, unsigned int flags)
{
    GError *error = NULL;
    CisternConnection *connection = NULL;
    if (error_check_flags(&error, flags, CISTERN_OPEN_READ_ONLY, __func__))
        connection = open_any(uri, flags & CISTERN_OPEN_READ_ONLY, &error);
    if (!connection)
        last_error_take(error);
    return connection;
}

/* ---- about the connection ---- */

unsigned long cistern_version(void)
{
    return CISTERN_VERSION_NUMBER;
}

const char *cistern_uri(CisternConnection *connection)
{
    return given(connection) ? connection->uri->text : NULL;
}

int cistern_is_embedded(CisternConnection *connection)
{
    return given(connection) ? connection->uri->embedded : -1;
}

char *cistern_capabilities(CisternConnection *connection)
{
    if (!given(connection))
        return NULL;
    return call_for_text(connection, REMOTE_CONNECT_GET_CAPABILITIES, NULL);
}

char *cistern_pool_capabilities(CisternConnection *connection, unsigned int flags)
{
    if (!given(connection))
        return NULL;
    return call_for_text(connection, REMOTE_CONNECT_GET_STORAGE_POOL_CAPABILITIES,
                         &(RpcFlags){flags});
}

/* A daemon that can't report is no failure: the callback then hears of 0 bytes. */
static void ask_for_progress(CisternConnection *connection)
{
    g_autoptr(GError) error = NULL;
    g_mutex_lock(&connection->lock);
    bool asked = connection->progress_asked;
    connection->progress_asked = true;
    g_mutex_unlock(&connection->lock);
    if (!asked &&
        !call(connection, &program_cistern, CISTERN_PROGRESS_SUBSCRIBE, &(RpcInt){1}, NULL, &error))
        log_debug("no progress from '%s': %s", connection->uri->text, error->message);
}

void cistern_set_progress(CisternConnection *connection, CisternProgress callback, void *data)
{
    if (!connection)
        return;
    if (callback)
        ask_for_progress(connection);
    progress_set(connection->id, callback, data);
}
