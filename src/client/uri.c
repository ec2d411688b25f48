/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "uri.h"

#include "errors.h"

#include <string.h>
#include <unistd.h>

#define SYSTEM_RUNTIME_DIR "/run"
#define SYSTEM_STATE_DIR   "/var/lib/cistern/embed"

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
        uri->path,         uri->other,   uri->name,   uri->text,     uri->host,
        uri->user,         uri->port,    uri->auth,   uri->authfile, uri->pkipath,
        uri->tls_priority, uri->command, uri->netcat, uri->keyfile,  uri->known_hosts,
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

/* ---- sockets ---- */

/* Below the folder of what runs: the system's, or the user's. */
typedef struct Place {
    const char *folder, *socket;
} Place;

static const Place own_place = {"cistern", "cistern-sock"};
static const Place libvirt_place = {"libvirt", "virtstoraged-sock"}; /* cisternd --libvirt too */
static const Place legacy_place = {"libvirt", "libvirt-sock"};

/* A user's daemon has no read-only socket; the flag in OPEN serves there. */
static char *socket_at(const Place *place, const char *path, bool read_only)
{
    bool of_system = g_str_equal(path, "/system");
    const char *runtime = of_system ? SYSTEM_RUNTIME_DIR : g_get_user_runtime_dir();
    g_autofree char *name = g_strconcat(place->socket, of_system && read_only ? "-ro" : NULL, NULL);

    return g_build_filename(runtime, place->folder, name, NULL);
}

/* A daemon may be in its own place or in libvirt's. The scheme says which one comes first. */
static void set_standard_sockets(Uri *uri, const char *path, bool read_only, bool is_ours)
{
    if (uri->mode == URI_MODE_LEGACY) {
        uri->path = socket_at(&legacy_place, path, read_only);
        return;
    }
    uri->path = socket_at(is_ours ? &own_place : &libvirt_place, path, read_only);
    uri->other = socket_at(is_ours ? &libvirt_place : &own_place, path, read_only);
}

static char *daemon_text(const char *path, const char *socket)
{
    g_autofree char *escaped = g_uri_escape_string(socket, PATH_CHARS, false);

    return g_strconcat("cistern+unix://", path, "?socket=", escaped, NULL);
}

void uri_take_other(Uri *uri)
{
    bool of_system = g_str_has_prefix(uri->text, "cistern+unix:///system?");

    g_free(uri->path);
    uri->path = g_steal_pointer(&uri->other);
    g_free(uri->text);
    uri->text = daemon_text(of_system ? "/system" : "/session", uri->path);
}

Uri *uri_new_default_daemon(bool read_only)
{
    const char *path = geteuid() == 0 ? "/system" : "/session";
    Uri *uri = g_new0(Uri, 1);

    set_standard_sockets(uri, path, read_only, true);
    uri->name = g_strconcat("storage://", path, NULL);
    uri->text = daemon_text(path, uri->path);
    return uri;
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

typedef enum ParamKind { PARAM_TEXT, PARAM_PATH, PARAM_BOOL, PARAM_CHOICE, PARAM_UNUSED } ParamKind;

static const char *const proxies[] = {"auto", "netcat", "native", NULL};       /* UriProxy */
static const char *const modes[] = {"auto", "legacy", "direct", NULL};         /* UriMode */
static const char *const verifications[] = {"normal", "auto", "ignore", NULL}; /* UriVerify */

/* libvirt's names, all of those its clients keep to themselves. As there, each may stand in any
 * URI of a daemon, whose transport heeds what concerns it: URIs are copied and changed. */
static const struct Param {
    const char *name;
    ParamKind kind;
    size_t offset;
    const char *const *choices; /* indexed by the value */
} params[] = {
    {"socket", PARAM_PATH, offsetof(Uri, path)},
    {"name", PARAM_TEXT, offsetof(Uri, name)},
    {"mode", PARAM_CHOICE, offsetof(Uri, mode), modes},
    {"auth", PARAM_TEXT, offsetof(Uri, auth)},
    {"authfile", PARAM_PATH, offsetof(Uri, authfile)},
    {"pkipath", PARAM_PATH, offsetof(Uri, pkipath)},
    {"tls_priority", PARAM_TEXT, offsetof(Uri, tls_priority)},
    {"no_verify", PARAM_BOOL, offsetof(Uri, no_verify)},
    {"no_sanity", PARAM_BOOL, offsetof(Uri, no_sanity)},
    {"command", PARAM_TEXT, offsetof(Uri, command)},
    {"keyfile", PARAM_PATH, offsetof(Uri, keyfile)},
    {"known_hosts", PARAM_PATH, offsetof(Uri, known_hosts)},
    {"known_hosts_verify", PARAM_CHOICE, offsetof(Uri, known_hosts_verify), verifications},
    {"netcat", PARAM_TEXT, offsetof(Uri, netcat)},
    {"no_tty", PARAM_BOOL, offsetof(Uri, no_tty)},
    {"proxy", PARAM_CHOICE, offsetof(Uri, proxy), proxies},
    {"sshauth", PARAM_UNUSED}, /* of transports that libvirt has beside the ssh program */
};

static const struct Param *find_param(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(params); i++)
        if (g_str_equal(params[i].name, name))
            return &params[i];
    return NULL;
}

