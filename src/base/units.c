/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "units.h"

#include <string.h>

#include "errors.h"

/* The letters in order of their powers; source: libvirt's scaled integers. */
static const char letters[] = "kmgtpe";

bool number_parse(const char *text, guint64 max, guint64 *ret)
{
    guint64 value = 0;

    if (!text || !*text)
        return false;
    for (const char *c = text; *c; c++) {
        if (!g_ascii_isdigit(*c))
            return false;
        guint digit = (guint)(*c - '0');
        if (value > (max - MIN(digit, max)) / 10 || digit > max)
            return false;
        value = value * 10 + digit;
    }
    *ret = value;
    return true;
}

static guint64 power(guint64 base, guint exponent)
{
    guint64 value = 1;

    while (exponent-- > 0)
        value *= base;
    return value;
}

bool unit_factor(const char *unit, guint64 *ret, GError **error)
{
    static const char *const bytes[] = {"", "b", "byte", "bytes"};

    for (guint i = 0; i < G_N_ELEMENTS(bytes); i++) {
        if (!unit || g_ascii_strcasecmp(unit, bytes[i]) == 0) {
            *ret = 1;
            return true;
        }
    }
    const char *letter = *unit ? strchr(letters, g_ascii_tolower(*unit)) : NULL;
    guint exponent = letter ? (guint)(letter - letters) + 1 : 0;
    if (letter && (unit[1] == '\0' || g_ascii_strcasecmp(unit + 1, "ib") == 0))
        *ret = power(1024, exponent);
    else if (letter && g_ascii_strcasecmp(unit + 1, "b") == 0)
        *ret = power(1000, exponent);
    else
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE, "unknown suffix '%s'", unit);
    return true;
}

bool size_scale(guint64 value, const char *unit, guint64 *ret, GError **error)
{
    guint64 factor, product;

    if (!unit_factor(unit, &factor, error))
        return false;
    if (__builtin_mul_overflow(value, factor, &product) || product > G_MAXINT64)
        return error_set(error, ERROR_OVERFLOW, ORIGIN_NONE,
                         "value too large: %" G_GUINT64_FORMAT "%s", value, unit ? unit : "");
    *ret = product;
    return true;
}

bool size_parse(const char *text, guint64 *ret, GError **error)
{
    size_t digits = strspn(text, "0123456789");
    g_autofree char *number = g_strndup(text, digits);
    guint64 value;

    if (digits == 0 || !number_parse(number, G_MAXUINT64, &value))
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_NONE,
                         "'%s' is not a size; give whole bytes or a number with a unit, "
                         "such as 10G or 512MiB",
                         text);
    return size_scale(value, text + digits, ret, error);
}

char *size_to_string(guint64 bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    guint unit = 0;

    while (value >= 1024 && unit < G_N_ELEMENTS(units) - 1) {
        value /= 1024;
        unit++;
    }
    if (unit == 0)
        return g_strdup_printf("%" G_GUINT64_FORMAT " B", bytes);
    return g_strdup_printf("%.2f %s", value, units[unit]);
}
