/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as an image: probing, backing strings, and what a document shows of them. */
#include <stdint.h>
#include <string.h>

#include "probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold for every answer. */
static void check(const ImageInfo *info)
{
    g_assert_cmpint(info->format, >=, IMAGE_FORMAT_RAW);
    g_assert_cmpint(info->format, <=, IMAGE_FORMAT_VHDX);
    g_assert_cmpuint(info->capacity, <=, G_MAXINT64);
    g_assert_cmpuint(info->cluster_size, <=, 2 * 1024 * 1024);
    g_assert_cmpint(info->backing_format, >=, -1);
    g_assert_true(!info->backing || *info->backing);
}

static void show(const ImageInfo *info, guint64 size)
{
    VolumeDef volume = {0};

    image_info_apply(info, size, "/pool", &volume);
    g_assert_cmpuint(volume.capacity, <=, G_MAXINT64);
    g_assert_true(!volume.has_backing || volume.backing.path);
    g_free(volume.target.compat);
    g_free(volume.backing.path);
    g_free(volume.problem);
}

static void probe(const uint8_t *data, size_t length, guint64 size)
{
    g_auto(ImageInfo) info = {0};

    image_probe_buffer(data, length, size, &info);
    check(&info);
    show(&info, size);
}

#define VHDX_SIZE     (2 * 1024 * 1024)
#define VHDX_TABLE    (192 * 1024)
#define VHDX_METADATA (1024 * 1024)
#define VHDX_SPLIT    128

/* What vhdx reads lies megabytes apart: the input's two parts are put where they count. */
static void probe_vhdx(const uint8_t *data, size_t size)
{
    static uint8_t image[VHDX_SIZE];
    size_t first = MIN(size, VHDX_SPLIT), second = MIN(size - first, VHDX_METADATA);

    memcpy(image, "vhdxfile", 8);
    memcpy(image + VHDX_TABLE, data, first);
    memcpy(image + VHDX_METADATA, data + first, second);
    probe(image, VHDX_SIZE, VHDX_SIZE);
    memset(image + VHDX_TABLE, 0, first);
    memset(image + VHDX_METADATA, 0, second);
}

/* Once as the whole image, once as the start of a large one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    probe(data, size, size);
    probe(data, size, 1ULL << 40);
    probe_vhdx(data, size);
    return 0;
}
