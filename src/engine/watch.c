/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "bell.h"
#include "draft.h"
#include "errors.h"
#include "fd.h"
#include "operation.h"

#define SETTLE_TIME  (50 * 1000)    /* µs: what happens within it is one report */
#define CHANGE_PAUSE G_USEC_PER_SEC /* between two reports of mere changes of one name */
#define DROP_DELAY   G_USEC_PER_SEC /* until a folder is let go that nobody listens to */
#define NAMES_MAX    1024           /* per folder; beyond, a rescan is cheaper */
#define STACK_SIZE   (256 * 1024)
#define BUFFER_SIZE  (16 * 1024)
#define READS_MAX    64 /* buffers read in one go: more than the kernel's whole queue */

#define NAME_EVENTS (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
#define GONE_EVENTS (IN_DELETE | IN_MOVED_FROM)
#define LOST_EVENTS (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)
#define ALL_EVENTS                                                                                 \
    (NAME_EVENTS | IN_CLOSE_WRITE | IN_ATTRIB | IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF)

#define NEVER OPERATION_NO_DEADLINE

/* When something is to be reported, and when it was last. Times are monotonic microseconds. */
typedef struct Report {
    gint64 due;  /* NEVER: nothing to tell */
    gint64 last; /* 0: not yet */
    WatchChange change;
} Report;

typedef struct Folder {
    int wd;
    bool is_lost;
    GPtrArray *listeners; /* of Listener */
    GHashTable *names;    /* name → Report; kept a while after it, to know when it was */
    Report whole;         /* of the folder itself: WATCH_RESCAN or WATCH_LOST */
} Folder;

typedef struct Listener {
    guint id;
    Folder *folder;
    WatchFunc func;
    void *data;
} Listener;

/* One call to be made. The listener may be gone by then. */
typedef struct Call {
    guint id;
    WatchChange change;
    char *name; /* or NULL */
} Call;

struct Watch {
    int inotify;
    Bell wake;
    pthread_t thread;
    pthread_mutex_t lock; /* for all below; not held during calls */
    pthread_cond_t called;
    GPtrArray *folders;
    GHashTable *listeners; /* id → Listener */
    guint last_id;
    guint running_id; /* of the listener that is being called; 0: none */
    guint adding;     /* watch_add() calls at work: no kernel watch is removed meanwhile */
    gint64 drop_due;  /* when unused folders are let go; NEVER: there are none */
    bool stopping;
};

/* ---- folders ---- */

static void folder_free(Folder *folder)
{
    g_ptr_array_unref(folder->listeners);
    g_hash_table_unref(folder->names);
    g_free(folder);
}

static Folder *find_folder(Watch *watch, int wd)
{
    for (guint i = 0; i < watch->folders->len; i++) {
        Folder *folder = g_ptr_array_index(watch->folders, i);
        if (folder->wd == wd && !folder->is_lost)
            return folder;
    }
    return NULL;
}

static Folder *get_folder(Watch *watch, int wd)
{
    Folder *folder = find_folder(watch, wd);

    if (folder)
        return folder;
    folder = g_new0(Folder, 1);
    folder->wd = wd;
    folder->listeners = g_ptr_array_new();
    folder->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    folder->whole.due = NEVER;
    g_ptr_array_add(watch->folders, folder);
    return folder;
}

static void unwatch(Watch *watch, const Folder *folder)
{
    /* The kernel may have dropped it by itself: that is as good. */
    (void)inotify_rm_watch(watch->inotify, folder->wd);
}

/* Nobody listens any more. Whoever stopped listening needn't wait until the kernel has let go: its
 * own threads take part in that. With the lock held. */
static void leave(Watch *watch, Folder *folder)
{
    g_hash_table_remove_all(folder->names);
    folder->whole.due = NEVER;
    if (watch->drop_due != NEVER)
        return;
    watch->drop_due = g_get_monotonic_time() + DROP_DELAY;
    bell_ring(&watch->wake);
}

/* Not while a folder is being added: the kernel gives the same number for the same folder, and it
 * may be just this one. */
