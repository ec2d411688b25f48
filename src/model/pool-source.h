/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pool-def.h"

/* Parts of a pool's source that pool-def.c needs. */

extern const FormatTable tri_state_words;

/* All unset, the format at the type's default. */
void pool_source_init(PoolSource *source, const PoolSchema *schema);

/* The rules within an adapter, once it is parsed. */
bool pool_adapter_check(const PoolAdapter *adapter, GError **error);
