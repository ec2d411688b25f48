/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "image-format.h"
#include "permissions.h"
#include "pool-def.h"

/*
 * A volume as its document has it: what is asked for when one is created, what
 * there is when one is described. Plain data: heap values are freed with
 * volume_def_free(); backends may also fill one on the stack with borrowed
 * strings and hand it to Scan.add(), which copies what it needs.
 */

typedef enum VolumeType {
    VOLUME_FILE,
    VOLUME_BLOCK,
    VOLUME_DIR,
    VOLUME_NETWORK,
    VOLUME_NETDIR,
    VOLUME_PLOOP,
    VOLUME_TYPE_COUNT,
} VolumeType;

const char *volume_type_name(VolumeType type);

typedef struct VolumeExtent {
    char *device;
    guint64 start, end; /* bytes; end is exclusive */
} VolumeExtent;

typedef enum EncryptionFormat {
    ENCRYPTION_NONE, /* no <encryption> */
    ENCRYPTION_DEFAULT,
    ENCRYPTION_QCOW,
    ENCRYPTION_LUKS,
    ENCRYPTION_LUKS2,
} EncryptionFormat;

typedef enum EncryptionEngine {
    ENCRYPTION_ENGINE_UNSET,
    ENCRYPTION_ENGINE_QEMU,
    ENCRYPTION_ENGINE_LIBRBD,
} EncryptionEngine;

/* libvirt's words for them; "" for none. */
const char *encryption_format_name(EncryptionFormat format);
const char *encryption_engine_name(EncryptionEngine engine);

typedef struct Encryption {
    EncryptionFormat format;
    EncryptionEngine engine;
    SecretRef *secrets;
    guint n_secrets;
    char *cipher_name, *cipher_mode, *cipher_hash;
    guint cipher_size; /* bits */
    char *ivgen_name, *ivgen_hash;
} Encryption;

typedef enum VolumeFeature {
    FEATURE_LAZY_REFCOUNTS = 1 << 0,
    FEATURE_EXTENDED_L2 = 1 << 1,
} VolumeFeature;

typedef struct Timestamps {
    gint64 atime, mtime, ctime, btime; /* nanoseconds since the epoch; 0 = not known */
} Timestamps;

/* <target> and <backingStore>. */
typedef struct VolumeTarget {
    char *path;
    int format; /* id in schema->volume_formats; -1 = not known, not written */
    Permissions permissions;
    bool has_timestamps;
    Timestamps timestamps;
    Encryption encryption; /* format ENCRYPTION_NONE = no element */
    char *compat;          /* "0.10", "1.1", or NULL */
    bool nocow;
    guint64 cluster_size; /* bytes; 0 = not given */
    char *thin_pool;      /* the thin pool that a thin volume is in, else NULL */
    bool has_features;    /* <features> present, perhaps empty */
    guint features;       /* VolumeFeature bits */
} VolumeTarget;

typedef struct VolumeDef {
    VolumeType type;
    char *name;
    char *key;
    VolumeExtent *extents;
    guint n_extents;
    guint64 capacity, allocation, physical; /* bytes; physical 0 = not known */
    bool has_capacity, has_allocation;      /* were given in the document */
    VolumeTarget target;
    bool has_backing;
    VolumeTarget backing;
    char *problem; /* why the volume can't be read; NULL when all is well */
} VolumeDef;

/* All fields unset. */
void volume_def_init(VolumeDef *def);
VolumeDef *volume_def_new(void);
VolumeDef *volume_def_copy(const VolumeDef *def);
void volume_def_clear(VolumeDef *def);
void volume_def_free(VolumeDef *def);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VolumeDef, volume_def_free)

/* True when both say the same. */
bool volume_def_equal(const VolumeDef *a, const VolumeDef *b);

typedef enum VolumeParseFlag {
    VOLUME_PARSE_VALIDATE = 1 << 0,          /* check against the RNG schema first */
    VOLUME_PARSE_CAPACITY_OPTIONAL = 1 << 1, /* a clone takes it from its source */
} VolumeParseFlag;

/* Parses a volume document for a pool of this type. */
VolumeDef *volume_def_parse(const char *xml, const PoolSchema *schema, guint flags, GError **error);

/* The document as libvirt writes it for a volume of this type of pool. */
char *volume_def_format(const VolumeDef *def, const PoolSchema *schema);
