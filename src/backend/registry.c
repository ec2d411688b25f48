/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "registry.h"

#include "backends.h"

#include <stddef.h>

const Backend *const backends[] = {
    &backend_dir,      &backend_fs,           &backend_netfs, &backend_logical,  &backend_disk,
    &backend_iscsi,    &backend_iscsi_direct, &backend_scsi,  &backend_mpath,    &backend_rbd,
    &backend_sheepdog, &backend_gluster,      &backend_zfs,   &backend_vstorage,
};

const guint n_backends = G_N_ELEMENTS(backends);

const PoolSchemaList *backend_schemas(void)
{
    static const PoolSchema *schemas[G_N_ELEMENTS(backends)];
    static const PoolSchemaList list = {.schemas = schemas, .count = G_N_ELEMENTS(schemas)};
    static gsize filled;

    if (g_once_init_enter(&filled)) {
        for (guint i = 0; i < n_backends; i++)
            schemas[i] = &backends[i]->schema;
        g_once_init_leave(&filled, 1);
    }
    return &list;
}

const Backend *backend_for_schema(const PoolSchema *schema)
{
    return (const Backend *)(gconstpointer)((const char *)schema - offsetof(Backend, schema));
}
