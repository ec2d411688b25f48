/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"

#include "device-volume.h"
#include "errors.h"
#include "log.h"
#include "lvm-group.h"
#include "lvm-mapper.h"
#include "lvm-name.h"
#include "lvm-run.h"
#include "lvm-use.h"
#include "lvm-volume.h"
#include "pool-source.h"
#include "signature.h"
#include "source-match.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An LVM volume group; volumes are its logical volumes. */

#define FORMAT "LVM2_member"

static const char *const format_names[] = {"unknown", "lvm2"};

static const FormatTable formats = {
    .names = format_names,
    .count = G_N_ELEMENTS(format_names),
    .default_id = 1,
};

static const char *group_of(const PoolDef *pool)
{
    return pool->source.name;
}

static bool check(const PoolDef *pool, GError **error)
{
    return lvm_check_group_name(group_of(pool), error);
}

/* ---- discovery ---- */

static PoolSource *add_source(GPtrArray *sources, const char *group)
{
    PoolSource *source = g_new0(PoolSource, 1);

    pool_source_init(source, &backend_logical.schema);
    source->name = g_strdup(group);
    g_ptr_array_add(sources, source);
    return source;
}

static void add_device(PoolSource *source, const char *path)
{
    source->devices = g_renew(PoolDevice, source->devices, source->n_devices + 1);
    source->devices[source->n_devices++] = (PoolDevice){.path = g_strdup(path)};
}

static bool discover(const PoolSource *hint, Operation *op, GPtrArray *ret_sources, GError **error)
{
    const char *argv[] = {"pvs",       "--reportformat",          "json",
                          "--options", "pv_name,vg_name,vg_uuid", NULL};
    /* By UUID: two groups may have one name. */
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
    g_autofree char *messages = NULL;
    int status = 0;
    g_autoptr(LvmReport) report = lvm_report_run(op, argv, &status, &messages, error);

    if (!report)
        return false;
    g_autoptr(GPtrArray) rows = lvm_report_rows(report, "pv");
    for (guint i = 0; i < rows->len; i++) {
        const char *path = lvm_row_text(rows->pdata[i], "pv_name");
        const char *group = lvm_row_text(rows->pdata[i], "vg_name");
        if (*path != '/' || !lvm_name_is_valid(group))
            continue;
        const char *uuid = lvm_row_text(rows->pdata[i], "vg_uuid");
        PoolSource *source = g_hash_table_lookup(known, uuid);
        if (!source) {
            source = add_source(ret_sources, group);
            g_hash_table_insert(known, (char *)uuid, source);
        }
        add_device(source, path);
    }
    return true;
}

/* ---- devices ---- */

static bool same_device(const char *a, const char *b)
{
    struct stat st_a, st_b;

    if (g_str_equal(a, b))
        return true;
    return stat(a, &st_a) == 0 && stat(b, &st_b) == 0 && S_ISBLK(st_a.st_mode) &&
           S_ISBLK(st_b.st_mode) && st_a.st_rdev == st_b.st_rdev;
}

static bool group_has(const LvmGroup *group, const char *path)
{
    for (guint i = 0; i < group->devices->len; i++)
        if (same_device(group->devices->pdata[i], path))
            return true;
    return false;
}

/* A group is this pool's when one of the devices given is in it: others may be missing. */
static bool check_devices(const PoolDef *pool, const LvmGroup *group, GError **error)
{
    guint found = 0;

    for (guint i = 0; i < pool->source.n_devices; i++) {
        bool has = group_has(group, pool->source.devices[i].path);
        if (!has)
            log_debug("volume group '%s' has no device '%s'", group->name,
                      pool->source.devices[i].path);
        found += has;
    }
    if (found > 0 || pool->source.n_devices == 0)
        return true;
    return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                     "cannot find any matching source devices for logical volume group '%s'",
                     group->name);
}

/* 0, or the errno; from the disk, whatever is remembered of it. */
static int try_to_read(const char *path)
{
    autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char sector[512];

    if (fd < 0)
        return errno;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return fd_read_at(fd, sector, sizeof sector, 0) < 0 ? errno : 0;
}

