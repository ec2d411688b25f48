/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our qcow2 images against qemu-img's own of the same options. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "errors.h"
#include "fd.h"
#include "probe.h"
#include "qcow2.h"

#define KIB 1024ULL
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

static char *folder; /* one for all tests, removed at the end */

static char *path_of(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static char *run(const char *const *argv, int *ret_status)
{
    g_autoptr(GError) error = NULL;
    char *output = NULL;
    g_autofree char *errors = NULL;

    g_spawn_sync(folder, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, &errors,
                 ret_status, &error);
    g_assert_no_error(error);
    if (*ret_status != 0)
        g_test_message("%s %s: %s", argv[0], argv[1], errors);
    return output;
}

static bool have_qemu_img(void)
{
    g_autofree char *found = g_find_program_in_path("qemu-img");

    if (!found)
        g_test_skip("qemu-img is not installed");
    return found != NULL;
}

static void write_image(const char *name, const Qcow2Options *options)
{
    g_autofree char *path = path_of(name);
    g_autoptr(GError) error = NULL;
    autofd int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    qcow2_write(fd, options, &error);
    g_assert_no_error(error);
}

static const char *const preallocation_words[] = {"off", "metadata", "falloc"};

static void write_reference(const char *name, const Qcow2Options *options)
{
    g_autoptr(GString) extra = g_string_new(NULL);
    g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT, options->capacity);
    int status;

    g_string_printf(extra,
                    "compat=%s,cluster_size=%" G_GUINT64_FORMAT
                    ",lazy_refcounts=%s,extended_l2=%s,preallocation=%s",
                    options->version == 2 ? "0.10" : "1.1",
                    options->cluster_size ? options->cluster_size : 65536,
                    options->lazy_refcounts ? "on" : "off", options->extended_l2 ? "on" : "off",
                    preallocation_words[options->preallocation]);
    if (options->backing)
        g_string_append_printf(extra, ",backing_file=%s,backing_fmt=%s", options->backing,
                               options->backing_format);
    const char *argv[] = {"qemu-img", "create",   "-q", "-u", "-f", "qcow2",
                          "-o",       extra->str, name, size, NULL};
    g_free(run(argv, &status));
    g_assert_cmpint(status, ==, 0);
}

/* What a tool's JSON says of an image, without what depends on the file itself. */
static char *describe(const char *command, const char *name)
{
    static const char *const own[] = {"filename", "actual-size", "image-end-offset",
                                      "full-backing-filename"};
    const char *argv[] = {"qemu-img", command, "--output=json", "-f", "qcow2", name, NULL};
    int status;
    g_autofree char *output = run(argv, &status);

    g_assert_cmpint(status, ==, 0);
    json_t *root = json_loads(output, 0, NULL);
    g_assert_nonnull(root);
    for (gsize i = 0; i < G_N_ELEMENTS(own); i++)
        json_object_del(root, own[i]);
    char *text = json_dumps(root, JSON_SORT_KEYS | JSON_INDENT(1));
    json_decref(root);
    char *copy = g_strdup(text);
    free(text);
    return copy;
}

static void assert_same(const char *command)
{
    g_autofree char *ours = describe(command, "ours");
    g_autofree char *theirs = describe(command, "theirs");
    g_assert_cmpstr(ours, ==, theirs);
}

