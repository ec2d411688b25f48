/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine.h"

/* The part of a lease that is told about. */
typedef struct Job {
    guint64 id;
    const char *word; /* borrowed from the operation's row */
    char *pool, *volume, *client;
    gint64 started; /* microseconds since the epoch */
    Operation *op;
} Job;

void job_init(Job *job, const char *word, const char *pool, const char *volume,
              const Request *request);
void job_clear(Job *job);

/* "Job 12 (clone of 'a') is in the way: wait for it, or cancel it."; without the name when it isn't
 * `named`. */
char *job_in_the_way(const Job *job, bool named);