static void drop_if_unused(Watch *watch, guint index)
{
    pthread_mutex_lock(&watch->lock);
    Folder *folder = g_ptr_array_index(watch->folders, index);
    if (folder->listeners->len == 0 && watch->adding > 0) {
        watch->drop_due = g_get_monotonic_time() + DROP_DELAY;
    } else if (folder->listeners->len == 0) {
        if (!folder->is_lost)
            unwatch(watch, folder);
        g_ptr_array_remove_index_fast(watch->folders, index);
    }
    pthread_mutex_unlock(&watch->lock);
}

/* How many folders there are; 0 before it is time to look for unused ones. */
static guint take_drop(Watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    bool is_due = watch->drop_due <= g_get_monotonic_time();
    if (is_due)
        watch->drop_due = NEVER;
    guint count = is_due ? watch->folders->len : 0;
    pthread_mutex_unlock(&watch->lock);
    return count;
}

/* In the watch's thread, which alone takes folders away. */
static void drop_unused(Watch *watch)
{
    for (guint i = take_drop(watch); i-- > 0;)
        drop_if_unused(watch, i);
}

/* ---- taking notes of events ---- */

static void note_rescan(Folder *folder, gint64 now)
{
    Report *whole = &folder->whole;

    g_hash_table_remove_all(folder->names);
    if (folder->is_lost || whole->due != NEVER)
        return;
    whole->change = WATCH_RESCAN;
    whole->due = MAX(now + SETTLE_TIME, whole->last + CHANGE_PAUSE);
}

static void note_lost(Watch *watch, Folder *folder, gint64 now)
{
    unwatch(watch, folder); /* a folder that was moved would go on reporting */
    folder->is_lost = true;
    g_hash_table_remove_all(folder->names);
    folder->whole.change = WATCH_LOST;
    folder->whole.due = now;
}

static void note_name(Folder *folder, const char *name, guint32 mask, gint64 now)
{
    Report *report = g_hash_table_lookup(folder->names, name);

    if (folder->whole.due != NEVER)
        return; /* will be looked at with all others */
    if (!report && g_hash_table_size(folder->names) >= NAMES_MAX) {
        note_rescan(folder, now);
        return;
    }
    if (!report) {
        report = g_new0(Report, 1);
        report->due = NEVER;
        g_hash_table_insert(folder->names, g_strdup(name), report);
    }
    gint64 pause = mask & NAME_EVENTS ? 0 : CHANGE_PAUSE;
    report->due = MIN(report->due, MAX(now + SETTLE_TIME, report->last + pause));
    report->change = mask & GONE_EVENTS ? WATCH_DELETED : WATCH_CHANGED;
}

static void note_event(Watch *watch, const struct inotify_event *event, gint64 now)
{
    if (event->mask & IN_Q_OVERFLOW) {
        for (guint i = 0; i < watch->folders->len; i++)
            note_rescan(g_ptr_array_index(watch->folders, i), now);
        return;
    }
    Folder *folder = find_folder(watch, event->wd);
    if (!folder)
        return;
    if (event->mask & LOST_EVENTS)
        note_lost(watch, folder, now);
    else if (event->len > 0 && !draft_is_name(event->name))
        note_name(folder, event->name, event->mask, now);
}

static void note_buffer(Watch *watch, const char *buffer, gsize size)
{
    gint64 now = g_get_monotonic_time();

    for (gsize at = 0; at < size;) {
        const void *event = buffer + at;
        note_event(watch, event, now);
        at += sizeof(struct inotify_event) + ((const struct inotify_event *)event)->len;
    }
}

static void read_events(Watch *watch)
{
    _Alignas(struct inotify_event) char buffer[BUFFER_SIZE];

    for (int i = 0; i < READS_MAX; i++) {
        ssize_t size = read(watch->inotify, buffer, sizeof buffer);
        if (size <= 0)
            return;
        pthread_mutex_lock(&watch->lock);
        note_buffer(watch, buffer, (gsize)size);
        pthread_mutex_unlock(&watch->lock);
    }
}

/* ---- reporting ---- */

static void call_clear(void *call)
{
    g_free(((Call *)call)->name);
}

static void add_calls(GArray *calls, const Folder *folder, WatchChange change, const char *name)
{
    for (guint i = 0; i < folder->listeners->len; i++) {
        const Listener *listener = g_ptr_array_index(folder->listeners, i);
        Call call = {listener->id, change, g_strdup(name)};
        g_array_append_val(calls, call);
    }
}

