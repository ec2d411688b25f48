/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * XDR, the encoding of arguments and results. A C struct is described by rows,
 * one for each field in order of the wire; one codec works from these rows for
 * both sides. Everything read is hostile: no length or count reaches an
 * allocator before it was compared with the row's maximum and with the bytes
 * that are there.
 *
 * In memory a string is a NUL-terminated `char *`; an array is a pointer and a
 * guint32 count; an optional struct is a pointer or NULL.
 */

typedef struct XdrType XdrType;

typedef enum XdrKind {
    XDR_INT,             /* gint32; also the wire's `char` (4 bytes there), bool and enum */
    XDR_UINT,            /* guint32; also the wire's `unsigned char` */
    XDR_HYPER,           /* gint64 */
    XDR_UHYPER,          /* guint64 */
    XDR_DOUBLE,          /* double */
    XDR_STRING,          /* char *, never NULL; at most `max` bytes */
    XDR_OPTIONAL_STRING, /* char * or NULL; any non-zero presence word means present */
    XDR_FIXED,           /* guint8[max], padded to 4 on the wire */
    XDR_FIXED_CHARS,     /* guint8[max]: `max` times `char`, 4 bytes each on the wire */
    XDR_CHARS,           /* guint8 * and a count: an array of `char`, 4 bytes each on the wire */
    XDR_STRUCT,          /* a `type` in place */
    XDR_OPTIONAL,        /* pointer to a `type`, or NULL */
    XDR_ARRAY,           /* pointer to `type` elements and a count; at most `max` */
    XDR_UNION,           /* one of `type`'s fields, number `gint32 at count_offset` - 1 */
} XdrKind;

typedef struct XdrField {
    const char *name; /* for error messages */
    XdrKind kind;
    guint offset;
    guint count_offset; /* of the guint32 count (arrays), of the gint32 choice (unions) */
    guint32 max;
    const XdrType *type;
} XdrField;

struct XdrType {
    gsize size; /* of the C struct */
    const XdrField *fields;
    guint n_fields;
};

#define XDR_STRING_MAX 4194304 /* bytes; the longest string libvirt's peers accept */

/* No fields: zero bytes on the wire. */
extern const XdrType xdr_nothing;

/* Decodes a value from the start of `data`; surplus bytes are left alone. *ret is `type->size`
 * bytes that need not be initialised; on failure it is all zero and holds nothing.
 * A string with an embedded NUL is refused: it would be two different names on its way.
 * Errors: ERROR_RPC. */
bool xdr_decode(const XdrType *type, const guint8 *data, gsize size, void *ret, GError **error);

/* Appends the encoding of `value` to `buffer`, which is left as it was on failure, and never grows
 * beyond `limit` bytes.
 * Errors: ERROR_RPC for a string, array or whole that is too large, or a missing string. */
bool xdr_encode(const XdrType *type, const void *value, GByteArray *buffer, gsize limit,
                GError **error);

/* Frees what the fields hold and sets the struct to zero. Allocations are GLib's. */
void xdr_clear(const XdrType *type, void *value);

/* The fewest bytes a value of the type takes on the wire. */
gsize xdr_min_size(const XdrType *type);
