/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "command.h"
#include "fd.h"
#include "io.h"
#include "operation.h"
#include "pool-def.h"
#include "volume-def.h"

/*
 * The contract of a pool type.
 *
 * One `const Backend` per type describes it and does its work. The rules:
 *
 *  - An operation gets plain immutable values and returns plain values. It never
 *    sees an engine object, never runs under a lock, and may run in any thread;
 *    how many at once says `concurrency`.
 *  - It leaves nothing behind when it fails. Outputs are written on success only,
 *    *error is set exactly when it returns false.
 *  - It honours the operation's deadline and cancellation (operation_check() in
 *    loops), and runs programs through command_run() alone.
 *  - What is half made is marked on the storage itself (a draft, a tag, a
 *    property), so that `sweep` finds it after a crash.
 *  - A volume that can't be read is listed with its `problem`; it never fails the pool.
 *  - An absent operation means that the type can't do that; the engine words the
 *    refusal. Only `scan` is required: a type without it is not in this build.
 *  - Definitions passed in have been checked: names are valid, sizes below 2^63.
 */

typedef enum BackendConcurrency {
    BACKEND_PARALLEL,    /* any number of operations, one per volume */
    BACKEND_SERIAL_POOL, /* one changing operation per pool */
} BackendConcurrency;

typedef enum BackendFlag {
    /* Volumes are entries of the folder at target_path: watched for changes, a look-up that
     * misses asks volume_stat, paths are target_path/name and keys are paths. */
    BACKEND_FOLDER = 1 << 0,
    /* Building or erasing needs a source device, which dir-like pools don't have: overwrite flags
     * are refused. */
    BACKEND_NO_FORMAT = 1 << 1,
    /* start, stop and is_up have nothing to do outside the daemon. */
    BACKEND_ALWAYS_UP = 1 << 2,
    /* Paths of volumes are target_path/name: a look-up by path that misses asks volume_stat. What
     * BACKEND_FOLDER implies. */
    BACKEND_NAMED_PATHS = 1 << 3,
    /* All that a volume takes of the pool is in its extents: when one comes, goes or changes, the
     * pool's sizes follow from them, and `space` need not be asked. */
    BACKEND_SPACE_BY_EXTENTS = 1 << 4,
    /* Volumes are allocated as they are long: shrinking one below its allocation is what shrinking
     * means. Elsewhere that is refused, as data would be lost. */
    BACKEND_SHRINKS_ALLOCATED = 1 << 5,
    /* A change of one volume changes what is told of others or of the pool's free extents: the
     * pool is scanned after each change. */
    BACKEND_SCAN_AFTER_CHANGE = 1 << 6,
} BackendFlag;

typedef enum BuildFlag { /* libvirt's virStoragePoolBuildFlags */
                         BUILD_REPAIR = 1 << 0,
                         BUILD_RESIZE = 1 << 1,
                         BUILD_NO_OVERWRITE = 1 << 2,
                         BUILD_OVERWRITE = 1 << 3,
} BuildFlag;

typedef enum EraseFlag { ERASE_ZEROED = 1 << 0 } EraseFlag;

typedef enum VolumeCreateFlag {
    VOLUME_CREATE_PREALLOC_METADATA = 1 << 0,
    VOLUME_CREATE_REFLINK = 1 << 1, /* clone must share blocks or fail */
    VOLUME_CREATE_VALIDATE = 1 << 2,
} VolumeCreateFlag;

typedef enum VolumeDeleteFlag {
    VOLUME_DELETE_ZEROED = 1 << 0,
    VOLUME_DELETE_WITH_SNAPSHOTS = 1 << 1,
} VolumeDeleteFlag;

typedef enum VolumeResizeFlag { /* `delta` was resolved by the engine */
                                VOLUME_RESIZE_ALLOCATE = 1 << 0,
                                VOLUME_RESIZE_DELTA = 1 << 1,
                                VOLUME_RESIZE_SHRINK = 1 << 2,
} VolumeResizeFlag;

typedef enum WipeAlgorithm { /* libvirt's virStorageVolWipeAlgorithm */
                             WIPE_ZERO,
                             WIPE_NNSA,
                             WIPE_DOD,
                             WIPE_BSI,
                             WIPE_GUTMANN,
                             WIPE_SCHNEIER,
                             WIPE_PFITZNER7,
                             WIPE_PFITZNER33,
                             WIPE_RANDOM,
                             WIPE_TRIM,
                             WIPE_COUNT,
} WipeAlgorithm;

/* The word of an algorithm, as virsh and scrub have it; NULL beyond the list. */
const char *wipe_algorithm_name(WipeAlgorithm algorithm);

typedef enum VolumeAccess { VOLUME_READ, VOLUME_WRITE } VolumeAccess;

/* The state of a file as it was when its record was made. All equal: nothing to read again. */
typedef struct FileIdentity {
    guint64 device, inode;
    guint64 size;        /* bytes */
    gint64 mtime, ctime; /* nanoseconds */
} FileIdentity;

/*
 * What a scan reports to. Every function may be called from several threads at
 * once. The engine makes the new list from it and swaps it in when the scan succeeds.
 */
typedef struct Scan Scan;

