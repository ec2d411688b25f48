/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch.h"

#include <glib/gstdio.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "draft.h"
#include "errors.h"

#define PATIENCE (10 * G_USEC_PER_SEC)

/* A watched folder, and what was reported of it: "+name" changed, "-name" deleted, "*" rescan,
 * "!" lost. */
typedef struct Fixture {
    char *path;
    Watch *watch;
    guint id;
    pthread_mutex_t lock;
    GPtrArray *reports;
    guint settled; /* calls of settle() */
    gint hold;     /* reports take until this is 0 */
} Fixture;

static void take_report(WatchChange change, const char *name, void *data)
{
    static const char marks[] = {'+', '-', '*', '!'};
    Fixture *fixture = data;

    pthread_mutex_lock(&fixture->lock);
    g_ptr_array_add(fixture->reports, g_strdup_printf("%c%s", marks[change], name ? name : ""));
    pthread_mutex_unlock(&fixture->lock);
    while (g_atomic_int_get(&fixture->hold))
        g_usleep(1000);
}

static void setup(Fixture *fixture, gconstpointer data)
{
    fixture->path = g_dir_make_tmp("watch-XXXXXX", NULL);
    fixture->reports = g_ptr_array_new_with_free_func(g_free);
    pthread_mutex_init(&fixture->lock, NULL);
    fixture->watch = watch_new(NULL);
    g_assert_nonnull(fixture->watch);
    fixture->id = watch_add(fixture->watch, fixture->path, take_report, fixture, NULL);
    g_assert_cmpuint(fixture->id, !=, 0);
}

static void teardown(Fixture *fixture, gconstpointer data)
{
    watch_free(fixture->watch);
    (void)g_rmdir(fixture->path);
    g_assert_false(g_file_test(fixture->path, G_FILE_TEST_EXISTS));
    g_free(fixture->path);
    g_ptr_array_unref(fixture->reports);
    pthread_mutex_destroy(&fixture->lock);
}

static guint count_reports(Fixture *fixture, const char *report)
{
    guint count = 0;

    pthread_mutex_lock(&fixture->lock);
    for (guint i = 0; i < fixture->reports->len; i++)
        count += !report || strcmp(g_ptr_array_index(fixture->reports, i), report) == 0;
    pthread_mutex_unlock(&fixture->lock);
    return count;
}

static void wait_for(Fixture *fixture, const char *report)
{
    gint64 end = g_get_monotonic_time() + PATIENCE;

    while (count_reports(fixture, report) == 0) {
        if (g_get_monotonic_time() > end)
            g_error("no report '%s'", report);
        g_usleep(2000);
    }
}

static void forget_reports(Fixture *fixture)
{
    pthread_mutex_lock(&fixture->lock);
    g_ptr_array_set_size(fixture->reports, 0);
    pthread_mutex_unlock(&fixture->lock);
}

static char *path_of(Fixture *fixture, const char *name)
{
    return g_build_filename(fixture->path, name, NULL);
}

