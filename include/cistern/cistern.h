/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CISTERN_H
#define CISTERN_H

/*
 * libcistern: managing the storage of virtual machine hosts.
 *
 * A connection leads to a storage daemon or to an engine inside this process
 * ("embed:///DIR"); both are spoken to in the same protocol. Every call may wait
 * for its answer. A connection and everything got from it may be used by several
 * threads at once; calls run side by side.
 *
 * Conventions. Functions that return int give 0 (or a count) on success and -1
 * on failure; functions that return a pointer give NULL on failure. After a
 * failure cistern_last_error() of the calling thread says what happened. Outputs
 * are written on success only. Strings that are returned as `char *` belong to the
 * caller and are freed with free(); `const char *` belongs to the object. Sizes
 * are bytes. Unknown bits in `flags` are refused with CISTERN_ERROR_INVALID_ARGUMENT.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CISTERN_PUBLIC __attribute__((visibility("default")))

typedef struct CisternConnection CisternConnection;
typedef struct CisternPool CisternPool;     /* a handle; stays valid when the pool is gone */
typedef struct CisternVolume CisternVolume; /* likewise */

/* ---- errors ---- */

typedef struct CisternError {
    int code;            /* libvirt's error number (CisternErrorCode) */
    int origin;          /* libvirt's error domain number */
    int system_error;    /* errno of a failed system call, else 0 */
    const char *name;    /* a short stable word for the code: "no-pool" */
    const char *message; /* one or more sentences for people; never NULL */
    int exit_status;     /* what a command line program should exit with */
} CisternError;

typedef enum CisternErrorCode {
    CISTERN_ERROR_INTERNAL = 1,
    CISTERN_ERROR_NO_SUPPORT = 3,
    CISTERN_ERROR_NO_CONNECT = 5,
    CISTERN_ERROR_INVALID_ARGUMENT = 8,
    CISTERN_ERROR_OPERATION_FAILED = 9,
    CISTERN_ERROR_XML = 27,
    CISTERN_ERROR_OPERATION_DENIED = 29,
    CISTERN_ERROR_XML_DETAIL = 35,
    CISTERN_ERROR_SYSTEM = 38,
    CISTERN_ERROR_RPC = 39,
    CISTERN_ERROR_AUTH_FAILED = 45,
    CISTERN_ERROR_NO_POOL = 49,
    CISTERN_ERROR_NO_VOLUME = 50,
    CISTERN_ERROR_OPERATION_INVALID = 55,
    CISTERN_ERROR_NO_SECRET = 66,
    CISTERN_ERROR_CONFIG_UNSUPPORTED = 67,
    CISTERN_ERROR_TIMEOUT = 68,
    CISTERN_ERROR_ARGUMENT_UNSUPPORTED = 74,
    CISTERN_ERROR_PROBE_FAILED = 75,
    CISTERN_ERROR_POOL_BUILT = 76,
    CISTERN_ERROR_ABORTED = 78,
    CISTERN_ERROR_OVERFLOW = 82,
    CISTERN_ERROR_OPERATION_UNSUPPORTED = 84,
    CISTERN_ERROR_BUSY = 87,
    CISTERN_ERROR_ACCESS_DENIED = 88,
    CISTERN_ERROR_VOLUME_EXISTS = 90,
    CISTERN_ERROR_XML_INVALID_SCHEMA = 92,
    CISTERN_ERROR_AUTH_UNAVAILABLE = 94,
} CisternErrorCode;

/* The last failure in this thread. Never NULL; code 0 when nothing has failed. Valid until the
 * thread's next failing call. */
CISTERN_PUBLIC const CisternError *cistern_last_error(void);

/* The library's version: major × 1000000 + minor × 1000 + release. */
CISTERN_PUBLIC unsigned long cistern_version(void);

/* ---- connections ---- */

typedef enum CisternOpenFlags {
    CISTERN_OPEN_READ_ONLY = 1 << 0, /* calls that change something are refused */
} CisternOpenFlags;

/* Opens a connection.
 *   uri: "embed:///DIR"  the engine in this process on the state folder DIR, which one process at
 *                        a time holds;
 *        "cistern:///system", "cistern:///session", "cistern+unix:///system?socket=PATH"
 *                        a daemon on a unix socket;
 *        NULL            the daemon of this user if one answers, else the embedded engine on the
 *                        user's default folder. The variable CISTERN_DEFAULT_URI overrides this.
 *   flags: CisternOpenFlags.
 * Returns a connection, to be closed with cistern_close(). */
