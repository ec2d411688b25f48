/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "job.h"
#include "lease.h"

/* For lease.c, job.c and pool-list.c. Everything here is guarded by Engine.lock. */

struct Lease {
    GList link; /* in Engine.waiting, then in Engine.running */
    Hold holds[LEASE_MAX_HOLDS];
    guint count;
    Job job;     /* id 0 while waiting */
    bool judged; /* not everything is for whoever asks: errors don't name others' jobs */
    PoolPhase phase_before;
    gint64 patience; /* until when a cancelled scan is waited for; 0 = none met */
    guint64 blocker; /* the job it last waited for */
};

/* Whether anybody has or waits for a lease on this pool. */
bool lease_holds_pool(const Engine *engine, const Pool *pool);
