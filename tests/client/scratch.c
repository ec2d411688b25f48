/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <ftw.h>
#include <stdio.h>

char *scratch_new(void)
{
    g_autoptr(GError) error = NULL;
    char *path = g_dir_make_tmp("cistern-test-XXXXXX", &error);
    g_assert_no_error(error);
    return path;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

void scratch_remove(char *path)
{
    g_assert_cmpint(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), ==, 0);
    g_free(path);
}