struct Scan {
    /* If the volume of that name was listed before with this identity, keeps that record and
     * returns true: the caller need not look into it. */
    bool (*keep)(Scan *scan, const char *name, const FileIdentity *identity);
    /* Lists a volume. What is needed is copied. `identity` may be NULL. */
    void (*add)(Scan *scan, const VolumeDef *volume, const FileIdentity *identity);
    /* The pool's sizes and, for folders, real owner and mode (may be NULL). */
    void (*set_space)(Scan *scan, const PoolSpace *space, const Permissions *permissions);
    /* Free extents of the pool's device, for types that show them. */
    void (*set_free_extents)(Scan *scan, const FreeExtent *extents, guint count);
    /* The stores of thin volumes, for types that have them (POOL_THIN_POOLS). */
    void (*set_thin_pools)(Scan *scan, const ThinPool *thin_pools, guint count);
    /* The pool can be used, but not all of it: why. Not called: it is whole. */
    void (*set_degraded)(Scan *scan, const char *reason);
};

/* The source of a clone: its definition, and its content opened by the backend it belongs to. */
typedef struct VolumeSource {
    const PoolDef *pool;
    const VolumeDef *volume;
    Io *io;
} VolumeSource;

/* A volume as it is, with the identity that Scan.keep() is asked about. */
typedef struct VolumeState {
    VolumeDef *volume;
    bool has_identity;
    FileIdentity identity;
} VolumeState;

void volume_state_clear(VolumeState *state);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VolumeState, volume_state_clear)

typedef struct BackendTool {
    const char *program;
    const char *minimum_version; /* or NULL */
} BackendTool;

typedef struct Backend {
    PoolSchema schema;
    BackendConcurrency concurrency;
    guint flags;              /* BackendFlag bits */
    const BackendTool *tools; /* ended by an empty row; NULL = none */
    const char *unavailable;  /* why this build lacks the type; set exactly when scan is NULL */
    guint build_flags;        /* BuildFlag bits that `build` knows */
    guint delete_flags;       /* VolumeDeleteFlag bits that `volume_delete` knows */

    /* Two definitions use the same storage. Asked for pairs whose backends have the same function
     * here. NULL: never the same. */
    bool (*same_source)(const PoolDef *added, const PoolDef *existing);
    /* Rules across fields that the tables can't say. */
    bool (*check)(const PoolDef *pool, GError **error);
    /* Of types that mount: the folder that was opened at target_path is the pool's own storage, not
     * the empty folder below it or what someone else mounted there. Asked before each use; NULL:
     * any folder is right. */
    bool (*owns_folder)(const PoolDef *pool, int folder, GError **error);

    /* Pool. */
    bool (*discover)(const PoolSource *hint, Operation *op, GPtrArray *ret_sources, GError **error);
    bool (*is_up)(const PoolDef *pool, Operation *op, bool *ret_up, GError **error);
    bool (*build)(const PoolDef *pool, Operation *op, guint flags, GError **error);
    bool (*start)(const PoolDef *pool, Operation *op, GError **error);
    bool (*stop)(const PoolDef *pool, Operation *op, GError **error);
    bool (*erase)(const PoolDef *pool, Operation *op, guint flags, GError **error);
    bool (*scan)(const PoolDef *pool, Operation *op, Scan *scan, GError **error);
    /* Current sizes, without a scan; NULL: they are those of the last scan. */
    bool (*space)(const PoolDef *pool, Operation *op, PoolSpace *ret, GError **error);
    /* How full the thin pools are, without a scan and without a program: others fill them, so they
     * are looked at every few seconds while the pool runs. `thin_pools` are copies of those of the
     * definition; what can't be told of one stays as it is. */
    bool (*thin_usage)(const PoolDef *pool, Operation *op, ThinPool *thin_pools, guint count,
                       GError **error);
    /* Removes what makers that died left half made. */
    bool (*sweep)(const PoolDef *pool, Operation *op, GError **error);

    /* Volume. */
    bool (*volume_stat)(const PoolDef *pool, Operation *op, const char *name, VolumeState *ret,
                        GError **error);
    /* The same for a volume that is listed, where that can be had for less than by volume_stat:
     * what others seldom change may be taken from `known`. NULL: volume_stat is asked. */
    bool (*volume_restat)(const PoolDef *pool, Operation *op, const VolumeDef *known,
                          VolumeState *ret, GError **error);
    bool (*volume_create)(const PoolDef *pool, Operation *op, const VolumeDef *spec, guint flags,
                          VolumeState *ret, GError **error);
    bool (*volume_clone)(const PoolDef *pool, Operation *op, const VolumeDef *spec,
                         const VolumeSource *source, guint flags, VolumeState *ret, GError **error);
    /* `capacity` is the new size in bytes. */
    bool (*volume_resize)(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                          guint64 capacity, guint flags, GError **error);
    bool (*volume_wipe)(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                        WipeAlgorithm algorithm, GError **error);
    bool (*volume_delete)(const PoolDef *pool, Operation *op, const VolumeDef *volume, guint flags,
                          GError **error);
    bool (*volume_open)(const PoolDef *pool, Operation *op, const VolumeDef *volume,
                        VolumeAccess access, Io **ret, GError **error);
} Backend;

static inline bool backend_is_available(const Backend *backend)
{
    return backend->scan != NULL;
}
