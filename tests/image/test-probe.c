/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every case file below files/: a recipe of an image and what probing it must say. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "errors.h"
#include "fd.h"
#include "probe.h"
#include "recipe.h"

#define CASES_MIN 90 /* fewer files mean that the test looks at the wrong folder */

static char *scratch; /* path of the file that images are written to */

static void line(GString *text, const char *key, const char *value)
{
    if (value)
        g_string_append_printf(text, "%s %s\n", key, value);
}

static void number_line(GString *text, const char *key, guint64 value)
{
    if (value)
        g_string_append_printf(text, "%s %" G_GUINT64_FORMAT "\n", key, value);
}

static void describe_backing(GString *text, const ImageInfo *info)
{
    line(text, "backing", info->backing);
    if (info->backing_format < 0)
        return;
    g_string_append_printf(text, "backing-format %s", image_format_name(info->backing_format));
    if (info->backing_format_name)
        g_string_append_printf(text, " (%s)", info->backing_format_name);
    g_string_append_c(text, '\n');
}

static void describe_features(GString *text, const ImageInfo *info)
{
    if (!info->features)
        return;
    g_string_append_printf(text, "features%s%s\n",
                           info->features & FEATURE_LAZY_REFCOUNTS ? " lazy_refcounts" : "",
                           info->features & FEATURE_EXTENDED_L2 ? " extended_l2" : "");
}

static char *describe(const ImageInfo *info)
{
    static const char *const encryptions[] = {[ENCRYPTION_DEFAULT] = "default",
                                              [ENCRYPTION_QCOW] = "qcow",
                                              [ENCRYPTION_LUKS] = "luks",
                                              [ENCRYPTION_LUKS2] = "luks2"};
    GString *text = g_string_new(NULL);

    line(text, "format", image_format_name(info->format));
    number_line(text, "capacity", info->capacity);
    describe_backing(text, info);
    line(text, "data-file", info->data_file);
    line(text, "encryption", encryptions[info->encryption]);
    number_line(text, "payload", info->payload_offset);
    number_line(text, "version", info->qcow2_version);
    number_line(text, "cluster", info->cluster_size);
    describe_features(text, info);
    if (info->dirty)
        g_string_append(text, "dirty\n");
    if (info->corrupt)
        g_string_append(text, "corrupt\n");
    line(text, "problem", info->problem);
    return g_string_free(text, FALSE);
}

static void check_info(const ImageInfo *info, const char *expected)
{
    g_autofree char *text = describe(info);
    g_assert_cmpstr(text, ==, expected);
}

static void check_file(const Recipe *recipe)
{
    g_auto(ImageInfo) info = {0};
    g_autoptr(GError) error = NULL;

    recipe_write(recipe, scratch);
    autofd int fd = open(scratch, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    g_assert_true(image_probe_fd(fd, recipe->size, &info, &error));
    g_assert_no_error(error);
    check_info(&info, recipe->expected);
}

/* The same image in memory: all of it, as far as it is not zeros at the end. */
static void check_buffer(const Recipe *recipe)
{
    g_auto(ImageInfo) info = {0};
    gsize length = MIN(recipe->size, MAX(recipe->length, IMAGE_HEADER_SIZE) + 4096);
    g_autofree guint8 *bytes = g_malloc0(MAX(length, 1));

    if (recipe->length)
        memcpy(bytes, recipe->bytes, recipe->length);
    image_probe_buffer(bytes, length, recipe->size, &info);
    check_info(&info, recipe->expected);
}

/* Cut anywhere, an image is still no reason to read past the end: the sanitizers watch. */
static void check_cuts(const Recipe *recipe)
{
    gsize cuts = recipe->length < 65536 ? 512 : 32;
    gsize step = MAX(recipe->length / cuts, 1);

    for (gsize length = 0; length <= recipe->length; length += step) {
        g_auto(ImageInfo) info = {0};
        g_autofree guint8 *bytes = length ? g_memdup2(recipe->bytes, length) : NULL;
        image_probe_buffer(bytes, length, length, &info);
    }
}

static void test_case(gconstpointer data)
{
    g_auto(Recipe) recipe = {0};

    recipe_load(data, &recipe);
    check_file(&recipe);
    check_buffer(&recipe);
    check_cuts(&recipe);
}

#define THREADS 4
#define ROUNDS  20

static GPtrArray *case_paths;

static gpointer probe_all(gpointer data)
{
    for (guint round = 0; round < ROUNDS; round++) {
        g_auto(Recipe) recipe = {0};
        recipe_load(g_ptr_array_index(case_paths, g_random_int_range(0, (gint)case_paths->len)),
                    &recipe);
        check_buffer(&recipe);
    }
    return NULL;
}

/* Probers share nothing: the thread sanitizer watches. */
static void test_threads(void)
{
    GThread *threads[THREADS];

    for (gsize i = 0; i < THREADS; i++)
        threads[i] = g_thread_new("probe", probe_all, NULL);
    for (gsize i = 0; i < THREADS; i++)
        g_thread_join(threads[i]);
}

static guint add_cases(const char *folder)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &error);
    const char *name;

    g_assert_no_error(error);
    while ((name = g_dir_read_name(dir))) {
        if (!g_str_has_suffix(name, ".image"))
            continue;
        g_autofree char *path = g_strconcat("/probe/", name, NULL);
        char *file = g_build_filename(folder, name, NULL);
        g_ptr_array_add(case_paths, file);
        g_test_add_data_func(path, file, test_case);
    }
    return case_paths->len;
}

static void test_unreadable(void)
{
    g_auto(ImageInfo) info = {0};
    g_autoptr(GError) error = NULL;
    autofd int fd = open("/", O_RDONLY | O_CLOEXEC);

    g_assert_false(image_probe_fd(fd, 4096, &info, &error));
    g_assert_cmpint(error_code(error), ==, ERROR_SYSTEM);
    g_assert_cmpint(error_errno(error), ==, EISDIR);
}

/* A file that has become shorter than its size was is described as far as it goes. */
static void test_shrunk(void)
{
    g_auto(ImageInfo) info = {0};
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(scratch, "KDMV\1\0\0\0", 8, NULL));
    autofd int fd = open(scratch, O_RDONLY | O_CLOEXEC);
    g_assert_true(image_probe_fd(fd, 1024 * 1024, &info, &error));
    check_info(&info, "format vmdk\nproblem the vmdk header ends too early\n");
}

int main(int argc, char **argv)
{
    g_autofree char *folder = NULL;

    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("cistern-probe-XXXXXX", NULL);
    scratch = g_build_filename(folder, "image", NULL);
    case_paths = g_ptr_array_new_with_free_func(g_free);
    g_assert_cmpuint(add_cases(g_getenv("CISTERN_TEST_IMAGES")), >=, CASES_MIN);
    g_test_add_func("/probe/unreadable", test_unreadable);
    g_test_add_func("/probe/shrunk", test_shrunk);
    g_test_add_func("/probe/threads", test_threads);
    int status = g_test_run();
    g_unlink(scratch);
    g_rmdir(folder);
    g_ptr_array_unref(case_paths);
    g_free(scratch);
    return status;
}
