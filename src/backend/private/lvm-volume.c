/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lvm-volume.h"

#include "content-wipe.h"
#include "device-volume.h"
#include "errors.h"
#include "log.h"
#include "lvm-group.h"
#include "lvm-mapper.h"
#include "lvm-name.h"
#include "lvm-run.h"
#include "mapper.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

/* lvm2 takes no size that isn't whole sectors; it rounds those up to extents. */
#define SECTOR_BYTES 512

/* ---- names and sizes as arguments ---- */

static const char *group_of(const PoolDef *pool)
{
    return pool->source.name;
}

static char *full_name(const PoolDef *pool, const char *name)
{
    return g_strconcat(group_of(pool), "/", name, NULL);
}

static char *size_argument(guint64 bytes)
{
    guint64 sectors = bytes / SECTOR_BYTES + (bytes % SECTOR_BYTES != 0);

    return g_strdup_printf("%" G_GUINT64_FORMAT "b", sectors * SECTOR_BYTES);
}

/* lvm2's selection of those that nothing depends on: lvremove --force would take that along. */
#define ALONE "lv_role!={thickorigin} && lv_role!={extthinorigin}"

static bool not_found(const char *name, GError **error)
{
    return error_set(error, ERROR_NO_VOLUME, ORIGIN_STORAGE,
                     "no storage vol with matching name '%s'", name);
}

/* ---- stat ---- */

static bool read_volume(const PoolDef *pool, Operation *op, const char *name, VolumeState *ret,
                        GError **error)
{
    g_autoptr(LvmGroup) group = lvm_group_read_volume(group_of(pool), name, op, error);
    const LvmVolume *volume;

    if (!group)
        return false;
    volume = lvm_group_find(group, name);
    if (!volume)
        return not_found(name, error);
    ret->volume = lvm_volume_describe(group, volume, pool->target_path);
    return true;
}

bool lvm_volume_stat(const PoolDef *pool, Operation *op, const char *name, VolumeState *ret,
                     GError **error)
{
    if (!lvm_volume_name_is_valid(name))
        return not_found(name, error);
    g_autoptr(LvmGroup) group = lvm_group_read_volume(group_of(pool), name, op, error);
    const LvmVolume *volume = group ? lvm_group_find(group, name) : NULL;

    if (!group)
        return false;
    if (!volume || !lvm_volume_is_listed(volume))
        return not_found(name, error);
    ret->volume = lvm_volume_describe(group, volume, pool->target_path);
    return true;
}

/* False when more has to be asked than the node. */
static bool describe_known(const PoolDef *pool, const VolumeDef *known, VolumeDef *volume)
{
    g_autofree char *uuid = lvm_mapper_uuid(known->target.path);
    g_autofree char *mapped = lvm_mapper_name(group_of(pool), known->name, "");
    guint64 thin = known->allocation;

    if (known->problem || !known->key || g_strcmp0(uuid, known->key) != 0 ||
        !device_volume_describe(volume, NULL) || volume->capacity != known->capacity)
        return false;
    if (known->target.thin_pool && !lvm_mapper_thin_allocation(mapped, &thin))
        return false;
    volume->allocation = thin;
    return true;
}

bool lvm_volume_restat(const PoolDef *pool, Operation *op, const VolumeDef *known, VolumeState *ret,
                       GError **error)
{
    g_autoptr(VolumeDef) volume = volume_def_copy(known);

    if (!describe_known(pool, known, volume))
        return lvm_volume_stat(pool, op, known->name, ret, error);
    ret->volume = g_steal_pointer(&volume);
    return true;
}

/* ---- whether it is still that volume ---- */

static bool is_another(const VolumeDef *volume, GError **error)
{
    return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "volume '%s' is another volume now: refresh the pool", volume->name);
}

/* Asks lvm2, for one that has no node. */
static bool check_reported(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                           GError **error)
{
    g_autoptr(LvmGroup) group = lvm_group_read_volume(group_of(pool), volume->name, op, error);
    const LvmVolume *found = group ? lvm_group_find(group, volume->name) : NULL;

    if (!group)
        return false;
    if (!found)
        return not_found(volume->name, error);
    return (lvm_volume_is_listed(found) && g_strcmp0(found->uuid, volume->key) == 0) ||
           is_another(volume, error);
}

