/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notify.h"

#include "fd.h"
#include "log.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* systemd's readiness protocol: one datagram to the socket in NOTIFY_SOCKET. */
void notify_manager(const char *state)
{
    const char *path = g_getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!path || (path[0] != '/' && path[0] != '@'))
        return;
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path)
        return log_warning("NOTIFY_SOCKET '%s' is longer than a socket's path can be", path);
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') /* an abstract name */
        address.sun_path[0] = '\0';

    autofd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    if (fd < 0 ||
        sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0)
        log_warning("can't tell the service manager '%s': %s", state, g_strerror(errno));
}
