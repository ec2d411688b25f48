/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "protocol.h"

/*
 * The client's side of one connection. Any number of threads may call at once:
 * whoever waits and finds nobody reading reads the socket and hands the others
 * what is theirs, so that no thread of its own is needed. Nothing is read while
 * nobody waits.
 */
typedef struct RpcClient RpcClient;

/* Takes over a connected stream socket. `peer` names the other side in errors: "the daemon at
 * /run/cistern/cistern-sock". */
RpcClient *rpc_client_new(int fd, const char *peer);

/* Calls fail from now on, running ones at once. Thread-safe. */
void rpc_client_shut(RpcClient *client);

/* Nobody may be in a call any more. NULL is allowed. */
void rpc_client_free(RpcClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RpcClient, rpc_client_free)

/* How often a waiting caller hears of its call, in milliseconds. */
#define RPC_CLIENT_TICK 100

/* Called in the calling thread each RPC_CLIENT_TICK of a call, with what the other side last said
 * (0, 0 when nothing). False asks the other side to cancel the call; its answer is waited for. */
typedef bool (*RpcProgressFunc)(guint64 done, guint64 total, void *data);

/* Sends the arguments and waits for the result. `args` and `result` are as the procedure's row has
 * them; NULL where that is xdr_nothing. `progress` may be NULL. Clear the result with
 * xdr_clear(procedure->result, result).
 * Errors: what the other side answered; ERROR_RPC when the connection is or gets lost. */
bool rpc_client_call(RpcClient *client, const Program *program, gint32 procedure, const void *args,
                     void *result, RpcProgressFunc progress, void *data, GError **error);

typedef struct RpcEvent {
    RpcEventId id;
    gint32 callback_id;
    RpcPool pool;
    gint32 kind; /* of a lifecycle event */
} RpcEvent;

void rpc_event_clear(RpcEvent *event);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RpcEvent, rpc_event_clear)

typedef enum RpcWait { RPC_WAIT_EVENT, RPC_WAIT_TIMEOUT, RPC_WAIT_LOST } RpcWait;

/* Takes the oldest event that nobody has taken, waiting for one until `deadline`
 * (g_get_monotonic_time(); G_MAXINT64: for ever). Errors (RPC_WAIT_LOST): ERROR_RPC. */
RpcWait rpc_client_next_event(RpcClient *client, gint64 deadline, RpcEvent *ret, GError **error);
