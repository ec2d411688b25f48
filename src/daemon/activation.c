/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "activation.h"

#include "errors.h"
#include "fd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD 3
#define MOST_FDS 64

/* What the end of a socket's name says of it. */
static const struct {
    const char *suffix;
    ListenerKind kind;
    bool read_only;
} suffixes[] = {
    {"-sock-ro", LISTENER_UNIX, true}, {"-ro", LISTENER_UNIX, true}, {"-tls", LISTENER_TLS, false},
    {"-tcp", LISTENER_TCP, false},     {"", LISTENER_UNIX, false},
};

static void clear_socket(void *data)
{
    ActivatedSocket *socket = data;

    fd_close(&socket->fd);
    g_free(socket->name);
}

/* ---- the environment ---- */

static guint64 number_in(const char *variable)
{
    const char *text = g_getenv(variable);

    return text ? g_ascii_strtoull(text, NULL, 10) : 0;
}

bool activation_is_wanted(void)
{
    return number_in("LISTEN_PID") == (guint64)getpid() && number_in("LISTEN_FDS") > 0;
}

static void clear_environment(void)
{
    g_unsetenv("LISTEN_PID");
    g_unsetenv("LISTEN_FDS");
    g_unsetenv("LISTEN_FDNAMES");
}

/* ---- one socket ---- */

static int get_option(int fd, int option)
{
    int value = -1;
    socklen_t size = sizeof value;

    return getsockopt(fd, SOL_SOCKET, option, &value, &size) < 0 ? -1 : value;
}

static char *file_of(int fd)
{
    struct sockaddr_un address = {0};
    socklen_t size = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0 || address.sun_family != AF_UNIX)
        return NULL;
    return g_strndup(address.sun_path, sizeof address.sun_path);
}

/* The name given, or the file's. */
static char *choose_name(int fd, const char *given)
{
    if (given && given[0] != '\0' && !g_str_equal(given, "unknown")) {
        const char *end = g_str_has_suffix(given, ".socket") ? strrchr(given, '.') : NULL;
        return end ? g_strndup(given, (gsize)(end - given)) : g_strdup(given);
    }
    char *file = file_of(fd);
    return file ? file : g_strdup_printf("descriptor %d", fd);
}

static void classify(ActivatedSocket *socket)
{
    guint i = 0;

    while (!g_str_has_suffix(socket->name, suffixes[i].suffix))
        i++;
    socket->kind = suffixes[i].kind;
    socket->read_only = suffixes[i].read_only;
}

static bool check(const ActivatedSocket *socket, GError **error)
{
    int family = get_option(socket->fd, SO_DOMAIN);
    bool is_local = family == AF_UNIX;

    if (get_option(socket->fd, SO_TYPE) != SOCK_STREAM ||
        get_option(socket->fd, SO_ACCEPTCONN) != 1)
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_RPC,
                         "the service manager handed over '%s', which is not a listening stream "
                         "socket",
                         socket->name);
    if (is_local != (socket->kind == LISTENER_UNIX))
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_RPC,
                         "the service manager handed over '%s', whose address is not of the kind "
                         "that its name says",
                         socket->name);
    return true;
}

/* ---- all of them ---- */

static bool add(GArray *sockets, int fd, const char *name, GError **error)
{
    ActivatedSocket socket = {.fd = fd, .name = choose_name(fd, name)};

    classify(&socket);
    g_array_append_val(sockets, socket);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return error_set_errno(error, ORIGIN_RPC, errno,
                               "the service manager handed over nothing as '%s'", socket.name);
    return check(&socket, error);
}

static bool add_all(GArray *sockets, guint64 count, GError **error)
{
    g_auto(GStrv) names = g_strsplit(g_getenv("LISTEN_FDNAMES") ?: "", ":", MOST_FDS);
    guint n_names = g_strv_length(names);

    if (count > MOST_FDS)
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_RPC,
                         "the service manager handed over more than %d sockets", MOST_FDS);
    for (guint i = 0; i < count; i++)
        if (!add(sockets, FIRST_FD + (int)i, i < n_names ? names[i] : NULL, error))
            return false;
    return true;
}

GArray *activation_take(GError **error)
{
    g_autoptr(GArray) sockets = g_array_new(FALSE, FALSE, sizeof(ActivatedSocket));
    guint64 count = activation_is_wanted() ? number_in("LISTEN_FDS") : 0;

    g_array_set_clear_func(sockets, clear_socket);
    bool ok = add_all(sockets, count, error);
    clear_environment();
    return ok ? g_steal_pointer(&sockets) : NULL;
}
