/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pool-schema.h"
#include "xml-read.h"
#include "xml-write.h"

#include <stddef.h>

/*
 * An element of a document and the structure it is kept in, as a table: one row
 * per value. The same table parses, formats, copies, frees and compares.
 *
 * Rows stand in the order of output. They are parsed in the same order, but
 * those with a `turn` below zero first, as the order decides which of several
 * faults a document is refused for.
 */

typedef enum XmlKind {
    XML_STRING,   /* char *, NULL = absent */
    XML_INT,      /* int */
    XML_UINT,     /* guint; with hex_digits read in any base and written as 0x… */
    XML_OCTAL,    /* guint: permission bits */
    XML_ID,       /* guint32: a user or group */
    XML_SIZE,     /* guint64: bytes, with a unit attribute */
    XML_BYTES,    /* guint64: bytes, without */
    XML_TIME,     /* gint64: nanoseconds, written as seconds */
    XML_UUID,     /* Uuid */
    XML_WORD,     /* int (or an enum): index into a table of words */
    XML_PRESENCE, /* bool: an element without content */
    XML_STRUCT,   /* `fields` of a structure inside this one; an empty name: of this very element */
    XML_LIST,     /* pointer to `size`-byte items with `fields`, their guint number at `count` */
    XML_CHECK,    /* no value: `check` is called when its turn comes */
    XML_CUSTOM,   /* no memory of its own; `parse` and `format` do what there is to do */
} XmlKind;

typedef enum XmlFieldFlag {
    XML_REQUIRED = 1 << 0,    /* absence is an error, worded by `missing` */
    XML_KEEP_EMPTY = 1 << 1,  /* an empty text is a value, not an absence */
    XML_ALWAYS = 1 << 2,      /* written (a structure: also parsed) even when absent */
    XML_PAIR = 1 << 3,        /* without content it is written as two tags */
    XML_OUTPUT_ONLY = 1 << 4, /* never parsed */
    XML_INPUT_ONLY = 1 << 5,  /* never written */
    XML_HIDDEN = XML_OUTPUT_ONLY | XML_INPUT_ONLY, /* not in documents; copied, freed */
    XML_CLEAN_PATH = 1 << 6,                       /* see path.h */
    XML_VOLATILE = 1 << 7,                         /* state rather than definition: not compared */
    XML_ALIAS = 1 << 8,       /* the member belongs to another row: not copied, freed, compared */
    XML_UNSUPPORTED = 1 << 9, /* absence is ERROR_CONFIG_UNSUPPORTED, not ERROR_XML */
} XmlFieldFlag;

/* What decides which rows hold: the pool type, and bits that rows name in `scope`. */
typedef struct XmlScope {
    const PoolSchema *schema;
    guint64 bits;
    bool stored; /* the document is from one of our own files */
} XmlScope;

typedef struct XmlNamespace {
    const char *prefix, *uri;
} XmlNamespace;

typedef struct XmlField XmlField;

struct XmlField {
    const char *name; /* "path", "@type", or a path of single elements: "refresh/volume/@x" */
    XmlKind kind;
    guint flags; /* XmlFieldFlag */
    size_t offset;
    size_t has;   /* of a bool that says whether it was given; 0 = none */
    size_t count; /* lists */
    size_t size;  /* lists */
    int turn;     /* from XML_FIRST_TURN to 0 */
    gint64 unset; /* numbers: the value that means absent */
    guint64 max;  /* numbers: the largest value taken; 0 = what the kind holds */
    guint hex_digits;
    guint64 scope;       /* the row holds where all these bits are set … */
    guint64 input_scope; /* … and is parsed only where these are too */
    guint64 adds;        /* structures: bits that hold for their fields beside */
    const XmlField *fields;
    const XmlNamespace *namespace;
    const char *unit;         /* sizes: the unit attribute written */
    const FormatTable *words; /* words, … */
    const FormatTable *(*words_of)(const PoolSchema *schema); /* … or those of the type, if any */
    /* Messages (libvirt's words). A NULL one is the general text with ORIGIN_XML. */
    const char *missing;   /* of absence */
    const char *malformed; /* of a value that is no number, size or UUID */
    const char *unknown;   /* of a word; the word follows, in quotes if this ends with one */
    /* The row holds only for objects of which this is true (parsing and output). */
    bool (*when)(const void *object);
    /* It is written only for objects of which this is true. */
    bool (*written)(const void *object);
    /* Called after the row was parsed; `node` is the table's element, or NULL. */
    bool (*check)(const XmlNode *node, void *object, const XmlScope *scope, GError **error);
    /* In place of the kind's own. */
    bool (*parse)(const XmlNode *node, void *object, const XmlScope *scope, GError **error);
    void (*format)(const void *object, const XmlScope *scope, XmlWriter *writer);
};

#define XML_FIRST_TURN -3

/* Tables end with an empty row. `object` is the structure that the offsets are in. */

/* Makes every field unset; nothing is freed. */
void xml_fields_init(const XmlField *fields, void *object);

/* Fills an initialised object from an element; `node` NULL = the element is absent. */
bool xml_fields_parse(const XmlField *fields, const XmlNode *node, void *object,
                      const XmlScope *scope, GError **error);

/* Writes into the open element. */
void xml_fields_format(const XmlField *fields, const void *object, const XmlScope *scope,
                       XmlWriter *writer);

/* After a plain assignment `*copy = *object`: gives the copy its own memory. */
void xml_fields_own(const XmlField *fields, void *copy);

void xml_fields_clear(const XmlField *fields, void *object);

bool xml_fields_equal(const XmlField *fields, const void *a, const void *b);

/* The refusals that several tables share, in libvirt's words. Return false. */
bool xml_refuse_attribute(const XmlNode *node, const char *attribute, const char *value,
                          const char *expected, GError **error);
bool xml_refuse_missing(const XmlNode *node, const char *attribute, GError **error);

/* A number as libvirt takes it, the way C reads one: blanks and a plus sign may stand before the
 * digits. Base 0 knows 0x and 0 prefixes. */
bool xml_read_number(const char *text, int base, guint64 max, guint64 *ret);
