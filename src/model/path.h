/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A path as libvirt cleans it before it keeps or compares it: runs of slashes become one, except
 * exactly two at the start; a trailing slash goes. "." and ".." stay, and so does a text with
 * "://" before its first other slash. Returns a new string. */
char *path_clean(const char *path);
