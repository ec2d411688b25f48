/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"
#include "lvm-report.h"

/*
 * A volume group as one report tells it. All of it is checked: names are those
 * lvm2 allows, sizes and extents lie below 2^63.
 */

/* Marks volumes that are being made. */
#define LVM_DRAFT_TAG "cistern-draft"

typedef struct LvmVolume {
    char *name; /* without the brackets of hidden ones */
    char *uuid;
    char *origin;     /* a snapshot's; NULL = none, or a hidden one */
    char *thin_pool;  /* a thin volume's */
    GPtrArray *parts; /* names of the hidden ones it lies on; NULL = none */
    char kind;   /* lvm2's letter for the type: 't' thin pool, 'V' thin volume, 's' snapshot … */
    char state;  /* 'a' active, '-' inactive, 'I' invalid snapshot … */
    char health; /* 'p' a device is missing, 'F' failed … '-' fine */
    bool hidden, open, draft, skipped; /* skipped: not activated with its group */
    bool pool;                         /* it serves other volumes: thin, cache, VDO pools */
    bool simple;                    /* it lies on devices or in a thin pool, not on hidden ones */
    guint64 size;                   /* bytes it was given */
    guint64 origin_size;            /* a snapshot's length, else 0 */
    int data_percent, meta_percent; /* hundredths; -1 = not known */
    VolumeExtent *extents;          /* its own, in order of its segments */
    guint n_extents;
} LvmVolume;

typedef struct LvmGroup {
    char *name;
    guint64 size, free, extent_size; /* bytes */
    guint64 missing;                 /* devices that are missing */
    GPtrArray *devices;              /* char *, those that are there */
    GPtrArray *volumes;              /* LvmVolume, hidden ones included */
    GHashTable *by_name;             /* LvmVolume by name, hidden ones too; borrowed */
    bool exported;                   /* somebody means to take it to another host */
} LvmGroup;

void lvm_group_free(LvmGroup *group);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LvmGroup, lvm_group_free)

/* Asks lvm2 once for all there is about a group. Errors: ERROR_CONFIG_UNSUPPORTED
 * "cannot find logical volume group name 'V'", those of lvm_report_run(). */
LvmGroup *lvm_group_read(const char *name, Operation *op, GError **error);

/* The group with that volume alone (and its sizes), which is cheaper; where the volume is made of
 * hidden ones, all of it. The name must be valid. Errors: ERROR_NO_VOLUME, those of
 * lvm_group_read(). */
LvmGroup *lvm_group_read_volume(const char *name, const char *volume, Operation *op,
                                GError **error);

/* The group of a report; NULL when it tells of none by that name. */
LvmGroup *lvm_group_from_report(const LvmReport *report, const char *name);

/* Errors: ERROR_OPERATION_INVALID with what to do about an exported group. */
bool lvm_group_check_imported(const LvmGroup *group, GError **error);

/* NULL when there is none. `hidden` ones are never found. */
const LvmVolume *lvm_group_find(const LvmGroup *group, const char *name);

/* Names of those that are lost with it, "'a', 'b'": snapshots, unless they share blocks with it in
 * a thin pool, and thin volumes that read from it. NULL when there are none. */
char *lvm_group_dependents(const LvmGroup *group, const LvmVolume *volume);

/* Whether it is shown as a volume: no hidden one, no thin pool, no draft. */
bool lvm_volume_is_listed(const LvmVolume *volume);

/* Bytes of storage that are taken for it. */
guint64 lvm_volume_allocation(const LvmVolume *volume);

/* The volume as its document has it: what the report tells, then what its node tells. One that
 * has no node has a problem. `folder` is where the nodes are (/dev/GROUP). */
VolumeDef *lvm_volume_describe(const LvmGroup *group, const LvmVolume *volume, const char *folder);

/* "12.34" from hundredths; NULL when not known. */
char *lvm_percent_text(int hundredths);
