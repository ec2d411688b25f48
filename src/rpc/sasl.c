/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sasl.h"

#include "errors.h"
#include "log.h"

#include <errno.h>
#include <sasl/sasl.h>
#include <string.h>

#define SERVICE     "libvirt"
#define APPLICATION "libvirt" /* names its configuration file */
#define BUFFER_MAX  65536     /* bytes of one encrypted packet */
#define SSF_MAX     100000
#define CALLBACKS   5

struct Sasl {
    gatomicrefcount refs;
    sasl_conn_t *connection;
    sasl_callback_t callbacks[CALLBACKS]; /* of the client's side */
    SaslAskFunc ask;
    void *ask_data;
    sasl_secret_t *password;
    char *user_name;
    bool is_server, started, complete;
};

/* ---- the library ---- */

static void *new_mutex(void)
{
    GMutex *mutex = g_new(GMutex, 1);

    g_mutex_init(mutex);
    return mutex;
}

static int lock_mutex(void *mutex)
{
    g_mutex_lock(mutex);
    return SASL_OK;
}

static int unlock_mutex(void *mutex)
{
    g_mutex_unlock(mutex);
    return SASL_OK;
}

static void free_mutex(void *mutex)
{
    g_mutex_clear(mutex);
    g_free(mutex);
}

static int log_line(void *context, int level, const char *message)
{
    if (level <= SASL_LOG_FAIL && level != SASL_LOG_NONE)
        log_info("SASL: %s", message);
    else
        log_debug("SASL: %s", message);
    return SASL_OK;
}

typedef int (*SaslProc)(void);
#define PROC(function) ((SaslProc)(void (*)(void))(function))

static const sasl_callback_t common_callbacks[] = {
    {SASL_CB_LOG, PROC(log_line), NULL},
    {SASL_CB_LIST_END, NULL, NULL},
};

static bool check(int code, sasl_conn_t *connection, const char *what, GError **error)
{
    if (code == SASL_OK || code == SASL_CONTINUE)
        return true;
    return error_set(error, ERROR_AUTH_FAILED, ORIGIN_RPC, "%s: %s", what,
                     connection ? sasl_errdetail(connection) : sasl_errstring(code, NULL, NULL));
}

static bool start_library(bool is_server, GError **error)
{
    static GMutex lock;
    static bool has_mutex, started[2];
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&lock);

    if (started[is_server])
        return true;
    if (!has_mutex)
        sasl_set_mutex(new_mutex, lock_mutex, unlock_mutex, free_mutex);
    has_mutex = true;
    int code = is_server ? sasl_server_init(common_callbacks, APPLICATION)
                         : sasl_client_init(common_callbacks);
    started[is_server] = code == SASL_OK;
    return check(code, NULL, "SASL can't be started", error);
}

/* ---- life ---- */

static Sasl *new_sasl(bool is_server)
{
    Sasl *sasl = g_new0(Sasl, 1);

    g_atomic_ref_count_init(&sasl->refs);
    sasl->is_server = is_server;
    return sasl;
}

Sasl *sasl_ref(Sasl *sasl)
{
    g_atomic_ref_count_inc(&sasl->refs);
    return sasl;
}

static void forget_password(Sasl *sasl)
{
    if (sasl->password)
        explicit_bzero(sasl->password, sizeof *sasl->password + sasl->password->len);
    g_clear_pointer(&sasl->password, g_free);
}

void sasl_unref(Sasl *sasl)
{
    if (!sasl || !g_atomic_ref_count_dec(&sasl->refs))
        return;
    if (sasl->connection)
        sasl_dispose(&sasl->connection);
    forget_password(sasl);
    g_free(sasl->user_name);
    g_free(sasl);
}

static bool set_limits(Sasl *sasl, const SaslLimits *limits, GError **error)
{
    bool needs_own = !limits->is_local && limits->external_ssf == 0;
    sasl_security_properties_t properties = {
        .min_ssf = needs_own ? MAX(limits->min_ssf, SASL_MIN_SSF) : 0,
        .max_ssf = needs_own ? SSF_MAX : 0,
        .maxbufsize = BUFFER_MAX,
        .security_flags = needs_own ? SASL_SEC_NOPLAINTEXT | SASL_SEC_NOANONYMOUS : 0,
    };
    sasl_ssf_t external = limits->external_ssf;
    int code = sasl_setprop(sasl->connection, SASL_SSF_EXTERNAL, &external);

    if (code == SASL_OK)
        code = sasl_setprop(sasl->connection, SASL_SEC_PROPS, &properties);
    return check(code, sasl->connection, "SASL does not take its limits", error);
}

