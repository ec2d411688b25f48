/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backend-call.h"
#include "pool-private.h"

/* Making, changing and removing volumes. */

/* Sizes stay below this, as in documents. */
#define SIZE_LIMIT ((guint64)G_MAXINT64)

/* ---- shared steps ---- */

/* The volume that a lease is held for: as listed, else as the storage has it. */
static VolumeDef *known_volume(Pool *pool, const PoolView *view, const char *name, Operation *op,
                               GError **error)
{
    g_autoptr(VolumeRecord) record = pool_peek_volume(pool, name);
    g_auto(VolumeState) state = {0};

    if (record)
        return pool_unpack_volume(view, record);
    record = pool_ask_storage(pool, name, op, &state, error);
    return record ? g_steal_pointer(&state.volume) : NULL;
}

/* By what its storage tells volumes apart: a name may be given again. `known` NULL: it was not
 * listed. */
static bool check_same(const PoolView *view, const VolumeRecord *known, const VolumeRecord *record,
                       GError **error)
{
    const char *target_path = view->def->target_path;
    g_autofree char *before = known ? volume_record_key(known, target_path) : NULL;
    g_autofree char *now = volume_record_key(record, target_path);

    return !known || g_str_equal(before, now) ||
           error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "volume '%s' is another volume now, made since it was listed: look at it "
                     "before you use it",
                     volume_record_name(record));
}

VolumeDef *pool_present_volume(Pool *pool, const PoolView *view, const char *name, Operation *op,
                               GError **error)
{
    g_autoptr(VolumeRecord) known = pool_peek_volume(pool, name);
    g_auto(VolumeState) state = {0};

    if (!view->backend->volume_stat)
        return known_volume(pool, view, name, op, error);
    g_autoptr(VolumeRecord) record = pool_ask_storage(pool, name, op, &state, error);
    return record && check_same(view, known, record, error) ? g_steal_pointer(&state.volume) : NULL;
}

/* What can't be read can't be copied or resized either: taken for what it isn't, it would be
 * harmed. */
static bool check_readable(const VolumeDef *volume, GError **error)
{
    if (!volume->problem)
        return true;
    return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "volume '%s' can't be read: %s; mend or delete it", volume->name,
                     volume->problem);
}

/* How long reading back may take after a change. */
#define SETTLE_SECONDS 30

void pool_settle_volume(Pool *pool, const char *name, VolumeState *ret)
{
    g_autoptr(Operation) op = operation_new(engine_deadline(SETTLE_SECONDS));

    volume_record_unref(pool_restat(pool, name, op, ret, NULL));
    pool_update_space(pool, op);
}

/* The same after a change that an upload that broke off can't go on behind. `whole`: there is
 * nothing left of it either. */
static void settle_change(Pool *pool, const char *name, bool whole)
{
    g_auto(VolumeState) state = {0};

    if (whole)
        uploads_forget(pool, name);
    else
        uploads_spoil(pool, name);
    pool_settle_volume(pool, name, &state);
}

/* A listed name may have lost its volume behind our back: it must not stand in the way of a new
 * one. */
static void drop_if_vanished(Pool *pool, const char *name, Operation *op)
{
    g_autoptr(VolumeRecord) record = pool_peek_volume(pool, name);
    g_auto(VolumeState) state = {0};

    if (record && pool_backend(pool)->volume_stat)
        volume_record_unref(pool_restat(pool, name, op, &state, NULL));
}

static VolumeDef *parse(const PoolSchema *schema, const char *xml, guint flags, guint parse_flags,
                        GError **error)
{
    if (flags & VOLUME_CREATE_VALIDATE)
        parse_flags |= VOLUME_PARSE_VALIDATE;
    return volume_def_parse(xml, schema, parse_flags, error);
}

static bool judge(Pool *pool, const VolumeDef *spec, const Request *request, GError **error)
{
    const Subject subject = {pool->name, &pool->uuid, spec->name};

    return request_check(request, &subject, error);
}

