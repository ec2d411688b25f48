/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hex.h"

GByteArray *hex_bytes(const char *hex)
{
    GByteArray *bytes = g_byte_array_new();

    for (const char *c = hex; *c; c++) {
        if (*c == ' ')
            continue;
        guint8 byte = (guint8)(g_ascii_xdigit_value(c[0]) << 4 | g_ascii_xdigit_value(c[1]));
        g_byte_array_append(bytes, &byte, 1);
        c++;
    }
    return bytes;
}

void assert_bytes(const guint8 *data, gsize size, const char *hex)
{
    g_autoptr(GByteArray) expected = hex_bytes(hex);

    g_assert_cmpmem(data, size, expected->data, expected->len);
}