Sasl *sasl_new_server(const SaslLimits *limits, GError **error)
{
    g_autoptr(Sasl) sasl = new_sasl(true);

    if (!start_library(true, error))
        return NULL;
    int code = sasl_server_new(SERVICE, NULL, NULL, NULL, NULL, NULL, SASL_SUCCESS_DATA,
                               &sasl->connection);
    if (!check(code, NULL, "no SASL exchange can be begun", error) ||
        !set_limits(sasl, limits, error))
        return NULL;
    return g_steal_pointer(&sasl);
}

/* ---- credentials ---- */

static int ask_name(void *context, int id, const char **result, unsigned *size)
{
    Sasl *sasl = context;

    if (!sasl->user_name)
        sasl->user_name = sasl->ask(SASL_ASK_USER_NAME, "User name", sasl->ask_data);
    if (!sasl->user_name)
        return SASL_FAIL;
    *result = sasl->user_name;
    if (size)
        *size = (unsigned)strlen(sasl->user_name);
    return SASL_OK;
}

static int ask_password(sasl_conn_t *connection, void *context, int id, sasl_secret_t **result)
{
    Sasl *sasl = context;
    char *text = sasl->ask(SASL_ASK_PASSWORD, "Password", sasl->ask_data);

    if (!text)
        return SASL_FAIL;
    gsize size = strlen(text);
    forget_password(sasl);
    sasl->password = g_malloc0(sizeof(sasl_secret_t) + size);
    sasl->password->len = size;
    memcpy(sasl->password->data, text, size);
    explicit_bzero(text, size);
    g_free(text);
    *result = sasl->password;
    return SASL_OK;
}

Sasl *sasl_new_client(const SaslLimits *limits, const char *host, SaslAskFunc ask, void *data,
                      GError **error)
{
    g_autoptr(Sasl) sasl = new_sasl(false);
    const sasl_callback_t callbacks[CALLBACKS] = {
        {SASL_CB_USER, PROC(ask_name), sasl},
        {SASL_CB_AUTHNAME, PROC(ask_name), sasl},
        {SASL_CB_PASS, PROC(ask_password), sasl},
        {SASL_CB_LIST_END, NULL, NULL},
    };

    sasl->ask = ask;
    sasl->ask_data = data;
    memcpy(sasl->callbacks, callbacks, sizeof callbacks);
    if (!start_library(false, error))
        return NULL;
    int code = sasl_client_new(SERVICE, host, NULL, NULL, ask ? sasl->callbacks : NULL,
                               SASL_SUCCESS_DATA, &sasl->connection);
    if (!check(code, NULL, "no SASL exchange can be begun", error) ||
        !set_limits(sasl, limits, error))
        return NULL;
    return g_steal_pointer(&sasl);
}

/* ---- the exchange ---- */

char *sasl_list_mechanisms(Sasl *sasl, GError **error)
{
    const char *list = NULL;
    int code = sasl_listmech(sasl->connection, NULL, "", ",", "", &list, NULL, NULL);

    if (!check(code, sasl->connection, "there is no SASL mechanism", error))
        return NULL;
    return g_strdup(list);
}

static int step_server(Sasl *sasl, const char *mechanism, const SaslToken *in, SaslToken *out)
{
    return mechanism
               ? sasl_server_start(sasl->connection, mechanism, in->data, in->size, &out->data,
                                   &out->size)
               : sasl_server_step(sasl->connection, in->data, in->size, &out->data, &out->size);
}

static int step_client(Sasl *sasl, const char *mechanisms, const SaslToken *in, SaslToken *out,
                       const char **ret_mechanism)
{
    return mechanisms ? sasl_client_start(sasl->connection, mechanisms, NULL, &out->data,
                                          &out->size, ret_mechanism)
                      : sasl_client_step(sasl->connection, in->data, in->size, NULL, &out->data,
                                         &out->size);
}

bool sasl_step(Sasl *sasl, const char *mechanism, const SaslToken *in, SaslToken *ret_out,
               const char **ret_mechanism, GError **error)
{
    *ret_out = (SaslToken){NULL, 0};
    if (sasl->complete || sasl->started == (mechanism != NULL))
        return error_set(error, ERROR_AUTH_FAILED, ORIGIN_RPC, "SASL's steps are out of order");
    int code = sasl->is_server ? step_server(sasl, mechanism, in, ret_out)
                               : step_client(sasl, mechanism, in, ret_out, ret_mechanism);
    if (!check(code, sasl->connection, "SASL", error))
        return false;
    sasl->started = true;
    sasl->complete = code == SASL_OK;
    return true;
}

bool sasl_is_complete(Sasl *sasl)
{
    return sasl->complete;
}