/* A document is read before its lease is taken: meanwhile the pool may have become another type. */
static bool check_type(const PoolView *view, const PoolSchema *schema, GError **error)
{
    if (view->def->schema == schema)
        return true;
    return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "storage pool '%s' was replaced by one of type '%s' meanwhile: try again",
                     view->def->name, view->def->schema->type);
}

static bool check_capacity(const PoolSchema *schema, const VolumeDef *spec, GError **error)
{
    if (spec->capacity || !(schema->flags & POOL_VOLUME_NEEDS_CAPACITY))
        return true;
    return error_set(error, ERROR_NO_SUPPORT, ORIGIN_STORAGE,
                     "volume capacity required for this storage pool");
}

/* ---- create ---- */

/* Where the backing file is one of our volumes, it is held while the new one is made. *ret_pool
 * gets a reference, *ret_name the name; both NULL otherwise. */
static void find_backing(Pool *pool, const VolumeDef *spec, Pool **ret_pool, char **ret_name)
{
    g_autoptr(PoolDef) def = pool_definition(pool);
    g_autofree char *path = NULL;

    if (!spec->has_backing || !spec->backing.path)
        return;
    path = g_path_is_absolute(spec->backing.path) || !def->target_path
               ? g_strdup(spec->backing.path)
               : g_build_filename(def->target_path, spec->backing.path, NULL);
    g_autoptr(VolumeRecord) record = engine_peek_path(pool->engine, path, ret_pool);
    if (record)
        *ret_name = g_strdup(volume_record_name(record));
}

static Lease *take_create(Pool *pool, const VolumeDef *spec, const Request *request, GError **error)
{
    g_autoptr(Pool) backing_pool = NULL;
    g_autofree char *backing = NULL;

    find_backing(pool, spec, &backing_pool, &backing);
    Hold holds[] = {{pool, OP_VOLUME_CREATE, spec->name},
                    {backing_pool, OP_VOLUME_BACKING, backing}};
    return lease_take(holds, backing ? 2 : 1, request, error);
}

static VolumeRecord *create_leased(Pool *pool, const VolumeDef *spec, const PoolSchema *schema,
                                   guint flags, Operation *op, GError **error)
{
    g_auto(PoolView) view = pool_view(pool);
    g_auto(VolumeState) made = {0};

    if (!check_type(&view, schema, error) ||
        !call_volume_create(&view, op, spec, flags, &made, error))
        return NULL;
    VolumeRecord *record = pool_put_volume(pool, &view, &made);
    pool_update_space(pool, op);
    return record;
}

VolumeRecord *volume_create(Pool *pool, const char *xml, guint flags, const Request *request,
                            GError **error)
{
    const guint allowed = VOLUME_CREATE_PREALLOC_METADATA | VOLUME_CREATE_VALIDATE;

    if (!error_check_flags(error, flags, allowed, "storageVolCreateXML") ||
        !lease_check(pool, OP_VOLUME_CREATE, error))
        return NULL;
    const PoolSchema *schema = &pool_backend(pool)->schema;
    g_autoptr(VolumeDef) spec = parse(schema, xml, flags, 0, error);
    if (!spec || !judge(pool, spec, request, error) || !check_capacity(schema, spec, error))
        return NULL;
    drop_if_vanished(pool, spec->name, request->op);
    g_autoptr(Lease) lease = take_create(pool, spec, request, error);
    if (!lease)
        return NULL;
    uploads_forget(pool, spec->name); /* to one of that name that others removed */
    return create_leased(pool, spec, schema, flags, request->op, error);
}

/* ---- clone ---- */

typedef struct Clone {
    Pool *pool, *source_pool;
    PoolView view, source_view;
    VolumeDef *spec, *source;
} Clone;

