/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine.h"
#include "errors.h"
#include "fake-backend.h"

/* An engine on folders of its own. */
typedef struct Fixture {
    bool real; /* the types of this build, not the fake ones */
    char *root, *config_dir, *state_dir;
    Engine *engine;
    GMutex lock;         /* guards what follows */
    GPtrArray *requests; /* Request, freed at the end */
} Fixture;

/* For g_test_add(). The fake storage is emptied; `data` not NULL: the real types instead. */
void fixture_set_up(Fixture *fixture, gconstpointer data);
void fixture_tear_down(Fixture *fixture, gconstpointer data);
#define ENGINE_TEST(path, function)                                                                \
    g_test_add(path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

#define REAL_ENGINE_TEST(path, function)                                                           \
    g_test_add(path, Fixture, "real", fixture_set_up, function, fixture_tear_down)

void fixture_open(Fixture *fixture);
void fixture_close(Fixture *fixture);
/* As a restart of the daemon: the storage goes on. */
void fixture_reopen(Fixture *fixture);

/* A request of its own for one call, valid until the end; 0: without deadline. */
const Request *fixture_request(Fixture *fixture, guint milliseconds);
#define NOW(fixture) fixture_request(fixture, 0)

/* Documents. `uuid` may be NULL. */
char *pool_xml(const char *type, const char *name, const char *uuid);
char *volume_xml(const char *name, guint64 capacity);

/* These must succeed. References. */
Pool *fixture_define(Fixture *fixture, const char *type, const char *name);
Pool *fixture_define_started(Fixture *fixture, const char *type, const char *name);
void fixture_create_volume(Fixture *fixture, Pool *pool, const char *name, guint64 capacity);

/* The names of the listed volumes, joined by blanks. */
char *listed(Pool *pool);

/* Compares and clears. */
void check_error(GError **error, ErrorCode code, const char *message);
/* The message need only start like this. */
void check_error_prefix(GError **error, ErrorCode code, const char *prefix);
