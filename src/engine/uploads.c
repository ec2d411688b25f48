/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool-private.h"

#include "log.h"
#include "units.h"

#include <string.h>

/*
 * How far uploads came that broke off. It is kept in files beside those of the running pools, so
 * that a restart of this process doesn't lose it; what a volume's lease is held for, or its pool's,
 * has its file to itself. The same is kept in the pool, where lists find it: a volume to which an
 * upload broke off is marked until its content is whole again.
 *
 * An upload that broke off leaves the volume's sizes and times with it: while they are the same,
 * nobody else has changed it, and the upload can go on. While it runs there are no such, for they
 * change with every write. What a process that was killed has left of that kind gets the time at
 * which the next one began: a volume that nobody has changed since is as the upload left it. (What
 * was done to it while no daemon ran is not seen; the last of what came is compared by the client.)
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

/* No volume has these numbers: the upload can't go on. */
#define NEVER                                                                                      \
    {                                                                                              \
        G_MAXINT64, G_MAXINT64, G_MAXINT64                                                         \
    }

/* ---- as text: the numbers in a line, then the volume's name ---- */

static char *format_note(const char *name, const Note *note)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, note->point.offset,
                           note->point.done);
    for (guint i = 0; i < (guint)note->kind - NOTE_RUNNING; i++)
        g_string_append_printf(text, " %" G_GUINT64_FORMAT, note->numbers[i]);
    g_string_append_printf(text, "\n%s", name);
    return g_string_free(text, FALSE);
}

/* *ret_name points into the text; it may be empty. */
static bool parse_note(const char *text, Note *ret, const char **ret_name)
{
    const gsize length = strcspn(text, "\n");
    g_autofree char *line = g_strndup(text, length);
    g_auto(GStrv) words = g_strsplit(line, " ", NOTE_LEFT + 1);
    const guint count = g_strv_length(words);
    guint64 numbers[NOTE_LEFT];

    if (count != NOTE_RUNNING && count != NOTE_KILLED && count != NOTE_LEFT)
        return false;
    for (guint i = 0; i < count; i++)
        if (!number_parse(words[i], G_MAXINT64, &numbers[i]))
            return false;
    *ret = (Note){.kind = (NoteKind)count, .point = {numbers[0], numbers[1]}};
    *ret_name = text[length] ? text + length + 1 : "";
    for (guint i = NOTE_RUNNING; i < count; i++)
        ret->numbers[i - NOTE_RUNNING] = numbers[i];
    return ret->point.offset <= G_MAXINT64 - ret->point.done;
}

/* ---- in words ---- */

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

static char *describe(const Note *note, bool as_left)
{
    g_autofree char *size = size_to_string(note->point.done);
    const bool known = note->point.done > 0;

    return g_strconcat("an upload to it broke off", known ? " after " : "", known ? size : "",
                       known && note->kind == NOTE_KILLED ? " or more" : "", "; repeat it",
                       known && as_left ? " or go on with --continue" : "", NULL);
}

static void warn(Pool *pool, const char *name, const Note *note, bool as_left)
{
    g_autofree char *text = describe(note, as_left);

    log_warning("pool '%s': volume '%s': %s", pool->name, name, text);
}

/* ---- in the pool ---- */

static void put_mark(Pool *pool, const char *name, const Note *note)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    if (!pool->uploads)
        pool->uploads = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_hash_table_insert(pool->uploads, g_strdup(name), g_memdup2(note, sizeof *note));
    g_atomic_int_set(&pool->has_uploads, true);
}

static void drop_mark(Pool *pool, const char *name)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    if (!pool->uploads)
        return;
    g_hash_table_remove(pool->uploads, name);
    if (g_hash_table_size(pool->uploads) == 0)
        g_clear_pointer(&pool->uploads, g_hash_table_unref);
}

static bool find_mark(Pool *pool, const char *name, Note *ret)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);
    const Note *note = pool->uploads ? g_hash_table_lookup(pool->uploads, name) : NULL;

    if (note)
        *ret = *note;
    return note != NULL;
}

static char *upload_problem(Pool *pool, const VolumeDef *volume)
{
    Note note;

    if (!g_atomic_int_get(&pool->has_uploads) || !find_mark(pool, volume->name, &note) ||
        note.kind == NOTE_RUNNING)
        return NULL;
    return describe(&note, is_as_left(&note, volume));
}

