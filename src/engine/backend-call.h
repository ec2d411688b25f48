/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pool-private.h"

/*
 * Every call of a backend goes through here: what the type can't do is refused
 * in libvirt's words, entry and exit are logged, errors say which pool and
 * volume they are about, and a backend that breaks the rule "false exactly when
 * the error is set" is caught. Not to be called with a lock held.
 *
 * What a type has nothing to do for (check, build, start, stop, sweep, space, thin_usage)
 * succeeds when its operation is absent.
 */

bool call_check(const PoolView *pool, GError **error);
bool call_is_up(const PoolView *pool, Operation *op, bool *ret_up, GError **error);
bool call_build(const PoolView *pool, Operation *op, guint flags, GError **error);
bool call_start(const PoolView *pool, Operation *op, GError **error);
bool call_stop(const PoolView *pool, Operation *op, GError **error);
bool call_erase(const PoolView *pool, Operation *op, guint flags, GError **error);
bool call_scan(const PoolView *pool, Operation *op, Scan *scan, GError **error);
/* *ret is left alone by types that don't say. */
bool call_space(const PoolView *pool, Operation *op, PoolSpace *ret, GError **error);
bool call_thin_usage(const PoolView *pool, Operation *op, ThinPool *thin_pools, guint count,
                     GError **error);
bool call_sweep(const PoolView *pool, Operation *op, GError **error);
bool call_discover(Engine *engine, const Backend *backend, const PoolSource *hint, Operation *op,
                   GPtrArray *ret_sources, GError **error);

/* Absent: ERROR_NO_VOLUME, as nothing is known but what is listed. */
bool call_volume_stat(const PoolView *pool, Operation *op, const char *name, VolumeState *ret,
                      GError **error);
/* Of types that have it. */
bool call_volume_restat(const PoolView *pool, Operation *op, const VolumeDef *known,
                        VolumeState *ret, GError **error);
bool call_volume_create(const PoolView *pool, Operation *op, const VolumeDef *spec, guint flags,
                        VolumeState *ret, GError **error);
bool call_volume_clone(const PoolView *pool, Operation *op, const VolumeDef *spec,
                       const VolumeSource *source, guint flags, VolumeState *ret, GError **error);
bool call_volume_resize(const PoolView *pool, Operation *op, const VolumeDef *volume,
                        guint64 capacity, guint flags, GError **error);
bool call_volume_wipe(const PoolView *pool, Operation *op, const VolumeDef *volume,
                      WipeAlgorithm algorithm, GError **error);
bool call_volume_delete(const PoolView *pool, Operation *op, const VolumeDef *volume, guint flags,
                        GError **error);
/* Of the source of a clone. */
bool call_volume_open_source(const PoolView *pool, Operation *op, const VolumeDef *volume, Io **ret,
                             GError **error);
/* Of an upload (VOLUME_WRITE) or download. */
bool call_volume_open_stream(const PoolView *pool, Operation *op, const VolumeDef *volume,
                             VolumeAccess access, Io **ret, GError **error);
