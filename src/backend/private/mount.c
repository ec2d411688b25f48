/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mount.h"

#include "errors.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* How long own work that is just ending may keep a mount busy. */
#define SETTLE_TIME  (3 * G_USEC_PER_SEC)
#define SETTLE_PAUSE (50 * 1000)

#define DETACH_LIMIT (5 * G_USEC_PER_SEC)
#define UNDO_LIMIT   (10 * G_USEC_PER_SEC)

void mount_plan_clear(MountPlan *plan)
{
    g_free(plan->source);
    g_free(plan->options);
}

char *mount_options(const PoolDef *pool, const char *own)
{
    GString *options = g_string_new("nodev,nosuid,noexec");

    if (own)
        g_string_append_printf(options, ",%s", own);
    for (guint i = 0; i < pool->n_options; i++)
        g_string_append_printf(options, ",%s", pool->options[i].name);
    return g_string_free(options, FALSE);
}

/* ---- what is there ---- */

typedef enum Presence { NOTHING_THERE, SOURCE_THERE, OTHER_THERE } Presence;

static bool look(const MountKind *kind, const PoolDef *pool, Mounted *ret, Presence *ret_presence,
                 GError **error)
{
    bool found = false;

    if (!mounted_at(pool->target_path, ret, &found, error))
        return false;
    *ret_presence = !found                       ? NOTHING_THERE
                    : kind->is_source(pool, ret) ? SOURCE_THERE
                                                 : OTHER_THERE;
    return true;
}

static bool is_there(const MountKind *kind, const PoolDef *pool)
{
    g_auto(Mounted) mounted = {0};
    Presence presence;

    return look(kind, pool, &mounted, &presence, NULL) && presence == SOURCE_THERE;
}

bool mount_is_up(const MountKind *kind, const PoolDef *pool, bool *ret_up, GError **error)
{
    g_auto(Mounted) mounted = {0};
    Presence presence;

    if (!look(kind, pool, &mounted, &presence, error))
        return false;
    *ret_up = presence == SOURCE_THERE;
    return true;
}

bool mount_owns_folder(const MountKind *kind, const PoolDef *pool, int folder, GError **error)
{
    g_auto(Mounted) mounted = {0};
    bool found = false;

    if (!mounted_under(folder, pool->target_path, &mounted, &found, error))
        return false;
    if (!found)
        return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                         "nothing is mounted on '%s': stop the pool and start it again",
                         pool->target_path);
    if (kind->is_source(pool, &mounted))
        return true;
    return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "what is mounted on '%s' is not the pool's source, but '%s' (%s)",
                     pool->target_path, mounted.source, mounted.format);
}

/* ---- umount ---- */

static bool run_umount(const PoolDef *pool, bool detach, gint64 limit, Operation *op,
                       GError **error)
{
    /* Detaching must not look at the path, which may hang, nor tell the server. */
    const char *const detach_argv[] = {"umount", "-l", "-c", "-i", pool->target_path, NULL};
    const char *const plain_argv[] = {"umount", pool->target_path, NULL};
    Command command = {.argv = detach ? detach_argv : plain_argv, .time_limit = limit};

    return command_run_ok(op, &command, NULL, error);
}

static bool busy(const PoolDef *pool, const char *users, GError **error)
{
    return error_set(error, ERROR_BUSY, ORIGIN_STORAGE, "'%s' can't be unmounted, it is used by %s",
                     pool->target_path, users);
}

/* What is between a first umount that failed and the end of the stop. */
typedef struct Stop {
    const MountKind *kind;
    const PoolDef *pool;
    const Mounted *mounted;
    Operation *op;
} Stop;

/* Nobody can lose by it: there is no user, so no data that isn't written but what the server has
 * still to take. What of this process hangs there ends when the server answers. */
static bool detach(const Stop *stop, GError **error)
{
    if (!run_umount(stop->pool, true, DETACH_LIMIT, stop->op, error) &&
        is_there(stop->kind, stop->pool))
        return false;
    g_clear_error(error);
    log_warning("pool '%s': '%s' does not answer; '%s' was detached", stop->pool->name,
                stop->mounted->source, stop->mounted->target);
    return true;
}

/* Own work may just be ending: a look-up, a scan that was cancelled. */
static bool try_again(const Stop *stop, GError **error)
{
    gint64 end = g_get_monotonic_time() + SETTLE_TIME;

    while (g_get_monotonic_time() < end) {
        if (!operation_check(stop->op, NULL))
            return false;
        g_usleep(SETTLE_PAUSE);
        g_clear_error(error);
        if (run_umount(stop->pool, false, stop->kind->umount_limit, stop->op, error) ||
            error_code(*error) == ERROR_TIMEOUT)
            return !*error;
    }
    return false;
}

