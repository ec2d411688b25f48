/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cistern/cistern.h>

#include <glib.h>
#include <stdbool.h>

/*
 * Where the bytes of vol-upload come from: a file, a device, or a pipe. Holes are those of the file
 * system; in a pipe, blocks of zeros.
 */
typedef struct UploadSource {
    const char *name; /* for messages, borrowed */
    int fd;
    bool seekable;    /* a file or device; has a size */
    guint64 size;     /* bytes */
    guint64 position; /* of the next byte */
    guint64 left;     /* so many bytes may still be given; G_MAXUINT64 = to the end */
    guint64 data_end; /* of a file: up to here there is no hole */
    guint8 *block;    /* of a pipe: bytes that were read ahead to look for zeros */
    gsize block_size, block_at;
    int failure;     /* errno of what made it give up; 0: nothing */
    bool ended_soon; /* there were not as many bytes as asked for */
} UploadSource;

/* "-" is standard input. False with errno. */
bool upload_source_open(UploadSource *source, const char *path);
void upload_source_close(UploadSource *source);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(UploadSource, upload_source_close)

/* Gives up the first `count` bytes, the last `tail_size` of which go into `tail`. False with
 * source->failure or source->ended_soon set. */
bool upload_source_skip(UploadSource *source, guint64 count, void *tail, gsize tail_size);

/* To be called with the UploadSource as data. Reading ends with `left`; an end before that, where
 * it was set, is a failure. */
extern const CisternStreamSource upload_source_calls;
