/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * New definitions, on disk before their files are.
 *
 * A new file is on disk when its file system's journal was committed; a block
 * of a file that has its place already, several times sooner. So who saves many
 * new files writes each into a slot of one such file, the journal, is told that it
 * is safe, and the files themselves are flushed a moment later, in one go. After
 * a power failure in between, store_journal_replay() makes what is missing.
 *
 * The file lies in the folder whose files it is for: JOURNAL_SLOTS blocks, each
 * empty (zeros) or one JournalSlot. It is there only while a process saves
 * definitions, and after one that died.
 */
typedef struct StoreJournal StoreJournal;

#define JOURNAL_NAME  ".cistern-journal"
#define JOURNAL_SLOTS 512u
#define JOURNAL_BLOCK 4096u

/* Makes each file anew of which the journal in the folder has the content and which is missing or
 * holds nothing, then removes the journal. `path` is the folder's, for messages. Fine if there is
 * no journal; slots that aren't whole were never reported as safe.
 * Errors: ERROR_SYSTEM; the journal stays. */
bool store_journal_replay(int folder, const char *path, GError **error);

/* `folder` is borrowed and must outlive the journal. */
StoreJournal *store_journal_new(int folder);
/* Removes the file, unless something isn't settled. NULL is fine. */
void store_journal_free(StoreJournal *journal);

/* True: the content of this new file, which has its name already, is safe, whenever the file itself
 * reaches the disk. False: it is up to the caller to flush it: there is no room, or the disk
 * refused. Thread-safe. */
bool store_journal_add(StoreJournal *journal, const char *file, const char *text);
/* The file was removed or replaced: it is never made anew. Thread-safe. */
void store_journal_forget(StoreJournal *journal, const char *file);

/* So full that it should be settled at once. */
bool store_journal_is_crowded(StoreJournal *journal);

/* Flushes the files that were added, and the folder, and makes room. False with errno: what could
 * not be flushed stays in the journal. One thread at a time. */
bool store_journal_settle(StoreJournal *journal);
