/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu-img.h"

#include <string.h>

static void check_argv(char **argv, const char *expected)
{
    g_autofree char *text = g_strjoinv("|", argv);
    g_assert_cmpstr(text, ==, expected);
    g_strfreev(argv);
}

typedef struct CreateCase {
    QemuImgCreate create;
    const char *expected;
} CreateCase;

static const CreateCase create_cases[] = {
    {{.format = "raw", .path = "/p/v", .capacity = 1048576}, "qemu-img|create|-f|raw|/p/v|1024K"},
    {{.format = "raw", .path = "/p/v", .capacity = 1025}, "qemu-img|create|-f|raw|/p/v|2K"},
    {{.format = "vdi", .path = "/p/v"}, "qemu-img|create|-f|vdi|/p/v|0K"},
    {{.format = "iso", .path = "/p/v", .capacity = 2048}, "qemu-img|create|-f|raw|/p/v|2K"},
    {{.format = "vdi", .path = "/p/v", .capacity = 1536, .exact = true},
     "qemu-img|create|-f|vdi|/p/v|1536"},
    {{.format = "qed", .path = "/p/v", .backing = "/p/b", .backing_format = "raw"},
     "qemu-img|create|-f|qed|-b|/p/b|-o|backing_fmt=raw|/p/v"},
    {{.format = "qed", .path = "/p/v", .backing = "/p/b", .backing_format = "iso"},
     "qemu-img|create|-f|qed|-b|/p/b|-o|backing_fmt=raw|/p/v"},
    {{.format = "qcow", .path = "/p/v", .backing = "/p/b"}, "qemu-img|create|-f|qcow|-b|/p/b|/p/v"},
    {{.format = "qed",
      .path = "/proc/self/fd/9",
      .capacity = 1ULL << 40,
      .backing = "/p/b",
      .backing_format = "qcow2",
      .cluster_size = 131072},
     "qemu-img|create|-f|qed|-b|/p/b|-o|backing_fmt=qcow2,cluster_size=131072|/proc/self/fd/9|"
     "1073741824K"},
    {{.format = "vdi", .path = "/p/v", .capacity = G_MAXUINT64},
     "qemu-img|create|-f|vdi|/p/v|18014398509481984K"},
    /* Values that look like something else stay values. */
    {{.format = "vdi", .path = "-p", .capacity = 1024}, "qemu-img|create|-f|vdi|./-p|1K"},
    {{.format = "vdi", .path = "nbd:host", .capacity = 1024},
     "qemu-img|create|-f|vdi|./nbd:host|1K"},
    {{.format = "vdi", .path = "json:{}", .capacity = 1024}, "qemu-img|create|-f|vdi|./json:{}|1K"},
    {{.format = "vdi", .path = "/p/a:b,c", .capacity = 1024}, "qemu-img|create|-f|vdi|/p/a:b,c|1K"},
    {{.format = "vdi", .path = "sub/a:b", .capacity = 1024}, "qemu-img|create|-f|vdi|sub/a:b|1K"},
    {{.format = "qcow", .path = "/p/v", .backing = "-b"}, "qemu-img|create|-f|qcow|-b|./-b|/p/v"},
    {{.format = "qcow", .path = "/p/v", .backing = "rbd:x"},
     "qemu-img|create|-f|qcow|-b|./rbd:x|/p/v"},
    {{.format = "qed", .path = "/p/v", .backing = "b", .backing_format = "raw,cluster_size=1"},
     "qemu-img|create|-f|qed|-b|b|-o|backing_fmt=raw,,cluster_size=1|/p/v"},
};

static void test_create(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(create_cases); i++)
        check_argv(qemu_img_create_argv(&create_cases[i].create), create_cases[i].expected);
}

static void test_convert(void)
{
    QemuImgTarget out = {.format = "raw", .path = "-out"};

    check_argv(qemu_img_convert_argv("iso", "nbd:in", &out),
               "qemu-img|convert|-p|-n|-f|raw|-O|raw|./nbd:in|./-out");
    out = (QemuImgTarget){.format = "raw", .path = "/dev/x", .reads_zero = true};
    check_argv(qemu_img_convert_argv("qcow2", "/p/in", &out),
               "qemu-img|convert|-p|-n|--target-is-zero|-f|qcow2|-O|raw|/p/in|/dev/x");
    out = (QemuImgTarget){.format = "vmdk",
                          .path = "/p/a,locking=on",
                          .reads_zero = true,
                          .is_draft = true};
    check_argv(qemu_img_convert_argv("raw", "/p/in", &out),
               "qemu-img|convert|-p|-n|--target-is-zero|-f|raw|--target-image-opts|/p/in|"
               "driver=vmdk,file.driver=file,file.filename=/p/a,,locking=on,file.locking=off");
}

static void test_resize(void)
{
    check_argv(qemu_img_resize_argv("qcow2", "/p/v", 1000, false),
               "qemu-img|resize|-f|qcow2|/p/v|1024");
    check_argv(qemu_img_resize_argv("vdi", "/p/v", 1024, true),
               "qemu-img|resize|-f|vdi|--shrink|/p/v|1024");
    check_argv(qemu_img_resize_argv("iso", "-v", 0, false), "qemu-img|resize|-f|raw|./-v|0");
    check_argv(qemu_img_resize_argv("qcow2", "/p/v", G_MAXUINT64, false),
               "qemu-img|resize|-f|qcow2|/p/v|9223372036854775808");
}

typedef struct ProgressCase {
    const char *chunk;
    double percent; /* -1 = there is none */
} ProgressCase;

static void test_progress(void)
{
    static const ProgressCase cases[] = {
        {"    (0.00/100%)\r", 0},
        {"    (12.34/100%)\r", 12.34},
        {"    (1.00/100%)\r    (99.50/100%)\r", 99.5},
        {"    (1.00/100%)\r    (99.5", 1},
        {"    (100.00/100%)\n", 100},
        {"", -1},
        {"(/100%)", -1},
        {"12/100%)", -1},
        {"(12x/100%)", -1},
        {"(-1/100%)", -1},
        {"(nan/100%)", -1},
        {"(101/100%)", -1},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        double percent = -1;
        bool found = qemu_img_parse_progress(cases[i].chunk, strlen(cases[i].chunk), &percent);
        g_test_message("%s", cases[i].chunk);
        g_assert_cmpint(found, ==, cases[i].percent >= 0);
        g_assert_cmpfloat(percent, ==, cases[i].percent);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu-img/create", test_create);
    g_test_add_func("/qemu-img/convert", test_convert);
    g_test_add_func("/qemu-img/resize", test_resize);
    g_test_add_func("/qemu-img/progress", test_progress);
    return g_test_run();
}
