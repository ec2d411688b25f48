/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conformance.h"
#include "dir-fixture.h"

#include "image-format.h"

#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void add_foreign(const PoolDef *pool)
{
    static const char *const names[] = {
        "line\nbreak",       "bell\a",
        "\xff\xfe-not-utf8", "\xef\xbf\xbf-no-character",
        "next\xc2\x85line",  ".cistern-draft.00000000",
    };
    g_autofree char *fifo = g_build_filename(pool->target_path, "fifo", NULL);
    g_autofree char *link = g_build_filename(pool->target_path, "dangling", NULL);
    g_autofree char *loop = g_build_filename(pool->target_path, "loop", NULL);

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(pool->target_path, names[i], NULL);
        g_assert_true(g_file_set_contents(path, "x", 1, NULL));
    }
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_cmpint(symlink("nowhere", link), ==, 0);
    g_assert_cmpint(symlink("loop", loop), ==, 0);
}

static const int formats[] = {IMAGE_FORMAT_RAW, IMAGE_FORMAT_QCOW2,
                              IMAGE_FORMAT_DIR, IMAGE_FORMAT_QCOW,
                              IMAGE_FORMAT_QED, IMAGE_FORMAT_VMDK,
                              IMAGE_FORMAT_VDI, -1};

int main(int argc, char **argv)
{
    ConformanceFixture fixture = {
        .name = "dir",
        .backend = dir_backend(),
        .pool_new = dir_pool_new,
        .pool_free = dir_pool_free,
        .add_foreign = add_foreign,
        .volume_formats = formats,
    };

    g_test_init(&argc, &argv, NULL);
    conformance_add(&fixture);
    return g_test_run();
}
