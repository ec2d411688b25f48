/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backend-call.h"

#include "log.h"

typedef struct Call {
    const char *operation;
    const char *kind; /* "pool", or "pool type" where there is no pool yet */
    const char *name;
    const char *volume; /* in the pool; NULL: none */
    gint64 started;
} Call;

static Call call_begin(Engine *engine, const char *operation, const char *kind, const char *name,
                       const char *volume, Operation *op)
{
    if (engine->runner && op)
        operation_set_runner(op, engine->runner, engine->runner_data);
    log_debug("%s: %s '%s'%s%s", operation, kind, name, volume ? ", volume " : "",
              volume ? volume : "");
    return (Call){operation, kind, name, volume, g_get_monotonic_time()};
}

/* Passes on what the backend returned; `failure` is its error and is taken over. */
static bool call_end(const Call *call, bool ok, GError *failure, GError **error)
{
    g_assert(ok == !failure);
    log_debug("%s: %s '%s': %s after %" G_GINT64_FORMAT " us", call->operation, call->kind,
              call->name, ok ? "done" : failure->message, g_get_monotonic_time() - call->started);
    if (ok)
        return true;
    if (call->volume)
        error_add_context(&failure, "volume '%s': ", call->volume);
    error_add_context(&failure, "%s '%s': ", call->kind, call->name);
    g_propagate_error(error, failure);
    return false;
}

static bool cannot(GError **error, const char *text)
{
    return error_set(error, ERROR_NO_SUPPORT, ORIGIN_STORAGE, "%s", text);
}

/* Calls an operation whose first arguments are the pool and the operation, as all but a few are. */
#define CALL_VOLUME(function, volume_name, ...)                                                    \
    ({                                                                                             \
        GError *failure_ = NULL;                                                                   \
        Call call_ =                                                                               \
            call_begin(pool->engine, #function, "pool", pool->def->name, volume_name, op);         \
        bool ok_ = pool->backend->function(pool->def, op, ##__VA_ARGS__, &failure_);               \
        call_end(&call_, ok_, failure_, error);                                                    \
    })
#define CALL_POOL(function, ...) CALL_VOLUME(function, NULL, ##__VA_ARGS__)

bool call_check(const PoolView *pool, GError **error)
{
    GError *failure = NULL;

    if (!pool->backend->check)
        return true;
    Call call = call_begin(pool->engine, "check", "pool", pool->def->name, NULL, NULL);
    bool ok = pool->backend->check(pool->def, &failure);
    return call_end(&call, ok, failure, error);
}

bool call_is_up(const PoolView *pool, Operation *op, bool *ret_up, GError **error)
{
    return CALL_POOL(is_up, ret_up);
}

bool call_build(const PoolView *pool, Operation *op, guint flags, GError **error)
{
    return !pool->backend->build || CALL_POOL(build, flags);
}

bool call_start(const PoolView *pool, Operation *op, GError **error)
{
    return !pool->backend->start || CALL_POOL(start);
}

bool call_stop(const PoolView *pool, Operation *op, GError **error)
{
    return !pool->backend->stop || CALL_POOL(stop);
}

bool call_erase(const PoolView *pool, Operation *op, guint flags, GError **error)
{
    if (!pool->backend->erase)
        return cannot(error, "pool does not support pool deletion");
    return CALL_POOL(erase, flags);
}

bool call_scan(const PoolView *pool, Operation *op, Scan *scan, GError **error)
{
    return CALL_POOL(scan, scan);
}

bool call_space(const PoolView *pool, Operation *op, PoolSpace *ret, GError **error)
{
    return !pool->backend->space || CALL_POOL(space, ret);
}

bool call_thin_usage(const PoolView *pool, Operation *op, ThinPool *thin_pools, guint count,
                     GError **error)
{
    return !pool->backend->thin_usage || CALL_POOL(thin_usage, thin_pools, count);
}

bool call_sweep(const PoolView *pool, Operation *op, GError **error)
{
    return !pool->backend->sweep || CALL_POOL(sweep);
}

bool call_discover(Engine *engine, const Backend *backend, const PoolSource *hint, Operation *op,
                   GPtrArray *ret_sources, GError **error)
{
    GError *failure = NULL;
    Call call = call_begin(engine, "discover", "pool type", backend->schema.type, NULL, op);
    bool ok = backend->discover(hint, op, ret_sources, &failure);

    return call_end(&call, ok, failure, error);
}

bool call_volume_stat(const PoolView *pool, Operation *op, const char *name, VolumeState *ret,
                      GError **error)
{
    if (!pool->backend->volume_stat)
        return volume_not_found(name, error);
    return CALL_VOLUME(volume_stat, name, name, ret);
}

bool call_volume_restat(const PoolView *pool, Operation *op, const VolumeDef *known,
                        VolumeState *ret, GError **error)
{
    return CALL_VOLUME(volume_restat, known->name, known, ret);
}

bool call_volume_create(const PoolView *pool, Operation *op, const VolumeDef *spec, guint flags,
                        VolumeState *ret, GError **error)
{
    if (!pool->backend->volume_create)
        return cannot(error, "storage pool does not support volume creation");
    return CALL_VOLUME(volume_create, spec->name, spec, flags, ret);
}

bool call_volume_clone(const PoolView *pool, Operation *op, const VolumeDef *spec,
                       const VolumeSource *source, guint flags, VolumeState *ret, GError **error)
{
    if (!pool->backend->volume_clone)
        return cannot(error,
                      "storage pool does not support volume creation from an existing volume");
    return CALL_VOLUME(volume_clone, spec->name, spec, source, flags, ret);
}

bool call_volume_resize(const PoolView *pool, Operation *op, const VolumeDef *volume,
                        guint64 capacity, guint flags, GError **error)
{
    if (!pool->backend->volume_resize)
        return cannot(error, "storage pool does not support changing of volume capacity");
    return CALL_VOLUME(volume_resize, volume->name, volume, capacity, flags);
}

bool call_volume_wipe(const PoolView *pool, Operation *op, const VolumeDef *volume,
                      WipeAlgorithm algorithm, GError **error)
{
    if (!pool->backend->volume_wipe)
        return cannot(error, "storage pool doesn't support volume wiping");
    return CALL_VOLUME(volume_wipe, volume->name, volume, algorithm);
}

bool call_volume_delete(const PoolView *pool, Operation *op, const VolumeDef *volume, guint flags,
                        GError **error)
{
    if (!pool->backend->volume_delete)
        return cannot(error, "storage pool does not support vol deletion");
    return CALL_VOLUME(volume_delete, volume->name, volume, flags);
}

bool call_volume_open_source(const PoolView *pool, Operation *op, const VolumeDef *volume, Io **ret,
                             GError **error)
{
    if (!pool->backend->volume_open)
        return cannot(error, "the source's pool type doesn't give out the content of its volumes");
    return CALL_VOLUME(volume_open, volume->name, volume, VOLUME_READ, ret);
}

bool call_volume_open_stream(const PoolView *pool, Operation *op, const VolumeDef *volume,
                             VolumeAccess access, Io **ret, GError **error)
{
    if (!pool->backend->volume_open)
        return cannot(error, access == VOLUME_WRITE
                                 ? "storage pool doesn't support volume upload"
                                 : "storage pool doesn't support volume download");
    return CALL_VOLUME(volume_open, volume->name, volume, access, ret);
}
