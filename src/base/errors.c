/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "errors.h"

#include <stdarg.h>
#include <string.h>

/* What exit statuses mean is documented in cistern(1). */
enum {
    EXIT_OTHER = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_FOUND = 3,
    EXIT_EXISTS = 4,
    EXIT_STATE = 5,
    EXIT_DENIED = 6,
    EXIT_CONNECTION = 7,
    EXIT_UNSUPPORTED = 8,
    EXIT_SYSTEM = 9,
    EXIT_TIMEOUT = 10,
    EXIT_ABORTED = 130,
};

typedef struct ErrorRow {
    ErrorCode code;
    const char *name;
    const char *frame; /* what libvirt puts before the detail */
    int exit_status;
    bool wants_context; /* its details don't name pool and volume by themselves */
} ErrorRow;

static const ErrorRow rows[] = {
    {ERROR_INTERNAL, "internal", "internal error: ", EXIT_OTHER, true},
    {ERROR_NO_MEMORY, "no-memory", "out of memory: ", EXIT_SYSTEM, true},
    {ERROR_NO_SUPPORT, "no-support",
     "this function is not supported by the connection driver: ", EXIT_UNSUPPORTED, false},
    {ERROR_NO_CONNECT, "no-connect", "no connection driver available for ", EXIT_CONNECTION, false},
    {ERROR_INVALID_CONNECTION, "invalid-connection", "invalid connection pointer in ",
     EXIT_CONNECTION, false},
    {ERROR_INVALID_ARGUMENT, "invalid-argument", "invalid argument: ", EXIT_USAGE, false},
    {ERROR_OPERATION_FAILED, "operation-failed", "operation failed: ", EXIT_OTHER, true},
    {ERROR_XML, "xml", "XML error: ", EXIT_USAGE, false},
    {ERROR_OPERATION_DENIED, "denied", "operation forbidden: ", EXIT_DENIED, false},
    {ERROR_XML_DETAIL, "xml-syntax", "", EXIT_USAGE, false},
    {ERROR_SYSTEM, "system", "", EXIT_SYSTEM, true},
    {ERROR_RPC, "rpc", "", EXIT_CONNECTION, false},
    {ERROR_NO_DOMAIN, "no-domain", "Domain not found: ", EXIT_NOT_FOUND, false},
    {ERROR_NO_NETWORK, "no-network", "Network not found: ", EXIT_NOT_FOUND, false},
    {ERROR_AUTH_FAILED, "auth-failed", "authentication failed: ", EXIT_DENIED, false},
    {ERROR_INVALID_POOL, "invalid-pool", "invalid storage pool pointer in ", EXIT_USAGE, false},
    {ERROR_INVALID_VOLUME, "invalid-volume", "invalid storage volume pointer in ", EXIT_USAGE,
     false},
    {ERROR_NO_POOL, "no-pool", "Storage pool not found: ", EXIT_NOT_FOUND, false},
    {ERROR_NO_VOLUME, "no-volume", "Storage volume not found: ", EXIT_NOT_FOUND, false},
    {ERROR_NO_NODE_DEVICE, "no-node-device", "Node device not found: ", EXIT_NOT_FOUND, false},
    {ERROR_OPERATION_INVALID, "invalid-state", "Requested operation is not valid: ", EXIT_STATE,
     false},
    {ERROR_NO_INTERFACE, "no-interface", "Interface not found: ", EXIT_NOT_FOUND, false},
    {ERROR_NO_NWFILTER, "no-nwfilter", "Network filter not found: ", EXIT_NOT_FOUND, false},
    {ERROR_NO_SECRET, "no-secret", "Secret not found: ", EXIT_NOT_FOUND, false},
    {ERROR_CONFIG_UNSUPPORTED, "unsupported-configuration",
     "unsupported configuration: ", EXIT_UNSUPPORTED, false},
    {ERROR_TIMEOUT, "timeout", "Timed out during operation: ", EXIT_TIMEOUT, true},
    {ERROR_ARGUMENT_UNSUPPORTED, "unsupported-argument", "argument unsupported: ", EXIT_UNSUPPORTED,
     false},
    {ERROR_PROBE_FAILED, "probe-failed", "Storage pool probe failed: ", EXIT_STATE, false},
    {ERROR_POOL_BUILT, "already-built", "Storage pool already built: ", EXIT_EXISTS, false},
    {ERROR_ABORTED, "aborted", "operation aborted: ", EXIT_ABORTED, true},
    {ERROR_OVERFLOW, "overflow", "numerical overflow: ", EXIT_USAGE, false},
    {ERROR_OPERATION_UNSUPPORTED, "unsupported-operation",
     "Operation not supported: ", EXIT_UNSUPPORTED, false},
    {ERROR_BUSY, "busy", "resource busy: ", EXIT_STATE, true},
    {ERROR_ACCESS_DENIED, "access-denied", "access denied: ", EXIT_DENIED, false},
    {ERROR_VOLUME_EXISTS, "volume-exists", "", EXIT_EXISTS, false},
    {ERROR_XML_INVALID_SCHEMA, "schema",
     "XML document failed to validate against schema: ", EXIT_USAGE, false},
    {ERROR_AUTH_UNAVAILABLE, "auth-unavailable", "authentication unavailable: ", EXIT_DENIED,
     false},
    {ERROR_NO_NWFILTER_BINDING, "no-nwfilter-binding",
     "Network filter binding not found: ", EXIT_NOT_FOUND, false},
};