const char *sasl_user(Sasl *sasl)
{
    const void *user = NULL;

    if (!sasl->complete || sasl_getprop(sasl->connection, SASL_USERNAME, &user) != SASL_OK)
        return NULL;
    return user;
}

guint sasl_ssf(Sasl *sasl)
{
    const void *ssf = NULL;

    if (!sasl->complete || sasl_getprop(sasl->connection, SASL_SSF, &ssf) != SASL_OK)
        return 0;
    return *(const sasl_ssf_t *)ssf;
}

/* ---- encryption ---- */

typedef struct SaslTransport {
    Transport base;
    GMutex lock; /* around each call of the library */
    Transport *below;
    Sasl *sasl;
    guint packet_max;   /* bytes that are encrypted at once */
    GByteArray *unsent; /* encrypted */
} SaslTransport;

static ssize_t decode(SaslTransport *layer, FrameReader *reader, FrameReader *raw)
{
    const char *text;
    unsigned size;
    int code = sasl_decode(layer->sasl->connection, (char *)raw->data + raw->start,
                           (unsigned)(raw->end - raw->start), &text, &size);

    if (code != SASL_OK) {
        errno = EPROTO;
        return -1;
    }
    frame_reader_feed(reader, (const guint8 *)text, size);
    errno = EAGAIN; /* a part of a packet is no bytes yet */
    return size > 0 ? (ssize_t)size : -1;
}

static ssize_t layer_receive(Transport *transport, FrameReader *reader)
{
    SaslTransport *layer = (SaslTransport *)transport;
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&layer->lock);
    FrameReader raw = FRAME_READER_INIT;
    ssize_t count = transport_receive(layer->below, &raw);

    if (count > 0)
        count = decode(layer, reader, &raw);
    int errnum = errno;
    frame_reader_clear(&raw);
    errno = errnum;
    return count;
}

/* False with errno while some is left. */
static bool flush(SaslTransport *layer)
{
    while (layer->unsent->len > 0) {
        struct iovec vector = {layer->unsent->data, layer->unsent->len};
        ssize_t count = transport_send(layer->below, &vector, 1);
        if (count < 0)
            return false;
        g_byte_array_remove_range(layer->unsent, 0, (guint)count);
    }
    return true;
}

static bool encode(SaslTransport *layer, const guint8 *data, gsize size)
{
    const char *packet;
    unsigned packet_size;

    if (sasl_encode(layer->sasl->connection, (const char *)data, (unsigned)size, &packet,
                    &packet_size) != SASL_OK) {
        errno = EPROTO;
        return false;
    }
    g_byte_array_append(layer->unsent, (const guint8 *)packet, packet_size);
    return true;
}

static ssize_t layer_send(Transport *transport, const struct iovec *vectors, guint count)
{
    SaslTransport *layer = (SaslTransport *)transport;
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&layer->lock);
    guint8 buffer[BUFFER_MAX];

    if (!flush(layer))
        return -1;
    gsize size = vectors_copy(vectors, count, buffer, layer->packet_max);
    if (size == 0)
        return 0;
    if (!encode(layer, buffer, size))
        return -1;
    return flush(layer) || errno == EAGAIN || errno == EINTR ? (ssize_t)size : -1;
}

static bool layer_has_unsent(Transport *transport)
{
    SaslTransport *layer = (SaslTransport *)transport;
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&layer->lock);

    return layer->unsent->len > 0;
}

static guint layer_strength(Transport *transport)
{
    return sasl_ssf(((SaslTransport *)transport)->sasl);
}

static void layer_free(Transport *transport)
{
    SaslTransport *layer = (SaslTransport *)transport;

    layer->below->fd = -1; /* ours */
    transport_free(layer->below);
    sasl_unref(layer->sasl);
    g_byte_array_unref(layer->unsent);
    g_mutex_clear(&layer->lock);
}

static const TransportClass layer_class = {
    .receive = layer_receive,
    .send = layer_send,
    .has_unsent = layer_has_unsent,
    .strength = layer_strength,
    .free = layer_free,
};

Transport *sasl_wrap(Sasl *sasl, Transport *below)
{
    const void *most = NULL;

    if (sasl_ssf(sasl) == 0)
        return below;
    SaslTransport *layer = g_new0(SaslTransport, 1);
    layer->base = (Transport){&layer_class, below->fd};
    g_mutex_init(&layer->lock);
    layer->below = below;
    layer->sasl = sasl_ref(sasl);
    layer->unsent = g_byte_array_new();
    if (sasl_getprop(sasl->connection, SASL_MAXOUTBUF, &most) == SASL_OK)
        layer->packet_max = MIN(*(const unsigned *)most, BUFFER_MAX);
    layer->packet_max = MAX(layer->packet_max, 1);
    return &layer->base;
}
