/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"

#include <sys/stat.h>

/* The folder of a pool, and what an entry of it says as a volume. */

typedef struct Folder {
    int fd;
    const char *path; /* the pool's target path, borrowed */
    bool no_labels;   /* security labels of the entries are not looked for */
    bool tells_holes; /* a file without blocks is known to have no data */
} Folder;

#define autofolder __attribute__((cleanup(folder_close)))

/* Opens the pool's folder, if it is the one that Backend.owns_folder expects.
 * Errors: ERROR_SYSTEM "cannot open directory 'P': …", those of owns_folder. */
bool folder_open(const PoolDef *pool, Folder *ret, GError **error);
/* Opens whatever is at that path now: for making the folder before anything is mounted there. */
bool folder_open_any(const PoolDef *pool, Folder *ret, GError **error);
void folder_close(Folder *folder);

/* Where an entry is, for messages and documents. */
char *folder_entry_path(const Folder *folder, const char *name);

/* Sizes of the file system and the folder's own permissions (may be NULL; label is owned). */
bool folder_read_space(const Folder *folder, PoolSpace *ret, Permissions *ret_permissions,
                       GError **error);

/* True for a name that can be shown in a document, and so be listed: UTF-8 without control
 * characters, and not one of a draft. */
bool entry_name_is_plain(const char *name);

/* Refuses names that a new volume can't have.
 * Errors: ERROR_OPERATION_INVALID "volume name 'N' cannot contain '/'", … */
bool entry_name_check(const char *name, GError **error);

typedef enum EntryKind {
    ENTRY_ABSENT,
    ENTRY_FOREIGN, /* a FIFO, socket or character device: never a volume */
    ENTRY_FILE,
    ENTRY_FOLDER,
    ENTRY_DEVICE, /* a block device */
    ENTRY_BROKEN, /* can't be looked at: see `problem` */
} EntryKind;

typedef struct Entry {
    const char *name; /* borrowed */
    EntryKind kind;
    bool is_link; /* a link that stays in the folder; the rest is about the file it leads to */
    bool has_stat;
    struct statx stat;
    FileIdentity identity;
    bool is_settled;     /* old enough for any later change to show in the identity */
    const char *problem; /* why the entry is broken; static */
    int fd;              /* of entry_open(), else -1 */
} Entry;

#define autoentry __attribute__((cleanup(entry_close)))
void entry_close(Entry *entry);

/* Looks at one entry without opening it. `now` is the wall clock's nanoseconds, taken before. */
void entry_look(const Folder *folder, const char *name, gint64 now, Entry *ret);
gint64 entry_clock(void);

/* The same for an entry that will be described anyway and is most likely a plain file: it is
 * opened at once, which saves a walk to it. */
void entry_open(const Folder *folder, const char *name, gint64 now, Entry *ret);

/* True for what is a volume. */
static inline bool entry_is_listed(const Entry *entry)
{
    return entry->kind >= ENTRY_FILE;
}

/* Describes a listed entry, for which it opens and probes it (its `fd` is used up). `volume` is
 * initialised. False when the entry has vanished. `*ret_lasting` is false for a description that
 * another look may better.
 */
bool entry_describe(const Folder *folder, Entry *entry, VolumeDef *volume, bool *ret_lasting);

/* Opens an entry for reading, following links that stay in the folder. Returns -1 with errno. */
int entry_open_read(const Folder *folder, const char *name);
