/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"

#include "errors.h"
#include "scsi-host.h"
#include "source-match.h"

/* A SCSI or Fibre Channel host adapter; volumes are the units it reaches. */

static bool check(const PoolDef *pool, GError **error)
{
    const PoolAdapter *adapter = &pool->source.adapter;
    guint number;

    if (adapter->type != ADAPTER_SCSI_HOST || adapter->has_parentaddr ||
        scsi_host_number(adapter->name, &number))
        return true;
    return error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE,
                     "Invalid adapter name '%s' for SCSI pool", adapter->name);
}

const Backend backend_scsi = {
    .schema =
        {
            .type = "scsi",
            .number = 7,
            .list_flag = 1 << 12,
            .host_rank = 6,
            .takes = SOURCE_ADAPTER,
            .requires = SOURCE_ADAPTER,
            .flags = POOL_HAS_TARGET | POOL_TARGET_PATH_REQUIRED,
        },
    .unavailable = "This build can't scan SCSI host adapters.",
    .same_source = source_same_adapter,
    .check = check,
};
