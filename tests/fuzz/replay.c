/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs every file of a corpus folder through a fuzz target once, as a test of
 * ordinary builds. Usage: replay-<target> FOLDER
 */
#include <glib.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay(gconstpointer path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *bytes = NULL;
    gsize size;

    g_file_get_contents(path, &bytes, &size, &error);
    g_assert_no_error(error);
    /* A copy of its exact size: reads past its end are seen by the sanitizers. */
    g_autofree uint8_t *exact = g_memdup2(bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    const char *name;

    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(argc, ==, 2);
    g_autoptr(GDir) folder = g_dir_open(argv[1], 0, &error);
    g_assert_no_error(error);
    while ((name = g_dir_read_name(folder))) {
        g_autofree char *test = g_strconcat("/corpus/", name, NULL);
        g_test_add_data_func_full(test, g_build_filename(argv[1], name, NULL), replay, g_free);
    }
    return g_test_run();
}
