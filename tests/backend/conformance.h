/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"

/*
 * What every pool type must do, whatever its storage. The cases look at the
 * operations that the backend declares and test those; what it refuses is
 * the business of its own tests.
 */
typedef struct ConformanceFixture {
    const char *name; /* the test paths' first part */
    const Backend *backend;

    /* A definition of a pool on fresh storage that nothing was done with yet. */
    PoolDef *(*pool_new)(void);
    /* Removes the storage and the definition. */
    void (*pool_free)(PoolDef *pool);
    /* Puts things into the started pool's storage that are no volumes. */
    void (*add_foreign)(const PoolDef *pool);

    const int
        *volume_formats; /* formats that can be created, ended by -1; the first is plain data */
} ConformanceFixture;

/* Adds the suite's cases to the test program. `fixture` must outlive it. */
void conformance_add(const ConformanceFixture *fixture);
