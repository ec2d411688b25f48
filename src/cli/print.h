/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call.h"
#include "json-output.h"

/* Results that several commands print alike. */

/* A single value for scripts: raw in a pipe, escaped on a terminal; {"member": "value"} in JSON. */
int print_value(const Call *call, const char *member, const char *value);

/* "Name:           value" in virsh's layout; control characters are escaped. */
void print_field(const char *title, const char *value);

/* What was done to a pool or volume. Text: `format`; JSON: {"pool", "uuid", "result"} or
 * {"pool", "volume", "result"}. */
int print_pool_done(const Call *call, CisternPool *pool, const char *result, const char *format,
                    ...) G_GNUC_PRINTF(4, 5);
int print_volume_done(const Call *call, CisternVolume *volume, const char *result,
                      const char *format, ...) G_GNUC_PRINTF(4, 5);

/* The members that all such documents of volumes have. */
json_t *volume_done_json(CisternVolume *volume, const char *result);

const char *yes_or_no(bool value);
