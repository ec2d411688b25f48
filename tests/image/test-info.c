/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a document shows of a header, and what backing strings stand for. */
#include "backing.h"
#include "probe.h"

typedef struct BackingCase {
    const char *backing; /* in an image in /pool */
    const char *path;    /* NULL = not a local file */
    int format;          /* given by the string itself, -1 = open */
} BackingCase;

static const BackingCase backing_cases[] = {
    {"/a/b.img", "/a/b.img", -1},
    {"b.img", "/pool/b.img", -1},
    {"./b.img", "/pool/./b.img", -1},
    {"../b.img", "/pool/../b.img", -1},
    {"sub/b:c.img", "/pool/sub/b:c.img", -1},
    {"/a:b.img", "/a:b.img", -1},
    {"", NULL, -1},
    {"nbd:localhost:10809", NULL, -1},
    {"nbd+unix:///x?socket=/s", NULL, -1},
    {"rbd:pool/image", NULL, -1},
    {"file:///a/b.img", NULL, -1},
    {"http://host/b.img", NULL, -1},
    {"fat:rw:/tmp", NULL, -1},
    {"json:{\"driver\":\"file\",\"filename\":\"/a/b.img\"}", "/a/b.img", -1},
    {"json:{\"driver\":\"host_device\",\"filename\":\"/dev/sdb\"}", "/dev/sdb", -1},
    {"json:{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"/a/b.img\"}}",
     "/a/b.img", IMAGE_FORMAT_RAW},
    {"json:{\"driver\":\"raw\",\"file.driver\":\"file\",\"file.filename\":\"/a/b.img\"}",
     "/a/b.img", IMAGE_FORMAT_RAW},
    {"json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"b.img\"}}",
     "/pool/b.img", IMAGE_FORMAT_QCOW2},
    {"json:{\"file.driver\":\"file\",\"file.filename\":\"/a/b.img\"}", "/a/b.img", -1},
    {"json:{\"file\":{\"filename\":\"/a/b.img\"}}", "/a/b.img", -1},
    {"json:{\"driver\":\"raw\",\"file\":{\"filename\":\"nbd://host/x\"}}", NULL, -1},
    {"json:{\"driver\":\"nbd\",\"host\":\"h\"}", NULL, -1},
    {"json:{\"driver\":\"raw\",\"file\":{\"driver\":\"nbd\",\"host\":\"h\"}}", NULL, -1},
    {"json:{\"driver\":\"nbd\",\"file\":{\"driver\":\"file\",\"filename\":\"/a\"}}", NULL, -1},
    {"json:{\"driver\":\"file\",\"filename\":\"\"}", NULL, -1},
    {"json:{\"driver\":\"file\",\"filename\":7}", NULL, -1},
    {"json:{\"driver\":\"file\",", NULL, -1},
    {"json:[]", NULL, -1},
    {"json:", NULL, -1},
};

static void test_backing_strings(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(backing_cases); i++) {
        const BackingCase *c = &backing_cases[i];
        g_autofree char *path = NULL, *public_path = NULL;
        int format;

        g_test_message("%s", c->backing);
        g_assert_cmpint(backing_parse(c->backing, "/pool", &path, &format), ==, c->path != NULL);
        g_assert_cmpstr(path, ==, c->path);
        if (c->path)
            g_assert_cmpint(format, ==, c->format);
        public_path = image_backing_path(c->backing, "/pool");
        g_assert_cmpstr(public_path, ==, c->path);
    }
}

typedef struct ShownCase {
    ImageInfo info;
    guint64 file_size;
    guint64 capacity;
    const char *compat;
    const char *backing;
    int backing_format;
    bool has_features;
} ShownCase;

#define PLAIN .backing_format = -1

static const ShownCase shown_cases[] = {
    {{.format = IMAGE_FORMAT_RAW, PLAIN}, 4096, 4096},
    {{.format = IMAGE_FORMAT_ISO, PLAIN}, 4096, 4096},
    {{.format = IMAGE_FORMAT_VDI, .capacity = 1 << 20, PLAIN}, 4096, 1 << 20},
    {{.format = IMAGE_FORMAT_QCOW2, .qcow2_version = 2, .cluster_size = 65536, PLAIN}, 4096, 4096},
    {{.format = IMAGE_FORMAT_QCOW2, .qcow2_version = 3, .capacity = 512, PLAIN},
     4096,
     512,
     "1.1",
     .has_features = true},
    {{.format = IMAGE_FORMAT_QCOW2, .qcow2_version = 3, .features = 3, PLAIN},
     4096,
     4096,
     "1.1",
     .has_features = true},
    {{.format = IMAGE_FORMAT_RAW, .encryption = ENCRYPTION_LUKS, .payload_offset = 1024, PLAIN},
     4096,
     3072},
    {{.format = IMAGE_FORMAT_RAW, .encryption = ENCRYPTION_LUKS, .payload_offset = 5000, PLAIN},
     4096,
     0},
    {{.format = IMAGE_FORMAT_QED, .backing = (char *)"b", PLAIN},
     4096,
     4096,
     NULL,
     "/pool/b",
     IMAGE_FORMAT_RAW},
    {{.format = IMAGE_FORMAT_QED, .backing = (char *)"b", .backing_format = IMAGE_FORMAT_QED},
     4096,
     4096,
     NULL,
     "/pool/b",
     IMAGE_FORMAT_QED},
    {{.format = IMAGE_FORMAT_QED,
      .backing = (char *)"nbd:x:1",
      .backing_format = IMAGE_FORMAT_QCOW2},
     4096,
     4096,
     NULL,
     "nbd:x:1",
     IMAGE_FORMAT_RAW},
    {{.format = IMAGE_FORMAT_QED,
      .backing = (char *)"json:{\"driver\":\"vmdk\",\"file\":{\"filename\":\"x\"}}",
      PLAIN},
     4096,
     4096,
     NULL,
     "/pool/x",
     IMAGE_FORMAT_VMDK},
};

static void test_shown(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(shown_cases); i++) {
        const ShownCase *c = &shown_cases[i];
        VolumeDef volume = {0};

        g_test_message("case %zu", i);
        image_info_apply(&c->info, c->file_size, "/pool", &volume);
        g_assert_cmpint(volume.target.format, ==, c->info.format);
        g_assert_cmpuint(volume.capacity, ==, c->capacity);
        g_assert_cmpint(volume.target.encryption.format, ==, c->info.encryption);
        g_assert_cmpuint(volume.target.cluster_size, ==, c->info.cluster_size);
        g_assert_cmpuint(volume.target.features, ==, c->info.features);
        g_assert_cmpint(volume.target.has_features, ==, c->has_features);
        g_assert_cmpstr(volume.target.compat, ==, c->compat);
        g_assert_cmpint(volume.has_backing, ==, c->backing != NULL);
        g_assert_cmpstr(volume.backing.path, ==, c->backing);
        g_assert_cmpint(volume.backing.format, ==, c->backing_format);
        g_assert_null(volume.problem);
        g_free(volume.target.compat);
        g_free(volume.backing.path);
    }
}

static void test_problem(void)
{
    ImageInfo info = {.format = IMAGE_FORMAT_VMDK, .problem = (char *)"broken", PLAIN};
    VolumeDef volume = {0};

    image_info_apply(&info, 1, "/pool", &volume);
    g_assert_cmpstr(volume.problem, ==, "broken");
    g_free(volume.problem);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/info/backing-strings", test_backing_strings);
    g_test_add_func("/info/shown", test_shown);
    g_test_add_func("/info/problem", test_problem);
    return g_test_run();
}