/* lvm2 passes over a device that it can't read without a word. */
static bool group_not_found(const PoolDef *pool, GError *failure, GError **error)
{
    g_autoptr(GError) cause = failure;

    for (guint i = 0; i < pool->source.n_devices; i++) {
        const char *path = pool->source.devices[i].path;
        int errnum = try_to_read(path);
        if (errnum)
            return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                             "%s: its device '%s' can't be read: %s", error_detail(cause), path,
                             g_strerror(errnum));
    }
    g_propagate_error(error, g_steal_pointer(&cause));
    return false;
}

static LvmGroup *read_any(const PoolDef *pool, Operation *op, GError **error)
{
    GError *failure = NULL;
    LvmGroup *group = lvm_group_read(group_of(pool), op, &failure);

    if (group)
        return group;
    if (error_code(failure) == ERROR_CONFIG_UNSUPPORTED)
        group_not_found(pool, failure, error);
    else
        g_propagate_error(error, failure);
    return NULL;
}

static LvmGroup *read_group(const PoolDef *pool, Operation *op, GError **error)
{
    g_autoptr(LvmGroup) group = read_any(pool, op, error);

    return group && check_devices(pool, group, error) && lvm_group_check_imported(group, error)
               ? g_steal_pointer(&group)
               : NULL;
}

/* ---- up and down ---- */

static bool is_up(const PoolDef *pool, Operation *op, bool *ret_up, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(LvmGroup) group = read_group(pool, op, &failure);

    if (!group && error_code(failure) != ERROR_CONFIG_UNSUPPORTED &&
        error_code(failure) != ERROR_OPERATION_INVALID) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    *ret_up = group != NULL;
    return true;
}

static bool needs_activation(const LvmGroup *group)
{
    for (guint i = 0; i < group->volumes->len; i++) {
        const LvmVolume *volume = group->volumes->pdata[i];
        if (!volume->hidden && !volume->skipped && volume->state == '-')
            return true;
    }
    return false;
}

/* Volumes that name no thin pool will need it. */
static void warn_of_choice(const PoolDef *pool, const LvmGroup *group)
{
    for (guint i = 0; i < pool->n_thin_pools; i++) {
        const ThinPool *thin = &pool->thin_pools[i];
        const LvmVolume *found = lvm_group_find(group, thin->name);
        if (thin->chosen == TRI_YES && (!found || found->kind != 't'))
            log_warning("pool '%s': volume group '%s' has no thin pool '%s', which the pool's "
                        "document chooses",
                        pool->name, group->name, thin->name);
    }
}

