/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "operation.h"

/*
 * A look at a file that belongs to no pool, and may lie on storage that never answers: nobody
 * watches over it as is done for pools. It is taken by a thread of its own, which is left behind
 * when the file doesn't answer in time. Until it comes back, further errands to that file are
 * refused at once.
 */
typedef void (*ErrandFunc)(void *data);

#define ERRAND_PATIENCE 8  /* seconds */
#define ERRANDS_LEFT    64 /* threads that may be left behind; further errands are refused */

/* Runs func(data), which looks at the file `path`, and waits for it.
 * True: done, and data is the caller's again. False: the thread has data for as long as it takes,
 * and gives it to `drop` then.
 * Errors: ERROR_TIMEOUT naming the path; those of operation_check(); ERROR_SYSTEM. */
bool errand_run(const char *path, ErrandFunc func, void *data, GDestroyNotify drop, Operation *op,
                GError **error);
