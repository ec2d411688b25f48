/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Documents made to hurt: each is refused before anything grows from it. */
#include "golden.h"

#include "errors.h"
#include "xml-read.h"

#include <string.h>
#include <sys/resource.h>

/* Refused as a document, for a reason that begins so. */
static void assert_refused(const char *xml, const char *reason)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) volume_error = NULL;
    g_autofree char *expected = g_strdup_printf("(storage_pool_definition):1: %s", reason);

    g_assert_null(pool_def_parse(xml, backend_schemas(), 0, &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_XML_DETAIL);
    g_assert_cmpint(error_origin(error), ==, ORIGIN_STORAGE);
    if (!g_str_has_prefix(error->message, expected))
        g_test_fail_printf("\"%.200s\" does not begin with \"%s\"", error->message, expected);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));

    g_assert_null(volume_def_parse(xml, golden_schema("dir"), 0, &volume_error));
    g_assert_error(volume_error, CISTERN_ERROR, ERROR_XML_DETAIL);
}

static char *repeat(const char *head, const char *text, guint count, const char *tail)
{
    GString *made = g_string_new(head);

    for (guint i = 0; i < count; i++)
        g_string_append(made, text);
    g_string_append(made, tail);
    return g_string_free(made, FALSE);
}

static void test_billion_laughs(void)
{
    assert_refused("<!DOCTYPE pool [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
                   "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>]>"
                   "<pool type='dir'><name>&c;</name></pool>",
                   "Document type declarations are not accepted");
    assert_refused("<!DOCTYPE pool><pool type='dir'/>",
                   "Document type declarations are not accepted");
}

static void test_outside_files(void)
{
    assert_refused("<!DOCTYPE pool [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
                   "<pool type='dir'><name>&x;</name></pool>",
                   "Document type declarations are not accepted");
    assert_refused("<!DOCTYPE pool SYSTEM 'http://192.0.2.1/pool.dtd'><pool type='dir'/>",
                   "Document type declarations are not accepted");
    assert_refused("<!DOCTYPE pool [<!ENTITY % x SYSTEM 'file:///dev/zero'> %x;]><pool/>",
                   "Document type declarations are not accepted");
}

static void test_depth(void)
{
    g_autofree char *deep = repeat("<pool type='dir'>", "<a>", 10000, "");
    g_autofree char *deeper = repeat("", "<a b='", 200000, "");

    assert_refused(deep, "Document has more than 64 elements inside each other");
    assert_refused(deeper, "Unescaped '<' not allowed in attributes values");
}

static void test_nodes(void)
{
    g_autofree char *elements = repeat("<pool type='dir'>", "<a/>", 200000, "</pool>");
    g_autofree char *pieces = repeat("<pool type='dir'>", "x<a/>", 60000, "</pool>");

    assert_refused(elements, "Document has more than 100000 elements");
    assert_refused(pieces, "Document has more than 100000 elements");
}

/* Attributes with numbers in their names. */
static char *crowd(const char *head, guint count, const char *name, const char *rest)
{
    GString *text = g_string_new(head);

    for (guint i = 0; i < count; i++)
        g_string_append_printf(text, "%s%u%s", name, i, rest);
    return g_string_free(text, FALSE);
}

static void assert_quick(const char *xml, const char *reason)
{
    gint64 start = g_get_monotonic_time();

    assert_refused(xml, reason);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 2 * G_USEC_PER_SEC);
}

