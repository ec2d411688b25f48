/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core.h"
#include "errors.h"
#include "log.h"
#include "polkit.h"
#include "session.h"
#include <limits.h>
#include <string.h>
#include <unistd.h>

/*
 * The connection itself: opening, features, identity. All of it
 * runs on the loop and may use the session.
 */

/* The libvirt release whose protocol this is: clients decide by it what they may ask for. */
#define COMPATIBLE_VERSION 9000000 /* major × 1000000 + minor × 1000 + release */

#define URI_MAX 4096 /* bytes */

static Session *session_of(Turn *turn)
{
    return turn->call->session;
}

/* ---- open and close ---- */

/* What clients call this daemon. Those that talk to a hypervisor's daemon by default (go-libvirt
 * does) send its name whatever socket they were pointed at. */
static const char *const schemes[] = {"storage", "cistern", "embed", "qemu", NULL};

static bool refuse_uri(const char *uri, GError **error)
{
    return error_set(error, ERROR_NO_CONNECT, ORIGIN_NONE, "%s", uri);
}

static bool check_path(const ServerConfig *config, const char *uri, const char *path,
                       GError **error)
{
    gsize size = strcspn(path, "?#");
    const char *expected = config->uri_path;

    if (!expected || (strlen(expected) == size && strncmp(path, expected, size) == 0))
        return true;
    return error_set(error, ERROR_INTERNAL, ORIGIN_NONE,
                     "unexpected storage URI path '%.*s' in '%s', try storage://%s", (int)size,
                     path, uri, expected);
}

static bool check_uri(const ServerConfig *config, const char *uri, GError **error)
{
    const char *rest = strstr(uri, ":///");
    g_autofree char *scheme = rest ? g_strndup(uri, (gsize)(rest - uri)) : NULL;

    if (uri[0] == '\0')
        return true;
    if (strlen(uri) > URI_MAX || !g_utf8_validate(uri, -1, NULL))
        return refuse_uri("a name that is not a URI", error);
    if (!scheme || !g_strv_contains(schemes, scheme))
        return refuse_uri(uri, error);
    return strcmp(scheme, "embed") == 0 || check_path(config, uri, rest + 3, error);
}

static bool on_open(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcOpen *args = data;
    Session *session = session_of(turn);

    if (session->opened)
        return error_set(error, ERROR_INTERNAL, ORIGIN_RPC, "connection already open");
    if (!args->name)
        return error_set(error, ERROR_INTERNAL, ORIGIN_RPC, "no connection name was given");
    if (!check_uri(&session->core->config, args->name, error))
        return false;
    session->uri = g_strdup(args->name);
    session->read_only |= (args->flags & RPC_OPEN_READ_ONLY) != 0;
    session->opened = true;
    return true;
}

static bool on_close(Turn *turn, const void *data, void *result, GError **error)
{
    session_of(turn)->closing = true;
    return true;
}

static bool on_get_uri(Turn *turn, const void *data, void *result, GError **error)
{
    const char *uri = session_of(turn)->uri;
    const char *path = session_of(turn)->core->config.uri_path;

    ((RpcText *)result)->text =
        uri[0] ? g_strdup(uri) : g_strconcat("storage://", path ? path : "/system", NULL);
    return true;
}

/* ---- what this is ---- */

static bool on_get_type(Turn *turn, const void *data, void *result, GError **error)
{
    ((RpcText *)result)->text = g_strdup("storage");
    return true;
}

static bool on_get_lib_version(Turn *turn, const void *data, void *result, GError **error)
{
    ((RpcUint64 *)result)->value = COMPATIBLE_VERSION;
    return true;
}

static bool on_get_hostname(Turn *turn, const void *data, void *result, GError **error)
{
    ((RpcText *)result)->text = g_strdup(g_get_host_name());
    return true;
}

static bool on_get_capabilities(Turn *turn, const void *data, void *result, GError **error)
{
    ((RpcText *)result)->text = engine_host_capabilities(turn_engine(turn));
    return true;
}

static bool on_get_pool_capabilities(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcFlags *args = data;

    if (!error_check_flags(error, args->flags, 0, "storageConnectGetStoragePoolCapabilities"))
        return false;
    ((RpcText *)result)->text = engine_pool_capabilities(turn_engine(turn));
    return true;
}

/* Nobody else can listen in. */
static bool on_is_secure(Turn *turn, const void *data, void *result, GError **error)
{
    const Session *session = session_of(turn);

    ((RpcInt *)result)->value =
        session->kind == LISTENER_UNIX || transport_strength(session->transport) > 0;
    return true;
}

