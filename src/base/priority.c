/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "priority.h"

#include <glib.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NICENESS 5
#define TURN     100000 /* nanoseconds, the least that the kernel takes */
#define WORK_RUN 200    /* microseconds */
#define SHORT    1000   /* likewise, of a processor */

/* What the thread had of a processor when its work began, in microseconds; 0: none did. */
static _Thread_local gint64 had_taken;
static _Thread_local bool is_low;

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

static gint64 processor_time(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * G_USEC_PER_SEC + time.tv_nsec / 1000 + 1;
}

void priority_begin(void)
{
    had_taken = processor_time();
}

bool priority_is_low(void)
{
    return is_low;
}

/* Waiting, for the disk or for its turn, doesn't make it long. */
static void come_after_others(void)
{
    if (is_low || had_taken == 0 || processor_time() - had_taken < SHORT)
        return;
    is_low = true;
    priority_work();
}

void priority_give_way(void)
{
    static _Thread_local gint64 since;

    if (g_get_monotonic_time() - since < WORK_RUN)
        return;
    come_after_others();
    sched_yield();
    since = g_get_monotonic_time();
}
