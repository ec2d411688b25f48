/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* What a header's backing string stands for, seen from an image in `folder`. True for a local
 * file: *ret_path is its absolute path, *ret_format the ImageFormat that the string itself gives,
 * else -1. False for everything else (URIs, protocols, json: without a local file). */
bool backing_parse(const char *backing, const char *folder, char **ret_path, int *ret_format);
