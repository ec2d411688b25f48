/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chain.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backing.h"
#include "errand.h"
#include "errors.h"
#include "fd.h"

/* What makes two paths the same image. */
typedef struct Identity {
    dev_t device;
    ino_t inode;
} Identity;

typedef struct Walk {
    GPtrArray *links;
    GArray *seen; /* Identity of every image so far */
    Operation *op;
} Walk;

void image_link_free(ImageLink *link)
{
    g_free(link->path);
    g_free(link->problem);
    image_info_clear(&link->info);
    g_free(link);
}

/* Two nodes of one block device are one image. */
static Identity identity_of(const struct stat *st)
{
    if (S_ISBLK(st->st_mode))
        return (Identity){.device = st->st_rdev};
    return (Identity){.device = st->st_dev, .inode = st->st_ino};
}

/* Opens and describes; -1 with errno. The kind is checked before the open too, because the open
 * alone can do things to a device that is none of ours. */
static int open_image(const char *path, struct stat *ret)
{
    if (stat(path, ret) < 0)
        return -1;
    if (!S_ISREG(ret->st_mode) && !S_ISBLK(ret->st_mode)) {
        errno = S_ISDIR(ret->st_mode) ? EISDIR : EINVAL;
        return -1;
    }
    autofd int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, ret) < 0)
        return -1;
    if (!S_ISREG(ret->st_mode) && !S_ISBLK(ret->st_mode)) {
        errno = EINVAL;
        return -1;
    }
    return fd_steal(&fd);
}

static bool find_size(int fd, const struct stat *st, guint64 *ret)
{
    off_t end = S_ISBLK(st->st_mode) ? lseek(fd, 0, SEEK_END) : st->st_size;
    *ret = (guint64)MAX(end, 0);
    return end >= 0;
}

static int open_sized(const char *path, struct stat *ret, guint64 *ret_size)
{
    autofd int fd = open_image(path, ret);
    return fd >= 0 && find_size(fd, ret, ret_size) ? fd_steal(&fd) : -1;
}

static bool seen_before(const Walk *walk, const Identity *id)
{
    for (guint i = 0; i < walk->seen->len; i++) {
        const Identity *other = &g_array_index(walk->seen, Identity, i);
        if (other->device == id->device && other->inode == id->inode)
            return true;
    }
    return false;
}

/* One image that is to be looked at, and what is found. */
typedef struct Look {
    ImageLink *link;
    int format;    /* what its overlay says, or -1 */
    bool is_there; /* it could be opened */
    Identity id;
} Look;

static void look_free(void *data)
{
    Look *look = data;

    image_link_free(look->link);
    g_free(look);
}

/* Runs in a thread of its own. */
static void inspect(void *data)
{
    Look *look = data;
    ImageLink *link = look->link;
    g_autoptr(GError) error = NULL;
    struct stat st;
    autofd int fd = open_sized(link->path, &st, &link->size);

    look->is_there = fd >= 0;
    if (fd < 0) {
        link->errnum = errno;
        link->problem = g_strdup_printf("cannot open '%s': %s", link->path, g_strerror(errno));
        return;
    }
    look->id = identity_of(&st);
    if (look->format == IMAGE_FORMAT_RAW || image_probe_fd(fd, link->size, &link->info, &error))
        return;
    link->errnum = error_errno(error);
    link->problem = g_strdup_printf("'%s': %s", link->path, error_detail(error));
}

static ImageLink *new_link(const char *path)
{
    ImageLink *link = g_new0(ImageLink, 1);

    link->path = g_strdup(path);
    link->info.format = IMAGE_FORMAT_RAW;
    link->info.backing_format = -1;
    return link;
}

static ImageLink *add_link(Walk *walk, ImageLink *link)
{
    g_ptr_array_add(walk->links, link);
    return link;
}

static ImageLink *stopped_link(const char *path, int errnum, const char *problem)
{
    ImageLink *link = new_link(path);

    link->errnum = errnum;
    link->problem = g_strdup(problem);
    return link;
}

