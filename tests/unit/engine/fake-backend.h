/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"
#include "errors.h"

/*
 * Pool types whose storage is memory and which do what a test wants: fail, take
 * long, hang until released. The storage outlives engines, like a real one, and
 * is shared by all of them; fake_reset() empties it.
 *
 *   dir    like a folder: parallel, always up, paths and keys derived
 *   fs     has to be started and stopped, knows whether it is up
 *   logical  dear to ask: its sizes follow from extents, a listed volume is re-read for less
 *   zfs    one change at a time
 *   scsi   can be scanned, nothing else
 *   rbd    not in this build
 */
extern const Backend *const fake_backends[];
extern const guint n_fake_backends;

void fake_reset(void);

/* The `nth` next call (1: the next) of this operation ("scan", "volume_create", …) fails. */
void fake_fail(const char *operation, guint nth, ErrorCode code, const char *message);

/* From now on calls of this operation stop there until fake_release(); NULL: those that come now go
 * on, those that hang still do. Cancelling ends them only if `cancellable`. */
void fake_hang(const char *operation, bool cancellable);
/* Waits until a call hangs there. */
void fake_wait_hanging(void);
void fake_release(void);

/* Calls of any operation so far. */
guint fake_calls(const char *operation);

/* What happens on the storage behind the engine's back. `where` is the pool's target path (scsi:
 * its name). */
void fake_add_volume(const char *where, const char *name, guint64 capacity);
void fake_remove_volume(const char *where, const char *name);
bool fake_has_volume(const char *where, const char *name);
void fake_set_up(const char *where, bool up);
/* logical: the one thin pool there is, "tp", as full as that; NULL: not known. */
void fake_set_thin_pool(const char *where, const char *data_percent, const char *meta_percent);
bool fake_is_up(const char *where);
/* Not all of it works from now on, and why; NULL: it does. */
void fake_set_degraded(const char *where, const char *reason);
