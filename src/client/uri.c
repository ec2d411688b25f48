/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "uri.h"

#include "errors.h"

#include <string.h>
#include <unistd.h>

#define SYSTEM_SOCKET_DIR "/run/cistern"
#define SYSTEM_STATE_DIR  "/var/lib/cistern/embed"
#define SOCKET_NAME       "cistern-sock"
#define SOCKET_NAME_RO    "cistern-sock-ro"

/* Characters of a path that stand for themselves in a URI. */
#define PATH_CHARS "/:@!$'()*,;~"

typedef struct UriParts {
    char *scheme, *userinfo, *host, *path, *query, *fragment;
    int port;
} UriParts;

static void uri_parts_clear(UriParts *parts)
{
    g_free(parts->scheme);
    g_free(parts->userinfo);
    g_free(parts->host);
    g_free(parts->path);
    g_free(parts->query);
    g_free(parts->fragment);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(UriParts, uri_parts_clear)

void uri_free(Uri *uri)
{
    if (!uri)
        return;
    char *const texts[] = {
        uri->path,    uri->name,   uri->text,     uri->host,        uri->user,
        uri->port,    uri->auth,   uri->authfile, uri->pkipath,     uri->tls_priority,
        uri->command, uri->netcat, uri->keyfile,  uri->known_hosts, uri->known_hosts_verify,
    };
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    g_free(uri);
}

static Uri *uri_new_embedded(const char *folder)
{
    g_autofree char *escaped = g_uri_escape_string(folder, PATH_CHARS, false);
    Uri *uri = g_new0(Uri, 1);
    uri->embedded = true;
    uri->path = g_strdup(folder);
    uri->name = g_strdup("storage:///embed");
    uri->text = g_strconcat("embed://", escaped, NULL);
    return uri;
}

static Uri *uri_new_daemon(const char *path, const char *socket)
{
    g_autofree char *escaped = g_uri_escape_string(socket, PATH_CHARS, false);
    Uri *uri = g_new0(Uri, 1);
    uri->path = g_strdup(socket);
    uri->name = g_strconcat("storage://", path, NULL);
    uri->text = g_strconcat("cistern+unix://", path, "?socket=", escaped, NULL);
    return uri;
}

/* A user's daemon has no read-only socket; the flag in OPEN serves there. */
static char *standard_socket(const char *path, bool read_only)
{
    if (g_str_equal(path, "/system"))
        return g_build_filename(SYSTEM_SOCKET_DIR, read_only ? SOCKET_NAME_RO : SOCKET_NAME, NULL);
    return g_build_filename(g_get_user_runtime_dir(), "cistern", SOCKET_NAME, NULL);
}

Uri *uri_new_default_daemon(bool read_only)
{
    const char *path = geteuid() == 0 ? "/system" : "/session";
    g_autofree char *socket = standard_socket(path, read_only);
    return uri_new_daemon(path, socket);
}

Uri *uri_new_default_embedded(void)
{
    if (geteuid() == 0)
        return uri_new_embedded(SYSTEM_STATE_DIR);
    g_autofree char *folder = g_build_filename(g_get_user_data_dir(), "cistern", NULL);
    return uri_new_embedded(folder);
}

static bool split(const char *text, UriParts *ret, GError **error)
{
    g_autoptr(GError) reason = NULL;
    /* A %00 would cut the text short once decoded. */
    if (strstr(text, "%00"))
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                         "the URI '%s' holds a NUL character", text);
    if (!g_uri_split(text, G_URI_FLAGS_ENCODED_QUERY | G_URI_FLAGS_NON_DNS, &ret->scheme,
                     &ret->userinfo, &ret->host, &ret->port, &ret->path, &ret->query,
                     &ret->fragment, &reason))
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                         "the URI '%s' can't be read: %s", text, reason->message);
    if (!ret->scheme)
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                         "'%s' is no URI; known are embed:///DIR, cistern:///system and "
                         "cistern:///session",
                         text);
    return true;
}

