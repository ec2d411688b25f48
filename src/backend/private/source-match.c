/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source-match.h"

#include "scsi-host.h"

#include <string.h>

static bool has_device(const PoolSource *source, const char *path)
{
    for (guint i = 0; i < source->n_devices; i++)
        if (g_str_equal(source->devices[i].path, path))
            return true;
    return false;
}

bool source_same_device(const PoolDef *added, const PoolDef *existing)
{
    for (guint i = 0; i < added->source.n_devices; i++)
        if (has_device(&existing->source, added->source.devices[i].path))
            return true;
    return false;
}

bool source_same_device_or_name(const PoolDef *added, const PoolDef *existing)
{
    bool named = added->schema == existing->schema && added->schema->takes & SOURCE_NAME;

    return source_same_device(added, existing) ||
           (named && added->source.name && source_same_name(added, existing));
}

bool source_same_host(const PoolDef *added, const PoolDef *existing)
{
    const PoolSource *a = &added->source, *b = &existing->source;

    if (a->n_hosts == 0 || b->n_hosts == 0)
        return false;
    if (a->hosts[0].port != 0 && a->hosts[0].port != b->hosts[0].port)
        return false;
    return g_str_equal(a->hosts[0].name, b->hosts[0].name);
}

bool source_same_host_dir(const PoolDef *added, const PoolDef *existing)
{
    return g_strcmp0(added->source.dir, existing->source.dir) == 0 &&
           source_same_host(added, existing);
}

bool source_same_host_name_dir(const PoolDef *added, const PoolDef *existing)
{
    return source_same_name(added, existing) && source_same_host_dir(added, existing);
}

bool source_same_target(const PoolDef *added, const PoolDef *existing)
{
    return g_strcmp0(added->source.initiator, existing->source.initiator) == 0 &&
           source_same_device(added, existing);
}

bool source_same_name(const PoolDef *added, const PoolDef *existing)
{
    return g_strcmp0(added->source.name, existing->source.name) == 0;
}

static bool same_address(const PoolAdapter *a, const PoolAdapter *b)
{
    return a->unique_id == b->unique_id && a->address.domain == b->address.domain &&
           a->address.bus == b->address.bus && a->address.slot == b->address.slot &&
           a->address.function == b->address.function;
}

static bool same_host_number(const char *a, const char *b)
{
    guint number_a, number_b;

    return a && b && scsi_host_number(a, &number_a) && scsi_host_number(b, &number_b) &&
           number_a == number_b;
}

static bool same_scsi_host(const PoolAdapter *a, const PoolAdapter *b)
{
    if (a->has_parentaddr && b->has_parentaddr)
        return same_address(a, b);
    return same_host_number(a->name, b->name);
}

static bool same_fc_host(const PoolAdapter *a, const PoolAdapter *b)
{
    return g_str_equal(a->wwnn, b->wwnn) && g_str_equal(a->wwpn, b->wwpn);
}

bool source_same_adapter(const PoolDef *added, const PoolDef *existing)
{
    const PoolAdapter *a = &added->source.adapter, *b = &existing->source.adapter;

    if (a->type != b->type)
        return same_host_number(a->type == ADAPTER_FC_HOST ? a->parent : a->name,
                                b->type == ADAPTER_FC_HOST ? b->parent : b->name);
    return a->type == ADAPTER_FC_HOST ? same_fc_host(a, b) : same_scsi_host(a, b);
}

bool source_same_always(const PoolDef *added, const PoolDef *existing)
{
    return true;
}
