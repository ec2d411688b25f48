/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"
#include "mounted.h"

/*
 * Pools that are mounted. mount(8) and umount(8) do it, each in a process that
 * can be killed when it hangs; whether it is done says the kernel's table alone.
 */

/* What mount(8) is told. */
typedef struct MountPlan {
    char *source;
    const char *format; /* for -t; NULL: mount finds out */
    char *options;
} MountPlan;

void mount_plan_clear(MountPlan *plan);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MountPlan, mount_plan_clear)

typedef struct MountKind {
    bool (*plan)(const PoolDef *pool, Operation *op, MountPlan *ret, GError **error);
    /* What is mounted there is the pool's source: the whole of it, whatever has been named like it
     * since. Asked often, and of mounts that don't answer. */
    bool (*is_source)(const PoolDef *pool, const Mounted *mounted);
    gint64 mount_limit, umount_limit; /* microseconds; 0 = only the operation's deadline */
    /* When umount doesn't get through to a server and nobody uses the mount, it is taken out of the
     * tree and left to the kernel to end. */
    bool may_detach;
} MountKind;

/* "nodev,nosuid,noexec", then `own` (NULL: none), then the definition's mount options. */
char *mount_options(const PoolDef *pool, const char *own);

/* The bodies of Backend.is_up, start, stop, erase and owns_folder. */

bool mount_is_up(const MountKind *kind, const PoolDef *pool, bool *ret_up, GError **error);

/* Nothing to do where the source is mounted already. Errors: ERROR_OPERATION_INVALID when something
 * else is, there or over the source, with its name; those of mount(8). A mount that turns out wrong
 * is undone. */
bool mount_start(const MountKind *kind, const PoolDef *pool, Operation *op, GError **error);

/* Nothing to do where the source isn't mounted; what else is there stays. Errors: ERROR_BUSY with
 * who uses it, or what is mounted over it. */
bool mount_stop(const MountKind *kind, const PoolDef *pool, Operation *op, GError **error);

/* Removes the folder that is mounted on. */
bool mount_erase(const PoolDef *pool, guint flags, GError **error);

/* Errors: ERROR_OPERATION_INVALID. */
bool mount_owns_folder(const MountKind *kind, const PoolDef *pool, int folder, GError **error);
