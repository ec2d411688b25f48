/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store-journal.h"

#include "errors.h"
#include "fd.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder, and what a process that died left in its journal. */
typedef struct Fixture {
    char *path;
    int folder;
    StoreJournal *journal;
} Fixture;

static void setup(Fixture *fixture, gconstpointer data)
{
    fixture->path = g_dir_make_tmp("journal-XXXXXX", NULL);
    fixture->folder = fd_open_folder(fixture->path);
    fixture->journal = store_journal_new(fixture->folder);
}

static void teardown(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GDir) dir = g_dir_open(fixture->path, 0, NULL);
    const char *name;

    store_journal_free(fixture->journal);
    while ((name = g_dir_read_name(dir)))
        g_assert_cmpint(unlinkat(fixture->folder, name, 0), ==, 0);
    fd_close(&fixture->folder);
    g_rmdir(fixture->path);
    g_free(fixture->path);
}

static void put(Fixture *fixture, const char *file, const char *text)
{
    autofd int fd = openat(fixture->folder, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_true(fd >= 0 && fd_write_at(fd, text, strlen(text), 0));
}

static bool has(Fixture *fixture, const char *file)
{
    return faccessat(fixture->folder, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void assert_content(Fixture *fixture, const char *file, const char *text)
{
    g_autofree char *content = fd_read_file_at(fixture->folder, file, 8192, NULL);

    g_assert_cmpstr(content, ==, text);
}

/* The process dies, and the next one looks. */
static void die_and_replay(Fixture *fixture)
{
    GError *error = NULL;

    store_journal_free(fixture->journal);
    fixture->journal = store_journal_new(fixture->folder);
    store_journal_replay(fixture->folder, fixture->path, &error);
    g_assert_no_error(error);
    g_assert_false(has(fixture, JOURNAL_NAME));
}

static void settle(Fixture *fixture)
{
    GError *error = NULL;

    store_journal_settle(fixture->journal, &error);
    g_assert_no_error(error);
}

static void test_restored(Fixture *fixture, gconstpointer data)
{
    struct stat st;

    g_assert_true(store_journal_add(fixture->journal, "missing.xml", "<missing/>"));
    g_assert_true(store_journal_add(fixture->journal, "empty.xml", "<empty/>"));
    g_assert_true(store_journal_add(fixture->journal, "there.xml", "<there/>"));
    put(fixture, "empty.xml", "");
    put(fixture, "there.xml", "<changed/>");
    die_and_replay(fixture);
    assert_content(fixture, "missing.xml", "<missing/>");
    assert_content(fixture, "empty.xml", "<empty/>");
    assert_content(fixture, "there.xml", "<changed/>");
    g_assert_cmpint(fstatat(fixture->folder, "missing.xml", &st, 0), ==, 0);
    g_assert_cmpuint(st.st_mode, ==, S_IFREG | 0600);
}

/* A file system that had the length on disk, but not the content. */
static void test_zeros(Fixture *fixture, gconstpointer data)
{
    g_assert_true(store_journal_add(fixture->journal, "a.xml", "<a/>"));
    put(fixture, "a.xml", "");
    g_autofree char *path = g_build_filename(fixture->path, "a.xml", NULL);
    g_assert_cmpint(truncate(path, 4), ==, 0);
    die_and_replay(fixture);
    assert_content(fixture, "a.xml", "<a/>");
}

/* Its file comes when it is asked for, once. */
static void test_made(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(store_journal_add(fixture->journal, "a.xml", "<a/>"));
    g_assert_false(store_journal_add(fixture->journal, "a.xml", "<newer/>"));
    g_assert_false(has(fixture, "a.xml"));
    store_journal_make(fixture->journal, &error);
    g_assert_no_error(error);
    assert_content(fixture, "a.xml", "<a/>");
    g_assert_cmpint(unlinkat(fixture->folder, "a.xml", 0), ==, 0);
    g_assert_true(store_journal_make(fixture->journal, NULL));
    g_assert_false(has(fixture, "a.xml"));
}

static void test_not_made(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(store_journal_add(fixture->journal, "a.xml", "<a/>"));
    g_assert_true(store_journal_add(fixture->journal, "b.xml", "<b/>"));
    g_assert_cmpint(mkdirat(fixture->folder, "a.xml", 0700), ==, 0);
    g_assert_false(store_journal_settle(fixture->journal, &error));
    g_assert_cmpint(error_code(error), ==, ERROR_SYSTEM);
    g_assert_nonnull(strstr(error->message, "'a.xml'"));
    g_assert_cmpint(unlinkat(fixture->folder, "a.xml", AT_REMOVEDIR), ==, 0);
    settle(fixture);
    assert_content(fixture, "a.xml", "<a/>");
    assert_content(fixture, "b.xml", "<b/>");
}

static void test_removed(Fixture *fixture, gconstpointer data)
{
    g_assert_true(store_journal_add(fixture->journal, "made.xml", "<made/>"));
    g_assert_true(store_journal_make(fixture->journal, NULL));
    g_assert_true(store_journal_add(fixture->journal, "unmade.xml", "<unmade/>"));
    g_assert_true(store_journal_add(fixture->journal, "kept.xml", "<kept/>"));
    g_assert_true(store_journal_remove(fixture->journal, "made.xml"));
    g_assert_true(store_journal_remove(fixture->journal, "unmade.xml"));
    g_assert_true(store_journal_remove(fixture->journal, "other.xml"));
    g_assert_true(store_journal_make(fixture->journal, NULL));
    g_assert_false(has(fixture, "made.xml"));
    g_assert_false(has(fixture, "unmade.xml"));
    die_and_replay(fixture);
    g_assert_false(has(fixture, "made.xml"));
    g_assert_false(has(fixture, "unmade.xml"));
    g_assert_true(has(fixture, "kept.xml"));
}

/* The disk may not have got the end of the older slot. */
static void test_two_of_one(Fixture *fixture, gconstpointer data)
{
    char slot[JOURNAL_BLOCK];

    g_assert_true(store_journal_add(fixture->journal, "a.xml", "<older/>"));
    autofd int fd = openat(fixture->folder, JOURNAL_NAME, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(fd_read_at(fd, slot, sizeof slot, 0), ==, sizeof slot);
    g_assert_true(store_journal_remove(fixture->journal, "a.xml"));
    settle(fixture);
    g_assert_true(store_journal_add(fixture->journal, "b.xml", "<b/>"));
    g_assert_true(store_journal_add(fixture->journal, "a.xml", "<newer/>"));
    g_assert_true(fd_write_at(fd, slot, sizeof slot, 2 * JOURNAL_BLOCK));
    die_and_replay(fixture);
    assert_content(fixture, "a.xml", "<newer/>");
}

static void test_forgotten(Fixture *fixture, gconstpointer data)
{
    g_assert_true(store_journal_add(fixture->journal, "a.xml", "<a/>"));
    g_assert_true(store_journal_add(fixture->journal, "b.xml", "<b/>"));
    store_journal_forget(fixture->journal, "a.xml");
    store_journal_forget(fixture->journal, "c.xml");
    die_and_replay(fixture);
    g_assert_false(has(fixture, "a.xml"));
    g_assert_true(has(fixture, "b.xml"));
}

/* Nothing is left to be made anew, and nothing of the journal. */
static void test_settled(Fixture *fixture, gconstpointer data)
{
    for (int i = 0; i < 10; i++) {
        g_autofree char *file = g_strdup_printf("%d.xml", i);
        g_assert_true(store_journal_add(fixture->journal, file, "<a/>"));
        if (i == 2)
            settle(fixture);
    }
    g_assert_true(store_journal_remove(fixture->journal, "5.xml"));
    settle(fixture);
    store_journal_free(g_steal_pointer(&fixture->journal));
    g_assert_false(has(fixture, JOURNAL_NAME));
    die_and_replay(fixture);
    g_assert_false(has(fixture, "5.xml"));
    assert_content(fixture, "0.xml", "<a/>");
    assert_content(fixture, "9.xml", "<a/>");
}

static void test_nothing(Fixture *fixture, gconstpointer data)
{
    settle(fixture);
    store_journal_forget(fixture->journal, "a.xml");
    die_and_replay(fixture);
}

static void test_full(Fixture *fixture, gconstpointer data)
{
    g_autofree char *long_text = g_strnfill(JOURNAL_BLOCK, 'x');

    g_assert_false(store_journal_add(fixture->journal, "long.xml", long_text));
    for (guint i = 0; i < JOURNAL_SLOTS; i++) {
        g_autofree char *file = g_strdup_printf("%u.xml", i);
        g_assert_cmpint(store_journal_is_crowded(fixture->journal), ==, i > JOURNAL_SLOTS / 4 * 3);
        g_assert_true(store_journal_add(fixture->journal, file, "<a/>"));
    }
    g_assert_false(store_journal_add(fixture->journal, "more.xml", "<a/>"));
    settle(fixture);
    g_assert_false(store_journal_is_crowded(fixture->journal));
    g_assert_true(store_journal_add(fixture->journal, "more.xml", "<a/>"));
    die_and_replay(fixture);
    g_assert_true(has(fixture, "more.xml"));
    g_assert_true(has(fixture, "0.xml"));
}

/* What the power took while it was written, and what nobody of ours wrote. */
static void test_not_whole(Fixture *fixture, gconstpointer data)
{
    g_assert_true(store_journal_add(fixture->journal, "torn.xml", "<torn/>"));
    g_assert_true(store_journal_add(fixture->journal, "../outside.xml", "<outside/>"));
    g_assert_true(store_journal_add(fixture->journal, ".hidden.xml", "<hidden/>"));
    g_assert_true(store_journal_add(fixture->journal, "good.xml", "<good/>"));
    g_assert_true(store_journal_add(fixture->journal, "long.xml", "<long/>"));
    autofd int fd = openat(fixture->folder, JOURNAL_NAME, O_WRONLY | O_CLOEXEC);
    g_assert_true(fd_write_at(fd, "T", 1, 62));                                    /* of its text */
    g_assert_true(fd_write_at(fd, "\xff\xff\xff\xff", 4, 4 * JOURNAL_BLOCK + 48)); /* sizes */
    die_and_replay(fixture);
    g_autofree char *outside = g_build_filename(fixture->path, "..", "outside.xml", NULL);
    g_assert_false(g_file_test(outside, G_FILE_TEST_EXISTS));
    g_assert_false(has(fixture, "torn.xml"));
    g_assert_false(has(fixture, "long.xml"));
    g_assert_false(has(fixture, ".hidden.xml"));
    g_assert_true(has(fixture, "good.xml"));
}

static void test_short(Fixture *fixture, gconstpointer data)
{
    put(fixture, JOURNAL_NAME, "CISTJNL1");
    die_and_replay(fixture);
}

static void test_no_journal(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(mkdirat(fixture->folder, JOURNAL_NAME, 0700), ==, 0);
    g_assert_false(store_journal_replay(fixture->folder, fixture->path, &error));
    g_assert_cmpint(error_code(error), ==, ERROR_SYSTEM);
    g_assert_false(store_journal_add(fixture->journal, "a.xml", "<a/>"));
    g_assert_cmpint(unlinkat(fixture->folder, JOURNAL_NAME, AT_REMOVEDIR), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function)                                                                        \
    g_test_add("/store-journal/" name, Fixture, NULL, setup, function, teardown)
    ADD("restored", test_restored);
    ADD("zeros", test_zeros);
    ADD("made", test_made);
    ADD("not-made", test_not_made);
    ADD("removed", test_removed);
    ADD("two-of-one", test_two_of_one);
    ADD("forgotten", test_forgotten);
    ADD("settled", test_settled);
    ADD("nothing", test_nothing);
    ADD("full", test_full);
    ADD("not-whole", test_not_whole);
    ADD("short", test_short);
    ADD("no-journal", test_no_journal);
#undef ADD
    return g_test_run();
}
