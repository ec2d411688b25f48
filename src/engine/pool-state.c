/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool-state.h"

static const Refusal gone = {ERROR_NO_POOL, NULL, NULL}; /* lease.c words it with the uuid */
static const Refusal not_active = {ERROR_OPERATION_INVALID, "storage pool '", "' is not active"};
static const Refusal is_active = {ERROR_OPERATION_INVALID, "storage pool '", "' is already active"};
static const Refusal still_active = {ERROR_OPERATION_INVALID, "storage pool '",
                                     "' is still active"};
static const Refusal is_starting = {ERROR_OPERATION_INVALID, "storage pool '", "' is starting up"};
static const Refusal create_active = {ERROR_OPERATION_INVALID, "pool is already active as '", "'"};
static const Refusal create_starting = {ERROR_OPERATION_INVALID, "pool '", "' is starting up"};
static const Refusal no_config = {ERROR_INTERNAL, "pool has no config file", NULL};
static const Refusal not_read = {
    ERROR_TIMEOUT, "storage pool '",
    "': its storage has not answered since the daemon was started: see "
    "whether the server or device behind it is there; the pool goes on "
    "when it answers"};
static const Refusal wait_until_stopped = {.wait = true};
static const Refusal wait_until_read = {.wait = true};

static const Refusal volume_exists = {ERROR_VOLUME_EXISTS, "storage volume '", "' exists already"};
static const Refusal clone_exists = {ERROR_INTERNAL, "storage volume name '", "' already in use."};

/* What only a running pool can do. While it stops, its volumes can still be looked at; until it has
 * been read, nothing is known of them. */
#define WHILE_ACTIVE(resuming, stopping)                                                           \
    {                                                                                              \
        [PHASE_INACTIVE] = &not_active, [PHASE_STARTING] = &not_active,                            \
        [PHASE_RESUMING] = (resuming), [PHASE_STOPPING] = (stopping), [PHASE_GONE] = &gone,        \
    }

/* What is done with its volumes. */
#define WHILE_READ WHILE_ACTIVE(&wait_until_read, &not_active)

/* What only a stopped pool can do. */
#define WHILE_INACTIVE(starting, active)                                                           \
    {                                                                                              \
        [PHASE_STARTING] = (starting), [PHASE_RESUMING] = (active), [PHASE_ACTIVE] = (active),     \
        [PHASE_STOPPING] = &wait_until_stopped, [PHASE_GONE] = &gone,                              \
    }

static const OperationRow rows[OP_COUNT] = {
    [OP_DEFINE] = {.word = "define", .classes = CLASS_DEFINITION},
    [OP_UNDEFINE] = {.word = "undefine",
                     .allowed = WHILE_INACTIVE(&is_starting, &still_active),
                     .classes = CLASS_DEFINITION | CLASS_STATE,
                     .needs_quiet = true},
    [OP_AUTOSTART] = {.word = "autostart",
                      .allowed = {[PHASE_GONE] = &gone},
                      .transient = &no_config,
                      .classes = CLASS_DEFINITION},
    [OP_CREATE] = {.word = "create",
                   .allowed = {[PHASE_STARTING] = &create_starting,
                               [PHASE_RESUMING] = &create_active,
                               [PHASE_ACTIVE] = &create_active,
                               [PHASE_STOPPING] = &wait_until_stopped},
                   .classes = CLASS_STATE,
                   .has_phase = true,
                   .phase = PHASE_STARTING},
    [OP_START] = {.word = "start",
                  .allowed = WHILE_INACTIVE(&is_starting, &is_active),
                  .classes = CLASS_STATE,
                  .has_phase = true,
                  .phase = PHASE_STARTING},
    /* A stop pushes it aside as it does a scan, and comes back to it when it fails. */
    [OP_RESUME] = {.word = "resume",
                   .allowed = {[PHASE_INACTIVE] = &not_active,
                               [PHASE_STARTING] = &is_starting,
                               [PHASE_ACTIVE] = &is_active,
                               [PHASE_STOPPING] = &wait_until_stopped,
                               [PHASE_GONE] = &gone},
                   .classes = CLASS_SCAN},
    [OP_BUILD] = {.word = "build",
                  .allowed = WHILE_INACTIVE(&is_starting, &is_active),
                  .classes = CLASS_STATE},
    [OP_ERASE] = {.word = "erase",
                  .allowed = WHILE_INACTIVE(&is_starting, &still_active),
                  .classes = CLASS_STATE,
                  .needs_quiet = true},
    [OP_STOP] = {.word = "stop",
                 .allowed = WHILE_ACTIVE(NULL, &wait_until_stopped),
                 .classes = CLASS_STATE,
                 .needs_quiet = true,
                 .has_phase = true,
                 .phase = PHASE_STOPPING},
    [OP_REFRESH] = {.word = "refresh", .allowed = WHILE_READ, .classes = CLASS_SCAN},
    [OP_LOOK] = {.word = "look-up", .allowed = WHILE_ACTIVE(&not_read, NULL)},
    [OP_VOLUME_CREATE] = {.word = "create",
                          .allowed = WHILE_READ,
                          .taken = &volume_exists,
                          .use = VOLUME_USE_NEW,
                          .is_long = true},
    [OP_VOLUME_CLONE] = {.word = "clone",
                         .allowed = WHILE_READ,
                         .taken = &clone_exists,
                         .use = VOLUME_USE_NEW,
                         .is_long = true},
    [OP_VOLUME_SOURCE] = {.word = "clone",
                          .allowed = WHILE_READ,
                          .use = VOLUME_USE_SHARED,
                          .is_long = true},
    [OP_VOLUME_BACKING] = {.word = "create",
                           .allowed = WHILE_READ,
                           .use = VOLUME_USE_SHARED,
                           .is_long = true},
    [OP_VOLUME_DELETE] = {.word = "delete", .allowed = WHILE_READ, .use = VOLUME_USE_EXCLUSIVE},
    [OP_VOLUME_RESIZE] = {.word = "resize", .allowed = WHILE_READ, .use = VOLUME_USE_EXCLUSIVE},
    [OP_VOLUME_WIPE] = {.word = "wipe",
                        .allowed = WHILE_READ,
                        .use = VOLUME_USE_EXCLUSIVE,
                        .is_long = true},
    [OP_VOLUME_UPLOAD] = {.word = "upload",
                          .allowed = WHILE_READ,
                          .use = VOLUME_USE_EXCLUSIVE,
                          .is_long = true},
    [OP_VOLUME_DOWNLOAD] = {.word = "download",
                            .allowed = WHILE_READ,
                            .use = VOLUME_USE_SHARED,
                            .is_long = true},
    [OP_VOLUME_RESUME] = {.word = "resume point", .allowed = WHILE_READ, .use = VOLUME_USE_SHARED},
};

const OperationRow *operation_row(PoolOperation operation)
{
    g_assert((guint)operation < OP_COUNT);
    return &rows[operation];
}

bool refusal_set(const Refusal *refusal, const char *name, GError **error)
{
    bool named = refusal->after != NULL;

    return error_set(error, refusal->code, ORIGIN_STORAGE, "%s%s%s", refusal->before,
                     named ? name : "", named ? refusal->after : "");
}
