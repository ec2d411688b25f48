/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-backend.h"

#include "errors.h"

#include <string.h>

#define SPACE ((guint64)1 << 40) /* bytes of each pool */

typedef struct FakeVolume {
    guint64 capacity, allocation, version;
} FakeVolume;

typedef struct FakePool {
    GHashTable *volumes; /* name → FakeVolume */
    bool up;
    bool has_thin_pool;
    const char *degraded;              /* or NULL */
    char *data_percent, *meta_percent; /* of it */
} FakePool;

static struct {
    GMutex lock;
    GCond changed;
    GHashTable *pools; /* target path → FakePool */
    GHashTable *calls; /* operation → count */
    guint64 version;

    const char *fail_operation;
    guint fail_countdown;
    ErrorCode fail_code;
    char *fail_message;

    const char *hang_operation;
    bool hang_cancellable;
    guint hanging, releases;
} fake;

/* ---- storage; call with the lock held ---- */

static void fake_pool_free(FakePool *pool)
{
    g_hash_table_unref(pool->volumes);
    g_free(pool->data_percent);
    g_free(pool->meta_percent);
    g_free(pool);
}

static FakePool *storage(const char *where)
{
    FakePool *pool = g_hash_table_lookup(fake.pools, where);

    if (pool)
        return pool;
    pool = g_new0(FakePool, 1);
    pool->volumes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_hash_table_insert(fake.pools, g_strdup(where), pool);
    return pool;
}

static const char *where_of(const PoolDef *def)
{
    return def->target_path ? def->target_path : def->name;
}

static void put(const char *where, const char *name, guint64 capacity, guint64 allocation)
{
    FakeVolume *volume = g_new(FakeVolume, 1);

    *volume = (FakeVolume){capacity, allocation, ++fake.version};
    g_hash_table_replace(storage(where)->volumes, g_strdup(name), volume);
}

/* ---- what tests say ---- */

void fake_reset(void)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&fake.lock);

    g_clear_pointer(&fake.pools, g_hash_table_unref);
    g_clear_pointer(&fake.calls, g_hash_table_unref);
    g_clear_pointer(&fake.fail_message, g_free);
    fake.pools =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)fake_pool_free);
    fake.calls = g_hash_table_new(g_str_hash, g_str_equal);
    fake.fail_operation = fake.hang_operation = NULL;
    fake.hanging = 0;
}

void fake_fail(const char *operation, guint nth, ErrorCode code, const char *message)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&fake.lock);

    fake.fail_operation = operation;
    fake.fail_countdown = nth;
    fake.fail_code = code;
    g_free(fake.fail_message);
    fake.fail_message = g_strdup(message);
}

void fake_hang(const char *operation, bool cancellable)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&fake.lock);

    fake.hang_operation = operation;
    fake.hang_cancellable = cancellable;
}

void fake_wait_hanging(void)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&fake.lock);

    while (!fake.hanging)
        g_cond_wait(&fake.changed, &fake.lock);
}

void fake_release(void)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&fake.lock);

    fake.hang_operation = NULL;
    fake.releases++;
    g_cond_broadcast(&fake.changed);
}

guint fake_calls(const char *operation)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&fake.lock);

    return GPOINTER_TO_UINT(g_hash_table_lookup(fake.calls, operation));
}

void fake_add_volume(const char *where, const char *name, guint64 capacity)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&fake.lock);

    put(where, name, capacity, 0);
}

static void replace(char **place, const char *text)
{
    g_free(*place);
    *place = g_strdup(text);
}

void fake_set_thin_pool(const char *where, const char *data_percent, const char *meta_percent)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&fake.lock);
    FakePool *pool = storage(where);

    pool->has_thin_pool = true;
    replace(&pool->data_percent, data_percent);
    replace(&pool->meta_percent, meta_percent);
}

void fake_remove_volume(const char *where, const char *name)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&fake.lock);

    g_hash_table_remove(storage(where)->volumes, name);
}

