/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How threads share processors: answers come before work. All calls are for the calling thread and
 * need no privilege. What the first two say is inherited by threads it starts, and nothing happens
 * where the kernel can't. */

/* For a thread that answers at once and sleeps again: it interrupts others when it wakes up. */
void priority_answer(void);

/* For a thread that works for long: others come first when processors are short. */
void priority_work(void);

/* Lets others have the processor, if any wait for it and the thread has run for a while: one that
 * wakes up just after it had its turn would else wait for the kernel's next tick, 4 ms or more.
 * Steps of long work call it, by way of operation_check(). */
void priority_give_way(void);
