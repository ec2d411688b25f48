/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acting.h"
#include "command.h"
#include "folder-fixture.h"

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define OWNER     4711
#define STRANGER  4712
#define UNSET     ((guint32)-1)

/* Only root can act for others. */
static bool skip(void)
{
    if (geteuid() == 0)
        return false;
    g_test_skip("not root");
    return true;
}

/* An empty file that is its owner's alone. */
static void make_file(Folder *folder, const char *name, uid_t owner)
{
    autofd int fd = openat(folder->fd, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    g_assert_cmpint(fchown(fd, owner, owner), ==, 0);
    g_assert_cmpint(fchmod(folder->fd, 0711), ==, 0);
}

static int errno_of_open(Folder *folder, const char *name)
{
    autofd int fd = fd_open_beneath(folder->fd, name, O_RDWR, 0);

    return fd < 0 ? errno : 0;
}

static void test_rights(Folder *folder, gconstpointer data)
{
    Acting acting = {false};

    if (skip())
        return;
    make_file(folder, "file", OWNER);
    acting_begin(OWNER, OWNER, &acting);
    g_assert_cmpint(errno_of_open(folder, "file"), ==, 0);
    acting_end(&acting);
    acting_begin(STRANGER, UNSET, &acting);
    g_assert_cmpint(errno_of_open(folder, "file"), ==, EACCES);
    g_assert_cmpint(acting_unlink(folder->fd, "file", 0), ==, -1);
    acting_end(&acting);
    g_assert_cmpint(errno_of_open(folder, "file"), ==, 0);
    g_assert_cmpint(acting_unlink(folder->fd, "file", 0), ==, 0);
}

static void test_makes_as_owner(Folder *folder, gconstpointer data)
{
    struct stat st;

    if (skip())
        return;
    g_assert_cmpint(mkdirat(folder->fd, "theirs", 0700), ==, 0);
    g_assert_cmpint(fchownat(folder->fd, "theirs", OWNER, OWNER, 0), ==, 0);
    g_assert_cmpint(fchmod(folder->fd, 0711), ==, 0);
    {
        autoacting Acting acting = {false};
        acting_begin(OWNER, OWNER, &acting);
        g_assert_cmpint(mkdirat(folder->fd, "theirs/new", 0700), ==, 0);
    }
    g_assert_cmpint(fstatat(folder->fd, "theirs/new", &st, 0), ==, 0);
    g_assert_cmpuint(st.st_uid, ==, OWNER);
    g_assert_cmpuint(st.st_gid, ==, OWNER);
    g_assert_cmpint(acting_unlink(folder->fd, "theirs/new", AT_REMOVEDIR), ==, 0);
    g_assert_cmpint(acting_unlink(folder->fd, "theirs", AT_REMOVEDIR), ==, 0);
}

/* Opens the file when it is told to. */
typedef struct Other {
    Folder *folder;
    int orders[2];
} Other;

static void *open_elsewhere(void *data)
{
    Other *other = data;
    char order;

    g_assert_cmpint(read(other->orders[0], &order, 1), ==, 1);
    return GINT_TO_POINTER(errno_of_open(other->folder, "file"));
}

/* Threads that were there before go on as they are. */
static void test_this_thread_only(Folder *folder, gconstpointer data)
{
    Acting acting = {false};

    if (skip())
        return;
    make_file(folder, "file", OWNER);
    Other other = {.folder = folder};
    g_assert_cmpint(pipe(other.orders), ==, 0);
    GThread *thread = g_thread_new("other", open_elsewhere, &other);
    acting_begin(STRANGER, STRANGER, &acting);
    g_assert_cmpint(write(other.orders[1], "!", 1), ==, 1);
    g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(thread)), ==, 0);
    g_assert_cmpint(errno_of_open(folder, "file"), ==, EACCES);
    acting_end(&acting);
    close(other.orders[0]);
    close(other.orders[1]);
    g_assert_cmpint(acting_unlink(folder->fd, "file", 0), ==, 0);
}

/* What is run meanwhile is the user's. */
static void test_programs(Folder *folder, gconstpointer data)
{
    g_autoptr(Operation) op = operation_new(OPERATION_NO_DEADLINE);
    const Command command = {.argv = ARGV("id", "-u")}, groups = {.argv = ARGV("id", "-G")};
    g_auto(CommandResult) result = {0}, of_groups = {0}, after = {0};
    Acting acting = {false};

    if (skip())
        return;
    acting_begin(OWNER, OWNER, &acting);
    g_assert_true(command_run_ok(op, &command, &result, NULL));
    g_assert_true(command_run_ok(op, &groups, &of_groups, NULL));
    acting_end(&acting);
    g_assert_cmpstr(result.output, ==, "4711\n");
    g_assert_cmpstr(of_groups.output, ==, "4711\n");
    g_assert_true(command_run_ok(op, &command, &after, NULL));
    g_assert_cmpstr(after.output, ==, "0\n");
}

static void test_may_help(void)
{
    bool root = geteuid() == 0;

    g_assert_true(acting_may_help(EACCES, OWNER) == root);
    g_assert_true(acting_may_help(EPERM, OWNER) == root);
    g_assert_false(acting_may_help(ENOSPC, OWNER));
    g_assert_false(acting_may_help(EACCES, 0));
    g_assert_false(acting_may_help(EACCES, UNSET));
}

static void test_open_keeps_errno(Folder *folder, gconstpointer data)
{
    g_assert_cmpint(acting_open_beneath(folder->fd, "absent", O_RDONLY), ==, -1);
    g_assert_cmpint(errno, ==, ENOENT);
    g_assert_cmpint(acting_open_beneath(folder->fd, "../x", O_RDONLY), ==, -1);
    g_assert_cmpint(errno, ==, EXDEV);
}

#define ACTING_TEST(path, function)                                                                \
    g_test_add(path, Folder, NULL, folder_setup, function, folder_teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/acting/may-help", test_may_help);
    ACTING_TEST("/acting/rights", test_rights);
    ACTING_TEST("/acting/makes-as-owner", test_makes_as_owner);
    ACTING_TEST("/acting/this-thread-only", test_this_thread_only);
    ACTING_TEST("/acting/programs", test_programs);
    ACTING_TEST("/acting/errno", test_open_keeps_errno);
    return g_test_run();
}
