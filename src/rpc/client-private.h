/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client.h"
#include "frame.h"

/* What client.c and client-stream.c share. */

/* A thread that waits for something to be read. */
typedef struct Waiter {
    GList link;
    GCond cond;
    bool ready;      /* there is something for it */
    bool for_events; /* any event makes it ready */
    bool for_room;   /* it is ready when all is sent */
} Waiter;

struct RpcClient {
    Transport *transport;
    int fd;   /* the transport's */
    int wake; /* eventfd: makes the reading thread look again */
    char *peer;
    GMutex lock;  /* for everything below */
    bool reading; /* a thread reads; `reader` is its */
    FrameReader reader;
    GByteArray *unsent;
    gsize unsent_offset; /* bytes of it that were sent */
    bool stalled;        /* the next message is for a stream that has enough; nothing is read */
    GQueue streams;      /* RpcStream.link */
    guint32 next_serial;
    GHashTable *calls; /* serial → Call */
    GQueue waiters;    /* Waiter.link */
    GQueue events;     /* RpcEvent */
    GError *failure;   /* why the connection is of no use any more */
};

/* ---- client.c, with the lock held ---- */

void client_wake_reader(RpcClient *client);
void waiter_set_ready(Waiter *waiter);
/* Until the waiter is ready, the connection lost or the time over, but looks once at the socket
 * in any case. Whoever leaves hands the reading to another waiter. */
void client_wait_until(RpcClient *client, Waiter *waiter, gint64 deadline);
void client_lose(RpcClient *client, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Hands out what was read already. Nobody may be reading, unless the client was stalled. */
void client_take_frames(RpcClient *client);

/* ---- client-stream.c, with the lock held ---- */

/* False: its stream has enough, the frame has to wait. */
bool client_take_packet(RpcClient *client, const Frame *frame);
void client_add_stream(RpcClient *client, RpcStream *stream, guint32 serial);

/* ---- client-stream.c, without it ---- */

RpcStream *client_stream_new(RpcClient *client, const Program *program, gint32 procedure,
                             guint64 total, RpcProgressFunc progress, void *data);
void client_stream_free(RpcStream *stream);