/* `failure` is why umount failed. */
static bool insist(const Stop *stop, GError *failure, GError **error)
{
    g_autofree char *users = mounted_users(stop->mounted, false);
    g_autoptr(GError) reason = failure;

    if (users)
        return busy(stop->pool, users, error);
    if (error_code(reason) != ERROR_TIMEOUT) {
        if (try_again(stop, &reason))
            return true;
    }
    if (!operation_check(stop->op, error))
        return false;
    if (stop->kind->may_detach)
        return detach(stop, error);
    g_autofree char *own = mounted_users(stop->mounted, true);
    if (own)
        return busy(stop->pool, own, error);
    g_propagate_error(error, g_steal_pointer(&reason));
    return false;
}

static bool unmount(const MountKind *kind, const PoolDef *pool, const Mounted *mounted,
                    Operation *op, GError **error)
{
    const Stop stop = {.kind = kind, .pool = pool, .mounted = mounted, .op = op};
    GError *failure = NULL;

    if (run_umount(pool, false, kind->umount_limit, op, &failure))
        return true;
    if (!is_there(kind, pool)) { /* gone all the same: only telling the server failed */
        g_error_free(failure);
        return true;
    }
    return insist(&stop, failure, error);
}

bool mount_stop(const MountKind *kind, const PoolDef *pool, Operation *op, GError **error)
{
    g_auto(Mounted) mounted = {0};
    Presence presence;

    return look(kind, pool, &mounted, &presence, error) &&
           (presence != SOURCE_THERE || unmount(kind, pool, &mounted, op, error));
}

/* ---- mount ---- */

static bool run_mount(const MountKind *kind, const PoolDef *pool, const MountPlan *plan,
                      Operation *op, GError **error)
{
    const char *argv[10] = {"mount", "-o", plan->options};
    guint count = 3;

    if (plan->format) {
        argv[count++] = "-t";
        argv[count++] = plan->format;
    }
    argv[count++] = "--";
    argv[count++] = plan->source;
    argv[count++] = pool->target_path;
    Command command = {.argv = argv, .time_limit = kind->mount_limit};
    return command_run_ok(op, &command, NULL, error);
}

/* A mount may succeed although mount(8) was killed; and its own operation may be over. */
static void undo(const MountKind *kind, const PoolDef *pool, Operation *op)
{
    g_autoptr(Operation) own = operation_new(g_get_monotonic_time() + UNDO_LIMIT);
    g_autoptr(GError) error = NULL;
    void *data;
    CommandRunner runner = operation_runner(op, &data);

    operation_set_runner(own, runner, data);
    if (!mount_stop(kind, pool, own, &error))
        log_warning("pool '%s': unmounting after a mount that failed: %s", pool->name,
                    error->message);
}

static bool confirm(const MountKind *kind, const PoolDef *pool, const MountPlan *plan,
                    GError **error)
{
    g_auto(Mounted) mounted = {0};
    Presence presence;

    if (!look(kind, pool, &mounted, &presence, error))
        return false;
    if (presence == SOURCE_THERE)
        return true;
    return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                     "'%s' was mounted on '%s', but there is now %s", plan->source,
                     pool->target_path, presence == NOTHING_THERE ? "nothing" : mounted.source);
}

static bool mount_source(const MountKind *kind, const PoolDef *pool, Operation *op, GError **error)
{
    g_auto(MountPlan) plan = {0};

    if (!kind->plan(pool, &plan, error))
        return false;
    if (run_mount(kind, pool, &plan, op, error) && confirm(kind, pool, &plan, error))
        return true;
    undo(kind, pool, op);
    return false;
}

bool mount_start(const MountKind *kind, const PoolDef *pool, Operation *op, GError **error)
{
    g_auto(Mounted) mounted = {0};
    Presence presence;

    if (!look(kind, pool, &mounted, &presence, error))
        return false;
    if (presence == OTHER_THERE)
        return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                         "'%s' (%s) is mounted on '%s' already: unmount it, or give the pool "
                         "another target",
                         mounted.source, mounted.format, pool->target_path);
    return presence == SOURCE_THERE || mount_source(kind, pool, op, error);
}

bool mount_erase(const PoolDef *pool, guint flags, GError **error)
{
    if (!error_check_flags(error, flags, 0, "virStorageBackendDeleteLocal"))
        return false;
    return rmdir(pool->target_path) == 0 ||
           error_set_errno(error, ORIGIN_STORAGE, errno, "failed to remove pool '%s'",
                           pool->target_path);
}
