/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notify.h"

#include "fd.h"
#include "log.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct {
    struct sockaddr_un address;
    socklen_t size;   /* of the address; 0: there is nobody */
    guint64 patience; /* microseconds without a sign of life; 0: as many as you like */
    guint timer;
} manager;

static void find_socket(void)
{
    const char *path = g_getenv("NOTIFY_SOCKET");

    if (!path || (path[0] != '/' && path[0] != '@'))
        return;
    size_t length = strlen(path);
    if (length >= sizeof manager.address.sun_path)
        return log_warning("NOTIFY_SOCKET '%s' is longer than a socket's path can be", path);
    manager.address.sun_family = AF_UNIX;
    memcpy(manager.address.sun_path, path, length);
    if (path[0] == '@') /* an abstract name */
        manager.address.sun_path[0] = '\0';
    manager.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static void find_patience(void)
{
    const char *pid = g_getenv("WATCHDOG_PID"), *patience = g_getenv("WATCHDOG_USEC");

    if (patience && (!pid || g_ascii_strtoull(pid, NULL, 10) == (guint64)getpid()))
        manager.patience = g_ascii_strtoull(patience, NULL, 10);
}

void notify_start(void)
{
    find_socket();
    find_patience();
    g_unsetenv("NOTIFY_SOCKET");
    g_unsetenv("WATCHDOG_PID");
    g_unsetenv("WATCHDOG_USEC");
}

static void tell(const char *state)
{
    if (manager.size == 0)
        return;
    autofd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL,
                         (struct sockaddr *)&manager.address, manager.size) < 0)
        log_warning("can't tell the service manager '%s': %s", state, g_strerror(errno));
}

void notify_ready(void)
{
    tell("READY=1");
}

void notify_reloading(void)
{
    g_autofree char *state =
        g_strdup_printf("RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, g_get_monotonic_time());

    tell(state);
}

void notify_stopping(void)
{
    tell("STOPPING=1");
}

static gboolean send_sign_of_life(void *data)
{
    tell("WATCHDOG=1");
    return G_SOURCE_CONTINUE;
}

void notify_watchdog(void)
{
    if (manager.size == 0 || manager.patience == 0)
        return;
    guint64 interval = manager.patience / 2000; /* half of it, in milliseconds */
    manager.timer = g_timeout_add((guint)CLAMP(interval, 1, G_MAXUINT), send_sign_of_life, NULL);
}

void notify_end(void)
{
    if (manager.timer > 0)
        g_source_remove(manager.timer);
    manager.timer = 0;
}
