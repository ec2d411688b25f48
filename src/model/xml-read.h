/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Documents of untrusted origin, read into a small tree. Only UTF-8; no document
 * type, so no entities but XML's own five; nothing outside the text is ever
 * opened. The limits hold while the text is read, before the tree grows.
 */
#define XML_LIMIT_BYTES      (4 * 1024 * 1024) /* of the text: libvirt's longest string on the wire */
#define XML_LIMIT_DEPTH      64                /* of elements inside each other */
#define XML_LIMIT_ATTRIBUTES 32                /* of one element, with its namespaces */
#define XML_LIMIT_NODES      100000            /* elements and attributes in all */

typedef struct XmlDocument XmlDocument;
typedef struct XmlNode XmlNode;

/* Reads a document whose root element must be called `root` (NULL: anything). `label` names the
 * kind of document in messages: "(storage_pool_definition)". Errors: ERROR_XML_DETAIL
 * "<label>:<line>: <what>", the line and a marker below it, for text that is not well-formed or
 * beyond a limit; ERROR_XML for another root. */
XmlDocument *xml_document_parse(const char *xml, const char *label, const char *root,
                                GError **error);
void xml_document_free(XmlDocument *document);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(XmlDocument, xml_document_free)

const XmlNode *xml_document_root(const XmlDocument *document);

/* Name without prefix. */
const char *xml_node_name(const XmlNode *node);

/* The nodes at a path of element names ("source/host") below `node`, in document order. All must be
 * in the namespace `uri` (NULL: in none). `node` may be NULL: then there are none. */
GPtrArray *xml_node_find_all(const XmlNode *node, const char *uri, const char *path);

/* The first of them, or NULL. An empty path is the node itself. */
const XmlNode *xml_node_find(const XmlNode *node, const char *uri, const char *path);

/* Child elements, whatever their namespace; NULL after the last. */
const XmlNode *xml_node_first_child(const XmlNode *node);
const XmlNode *xml_node_next(const XmlNode *node);

/* All text inside, that of children included. A new string, never NULL. */
char *xml_node_text(const XmlNode *node);

/* NULL when absent. */
const char *xml_node_attribute(const XmlNode *node, const char *name);
