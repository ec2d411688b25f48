/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connection.h"

#include "disk.h"
#include "errors.h"
#include "registry.h"

#include <stdlib.h>

/* The <disk> element is made here, from the documents that every daemon gives. */

static PoolDef *read_pool(CisternVolume *volume, GError **error)
{
    CisternPool *pool = cistern_find_pool_of_volume(volume);
    char *xml = pool ? cistern_pool_xml(pool, 0) : NULL;
    PoolDef *def = xml ? pool_def_parse(xml, backend_schemas(), 0, error) : NULL;

    free(xml);
    cistern_pool_free(pool);
    return def;
}

/* The document does not say of which type the volume is in a form that is read. */
static VolumeDef *read_volume(CisternVolume *volume, const PoolDef *pool, GError **error)
{
    CisternVolumeInfo info;
    char *xml = cistern_volume_info(volume, &info, 0) == 0 ? cistern_volume_xml(volume, 0) : NULL;
    g_autoptr(GError) failure = NULL;
    g_autoptr(VolumeDef) def = xml ? volume_def_parse(xml, pool->schema, 0, &failure) : NULL;

    free(xml);
    if (failure) /* a format that documents can't ask for, for one */
        error_set(error, ERROR_OPERATION_UNSUPPORTED, ORIGIN_STORAGE,
                  "volume '%s' can't be a machine's disk: %s", volume->id.name,
                  error_detail(failure));
    if (!def)
        return NULL;
    if ((guint)info.type >= VOLUME_TYPE_COUNT) {
        error_set(error, ERROR_RPC, ORIGIN_STORAGE, "volume '%s' is of an unknown type (%d)",
                  volume->id.name, (int)info.type);
        return NULL;
    }
    def->type = (VolumeType)info.type;
    return g_steal_pointer(&def);
}

/* Calls that fail have set the last error themselves; then `error` stays unset. */
static char *make_disk(CisternVolume *volume, const DiskOptions *options, GError **error)
{
    g_autoptr(PoolDef) pool = read_pool(volume, error);
    g_autoptr(VolumeDef) def = pool ? read_volume(volume, pool, error) : NULL;

    return def ? disk_format(pool, def, options, error) : NULL;
}

char *cistern_volume_disk(CisternVolume *volume, const char *device, const char *bus,
                          const char *target, unsigned int flags)
{
    const DiskOptions options = {device, bus, target, flags & CISTERN_DISK_READ_ONLY};
    GError *error = NULL;
    char *xml = NULL;

    if (!given(volume))
        return NULL;
    if (error_check_flags(&error, flags, CISTERN_DISK_READ_ONLY, "cistern_volume_disk"))
        xml = make_disk(volume, &options, &error);
    if (error)
        last_error_take(error);
    return xml;
}
