/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "server.h"
#include "session.h"

/* Gives up the server's reference to a session that has closed. */
void server_forget(Server *server, Session *session);

/* Ids of event registrations, unique in the process. */
gint32 server_next_registration(Server *server);

/* Fewer clients than before may be unknown: listeners that were held up go on. */
void server_count_authenticated(Server *server);

/* For events that are told later. */
Event *event_copy(const Event *event);
void event_free(void *event);
