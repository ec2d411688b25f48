/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cisternd: the engine behind sockets, until a signal ends it. */
#include "errors.h"
#include "fd.h"
#include "listener.h"
#include "log.h"
#include "notify.h"
#include "options.h"
#include "priority.h"
#include "registry.h"
#include "server.h"
#include "state-folder.h"

#include <errno.h>
#include <glib-unix.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define SOCKET_NAME    "cistern-sock"
#define SOCKET_NAME_RO "cistern-sock-ro"

typedef struct Daemon {
    Folders folders;
    int lock;    /* of folders.base; -1 without one */
    int signals; /* signalfd */
    int socket_folder;
    Engine *engine;
    Server *server;
    GMainLoop *loop;
} Daemon;

/* ---- signals ---- */

/* Before any thread starts: they all inherit what is blocked. */
static bool take_signals(Daemon *daemon, GError **error)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    daemon->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return daemon->signals >= 0 ||
           error_set_errno(error, ORIGIN_NONE, errno, "can't receive signals");
}

static gboolean on_signal(int fd, GIOCondition condition, gpointer data)
{
    Daemon *daemon = data;
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof info) == sizeof info) {
        log_info("stopping on signal %u", info.ssi_signo);
        g_main_loop_quit(daemon->loop);
    }
    return G_SOURCE_CONTINUE;
}

/* ---- start and stop ---- */

static bool lock_base(Daemon *daemon, GError **error)
{
    if (!daemon->folders.base)
        return true;
    daemon->lock = state_folder_lock(daemon->folders.base, 0, error);
    return daemon->lock >= 0;
}

static bool start_engine(Daemon *daemon, GError **error)
{
    EngineConfig config = {
        .config_dir = daemon->folders.config,
        .state_dir = daemon->folders.state,
        .backends = backends,
        .n_backends = n_backends,
    };
    daemon->engine = engine_open(&config, error);
    return daemon->engine != NULL;
}

static bool listen_on(Daemon *daemon, const char *name, bool read_only, GError **error)
{
    int fd = listener_new(daemon->socket_folder, daemon->folders.sockets, name, error);
    if (fd < 0)
        return false;
    server_add_listener(daemon->server, fd, read_only);
    log_info("listening on %s/%s", daemon->folders.sockets, name);
    return true;
}

static bool start_server(Daemon *daemon, GError **error)
{
    daemon->loop = g_main_loop_new(NULL, FALSE);
    g_unix_fd_add(daemon->signals, G_IO_IN, on_signal, daemon);
    daemon->server = server_new(daemon->engine, &(ServerConfig){0});
    return listen_on(daemon, SOCKET_NAME, false, error) &&
           (!daemon->folders.has_read_only_socket ||
            listen_on(daemon, SOCKET_NAME_RO, true, error));
}

static bool start(Daemon *daemon, GError **error)
{
    if (!take_signals(daemon, error) || !lock_base(daemon, error))
        return false;
    daemon->socket_folder = listener_open_folder(daemon->folders.sockets, error);
    return daemon->socket_folder >= 0 && start_engine(daemon, error) && start_server(daemon, error);
}

/* What was started, in reverse; only sockets that we made are ours to remove. */
static void stop(Daemon *daemon)
{
    if (daemon->server) {
        unlinkat(daemon->socket_folder, SOCKET_NAME, 0);
        unlinkat(daemon->socket_folder, SOCKET_NAME_RO, 0);
    }
    g_clear_pointer(&daemon->server, server_free);
    g_clear_pointer(&daemon->engine, engine_close);
    g_clear_pointer(&daemon->loop, g_main_loop_unref);
    fd_close(&daemon->socket_folder);
    fd_close(&daemon->signals);
    fd_close(&daemon->lock);
    folders_clear(&daemon->folders);
}

static int run(const Options *options)
{
    g_autoptr(GError) error = NULL;
    Daemon daemon = {
        .folders = folders_choose(options),
        .lock = -1,
        .signals = -1,
        .socket_folder = -1,
    };
    if (start(&daemon, &error)) {
        notify_manager("READY=1");
        priority_answer();
        g_main_loop_run(daemon.loop);
        notify_manager("STOPPING=1");
    } else {
        log_error("%s", error->message);
    }
    stop(&daemon);
    return error ? error_exit_status(error_code(error)) : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    g_auto(Options) options = {0};
    g_autoptr(GError) error = NULL;

    /* Each arena keeps what it was given; two are enough for threads that mostly wait. */
    mallopt(M_ARENA_MAX, 2);
    if (!options_parse(argc, argv, &options, &error)) {
        fprintf(stderr, "cisternd: %s\n", error->message);
        return error_exit_status(ERROR_INVALID_ARGUMENT);
    }
    if (options.show_version) {
        printf("cisternd %s\n", CISTERN_VERSION);
        return EXIT_SUCCESS;
    }
    log_set_level(options.log_level);
    return run(&options);
}
