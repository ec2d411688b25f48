/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml-fields.h"

/* The tables of the elements, for each other and for the test that holds them against the schemas.
 */

extern const XmlField permissions_fields[]; /* Permissions */
extern const XmlField secret_ref_fields[];  /* SecretRef: which secret, without its type */
extern const XmlField pool_source_fields[]; /* PoolSource */
extern const XmlField pool_fields[];        /* PoolDef */
extern const XmlField volume_fields[];      /* VolumeDef */

/* Of thin pools and the volumes in them: libvirt has no place for those. */
extern const XmlNamespace logical_namespace;

/* Writes xmlns:PREFIX='URI' into the open start tag. */
void xml_namespace_declare(const XmlNamespace *namespace, XmlWriter *writer);

/* Bits of a scope: a type's flags, what its source takes, and two of volumes. */
#define SCOPE_TAKES(elements)   ((guint64)(elements) << 32)
#define SCOPE_TARGET            ((guint64)1 << 48) /* inside <target>, not <backingStore> */
#define SCOPE_CAPACITY_OPTIONAL ((guint64)1 << 49)

XmlScope xml_scope(const PoolSchema *schema, guint64 extra);
