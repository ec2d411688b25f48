/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "size.h"

#include <string.h>

static const char prefixes[] = "kmgtpe";

bool number_from_text(const char *text, guint64 *ret)
{
    return g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, ret, NULL);
}

/* "" and "b" count bytes; "k" and "kib" by 1024, "kb" by 1000, and so on. */
static bool factor_of(const char *unit, guint64 *ret)
{
    *ret = 1;
    if (*unit == '\0' || g_ascii_strcasecmp(unit, "b") == 0 ||
        g_ascii_strcasecmp(unit, "bytes") == 0)
        return true;
    const char *prefix = strchr(prefixes, g_ascii_tolower(*unit));
    if (!prefix)
        return false;
    bool decimal = g_ascii_strcasecmp(unit + 1, "b") == 0;
    if (!decimal && unit[1] != '\0' && g_ascii_strcasecmp(unit + 1, "ib") != 0)
        return false;
    for (ptrdiff_t i = 0; i <= prefix - prefixes; i++)
        *ret *= decimal ? 1000 : 1024;
    return true;
}

bool size_from_text(const char *text, guint64 *ret)
{
    size_t length = strspn(text, "0123456789");
    g_autofree char *digits = g_strndup(text, length);
    guint64 value = 0;
    guint64 factor = 0;
    if (!number_from_text(digits, &value) || !factor_of(text + length, &factor) ||
        value > G_MAXINT64 / factor)
        return false;
    *ret = value * factor;
    return true;
}

char *size_for_people(guint64 bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < G_N_ELEMENTS(units)) {
        value /= 1024;
        unit++;
    }
    return g_strdup_printf("%.2f %s", value, units[unit]);
}

char *size_text(guint64 bytes, bool exact)
{
    return exact ? g_strdup_printf("%" G_GUINT64_FORMAT " bytes", bytes) : size_for_people(bytes);
}
