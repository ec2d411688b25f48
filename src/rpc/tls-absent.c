/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "errors.h"
#include "fd.h"
#include "tls.h"

/* In place of tls.c where GnuTLS was not there at build time. */

static void refuse(GError **error)
{
    error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_RPC,
              "this build has no TLS: it was made without GnuTLS");
}

TlsContext *tls_context_new(const TlsSettings *settings, bool is_server, TlsPart *ret_bad,
                            GError **error)
{
    if (ret_bad)
        *ret_bad = TLS_CA;
    refuse(error);
    return NULL;
}

TlsContext *tls_context_ref(TlsContext *context)
{
    return context;
}

void tls_context_unref(TlsContext *context)
{
}

Transport *tls_transport_new_server(TlsContext *context, int fd, GError **error)
{
    fd_close(&fd);
    refuse(error);
    return NULL;
}

Transport *tls_transport_new_client(TlsContext *context, int fd, const char *host, GError **error)
{
    fd_close(&fd);
    refuse(error);
    return NULL;
}