static void assert_probed(const Qcow2Options *options)
{
    g_autofree char *path = path_of("ours");
    g_auto(ImageInfo) info = {0};
    g_autoptr(GError) error = NULL;
    struct stat st;
    autofd int fd = open(path, O_RDONLY | O_CLOEXEC);

    g_assert_cmpint(fstat(fd, &st), ==, 0);
    image_probe_fd(fd, (guint64)st.st_size, &info, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(info.problem, ==, NULL);
    g_assert_cmpint(info.format, ==, IMAGE_FORMAT_QCOW2);
    g_assert_cmpuint(info.capacity, ==, (options->capacity + 511) / 512 * 512);
    g_assert_cmpuint(info.cluster_size, ==, options->cluster_size ? options->cluster_size : 65536);
    g_assert_cmpuint(info.qcow2_version, ==, options->version);
    g_assert_cmpuint(info.features, ==,
                     (options->lazy_refcounts ? FEATURE_LAZY_REFCOUNTS : 0) |
                         (options->extended_l2 ? FEATURE_EXTENDED_L2 : 0));
    g_assert_cmpstr(info.backing, ==, options->backing);
    g_assert_cmpint(info.backing_format, ==, options->backing ? IMAGE_FORMAT_RAW : -1);
}

static void compare(const Qcow2Options *options)
{
    g_test_message("v%u cluster %" G_GUINT64_FORMAT " capacity %" G_GUINT64_FORMAT
                   " lazy %d extended %d backing %s preallocation %s",
                   options->version, options->cluster_size, options->capacity,
                   options->lazy_refcounts, options->extended_l2,
                   options->backing ? options->backing : "-",
                   preallocation_words[options->preallocation]);
    write_image("ours", options);
    write_reference("theirs", options);
    assert_same("info");
    assert_same("check");
    assert_probed(options);
}

/* Every cluster size with every version and flag; capacities and backing files turn with them. */
static void test_matrix(void)
{
    static const guint64 capacities[] = {0, 1, 512, 12345, 3 * MIB + 512, GIB, 10 * TIB};
    guint turn = 0;

    if (!have_qemu_img())
        return;
    for (guint64 cluster = 512; cluster <= 2 * MIB; cluster *= 2) {
        for (guint variant = 0; variant < 4; variant++, turn++) {
            Qcow2Options options = {
                .version = variant == 0 ? 2 : 3,
                .cluster_size = cluster,
                .capacity = capacities[turn % G_N_ELEMENTS(capacities)],
                .lazy_refcounts = variant >= 2,
                .extended_l2 = variant == 3 && cluster >= 16 * KIB,
                .backing = turn % 3 == 0 ? "base.raw" : NULL,
                .backing_format = turn % 3 == 0 ? "raw" : NULL,
            };
            if (options.capacity == 10 * TIB && cluster < 16 * KIB)
                options.capacity = 16 * GIB;
            compare(&options);
        }
    }
}

static void test_preallocation(void)
{
    static const Qcow2Options samples[] = {
        {.capacity = 0, .version = 3},
        {.capacity = 1, .version = 2},
        {.capacity = 64 * MIB, .version = 2, .cluster_size = 512},
        {.capacity = 3 * MIB + 512, .version = 3, .cluster_size = 512},
        {.capacity = 5 * MIB + 1, .version = 3, .cluster_size = 4 * KIB, .lazy_refcounts = true},
        {.capacity = 300 * MIB, .version = 3, .lazy_refcounts = true},
        {.capacity = 33 * MIB, .version = 3, .cluster_size = 2 * MIB},
        {.capacity = 64 * MIB, .version = 3, .cluster_size = 16 * KIB, .extended_l2 = true},
        {.capacity = 5 * MIB + 7, .version = 3, .cluster_size = 2 * MIB, .extended_l2 = true},
    };

    if (!have_qemu_img())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(samples); i++) {
        Qcow2Options options = samples[i];
        options.preallocation = QCOW2_PREALLOC_METADATA;
        compare(&options);
        options.preallocation = QCOW2_PREALLOC_FALLOC;
        if (options.capacity <= 64 * MIB)
            compare(&options);
    }
}

/* The largest images there can be; their L1 tables have 32 MiB. */
static void test_limits(void)
{
    static const Qcow2Options samples[] = {
        {.capacity = 1ULL << 51, .version = 3},
        {.capacity = 1ULL << 61, .version = 3, .cluster_size = 2 * MIB},
        {.capacity = 1ULL << 60, .version = 3, .cluster_size = 2 * MIB, .extended_l2 = true},
        {.capacity = 32 * GIB, .version = 2, .cluster_size = 512},
    };

    if (!have_qemu_img())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(samples); i++)
        compare(&samples[i]);
}

