/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call.h"
#include "json-output.h"

/* What the lists and pool-info show about one pool. */
typedef struct PoolRow {
    CisternPool *pool; /* borrowed */
    bool active, persistent, autostart;
    CisternPoolInfo info;
} PoolRow;

/* Asks for everything; false: cistern_last_error() tells. */
bool pool_row_read(CisternPool *pool, PoolRow *ret_row);

json_t *pool_row_json(const PoolRow *row);
const char *pool_state_word(CisternPoolState state);
