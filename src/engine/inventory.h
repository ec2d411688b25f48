/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"

/*
 * What is known of a pool's volumes: an immutable snapshot that is replaced as
 * a whole. It is a B-tree of compact records ordered by name whose nodes are
 * shared between snapshots: changing one volume costs a few small copies however
 * many there are, and readers never wait. Volumes whose key or path isn't
 * derived from their name have trees of their own for these.
 */
typedef struct Inventory Inventory;
typedef struct VolumeRecord VolumeRecord; /* packed, immutable, reference-counted */

Inventory *inventory_new_empty(const char *target_path); /* NULL: no derived paths */
Inventory *inventory_ref(Inventory *inventory);
void inventory_unref(Inventory *inventory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Inventory, inventory_unref)

VolumeRecord *volume_record_new(const VolumeDef *volume, const FileIdentity *identity,
                                const char *target_path);
VolumeRecord *volume_record_ref(VolumeRecord *record);
void volume_record_unref(VolumeRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VolumeRecord, volume_record_unref)

const char *volume_record_name(const VolumeRecord *record);
VolumeType volume_record_type(const VolumeRecord *record);
guint64 volume_record_capacity(const VolumeRecord *record);
guint64 volume_record_allocation(const VolumeRecord *record);
guint64 volume_record_physical(const VolumeRecord *record);
bool volume_record_has_identity(const VolumeRecord *record, const FileIdentity *identity);
/* The volume as a full definition. `target_path` is the pool's. */
VolumeDef *volume_record_unpack(const VolumeRecord *record, const char *target_path);
/* Key and path, derived from `target_path` where the record holds none. Free with g_free(). */
char *volume_record_key(const VolumeRecord *record, const char *target_path);
char *volume_record_path(const VolumeRecord *record, const char *target_path);
/* What the record itself holds; NULL where it is derived. Borrowed. */
const char *volume_record_own_key(const VolumeRecord *record);
const char *volume_record_own_path(const VolumeRecord *record);
gsize volume_record_memory(const VolumeRecord *record); /* bytes, the allocator's share included */

guint64 inventory_count(const Inventory *inventory);
const char *inventory_target_path(const Inventory *inventory);

/* A reference, or NULL. A key or path that several volumes claim finds the last of them by name;
 * a derived one comes before a claimed one. */
VolumeRecord *inventory_find(const Inventory *inventory, const char *name);
VolumeRecord *inventory_find_key(const Inventory *inventory, const char *key);
VolumeRecord *inventory_find_path(const Inventory *inventory, const char *path);

/* Calls func for each record after `after` (NULL: from the first) in order of names, until it
 * returns false. The record is valid during the call; take a reference to keep it. */
typedef bool (*InventoryVisitor)(VolumeRecord *record, void *data);
void inventory_foreach(const Inventory *inventory, const char *after, InventoryVisitor func,
                       void *data);

/* New snapshots that differ in one volume. The old one is untouched. */
Inventory *inventory_with(const Inventory *inventory, VolumeRecord *record);
Inventory *inventory_without(const Inventory *inventory, const char *name);

/* A snapshot of these records, in any order; takes over the references (the array stays the
 * caller's and is reordered). Of two records with the same name the later is kept. */
Inventory *inventory_build(const char *target_path, VolumeRecord **records, guint64 count);

/* Bytes that the snapshot takes for itself, shared nodes and records included. Walks all of it. */
guint64 inventory_memory(const Inventory *inventory);
