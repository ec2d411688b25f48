/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cistern/cistern.h>

#include "client.h"
#include "last-error.h"

/* What the public calls share. */

struct CisternPool {
    CisternConnection *connection; /* a reference */
    RpcPool id;
    char uuid[UUID_STRING_SIZE];
};

struct CisternVolume {
    CisternConnection *connection; /* a reference */
    RpcVolume id;
};

/* True for an argument that is not NULL; else its name is in the thread's last error. */
#define given(argument) ((argument) ? true : (last_error_null(#argument), false))

/* Handles keep the connection's memory; the connection itself ends with cistern_close(). */
CisternConnection *connection_ref(CisternConnection *connection);
void connection_unref(CisternConnection *connection);

/* One call of libvirt's program, with the thread's progress callback. False with the thread's last
 * error set: ERROR_NO_SUPPORT where the other side does not have the call. `args` and `result` are
 * as in rpc_client_call(). */
bool connection_call(CisternConnection *connection, RemoteProcedure procedure, const void *args,
                     void *result);

/* The same for our own program, which libvirt's daemons don't have. */
bool connection_call_own(CisternConnection *connection, CisternProcedure procedure,
                         const void *args, void *result);

/* Moves all of a stream's data. */
typedef bool (*StreamFunc)(void *data, RpcStream *stream, GError **error);

/* Opens a stream, has `move` move the data and finishes it, with the thread's progress callback.
 * False with the thread's last error set. */
bool connection_stream(CisternConnection *connection, RemoteProcedure procedure,
                       const RpcVolumeStream *args, StreamFunc move, void *data);

/* A handle that takes over the strings of `id`, which is left empty. */
CisternPool *pool_handle_new(CisternConnection *connection, RpcPool *id);
CisternVolume *volume_handle_new(CisternConnection *connection, RpcVolume *id);

/* Calls whose result is one handle, one text or one number; NULL or -1 on failure. */
CisternPool *call_for_pool(CisternConnection *connection, RemoteProcedure procedure,
                           const void *args);
CisternVolume *call_for_volume(CisternConnection *connection, RemoteProcedure procedure,
                               const void *args);
char *call_for_text(CisternConnection *connection, RemoteProcedure procedure, const void *args);
int call_for_int(CisternConnection *connection, RemoteProcedure procedure, const void *args);

/* 0 on success. */
int call_for_nothing(CisternConnection *connection, RemoteProcedure procedure, const void *args);

/* ---- for events.c ---- */

typedef struct EventRegistry EventRegistry;
EventRegistry *event_registry_new(void);
void event_registry_free(EventRegistry *registry);
EventRegistry *connection_events(CisternConnection *connection);

/* rpc_client_next_event() as a call of this connection. */
RpcWait connection_next_event(CisternConnection *connection, gint64 deadline, RpcEvent *ret,
                              GError **error);
