/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "errors.h"
#include "frame.h"
#include "server.h"

/*
 * A server over a real engine in a scratch folder, with the backend of folders
 * behind a gate: while the gate is shut, its reading and writing of volumes
 * hangs, until it opens or the operation is cancelled.
 */
typedef struct ServerFixture {
    char *folder;
    Engine *engine;
    Server *server;
    GMainContext *context;
    GMainLoop *loop;
    GThread *thread;
} ServerFixture;

ServerFixture *server_fixture_new(const ServerConfig *config);
void server_fixture_free(ServerFixture *fixture);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ServerFixture, server_fixture_free)

void gate_shut(void);
void gate_open(void);
/* Waits until `count` operations stand before the gate. */
void gate_wait(guint count);

/* ---- a client that sends what it is told to ---- */

typedef struct Peer {
    int fd;
    FrameReader reader;
    guint32 serial;
    GByteArray *current; /* the bytes of the frame that was received last */
} Peer;

/* Connects; nothing is sent. */
Peer *peer_new(ServerFixture *fixture, bool read_only);
/* Connects and opens the connection. */
Peer *peer_open(ServerFixture *fixture);
void peer_free(Peer *peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Peer, peer_free)

void peer_send_bytes(Peer *peer, const void *bytes, gsize size);
void peer_send_hex(Peer *peer, const char *hex);

/* Sends a call and returns its serial. */
guint32 peer_send(Peer *peer, const Program *program, gint32 procedure, const void *args);

/* The next message; its payload is valid until the next call. False when the connection was closed
 * instead. Fails the test after some seconds without either. */
bool peer_receive(Peer *peer, Frame *ret);
void peer_assert_closed(Peer *peer);
/* Nothing comes for a while. */
void peer_assert_quiet(Peer *peer);

/* The answer to a call, other messages before it dropped. NULL and *result filled, or the error. */
GError *peer_answer(Peer *peer, const Program *program, gint32 procedure, guint32 serial,
                    void *result);

/* A call of the remote program that must succeed. */
void peer_call(Peer *peer, gint32 procedure, const void *args, void *result);
/* A call that must fail with this code, origin and text (NULL: any). */
void peer_fail(Peer *peer, gint32 procedure, const void *args, ErrorCode code, ErrorOrigin origin,
               const char *message);

/* Defines, and starts if asked, a pool of that name on the folder of that name. */
RpcPool peer_define_pool(Peer *peer, ServerFixture *fixture, const char *name);
RpcPool peer_start_pool(Peer *peer, ServerFixture *fixture, const char *name);
void rpc_pool_done(RpcPool *pool);

/* Puts an empty file of that name into a pool's folder. */
void put_file(ServerFixture *fixture, const char *pool, const char *name);
