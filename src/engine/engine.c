/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backend-call.h"
#include "lease-private.h"
#include "pool-private.h"

#include "capabilities.h"
#include "log.h"

/* Clones and wipes of many disks at once go on beside the short calls of their pool. */
static const WorkersLimits workers_limits = {.threads = 32, .per_key = 4, .long_per_key = 24};

/* How long a close waits for what hangs. */
#define CLOSE_PATIENCE (10 * G_TIME_SPAN_SECOND)

gint64 engine_deadline(guint seconds)
{
    return g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND;
}

bool request_check(const Request *request, const Subject *subject, GError **error)
{
    return !request->judge || request->judge(subject, request->judge_data, error);
}

/* ---- opening and closing ---- */

static void list_schemas(Engine *engine)
{
    const PoolSchema **schemas = g_new(const PoolSchema *, engine->n_backends);

    for (guint i = 0; i < engine->n_backends; i++)
        schemas[i] = &engine->backends[i]->schema;
    engine->schemas = (PoolSchemaList){.schemas = schemas, .count = engine->n_backends};
}

static Engine *engine_new(const EngineConfig *config, Store *store)
{
    Engine *engine = g_new0(Engine, 1);
    g_autoptr(GError) error = NULL;

    engine->backends = config->backends;
    engine->n_backends = config->n_backends;
    engine->runner = config->runner;
    engine->runner_data = config->runner_data;
    engine->store = store;
    engine->workers = workers_new(&workers_limits);
    engine->events = event_queue_new();
    engine->watch = watch_new(&error);
    if (!engine->watch)
        log_warning("folders aren't watched, lists need a refresh: %s", error->message);
    g_mutex_init(&engine->lock);
    g_cond_init(&engine->changed);
    g_queue_init(&engine->running);
    g_queue_init(&engine->waiting);
    list_schemas(engine);
    pool_list_init(engine);
    engine->pulse = pulse_new(engine);
    return engine;
}

static void engine_free(Engine *engine)
{
    pool_list_clear(engine);
    watch_free(engine->watch);
    event_queue_free(engine->events);
    store_close(engine->store);
    g_cond_clear(&engine->changed);
    g_mutex_clear(&engine->lock);
    g_free((gpointer)engine->schemas.schemas);
    g_free(engine);
}

Engine *engine_open(const EngineConfig *config, GError **error)
{
    Store *store = store_open(config->config_dir, config->state_dir, error);

    if (!store)
        return NULL;
    Engine *engine = engine_new(config, store);
    if (!engine_restore(engine, error))
        g_clear_pointer(&engine, engine_close);
    return engine;
}

/* Once the engine is closing no pool is watched anew. */
static void unwatch_all(Engine *engine)
{
    g_autoptr(GPtrArray) pools = engine_list_pools(engine, 0);

    for (guint i = 0; i < pools->len; i++)
        pool_unwatch(pools->pdata[i]);
}

void engine_close(Engine *engine)
{
    if (!engine)
        return;
    bool ended = lease_cancel_all(engine, CLOSE_PATIENCE);
    unwatch_all(engine); /* it queues work, which then no longer may come */
    pulse_stop(engine->pulse);
    ended = workers_stop(engine->workers, CLOSE_PATIENCE) && ended;
    if (ended)
        pulse_free(engine->pulse, engine_free);
    else
        log_warning("storage doesn't answer: closing without waiting for it any longer");
}

gconstpointer pool_work_key(Pool *pool, WorkShare share)
{
    return pool ? (const char *)pool + share : GINT_TO_POINTER(share);
}

void engine_run(Engine *engine, Pool *pool, WorkShare share, WorkFunc func, void *data)
{
    workers_run(engine->workers, pool_work_key(pool, share), func, data);
    pulse_wake(engine->pulse);
}

static bool any_silent(const Lease *lease, Pool **ret_pool)
{
    for (guint i = 0; i < lease->count; i++)
        if (lease->holds[i].pool->silent) {
            *ret_pool = pool_ref(lease->holds[i].pool);
            return true;
        }
    return false;
}

