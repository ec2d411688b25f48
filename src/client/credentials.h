/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client.h"
#include "uri.h"

/* Authenticates the connection by SASL: with the credentials of the URI's authfile, of libvirt's
 * auth.conf, or those that the thread's cistern_set_ask() gives.
 * Errors: ERROR_AUTH_FAILED, ERROR_CONFIG_UNSUPPORTED; what the server answers. */
bool credentials_authenticate(RpcClient *client, const Uri *uri, GError **error);
