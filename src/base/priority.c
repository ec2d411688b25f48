/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "priority.h"

#include <glib.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NICENESS 5
#define TURN     100000 /* nanoseconds, the least that the kernel takes */
#define WORK_RUN 200    /* microseconds */

/* The kernel's struct sched_attr in its first form. Since Linux 6.12 `runtime` of an ordinary
 * thread is the length of its turn: one with a short turn needn't wait for the end of others', and
 * can be interrupted after it by any that wakes up. Shares stay as niceness has them. Older kernels
 * ignore it. */
typedef struct SchedAttr {
    guint32 size, policy;
    guint64 flags;
    gint32 nice;
    guint32 priority;
    guint64 runtime, deadline, period;
} SchedAttr;

/* On Linux niceness is a thread's own. */
static void set_priority(guint32 policy, int more_nice)
{
    SchedAttr attr = {
        .size = sizeof attr,
        .policy = policy,
        .nice = getpriority(PRIO_PROCESS, 0) + more_nice,
        .runtime = TURN,
    };

    (void)syscall(SYS_sched_setattr, 0, &attr, 0U);
}

void priority_answer(void)
{
    set_priority(SCHED_OTHER, 0);
}

void priority_work(void)
{
    set_priority(SCHED_BATCH, NICENESS);
}

void priority_give_way(void)
{
    static _Thread_local gint64 since;

    if (g_get_monotonic_time() - since < WORK_RUN)
        return;
    sched_yield();
    since = g_get_monotonic_time();
}