/* With a device missing, what lies on it can't be activated and the rest is. */
static bool start(const PoolDef *pool, Operation *op, GError **error)
{
    g_autoptr(LvmGroup) group = read_group(pool, op, error);
    g_autoptr(GError) failure = NULL;

    if (!group)
        return false;
    warn_of_choice(pool, group);
    if (!needs_activation(group) ||
        lvm_run(op, &failure, "vgchange", "-aly", "--", group->name, NULL))
        return true;
    if (group->missing == 0 || !operation_check(op, NULL)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    log_warning("pool '%s': %" G_GUINT64_FORMAT " devices of volume group '%s' are missing, and "
                "not all volumes are usable: %s",
                pool->name, group->missing, group->name, failure->message);
    return true;
}

static char *list_open(const LvmGroup *group)
{
    GString *names = g_string_new(NULL);

    for (guint i = 0; i < group->volumes->len; i++) {
        const LvmVolume *volume = group->volumes->pdata[i];
        if (!volume->hidden && volume->open && volume->kind != 't')
            g_string_append_printf(names, "%s'%s'", names->len ? ", " : "", volume->name);
    }
    return g_string_free(names, FALSE);
}

static bool in_use(const PoolDef *pool, const char *names, GError **error)
{
    return error_set(error, ERROR_BUSY, ORIGIN_STORAGE,
                     "volumes of group '%s' are in use: %s; stop what uses them first",
                     group_of(pool), names);
}

/* lvm2 deactivates only what it finds. */
static bool stop_lost(const PoolDef *pool, Operation *op, GError **error)
{
    g_autofree char *left = NULL;

    log_warning("pool '%s': volume group '%s' is gone: its volumes are taken away without lvm2",
                pool->name, group_of(pool));
    if (!lvm_remove_mapped(group_of(pool), op, &left, error))
        return false;
    return !left || in_use(pool, left, error);
}

/* Names what is open where that is why it failed. */
static bool stop_failed(const PoolDef *pool, Operation *op, GError *failure, GError **error)
{
    g_autoptr(GError) cause = failure;
    g_autoptr(GError) reading = NULL;
    g_autoptr(LvmGroup) group = lvm_group_read(group_of(pool), op, &reading);
    g_autofree char *names = group ? list_open(group) : NULL;

    if (error_code(reading) == ERROR_CONFIG_UNSUPPORTED)
        return stop_lost(pool, op, error);
    if (error_code(cause) == ERROR_BUSY && names && *names)
        return in_use(pool, names, error);
    g_propagate_error(error, g_steal_pointer(&cause));
    return false;
}

/* A group that the host itself uses stays as it is: also what lies idle in it now may be the
 * host's. lvm2 deactivates all of a group or, when a volume is open, nothing. */
static bool stop(const PoolDef *pool, Operation *op, GError **error)
{
    g_autofree char *use = lvm_host_use("", group_of(pool));
    GError *failure = NULL;

    if (use) {
        log_info("pool '%s': volume group '%s' stays active, as the host uses it: %s", pool->name,
                 group_of(pool), use);
        return true;
    }
    if (lvm_run(op, &failure, "vgchange", "-aln", "--", group_of(pool), NULL))
        return true;
    return stop_failed(pool, op, failure, error);
}

/* ---- build, erase ---- */

static bool check_build_device(const char *path, guint flags, GError **error)
{
    struct stat st;

    if (*path != '/')
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                         "'%s' is no path of a device: it must begin with '/'", path);
    if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE, "'%s' is no block device",
                         path);
    return flags & BUILD_OVERWRITE || signature_check_blank(path, FORMAT, error);
}

static bool check_no_group(const PoolDef *pool, Operation *op, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(LvmGroup) group = lvm_group_read(group_of(pool), op, &failure);

    if (group && !lvm_group_check_imported(group, error))
        return false;
    if (group)
        return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                         "volume group '%s' exists already: delete that pool first, or start it "
                         "without building it",
                         group_of(pool));
    if (error_code(failure) == ERROR_CONFIG_UNSUPPORTED)
        return true;
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

static bool check_unused(const PoolDef *pool, GError **error)
{
    for (guint i = 0; i < pool->source.n_devices; i++)
        if (!signature_check_unused(pool->source.devices[i].path, error))
            return false;
    return true;
}

/* Everything that can be refused is, before the first device is touched. */
static bool check_build(const PoolDef *pool, Operation *op, guint flags, GError **error)
{
    if (pool->source.n_devices == 0)
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                         "no device is given to make volume group '%s' of", group_of(pool));
    for (guint i = 0; i < pool->source.n_devices; i++)
        if (!check_build_device(pool->source.devices[i].path, flags, error))
            return false;
    return check_no_group(pool, op, error) && check_unused(pool, error);
}

/* "pvcreate", "--", DEVICE… and the like; `group` may be NULL. */
static bool run_on_devices(const PoolDef *pool, Operation *op, const char *const *words,
                           const char *group, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();

    for (; *words; words++)
        g_ptr_array_add(argv, (char *)*words);
    g_ptr_array_add(argv, (char *)"--");
    if (group)
        g_ptr_array_add(argv, (char *)group);
    for (guint i = 0; i < pool->source.n_devices; i++)
        g_ptr_array_add(argv, pool->source.devices[i].path);
    g_ptr_array_add(argv, NULL);
    return lvm_run_list(op, argv, error);
}

static bool clear_devices(const PoolDef *pool, Operation *op, GError **error)
{
    for (guint i = 0; i < pool->source.n_devices; i++)
        if (!signature_clear(pool->source.devices[i].path, op, error))
            return false;
    return true;
}

