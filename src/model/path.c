/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "path.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>

static bool is_uri(const char *path)
{
    const char *slash = strchr(path, '/');

    return slash && slash > path && slash[-1] == ':' && slash[1] == '/';
}

char *path_clean(const char *path)
{
    if (is_uri(path))
        return g_strdup(path);

    size_t leading = strspn(path, "/");
    size_t kept = leading == 2 ? 2 : MIN(leading, 1);
    char *cleaned = g_malloc(strlen(path) + 1);
    size_t size = kept;

    memset(cleaned, '/', kept);
    for (const char *c = path + leading; *c; c++)
        if (c[0] != '/' || (c[1] != '/' && c[1] != '\0'))
            cleaned[size++] = *c;
    cleaned[size] = '\0';
    return cleaned;
}
