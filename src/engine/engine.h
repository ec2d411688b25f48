/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"
#include "inventory.h"

/*
 * The engine: pools and what is done with them. Thread-safe throughout.
 *
 * Calls named *_list, *_find_* and the plain readers answer from memory and
 * never wait for storage; they may run on the loop thread. All others may take
 * as long as the storage does and belong on a worker.
 */
typedef struct Engine Engine;
typedef struct Pool Pool; /* one pool, saved or running or both; reference-counted */

typedef struct EngineConfig {
    const char *config_dir;         /* definitions; autostart links in its autostart/ */
    const char *state_dir;          /* state files of running pools; a lock file */
    const Backend *const *backends; /* ordered by number */
    guint n_backends;
    CommandRunner runner; /* NULL: the real one */
    void *runner_data;
} EngineConfig;

/* What a document turns out to be about. */
typedef struct Subject {
    const char *pool_name;
    const Uuid *pool_uuid;
    const char *volume_name; /* NULL: the pool itself */
} Subject;

/* Whether the caller may do what it asks for, to this; false with the error set. Called with no
 * lock held; may wait. */
typedef bool (*RequestJudge)(const Subject *subject, void *data, GError **error);

/* Who asks, and the operation that can be cancelled from outside. */
typedef struct Request {
    Operation *op;      /* never NULL */
    const char *client; /* for job lists and logs: "unix:4711", "embedded" */
    /* Asked by the calls that take a document, after it was read and before anything else. NULL:
     * everybody may do everything. Where there is one, errors don't name what others own. */
    RequestJudge judge;
    void *judge_data;
} Request;

/* Asks the request's judge, if it has one. */
bool request_check(const Request *request, const Subject *subject, GError **error);

/* Opens (and makes) the folders, takes the lock, loads definitions and states, finds out which
 * pools are up, sweeps what was half made, and autostarts once per boot. A broken file is logged
 * and skipped. Errors: another process has the lock (ERROR_OPERATION_INVALID), system errors. */
Engine *engine_open(const EngineConfig *config, GError **error);

/* Stops watching, cancels jobs and waits for them (for some seconds: storage may hang, and the lock
 * is kept until it no longer does), writes nothing. Pools stay as they are. Calls made by others
 * must have returned before, and references to pools that are still held must only be given back
 * afterwards. Harmless with NULL. */
void engine_close(Engine *engine);

/* Reads the saved definitions again: new ones are added, changed ones take the place of the old,
 * running pools go on as they are. Broken files are logged and skipped; a file that is gone changes
 * nothing. */
bool engine_reload(Engine *engine, GError **error);

/* ---- pools: finding ---- */

Pool *pool_ref(Pool *pool);
void pool_unref(Pool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pool, pool_unref)

typedef enum PoolListFlag { /* libvirt's virConnectListAllStoragePoolsFlags; type bits follow */
                            POOL_LIST_INACTIVE = 1 << 0,
                            POOL_LIST_ACTIVE = 1 << 1,
                            POOL_LIST_PERSISTENT = 1 << 2,
                            POOL_LIST_TRANSIENT = 1 << 3,
                            POOL_LIST_AUTOSTART = 1 << 4,
                            POOL_LIST_NO_AUTOSTART = 1 << 5,
                            POOL_LIST_ALL_FLAGS = (1 << 20) - 1,
} PoolListFlag;

/* References to the pools that pass the filter (0 = all), ordered by name. */
GPtrArray *engine_list_pools(Engine *engine, guint filter);

/* A reference, or NULL with ERROR_NO_POOL in libvirt's words. */
Pool *engine_find_pool_by_name(Engine *engine, const char *name, GError **error);
/* `name_hint`: the name that came with a handle, for the message; may be NULL. */
Pool *engine_find_pool_by_uuid(Engine *engine, const Uuid *uuid, const char *name_hint,
                               GError **error);
Pool *engine_find_pool_by_target_path(Engine *engine, const char *path, GError **error);

/* ---- pools: reading (never wait) ---- */

typedef enum PoolState { /* libvirt's virStoragePoolState */
                         POOL_STATE_INACTIVE,
                         POOL_STATE_BUILDING,
                         POOL_STATE_RUNNING,
                         POOL_STATE_DEGRADED,
                         POOL_STATE_INACCESSIBLE,
} PoolState;

typedef struct PoolInfo {
    PoolState state;
    PoolSpace space;
} PoolInfo;

const char *pool_name(Pool *pool); /* fixed for the life of the object */
const Uuid *pool_uuid(Pool *pool); /* likewise */
const Backend *pool_backend(Pool *pool);
PoolDef *
pool_definition(Pool *pool); /* the running one, or the saved one when not running; a ref */
bool pool_is_active(Pool *pool);
bool pool_is_persistent(Pool *pool);
bool pool_autostart(Pool *pool);
void pool_get_info(Pool *pool, PoolInfo *ret);
/* Why the last scan failed (POOL_STATE_INACCESSIBLE) or what it found not to work
 * (POOL_STATE_DEGRADED); NULL when all is well. Free with g_free(). */
