/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum UriTransport { URI_UNIX, URI_TLS, URI_TCP, URI_SSH } UriTransport;

/* What copies the bytes on the far side of ssh: `nc -U SOCKET`, or virt-ssh-helper, which finds
 * libvirt's sockets. In a Uri that was read one of the two is chosen. */
typedef enum UriProxy { URI_PROXY_AUTO, URI_PROXY_NETCAT, URI_PROXY_NATIVE } UriProxy;

/* Which daemon is looked for on a machine. LEGACY: libvirtd, or virtproxyd in its place; else one
 * of storage. */
typedef enum UriMode { URI_MODE_AUTO, URI_MODE_LEGACY, URI_MODE_DIRECT } UriMode;

/* What becomes of an ssh key of the far side that isn't known: as ssh is configured, a new one is
 * believed, any is. */
typedef enum UriVerify { URI_VERIFY_NORMAL, URI_VERIFY_AUTO, URI_VERIFY_IGNORE } UriVerify;

/* Where a connection URI leads. What was not given is NULL or false. */
typedef struct Uri {
    bool embedded;
    UriTransport transport;
    char *path;  /* absolute: the embedded engine's folder, or the daemon's socket */
    char *other; /* absolute: the socket to try when nobody is at `path` */
    char *name;  /* what the daemon is told in OPEN */
    char *text;  /* the URI in full */

    char *host, *user, *port; /* of transports other than URI_UNIX; never begin with a dash */
    char *pkipath;            /* absolute: the folder of all certificates */
    char *tls_priority;
    bool no_verify; /* the server's certificate may be anybody's */
    bool no_sanity; /* our own certificate is not checked beforehand */
    char *auth;     /* "sasl", "sasl.MECHANISM" or "polkit": what has to be used */
    char *authfile; /* absolute: credentials */
    char *command;  /* in place of ssh */
    char *keyfile, *known_hosts, *netcat;
    bool no_tty;              /* ssh must not ask */
    guint known_hosts_verify; /* UriVerify */
    guint proxy;              /* UriProxy */
    guint mode;               /* UriMode */
} Uri;

void uri_free(Uri *uri);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Uri, uri_free)

/* Takes a URI apart as cistern_open() documents it.
 * Errors: ERROR_INVALID_ARGUMENT, ERROR_NO_CONNECT. */
Uri *uri_parse(const char *text, bool read_only, GError **error);

/* The daemon is at the other socket, whose name goes into the text too. */
void uri_take_other(Uri *uri);

/* The daemon of this user, which serves when no URI is given; and the embedded engine that stands
 * in for it. */
Uri *uri_new_default_daemon(bool read_only);
Uri *uri_new_default_embedded(void);