/* A name that fills the header's cluster to the last byte. */
static void test_long_backing(void)
{
    g_autofree char *small = g_strnfill(376, 'a');
    g_autofree char *large = g_strnfill(1023, 'b');

    if (!have_qemu_img())
        return;
    memcpy(small, "no-", 3);
    Qcow2Options options = {.capacity = MIB,
                            .version = 3,
                            .backing = small,
                            .backing_format = "raw",
                            .cluster_size = 512};
    write_image("ours", &options);
    write_reference("theirs", &options);
    assert_same("info");
    assert_probed(&options);
    options.cluster_size = 64 * KIB;
    options.backing = large;
    write_image("ours", &options);
    assert_probed(&options);
}

/* qemu-img writes data into our images and reads the same out of them. */
static void test_usable(void)
{
    const char *convert[] = {"qemu-img", "convert", "-n",       "-f",   "raw",
                             "-O",       "qcow2",   "base.raw", "ours", NULL};
    const char *same[] = {"qemu-img", "compare",  "-f",   "raw", "-F",
                          "qcow2",    "base.raw", "ours", NULL};
    const char *check[] = {"qemu-img", "check", "-q", "ours", NULL};
    const char *const *commands[] = {convert, same, check};

    if (!have_qemu_img())
        return;
    for (guint i = 0; i < 12; i++) {
        Qcow2Options options = {.capacity = MIB,
                                .version = i % 2 ? 3 : 2,
                                .cluster_size = i % 3 == 0   ? 512
                                                : i % 3 == 1 ? 16 * KIB
                                                             : 2 * MIB,
                                .extended_l2 = i % 2 && i % 3 != 0,
                                .preallocation =
                                    i % 4 >= 2 ? QCOW2_PREALLOC_METADATA : QCOW2_PREALLOC_OFF};
        write_image("ours", &options);
        for (gsize c = 0; c < G_N_ELEMENTS(commands); c++) {
            int status;
            g_free(run(commands[c], &status));
            g_assert_cmpint(status, ==, 0);
        }
    }
}

typedef struct Refusal {
    Qcow2Options options;
    const char *message;
} Refusal;

static void test_refusals(void)
{
    g_autofree char *long_name = g_strnfill(377, 'a');
    g_autofree char *longest_name = g_strnfill(1024, 'a');
    const Refusal refusals[] = {
        {{.version = 1}, "qcow2 version 1 can't be written: it is 2 or 3"},
        {{.version = 4}, "qcow2 version 4 can't be written: it is 2 or 3"},
        {{.version = 3, .cluster_size = 256}, "a cluster size of 256 bytes is not possible*"},
        {{.version = 3, .cluster_size = 4 * MIB}, "a cluster size of 4194304 bytes is not*"},
        {{.version = 3, .cluster_size = 3000}, "a cluster size of 3000 bytes is not possible*"},
        {{.version = 2, .lazy_refcounts = true},
         "lazy_refcounts not supported with compat level 0.10"},
        {{.version = 2, .extended_l2 = true}, "'extended_l2' not supported with compat level 0.10"},
        {{.version = 3, .extended_l2 = true, .cluster_size = 8 * KIB},
         "extended L2 entries need a cluster size of at least 16 KiB"},
        {{.version = 3, .cluster_size = 512, .capacity = 128 * GIB + 1}, "a capacity of *"},
        {{.version = 3, .capacity = (1ULL << 51) + 1}, "a capacity of *"},
        {{.version = 3, .cluster_size = 2 * MIB, .capacity = G_MAXUINT64}, "a capacity of *"},
        {{.version = 3,
          .cluster_size = 512,
          .capacity = 128 * GIB,
          .preallocation = QCOW2_PREALLOC_METADATA},
         "the image is too large to be preallocated*"},
        {{.version = 3,
          .backing = "b",
          .backing_format = "raw",
          .preallocation = QCOW2_PREALLOC_METADATA},
         "metadata preallocation conflicts with backing store"},
        {{.version = 3, .backing = "b"}, "a backing store needs its format"},
        {{.version = 3, .backing = "b", .backing_format = "sixteen_letters_"},
         "the name of the backing store's format is too long"},
        {{.version = 3, .backing = "", .backing_format = "raw"},
         "the backing store's path has 0 bytes*"},
        {{.version = 3, .backing = long_name, .backing_format = "raw", .cluster_size = 512},
         "the backing store's path has 377 bytes: with this cluster size it may have 1 to 376"},
        {{.version = 3, .backing = longest_name, .backing_format = "raw"},
         "the backing store's path has 1024 bytes: with this cluster size it may have 1 to 1023"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autoptr(GError) error = NULL;
        g_test_message("%s", refusals[i].message);
        g_assert_false(qcow2_check_options(&refusals[i].options, &error));
        g_assert_cmpint(error_code(error), ==, ERROR_CONFIG_UNSUPPORTED);
        if (!g_pattern_match_simple(refusals[i].message, error_detail(error)))
            g_error("refusal %zu: '%s'", i, error_detail(error));
    }
}

/* The limits above are qemu's own: what it makes we make, what it refuses we refuse. */
static void test_limits_as_qemu(void)
{
    static const Qcow2Options samples[] = {
        {.capacity = (1ULL << 51) + 512, .version = 3},
        {.capacity = (1ULL << 61) + 512, .version = 3, .cluster_size = 2 * MIB},
        {.capacity = 128 * GIB + 512, .version = 2, .cluster_size = 512},
    };

    if (!have_qemu_img())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(samples); i++) {
        g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT, samples[i].capacity);
        guint64 cluster = samples[i].cluster_size ? samples[i].cluster_size : 64 * KIB;
        g_autofree char *extra = g_strdup_printf("cluster_size=%" G_GUINT64_FORMAT, cluster);
        const char *argv[] = {"qemu-img", "create", "-q",     "-f", "qcow2",
                              "-o",       extra,    "theirs", size, NULL};
        int status;
        g_free(run(argv, &status));
        g_assert_cmpint(status, !=, 0);
        g_assert_false(qcow2_check_options(&samples[i], NULL));
    }
}

