/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "options.h"

/* Where a daemon has its things. */
typedef struct Folders {
    char *base;            /* locked as a whole (see state-folder.h), or NULL */
    char *definitions;     /* of pools, with the links of autostart */
    char *states;          /* of running pools */
    char *sockets;         /* the folder of the next two */
    guint sockets_mode;    /* it is made with */
    const char *socket;    /* names in it */
    const char *socket_ro; /* NULL: there is none */
    char *config_file;
    bool config_must_exist;
    ConfigSite site;
    const char *uri_path; /* what clients call this daemon; NULL: as they like */
} Folders;

/* Beneath the root of the options; in libvirt's places; else the system's for root and the user's
 * for others. */
Folders folders_choose(const Options *options);
void folders_clear(Folders *folders);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Folders, folders_clear)
