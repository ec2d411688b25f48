/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "errors.h"
#include "sasl.h"

/* In place of sasl.c where cyrus-sasl was not there at build time: no exchange can begin. */

static void refuse(GError **error)
{
    error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_RPC,
              "this build has no SASL: it was made without cyrus-sasl");
}

Sasl *sasl_new_server(const SaslLimits *limits, GError **error)
{
    refuse(error);
    return NULL;
}

Sasl *sasl_new_client(const SaslLimits *limits, const char *host, SaslAskFunc ask, void *data,
                      GError **error)
{
    refuse(error);
    return NULL;
}

Sasl *sasl_ref(Sasl *sasl)
{
    return sasl;
}

void sasl_unref(Sasl *sasl)
{
}

char *sasl_list_mechanisms(Sasl *sasl, GError **error)
{
    refuse(error);
    return NULL;
}

bool sasl_step(Sasl *sasl, const char *mechanism, const SaslToken *in, SaslToken *ret_out,
               const char **ret_mechanism, GError **error)
{
    refuse(error);
    return false;
}

bool sasl_is_complete(Sasl *sasl)
{
    return false;
}

const char *sasl_user(Sasl *sasl)
{
    return NULL;
}

guint sasl_ssf(Sasl *sasl)
{
    return 0;
}

Transport *sasl_wrap(Sasl *sasl, Transport *below)
{
    return below;
}
