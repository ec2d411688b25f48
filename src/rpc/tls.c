/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls.h"

#include "errors.h"
#include "fd.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define RECORD_SIZE      16384 /* bytes; the most that one record of TLS holds */
#define CHAIN_MAX        16
#define NAME_MAX_SIZE    4096

/* GnuTLS begins when its library is loaded, unless a program says so: one that doesn't speak TLS
 * saves a megabyte. */
GNUTLS_SKIP_GLOBAL_INIT

struct TlsContext {
    gatomicrefcount refs;
    bool is_server, no_verify;
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priority;
    char **allowed_dn;
};

typedef struct TlsTransport {
    Transport base;
    GMutex lock; /* around each call of GnuTLS, none of which waits */
    TlsContext *context;
    gnutls_session_t session;
    char *host; /* the client's side: who the server has to be */
    char *peer_name;
    bool shaken;      /* hands; only the confirmation is missing */
    bool interrupted; /* a record was not sent in full */
} TlsTransport;

/* ---- certificates ---- */

typedef struct Chain {
    gnutls_x509_crt_t certificates[CHAIN_MAX];
    guint count;
} Chain;

static void chain_clear(Chain *chain)
{
    for (guint i = 0; i < chain->count; i++)
        gnutls_x509_crt_deinit(chain->certificates[i]);
    chain->count = 0;
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Chain, chain_clear)

static bool refuse(GError **error, const char *what, const char *why)
{
    return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_RPC, "%s %s", what, why);
}

static bool refuse_code(GError **error, const char *what, int code)
{
    return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_RPC, "%s: %s", what,
                     gnutls_strerror(code));
}

static bool check_time(gnutls_x509_crt_t certificate, const char *what, GError **error)
{
    time_t now = time(NULL);

    if (gnutls_x509_crt_get_expiration_time(certificate) < now)
        return refuse(error, what, "has expired");
    if (gnutls_x509_crt_get_activation_time(certificate) > now)
        return refuse(error, what, "is not valid yet");
    return true;
}

/* That it may sign as itself. A restriction that isn't marked critical is advice. */
static bool check_usage(gnutls_x509_crt_t certificate, const char *what, GError **error)
{
    guint usage = 0, critical = 0;
    int code = gnutls_x509_crt_get_key_usage(certificate, &usage, &critical);

    if (gnutls_x509_crt_get_basic_constraints(certificate, NULL, NULL, NULL) > 0)
        return refuse(error, what, "is that of an authority, not of a host or user");
    if (code >= 0 && critical && !(usage & GNUTLS_KEY_DIGITAL_SIGNATURE))
        return refuse(error, what, "may not be used for signatures");
    return true;
}

static bool check_purpose(gnutls_x509_crt_t certificate, const char *what, const char *purpose,
                          GError **error)
{
    guint critical = 0, any_critical = 0;
    int code;

    for (guint i = 0;; i++) {
        char oid[128];
        size_t size = sizeof oid;
        code = gnutls_x509_crt_get_key_purpose_oid(certificate, i, oid, &size, &critical);
        if (code < 0)
            break;
        any_critical |= critical;
        if (strcmp(oid, purpose) == 0 || strcmp(oid, GNUTLS_KP_ANY) == 0)
            return true;
    }
    return !any_critical || refuse(error, what, "is for another purpose than TLS of this side");
}

static bool check_certificate(gnutls_x509_crt_t certificate, const char *what, bool of_server,
                              GError **error)
{
    return check_time(certificate, what, error) && check_usage(certificate, what, error) &&
           check_purpose(certificate, what,
                         of_server ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT, error);
}

/* ---- reading files ---- */

static bool check_readable(const char *path, GError **error)
{
    return access(path, R_OK) == 0 ||
           error_set_errno(error, ORIGIN_RPC, errno, "can't read '%s'", path);
}

static bool load_trust(TlsContext *context, const TlsSettings *settings, GError **error)
{
    if (!settings->ca)
        return refuse(error, "TLS", "needs the certificates of the authorities that are trusted");
    if (!check_readable(settings->ca, error))
        return false;
    int count = gnutls_certificate_set_x509_trust_file(context->credentials, settings->ca,
                                                       GNUTLS_X509_FMT_PEM);
    if (count < 0)
        return refuse_code(error, settings->ca, count);
    if (count == 0)
        return refuse(error, settings->ca, "holds no certificate");
    return true;
}

static bool load_revoked(TlsContext *context, const TlsSettings *settings, GError **error)
{
    if (!settings->crl)
        return true;
    if (!check_readable(settings->crl, error))
        return false;
    int count = gnutls_certificate_set_x509_crl_file(context->credentials, settings->crl,
                                                     GNUTLS_X509_FMT_PEM);
    return count >= 0 || refuse_code(error, settings->crl, count);
}

