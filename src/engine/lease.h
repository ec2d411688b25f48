/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine.h"
#include "pool-state.h"

/*
 * A lease is the right to do one operation. It holds pools and volumes, and is
 * a job as long as it lives. All that one operation needs is taken at once, so
 * that nobody waits while holding something.
 *
 * What can succeed after somebody else has finished waits in the order it came
 * (until the request's deadline or cancellation); what can't succeed, or would
 * have to wait for work as long as the data, is refused at once.
 */
typedef struct Lease Lease;

typedef struct Hold {
    Pool *pool;
    PoolOperation operation;
    const char *volume; /* for operations on volumes */
} Hold;

#define LEASE_MAX_HOLDS 3

/* The first hold names the job. `request` may be NULL: nobody in particular. NULL with libvirt's
 * words, and the job in the way where there is one. */
Lease *lease_take(const Hold *holds, guint count, const Request *request, GError **error);
Lease *lease_take_one(Pool *pool, PoolOperation operation, const char *volume,
                      const Request *request, GError **error);

/* Gives everything back. A pool whose phase the operation didn't settle returns to where it was. */
void lease_release(Lease *lease);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lease, lease_release)

/* Whether the pool's state allows this, now or soon, without taking anything. */
bool lease_check(Pool *pool, PoolOperation operation, GError **error);

/* Cancels what runs and waits until it has ended, `timeout` microseconds at most. Nothing can be
 * taken any more. False: something still runs. */
bool lease_cancel_all(Engine *engine, gint64 timeout);
