/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * New definitions, on disk before their files are there.
 *
 * A new file is on disk when its file system's journal was committed; a block of a file that has
 * its place already, several times sooner. So who saves many new files writes each into a slot of
 * one such file, the journal, and is told that it is safe. The files themselves are made right
 * after by another thread, and flushed a moment later, in one go. What wasn't made when the process
 * or the power came to its end, store_journal_replay() makes.
 *
 * The journal lies in the folder whose files it is for: JOURNAL_SLOTS blocks, each empty (zeros) or
 * one JournalSlot. It is there only while a process saves definitions, and after one that died.
 */
typedef struct StoreJournal StoreJournal;

#define JOURNAL_NAME  ".cistern-journal"
#define JOURNAL_SLOTS 512u
#define JOURNAL_BLOCK 4096u

/* Makes each file of which the journal in the folder has the content and which is missing or holds
 * nothing, then removes the journal. `path` is the folder's, for messages. Fine if there is no
 * journal; slots that aren't whole were never reported as safe.
 * Errors: ERROR_SYSTEM; the journal stays. */
bool store_journal_replay(int folder, const char *path, GError **error);

/* `folder` is borrowed and must outlive the journal. */
StoreJournal *store_journal_new(int folder);
/* Removes the journal's file, unless something isn't settled. NULL is fine. */
void store_journal_free(StoreJournal *journal);

/* True: this content of a file that isn't there is safe, and store_journal_make() makes the file.
 * False: it is up to the caller to make and flush it: there is no room, the disk refused, or
 * what was added for this file before is not settled yet.
 * Thread-safe, as is what follows; calls for the same file are serialised by the caller. */
bool store_journal_add(StoreJournal *journal, const char *file, const char *text);
/* Makes the files that were added.
 * Errors: ERROR_SYSTEM; what isn't made stays in the journal. */
bool store_journal_make(StoreJournal *journal, GError **error);
/* Removes the file, made or not; one that isn't there is fine. False with errno. */
bool store_journal_remove(StoreJournal *journal, const char *file);
/* The file was replaced: it is never made anew. */
void store_journal_forget(StoreJournal *journal, const char *file);

/* So full that it should be settled at once. */
bool store_journal_is_crowded(StoreJournal *journal);

/* Makes the files that were added, flushes them and the folder, and makes room. One thread at a
 * time.
 * Errors: ERROR_SYSTEM; what could not be made or flushed stays in the journal. */
bool store_journal_settle(StoreJournal *journal, GError **error);
