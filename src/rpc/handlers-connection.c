/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core.h"
#include "errors.h"
#include "server-private.h"
#include <limits.h>
#include <string.h>
#include <unistd.h>

/*
 * The connection itself: opening, features, identity, registrations. All of it
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

/* Unix sockets: nobody else can listen in. */
static bool on_is_secure(Turn *turn, const void *data, void *result, GError **error)
{
    ((RpcInt *)result)->value = 1;
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

/* ---- authentication: the socket's permissions are all there is ---- */

static bool on_auth_list(Turn *turn, const void *data, void *result, GError **error)
{
    RpcAuthTypes *types = result;

    types->n_types = 1;
    types->types = g_new(gint32, 1);
    types->types[0] = RPC_AUTH_NONE;
    return true;
}

static bool on_auth_sasl(Turn *turn, const void *data, void *result, GError **error)
{
    return error_set(error, ERROR_AUTH_FAILED, ORIGIN_RPC,
                     "this socket does not use SASL; AUTH_LIST says what it uses");
}

static bool on_auth_polkit(Turn *turn, const void *data, void *result, GError **error)
{
    return error_set(error, ERROR_INTERNAL, ORIGIN_RPC,
                     "this socket does not use polkit; AUTH_LIST says what it uses");
}

/* ---- identity ---- */

typedef struct IdentityField {
    const char *name;
    RpcParamType type;
} IdentityField;

static const IdentityField identity_fields[] = {
    {"user-name", RPC_PARAM_STRING},       {"unix-user-id", RPC_PARAM_ULLONG},
    {"group-name", RPC_PARAM_STRING},      {"unix-group-id", RPC_PARAM_ULLONG},
    {"process-id", RPC_PARAM_LLONG},       {"process-time", RPC_PARAM_ULLONG},
    {"sasl-user-name", RPC_PARAM_STRING},  {"x509-distinguished-name", RPC_PARAM_STRING},
    {"selinux-context", RPC_PARAM_STRING},
};

static const IdentityField *find_identity_field(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(identity_fields); i++)
        if (strcmp(identity_fields[i].name, name) == 0)
            return &identity_fields[i];
    return NULL;
}

static const RpcParam *find_param(const RpcIdentity *identity, const char *name)
{
    for (guint32 i = 0; i < identity->n_params; i++)
        if (strcmp(identity->params[i].field, name) == 0)
            return &identity->params[i];
    return NULL;
}

static bool check_param(const RpcIdentity *identity, const RpcParam *param, GError **error)
{
    const IdentityField *field = find_identity_field(param->field);

    if (!field)
        return error_set(error, ERROR_ARGUMENT_UNSUPPORTED, ORIGIN_RPC,
                         "parameter '%.64s' not supported", param->field);
    if (param->type != (gint32)field->type)
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_RPC,
                         "invalid type of parameter '%s'", param->field);
    if (find_param(identity, param->field) != param)
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_RPC,
                         "parameter '%s' occurs multiple times", param->field);
    return true;
}

static bool check_identity(Session *session, const RpcIdentity *identity, GError **error)
{
    if (!error_check_flags(error, identity->flags, 0, "virConnectSetIdentity"))
        return false;
    for (guint32 i = 0; i < identity->n_params; i++)
        if (!check_param(identity, &identity->params[i], error))
            return false;
    if (!session_peer_is_trusted(session))
        return error_set(error, ERROR_ACCESS_DENIED, ORIGIN_ACCESS,
                         "only root may speak for other users");
    return true;
}

/* The connection goes on in the name of whom it speaks for. */
static bool on_set_identity(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcIdentity *identity = data;
    Session *session = session_of(turn);
    const RpcParam *user, *process;

    if (!check_identity(session, identity, error))
        return false;
    user = find_param(identity, "user-name");
    process = find_param(identity, "process-id");
    g_autofree char *name =
        g_strdup_printf("%.64s:%" G_GINT64_FORMAT, user ? user->value.text : "unix",
                        process ? process->value.ll : 0);
    g_ref_string_release(session->client);
    session->client = g_ref_string_new(name);
    return true;
}

/* ---- registrations ---- */

/* This daemon never loses a remote hypervisor, which is all the callback would tell. */
static bool on_close_callback(Turn *turn, const void *data, void *result, GError **error)
{
    return true;
}