CISTERN_PUBLIC CisternConnection *cistern_open(const char *uri, unsigned int flags);

/* Ends the connection and frees it. Running calls of other threads fail; handles got from it must
 * have been freed. NULL is allowed. */
CISTERN_PUBLIC void cistern_close(CisternConnection *connection);

/* Where the connection leads, in full; for an embedded engine "embed:///DIR". */
CISTERN_PUBLIC const char *cistern_uri(CisternConnection *connection);

/* 1 when the engine runs in this process, 0 when a daemon answers. */
CISTERN_PUBLIC int cistern_is_embedded(CisternConnection *connection);

/* The documents of what the other side can do. */
CISTERN_PUBLIC char *cistern_capabilities(CisternConnection *connection);
CISTERN_PUBLIC char *cistern_pool_capabilities(CisternConnection *connection, unsigned int flags);

/* How far the calls of this thread are. `callback` is called, at most ten times a second, from
 * within a long call of the thread that set it. `total` 0 = not known. When it returns non-zero the
 * call is cancelled and fails with CISTERN_ERROR_ABORTED. NULL ends it. */
typedef int (*CisternProgress)(uint64_t done, uint64_t total, void *data);
CISTERN_PUBLIC void cistern_set_progress(CisternConnection *connection, CisternProgress callback,
                                         void *data);

/* ---- pools: finding ---- */

typedef enum CisternListPoolsFlags {
    CISTERN_LIST_POOLS_INACTIVE = 1 << 0,
    CISTERN_LIST_POOLS_ACTIVE = 1 << 1,
    CISTERN_LIST_POOLS_PERSISTENT = 1 << 2,
    CISTERN_LIST_POOLS_TRANSIENT = 1 << 3,
    CISTERN_LIST_POOLS_AUTOSTART = 1 << 4,
    CISTERN_LIST_POOLS_NO_AUTOSTART = 1 << 5,
    CISTERN_LIST_POOLS_DIR = 1 << 6,
    CISTERN_LIST_POOLS_FS = 1 << 7,
    CISTERN_LIST_POOLS_NETFS = 1 << 8,
    CISTERN_LIST_POOLS_LOGICAL = 1 << 9,
    CISTERN_LIST_POOLS_DISK = 1 << 10,
    CISTERN_LIST_POOLS_ISCSI = 1 << 11,
    CISTERN_LIST_POOLS_SCSI = 1 << 12,
    CISTERN_LIST_POOLS_MPATH = 1 << 13,
    CISTERN_LIST_POOLS_RBD = 1 << 14,
    CISTERN_LIST_POOLS_SHEEPDOG = 1 << 15,
    CISTERN_LIST_POOLS_GLUSTER = 1 << 16,
    CISTERN_LIST_POOLS_ZFS = 1 << 17,
    CISTERN_LIST_POOLS_VSTORAGE = 1 << 18,
    CISTERN_LIST_POOLS_ISCSI_DIRECT = 1 << 19,
} CisternListPoolsFlags;

/* All pools that pass the filter, ordered by name; 0 = every pool. *ret_pools is a new array of
 * handles (free each with cistern_pool_free() and the array with free()). Returns their number. */
CISTERN_PUBLIC int cistern_list_pools(CisternConnection *connection, CisternPool ***ret_pools,
                                      unsigned int flags);

/* Errors: CISTERN_ERROR_NO_POOL. */
CISTERN_PUBLIC CisternPool *cistern_find_pool(CisternConnection *connection, const char *name);
CISTERN_PUBLIC CisternPool *cistern_find_pool_by_uuid(CisternConnection *connection,
                                                      const char *uuid);
CISTERN_PUBLIC CisternPool *cistern_find_pool_by_target_path(CisternConnection *connection,
                                                             const char *path);
CISTERN_PUBLIC CisternPool *cistern_find_pool_of_volume(CisternVolume *volume);
CISTERN_PUBLIC void cistern_pool_free(CisternPool *pool);

