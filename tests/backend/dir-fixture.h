/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "registry.h"

/* The backend of dir pools, as the registry has it. */
const Backend *dir_backend(void);

/* A dir pool on a scratch folder (not made yet), or on a given path. */
PoolDef *dir_pool_new(void);
PoolDef *dir_pool_at(const char *path);
/* Removes the folder with all that is in it. */
void dir_pool_free(PoolDef *pool);

/* A started pool for one test: g_test_add(…, DirWorld, …, dir_setup, test, dir_teardown). */
typedef struct DirWorld {
    const Backend *backend;
    PoolDef *pool;
    int fd; /* the folder */
    Operation *op;
} DirWorld;

void dir_setup(DirWorld *world, gconstpointer data);
void dir_teardown(DirWorld *world, gconstpointer data);

/* The path of an entry (g_free). */
char *dir_path(const DirWorld *world, const char *name);
/* A file with this text at its start and this size. */
void dir_put(const DirWorld *world, const char *name, const char *text, guint64 size);
/* Entries of the folder beside `.` and `..`, drafts included. */
guint dir_count(const DirWorld *world);

/* A document for a new volume: capacity in bytes, nothing allocated. */
VolumeDef *dir_spec(const char *name, int format, guint64 capacity);
/* Creates, with no error. The state's volume. */
VolumeDef *dir_create(const DirWorld *world, const VolumeDef *spec, guint flags);
VolumeDef *dir_create_plain(const DirWorld *world, const char *name, int format, guint64 capacity);
/* The same for a volume that is not looked at. */
void dir_make(const DirWorld *world, const char *name, int format, guint64 capacity);
VolumeDef *dir_stat(const DirWorld *world, const char *name);
/* Creates, expecting this error; nothing may be left behind. */
void dir_refuse(const DirWorld *world, const VolumeDef *spec, guint flags, int code,
                const char *message);

/* Clones a volume of this world, opening the source as the engine does. */
VolumeDef *dir_clone(const DirWorld *world, const VolumeDef *source, const VolumeDef *spec,
                     guint flags, GError **error);

/* Skips the test when a program is missing. */
bool dir_needs(const char *program);
/* Runs a command line that must succeed; its output. */
char *dir_run(const char *const *argv);
