/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "folder.h"

#include "crew.h"
#include "errors.h"
#include "folder-entry.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define NAMES_CHUNK (256 * 1024) /* bytes of names asked for at a time */

typedef struct Name {
    guint64 inode;
    const char *text; /* inside one of the chunks */
} Name;

/* All names of a folder, as the kernel gave them. */
typedef struct Listing {
    GPtrArray *chunks;
    GArray *names; /* Name */
} Listing;

#define autolisting __attribute__((cleanup(listing_clear)))

static void listing_clear(Listing *listing)
{
    g_clear_pointer(&listing->names, g_array_unref);
    g_clear_pointer(&listing->chunks, g_ptr_array_unref);
}

static bool is_candidate(const struct dirent64 *entry)
{
    const char *name = entry->d_name;
    bool foreign = entry->d_type == DT_FIFO || entry->d_type == DT_SOCK || entry->d_type == DT_CHR;

    return !foreign && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static void take_names(Listing *listing, const char *chunk, gsize size)
{
    for (gsize at = 0; at < size;) {
        const struct dirent64 *entry = (const void *)(chunk + at);
        if (is_candidate(entry)) {
            Name name = {.inode = entry->d_ino, .text = entry->d_name};
            g_array_append_val(listing->names, name);
        }
        at += entry->d_reclen;
    }
}

/* Files made one after the other lie beside each other on the disk; so do their inodes. */
static gint by_inode(gconstpointer a, gconstpointer b)
{
    guint64 inode_a = ((const Name *)a)->inode, inode_b = ((const Name *)b)->inode;

    return (inode_a > inode_b) - (inode_a < inode_b);
}

static bool listing_read(const Folder *folder, Operation *op, Listing *ret, GError **error)
{
    autofd int fd = fd_open_beneath(folder->fd, ".", O_RDONLY | O_DIRECTORY, 0);
    ssize_t got = fd < 0 ? -1 : 1;

    ret->chunks = g_ptr_array_new_with_free_func(g_free);
    ret->names = g_array_new(FALSE, FALSE, sizeof(Name));
    while (got > 0) {
        if (!operation_check(op, error))
            return false;
        char *chunk = g_malloc(NAMES_CHUNK);
        g_ptr_array_add(ret->chunks, chunk);
        got = getdents64(fd, chunk, NAMES_CHUNK);
        take_names(ret, chunk, (gsize)MAX(got, 0));
    }
    if (got < 0)
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot read directory '%s'",
                               folder->path);
    g_array_sort(ret->names, by_inode);
    return true;
}

typedef struct Run {
    const Folder *folder;
    const Name *names;
    Scan *scan;
    gint64 now;
} Run;

static void log_left_out(const Folder *folder, const char *name)
{
    g_autofree char *shown = g_strescape(name, NULL);

    log_debug("'%s' in '%s' is left out: it can't be the name of a volume", shown, folder->path);
}

/* One entry: looked at always, opened only if it is not as it was. */
static void scan_entry(guint index, void *data)
{
    const Run *run = data;
    const char *name = run->names[index].text;
    bool lasting;
    Entry entry;

    if (!entry_name_is_plain(name)) {
        log_left_out(run->folder, name);
        return;
    }
    entry_look(run->folder, name, run->now, &entry);
    if (!entry_is_listed(&entry) ||
        (entry.is_settled && run->scan->keep(run->scan, name, &entry.identity)))
        return;
    VolumeDef volume;
    volume_def_init(&volume);
    if (entry_describe(run->folder, &entry, &volume, &lasting))
        run->scan->add(run->scan, &volume, lasting && entry.is_settled ? &entry.identity : NULL);
    volume_def_clear(&volume);
}

/* Reports sizes and permissions. Where the folder has no label nothing has one: then its entries
 * need not be asked. */
static bool report_space(Folder *folder, Scan *scan, GError **error)
{
    Permissions permissions = PERMISSIONS_INIT;
    PoolSpace space;

    if (!folder_read_space(folder, &space, &permissions, error))
        return false;
    scan->set_space(scan, &space, &permissions);
    folder->no_labels = permissions.label == NULL;
    g_free(permissions.label);
    return true;
}

bool folder_scan(const PoolDef *pool, Operation *op, Scan *scan, GError **error)
{
    autofolder Folder folder = {.fd = -1};
    autolisting Listing listing = {0};

    if (!folder_open(pool, &folder, error) || !listing_read(&folder, op, &listing, error) ||
        !report_space(&folder, scan, error))
        return false;
    Run run = {
        .folder = &folder,
        .names = (const Name *)(void *)listing.names->data,
        .scan = scan,
        .now = entry_clock(),
    };
    return crew_run(listing.names->len, scan_entry, &run, op, error);
}
