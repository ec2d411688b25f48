/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden.h"

#include <string.h>

#define INPUT_SUFFIX ".in.xml"

char *golden_read(const char *folder, const char *file)
{
    g_autofree char *path = g_build_filename(GOLDEN_DIR, folder, file, NULL);
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *list_names(const char *folder)
{
    g_autofree char *path = g_build_filename(GOLDEN_DIR, folder, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = g_dir_open(path, 0, &error);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    const char *file;

    g_assert_no_error(error);
    while ((file = g_dir_read_name(dir)))
        if (g_str_has_suffix(file, INPUT_SUFFIX))
            g_ptr_array_add(names, g_strndup(file, strlen(file) - strlen(INPUT_SUFFIX)));
    g_ptr_array_sort(names, compare_names);
    return names;
}

void golden_for_each(const char *folder, GoldenPair call, gconstpointer data)
{
    g_autoptr(GPtrArray) names = list_names(folder);

    g_assert_cmpuint(names->len, >, 0);
    for (guint i = 0; i < names->len; i++)
        call(folder, names->pdata[i], data);
}

static void free_case(gpointer data)
{
    GoldenCase *golden = data;

    g_free(golden->folder);
    g_free(golden->name);
    g_free(golden);
}

typedef struct Adding {
    gconstpointer data;
    GTestDataFunc test;
} Adding;

static void add_test(const char *folder, const char *name, gconstpointer data)
{
    const Adding *adding = data;
    g_autofree char *path = g_strdup_printf("/%s/%s", folder, name);
    GoldenCase *golden = g_new(GoldenCase, 1);

    *golden = (GoldenCase){g_strdup(folder), g_strdup(name), adding->data};
    g_test_add_data_func_full(path, golden, adding->test, free_case);
}

void golden_add_tests(const char *folder, gconstpointer data, GTestDataFunc test)
{
    Adding adding = {data, test};

    golden_for_each(folder, add_test, &adding);
}

char *golden_input(const GoldenCase *golden)
{
    g_autofree char *file = g_strconcat(golden->name, INPUT_SUFFIX, NULL);

    return golden_read(golden->folder, file);
}

char *golden_output(const GoldenCase *golden)
{
    g_autofree char *file = g_strconcat(golden->name, ".out.xml", NULL);

    return golden_read(golden->folder, file);
}

gboolean golden_is_lax(const GoldenCase *golden)
{
    return g_str_has_prefix(golden->name, "lax-");
}

const PoolSchema *golden_schema(const char *type)
{
    const PoolSchema *schema = pool_schema_find(backend_schemas(), type);

    g_assert_nonnull(schema);
    return schema;
}
