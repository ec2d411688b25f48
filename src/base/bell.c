/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bell.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "fd.h"

bool bell_init(Bell *bell, guint patience)
{
    struct timeval limit = {.tv_sec = (time_t)patience};
    int pair[2];

    /* Of this kind each message wakes one reader. */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    *bell = (Bell){.ring = pair[0], .ear = pair[1]};
    return setsockopt(bell->ear, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0;
}

void bell_clear(Bell *bell)
{
    fd_close(&bell->ring);
    fd_close(&bell->ear);
}

void bell_ring(Bell *bell)
{
    (void)!send(bell->ring, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void bell_ring_for_good(Bell *bell)
{
    (void)shutdown(bell->ring, SHUT_WR);
}

bool bell_wait(Bell *bell)
{
    char token;
    ssize_t size;

    do
        size = recv(bell->ear, &token, sizeof token, 0);
    while (size < 0 && errno == EINTR);
    return size >= 0;
}

void bell_hush(Bell *bell)
{
    char token;

    /* If it has rung twice, the loop comes by once more. */
    (void)!recv(bell->ear, &token, sizeof token, MSG_DONTWAIT);
}
