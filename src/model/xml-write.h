/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Builds a document as libvirt writes it: two blanks per level, an element per
 * line, attributes in single quotes, the five special characters escaped
 * everywhere. Beyond libvirt, a carriage return is written as &#13;: raw, a
 * reader would take it for a line end.
 */
typedef struct XmlWriter {
    GString *text;
    guint level;
    gboolean in_tag; /* the start tag of the innermost element is still open */
} XmlWriter;

/* An element that was begun. */
typedef struct XmlMark {
    const char *prefix, *name; /* borrowed */
    gsize start;               /* where its line begins */
    gsize bare;                /* where its start tag ended before anything was added */
} XmlMark;

/* How an element without content is written. */
typedef enum XmlEmpty {
    XML_EMPTY_CLOSED,   /* <x/> */
    XML_EMPTY_PAIR,     /* <x> and </x> on two lines */
    XML_EMPTY_LEFT_OUT, /* not at all, unless it has attributes */
} XmlEmpty;

/* `level` is the depth at which the document starts. */
void xml_writer_init(XmlWriter *writer, guint level);
/* The text; the writer is empty afterwards. */
char *xml_writer_finish(XmlWriter *writer);

/* `prefix` may be NULL. */
XmlMark xml_writer_begin(XmlWriter *writer, const char *prefix, const char *name);
void xml_writer_attribute(XmlWriter *writer, const char *name, const char *value);
void xml_writer_end(XmlWriter *writer, const XmlMark *mark, XmlEmpty empty);

/* Ends an element that holds nothing but this text. */
void xml_writer_end_text(XmlWriter *writer, const XmlMark *mark, const char *text);

/* <name>text</name> */
void xml_writer_element(XmlWriter *writer, const char *name, const char *text);
