/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"

/* The pool types of this build, in the order of their numbers: 14 of them. */
extern const Backend *const backends[];
extern const guint n_backends;

/* Their schemas, for the parser. */
const PoolSchemaList *backend_schemas(void);

/* The backend whose schema this is: a schema is always a part of one, listed here or not. */
const Backend *backend_for_schema(const PoolSchema *schema);