/* Those that were made physical volumes become blank again; of the rest it complains. */
static void undo_build(const PoolDef *pool, Operation *op)
{
    static const char *const pvremove[] = {"pvremove", NULL};
    g_autoptr(Operation) undo = lvm_undo_operation(op);
    g_autoptr(GError) error = NULL;

    if (!run_on_devices(pool, undo, pvremove, NULL, &error))
        log_debug("pool '%s': taking back its build: %s", pool->name, error->message);
}

static bool build(const PoolDef *pool, Operation *op, guint flags, GError **error)
{
    static const char *const pvcreate[] = {"pvcreate", NULL};
    static const char *const vgcreate[] = {"vgcreate", NULL};

    if (!check_build(pool, op, flags, error) || !clear_devices(pool, op, error))
        return false;
    if (run_on_devices(pool, op, pvcreate, NULL, error) &&
        run_on_devices(pool, op, vgcreate, group_of(pool), error))
        return true;
    undo_build(pool, op);
    return false;
}

static bool check_erasable(const PoolDef *pool, const LvmGroup *group, GError **error)
{
    g_autofree char *use = lvm_host_use("", group->name);
    g_autofree char *names = list_open(group);

    if (use)
        return error_set(error, ERROR_BUSY, ORIGIN_STORAGE,
                         "volume group '%s' is used by the host itself: %s", group->name, use);
    return !*names || in_use(pool, names, error);
}

/* Of the devices given, those that were the group's: another's would lose its own. */
static void release_devices(const PoolDef *pool, const LvmGroup *group, Operation *op)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autoptr(GError) error = NULL;

    g_ptr_array_add(argv, (char *)"pvremove");
    g_ptr_array_add(argv, (char *)"--");
    for (guint i = 0; i < pool->source.n_devices; i++)
        if (group_has(group, pool->source.devices[i].path))
            g_ptr_array_add(argv, pool->source.devices[i].path);
    bool any = argv->len > 2;
    g_ptr_array_add(argv, NULL);
    if (any && !lvm_run_list(op, argv, &error))
        log_warning("pool '%s': devices stay physical volumes: %s", pool->name, error->message);
}

static bool erase(const PoolDef *pool, Operation *op, guint flags, GError **error)
{
    g_autoptr(LvmGroup) group = read_group(pool, op, error);

    if (!group || !check_erasable(pool, group, error) ||
        !lvm_run(op, error, "vgremove", "--yes", "--force", "--", group->name, NULL))
        return false;
    release_devices(pool, group, op);
    return true;
}

/* ---- scan ---- */

static void report_thin_pools(const LvmGroup *group, Scan *scan)
{
    g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(ThinPool));

    for (guint i = 0; i < group->volumes->len; i++) {
        const LvmVolume *volume = group->volumes->pdata[i];
        if (volume->hidden || volume->kind != 't')
            continue;
        ThinPool thin = {
            .name = volume->name,
            .capacity = volume->size,
            .data_percent = lvm_percent_text(volume->data_percent),
            .meta_percent = lvm_percent_text(volume->meta_percent),
        };
        g_array_append_val(list, thin);
    }
    scan->set_thin_pools(scan, (const ThinPool *)(const void *)list->data, list->len);
    for (guint i = 0; i < list->len; i++) {
        g_free(g_array_index(list, ThinPool, i).data_percent);
        g_free(g_array_index(list, ThinPool, i).meta_percent);
    }
}

static void report_missing(const LvmGroup *group, Scan *scan)
{
    if (group->missing == 0)
        return;
    g_autofree char *reason =
        g_strdup_printf("volume group '%s' lacks %" G_GUINT64_FORMAT " of its devices", group->name,
                        group->missing);
    scan->set_degraded(scan, reason);
}

static void report_space(const LvmGroup *group, Scan *scan)
{
    PoolSpace space = {
        .capacity = group->size,
        .allocation = group->size - group->free,
        .available = group->free,
    };

    scan->set_space(scan, &space, NULL);
}

static bool scan(const PoolDef *pool, Operation *op, Scan *scan, GError **error)
{
    g_autoptr(LvmGroup) group = read_any(pool, op, error);

    if (!group)
        return false;
    report_missing(group, scan);
    report_space(group, scan);
    report_thin_pools(group, scan);
    for (guint i = 0; i < group->volumes->len; i++) {
        const LvmVolume *volume = group->volumes->pdata[i];
        if (!lvm_volume_is_listed(volume))
            continue;
        if (!operation_check(op, error))
            return false;
        g_autoptr(VolumeDef) def = lvm_volume_describe(group, volume, pool->target_path);
        scan->add(scan, def, NULL);
    }
    return true;
}

