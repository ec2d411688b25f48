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

typedef enum Presence {
    NOTHING_THERE,
    SOURCE_THERE,
    OTHER_THERE,
    SOURCE_COVERED, /* mounted, but its path leads elsewhere */
} Presence;

typedef struct Sight {
    Presence presence;
    Mounted mounted; /* the source, else what is on top */
    Mounted cover;   /* what lies over the source */
} Sight;

static void sight_clear(Sight *sight)
{
    mounted_clear(&sight->mounted);
    mounted_clear(&sight->cover);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Sight, sight_clear)

static void take(Mounted *from, Mounted *ret)
{
    *ret = *from;
    *from = (Mounted){0};
}

/* The uppermost that is the pool's own; NULL when none is. */
static Mounted *find_own(const MountKind *kind, const PoolDef *pool, const GPtrArray *list)
{
    for (guint i = list->len; i > 0; i--)
        if (kind->is_source(pool, list->pdata[i - 1]))
            return list->pdata[i - 1];
    return NULL;
}

static bool look_over(Sight *sight, GError **error)
{
    bool covered = false;

    if (!mounted_over(&sight->mounted, &sight->cover, &covered, error))
        return false;
    sight->presence = covered ? SOURCE_COVERED : SOURCE_THERE;
    return true;
}

static bool look(const MountKind *kind, const PoolDef *pool, Sight *ret, GError **error)
{
    g_autoptr(GPtrArray) list = mounted_at(pool->target_path, error);

    if (!list)
        return false;
    Mounted *own = find_own(kind, pool, list);
    if (own || list->len > 0)
        take(own ? own : list->pdata[list->len - 1], &ret->mounted);
    ret->presence = list->len > 0 ? OTHER_THERE : NOTHING_THERE;
    return !own || look_over(ret, error);
}

static bool is_there(const MountKind *kind, const PoolDef *pool)
{
    g_auto(Sight) sight = {0};

    return look(kind, pool, &sight, NULL) && sight.presence == SOURCE_THERE;
}

bool mount_is_up(const MountKind *kind, const PoolDef *pool, bool *ret_up, GError **error)
{
    g_auto(Sight) sight = {0};

    if (!look(kind, pool, &sight, error))
        return false;
    *ret_up = sight.presence == SOURCE_THERE;
    return true;
}

/* The one of them that the open folder is on. */
static const Mounted *find_under(int folder, const GPtrArray *list)
{
    g_autofree char *fdinfo = g_strdup_printf("/proc/self/fdinfo/%d", folder);
    int id = mounted_read_id(fdinfo);

    for (guint i = 0; i < list->len; i++) {
        const Mounted *mounted = list->pdata[i];
        if (mounted->id == id)
            return mounted;
    }
    return NULL;
}

bool mount_owns_folder(const MountKind *kind, const PoolDef *pool, int folder, GError **error)
{
    g_autoptr(GPtrArray) list = mounted_at(pool->target_path, error);

    if (!list)
        return false;
    const Mounted *mounted = find_under(folder, list);
    if (!mounted)
        return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                         "nothing is mounted on '%s': stop the pool and start it again",
                         pool->target_path);
    if (kind->is_source(pool, mounted))
        return true;
    return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "what is mounted on '%s' is not the pool's source, but '%s' (%s)",
                     pool->target_path, mounted->source, mounted->format);
}

static bool covered(const PoolDef *pool, const Mounted *cover, int code, GError **error)
{
    return error_set(error, code, ORIGIN_STORAGE,
                     "the pool's file system is mounted on '%s', but '%s' (%s) is mounted over it "
                     "on '%s': unmount that first",
                     pool->target_path, cover->source, cover->format, cover->target);
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

static void leave_other(const PoolDef *pool, const Mounted *mounted)
{
    log_warning("pool '%s': '%s' (%s) is mounted on '%s' and stays there, for it isn't the pool's "
                "source",
                pool->name, mounted->source, mounted->format, mounted->target);
}

static bool has_stayed(const PoolDef *pool, GError **error)
{
    return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                     "'%s' is still mounted, though umount says that it did it", pool->target_path);
}