char *pool_problem(Pool *pool);
/* The document; `inactive`: the saved definition. */
char *pool_format(Pool *pool, bool inactive);

/* The volumes as last known: a reference to the current snapshot (see inventory.h).
 * Errors: ERROR_OPERATION_INVALID when the pool is not active. */
Inventory *pool_inventory(Pool *pool, GError **error);

/* ---- pools: changing ---- */

Pool *engine_define_pool(Engine *engine, const char *xml, bool validate, const Request *request,
                         GError **error);

typedef enum PoolCreateFlag {
    POOL_CREATE_WITH_BUILD = 1 << 0,
    POOL_CREATE_WITH_BUILD_OVERWRITE = 1 << 1,
    POOL_CREATE_WITH_BUILD_NO_OVERWRITE = 1 << 2,
} PoolCreateFlag;

Pool *engine_create_pool(Engine *engine, const char *xml, guint flags, const Request *request,
                         GError **error);
bool pool_start(Pool *pool, guint flags, const Request *request, GError **error);
bool pool_build(Pool *pool, guint flags, const Request *request, GError **error);
bool pool_stop(Pool *pool, const Request *request, GError **error);
bool pool_undefine(Pool *pool, const Request *request, GError **error);
bool pool_erase(Pool *pool, guint flags, const Request *request, GError **error);
bool pool_refresh(Pool *pool, const Request *request, GError **error);
bool pool_set_autostart(Pool *pool, bool autostart, GError **error);

/* The <sources> document of source discovery. `spec` may be NULL. */
char *engine_discover_sources(Engine *engine, const char *type, const char *spec,
                              const Request *request, GError **error);
char *engine_pool_capabilities(Engine *engine);
char *engine_host_capabilities(Engine *engine);

/* ---- pools: what others fill ---- */

/* Has the thin pools of all running pools looked at, on workers; never waits. Call it every few
 * seconds: what their documents say is then true without a refresh, and when one has become 80 %
 * or 95 % full (data or metadata) the log says so, and EVENT_REFRESHED comes. Costs nothing for
 * pools without thin pools. */
void engine_look_at_fill(Engine *engine);

/* ---- volumes ---- */

/* From the snapshot alone, for the loop thread. NULL when not there: ask the call below. */
VolumeRecord *pool_peek_volume(Pool *pool, const char *name);

/* Looks in the snapshot, then asks the storage for that one name. A reference, or NULL with
 * ERROR_NO_VOLUME. */
VolumeRecord *pool_find_volume(Pool *pool, const char *name, const Request *request,
                               GError **error);

/* Search all active pools; *ret_pool gets a reference. */
VolumeRecord *engine_find_volume_by_key(Engine *engine, const char *key, Pool **ret_pool,
                                        const Request *request, GError **error);
VolumeRecord *engine_find_volume_by_path(Engine *engine, const char *path, Pool **ret_pool,
                                         const Request *request, GError **error);

/* The same from the snapshots alone. When it isn't there *ret_pool is the pool whose storage has
 * to be asked; NULL with an error: none can have it. */
VolumeRecord *engine_peek_volume_by_key(Engine *engine, const char *key, Pool **ret_pool,
                                        GError **error);
VolumeRecord *engine_peek_volume_by_path(Engine *engine, const char *path, Pool **ret_pool,
                                         GError **error);

/* The volume as it is now: re-read from storage, the snapshot updated. */
VolumeDef *volume_read(Pool *pool, const char *name, const Request *request, GError **error);
/* As it was when last seen; for callers that can't wait any longer. */
VolumeDef *volume_last_known(Pool *pool, const char *name, GError **error);
/* What is wrong with it: that it can't be read, or else that an upload to it broke off and its
 * content is not whole since. NULL when all is well. */
char *volume_problem(Pool *pool, const VolumeDef *volume);

VolumeRecord *volume_create(Pool *pool, const char *xml, guint flags, const Request *request,
                            GError **error);
VolumeRecord *volume_create_from(Pool *pool, const char *xml, Pool *source_pool,
                                 const char *source_name, guint flags, const Request *request,
                                 GError **error);
bool volume_delete(Pool *pool, const char *name, guint flags, const Request *request,
                   GError **error);
bool volume_resize(Pool *pool, const char *name, guint64 capacity, guint flags,
                   const Request *request, GError **error);
bool volume_wipe(Pool *pool, const char *name, guint algorithm, const Request *request,
                 GError **error);

/* The images a volume stands on, itself first: ImageLink elements (see chain.h). */
GPtrArray *volume_chain(Pool *pool, const char *name, const Request *request, GError **error);