static void test_attributes(void)
{
    static const char reason[] = "An element has more than 32 attributes";
    g_autofree char *plain = crowd("<pool type='dir'><name ", 300000, "a", "='' ");
    g_autofree char *quoted = crowd("<pool type='dir'><name ", 300000, "a", "=\"'>\" ");
    g_autofree char *spaces = crowd("<pool type='dir'><name ", 200000, "xmlns:a", " = 'u'\n");
    g_autofree char *behind =
        crowd("<pool type='dir'><!-- <x a=' --><name ", 300000, "a", "=\"\" ");
    g_autofree char *most = crowd("<pool type='nonsense' ", 31, "a", "='=' ");
    g_autofree char *whole = g_strconcat(most, "/>", NULL);
    g_autoptr(GError) error = NULL;

    assert_quick(plain, reason);
    assert_quick(quoted, reason);
    assert_quick(spaces, reason);
    assert_quick(behind, reason);
    g_assert_null(pool_def_parse(whole, backend_schemas(), 0, &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_XML);
}

/* Every pattern of the schemas, on the longest texts that it takes and that it refuses. */
static void test_long_values(void)
{
    static const char *const documents[] = {
        "<pool type='dir'><name>%s</name><target><path>/t</path></target></pool>",
        "<pool type='dir'><name>n</name><target><path>/%s</path></target></pool>",
        "<pool type='dir'><name>n</name><uuid>%s</uuid><target><path>/t</path></target></pool>",
        "<pool type='dir'><name>n</name><available unit='%s'>1</available></pool>",
        "<pool type='dir'><name>n</name><available>%s</available></pool>",
        "<pool type='rbd'><name>n</name><source><host name='%s'/><name>p</name></source></pool>",
        "<pool type='fs'><name>n</name><source><device path='%s'/></source><target><path>/t</path>"
        "</target></pool>",
        "<pool type='iscsi'><name>n</name><source><host name='h'/><device "
        "path='iqn.2026-01.org:%s'/></source><target><path>/t</path></target></pool>",
        "<pool type='netfs'><name>n</name><source><host name='h'/><dir path='/d'/><protocol "
        "ver='%s'/></source><target><path>/t</path></target></pool>",
        "<pool type='dir'><name>n</name><target><path>/t</path><permissions><mode>%s</mode>"
        "</permissions></target></pool>",
        "<pool type='scsi'><name>n</name><source><adapter name='%s'/></source></pool>",
    };
    static const char *const pieces[] = {"a", "1", ":", "a.", "\n", "a/"};

    for (guint i = 0; i < G_N_ELEMENTS(documents); i++) {
        for (guint j = 0; j < G_N_ELEMENTS(pieces); j++) {
            g_autofree char *value = repeat("", pieces[j], 1 << 20, "");
            g_auto(GStrv) parts = g_strsplit(documents[i], "%s", 2);
            g_autofree char *xml = g_strconcat(parts[0], value, parts[1], NULL);
            gint64 start = g_get_monotonic_time();
            g_autoptr(PoolDef) def =
                pool_def_parse(xml, backend_schemas(), POOL_PARSE_VALIDATE, NULL);
            gint64 elapsed = g_get_monotonic_time() - start;

            if (elapsed > 5 * G_USEC_PER_SEC)
                g_test_fail_printf("%.60s with many '%s' took %" G_GINT64_FORMAT " us", xml,
                                   pieces[j], elapsed);
        }
    }
}

static void test_length(void)
{
    g_autofree char *text = g_malloc(100 << 20);
    struct rusage before, after;

    memset(text, 'x', 100 << 20);
    memcpy(text, "<pool type='dir'><name>", strlen("<pool type='dir'><name>"));
    text[(100 << 20) - 1] = '\0';
    getrusage(RUSAGE_SELF, &before);
    assert_refused(text, "Document is longer than 4194304 bytes");
    getrusage(RUSAGE_SELF, &after);
    /* KiB: it wasn't even copied. */
    g_assert_cmpint(after.ru_maxrss - before.ru_maxrss, <, 50 << 10);
}

static void test_longest(void)
{
    static const char head[] = "<pool type='dir'><name>", tail[] = "</name></pool>";
    g_autofree char *text = g_malloc(XML_LIMIT_BYTES + 1);
    g_autoptr(GError) error = NULL;

    memset(text, 'x', XML_LIMIT_BYTES);
    memcpy(text, head, strlen(head));
    memcpy(text + XML_LIMIT_BYTES - strlen(tail), tail, sizeof(tail));
    g_assert_null(pool_def_parse(text, backend_schemas(), 0, &error));
    g_assert_cmpstr(error->message, ==, "XML error: missing storage pool target path");
}

static void test_characters(void)
{
    assert_refused("<pool type='dir'><name>&#0;</name></pool>",
                   "xmlParseCharRef: invalid xmlChar value 0");
    assert_refused("<pool type='dir'><name>\x01</name></pool>", "PCDATA invalid Char value 1");
    assert_refused("<pool type='dir'><name>&#xD800;</name></pool>",
                   "xmlParseCharRef: invalid xmlChar value 55296");
}

static void test_encoding(void)
{
    static const char *const broken[] = {
        "<pool type='dir'><name>\xff</name></pool>",
        "<pool type='dir'><name>\xc3</name></pool>",
        "<pool type='dir'><name>\xc0\xaf</name></pool>",
        "<pool type='dir'><name>\xed\xa0\x80</name></pool>",
        "<pool type='dir'><name>\xf5\x80\x80\x80</name></pool>",
        "<pool type='\xe9'/>",
        "<p\xe9/>",
        "<pool><!-- \xe9 --></pool>",
        "<?xml version='1.0' encoding='ISO-8859-1'?><pool type='dir'><name>\xe9</name></pool>",
        "<?xml version='1.0' encoding='UTF-7'?><pool type='dir'><name>\xe9</name></pool>",
    };

    for (guint i = 0; i < G_N_ELEMENTS(broken); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(pool_def_parse(broken[i], backend_schemas(), 0, &error));
        g_assert_error(error, CISTERN_ERROR, ERROR_XML_DETAIL);
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
    }
}

/* The text says of itself that it is something else: it is read as the UTF-8 that it is. */
static void test_declared_encoding(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PoolDef) def =
        pool_def_parse("<?xml version='1.0' encoding='ISO-8859-1'?><pool type='dir'><name>\u00e9"
                       "</name><target><path>/t</path></target></pool>",
                       backend_schemas(), 0, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(def->name, ==, "\u00e9");
}

/* A fault in a line of megabytes is shown with what is around it. */
static void test_long_line(void)
{
    g_autofree char *xml = repeat("<pool type='dir'><name>", "x", 1 << 20, "</nam></pool>");
    g_autoptr(GError) error = NULL;

    g_assert_null(pool_def_parse(xml, backend_schemas(), 0, &error));
    g_assert_cmpuint(strlen(error->message), <, 10000);
    g_assert_nonnull(strstr(error->message, "xxx</nam></pool>\n---"));
    g_assert_true(g_str_has_suffix(error->message, "--^"));
}

/* Processing instructions and inclusions mean nothing. */
static void test_inclusion(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PoolDef) def = pool_def_parse(
        "<?xml-stylesheet href='file:///etc/passwd'?><pool type='dir'><name>n</name>"
        "<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='file:///etc/passwd' "
        "parse='text'/><target><path>/t</path></target></pool>",
        backend_schemas(), 0, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(def->name, ==, "n");
}

/* A document that is wrong in each of many lines makes a message of bounded length. */
static void test_findings(void)
{
    g_autofree char *xml = repeat("<pool type='dir'><name>n</name>", "<x/>", 50000,
                                  "<target><path>/t</path></target></pool>");
    g_autoptr(GError) error = NULL;

    g_assert_null(pool_def_parse(xml, backend_schemas(), POOL_PARSE_VALIDATE, &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_XML_INVALID_SCHEMA);
    g_assert_cmpuint(strlen(error->message), <, 10000);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/limits/billion-laughs", test_billion_laughs);
    g_test_add_func("/limits/outside-files", test_outside_files);
    g_test_add_func("/limits/depth", test_depth);
    g_test_add_func("/limits/nodes", test_nodes);
    g_test_add_func("/limits/attributes", test_attributes);
    g_test_add_func("/limits/length", test_length);
    g_test_add_func("/limits/longest", test_longest);
    g_test_add_func("/limits/characters", test_characters);
    g_test_add_func("/limits/encoding", test_encoding);
    g_test_add_func("/limits/declared-encoding", test_declared_encoding);
    g_test_add_func("/limits/long-line", test_long_line);
    g_test_add_func("/limits/inclusion", test_inclusion);
    g_test_add_func("/limits/findings", test_findings);
    g_test_add_func("/limits/long-values", test_long_values);
    return g_test_run();
}
