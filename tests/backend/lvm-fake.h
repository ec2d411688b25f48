/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "command.h"
#include "loop-device.h"
#include "registry.h"

/*
 * A stand-in for lvm2's programs: one group "vg0" whose volumes are names in
 * memory and links to a loop device in the pool's folder. It answers with
 * reports as the real ones look, writes down the command lines, and fails when told.
 */
typedef struct FakeVolume {
    char *name, *tags, *pool, *origin;
    guint64 size;
    char kind, state, open, health; /* letters of lv_attr */
    bool again;                     /* made anew under the name: it has another UUID */
} FakeVolume;

typedef struct FakeLvm {
    const Backend *backend;
    PoolDef *pool;
    Operation *op;
    LoopDevice device;
    char *folder;       /* stands for /dev/vg0 */
    GPtrArray *volumes; /* FakeVolume */
    GString *log;       /* a line per command, cleared by the test */
    bool exists;        /* the group */
    bool exported;
    bool silent; /* lvremove doesn't tell what it has removed */
    guint64 missing;
    guint fail;       /* this command from now fails; 0 = none */
    const char *says; /* what a failing one says; NULL = "broken" */
} FakeLvm;

/* For g_test_add(). The test is skipped (op is NULL then) without loop devices. */
void fake_lvm_setup(FakeLvm *fake, gconstpointer data);
void fake_lvm_teardown(FakeLvm *fake, gconstpointer data);

FakeVolume *fake_lvm_add(FakeLvm *fake, const char *name, guint64 size, char kind);
FakeVolume *fake_lvm_find(FakeLvm *fake, const char *name);
/* Names with sizes and tags, to compare states: "a:8:;b:16:cistern-draft;" in MiB. */
char *fake_lvm_state(FakeLvm *fake);
