/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pool-schema.h"

/* Documents that say what this build can do. `supported` has an entry per schema. */

/* <storagepoolCapabilities>: every known type, with options. */
char *pool_capabilities_format(const PoolSchemaList *schemas, const bool *supported);

/* <capabilities> of a connection: the supported types, ordered by their host_rank. */
char *host_capabilities_format(const PoolSchemaList *schemas, const bool *supported);
