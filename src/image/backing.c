/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backing.h"

#include <jansson.h>
#include <string.h>

#include "probe.h"

#define JSON_PREFIX "json:"

static char *absolute_path(const char *path, const char *folder)
{
    return g_path_is_absolute(path) ? g_strdup(path) : g_build_filename(folder, path, NULL);
}

/* "nbd:…", "file:…", "http://…": a colon before the first slash. */
static bool has_protocol(const char *text)
{
    return text[strcspn(text, ":/")] == ':';
}

/* A string setting, given nested ({"file": {"driver": …}}) or flat ({"file.driver": …}). */
static const char *setting(json_t *object, const char *group, const char *key)
{
    if (!group)
        return json_string_value(json_object_get(object, key));
    const char *nested = setting(json_object_get(object, group), NULL, key);
    g_autofree char *flat = g_strconcat(group, ".", key, NULL);
    return nested ? nested : setting(object, NULL, flat);
}

/* The file's name when this level is a local file, else NULL. */
static const char *local_file(json_t *object, const char *group)
{
    const char *driver = setting(object, group, "driver");
    const char *name = setting(object, group, "filename");

    if (!name || has_protocol(name) || *name == '\0')
        return NULL;
    if (!driver) /* only below a format's level is "file" what an absent driver means */
        return group ? name : NULL;
    return strcmp(driver, "file") == 0 || strcmp(driver, "host_device") == 0 ? name : NULL;
}

/* The outer level is either the file itself or a format driver around it. */
static const char *find_file(json_t *root, int *ret_format)
{
    const char *name = local_file(root, NULL);
    const char *driver = setting(root, NULL, "driver");

    *ret_format = -1;
    if (name)
        return name;
    if (driver) {
        *ret_format = format_from_name(&image_formats, driver);
        if (*ret_format < IMAGE_FORMAT_RAW)
            return NULL;
    }
    return local_file(root, "file");
}

static bool parse_json(const char *text, const char *folder, char **ret_path, int *ret_format)
{
    json_t *root = json_loads(text, 0, NULL);
    const char *name = find_file(root, ret_format);

    if (name)
        *ret_path = absolute_path(name, folder);
    json_decref(root);
    return name != NULL;
}

bool backing_parse(const char *backing, const char *folder, char **ret_path, int *ret_format)
{
    *ret_path = NULL;
    *ret_format = -1;
    if (g_str_has_prefix(backing, JSON_PREFIX))
        return parse_json(backing + strlen(JSON_PREFIX), folder, ret_path, ret_format);
    if (*backing == '\0' || has_protocol(backing))
        return false;
    *ret_path = absolute_path(backing, folder);
    return true;
}

char *image_backing_path(const char *backing, const char *folder)
{
    char *path;
    int format;

    backing_parse(backing, folder, &path, &format);
    return path;
}
