/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "draft.h"
#include "errors.h"
#include "folder-fixture.h"

static guint count_entries(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint count = 0;

    while (g_dir_read_name(dir))
        count++;
    return count;
}

static void test_publish(Folder *folder, gconstpointer data)
{
    autodraft Draft draft = DRAFT_INIT;
    struct stat st;

    umask(077);
    g_assert_true(draft_create(folder->fd, 0664, &draft, NULL));
    g_assert_true(draft_is_name(draft.name));
    g_assert_cmpint(fstatat(folder->fd, "name", &st, 0), ==, -1);
    g_assert_true(draft_publish(&draft, "name", false, NULL));
    g_assert_cmpint(fstatat(folder->fd, "name", &st, 0), ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, 0664);
    g_assert_cmpuint(count_entries(folder->path), ==, 1);
    unlinkat(folder->fd, "name", 0);
}

static void test_name_taken(Folder *folder, gconstpointer data)
{
    autodraft Draft first = DRAFT_INIT, second = DRAFT_INIT;
    g_autoptr(GError) error = NULL;

    g_assert_true(draft_create(folder->fd, 0600, &first, NULL));
    g_assert_true(draft_publish(&first, "name", false, NULL));
    g_assert_true(draft_create(folder->fd, 0600, &second, NULL));
    g_assert_false(draft_publish(&second, "name", false, &error));
    g_assert_cmpint(error_errno(error), ==, EEXIST);
    g_assert_true(draft_publish(&second, "name", true, NULL));
    unlinkat(folder->fd, "name", 0);
}

/* What was replaced doesn't stay behind under another name. */
static void test_replace(Folder *folder, gconstpointer data)
{
    autodraft Draft draft = DRAFT_INIT;
    char text[8] = "";

    autofd int old = openat(folder->fd, "name", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    g_assert_true(fd_write_at(old, "old", 3, 0));
    g_assert_true(draft_create(folder->fd, 0600, &draft, NULL));
    g_assert_true(fd_write_at(draft.fd, "new", 3, 0));
    g_assert_true(draft_publish(&draft, "name", true, NULL));
    autofd int fd = fd_open_beneath(folder->fd, "name", O_RDONLY, 0);
    g_assert_cmpint(fd_read_at(fd, text, sizeof text - 1, 0), ==, 3);
    g_assert_cmpstr(text, ==, "new");
    g_assert_cmpuint(count_entries(folder->path), ==, 1);
    unlinkat(folder->fd, "name", 0);
}

static void test_publish_unflushed(Folder *folder, gconstpointer data)
{
    autodraft Draft first = DRAFT_INIT, second = DRAFT_INIT;
    char text[8] = "";

    g_assert_true(draft_create(folder->fd, 0600, &first, NULL));
    g_assert_true(draft_publish_unflushed(&first, "name", NULL));
    g_assert_cmpint(first.fd, ==, -1);
    g_assert_true(draft_create(folder->fd, 0600, &second, NULL));
    g_assert_true(fd_write_at(second.fd, "new", 3, 0));
    g_assert_true(draft_publish_unflushed(&second, "name", NULL));
    autofd int fd = fd_open_beneath(folder->fd, "name", O_RDONLY, 0);
    g_assert_cmpint(fd_read_at(fd, text, sizeof text - 1, 0), ==, 3);
    g_assert_cmpuint(count_entries(folder->path), ==, 1);
    unlinkat(folder->fd, "name", 0);
}

static void test_discard_folder(Folder *folder, gconstpointer data)
{
    Draft draft = DRAFT_INIT;

    g_assert_true(draft_create_folder(folder->fd, 0700, &draft, NULL));
    g_assert_cmpint(mkdirat(draft.fd, "inner", 0700), ==, 0);
    autofd int file = openat(draft.fd, "inner/file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    g_assert_cmpint(file, >=, 0);
    draft_discard(&draft);
    g_assert_cmpuint(count_entries(folder->path), ==, 0);
}

/* A living maker keeps its draft; what a dead one left is removed. */
static void test_sweep(Folder *folder, gconstpointer data)
{
    autodraft Draft mine = DRAFT_INIT;
    int status;

    g_assert_true(draft_create(folder->fd, 0600, &mine, NULL));
    pid_t child = fork();
    if (child == 0) {
        Draft file = DRAFT_INIT, dir = DRAFT_INIT;
        bool made = draft_create(folder->fd, 0600, &file, NULL) &&
                    draft_create_folder(folder->fd, 0700, &dir, NULL);
        _exit(made ? 0 : 1);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
    g_assert_cmpuint(count_entries(folder->path), ==, 3);
    g_assert_cmpuint(draft_sweep(folder->fd), ==, 2);
    g_assert_cmpuint(count_entries(folder->path), ==, 1);
    draft_discard(&mine);
}

static void test_sweep_spares_others(Folder *folder, gconstpointer data)
{
    autofd int fd = openat(folder->fd, "volume", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    g_assert_cmpuint(draft_sweep(folder->fd), ==, 0);
    g_assert_false(draft_sweep_one(folder->fd, "volume"));
    g_assert_cmpint(unlinkat(folder->fd, "volume", 0), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/draft/publish", Folder, NULL, folder_setup, test_publish, folder_teardown);
    g_test_add("/draft/name-taken", Folder, NULL, folder_setup, test_name_taken, folder_teardown);
    g_test_add("/draft/replace", Folder, NULL, folder_setup, test_replace, folder_teardown);
    g_test_add("/draft/publish-unflushed", Folder, NULL, folder_setup, test_publish_unflushed,
               folder_teardown);
    g_test_add("/draft/discard-folder", Folder, NULL, folder_setup, test_discard_folder,
               folder_teardown);
    g_test_add("/draft/sweep", Folder, NULL, folder_setup, test_sweep, folder_teardown);
    g_test_add("/draft/sweep-spares-others", Folder, NULL, folder_setup, test_sweep_spares_others,
               folder_teardown);
    return g_test_run();
}
