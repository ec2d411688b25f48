/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cistern/cistern.h>

#include <glib.h>
#include <stdbool.h>

/*
 * Where the bytes of vol-download go. A file is filled under its name with ".part" behind it, and
 * gets its name when it is whole and on disk: until then a file of that name stays as it was. What
 * a download that broke off has brought stays in the part. Devices and pipes are written directly.
 */
typedef struct DownloadTarget {
    const char *name; /* for messages, borrowed */
    char *path;       /* of the file in the end; NULL: not a file */
    char *part;       /* and until then */
    int fd;
    guint64 position; /* of the next byte */
    int failure;      /* errno of what made it give up; 0: nothing */
    int unsettled;    /* finished, but the name may not outlive a power failure: errno */
} DownloadTarget;

/* "-" is standard output. With `go_on` a part that is there is kept: `position` is its size. False
 * with errno: EBUSY when another download fills the part, ESPIPE for `go_on` with what is no
 * file. */
bool download_target_open(DownloadTarget *target, const char *path, bool go_on);
/* Leaves the part there, if it holds anything. Harmless after download_target_finish(). */
void download_target_close(DownloadTarget *target);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DownloadTarget, download_target_close)

/* The last bytes of what is there, for comparison. False with errno. */
bool download_target_tail(const DownloadTarget *target, void *tail, gsize tail_size);

/* All has come: puts it on disk and under its name. False with errno. */
bool download_target_finish(DownloadTarget *target);

/* To be called with the DownloadTarget as data. */
extern const CisternStreamSink download_target_calls;
