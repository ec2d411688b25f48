/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "collector.h"
#include "engine.h"
#include "event.h"
#include "lease.h"
#include "pool-state.h"
#include "pulse.h"
#include "store.h"
#include "watch.h"
#include "workers.h"

/*
 * What the files of the engine's core share, grouped by file.
 *
 * There is one lock, Engine.lock. It guards the list of pools, the fields of
 * every pool, the leases: memory, for a few lines. It is never held while a
 * backend, the store, the watch or a listener is called, nor while a large
 * object is freed. Lock order: Engine.lock, then the event queue's.
 */
struct Engine {
    const Backend *const *backends;
    guint n_backends;
    PoolSchemaList schemas; /* of the backends, in their order */
    CommandRunner runner;
    void *runner_data;

    Store *store;
    Workers *workers;
    Watch *watch; /* NULL where the system has none to give: lists are true after a refresh only */
    EventQueue *events;
    Pulse *pulse;

    GMutex lock;
    GCond changed;       /* a lease was given back, or the engine closes */
    GHashTable *by_name; /* Pool, with a reference; pools that are gone included */
    GHashTable *by_uuid; /* the same pools, without */
    GQueue candidates;   /* PoolDef that are being claimed, oldest first; see pool-list.c */
    GQueue running;      /* Lease, in the order they were taken */
    GQueue waiting;      /* Lease, in the order they came */
    guint64 last_job;
    bool closing;
};

typedef struct ChangeWindow ChangeWindow;

struct Pool {
    gatomicrefcount refs;
    Engine *engine;
    char *name;
    Uuid uuid;

    /* Guarded by Engine.lock. */
    PoolPhase phase; /* never PHASE_GONE: that is inactive and not persistent */
    PoolDef *def;    /* in force: the running one, or the saved one when not running */
    PoolDef *parked; /* the saved one when it differs from the running one, else NULL */
    bool persistent; /* there is a saved one */
    bool autostart;
    bool building;        /* a build goes on */
    guint claims;         /* calls that are about to make it; keep it in the list */
    char *problem;        /* why the last scan failed, NULL when it didn't */
    char *degraded;       /* what it found not to work; NULL: nothing */
    gint64 asked;         /* see pulse.h: its storage was asked then; 0: no answer is awaited */
    gint64 answered;      /* and answered last */
    bool silent;          /* it has not answered for too long */
    Inventory *inventory; /* NULL unless starting, running or stopping, or not read yet */
    guint64 run;    /* counts starts and stops: what a call of an earlier run brings is dropped */
    GList *windows; /* ChangeWindow: who reads storage while others may change it */
    guint watch_id; /* 0: not watched */
    GHashTable *dirty; /* names the watch reported, waiting to be looked at */
    bool dirty_all, dirty_queued;
    guint lost_watch; /* the id of the watch that reported its end; 0: none */
    bool measuring;   /* a look at how full its thin pools are goes on, or waits its turn */

    gint has_uploads;    /* atomic: there may be files about uploads to it that broke off */
    GHashTable *uploads; /* those by the volume's name, see uploads.c; NULL: none. Guarded too */
};

/* ---- pool.c ---- */

Pool *pool_new(Engine *engine, PoolDef *def);
/* Call with the lock held. */
PoolPhase pool_phase(const Pool *pool);
/* Its storage is up, or was when last seen. Call with the lock held. */
bool pool_is_up(const Pool *pool);

/* What a call needs of a pool while it holds no lock. */
typedef struct PoolView {
    Engine *engine;
    const Backend *backend;
    PoolDef *def;
} PoolView;

PoolView pool_view(Pool *pool);
void pool_view_clear(PoolView *view);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PoolView, pool_view_clear)

/* ---- pool-list.c ---- */

void pool_list_init(Engine *engine);
void pool_list_clear(Engine *engine);

/* The right to make or change the pool of this name and uuid: its object stays in the list. */
typedef struct PoolClaim {
    Pool *pool; /* a reference */
    PoolDef *def;
} PoolClaim;

/* Refuses definitions that the request's judge doesn't allow, and those that are another pool's
 * name, uuid or source, in libvirt's order. `request` NULL: the engine's own. */
bool pool_claim_take(PoolClaim *ret, Engine *engine, PoolDef *def, const Request *request,
                     GError **error);
void pool_claim_clear(PoolClaim *claim);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PoolClaim, pool_claim_clear)

/* Takes a pool that is gone out of the list. */
void pool_list_settle(Pool *pool);

bool pool_not_found_by_uuid(const Uuid *uuid, const char *name, GError **error);

/* References to all running pools, ordered by name. */
GPtrArray *engine_active_pools(Engine *engine);

/* ---- engine.c ---- */

const Backend *engine_backend(Engine *engine, const PoolSchema *schema);
/* Refuses a type that is not in this build. */
bool engine_check_backend(const Backend *backend, GError **error);
gint64 engine_deadline(guint seconds);
/* Under what this work is counted (see workers.h). `pool` may be NULL. */
gconstpointer pool_work_key(Pool *pool, WorkShare share);

