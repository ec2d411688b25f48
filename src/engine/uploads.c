/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool-private.h"

#include "log.h"
#include "units.h"

/*
 * How far uploads came that broke off. It is kept in files beside those of the running pools, so
 * that a restart of this process doesn't lose it; what a volume's lease is held for, or its pool's,
 * has its file to itself.
 *
 * An upload that broke off leaves the volume's sizes and times with it: while they are the same,
 * nobody else has changed it. While it runs there are no such, for they change with every write.
 * What a process that was killed has left of that kind gets the time at which the next one began:
 * a volume that nobody has changed since is as the upload left it. (What was done to it while no
 * daemon ran is not seen; the last of what came is compared by the client.)
 */

typedef enum NoteKind {
    NOTE_RUNNING = 2, /* the upload goes on */
    NOTE_KILLED = 3,  /* the process that wrote it is gone */
    NOTE_LEFT = 5,    /* it broke off in good order */
} NoteKind;

typedef struct Note {
    NoteKind kind; /* also how many numbers it has */
    ResumePoint point;
    guint64 numbers[NOTE_LEFT - NOTE_RUNNING]; /* KILLED: the time, in nanoseconds since the epoch;
                                                  LEFT: physical size, mtime, ctime */
} Note;

static char *format_note(const Note *note)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, note->point.offset,
                           note->point.done);
    for (guint i = 0; i < (guint)note->kind - NOTE_RUNNING; i++)
        g_string_append_printf(text, " %" G_GUINT64_FORMAT, note->numbers[i]);
    g_string_append_c(text, '\n');
    return g_string_free(text, FALSE);
}

static bool parse_note(const char *text, Note *ret)
{
    g_autofree char *line = g_strchomp(g_strdup(text));
    g_auto(GStrv) words = g_strsplit(line, " ", NOTE_LEFT + 1);
    const guint count = g_strv_length(words);
    guint64 numbers[NOTE_LEFT];

    if (count != NOTE_RUNNING && count != NOTE_KILLED && count != NOTE_LEFT)
        return false;
    for (guint i = 0; i < count; i++)
        if (!number_parse(words[i], G_MAXINT64, &numbers[i]))
            return false;
    *ret = (Note){.kind = (NoteKind)count, .point = {numbers[0], numbers[1]}};
    for (guint i = NOTE_RUNNING; i < count; i++)
        ret->numbers[i - NOTE_RUNNING] = numbers[i];
    return ret->point.offset <= G_MAXINT64 - ret->point.done;
}

/* Only what is known to be there counts: the volume must be as it was left. A note of a running
 * upload that is read by the process that wrote it is of one that failed. */
static bool is_as_left(const Note *note, const VolumeDef *volume)
{
    const Timestamps *times = &volume->target.timestamps;
    const guint64 *numbers = note->numbers;

    if (note->kind == NOTE_KILLED)
        return (guint64)MAX(times->mtime, times->ctime) < numbers[0];
    return note->kind == NOTE_LEFT && numbers[0] == volume->physical &&
           numbers[1] == (guint64)times->mtime && numbers[2] == (guint64)times->ctime;
}

ResumePoint uploads_recall(Pool *pool, const VolumeDef *volume)
{
    g_autofree char *text = store_read_upload(pool->engine->store, &pool->uuid, volume->name);
    Note note;

    if (text && parse_note(text, &note) && is_as_left(&note, volume))
        return note.point;
    return (ResumePoint){0};
}

static void save_note(Pool *pool, const char *name, const Note *note)
{
    g_autofree char *text = format_note(note);
    g_autoptr(GError) error = NULL;

    g_atomic_int_set(&pool->has_uploads, true);
    if (!store_save_upload(pool->engine->store, &pool->uuid, name, text, &error))
        log_warning("an upload to volume '%s' of pool '%s' can't go on where it breaks off: %s",
                    name, pool->name, error->message);
}

void uploads_note(Pool *pool, const char *name, const ResumePoint *point)
{
    save_note(pool, name, &(Note){.kind = NOTE_RUNNING, .point = *point});
}

void uploads_remember(Pool *pool, const VolumeDef *left, const ResumePoint *point)
{
    const Timestamps *times = &left->target.timestamps;

    save_note(pool, left->name,
              &(Note){.kind = NOTE_LEFT,
                      .point = *point,
                      .numbers = {left->physical, (guint64)times->mtime, (guint64)times->ctime}});
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
    if (g_atomic_int_compare_and_exchange(&pool->has_uploads, true, false))
        store_keep_uploads(pool->engine->store, is_other, pool);
}

static bool is_running(const Uuid *uuid, void *data)
{
    Engine *engine = data;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&engine->lock);
    Pool *pool = g_hash_table_lookup(engine->by_uuid, uuid);

    if (!pool || pool->phase == PHASE_INACTIVE)
        return false;
    g_atomic_int_set(&pool->has_uploads, true);
    return true;
}

/* Of notes of running uploads: nothing runs yet, so their process was killed. */
static char *add_time(const char *text, void *data)
{
    Note note;

    if (!parse_note(text, &note) || note.kind != NOTE_RUNNING)
        return NULL;
    note.kind = NOTE_KILLED;
    note.numbers[0] = (guint64)g_get_real_time() * 1000;
    return format_note(&note);
}

void uploads_sweep(Engine *engine)
{
    store_keep_uploads(engine->store, is_running, engine);
    store_change_uploads(engine->store, add_time, NULL);
}