/* ---- how full thin pools are ---- */

/* Until volumes of it are active, a thin pool's device has the plain name. */
static bool ask_usage(const PoolDef *pool, const char *name, ThinUsage *ret)
{
    g_autofree char *layer = lvm_mapper_name(group_of(pool), name, "-tpool");
    g_autofree char *plain = lvm_mapper_name(group_of(pool), name, "");

    return lvm_mapper_thin_usage(layer, ret) || lvm_mapper_thin_usage(plain, ret);
}

static bool thin_usage(const PoolDef *pool, Operation *op, ThinPool *thin_pools, guint count,
                       GError **error)
{
    for (guint i = 0; i < count; i++) {
        ThinUsage usage;
        if (!operation_check(op, error))
            return false;
        if (lvm_volume_name_is_valid(thin_pools[i].name) &&
            ask_usage(pool, thin_pools[i].name, &usage))
            lvm_thin_usage_tell(&usage, &thin_pools[i]);
    }
    return true;
}

/* ---- sweep ---- */

static void sweep_one(const PoolDef *pool, const LvmGroup *group, const LvmVolume *volume,
                      Operation *op, GError **error)
{
    g_autofree char *names = lvm_group_dependents(group, volume);
    bool removed = false;

    if (names) {
        log_warning("pool '%s': the half-made volume '%s' stays, as others would be removed with "
                    "it: %s",
                    pool->name, volume->name, names);
        return;
    }
    if (lvm_volume_sweep(group->name, volume->name, op, &removed, error) && removed)
        log_warning("pool '%s': removed the half-made volume '%s'", pool->name, volume->name);
}

/* One that is open is being made by somebody else. */
static bool sweep(const PoolDef *pool, Operation *op, GError **error)
{
    g_autoptr(LvmGroup) group = lvm_group_read(group_of(pool), op, error);
    g_autoptr(GError) failure = NULL;

    for (guint i = 0; group && i < group->volumes->len; i++) {
        const LvmVolume *volume = group->volumes->pdata[i];
        if (!volume->draft || volume->hidden || volume->open)
            continue;
        sweep_one(pool, group, volume, op, failure ? NULL : &failure);
    }
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    return group && !failure;
}

static const BackendTool tools[] = {{"lvm", "2.02.158"}, {}};

const Backend backend_logical = {
    .schema =
        {
            .type = "logical",
            .number = 3,
            .list_flag = 1 << 9,
            .host_rank = 3,
            .takes = SOURCE_DEVICE | SOURCE_NAME,
            .flags = POOL_HAS_TARGET | POOL_NAME_FROM_SOURCE | POOL_VOLUME_NEEDS_CAPACITY |
                     POOL_THIN_POOLS,
            .target_prefix = "/dev/",
            .source_formats = &formats,
        },
    .concurrency = BACKEND_PARALLEL, /* lvm2 has a lock for each group */
    .flags = BACKEND_NAMED_PATHS | BACKEND_SPACE_BY_EXTENTS | BACKEND_SHRINKS_ALLOCATED,
    .tools = tools,
    .build_flags = BUILD_OVERWRITE | BUILD_NO_OVERWRITE,
    .delete_flags = VOLUME_DELETE_WITH_SNAPSHOTS,
    .same_source = source_same_device_or_name,
    .check = check,
    .discover = discover,
    .is_up = is_up,
    .build = build,
    .start = start,
    .stop = stop,
    .erase = erase,
    .scan = scan,
    .thin_usage = thin_usage,
    .sweep = sweep,
    .volume_stat = lvm_volume_stat,
    .volume_restat = lvm_volume_restat,
    .volume_create = lvm_volume_create,
    .volume_clone = lvm_volume_clone,
    .volume_resize = lvm_volume_resize,
    .volume_wipe = lvm_volume_wipe,
    .volume_delete = lvm_volume_delete,
    .volume_open = lvm_volume_open,
};
