/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables and schemas say the same: neither knows a name or a word that the other doesn't. */
#include "golden.h"

#include "errors.h"
#include "schema-validate.h"
#include "xml-tables.h"

#include <string.h>

static void add_words(GHashTable *words, const FormatTable *table)
{
    for (guint i = 0; table && i < table->count + table->output_extra; i++)
        if (*table->names[i])
            g_hash_table_add(words, g_strdup(table->names[i]));
}

static void add_name(GHashTable *names, const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);

    for (char **part = parts; *part; part++)
        if (**part)
            g_hash_table_add(names, g_strdup(*part));
}

/* "x" for elements and "@x" for attributes, from a table and those below it. */
static void collect(const XmlField *fields, GHashTable *names, GHashTable *words)
{
    for (const XmlField *field = fields; field->name || field->kind == XML_CHECK; field++) {
        if (!field->name || (field->flags & XML_HIDDEN) == XML_HIDDEN)
            continue;
        add_name(names, field->name);
        if (field->kind == XML_SIZE)
            g_hash_table_add(names, g_strdup("@unit"));
        add_words(words, field->words);
        for (guint i = 0; field->words_of && i < n_backends; i++)
            add_words(words, field->words_of(&backends[i]->schema));
        if (field->fields)
            collect(field->fields, names, words);
    }
}

/* The values of each place in a schema that reads `before`VALUE`after`. */
static void scan(const char *schema, const char *before, char after, const char *prefix,
                 GHashTable *found)
{
    for (const char *at = schema; (at = strstr(at, before));) {
        at += strlen(before);
        const char *end = strchr(at, after);
        g_autofree char *value = g_strndup(at, (gsize)(end - at));

        g_hash_table_add(found, g_strconcat(prefix, value, NULL));
    }
}

static void assert_within(GHashTable *inner, GHashTable *outer, const char *where)
{
    GHashTableIter iter;
    gpointer name;

    g_hash_table_iter_init(&iter, inner);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        if (!g_hash_table_contains(outer, name))
            g_test_fail_printf("'%s' is missing from the %s", (char *)name, where);
}

