/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cistern/cistern.h>

#include <glib.h>
#include <stdbool.h>

/* The progress callbacks of the calling thread, one per connection (by its id). */
typedef struct Progress {
    CisternProgress callback;
    void *data;
} Progress;

/* A NULL callback removes it. */
void progress_set(guint64 connection, CisternProgress callback, void *data);

/* A connection that has ended; what other threads had set for it goes with them. */
void progress_forget(guint64 connection);

/* NULL when there is none. Valid until it is set again. */
const Progress *progress_find(guint64 connection);

/* An RpcProgressFunc for a Progress. */
bool progress_report(guint64 done, guint64 total, void *progress);
