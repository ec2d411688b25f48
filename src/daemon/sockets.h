/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "folders.h"
#include "server.h"

/*
 * All the sockets of a daemon: made as the configuration says, or handed over by
 * the service manager.
 */
typedef struct Sockets {
    int folder;      /* of the unix sockets; -1 where none are made */
    GPtrArray *made; /* names in it, to be removed at the end */
} Sockets;

#define SOCKETS_INIT                                                                               \
    {                                                                                              \
        .folder = -1                                                                               \
    }

/* Whether the values of the configuration can be used on this machine: the group, the address, and
 * what TLS needs. Opens nothing that stays. Errors name file and line. May wait for names to be
 * resolved. */
bool sockets_check(const Config *config, GError **error);

/* The certificates that the configuration names, or NULL. Errors name file and line. */
TlsContext *sockets_load_tls(const Config *config, GError **error);

/* Has the server listen. Of the unix sockets none is made where the service manager handed over any
 * (`activated`, see activation.h, whose descriptors are taken); the folder of the sockets is open
 * then only if it is needed. `tls` may be NULL where nothing listens for it. */
bool sockets_open(Sockets *sockets, const Folders *folders, const Config *config, GArray *activated,
                  TlsContext *tls, Server *server, GError **error);

/* Removes those that were made here. */
void sockets_clear(Sockets *sockets);

/* Whether anything will need certificates. */
bool sockets_want_tls(const Config *config, const GArray *activated);
