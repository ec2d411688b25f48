/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "operation.h"

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * The content of an open volume: what upload, download, wipe and copies work
 * on, whatever the storage. A backend with a file descriptor uses io_new_fd();
 * others bring their own functions. An Io is used by one thread at a time.
 */
typedef struct Io Io;

typedef struct IoOps {
    /* Writing past the end makes it longer. Where it doesn't, it is refused as a whole. */
    bool grows;
    /* Bytes read (0 at the end), or -1 with *error. */
    gssize (*read)(Io *io, void *buffer, gsize size, guint64 offset, GError **error);
    /* Writes all or fails. */
    bool (*write)(Io *io, const void *buffer, gsize size, guint64 offset, GError **error);
    /* Makes the range read as zeros, by the cheapest means that keeps `reserve`d space. */
    bool (*zero)(Io *io, guint64 offset, guint64 length, bool reserve, GError **error);
    /* From `offset`: where data begins and where it ends. No more data: both are the size. */
    bool (*next_data)(Io *io, guint64 offset, guint64 *ret_start, guint64 *ret_end, GError **error);
    bool (*size)(Io *io, guint64 *ret, GError **error);
    /* All that was written is on stable storage. */
    bool (*flush)(Io *io, GError **error);
    void (*close)(Io *io);
} IoOps;

struct Io {
    const IoOps *ops;
    int fd;      /* -1 where there is none */
    void *state; /* the backend's own */
};

/* Takes over the descriptor of a file or block device. */
Io *io_new_fd(int fd);
void io_close(Io *io);

/* In the middle of writing: what was written so far is on stable storage. Unlike at the end
 * (IoOps.flush), others' caches are left alone. */
bool io_settle(Io *io, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Io, io_close)

/*
 * A pass over much of the content, from one end to the other. It starts early
 * what the disk has to write, and lets go from memory what it alone brought
 * there, so that a large volume doesn't push out what others need. Of small
 * volumes all stays.
 */
typedef struct IoPass {
    int fd; /* borrowed; -1 where there is none */
    bool writes;
    guint64 kept;    /* up to here nothing is let go */
    guint64 reached; /* as far as the last look was */
    guint64 behind;  /* up to here all was let go */
    bool was_cached; /* of reading: what lies behind `reached` was in memory before us */
} IoPass;

void io_pass_begin(IoPass *pass, const Io *io, bool writes, guint64 offset);
/* Everything before `offset` was moved. Cheap; may be called often. Fails when the disk didn't take
 * something that was written: the kernel tells that once, so no later flush says it again. */
bool io_pass_moved(IoPass *pass, guint64 offset, GError **error);

typedef enum IoCopyFlag {
    /* The target has its size and reads as zeros: holes and blocks of zeros are left out. */
    IO_COPY_FRESH = 1 << 0,
} IoCopyFlag;

/* Copies the first `length` bytes of one volume to another: only where there is data, inside the
 * kernel where both ends are files that it can copy between. What lies beyond the source's end
 * reads as zeros afterwards. Progress of the operation is in bytes. Nothing is flushed. */
bool io_copy(Io *from, Io *to, guint64 length, guint flags, Operation *op, GError **error);

/* All of `from` into an empty file. */
bool io_copy_to_file(Io *from, int file, Operation *op, GError **error);
