/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "credentials.h"

#include <cistern/cistern.h>

#include "errors.h"
#include "log.h"
#include "sasl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SERVICE "libvirt" /* in the file's section names */

/* ---- the caller ---- */

typedef struct Asker {
    CisternAsk ask;
    void *data;
} Asker;

static GPrivate askers = G_PRIVATE_INIT(g_free);

void cistern_set_ask(CisternAsk ask, void *data)
{
    Asker asker = {ask, data};

    g_private_replace(&askers, ask ? g_memdup2(&asker, sizeof asker) : NULL);
}

static char *ask_caller(CisternCredential wanted, const char *prompt)
{
    const Asker *asker = g_private_get(&askers);
    char *given = asker ? asker->ask(wanted, prompt, asker->data) : NULL;
    char *answer = g_strdup(given);

    if (given)
        explicit_bzero(given, strlen(given));
    free(given);
    return answer;
}

/* ---- the file ---- */

static char *find_file(const Uri *uri)
{
    if (uri->authfile)
        return g_strdup(uri->authfile);
    if (g_getenv("LIBVIRT_AUTH_FILE"))
        return g_strdup(g_getenv("LIBVIRT_AUTH_FILE"));
    g_autofree char *own = g_build_filename(g_get_user_config_dir(), "libvirt", "auth.conf", NULL);
    return g_strdup(access(own, F_OK) == 0 ? own : "/etc/libvirt/auth.conf");
}

/* [auth-libvirt-HOST] or [auth-libvirt-default] names a section [credentials-NAME], which holds
 * the words "authname" and "password". */
static char *look_up(const Uri *uri, const char *key)
{
    g_autofree char *path = find_file(uri);
    g_autofree char *by_host =
        g_strconcat("auth-" SERVICE "-", uri->host ? uri->host : "localhost", NULL);
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) error = NULL;

    if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &error)) {
        if (uri->authfile)
            log_warning("the credentials in '%s' can't be read: %s", path, error->message);
        return NULL;
    }
    g_autofree char *name =
        g_key_file_get_string(file, by_host, "credentials", NULL)
            ?: g_key_file_get_string(file, "auth-" SERVICE "-default", "credentials", NULL);
    g_autofree char *section = g_strconcat("credentials-", name ? name : "", NULL);
    return g_key_file_get_string(file, section, key, NULL);
}

static char *find_credential(SaslAsk what, const char *prompt, void *data)
{
    const Uri *uri = data;
    bool is_name = what == SASL_ASK_USER_NAME;

    if (is_name && uri->user)
        return g_strdup(uri->user);
    return look_up(uri, is_name ? "authname" : "password")
               ?: ask_caller(is_name ? CISTERN_CREDENTIAL_USER_NAME : CISTERN_CREDENTIAL_PASSWORD,
                             prompt);
}

/* ---- the exchange ---- */

static bool remote_call(RpcClient *client, gint32 procedure, const void *args, void *result,
                        GError **error)
{
    return rpc_client_call(client, &program_remote, procedure, args, result, NULL, NULL, error);
}

static bool start(RpcClient *client, const char *mechanism, const SaslToken *token,
                  RpcSaslResult *ret, GError **error)
{
    RpcSaslStart args = {
        .mechanism = (char *)mechanism,
        .nil = token->data == NULL,
        .n_data = token->size,
        .data = (guint8 *)token->data,
    };

    return remote_call(client, REMOTE_AUTH_SASL_START, &args, ret, error);
}

static bool go_on(RpcClient *client, const SaslToken *token, RpcSaslResult *ret, GError **error)
{
    RpcSaslStep args = {token->data == NULL, token->size, (guint8 *)token->data};

    return remote_call(client, REMOTE_AUTH_SASL_STEP, &args, ret, error);
}

/* Until both sides are content. */
static bool exchange(RpcClient *client, Sasl *sasl, const char *mechanisms, GError **error)
{
    const SaslToken nothing = {NULL, 0};
    const char *mechanism = NULL;
    SaslToken out;
    RpcSaslResult said = {0};

    if (!sasl_step(sasl, mechanisms, &nothing, &out, &mechanism, error))
        return false;
    log_debug("SASL mechanism %s", mechanism);
    bool ok = start(client, mechanism, &out, &said, error);
    while (ok && !(said.complete && sasl_is_complete(sasl))) {
        SaslToken in = {said.nil ? NULL : (const char *)said.data ?: "", said.n_data};
        if (!sasl_is_complete(sasl))
            ok = sasl_step(sasl, NULL, &in, &out, NULL, error);
        else
            out = nothing;
        bool complete = said.complete;
        g_clear_pointer(&said.data, g_free);
        if (ok && !complete)
            ok = go_on(client, &out, &said, error);
        else if (ok && !sasl_is_complete(sasl))
            ok = error_set(error, ERROR_AUTH_FAILED, ORIGIN_RPC,
                           "the server ended the SASL exchange before we could check who it is");
    }
    g_free(said.data);
    return ok;
}

static bool authenticate(RpcClient *client, const Uri *uri, Sasl *sasl, GError **error)
{
    const char *forced =
        uri->auth && g_str_has_prefix(uri->auth, "sasl.") ? uri->auth + strlen("sasl.") : NULL;
    RpcText offered;

    if (!remote_call(client, REMOTE_AUTH_SASL_INIT, NULL, &offered, error))
        return false;
    bool ok = exchange(client, sasl, forced ? forced : offered.text, error);
    g_free(offered.text);
    return ok;
}

/* What was agreed on has to be enough, whatever the library thought of its limits. */
static bool check_strength(const SaslLimits *limits, Sasl *sasl, GError **error)
{
    return limits->is_local || limits->external_ssf > 0 || sasl_ssf(sasl) >= SASL_MIN_SSF ||
           error_set(error, ERROR_AUTH_FAILED, ORIGIN_RPC,
                     "SASL has agreed on an encryption of %u bits; %d are the least over TCP",
                     sasl_ssf(sasl), SASL_MIN_SSF);
}

bool credentials_authenticate(RpcClient *client, const Uri *uri, GError **error)
{
    SaslLimits limits = {
        .external_ssf = transport_strength(rpc_client_transport(client)),
        .is_local = uri->transport == URI_UNIX || uri->transport == URI_SSH,
        .min_ssf = SASL_MIN_SSF,
    };
    g_autoptr(Sasl) sasl = sasl_new_client(&limits, uri->host ? uri->host : "localhost",
                                           find_credential, (void *)uri, error);

    if (!sasl || !authenticate(client, uri, sasl, error) || !check_strength(&limits, sasl, error))
        return false;
    rpc_client_encrypt(client, sasl);
    return true;
}