static bool refuse(const char *text, const char *extra, const char *where, GError **error)
{
    return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE, "the URI '%s' names %s%s", text,
                     extra, where);
}

/* What only remote daemons have. */
static bool refuse_extras(const UriParts *parts, const char *text, GError **error)
{
    const char *extra = parts->host && *parts->host            ? "a host"
                        : parts->userinfo || parts->port != -1 ? "a user or port"
                                                               : NULL;
    return !extra || refuse(text, extra,
                            "; this host's daemons and folders have none (embed:///DIR, "
                            "cistern:///system, cistern:///session)",
                            error);
}

/* ---- parameters ---- */

#define ON(transport) (1u << (transport))
#define ON_REMOTE     (ON(URI_TLS) | ON(URI_TCP) | ON(URI_SSH))
#define ON_ANY        (ON(URI_UNIX) | ON_REMOTE)

typedef enum ParamKind { PARAM_TEXT, PARAM_PATH, PARAM_BOOL, PARAM_PROXY } ParamKind;

/* libvirt's names. */
static const struct Param {
    const char *name;
    ParamKind kind;
    size_t offset;
    guint transports;
} params[] = {
    {"socket", PARAM_PATH, offsetof(Uri, path), ON(URI_UNIX) | ON(URI_SSH)},
    {"name", PARAM_TEXT, offsetof(Uri, name), ON_ANY},
    {"auth", PARAM_TEXT, offsetof(Uri, auth), ON_ANY},
    {"authfile", PARAM_PATH, offsetof(Uri, authfile), ON_ANY},
    {"pkipath", PARAM_PATH, offsetof(Uri, pkipath), ON(URI_TLS)},
    {"tls_priority", PARAM_TEXT, offsetof(Uri, tls_priority), ON(URI_TLS)},
    {"no_verify", PARAM_BOOL, offsetof(Uri, no_verify), ON(URI_TLS)},
    {"no_sanity", PARAM_BOOL, offsetof(Uri, no_sanity), ON(URI_TLS)},
    {"command", PARAM_TEXT, offsetof(Uri, command), ON(URI_SSH)},
    {"keyfile", PARAM_PATH, offsetof(Uri, keyfile), ON(URI_SSH)},
    {"known_hosts", PARAM_PATH, offsetof(Uri, known_hosts), ON(URI_SSH)},
    {"known_hosts_verify", PARAM_TEXT, offsetof(Uri, known_hosts_verify), ON(URI_SSH)},
    {"netcat", PARAM_TEXT, offsetof(Uri, netcat), ON(URI_SSH)},
    {"no_tty", PARAM_BOOL, offsetof(Uri, no_tty), ON(URI_SSH)},
    {"proxy", PARAM_PROXY, offsetof(Uri, proxy), ON(URI_SSH)},
};

static const struct Param *find_param(const char *name, UriTransport transport)
{
    for (size_t i = 0; i < G_N_ELEMENTS(params); i++)
        if (g_str_equal(params[i].name, name) && (params[i].transports & ON(transport)))
            return &params[i];
    return NULL;
}

static bool refuse_value(const char *name, const char *value, const char *wanted, GError **error)
{
    return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE, "%s '%s' of the URI must be %s",
                     name, value, wanted);
}

static bool set_proxy(Uri *uri, const char *value, GError **error)
{
    if (g_str_equal(value, "native"))
        uri->proxy = URI_PROXY_NATIVE;
    else if (g_str_equal(value, "netcat"))
        uri->proxy = URI_PROXY_NETCAT;
    else if (!g_str_equal(value, "auto"))
        return refuse_value("proxy", value, "auto, netcat or native", error);
    return true;
}

