/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum UriTransport { URI_UNIX, URI_TLS, URI_TCP, URI_SSH } UriTransport;

typedef enum UriProxy {                   /* what copies the bytes on the far side of ssh */
                        URI_PROXY_NETCAT, /* `nc -U SOCKET` */
                        URI_PROXY_NATIVE, /* virt-ssh-helper, which finds libvirt's sockets */
} UriProxy;

/* Where a connection URI leads. What was not given is NULL or false. */
typedef struct Uri {
    bool embedded;
    UriTransport transport;
    char *path; /* absolute: the embedded engine's folder, or the daemon's socket */
    char *name; /* what the daemon is told in OPEN */
    char *text; /* the URI in full */

    char *host, *user, *port; /* of transports other than URI_UNIX; never begin with a dash */
    char *pkipath;            /* absolute: the folder of all certificates */
    char *tls_priority;
    bool no_verify; /* the server's certificate may be anybody's */
    bool no_sanity; /* our own certificate is not checked beforehand */
    char *auth;     /* "sasl", "sasl.MECHANISM" or "polkit": what has to be used */
    char *authfile; /* absolute: credentials */
    char *command;  /* in place of ssh */
    char *keyfile, *known_hosts, *netcat;
    char *known_hosts_verify; /* "normal", "auto" or "ignore" */
    bool no_tty;              /* ssh must not ask */
    UriProxy proxy;
} Uri;

void uri_free(Uri *uri);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Uri, uri_free)

/* Takes a URI apart as cistern_open() documents it.
 * Errors: ERROR_INVALID_ARGUMENT, ERROR_NO_CONNECT. */
Uri *uri_parse(const char *text, bool read_only, GError **error);

/* The daemon of this user, which serves when no URI is given; and the embedded engine that stands
 * in for it. */
Uri *uri_new_default_daemon(bool read_only);
Uri *uri_new_default_embedded(void);