char *volume_problem(Pool *pool, const VolumeDef *volume)
{
    return volume->problem ? g_strdup(volume->problem) : upload_problem(pool, volume);
}

/* ---- on disk too ---- */

static void save_note(Pool *pool, const char *name, const Note *note)
{
    g_autofree char *text = format_note(name, note);
    g_autoptr(GError) error = NULL;

    put_mark(pool, name, note);
    if (!store_save_upload(pool->engine->store, &pool->uuid, name, text, &error))
        log_warning("an upload to volume '%s' of pool '%s' can't go on where it breaks off: %s",
                    name, pool->name, error->message);
}

ResumePoint uploads_recall(Pool *pool, const VolumeDef *volume)
{
    g_autofree char *text = store_read_upload(pool->engine->store, &pool->uuid, volume->name);
    const char *name;
    Note note;

    if (text && parse_note(text, &note, &name) && is_as_left(&note, volume))
        return note.point;
    return (ResumePoint){0};
}

void uploads_note(Pool *pool, const char *name, const ResumePoint *point)
{
    save_note(pool, name, &(Note){.kind = NOTE_RUNNING, .point = *point});
}

void uploads_remember(Pool *pool, const char *name, const VolumeDef *left, const ResumePoint *point)
{
    Note note = {.kind = NOTE_LEFT, .point = *point, .numbers = NEVER};

    if (left) {
        const Timestamps *times = &left->target.timestamps;
        note.numbers[0] = left->physical;
        note.numbers[1] = (guint64)times->mtime;
        note.numbers[2] = (guint64)times->ctime;
    }
    save_note(pool, name, &note);
    warn(pool, name, &note, left != NULL);
}

void uploads_forget(Pool *pool, const char *name)
{
    drop_mark(pool, name);
    store_forget_upload(pool->engine->store, &pool->uuid, name);
}

void uploads_spoil(Pool *pool, const char *name)
{
    Note note;

    if (find_mark(pool, name, &note))
        save_note(pool, name, &(Note){.kind = NOTE_LEFT, .point = note.point, .numbers = NEVER});
}

static bool is_other(const Uuid *uuid, void *data)
{
    const Pool *pool = data;

    return !uuid_equal(uuid, &pool->uuid);
}

static void drop_marks(Pool *pool)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&pool->engine->lock);

    g_clear_pointer(&pool->uploads, g_hash_table_unref);
}

void uploads_forget_all(Pool *pool)
{
    drop_marks(pool);
    if (g_atomic_int_compare_and_exchange(&pool->has_uploads, true, false))
        store_keep_uploads(pool->engine->store, is_other, pool);
}

/* ---- after a restart of this process ---- */

/* A reference to the pool, if it runs; else NULL. */
static Pool *find_running(Engine *engine, const Uuid *uuid)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&engine->lock);
    Pool *pool = g_hash_table_lookup(engine->by_uuid, uuid);

    return pool && pool->phase != PHASE_INACTIVE ? pool_ref(pool) : NULL;
}

static bool is_running(const Uuid *uuid, void *data)
{
    g_autoptr(Pool) pool = find_running(data, uuid);

    if (pool)
        g_atomic_int_set(&pool->has_uploads, true);
    return pool != NULL;
}

/* Nothing runs yet, so the process of a running upload was killed. Returns what the file is to
 * hold, or NULL: as it is. */
static char *take_up(const Uuid *uuid, const char *text, void *data)
{
    g_autoptr(Pool) pool = find_running(data, uuid);
    const char *name;
    Note note;

    if (!pool || !parse_note(text, &note, &name))
        return NULL;
    const bool killed = note.kind == NOTE_RUNNING;
    if (killed) {
        note.kind = NOTE_KILLED;
        note.numbers[0] = (guint64)g_get_real_time() * 1000;
    }
    if (*name)
        put_mark(pool, name, &note);
    if (*name && killed)
        warn(pool, name, &note, true);
    return killed ? format_note(name, &note) : NULL;
}

void uploads_sweep(Engine *engine)
{
    store_keep_uploads(engine->store, is_running, engine);
    store_change_uploads(engine->store, take_up, engine);
}
