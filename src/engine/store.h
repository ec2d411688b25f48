/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pool-def.h"

/*
 * Definitions on disk, in libvirt's layout, so that its folders can be taken over as they are:
 *
 * - config_dir/<name>.xml: a saved definition, mode 0600
 * - config_dir/.cistern-journal: new definitions whose files may not be on disk (store-journal.h)
 * - config_dir/autostart/<name>.xml: link to the absolute path of the first: start at boot
 * - state_dir/<name>.xml: the definition of a running pool
 * - state_dir/<uuid>.<digest>.upload: how far an upload to a running pool has come, or came that
 *   broke off
 * - state_dir/autostarted: the boot in which pools were autostarted last
 * - state_dir/driver.pid: locked by the one process that works here
 *
 * A file is replaced in one step. A saved definition and its link are on disk when a call returns
 * true, though one of many new ones may be in the journal at first and have its file some
 * milliseconds later; the removal of a definition gets there right after, unwaited for: one that
 * comes back with a power failure is inactive and starts nothing. States are void after a power
 * failure, and so never waited for. All access is beneath the two folders, whatever a name holds.
 *
 * Calls for different pools may run at the same time; those for one pool are serialised by the
 * caller.
 */
typedef struct Store Store;

typedef enum StoreKind {
    STORE_CONFIG, /* saved definitions */
    STORE_STATE,  /* running pools */
} StoreKind;

/* Makes the folders where they are missing, takes the lock, removes what dead writers left and the
 * states of an earlier boot.
 * Errors: ERROR_OPERATION_INVALID naming the process that has the lock (virtstoraged's lock
 * counts too); ERROR_SYSTEM. */
Store *store_open(const char *config_dir, const char *state_dir, GError **error);

/* Waits for what the disk has yet to get; gives the lock back. */
void store_close(Store *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Store, store_close)

/* A file that was left out of what store_load() returns. */
typedef struct StoreProblem {
    char *path;    /* absolute */
    GError *error; /* why */
} StoreProblem;

void store_problem_free(StoreProblem *problem);

/* All definitions of a kind, ordered by name: PoolDef elements with a reference each. Broken files
 * and those whose name isn't their pool's are skipped; each adds a StoreProblem to `problems` (may
 * be NULL; made by the caller, free function store_problem_free). Logging them is up to the caller.
 * NULL if the folder itself can't be read. */
GPtrArray *store_load(Store *store, StoreKind kind, const PoolSchemaList *schemas,
                      GPtrArray *problems, GError **error);

/* Writes or replaces the file of this definition. */
bool store_save(Store *store, StoreKind kind, const PoolDef *def, GError **error);

/* Removes the file; one that isn't there is fine. Removing a saved definition removes its
 * autostart link too.
 * Errors: STORE_CONFIG: ERROR_INTERNAL "cannot remove config for <name>" as libvirt's;
 * STORE_STATE: ERROR_SYSTEM. */
bool store_remove(Store *store, StoreKind kind, const char *name, GError **error);

/* Whether the autostart link of that name leads to the saved definition. */
bool store_autostart(Store *store, const char *name);
bool store_set_autostart(Store *store, const char *name, bool autostart, GError **error);

/* A text about an upload to this volume. */
bool store_save_upload(Store *store, const Uuid *pool, const char *volume, const char *text,
                       GError **error);
/* NULL: there is none. Free with g_free(). */
char *store_read_upload(Store *store, const Uuid *pool, const char *volume);
/* Fine if there is none; a failure is logged only. */
void store_forget_upload(Store *store, const Uuid *pool, const char *volume);
/* Removes those of pools of which `keep` is false. */
void store_keep_uploads(Store *store, bool (*keep)(const Uuid *pool, void *data), void *data);

/* Returns another text, to be freed with g_free(), or NULL. */
typedef char *(*UploadChange)(const Uuid *pool, const char *text, void *data);

/* Shows all of them, and replaces those for which there is another. A failure is logged only. */
void store_change_uploads(Store *store, UploadChange change, void *data);

/* Whether pools have yet to be autostarted in this boot: true for one caller per boot, who does it.
 * A marker that can't be written is logged and counts as written. */
bool store_claim_autostart(Store *store);