static bool set_param(Uri *uri, const struct Param *param, const char *value, GError **error)
{
    guint8 *at = (guint8 *)uri + param->offset;

    if (param->kind == PARAM_PROXY)
        return set_proxy(uri, value, error);
    if (param->kind == PARAM_BOOL) {
        *(bool *)at = g_str_equal(value, "1");
        return *(bool *)at || g_str_equal(value, "0") ||
               refuse_value(param->name, value, "0 or 1", error);
    }
    if (param->kind == PARAM_PATH && !g_path_is_absolute(value))
        return refuse_value(param->name, value, "an absolute path", error);
    if (*value == '\0')
        return refuse_value(param->name, value, "given", error);
    char **text = (char **)(void *)at;
    g_free(*text);
    *text = g_strdup(value);
    return true;
}

static bool read_params(Uri *uri, const UriParts *parts, const char *text, GError **error)
{
    g_autoptr(GError) reason = NULL;
    g_autoptr(GHashTable) given =
        g_uri_parse_params(parts->query ? parts->query : "", -1, "&", G_URI_PARAMS_NONE, &reason);
    GHashTableIter iter;
    gpointer name, value;

    if (!given)
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                         "the parameters of the URI '%s' can't be read: %s", text, reason->message);
    g_hash_table_iter_init(&iter, given);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        const struct Param *param = find_param(name, uri->transport);
        if (!param)
            return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                             "unknown parameter '%s' in the URI '%s', or not for this transport",
                             (char *)name, text);
        if (!set_param(uri, param, value, error))
            return false;
    }
    return true;
}

static Uri *parse_embedded(const UriParts *parts, const char *text, GError **error)
{
    if (parts->query) {
        error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                  "the URI '%s' has parameters; embed:///DIR takes none", text);
        return NULL;
    }
    g_autofree char *folder = g_canonicalize_filename(parts->path, "/");
    if (!g_path_is_absolute(parts->path) || g_str_equal(folder, "/")) {
        error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                  "the URI '%s' names no folder; write embed:///DIR with DIR from the root", text);
        return NULL;
    }
    return uri_new_embedded(folder);
}

/* ---- remote daemons ---- */

/* The far side's shell and ssh's own options see these: nothing that either could take for more
 * than a name. */
static bool check_word(const char *what, const char *word, GError **error)
{
    if (!word || (*word != '-' && *word && !strpbrk(word, " \t\n\"'\\%")))
        return true;
    return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                     "the %s '%s' of the URI holds characters that no %s has", what, word, what);
}

static bool check_verify(const Uri *uri, GError **error)
{
    static const char *const words[] = {"normal", "auto", "ignore", NULL};

    return !uri->known_hosts_verify || g_strv_contains(words, uri->known_hosts_verify) ||
           refuse_value("known_hosts_verify", uri->known_hosts_verify, "normal, auto or ignore",
                        error);
}

static bool check_auth(const Uri *uri, GError **error)
{
    return !uri->auth || g_str_equal(uri->auth, "sasl") || g_str_equal(uri->auth, "polkit") ||
           g_str_has_prefix(uri->auth, "sasl.") ||
           refuse_value("auth", uri->auth, "sasl, sasl.MECHANISM or polkit", error);
}

static bool read_host(Uri *uri, const UriParts *parts, const char *text, GError **error)
{
    if (!parts->host || !*parts->host)
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                         "the URI '%s' names no host; this transport leads to one", text);
    uri->host = g_strdup(parts->host);
    uri->user = g_strdup(parts->userinfo);
    uri->port = parts->port < 0 ? NULL : g_strdup_printf("%d", parts->port);
    return check_word("host", uri->host, error) && check_word("user", uri->user, error);
}

static bool read_remote(Uri *uri, const UriParts *parts, const char *text, GError **error)
{
    return read_host(uri, parts, text, error) && read_params(uri, parts, text, error) &&
           check_word("file of known hosts", uri->known_hosts, error) && check_verify(uri, error) &&
           check_auth(uri, error);
}