static void write_file(Fixture *fixture, const char *name, const char *text)
{
    g_autofree char *path = path_of(fixture, name);

    g_assert_true(g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

static void rename_file(Fixture *fixture, const char *from, const char *to)
{
    g_autofree char *old = path_of(fixture, from);
    g_autofree char *new = path_of(fixture, to);

    g_assert_cmpint(g_rename(old, new), ==, 0);
}

static void remove_file(Fixture *fixture, const char *name)
{
    g_autofree char *path = path_of(fixture, name);

    g_assert_cmpint(g_remove(path), ==, 0);
}

/* Waits until all that happened so far must have been reported. Makes two reports itself. */
static void settle(Fixture *fixture)
{
    g_autofree char *name = g_strdup_printf("settled-%u", ++fixture->settled);
    g_autofree char *made = g_strconcat("+", name, NULL);
    g_autofree char *removed = g_strconcat("-", name, NULL);

    write_file(fixture, name, "");
    wait_for(fixture, made);
    remove_file(fixture, name);
    wait_for(fixture, removed);
}

/* ---- tests ---- */

static void test_changes(Fixture *fixture, gconstpointer data)
{
    g_autofree char *folder = path_of(fixture, "folder");
    g_autofree char *link = path_of(fixture, "link");

    write_file(fixture, "a", "x");
    wait_for(fixture, "+a");
    rename_file(fixture, "a", "b");
    wait_for(fixture, "-a");
    wait_for(fixture, "+b");
    g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
    wait_for(fixture, "+folder");
    g_assert_cmpint(symlink("b", link), ==, 0);
    wait_for(fixture, "+link");
    remove_file(fixture, "b");
    wait_for(fixture, "-b");
    remove_file(fixture, "folder");
    wait_for(fixture, "-folder");
    remove_file(fixture, "link");
    wait_for(fixture, "-link");
}

static void test_content_and_attributes(Fixture *fixture, gconstpointer data)
{
    g_autofree char *file = path_of(fixture, "a");

    write_file(fixture, "a", "x");
    wait_for(fixture, "+a");
    forget_reports(fixture);
    g_assert_cmpint(g_chmod(file, 0644), ==, 0);
    wait_for(fixture, "+a");
    forget_reports(fixture);
    write_file(fixture, "a", "xyz");
    wait_for(fixture, "+a");
    forget_reports(fixture);
    g_assert_cmpint(truncate(file, 1 << 20), ==, 0);
    wait_for(fixture, "+a");
    remove_file(fixture, "a");
}

/* Keeps the watch in a report, so that what happens until release_watch() is seen as one moment. */
static void hold_watch(Fixture *fixture)
{
    g_atomic_int_set(&fixture->hold, 1);
    write_file(fixture, "hold", "");
    wait_for(fixture, "+hold");
}

static void release_watch(Fixture *fixture)
{
    g_atomic_int_set(&fixture->hold, 0);
    remove_file(fixture, "hold");
}

static void test_moments_are_one_report(Fixture *fixture, gconstpointer data)
{
    hold_watch(fixture);
    for (int i = 0; i < 10; i++) {
        write_file(fixture, "stays", "x");
        write_file(fixture, "passes", "x");
        remove_file(fixture, "stays");
        remove_file(fixture, "passes");
    }
    write_file(fixture, "stays", "x");
    release_watch(fixture);
    settle(fixture);
    g_assert_cmpuint(count_reports(fixture, "+stays"), ==, 1);
    g_assert_cmpuint(count_reports(fixture, "-stays"), ==, 0);
    g_assert_cmpuint(count_reports(fixture, "+passes"), ==, 0);
    g_assert_cmpuint(count_reports(fixture, "-passes"), ==, 1);
    remove_file(fixture, "stays");
}

static void test_busy_writer(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = path_of(fixture, "guest");
    gint64 end = g_get_monotonic_time() + 2500 * 1000;
    FILE *file = fopen(path, "w");

    g_assert_nonnull(file);
    wait_for(fixture, "+guest");
    forget_reports(fixture);
    while (g_get_monotonic_time() < end) {
        g_assert_cmpint(fputc('x', file), ==, 'x');
        g_assert_cmpint(fflush(file), ==, 0);
    }
    fclose(file);
    guint count = count_reports(fixture, "+guest");
    g_assert_cmpuint(count, >=, 1);
    g_assert_cmpuint(count, <=, 3);
    /* The last of the writing is told as well. */
    forget_reports(fixture);
    wait_for(fixture, "+guest");
    remove_file(fixture, "guest");
}

static void test_drafts_are_ignored(Fixture *fixture, gconstpointer data)
{
    autofd int folder = fd_open_folder(fixture->path);
    Draft draft;

    g_assert_true(draft_create(folder, 0600, &draft, NULL));
    g_assert_cmpint(write(draft.fd, "x", 1), ==, 1);
    settle(fixture);
    g_assert_cmpuint(count_reports(fixture, NULL), ==, 2);
    g_assert_true(draft_publish(&draft, "whole", false, NULL));
    wait_for(fixture, "+whole");
    settle(fixture);
    g_assert_cmpuint(count_reports(fixture, NULL), ==, 2 + 1 + 2);
    remove_file(fixture, "whole");
}

static void test_too_many(Fixture *fixture, gconstpointer data)
{
    hold_watch(fixture);
    for (guint i = 0; i < 3000; i++) {
        char name[16];
        g_snprintf(name, sizeof name, "%u", i);
        write_file(fixture, name, "");
        remove_file(fixture, name);
    }
    release_watch(fixture);
    wait_for(fixture, "*");
    settle(fixture);
    g_assert_cmpuint(count_reports(fixture, "*"), ==, 1);
    g_assert_cmpuint(count_reports(fixture, "-1"), ==, 0);
}

static void test_folder_removed(Fixture *fixture, gconstpointer data)
{
    g_assert_cmpint(g_rmdir(fixture->path), ==, 0);
    wait_for(fixture, "!");
    g_usleep(200000);
    g_assert_cmpuint(count_reports(fixture, NULL), ==, 1);
    watch_remove(fixture->watch, fixture->id);
}

/* What happens in a folder that was moved away isn't reported under its old path; the new one that
 * takes its place can be watched. */
static void test_folder_moved(Fixture *fixture, gconstpointer data)
{
    g_autofree char *moved = g_strconcat(fixture->path, ".moved", NULL);
    g_autofree char *file = g_build_filename(moved, "a", NULL);

    g_assert_cmpint(g_rename(fixture->path, moved), ==, 0);
    wait_for(fixture, "!");
    g_assert_true(g_file_set_contents(file, "x", 1, NULL));
    g_usleep(200000);
    g_assert_cmpuint(count_reports(fixture, NULL), ==, 1);

    g_assert_cmpint(g_mkdir(fixture->path, 0700), ==, 0);
    watch_remove(fixture->watch, fixture->id);
    fixture->id = watch_add(fixture->watch, fixture->path, take_report, fixture, NULL);
    settle(fixture);
    g_assert_cmpint(g_remove(file), ==, 0);
    g_assert_cmpint(g_rmdir(moved), ==, 0);
}

static void test_no_such_folder(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = path_of(fixture, "missing");
    g_autofree char *file = path_of(fixture, "file");
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(watch_add(fixture->watch, path, take_report, fixture, &error), ==, 0);
    g_assert_error(error, CISTERN_ERROR, ERROR_SYSTEM);
    g_assert_cmpint(error_errno(error), ==, ENOENT);
    g_clear_error(&error);
    write_file(fixture, "file", "x");
    g_assert_cmpuint(watch_add(fixture->watch, file, take_report, fixture, &error), ==, 0);
    g_assert_cmpint(error_errno(error), ==, ENOTDIR);
    remove_file(fixture, "file");
}

/* Two pools on one folder: each hears of it until its own watch is removed. */
static void test_twice(Fixture *fixture, gconstpointer data)
{
    Fixture other = *fixture;

    other.reports = g_ptr_array_new_with_free_func(g_free);
    pthread_mutex_init(&other.lock, NULL);
    other.id = watch_add(other.watch, other.path, take_report, &other, NULL);
    g_assert_cmpuint(other.id, !=, fixture->id);
    write_file(fixture, "a", "x");
    wait_for(fixture, "+a");
    wait_for(&other, "+a");

    watch_remove(other.watch, other.id);
    forget_reports(&other);
    remove_file(fixture, "a");
    wait_for(fixture, "-a");
    g_assert_cmpuint(count_reports(&other, NULL), ==, 0);
    g_ptr_array_unref(other.reports);
    pthread_mutex_destroy(&other.lock);
}

static void test_removed_is_silent(Fixture *fixture, gconstpointer data)
{
    watch_remove(fixture->watch, fixture->id);
    watch_remove(fixture->watch, fixture->id);
    watch_remove(fixture->watch, 0);
    write_file(fixture, "a", "x");
    g_usleep(200000);
    g_assert_cmpuint(count_reports(fixture, NULL), ==, 0);
    remove_file(fixture, "a");
}

/* Of this process, by what the kernel says of its descriptors (proc(5)). */
static guint count_kernel_watches(void)
{
    g_autoptr(GDir) folder = g_dir_open("/proc/self/fdinfo", 0, NULL);
    const char *name;
    guint count = 0;

    while ((name = g_dir_read_name(folder))) {
        g_autofree char *path = g_build_filename("/proc/self/fdinfo", name, NULL);
        g_autofree char *text = NULL;
        if (g_file_get_contents(path, &text, NULL, NULL))
            for (const char *at = text; (at = strstr(at, "inotify wd:")); at++)
                count++;
    }
    return count;
}

/* Not at once, but soon. */
static void test_kernel_lets_go(Fixture *fixture, gconstpointer data)
{
    g_assert_cmpuint(count_kernel_watches(), ==, 1);
    watch_remove(fixture->watch, fixture->id);
    for (guint tries = 0; count_kernel_watches() > 0; tries++) {
        g_assert_cmpuint(tries, <, 600);
        g_usleep(100000);
    }
}

/* The kernel may still know the folder. */
static void test_again(Fixture *fixture, gconstpointer data)
{
    write_file(fixture, "a", "x");
    watch_remove(fixture->watch, fixture->id);
    fixture->id = watch_add(fixture->watch, fixture->path, take_report, fixture, NULL);
    write_file(fixture, "b", "x");
    wait_for(fixture, "+b");
    g_usleep(2 * G_USEC_PER_SEC); /* it isn't let go of later */
    write_file(fixture, "c", "x");
    wait_for(fixture, "+c");
    remove_file(fixture, "a");
    remove_file(fixture, "b");
    remove_file(fixture, "c");
}

static void *release_later(void *data)
{
    g_usleep(100000);
    g_atomic_int_set(&((Fixture *)data)->hold, 0);
    return NULL;
}

/* Removal waits for the report that is being made. */
static void test_remove_waits(Fixture *fixture, gconstpointer data)
{
    pthread_t thread;

    g_atomic_int_set(&fixture->hold, 1);
    write_file(fixture, "a", "x");
    wait_for(fixture, "+a");
    g_assert_cmpint(pthread_create(&thread, NULL, release_later, fixture), ==, 0);
    watch_remove(fixture->watch, fixture->id);
    g_assert_cmpint(g_atomic_int_get(&fixture->hold), ==, 0);
    pthread_join(thread, NULL);
    remove_file(fixture, "a");
}

static void remove_own_watch(WatchChange change, const char *name, void *data)
{
    Fixture *fixture = data;

    pthread_mutex_lock(&fixture->lock); /* the id may not be noted yet */
    guint id = fixture->id;
    pthread_mutex_unlock(&fixture->lock);
    watch_remove(fixture->watch, id);
    take_report(change, name, data);
}

static void test_remove_from_report(Fixture *fixture, gconstpointer data)
{
    watch_remove(fixture->watch, fixture->id);
    pthread_mutex_lock(&fixture->lock);
    fixture->id = watch_add(fixture->watch, fixture->path, remove_own_watch, fixture, NULL);
    pthread_mutex_unlock(&fixture->lock);
    write_file(fixture, "a", "x");
    wait_for(fixture, "+a");
    remove_file(fixture, "a");
    g_usleep(200000);
    g_assert_cmpuint(count_reports(fixture, NULL), ==, 1);
}

enum { ROUNDS = 200 };

static void *add_and_remove(void *data)
{
    Fixture *fixture = data;

    for (guint i = 0; i < ROUNDS; i++) {
        guint id = watch_add(fixture->watch, fixture->path, take_report, fixture, NULL);
        g_assert_cmpuint(id, !=, 0);
        g_usleep(500);
        watch_remove(fixture->watch, id);
    }
    return NULL;
}

/* Watches come and go in several threads while files do; the one that stays goes on hearing. */
static void test_threads(Fixture *fixture, gconstpointer data)
{
    pthread_t threads[3];

    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        g_assert_cmpint(pthread_create(&threads[i], NULL, add_and_remove, fixture), ==, 0);
    for (guint i = 0; i < 100; i++) {
        write_file(fixture, "a", "x");
        g_usleep(1000);
        remove_file(fixture, "a");
    }
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        pthread_join(threads[i], NULL);
    settle(fixture);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/watch/changes", test_changes},
        {"/watch/content-and-attributes", test_content_and_attributes},
        {"/watch/moments-are-one-report", test_moments_are_one_report},
        {"/watch/busy-writer", test_busy_writer},
        {"/watch/drafts-are-ignored", test_drafts_are_ignored},
        {"/watch/too-many", test_too_many},
        {"/watch/folder-removed", test_folder_removed},
        {"/watch/folder-moved", test_folder_moved},
        {"/watch/no-such-folder", test_no_such_folder},
        {"/watch/twice", test_twice},
        {"/watch/removed-is-silent", test_removed_is_silent},
        {"/watch/kernel-lets-go", test_kernel_lets_go},
        {"/watch/again", test_again},
        {"/watch/remove-waits", test_remove_waits},
        {"/watch/remove-from-report", test_remove_from_report},
        {"/watch/threads", test_threads},
    };

    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, NULL, setup, tests[i].func, teardown);
    return g_test_run();
}