bool fake_has_volume(const char *where, const char *name)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&fake.lock);

    return g_hash_table_contains(storage(where)->volumes, name);
}

void fake_set_up(const char *where, bool up)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&fake.lock);

    storage(where)->up = up;
}

bool fake_is_up(const char *where)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&fake.lock);

    return storage(where)->up;
}

/* ---- entry of every operation; the lock is held when it returns true ---- */

static bool hangs(const char *operation)
{
    return fake.hang_operation && g_str_equal(fake.hang_operation, operation);
}

static void hang(Operation *op)
{
    guint releases = fake.releases;
    bool cancellable = fake.hang_cancellable;

    fake.hanging++;
    g_cond_broadcast(&fake.changed);
    while (fake.releases == releases && !(cancellable && operation_is_cancelled(op)))
        g_cond_wait_until(&fake.changed, &fake.lock,
                          g_get_monotonic_time() + 10 * G_TIME_SPAN_MILLISECOND);
    fake.hanging--;
}

static bool fails(const char *operation)
{
    return fake.fail_operation && g_str_equal(fake.fail_operation, operation) &&
           fake.fail_countdown && --fake.fail_countdown == 0;
}

static bool enter(const char *operation, Operation *op, GError **error)
{
    g_mutex_lock(&fake.lock);
    guint count = GPOINTER_TO_UINT(g_hash_table_lookup(fake.calls, operation));
    g_hash_table_insert(fake.calls, (gpointer)operation, GUINT_TO_POINTER(count + 1));
    /* Storage that can't be cancelled doesn't notice afterwards either. */
    bool deaf = hangs(operation) && !fake.hang_cancellable;
    if (hangs(operation))
        hang(op);
    bool ok = deaf || operation_check(op, error);
    if (ok && fails(operation))
        ok = error_set(error, fake.fail_code, ORIGIN_STORAGE, "%s", fake.fail_message);
    if (!ok)
        g_mutex_unlock(&fake.lock);
    return ok;
}

static bool leave(void)
{
    g_mutex_unlock(&fake.lock);
    return true;
}

/* ---- pool operations ---- */

static bool fake_op_is_up(const PoolDef *pool, Operation *op, bool *ret_up, GError **error)
{
    if (!enter("is_up", op, error))
        return false;
    *ret_up = storage(where_of(pool))->up;
    return leave();
}

static bool fake_op_build(const PoolDef *pool, Operation *op, guint flags, GError **error)
{
    return enter("build", op, error) && leave();
}

static bool fake_op_start(const PoolDef *pool, Operation *op, GError **error)
{
    if (!enter("start", op, error))
        return false;
    storage(where_of(pool))->up = true;
    return leave();
}

static bool fake_op_stop(const PoolDef *pool, Operation *op, GError **error)
{
    if (!enter("stop", op, error))
        return false;
    storage(where_of(pool))->up = false;
    return leave();
}

static bool fake_op_erase(const PoolDef *pool, Operation *op, guint flags, GError **error)
{
    if (!enter("erase", op, error))
        return false;
    g_hash_table_remove(fake.pools, where_of(pool));
    return leave();
}

static bool fake_op_sweep(const PoolDef *pool, Operation *op, GError **error)
{
    return enter("sweep", op, error) && leave();
}

static bool takes_capacity(const PoolDef *def)
{
    return def->schema->flags & POOL_THIN_POOLS;
}

static PoolSpace space_of(const PoolDef *def)
{
    const FakePool *pool = storage(where_of(def));
    PoolSpace space = {.capacity = SPACE, .available = SPACE};
    GHashTableIter iter;
    gpointer volume;

    g_hash_table_iter_init(&iter, pool->volumes);
    while (g_hash_table_iter_next(&iter, NULL, &volume))
        space.allocation += takes_capacity(def) ? ((FakeVolume *)volume)->capacity
                                                : ((FakeVolume *)volume)->allocation;
    space.available -= space.allocation;
    return space;
}

