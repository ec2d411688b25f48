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
    g_free(uri->path);
    g_free(uri->name);
    g_free(uri->text);
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

/* What remote URIs have and ours don't. */
static bool refuse_extras(const UriParts *parts, const char *text, GError **error)
{
    const char *extra = parts->host && *parts->host            ? "a host"
                        : parts->userinfo || parts->port != -1 ? "a user or port"
                        : parts->fragment                      ? "a fragment"
                                                               : NULL;
    if (!extra)
        return true;
    return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                     "the URI '%s' names %s; only this host's daemons and folders can be opened "
                     "(embed:///DIR, cistern:///system, cistern:///session)",
                     text, extra);
}

static bool read_socket_parameter(const UriParts *parts, const char *text, char **ret_socket,
                                  GError **error)
{
    if (!parts->query)
        return true;
    g_autoptr(GError) reason = NULL;
    g_autoptr(GHashTable) params =
        g_uri_parse_params(parts->query, -1, "&", G_URI_PARAMS_NONE, &reason);
    if (!params)
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                         "the parameters of the URI '%s' can't be read: %s", text, reason->message);
    GHashTableIter iter;
    gpointer name, value;
    g_hash_table_iter_init(&iter, params);
    while (g_hash_table_iter_next(&iter, &name, &value))
        if (!g_str_equal(name, "socket"))
            return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                             "unknown parameter '%s' in the URI '%s'; there is only 'socket'",
                             (char *)name, text);
    *ret_socket = g_strdup(g_hash_table_lookup(params, "socket"));
    if (*ret_socket && !g_path_is_absolute(*ret_socket))
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                         "socket '%s' in the URI '%s' must be an absolute path", *ret_socket, text);
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

static Uri *parse_daemon(const UriParts *parts, const char *text, bool read_only, GError **error)
{
    g_autofree char *socket = NULL;
    if (!g_str_equal(parts->path, "/system") && !g_str_equal(parts->path, "/session")) {
        error_set(error, ERROR_NO_CONNECT, ORIGIN_NONE,
                  "the URI '%s' has the path '%s'; it must be /system or /session", text,
                  parts->path);
        return NULL;
    }
    if (!read_socket_parameter(parts, text, &socket, error))
        return NULL;
    if (!socket)
        socket = standard_socket(parts->path, read_only);
    return uri_new_daemon(parts->path, socket);
}

Uri *uri_parse(const char *text, bool read_only, GError **error)
{
    static const char *const daemon_schemes[] = {"cistern", "cistern+unix", "storage",
                                                 "storage+unix", NULL};
    g_auto(UriParts) parts = {.port = -1};
    if (!split(text, &parts, error) || !refuse_extras(&parts, text, error))
        return NULL;
    if (g_str_equal(parts.scheme, "embed"))
        return parse_embedded(&parts, text, error);
    if (g_strv_contains(daemon_schemes, parts.scheme))
        return parse_daemon(&parts, text, read_only, error);
    error_set(error, ERROR_NO_CONNECT, ORIGIN_NONE,
              "unknown scheme '%s' in the URI '%s'; known are embed, cistern and storage",
              parts.scheme, text);
    return NULL;
}
