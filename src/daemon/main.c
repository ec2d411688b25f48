/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cisternd: the engine behind sockets, until a signal ends it. */
#include "activation.h"
#include "errors.h"
#include "fd.h"
#include "folders.h"
#include "listener.h"
#include "log.h"
#include "notify.h"
#include "polkit.h"
#include "priority.h"
#include "registry.h"
#include "sockets.h"
#include "state-folder.h"

#include <errno.h>
#include <glib-unix.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define STOP_TICK    20    /* milliseconds between looks at what still runs */
#define QUIET_TICKS  2     /* what a worker has done is not with its session at once */
#define IDLE_TICKS   10    /* looks within the time of --timeout */
#define LONGEST_TICK 10000 /* milliseconds */

/* The configuration that a worker has read again, for the loop to take. */
typedef struct Reload {
    Config config;
    TlsContext *tls; /* NULL where none is needed */
    bool has_config, done;
} Reload;

typedef struct Daemon {
    const Options *options;
    Folders folders;
    Config config;
    int lock;    /* of folders.base; -1 without one */
    int signals; /* signalfd */
    Sockets sockets;
    TlsContext *tls;
    Engine *engine;
    Server *server;
    GMainLoop *loop;

    Reload reload;
    bool reloading, reload_again;
    bool stopping;
    gint64 stop_at;    /* then what still runs is cancelled */
    guint quiet_ticks; /* looks in a row that found nothing running */
    gint64 busy_at;    /* when there was last a job */
    guint fill_watch;  /* source; 0: none */
} Daemon;

static guint count_jobs(Daemon *daemon)
{
    g_autoptr(GPtrArray) jobs = engine_list_jobs(daemon->engine);

    return jobs->len;
}

/* ---- stopping ---- */

/* Whether the job's pool answers; one that is gone does. */
static bool storage_answers(Daemon *daemon, const JobInfo *job)
{
    g_autoptr(Pool) pool = engine_find_pool_by_name(daemon->engine, job->pool, NULL);

    return !pool || pool_check_answers(pool, NULL);
}

static char *why_cancelled(Daemon *daemon, const JobInfo *job, bool asked_twice)
{
    if (asked_twice)
        return g_strdup("the daemon was asked for a second time to stop");
    if (!storage_answers(daemon, job))
        return g_strdup("its storage does not answer");
    if (g_get_monotonic_time() >= daemon->stop_at)
        return g_strdup_printf("it did not end within %u seconds", daemon->config.stop_timeout);
    return g_strdup("no client waits for a change by it");
}

static void log_cancelled(Daemon *daemon, bool asked_twice)
{
    g_autoptr(GPtrArray) jobs = engine_list_jobs(daemon->engine);

    for (guint i = 0; i < jobs->len; i++) {
        const JobInfo *job = jobs->pdata[i];
        g_autofree char *why = why_cancelled(daemon, job, asked_twice);
        log_warning("job %" G_GUINT64_FORMAT " (%s, pool '%s'%s%s) for %s is called off: %s",
                    job->id, job->operation, job->pool, job->volume ? ", volume " : "",
                    job->volume ? job->volume : "", job->client, why);
    }
}

static void end_loop(Daemon *daemon, bool asked_twice)
{
    log_cancelled(daemon, asked_twice);
    g_main_loop_quit(daemon->loop);
}

static gboolean look_whether_quiet(void *data)
{
    Daemon *daemon = data;

    daemon->quiet_ticks = server_is_busy(daemon->server) ? 0 : daemon->quiet_ticks + 1;
    if (daemon->quiet_ticks < QUIET_TICKS && g_get_monotonic_time() < daemon->stop_at)
        return G_SOURCE_CONTINUE;
    end_loop(daemon, false);
    return G_SOURCE_REMOVE;
}

/* Asked for a second time it doesn't wait any longer. */
static void begin_stop(Daemon *daemon)
{
    if (daemon->stopping)
        return end_loop(daemon, true);
    daemon->stopping = true;
    daemon->stop_at =
        g_get_monotonic_time() + daemon->config.stop_timeout * (gint64)G_TIME_SPAN_SECOND;
    notify_stopping();
    sockets_clear(&daemon->sockets);
    server_drain(daemon->server);
    g_timeout_add(STOP_TICK, look_whether_quiet, daemon);
}

/* ---- ending for lack of work ---- */

static gboolean look_whether_idle(void *data)
{
    Daemon *daemon = data;
    gint64 now = g_get_monotonic_time();
    gint64 idle_at = server_idle_since(daemon->server);

    if (idle_at == 0 || count_jobs(daemon) > 0)
        daemon->busy_at = now;
    idle_at = MAX(idle_at, daemon->busy_at);
    if (daemon->stopping || now - idle_at < daemon->options->timeout * (gint64)G_TIME_SPAN_SECOND)
        return G_SOURCE_CONTINUE;
    log_info("stopping: nobody came for %u seconds", daemon->options->timeout);
    begin_stop(daemon);
    return G_SOURCE_REMOVE;
}

