/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fd.h"

/*
 * A draft is a file that is being made. It lives in its final folder under a
 * reserved name, locked by its maker, and takes its real name in one
 * atomic step when it is whole. A draft whose lock nobody holds was left by a
 * process that died; draft_sweep() removes it.
 */
#define DRAFT_PREFIX ".cistern-draft."

typedef struct Draft {
    int folder;    /* borrowed; must outlive the draft */
    int fd;        /* the file, O_RDWR and locked; -1 when there is no draft */
    char name[48]; /* its reserved name inside the folder */
} Draft;

#define DRAFT_INIT ((Draft){.folder = -1, .fd = -1})
#define autodraft  __attribute__((cleanup(draft_discard)))

/* Makes an empty draft with exactly these permission bits. */
bool draft_create(int folder, mode_t mode, Draft *ret, GError **error);

/* Makes an empty folder as a draft (its fd is O_DIRECTORY). */
bool draft_create_folder(int folder, mode_t mode, Draft *ret, GError **error);

/* Publishes the draft as `name`: data and name are on disk when this returns true. Fails with
 * EEXIST (ERROR_SYSTEM, errno kept) if the name is taken and `replace` is false.
 * On success the draft is empty and its fd closed; on failure it can still be discarded. */
bool draft_publish(Draft *draft, const char *name, bool replace, GError **error);

/* The same for what is void after a power failure anyway: in place of whatever has the name, in one
 * step for all who look, but nothing waits for the disk. */
bool draft_publish_unflushed(Draft *draft, const char *name, GError **error);

/* Removes the file (recursively, for a folder) and closes the fd; harmless on an empty draft. */
void draft_discard(Draft *draft);

/* True for names that draft_create() makes: a scan leaves them out. */
bool draft_is_name(const char *name);

/* Removes from the folder what dead makers left. Errors are logged at debug only.
 * Returns how many were removed. */
guint draft_sweep(int folder);

/* Removes one draft of that name if nobody holds its lock. True if it was removed. */
bool draft_sweep_one(int folder, const char *name);