static bool fake_op_space(const PoolDef *pool, Operation *op, PoolSpace *ret, GError **error)
{
    if (!enter("space", op, error))
        return false;
    *ret = space_of(pool);
    return leave();
}

static void describe(const PoolDef *pool, const char *name, const FakeVolume *volume,
                     VolumeState *ret)
{
    ret->volume = volume_def_new();
    ret->volume->name = g_strdup(name);
    ret->volume->target.path = g_strdup_printf("%s/%s", where_of(pool), name);
    ret->volume->key = g_strdup(ret->volume->target.path);
    ret->volume->target.format = pool->schema->volume_formats ? IMAGE_FORMAT_RAW : 0;
    ret->volume->capacity = ret->volume->physical = volume->capacity;
    ret->volume->allocation = volume->allocation;
    if (takes_capacity(pool)) {
        ret->volume->extents = g_new0(VolumeExtent, 1);
        ret->volume->extents[0] = (VolumeExtent){g_strdup("/fake"), 0, volume->capacity};
        ret->volume->n_extents = 1;
    }
    ret->has_identity = true;
    ret->identity = (FileIdentity){.inode = volume->version, .size = volume->capacity};
}

/* The states of all volumes; reported without the lock, as a real scan does. */
static GArray *describe_all(const PoolDef *pool)
{
    GArray *states = g_array_new(FALSE, TRUE, sizeof(VolumeState));
    GHashTableIter iter;
    gpointer name, volume;

    g_array_set_clear_func(states, (GDestroyNotify)volume_state_clear);
    g_hash_table_iter_init(&iter, storage(where_of(pool))->volumes);
    while (g_hash_table_iter_next(&iter, &name, &volume)) {
        VolumeState state = {0};
        describe(pool, name, volume, &state);
        g_array_append_val(states, state);
    }
    return states;
}

void fake_set_degraded(const char *where, const char *reason)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&fake.lock);

    storage(where)->degraded = reason;
}

static ThinPool thin_pool_of(const FakePool *pool)
{
    return (ThinPool){.name = (char *)"tp",
                      .data_percent = pool->data_percent,
                      .meta_percent = pool->meta_percent};
}

static bool fake_op_thin_usage(const PoolDef *pool, Operation *op, ThinPool *thin_pools,
                               guint count, GError **error)
{
    if (!enter("thin_usage", op, error))
        return false;
    const FakePool *present = storage(where_of(pool));
    g_assert_cmpuint(count, ==, 1);
    replace(&thin_pools[0].data_percent, present->data_percent);
    replace(&thin_pools[0].meta_percent, present->meta_percent);
    return leave();
}

static bool fake_op_scan(const PoolDef *pool, Operation *op, Scan *scan, GError **error)
{
    if (!enter("scan", op, error))
        return false;
    g_autoptr(GArray) states = describe_all(pool);
    PoolSpace space = space_of(pool);
    if (storage(where_of(pool))->has_thin_pool) {
        ThinPool thin = thin_pool_of(storage(where_of(pool)));
        scan->set_thin_pools(scan, &thin, 1);
    }
    if (storage(where_of(pool))->degraded)
        scan->set_degraded(scan, storage(where_of(pool))->degraded);
    leave();
    /* A second place to hang: everything was seen, nothing reported. */
    if (!enter("scan_seen", op, error))
        return false;
    leave();
    for (guint i = 0; i < states->len; i++) {
        const VolumeState *state = &g_array_index(states, VolumeState, i);
        if (!scan->keep(scan, state->volume->name, &state->identity))
            scan->add(scan, state->volume, &state->identity);
    }
    scan->set_space(scan, &space, NULL);
    return true;
}

/* ---- volume operations ---- */

