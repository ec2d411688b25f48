/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "protocol.h"

/*
 * Who is behind a connection, as far as is known: the process at the other end
 * of a unix socket, the user of SASL, the subject of the certificate; or what a
 * trusted peer says of whom it speaks for. Does not change once it is shared.
 */
typedef struct Identity {
    gatomicrefcount refs;
    char *label; /* for logs and job lists: "unix:4711", "alice:4711" */
    bool has_process;
    gint64 pid;
    guint64 start_time; /* of the process, in the kernel's ticks since boot; 0: not known */
    bool has_user, has_group;
    guint64 uid, gid;
    char *user_name, *group_name;
    char *sasl_user;
    char *x509_name; /* the distinguished name of the client's certificate */
    char *selinux_context;
} Identity;

Identity *identity_new(const char *label);
Identity *identity_ref(Identity *identity);
void identity_unref(Identity *identity);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Identity, identity_unref)

/* A copy that is not shared yet, to be changed. */
Identity *identity_copy(const Identity *identity);

/* The process at the other end of a connected unix socket. */
Identity *identity_of_peer(int fd);

/* The address at the other end of a connected TCP socket: "tls:192.0.2.1:4711". */
Identity *identity_of_address(int fd, const char *kind);

void identity_set_label(Identity *identity, const char *label);

/* The identity that SET_IDENTITY's arguments describe.
 * Errors: ERROR_ARGUMENT_UNSUPPORTED for an unknown field, ERROR_INVALID_ARGUMENT. */
Identity *identity_from_params(const RpcIdentity *params, GError **error);