static void clone_clear(Clone *clone)
{
    pool_view_clear(&clone->view);
    pool_view_clear(&clone->source_view);
    g_clear_pointer(&clone->spec, volume_def_free);
    g_clear_pointer(&clone->source, volume_def_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Clone, clone_clear)

static void fit_clone(VolumeDef *spec, const VolumeDef *source)
{
    spec->capacity = MAX(spec->capacity, source->capacity);
    if (!spec->has_allocation)
        spec->allocation = spec->capacity;
}

static bool make_clone(Clone *clone, guint flags, Operation *op, VolumeState *ret, GError **error)
{
    g_autoptr(Io) io = NULL;

    if (!call_volume_open_source(&clone->source_view, op, clone->source, &io, error))
        return false;
    VolumeSource source = {.pool = clone->source_view.def, .volume = clone->source, .io = io};
    return call_volume_clone(&clone->view, op, clone->spec, &source, flags, ret, error);
}

static VolumeRecord *clone_leased(Clone *clone, const char *source_name, guint flags, Operation *op,
                                  GError **error)
{
    g_auto(VolumeState) made = {0};

    clone->source =
        pool_present_volume(clone->source_pool, &clone->source_view, source_name, op, error);
    if (!clone->source || !check_readable(clone->source, error))
        return NULL;
    fit_clone(clone->spec, clone->source);
    if (!check_capacity(&clone->view.backend->schema, clone->spec, error) ||
        !make_clone(clone, flags, op, &made, error))
        return NULL;
    VolumeRecord *record = pool_put_volume(clone->pool, &clone->view, &made);
    pool_update_space(clone->pool, op);
    return record;
}

static bool check_clone(Pool *pool, Pool *source_pool, guint flags, GError **error)
{
    const guint allowed =
        VOLUME_CREATE_PREALLOC_METADATA | VOLUME_CREATE_REFLINK | VOLUME_CREATE_VALIDATE;

    return error_check_flags(error, flags, allowed, "storageVolCreateXMLFrom") &&
           lease_check(pool, OP_VOLUME_CLONE, error) &&
           lease_check(source_pool, OP_VOLUME_SOURCE, error);
}

VolumeRecord *volume_create_from(Pool *pool, const char *xml, Pool *source_pool,
                                 const char *source_name, guint flags, const Request *request,
                                 GError **error)
{
    if (!check_clone(pool, source_pool, flags, error))
        return NULL;
    const PoolSchema *schema = &pool_backend(pool)->schema;
    g_auto(Clone) clone = {.pool = pool, .source_pool = source_pool};

    clone.spec = parse(schema, xml, flags, VOLUME_PARSE_CAPACITY_OPTIONAL, error);
    if (!clone.spec || !judge(pool, clone.spec, request, error))
        return NULL;
    drop_if_vanished(pool, clone.spec->name, request->op);
    const Hold holds[] = {{pool, OP_VOLUME_CLONE, clone.spec->name},
                          {source_pool, OP_VOLUME_SOURCE, source_name}};
    g_autoptr(Lease) lease = lease_take(holds, G_N_ELEMENTS(holds), request, error);
    if (!lease)
        return NULL;
    uploads_forget(pool, clone.spec->name);
    clone.view = pool_view(pool);
    clone.source_view = pool_view(source_pool);
    if (!check_type(&clone.view, schema, error))
        return NULL;
    return clone_leased(&clone, source_name, flags, request->op, error);
}

/* ---- delete, wipe ---- */

bool volume_delete(Pool *pool, const char *name, guint flags, const Request *request,
                   GError **error)
{
    g_autoptr(Lease) lease = lease_take_one(pool, OP_VOLUME_DELETE, name, request, error);

    if (!lease)
        return false;
    g_auto(PoolView) view = pool_view(pool);
    g_autoptr(VolumeDef) volume = known_volume(pool, &view, name, request->op, error);

    if (!volume)
        return false;
    if (view.backend->volume_delete &&
        !error_check_flags(error, flags, view.backend->delete_flags, "storageVolDelete"))
        return false;
    if (!call_volume_delete(&view, request->op, volume, flags, error))
        return false;
    uploads_forget(pool, name);
    pool_drop_volume(pool, name);
    pool_update_space(pool, request->op);
    return true;
}

bool volume_wipe(Pool *pool, const char *name, guint algorithm, const Request *request,
                 GError **error)
{
    if (algorithm >= WIPE_COUNT)
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                         "wiping algorithm %u not supported", algorithm);
    g_autoptr(Lease) lease = lease_take_one(pool, OP_VOLUME_WIPE, name, request, error);
    if (!lease)
        return false;
    g_auto(PoolView) view = pool_view(pool);
    g_autoptr(VolumeDef) volume = known_volume(pool, &view, name, request->op, error);

    if (!volume)
        return false;
    bool wiped = call_volume_wipe(&view, request->op, volume, algorithm, error);
    settle_change(pool, name, wiped); /* a wipe that failed half-way changed it too */
    return wiped;
}

