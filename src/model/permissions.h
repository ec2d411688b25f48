/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#define MODE_UNSET ((guint)-1)
#define ID_UNSET   ((guint32)-1)

/* Owner, group, mode and label of a file or folder, each of which may be unset. */
typedef struct Permissions {
    guint mode;       /* permission bits, or MODE_UNSET */
    guint32 uid, gid; /* or ID_UNSET */
    char *label;      /* security label, or NULL */
} Permissions;

#define PERMISSIONS_INIT ((Permissions){.mode = MODE_UNSET, .uid = ID_UNSET, .gid = ID_UNSET})
