/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "operation.h"

/*
 * A crew of threads for many small tasks that may wait for storage. It starts
 * with a thread per processor; a thread that finds itself mostly waiting takes
 * on another one, up to CREW_THREADS_MAX. So work from the page cache is spread over
 * the processors, and work from a cold disk has many requests under way.
 */
#define CREW_THREADS_MAX 32

/* Called once for each index, from any thread of the crew. */
typedef void (*CrewTask)(guint index, void *data);

/* Runs task(0 … count - 1) in about rising order and waits for the end. The calling thread works
 * too. False, with tasks left out, when the operation was cancelled or is past its deadline. */
bool crew_run(guint count, CrewTask task, void *data, Operation *op, GError **error);
