/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "protocol.h"
#include "sasl.h"

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

/* The same over any transport, whose handshake is done. */
RpcClient *rpc_client_new_over(Transport *transport, const char *peer);

Transport *rpc_client_transport(RpcClient *client);

/* What follows goes through the encryption that SASL has agreed on, if any. To be called right
 * after the call that completed it, while no other is running. */
void rpc_client_encrypt(RpcClient *client, Sasl *sasl);

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

/* ---- streams ---- */

/*
 * The data of one upload or download. One thread at a time uses a stream; other
 * streams and calls go on beside it, but a download whose data nobody takes
 * stops them after some MiB.
 */
typedef struct RpcStream RpcStream;

/* Makes the call that opens a stream. `progress` (may be NULL) hears each RPC_CLIENT_TICK, in the
 * thread that uses the stream, of the bytes moved and of `total` (0: not known); false makes the
 * call at hand fail with ERROR_ABORTED. */
RpcStream *rpc_client_open_stream(RpcClient *client, const Program *program, gint32 procedure,
                                  const void *args, guint64 total, RpcProgressFunc progress,
                                  void *data, GError **error);

/* At most FRAME_STREAM_MAX bytes. Errors: also what the other side could not do with earlier ones.
 */
bool rpc_stream_send(RpcStream *stream, const void *data, gsize size, GError **error);
bool rpc_stream_send_hole(RpcStream *stream, guint64 length, GError **error);

typedef struct RpcStreamPiece {
    guint8 *data; /* NULL for a hole; free with g_free() */
    guint64 size; /* 0: the end */
} RpcStreamPiece;

bool rpc_stream_receive(RpcStream *stream, RpcStreamPiece *ret, GError **error);

/* All was sent or received: waits until the other side is done with it too. */
bool rpc_stream_finish(RpcStream *stream, GError **error);

/* Aborts it if it wasn't finished and has not failed. NULL is allowed. */
void rpc_stream_free(RpcStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RpcStream, rpc_stream_free)

/* ---- events ---- */

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
