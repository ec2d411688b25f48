/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any text as a document: what is accepted can be written, read back, and is the same then. */
#include <stdint.h>
#include <string.h>

#include "registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * White space in attributes and what is for input alone (nocow) is lost when a
 * document is written, so it is the first output that must come back whole.
 */
static void check_pool(const PoolDef *first)
{
    g_autofree char *text = pool_def_format_config(first);
    g_autoptr(PoolDef) second = pool_def_parse_file(text, backend_schemas(), NULL);

    g_assert_nonnull(second);
    g_autofree char *again = pool_def_format_state(second);
    g_autoptr(PoolDef) third = pool_def_parse_file(again, backend_schemas(), NULL);
    g_assert_nonnull(third);
    g_assert_true(pool_def_equal(second, third));

    g_autoptr(PoolDef) copy = pool_def_with_state(third, &(PoolSpace){1, 2, 3}, NULL);
    g_assert_true(pool_def_equal(second, copy));
    pool_name_check(first->name, NULL);
}

static void check_sources(const PoolDef *a, const PoolDef *b)
{
    const Backend *backend = backend_for_schema(a->schema);

    if (backend->same_source)
        backend->same_source(a, b);
    if (backend->check)
        backend->check(a, NULL);
}

static void try_pool(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PoolDef) def = pool_def_parse(text, backend_schemas(), 0, &error);

    g_assert_true((def == NULL) == (error != NULL));
    g_assert_true(!error || g_utf8_validate(error->message, -1, NULL));
    if (!def)
        return;
    check_pool(def);
    check_sources(def, def);
    g_clear_pointer(&def, pool_def_unref);
    def = pool_def_parse(text, backend_schemas(), POOL_PARSE_VALIDATE, NULL);
}

/* Ids above 2^31 are written with a sign, which requests may not have. */
static bool is_readable(const char *text)
{
    return !strstr(text, "<owner>-") && !strstr(text, "<group>-");
}

static void check_volume(const VolumeDef *first, const PoolSchema *schema)
{
    g_autofree char *text = volume_def_format(first, schema);
    g_autoptr(VolumeDef) second = NULL;

    if (!is_readable(text))
        return;
    second = volume_def_parse(text, schema, 0, NULL);
    g_assert_nonnull(second);
    g_autofree char *again = volume_def_format(second, schema);
    g_autoptr(VolumeDef) third = volume_def_parse(again, schema, 0, NULL);
    g_assert_nonnull(third);
    g_assert_true(volume_def_equal(second, third));
    g_autoptr(VolumeDef) copy = volume_def_copy(third);
    g_assert_true(volume_def_equal(second, copy));
}

static void try_volume(const char *text, const PoolSchema *schema)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VolumeDef) def = volume_def_parse(text, schema, 0, &error);

    g_assert_true((def == NULL) == (error != NULL));
    if (!def)
        return;
    check_volume(def, schema);
    g_clear_pointer(&def, volume_def_free);
    def = volume_def_parse(text, schema, VOLUME_PARSE_VALIDATE, NULL);
}

static void try_source(const char *text, const PoolSchema *schema)
{
    g_autoptr(PoolSource) source = pool_source_parse(text, schema, NULL);

    if (source)
        g_free(pool_sources_format(schema, &source, 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);

    try_pool(text);
    for (guint i = 0; i < n_backends; i++) {
        try_volume(text, &backends[i]->schema);
        try_source(text, &backends[i]->schema);
    }
    return 0;
}