static bool look_for_key(TlsContext *context, const TlsSettings *settings, GError **error)
{
    return !settings->key || check_readable(settings->key, error);
}

static bool load_own(TlsContext *context, const TlsSettings *settings, GError **error)
{
    if (!settings->certificate && !settings->key && !context->is_server)
        return true;
    if (!settings->certificate || !settings->key)
        return refuse(error, "TLS", "needs both a certificate and its key");
    if (!check_readable(settings->certificate, error))
        return false;
    int code = gnutls_certificate_set_x509_key_file(context->credentials, settings->certificate,
                                                    settings->key, GNUTLS_X509_FMT_PEM);
    return code >= 0 || refuse_code(error, settings->certificate, code);
}

static bool read_chain(const char *path, Chain *ret, GError **error)
{
    g_autofree char *text = NULL;
    gsize size;
    guint count = CHAIN_MAX;

    if (!g_file_get_contents(path, &text, &size, error))
        return false;
    gnutls_datum_t data = {(guint8 *)text, (guint)size};
    int code = gnutls_x509_crt_list_import(ret->certificates, &count, &data, GNUTLS_X509_FMT_PEM,
                                           GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
    if (code < 0)
        return refuse_code(error, path, code);
    ret->count = count;
    return true;
}

static bool refuse_status(GError **error, const char *what, guint status)
{
    gnutls_datum_t text = {0};
    int code = gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0);

    error_set(error, ERROR_AUTH_FAILED, ORIGIN_RPC, "%s is refused: %s", what,
              code < 0 ? "it is not trusted" : (char *)text.data);
    gnutls_free(text.data);
    return false;
}

/* What the other side would find wrong with our certificate is better found now. */
static bool check_own(TlsContext *context, const TlsSettings *settings, GError **error)
{
    g_auto(Chain) chain = {.count = 0};
    gnutls_x509_trust_list_t trust;
    guint status = 0;

    if (settings->no_sanity_check || !settings->certificate)
        return true;
    if (!read_chain(settings->certificate, &chain, error) ||
        !check_certificate(chain.certificates[0], settings->certificate, context->is_server, error))
        return false;
    gnutls_x509_trust_list_init(&trust, 0);
    gnutls_x509_trust_list_add_trust_file(trust, settings->ca, settings->crl, GNUTLS_X509_FMT_PEM,
                                          0, 0);
    int code =
        gnutls_x509_trust_list_verify_crt(trust, chain.certificates, chain.count, 0, &status, NULL);
    gnutls_x509_trust_list_deinit(trust, 1);
    if (code < 0)
        return refuse_code(error, settings->certificate, code);
    return status == 0 || refuse_status(error, settings->certificate, status);
}

static bool load_priority(TlsContext *context, const TlsSettings *settings, GError **error)
{
    int code =
        gnutls_priority_init(&context->priority, settings->priority ?: DEFAULT_PRIORITY, NULL);

    return code >= 0 || error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_RPC,
                                  "GnuTLS does not take the priorities '%s': %s",
                                  settings->priority, gnutls_strerror(code));
}

static bool begin_library(GError **error)
{
    static gsize begun;
    static int code;

    if (g_once_init_enter(&begun)) {
        code = gnutls_global_init();
        g_once_init_leave(&begun, 1);
    }
    return code >= 0 || error_set(error, ERROR_INTERNAL, ORIGIN_RPC, "GnuTLS doesn't begin: %s",
                                  gnutls_strerror(code));
}

/* In the order in which they need each other. */
static const struct {
    TlsPart part;
    bool (*load)(TlsContext *context, const TlsSettings *settings, GError **error);
} steps[] = {
    {TLS_PRIORITY, load_priority}, {TLS_CA, load_trust},        {TLS_CRL, load_revoked},
    {TLS_KEY, look_for_key},       {TLS_CERTIFICATE, load_own}, {TLS_CERTIFICATE, check_own},
};

TlsContext *tls_context_new(const TlsSettings *settings, bool is_server, TlsPart *ret_bad,
                            GError **error)
{
    TlsPart unwanted;
    TlsPart *part = ret_bad ? ret_bad : &unwanted;

    *part = TLS_CA;
    if (!begin_library(error))
        return NULL;
    g_autoptr(TlsContext) context = g_new0(TlsContext, 1);

    g_atomic_ref_count_init(&context->refs);
    context->is_server = is_server;
    context->no_verify = settings->no_verify;
    context->allowed_dn = g_strdupv((char **)settings->allowed_dn);
    gnutls_certificate_allocate_credentials(&context->credentials);
    for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
        *part = steps[i].part;
        if (!steps[i].load(context, settings, error))
            return NULL;
    }
    return g_steal_pointer(&context);
}

