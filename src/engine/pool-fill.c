/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backend-call.h"
#include "pool-private.h"

#include "log.h"

/* How long a look may keep a worker. */
#define LOOK_SECONDS 60

/* ---- thresholds ---- */

static const struct {
    double percent; /* of data or of metadata, from which on it is said */
    LogLevel level;
} thresholds[] = {
    {80, LOG_LEVEL_WARNING},
    {95, LOG_LEVEL_ERROR},
};

/* How many thresholds have been passed. */
static guint passed(const char *percent)
{
    double value = percent ? g_ascii_strtod(percent, NULL) : 0;
    guint count = 0;

    while (count < G_N_ELEMENTS(thresholds) && value >= thresholds[count].percent)
        count++;
    return count;
}

/* The highest threshold that data or metadata has passed since; 0: none. */
static guint newly_passed(const ThinPool *before, const ThinPool *after)
{
    guint data = passed(after->data_percent), meta = passed(after->meta_percent);
    guint risen = data > passed(before->data_percent) ? data : 0;

    return meta > passed(before->meta_percent) ? MAX(meta, risen) : risen;
}

static const ThinPool *find(const PoolDef *def, const char *name)
{
    static const ThinPool unknown = {0};

    for (guint i = 0; i < def->n_thin_pools; i++)
        if (g_str_equal(def->thin_pools[i].name, name))
            return &def->thin_pools[i];
    return &unknown;
}

static bool any_newly_passed(const DefChange *change)
{
    const PoolDef *after = change->after;

    for (guint i = 0; i < after->n_thin_pools; i++)
        if (newly_passed(find(change->before, after->thin_pools[i].name), &after->thin_pools[i]))
            return true;
    return false;
}

static void warn(const PoolDef *def, const ThinPool *thin, guint count)
{
    log_message(thresholds[count - 1].level,
                "pool '%s': thin pool '%s' fills up: data %s %%, metadata %s %%; when either is "
                "full, writing to its volumes fails: extend it",
                def->name, thin->name, thin->data_percent ? thin->data_percent : "?",
                thin->meta_percent ? thin->meta_percent : "?");
}

void pool_warn_of_fill(const DefChange *change)
{
    const PoolDef *after = change->after;

    for (guint i = 0; i < after->n_thin_pools; i++) {
        const ThinPool *thin = &after->thin_pools[i];
        guint count = newly_passed(find(change->before, thin->name), thin);
        if (count > 0)
            warn(after, thin, count);
    }
}

void def_change_clear(DefChange *change)
{
    g_clear_pointer(&change->before, pool_def_unref);
    g_clear_pointer(&change->after, pool_def_unref);
}

/* ---- one look ---- */

typedef struct Look {
    guint64 run;
    ThinPool *thin_pools;
    guint count;
} Look;

static void look_clear(Look *look)
{
    thin_pools_free(look->thin_pools, look->count);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Look, look_clear)

static void begin_look(Pool *pool, Look *ret)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);
    const PoolDef *def = pool->def;

    *ret =
        (Look){pool->run, thin_pools_copy(def->thin_pools, def->n_thin_pools), def->n_thin_pools};
}

static bool says_else(const PoolDef *def, const Look *look)
{
    for (guint i = 0; i < look->count; i++) {
        const ThinPool *known = find(def, look->thin_pools[i].name);
        if (known->name && (g_strcmp0(known->data_percent, look->thin_pools[i].data_percent) != 0 ||
                            g_strcmp0(known->meta_percent, look->thin_pools[i].meta_percent) != 0))
            return true;
    }
    return false;
}

/* False where there is nothing new, or the pool has stopped since. */
static bool adopt(Pool *pool, const Look *look, DefChange *ret)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    if (pool->run != look->run || !pool->inventory || !says_else(pool->def, look))
        return false;
    ret->before = pool->def;
    pool->def = pool_def_copy(ret->before);
    pool_def_set_thin_usage(pool->def, look->thin_pools, look->count);
    ret->after = pool_def_ref(pool->def);
    if (any_newly_passed(ret))
        event_push(pool->engine->events, EVENT_REFRESHED, pool->name, &pool->uuid);
    return true;
}

static void look_at(Pool *pool)
{
    g_autoptr(Operation) op = operation_new(engine_deadline(LOOK_SECONDS));
    g_auto(PoolView) view = pool_view(pool);
    g_auto(DefChange) change = {0};
    g_auto(Look) look = {0};
    g_autoptr(GError) error = NULL;

    begin_look(pool, &look);
    if (!call_thin_usage(&view, op, look.thin_pools, look.count, &error)) {
        log_debug("how full its thin pools are isn't known: %s", error->message);
        return;
    }
    if (!adopt(pool, &look, &change))
        return;
    pool_warn_of_fill(&change);
    event_deliver(pool->engine->events);
}

static void look(void *data)
{
    g_autoptr(Pool) pool = data;

    look_at(pool);
    g_mutex_lock(&pool->engine->lock);
    pool->measuring = false;
    g_mutex_unlock(&pool->engine->lock);
}

/* ---- all pools ---- */

/* One look at a time: storage may hang. */
static bool take_look(Pool *pool)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    if (pool->def->n_thin_pools == 0 || !pool->inventory || pool->measuring || pool->silent ||
        !engine_backend(pool->engine, pool->def->schema)->thin_usage)
        return false;
    pool->measuring = true;
    return true;
}

void engine_look_at_fill(Engine *engine)
{
    g_autoptr(GPtrArray) pools = engine_active_pools(engine);

    for (guint i = 0; i < pools->len; i++)
        if (take_look(pools->pdata[i]))
            engine_run(engine, pools->pdata[i], WORK_STORAGE, look, pool_ref(pools->pdata[i]));
}
