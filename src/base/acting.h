/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Acting for another user. A server may take root for nobody (NFS does, with
 * root_squash): then only its owner gets at a file. For a while the calling
 * thread, and no other, touches files as that user. What it has opened
 * meanwhile stays open, with that user's rights, for any thread.
 *
 * Programs that it runs are run as that user. Nothing that starts threads may
 * run meanwhile: they would act likewise, for ever.
 */
typedef struct Acting {
    bool active;
} Acting;

#define autoacting __attribute__((cleanup(acting_end)))

/* Whether something that failed with this errno may be done as `uid`: the daemon is root, and it is
 * a right that was missing. */
bool acting_may_help(int errnum, guint32 uid);

/* `gid` may be unset (-1). */
void acting_begin(guint32 uid, guint32 gid, Acting *ret);

/* Harmless when nothing was begun. Keeps errno. */
void acting_end(Acting *acting);

/* For command.c, between fork and exec: the process is the user's for good, if the thread acts for
 * one. */
bool acting_become(void);

/* fd_open_beneath() of something that exists; as its owner where that helps. */
int acting_open_beneath(int folder, const char *name, int flags);
/* The same; goes on acting for that owner then: NFS asks for more than reading and writing by who
 * calls, not by who opened. */
int acting_open_kept(int folder, const char *name, int flags, Acting *ret);

/* Removes an entry, as its owner where that helps. `flags`: of unlinkat(). -1 with errno. */
int acting_unlink(int folder, const char *name, int flags);