TlsContext *tls_context_ref(TlsContext *context)
{
    g_atomic_ref_count_inc(&context->refs);
    return context;
}

void tls_context_unref(TlsContext *context)
{
    if (!context || !g_atomic_ref_count_dec(&context->refs))
        return;
    gnutls_certificate_free_credentials(context->credentials);
    if (context->priority)
        gnutls_priority_deinit(context->priority);
    g_strfreev(context->allowed_dn);
    g_free(context);
}

/* ---- the other side's certificate ---- */

static char *read_name(gnutls_x509_crt_t certificate)
{
    char name[NAME_MAX_SIZE];
    size_t size = sizeof name;

    return gnutls_x509_crt_get_dn(certificate, name, &size) < 0 ? NULL : g_strndup(name, size);
}

static bool is_allowed(const TlsContext *context, const char *name)
{
    for (char **pattern = context->allowed_dn; *pattern; pattern++)
        if (g_pattern_match_simple(*pattern, name))
            return true;
    return false;
}

static bool check_name(TlsTransport *tls, gnutls_x509_crt_t certificate, GError **error)
{
    const TlsContext *context = tls->context;

    if (context->is_server && context->allowed_dn &&
        (!tls->peer_name || !is_allowed(context, tls->peer_name)))
        return error_set(error, ERROR_AUTH_FAILED, ORIGIN_RPC,
                         "the client '%s' is not among those that are allowed",
                         tls->peer_name ?: "with an unreadable name");
    if (!context->is_server && !gnutls_x509_crt_check_hostname(certificate, tls->host))
        return error_set(error, ERROR_AUTH_FAILED, ORIGIN_RPC,
                         "the certificate of the server is for '%s', not for the host '%s'",
                         tls->peer_name ?: "an unreadable name", tls->host);
    return true;
}

static bool import_peer(gnutls_session_t session, Chain *ret)
{
    guint count;
    const gnutls_datum_t *data = gnutls_certificate_get_peers(session, &count);

    if (!data || count == 0 || gnutls_x509_crt_init(&ret->certificates[0]) < 0)
        return false;
    ret->count = 1;
    return gnutls_x509_crt_import(ret->certificates[0], &data[0], GNUTLS_X509_FMT_DER) >= 0;
}

static bool check_peer(TlsTransport *tls, GError **error)
{
    const char *what =
        tls->context->is_server ? "the client's certificate" : "the server's certificate";
    g_auto(Chain) leaf = {.count = 0};
    guint status = 0;

    bool shown = import_peer(tls->session, &leaf);
    if (shown)
        tls->peer_name = read_name(leaf.certificates[0]);
    if (tls->context->no_verify)
        return true;
    if (!shown)
        return refuse(error, what, "was not shown or can't be read");
    int code = gnutls_certificate_verify_peers2(tls->session, &status);
    if (code < 0)
        return refuse_code(error, what, code);
    if (status != 0)
        return refuse_status(error, what, status);
    return check_certificate(leaf.certificates[0], what, !tls->context->is_server, error) &&
           check_name(tls, leaf.certificates[0], error);
}

/* ---- hands are shaken ---- */

static bool is_temporary(ssize_t code)
{
    return code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED;
}

static HandshakeResult wait_more(TlsTransport *tls)
{
    return gnutls_record_get_direction(tls->session) ? HANDSHAKE_WRITE : HANDSHAKE_READ;
}

static HandshakeResult fail(GError **error, const char *what, ssize_t code)
{
    error_set(error, ERROR_AUTH_FAILED, ORIGIN_RPC, "%s: %s", what, gnutls_strerror((int)code));
    return HANDSHAKE_FAILED;
}

/* The server says with one byte that it is content with the client's certificate. */
static HandshakeResult confirm(TlsTransport *tls, GError **error)
{
    char byte = '\1';
    ssize_t code = tls->context->is_server ? gnutls_record_send(tls->session, &byte, 1)
                                           : gnutls_record_recv(tls->session, &byte, 1);

    if (is_temporary(code))
        return wait_more(tls);
    if (code == 1 && byte == '\1')
        return HANDSHAKE_DONE;
    if (tls->context->is_server)
        return fail(error, "the confirmation could not be sent", code);
    error_set(error, ERROR_AUTH_FAILED, ORIGIN_RPC,
              "the server closed the connection after it saw our certificate: its log says why");
    return HANDSHAKE_FAILED;
}

static HandshakeResult shake(TlsTransport *tls, GError **error)
{
    int code = tls->shaken ? 0 : gnutls_handshake(tls->session);

    if (is_temporary(code))
        return wait_more(tls);
    if (code < 0)
        return gnutls_error_is_fatal(code) ? fail(error, "TLS was not agreed on", code)
                                           : HANDSHAKE_READ;
    if (!tls->shaken && !check_peer(tls, error))
        return HANDSHAKE_FAILED;
    tls->shaken = true;
    return confirm(tls, error);
}

