/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "embedded.h"

#include "errors.h"
#include "fd.h"
#include "priority.h"
#include "registry.h"
#include "server.h"
#include "state-folder.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

struct Embedded {
    guint refs;
    char *folder;
    int lock; /* holds the folder */
    Engine *engine;
    GMainContext *context;
    GMainLoop *loop;
    Server *server;
    GThread *thread; /* runs the loop */
};

/* Those of this process, and the lock of their `refs`. */
static GMutex running_lock;
static GSList *running;

static gpointer run_loop(gpointer data)
{
    Embedded *embedded = data;
    g_main_context_push_thread_default(embedded->context);
    priority_answer();
    g_main_loop_run(embedded->loop);
    g_main_context_pop_thread_default(embedded->context);
    return NULL;
}

static gboolean quit_loop(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

/* A call to quit before the loop runs would be lost; a source is not. */
static void stop_loop(Embedded *embedded)
{
    g_autoptr(GSource) source = g_idle_source_new();
    g_source_set_callback(source, quit_loop, embedded->loop, NULL);
    g_source_attach(source, embedded->context);
    g_thread_join(embedded->thread);
}

static void embedded_free(Embedded *embedded)
{
    if (embedded->thread)
        stop_loop(embedded);
    g_clear_pointer(&embedded->server, server_free);
    g_clear_pointer(&embedded->engine, engine_close);
    g_clear_pointer(&embedded->loop, g_main_loop_unref);
    g_clear_pointer(&embedded->context, g_main_context_unref);
    fd_close(&embedded->lock);
    g_free(embedded->folder);
    g_free(embedded);
}

static bool start_engine(Embedded *embedded, GError **error)
{
    g_autofree char *config_dir = g_build_filename(embedded->folder, "etc", NULL);
    g_autofree char *state_dir = g_build_filename(embedded->folder, "run", NULL);
    EngineConfig config = {
        .config_dir = config_dir,
        .state_dir = state_dir,
        .backends = backends,
        .n_backends = n_backends,
    };
    embedded->engine = engine_open(&config, error);
    return embedded->engine != NULL;
}

static void start_server(Embedded *embedded)
{
    embedded->context = g_main_context_new();
    embedded->loop = g_main_loop_new(embedded->context, FALSE);
    embedded->server = server_new(embedded->engine, &(ServerConfig){.context = embedded->context});
    embedded->thread = g_thread_new("cistern-embed", run_loop, embedded);
}

/* The program's signals are for its own threads: ours start with all of them blocked. */
static bool start_threads(Embedded *embedded, GError **error)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = start_engine(embedded, error);
    if (ok)
        start_server(embedded);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

static Embedded *embedded_start(const char *folder, GError **error)
{
    int lock = state_folder_lock(folder, EMBEDDED_LOCK_SECONDS * G_TIME_SPAN_SECOND, error);
    if (lock < 0)
        return NULL;
    Embedded *embedded = g_new0(Embedded, 1);
    embedded->refs = 1;
    embedded->folder = g_strdup(folder);
    embedded->lock = lock;
    if (start_threads(embedded, error))
        return embedded;
    embedded_free(embedded);
    return NULL;
}

static int compare_folder(gconstpointer embedded, gconstpointer folder)
{
    return g_strcmp0(((const Embedded *)embedded)->folder, folder);
}

Embedded *embedded_ref_or_start(const char *folder, GError **error)
{
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&running_lock);
    GSList *found = g_slist_find_custom(running, folder, compare_folder);
    if (found) {
        ((Embedded *)found->data)->refs++;
        return found->data;
    }
    Embedded *embedded = embedded_start(folder, error);
    if (embedded)
        running = g_slist_prepend(running, embedded);
    return embedded;
}

int embedded_connect(Embedded *embedded, bool read_only, GError **error)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        error_set_errno(error, ORIGIN_RPC, errno, "can't make a pair of sockets");
        return -1;
    }
    server_add_client(embedded->server, ends[1], read_only, "embedded");
    return ends[0];
}

void embedded_unref(Embedded *embedded)
{
    if (!embedded)
        return;
    g_autoptr(GMutexLocker) G_GNUC_UNUSED locker = g_mutex_locker_new(&running_lock);
    if (--embedded->refs > 0)
        return;
    running = g_slist_remove(running, embedded);
    embedded_free(embedded);
}
