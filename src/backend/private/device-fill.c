/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device-volume.h"

#include "clone-source.h"
#include "errors.h"

#include <errno.h>
#include <unistd.h>

/* Clones whose target is a device: always raw, whatever the source. */

typedef struct Filling {
    const char *path;
    bool reads_zero;
    const VolumeSource *source;
    Io *to;
    Operation *op;
} Filling;

static bool check_fits(const Filling *filling, guint64 content, GError **error)
{
    guint64 size;

    if (!filling->to->ops->size(filling->to, &size, error))
        return false;
    if (content <= size)
        return true;
    return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                     "the content of volume '%s' has %" G_GUINT64_FORMAT
                     " bytes and does not fit into device '%s', which has %" G_GUINT64_FORMAT,
                     filling->source->volume->name, content, filling->path, size);
}

static bool copy_raw(const Filling *filling, guint64 content, GError **error)
{
    guint flags = filling->reads_zero ? IO_COPY_FRESH : 0;

    return io_copy(filling->source->io, filling->to, content, flags, filling->op, error);
}

/* A file without a name for what the tool can't read where it is: gone with its descriptor. */
static int open_staging(GError **error)
{
    const char *folder = g_get_tmp_dir();
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        error_set_errno(error, ORIGIN_STORAGE, errno, "cannot make a temporary file in '%s'",
                        folder);
    return fd;
}

static bool decode(const Filling *filling, guint64 content, GError **error)
{
    const bool staged = filling->source->io->fd < 0;
    autofd int staging = staged ? open_staging(error) : -1;
    QemuImgTarget target = {
        .format = image_format_name(IMAGE_FORMAT_RAW),
        .reads_zero = filling->reads_zero,
    };

    return (!staged || staging >= 0) &&
           clone_source_convert(filling->source, staging, content, &target, filling->to->fd,
                                filling->op, error);
}

#define ZERO_CHUNK (G_GUINT64_CONSTANT(64) << 20) /* between two looks at the operation */

/* What the device held behind the content is nobody's business. */
static bool zero_rest(const Filling *filling, guint64 content, GError **error)
{
    guint64 size;

    if (filling->reads_zero)
        return true;
    if (!filling->to->ops->size(filling->to, &size, error))
        return false;
    for (guint64 at = content; at < size; at += MIN(size - at, ZERO_CHUNK))
        if (!operation_check(filling->op, error) ||
            !filling->to->ops->zero(filling->to, at, MIN(size - at, ZERO_CHUNK), false, error))
            return false;
    return true;
}

static bool fill(const Filling *filling, GError **error)
{
    g_auto(ImageInfo) info = {0};
    bool is_raw = clone_source_format(filling->source) == IMAGE_FORMAT_RAW;
    guint64 content;

    return clone_source_probe(filling->source, &info, error) &&
           clone_source_capacity(filling->source, &info, &content, error) &&
           check_fits(filling, content, error) &&
           (is_raw ? copy_raw : decode)(filling, content, error) &&
           zero_rest(filling, content, error) && filling->to->ops->flush(filling->to, error);
}

bool device_volume_fill(const char *path, bool reads_zero, const VolumeSource *source,
                        Operation *op, GError **error)
{
    int fd =
        clone_source_check(source, error) ? device_open_content(path, VOLUME_WRITE, error) : -1;

    if (fd < 0)
        return false;
    g_autoptr(Io) to = io_new_fd(fd);
    const Filling filling = {
        .path = path,
        .reads_zero = reads_zero,
        .source = source,
        .to = to,
        .op = op,
    };
    return fill(&filling, error);
}

bool device_volume_content_size(const VolumeSource *source, guint64 *ret, GError **error)
{
    g_auto(ImageInfo) info = {0};

    return clone_source_check(source, error) && clone_source_probe(source, &info, error) &&
           clone_source_capacity(source, &info, ret, error);
}
