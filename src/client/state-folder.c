/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state-folder.h"

#include "errors.h"
#include "fd.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define LOCK_FILE "lock"
#define TEXT_MAX  256
#define RETRY     (20 * G_TIME_SPAN_MILLISECOND)

static bool fail(GError **error, const char *what, const char *folder)
{
    return error_set_errno(error, ORIGIN_STORAGE, errno, "can't %s '%s'", what, folder);
}

/* ---- the lock ---- */

/* The holder's process id as it wrote it, and its program. */
static char *describe_holder(int lock)
{
    char text[TEXT_MAX] = "";
    if (fd_read_at(lock, text, sizeof text - 1, 0) <= 0)
        return g_strdup("another process");
    gint64 pid = g_ascii_strtoll(text, NULL, 10);
    g_autofree char *path = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/comm", pid);
    g_autofree char *program = NULL;
    if (!g_file_get_contents(path, &program, NULL, NULL))
        return g_strdup_printf("process %" G_GINT64_FORMAT, pid);
    return g_strdup_printf("process %" G_GINT64_FORMAT " (%s)", pid, g_strstrip(program));
}

static bool wait_for_lock(int lock, const char *folder, gint64 patience, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + patience;
    while (flock(lock, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return fail(error, "lock the state folder", folder);
        if (g_get_monotonic_time() >= deadline) {
            g_autofree char *holder = describe_holder(lock);
            return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                             "the state folder '%s' is in use by %s; wait until it has ended, or "
                             "choose another folder",
                             folder, holder);
        }
        g_usleep(RETRY);
    }
    return true;
}

/* For others to read when they find it locked. */
static bool sign_lock(int lock, const char *folder, GError **error)
{
    g_autofree char *text = g_strdup_printf("%d\n", (int)getpid());
    if (ftruncate(lock, 0) < 0 || !fd_write_at(lock, text, strlen(text), 0))
        return fail(error, "write the lock file of the state folder", folder);
    return true;
}

int state_folder_lock(const char *folder, gint64 patience, GError **error)
{
    if (g_mkdir_with_parents(folder, 0700) < 0) {
        fail(error, "make the state folder", folder);
        return -1;
    }
    autofd int base = fd_open_folder(folder);
    autofd int lock =
        base < 0 ? -1 : fd_open_beneath(base, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (lock < 0) {
        fail(error, "open the state folder", folder);
        return -1;
    }
    if (!wait_for_lock(lock, folder, patience, error) || !sign_lock(lock, folder, error))
        return -1;
    return fd_steal(&lock);
}
