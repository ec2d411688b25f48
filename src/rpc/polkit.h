/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "server.h"
#include <gio/gio.h>

/*
 * Questions to polkit over the system's message bus. They wait for the answer:
 * never to be asked on the loop.
 */

/* Whether the process may do the action; `details` are pairs of name and value, ended by NULL.
 * `interactive`: its user may be asked for a password meanwhile.
 * Errors: ERROR_AUTH_FAILED for no, ERROR_AUTH_UNAVAILABLE where nobody could be asked (both
 * ORIGIN_POLKIT); ERROR_INTERNAL with ORIGIN_DBUS when polkit can't be reached. */
bool polkit_check(const Identity *identity, const char *action, const char *const *details,
                  bool interactive, GCancellable *cancellable, GError **error);

/* The access driver "polkit": an AccessCheck (with `access_waits`) that asks for
 * org.libvirt.api.OBJECT.PERMISSION, so that existing rules work. */
bool polkit_access(const AccessQuery *query, void *data, GError **error);
