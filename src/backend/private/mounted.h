/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * What is mounted, as the kernel tells it (/proc/self/mountinfo). Nothing here
 * touches the file systems that are mounted: one whose server is dead is found
 * as fast as any other.
 */

typedef struct Mounted {
    int id;         /* of the mount, which every descriptor on it has too */
    int parent;     /* the mount it is mounted on */
    dev_t device;   /* of the file system; an anonymous number for btrfs and all without a device */
    char *source;   /* as given to mount: a device, "host:/folder", … */
    char *format;   /* the kernel's word: "ext4", "nfs4", "fuse.glusterfs" */
    bool read_only; /* by its own flag: a file system that became so by an error doesn't have it */
    char *root;     /* the part of the file system that is shown; "/" for all of it */
    char *target;
    char *subvolume, *subvolume_id; /* btrfs only: whose part it is, by path and number */
} Mounted;

void mounted_clear(Mounted *mounted);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Mounted, mounted_clear)

/* All that is mounted at `path`, whose links are followed: Mounted, the one on top last; NULL on
 * errors. Errors: ERROR_INTERNAL when the table can't be read. */
GPtrArray *mounted_at(const char *path, GError **error);

/* What hides the mount from its path: mounted at the same place later, or at a folder above.
 * *ret_found false: nothing, and *ret is untouched. Errors: as mounted_at(). */
bool mounted_over(const Mounted *mounted, Mounted *ret, bool *ret_found, GError **error);

/* The mount that a descriptor is on, from its /proc/PID/fdinfo/FD; -1 when that can't be read. */
int mounted_read_id(const char *fdinfo);

/* What keeps a mount busy, in words for a message: processes by number and name, mounts below it,
 * loop devices and swap over its files. NULL when nothing is found. This process is left out unless
 * `with_self`. */
char *mounted_users(const Mounted *mounted, bool with_self);
