/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "errors.h"
#include "uri.h"

#include <unistd.h>

typedef struct Good {
    const char *text;
    bool read_only, embedded;
    const char *path, *name, *full;
} Good;

static void test_good(void)
{
    const Good rows[] = {
        {"embed:///srv/state", false, true, "/srv/state", "storage:///embed", "embed:///srv/state"},
        {"embed:///srv//x/../state/", false, true, "/srv/state", "storage:///embed",
         "embed:///srv/state"},
        {"embed:///with%20blank%3F", true, true, "/with blank?", "storage:///embed",
         "embed:///with%20blank%3F"},
        {"EMBED:///a", false, true, "/a", "storage:///embed", "embed:///a"},
        {"cistern:///system", false, false, "/run/cistern/cistern-sock", "storage:///system",
         "cistern+unix:///system?socket=/run/cistern/cistern-sock"},
        {"cistern:///system", true, false, "/run/cistern/cistern-sock-ro", "storage:///system",
         "cistern+unix:///system?socket=/run/cistern/cistern-sock-ro"},
        {"storage:///system?socket=/a/b", true, false, "/a/b", "storage:///system",
         "cistern+unix:///system?socket=/a/b"},
        {"storage+unix:///session?socket=/a%26b%20c", false, false, "/a&b c", "storage:///session",
         "cistern+unix:///session?socket=/a%26b%20c"},
        {"cistern+unix:///system?socket=/x", false, false, "/x", "storage:///system",
         "cistern+unix:///system?socket=/x"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Uri) uri = uri_parse(rows[i].text, rows[i].read_only, &error);
        g_assert_no_error(error);
        g_assert_cmpint(uri->embedded, ==, rows[i].embedded);
        g_assert_cmpstr(uri->path, ==, rows[i].path);
        g_assert_cmpstr(uri->name, ==, rows[i].name);
        g_assert_cmpstr(uri->text, ==, rows[i].full);
    }
}

typedef struct Bad {
    const char *text;
    int code;
    const char *says;
} Bad;

static void test_bad(void)
{
    const Bad rows[] = {
        {"qemu:///system", ERROR_NO_CONNECT, "unknown scheme 'qemu'"},
        {"cistern:///other", ERROR_NO_CONNECT, "'/other'"},
        {"cistern:///system/", ERROR_NO_CONNECT, "'/system/'"},
        {"cistern+unix://host/system", ERROR_INVALID_ARGUMENT, "a host"},
        {"cistern+tls:///system", ERROR_INVALID_ARGUMENT, "no host"},
        {"cistern+ssh://-oProxyCommand=x/system", ERROR_INVALID_ARGUMENT, "host '-o"},
        {"cistern+ssh://a%20b/system", ERROR_INVALID_ARGUMENT, "host 'a b'"},
        {"cistern+ssh://-l@h/system", ERROR_INVALID_ARGUMENT, "user '-l'"},
        {"cistern+ssh://h/session", ERROR_INVALID_ARGUMENT, "?socket=PATH"},
        {"cistern+ssh://h/system?known_hosts=/a%20b", ERROR_INVALID_ARGUMENT, "known hosts"},
        {"cistern+ssh://h/system?known_hosts_verify=x", ERROR_INVALID_ARGUMENT, "ignore"},
        {"cistern+ssh://h/system?proxy=x", ERROR_INVALID_ARGUMENT, "native"},
        {"cistern+ssh://h/system?pkipath=/x", ERROR_INVALID_ARGUMENT, "'pkipath'"},
        {"cistern+tls://h/system?no_verify=yes", ERROR_INVALID_ARGUMENT, "0 or 1"},
        {"cistern+tls://h/system?pkipath=x", ERROR_INVALID_ARGUMENT, "absolute"},
        {"cistern+tls://h/system?auth=none", ERROR_INVALID_ARGUMENT, "auth 'none'"},
        {"cistern+ftp://h/system", ERROR_NO_CONNECT, "scheme"},
        {"embed://host/dir", ERROR_INVALID_ARGUMENT, "a host"},
        {"cistern://me@/system", ERROR_INVALID_ARGUMENT, "a user"},
        {"cistern:///system#x", ERROR_INVALID_ARGUMENT, "a fragment"},
        {"cistern:///system?port=1", ERROR_INVALID_ARGUMENT, "'port'"},
        {"cistern:///system?socket=rel", ERROR_INVALID_ARGUMENT, "absolute"},
        {"cistern:///system?socket", ERROR_INVALID_ARGUMENT, "parameters"},
        {"embed:///dir?socket=/x", ERROR_INVALID_ARGUMENT, "takes none"},
        {"embed:///", ERROR_INVALID_ARGUMENT, "names no folder"},
        {"embed:dir", ERROR_INVALID_ARGUMENT, "names no folder"},
        {"embed:///a%00b", ERROR_INVALID_ARGUMENT, "NUL"},
        {"embed:///a%ff", ERROR_INVALID_ARGUMENT, "can't be read"},
        {"embed:///a%zz", ERROR_INVALID_ARGUMENT, "can't be read"},
        {"/some/dir", ERROR_INVALID_ARGUMENT, "is no URI"},
        {"", ERROR_INVALID_ARGUMENT, "is no URI"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(uri_parse(rows[i].text, false, &error));
        g_assert_error(error, CISTERN_ERROR, rows[i].code);
        if (!strstr(error->message, rows[i].says))
            g_error("%s: %s", rows[i].text, error->message);
    }
}

static void test_remote(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Uri) tls =
        uri_parse("storage://h.example:99/system?pkipath=/p&no_verify=1", false, &error);
    g_assert_no_error(error);
    g_assert_cmpint(tls->transport, ==, URI_TLS);
    g_assert_cmpstr(tls->host, ==, "h.example");
    g_assert_cmpstr(tls->port, ==, "99");
    g_assert_cmpstr(tls->pkipath, ==, "/p");
    g_assert_true(tls->no_verify);
    g_assert_cmpstr(tls->name, ==, "storage:///system");

    g_autoptr(Uri) ssh = uri_parse("cistern+ssh://me@[::1]/system?no_tty=1", true, &error);
    g_assert_no_error(error);
    g_assert_cmpint(ssh->transport, ==, URI_SSH);
    g_assert_cmpstr(ssh->host, ==, "::1");
    g_assert_cmpstr(ssh->user, ==, "me");
    g_assert_cmpstr(ssh->path, ==, "/run/cistern/cistern-sock-ro");
    g_assert_cmpint(ssh->proxy, ==, URI_PROXY_NETCAT);

    g_autoptr(Uri) native = uri_parse("storage+ssh://h/session", true, &error);
    g_assert_no_error(error);
    g_assert_cmpint(native->proxy, ==, URI_PROXY_NATIVE);
}

static void test_defaults(void)
{
    g_autoptr(Uri) daemon = uri_new_default_daemon(false);
    g_autoptr(Uri) embedded = uri_new_default_embedded();
    g_autofree char *socket = g_build_filename(geteuid() == 0 ? "/run" : g_get_user_runtime_dir(),
                                               "cistern", "cistern-sock", NULL);
    g_assert_cmpstr(daemon->path, ==, socket);
    g_assert_false(daemon->embedded);
    g_assert_true(embedded->embedded);
    g_assert_true(g_path_is_absolute(embedded->path));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/uri/good", test_good);
    g_test_add_func("/uri/bad", test_bad);
    g_test_add_func("/uri/remote", test_remote);
    g_test_add_func("/uri/defaults", test_defaults);
    return g_test_run();
}