CISTERN_PUBLIC const char *cistern_pool_name(CisternPool *pool);
CISTERN_PUBLIC const char *cistern_pool_uuid(CisternPool *pool); /* 36 characters */

/* The <sources> document of what storage of a type can be found. `spec`: a <source> document that
 * narrows it, or NULL. Errors: CISTERN_ERROR_NO_SUPPORT, CISTERN_ERROR_INVALID_ARGUMENT. */
CISTERN_PUBLIC char *cistern_discover_sources(CisternConnection *connection, const char *type,
                                              const char *spec, unsigned int flags);

/* ---- pools: reading ---- */

typedef enum CisternPoolState {
    CISTERN_POOL_INACTIVE = 0,
    CISTERN_POOL_BUILDING = 1,
    CISTERN_POOL_RUNNING = 2,
    CISTERN_POOL_DEGRADED = 3,
    CISTERN_POOL_INACCESSIBLE = 4,
} CisternPoolState;

typedef struct CisternPoolInfo {
    CisternPoolState state;
    uint64_t capacity, allocation, available; /* bytes; 0 when inactive */
} CisternPoolInfo;

CISTERN_PUBLIC int cistern_pool_info(CisternPool *pool, CisternPoolInfo *ret_info);
CISTERN_PUBLIC int cistern_pool_is_active(CisternPool *pool);     /* 1, 0, or -1 */
CISTERN_PUBLIC int cistern_pool_is_persistent(CisternPool *pool); /* 1, 0, or -1 */
CISTERN_PUBLIC int cistern_pool_autostart(CisternPool *pool);     /* 1, 0, or -1 */

typedef enum CisternPoolXmlFlags {
    CISTERN_POOL_XML_INACTIVE = 1 << 0, /* the saved definition */
} CisternPoolXmlFlags;
CISTERN_PUBLIC char *cistern_pool_xml(CisternPool *pool, unsigned int flags);

/* ---- pools: changing ---- */

typedef enum CisternPoolDefineFlags {
    CISTERN_POOL_DEFINE_VALIDATE = 1 << 0, /* check the document against the schema */
} CisternPoolDefineFlags;
CISTERN_PUBLIC CisternPool *cistern_pool_define(CisternConnection *connection, const char *xml,
                                                unsigned int flags);

typedef enum CisternPoolCreateFlags {
    CISTERN_POOL_CREATE_BUILD = 1 << 0,
    CISTERN_POOL_CREATE_BUILD_OVERWRITE = 1 << 1,
    CISTERN_POOL_CREATE_BUILD_NO_OVERWRITE = 1 << 2,
} CisternPoolCreateFlags;
/* Starts a transient pool from a document. */
CISTERN_PUBLIC CisternPool *cistern_pool_create(CisternConnection *connection, const char *xml,
                                                unsigned int flags);
/* Starts a defined pool; flags: CisternPoolCreateFlags. */
CISTERN_PUBLIC int cistern_pool_start(CisternPool *pool, unsigned int flags);

typedef enum CisternPoolBuildFlags {
    CISTERN_POOL_BUILD_REPAIR = 1 << 0,
    CISTERN_POOL_BUILD_RESIZE = 1 << 1,
    CISTERN_POOL_BUILD_NO_OVERWRITE = 1 << 2,
    CISTERN_POOL_BUILD_OVERWRITE = 1 << 3,
} CisternPoolBuildFlags;
CISTERN_PUBLIC int cistern_pool_build(CisternPool *pool, unsigned int flags);
/* Stops the pool; its storage keeps its data. */
CISTERN_PUBLIC int cistern_pool_stop(CisternPool *pool);
CISTERN_PUBLIC int cistern_pool_undefine(CisternPool *pool);

typedef enum CisternPoolEraseFlags {
    CISTERN_POOL_ERASE_ZEROED = 1 << 0,
} CisternPoolEraseFlags;
/* Removes the storage under an inactive pool. */
CISTERN_PUBLIC int cistern_pool_erase(CisternPool *pool, unsigned int flags);
CISTERN_PUBLIC int cistern_pool_refresh(CisternPool *pool, unsigned int flags);
CISTERN_PUBLIC int cistern_pool_set_autostart(CisternPool *pool, int autostart);

/* ---- volumes: finding ---- */