static bool no_volume(const char *name, GError **error)
{
    leave();
    return error_set(error, ERROR_NO_VOLUME, ORIGIN_STORAGE,
                     "no storage vol with matching name '%s'", name);
}

static bool fake_op_volume_stat(const PoolDef *pool, Operation *op, const char *name,
                                VolumeState *ret, GError **error)
{
    if (!enter("volume_stat", op, error))
        return false;
    const FakeVolume *volume = g_hash_table_lookup(storage(where_of(pool))->volumes, name);
    if (!volume)
        return no_volume(name, error);
    describe(pool, name, volume, ret);
    return leave();
}

static bool fake_op_volume_restat(const PoolDef *pool, Operation *op, const VolumeDef *known,
                                  VolumeState *ret, GError **error)
{
    if (!enter("volume_restat", op, error))
        return false;
    const FakeVolume *volume = g_hash_table_lookup(storage(where_of(pool))->volumes, known->name);
    if (!volume)
        return no_volume(known->name, error);
    describe(pool, known->name, volume, ret);
    return leave();
}

/* The volume with the lock held. */
static bool make(const PoolDef *pool, const VolumeDef *spec, VolumeState *ret, GError **error)
{
    GHashTable *volumes = storage(where_of(pool))->volumes;

    if (g_hash_table_contains(volumes, spec->name)) {
        leave();
        return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                         "volume target path '%s/%s' already exists", where_of(pool), spec->name);
    }
    put(where_of(pool), spec->name, spec->capacity,
        spec->has_allocation ? spec->allocation : spec->capacity);
    describe(pool, spec->name, g_hash_table_lookup(volumes, spec->name), ret);
    return leave();
}

static bool fake_op_volume_create(const PoolDef *pool, Operation *op, const VolumeDef *spec,
                                  guint flags, VolumeState *ret, GError **error)
{
    return enter("volume_create", op, error) && make(pool, spec, ret, error);
}

static bool fake_op_volume_clone(const PoolDef *pool, Operation *op, const VolumeDef *spec,
                                 const VolumeSource *source, guint flags, VolumeState *ret,
                                 GError **error)
{
    g_assert_nonnull(source->io);
    g_assert_cmpuint(spec->capacity, >=, source->volume->capacity);
    return enter("volume_clone", op, error) && make(pool, spec, ret, error);
}

static bool fake_op_volume_resize(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                                  guint64 capacity, guint flags, GError **error)
{
    if (!enter("volume_resize", op, error))
        return false;
    if (!g_hash_table_contains(storage(where_of(pool))->volumes, volume->name))
        return no_volume(volume->name, error);
    put(where_of(pool), volume->name, capacity,
        flags & VOLUME_RESIZE_ALLOCATE ? capacity : volume->allocation);
    return leave();
}

static bool fake_op_volume_wipe(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                                WipeAlgorithm algorithm, GError **error)
{
    if (!enter("volume_wipe", op, error))
        return false;
    put(where_of(pool), volume->name, volume->capacity, 0);
    return leave();
}

static bool fake_op_volume_delete(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                                  guint flags, GError **error)
{
    if (!enter("volume_delete", op, error))
        return false;
    g_hash_table_remove(storage(where_of(pool))->volumes, volume->name);
    return leave();
}

static void fake_io_close(Io *io)
{
    g_free(io);
}

static const IoOps fake_io_ops = {.close = fake_io_close};

static bool fake_op_volume_open(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                                VolumeAccess access, Io **ret, GError **error)
{
    if (!enter("volume_open", op, error))
        return false;
    *ret = g_new(Io, 1);
    **ret = (Io){.ops = &fake_io_ops, .fd = -1};
    return leave();
}

/* ---- the types ---- */

static bool same_target(const PoolDef *added, const PoolDef *existing)
{
    return g_strcmp0(added->target_path, existing->target_path) == 0;
}

