/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images of every format that qemu-img makes: we must say of them what it says. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "probe.h"

typedef struct Sample {
    const char *name;
    const char *format, *options, *size; /* as qemu-img has them */
    const char *backing, *backing_format;
    ImageFormat expected;
    EncryptionFormat encryption;
    const char *compat;
} Sample;

#define SECRET_OPTIONS(prefix) prefix "key-secret=s," prefix "iter-time=10"

static const Sample samples[] = {
    {"raw", "raw", NULL, "10M", .expected = IMAGE_FORMAT_RAW},
    {"raw-empty", "raw", NULL, "0", .expected = IMAGE_FORMAT_RAW},
    {"qcow", "qcow", NULL, "10M", .expected = IMAGE_FORMAT_QCOW},
    {"qcow-backing", "qcow", NULL, "10M", "raw", "raw", .expected = IMAGE_FORMAT_QCOW},
    {"qcow2", "qcow2", NULL, "10M", .expected = IMAGE_FORMAT_QCOW2, .compat = "1.1"},
    {"qcow2-old", "qcow2", "compat=0.10", "10M", .expected = IMAGE_FORMAT_QCOW2},
    {"qcow2-small-clusters", "qcow2", "cluster_size=512", "10M", .expected = IMAGE_FORMAT_QCOW2,
     .compat = "1.1"},
    {"qcow2-backing", "qcow2", NULL, "10M", "raw", "raw", .expected = IMAGE_FORMAT_QCOW2,
     .compat = "1.1"},
    {"qcow2-backing-old", "qcow2", "compat=0.10", "10M", "qcow2", "qcow2",
     .expected = IMAGE_FORMAT_QCOW2},
    {"qcow2-data-file", "qcow2", "data_file=outside.data", "10M", .expected = IMAGE_FORMAT_QCOW2,
     .compat = "1.1"},
    {"qcow2-luks", "qcow2", "encrypt.format=luks," SECRET_OPTIONS("encrypt."), "10M",
     .expected = IMAGE_FORMAT_QCOW2, .encryption = ENCRYPTION_LUKS, .compat = "1.1"},
    {"qed", "qed", NULL, "10M", .expected = IMAGE_FORMAT_QED},
    {"qed-backing", "qed", NULL, "10M", "qcow2", "qcow2", .expected = IMAGE_FORMAT_QED},
    {"qed-backing-raw", "qed", NULL, "10M", "raw", "raw", .expected = IMAGE_FORMAT_QED},
    {"vmdk", "vmdk", NULL, "10M", .expected = IMAGE_FORMAT_VMDK},
    {"vmdk-backing", "vmdk", NULL, "10M", "vmdk", "vmdk", .expected = IMAGE_FORMAT_VMDK},
    {"vmdk-stream", "vmdk", "subformat=streamOptimized", "10M", .expected = IMAGE_FORMAT_VMDK},
    {"vmdk-flat", "vmdk", "subformat=monolithicFlat", "10M", .expected = IMAGE_FORMAT_VMDK},
    {"vmdk-split", "vmdk", "subformat=twoGbMaxExtentSparse", "5G", .expected = IMAGE_FORMAT_VMDK},
    {"vpc", "vpc", NULL, "10M", .expected = IMAGE_FORMAT_VPC},
    {"vpc-exact", "vpc", "force_size=on", "10M", .expected = IMAGE_FORMAT_VPC},
    {"vdi", "vdi", NULL, "10M", .expected = IMAGE_FORMAT_VDI},
    {"vdi-static", "vdi", "static=on", "10M", .expected = IMAGE_FORMAT_VDI},
    {"vhdx", "vhdx", NULL, "10M", .expected = IMAGE_FORMAT_VHDX},
    {"vhdx-fixed", "vhdx", "subformat=fixed", "10M", .expected = IMAGE_FORMAT_VHDX},
    {"parallels", "parallels", NULL, "10M", .expected = IMAGE_FORMAT_PLOOP},
    {"luks", "luks", SECRET_OPTIONS(""), "10M", .expected = IMAGE_FORMAT_RAW,
     .encryption = ENCRYPTION_LUKS},
};

static char *folder;

#define ATTEMPTS_MAX 20

/* Measuring its key derivation, the tool gives up where the clock of CPU time ticks coarsely;
 * that is worth another try. */
static char *run(const char *const *argv)
{
    for (guint attempt = 1;; attempt++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *output = NULL, *errors = NULL;
        int status;

        g_spawn_sync(folder, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, &errors,
                     &status, &error);
        g_assert_no_error(error);
        if (status == 0)
            return g_steal_pointer(&output);
        if (attempt == ATTEMPTS_MAX || !g_strrstr(errors, "Unable to get accurate CPU usage"))
            g_error("%s %s: %s", argv[0], argv[1], errors);
    }
}

