/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Documents in and out: what libvirt 9.0 makes of the same input, byte for byte. */
#include "golden.h"

#include "errors.h"
#include "schema-validate.h"

/* The strict schemas take the document exactly if its name doesn't say otherwise. */
static void check_schema(SchemaKind kind, const GoldenCase *golden, const char *input)
{
    g_autoptr(GError) error = NULL;

    schema_validate(kind, input, &error);
    if (golden_is_lax(golden))
        g_assert_error(error, CISTERN_ERROR, ERROR_XML_INVALID_SCHEMA);
    else
        g_assert_no_error(error);
}

static PoolDef *parse_pool(const char *xml)
{
    g_autoptr(GError) error = NULL;
    PoolDef *def = pool_def_parse(xml, backend_schemas(), 0, &error);

    g_assert_no_error(error);
    g_assert_nonnull(def);
    return def;
}

static void test_pool(gconstpointer data)
{
    const GoldenCase *golden = data;
    g_autofree char *input = golden_input(golden), *expected = golden_output(golden);
    g_autoptr(PoolDef) def = parse_pool(input);
    g_autofree char *output = pool_def_format(def);
    g_autoptr(PoolDef) again = parse_pool(output);
    g_autoptr(PoolDef) copy = pool_def_copy(def);

    g_assert_cmpstr(output, ==, expected);
    g_assert_true(pool_def_equal(def, again));
    g_assert_true(pool_def_equal(def, copy));
    g_clear_pointer(&def, pool_def_unref);
    g_autofree char *copied = pool_def_format(copy);
    g_assert_cmpstr(copied, ==, expected);
    check_schema(SCHEMA_POOL, golden, input);
    if (!golden_is_lax(golden))
        check_schema(SCHEMA_POOL, golden, expected);
}

static VolumeDef *parse_volume(const char *xml, const PoolSchema *schema)
{
    g_autoptr(GError) error = NULL;
    VolumeDef *def = volume_def_parse(xml, schema, 0, &error);

    g_assert_no_error(error);
    g_assert_nonnull(def);
    return def;
}

static void test_volume(gconstpointer data)
{
    const GoldenCase *golden = data;
    g_autofree char *input = golden_input(golden), *expected = golden_output(golden);
    g_autoptr(VolumeDef) def = parse_volume(input, golden->data);
    g_autofree char *output = volume_def_format(def, golden->data);
    g_autoptr(VolumeDef) again = parse_volume(output, golden->data);
    g_autoptr(VolumeDef) copy = volume_def_copy(def);

    g_assert_cmpstr(output, ==, expected);
    again->target.nocow = def->target.nocow; /* never written */
    g_assert_true(volume_def_equal(def, again));
    g_assert_true(volume_def_equal(def, copy));
    g_clear_pointer(&def, volume_def_free);
    g_autofree char *copied = volume_def_format(copy, golden->data);
    g_assert_cmpstr(copied, ==, expected);
    check_schema(SCHEMA_VOLUME, golden, input);
    if (!golden_is_lax(golden))
        check_schema(SCHEMA_VOLUME, golden, expected);
}

static void test_source(gconstpointer data)
{
    const GoldenCase *golden = data;
    g_autofree char *input = golden_input(golden), *expected = golden_output(golden);
    g_autoptr(GError) error = NULL;
    g_autoptr(PoolSource) source = pool_source_parse(input, golden->data, &error);

    g_assert_no_error(error);
    g_autofree char *output = pool_sources_format(golden->data, &source, 1);
    g_assert_cmpstr(output, ==, expected);
    check_schema(SCHEMA_SOURCES, golden, output);
}

static void test_no_sources(void)
{
    g_autofree char *none = pool_sources_format(golden_schema("logical"), NULL, 0);

    g_assert_cmpstr(none, ==, "<sources>\n</sources>\n");
}

int main(int argc, char **argv)
{
    static const char *const volumes[] = {"dir", "fs", "netfs", "logical", "disk", "rbd", "zfs"};
    static const char *const sources[] = {"netfs", "gluster", "logical", "iscsi", "iscsi-direct"};

    g_test_init(&argc, &argv, NULL);
    golden_add_tests("pool", NULL, test_pool);
    for (guint i = 0; i < G_N_ELEMENTS(volumes); i++) {
        g_autofree char *folder = g_build_filename("volume", volumes[i], NULL);

        golden_add_tests(folder, golden_schema(volumes[i]), test_volume);
    }
    for (guint i = 0; i < G_N_ELEMENTS(sources); i++) {
        g_autofree char *folder = g_build_filename("source", sources[i], NULL);

        golden_add_tests(folder, golden_schema(sources[i]), test_source);
    }
    g_test_add_func("/source/none", test_no_sources);
    return g_test_run();
}