static bool on_event_register(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcEventRegister *args = data;
    Session *session = session_of(turn);
    Registration registration = {.event = args->event, .has_pool = args->pool != NULL};

    if (args->event < 0 || args->event >= RPC_EVENT_COUNT)
        return error_set(error, ERROR_INTERNAL, ORIGIN_RPC, "unsupported storage pool event ID %d",
                         args->event);
    if (session->registrations->len >= SESSION_REGISTRATIONS_MAX)
        return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_RPC,
                         "a connection can register for events %d times at most",
                         SESSION_REGISTRATIONS_MAX);
    if (args->pool)
        registration.pool = args->pool->uuid;
    registration.id = server_next_registration(session->server);
    g_array_append_val(session->registrations, registration);
    ((RpcInt *)result)->value = registration.id;
    return true;
}

static bool on_event_deregister(Turn *turn, const void *data, void *result, GError **error)
{
    gint32 id = ((const RpcInt *)data)->value;
    GArray *registrations = session_of(turn)->registrations;

    for (guint i = 0; i < registrations->len; i++) {
        if (g_array_index(registrations, Registration, i).id != id)
            continue;
        g_array_remove_index(registrations, i);
        return true;
    }
    return error_set(error, ERROR_INTERNAL, ORIGIN_RPC,
                     "storage pool event callback %d not registered", id);
}

static const HandlerRow connection_rows[] = {
    {REMOTE_CONNECT_OPEN, on_open, ON_LOOP, DEADLINE_NONE},
    {REMOTE_CONNECT_CLOSE, on_close, ON_LOOP, DEADLINE_NONE},
    {REMOTE_CONNECT_GET_TYPE, on_get_type, ON_LOOP, DEADLINE_NONE},
    {REMOTE_CONNECT_GET_VERSION, on_unsupported, ON_LOOP, DEADLINE_NONE},
    {REMOTE_CONNECT_GET_MAX_VCPUS, on_unsupported, ON_LOOP, DEADLINE_NONE},
    {REMOTE_NODE_GET_INFO, on_unsupported, ON_LOOP, DEADLINE_NONE},
    {REMOTE_CONNECT_GET_CAPABILITIES, on_get_capabilities, ON_LOOP, DEADLINE_NONE},
    {REMOTE_CONNECT_GET_HOSTNAME, on_get_hostname, ON_LOOP, DEADLINE_NONE},
    {REMOTE_CONNECT_SUPPORTS_FEATURE, on_supports_feature, ON_LOOP, DEADLINE_NONE},
    {REMOTE_AUTH_LIST, on_auth_list, ON_LOOP, DEADLINE_NONE},
    {REMOTE_AUTH_SASL_INIT, on_auth_sasl, ON_LOOP, DEADLINE_NONE},
    {REMOTE_AUTH_SASL_START, on_auth_sasl, ON_LOOP, DEADLINE_NONE},
    {REMOTE_AUTH_SASL_STEP, on_auth_sasl, ON_LOOP, DEADLINE_NONE},
    {REMOTE_AUTH_POLKIT, on_auth_polkit, ON_LOOP, DEADLINE_NONE},
    {REMOTE_NODE_GET_CELLS_FREE_MEMORY, on_unsupported, ON_LOOP, DEADLINE_NONE},
    {REMOTE_NODE_GET_FREE_MEMORY, on_unsupported, ON_LOOP, DEADLINE_NONE},
    {REMOTE_CONNECT_GET_URI, on_get_uri, ON_LOOP, DEADLINE_NONE},
    {REMOTE_NODE_GET_SECURITY_MODEL, on_unsupported, ON_LOOP, DEADLINE_NONE},
    {REMOTE_CONNECT_IS_SECURE, on_is_secure, ON_LOOP, DEADLINE_NONE},
    {REMOTE_CONNECT_GET_LIB_VERSION, on_get_lib_version, ON_LOOP, DEADLINE_NONE},
    {REMOTE_CONNECT_GET_SYSINFO, on_unsupported, ON_LOOP, DEADLINE_NONE},
    {REMOTE_CONNECT_REGISTER_CLOSE_CALLBACK, on_close_callback, ON_LOOP, DEADLINE_NONE},
    {REMOTE_CONNECT_UNREGISTER_CLOSE_CALLBACK, on_close_callback, ON_LOOP, DEADLINE_NONE},
    {REMOTE_CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY, on_event_register, ON_LOOP, DEADLINE_NONE},
    {REMOTE_CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY, on_event_deregister, ON_LOOP, DEADLINE_NONE},
    {REMOTE_CONNECT_GET_STORAGE_POOL_CAPABILITIES, on_get_pool_capabilities, ON_LOOP,
     DEADLINE_NONE},
    {REMOTE_CONNECT_SET_IDENTITY, on_set_identity, ON_LOOP, DEADLINE_NONE},
};

const HandlerTable connection_handlers = {connection_rows, G_N_ELEMENTS(connection_rows)};
