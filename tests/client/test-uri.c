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
        {"cistern+tls://h/system?no_verify=yes", ERROR_INVALID_ARGUMENT, "0 or 1"},
        {"cistern+tls://h/system?pkipath=x", ERROR_INVALID_ARGUMENT, "absolute"},
        {"cistern+tls://h/system?auth=none", ERROR_INVALID_ARGUMENT, "auth 'none'"},
        {"cistern+ftp://h/system", ERROR_NO_CONNECT, "scheme"},
        {"embed://host/dir", ERROR_INVALID_ARGUMENT, "a host"},
        {"cistern://me@/system", ERROR_INVALID_ARGUMENT, "a user"},
        {"cistern:///system#x", ERROR_INVALID_ARGUMENT, "a fragment"},
        {"cistern:///system?port=1", ERROR_INVALID_ARGUMENT, "'port'"},
        {"cistern:///system?foo=1", ERROR_INVALID_ARGUMENT, "'foo'"},
        {"cistern:///system?mode=x", ERROR_INVALID_ARGUMENT, "auto, legacy, direct"},
        {"cistern:///system?no_tty=x", ERROR_INVALID_ARGUMENT, "0 or 1"},
        {"cistern:///system?known_hosts_verify=x", ERROR_INVALID_ARGUMENT, "ignore"},
        {"cistern:///system?auth=none", ERROR_INVALID_ARGUMENT, "auth 'none'"},
        {"cistern+tls://h/system?proxy=x", ERROR_INVALID_ARGUMENT, "native"},
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

/* The place of the scheme comes first. A socket that is named is the only one. */
static void test_sockets(void)
{
    const char *session = g_get_user_runtime_dir();
    g_autofree char *own = g_build_filename(session, "cistern", "cistern-sock", NULL);
    g_autofree char *libvirts = g_build_filename(session, "libvirt", "virtstoraged-sock", NULL);
    const struct {
        const char *text;
        bool read_only;
        const char *path, *other;
    } rows[] = {
        {"cistern:///system", false, "/run/cistern/cistern-sock", "/run/libvirt/virtstoraged-sock"},
        {"cistern:///system", true, "/run/cistern/cistern-sock-ro",
         "/run/libvirt/virtstoraged-sock-ro"},
        {"storage:///system", false, "/run/libvirt/virtstoraged-sock", "/run/cistern/cistern-sock"},
        {"storage+unix:///system?mode=direct", true, "/run/libvirt/virtstoraged-sock-ro",
         "/run/cistern/cistern-sock-ro"},
        {"cistern:///session", true, own, libvirts},
        {"storage:///session?mode=auto", false, libvirts, own},
        {"storage:///system?mode=legacy", false, "/run/libvirt/libvirt-sock", NULL},
        {"storage:///system?mode=legacy", true, "/run/libvirt/libvirt-sock-ro", NULL},
        {"storage:///system?socket=/a/b", false, "/a/b", NULL},
        {"cistern+ssh://h/system", false, "/run/cistern/cistern-sock",
         "/run/libvirt/virtstoraged-sock"},
        {"storage+ssh://h/system?proxy=netcat", true, "/run/libvirt/virtstoraged-sock-ro",
         "/run/cistern/cistern-sock-ro"},
        {"storage+ssh://h/system?proxy=netcat&socket=/a", true, "/a", NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Uri) uri = uri_parse(rows[i].text, rows[i].read_only, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(uri->path, ==, rows[i].path);
        g_assert_cmpstr(uri->other, ==, rows[i].other);
    }
}

static void test_other_socket(void)
{
    const struct {
        const char *text, *path, *full;
    } rows[] = {
        {"storage:///system", "/run/cistern/cistern-sock",
         "cistern+unix:///system?socket=/run/cistern/cistern-sock"},
        {"cistern:///system?name=a:///b", "/run/libvirt/virtstoraged-sock",
         "cistern+unix:///system?socket=/run/libvirt/virtstoraged-sock"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Uri) uri = uri_parse(rows[i].text, false, NULL);
        uri_take_other(uri);
        g_assert_cmpstr(uri->path, ==, rows[i].path);
        g_assert_null(uri->other);
        g_assert_cmpstr(uri->text, ==, rows[i].full);
    }
    g_autoptr(Uri) session = uri_parse("cistern:///session", false, NULL);
    uri_take_other(session);
    g_assert_true(g_str_has_prefix(session->text, "cistern+unix:///session?socket=/"));
    g_assert_true(g_str_has_suffix(session->text, "/libvirt/virtstoraged-sock"));
}

/* Those of libvirt's parameters that concern other transports are no mistake. */
static void test_any_transport(void)
{
    static const char *const starts[] = {"storage:///system",      "cistern:///session",
                                         "storage://h/system",     "cistern+tcp://h/system",
                                         "cistern+ssh://h/system", "storage+ssh://h/system"};
    static const char all[] =
        "?mode=direct&no_tty=1&no_verify=0&no_sanity=1&pkipath=/p&tls_priority=NORMAL&command=c&"
        "keyfile=/k&known_hosts=/h&known_hosts_verify=auto&netcat=n&proxy=auto&sshauth=agent&"
        "socket=/s&auth=polkit&authfile=/a&name=x:///y";
    for (size_t i = 0; i < G_N_ELEMENTS(starts); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strconcat(starts[i], all, NULL);
        g_autoptr(Uri) uri = uri_parse(text, false, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(uri->name, ==, "x:///y");
        g_assert_cmpstr(uri->path, ==, "/s");
        g_assert_cmpstr(uri->authfile, ==, "/a");
        g_assert_cmpuint(uri->known_hosts_verify, ==, URI_VERIFY_AUTO);
    }
}

static void test_defaults(void)
{
    g_autoptr(Uri) daemon = uri_new_default_daemon(false);
    g_autoptr(Uri) embedded = uri_new_default_embedded();
    g_autofree char *socket = g_build_filename(geteuid() == 0 ? "/run" : g_get_user_runtime_dir(),
                                               "cistern", "cistern-sock", NULL);
    g_assert_cmpstr(daemon->path, ==, socket);
    g_assert_false(daemon->embedded);
    g_assert_true(g_str_has_suffix(daemon->other, "/libvirt/virtstoraged-sock"));
    g_assert_true(embedded->embedded);
    g_assert_true(g_path_is_absolute(embedded->path));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/uri/good", test_good);
    g_test_add_func("/uri/bad", test_bad);
    g_test_add_func("/uri/remote", test_remote);
    g_test_add_func("/uri/sockets", test_sockets);
    g_test_add_func("/uri/other-socket", test_other_socket);
    g_test_add_func("/uri/any-transport", test_any_transport);
    g_test_add_func("/uri/defaults", test_defaults);
    return g_test_run();
}
