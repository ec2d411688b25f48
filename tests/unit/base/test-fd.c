/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder-fixture.h"

static void write_file(int folder, const char *name, const char *text)
{
    autofd int fd = openat(folder, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    g_assert_true(fd_write_at(fd, text, strlen(text), 0));
}

/* No name leads out of the folder. */
static void test_beneath(Folder *folder, gconstpointer data)
{
    static const char *const ways_out[] = {"../x", "/etc/passwd", "out", "outdir/passwd",
                                           "proc/root/etc/passwd"};

    g_assert_cmpint(symlinkat("/etc/passwd", folder->fd, "out"), ==, 0);
    g_assert_cmpint(symlinkat("/etc", folder->fd, "outdir"), ==, 0);
    g_assert_cmpint(symlinkat("/proc/self", folder->fd, "proc"), ==, 0);
    for (guint i = 0; i < G_N_ELEMENTS(ways_out); i++) {
        autofd int fd = fd_open_beneath(folder->fd, ways_out[i], O_RDONLY, 0);
        g_assert_cmpint(fd, ==, -1);
        g_assert_cmpint(errno, ==, EXDEV);
    }
    unlinkat(folder->fd, "out", 0);
    unlinkat(folder->fd, "outdir", 0);
    unlinkat(folder->fd, "proc", 0);
}

static void test_inner_link(Folder *folder, gconstpointer data)
{
    write_file(folder->fd, "a", "text");
    g_assert_cmpint(symlinkat("a", folder->fd, "link"), ==, 0);
    autofd int fd = fd_open_beneath(folder->fd, "link", O_RDONLY, 0);
    g_assert_cmpint(fd, >=, 0);
    unlinkat(folder->fd, "a", 0);
    unlinkat(folder->fd, "link", 0);
}

static void test_read_file(Folder *folder, gconstpointer data)
{
    size_t size = 0;

    write_file(folder->fd, "a", "some text");
    g_autofree char *text = fd_read_file_at(folder->fd, "a", 100, &size);
    g_assert_cmpstr(text, ==, "some text");
    g_assert_cmpuint(size, ==, 9);
    g_assert_null(fd_read_file_at(folder->fd, "a", 8, NULL));
    g_assert_cmpint(errno, ==, EFBIG);
    g_assert_cmpint(mkfifoat(folder->fd, "fifo", 0600), ==, 0);
    g_assert_null(fd_read_file_at(folder->fd, "fifo", 8, NULL)); /* and does not hang */
    unlinkat(folder->fd, "a", 0);
    unlinkat(folder->fd, "fifo", 0);
}

static void test_short_read(Folder *folder, gconstpointer data)
{
    char buffer[32];

    write_file(folder->fd, "a", "0123456789");
    autofd int fd = fd_open_beneath(folder->fd, "a", O_RDONLY, 0);
    g_assert_cmpint(fd_read_at(fd, buffer, sizeof buffer, 4), ==, 6);
    g_assert_cmpint(fd_read_at(fd, buffer, sizeof buffer, 400), ==, 0);
    unlinkat(folder->fd, "a", 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/fd/beneath", Folder, NULL, folder_setup, test_beneath, folder_teardown);
    g_test_add("/fd/inner-link", Folder, NULL, folder_setup, test_inner_link, folder_teardown);
    g_test_add("/fd/read-file", Folder, NULL, folder_setup, test_read_file, folder_teardown);
    g_test_add("/fd/short-read", Folder, NULL, folder_setup, test_short_read, folder_teardown);
    return g_test_run();
}
