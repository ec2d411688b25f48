/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call.h"

/* Pools and volumes as the command line names them. NULL: cistern_last_error() tells. */

/* By UUID where the text is one, else by name. */
CisternPool *lookup_pool(const Call *call, const char *name_or_uuid);

/* The pool of the argument "pool". */
CisternPool *lookup_call_pool(const Call *call);

/* In `pool` by name, key or path; with NULL by key or path anywhere. */
CisternVolume *lookup_volume(const Call *call, CisternPool *pool, const char *text);

/* The volume of the argument "vol", in the pool of the argument "pool" when that is given. */
CisternVolume *lookup_call_volume(const Call *call);
