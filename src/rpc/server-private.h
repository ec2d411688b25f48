/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "server.h"
#include "session.h"

/* Gives up the server's reference to a session that has closed. */
void server_forget(Server *server, Session *session);

/* Ids of event registrations, unique in the process. */
gint32 server_next_registration(Server *server);
