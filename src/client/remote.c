/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "remote.h"

#include "errors.h"
#include "fd.h"
#include "tls.h"

#include <errno.h>
#include <glib-unix.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TLS_PORT          "16514"
#define TCP_PORT          "16509"
#define CONNECT_TIMEOUT   30000 /* milliseconds, for each address */
#define HANDSHAKE_TIMEOUT (30 * G_TIME_SPAN_SECOND)

/* ---- sockets ---- */

static bool wait_for(int fd, short events, int milliseconds)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int count;

    do
        count = poll(&poll_fd, 1, milliseconds);
    while (count < 0 && errno == EINTR);
    if (count == 0)
        errno = ETIMEDOUT;
    return count > 0;
}

static bool finish_connect(int fd)
{
    int errnum = 0;
    socklen_t size = sizeof errnum;

    if (!wait_for(fd, POLLOUT, CONNECT_TIMEOUT) ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &size) < 0)
        return false;
    errno = errnum;
    return errnum == 0;
}

/* -1 with errno. */
static int connect_address(const struct addrinfo *address)
{
    autofd int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0 &&
        (errno != EINPROGRESS || !finish_connect(fd)))
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd_steal(&fd);
}

static int connect_host(const char *host, const char *port, GError **error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *addresses;
    int fd = -1;
    int code = getaddrinfo(host, port, &hints, &addresses);

    if (code != 0) {
        error_set(error, ERROR_SYSTEM, ORIGIN_RPC, "the host '%s' is not found: %s", host,
                  gai_strerror(code));
        return -1;
    }
    for (struct addrinfo *at = addresses; at && fd < 0; at = at->ai_next)
        fd = connect_address(at);
    if (fd < 0)
        error_set_errno(error, ORIGIN_RPC, errno, "no daemon answers on port %s of host '%s'", port,
                        host);
    freeaddrinfo(addresses);
    return fd;
}

/* ---- TLS ---- */

typedef struct Pki {
    char *ca, *crl, *certificate, *key;
} Pki;

static void pki_clear(Pki *pki)
{
    g_free(pki->ca);
    g_free(pki->crl);
    g_free(pki->certificate);
    g_free(pki->key);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pki, pki_clear)

/* What may be missing is NULL then. */
static void drop_missing(Pki *pki)
{
    if (access(pki->crl, F_OK) < 0)
        g_clear_pointer(&pki->crl, g_free);
    if (access(pki->certificate, F_OK) == 0 && access(pki->key, F_OK) == 0)
        return;
    g_clear_pointer(&pki->certificate, g_free);
    g_clear_pointer(&pki->key, g_free);
}

static Pki pki_in(const char *folder)
{
    Pki pki = {
        .ca = g_build_filename(folder, "cacert.pem", NULL),
        .crl = g_build_filename(folder, "cacrl.pem", NULL),
        .certificate = g_build_filename(folder, "clientcert.pem", NULL),
        .key = g_build_filename(folder, "clientkey.pem", NULL),
    };

    drop_missing(&pki);
    return pki;
}

static Pki pki_of_system(void)
{
    Pki pki = {
        .ca = g_strdup("/etc/pki/CA/cacert.pem"),
        .crl = g_strdup("/etc/pki/CA/cacrl.pem"),
        .certificate = g_strdup("/etc/pki/libvirt/clientcert.pem"),
        .key = g_strdup("/etc/pki/libvirt/private/clientkey.pem"),
    };

    drop_missing(&pki);
    return pki;
}

/* libvirt's places: a user's own come before the system's. */
static Pki choose_pki(const Uri *uri)
{
    g_autofree char *own = g_build_filename(g_get_home_dir(), ".pki", "libvirt", NULL);
    g_autofree char *own_ca = g_build_filename(own, "cacert.pem", NULL);

    if (uri->pkipath)
        return pki_in(uri->pkipath);
    return geteuid() != 0 && access(own_ca, F_OK) == 0 ? pki_in(own) : pki_of_system();
}

static TlsContext *new_context(const Uri *uri, GError **error)
{
    g_auto(Pki) pki = choose_pki(uri);
    TlsSettings settings = {
        .ca = pki.ca,
        .crl = pki.crl,
        .certificate = pki.certificate,
        .key = pki.key,
        .priority = uri->tls_priority,
        .no_verify = uri->no_verify,
        .no_sanity_check = uri->no_sanity,
    };

    return tls_context_new(&settings, false, NULL, error);
}

static bool shake_hands(Transport *transport, const char *host, GError **error)
{
    gint64 end = g_get_monotonic_time() + HANDSHAKE_TIMEOUT;

    for (;;) {
        HandshakeResult result = transport_handshake(transport, error);
        gint64 rest = (end - g_get_monotonic_time()) / 1000;
        if (result == HANDSHAKE_DONE || result == HANDSHAKE_FAILED)
            return result == HANDSHAKE_DONE;
        if (!wait_for(transport->fd, result == HANDSHAKE_READ ? POLLIN : POLLOUT,
                      (int)MAX(rest, 0)))
            return error_set_errno(error, ORIGIN_RPC, errno, "no TLS with the host '%s'", host);
    }
}

