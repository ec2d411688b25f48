/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "folder.h"

#include "chain.h"
#include "errors.h"
#include "file-attributes.h"
#include "folder-make.h"
#include "image-tool.h"
#include "qcow2.h"

#include <errno.h>
#include <unistd.h>

/* Makes new volumes: raw and qcow2 files by ourselves, the other formats by qemu-img. */

static bool fill_raw(const Making *making, GError **error)
{
    guint64 capacity = making->spec->capacity;
    /* A raw file has no room beyond its capacity to allocate. */
    guint64 allocation = MIN(making->spec->allocation, capacity);

    if (ftruncate(making->fd, (off_t)capacity) < 0)
        return error_set_errno(error, ORIGIN_STORAGE, errno,
                               "cannot extend file '%s' to %" G_GUINT64_FORMAT " bytes",
                               making->path, capacity);
    return file_reserve(making->fd, making->path, 0, allocation, making->op, error);
}

/* What a new image stands on. */
typedef struct Backing {
    char *path; /* absolute, or as given for what is not a local file */
    int format;
    guint64 capacity; /* bytes; 0 = not known */
} Backing;

static void backing_clear(Backing *backing)
{
    g_free(backing->path);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Backing, backing_clear)

static bool inspect_backing(Backing *backing, const Making *making, GError **error)
{
    if (!image_chain_check(backing->path, making->path, making->op, error))
        return false;
    g_autoptr(GPtrArray) chain = image_chain_read(backing->path, making->op);
    const ImageLink *link = g_ptr_array_index(chain, 0);
    int given = making->spec->backing.format;

    if (given == IMAGE_FORMAT_NONE)
        backing->format = link->info.format;
    else if (given != IMAGE_FORMAT_RAW && given != (int)link->info.format)
        return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                         "backing store '%s' has format '%s', not '%s'", backing->path,
                         image_format_name((int)link->info.format), image_format_name(given));
    bool has_header = backing->format != IMAGE_FORMAT_RAW && link->info.capacity > 0;
    backing->capacity = has_header ? link->info.capacity : link->size;
    return true;
}

/* Its format is always found out and written down: what a guest writes into a raw image must not
 * turn it into another one. */
static bool find_backing(const Making *making, Backing *ret, GError **error)
{
    const VolumeTarget *given = &making->spec->backing;
    g_autofree char *local = image_backing_path(given->path, making->folder->path);

    *ret = (Backing){
        .path = g_strdup(local ? local : given->path),
        .format = image_content_format(given->format),
    };
    if (local && !inspect_backing(ret, making, error))
        return false;
    ret->format = image_content_format(ret->format);
    if (ret->capacity || making->spec->capacity)
        return true;
    return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                     "give a capacity: that of backing store '%s' is not known", given->path);
}

/* How much is laid out beforehand: by the document's allocation, if the flag asks. */
static Qcow2Preallocation qcow2_preallocation(const Making *making)
{
    const VolumeDef *spec = making->spec;

    if (!(making->flags & VOLUME_CREATE_PREALLOC_METADATA))
        return QCOW2_PREALLOC_OFF;
    return spec->allocation < spec->capacity ? QCOW2_PREALLOC_METADATA : QCOW2_PREALLOC_FALLOC;
}

static bool fill_qcow2(const Making *making, GError **error)
{
    const VolumeDef *spec = making->spec;
    g_auto(Backing) backing = {0};
    Qcow2Options options = {
        .capacity = spec->capacity,
        .version = g_strcmp0(spec->target.compat, "0.10") == 0 ? 2 : 3,
        .cluster_size = spec->target.cluster_size,
        .lazy_refcounts = spec->target.features & FEATURE_LAZY_REFCOUNTS,
        .extended_l2 = spec->target.features & FEATURE_EXTENDED_L2,
        .preallocation = qcow2_preallocation(making),
    };

    if (spec->has_backing) {
        if (!find_backing(making, &backing, error))
            return false;
        options.backing = spec->backing.path;
        options.backing_format = image_format_name(backing.format);
        options.capacity = spec->capacity ? spec->capacity : backing.capacity;
    }
    if (options.preallocation == QCOW2_PREALLOC_FALLOC &&
        !file_check_space(making->fd, options.capacity, error))
        return false;
    return qcow2_check_options(&options, error) && qcow2_write(making->fd, &options, error);
}

static bool fill_by_tool(const Making *making, GError **error)
{
    const VolumeDef *spec = making->spec;
    g_auto(Backing) backing = {0};
    QemuImgCreate create = {
        .format = image_format_name(spec->target.format),
        .capacity = spec->capacity,
        .exact = making->source != NULL,
        .cluster_size = spec->target.cluster_size,
    };

    if (spec->has_backing) {
        if (!find_backing(making, &backing, error))
            return false;
        create.backing = backing.path;
        create.backing_format = image_format_name(backing.format);
    }
    return image_tool_create(making->op, making->fd, &create, error);
}

/* An empty folder is whole. */
static bool fill_folder(const Making *making, GError **error)
{
    return true;
}

FillFunc folder_filler(int format)
{
    static const FillFunc fillers[IMAGE_FORMAT_COUNT] = {
        [IMAGE_FORMAT_RAW] = fill_raw,      [IMAGE_FORMAT_DIR] = fill_folder,
        [IMAGE_FORMAT_VPC] = fill_by_tool,  [IMAGE_FORMAT_VDI] = fill_by_tool,
        [IMAGE_FORMAT_QCOW] = fill_by_tool, [IMAGE_FORMAT_QCOW2] = fill_qcow2,
        [IMAGE_FORMAT_QED] = fill_by_tool,  [IMAGE_FORMAT_VMDK] = fill_by_tool,
    };

    return format >= 0 && format < IMAGE_FORMAT_COUNT ? fillers[format] : NULL;
}

bool folder_volume_create(const PoolDef *pool, Operation *op, const VolumeDef *spec, guint flags,
                          VolumeState *ret, GError **error)
{
    Making making = {
        .pool = pool,
        .spec = spec,
        .flags = flags,
        .op = op,
        .fill = folder_filler(image_content_format(spec->target.format)),
    };

    return folder_make(&making, ret, error);
}
