/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store-journal.h"

/*
 * The thread for what is to be done with definitions and nobody waits for: it makes the files of
 * new ones, has them on disk a moment later, in one go with what was removed meanwhile, and frees
 * what was removed. It is started when first needed. Thread-safe.
 */
typedef struct StoreFlusher StoreFlusher;

/* Both are borrowed and must outlive it; `path` is the folder's, for messages. */
StoreFlusher *store_flusher_new(StoreJournal *journal, const char *path);

/* Does what is left, without waiting for its time. NULL is fine. */
void store_flusher_free(StoreFlusher *flusher);

/* A definition was added to the journal. */
void store_flusher_add_new(StoreFlusher *flusher);

/* A definition's file was removed. `last` is a descriptor of it or -1, and taken over, unless many
 * wait already: as long as it is open, the file system doesn't free the file, which may take as
 * long as a disk's answer to a discard. */
void store_flusher_add_removed(StoreFlusher *flusher, int *last);
