/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Tells when entries of folders change (inotify), so that lists are true without
 * a refresh. Sees what this host does; changes that other hosts make on a shared
 * file system aren't noticed.
 *
 * What happens to one name within 50 ms is reported once, and mere changes of
 * content or attributes at most once a second, however busy the writer is: look
 * at the name again, whatever the kind says, as it may have changed since.
 * Drafts (draft.h) are never reported. Thread-safe.
 */
typedef struct Watch Watch;

typedef enum WatchChange {
    WATCH_CHANGED, /* the name is new, was replaced, or its content or attributes changed */
    WATCH_DELETED, /* nothing has this name any more */
    WATCH_RESCAN,  /* events were lost, or there were too many: look at everything (name NULL) */
    WATCH_LOST,    /* the folder was removed, moved away or unmounted: look at everything; this is
                      its last report (name NULL). The watch still has to be removed. */
} WatchChange;

/* Runs in the watch's own thread, one at a time; should be quick. Names are raw bytes. */
typedef void (*WatchFunc)(WatchChange change, const char *name, void *data);

/* Errors: ERROR_SYSTEM when the system gives no more inotify instances; says which limit. */
Watch *watch_new(GError **error);

/* Ends the thread; folders still added are dropped. Not from a WatchFunc. */
void watch_free(Watch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Watch, watch_free)

/* Watches a folder, which may be watched more than once. Returns an id for removal, never 0.
 * Changes between the last scan and this call aren't seen: add first, then scan.
 * Errors: 0 with ERROR_SYSTEM: no such folder, or the system's limit of watches is reached. */
guint watch_add(Watch *watch, const char *path, WatchFunc func, void *data, GError **error);

/* Once this returns, the function isn't running and won't be called. From within a WatchFunc it
 * returns at once, and the running call is the last. Harmless with 0. Holding a lock that the
 * function takes would wait for ever. */
void watch_remove(Watch *watch, guint id);
