/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "server.h"

/*
 * Sockets that the service manager listens on and hands over at the start
 * (systemd's LISTEN_FDS).
 */
typedef struct ActivatedSocket {
    int fd;
    char *name; /* as the service manager has it */
    ListenerKind kind;
    bool read_only;
} ActivatedSocket;

/* Whether the service manager started this process for a socket. */
bool activation_is_wanted(void);

/* What was handed over, perhaps nothing: ActivatedSocket elements. Takes it out of the environment,
 * so that programs started later don't think it is theirs; to be called before there are threads.
 * What a socket is for its name says, without the suffix ".socket": "…-ro" is for reading only,
 * "…-tls" and "…-tcp" come from the network, others from this machine. A socket without a name is
 * told by the name of its file.
 * Errors: ERROR_INVALID_ARGUMENT for what is no listening stream socket of that family. */
GArray *activation_take(GError **error);