/* Names are given again; `uuid` is that of the device, NULL when there is none. */
static bool check_same(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                       const char *uuid, GError **error)
{
    if (!lvm_check_volume_name(volume->name, error))
        return false;
    if (!uuid)
        return check_reported(pool, op, volume, error);
    return g_strcmp0(uuid, volume->key) == 0 || is_another(volume, error);
}

/* The kernel has a layer of its own below an active volume that others depend on. */
static bool check_no_snapshots(const PoolDef *pool, const VolumeDef *volume, const char *why,
                               GError **error)
{
    g_autofree char *mapped = lvm_mapper_name(group_of(pool), volume->name, "-real");

    return !mapper_exists(mapped) ||
           error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "volume '%s' has snapshots, %s: delete them first", volume->name, why);
}

/* ---- what is to be made ---- */

typedef struct Making {
    const PoolDef *pool;
    const VolumeDef *spec;
    Operation *op;
    bool draft;      /* something follows that may fail */
    char *thin_pool; /* of a thin volume, … */
    char *origin;    /* … of a snapshot */
    bool origin_is_thin;
    guint64 origin_size;
} Making;

static void making_clear(Making *making)
{
    g_free(making->thin_pool);
    g_free(making->origin);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Making, making_clear)

static bool check_spec(const VolumeDef *spec, GError **error)
{
    const EncryptionFormat format = spec->target.encryption.format;

    if (format != ENCRYPTION_NONE && format != ENCRYPTION_LUKS)
        return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                         "storage pool only supports LUKS encrypted volumes");
    if (format != ENCRYPTION_NONE)
        return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                         "encrypted volumes can't be made: create a plain one and encrypt it in "
                         "the machine");
    if (spec->target.thin_pool && !lvm_check_volume_name(spec->target.thin_pool, error))
        return false;
    return lvm_check_volume_name(spec->name, error);
}

static char *list_thin_pools(const LvmGroup *group, guint *ret_count, const char **ret_only)
{
    GString *names = g_string_new(NULL);

    *ret_count = 0;
    for (guint i = 0; i < group->volumes->len; i++) {
        const LvmVolume *volume = group->volumes->pdata[i];
        if (volume->hidden || volume->kind != 't')
            continue;
        g_string_append_printf(names, "%s'%s'", *ret_count ? ", " : "", volume->name);
        *ret_only = volume->name;
        ++*ret_count;
    }
    return g_string_free(names, FALSE);
}

/* As the group is now: what the pool knows of may be older. */
static char *ask_thin_pool(const Making *making, GError **error)
{
    g_autoptr(LvmGroup) group = lvm_group_read(group_of(making->pool), making->op, error);
    const char *only = NULL;
    guint count;

    if (!group)
        return NULL;
    g_autofree char *names = list_thin_pools(group, &count, &only);
    if (count == 1)
        return g_strdup(only);
    if (count == 0)
        error_set(error, ERROR_OPERATION_UNSUPPORTED, ORIGIN_STORAGE,
                  "volume group '%s' has no thin pool, so a volume's allocation must be its "
                  "capacity ('lvcreate --type thin-pool' makes a thin pool)",
                  group->name);
    else
        error_set(error, ERROR_OPERATION_UNSUPPORTED, ORIGIN_STORAGE,
                  "volume group '%s' has several thin pools (%s): choose one in the volume's "
                  "or the pool's document",
                  group->name, names);
    return NULL;
}

static bool thin_pool_is_full(const Making *making, GError **error)
{
    g_autofree char *mapped = lvm_mapper_name(group_of(making->pool), making->thin_pool, "-tpool");
    ThinUsage usage;

    if (!lvm_mapper_thin_usage(mapped, &usage))
        return false; /* not active: lvm2 will find out */
    if (usage.data_used < usage.data_total && usage.meta_used < usage.meta_total)
        return false;
    error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
              "Not enough space left in storage pool: thin pool '%s' is full (%s); extend it "
              "with 'lvextend' or delete volumes in it",
              making->thin_pool, usage.data_used < usage.data_total ? "its metadata" : "its data");
    return true;
}

static bool choose_thin_pool(Making *making, GError **error)
{
    const ThinPool *known = pool_def_thin_pool(making->pool);

    if (making->spec->target.thin_pool)
        making->thin_pool = g_strdup(making->spec->target.thin_pool);
    else if (known)
        making->thin_pool = g_strdup(known->name);
    else
        making->thin_pool = ask_thin_pool(making, error);
    return making->thin_pool && lvm_check_volume_name(making->thin_pool, error) &&
           !thin_pool_is_full(making, error);
}