static GHashTable *string_set(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

typedef struct Pair {
    SchemaKind kind;
    const XmlField *fields;
    const char *root;
    /* Known to the schema alone. */
    const char *const *extra_names, *const *extra_words;
    const char *refused_word; /* known to the tables alone, which refuse it later */
} Pair;

static void test_same(gconstpointer data)
{
    const Pair *pair = data;
    g_autoptr(GHashTable) names = string_set(), words = string_set();
    g_autoptr(GHashTable) schema_names = string_set(), schema_words = string_set();
    const char *schema = schema_text(pair->kind);

    collect(pair->fields, names, words);
    g_hash_table_add(names, g_strdup(pair->root));
    for (const char *const *name = pair->extra_names; *name; name++)
        g_hash_table_add(names, g_strdup(*name));
    for (const char *const *word = pair->extra_words; *word; word++)
        g_hash_table_add(words, g_strdup(*word));
    if (pair->refused_word)
        g_hash_table_remove(words, pair->refused_word);
    scan(schema, "<element name=\"", '"', "", schema_names);
    scan(schema, "<attribute name=\"", '"', "@", schema_names);
    scan(schema, "<value>", '<', "", schema_words);

    assert_within(names, schema_names, "schema");
    assert_within(schema_names, names, "tables");
    assert_within(words, schema_words, "schema");
    assert_within(schema_words, words, "tables");
}

/* ---- What the validator says ---- */

static void test_pool_refusal(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(pool_def_parse("<pool type='dir'><name>n</name><target><path>t</path></target>"
                                 "</pool>",
                                 backend_schemas(), POOL_PARSE_VALIDATE, &error));
    g_assert_cmpint(error_code(error), ==, ERROR_XML_INVALID_SCHEMA);
    g_assert_cmpint(error_origin(error), ==, ORIGIN_XML);
    g_assert_cmpstr(error->message, ==,
                    "XML document failed to validate against schema: "
                    "Unable to validate doc against pool.rng\n"
                    "Error validating datatype string\n"
                    "Element path failed to validate content\n"
                    "Invalid sequence in interleave\n"
                    "Element target failed to validate content\n"
                    "Invalid sequence in interleave\n"
                    "Element pool failed to validate content");
}

/* A broken document is that first, whatever the schema would say. */
static void test_order(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(pool_def_parse("<x/>", backend_schemas(), POOL_PARSE_VALIDATE, &error));
    g_assert_cmpstr(error->message, ==, "XML error: expecting root element of 'pool', not 'x'");
}

/* The volume flag, which libvirt 9.0.0 can't serve, works. */
static void test_volume_flag(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VolumeDef) def =
        volume_def_parse("<volume type='ploop'><name>n</name><capacity>1</capacity></volume>",
                         golden_schema("dir"), VOLUME_PARSE_VALIDATE, &error);

    g_assert_no_error(error);
    g_assert_cmpint(def->type, ==, VOLUME_PLOOP);
    g_assert_null(volume_def_parse("<volume><name>..</name><capacity>1</capacity></volume>",
                                   golden_schema("dir"), VOLUME_PARSE_VALIDATE, &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_XML_INVALID_SCHEMA);
}

typedef struct Verdict {
    SchemaKind kind;
    bool valid;
    const char *xml;
} Verdict;

#define POOL_OF(type, source, rest)                                                                \
    "<pool type='" type "'><name>n</name><source>" source "</source>" rest "</pool>"
#define TARGET "<target><path>/t</path></target>"
#define HOST   "<host name='h'/>"
#define VOLUME(rest)                                                                               \
    "<volume><name>n</name><capacity>1</capacity><target>" rest "</target></volume>"

/* The rules in which schemas are stricter than parsers, and where ours give way. */
static const Verdict verdicts[] = {
    {SCHEMA_POOL, false, POOL_OF("dir", HOST, TARGET)},
    {SCHEMA_POOL, true, POOL_OF("dir", "<vendor name='v'/>", TARGET)},
    {SCHEMA_POOL, false, POOL_OF("dir", "", "<target><path>t</path></target>")},
    {SCHEMA_POOL, false, POOL_OF("fs", "<device path='/a'/><device path='/b'/>", TARGET)},
    {SCHEMA_POOL, false, POOL_OF("disk", "<device path='/a'/><device path='/b'/>", TARGET)},
    {SCHEMA_POOL, false, POOL_OF("fs", "<device path='a/b'/>", TARGET)},
    {SCHEMA_POOL, true, POOL_OF("fs", "<device path='LABEL'/>", TARGET)},
    {SCHEMA_POOL, false, POOL_OF("iscsi", HOST, TARGET)},
    {SCHEMA_POOL, false, POOL_OF("iscsi", HOST "<device path='iqn.x'/>", TARGET)},
    {SCHEMA_POOL, true, POOL_OF("iscsi", HOST "<device path='iqn.2026-01.org:a'/>", TARGET)},
    {SCHEMA_POOL, false, POOL_OF("iscsi", HOST "<device path='iqn.2026-01.org:a'/>", "")},
    {SCHEMA_POOL, false, POOL_OF("netfs", HOST "<dir path='d'/>", TARGET)},
    {SCHEMA_POOL, false, POOL_OF("netfs", HOST "<dir path='d'/><format type='nfs'/>", TARGET)},
    {SCHEMA_POOL, true, POOL_OF("netfs", HOST "<dir path='d'/><format type='cifs'/>", TARGET)},
    {SCHEMA_POOL, false,
     POOL_OF("netfs", HOST "<dir path='d'/><format type='cifs'/><protocol ver='3'/>", TARGET)},
    {SCHEMA_POOL, false, POOL_OF("netfs", "<host name='h_1'/><dir path='/d'/>", TARGET)},
    {SCHEMA_POOL, true, POOL_OF("netfs", "<host name='2001:db8::1'/><dir path='/d'/>", TARGET)},
    {SCHEMA_POOL, false, POOL_OF("netfs", "<host name='h' port='65536'/><dir path='/d'/>", TARGET)},
    {SCHEMA_POOL, true, POOL_OF("logical", "", "")},
    {SCHEMA_POOL, true, POOL_OF("logical", "", "<target/>")},
    {SCHEMA_POOL, true, POOL_OF("zfs", "<device path='/a'/><device path='/b'/>", "")},
    {SCHEMA_POOL, false, POOL_OF("mpath", "", "")},
    {SCHEMA_POOL, false, POOL_OF("vstorage", "", "")},
    {SCHEMA_POOL, false, POOL_OF("scsi", "<adapter name='host0'/>", "")},
    {SCHEMA_POOL, false, POOL_OF("rbd", HOST "<name>p</name>", TARGET)},
    {SCHEMA_POOL, false, POOL_OF("sheepdog", HOST, TARGET)},
    {SCHEMA_POOL, false, POOL_OF("gluster", HOST, TARGET)},
    {SCHEMA_POOL, false, POOL_OF("rbd", HOST "<name>p</name><vendor name='v'/>", "")},
    {SCHEMA_POOL, false, POOL_OF("zfs", "<vendor name='v'/>", "")},
    {SCHEMA_POOL, false, POOL_OF("dir", "", TARGET "<refresh><volume/></refresh>")},
    {SCHEMA_POOL, true, POOL_OF("rbd", HOST "<name>p</name>", "<refresh><volume/></refresh>")},
    {SCHEMA_POOL, false,
     POOL_OF("dir", "",
             "<target><path>/t</path><permissions><mode>9</mode></permissions></target>")},
    {SCHEMA_POOL, false, POOL_OF("dir", "", TARGET "<features><cow state='q'/></features>")},
    {SCHEMA_POOL, false, POOL_OF("mpath", "", TARGET "<features><cow state='no'/></features>")},
    {SCHEMA_POOL, false, POOL_OF("dir", "", TARGET "<uuid>q</uuid>")},
    {SCHEMA_POOL, false, POOL_OF("dir", "", TARGET "<available unit='X'>1</available>")},
    {SCHEMA_VOLUME, true, VOLUME("")},
    {SCHEMA_VOLUME, true, "<volume><name>n</name><capacity>1</capacity></volume>"},
    {SCHEMA_VOLUME, true, VOLUME("<format type='qcow2'/><nocow/>")},
    {SCHEMA_VOLUME, false, VOLUME("<format type='exfat'/>")},
    {SCHEMA_VOLUME, false, "<volume><name>a/b</name><capacity>1</capacity><target/></volume>"},
    {SCHEMA_VOLUME, false, "<volume><name>.</name><capacity>1</capacity><target/></volume>"},
    {SCHEMA_VOLUME, false, "<volume><name>n</name><capacity unit='X'>1</capacity></volume>"},
    {SCHEMA_VOLUME, true, "<volume><name>n</name><capacity unit='gIb'>1</capacity></volume>"},
    {SCHEMA_VOLUME, false, VOLUME("<features><compress/></features>")},
    {SCHEMA_VOLUME, true,
     VOLUME("<encryption format='luks'><cipher name='a' size='1'/>"
            "</encryption>")},
    {SCHEMA_VOLUME, false, VOLUME("<encryption format='luks'><ivgen name='a'/></encryption>")},
    {SCHEMA_VOLUME, false,
     VOLUME("<encryption format='luks2'><cipher name='a' size='1'/>"
            "</encryption>")},
    {SCHEMA_VOLUME, false, VOLUME("<encryption format='luks'><secret usage='u'/></encryption>")},
};

static void test_verdict(gconstpointer data)
{
    const Verdict *verdict = data;
    g_autoptr(GError) error = NULL;

    if (schema_validate(verdict->kind, verdict->xml, &error) != verdict->valid)
        g_test_fail_printf("%s: %s", verdict->xml, error ? error->message : "valid");
}

/* ---- Many at once ---- */

static gpointer validate_often(gpointer data)
{
    for (guint i = 0; i < 200; i++) {
        g_autoptr(GError) error = NULL;

        g_assert_true(schema_validate(SCHEMA_POOL, POOL_OF("dir", "", TARGET), &error));
        g_assert_no_error(error);
        g_assert_false(schema_validate(SCHEMA_VOLUME, "<volume/>", &error));
    }
    return NULL;
}

static void test_threads(void)
{
    GThread *threads[8];

    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("validate", validate_often, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
}

int main(int argc, char **argv)
{
    /* The rows for types and for namespaced options are no plain names. */
    static const char *const none[] = {NULL};
    static const char *const pool_words[] = {"dir",   "fs",           "netfs",   "logical",  "disk",
                                             "iscsi", "iscsi-direct", "scsi",    "mpath",    "rbd",
                                             "zfs",   "sheepdog",     "gluster", "vstorage", NULL};
    static const char *const features[] = {"lazy_refcounts", "extended_l2", NULL};
    static const char *const volume_words[] = {".", "..", "passphrase", NULL};
    static const Pair pool = {SCHEMA_POOL, pool_fields, "pool", none, pool_words, "none"};
    static const Pair volume = {SCHEMA_VOLUME, volume_fields, "volume",
                                features,      volume_words,  NULL};

    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/schema/pool-table", &pool, test_same);
    g_test_add_data_func("/schema/volume-table", &volume, test_same);
    g_test_add_func("/schema/pool-refusal", test_pool_refusal);
    g_test_add_func("/schema/order", test_order);
    g_test_add_func("/schema/volume-flag", test_volume_flag);
    g_test_add_func("/schema/threads", test_threads);
    for (guint i = 0; i < G_N_ELEMENTS(verdicts); i++) {
        g_autofree char *path = g_strdup_printf("/schema/verdict/%02u", i);

        g_test_add_data_func(path, &verdicts[i], test_verdict);
    }
    return g_test_run();
}
