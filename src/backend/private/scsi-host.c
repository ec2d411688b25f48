/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scsi-host.h"

#include "units.h"

#include <string.h>

bool scsi_host_number(const char *name, guint *ret)
{
    static const char *const prefixes[] = {"scsi_host", "fc_host", "host"};
    guint64 number;

    for (guint i = 0; i < G_N_ELEMENTS(prefixes); i++)
        if (g_str_has_prefix(name, prefixes[i]) &&
            number_parse(name + strlen(prefixes[i]), G_MAXUINT, &number)) {
            *ret = (guint)number;
            return true;
        }
    return false;
}
