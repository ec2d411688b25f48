/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "errors.h"

/* What may be done with a pool in which state. Only lease.c reads the table. */

typedef enum PoolPhase {
    PHASE_INACTIVE,
    PHASE_STARTING,
    PHASE_RESUMING, /* runs on from an earlier process, and hasn't been read yet by this one */
    PHASE_ACTIVE,
    PHASE_STOPPING,
    PHASE_GONE, /* neither running nor saved: undefined, or not yet made */
    PHASE_COUNT,
} PoolPhase;

typedef enum PoolOperation {
    OP_DEFINE,
    OP_UNDEFINE,
    OP_AUTOSTART,
    OP_CREATE,
    OP_START,
    OP_RESUME, /* after a restart of this process: reads a pool that runs */
    OP_BUILD,
    OP_ERASE,
    OP_STOP,
    OP_REFRESH,
    OP_LOOK, /* lists, look-ups, reading one volume: needs no lease, only the state */
    OP_VOLUME_CREATE,
    OP_VOLUME_CLONE,
    OP_VOLUME_SOURCE,  /* of a clone */
    OP_VOLUME_BACKING, /* of a volume that is being made */
    OP_VOLUME_DELETE,
    OP_VOLUME_RESIZE,
    OP_VOLUME_WIPE,
    OP_VOLUME_UPLOAD,
    OP_VOLUME_DOWNLOAD,
    OP_VOLUME_RESUME, /* asks how far a broken upload came */
    OP_COUNT,
} PoolOperation;

/* A refusal in libvirt's words, which have the name of the pool or volume in their middle. */
typedef struct Refusal {
    ErrorCode code;
    const char *before, *after;
    bool wait; /* no refusal: the state will pass, wait for it */
} Refusal;

bool refusal_set(const Refusal *refusal, const char *name, GError **error);

/* Operations that share a bit here take turns on one pool. */
typedef enum OperationClass {
    CLASS_DEFINITION = 1 << 0, /* changes what is saved */
    CLASS_STATE = 1 << 1,      /* changes whether the pool runs, or what it is on its device */
    CLASS_SCAN = 1 << 2,
} OperationClass;

typedef enum VolumeUse {
    VOLUME_USE_NONE,
    VOLUME_USE_SHARED,
    VOLUME_USE_EXCLUSIVE,
    VOLUME_USE_NEW, /* the name is free and is to be filled */
} VolumeUse;

typedef struct OperationRow {
    const char *word;                    /* in job lists and messages */
    const Refusal *allowed[PHASE_COUNT]; /* NULL: allowed */
    const Refusal *transient; /* what a pool without saved definition answers, if anything */
    const Refusal *taken;     /* VOLUME_USE_NEW: there is such a volume */
    guint classes;            /* OperationClass bits */
    bool needs_quiet;         /* nothing may go on with the pool's volumes */
    VolumeUse use;
    bool is_long; /* takes as long as the data: others are refused, they don't wait for it */
    bool has_phase;
    PoolPhase phase; /* of the pool while this goes on */
} OperationRow;

const OperationRow *operation_row(PoolOperation operation);