static Uri *parse_remote(const UriParts *parts, const char *text, bool read_only, bool is_ours,
                         UriTransport transport, GError **error)
{
    g_autoptr(Uri) uri = g_new0(Uri, 1);

    uri->transport = transport;
    uri->text = g_strdup(text);
    uri->name = g_strconcat("storage://", parts->path, NULL);
    uri->proxy = is_ours ? URI_PROXY_NETCAT : URI_PROXY_NATIVE;
    if (!read_remote(uri, parts, text, error))
        return NULL;
    if (transport == URI_SSH && !uri->path) {
        uri->path =
            g_build_filename(SYSTEM_SOCKET_DIR, read_only ? SOCKET_NAME_RO : SOCKET_NAME, NULL);
        if (uri->proxy == URI_PROXY_NETCAT && !g_str_equal(parts->path, "/system")) {
            error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                      "the URI '%s' leads to the daemon of a user on another host: say where its "
                      "socket is with ?socket=PATH",
                      text);
            return NULL;
        }
    }
    return g_steal_pointer(&uri);
}

static Uri *parse_local(const UriParts *parts, const char *text, bool read_only, GError **error)
{
    g_autoptr(Uri) given = g_new0(Uri, 1);

    if (!refuse_extras(parts, text, error) || !read_params(given, parts, text, error) ||
        !check_auth(given, error))
        return NULL;
    g_autofree char *socket =
        given->path ? g_strdup(given->path) : standard_socket(parts->path, read_only);
    Uri *uri = uri_new_daemon(parts->path, socket);
    uri->auth = g_steal_pointer(&given->auth);
    uri->authfile = g_steal_pointer(&given->authfile);
    if (given->name) {
        g_free(uri->name);
        uri->name = g_steal_pointer(&given->name);
    }
    return uri;
}

/* Without a transport a host is reached by TLS. */
static bool read_transport(const UriParts *parts, const char *scheme, UriTransport *ret)
{
    static const char *const words[] = {
        [URI_UNIX] = "+unix",
        [URI_TLS] = "+tls",
        [URI_TCP] = "+tcp",
        [URI_SSH] = "+ssh",
    };
    const char *rest = parts->scheme + strlen(scheme);

    if (!g_str_has_prefix(parts->scheme, scheme))
        return false;
    *ret = parts->host && *parts->host ? URI_TLS : URI_UNIX;
    if (*rest == '\0')
        return true;
    for (guint i = 0; i < G_N_ELEMENTS(words); i++)
        if (g_str_equal(rest, words[i]))
            return *ret = (UriTransport)i, true;
    return false;
}

static Uri *parse_daemon(const UriParts *parts, const char *text, bool read_only, bool is_ours,
                         UriTransport transport, GError **error)
{
    if (parts->fragment) {
        refuse(text, "a fragment", ", which means nothing here", error);
        return NULL;
    }
    if (!g_str_equal(parts->path, "/system") && !g_str_equal(parts->path, "/session")) {
        error_set(error, ERROR_NO_CONNECT, ORIGIN_NONE,
                  "the URI '%s' has the path '%s'; it must be /system or /session", text,
                  parts->path);
        return NULL;
    }
    return transport == URI_UNIX ? parse_local(parts, text, read_only, error)
                                 : parse_remote(parts, text, read_only, is_ours, transport, error);
}

Uri *uri_parse(const char *text, bool read_only, GError **error)
{
    g_auto(UriParts) parts = {.port = -1};
    UriTransport transport;

    if (!split(text, &parts, error))
        return NULL;
    if (g_str_equal(parts.scheme, "embed"))
        return refuse_extras(&parts, text, error) ? parse_embedded(&parts, text, error) : NULL;
    if (read_transport(&parts, "cistern", &transport))
        return parse_daemon(&parts, text, read_only, true, transport, error);
    if (read_transport(&parts, "storage", &transport))
        return parse_daemon(&parts, text, read_only, false, transport, error);
    error_set(error, ERROR_NO_CONNECT, ORIGIN_NONE,
              "unknown scheme '%s' in the URI '%s'; known are embed, cistern and storage",
              parts.scheme, text);
    return NULL;
}
