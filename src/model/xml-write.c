/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xml-write.h"

void xml_writer_init(XmlWriter *writer, guint level)
{
    *writer = (XmlWriter){.text = g_string_new(NULL), .level = level};
}

char *xml_writer_finish(XmlWriter *writer)
{
    return g_string_free(g_steal_pointer(&writer->text), FALSE);
}

static const char *escape(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&apos;";
    case '\r':
        return "&#13;";
    default:
        return NULL;
    }
}

static void append_escaped(GString *text, const char *value)
{
    for (const char *c = value; *c; c++) {
        const char *escaped = escape(*c);

        if (escaped)
            g_string_append(text, escaped);
        else
            g_string_append_c(text, *c);
    }
}

static void indent(XmlWriter *writer)
{
    for (guint i = 0; i < writer->level; i++)
        g_string_append(writer->text, "  ");
}

static void append_name(XmlWriter *writer, const char *prefix, const char *name)
{
    if (prefix) {
        g_string_append(writer->text, prefix);
        g_string_append_c(writer->text, ':');
    }
    g_string_append(writer->text, name);
}

static void close_tag(XmlWriter *writer, const char *end)
{
    if (writer->in_tag)
        g_string_append(writer->text, end);
    writer->in_tag = FALSE;
}

XmlMark xml_writer_begin(XmlWriter *writer, const char *prefix, const char *name)
{
    gsize start = writer->text->len;

    close_tag(writer, ">\n");
    indent(writer);
    g_string_append_c(writer->text, '<');
    append_name(writer, prefix, name);
    writer->in_tag = TRUE;
    writer->level++;
    return (XmlMark){.prefix = prefix, .name = name, .start = start, .bare = writer->text->len};
}

void xml_writer_attribute(XmlWriter *writer, const char *name, const char *value)
{
    g_string_append_printf(writer->text, " %s='", name);
    append_escaped(writer->text, value);
    g_string_append_c(writer->text, '\'');
}

static void append_end_tag(XmlWriter *writer, const XmlMark *mark)
{
    g_string_append(writer->text, "</");
    append_name(writer, mark->prefix, mark->name);
    g_string_append(writer->text, ">\n");
}

/* Takes the whole element back. Its parent's start tag, which it had closed, is open again. */
static void leave_out(XmlWriter *writer, const XmlMark *mark)
{
    writer->in_tag = mark->start > 0 && writer->text->str[mark->start - 1] != '\n';
    g_string_truncate(writer->text, mark->start);
}

void xml_writer_end(XmlWriter *writer, const XmlMark *mark, XmlEmpty empty)
{
    writer->level--;
    if (writer->in_tag && empty == XML_EMPTY_LEFT_OUT && writer->text->len == mark->bare) {
        leave_out(writer, mark);
        return;
    }
    if (writer->in_tag && empty != XML_EMPTY_PAIR) {
        close_tag(writer, "/>\n");
        return;
    }
    close_tag(writer, ">\n");
    indent(writer);
    append_end_tag(writer, mark);
}

void xml_writer_end_text(XmlWriter *writer, const XmlMark *mark, const char *text)
{
    close_tag(writer, ">");
    append_escaped(writer->text, text);
    append_end_tag(writer, mark);
    writer->level--;
}

void xml_writer_element(XmlWriter *writer, const char *name, const char *text)
{
    XmlMark mark = xml_writer_begin(writer, NULL, name);

    xml_writer_end_text(writer, &mark, text);
}
