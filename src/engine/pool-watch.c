/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool-private.h"

#include "log.h"

/* How long one name may keep a worker. */
#define LOOK_SECONDS 60

/* ---- looking again at what the watch reported ---- */

typedef struct Dirty {
    GHashTable *names; /* NULL: none */
    bool all;
    guint lost_watch;
} Dirty;

static void dirty_clear(Dirty *dirty)
{
    g_clear_pointer(&dirty->names, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Dirty, dirty_clear)

/* False when nothing is left or the pool has stopped; further reports then queue new work. */
static bool take_dirty(Pool *pool, Dirty *ret)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    *ret = (Dirty){.names = g_steal_pointer(&pool->dirty),
                   .all = pool->dirty_all,
                   .lost_watch = pool->lost_watch};
    pool->dirty_all = false;
    pool->lost_watch = 0;
    pool->dirty_queued = pool->inventory && (ret->names || ret->all);
    return pool->dirty_queued;
}

static void look_at_all(Pool *pool)
{
    g_autoptr(Operation) op = operation_new(OPERATION_NO_DEADLINE);
    Request request = {.op = op, .client = "watch"};
    g_autoptr(GError) error = NULL;

    if (!pool_refresh(pool, &request, &error))
        log_debug("refresh after a change: %s", error->message);
}

static void look_at_one(Pool *pool, const char *name)
{
    g_autoptr(Operation) op = operation_new(engine_deadline(LOOK_SECONDS));
    g_autoptr(GError) error = NULL;
    g_auto(VolumeState) state = {0};

    volume_record_unref(pool_ask_storage(pool, name, op, &state, &error));
    if (error)
        log_debug("after a change: %s", error->message);
}

static void look_at_names(Pool *pool, GHashTable *names)
{
    g_autoptr(Operation) op = operation_new(engine_deadline(LOOK_SECONDS));
    GHashTableIter iter;
    gpointer name;

    g_hash_table_iter_init(&iter, names);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        look_at_one(pool, name);
    pool_update_space(pool, op);
}

/* Unless the pool was started again meanwhile, and has another watch. */
static void remove_lost_watch(Pool *pool, guint id)
{
    g_mutex_lock(&pool->engine->lock);
    bool is_mine = pool->watch_id == id;
    if (is_mine)
        pool->watch_id = 0;
    g_mutex_unlock(&pool->engine->lock);
    if (is_mine)
        watch_remove(pool->engine->watch, id);
}

static void look_again(void *data)
{
    g_autoptr(Pool) pool = data;

    for (;;) {
        g_auto(Dirty) dirty = {0};
        if (!take_dirty(pool, &dirty))
            return;
        if (dirty.lost_watch)
            remove_lost_watch(pool, dirty.lost_watch);
        if (dirty.all)
            look_at_all(pool);
        else
            look_at_names(pool, dirty.names);
    }
}

/* ---- being told ---- */

static void note_dirty(Pool *pool, WatchChange change, const char *name)
{
    if (!name) {
        pool->dirty_all = true;
        if (change == WATCH_LOST)
            pool->lost_watch = pool->watch_id;
        return;
    }
    if (!pool->dirty)
        pool->dirty = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_add(pool->dirty, g_strdup(name));
}

static void take_note(Pool *pool, WatchChange change, const char *name)
{
    g_mutex_lock(&pool->engine->lock);
    note_dirty(pool, change, name);
    bool queue = !pool->dirty_queued;
    pool->dirty_queued = true;
    g_mutex_unlock(&pool->engine->lock);
    if (queue)
        engine_run(pool->engine, pool, WORK_STORAGE, look_again, pool_ref(pool));
}

void pool_look_again(Pool *pool)
{
    take_note(pool, WATCH_RESCAN, NULL);
}

static void on_change(WatchChange change, const char *name, void *data)
{
    take_note(data, change, name);
}

/* Returns the id that isn't needed. */
static guint keep_watch(Pool *pool, guint id)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    if (pool->watch_id || !pool->inventory || pool->engine->closing)
        return id;
    pool->watch_id = id;
    return 0;
}

static bool is_watched(Pool *pool)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    return pool->watch_id != 0;
}

void pool_watch(Pool *pool)
{
    g_auto(PoolView) view = pool_view(pool);
    Watch *watch = pool->engine->watch;
    g_autoptr(GError) error = NULL;

    if (!watch || !(view.backend->flags & BACKEND_FOLDER) || is_watched(pool))
        return;
    guint id = watch_add(watch, view.def->target_path, on_change, pool, &error);
    if (!id)
        log_debug("pool '%s' isn't watched for changes: %s", pool->name, error->message);
    watch_remove(watch, keep_watch(pool, id));
}

static guint forget_watch(Pool *pool)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);
    guint id = pool->watch_id;

    pool->watch_id = 0;
    return id;
}

void pool_unwatch(Pool *pool)
{
    guint id = forget_watch(pool);

    if (id)
        watch_remove(pool->engine->watch, id);
}