/* The volume of this group that a path means, or NULL. */
static const char *name_in_group(const PoolDef *pool, const char *path)
{
    gsize length = strlen(pool->target_path);

    if (strncmp(path, pool->target_path, length) != 0 || path[length] != '/' ||
        !lvm_volume_name_is_valid(path + length + 1))
        return NULL;
    return path + length + 1;
}

static bool check_origin_size(const Making *making, GError **error)
{
    guint64 asked = making->spec->capacity;

    if (asked == making->origin_size || (asked > making->origin_size && making->origin_is_thin))
        return true;
    return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                     "a snapshot of '%s' has its capacity, %" G_GUINT64_FORMAT
                     " bytes%s, not %" G_GUINT64_FORMAT,
                     making->origin, making->origin_size, making->origin_is_thin ? " or more" : "",
                     asked);
}

static bool choose_origin(Making *making, GError **error)
{
    const char *path = making->spec->backing.path;
    const char *name = name_in_group(making->pool, path);
    const LvmVolume *origin;

    if (!name)
        return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                         "'%s' can't back a logical volume: only a volume of the same group can",
                         path);
    g_autoptr(LvmGroup) group =
        lvm_group_read_volume(group_of(making->pool), name, making->op, error);
    if (!group)
        return false;
    origin = lvm_group_find(group, name);
    if (!origin)
        return not_found(name, error);
    making->origin = g_strdup(name);
    making->origin_is_thin = origin->thin_pool != NULL;
    making->origin_size = origin->origin_size ? origin->origin_size : origin->size;
    return check_origin_size(making, error);
}

static bool choose_kind(Making *making, GError **error)
{
    const VolumeDef *spec = making->spec;

    if (!check_spec(spec, error))
        return false;
    if (spec->has_backing)
        return choose_origin(making, error);
    if (spec->target.thin_pool || spec->allocation < spec->capacity)
        return choose_thin_pool(making, error);
    return true;
}

/* ---- making it ---- */

static bool run_create(const Making *making, const char *const *kind, const char *where,
                       GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();

    g_ptr_array_add(argv, (char *)"lvcreate");
    g_ptr_array_add(argv, (char *)"--yes");
    for (; *kind; kind++)
        g_ptr_array_add(argv, (char *)*kind);
    if (making->draft) {
        g_ptr_array_add(argv, (char *)"--addtag");
        g_ptr_array_add(argv, (char *)LVM_DRAFT_TAG);
    }
    g_ptr_array_add(argv, (char *)"--name");
    g_ptr_array_add(argv, making->spec->name);
    g_ptr_array_add(argv, (char *)"--");
    g_ptr_array_add(argv, (char *)where);
    g_ptr_array_add(argv, NULL);
    return lvm_run_list(making->op, argv, error);
}

static bool create_linear(const Making *making, GError **error)
{
    g_autofree char *size = size_argument(making->spec->capacity);
    const char *kind[] = {"--type", "linear", "--wipesignatures", "y", "--zero", "y", "--size",
                          size,     NULL};

    return run_create(making, kind, group_of(making->pool), error);
}

static bool create_thin(const Making *making, GError **error)
{
    g_autofree char *size = size_argument(making->spec->capacity);
    const char *kind[] = {"--type",        "thin", "--thinpool", making->thin_pool,
                          "--virtualsize", size,   NULL};

    return run_create(making, kind, group_of(making->pool), error);
}

/* Snapshots of thin volumes would be skipped when the group is activated. */
static bool create_thin_snapshot(const Making *making, GError **error)
{
    g_autofree char *origin = full_name(making->pool, making->origin);
    const char *kind[] = {"--snapshot", "--setactivationskip", "n", "--permission", "rw", NULL};

    return run_create(making, kind, origin, error);
}

/* A store that is too small loses the snapshot: nothing said means all of it. */
static bool create_thick_snapshot(const Making *making, GError **error)
{
    const VolumeDef *spec = making->spec;
    g_autofree char *origin = full_name(making->pool, making->origin);
    g_autofree char *size = size_argument(spec->allocation ? spec->allocation : spec->capacity);
    const char *kind[] = {"--snapshot", "--size", size, NULL};

    return run_create(making, kind, origin, error);
}