static bool fake_check(const PoolDef *pool, GError **error)
{
    if (!strstr(pool->name, "unusable"))
        return true;
    return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                     "expected exactly 1 device for the storage pool");
}

#define FAKE_VOLUME_OPERATIONS                                                                     \
    .check = fake_check, .build = fake_op_build, .scan = fake_op_scan, .space = fake_op_space,     \
    .sweep = fake_op_sweep, .volume_stat = fake_op_volume_stat,                                    \
    .volume_create = fake_op_volume_create, .volume_clone = fake_op_volume_clone,                  \
    .volume_resize = fake_op_volume_resize, .volume_wipe = fake_op_volume_wipe,                    \
    .volume_delete = fake_op_volume_delete, .volume_open = fake_op_volume_open

static const Backend fake_dir = {
    .schema = {.type = "dir",
               .number = 0,
               .list_flag = 1 << 6,
               .flags = POOL_HAS_TARGET | POOL_TARGET_PATH_REQUIRED | POOL_VOLUME_NAME_NO_SLASH,
               .volume_formats = &image_formats},
    .flags = BACKEND_FOLDER | BACKEND_NO_FORMAT | BACKEND_ALWAYS_UP,
    .same_source = same_target,
    .erase = fake_op_erase,
    FAKE_VOLUME_OPERATIONS,
};

static const Backend fake_fs = {
    .schema = {.type = "fs",
               .number = 1,
               .list_flag = 1 << 7,
               .flags = POOL_HAS_TARGET | POOL_TARGET_PATH_REQUIRED,
               .volume_formats = &image_formats},
    .build_flags = BUILD_OVERWRITE | BUILD_NO_OVERWRITE,
    .is_up = fake_op_is_up,
    .start = fake_op_start,
    .stop = fake_op_stop,
    FAKE_VOLUME_OPERATIONS,
};

static const Backend fake_logical = {
    .schema = {.type = "logical",
               .number = 3,
               .list_flag = 1 << 9,
               .flags = POOL_HAS_TARGET | POOL_TARGET_PATH_REQUIRED | POOL_THIN_POOLS},
    .flags = BACKEND_NAMED_PATHS | BACKEND_SPACE_BY_EXTENTS | BACKEND_SHRINKS_ALLOCATED,
    .check = fake_check,
    .scan = fake_op_scan,
    .thin_usage = fake_op_thin_usage,
    .volume_stat = fake_op_volume_stat,
    .volume_restat = fake_op_volume_restat,
    .volume_create = fake_op_volume_create,
    .volume_resize = fake_op_volume_resize,
    .volume_delete = fake_op_volume_delete,
};

static const Backend fake_zfs = {
    .schema = {.type = "zfs",
               .number = 12,
               .list_flag = 1 << 17,
               .flags = POOL_HAS_TARGET | POOL_TARGET_PATH_REQUIRED | POOL_VOLUME_NEEDS_CAPACITY},
    .concurrency = BACKEND_SERIAL_POOL,
    FAKE_VOLUME_OPERATIONS,
};

static const Backend fake_scsi = {
    .schema = {.type = "scsi",
               .number = 6,
               .list_flag = 1 << 12,
               .flags = POOL_HAS_TARGET | POOL_TARGET_PATH_REQUIRED},
    .scan = fake_op_scan,
};

/* On the network alone: no target, so no paths. */
static const Backend fake_sheepdog = {
    .schema = {.type = "sheepdog", .number = 10, .list_flag = 1 << 15},
    .scan = fake_op_scan,
};

static const Backend fake_rbd = {
    .schema = {.type = "rbd", .number = 8, .list_flag = 1 << 14},
    .unavailable = "not built",
};

const Backend *const fake_backends[] = {&fake_dir, &fake_fs,       &fake_logical, &fake_scsi,
                                        &fake_rbd, &fake_sheepdog, &fake_zfs};
const guint n_fake_backends = G_N_ELEMENTS(fake_backends);
