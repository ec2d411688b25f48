/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sockets.h"

#include "activation.h"
#include "errors.h"
#include "fd.h"
#include "listener.h"
#include "log.h"

#include <errno.h>
#include <grp.h>
#include <unistd.h>

/* Read where it exists and the configuration says nothing. */
#define CRL_FILE "/etc/pki/CA/cacrl.pem"

/* ---- TLS ---- */

static bool blame_tls(const Config *config, TlsPart part, const GError *reason, GError **error)
{
    static const char *const keys[] = {
        [TLS_CA] = "ca_file",   [TLS_CRL] = "crl_file",          [TLS_CERTIFICATE] = "cert_file",
        [TLS_KEY] = "key_file", [TLS_PRIORITY] = "tls_priority",
    };

    return config_fail(config, keys[part], "listen_tls", error, "'%s': %s", keys[part],
                       error_detail(reason));
}

TlsContext *sockets_load_tls(const Config *config, GError **error)
{
    g_autoptr(GError) reason = NULL;
    const char *crl = config->crl_file;
    TlsPart bad;

    if (!crl && access(CRL_FILE, F_OK) == 0)
        crl = CRL_FILE;
    TlsContext *context = tls_context_new(
        &(TlsSettings){
            .ca = config->ca_file,
            .crl = crl,
            .certificate = config->cert_file,
            .key = config->key_file,
            .priority = config->tls_priority,
            .allowed_dn = (const char *const *)config->tls_allowed_dn_list,
            .no_verify = config->tls_no_verify_certificate,
            .no_sanity_check = config->tls_no_sanity_certificate,
        },
        true, &bad, &reason);
    if (!context)
        blame_tls(config, bad, reason, error);
    return context;
}

bool sockets_want_tls(const Config *config, const GArray *activated)
{
    for (guint i = 0; i < activated->len; i++)
        if (g_array_index(activated, ActivatedSocket, i).kind == LISTENER_TLS)
            return true;
    return config->listen_tls;
}

/* ---- what a listener of each kind is ---- */

static ListenerConfig listener_config(const Config *config, ListenerKind kind, bool read_only,
                                      TlsContext *tls)
{
    const guint auths[] = {
        [LISTENER_UNIX] = read_only ? config->auth_unix_ro : config->auth_unix_rw,
        [LISTENER_TCP] = config->auth_tcp,
        [LISTENER_TLS] = config->auth_tls,
    };

    return (ListenerConfig){
        .kind = kind,
        .auth = (ListenerAuth)auths[kind],
        .read_only = read_only,
        .tls = kind == LISTENER_TLS ? tls : NULL,
    };
}

/* ---- unix sockets ---- */

static bool find_group(const Config *config, gid_t *ret, GError **error)
{
    const char *name = config->unix_sock_group;

    *ret = (gid_t)-1;
    if (!name)
        return true;
    errno = 0;
    const struct group *group = getgrnam(name);
    if (!group)
        return config_fail(config, "unix_sock_group", NULL, error,
                           "'unix_sock_group' can't be '%s': this machine has no such group", name);
    *ret = group->gr_gid;
    return true;
}

typedef struct Opening {
    Sockets *sockets;
    const Folders *folders;
    const Config *config;
    TlsContext *tls;
    Server *server;
    gid_t group;
} Opening;

static bool open_unix(const Opening *opening, const char *name, bool read_only, GError **error)
{
    const Config *config = opening->config;
    const char *path = opening->folders->sockets;
    guint mode = read_only ? config->unix_sock_ro_perms : config->unix_sock_rw_perms;
    int fd = listener_new(opening->sockets->folder, path, name, mode, opening->group, error);

    if (fd < 0)
        return false;
    g_ptr_array_add(opening->sockets->made, g_strdup(name));
    ListenerConfig listener = listener_config(config, LISTENER_UNIX, read_only, NULL);
    if (!server_listen(opening->server, fd, &listener, error))
        return false;
    log_info("listening on %s/%s", path, name);
    return true;
}

static bool open_all_unix(const Opening *opening, GError **error)
{
    const Folders *folders = opening->folders;
    Sockets *sockets = opening->sockets;

    sockets->folder = listener_open_folder(folders->sockets, folders->sockets_mode, error);
    return sockets->folder >= 0 && open_unix(opening, folders->socket, false, error) &&
           (!folders->socket_ro || open_unix(opening, folders->socket_ro, true, error));
}

/* ---- sockets of the network ---- */

static bool open_network(const Opening *opening, ListenerKind kind, guint port, GError **error)
{
    const Config *config = opening->config;
    const char *address = config->listen_addr;
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
    ListenerConfig listener = listener_config(config, kind, false, opening->tls);
    bool ok = listener_new_tcp(address, port, fds, error);

    for (guint i = 0; i < fds->len; i++) {
        int fd = g_array_index(fds, int, i);
        if (ok)
            ok = server_listen(opening->server, fd, &listener, error);
        else
            fd_close(&fd);
    }
    if (ok)
        log_info("listening on port %u of %s", port, address ? address : "all addresses");
    return ok;
}

/* ---- what was handed over ---- */

static bool take_activated(const Opening *opening, ActivatedSocket *socket, GError **error)
{
    ListenerConfig listener =
        listener_config(opening->config, socket->kind, socket->read_only, opening->tls);

    if (!server_listen(opening->server, fd_steal(&socket->fd), &listener, error))
        return false;
    log_info("listening on the service manager's socket '%s'", socket->name);
    return true;
}

static bool take_all(const Opening *opening, GArray *activated, bool *ret_has_unix, GError **error)
{
    for (guint i = 0; i < activated->len; i++) {
        ActivatedSocket *socket = &g_array_index(activated, ActivatedSocket, i);
        *ret_has_unix |= socket->kind == LISTENER_UNIX;
        if (!take_activated(opening, socket, error))
            return false;
    }
    return true;
}

/* ---- all of them ---- */

static bool check_address(const Config *config, GError **error)
{
    g_autoptr(GError) reason = NULL;

    return (!config->listen_tls && !config->listen_tcp) || !config->listen_addr ||
           listener_check_address(config->listen_addr, &reason) ||
           config_fail(config, "listen_addr", NULL, error, "'listen_addr' can't be '%s': %s",
                       config->listen_addr, error_detail(reason));
}

bool sockets_check(const Config *config, GError **error)
{
    gid_t group;

    if (!find_group(config, &group, error) || !check_address(config, error))
        return false;
    g_autoptr(TlsContext) tls = config->listen_tls ? sockets_load_tls(config, error) : NULL;
    return tls || !config->listen_tls;
}

bool sockets_open(Sockets *sockets, const Folders *folders, const Config *config, GArray *activated,
                  TlsContext *tls, Server *server, GError **error)
{
    Opening opening = {sockets, folders, config, tls, server, (gid_t)-1};
    bool has_unix = false;

    sockets->made = g_ptr_array_new_with_free_func(g_free);
    return take_all(&opening, activated, &has_unix, error) &&
           find_group(config, &opening.group, error) &&
           (has_unix || open_all_unix(&opening, error)) &&
           (!config->listen_tls || open_network(&opening, LISTENER_TLS, config->tls_port, error)) &&
           (!config->listen_tcp || open_network(&opening, LISTENER_TCP, config->tcp_port, error));
}

void sockets_clear(Sockets *sockets)
{
    for (guint i = 0; sockets->made && i < sockets->made->len; i++)
        unlinkat(sockets->folder, sockets->made->pdata[i], 0);
    g_clear_pointer(&sockets->made, g_ptr_array_unref);
    fd_close(&sockets->folder);
}
