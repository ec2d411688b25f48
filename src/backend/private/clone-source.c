/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clone-source.h"

#include "errors.h"

int clone_source_format(const VolumeSource *source)
{
    if (source->pool->schema->volume_formats != &image_formats)
        return IMAGE_FORMAT_RAW;
    return image_content_format(source->volume->target.format);
}

bool clone_source_check(const VolumeSource *source, GError **error)
{
    VolumeType type = source->volume->type;

    if (type == VOLUME_DIR || type == VOLUME_NETDIR || type == VOLUME_PLOOP)
        return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                         "volume '%s' is a directory, which has no content to clone",
                         source->volume->name);
    if (source->volume->target.encryption.format != ENCRYPTION_NONE)
        return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                         "volume '%s' is encrypted, and its secrets are not available here",
                         source->volume->name);
    return true;
}

bool clone_source_probe(const VolumeSource *source, ImageInfo *ret, GError **error)
{
    Io *io = source->io;
    guint64 size;

    if (clone_source_format(source) == IMAGE_FORMAT_RAW)
        return true;
    if (!io->ops->size(io, &size, error))
        return false;
    if (io->fd >= 0)
        return image_probe_fd(io->fd, size, ret, error);
    g_autofree guint8 *header = g_malloc(IMAGE_HEADER_SIZE);
    gssize got = io->ops->read(io, header, IMAGE_HEADER_SIZE, 0, error);
    if (got < 0)
        return false;
    image_probe_buffer(header, (gsize)got, size, ret);
    return true;
}

bool clone_source_capacity(const VolumeSource *source, const ImageInfo *info, guint64 *ret,
                           GError **error)
{
    *ret = info->capacity;
    if (clone_source_format(source) != IMAGE_FORMAT_RAW && info->capacity)
        return true;
    return source->io->ops->size(source->io, ret, error);
}

bool clone_source_convert(const VolumeSource *source, int staging, guint64 capacity,
                          const QemuImgTarget *target, int fd, Operation *op, GError **error)
{
    const char *path = source->volume->target.path;
    g_autofree char *folder = path ? g_path_get_dirname(path) : NULL;
    bool staged = source->io->fd < 0;
    ImageToolSource image = {
        .fd = staged ? staging : source->io->fd,
        .format = image_format_name(clone_source_format(source)),
        .folder = folder,
        .capacity = capacity,
    };

    return (!staged || io_copy_to_file(source->io, staging, op, error)) &&
           image_tool_convert(op, &image, fd, target, error);
}
