/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store-flusher.h"

#include "fd.h"
#include "log.h"
#include "priority.h"

#define FLUSH_DELAY G_TIME_SPAN_SECOND
#define RETRY_DELAY (30 * G_TIME_SPAN_SECOND)
#define REMOVED_MAX 64 /* files that wait to be freed */

struct StoreFlusher {
    StoreJournal *journal;
    const char *path;

    GMutex lock; /* guards what follows */
    GCond changed;
    GThread *thread; /* NULL: not needed yet */
    bool has_new;    /* a file is to be made */
    GArray *removed; /* descriptors: the last references to files without names */
    gint64 due;      /* when it is to flush, monotonic; 0: nothing to flush */
    bool closing;
};

/* ---- what it does ---- */

static void close_removed(void *fd)
{
    fd_close(fd);
}

static GArray *new_removed(void)
{
    GArray *removed = g_array_new(FALSE, FALSE, sizeof(int));

    g_array_set_clear_func(removed, close_removed);
    return removed;
}

static void free_removed(StoreFlusher *flusher)
{
    GArray *fresh = new_removed();

    g_mutex_lock(&flusher->lock);
    GArray *removed = flusher->removed;
    flusher->removed = fresh;
    g_mutex_unlock(&flusher->lock);
    g_array_unref(removed);
}

static void make_new(StoreFlusher *flusher)
{
    (void)store_journal_make(flusher->journal, NULL); /* settle() tries again, and tells */
}

/* True when that is sooner than the thread knows of. With the lock held. */
static bool flush_at(StoreFlusher *flusher, gint64 due)
{
    bool is_sooner = flusher->due == 0 || flusher->due > due;

    if (is_sooner)
        flusher->due = due;
    return is_sooner;
}

static void retry_later(StoreFlusher *flusher)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&flusher->lock);

    if (!flusher->closing)
        (void)flush_at(flusher, g_get_monotonic_time() + RETRY_DELAY);
}

/* What can't be made or flushed is in the journal still, where the next try or the next start finds
 * it. */
static void settle(StoreFlusher *flusher)
{
    g_autoptr(GError) error = NULL;

    if (store_journal_settle(flusher->journal, &error))
        return;
    log_warning("what was defined or removed last has not reached '%s' on the disk yet: %s",
                flusher->path, error->message);
    retry_later(flusher);
}

/* ---- the thread ---- */

typedef void (*Work)(StoreFlusher *flusher);

/* False: the time to flush has come. */
static bool wait_for_change(StoreFlusher *flusher)
{
    if (flusher->due != 0)
        return g_cond_wait_until(&flusher->changed, &flusher->lock, flusher->due);
    g_cond_wait(&flusher->changed, &flusher->lock);
    return true;
}

static bool has_work(const StoreFlusher *flusher)
{
    return flusher->closing || flusher->has_new || flusher->removed->len > 0;
}

/* NULL: the end. */
static Work wait_for_work(StoreFlusher *flusher)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&flusher->lock);

    while (!has_work(flusher) && wait_for_change(flusher))
        ;
    bool has_new = flusher->has_new, has_old = flusher->due != 0;
    flusher->has_new = false;
    if (has_new && !flusher->closing)
        return make_new;
    if (flusher->removed->len > 0)
        return free_removed;
    flusher->due = 0; /* what comes from here on needs another */
    return has_old ? settle : NULL;
}

static void *run_thread(void *data)
{
    StoreFlusher *flusher = data;

    priority_work();
    for (Work work; (work = wait_for_work(flusher));)
        work(flusher);
    return NULL;
}

/* ---- the interface ---- */

StoreFlusher *store_flusher_new(StoreJournal *journal, const char *path)
{
    StoreFlusher *flusher = g_new0(StoreFlusher, 1);

    flusher->journal = journal;
    flusher->path = path;
    flusher->removed = new_removed();
    g_mutex_init(&flusher->lock);
    g_cond_init(&flusher->changed);
    return flusher;
}

void store_flusher_free(StoreFlusher *flusher)
{
    if (!flusher)
        return;
    g_mutex_lock(&flusher->lock);
    flusher->closing = true;
    g_cond_signal(&flusher->changed);
    g_mutex_unlock(&flusher->lock);
    if (flusher->thread)
        g_thread_join(flusher->thread);
    g_array_unref(flusher->removed);
    g_cond_clear(&flusher->changed);
    g_mutex_clear(&flusher->lock);
    g_free(flusher);
}

/* The disk gets it a moment later, in one go with others. The thread is woken for what it doesn't
 * know of yet. With the lock held. */
static void notice(StoreFlusher *flusher, bool is_news, gint64 delay)
{
    if (!flusher->thread)
        flusher->thread = g_thread_new("cistern-store", run_thread, flusher);
    if (flush_at(flusher, g_get_monotonic_time() + delay) || is_news)
        g_cond_signal(&flusher->changed);
}

void store_flusher_add_new(StoreFlusher *flusher)
{
    gint64 delay = store_journal_is_crowded(flusher->journal) ? 0 : FLUSH_DELAY;
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&flusher->lock);
    bool is_news = !flusher->has_new;

    flusher->has_new = true;
    notice(flusher, is_news, delay);
}

void store_flusher_add_removed(StoreFlusher *flusher, int *last)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&flusher->lock);
    bool is_taken = *last >= 0 && flusher->removed->len < REMOVED_MAX;

    if (is_taken) {
        int fd = fd_steal(last);
        g_array_append_val(flusher->removed, fd);
    }
    notice(flusher, is_taken && flusher->removed->len == 1, FLUSH_DELAY);
}
