/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "operation.h"
#include "probe.h"

/* The images that an image stands on. */

#define IMAGE_CHAIN_DEPTH_MAX 200 /* as qemu refuses to go deeper in practice */

typedef struct ImageLink {
    char *path; /* absolute path, or the string as it is for remote images */
    ImageInfo info;
    guint64 size;  /* bytes of the file */
    char *problem; /* missing, unreadable, loop, too deep; the chain ends there. Or NULL */
    int errnum;    /* why the file can't be opened or read, else 0 */
} ImageLink;

void image_link_free(ImageLink *link);

/* Follows backing files from `path`. Element 0 is the image itself. The chain always has at least
 * one element; what stops it is in the last element's `problem`. A backing file whose format its
 * overlay gives as raw is not probed: its content must not choose how it is read. Images that are
 * not local files end the chain without being opened. An image that doesn't answer ends it after
 * ERRAND_PATIENCE (errand.h) with ETIMEDOUT. Elements are ImageLink, freed with it. */
GPtrArray *image_chain_read(const char *path, Operation *op);

/* Refuses a backing file that can't serve: unreadable, chain with a loop, deeper than allowed, or
 * leading back to `path` (may be NULL).
 * Errors: ERROR_SYSTEM, ERROR_CONFIG_UNSUPPORTED. */
bool image_chain_check(const char *backing, const char *path, Operation *op, GError **error);
