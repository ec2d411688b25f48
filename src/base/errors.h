/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Errors. One GError domain; a code is libvirt's error number, so that nothing
 * has to be translated on the way to the wire. Beside the code an error holds
 * where libvirt says it comes from (the "domain" of its clients), and the
 * errno for failed system calls.
 *
 * A message consists of the code's frame ("XML error: ") and a detail. Callers
 * give the detail only; errors.c adds the frame.
 *
 * Source of the numbers: libvirt's public header virterror.h (stable ABI).
 */

typedef enum ErrorCode {
    ERROR_INTERNAL = 1,
    ERROR_NO_MEMORY = 2,
    ERROR_NO_SUPPORT = 3,
    ERROR_NO_CONNECT = 5,
    ERROR_INVALID_CONNECTION = 6,
    ERROR_INVALID_ARGUMENT = 8,
    ERROR_OPERATION_FAILED = 9,
    ERROR_XML = 27,
    ERROR_OPERATION_DENIED = 29,
    ERROR_XML_DETAIL = 35,
    ERROR_SYSTEM = 38,
    ERROR_RPC = 39,
    ERROR_NO_DOMAIN = 42,
    ERROR_NO_NETWORK = 43,
    ERROR_AUTH_FAILED = 45,
    ERROR_INVALID_POOL = 46,
    ERROR_INVALID_VOLUME = 47,
    ERROR_NO_POOL = 49,
    ERROR_NO_VOLUME = 50,
    ERROR_NO_NODE_DEVICE = 53,
    ERROR_OPERATION_INVALID = 55,
    ERROR_NO_INTERFACE = 57,
    ERROR_NO_NWFILTER = 62,
    ERROR_NO_SECRET = 66,
    ERROR_CONFIG_UNSUPPORTED = 67,
    ERROR_TIMEOUT = 68,
    ERROR_ARGUMENT_UNSUPPORTED = 74,
    ERROR_PROBE_FAILED = 75,
    ERROR_POOL_BUILT = 76,
    ERROR_ABORTED = 78,
    ERROR_OVERFLOW = 82,
    ERROR_OPERATION_UNSUPPORTED = 84,
    ERROR_BUSY = 87,
    ERROR_ACCESS_DENIED = 88,
    ERROR_VOLUME_EXISTS = 90,
    ERROR_XML_INVALID_SCHEMA = 92,
    ERROR_AUTH_UNAVAILABLE = 94,
    ERROR_NO_NWFILTER_BINDING = 101,
} ErrorCode;

/* Where an error arose: libvirt's virErrorDomain numbers. */
typedef enum ErrorOrigin {
    ORIGIN_NONE = 0,
    ORIGIN_XML = 5,
    ORIGIN_RPC = 7,
    ORIGIN_STORAGE = 18,
    ORIGIN_NETWORK = 19,
    ORIGIN_DOMAIN = 20,
    ORIGIN_NODEDEV = 22,
    ORIGIN_INTERFACE = 26,
    ORIGIN_SECRET = 30,
    ORIGIN_NWFILTER = 33,
    ORIGIN_STREAMS = 38,
    ORIGIN_DBUS = 47,
    ORIGIN_ACCESS = 55,
    ORIGIN_POLKIT = 60,
} ErrorOrigin;

#define CISTERN_ERROR (cistern_error_quark())
GQuark cistern_error_quark(void);

/* Sets *error (if error is not NULL) to the code's frame and the formatted detail.
 * Always returns false, so that a bool function can end with `return error_set(…)`. */
bool error_set(GError **error, ErrorCode code, ErrorOrigin origin, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* The same without the code's frame: for messages that libvirt sends bare
 * (unsupported flags, texts that name the volume themselves). */
bool error_set_bare(GError **error, ErrorCode code, ErrorOrigin origin, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* ERROR_SYSTEM with "<detail>: <strerror(errnum)>"; errnum is kept for the wire. */
bool error_set_errno(GError **error, ErrorOrigin origin, int errnum, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* The refusal of flag bits outside `allowed`, in libvirt's words. True when flags are fine. */
bool error_check_flags(GError **error, guint flags, guint allowed, const char *function);

/* Puts "<context>" before the detail of an error (behind its frame) for those codes whose row
 * says so: texts that already name their object in libvirt's own words are left as they are.
 * Does nothing when *error is NULL. */
void error_add_context(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Code, origin and errno of any GError; foreign domains are ERROR_INTERNAL/ORIGIN_NONE/0. */
ErrorCode error_code(const GError *error);
ErrorOrigin error_origin(const GError *error);
int error_errno(const GError *error);

/* The detail behind the frame; points into error->message. */
const char *error_detail(const GError *error);

/* Exit status of a command line program for a code: 0 never, 1 for unknown codes. See errors.c. */
int error_exit_status(ErrorCode code);

/* A short stable word for a code ("no-pool"), as the CLI's JSON output has it. Never NULL. */
const char *error_name(ErrorCode code);

/* Remakes an error that came over the wire; message is taken as it is. */
GError *error_from_wire(int code, int origin, int errnum, const char *message);
