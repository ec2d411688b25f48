/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transport.h"

/*
 * TLS with x509 certificates, by GnuTLS. Without it in the build every call
 * here that can fail does, with ERROR_CONFIG_UNSUPPORTED.
 */

typedef struct TlsSettings {
    const char *ca;          /* the certificates that are trusted; all files are PEM */
    const char *crl;         /* what they have revoked; NULL: nothing */
    const char *certificate; /* our own, NULL with `key`: none (clients) */
    const char *key;
    const char *priority;          /* of GnuTLS, NULL: its default */
    const char *const *allowed_dn; /* server: patterns (`*`, `?`) of the clients' distinguished
                                      names ("C=XX,O=Proto,CN=client1"); NULL: any */
    bool no_verify;                /* whatever the other side shows is good */
    bool no_sanity_check;          /* of our own certificate */
} TlsSettings;

/* Of the settings. */
typedef enum TlsPart { TLS_CA, TLS_CRL, TLS_CERTIFICATE, TLS_KEY, TLS_PRIORITY } TlsPart;

typedef struct TlsContext TlsContext;

/* Reads the files, and checks that our own certificate is fit for its use.
 * Errors: ERROR_SYSTEM for a file that can't be read, ERROR_CONFIG_UNSUPPORTED for what it holds;
 * `ret_bad` (may be NULL) is which of the settings that is. */
TlsContext *tls_context_new(const TlsSettings *settings, bool is_server, TlsPart *ret_bad,
                            GError **error);
TlsContext *tls_context_ref(TlsContext *context);
void tls_context_unref(TlsContext *context);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsContext, tls_context_unref)

/* The server's side over a connected socket, which is taken over. After the handshake the client's
 * certificate is checked and the one byte is sent that tells it so. NULL when out of resources. */
Transport *tls_transport_new_server(TlsContext *context, int fd, GError **error);

/* The client's side; `host` is the name that the server's certificate has to have. */
Transport *tls_transport_new_client(TlsContext *context, int fd, const char *host, GError **error);
