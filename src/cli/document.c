/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "document.h"

#include "json-output.h"
#include "report.h"
#include "terminal.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define DOCUMENT_LIMIT ((gsize)16 << 20)

static char *read_all(int fd)
{
    g_autoptr(GString) content = g_string_new(NULL);
    char buffer[65536];
    for (;;) {
        ssize_t got = read(fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return NULL;
        if (got == 0)
            return g_string_free(g_steal_pointer(&content), FALSE);
        g_string_append_len(content, buffer, got);
        if (content->len > DOCUMENT_LIMIT) {
            errno = EFBIG;
            return NULL;
        }
    }
}

char *document_read(const Call *call, const char *argument)
{
    const char *path = call_text(call, argument);
    bool standard_input = strcmp(path, "-") == 0;
    int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    char *content = fd < 0 ? NULL : read_all(fd);
    int failure = errno;
    if (fd >= 0 && !standard_input)
        close(fd);
    if (!content)
        report_trouble(call, "can't read the document '%s': %s", path, g_strerror(failure));
    return content;
}

bool document_check_text(const Call *call)
{
    const Argument *arguments = call->command->arguments;
    for (int i = 0; arguments[i].name; i++) {
        if (call->values[i] && !g_utf8_validate(call->values[i], -1, NULL)) {
            g_autofree char *message =
                g_strdup_printf("the value of --%s is not UTF-8, which XML has to be",
                                arguments[i].name);
            report_usage(call, message);
            return false;
        }
    }
    return true;
}

/* Appends `format`, whose values are escaped, at a depth of nesting. */
static void line(GString *xml, int depth, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void line(GString *xml, int depth, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_markup_vprintf_escaped(format, arguments);
    va_end(arguments);
    g_string_append_printf(xml, "%*s%s\n", depth * 2, "", text);
}

/* An argument of a pool's source. A "-" holds the place of one that is not meant. */
static const char *source_text(const Call *call, const char *argument)
{
    const char *text = call_text(call, argument);
    return text && strcmp(text, "-") != 0 ? text : NULL;
}

/* Appends ` name='value'` when the argument is given. */
static void attribute(GString *tag, const char *name, const char *value)
{
    g_autofree char *escaped = value ? g_markup_escape_text(value, -1) : NULL;
    if (escaped)
        g_string_append_printf(tag, " %s='%s'", name, escaped);
}

static void add_adapter(const Call *call, GString *xml)
{
    g_autoptr(GString) tag = g_string_new(NULL);
    if (call_flag(call, "adapter-wwnn")) {
        attribute(tag, "type", "fc_host");
        attribute(tag, "parent", call_text(call, "adapter-parent"));
        attribute(tag, "parent_wwnn", call_text(call, "adapter-parent-wwnn"));
        attribute(tag, "parent_wwpn", call_text(call, "adapter-parent-wwpn"));
        attribute(tag, "parent_fabric_wwn", call_text(call, "adapter-parent-fabric-wwn"));
        attribute(tag, "wwnn", call_text(call, "adapter-wwnn"));
        attribute(tag, "wwpn", call_text(call, "adapter-wwpn"));
    } else if (call_flag(call, "adapter-name")) {
        attribute(tag, "type", "scsi_host");
        attribute(tag, "name", call_text(call, "adapter-name"));
    } else {
        return;
    }
    g_string_append_printf(xml, "    <adapter%s/>\n", tag->str);
}

static void add_auth(const Call *call, GString *xml)
{
    if (!call_flag(call, "auth-type"))
        return;
    const char *usage = call_text(call, "secret-usage");
    const char *uuid = call_text(call, "secret-uuid");
    line(xml, 2, "<auth type='%s' username='%s'>", call_text(call, "auth-type"),
         call_text(call, "auth-username"));
    if (usage)
        line(xml, 3, "<secret usage='%s'/>", usage);
    if (uuid)
        line(xml, 3, "<secret uuid='%s'/>", uuid);
    g_string_append(xml, "    </auth>\n");
}

static void add_initiator(GString *xml, int depth, const char *iqn)
{
    line(xml, depth, "<initiator>");
    line(xml, depth + 1, "<iqn name='%s'/>", iqn);
    line(xml, depth, "</initiator>");
}

/* A source element of one value. */
typedef struct SourceElement {
    const char *argument;
    const char *format;
} SourceElement;

static void add_elements(const Call *call, GString *xml, const SourceElement *elements)
{
    for (; elements->argument; elements++) {
        const char *value = source_text(call, elements->argument);
        g_autofree char *escaped = value ? g_markup_escape_text(value, -1) : NULL;
        g_auto(GStrv) parts = g_strsplit(elements->format, "%s", 2);
        if (escaped)
            g_string_append_printf(xml, "    %s%s%s\n", parts[0], escaped, parts[1]);
    }
}

static void add_source(const Call *call, GString *xml)
{
    static const SourceElement places[] = {
        {"source-host", "<host name='%s'/>"},
        {"source-path", "<dir path='%s'/>"},
        {"source-dev", "<device path='%s'/>"},
        {NULL},
    };
    static const SourceElement kinds[] = {
        {"source-format", "<format type='%s'/>"},
        {"source-name", "<name>%s</name>"},
        {"source-protocol-ver", "<protocol ver='%s'/>"},
        {NULL},
    };
    g_autoptr(GString) source = g_string_new(NULL);
    add_elements(call, source, places);
    if (source_text(call, "source-initiator"))
        add_initiator(source, 2, source_text(call, "source-initiator"));
    add_adapter(call, source);
    add_auth(call, source);
    add_elements(call, source, kinds);
    if (source->len > 0)
        g_string_append_printf(xml, "  <source>\n%s  </source>\n", source->str);
}

char *document_pool(const Call *call)
{
    GString *xml = g_string_new(NULL);
    line(xml, 0, "<pool type='%s'>", call_text(call, "type"));
    line(xml, 1, "<name>%s</name>", call_text(call, "name"));
    add_source(call, xml);
    const char *target = source_text(call, "target");
    if (target) {
        line(xml, 1, "<target>");
        line(xml, 2, "<path>%s</path>", target);
        line(xml, 1, "</target>");
    }
    line(xml, 0, "</pool>");
    return g_string_free(xml, FALSE);
}

static void add_format(GString *xml, const char *format)
{
    if (format)
        line(xml, 2, "<format type='%s'/>", format);
}

char *document_volume(const Call *call, const char *backing_path)
{
    guint64 size = 0;
    const char *format = call_text(call, "format");
    GString *xml = g_string_new(NULL);
    line(xml, 0, "<volume>");
    line(xml, 1, "<name>%s</name>", call_text(call, "name"));
    if (call_size(call, "capacity", &size))
        line(xml, 1, "<capacity>%" G_GUINT64_FORMAT "</capacity>", size);
    if (call_size(call, "allocation", &size))
        line(xml, 1, "<allocation>%" G_GUINT64_FORMAT "</allocation>", size);
    if (format) {
        line(xml, 1, "<target>");
        add_format(xml, format);
        line(xml, 1, "</target>");
    }
    if (backing_path) {
        line(xml, 1, "<backingStore>");
        line(xml, 2, "<path>%s</path>", backing_path);
        add_format(xml, call_text(call, "backing-vol-format"));
        line(xml, 1, "</backingStore>");
    }
    line(xml, 0, "</volume>");
    return g_string_free(xml, FALSE);
}

char *document_source(const Call *call)
{
    if (!call_flag(call, "host"))
        return NULL;
    g_autoptr(GString) host = g_string_new(NULL);
    attribute(host, "name", call_text(call, "host"));
    attribute(host, "port", call_text(call, "port"));
    GString *xml = g_string_new("<source>\n");
    g_string_append_printf(xml, "  <host%s/>\n", host->str);
    if (call_flag(call, "initiator"))
        add_initiator(xml, 1, call_text(call, "initiator"));
    g_string_append(xml, "</source>\n");
    return g_string_free(xml, FALSE);
}

/* The name is the document's first <name> element: a volume's document, as the engine writes it,
 * begins with it, and no "<" stands anywhere but at a tag. */
char *document_rename_volume(const char *xml, const char *name)
{
    const char *begin = strstr(xml, "<name>");
    const char *end = begin ? strstr(begin, "</name>") : NULL;
    if (!end)
        return NULL;
    begin += strlen("<name>");
    g_autofree char *escaped = g_markup_escape_text(name, -1);
    return g_strdup_printf("%.*s%s%s", (int)(begin - xml), xml, escaped, end);
}

int document_print(const Call *call, const char *xml)
{
    if (call->json) {
        json_t *object = json_object();
        json_set_text(object, "xml", xml);
        return json_print(object);
    }
    g_autofree char *shown = terminal_on_output() ? text_escape_document(xml) : g_strdup(xml);
    printf("%s%s", shown, g_str_has_suffix(shown, "\n") ? "" : "\n");
    return STATUS_OK;
}