static Pool *find_silent(Engine *engine, Operation *op)
{
    const GQueue *queues[] = {&engine->running, &engine->waiting};
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&engine->lock);
    Pool *pool = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(queues); i++)
        for (GList *l = queues[i]->head; l; l = l->next)
            if (((Lease *)l->data)->job.op == op && any_silent(l->data, &pool))
                return pool;
    return NULL;
}

bool engine_check_answers(Engine *engine, Operation *op, GError **error)
{
    g_autoptr(Pool) pool = find_silent(engine, op);

    return !pool || pool_check_answers(pool, error);
}

/* ---- listeners ---- */

guint engine_add_listener(Engine *engine, EventListener listener, void *data)
{
    return event_add_listener(engine->events, listener, data);
}

void engine_remove_listener(Engine *engine, guint id)
{
    event_remove_listener(engine->events, id);
}

/* ---- types ---- */

const Backend *engine_backend(Engine *engine, const PoolSchema *schema)
{
    for (guint i = 0; i < engine->n_backends; i++)
        if (&engine->backends[i]->schema == schema)
            return engine->backends[i];
    g_error("a definition of type '%s' has no backend", schema->type);
}

bool engine_check_backend(const Backend *backend, GError **error)
{
    const PoolSchema *schema = &backend->schema;

    if (backend_is_available(backend))
        return true;
    return error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE, "missing backend for pool type %u (%s)",
                     schema->number, schema->type);
}

typedef char *(*CapabilitiesFormat)(const PoolSchemaList *schemas, const bool *supported);

static char *format_capabilities(Engine *engine, CapabilitiesFormat format)
{
    g_autofree bool *supported = g_new0(bool, engine->n_backends);

    for (guint i = 0; i < engine->n_backends; i++)
        supported[i] = backend_is_available(engine->backends[i]);
    return format(&engine->schemas, supported);
}

char *engine_pool_capabilities(Engine *engine)
{
    return format_capabilities(engine, pool_capabilities_format);
}

char *engine_host_capabilities(Engine *engine)
{
    return format_capabilities(engine, host_capabilities_format);
}

/* ---- source discovery ---- */

/* The backend to ask, or NULL. */
static const Backend *find_discoverer(Engine *engine, const char *type, GError **error)
{
    const PoolSchema *schema = pool_schema_find(&engine->schemas, type);

    if (!schema) {
        error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE, "unknown storage pool type %s", type);
        return NULL;
    }
    const Backend *backend = engine_backend(engine, schema);
    if (!engine_check_backend(backend, error))
        return NULL;
    if (backend->discover)
        return backend;
    error_set(error, ERROR_NO_SUPPORT, ORIGIN_STORAGE,
              "pool type '%s' does not support source discovery", type);
    return NULL;
}

/* Types that look on a host insist on one; others don't look at the specification. */
static bool read_hint(const PoolSchema *schema, const char *spec, PoolSource **ret, GError **error)
{
    if (!schema->discover_host_word)
        return true;
    if (!spec)
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                         "hostname must be specified for %s sources", schema->discover_host_word);
    g_autoptr(PoolSource) hint = pool_source_parse(spec, schema, error);
    if (!hint)
        return false;
    if (hint->n_hosts != 1)
        return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                         "Expected exactly 1 host for the storage pool");
    *ret = g_steal_pointer(&hint);
    return true;
}

char *engine_discover_sources(Engine *engine, const char *type, const char *spec,
                              const Request *request, GError **error)
{
    g_autoptr(GPtrArray) sources = g_ptr_array_new_with_free_func((GDestroyNotify)pool_source_free);
    g_autoptr(PoolSource) hint = NULL;
    const Backend *backend = find_discoverer(engine, type, error);

    if (!backend || !read_hint(&backend->schema, spec, &hint, error) ||
        !call_discover(engine, backend, hint, request->op, sources, error))
        return NULL;
    return pool_sources_format(&backend->schema, (PoolSource *const *)sources->pdata, sources->len);
}