static void note_loop(Walk *walk, Look *look)
{
    ImageLink *link = look->link;

    if (!seen_before(walk, &look->id)) {
        g_array_append_val(walk->seen, look->id);
        return;
    }
    g_free(link->problem);
    link->problem = g_strdup_printf("'%s' leads back into the chain it is part of", link->path);
    link->errnum = 0;
}

/* What an image stands on may lie on storage that is dead, which must not keep whoever asks. */
static ImageLink *look_at(Walk *walk, const char *path, int format)
{
    Look *look = g_new0(Look, 1);
    g_autoptr(GError) error = NULL;

    look->link = new_link(path);
    look->format = format;
    if (!errand_run(path, inspect, look, look_free, walk->op, &error))
        return stopped_link(path, ETIMEDOUT, error_detail(error));
    if (look->is_there)
        note_loop(walk, look);
    ImageLink *link = look->link;
    g_free(look);
    return link;
}

/* Why the walk must not go on to the image at this path; NULL: it may. */
static ImageLink *stop(const Walk *walk, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *problem = NULL;

    if (!operation_check(walk->op, &error))
        return stopped_link(path, 0, error_detail(error));
    if (walk->links->len < IMAGE_CHAIN_DEPTH_MAX)
        return NULL;
    problem = g_strdup_printf("the chain is deeper than %d images", IMAGE_CHAIN_DEPTH_MAX);
    return stopped_link(path, 0, problem);
}

/* Adds the link for one path and says where to go next: *path and *format are replaced.
 * False at the end of the chain. */
static bool step(Walk *walk, char **path, int *format)
{
    g_autofree char *folder = g_path_get_dirname(*path);
    ImageLink *link = add_link(walk, stop(walk, *path) ?: look_at(walk, *path, *format));

    g_clear_pointer(path, g_free);
    if (link->problem || !link->info.backing)
        return false;
    if (!backing_parse(link->info.backing, folder, path, format)) {
        add_link(walk, new_link(link->info.backing));
        return false;
    }
    if (*format < 0)
        *format = link->info.backing_format;
    return true;
}

/* Every round opens one more file, at most IMAGE_CHAIN_DEPTH_MAX of them. */
static GPtrArray *walk_chain(const char *path, const Identity *forbidden, Operation *op)
{
    g_autoptr(GArray) seen = g_array_new(FALSE, FALSE, sizeof(Identity));
    Walk walk = {
        .links = g_ptr_array_new_with_free_func((GDestroyNotify)image_link_free),
        .seen = seen,
        .op = op,
    };
    g_autofree char *next = g_strdup(path);
    int format = -1;

    if (forbidden)
        g_array_append_val(seen, *forbidden);
    while (step(&walk, &next, &format))
        ;
    return walk.links;
}

GPtrArray *image_chain_read(const char *path, Operation *op)
{
    return walk_chain(path, NULL, op);
}

static bool chain_error(const ImageLink *link, GError **error)
{
    if (link->errnum == ETIMEDOUT)
        return error_set(error, ERROR_TIMEOUT, ORIGIN_STORAGE,
                         "the backing store can't be used: %s", link->problem);
    if (link->errnum)
        return error_set_errno(error, ORIGIN_STORAGE, link->errnum,
                               "inaccessible backing store volume %s", link->path);
    return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                     "the backing store can't be used: %s",
                     link->problem ? link->problem : link->info.problem);
}

bool image_chain_check(const char *backing, const char *path, Operation *op, GError **error)
{
    struct stat st;
    Identity self;
    bool exists = path && stat(path, &st) == 0;

    if (!operation_check(op, error))
        return false;
    if (exists)
        self = identity_of(&st);
    g_autoptr(GPtrArray) links = walk_chain(backing, exists ? &self : NULL, op);
    if (!operation_check(op, error))
        return false;
    for (guint i = 0; i < links->len; i++) {
        const ImageLink *link = g_ptr_array_index(links, i);
        if (link->problem || link->info.problem)
            return chain_error(link, error);
    }
    if (links->len < IMAGE_CHAIN_DEPTH_MAX)
        return true;
    return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                     "the backing store can't be used: it already stands on %u images, and a chain "
                     "may not be deeper than %d",
                     links->len - 1, IMAGE_CHAIN_DEPTH_MAX);
}