static bool refuse_value(const char *name, const char *value, const char *wanted, GError **error)
{
    return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE, "%s '%s' of the URI must be %s",
                     name, value, wanted);
}

static bool set_choice(guint *ret, const struct Param *param, const char *value, GError **error)
{
    g_autofree char *words = NULL;

    for (guint i = 0; param->choices[i]; i++)
        if (g_str_equal(param->choices[i], value))
            return *ret = i, true;
    words = g_strjoinv(", ", (char **)param->choices);
    g_autofree char *wanted = g_strconcat("one of ", words, NULL);
    return refuse_value(param->name, value, wanted, error);
}

static bool set_bool(bool *ret, const struct Param *param, const char *value, GError **error)
{
    *ret = g_str_equal(value, "1");
    return *ret || g_str_equal(value, "0") || refuse_value(param->name, value, "0 or 1", error);
}

static bool set_text(char **ret, const struct Param *param, const char *value, GError **error)
{
    if (param->kind == PARAM_PATH && !g_path_is_absolute(value))
        return refuse_value(param->name, value, "an absolute path", error);
    if (*value == '\0')
        return refuse_value(param->name, value, "given", error);
    g_free(*ret);
    *ret = g_strdup(value);
    return true;
}

static bool set_param(Uri *uri, const struct Param *param, const char *value, GError **error)
{
    void *at = (guint8 *)uri + param->offset;

    if (param->kind == PARAM_UNUSED)
        return true;
    if (param->kind == PARAM_CHOICE)
        return set_choice(at, param, value, error);
    if (param->kind == PARAM_BOOL)
        return set_bool(at, param, value, error);
    return set_text(at, param, value, error);
}

/* The far side's shell and ssh's own options see these: nothing that either could take for more
 * than a name. */
static bool check_word(const char *what, const char *word, GError **error)
{
    if (!word || (*word != '-' && *word && !strpbrk(word, " \t\n\"'\\%")))
        return true;
    return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                     "the %s '%s' of the URI holds characters that no %s has", what, word, what);
}

static bool check_auth(const Uri *uri, GError **error)
{
    return !uri->auth || g_str_equal(uri->auth, "sasl") || g_str_equal(uri->auth, "polkit") ||
           g_str_has_prefix(uri->auth, "sasl.") ||
           refuse_value("auth", uri->auth, "sasl, sasl.MECHANISM or polkit", error);
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
        const struct Param *param = find_param(name);
        if (!param)
            return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                             "unknown parameter '%s' in the URI '%s'", (char *)name, text);
        if (!set_param(uri, param, value, error))
            return false;
    }
    return check_auth(uri, error) && check_word("file of known hosts", uri->known_hosts, error);
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

/* Where nc finds the daemon. */
static bool set_far_sockets(Uri *uri, const UriParts *parts, const char *text, bool read_only,
                            bool is_ours, GError **error)
{
    if (uri->path || uri->proxy != URI_PROXY_NETCAT)
        return true;
    if (!g_str_equal(parts->path, "/system"))
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                         "the URI '%s' leads to the daemon of a user on another host: say where "
                         "its socket is with ?socket=PATH",
                         text);
    set_standard_sockets(uri, parts->path, read_only, is_ours);
    return true;
}

static Uri *parse_remote(const UriParts *parts, const char *text, bool read_only, bool is_ours,
                         UriTransport transport, GError **error)
{
    g_autoptr(Uri) uri = g_new0(Uri, 1);

    uri->transport = transport;
    uri->text = g_strdup(text);
    uri->name = g_strconcat("storage://", parts->path, NULL);
    if (!read_host(uri, parts, text, error) || !read_params(uri, parts, text, error))
        return NULL;
    if (uri->proxy == URI_PROXY_AUTO)
        uri->proxy = is_ours ? URI_PROXY_NETCAT : URI_PROXY_NATIVE;
    if (transport == URI_SSH && !set_far_sockets(uri, parts, text, read_only, is_ours, error))
        return NULL;
    return g_steal_pointer(&uri);
}

static Uri *parse_local(const UriParts *parts, const char *text, bool read_only, bool is_ours,
                        GError **error)
{
    g_autoptr(Uri) uri = g_new0(Uri, 1);

    uri->name = g_strconcat("storage://", parts->path, NULL);
    if (!refuse_extras(parts, text, error) || !read_params(uri, parts, text, error))
        return NULL;
    if (!uri->path)
        set_standard_sockets(uri, parts->path, read_only, is_ours);
    uri->text = daemon_text(parts->path, uri->path);
    return g_steal_pointer(&uri);
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
    return transport == URI_UNIX ? parse_local(parts, text, read_only, is_ours, error)
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