/* ---- resize ---- */

/* The size that is meant. */
static bool resolve_capacity(const VolumeDef *volume, guint64 asked, guint flags, guint64 *ret,
                             GError **error)
{
    guint64 base = flags & VOLUME_RESIZE_DELTA ? volume->capacity : 0;

    if ((flags & VOLUME_RESIZE_DELTA) && (flags & VOLUME_RESIZE_SHRINK))
        *ret = base - MIN(asked, base);
    else if (asked > SIZE_LIMIT || base > SIZE_LIMIT - asked)
        return error_set(error, ERROR_OVERFLOW, ORIGIN_STORAGE,
                         "value too large: %" G_GUINT64_FORMAT, asked);
    else
        *ret = base + asked;
    return true;
}

static bool check_resize(const PoolView *view, const VolumeDef *volume, guint64 capacity,
                         guint flags, GError **error)
{
    if (capacity < volume->allocation && !(view->backend->flags & BACKEND_SHRINKS_ALLOCATED))
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                         "can't shrink capacity below existing allocation");
    if (capacity < volume->capacity && !(flags & VOLUME_RESIZE_SHRINK))
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                         "Can't shrink capacity below current capacity unless shrink flag "
                         "explicitly specified");
    if ((flags & VOLUME_RESIZE_ALLOCATE) && capacity > volume->capacity &&
        capacity - volume->capacity > view->def->space.available)
        return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                         "Not enough space left in storage pool");
    return true;
}

static bool resize_leased(Pool *pool, const char *name, guint64 asked, guint flags, Operation *op,
                          GError **error)
{
    pool_update_space(pool, op);
    g_auto(PoolView) view = pool_view(pool);
    g_autoptr(VolumeDef) volume = pool_present_volume(pool, &view, name, op, error);
    guint64 capacity = 0;

    if (!volume || !check_readable(volume, error) ||
        !resolve_capacity(volume, asked, flags, &capacity, error) ||
        !check_resize(&view, volume, capacity, flags, error))
        return false;
    return call_volume_resize(&view, op, volume, capacity, flags & ~(guint)VOLUME_RESIZE_DELTA,
                              error);
}

bool volume_resize(Pool *pool, const char *name, guint64 capacity, guint flags,
                   const Request *request, GError **error)
{
    const guint relative = VOLUME_RESIZE_DELTA | VOLUME_RESIZE_SHRINK;

    if (!error_check_flags(error, flags, relative | VOLUME_RESIZE_ALLOCATE, "storageVolResize"))
        return false;
    if (capacity == 0 && !(flags & relative))
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                         "capacity in virStorageVolResize must not be zero");
    g_autoptr(Lease) lease = lease_take_one(pool, OP_VOLUME_RESIZE, name, request, error);
    if (!lease || !resize_leased(pool, name, capacity, flags, request->op, error))
        return false;
    settle_change(pool, name, false);
    return true;
}