static const ErrorRow unknown_row = {ERROR_INTERNAL, "unknown", "", EXIT_OTHER, false};

/* Beside GError's own fields. */
typedef struct CisternErrorPrivate {
    ErrorOrigin origin;
    int errnum;
    gsize frame_size; /* bytes of the message that are frame */
} CisternErrorPrivate;

static void cistern_error_private_init(CisternErrorPrivate *priv)
{
    *priv = (CisternErrorPrivate){.origin = ORIGIN_NONE};
}

static void cistern_error_private_copy(const CisternErrorPrivate *source,
                                       CisternErrorPrivate *target)
{
    *target = *source;
}

static void cistern_error_private_clear(CisternErrorPrivate *priv)
{
    (void)priv;
}

/* GLib's macro casts the start of a block, which is aligned for anything. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-align"
G_DEFINE_EXTENDED_ERROR(CisternError, cistern_error)
#pragma GCC diagnostic pop

static const ErrorRow *find_row(int code)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if ((int)rows[i].code == code)
            return &rows[i];
    return &unknown_row;
}

/* A message that quotes hostile input may not grow with it. */
#define DETAIL_MAX 4096

static void shorten(char *detail)
{
    static const char more[] = "…";

    if (strlen(detail) <= DETAIL_MAX)
        return;
    char *cut = detail + DETAIL_MAX - sizeof more;
    while (cut > detail && ((guchar)*cut & 0xc0) == 0x80)
        cut--; /* not inside a character */
    memcpy(cut, more, sizeof more);
}

static GError *error_make(ErrorCode code, ErrorOrigin origin, const char *frame, char *detail)
{
    shorten(detail);
    GError *made = g_error_new(CISTERN_ERROR, (int)code, "%s%s", frame, detail);
    CisternErrorPrivate *priv = cistern_error_get_private(made);

    priv->origin = origin;
    priv->frame_size = strlen(frame);
    g_free(detail);
    return made;
}

bool error_set(GError **error, ErrorCode code, ErrorOrigin origin, const char *format, ...)
{
    va_list args;

    if (!error)
        return false;
    va_start(args, format);
    g_propagate_error(error, error_make(code, origin, find_row((int)code)->frame,
                                        g_strdup_vprintf(format, args)));
    va_end(args);
    return false;
}

bool error_set_bare(GError **error, ErrorCode code, ErrorOrigin origin, const char *format, ...)
{
    va_list args;

    if (!error)
        return false;
    va_start(args, format);
    g_propagate_error(error, error_make(code, origin, "", g_strdup_vprintf(format, args)));
    va_end(args);
    return false;
}

bool error_set_errno(GError **error, ErrorOrigin origin, int errnum, const char *format, ...)
{
    g_autofree char *detail = NULL;
    va_list args;

    if (!error)
        return false;
    va_start(args, format);
    detail = g_strdup_vprintf(format, args);
    va_end(args);
    GError *made =
        error_make(ERROR_SYSTEM, origin, "", g_strdup_printf("%s: %s", detail, g_strerror(errnum)));
    cistern_error_get_private(made)->errnum = errnum;
    g_propagate_error(error, made);
    return false;
}

bool error_check_flags(GError **error, guint flags, guint allowed, const char *function)
{
    if ((flags & ~allowed) == 0)
        return true;
    return error_set_bare(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                          "unsupported flags (0x%x) in function %s", flags & ~allowed, function);
}

void error_add_context(GError **error, const char *format, ...)
{
    g_autofree char *context = NULL;
    va_list args;

    if (!error || !*error || !find_row((int)error_code(*error))->wants_context)
        return;
    va_start(args, format);
    context = g_strdup_vprintf(format, args);
    va_end(args);

    gsize frame = (gsize)(error_detail(*error) - (*error)->message);
    char *message = g_strdup_printf("%.*s%s%s", (int)frame, (*error)->message, context,
                                    (*error)->message + frame);
    g_free((*error)->message);
    (*error)->message = message;
}

ErrorCode error_code(const GError *error)
{
    return error && error->domain == CISTERN_ERROR ? (ErrorCode)error->code : ERROR_INTERNAL;
}

ErrorOrigin error_origin(const GError *error)
{
    if (!error || error->domain != CISTERN_ERROR)
        return ORIGIN_NONE;
    return cistern_error_get_private((GError *)error)->origin;
}

int error_errno(const GError *error)
{
    if (!error || error->domain != CISTERN_ERROR)
        return 0;
    return cistern_error_get_private((GError *)error)->errnum;
}

const char *error_detail(const GError *error)
{
    if (error->domain != CISTERN_ERROR)
        return error->message;
    gsize frame = cistern_error_get_private((GError *)error)->frame_size;
    return error->message + MIN(frame, strlen(error->message));
}

int error_exit_status(ErrorCode code)
{
    return find_row((int)code)->exit_status;
}

const char *error_name(ErrorCode code)
{
    return find_row((int)code)->name;
}

GError *error_from_wire(int code, int origin, int errnum, const char *message)
{
    GError *made = error_make((ErrorCode)code, (ErrorOrigin)origin, "",
                              g_strdup(message ? message : "the other side gave no message"));
    CisternErrorPrivate *priv = cistern_error_get_private(made);

    priv->errnum = errnum;
    const char *frame = find_row(code)->frame;
    if (g_str_has_prefix(made->message, frame))
        priv->frame_size = strlen(frame);
    return made;
}