static void make(const Sample *sample)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    const char *const head[] = {"qemu-img", "create", "-q", "--object", "secret,id=s,data=123456",
                                "-f"};

    for (gsize i = 0; i < G_N_ELEMENTS(head); i++)
        g_ptr_array_add(argv, (gpointer)head[i]);
    g_ptr_array_add(argv, (gpointer)sample->format);
    const char *const pairs[][2] = {{"-o", sample->options},
                                    {"-b", sample->backing},
                                    {"-F", sample->backing_format}};
    for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++) {
        if (!pairs[i][1])
            continue;
        g_ptr_array_add(argv, (gpointer)pairs[i][0]);
        g_ptr_array_add(argv, (gpointer)pairs[i][1]);
    }
    g_ptr_array_add(argv, (gpointer)sample->name);
    g_ptr_array_add(argv, (gpointer)sample->size);
    g_ptr_array_add(argv, NULL);
    g_free(run((const char *const *)argv->pdata));
}

static json_t *ask_tool(const Sample *sample)
{
    const char *argv[] = {"qemu-img",   "info", "--output=json", "-f", sample->format,
                          sample->name, NULL};
    g_autofree char *output = run(argv);
    json_t *root = json_loads(output, 0, NULL);

    g_assert_nonnull(root);
    return root;
}

static void probe(const Sample *sample, ImageInfo *ret, guint64 *ret_size)
{
    g_autofree char *path = g_build_filename(folder, sample->name, NULL);
    g_autoptr(GError) error = NULL;
    struct stat st;
    autofd int fd = open(path, O_RDONLY | O_CLOEXEC);

    g_assert_cmpint(fstat(fd, &st), ==, 0);
    *ret_size = (guint64)st.st_size;
    g_assert_true(image_probe_fd(fd, *ret_size, ret, &error));
    g_assert_cmpstr(ret->problem, ==, NULL);
}

static void check_document(const Sample *sample, const ImageInfo *info, guint64 size, json_t *tool)
{
    json_t *cluster = json_object_get(tool, "cluster-size");
    VolumeDef volume = {0};

    image_info_apply(info, size, folder, &volume);
    g_assert_cmpint(volume.target.format, ==, sample->expected);
    g_assert_cmpint(volume.target.encryption.format, ==, sample->encryption);
    g_assert_cmpint((json_int_t)volume.capacity, ==,
                    json_integer_value(json_object_get(tool, "virtual-size")));
    g_assert_cmpstr(volume.target.compat, ==, sample->compat);
    if (sample->expected == IMAGE_FORMAT_QCOW2)
        g_assert_cmpint((json_int_t)volume.target.cluster_size, ==, json_integer_value(cluster));
    g_assert_cmpint(volume.has_backing, ==, sample->backing != NULL);
    g_free(volume.backing.path);
    g_free(volume.target.compat);
}

static void test_sample(gconstpointer data)
{
    const Sample *sample = data;
    g_auto(ImageInfo) info = {0};
    guint64 size;

    make(sample);
    json_t *tool = ask_tool(sample);
    probe(sample, &info, &size);
    check_document(sample, &info, size, tool);
    g_assert_cmpstr(info.backing, ==, json_string_value(json_object_get(tool, "backing-filename")));
    const char *format = json_string_value(json_object_get(tool, "backing-filename-format"));
    if (sample->expected == IMAGE_FORMAT_QCOW2)
        g_assert_cmpstr(info.backing_format_name, ==, format);
    json_decref(tool);
}

static void test_data_file(void)
{
    g_auto(ImageInfo) info = {0};
    guint64 size;

    for (gsize i = 0; i < G_N_ELEMENTS(samples); i++) {
        if (strcmp(samples[i].name, "qcow2-data-file") != 0)
            continue;
        make(&samples[i]);
        probe(&samples[i], &info, &size);
    }
    g_assert_cmpstr(info.data_file, ==, "outside.data");
}

static void remove_folder(void)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_unlink(path);
    }
    g_rmdir(folder);
}

static void add_tests(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(samples); i++) {
        g_autofree char *path = g_strconcat("/formats/", samples[i].name, NULL);
        g_test_add_data_func(path, &samples[i], test_sample);
    }
    g_test_add_func("/formats/data-file", test_data_file);
}

static void test_no_tool(void)
{
    g_test_skip("qemu-img is not installed");
}

int main(int argc, char **argv)
{
    g_autofree char *tool = g_find_program_in_path("qemu-img");

    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("cistern-formats-XXXXXX", NULL);
    if (tool)
        add_tests();
    else
        g_test_add_func("/formats/skipped", test_no_tool);
    int status = g_test_run();
    remove_folder();
    g_free(folder);
    return status;
}