static bool run_kind(const Making *making, GError **error)
{
    if (making->thin_pool)
        return create_thin(making, error);
    if (!making->origin)
        return create_linear(making, error);
    return making->origin_is_thin ? create_thin_snapshot(making, error)
                                  : create_thick_snapshot(making, error);
}

static bool extend(const PoolDef *pool, const char *name, guint64 capacity, Operation *op,
                   GError **error)
{
    g_autofree char *where = full_name(pool, name), *size = size_argument(capacity);

    return lvm_run(op, error, "lvextend", "--yes", "--size", size, "--", where, NULL);
}

static bool publish(const Making *making, GError **error)
{
    g_autofree char *where = full_name(making->pool, making->spec->name);

    return !making->draft ||
           lvm_run(making->op, error, "lvchange", "--deltag", LVM_DRAFT_TAG, "--", where, NULL);
}

static bool make_ready(const Making *making, const char *path, GError **error)
{
    const VolumeDef *spec = making->spec;

    if (making->origin_is_thin && spec->capacity > making->origin_size &&
        !extend(making->pool, spec->name, spec->capacity, making->op, error))
        return false;
    return device_await(path, true, making->op, error) &&
           device_volume_apply_permissions(path, &spec->target.permissions, error);
}

/* Holes of a source can be left out. */
static bool reads_zero(const Making *making)
{
    if (!making->thin_pool)
        return false;
    g_autofree char *mapped = lvm_mapper_name(group_of(making->pool), making->thin_pool, "-tpool");
    return lvm_mapper_thin_zeroes(mapped);
}

static bool fill(const Making *making, const char *path, const VolumeSource *source, GError **error)
{
    return !source || device_volume_fill(path, reads_zero(making), source, making->op, error);
}

/* Everything that follows lvcreate. */
static bool finish(const Making *making, const VolumeSource *source, VolumeState *ret,
                   GError **error)
{
    const char *name = making->spec->name;
    g_autofree char *path = g_build_filename(making->pool->target_path, name, NULL);

    return make_ready(making, path, error) && fill(making, path, source, error) &&
           publish(making, error) && read_volume(making->pool, making->op, name, ret, error);
}

static void undo(const Making *making)
{
    g_autoptr(Operation) op = lvm_undo_operation(making->op);
    g_autoptr(GError) error = NULL;
    bool removed = false;

    if (!lvm_run_remove(op, group_of(making->pool), making->spec->name, ALONE, &removed, &error))
        log_warning("pool '%s': the half-made volume '%s' stays: %s", making->pool->name,
                    making->spec->name, error->message);
    else if (!removed)
        log_warning("pool '%s': the half-made volume '%s' stays if it has snapshots",
                    making->pool->name, making->spec->name);
}

/* Where lvm2 knows no thin pool by that name: who has chosen it, and what there is to choose. */
static void explain_thin_pool(const Making *making, GError **failure)
{
    g_autoptr(LvmGroup) group = making->thin_pool && error_code(*failure) == ERROR_INTERNAL
                                    ? lvm_group_read(group_of(making->pool), making->op, NULL)
                                    : NULL;
    const LvmVolume *found = group ? lvm_group_find(group, making->thin_pool) : NULL;
    const char *only;
    guint count;

    if (!group || (found && found->kind == 't'))
        return;
    g_autofree char *names = list_thin_pools(group, &count, &only);
    g_clear_error(failure);
    error_set(failure, ERROR_OPERATION_UNSUPPORTED, ORIGIN_STORAGE,
              "volume group '%s' has no thin pool '%s', which the %s document chooses; it has %s",
              group->name, making->thin_pool,
              making->spec->target.thin_pool ? "volume's" : "pool's", count ? names : "none");
}

/* An active volume of that name is there. */
static bool is_there(const Making *making)
{
    g_autofree char *mapped = lvm_mapper_name(group_of(making->pool), making->spec->name, "");

    return mapper_exists(mapped);
}

/* A command that refused has made nothing, and what has the name is somebody else's; one that was
 * called off may have done its work. */
static bool has_made(const Making *making, bool done, const GError *failure)
{
    bool called_off = error_code(failure) == ERROR_ABORTED || error_code(failure) == ERROR_TIMEOUT;

    return done || (called_off && is_there(making));
}