/* All volumes of an active pool, ordered by name; same ownership as cistern_list_pools(). Fails
 * with CISTERN_ERROR_RPC beyond 16384 volumes; cistern_list_volumes_page() has no limit. */
CISTERN_PUBLIC int cistern_list_volumes(CisternPool *pool, CisternVolume ***ret_volumes,
                                        unsigned int flags);
CISTERN_PUBLIC int cistern_pool_volume_count(CisternPool *pool);

typedef enum CisternVolumeType {
    CISTERN_VOLUME_FILE = 0,
    CISTERN_VOLUME_BLOCK = 1,
    CISTERN_VOLUME_DIR = 2,
    CISTERN_VOLUME_NETWORK = 3,
    CISTERN_VOLUME_NETDIR = 4,
    CISTERN_VOLUME_PLOOP = 5,
} CisternVolumeType;

/* One volume in a page. */
typedef struct CisternVolumeEntry {
    char *name;
    char *key;
    char *path;
    CisternVolumeType type;
    char *format; /* "qcow2"; "" for types of pools without volume formats */
    uint64_t capacity, allocation, physical; /* bytes, as last seen */
    char *backing; /* path of the backing file, or "" */
    char *problem; /* why it can't be read, or "" */
} CisternVolumeEntry;

/* Up to `max` (1–4096) volumes whose names come after `after` (NULL or "": from the first), in
 * order, with all that a table shows, in one call. *ret_entries is freed with
 * cistern_volume_entries_free(). Returns their number; 0 at the end. */
CISTERN_PUBLIC int cistern_list_volumes_page(CisternPool *pool, const char *after, unsigned int max,
                                             CisternVolumeEntry **ret_entries);
CISTERN_PUBLIC void cistern_volume_entries_free(CisternVolumeEntry *entries, int count);

/* Errors: CISTERN_ERROR_NO_VOLUME. */
CISTERN_PUBLIC CisternVolume *cistern_find_volume(CisternPool *pool, const char *name);
CISTERN_PUBLIC CisternVolume *cistern_find_volume_by_key(CisternConnection *connection,
                                                         const char *key);
CISTERN_PUBLIC CisternVolume *cistern_find_volume_by_path(CisternConnection *connection,
                                                          const char *path);
CISTERN_PUBLIC void cistern_volume_free(CisternVolume *volume);

CISTERN_PUBLIC const char *cistern_volume_name(CisternVolume *volume);
CISTERN_PUBLIC const char *cistern_volume_key(CisternVolume *volume);
CISTERN_PUBLIC const char *cistern_volume_pool_name(CisternVolume *volume);

/* ---- volumes: reading ---- */

typedef struct CisternVolumeInfo {
    CisternVolumeType type;
    uint64_t capacity, allocation; /* bytes */
} CisternVolumeInfo;

typedef enum CisternVolumeInfoFlags {
    CISTERN_VOLUME_INFO_PHYSICAL = 1 << 0, /* `allocation` is the physical size of the image */
} CisternVolumeInfoFlags;
CISTERN_PUBLIC int cistern_volume_info(CisternVolume *volume, CisternVolumeInfo *ret_info,
                                       unsigned int flags);
CISTERN_PUBLIC char *cistern_volume_xml(CisternVolume *volume, unsigned int flags);
CISTERN_PUBLIC char *cistern_volume_path(CisternVolume *volume);

/* ---- volumes: changing ---- */

typedef enum CisternVolumeCreateFlags {
    CISTERN_VOLUME_CREATE_PREALLOC_METADATA = 1 << 0,
    CISTERN_VOLUME_CREATE_REFLINK = 1 << 1, /* only cistern_volume_create_from() */
    CISTERN_VOLUME_CREATE_VALIDATE = 1 << 2,
} CisternVolumeCreateFlags;
CISTERN_PUBLIC CisternVolume *cistern_volume_create(CisternPool *pool, const char *xml,
                                                    unsigned int flags);
/* A new volume with the content of `source`, which may be in another pool. */
CISTERN_PUBLIC CisternVolume *cistern_volume_create_from(CisternPool *pool, const char *xml,
                                                         CisternVolume *source,
                                                         unsigned int flags);

