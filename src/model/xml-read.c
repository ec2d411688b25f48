/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xml-read.h"

#include "errors.h"

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <string.h>

/* An element, or a piece of text between elements (name NULL). */
struct XmlNode {
    char *name;
    char *uri;
    GString *text;     /* pieces of text only */
    char **attributes; /* name, value, …, NULL */
    XmlNode *parent, *children, *last_child, *next;
};

struct XmlDocument {
    XmlNode *root;
};

typedef struct Reader {
    xmlParserCtxt *parser;
    const char *label;
    XmlNode *root;
    XmlNode *current; /* the open element */
    guint depth;
    guint nodes;
    GError *error; /* the first one */
} Reader;

static void node_free(XmlNode *node)
{
    while (node) {
        XmlNode *next = node->next;

        node_free(node->children); /* as deep as XML_LIMIT_DEPTH */
        g_free(node->name);
        g_free(node->uri);
        g_strfreev(node->attributes);
        if (node->text)
            g_string_free(node->text, TRUE);
        g_free(node);
        node = next;
    }
}

static XmlNode *node_append(XmlNode *parent)
{
    XmlNode *node = g_new0(XmlNode, 1);

    node->parent = parent;
    if (!parent)
        return node;
    if (parent->last_child)
        parent->last_child->next = node;
    else
        parent->children = node;
    parent->last_child = node;
    return node;
}

/* Of longer lines only the part around the fault is shown. */
#define PLACE_LIMIT 4096

