/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine.h"

/*
 * Watches over storage that may stop answering. While something runs on a pool,
 * its storage is asked now and then for a sign of life, in a thread of that
 * pool's own. If none comes for PULSE_PATIENCE the pool is silent: what runs on
 * it is written off (see workers.h), calls that wait for it are told, and new
 * ones are refused, until the answer comes after all; then the pool is read
 * again.
 *
 * Types that can't be asked (no `space` operation) are never silent.
 */
typedef struct Pulse Pulse;

#define PULSE_PATIENCE (8 * G_TIME_SPAN_SECOND)

Pulse *pulse_new(Engine *engine);

/* Something was given to a worker: there may be something to watch. Cheap, may be called often. */
void pulse_wake(Pulse *pulse);

/* Ends the watch; to be called while the workers are still there, which it looks at. Storage that
 * was asked just now is waited for, but not for long. */
void pulse_stop(Pulse *pulse);

/* After a stop, when no work is left that could wake it: frees it and calls `then` with the engine.
 * Where some storage still hasn't answered, that is done by the thread that asked it, when it has.
 */
void pulse_free(Pulse *pulse, void (*then)(Engine *engine));