static bool on_supports_feature(Turn *turn, const void *data, void *result, GError **error)
{
    static const gint32 supported[] = {RPC_FEATURE_FD_PASSING, RPC_FEATURE_KEEPALIVE,
                                       RPC_FEATURE_EVENT_CALLBACK, RPC_FEATURE_CLOSE_CALLBACK};
    gint32 feature = ((const RpcInt *)data)->value;

    if (!session_of(turn)->opened && feature != RPC_FEATURE_KEEPALIVE)
        return error_set(error, ERROR_INTERNAL, ORIGIN_RPC, "connection not open");
    if (feature == RPC_FEATURE_KEEPALIVE)
        session_start_keepalive(session_of(turn));
    for (guint i = 0; i < G_N_ELEMENTS(supported); i++)
        if (supported[i] == feature)
            ((RpcInt *)result)->value = 1;
    return true;
}

/* What belongs to hypervisors. */
static bool on_unsupported(Turn *turn, const void *data, void *result, GError **error)
{
    g_autofree char *function =
        procedure_function(turn->call->header.program, turn->call->procedure);

    return error_set(error, ERROR_NO_SUPPORT, ORIGIN_DOMAIN, "%s", function);
}

/* ---- authentication ---- */

static bool on_auth_list(Turn *turn, const void *data, void *result, GError **error)
{
    static const gint32 wire[] = {
        [LISTENER_AUTH_NONE] = RPC_AUTH_NONE,
        [LISTENER_AUTH_POLKIT] = RPC_AUTH_POLKIT,
        [LISTENER_AUTH_SASL] = RPC_AUTH_SASL,
    };
    const Session *session = session_of(turn);
    RpcAuthTypes *types = result;

    types->n_types = 1;
    types->types = g_new(gint32, 1);
    types->types[0] = session->stage == SESSION_READY ? RPC_AUTH_NONE : (gint32)wire[session->auth];
    return true;
}

/* ---- SASL ---- */

/* What the client is told of any failure: nothing that would help it to guess. */
static bool refuse_sasl(GError **error)
{
    return error_set(error, ERROR_AUTH_FAILED, ORIGIN_RPC, "authentication failed");
}

static bool expects_sasl(const Session *session)
{
    return session->stage == SESSION_AUTHENTICATING && session->auth == LISTENER_AUTH_SASL;
}

static Sasl *begin_sasl(Session *session, GError **error)
{
    SaslLimits limits = {
        .external_ssf = transport_strength(session->transport),
        .is_local = session->kind == LISTENER_UNIX,
        .min_ssf = session->core->config.sasl_min_ssf,
    };

    return sasl_new_server(&limits, error);
}

static bool on_sasl_init(Turn *turn, const void *data, void *result, GError **error)
{
    Session *session = session_of(turn);
    g_autoptr(GError) reason = NULL;

    if (!expects_sasl(session) || session->sasl)
        return refuse_sasl(error);
    session->sasl = begin_sasl(session, &reason);
    char *mechanisms = session->sasl ? sasl_list_mechanisms(session->sasl, &reason) : NULL;
    if (!mechanisms) {
        log_warning("%s: %s", session->client, reason->message);
        return refuse_sasl(error);
    }
    ((RpcText *)result)->text = mechanisms;
    return true;
}

static bool is_allowed_user(Call *call)
{
    const char *const *patterns = call->core->config.sasl_users;
    const char *user = sasl_user(call->sasl);

    for (; user && patterns && *patterns; patterns++)
        if (g_pattern_match_simple(*patterns, user))
            return true;
    return user && !call->core->config.sasl_users;
}

/* A user who may not log in fails as one who doesn't know the password. */
static bool take_step(Call *call, const char *mechanism, const SaslToken *in, SaslToken *out)
{
    g_autoptr(GError) reason = NULL;

    if (!call->sasl)
        return false;
    if (!sasl_step(call->sasl, mechanism, in, out, NULL, &reason)) {
        log_info("%s: %s", call->client, reason->message);
        return false;
    }
    if (!sasl_is_complete(call->sasl) || is_allowed_user(call))
        return true;
    log_warning("%s: the user '%s' is not among those that are allowed", call->client,
                sasl_user(call->sasl));
    return false;
}

static bool answer_step(Call *call, const char *mechanism, const RpcSaslStep *step,
                        RpcSaslResult *ret, GError **error)
{
    SaslToken in = {step->nil ? NULL : (const char *)step->data ?: "", step->nil ? 0 : step->n_data};
    SaslToken out;

    if (!take_step(call, mechanism, &in, &out) || out.size > RPC_SASL_MAX)
        return refuse_sasl(error);
    ret->complete = sasl_is_complete(call->sasl);
    ret->nil = out.data == NULL;
    ret->n_data = out.data ? out.size : 0;
    ret->data = g_memdup2(out.data, ret->n_data);
    return true;
}

static bool on_sasl_start(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcSaslStart *args = data;
    RpcSaslStep step = {args->nil, args->n_data, args->data};

    return answer_step(turn->call, args->mechanism, &step, result, error);
}

static bool on_sasl_step(Turn *turn, const void *data, void *result, GError **error)
{
    return answer_step(turn->call, NULL, data, result, error);
}

