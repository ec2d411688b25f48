/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recorder.h"

#include <string.h>

static bool keep(Scan *scan, const char *name, const FileIdentity *identity)
{
    Recorder *recorder = (Recorder *)scan;

    g_mutex_lock(&recorder->lock);
    const FileIdentity *known = g_hash_table_lookup(recorder->known, name);
    bool same = known && memcmp(known, identity, sizeof *known) == 0;
    recorder->n_kept += same;
    g_mutex_unlock(&recorder->lock);
    return same;
}

static void add(Scan *scan, const VolumeDef *volume, const FileIdentity *identity)
{
    Recorder *recorder = (Recorder *)scan;

    g_mutex_lock(&recorder->lock);
    bool is_new =
        g_hash_table_insert(recorder->volumes, g_strdup(volume->name), volume_def_copy(volume));
    if (identity)
        g_hash_table_insert(recorder->identities, g_strdup(volume->name),
                            g_memdup2(identity, sizeof *identity));
    g_mutex_unlock(&recorder->lock);
    g_assert_true(is_new);
}

static void set_space(Scan *scan, const PoolSpace *space, const Permissions *permissions)
{
    Recorder *recorder = (Recorder *)scan;

    recorder->has_space = true;
    recorder->space = *space;
    if (permissions)
        recorder->permissions = *permissions;
    recorder->permissions.label = NULL;
}

static void set_free_extents(Scan *scan, const FreeExtent *extents, guint count)
{
}

static void set_thin_pools(Scan *scan, const ThinPool *thin_pools, guint count)
{
    Recorder *recorder = (Recorder *)scan;

    thin_pools_free(recorder->thin_pools, recorder->n_thin_pools);
    recorder->thin_pools = thin_pools_copy(thin_pools, count);
    recorder->n_thin_pools = count;
}

static void set_degraded(Scan *scan, const char *reason)
{
    Recorder *recorder = (Recorder *)scan;

    g_free(recorder->degraded);
    recorder->degraded = g_strdup(reason);
}

static GHashTable *new_identities(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

static GHashTable *new_volumes(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)volume_def_free);
}

void recorder_init(Recorder *recorder)
{
    *recorder = (Recorder){
        .scan = {.keep = keep,
                 .add = add,
                 .set_space = set_space,
                 .set_free_extents = set_free_extents,
                 .set_thin_pools = set_thin_pools,
                 .set_degraded = set_degraded},
        .volumes = new_volumes(),
        .identities = new_identities(),
        .known = new_identities(),
        .permissions = PERMISSIONS_INIT,
    };
    g_mutex_init(&recorder->lock);
}

void recorder_clear(Recorder *recorder)
{
    g_hash_table_unref(recorder->volumes);
    g_hash_table_unref(recorder->identities);
    g_hash_table_unref(recorder->known);
    thin_pools_free(recorder->thin_pools, recorder->n_thin_pools);
    g_free(recorder->degraded);
    g_mutex_clear(&recorder->lock);
}

void recorder_start_again(Recorder *recorder)
{
    g_hash_table_unref(recorder->known);
    recorder->known = recorder->identities;
    recorder->identities = new_identities();
    g_hash_table_remove_all(recorder->volumes);
    recorder->n_kept = 0;
    recorder->has_space = false;
}

const VolumeDef *recorder_find(const Recorder *recorder, const char *name)
{
    return g_hash_table_lookup(recorder->volumes, name);
}

guint recorder_count(const Recorder *recorder)
{
    return g_hash_table_size(recorder->volumes);
}