/* `source` NULL: there is no content to copy. */
static bool make(const Making *making, const VolumeSource *source, VolumeState *ret, GError **error)
{
    g_autoptr(GError) failure = NULL;
    bool made;

    if (is_there(making))
        return error_set(error, ERROR_VOLUME_EXISTS, ORIGIN_STORAGE,
                         "volume group '%s' has a volume '%s' already", group_of(making->pool),
                         making->spec->name);
    made = run_kind(making, &failure);
    if (made && finish(making, source, ret, &failure))
        return true;
    if (has_made(making, made, failure))
        undo(making);
    else
        explain_thin_pool(making, &failure);
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

bool lvm_volume_create(const PoolDef *pool, Operation *op, const VolumeDef *spec, guint flags,
                       VolumeState *ret, GError **error)
{
    g_auto(Making) making = {.pool = pool, .spec = spec, .op = op};

    if (!choose_kind(&making, error))
        return false;
    making.draft = making.origin_is_thin && spec->capacity > making.origin_size;
    return make(&making, NULL, ret, error);
}

/* ---- clone ---- */

static bool asks_for_full_copy(const VolumeDef *spec)
{
    return !spec->target.thin_pool && spec->has_allocation && spec->allocation >= spec->capacity;
}

/* Whether the clone can share the source's blocks. */
static bool is_shareable(const PoolDef *pool, const VolumeDef *spec, const VolumeSource *source)
{
    const char *thin_pool = source->volume->target.thin_pool;

    return thin_pool && source->pool->schema == pool->schema &&
           g_str_equal(group_of(source->pool), group_of(pool)) &&
           (!spec->target.thin_pool || g_str_equal(spec->target.thin_pool, thin_pool));
}

static bool snapshot(Making *making, const VolumeSource *source, VolumeState *ret, GError **error)
{
    making->origin = g_strdup(source->volume->name);
    making->origin_is_thin = true;
    making->origin_size = source->volume->capacity;
    making->draft = making->spec->capacity > making->origin_size;
    return make(making, NULL, ret, error);
}

/* What is known to run out of space isn't begun. */
static bool check_thin_room(const Making *making, const VolumeSource *source, GError **error)
{
    g_autofree char *mapped = lvm_mapper_name(group_of(making->pool), making->thin_pool, "-tpool");
    guint64 needed = reads_zero(making) ? MIN(source->volume->allocation, source->volume->capacity)
                                        : making->spec->capacity;
    ThinUsage usage;
    const ThinPool *known = pool_def_thin_pool(making->pool);

    if (!known || !known->capacity || !g_str_equal(known->name, making->thin_pool) ||
        !lvm_mapper_thin_usage(mapped, &usage) || usage.data_total == 0)
        return true;
    guint64 block = known->capacity / usage.data_total;
    guint64 room = block * (usage.data_total - usage.data_used);
    if (needed <= room)
        return true;
    return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                     "Not enough space left in storage pool: thin pool '%s' has room for "
                     "%" G_GUINT64_FORMAT " bytes, the clone needs %" G_GUINT64_FORMAT,
                     making->thin_pool, room, needed);
}

static bool copy(Making *making, const VolumeSource *source, VolumeState *ret, GError **error)
{
    if (making->spec->has_backing)
        return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                         "a clone into a logical volume can't have a backing store");
    if (!choose_kind(making, error) ||
        (making->thin_pool && !check_thin_room(making, source, error)))
        return false;
    making->draft = true;
    return make(making, source, ret, error);
}

/* The clone's document, with room for all content. */
static VolumeDef *fit_spec(const VolumeDef *spec, const VolumeSource *source, GError **error)
{
    guint64 content;

    if (!device_volume_content_size(source, &content, error))
        return NULL;
    VolumeDef *fitted = volume_def_copy(spec);
    fitted->capacity = MAX(spec->capacity, content);
    if (spec->allocation >= spec->capacity)
        fitted->allocation = fitted->capacity;
    return fitted;
}

/* virsh sends a document that was made from the source's: its backing store is no wish. */
static void drop_own_backing(VolumeDef *spec, const VolumeSource *source)
{
    if (spec->has_backing && source->volume->has_backing &&
        g_strcmp0(spec->backing.path, source->volume->backing.path) == 0)
        spec->has_backing = false;
}