static void test_write_failure(void)
{
    Qcow2Options options = {.version = 3, .capacity = MIB};
    g_autoptr(GError) error = NULL;
    autofd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    g_assert_false(qcow2_write(fd, &options, &error));
    g_assert_cmpint(error_code(error), ==, ERROR_SYSTEM);
    g_assert_cmpint(error_errno(error), ==, EINVAL);
}

/* What is zero is a hole: an image of many clusters takes some blocks only. */
static void test_sparse(void)
{
    Qcow2Options options = {.version = 3, .capacity = 1ULL << 51};
    g_autofree char *path = path_of("ours");
    struct stat st;

    write_image("ours", &options);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_size, >, 32 * (off_t)MIB);
    g_assert_cmpint(st.st_blocks * 512, <=, 128 * (off_t)KIB);
}

static void make_base(void)
{
    g_autofree char *path = path_of("base.raw");
    g_autofree char *bytes = g_malloc(MIB);

    for (gsize i = 0; i < MIB; i++)
        bytes[i] = (i >> 12) % 3 == 0 ? 0 : (char)(i * 7 + (i >> 9));
    g_assert_true(g_file_set_contents(path, bytes, (gssize)MIB, NULL));
}

static void remove_all(void)
{
    static const char *const names[] = {"ours", "theirs", "base.raw"};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = path_of(names[i]);
        g_unlink(path);
    }
    g_rmdir(folder);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("cistern-qcow2-XXXXXX", NULL);
    make_base();
    g_test_add_func("/qcow2/refusals", test_refusals);
    g_test_add_func("/qcow2/limits-as-qemu", test_limits_as_qemu);
    g_test_add_func("/qcow2/write-failure", test_write_failure);
    g_test_add_func("/qcow2/sparse", test_sparse);
    g_test_add_func("/qcow2/matrix", test_matrix);
    g_test_add_func("/qcow2/preallocation", test_preallocation);
    g_test_add_func("/qcow2/limits", test_limits);
    g_test_add_func("/qcow2/long-backing", test_long_backing);
    g_test_add_func("/qcow2/usable", test_usable);
    int status = g_test_run();
    remove_all();
    g_free(folder);
    return status;
}
