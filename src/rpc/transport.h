/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "frame.h"
#include <sys/uio.h>

/*
 * How the bytes of a connection travel: through the plain socket, TLS, or the
 * security layer that SASL has agreed on. Nothing here waits. Both sides use
 * it; a transport may be sent to by one thread and received from by another.
 */
typedef struct Transport Transport;

typedef enum HandshakeResult {
    HANDSHAKE_DONE,
    HANDSHAKE_READ,  /* go on when something can be read */
    HANDSHAKE_WRITE, /* go on when something can be written */
    HANDSHAKE_FAILED,
} HandshakeResult;

typedef struct TransportClass {
    /* As frame_reader_receive(); takes all that the layer holds, so that the socket alone tells
     * whether there is more. */
    ssize_t (*receive)(Transport *transport, FrameReader *reader);
    /* As sendmsg(): the number of bytes taken over, or -1 with errno. After EAGAIN the same bytes
     * have to be given again. */
    ssize_t (*send)(Transport *transport, const struct iovec *vectors, guint count);
    /* Bytes that were taken over and that the socket has not taken yet; NULL: never any. */
    bool (*has_unsent)(Transport *transport);
    /* NULL: none needed. */
    HandshakeResult (*handshake)(Transport *transport, GError **error);
    guint (*strength)(Transport *transport);        /* of the encryption, in bits; NULL: 0 */
    const char *(*peer_name)(Transport *transport); /* of the other's certificate; NULL: none */
    void (*free)(Transport *transport); /* what it has beside `fd` and itself; NULL: nothing */
} TransportClass;

struct Transport {
    const TransportClass *class;
    int fd; /* owned */
};

/* The socket as it is. It is taken over. */
Transport *transport_new(int fd);

ssize_t transport_receive(Transport *transport, FrameReader *reader);
ssize_t transport_send(Transport *transport, const struct iovec *vectors, guint count);
bool transport_has_unsent(Transport *transport);
HandshakeResult transport_handshake(Transport *transport, GError **error);
guint transport_strength(Transport *transport);
const char *transport_peer_name(Transport *transport);

/* For layers: copies the first bytes of the vectors, as many as fit; returns how many. */
gsize vectors_copy(const struct iovec *vectors, guint count, guint8 *buffer, gsize size);

/* Closes the socket. */
void transport_free(Transport *transport);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Transport, transport_free)
