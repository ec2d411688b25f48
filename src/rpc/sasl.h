/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transport.h"

/*
 * Authentication by SASL (cyrus-sasl), for the service "libvirt" and configured
 * as it (/etc/sasl2/libvirt.conf). Without it in the build every call that can
 * fail does, with ERROR_CONFIG_UNSUPPORTED.
 */

#define SASL_MIN_SSF 56 /* bits; weaker encryption is none */

/* One side of an exchange. To be used by one thread at a time. */
typedef struct Sasl Sasl;

typedef struct SaslLimits {
    guint external_ssf; /* bits of the encryption below; with some, or `is_local`, SASL brings none
                           of its own, and mechanisms that send passwords are allowed */
    bool is_local;      /* a unix socket */
    guint min_ssf;      /* elsewhere SASL has to bring this */
} SaslLimits;

/* The credentials that the client's side is asked for. Free the answers with g_free(); NULL gives
 * up. */
typedef enum SaslAsk { SASL_ASK_USER_NAME, SASL_ASK_PASSWORD } SaslAsk;
typedef char *(*SaslAskFunc)(SaslAsk what, const char *prompt, void *data);

/* Errors: ERROR_AUTH_FAILED. */
Sasl *sasl_new_server(const SaslLimits *limits, GError **error);
/* `ask` may be NULL: then only mechanisms that need nothing work. */
Sasl *sasl_new_client(const SaslLimits *limits, const char *host, SaslAskFunc ask, void *data,
                      GError **error);
Sasl *sasl_ref(Sasl *sasl);
void sasl_unref(Sasl *sasl);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sasl, sasl_unref)

/* The server's mechanisms, separated by commas. Free with g_free(). */
char *sasl_list_mechanisms(Sasl *sasl, GError **error);

/* What is said to the other side; `data` NULL is nothing at all, which is not the same as no
 * bytes. */
typedef struct SaslToken {
    const char *data; /* valid until the next call */
    guint size;
} SaslToken;

/* One step: `mechanism` is given at the first only (the client's side: the list of those offered,
 * of which *ret_mechanism is chosen). */
bool sasl_step(Sasl *sasl, const char *mechanism, const SaslToken *in, SaslToken *ret_out,
               const char **ret_mechanism, GError **error);

/* The exchange has ended well. */
bool sasl_is_complete(Sasl *sasl);
/* Who the other side is; NULL when not complete. */
const char *sasl_user(Sasl *sasl);
/* Bits of the encryption that was agreed on. */
guint sasl_ssf(Sasl *sasl);

/* Takes over `below`, whose bytes have all been sent, and puts the agreed encryption on its socket.
 * Returns `below` itself when there is none. */
Transport *sasl_wrap(Sasl *sasl, Transport *below);