bool lvm_volume_clone(const PoolDef *pool, Operation *op, const VolumeDef *spec,
                      const VolumeSource *source, guint flags, VolumeState *ret, GError **error)
{
    g_autoptr(VolumeDef) fitted = fit_spec(spec, source, error);

    if (!fitted || !check_spec(fitted, error))
        return false;
    bool shared = is_shareable(pool, fitted, source) &&
                  ((flags & VOLUME_CREATE_REFLINK) || !asks_for_full_copy(spec));
    g_auto(Making) making = {.pool = pool, .spec = fitted, .op = op};
    if (shared)
        return snapshot(&making, source, ret, error);
    if (flags & VOLUME_CREATE_REFLINK)
        return error_set(error, ERROR_OPERATION_UNSUPPORTED, ORIGIN_STORAGE,
                         "only a thin volume's clone in the same thin pool can share its blocks");
    drop_own_backing(fitted, source);
    return copy(&making, source, ret, error);
}

/* ---- resize ---- */

/* Those of nothing (lvcreate --virtualsize) have no backing store, but a store of another size. */
static bool is_thick_snapshot(const VolumeDef *volume)
{
    return !volume->target.thin_pool &&
           (volume->has_backing || volume->allocation != volume->capacity);
}

/* What a guest or the host has open would lose its end. */
static bool check_idle(const PoolDef *pool, const VolumeDef *volume, GError **error)
{
    g_autofree char *mapped = lvm_mapper_name(group_of(pool), volume->name, "");
    guint count = 0;

    if (!mapper_open_count(mapped, &count) || count == 0)
        return true;
    return error_set(error, ERROR_BUSY, ORIGIN_STORAGE,
                     "volume '%s' is in use and can't be made smaller", volume->name);
}

static bool shrink(const PoolDef *pool, Operation *op, const VolumeDef *volume, guint64 capacity,
                   GError **error)
{
    g_autofree char *where = full_name(pool, volume->name), *size = size_argument(capacity);

    return check_idle(pool, volume, error) &&
           lvm_run(op, error, "lvreduce", "--yes", "--force", "--size", size, "--", where, NULL);
}

static bool check_resizable(const PoolDef *pool, const VolumeDef *volume, guint flags,
                            GError **error)
{
    if (is_thick_snapshot(volume))
        return error_set(error, ERROR_OPERATION_UNSUPPORTED, ORIGIN_STORAGE,
                         "logical volume '%s' is a snapshot, whose capacity is its origin's",
                         volume->target.path);
    if (volume->target.thin_pool && (flags & VOLUME_RESIZE_ALLOCATE))
        return error_set(error, ERROR_OPERATION_UNSUPPORTED, ORIGIN_STORAGE,
                         "logical volume '%s' is thin: its space is allocated when it is written",
                         volume->target.path);
    return check_no_snapshots(pool, volume, "whose origin can't be resized", error);
}

bool lvm_volume_resize(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                       guint64 capacity, guint flags, GError **error)
{
    g_autofree char *uuid = lvm_mapper_uuid(volume->target.path);

    if (!check_resizable(pool, volume, flags, error) || !check_same(pool, op, volume, uuid, error))
        return false;
    if (capacity == volume->capacity)
        return true;
    if (capacity < volume->capacity)
        return shrink(pool, op, volume, capacity, error);
    return extend(pool, volume->name, capacity, op, error);
}

/* ---- content ---- */

bool lvm_volume_open(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                     VolumeAccess access, Io **ret, GError **error)
{
    g_autoptr(Io) io = NULL;

    if (!device_volume_open(pool, op, volume, access, &io, error))
        return false;
    g_autofree char *uuid = lvm_mapper_open_uuid(io->fd);
    if (!check_same(pool, op, volume, uuid, error))
        return false;
    *ret = g_steal_pointer(&io);
    return true;
}

/* ---- wipe ---- */

#define WIPE_PIECE ((gsize)1 << 20)

/* Overwrites what isn't zero, for the rest of a thin volume takes no space and had better not. */
static bool zero_data(Io *io, guint64 size, Operation *op, GError **error)
{
    static const char zeros[WIPE_PIECE];
    g_autofree char *piece = g_malloc(WIPE_PIECE);

    for (guint64 at = 0; at < size;) {
        gssize got = io->ops->read(io, piece, WIPE_PIECE, at, error);
        if (got < 0 || !operation_check(op, error))
            return false;
        if (got == 0)
            break;
        if (memcmp(piece, zeros, (gsize)got) != 0 &&
            !io->ops->write(io, zeros, (gsize)got, at, error))
            return false;
        at += (guint64)got;
        operation_set_progress(op, at, size);
    }
    return io->ops->flush(io, error);
}

