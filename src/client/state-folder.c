/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state-folder.h"

#include "draft.h"
#include "errors.h"
#include "fd.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_FILE    "lock"
#define STATES       "run"
#define BOOT_FILE    "boot-id"
#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define TEXT_MAX     256
#define RETRY        (20 * G_TIME_SPAN_MILLISECOND)

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

/* ---- the boot ---- */

/* An absent file is an earlier boot's; one that can't be read says nothing, and nothing must be
 * forgotten for that. */
static bool folder_is_of_this_boot(int states, const char *boot_id, bool *ret)
{
    g_autofree char *known = fd_read_file_at(states, BOOT_FILE, TEXT_MAX, NULL);
    if (!known && errno != ENOENT)
        return false;
    *ret = known && g_str_equal(known, boot_id);
    return true;
}

static bool remove_files(int states)
{
    int copy = openat(states, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    bool ok = dir != NULL;
    if (!dir && copy >= 0)
        close(copy);
    for (struct dirent *entry; ok && (entry = readdir(dir));)
        if (entry->d_type != DT_DIR)
            ok = unlinkat(states, entry->d_name, 0) == 0 || errno == ENOENT || errno == EISDIR;
    if (dir)
        closedir(dir);
    return ok;
}

static bool write_boot_id(int states, const char *boot_id, GError **error)
{
    autodraft Draft draft = DRAFT_INIT;
    return draft_create(states, 0600, &draft, error) &&
           (fd_write_at(draft.fd, boot_id, strlen(boot_id), 0) ||
            fail(error, "write", BOOT_FILE)) &&
           draft_publish(&draft, BOOT_FILE, true, error);
}

/* A machine that does not tell its boots apart gives the same text always. */
static char *read_boot_id(GError **error)
{
    autofd int fd = open(BOOT_ID_PATH, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return g_strdup("unknown");
    char buffer[TEXT_MAX] = "";
    if (fd < 0 || fd_read_at(fd, buffer, sizeof buffer - 1, 0) < 0) {
        fail(error, "read", BOOT_ID_PATH);
        return NULL;
    }
    return g_strdup(g_strstrip(buffer));
}

static bool forget_earlier_boot(int base, const char *folder, GError **error)
{
    g_autofree char *boot_id = read_boot_id(error);
    bool same = false;
    if (!boot_id)
        return false;
    if (mkdirat(base, STATES, 0700) < 0 && errno != EEXIST)
        return fail(error, "make the folder '" STATES "' in", folder);
    autofd int states = fd_open_beneath(base, STATES, O_RDONLY | O_DIRECTORY, 0);
    if (states < 0)
        return fail(error, "open the folder '" STATES "' in", folder);
    if (!folder_is_of_this_boot(states, boot_id, &same))
        return fail(error, "read '" BOOT_FILE "' in the state folder", folder);
    if (same)
        return true;
    if (!remove_files(states))
        return fail(error, "remove the states of an earlier boot from", folder);
    return write_boot_id(states, boot_id, error);
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
    if (!wait_for_lock(lock, folder, patience, error) || !sign_lock(lock, folder, error) ||
        !forget_earlier_boot(base, folder, error))
        return -1;
    return fd_steal(&lock);
}
