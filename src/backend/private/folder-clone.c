/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "folder.h"

#include "clone-source.h"
#include "errors.h"
#include "file-attributes.h"
#include "folder-make.h"
#include "image-tool.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/*
 * Copies of volumes. The same bytes are shared with the source where the file
 * system can do that, else copied where there is data. Only what must become
 * another image goes through qemu-img.
 */

static bool has_same_backing(const VolumeDef *spec, const VolumeDef *source)
{
    return source->has_backing && g_strcmp0(spec->backing.path, source->backing.path) == 0;
}

static bool check_clone(const VolumeDef *spec, const VolumeSource *source, GError **error)
{
    if (!clone_source_check(source, error))
        return false;
    if (spec->target.format == IMAGE_FORMAT_DIR)
        return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                         "the clone of a volume can't be a directory");
    if (spec->has_backing && spec->backing.path && !has_same_backing(spec, source->volume))
        return error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE,
                         "a different backing store cannot be specified.");
    return true;
}

/* A copy of an overlay's bytes is an overlay too: only if that was asked for, and only where a
 * relative name leads to the same file. */
static bool may_keep_backing(const Making *making, const ImageInfo *info)
{
    g_autofree char *folder = g_path_get_dirname(making->source->volume->target.path);

    if (!info->backing)
        return true;
    return making->spec->has_backing && has_same_backing(making->spec, making->source->volume) &&
           (g_path_is_absolute(info->backing) || g_str_equal(folder, making->folder->path));
}

static bool wants_other_layout(const Making *making, const ImageInfo *info)
{
    const VolumeTarget *target = &making->spec->target;
    const char *compat = info->qcow2_version < 3 ? "0.10" : "1.1";

    return (making->flags & VOLUME_CREATE_PREALLOC_METADATA) ||
           (target->compat && !g_str_equal(target->compat, compat)) ||
           (target->cluster_size && target->cluster_size != info->cluster_size) ||
           (target->has_features && target->features != info->features);
}

/* True when the clone is the source's bytes. */
static bool is_plain_copy(const Making *making, const ImageInfo *info)
{
    int in = clone_source_format(making->source);

    if (in != image_content_format(making->spec->target.format))
        return false;
    if (in == IMAGE_FORMAT_RAW)
        return true;
    return in == IMAGE_FORMAT_QCOW2 && (int)info->format == in && !info->problem &&
           !info->data_file && may_keep_backing(making, info) && !wants_other_layout(making, info);
}

/* All of it was asked to be there from the start. */
static bool is_full(const Making *making, guint64 size)
{
    return making->spec->has_allocation && making->spec->allocation >= size &&
           image_content_format(making->spec->target.format) == IMAGE_FORMAT_RAW;
}

/* Files written in place and files copied on write can't share blocks: the clone then becomes what
 * its source is, unless its own kind was asked for. */
static bool share_blocks(const Making *making)
{
    int from = making->source->io->fd;

    if (ioctl(making->fd, FICLONE, from) == 0)
        return true;
    int errnum = errno;
    bool nocow = file_is_nocow(from);
    if (errnum == EINVAL && !making->spec->target.nocow && nocow != file_is_nocow(making->fd) &&
        file_set_nocow(making->fd, making->path, nocow, NULL))
        return ioctl(making->fd, FICLONE, from) == 0;
    errno = errnum;
    return false;
}

static bool refuse_sharing(const Making *making, int errnum, GError **error)
{
    return error_set_errno(error, ORIGIN_STORAGE, errnum, "failed to clone files from '%s'",
                           making->source->volume->target.path);
}

static bool set_size(const Making *making, guint64 size, GError **error)
{
    if (ftruncate(making->fd, (off_t)size) == 0)
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno,
                           "cannot extend file '%s' to %" G_GUINT64_FORMAT " bytes", making->path,
                           size);
}

/* Data only, into a file that reads as zeros and has its size. */
static bool copy_data(const Making *making, guint64 length, GError **error)
{
    int fd = dup(making->fd);

    if (fd < 0)
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot use the new file");
    g_autoptr(Io) to = io_new_fd(fd);
    return io_copy(making->source->io, to, length, IO_COPY_FRESH, making->op, error);
}

