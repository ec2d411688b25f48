/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"

/* A Scan that remembers what it is told. */
typedef struct Recorder {
    Scan scan; /* first: the backend gets this */
    GMutex lock;
    GHashTable *volumes;    /* name → VolumeDef */
    GHashTable *identities; /* name → FileIdentity */
    GHashTable *known;      /* name → FileIdentity: what keep() knows from an earlier scan */
    guint n_kept;
    bool has_space;
    PoolSpace space;
    Permissions permissions; /* label left out */
    ThinPool *thin_pools;
    guint n_thin_pools;
    char *degraded;
} Recorder;

void recorder_init(Recorder *recorder);
void recorder_clear(Recorder *recorder);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Recorder, recorder_clear)

/* Forgets what was listed; keep() now knows it. */
void recorder_start_again(Recorder *recorder);

/* NULL when it was not listed. */
const VolumeDef *recorder_find(const Recorder *recorder, const char *name);
guint recorder_count(const Recorder *recorder);
