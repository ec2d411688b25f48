/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * What the documents of one pool type may hold. Every backend has one of these
 * as data; the parser, the writer, the validator and the capabilities document
 * read it, so that none of them ever asks for a type by name.
 * Facts: libvirt's storage pool format as of 9.0.
 */

/* Children of <source> that a type keeps (`takes`), insists on (`requires`). */
typedef enum SourceElement {
    SOURCE_HOST = 1 << 0,
    SOURCE_DEVICE = 1 << 1,
    SOURCE_DIR = 1 << 2,
    SOURCE_ADAPTER = 1 << 3,
    SOURCE_NAME = 1 << 4,
    SOURCE_INITIATOR = 1 << 5,
} SourceElement;

typedef enum PoolSchemaFlag {
    POOL_HAS_TARGET = 1 << 0,             /* has a <target>; otherwise any is ignored */
    POOL_TARGET_PATH_REQUIRED = 1 << 1,   /* the target path must be given */
    POOL_NAME_FROM_SOURCE = 1 << 2,       /* pool name and source name stand in for each other */
    POOL_SOURCE_DIR_ROOT = 1 << 3,        /* an absent source dir is "/" */
    POOL_HAS_COW = 1 << 4,                /* takes <features><cow/> */
    POOL_MOUNT_OPTIONS = 1 << 5,          /* takes the fs: namespace */
    POOL_RBD_OPTIONS = 1 << 6,            /* takes the rbd: namespace */
    POOL_SOURCE_NAME_STRICT = 1 << 7,     /* <source> without <name> is refused (rbd) */
    POOL_FREE_EXTENTS = 1 << 8,           /* writes its device with free extents */
    POOL_VOLUME_NAME_NO_SLASH = 1 << 9,   /* volume names are file names */
    POOL_VOLUME_NEEDS_CAPACITY = 1 << 10, /* capacity 0 is refused */
    POOL_THIN_POOLS = 1 << 11,            /* takes the logical: namespace, in volumes too */
} PoolSchemaFlag;

/* A closed list of words; an id is an index into it. */
typedef struct FormatTable {
    const char *const *names;
    guint count;
    guint output_extra; /* further words behind those, for output only */
    int default_id;     /* what an absent element means */
    int input_first;    /* words before this one are for output only (0: all may be given) */
} FormatTable;

typedef struct PoolSchema {
    const char *type;          /* the word of <pool type=''> */
    guint number;              /* libvirt's number of the type, 0–13; the order of lists */
    guint list_flag;           /* its bit in the list filter */
    guint host_rank;           /* its place among the types of the <capabilities> document */
    guint takes, requires;     /* SourceElement bits */
    guint flags;               /* PoolSchemaFlag bits */
    const char *target_prefix; /* target path is always this + source name; or NULL */
    const FormatTable *source_formats; /* NULL: no <format> in <source> */
    const FormatTable *volume_formats; /* NULL: no <format> in volumes */
    bool capability_formats_empty;     /* the capabilities document lists no volume format (rbd) */
    const char *discover_host_word; /* how discovery's refusal names the type ("netfs"), or NULL */
    /* How machines reach volumes that are no files or devices of the host (disk.h); NULL: there are
     * none. */
    const struct DiskProtocol *disk_protocol;
} PoolSchema;

/* All known types, ordered by number. The registry of backends makes it. */
typedef struct PoolSchemaList {
    const PoolSchema *const *schemas;
    guint count;
} PoolSchemaList;

/* NULL when there is none. */
const PoolSchema *pool_schema_find(const PoolSchemaList *list, const char *type);

/* Index of a word in a table (without its extra words), -1 when unknown. */
int format_from_name(const FormatTable *table, const char *name);
/* Never NULL: out of range is the table's first word. */
const char *format_name(const FormatTable *table, int id);
