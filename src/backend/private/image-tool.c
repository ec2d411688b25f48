/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image-tool.h"

#include "chain.h"
#include "command.h"
#include "errors.h"
#include "io.h"
#include "probe.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static char *descriptor_path(int fd)
{
    return g_strdup_printf("/proc/self/fd/%d", fd);
}

static void append_json_string(GString *json, const char *text)
{
    g_string_append_c(json, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\' || (guchar)*text < 0x20)
            g_string_append_printf(json, "\\u%04x", (guint)(guchar)*text);
        else
            g_string_append_c(json, *text);
    }
    g_string_append_c(json, '"');
}

/* Names image and backing file both, for the tool would look for the latter beside the descriptor.
 */
static char *describe_with_backing(const char *image, const char *backing, int backing_format)
{
    GString *json = g_string_new("json:{\"file\":{\"filename\":");

    append_json_string(json, image);
    g_string_append(json, "},\"backing\":{");
    if (backing_format >= IMAGE_FORMAT_RAW)
        g_string_append_printf(json, "\"driver\":\"%s\",", image_format_name(backing_format));
    g_string_append(json, "\"file\":{\"filename\":");
    append_json_string(json, backing);
    g_string_append(json, "}}}");
    return g_string_free(json, FALSE);
}

/* What the tool is given for an existing image, whose chain it will open: storage that doesn't
 * answer would keep it for ever. */
static bool name_image(Operation *op, int fd, const char *folder, char **ret, GError **error)
{
    g_auto(ImageInfo) info = {0};
    g_autofree char *path = descriptor_path(fd);
    off_t size = lseek(fd, 0, SEEK_END);

    if (!image_probe_fd(fd, (guint64)MAX(size, 0), &info, error))
        return false;
    g_autofree char *backing = info.backing ? image_backing_path(info.backing, folder) : NULL;
    if (backing && !image_chain_check(backing, NULL, op, error))
        return false;
    *ret = backing && !g_path_is_absolute(info.backing)
               ? describe_with_backing(path, backing, info.backing_format)
               : g_steal_pointer(&path);
    return true;
}

static void replace_word(char **argv, const char *word, const char *by)
{
    for (; *argv; argv++)
        if (g_str_equal(*argv, word)) {
            g_free(*argv);
            *argv = g_strdup(by);
            return;
        }
}

typedef struct Progress {
    Operation *op;
    guint64 total; /* bytes; 0 = progress is not told */
} Progress;

static void take_progress(const char *chunk, size_t size, void *data)
{
    const Progress *progress = data;
    double percent;

    if (progress->total && qemu_img_parse_progress(chunk, size, &percent))
        operation_set_progress(progress->op, (guint64)((double)progress->total * percent / 100),
                               progress->total);
}

static bool run_tool(Operation *op, char **argv, const int *fds, size_t n_fds, guint64 total,
                     GError **error)
{
    Progress progress = {.op = op, .total = total};
    Command command = {
        .argv = (const char *const *)argv,
        .pass_fds = fds,
        .n_pass_fds = n_fds,
        .on_output = take_progress,
        .data = &progress,
    };

    return command_run_ok(op, &command, NULL, error);
}

/* Some formats are made without a look at every error: a file that was cut short shows only when
 * the tool opens it. */
static bool check_opens(Operation *op, int fd, const char *format, GError **error)
{
    g_autofree char *path = descriptor_path(fd);
    const char *argv[] = {"qemu-img", "info", "--force-share", "-f", format, path, NULL};
    Command command = {.argv = argv, .pass_fds = &fd, .n_pass_fds = 1};

    return command_run_ok(op, &command, NULL, error);
}

/* The file that we hold open must be the image now, whatever the tool says. */
static bool check_made(Operation *op, int fd, const char *format, GError **error)
{
    g_auto(ImageInfo) info = {0};
    off_t size = lseek(fd, 0, SEEK_END);

    if (!image_probe_fd(fd, (guint64)MAX(size, 0), &info, error))
        return false;
    bool is_raw = g_str_equal(format, image_format_name(IMAGE_FORMAT_RAW));
    if (!is_raw && !g_str_equal(image_format_name((int)info.format), format))
        return error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE,
                         "qemu-img was to make an image of format '%s' and made one of format '%s'",
                         format, image_format_name((int)info.format));
    return is_raw || check_opens(op, fd, format, error);
}

static bool create_in_memory(Operation *op, int fd, const QemuImgCreate *create, GError **error)
{
    g_autofree char *path = descriptor_path(fd);
    QemuImgCreate with_path = *create;

    with_path.path = path;
    g_auto(GStrv) argv = qemu_img_create_argv(&with_path);
    return run_tool(op, argv, &fd, 1, 0, error) && check_made(op, fd, create->format, error);
}

bool image_tool_create(Operation *op, int fd, const QemuImgCreate *create, GError **error)
{
    int memory = memfd_create("image", MFD_CLOEXEC);

    if (memory < 0)
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot make a file in memory");
    g_autoptr(Io) image = io_new_fd(memory);
    /* A few MiB at most: nothing to tell progress of. */
    return create_in_memory(op, memory, create, error) && operation_check(op, error) &&
           io_copy_to_file(image, fd, NULL, error);
}

bool image_tool_convert(Operation *op, const ImageToolSource *source, int fd,
                        const QemuImgTarget *target, GError **error)
{
    g_autofree char *in = descriptor_path(source->fd), *out = descriptor_path(fd), *name = NULL;
    QemuImgTarget with_path = *target;

    with_path.path = out;
    if (!name_image(op, source->fd, source->folder, &name, error))
        return false;
    g_auto(GStrv) argv = qemu_img_convert_argv(source->format, in, &with_path);
    replace_word(argv, in, name);
    return run_tool(op, argv, (int[]){source->fd, fd}, 2, source->capacity, error) &&
           check_made(op, fd, target->format, error);
}

bool image_tool_resize(Operation *op, int fd, const char *format, const char *folder,
                       guint64 capacity, bool shrink, GError **error)
{
    g_autofree char *path = descriptor_path(fd), *name = NULL;

    if (!name_image(op, fd, folder, &name, error))
        return false;
    g_auto(GStrv) argv = qemu_img_resize_argv(format, path, capacity, shrink);
    replace_word(argv, path, name);
    return run_tool(op, argv, &fd, 1, 0, error);
}
