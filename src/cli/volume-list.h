/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call.h"

const char *volume_type_word(CisternVolumeType type);

/* Called with each page of a pool's volumes; false ends the walk. */
typedef bool (*VolumePageVisit)(const CisternVolumeEntry *entries, int count, void *data);

/* Walks all volumes of a pool, page by page, in order. False when a page could not be got
 * (cistern_last_error() tells) or Ctrl-C was pressed. */
bool volume_pages_visit(CisternPool *pool, const char *after, VolumePageVisit visit, void *data);

/* The exit status after volume_pages_visit() has failed, with a message. */
int volume_pages_failure(const Call *call);
