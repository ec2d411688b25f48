/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mounted.h"

#include <dirent.h>
#include <libmount/libmount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Who keeps a mount busy. Only /proc and /sys are read, never a file of the mount. */

#define SHOWN_MAX 5

typedef DIR Folder;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Folder, closedir)

typedef struct Search {
    const Mounted *mounted;
    char *device;         /* as /proc/PID/maps has it */
    GHashTable *sockets;  /* "socket:[INODE]" of those that are bound to files there */
    GHashTable *networks; /* whose sockets are known */
    GString *users;
    guint count;
} Search;

static void note(Search *search, char *who)
{
    if (search->count++ < SHOWN_MAX)
        g_string_append_printf(search->users, "%s%s", search->count > 1 ? ", " : "", who);
    g_free(who);
}

/* True for the mount's folder and all below it. */
static bool is_below(const Search *search, const char *path)
{
    size_t size = strlen(search->mounted->target);

    return strncmp(path, search->mounted->target, size) == 0 &&
           (path[size] == '\0' || path[size] == '/');
}

static bool leads_below(const Search *search, const char *link)
{
    g_autofree char *path = g_file_read_link(link, NULL);

    return path && is_below(search, path);
}

/* ---- sockets ---- */

/* "ADDRESS: REFERENCES PROTOCOL FLAGS TYPE STATE INODE PATH", the path as it was bound. */
static void note_socket(Search *search, char *line)
{
    const char *path = strchr(line, '/');

    if (!path || !is_below(search, path))
        return;
    g_autofree char *head = g_strchomp(g_strndup(line, (gsize)(path - line)));
    const char *inode = strrchr(head, ' ');
    if (inode)
        g_hash_table_add(search->sockets, g_strdup_printf("socket:[%s]", inode + 1));
}

/* Those of the network namespace that the process is in, once for each. */
static void find_sockets(Search *search, const char *process)
{
    g_autofree char *namespace = g_build_filename(process, "ns/net", NULL);
    g_autofree char *path = g_build_filename(process, "net/unix", NULL);
    char *network = g_file_read_link(namespace, NULL);
    g_autofree char *text = NULL;

    if (!network || !g_hash_table_add(search->networks, network) ||
        !g_file_get_contents(path, &text, NULL, NULL))
        return;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++)
        note_socket(search, *line);
}

/* ---- processes ---- */

/* The path of a descriptor alone may be that of another mount at the same place. */
static bool is_on_mount(const Search *search, const char *task, const char *fd)
{
    g_autofree char *fdinfo = g_build_filename(task, "fdinfo", fd, NULL);

    return mounted_read_id(fdinfo) == search->mounted->id;
}

static bool is_user(const Search *search, const char *task, const char *fd)
{
    g_autofree char *link = g_build_filename(task, "fd", fd, NULL);
    g_autofree char *path = g_file_read_link(link, NULL);

    return path && (g_hash_table_contains(search->sockets, path) ||
                    (is_below(search, path) && is_on_mount(search, task, fd)));
}

static bool has_open(const Search *search, const char *task)
{
    g_autofree char *path = g_build_filename(task, "fd", NULL);
    g_autoptr(Folder) folder = opendir(path);

    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.' && is_user(search, task, entry->d_name))
            return true;
    return false;
}

static bool stays_in(const Search *search, const char *task)
{
    static const char *const links[] = {"cwd", "root", "exe"};

    for (guint i = 0; i < G_N_ELEMENTS(links); i++) {
        g_autofree char *link = g_build_filename(task, links[i], NULL);
        if (leads_below(search, link))
            return true;
    }
    return false;
}

/* A thread may have descriptors and a working directory of its own. */
static bool has_user_thread(const Search *search, const char *process)
{
    g_autofree char *path = g_build_filename(process, "task", NULL);
    g_autoptr(Folder) folder = opendir(path);

    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        g_autofree char *task = g_build_filename(path, entry->d_name, NULL);
        if (entry->d_name[0] != '.' && (has_open(search, task) || stays_in(search, task)))
            return true;
    }
    return false;
}

static bool has_mapped(const Search *search, const char *process)
{
    g_autofree char *path = g_build_filename(process, "maps", NULL);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return false;
    for (const char *hit = strstr(text, search->device); hit;
         hit = strstr(hit + 1, search->device)) {
        const char *file = strchr(hit, '/');
        if (file && memchr(hit, '\n', (size_t)(file - hit)) == NULL && is_below(search, file))
            return true;
    }
    return false;
}

static char *name_process(const char *process, int pid)
{
    g_autofree char *path = g_build_filename(process, "comm", NULL);
    g_autofree char *name = NULL;

    if (!g_file_get_contents(path, &name, NULL, NULL))
        return g_strdup_printf("process %d", pid);
    return g_strdup_printf("process %d (%s)", pid, g_strstrip(name));
}

static void search_processes(Search *search, bool with_self)
{
    g_autoptr(Folder) folder = opendir("/proc");

    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        int pid = atoi(entry->d_name);
        g_autofree char *process = g_build_filename("/proc", entry->d_name, NULL);
        if (pid <= 0 || (pid == getpid() && !with_self))
            continue;
        find_sockets(search, process);
        if (has_user_thread(search, process) || has_mapped(search, process))
            note(search, name_process(process, pid));
    }
}

/* ---- the kernel itself ---- */

static void search_mounts(Search *search)
{
    struct libmnt_table *table = mnt_new_table_from_file("/proc/self/mountinfo");
    struct libmnt_iter *walk = mnt_new_iter(MNT_ITER_FORWARD);
    struct libmnt_fs *row;

    while (table && mnt_table_next_fs(table, walk, &row) == 0)
        if (mnt_fs_get_parent_id(row) == search->mounted->id)
            note(search, g_strdup_printf("what is mounted on '%s'", mnt_fs_get_target(row)));
    mnt_free_iter(walk);
    mnt_unref_table(table);
}

static void search_loops(Search *search)
{
    g_autoptr(Folder) folder = opendir("/sys/block");

    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        g_autofree char *path =
            g_build_filename("/sys/block", entry->d_name, "loop/backing_file", NULL);
        g_autofree char *file = NULL;
        if (g_str_has_prefix(entry->d_name, "loop") &&
            g_file_get_contents(path, &file, NULL, NULL) && is_below(search, g_strchomp(file)))
            note(search, g_strdup_printf("/dev/%s", entry->d_name));
    }
}

/* "FILENAME TYPE SIZE …", blanks in the name as "\\040". */
static void search_swap(Search *search)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents("/proc/swaps", &text, NULL, NULL))
        return;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        (*line)[strcspn(*line, " \t")] = '\0';
        g_autofree char *file = g_strcompress(*line);
        if (is_below(search, file))
            note(search, g_strdup_printf("the swap file '%s'", file));
    }
}

char *mounted_users(const Mounted *mounted, bool with_self)
{
    Search search = {
        .mounted = mounted,
        .device = g_strdup_printf(" %02x:%02x ", major(mounted->device), minor(mounted->device)),
        .sockets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
        .networks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
        .users = g_string_new(NULL),
    };

    search_processes(&search, with_self);
    search_mounts(&search);
    search_loops(&search);
    search_swap(&search);
    g_hash_table_unref(search.sockets);
    g_hash_table_unref(search.networks);
    g_free(search.device);
    if (search.count > SHOWN_MAX)
        g_string_append_printf(search.users, " and %u more", search.count - SHOWN_MAX);
    return g_string_free(search.users, search.count == 0);
}