static HandshakeResult tls_handshake(Transport *transport, GError **error)
{
    TlsTransport *tls = (TlsTransport *)transport;
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&tls->lock);

    return shake(tls, error);
}

/* ---- records ---- */

static ssize_t give_errno(ssize_t code)
{
    errno = is_temporary(code) ? EAGAIN : EPROTO;
    return -1;
}

static ssize_t receive(TlsTransport *tls, FrameReader *reader)
{
    guint8 buffer[RECORD_SIZE];
    ssize_t total = 0, count;

    do {
        count = gnutls_record_recv(tls->session, buffer, sizeof buffer);
        if (count > 0)
            frame_reader_feed(reader, buffer, (gsize)count);
        total += MAX(count, 0);
    } while (count > 0 && gnutls_record_check_pending(tls->session) > 0);
    if (total > 0)
        return total;
    return count == 0 || count == GNUTLS_E_PREMATURE_TERMINATION ? 0 : give_errno(count);
}

static ssize_t tls_receive(Transport *transport, FrameReader *reader)
{
    TlsTransport *tls = (TlsTransport *)transport;
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&tls->lock);

    return receive(tls, reader);
}

static ssize_t tls_send(Transport *transport, const struct iovec *vectors, guint count)
{
    TlsTransport *tls = (TlsTransport *)transport;
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&tls->lock);
    guint8 buffer[RECORD_SIZE];
    gsize size = tls->interrupted ? 0 : vectors_copy(vectors, count, buffer, sizeof buffer);

    /* An interrupted record is in GnuTLS's own buffer; sent, it counts with its size. */
    ssize_t sent = gnutls_record_send(tls->session, tls->interrupted ? NULL : buffer, size);
    tls->interrupted = is_temporary(sent);
    return sent >= 0 ? sent : give_errno(sent);
}

static guint tls_strength(Transport *transport)
{
    TlsTransport *tls = (TlsTransport *)transport;

    return (guint)(8 * gnutls_cipher_get_key_size(gnutls_cipher_get(tls->session)));
}

static const char *tls_peer_name(Transport *transport)
{
    return ((TlsTransport *)transport)->peer_name;
}

static void tls_free(Transport *transport)
{
    TlsTransport *tls = (TlsTransport *)transport;

    if (tls->shaken)
        gnutls_bye(tls->session, GNUTLS_SHUT_WR);
    gnutls_deinit(tls->session);
    tls_context_unref(tls->context);
    g_free(tls->host);
    g_free(tls->peer_name);
    g_mutex_clear(&tls->lock);
}

static const TransportClass tls_class = {
    .receive = tls_receive,
    .send = tls_send,
    .handshake = tls_handshake,
    .strength = tls_strength,
    .peer_name = tls_peer_name,
    .free = tls_free,
};

/* Without tickets: libvirt's clients take one for the confirmation. */
static Transport *new_transport(TlsContext *context, int fd, guint side, GError **error)
{
    gnutls_session_t session;
    int code = gnutls_init(&session, side | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS);

    if (code < 0) {
        fd_close(&fd);
        refuse_code(error, "no TLS session can be made", code);
        return NULL;
    }
    TlsTransport *tls = g_new0(TlsTransport, 1);
    tls->base = (Transport){&tls_class, fd};
    g_mutex_init(&tls->lock);
    tls->context = tls_context_ref(context);
    tls->session = session;
    gnutls_priority_set(session, context->priority);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, context->credentials);
    gnutls_transport_set_int(session, fd);
    gnutls_handshake_set_timeout(session, GNUTLS_INDEFINITE_TIMEOUT); /* the caller has its own */
    return &tls->base;
}

Transport *tls_transport_new_server(TlsContext *context, int fd, GError **error)
{
    Transport *transport = new_transport(context, fd, GNUTLS_SERVER, error);

    if (transport)
        gnutls_certificate_server_set_request(((TlsTransport *)transport)->session,
                                              context->no_verify ? GNUTLS_CERT_REQUEST
                                                                 : GNUTLS_CERT_REQUIRE);
    return transport;
}

Transport *tls_transport_new_client(TlsContext *context, int fd, const char *host, GError **error)
{
    Transport *transport = new_transport(context, fd, GNUTLS_CLIENT, error);

    if (!transport)
        return NULL;
    ((TlsTransport *)transport)->host = g_strdup(host);
    if (!g_hostname_is_ip_address(host))
        gnutls_server_name_set(((TlsTransport *)transport)->session, GNUTLS_NAME_DNS, host,
                               strlen(host));
    return transport;
}
