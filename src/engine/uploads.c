/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool-private.h"

#include "log.h"
#include "units.h"

/*
 * How far uploads came that broke off. It is kept in files beside those of the running pools, so
 * that a restart of this process doesn't lose it; what a volume's lease is held for, or its pool's,
 * has its file to itself.
 */

typedef struct BrokenUpload {
    ResumePoint point;
    /* The volume as it was left. */
    guint64 physical;
    gint64 mtime, ctime;
} BrokenUpload;

#define NUMBERS 5

static char *format_broken(const BrokenUpload *broken)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
                           " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT "\n",
                           broken->point.offset, broken->point.done, broken->physical,
                           broken->mtime, broken->ctime);
}

static bool parse_broken(char *text, BrokenUpload *ret)
{
    g_auto(GStrv) words = g_strsplit(g_strchomp(text), " ", NUMBERS + 1);
    guint64 numbers[NUMBERS];

    if (g_strv_length(words) != NUMBERS)
        return false;
    for (guint i = 0; i < NUMBERS; i++)
        if (!number_parse(words[i], G_MAXINT64, &numbers[i]))
            return false;
    *ret = (BrokenUpload){{numbers[0], numbers[1]},
                          numbers[2],
                          (gint64)numbers[3],
                          (gint64)numbers[4]};
    return ret->point.offset <= G_MAXINT64 - ret->point.done;
}

/* Only what is known to be there counts: the volume must be as it was left. */
static bool is_as_left(const BrokenUpload *broken, const VolumeDef *volume)
{
    const Timestamps *times = &volume->target.timestamps;

    return broken->physical == volume->physical && broken->mtime == times->mtime &&
           broken->ctime == times->ctime;
}

ResumePoint uploads_recall(Pool *pool, const VolumeDef *volume)
{
    g_autofree char *text = store_read_upload(pool->engine->store, &pool->uuid, volume->name);
    BrokenUpload broken;

    if (text && parse_broken(text, &broken) && is_as_left(&broken, volume))
        return broken.point;
    return (ResumePoint){0};
}

void uploads_remember(Pool *pool, const VolumeDef *left, const ResumePoint *point)
{
    const Timestamps *times = &left->target.timestamps;
    const BrokenUpload broken = {*point, left->physical, times->mtime, times->ctime};
    g_autofree char *text = format_broken(&broken);
    g_autoptr(GError) error = NULL;

    if (!store_save_upload(pool->engine->store, &pool->uuid, left->name, text, &error))
        log_warning("an upload to volume '%s' of pool '%s' can't go on where it broke off: %s",
                    left->name, pool->name, error->message);
}

void uploads_forget(Pool *pool, const char *name)
{
    store_forget_upload(pool->engine->store, &pool->uuid, name);
}

static bool is_other(const Uuid *uuid, void *data)
{
    const Pool *pool = data;

    return !uuid_equal(uuid, &pool->uuid);
}

void uploads_forget_all(Pool *pool)
{
    store_keep_uploads(pool->engine->store, is_other, pool);
}

static bool is_running(const Uuid *uuid, void *data)
{
    Engine *engine = data;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&engine->lock);
    const Pool *pool = g_hash_table_lookup(engine->by_uuid, uuid);

    return pool && pool->phase != PHASE_INACTIVE;
}

void uploads_sweep(Engine *engine)
{
    store_keep_uploads(engine->store, is_running, engine);
}
