/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "errand.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "errors.h"
#include "fd.h"
#include "log.h"
#include "thread.h"

#define STACK_SIZE (256 * 1024)

typedef struct Errand {
    char *path;
    ErrandFunc func;
    void *data;
    GDestroyNotify drop;
    int bell;     /* eventfd: done */
    bool is_done; /* guarded by `lock`, as is `is_left` */
    bool is_left; /* nobody waits for it any more */
} Errand;

static GMutex lock;
static guint n_left;
static GHashTable *silent; /* paths that did not answer in time; NULL: none yet */

static void errand_free(Errand *errand)
{
    fd_close(&errand->bell);
    g_free(errand->path);
    g_free(errand);
}

/* True when somebody waits for it, who may free it as soon as the lock is given back. */
static bool come_back(Errand *errand)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&lock);

    errand->is_done = true;
    if (!errand->is_left)
        return eventfd_write(errand->bell, 1) == 0;
    n_left--;
    if (silent && g_hash_table_remove(silent, errand->path))
        log_info("'%s' answers again", errand->path);
    return false;
}

static void *run(void *data)
{
    Errand *errand = data;

    errand->func(errand->data);
    if (come_back(errand))
        return NULL;
    errand->drop(errand->data);
    errand_free(errand);
    return NULL;
}

/* False when it came back meanwhile. */
static bool leave(Errand *errand, bool is_silent)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&lock);

    if (errand->is_done)
        return false;
    errand->is_left = true;
    n_left++;
    if (!silent)
        silent = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (is_silent)
        g_hash_table_add(silent, g_strdup(errand->path));
    return true;
}

static bool report_silent(const char *path, GError **error)
{
    return error_set(error, ERROR_TIMEOUT, ORIGIN_STORAGE,
                     "'%s' has not answered for %d s; see whether the storage it lies on is there",
                     path, ERRAND_PATIENCE);
}

static bool may_go(const char *path, GError **error)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&lock);

    if (silent && g_hash_table_contains(silent, path))
        return report_silent(path, error);
    if (n_left < ERRANDS_LEFT)
        return true;
    return error_set(error, ERROR_TIMEOUT, ORIGIN_STORAGE,
                     "'%s' is not looked at: %u files outside of pools have not answered yet", path,
                     n_left);
}

/* Until it is done or called off, or the time is over. */
static void wait_for(const Errand *errand, Operation *op, gint64 until)
{
    struct pollfd fds[] = {{errand->bell, POLLIN, 0}, {operation_cancel_fd(op), POLLIN, 0}};
    int count;

    do
        count = poll(fds, G_N_ELEMENTS(fds), operation_poll_timeout(until));
    while (count < 0 && errno == EINTR);
}

static bool finish(Errand *errand, Operation *op, GError **error)
{
    gint64 until = g_get_monotonic_time() + ERRAND_PATIENCE * G_USEC_PER_SEC;
    g_autofree char *path = g_strdup(errand->path);

    wait_for(errand, op, MIN(until, operation_deadline(op)));
    if (!leave(errand, g_get_monotonic_time() >= until)) {
        errand_free(errand);
        return true;
    }
    return operation_check(op, error) && report_silent(path, error);
}

bool errand_run(const char *path, ErrandFunc func, void *data, GDestroyNotify drop, Operation *op,
                GError **error)
{
    if (!may_go(path, error)) {
        drop(data);
        return false;
    }
    Errand *errand = g_new(Errand, 1);
    *errand = (Errand){
        .path = g_strdup(path),
        .func = func,
        .data = data,
        .drop = drop,
        .bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
    };
    int status = errand->bell < 0 ? errno : thread_start_detached(STACK_SIZE, run, errand);
    if (status == 0)
        return finish(errand, op, error);
    errand_free(errand);
    drop(data);
    return error_set_errno(error, ORIGIN_STORAGE, status, "cannot look at '%s'", path);
}