/* Takes a report that is due out; true if it was. */
static bool take_due(Report *report, gint64 now)
{
    if (report->due > now)
        return false;
    report->due = NEVER;
    report->last = now;
    return true;
}

static void collect_folder(GArray *calls, Folder *folder, gint64 now)
{
    GHashTableIter iter;
    void *name, *data;

    if (take_due(&folder->whole, now))
        add_calls(calls, folder, folder->whole.change, NULL);
    g_hash_table_iter_init(&iter, folder->names);
    while (g_hash_table_iter_next(&iter, &name, &data)) {
        Report *report = data;
        if (take_due(report, now))
            add_calls(calls, folder, report->change, name);
        else if (report->due == NEVER && report->last + CHANGE_PAUSE <= now)
            g_hash_table_iter_remove(&iter);
    }
}

static void make_call(Watch *watch, const Call *call)
{
    pthread_mutex_lock(&watch->lock);
    const Listener *found = g_hash_table_lookup(watch->listeners, GUINT_TO_POINTER(call->id));
    Listener listener = found ? *found : (Listener){0};
    watch->running_id = listener.id;
    pthread_mutex_unlock(&watch->lock);
    if (!listener.func)
        return;

    listener.func(call->change, call->name, listener.data);
    pthread_mutex_lock(&watch->lock);
    watch->running_id = 0;
    pthread_cond_broadcast(&watch->called);
    pthread_mutex_unlock(&watch->lock);
}

static void report_due(Watch *watch)
{
    g_autoptr(GArray) calls = g_array_new(FALSE, FALSE, sizeof(Call));
    gint64 now = g_get_monotonic_time();

    g_array_set_clear_func(calls, call_clear);
    pthread_mutex_lock(&watch->lock);
    for (guint i = 0; i < watch->folders->len; i++)
        collect_folder(calls, g_ptr_array_index(watch->folders, i), now);
    pthread_mutex_unlock(&watch->lock);
    for (guint i = 0; i < calls->len; i++)
        make_call(watch, &g_array_index(calls, Call, i));
}

/* ---- the thread ---- */

/* When there is something to do for this report: to make it, or to forget that it was made. */
static gint64 report_time(const Report *report)
{
    return report->due != NEVER ? report->due : report->last + CHANGE_PAUSE;
}

static gint64 next_time(Watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    gint64 next = watch->drop_due;
    for (guint i = 0; i < watch->folders->len; i++) {
        const Folder *folder = g_ptr_array_index(watch->folders, i);
        GHashTableIter iter;
        void *report;
        next = MIN(next, folder->whole.due);
        g_hash_table_iter_init(&iter, folder->names);
        while (g_hash_table_iter_next(&iter, NULL, &report))
            next = MIN(next, report_time(report));
    }
    pthread_mutex_unlock(&watch->lock);
    return next;
}

static bool is_stopping(Watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    bool stopping = watch->stopping;
    pthread_mutex_unlock(&watch->lock);
    return stopping;
}

/* Waits for events or `until`. True when there are events. */
static bool wait_until(Watch *watch, gint64 until, bool for_events)
{
    struct pollfd fds[] = {
        {.fd = watch->wake.ear, .events = POLLIN},
        {.fd = watch->inotify, .events = POLLIN},
    };
    int count = poll(fds, for_events ? 2 : 1, operation_poll_timeout(until));

    if (count > 0 && fds[0].revents)
        bell_hush(&watch->wake);
    return count > 0 && (fds[1].revents & POLLIN);
}

/* After events were read the next are left alone for a while: the kernel merges equal ones, and a
 * busy writer doesn't wake this thread for each of his writes. */
static void *run_thread(void *data)
{
    Watch *watch = data;
    gint64 read_again = 0;

    while (!is_stopping(watch)) {
        bool may_read = g_get_monotonic_time() >= read_again;
        gint64 next = next_time(watch);
        if (wait_until(watch, may_read ? next : MIN(next, read_again), may_read)) {
            read_events(watch);
            read_again = g_get_monotonic_time() + SETTLE_TIME;
        }
        report_due(watch);
        drop_unused(watch);
    }
    return NULL;
}

