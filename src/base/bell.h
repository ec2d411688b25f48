/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Wakes threads that sleep until there is something to do. What there is to do they learn
 * elsewhere; a ring without a cause does no harm.
 *
 * It is a pair of sockets, not a condition or an eventfd, for the sake of the kernel's scheduler:
 * whoever writes to a socket is taken to sleep soon himself, and the woken thread goes on on his
 * processor. The others wake it where it ran last, and for a processor that idles that takes longer
 * than what most calls do there.
 */
typedef struct Bell {
    int ring, ear; /* sockets */
} Bell;

/* `patience`: how long bell_wait() waits, in seconds; 0: for ever. Errno. */
bool bell_init(Bell *bell, guint patience);
void bell_clear(Bell *bell);

/* One of those who wait wakes up, or the next to wait doesn't sleep. Never blocks; where it rings
 * already nothing is added. Thread-safe. */
void bell_ring(Bell *bell);
/* All who wait wake up, and nobody sleeps any more. */
void bell_ring_for_good(Bell *bell);

/* True: it rang, for this thread alone. False: nobody rang for so long. */
bool bell_wait(Bell *bell);

/* For a loop, which polls `ear`: it is silent until it rings again. */
void bell_hush(Bell *bell);