/* Puts the source's bytes into the draft and lets it reach to `size`. */
static bool copy_bytes(const Making *making, guint64 length, guint64 size, GError **error)
{
    bool must_share = making->flags & VOLUME_CREATE_REFLINK;

    if (must_share || !is_full(making, size)) {
        errno = EOPNOTSUPP;
        if (making->source->io->fd >= 0 && share_blocks(making)) {
            operation_set_progress(making->op, length, length);
            return set_size(making, size, error);
        }
        if (must_share)
            return refuse_sharing(making, errno, error);
    }
    if (!set_size(making, size, error) ||
        (is_full(making, size) &&
         !file_reserve(making->fd, making->path, 0, size, making->op, error)))
        return false;
    return copy_data(making, length, error);
}

static bool fill_by_copy(const Making *making, const ImageInfo *info, GError **error)
{
    Io *from = making->source->io;
    guint64 length;

    if (!from->ops->size(from, &length, error))
        return false;
    if (clone_source_format(making->source) == IMAGE_FORMAT_RAW)
        return copy_bytes(making, length, MAX(making->spec->capacity, length), error);
    if (!copy_bytes(making, length, length, error))
        return false;
    return making->spec->capacity <= info->capacity ||
           image_tool_resize(making->op, making->fd, image_format_name(IMAGE_FORMAT_QCOW2),
                             making->folder->path, making->spec->capacity, false, error);
}

/* What the tool wrote is as large as the source; a wish for more comes on top. */
static bool grow_converted(const Making *making, guint64 capacity, GError **error)
{
    int format = image_content_format(making->spec->target.format);
    guint64 size = MAX(making->spec->capacity, capacity);

    if (format != IMAGE_FORMAT_RAW)
        return size <= capacity ||
               image_tool_resize(making->op, making->fd, image_format_name(format),
                                 making->folder->path, size, false, error);
    if (!set_size(making, size, error))
        return false;
    /* Holes of a file that has data: what can't be reserved now stays a hole. */
    if (!is_full(making, size) || fallocate(making->fd, 0, 0, (off_t)size) == 0 ||
        errno == EOPNOTSUPP)
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno,
                           "cannot allocate %" G_GUINT64_FORMAT " bytes in file '%s'", size,
                           making->path);
}

/* The image that the content goes into: flat, whatever the document says of a backing store. */
static bool make_empty(const Making *making, guint64 capacity, GError **error)
{
    int format = image_content_format(making->spec->target.format);
    VolumeDef spec = *making->spec;
    Making empty = *making;

    spec.capacity = (capacity + 511) / 512 * 512;
    spec.has_backing = false;
    if (format == IMAGE_FORMAT_RAW)
        spec.allocation = 0; /* see grow_converted() */
    empty.spec = &spec;
    return folder_filler(format)(&empty, error);
}

static bool convert(const Making *making, guint64 capacity, GError **error)
{
    QemuImgTarget target = {
        .format = image_format_name(image_content_format(making->spec->target.format)),
        .reads_zero = true,
        .is_draft = true,
    };
    autodraft Draft staging = DRAFT_INIT;

    if (!make_empty(making, capacity, error))
        return false;
    if (making->source->io->fd < 0 && !draft_create(making->folder->fd, 0600, &staging, error))
        return false;
    return clone_source_convert(making->source, staging.fd, capacity, &target, making->fd,
                                making->op, error) &&
           grow_converted(making, capacity, error);
}

static bool fill_by_convert(const Making *making, const ImageInfo *info, GError **error)
{
    guint64 capacity;

    if (making->flags & VOLUME_CREATE_REFLINK)
        return refuse_sharing(making, EOPNOTSUPP, error);
    if (!clone_source_capacity(making->source, info, &capacity, error))
        return false;
    if (is_full(making, capacity) && !file_check_space(making->fd, capacity, error))
        return false;
    return convert(making, capacity, error);
}

static bool fill_clone(const Making *making, GError **error)
{
    g_auto(ImageInfo) info = {0};

    if (!clone_source_probe(making->source, &info, error))
        return false;
    return is_plain_copy(making, &info) ? fill_by_copy(making, &info, error)
                                        : fill_by_convert(making, &info, error);
}

bool folder_volume_clone(const PoolDef *pool, Operation *op, const VolumeDef *spec,
                         const VolumeSource *source, guint flags, VolumeState *ret, GError **error)
{
    Making making = {
        .pool = pool,
        .spec = spec,
        .source = source,
        .flags = flags,
        .op = op,
        .fill = fill_clone,
    };

    return check_clone(spec, source, error) && folder_make(&making, ret, error);
}
