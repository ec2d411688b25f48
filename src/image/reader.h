/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * The one way in which probers see an image. The first block is in memory from
 * the start; anything behind it is fetched as a second window when it is asked
 * for. Every call checks its range against the image's size and against what
 * was really read, and returns false outside of it.
 */

#define READER_HEAD       1024              /* bytes of the first block */
#define READER_WINDOW_MAX (4 * 1024 * 1024) /* most that one call may ask for */

typedef struct Reader {
    int fd;             /* -1: there are only the bytes in memory */
    guint64 size;       /* of the image */
    const guint8 *head; /* the image's first bytes */
    gsize head_length;
    guint64 far_offset; /* where the second window lies */
    gsize far_length;
    guint8 *far; /* far_block, or memory of its own for long windows */
    int errnum;  /* errno of a failed read, else 0 */
    guint8 head_block[READER_HEAD];
    guint8 far_block[512];
} Reader;

/* Over an open file; reads the first block. A failure is in `errnum`. */
void reader_init_fd(Reader *reader, int fd, guint64 size);

/* Over bytes in memory, which must outlive the reader. */
void reader_init_buffer(Reader *reader, const guint8 *bytes, gsize length, guint64 size);

void reader_clear(Reader *reader);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reader, reader_clear)

/* `length` bytes at `offset`; valid until the next call on this reader. NULL outside the image. */
const guint8 *reader_bytes(Reader *reader, guint64 offset, gsize length);

/* As many of `length` bytes as the image has at `offset`; *ret_length is 0 when it has none. */
const guint8 *reader_upto(Reader *reader, guint64 offset, gsize length, gsize *ret_length);

/* True when the image has exactly these bytes at `offset`. */
bool reader_matches(Reader *reader, guint64 offset, const char *bytes, gsize length);

bool reader_u8(Reader *reader, guint64 offset, guint8 *ret);
bool reader_be16(Reader *reader, guint64 offset, guint16 *ret);
bool reader_be32(Reader *reader, guint64 offset, guint32 *ret);
bool reader_be64(Reader *reader, guint64 offset, guint64 *ret);
bool reader_le16(Reader *reader, guint64 offset, guint16 *ret);
bool reader_le32(Reader *reader, guint64 offset, guint32 *ret);
bool reader_le64(Reader *reader, guint64 offset, guint64 *ret);

/* A new NUL-terminated string of `length` bytes at `offset`, cut at a NUL inside. */
bool reader_string(Reader *reader, guint64 offset, gsize length, char **ret);