static void let_in(Session *session, Sasl *sasl)
{
    g_autoptr(Identity) identity = identity_copy(session->identity);
    g_autofree char *label = g_strdup_printf("%.64s@%s", sasl_user(sasl), session->client);

    log_info("%s: is the user '%s'", session->client, sasl_user(sasl));
    identity->sasl_user = g_strdup(sasl_user(sasl));
    identity_set_label(identity, label);
    session_set_identity(session, identity);
    session_set_authenticated(session);
    session_change_transport(session, sasl_wrap(sasl, session->transport));
}

/* After a failure the client may begin again. */
static void finish_sasl(Session *session, Call *call)
{
    if (call->succeeded && sasl_is_complete(call->sasl))
        let_in(session, call->sasl);
    else if (call->succeeded)
        return;
    else
        session_count_auth_failure(session);
    g_clear_pointer(&session->sasl, sasl_unref);
}

/* ---- polkit ---- */

static bool on_auth_polkit(Turn *turn, const void *data, void *result, GError **error)
{
    Call *call = turn->call;

    if (!call->polkit_action)
        return error_set(error, ERROR_INTERNAL, ORIGIN_RPC,
                         "this socket does not use polkit; AUTH_LIST says what it uses");
    if (!polkit_check(call->identity, call->polkit_action, NULL, true, call->cancellable, error))
        return false;
    ((RpcInt *)result)->value = 1;
    return true;
}

static void finish_polkit(Session *session, Call *call)
{
    if (call->succeeded)
        session_set_authenticated(session);
}

/* ---- identity ---- */

/* The connection goes on in the name of whom it speaks for. */
static bool on_set_identity(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcIdentity *args = data;
    Session *session = session_of(turn);

    if (!error_check_flags(error, args->flags, 0, "virConnectSetIdentity"))
        return false;
    g_autoptr(Identity) identity = identity_from_params(args, error);
    if (!identity)
        return false;
    if (!session_peer_is_trusted(session))
        return error_set(error, ERROR_ACCESS_DENIED, ORIGIN_ACCESS,
                         "only root may speak for other users");
    session_set_identity(session, identity);
    return true;
}

/* This daemon never loses a remote hypervisor, which is all the callback would tell. */
static bool on_close_callback(Turn *turn, const void *data, void *result, GError **error)
{
    return true;
}

static const HandlerRow connection_rows[] = {
    {REMOTE_CONNECT_OPEN, on_open, ON_SESSION, DEADLINE_NONE},
    {REMOTE_CONNECT_CLOSE, on_close, ON_SESSION, DEADLINE_NONE},
    {REMOTE_CONNECT_GET_TYPE, on_get_type, ON_SESSION, DEADLINE_NONE},
    {REMOTE_CONNECT_GET_VERSION, on_unsupported, ON_SESSION, DEADLINE_NONE},
    {REMOTE_CONNECT_GET_MAX_VCPUS, on_unsupported, ON_SESSION, DEADLINE_NONE},
    {REMOTE_CONNECT_GET_CAPABILITIES, on_get_capabilities, ON_SESSION, DEADLINE_NONE},
    {REMOTE_CONNECT_GET_HOSTNAME, on_get_hostname, ON_SESSION, DEADLINE_NONE},
    {REMOTE_CONNECT_SUPPORTS_FEATURE, on_supports_feature, ON_SESSION, DEADLINE_NONE},
    {REMOTE_AUTH_LIST, on_auth_list, ON_SESSION, DEADLINE_NONE},
    {REMOTE_AUTH_SASL_INIT, on_sasl_init, ON_SESSION, DEADLINE_NONE},
    {REMOTE_AUTH_SASL_START, on_sasl_start, ON_WORKER_ALONE, DEADLINE_NONE, .finish = finish_sasl},
    {REMOTE_AUTH_SASL_STEP, on_sasl_step, ON_WORKER_ALONE, DEADLINE_NONE, .finish = finish_sasl},
    {REMOTE_AUTH_POLKIT, on_auth_polkit, ON_WORKER_ALONE, DEADLINE_NONE, .finish = finish_polkit},
    {REMOTE_CONNECT_GET_URI, on_get_uri, ON_SESSION, DEADLINE_NONE},
    {REMOTE_CONNECT_IS_SECURE, on_is_secure, ON_SESSION, DEADLINE_NONE},
    {REMOTE_CONNECT_GET_LIB_VERSION, on_get_lib_version, ON_SESSION, DEADLINE_NONE},
    {REMOTE_CONNECT_REGISTER_CLOSE_CALLBACK, on_close_callback, ON_SESSION, DEADLINE_NONE},
    {REMOTE_CONNECT_UNREGISTER_CLOSE_CALLBACK, on_close_callback, ON_SESSION, DEADLINE_NONE},
    {REMOTE_CONNECT_GET_STORAGE_POOL_CAPABILITIES, on_get_pool_capabilities, ON_SESSION,
     DEADLINE_NONE},
    {REMOTE_CONNECT_SET_IDENTITY, on_set_identity, ON_SESSION, DEADLINE_NONE},
};

const HandlerTable connection_handlers = {connection_rows, G_N_ELEMENTS(connection_rows)};