/* The line that the parser stands on, and below it a marker at its column. */
static char *describe_place(const xmlParserInput *input)
{
    const char *base = (const char *)input->base, *end = (const char *)input->end;
    const char *start = (const char *)input->cur, *stop;
    g_autoptr(GString) text = g_string_new(NULL);

    while (start > base && (*start == '\n' || *start == '\r'))
        start--;
    while (start > base && *start != '\n' && *start != '\r')
        start--;
    if (start < end && (*start == '\n' || *start == '\r'))
        start++;
    if ((const char *)input->cur - start > PLACE_LIMIT / 2)
        start = (const char *)input->cur - PLACE_LIMIT / 2;
    end = MIN(end, start + PLACE_LIMIT);
    for (stop = start; stop < end && *stop && *stop != '\n' && *stop != '\r'; stop++)
        ;
    g_string_append_len(text, start, stop - start);
    g_string_append_c(text, '\n');
    for (const char *c = start; c < stop && c < (const char *)input->cur; c++)
        g_string_append_c(text, *c == '\t' ? '\t' : '-');
    g_string_append_c(text, '^');
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void reader_fail(Reader *reader, int line, const char *what)
{
    if (reader->error)
        return;

    g_autofree char *place = reader->parser->input ? describe_place(reader->parser->input) : NULL;
    g_autofree char *message =
        g_strdup_printf("%s:%d: %s\n%s", reader->label, line, what, place ? place : "");
    g_autofree char *valid = g_utf8_make_valid(message, -1);

    error_set(&reader->error, ERROR_XML_DETAIL, ORIGIN_STORAGE, "%s", valid);
    xmlStopParser(reader->parser);
}

static void reader_refuse(Reader *reader, const char *what)
{
    reader_fail(reader, reader->parser->input ? reader->parser->input->line : 0, what);
}

static void on_error(void *data, xmlError *problem)
{
    Reader *reader = data;

    if (problem->level != XML_ERR_FATAL || !problem->message)
        return;
    g_autofree char *what = g_strchomp(g_strdup(problem->message));
    reader_fail(reader, problem->line, what);
}

static void on_document_type(void *data, const xmlChar *name, const xmlChar *external,
                             const xmlChar *system)
{
    reader_refuse(data, "Document type declarations are not accepted");
}

static bool count_node(Reader *reader, guint count)
{
    reader->nodes += count;
    if (reader->nodes <= XML_LIMIT_NODES)
        return true;
    reader_refuse(reader, "Document has more than " G_STRINGIFY(XML_LIMIT_NODES) " elements");
    return false;
}

/* libxml2 hands over five pointers per attribute: name, prefix, URI, value, end of the value. */
static char **copy_attributes(const xmlChar *const *attributes, guint count)
{
    char **copy = g_new0(char *, 2 * count + 1);

    for (guint i = 0; i < count; i++) {
        const char *const *attribute = (const char *const *)attributes + 5 * (size_t)i;

        copy[2 * i] = g_strdup(attribute[0]);
        copy[2 * i + 1] = g_strndup(attribute[3], (gsize)(attribute[4] - attribute[3]));
    }
    return copy;
}

static void on_start(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int n_namespaces, const xmlChar **namespaces, int n_attributes,
                     int n_defaulted, const xmlChar **attributes)
{
    Reader *reader = data;

    if (reader->error || !count_node(reader, 1 + (guint)n_attributes))
        return;
    if (++reader->depth > XML_LIMIT_DEPTH) {
        reader_refuse(reader, "Document has more than " G_STRINGIFY(
                                  XML_LIMIT_DEPTH) " elements inside each other");
        return;
    }

    XmlNode *node = node_append(reader->current);
    /* A prefix that stands for nothing is a part of the name. */
    node->name =
        prefix && !uri ? g_strdup_printf("%s:%s", prefix, name) : g_strdup((const char *)name);
    node->uri = g_strdup((const char *)uri);
    node->attributes = copy_attributes(attributes, (guint)n_attributes);
    if (!reader->root)
        reader->root = node;
    reader->current = node;
}

static void on_end(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    Reader *reader = data;

    if (reader->error || !reader->current)
        return;
    reader->current = reader->current->parent;
    reader->depth--;
}

static void on_text(void *data, const xmlChar *text, int size)
{
    Reader *reader = data;
    XmlNode *parent = reader->current;

    if (reader->error || !parent)
        return;
    if (!parent->last_child || !parent->last_child->text) {
        if (!count_node(reader, 1))
            return;
        node_append(parent)->text = g_string_new(NULL);
    }
    g_string_append_len(parent->last_child->text, (const char *)text, size);
}

/* Without a document type these five are all there are. */
static xmlEntity *find_entity(void *data, const xmlChar *name)
{
    return xmlGetPredefinedEntity(name);
}

static const xmlSAXHandler handlers = {
    .internalSubset = on_document_type,
    .getEntity = find_entity,
    .characters = on_text,
    .ignorableWhitespace = on_text,
    .cdataBlock = on_text,
    .initialized = XML_SAX2_MAGIC,
    .startElementNs = on_start,
    .endElementNs = on_end,
    .serror = on_error,
};

static gpointer start_library(gpointer data)
{
    xmlInitParser();
    return NULL;
}

/* Takes no encoding but UTF-8, whatever the text says of itself. "NOENT" has the five entities that
 * are left without a document type replaced in attributes too. */
static xmlParserCtxt *make_parser(const char *xml, size_t size, Reader *reader)
{
    static GOnce once = G_ONCE_INIT;
    xmlParserCtxt *parser;

    g_once(&once, start_library, NULL);
    parser = xmlCreateMemoryParserCtxt(xml, (int)size);
    if (!parser)
        return NULL;
    xmlCtxtUseOptions(parser, XML_PARSE_NONET | XML_PARSE_IGNORE_ENC | XML_PARSE_NOENT);
    *parser->sax = handlers;
    parser->userData = reader;
    return parser;
}

/*
 * The parser compares each attribute of an element with every other, before it
 * hands any of them over: so their number is looked at in the bare text. A '<'
 * can't stand inside a tag, so the next one puts right what comments confuse.
 */
static bool has_crowded_tag(const char *xml)
{
    bool in_tag = false;
    char quote = 0;
    guint count = 0;

    for (const char *c = xml; *c; c++) {
        if (*c == '<') {
            in_tag = c[1] != '!' && c[1] != '?';
            quote = 0;
            count = 0;
        } else if (!in_tag) {
            c += strcspn(c, "<") - 1;
        } else if (quote) {
            quote = *c == quote ? 0 : quote;
        } else if (*c == '"' || *c == '\'') {
            quote = *c;
        } else if (*c == '>') {
            in_tag = false;
        } else if (*c == '=' && ++count > XML_LIMIT_ATTRIBUTES) {
            return true;
        }
    }
    return false;
}

static bool check_text(const char *xml, size_t size, const char *label, GError **error)
{
    if (size == 0)
        return error_set(error, ERROR_XML_DETAIL, ORIGIN_STORAGE, "%s:1: Document is empty\n\n^",
                         label);
    if (size > XML_LIMIT_BYTES)
        return error_set(error, ERROR_XML_DETAIL, ORIGIN_STORAGE,
                         "%s:1: Document is longer than %d bytes\n\n^", label, XML_LIMIT_BYTES);
    if (has_crowded_tag(xml))
        return error_set(error, ERROR_XML_DETAIL, ORIGIN_STORAGE,
                         "%s:1: An element has more than %d attributes\n\n^", label,
                         XML_LIMIT_ATTRIBUTES);
    return true;
}

static bool read_tree(Reader *reader, const char *xml, size_t size, GError **error)
{
    reader->parser = make_parser(xml, size, reader);
    if (!reader->parser)
        return error_set(error, ERROR_NO_MEMORY, ORIGIN_STORAGE, "no parser for %s", reader->label);
    xmlParseDocument(reader->parser);
    if (!reader->error && (!reader->parser->wellFormed || !reader->root))
        reader_refuse(reader, "Document is not well-formed");
    /* The parser looks at bytes above 127 only where it has to. */
    if (!reader->error && !g_utf8_validate(xml, (gssize)size, NULL))
        reader_refuse(reader, "Input is not proper UTF-8");
    xmlFreeParserCtxt(reader->parser);
    if (!reader->error)
        return true;
    g_propagate_error(error, g_steal_pointer(&reader->error));
    return false;
}

XmlDocument *xml_document_parse(const char *xml, const char *label, const char *root,
                                GError **error)
{
    size_t size = strnlen(xml, XML_LIMIT_BYTES + 1);
    Reader reader = {.label = label};
    g_autoptr(XmlDocument) document = g_new0(XmlDocument, 1);

    if (!check_text(xml, size, label, error))
        return NULL;
    bool whole = read_tree(&reader, xml, size, error);
    document->root = reader.root;
    if (!whole)
        return NULL;
    if (root && !g_str_equal(reader.root->name, root)) {
        error_set(error, ERROR_XML, ORIGIN_XML, "expecting root element of '%s', not '%s'", root,
                  reader.root->name);
        return NULL;
    }
    return g_steal_pointer(&document);
}

void xml_document_free(XmlDocument *document)
{
    if (!document)
        return;
    node_free(document->root);
    g_free(document);
}

const XmlNode *xml_document_root(const XmlDocument *document)
{
    return document->root;
}

const char *xml_node_name(const XmlNode *node)
{
    return node->name;
}

static const XmlNode *skip_text(const XmlNode *node)
{
    while (node && node->text)
        node = node->next;
    return node;
}

const XmlNode *xml_node_first_child(const XmlNode *node)
{
    return skip_text(node->children);
}

const XmlNode *xml_node_next(const XmlNode *node)
{
    return skip_text(node->next);
}

/* Calls for each node at the path until `found` returns true. */
static bool walk(const XmlNode *node, const char *uri, const char *path,
                 bool (*found)(const XmlNode *node, void *data), void *data)
{
    size_t length = strcspn(path, "/");
    const char *rest = path[length] ? path + length + 1 : NULL;

    for (const XmlNode *child = xml_node_first_child(node); child; child = xml_node_next(child)) {
        if (strncmp(child->name, path, length) != 0 || child->name[length] != '\0' ||
            g_strcmp0(child->uri, uri) != 0)
            continue;
        if (rest ? walk(child, uri, rest, found, data) : found(child, data))
            return true;
    }
    return false;
}

static bool collect(const XmlNode *node, void *data)
{
    g_ptr_array_add(data, (void *)node);
    return false;
}

GPtrArray *xml_node_find_all(const XmlNode *node, const char *uri, const char *path)
{
    GPtrArray *found = g_ptr_array_new();

    if (node)
        walk(node, uri, path, collect, found);
    return found;
}

static bool take_first(const XmlNode *node, void *data)
{
    *(const XmlNode **)data = node;
    return true;
}

const XmlNode *xml_node_find(const XmlNode *node, const char *uri, const char *path)
{
    const XmlNode *found = NULL;

    if (!node || *path == '\0')
        return node;
    walk(node, uri, path, take_first, &found);
    return found;
}

static void append_text(const XmlNode *node, GString *text)
{
    for (const XmlNode *child = node->children; child; child = child->next) {
        if (child->text)
            g_string_append_len(text, child->text->str, (gssize)child->text->len);
        else
            append_text(child, text);
    }
}

char *xml_node_text(const XmlNode *node)
{
    GString *text = g_string_new(NULL);

    append_text(node, text);
    return g_string_free(text, FALSE);
}

const char *xml_node_attribute(const XmlNode *node, const char *name)
{
    for (char **attribute = node->attributes; *attribute; attribute += 2)
        if (g_str_equal(*attribute, name))
            return attribute[1];
    return NULL;
}
