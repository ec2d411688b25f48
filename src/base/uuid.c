/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "uuid.h"

#include <string.h>
#include <sys/random.h>

bool uuid_parse(const char *text, Uuid *ret)
{
    Uuid uuid = {0};
    guint digits = 0;

    while (g_ascii_isspace(*text))
        text++;
    for (; *text && !g_ascii_isspace(*text); text++) {
        if (*text == '-' && digits % 2 == 0)
            continue;
        int value = g_ascii_xdigit_value(*text);
        if (value < 0 || digits == 32)
            return false;
        uuid.bytes[digits / 2] |= (guint8)(value << (digits % 2 ? 0 : 4));
        digits++;
    }
    while (g_ascii_isspace(*text))
        text++;
    if (digits != 32 || *text)
        return false;
    *ret = uuid;
    return true;
}

char *uuid_format(const Uuid *uuid, char buffer[UUID_STRING_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    char *out = buffer;

    for (guint i = 0; i < sizeof uuid->bytes; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = hex[uuid->bytes[i] >> 4];
        *out++ = hex[uuid->bytes[i] & 15];
    }
    *out = '\0';
    return buffer;
}

void uuid_generate(Uuid *ret)
{
    if (getrandom(ret->bytes, sizeof ret->bytes, 0) != sizeof ret->bytes)
        g_error("the kernel gives no random bytes");
    ret->bytes[6] = (guint8)((ret->bytes[6] & 0x0f) | 0x40);
    ret->bytes[8] = (guint8)((ret->bytes[8] & 0x3f) | 0x80);
}

bool uuid_equal(const Uuid *a, const Uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

guint uuid_hash(gconstpointer uuid)
{
    guint hash;

    memcpy(&hash, ((const Uuid *)uuid)->bytes, sizeof hash);
    return hash;
}

gboolean uuid_equal_func(gconstpointer a, gconstpointer b)
{
    return uuid_equal(a, b);
}