/* Then the blocks go back to the thin pool; where it doesn't take them, zeros are good enough. */
static bool wipe_thin(Io *io, const VolumeDef *volume, Operation *op, GError **error)
{
    guint64 size;

    if (!io->ops->size(io, &size, error) || !zero_data(io, size, op, error))
        return false;
    guint64 range[2] = {0, size};
    if (ioctl(io->fd, BLKDISCARD, range) < 0)
        log_debug("volume '%s' keeps its zeroed blocks: %s", volume->name, g_strerror(errno));
    return true;
}

bool lvm_volume_wipe(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                     WipeAlgorithm algorithm, GError **error)
{
    g_autoptr(Io) io = NULL;

    if (is_thick_snapshot(volume))
        return error_set(error, ERROR_NO_SUPPORT, ORIGIN_STORAGE,
                         "logical volume '%s' is sparse, volume wipe not supported",
                         volume->target.path);
    if (!check_no_snapshots(pool, volume, "whose stores would run full", error) ||
        !lvm_volume_open(pool, op, volume, VOLUME_WRITE, &io, error))
        return false;
    if (volume->target.thin_pool && algorithm == WIPE_ZERO)
        return wipe_thin(io, volume, op, error);
    return content_wipe(io->fd, volume->target.path, algorithm, op, error);
}

/* ---- delete ---- */

bool lvm_volume_sweep(const char *group, const char *name, Operation *op, bool *ret_removed,
                      GError **error)
{
    return lvm_run_remove(op, group, name, "lv_tags={" LVM_DRAFT_TAG "} && " ALONE, ret_removed,
                          error);
}

/* Why lvremove left it alone. */
static bool not_removed(const PoolDef *pool, Operation *op, const VolumeDef *volume, GError **error)
{
    g_autoptr(LvmGroup) group = lvm_group_read(group_of(pool), op, error);
    const LvmVolume *found = group ? lvm_group_find(group, volume->name) : NULL;

    if (!group)
        return false;
    if (!found) /* it had no need to say so */
        return true;
    if (!lvm_volume_is_listed(found) || g_strcmp0(found->uuid, volume->key) != 0)
        return is_another(volume, error);
    g_autofree char *names = lvm_group_dependents(group, found);
    return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "volume '%s' has snapshots%s%s, which would be removed with it: delete them "
                     "first, or ask for that (virsh vol-delete --delete-snapshots)",
                     volume->name, names ? ": " : "", names ? names : "");
}

/* lvremove deactivates a volume before it finds that its device takes no change. */
static void activate_again(const PoolDef *pool, const VolumeDef *volume, Operation *op)
{
    g_autofree char *where = full_name(pool, volume->name);
    g_autoptr(Operation) undo = lvm_undo_operation(op);
    g_autoptr(GError) error = NULL;

    if (!lvm_run(undo, &error, "lvchange", "-aly", "--", where, NULL))
        log_warning("pool '%s': volume '%s' is inactive after a delete that failed: %s", pool->name,
                    volume->name, error->message);
}

/* lvm2 looks again, under its lock, whether it is what the list says it is. */
bool lvm_volume_delete(const PoolDef *pool, Operation *op, const VolumeDef *volume, guint flags,
                       GError **error)
{
    bool removed = false, along = flags & VOLUME_DELETE_WITH_SNAPSHOTS;

    if (!lvm_check_volume_name(volume->name, error))
        return false;
    if (!volume->key || !lvm_name_is_valid(volume->key))
        return is_another(volume, error);
    g_autofree char *only = g_strdup_printf("lv_uuid=\"%s\" && lv_layout!={pool}%s", volume->key,
                                            along ? "" : " && " ALONE);
    g_autofree char *mapped = lvm_mapper_name(group_of(pool), volume->name, "");
    bool was_active = mapper_exists(mapped);
    if (lvm_run_remove(op, group_of(pool), volume->name, only, &removed, error))
        return removed || not_removed(pool, op, volume, error);
    if (was_active && !mapper_exists(mapped))
        activate_again(pool, volume, op);
    return false;
}
