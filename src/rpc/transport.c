/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport.h"

#include "fd.h"

#include <string.h>
#include <sys/socket.h>

static ssize_t socket_receive(Transport *transport, FrameReader *reader)
{
    return frame_reader_receive(reader, transport->fd);
}

static ssize_t socket_send(Transport *transport, const struct iovec *vectors, guint count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)vectors, .msg_iovlen = count};

    return sendmsg(transport->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static const TransportClass socket_class = {.receive = socket_receive, .send = socket_send};

Transport *transport_new(int fd)
{
    Transport *transport = g_new0(Transport, 1);

    transport->class = &socket_class;
    transport->fd = fd;
    return transport;
}

ssize_t transport_receive(Transport *transport, FrameReader *reader)
{
    return transport->class->receive(transport, reader);
}

ssize_t transport_send(Transport *transport, const struct iovec *vectors, guint count)
{
    return transport->class->send(transport, vectors, count);
}

bool transport_has_unsent(Transport *transport)
{
    return transport->class->has_unsent && transport->class->has_unsent(transport);
}

HandshakeResult transport_handshake(Transport *transport, GError **error)
{
    return transport->class->handshake ? transport->class->handshake(transport, error)
                                       : HANDSHAKE_DONE;
}

guint transport_strength(Transport *transport)
{
    return transport->class->strength ? transport->class->strength(transport) : 0;
}

const char *transport_peer_name(Transport *transport)
{
    return transport->class->peer_name ? transport->class->peer_name(transport) : NULL;
}

gsize vectors_copy(const struct iovec *vectors, guint count, guint8 *buffer, gsize size)
{
    gsize used = 0;

    for (guint i = 0; i < count && used < size; i++) {
        gsize part = MIN(vectors[i].iov_len, size - used);
        memcpy(buffer + used, vectors[i].iov_base, part);
        used += part;
    }
    return used;
}

void transport_free(Transport *transport)
{
    if (!transport)
        return;
    if (transport->class->free)
        transport->class->free(transport);
    fd_close(&transport->fd);
    g_free(transport);
}
