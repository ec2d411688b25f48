/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "content-wipe.h"

#include "errors.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITE_CHUNK  (1024 * 1024)
#define DEVICE_CHUNK (G_GUINT64_CONSTANT(64) << 20) /* between two looks at the operation */

typedef struct Wipe {
    int fd;
    const char *path;
    guint64 size; /* bytes */
    bool is_device, is_sparse;
    Operation *op;
} Wipe;

static bool failed(const Wipe *wipe, const char *what, GError **error)
{
    return error_set_errno(error, ORIGIN_STORAGE, errno, "%s '%s'", what, wipe->path);
}

static bool flush(const Wipe *wipe, GError **error)
{
    if (fdatasync(wipe->fd) == 0)
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot write '%s' to disk", wipe->path);
}

static bool set_size(const Wipe *wipe, guint64 size, GError **error)
{
    if (ftruncate(wipe->fd, (off_t)size) == 0)
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno,
                           "Failed to truncate file '%s' to %" G_GUINT64_FORMAT " bytes",
                           wipe->path, size);
}

/* ---- in steps, through the whole of it ---- */

/* Returns false with errno. */
typedef bool (*StepFunc)(const Wipe *wipe, guint64 offset, guint64 length);

static bool run_steps(const Wipe *wipe, StepFunc step, guint64 chunk, const char *what,
                      GError **error)
{
    for (guint64 done = 0, size; done < wipe->size; done += size) {
        size = MIN(wipe->size - done, chunk);
        if (!operation_check(wipe->op, error))
            return false;
        if (!step(wipe, done, size))
            return error_set_errno(error, ORIGIN_STORAGE, errno,
                                   "%s '%s' between offsets %" G_GUINT64_FORMAT
                                   " and %" G_GUINT64_FORMAT,
                                   what, wipe->path, done, done + size);
        operation_set_progress(wipe->op, done + size, wipe->size);
    }
    return flush(wipe, error);
}

static bool write_step(const Wipe *wipe, guint64 offset, guint64 length)
{
    static guint8 zeros[WRITE_CHUNK]; /* not const, so that it takes no room in the program */

    return fd_write_at(wipe->fd, zeros, length, offset);
}

static bool zero_step(const Wipe *wipe, guint64 offset, guint64 length)
{
    guint64 range[2] = {offset, length};

    return ioctl(wipe->fd, BLKZEROOUT, range) == 0;
}

static bool discard_step(const Wipe *wipe, guint64 offset, guint64 length)
{
    guint64 range[2] = {offset, length};

    return ioctl(wipe->fd, BLKDISCARD, range) == 0;
}

/* ---- zeros ---- */

static bool punch(const Wipe *wipe)
{
    return fallocate(wipe->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)wipe->size) ==
           0;
}

/* Gives the data up at once. A hole keeps the size throughout, where the file system has holes. */
static bool empty_sparse(const Wipe *wipe, GError **error)
{
    if (punch(wipe))
        return flush(wipe, error);
    return set_size(wipe, 0, error) && set_size(wipe, wipe->size, error) && flush(wipe, error);
}

/* A range of a file that is merely marked as zero leaves the old data on the disk: so they are
 * written. A device is asked to write them itself. */
static bool wipe_zero(const Wipe *wipe, GError **error)
{
    g_autoptr(GError) refused = NULL;

    if (wipe->is_sparse)
        return empty_sparse(wipe, error);
    if (wipe->is_device) {
        if (run_steps(wipe, zero_step, DEVICE_CHUNK, "cannot write zeros to", &refused))
            return true;
        if (error_errno(refused) != EOPNOTSUPP) {
            g_propagate_error(error, g_steal_pointer(&refused));
            return false;
        }
    }
    return run_steps(wipe, write_step, WRITE_CHUNK, "cannot write zeros to", error);
}

/* ---- the others ---- */

static bool discard(const Wipe *wipe, GError **error)
{
    if (wipe->is_device)
        return run_steps(wipe, discard_step, DEVICE_CHUNK, "cannot discard the content of", error);
    if (wipe->size == 0 || punch(wipe))
        return flush(wipe, error);
    return failed(wipe, "cannot discard the content of", error);
}

static bool wipe_trim(const Wipe *wipe, GError **error)
{
    g_autoptr(GError) refused = NULL;

    if (discard(wipe, &refused))
        return true;
    if (error_errno(refused) == EOPNOTSUPP)
        return error_set(error, ERROR_OPERATION_UNSUPPORTED, ORIGIN_STORAGE,
                         wipe->is_device ? "device '%s' can't discard its content"
                                         : "the file system of '%s' can't discard a part of a file",
                         wipe->path);
    g_propagate_error(error, g_steal_pointer(&refused));
    return false;
}

/* The node that is open. The tool sees a link as a file and finds it empty, so it gets a path. */
static char *find_node(const Wipe *wipe, const char *link)
{
    g_autofree char *node = g_file_read_link(link, NULL);
    struct stat named, open;

    if (!node || lstat(node, &named) < 0 || fstat(wipe->fd, &open) < 0 || !S_ISBLK(named.st_mode) ||
        named.st_rdev != open.st_rdev) {
        errno = ENODEV;
        return NULL;
    }
    return g_steal_pointer(&node);
}

/* The tool fills a file's last block up, so the size is put right again. */
static bool run_scrub(const Wipe *wipe, WipeAlgorithm algorithm, const char *path, GError **error)
{
    const char *argv[] = {"scrub", "-f", "-p", wipe_algorithm_name(algorithm), path, NULL};
    Command command = {.argv = argv, .pass_fds = &wipe->fd, .n_pass_fds = 1};
    bool ok = command_run_ok(wipe->op, &command, NULL, error);

    if (!wipe->is_device && !set_size(wipe, wipe->size, ok ? error : NULL))
        return false;
    return ok && flush(wipe, error);
}

/* A file goes to the tool as a descriptor, whatever happens to its name. */
static bool wipe_by_scrub(const Wipe *wipe, WipeAlgorithm algorithm, GError **error)
{
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", wipe->fd);
    g_autofree char *node = wipe->is_device ? find_node(wipe, link) : NULL;

    if (wipe->is_device && !node)
        return failed(wipe, "cannot find the node of", error);
    return run_scrub(wipe, algorithm, node ? node : link, error);
}

static bool wipe_init(Wipe *wipe, GError **error)
{
    struct stat st;

    if (fstat(wipe->fd, &st) < 0)
        return failed(wipe, "cannot look at", error);
    wipe->is_device = S_ISBLK(st.st_mode);
    wipe->is_sparse = S_ISREG(st.st_mode) && st.st_blocks * 512 < st.st_size;
    wipe->size = (guint64)st.st_size;
    return !wipe->is_device || ioctl(wipe->fd, BLKGETSIZE64, &wipe->size) == 0 ||
           failed(wipe, "cannot find the size of", error);
}

bool content_wipe(int fd, const char *path, WipeAlgorithm algorithm, Operation *op, GError **error)
{
    Wipe wipe = {.fd = fd, .path = path, .op = op};

    if (!wipe_init(&wipe, error))
        return false;
    if (algorithm == WIPE_ZERO)
        return wipe_zero(&wipe, error);
    return algorithm == WIPE_TRIM ? wipe_trim(&wipe, error)
                                  : wipe_by_scrub(&wipe, algorithm, error);
}
