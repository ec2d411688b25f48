/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu-img.h"

#include <string.h>

#include "image-format.h"

/*
 * Values from documents end up in these vectors. They stay values: a relative
 * name that looks like an option or a protocol gets "./" before it, and commas
 * in option values are doubled, as the tool wants them.
 */

typedef struct Argv {
    GPtrArray *words;
} Argv;

static void add(Argv *argv, const char *word)
{
    g_ptr_array_add(argv->words, g_strdup(word));
}

static void add_pair(Argv *argv, const char *option, const char *value)
{
    add(argv, option);
    add(argv, value);
}

static Argv argv_new(const char *command)
{
    Argv argv = {.words = g_ptr_array_new()};
    add_pair(&argv, "qemu-img", command);
    return argv;
}

static char **argv_finish(Argv *argv)
{
    g_ptr_array_add(argv->words, NULL);
    return (char **)g_ptr_array_free(argv->words, FALSE);
}

static bool needs_prefix(const char *name)
{
    return *name == '-' || name[strcspn(name, ":/")] == ':';
}

static void add_file(Argv *argv, const char *name)
{
    g_ptr_array_add(argv->words, g_strconcat(needs_prefix(name) ? "./" : "", name, NULL));
}

/* Our word for a format in the tool's language: an ISO image is made like a raw one. */
static const char *tool_format(const char *format)
{
    return strcmp(format, image_format_name(IMAGE_FORMAT_ISO)) == 0
               ? image_format_name(IMAGE_FORMAT_RAW)
               : format;
}

static void add_option(GString *options, const char *name, const char *value)
{
    if (!value)
        return;
    if (options->len)
        g_string_append_c(options, ',');
    g_string_append_printf(options, "%s=", name);
    for (; *value; value++)
        g_string_append(options, *value == ',' ? ",," : (char[]){*value, '\0'});
}

static void add_cluster_size(GString *options, guint64 cluster_size)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, cluster_size);

    if (cluster_size)
        add_option(options, "cluster_size", text);
}

/* `-o` and its pieces; nothing when there is no piece. */
static void add_options(Argv *argv, const QemuImgCreate *create, const char *backing_format)
{
    g_autoptr(GString) options = g_string_new(NULL);

    add_option(options, "backing_fmt", backing_format);
    add_cluster_size(options, create->cluster_size);
    if (options->len)
        add_pair(argv, "-o", options->str);
}

static void add_size(Argv *argv, const QemuImgCreate *create)
{
    guint64 bytes = create->capacity, kib = bytes / 1024 + (bytes % 1024 != 0);

    g_ptr_array_add(argv->words, create->exact ? g_strdup_printf("%" G_GUINT64_FORMAT, bytes)
                                               : g_strdup_printf("%" G_GUINT64_FORMAT "K", kib));
}

char **qemu_img_create_argv(const QemuImgCreate *create)
{
    Argv argv = argv_new("create");

    add_pair(&argv, "-f", tool_format(create->format));
    if (create->backing) {
        add(&argv, "-b");
        add_file(&argv, create->backing);
    }
    add_options(&argv, create,
                create->backing && create->backing_format ? tool_format(create->backing_format)
                                                          : NULL);
    add_file(&argv, create->path);
    if (create->capacity || !create->backing)
        add_size(&argv, create);
    return argv_finish(&argv);
}

/* The draft of an image, described so that it isn't locked. */
static void add_draft(Argv *argv, const QemuImgTarget *draft)
{
    g_autoptr(GString) options = g_string_new(NULL);

    add_option(options, "driver", tool_format(draft->format));
    add_option(options, "file.driver", "file");
    add_option(options, "file.filename", draft->path);
    add_option(options, "file.locking", "off");
    add(argv, options->str);
}

char **qemu_img_convert_argv(const char *in_format, const char *in, const QemuImgTarget *out)
{
    Argv argv = argv_new("convert");

    add(&argv, "-p");
    add(&argv, "-n");
    if (out->reads_zero)
        add(&argv, "--target-is-zero");
    add_pair(&argv, "-f", tool_format(in_format));
    if (out->is_draft)
        add(&argv, "--target-image-opts");
    else
        add_pair(&argv, "-O", tool_format(out->format));
    add_file(&argv, in);
    if (out->is_draft)
        add_draft(&argv, out);
    else
        add_file(&argv, out->path);
    return argv_finish(&argv);
}

char **qemu_img_resize_argv(const char *format, const char *path, guint64 capacity, bool shrink)
{
    Argv argv = argv_new("resize");
    guint64 bytes = (MIN(capacity, G_MAXINT64) + 511) / 512 * 512;

    add_pair(&argv, "-f", tool_format(format));
    if (shrink)
        add(&argv, "--shrink");
    add_file(&argv, path);
    g_ptr_array_add(argv.words, g_strdup_printf("%" G_GUINT64_FORMAT, bytes));
    return argv_finish(&argv);
}

/* "    (12.34/100%)" */
bool qemu_img_parse_progress(const char *chunk, gsize size, double *ret_percent)
{
    g_autofree char *text = g_strndup(chunk, size);
    char *end = g_strrstr(text, "/100%)");

    if (!end)
        return false;
    *end = '\0';
    const char *start = strrchr(text, '(');
    char *stop;
    if (!start)
        return false;
    double percent = g_ascii_strtod(start + 1, &stop);
    if (stop == start + 1 || stop != end || !(percent >= 0 && percent <= 100))
        return false;
    *ret_percent = percent;
    return true;
}
