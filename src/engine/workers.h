/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine.h" /* WorkFunc */

/*
 * The threads that do what may take long. Work is queued under a key (a pool);
 * one key has only a few threads at a time, so that dead storage takes just its
 * own share: work that hangs goes on counting against its key. Work that turned out to be long (a
 * clone, a wipe) gives its place to what waits, up to another limit. Work of one key
 * starts in the order it came; keys that wait take turns. Threads are made when
 * needed and end after some idle seconds.
 *
 * Thread-safe; work may queue further work.
 */
typedef struct Workers Workers;

/* How many threads there are at most; none of them 0. Work without a key shares half of `threads`.
 */
typedef struct WorkersLimits {
    guint threads, per_key; /* in all and for one key, long work not counted */
    guint long_per_key;     /* that run long work of one key */
} WorkersLimits;

Workers *workers_new(const WorkersLimits *limits);

/* Queues func(data) under `key`, which is only compared, never followed. It runs exactly once,
 * unless workers_stop() gives up first. */
void workers_run(Workers *workers, gconstpointer key, WorkFunc func, void *data);

/* `hung`: what runs under this key counts as lost: it takes no place among the threads any more, so
 * that others find threads however many keys hang, and workers_stop() doesn't wait for it. */
void workers_write_off(Workers *workers, gconstpointer key, bool hung);

/* What has been running for `age` microseconds counts as long from now on. */
void workers_set_long(Workers *workers, gint64 age);

/* The keys under which something runs. */
void workers_busy_keys(Workers *workers, GHashTable *ret);

/* Runs what is queued to its end, but waits `timeout` microseconds at most. Takes the workers:
 * no other call may follow, only work that is still running may go on to queue more.
 * True: everything ended. False: something hangs; what hadn't started never will, and the last
 * hung thread releases the memory should it ever return. Not to be called from work. */
bool workers_stop(Workers *workers, gint64 timeout);