typedef enum CisternVolumeDeleteFlags {
    CISTERN_VOLUME_DELETE_ZEROED = 1 << 0,
    CISTERN_VOLUME_DELETE_WITH_SNAPSHOTS = 1 << 1,
} CisternVolumeDeleteFlags;
CISTERN_PUBLIC int cistern_volume_delete(CisternVolume *volume, unsigned int flags);

typedef enum CisternVolumeResizeFlags {
    CISTERN_VOLUME_RESIZE_ALLOCATE = 1 << 0,
    CISTERN_VOLUME_RESIZE_DELTA = 1 << 1,  /* `capacity` is added, with SHRINK taken away */
    CISTERN_VOLUME_RESIZE_SHRINK = 1 << 2, /* smaller is allowed */
} CisternVolumeResizeFlags;
CISTERN_PUBLIC int cistern_volume_resize(CisternVolume *volume, uint64_t capacity,
                                         unsigned int flags);

typedef enum CisternWipe {
    CISTERN_WIPE_ZERO = 0,
    CISTERN_WIPE_NNSA = 1,
    CISTERN_WIPE_DOD = 2,
    CISTERN_WIPE_BSI = 3,
    CISTERN_WIPE_GUTMANN = 4,
    CISTERN_WIPE_SCHNEIER = 5,
    CISTERN_WIPE_PFITZNER7 = 6,
    CISTERN_WIPE_PFITZNER33 = 7,
    CISTERN_WIPE_RANDOM = 8,
    CISTERN_WIPE_TRIM = 9,
} CisternWipe;
CISTERN_PUBLIC int cistern_volume_wipe(CisternVolume *volume, unsigned int algorithm,
                                       unsigned int flags);

/* One image of a backing chain; element 0 is the volume itself. */
typedef struct CisternChainEntry {
    char *path;
    char *format;
    uint64_t capacity; /* bytes; 0 = not known */
    char *problem;     /* why the chain ends here, or "" */
} CisternChainEntry;
/* Follows the backing files of a volume. Freed with cistern_chain_free(). Returns the number. */
CISTERN_PUBLIC int cistern_volume_chain(CisternVolume *volume, CisternChainEntry **ret_entries);
CISTERN_PUBLIC void cistern_chain_free(CisternChainEntry *entries, int count);

/* ---- jobs ---- */

typedef struct CisternJob {
    uint64_t id;
    char *operation; /* "clone", "wipe", … */
    char *pool;
    char *volume;    /* or "" */
    char *client;    /* who started it */
    int64_t started; /* microseconds since the epoch */
    uint64_t done, total; /* total 0 = not known */
} CisternJob;
/* Running jobs, oldest first. Freed with cistern_jobs_free(). Returns the number. */
CISTERN_PUBLIC int cistern_list_jobs(CisternConnection *connection, CisternJob **ret_jobs);
CISTERN_PUBLIC void cistern_jobs_free(CisternJob *jobs, int count);
CISTERN_PUBLIC int cistern_job_cancel(CisternConnection *connection, uint64_t id);

/* ---- events ---- */

typedef enum CisternPoolEvent {
    CISTERN_EVENT_DEFINED = 0,
    CISTERN_EVENT_UNDEFINED = 1,
    CISTERN_EVENT_STARTED = 2,
    CISTERN_EVENT_STOPPED = 3,
    CISTERN_EVENT_BUILT = 4,
    CISTERN_EVENT_ERASED = 5,
    CISTERN_EVENT_REFRESHED = 6,
} CisternPoolEvent;

/* Called from within cistern_dispatch_events(). `pool` is valid during the call. */
typedef void (*CisternEventCallback)(CisternPool *pool, CisternPoolEvent event, void *data);

/* Asks for the events of one pool, or of all (NULL). Returns an id ≥ 0. */
CISTERN_PUBLIC int cistern_event_register(CisternConnection *connection, CisternPool *pool,
                                          CisternEventCallback callback, void *data);
CISTERN_PUBLIC int cistern_event_unregister(CisternConnection *connection, int id);
/* Waits up to `timeout` milliseconds (-1: for ever) for events and calls their callbacks. Returns
 * how many were delivered, 0 on time-out, -1 when the connection is lost. */
CISTERN_PUBLIC int cistern_dispatch_events(CisternConnection *connection, int timeout);

#ifdef __cplusplus
}
#endif
#endif