static bool start_thread(Watch *watch, GError **error)
{
    pthread_attr_t attributes;
    int status;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    status = pthread_create(&watch->thread, &attributes, run_thread, watch);
    pthread_attr_destroy(&attributes);
    return status == 0 || error_set_errno(error, ORIGIN_STORAGE, status,
                                          "cannot start the thread that watches folders");
}

/* ---- interface ---- */

static void release(Watch *watch)
{
    fd_close(&watch->inotify);
    bell_clear(&watch->wake);
    g_ptr_array_unref(watch->folders);
    g_hash_table_unref(watch->listeners);
    pthread_mutex_destroy(&watch->lock);
    pthread_cond_destroy(&watch->called);
    g_free(watch);
}

Watch *watch_new(GError **error)
{
    Watch *watch = g_new0(Watch, 1);

    pthread_mutex_init(&watch->lock, NULL);
    pthread_cond_init(&watch->called, NULL);
    watch->folders = g_ptr_array_new_with_free_func((GDestroyNotify)folder_free);
    watch->listeners = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    watch->drop_due = NEVER;
    watch->wake = (Bell){-1, -1};
    watch->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->inotify < 0 || !bell_init(&watch->wake, 0))
        error_set_errno(error, ORIGIN_STORAGE, errno,
                        "cannot watch folders (too many instances: raise "
                        "fs.inotify.max_user_instances)");
    else if (start_thread(watch, error))
        return watch;
    release(watch);
    return NULL;
}

void watch_free(Watch *watch)
{
    if (!watch)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->stopping = true;
    pthread_mutex_unlock(&watch->lock);
    bell_ring(&watch->wake);
    pthread_join(watch->thread, NULL);
    release(watch);
}

static guint new_id(Watch *watch)
{
    do
        watch->last_id++;
    while (watch->last_id == 0 ||
           g_hash_table_contains(watch->listeners, GUINT_TO_POINTER(watch->last_id)));
    return watch->last_id;
}

static guint add_listener(Watch *watch, Folder *folder, WatchFunc func, void *data)
{
    Listener *listener = g_new(Listener, 1);

    *listener = (Listener){new_id(watch), folder, func, data};
    g_ptr_array_add(folder->listeners, listener);
    g_hash_table_insert(watch->listeners, GUINT_TO_POINTER(listener->id), listener);
    return listener->id;
}

guint watch_add(Watch *watch, const char *path, WatchFunc func, void *data, GError **error)
{
    pthread_mutex_lock(&watch->lock);
    watch->adding++;
    pthread_mutex_unlock(&watch->lock);

    /* Without the lock: the way to a folder on dead storage may take for ever. */
    int wd = inotify_add_watch(watch->inotify, path, ALL_EVENTS | IN_ONLYDIR | IN_EXCL_UNLINK);
    int status = errno;

    pthread_mutex_lock(&watch->lock);
    guint id = wd < 0 ? 0 : add_listener(watch, get_folder(watch, wd), func, data);
    watch->adding--;
    pthread_mutex_unlock(&watch->lock);
    if (id == 0)
        error_set_errno(error, ORIGIN_STORAGE, status, "cannot watch the folder '%s'%s", path,
                        status == ENOSPC ? " (raise fs.inotify.max_user_watches)" : "");
    return id;
}

static bool in_own_thread(Watch *watch)
{
    return pthread_equal(pthread_self(), watch->thread);
}

void watch_remove(Watch *watch, guint id)
{
    pthread_mutex_lock(&watch->lock);
    Listener *listener = g_hash_table_lookup(watch->listeners, GUINT_TO_POINTER(id));
    if (listener) {
        Folder *folder = listener->folder;
        g_ptr_array_remove(folder->listeners, listener);
        g_hash_table_remove(watch->listeners, GUINT_TO_POINTER(id));
        if (folder->listeners->len == 0)
            leave(watch, folder);
    }
    while (id != 0 && watch->running_id == id && !in_own_thread(watch))
        pthread_cond_wait(&watch->called, &watch->lock);
    pthread_mutex_unlock(&watch->lock);
}