static void watch_idleness(Daemon *daemon)
{
    guint64 tick = daemon->options->timeout * G_GUINT64_CONSTANT(1000) / IDLE_TICKS;

    if (tick == 0)
        return;
    daemon->busy_at = g_get_monotonic_time();
    g_timeout_add((guint)MIN(tick, LONGEST_TICK), look_whether_idle, daemon);
}

/* ---- thin pools, which others fill ---- */

static gboolean look_at_fill(void *data)
{
    engine_look_at_fill(((Daemon *)data)->engine);
    return G_SOURCE_CONTINUE;
}

static void watch_fill(Daemon *daemon)
{
    g_clear_handle_id(&daemon->fill_watch, g_source_remove);
    if (daemon->config.thin_pool_interval > 0)
        daemon->fill_watch =
            g_timeout_add_seconds(daemon->config.thin_pool_interval, look_at_fill, daemon);
}

/* ---- the configuration ---- */

static bool load_config(const Daemon *daemon, Config *ret, GError **error)
{
    const Folders *folders = &daemon->folders;

    return config_load(folders->config_file, folders->site, folders->config_must_exist, ret, error);
}

static void apply_log_level(Daemon *daemon)
{
    const Options *options = daemon->options;

    log_set_level(options->has_log_level ? options->log_level : daemon->config.log_level);
}

/* ---- reloading ---- */

static void clear_reload(Reload *reload)
{
    config_clear(&reload->config);
    g_clear_pointer(&reload->tls, tls_context_unref);
    *reload = (Reload){0};
}

/* With anything wrong in the configuration nothing is read. */
static bool read_config_again(Daemon *daemon, GError **error)
{
    Reload *reload = &daemon->reload;

    if (!load_config(daemon, &reload->config, error) || !sockets_check(&reload->config, error))
        return false;
    if (daemon->tls)
        reload->tls = sockets_load_tls(&reload->config, error);
    return reload->tls || !daemon->tls;
}

static void warn_of_fixed(Daemon *daemon)
{
    g_autofree char *changes = config_fixed_changes(&daemon->config, &daemon->reload.config);

    if (changes)
        log_warning("%s: these count when the daemon starts again: %s", daemon->folders.config_file,
                    changes);
}

static void take_tls(Daemon *daemon)
{
    if (!daemon->reload.tls)
        return;
    tls_context_unref(daemon->tls);
    daemon->tls = g_steal_pointer(&daemon->reload.tls);
    server_set_tls(daemon->server, daemon->tls);
}

/* What a running daemon can take. */
static void take_config(Daemon *daemon)
{
    const Config *config = &daemon->reload.config;

    warn_of_fixed(daemon);
    take_tls(daemon);
    daemon->config.log_level = config->log_level;
    daemon->config.stop_timeout = config->stop_timeout;
    daemon->config.thin_pool_interval = config->thin_pool_interval;
    apply_log_level(daemon);
    watch_fill(daemon);
}

static void begin_reload(Daemon *daemon);

static gboolean end_reload(void *data)
{
    Daemon *daemon = data;

    daemon->reloading = false;
    if (daemon->stopping)
        return G_SOURCE_REMOVE;
    notify_ready();
    if (daemon->reload.done)
        log_info("reloaded");
    if (daemon->reload_again)
        begin_reload(daemon);
    return G_SOURCE_REMOVE;
}

/* On a worker: the folder may be slow. */
static void reload_definitions(void *data)
{
    Daemon *daemon = data;
    g_autoptr(GError) error = NULL;

    daemon->reload.done = engine_reload(daemon->engine, &error);
    if (error)
        log_error("the definitions were not read again: %s", error->message);
    g_idle_add(end_reload, daemon);
}

static gboolean reload_rest(void *data)
{
    Daemon *daemon = data;

    if (daemon->stopping || !daemon->reload.has_config)
        return end_reload(daemon);
    take_config(daemon);
    engine_run(daemon->engine, NULL, WORK_CONTROL, reload_definitions, daemon);
    return G_SOURCE_REMOVE;
}

/* On a worker: files may be slow, and names to be resolved. */
static void reload_config(void *data)
{
    Daemon *daemon = data;
    g_autoptr(GError) error = NULL;

    daemon->reload.has_config = read_config_again(daemon, &error);
    if (error)
        log_error("everything stays as it was: %s", error->message);
    g_idle_add(reload_rest, daemon);
}

static void begin_reload(Daemon *daemon)
{
    daemon->reload_again = daemon->reloading;
    if (daemon->reloading || daemon->stopping)
        return;
    daemon->reloading = true;
    clear_reload(&daemon->reload);
    notify_reloading();
    engine_run(daemon->engine, NULL, WORK_CONTROL, reload_config, daemon);
}

/* ---- signals ---- */

