/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "folder.h"

#include "crew.h"
#include "errors.h"
#include "file-attributes.h"
#include "folder-entry.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* Bytes of names asked for at a time: little of an empty folder, much of a full one. */
#define NAMES_FIRST (16u * 1024)
#define NAMES_CHUNK (256u * 1024)

typedef struct Name {
    guint64 inode;
    const char *text; /* inside one of the chunks */
    bool is_file;     /* a plain file, when the kernel says so */
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
            Name name = {.inode = entry->d_ino,
                         .text = entry->d_name,
                         .is_file = entry->d_type == DT_REG};
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
        gsize size = ret->chunks->len < 2 ? NAMES_FIRST : NAMES_CHUNK;
        char *chunk = g_malloc(size);
        g_ptr_array_add(ret->chunks, chunk);
        got = getdents64(fd, chunk, size);
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
    atomic_bool changing; /* the last entries were not as they were: so will be the next ones */
} Run;

static void log_left_out(const Folder *folder, const char *name)
{
    g_autofree char *shown = g_strescape(name, NULL);

    log_debug("'%s' in '%s' is left out: it can't be the name of a volume", shown, folder->path);
}

static void list_entry(const Run *run, Entry *entry)
{
    bool lasting;
    VolumeDef volume;

    volume_def_init(&volume);
    if (entry_describe(run->folder, entry, &volume, &lasting))
        run->scan->add(run->scan, &volume, lasting && entry->is_settled ? &entry->identity : NULL);
    volume_def_clear(&volume);
}

/* One entry: looked at always, read only if it is not as it was. */
static void scan_entry(guint index, void *data)
{
    Run *run = data;
    const Name *name = &run->names[index];
    bool changing = atomic_load_explicit(&run->changing, memory_order_relaxed);
    autoentry Entry entry = {.fd = -1};

    if (!entry_name_is_plain(name->text)) {
        log_left_out(run->folder, name->text);
        return;
    }
    /* What is likely to be read is opened at once, unless a look may tell that it needn't be. */
    if (changing && name->is_file && !run->folder->tells_holes)
        entry_open(run->folder, name->text, run->now, &entry);
    else
        entry_look(run->folder, name->text, run->now, &entry);
    if (!entry_is_listed(&entry))
        return;
    bool kept = entry.is_settled && run->scan->keep(run->scan, name->text, &entry.identity);
    if (changing == kept)
        atomic_store_explicit(&run->changing, !kept, memory_order_relaxed);
    if (!kept)
        list_entry(run, &entry);
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
    folder->tells_holes = file_system_counts_blocks(folder->fd);
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