/* ---- volumes: streams ---- */

/* The content of a volume, open from one end to the other; its lease is held and it is a job until
 * it is closed. Used by one thread at a time. */
typedef struct VolumeStream VolumeStream;

typedef enum StreamFlag { STREAM_SPARSE = 1 << 0 } StreamFlag; /* libvirt's number */

typedef struct StreamRange {
    guint64 offset; /* bytes from the volume's start */
    guint64 length; /* bytes at most; 0: no limit */
} StreamRange;

/* `flags` are StreamFlag bits. Errors: ERROR_SYSTEM with EINVAL for an offset no volume has. */
VolumeStream *volume_stream_open(Pool *pool, const char *name, VolumeAccess access,
                                 const StreamRange *range, guint flags, const Request *request,
                                 GError **error);

/* Beyond the range or the end of a device: ERROR_SYSTEM with ENOSPC, after what still fitted. */
bool volume_stream_write(VolumeStream *stream, const void *data, gsize size, GError **error);
/* The next `length` bytes read as zeros from now on. Only with STREAM_SPARSE. */
bool volume_stream_write_hole(VolumeStream *stream, gint64 length, GError **error);

typedef struct StreamPiece {
    gsize size;   /* bytes in the buffer, or */
    guint64 hole; /* the length of a hole (only with STREAM_SPARSE); both 0 at the end */
} StreamPiece;

bool volume_stream_read(VolumeStream *stream, void *buffer, gsize size, StreamPiece *ret,
                        GError **error);

/* Ends a download or, with all data on stable storage and the volume read again, an upload. Not
 * `whole`: it broke off, and how far it came is remembered. The stream is freed in any case. */
bool volume_stream_close(VolumeStream *stream, bool whole, GError **error);

typedef struct ResumePoint {
    guint64 offset; /* where the last upload that broke off began */
    guint64 done;   /* bytes of it on stable storage; 0: nothing is known */
} ResumePoint;

/* Errors: ERROR_OPERATION_INVALID while the volume is in use. */
bool volume_resume_point(Pool *pool, const char *name, const Request *request, ResumePoint *ret,
                         GError **error);

/* ---- jobs ---- */

typedef struct JobInfo {
    guint64 id;
    char *operation; /* "clone", "wipe", "refresh", … */
    char *pool;
    char *volume; /* or NULL */
    char *client;
    gint64 started;      /* microseconds since the epoch */
    guint64 done, total; /* total 0 = not known */
} JobInfo;

void job_info_free(JobInfo *info);

/* Running jobs, oldest first. Elements are JobInfo, which the array owns. */
GPtrArray *engine_list_jobs(Engine *engine);
/* Errors: ERROR_INVALID_ARGUMENT when there is no such job. */
bool engine_cancel_job(Engine *engine, guint64 id, GError **error);

/* ---- events ---- */

typedef enum EventKind { /* libvirt's lifecycle numbers; REFRESHED is its own event there */
                         EVENT_DEFINED,
                         EVENT_UNDEFINED,
                         EVENT_STARTED,
                         EVENT_STOPPED,
                         EVENT_BUILT,
                         EVENT_ERASED,
                         EVENT_REFRESHED,
} EventKind;

typedef struct Event {
    EventKind kind;
    const char *pool_name;
    Uuid pool_uuid;
} Event;

/* Called one at a time, events in the order of what they tell, before the call that caused the
 * event returns, but perhaps in another thread; must not call back into the engine. Returns an id
 * for removal. */
typedef void (*EventListener)(const Event *event, void *data);
guint engine_add_listener(Engine *engine, EventListener listener, void *data);
/* After this returns the listener is not called any more. */
void engine_remove_listener(Engine *engine, guint id);

/* ---- workers ---- */

/* What a piece of work waits for. Each pool has its own few threads for each of these. */
typedef enum WorkShare {
    WORK_STORAGE, /* the pool's storage */
    WORK_SOURCE,  /* the pool's storage and that of another: reads a volume for a clone elsewhere */
    WORK_CONTROL, /* leases, definitions, mere computing: not behind what waits for storage */
    WORK_SHARES
} WorkShare;

/* Runs `func(data)` on a worker thread. At most a few at once for one pool (NULL: no pool) and
 * share, so that dead storage takes only its own; further ones wait their turn. */
typedef void (*WorkFunc)(void *data);
void engine_run(Engine *engine, Pool *pool, WorkShare share, WorkFunc func, void *data);

/* ---- storage that hangs ---- */

/* False with ERROR_TIMEOUT, naming the pool, when its storage has not answered for so long that
 * there is no use in waiting. Never waits. */
bool pool_check_answers(Pool *pool, GError **error);

/* The same for all pools that the operation has to do with at present. */
bool engine_check_answers(Engine *engine, Operation *op, GError **error);
