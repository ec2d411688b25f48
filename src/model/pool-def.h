/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "permissions.h"
#include "pool-schema.h"
#include "uuid.h"

/*
 * A pool's definition: what the document says, with defaults filled in. An
 * immutable, reference-counted value: pool_def_parse() and the pool_def_with_*
 * calls make one, nobody changes one afterwards.
 */

typedef enum TriState { TRI_UNSET, TRI_YES, TRI_NO } TriState;

typedef struct PoolHost {
    char *name;
    int port; /* 0 = not given */
} PoolHost;

typedef struct FreeExtent {
    guint64 start, end; /* bytes; end is exclusive */
} FreeExtent;

typedef struct PoolDevice {
    char *path;
    TriState part_separator;
    FreeExtent *free_extents;
    guint n_free_extents;
} PoolDevice;

typedef enum AdapterType { ADAPTER_NONE, ADAPTER_SCSI_HOST, ADAPTER_FC_HOST } AdapterType;

typedef struct PciAddress {
    guint domain, bus, slot, function;
} PciAddress;

typedef struct PoolAdapter {
    AdapterType type;
    char *name;          /* scsi_host by name */
    bool has_parentaddr; /* scsi_host by PCI address */
    PciAddress address;
    int unique_id;                                                              /* -1 = not given */
    char *wwnn, *wwpn, *parent, *parent_wwnn, *parent_wwpn, *parent_fabric_wwn; /* fc_host */
    TriState managed;
} PoolAdapter;

typedef enum AuthType { AUTH_NONE, AUTH_CHAP, AUTH_CEPH } AuthType;

/* Which secret holds a password; exactly one of uuid and usage is given. */
typedef struct SecretRef {
    char *type;
    bool has_uuid;
    Uuid uuid;
    char *usage;
} SecretRef;

typedef struct PoolAuth {
    AuthType type;
    char *username;
    SecretRef secret;
} PoolAuth;

typedef struct PoolSource {
    PoolHost *hosts;
    guint n_hosts;
    PoolDevice *devices;
    guint n_devices;
    char *dir;
    PoolAdapter adapter;
    char *name;
    char *initiator; /* iqn */
    int format;      /* id in schema->source_formats; 0 without formats */
    PoolAuth auth;   /* type AUTH_NONE = no element */
    char *protocol_version;
    char *vendor, *product;
} PoolSource;

typedef enum RefreshAllocation {
    REFRESH_ALLOCATION_UNSET,
    REFRESH_ALLOCATION_DEFAULT,
    REFRESH_ALLOCATION_CAPACITY,
} RefreshAllocation;

typedef struct PoolOption {
    char *name;
    char *value; /* NULL for mount options */
} PoolOption;

/* A store that thin volumes share. What is chosen is definition, how full it is is state. */
typedef struct ThinPool {
    char *name;
    TriState chosen;                   /* thin volumes go there unless they say otherwise */
    guint64 capacity;                  /* bytes */
    char *data_percent, *meta_percent; /* "12.50"; NULL = not known */
} ThinPool;

typedef struct PoolSpace {
    guint64 capacity, allocation, available; /* bytes */
} PoolSpace;

typedef struct PoolDef {
    gatomicrefcount refs;
    const PoolSchema *schema;
    char *name;
    Uuid uuid;
    PoolSpace space;
    TriState cow;
    PoolSource source;
    char *target_path; /* cleaned; NULL for types without a target */
    Permissions permissions;
    RefreshAllocation refresh_allocation;
    PoolOption *options; /* of the type's namespace */
    guint n_options;
    ThinPool *thin_pools; /* those asked for; of a running pool all that there are */
    guint n_thin_pools;
} PoolDef;

PoolDef *pool_def_ref(PoolDef *def);
void pool_def_unref(PoolDef *def);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PoolDef, pool_def_unref)

/* A deep copy with a count of one that the caller may still change before sharing it. */
PoolDef *pool_def_copy(const PoolDef *def);

/* True when both say the same, sizes and free extents left aside. */
bool pool_def_equal(const PoolDef *a, const PoolDef *b);

/* A copy with these sizes and, for types with a folder, these real permissions (NULL: kept). */
PoolDef *pool_def_with_state(const PoolDef *def, const PoolSpace *space,
                             const Permissions *permissions);

ThinPool *thin_pools_copy(const ThinPool *thin_pools, guint count);
void thin_pools_free(ThinPool *thin_pools, guint count);

/* Replaces the thin pools of a definition that isn't shared yet by those that storage has now
 * (copied). Which one was chosen stays, even when it isn't among them. */
void pool_def_set_thin_pools(PoolDef *def, const ThinPool *thin_pools, guint count);

/* The same of how full they are alone, which is state: those of `thin_pools` that the definition
 * doesn't name are left aside. */
void pool_def_set_thin_usage(PoolDef *def, const ThinPool *thin_pools, guint count);

/* Where thin volumes go that don't say: the one that is chosen, or the only one; NULL when there
 * is none, or several to choose from. */
const ThinPool *pool_def_thin_pool(const PoolDef *def);

typedef enum PoolParseFlag {
    POOL_PARSE_VALIDATE = 1 << 0, /* check against the RNG schema first */
} PoolParseFlag;

/* Parses a pool document. `xml` need not be trusted: size, depth and number of nodes are limited
 * before anything is built from it (see xml-read.h).
 * Errors: ERROR_XML, ERROR_XML_DETAIL, ERROR_CONFIG_UNSUPPORTED, … with libvirt's texts. */
PoolDef *pool_def_parse(const char *xml, const PoolSchemaList *schemas, guint flags,
                        GError **error);

/* Parses a source specification as given to source discovery. */
PoolSource *pool_source_parse(const char *xml, const PoolSchema *schema, GError **error);
void pool_source_free(PoolSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PoolSource, pool_source_free)

/* The document, as libvirt writes it. Never fails. */
char *pool_def_format(const PoolDef *def);

/* The file of the saved definition: warning comment and document. */
char *pool_def_format_config(const PoolDef *def);
/* The file of a running pool: warning comment and <poolstate> around the document. */
char *pool_def_format_state(const PoolDef *def);
/* Reads either file. */
PoolDef *pool_def_parse_file(const char *xml, const PoolSchemaList *schemas, GError **error);

/* The answer of source discovery: <sources> around each source's document. */
char *pool_sources_format(const PoolSchema *schema, PoolSource *const *sources, guint count);

/* True for a name that a pool may have: not empty, no '/', no newline, valid UTF-8, and so short
 * that its definition file can be made. Errors as libvirt's define. */
bool pool_name_check(const char *name, GError **error);
