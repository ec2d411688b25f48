/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib/gstdio.h>

#include "fd.h"

/* A scratch folder for one test; folder_teardown() expects to find it empty. */
typedef struct Folder {
    char *path;
    int fd;
} Folder;

static inline void folder_setup(Folder *folder, gconstpointer data)
{
    folder->path = g_dir_make_tmp("base-XXXXXX", NULL);
    folder->fd = fd_open_folder(folder->path);
    g_assert_cmpint(folder->fd, >=, 0);
}

static inline void folder_teardown(Folder *folder, gconstpointer data)
{
    fd_close(&folder->fd);
    g_assert_cmpint(g_rmdir(folder->path), ==, 0);
    g_free(folder->path);
}
