/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a report of lvm2: what is made of it keeps to its bounds. */
#include "lvm-group.h"
#include "lvm-name.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_volume(const LvmGroup *group, const LvmVolume *volume)
{
    g_autoptr(VolumeDef) def = lvm_volume_describe(group, volume, "/nowhere");

    g_assert_true(lvm_name_is_valid(def->name));
    g_assert_cmpuint(def->capacity, <=, G_MAXINT64);
    g_assert_cmpuint(def->allocation, <=, G_MAXINT64);
    for (guint i = 0; i < def->n_extents; i++) {
        g_assert_cmpuint(def->extents[i].start, <=, def->extents[i].end);
        g_assert_cmpuint(def->extents[i].end, <=, G_MAXINT64);
        g_assert_cmpint(*def->extents[i].device, ==, '/');
    }
}

static void check_group(const LvmReport *report)
{
    g_autoptr(LvmGroup) group = lvm_group_from_report(report, "vg0");

    for (guint i = 0; group && i < group->volumes->len; i++)
        check_volume(group, group->volumes->pdata[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(LvmReport) report = lvm_report_parse((const char *)data, size, NULL);

    if (report)
        check_group(report);
    return 0;
}
