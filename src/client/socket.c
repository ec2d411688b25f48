/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "socket.h"

#include "errors.h"
#include "fd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int socket_connect(const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_RPC,
                  "the path of a socket has at most %zu bytes, '%s' has more",
                  sizeof address.sun_path - 1, path);
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path));
    autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        error_set_errno(error, ORIGIN_RPC, errno, "no daemon answers on the socket '%s'", path);
        return -1;
    }
    return fd_steal(&fd);
}
