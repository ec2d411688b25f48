/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "listener.h"

#include "errors.h"
#include "fd.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1000

static int fail(GError **error, const char *what, const char *path)
{
    error_set_errno(error, ORIGIN_RPC, errno, "can't %s '%s'", what, path);
    return -1;
}

static bool check_owner(int folder, const char *path, GError **error)
{
    struct stat st;
    if (fstat(folder, &st) < 0)
        return fail(error, "look at the folder of the sockets", path) == 0;
    if (st.st_uid == geteuid() && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
        return true;
    return error_set(error, ERROR_INTERNAL, ORIGIN_RPC,
                     "the folder of the sockets '%s' belongs to user %u and has mode %04o; it must "
                     "belong to user %u and be writable by nobody else",
                     path, st.st_uid, st.st_mode & 07777, geteuid());
}

/* The folders above it too: those of a session may be missing. */
static bool make_folder(const char *path, guint mode)
{
    g_autofree char *parent = g_path_get_dirname(path);

    if (mkdir(path, mode) == 0)
        return chmod(path, mode) == 0; /* whatever the umask is */
    return errno == ENOENT && g_mkdir_with_parents(parent, 0700) == 0 && mkdir(path, mode) == 0;
}

int listener_open_folder(const char *path, guint mode, GError **error)
{
    if (!make_folder(path, mode) && errno != EEXIST)
        return fail(error, "make the folder of the sockets", path);
    autofd int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return fail(error, "open the folder of the sockets", path);
    return check_owner(folder, path, error) ? fd_steal(&folder) : -1;
}

/* Nothing, or the socket of a daemon that is gone. */
static bool is_free(int folder, const char *name)
{
    struct stat st;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT;
    if (S_ISSOCK(st.st_mode))
        return true;
    errno = EEXIST;
    return false;
}

/* By way of the folder's descriptor, so that nobody can lead the path elsewhere meanwhile. */
static bool bind_beneath(int fd, int folder, const char *name, guint mode, gid_t group)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", folder, name);
    /* Before: it gets no more than these bits; after: it gets all of them, whatever the umask. */
    return fchmod(fd, mode) == 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
           fchownat(folder, name, (uid_t)-1, group, AT_SYMLINK_NOFOLLOW) == 0 &&
           fchmodat(folder, name, mode, 0) == 0;
}

/* Has its name when it can be connected to: clients wait for that. */
static bool listen_beneath(int fd, int folder, const char *name, guint mode, gid_t group)
{
    g_autofree char *unready = g_strconcat(".", name, ".new", NULL);

    if (unlinkat(folder, unready, 0) < 0 && errno != ENOENT)
        return false;
    return bind_beneath(fd, folder, unready, mode, group) && listen(fd, BACKLOG) == 0 &&
           renameat(folder, unready, folder, name) == 0;
}

int listener_new(int folder, const char *path, const char *name, guint mode, gid_t group,
                 GError **error)
{
    g_autofree char *full = g_build_filename(path, name, NULL);
    size_t most = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
    if (strlen(full) > most) {
        error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_RPC,
                  "the path of a socket has at most %zu bytes, '%s' has more; choose a shorter one",
                  most, full);
        return -1;
    }
    if (!is_free(folder, name))
        return fail(error, "replace what is in the place of the socket", full);
    autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || !listen_beneath(fd, folder, name, mode, group))
        return fail(error, "listen on", full);
    return fd_steal(&fd);
}

/* ---- the network ---- */

/* -1 with errno. */
static int bind_at(const struct addrinfo *at)
{
    autofd int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        (at->ai_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0) ||
        bind(fd, at->ai_addr, at->ai_addrlen) < 0)
        return -1;
    return fd_steal(&fd);
}

static int listen_at(const struct addrinfo *at)
{
    autofd int fd = bind_at(at);

    return fd >= 0 && listen(fd, BACKLOG) == 0 ? fd_steal(&fd) : -1;
}

/* A machine may lack IPv6, or IPv4: then the other is enough. */
static bool may_be_missing(const struct addrinfo *at, guint present)
{
    return (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL) && (at->ai_next || present > 0);
}

static bool listen_at_all(const struct addrinfo *list, const char *address, guint port, GArray *ret,
                          GError **error)
{
    for (const struct addrinfo *at = list; at; at = at->ai_next) {
        int fd = listen_at(at);
        if (fd >= 0)
            g_array_append_val(ret, fd);
        else if (!may_be_missing(at, ret->len))
            return error_set_errno(error, ORIGIN_RPC, errno, "can't listen on port %u of %s", port,
                                   address ? address : "all addresses");
    }
    return true;
}

/* Free with freeaddrinfo(). */
static struct addrinfo *find_addresses(const char *address, guint port, GError **error)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    char service[16];

    g_snprintf(service, sizeof service, "%u", port);
    int status = getaddrinfo(address, service, &hints, &list);
    if (status == 0)
        return list;
    error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_RPC, "'%s' is no address of this machine: %s",
              address ? address : "", gai_strerror(status));
    return NULL;
}

bool listener_check_address(const char *address, GError **error)
{
    struct addrinfo *list = find_addresses(address, 0, error);
    int errnum = 0;
    bool any = false;

    for (const struct addrinfo *at = list; at && !any; at = at->ai_next) {
        autofd int fd = bind_at(at);
        any = fd >= 0;
        errnum = errno;
    }
    if (list && !any)
        error_set_errno(error, ORIGIN_RPC, errnum, "nothing can listen there");
    freeaddrinfo(list);
    return any;
}

bool listener_new_tcp(const char *address, guint port, GArray *ret, GError **error)
{
    struct addrinfo *list = find_addresses(address, port, error);

    if (!list)
        return false;
    bool ok = listen_at_all(list, address, port, ret, error);
    freeaddrinfo(list);
    return ok;
}
