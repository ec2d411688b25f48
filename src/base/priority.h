/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* How threads share processors: answers come before work, and short work before long. All calls are
 * for the calling thread. Priority is inherited by threads and programs it starts, needs no
 * privilege, and nothing happens where the kernel can't. A thread can't get back what it gave up.
 */

/* For a thread that answers at once and sleeps again: it interrupts others when it wakes up. */
void priority_answer(void);

/* For one that works for long: others come first when processors are short. Safe between fork and
 * exec. */
void priority_work(void);

/* A piece of work begins, of which it isn't known how long it takes. */
void priority_begin(void);

/* Whether the thread's work took so long that others come first now. */
bool priority_is_low(void);

/* Lets others have the processor, if any wait for it and the thread has run for a while: one that
 * wakes up just after it had its turn would else wait for the kernel's next tick, 4 ms or more.
 * Steps of long work call it, by way of operation_check(). What was begun by
 * priority_begin() and has taken a millisecond of a processor is long from then on. */
void priority_give_way(void);