/* The source may be mounted there more than once, each over the other. */
bool mount_stop(const MountKind *kind, const PoolDef *pool, Operation *op, GError **error)
{
    for (int last = -1;;) {
        g_auto(Sight) sight = {0};
        if (!look(kind, pool, &sight, error))
            return false;
        if (sight.presence == SOURCE_COVERED)
            return covered(pool, &sight.cover, ERROR_BUSY, error);
        if (sight.presence == OTHER_THERE)
            leave_other(pool, &sight.mounted);
        if (sight.presence != SOURCE_THERE)
            return true;
        if (sight.mounted.id == last)
            return has_stayed(pool, error);
        last = sight.mounted.id;
        if (!unmount(kind, pool, &sight.mounted, op, error))
            return false;
    }
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

/* A mount may succeed although mount(8) was killed; and its own operation may be over. `wrong`:
 * what mount(8) has mounted there is something else. */
static void undo(const MountKind *kind, const PoolDef *pool, bool wrong, Operation *op)
{
    g_autoptr(Operation) own = operation_new(g_get_monotonic_time() + UNDO_LIMIT);
    g_autoptr(GError) error = NULL;
    void *data;
    CommandRunner runner = operation_runner(op, &data);

    operation_set_runner(own, runner, data);
    if (wrong ? !run_umount(pool, false, kind->umount_limit, own, &error)
              : !mount_stop(kind, pool, own, &error))
        log_warning("pool '%s': unmounting after a mount that failed: %s", pool->name,
                    error->message);
}

static bool confirm(const MountKind *kind, const PoolDef *pool, const MountPlan *plan,
                    bool *ret_wrong, GError **error)
{
    g_auto(Sight) sight = {0};

    if (!look(kind, pool, &sight, error))
        return false;
    *ret_wrong = sight.presence == OTHER_THERE;
    if (sight.presence == SOURCE_THERE)
        return true;
    if (sight.presence == SOURCE_COVERED)
        return covered(pool, &sight.cover, ERROR_OPERATION_FAILED, error);
    return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                     "'%s' was mounted on '%s', but there is now %s", plan->source,
                     pool->target_path,
                     sight.presence == NOTHING_THERE ? "nothing" : sight.mounted.source);
}

static bool mount_source(const MountKind *kind, const PoolDef *pool, Operation *op, GError **error)
{
    g_auto(MountPlan) plan = {0};
    bool wrong = false;

    if (!kind->plan(pool, op, &plan, error))
        return false;
    if (run_mount(kind, pool, &plan, op, error) && confirm(kind, pool, &plan, &wrong, error))
        return true;
    undo(kind, pool, wrong, op);
    return false;
}

static bool refuse_other(const PoolDef *pool, const Mounted *mounted, GError **error)
{
    return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "'%s' (%s) is mounted on '%s' already: unmount it, or give the pool another "
                     "target",
                     mounted->source, mounted->format, pool->target_path);
}

bool mount_start(const MountKind *kind, const PoolDef *pool, Operation *op, GError **error)
{
    g_auto(Sight) sight = {0};

    if (!look(kind, pool, &sight, error))
        return false;
    switch (sight.presence) {
    case NOTHING_THERE:
        return mount_source(kind, pool, op, error);
    case SOURCE_THERE:
        return true;
    case OTHER_THERE:
        return refuse_other(pool, &sight.mounted, error);
    case SOURCE_COVERED:
        return covered(pool, &sight.cover, ERROR_OPERATION_INVALID, error);
    }
    g_assert_not_reached();
}

bool mount_erase(const PoolDef *pool, guint flags, GError **error)
{
    if (!error_check_flags(error, flags, 0, "virStorageBackendDeleteLocal"))
        return false;
    return rmdir(pool->target_path) == 0 ||
           error_set_errno(error, ORIGIN_STORAGE, errno, "failed to remove pool '%s'",
                           pool->target_path);
}
