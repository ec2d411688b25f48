/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chain.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "errors.h"
#include "fd.h"
#include "qcow2.h"

static char *folder;

static char *path_of(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static void make_overlay(const char *name, const char *backing, const char *format)
{
    Qcow2Options options = {.version = 3,
                            .capacity = 1 << 20,
                            .backing = backing,
                            .backing_format = format};
    g_autofree char *path = path_of(name);
    g_autoptr(GError) error = NULL;
    autofd int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    qcow2_write(fd, &options, &error);
    g_assert_no_error(error);
}

static void make_raw(const char *name, const char *text)
{
    g_autofree char *path = path_of(name);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static GPtrArray *read_chain(const char *name)
{
    g_autofree char *path = path_of(name);
    return image_chain_read(path, NULL);
}

static const ImageLink *link_at(GPtrArray *chain, guint index)
{
    g_assert_cmpuint(chain->len, >, index);
    return g_ptr_array_index(chain, index);
}

static void assert_link(GPtrArray *chain, guint index, const char *name, ImageFormat format)
{
    const ImageLink *link = link_at(chain, index);
    g_autofree char *path = path_of(name);

    g_assert_cmpstr(link->path, ==, path);
    g_assert_cmpint(link->info.format, ==, format);
}

static void assert_end(GPtrArray *chain, guint length, const char *pattern)
{
    g_assert_cmpuint(chain->len, ==, length);
    const char *problem = link_at(chain, length - 1)->problem;
    if (!pattern)
        g_assert_cmpstr(problem, ==, NULL);
    else if (!problem || !g_pattern_match_simple(pattern, problem))
        g_error("'%s' instead of '%s'", problem, pattern);
}

static void test_single(void)
{
    make_raw("raw", "nothing");
    g_autoptr(GPtrArray) chain = read_chain("raw");

    assert_end(chain, 1, NULL);
    assert_link(chain, 0, "raw", IMAGE_FORMAT_RAW);
    g_assert_cmpuint(link_at(chain, 0)->size, ==, 7);
}

static void test_relative(void)
{
    g_autofree char *sub = path_of("sub");
    g_autofree char *absolute = path_of("sub/middle");

    g_mkdir(sub, 0700);
    make_raw("base", "data");
    make_overlay("sub/middle", "../base", "raw");
    make_overlay("top", absolute, "qcow2");
    g_autoptr(GPtrArray) chain = read_chain("top");
    assert_end(chain, 3, NULL);
    assert_link(chain, 0, "top", IMAGE_FORMAT_QCOW2);
    assert_link(chain, 1, "sub/middle", IMAGE_FORMAT_QCOW2);
    assert_link(chain, 2, "sub/../base", IMAGE_FORMAT_RAW);
}

/* A guest that writes a qcow2 header into its raw disk must not get another file opened. */
static void test_raw_is_not_probed(void)
{
    make_overlay("guest", "/etc/passwd", "raw");
    make_overlay("top", "guest", "raw");
    g_autoptr(GPtrArray) chain = read_chain("top");

    assert_end(chain, 2, NULL);
    assert_link(chain, 1, "guest", IMAGE_FORMAT_RAW);
    g_assert_null(link_at(chain, 1)->info.backing);
}

static void test_json(void)
{
    g_autofree char *base = path_of("json-base");
    g_autofree char *raw = g_strdup_printf(
        "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"%s\"}}", base);
    g_autofree char *qcow2 = g_strdup_printf(
        "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"%s\"}}", base);

    make_overlay("json-base", NULL, NULL);
    make_overlay("top", raw, "qcow2");
    g_autoptr(GPtrArray) chain = read_chain("top");
    assert_end(chain, 2, NULL);
    assert_link(chain, 1, "json-base", IMAGE_FORMAT_RAW);
    make_overlay("top", qcow2, "qcow2");
    g_autoptr(GPtrArray) probed = read_chain("top");
    assert_link(probed, 1, "json-base", IMAGE_FORMAT_QCOW2);
}

static void test_remote(void)
{
    make_overlay("top", "nbd://host/export", "qcow2");
    g_autoptr(GPtrArray) chain = read_chain("top");

    assert_end(chain, 2, NULL);
    g_assert_cmpstr(link_at(chain, 1)->path, ==, "nbd://host/export");
    g_assert_cmpint(link_at(chain, 1)->info.format, ==, IMAGE_FORMAT_RAW);
}

static void test_missing(void)
{
    make_overlay("top", "gone", "qcow2");
    g_autoptr(GPtrArray) chain = read_chain("top");

    assert_end(chain, 2, "cannot open '*/gone': No such file or directory");
    g_assert_cmpint(link_at(chain, 1)->errnum, ==, ENOENT);
    g_autoptr(GPtrArray) nothing = read_chain("gone");
    assert_end(nothing, 1, "cannot open '*/gone': No such file or directory");
}

static void test_loops(void)
{
    g_autofree char *link = path_of("link"), *target = path_of("other");

    make_overlay("self", "self", "qcow2");
    g_autoptr(GPtrArray) self = read_chain("self");
    assert_end(self, 2, "*leads back into the chain*");
    make_overlay("one", "link", "qcow2");
    make_overlay("other", "one", "qcow2");
    g_assert_cmpint(symlink(target, link), ==, 0);
    g_autoptr(GPtrArray) chain = read_chain("other");
    assert_end(chain, 3, "'*/link' leads back into the chain*");
    g_assert_cmpint(link_at(chain, 2)->errnum, ==, 0);
}

/* Image 0 of `length` images stands on image 1, and so on. */
static void make_deep(guint length)
{
    for (guint i = 0; i < length; i++) {
        g_autofree char *name = g_strdup_printf("deep%u", i);
        g_autofree char *next = g_strdup_printf("deep%u", i + 1);
        make_overlay(name, i + 1 < length ? next : NULL, "qcow2");
    }
}

static void test_depth(void)
{
    g_autofree char *base = path_of("deep0"), *second = path_of("deep1");
    g_autoptr(GError) error = NULL;

    make_deep(IMAGE_CHAIN_DEPTH_MAX);
    g_autoptr(GPtrArray) fits = read_chain("deep0");
    assert_end(fits, IMAGE_CHAIN_DEPTH_MAX, NULL);
    g_assert_true(image_chain_check(second, NULL, NULL, NULL));
    g_assert_false(image_chain_check(base, NULL, NULL, &error));
    g_assert_cmpint(error_code(error), ==, ERROR_CONFIG_UNSUPPORTED);
    g_assert_nonnull(g_strrstr(error->message, "it already stands on 199 images"));
    make_deep(IMAGE_CHAIN_DEPTH_MAX + 1);
    g_autoptr(GPtrArray) deep = read_chain("deep0");
    assert_end(deep, IMAGE_CHAIN_DEPTH_MAX + 1, "the chain is deeper than 200 images");
}

/* None of these may block or be read. */
static void test_kinds(void)
{
    g_autofree char *fifo = path_of("fifo"), *directory = path_of("directory");

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_cmpint(g_mkdir(directory, 0700), ==, 0);
    g_autoptr(GPtrArray) pipe_chain = read_chain("fifo");
    assert_end(pipe_chain, 1, "cannot open '*/fifo': Invalid argument");
    g_autoptr(GPtrArray) directory_chain = read_chain("directory");
    assert_end(directory_chain, 1, "cannot open '*/directory': Is a directory");
    g_autoptr(GPtrArray) device_chain = image_chain_read("/dev/zero", NULL);
    assert_end(device_chain, 1, "cannot open '/dev/zero': Invalid argument");
}

static void test_cancelled(void)
{
    g_autoptr(Operation) op = operation_new(OPERATION_NO_DEADLINE);
    g_autofree char *path = path_of("raw");
    g_autoptr(GError) error = NULL;

    make_raw("raw", "nothing");
    operation_cancel(op);
    g_autoptr(GPtrArray) chain = image_chain_read(path, op);
    g_assert_cmpuint(chain->len, ==, 1);
    g_assert_nonnull(link_at(chain, 0)->problem);
    g_assert_false(image_chain_check(path, NULL, op, &error));
    g_assert_cmpint(error_code(error), ==, ERROR_ABORTED);
}

static void assert_refused(const char *backing, const char *path, ErrorCode code,
                           const char *pattern)
{
    g_autofree char *backing_path = path_of(backing);
    g_autofree char *own_path = path ? path_of(path) : NULL;
    g_autoptr(GError) error = NULL;

    g_assert_false(image_chain_check(backing_path, own_path, NULL, &error));
    g_assert_cmpint(error_code(error), ==, code);
    g_assert_cmpint(error_origin(error), ==, ORIGIN_STORAGE);
    if (!g_pattern_match_simple(pattern, error_detail(error)))
        g_error("'%s' instead of '%s'", error_detail(error), pattern);
}

static void test_check(void)
{
    g_autofree char *base = path_of("base"), *top = path_of("top"), *fresh = path_of("fresh");

    make_raw("base", "data");
    make_overlay("top", "base", "raw");
    g_assert_true(image_chain_check(base, NULL, NULL, NULL));
    g_assert_true(image_chain_check(top, fresh, NULL, NULL));
    g_assert_true(image_chain_check(base, top, NULL, NULL));
    assert_refused("top", "base", ERROR_CONFIG_UNSUPPORTED, "*'*/base' leads back into the chain*");
    assert_refused("top", "top", ERROR_CONFIG_UNSUPPORTED, "*'*/top' leads back into the chain*");
    assert_refused("gone", NULL, ERROR_SYSTEM,
                   "inaccessible backing store volume */gone: No such file or directory");
    make_overlay("top", "gone", "raw");
    assert_refused("top", NULL, ERROR_SYSTEM,
                   "inaccessible backing store volume */gone: No such file or directory");
    make_raw("broken", "QED");
    assert_refused("broken", NULL, ERROR_CONFIG_UNSUPPORTED,
                   "the backing store can't be used: the qed header ends too early");
}

static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        if (g_file_test(child, G_FILE_TEST_IS_DIR))
            remove_tree(child);
        g_unlink(child);
    }
    g_rmdir(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("cistern-chain-XXXXXX", NULL);
    g_test_add_func("/chain/single", test_single);
    g_test_add_func("/chain/relative", test_relative);
    g_test_add_func("/chain/raw-is-not-probed", test_raw_is_not_probed);
    g_test_add_func("/chain/json", test_json);
    g_test_add_func("/chain/remote", test_remote);
    g_test_add_func("/chain/missing", test_missing);
    g_test_add_func("/chain/loops", test_loops);
    g_test_add_func("/chain/depth", test_depth);
    g_test_add_func("/chain/kinds", test_kinds);
    g_test_add_func("/chain/cancelled", test_cancelled);
    g_test_add_func("/chain/check", test_check);
    int status = g_test_run();
    remove_tree(folder);
    g_free(folder);
    return status;
}