static Transport *connect_tls(const Uri *uri, bool read_only, GError **error)
{
    g_autoptr(TlsContext) context = new_context(uri, error);
    int fd = context ? connect_host(uri->host, uri->port ? uri->port : TLS_PORT, error) : -1;
    g_autoptr(Transport) transport =
        fd >= 0 ? tls_transport_new_client(context, fd, uri->host, error) : NULL;

    if (!transport || !shake_hands(transport, uri->host, error))
        return NULL;
    return g_steal_pointer(&transport);
}

static Transport *connect_tcp(const Uri *uri, bool read_only, GError **error)
{
    int fd = connect_host(uri->host, uri->port ? uri->port : TCP_PORT, error);

    return fd >= 0 ? transport_new(fd) : NULL;
}

/* ---- ssh ---- */

/* Sets `s` to the daemon's socket on the far side: of two the one that is there. */
static char *socket_script(const Uri *uri)
{
    g_autofree char *socket = g_shell_quote(uri->path);
    g_autofree char *other = uri->other ? g_shell_quote(uri->other) : NULL;

    return other ? g_strdup_printf("s=%s; test -S \"$s\" || test ! -S %s || s=%s; ", socket, other,
                                   other)
                 : g_strdup_printf("s=%s; ", socket);
}

/* A shell on the far side is to run this. Of the programs called nc, one stays when its input ends
 * unless it gets -q0, and the others don't know that. */
static char *netcat_script(const Uri *uri)
{
    g_autofree char *netcat = g_shell_quote(uri->netcat ? uri->netcat : "nc");
    g_autofree char *socket = socket_script(uri);

    return g_strdup_printf("%sif %s -q 2>&1 | grep 'requires an argument' >/dev/null; "
                           "then exec %s -q0 -U \"$s\"; else exec %s -U \"$s\"; fi",
                           socket, netcat, netcat, netcat);
}

/* ssh hands this to the user's shell on the far side, whichever that is. */
static char *remote_command(const Uri *uri, bool read_only)
{
    g_autofree char *text =
        uri->proxy == URI_PROXY_NATIVE ? g_strdup(uri->name) : netcat_script(uri);
    g_autofree char *quoted = g_shell_quote(text);

    if (uri->proxy == URI_PROXY_NATIVE)
        return g_strdup_printf("virt-ssh-helper %s%s", read_only ? "-r " : "", quoted);
    return g_strconcat("sh -c ", quoted, NULL);
}

static void add_option(GPtrArray *arguments, const char *option, char *value)
{
    g_ptr_array_add(arguments, g_strdup(option));
    g_ptr_array_add(arguments, value);
}

/* NULL: as ssh is configured. */
static const char *host_key_option(const Uri *uri)
{
    static const char *const options[] = {
        [URI_VERIFY_NORMAL] = NULL,
        [URI_VERIFY_AUTO] = "StrictHostKeyChecking=accept-new",
        [URI_VERIFY_IGNORE] = "StrictHostKeyChecking=no",
    };

    return options[uri->known_hosts_verify];
}

char **remote_ssh_arguments(const Uri *uri, bool read_only)
{
    GPtrArray *arguments = g_ptr_array_new();

    g_ptr_array_add(arguments, g_strdup(uri->command ? uri->command : "ssh"));
    if (uri->port)
        add_option(arguments, "-p", g_strdup(uri->port));
    if (uri->user)
        add_option(arguments, "-l", g_strdup(uri->user));
    if (uri->keyfile)
        add_option(arguments, "-i", g_strdup(uri->keyfile));
    if (uri->known_hosts)
        add_option(arguments, "-o", g_strconcat("UserKnownHostsFile=", uri->known_hosts, NULL));
    if (host_key_option(uri))
        add_option(arguments, "-o", g_strdup(host_key_option(uri)));
    if (uri->no_tty)
        add_option(arguments, "-o", g_strdup("BatchMode=yes"));
    add_option(arguments, "-e", g_strdup("none"));
    add_option(arguments, "-T", g_strdup("--"));
    add_option(arguments, uri->host, remote_command(uri, read_only));
    g_ptr_array_add(arguments, NULL);
    return (char **)g_ptr_array_free(arguments, FALSE);
}

static Transport *connect_ssh(const Uri *uri, bool read_only, GError **error)
{
    g_auto(GStrv) arguments = remote_ssh_arguments(uri, read_only);
    g_autoptr(GError) reason = NULL;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        error_set_errno(error, ORIGIN_RPC, errno, "can't make a pair of sockets");
        return NULL;
    }
    bool ok =
        g_spawn_async_with_fds(NULL, arguments, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
                               ends[1], ends[1], -1 /* its complaints are for the user */, &reason);
    fd_close(&ends[1]);
    if (ok)
        return transport_new(ends[0]);
    fd_close(&ends[0]);
    error_set(error, ERROR_SYSTEM, ORIGIN_RPC, "'%s' could not be started: %s", arguments[0],
              reason->message);
    return NULL;
}

Transport *remote_connect(const Uri *uri, bool read_only, GError **error)
{
    Transport *(*const ways[])(const Uri *, bool, GError **) = {
        [URI_TLS] = connect_tls,
        [URI_TCP] = connect_tcp,
        [URI_SSH] = connect_ssh,
    };

    return ways[uri->transport](uri, read_only, error);
}