/* ---- pool-volumes.c: the snapshot of a pool's volumes ---- */

/*
 * Between opening and closing it collects which volumes others changed, so that
 * what was read from storage meanwhile can't undo their changes.
 */
struct ChangeWindow {
    Pool *pool;
    guint64 run;
    const char *only;  /* NULL: any volume */
    bool touched;      /* with `only` */
    GHashTable *names; /* without */
};

void change_window_open(ChangeWindow *window, Pool *pool, const char *only);
void change_window_close(ChangeWindow *window);

/* Lists the volume as a call of ours left it. A new reference to its record. */
VolumeRecord *pool_put_volume(Pool *pool, const PoolView *view, const VolumeState *state);
void pool_drop_volume(Pool *pool, const char *name);
/* Asks the storage for one volume and brings the list up to date. Returns a reference.
 * Errors: ERROR_NO_VOLUME, then it isn't listed any more. */
VolumeRecord *pool_restat(Pool *pool, const char *name, Operation *op, VolumeState *ret,
                          GError **error);
/* The same for a name that may come from anywhere. */
VolumeRecord *pool_ask_storage(Pool *pool, const char *name, Operation *op, VolumeState *ret,
                               GError **error);
/* Sets the sizes anew, after a change; of types whose changes show elsewhere too, the whole list.
 * A failure is logged only. */
void pool_update_space(Pool *pool, Operation *op);
/* The new list, sizes and permissions from a scan. Errors: ERROR_ABORTED when the pool was stopped
 * since the window was opened. */
bool pool_adopt_scan(ChangeWindow *window, const ScanResult *result, GError **error);
/* The present list, a reference; NULL when there is none. */
Inventory *pool_present_list(Pool *pool);
/* The listed definition as a value. */
VolumeDef *pool_unpack_volume(const PoolView *view, const VolumeRecord *record);
bool volume_not_found(const char *name, GError **error);

/* ---- pool-fill.c ---- */

/* What a new state has replaced; references. */
typedef struct DefChange {
    PoolDef *before, *after;
} DefChange;

void def_change_clear(DefChange *change);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DefChange, def_change_clear)

/* Says in the log which thin pools have passed a threshold. */
void pool_warn_of_fill(const DefChange *change);

/* ---- volume-find.c ---- */

/* The listed volume with this path, in any running pool. Never waits. Both results are references,
 * *ret_pool is left alone when there is none. */
VolumeRecord *engine_peek_path(Engine *engine, const char *path, Pool **ret_pool);

/* ---- volume.c ---- */

/* The volume as it is now; of types that can't tell, as listed. */
VolumeDef *pool_present_volume(Pool *pool, const PoolView *view, const char *name, Operation *op,
                               GError **error);
/* A change has been made, perhaps in part: what is listed follows, even when the operation itself
 * was cancelled or is late. *ret is the volume as it is now, empty where that can't be told. */
void pool_settle_volume(Pool *pool, const char *name, VolumeState *ret);

/* ---- uploads.c: how far uploads came that broke off ---- */

/* With the volume's lease. What is known, if the volume is still as it was left; else zeros. */
ResumePoint uploads_recall(Pool *pool, const VolumeDef *volume);
/* An upload goes on; so far it is on stable storage. Counts when this process is killed. */
void uploads_note(Pool *pool, const char *name, const ResumePoint *point);
/* It broke off, and has left the volume so; `left` NULL: it can't go on. Marks the volume. */
void uploads_remember(Pool *pool, const char *name, const VolumeDef *left,
                      const ResumePoint *point);
/* The volume was changed, but its content isn't whole: none can go on, and a mark stays. */
void uploads_spoil(Pool *pool, const char *name);
/* The upload is over, or the volume is new or gone: none can go on, and there is no mark. */
void uploads_forget(Pool *pool, const char *name);
/* With the pool's lease: it was stopped. */
void uploads_forget_all(Pool *pool);
/* At the start, before uploads: what is left of pools that don't run, and of processes that were
 * killed. */
void uploads_sweep(Engine *engine);

/* ---- refresh.c ---- */

/* Reads the pool's list anew. On failure the old one stays and the pool is marked. */
bool pool_scan(Pool *pool, Operation *op, GError **error);

/* ---- pool-watch.c ---- */

/* Starts watching if the type can be watched and it isn't yet. */
void pool_watch(Pool *pool);
void pool_unwatch(Pool *pool);
/* Has the whole pool looked at, as if the watch had asked for it. */
void pool_look_again(Pool *pool);

/* ---- pool-life.c ---- */

/* With the lease of a resume. Puts a pool that was running before into force again: sweep, watch,
 * first scan. False: a stop has called it off, nothing has changed. */
bool pool_resume(Pool *pool, Operation *op);
/* Likewise: its storage isn't up any more. */
bool pool_forget_run(Pool *pool);

/* ---- restore.c ---- */

bool engine_restore(Engine *engine, GError **error);