/* Before any thread starts: they all inherit what is blocked. */
static bool take_signals(Daemon *daemon, GError **error)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    daemon->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return daemon->signals >= 0 ||
           error_set_errno(error, ORIGIN_NONE, errno, "can't receive signals");
}

static gboolean on_signal(int fd, GIOCondition condition, gpointer data)
{
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof info) != sizeof info)
        return G_SOURCE_CONTINUE;
    log_info("%s on signal %u", info.ssi_signo == SIGHUP ? "reloading" : "stopping",
             info.ssi_signo);
    if (info.ssi_signo == SIGHUP)
        begin_reload(data);
    else
        begin_stop(data);
    return G_SOURCE_CONTINUE;
}

/* ---- starting ---- */

static bool lock_base(Daemon *daemon, GError **error)
{
    if (!daemon->folders.base)
        return true;
    daemon->lock = state_folder_lock(daemon->folders.base, 0, error);
    return daemon->lock >= 0;
}

/* Of the folders that are made for the states, those above belong to the sockets' clients too. */
static bool make_runtime_folder(Daemon *daemon, GError **error)
{
    const Folders *folders = &daemon->folders;
    autofd int folder = listener_open_folder(folders->sockets, folders->sockets_mode, error);

    return folder >= 0;
}

static bool start_engine(Daemon *daemon, GError **error)
{
    EngineConfig config = {
        .config_dir = daemon->folders.definitions,
        .state_dir = daemon->folders.states,
        .backends = backends,
        .n_backends = n_backends,
    };
    daemon->engine = engine_open(&config, error);
    return daemon->engine != NULL;
}

static ServerConfig server_config(const Daemon *daemon)
{
    const Config *config = &daemon->config;
    bool asks_polkit = config->access_drivers && config->access_drivers[0];

    return (ServerConfig){
        .max_clients = config->max_clients,
        .max_unauthenticated = config->max_anonymous_clients,
        .max_client_requests = config->max_client_requests,
        .max_queued = (gsize)config->max_client_buffer << 20,
        .read_deadline = config->read_deadline,
        .keepalive_interval = config->keepalive_interval,
        .keepalive_count = config->keepalive_count,
        .auth_timeout = config->auth_timeout,
        .uri_path = daemon->folders.uri_path,
        .access = asks_polkit ? polkit_access : NULL,
        .access_waits = asks_polkit,
        .sasl_min_ssf = config->tcp_min_ssf,
        .sasl_users = (const char *const *)config->sasl_allowed_username_list,
    };
}

static bool start_server(Daemon *daemon, GArray *activated, GError **error)
{
    ServerConfig config = server_config(daemon);

    daemon->loop = g_main_loop_new(NULL, FALSE);
    g_unix_fd_add(daemon->signals, G_IO_IN, on_signal, daemon);
    if (sockets_want_tls(&daemon->config, activated)) {
        daemon->tls = sockets_load_tls(&daemon->config, error);
        if (!daemon->tls)
            return false;
    }
    daemon->server = server_new(daemon->engine, &config);
    return sockets_open(&daemon->sockets, &daemon->folders, &daemon->config, activated, daemon->tls,
                        daemon->server, error);
}

static bool start(Daemon *daemon, GError **error)
{
    g_autoptr(GArray) activated = activation_take(error);

    return activated && take_signals(daemon, error) && lock_base(daemon, error) &&
           make_runtime_folder(daemon, error) && start_engine(daemon, error) &&
           start_server(daemon, activated, error);
}

/* What was started, in reverse. */
static void stop(Daemon *daemon)
{
    notify_end();
    sockets_clear(&daemon->sockets);
    g_clear_pointer(&daemon->server, server_free);
    g_clear_pointer(&daemon->engine, engine_close);
    g_clear_pointer(&daemon->tls, tls_context_unref);
    g_clear_pointer(&daemon->loop, g_main_loop_unref);
    fd_close(&daemon->signals);
    fd_close(&daemon->lock);
}

static void serve(Daemon *daemon, GError **error)
{
    apply_log_level(daemon);
    if (start(daemon, error)) {
        notify_ready();
        notify_watchdog();
        watch_idleness(daemon);
        watch_fill(daemon);
        priority_answer();
        g_main_loop_run(daemon->loop);
    }
    stop(daemon);
}

static int run(const Options *options)
{
    g_autoptr(GError) error = NULL;
    Daemon daemon = {
        .options = options,
        .folders = folders_choose(options),
        .lock = -1,
        .signals = -1,
        .sockets = SOCKETS_INIT,
    };

    if (load_config(&daemon, &daemon.config, &error) && sockets_check(&daemon.config, &error) &&
        !options->check_config)
        serve(&daemon, &error);
    if (error)
        log_error("%s", error->message);
    clear_reload(&daemon.reload);
    config_clear(&daemon.config);
    folders_clear(&daemon.folders);
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
    notify_start();
    return run(&options);
}
