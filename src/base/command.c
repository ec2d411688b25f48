/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "command.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "acting.h"
#include "errors.h"
#include "fd.h"
#include "log.h"

#define OUTPUT_LIMIT_DEFAULT (1024 * 1024)
#define ERRORS_LIMIT         4096
#define TERMINATE_GRACE      (2 * G_USEC_PER_SEC) /* from SIGTERM to SIGKILL */
#define STATUS_EXEC_FAILED   126

/* One running program, seen from here. */
typedef struct Child {
    const Command *command;
    pid_t pid;
    int pid_fd;
    gint64 until; /* when the command's own time is up */
    int out, err; /* our ends; -1 when closed */
    GString *output, *errors;
    bool output_too_long;
    gint64 killed_at; /* when SIGTERM was sent; 0 = not */
    bool force_killed;
} Child;

void command_result_clear(CommandResult *result)
{
    g_clear_pointer(&result->output, g_free);
    g_clear_pointer(&result->errors, g_free);
}

/* A daemon's PATH often lacks the folders of administration programs. */
static char *find_program(const char *name)
{
    static const char *const more[] = {"/usr/sbin", "/sbin", "/usr/local/sbin"};
    char *path = g_find_program_in_path(name);

    for (guint i = 0; !path && !strchr(name, '/') && i < G_N_ELEMENTS(more); i++) {
        path = g_build_filename(more[i], name, NULL);
        if (access(path, X_OK) < 0)
            g_clear_pointer(&path, g_free);
    }
    return path;
}

static char **make_environment(void)
{
    char **env = g_environ_setenv(g_get_environ(), "LC_ALL", "C", TRUE);

    return g_environ_unsetenv(env, "LANGUAGE");
}

/* Between fork and exec: only async-signal-safe calls. */
static _Noreturn void become(const char *path, const Command *command, char **env, const int in,
                             const int out, const int err)
{
    sigset_t none;

    setpgid(0, 0);
    if (!acting_become())
        _exit(STATUS_EXEC_FAILED);
    if (!command->outlives_us)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* Without us nobody reads what it prints. */
    signal(SIGPIPE, command->outlives_us ? SIG_IGN : SIG_DFL);
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(STATUS_EXEC_FAILED);
    syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
    for (size_t i = 0; i < command->n_pass_fds; i++)
        fcntl(command->pass_fds[i], F_SETFD, 0);
    execve(path, (char *const *)command->argv, env);
    (void)!write(2, "cannot be executed", 18);
    _exit(STATUS_EXEC_FAILED);
}

/* What the program reads: a file in memory, so that nobody has to feed it. */
static int make_input(const Command *command)
{
    if (command->input_size == 0)
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    autofd int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0 || !fd_write_at(fd, command->input, command->input_size, 0))
        return -1;
    return fd_steal(&fd);
}

static bool spawn(const char *path, const Command *command, Child *child, GError **error)
{
    g_auto(GStrv) env = make_environment();
    autofd int in = make_input(command);
    int out[2] = {-1, -1}, err[2] = {-1, -1};
    bool ok = in >= 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0;

    if (ok)
        child->pid = fork();
    if (ok && child->pid == 0)
        become(path, command, env, in, out[1], err[1]);
    if (!ok || child->pid < 0)
        error_set_errno(error, ORIGIN_NONE, errno, "cannot start '%s'", path);
    fd_close(&out[1]);
    fd_close(&err[1]);
    child->out = out[0];
    child->err = err[0];
    if (!ok || child->pid < 0)
        return false;
    setpgid(child->pid, child->pid); /* also here: whoever comes first */
    child->pid_fd = (int)syscall(SYS_pidfd_open, child->pid, 0U);
    return true;
}

static void take_output(Child *child)
{
    const Command *command = child->command;
    size_t limit = command->output_limit ? command->output_limit : OUTPUT_LIMIT_DEFAULT;
    char chunk[16384];
    ssize_t got = read(child->out, chunk, sizeof chunk);

    if (got < 0 && errno == EINTR)
        return;
    if (got <= 0) {
        fd_close(&child->out);
        return;
    }
    if (command->on_output)
        command->on_output(chunk, (size_t)got, command->data);
    if (child->output->len + (size_t)got <= limit)
        g_string_append_len(child->output, chunk, got);
    else if (!command->on_output)
        child->output_too_long = true;
}

static void take_errors(Child *child)
{
    char chunk[4096];
    ssize_t got = read(child->err, chunk, sizeof chunk);

    if (got < 0 && errno == EINTR)
        return;
    if (got <= 0) {
        fd_close(&child->err);
        return;
    }
    g_string_append_len(child->errors, chunk, got);
    if (child->errors->len > ERRORS_LIMIT)
        g_string_erase(child->errors, 0, (gssize)(child->errors->len - ERRORS_LIMIT));
}

/* Ends the whole group: asks first, insists after a while. */
static void stop_child(Child *child)
{
    gint64 now = g_get_monotonic_time();

    if (!child->killed_at) {
        child->killed_at = now;
        kill(-child->pid, SIGTERM);
    } else if (!child->force_killed && now - child->killed_at >= TERMINATE_GRACE) {
        child->force_killed = true;
        kill(-child->pid, SIGKILL);
    }
}

static bool is_late(const Child *child)
{
    return g_get_monotonic_time() >= child->until;
}

static int poll_timeout(const Child *child, Operation *op)
{
    gint64 end = MIN(child->until, operation_deadline(op));
    gint64 until = child->killed_at ? child->killed_at + TERMINATE_GRACE : end;

    return child->force_killed ? -1 : operation_poll_timeout(until);
}

/* Serves the child's pipes until it has ended; its grandchildren may keep the pipes open, they
 * are not waited for. */
static void serve_child(Child *child, Operation *op)
{
    for (bool running = true; running;) {
        bool stopping = child->killed_at || child->output_too_long || is_late(child) ||
                        !operation_check(op, NULL);
        if (stopping)
            stop_child(child);
        struct pollfd polls[] = {
            {.fd = child->pid_fd, .events = POLLIN},
            {.fd = child->out, .events = POLLIN},
            {.fd = child->err, .events = POLLIN},
            {.fd = stopping ? -1 : operation_cancel_fd(op), .events = POLLIN},
        };
        if (poll(polls, G_N_ELEMENTS(polls), poll_timeout(child, op)) < 0)
            continue;
        running = !polls[0].revents || (polls[1].revents & POLLIN) || (polls[2].revents & POLLIN);
        if (polls[1].revents)
            take_output(child);
        if (polls[2].revents)
            take_errors(child);
    }
}

static int reap(Child *child)
{
    int status = 0;

    /* What the program left running goes with it; its own end keeps the group's number ours. */
    if (child->killed_at)
        kill(-child->pid, SIGKILL);
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static void close_child(Child *child)
{
    fd_close(&child->out);
    fd_close(&child->err);
    fd_close(&child->pid_fd);
}

static bool finish(Child *child, Operation *op, int status, CommandResult *ret, GError **error)
{
    const char *program = child->command->argv[0];
    g_autofree char *output = NULL, *errors = NULL;
    size_t output_size = child->output->len;

    output = g_string_free(child->output, FALSE);
    errors = g_strchomp(g_string_free(child->errors, FALSE));
    if (child->output_too_long)
        return error_set(error, ERROR_INTERNAL, ORIGIN_NONE,
                         "'%s' printed more than it ever should", program);
    if (child->killed_at && !operation_check(op, error)) {
        g_prefix_error(error, "'%s': ", program);
        return false;
    }
    if (child->killed_at)
        return error_set(error, ERROR_TIMEOUT, ORIGIN_NONE,
                         "'%s' did not end within %d seconds and was killed", program,
                         (int)(child->command->time_limit / G_USEC_PER_SEC));
    ret->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    ret->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    ret->output = g_steal_pointer(&output);
    ret->output_size = output_size;
    ret->errors = g_steal_pointer(&errors);
    return true;
}

bool command_run_real(Operation *op, const Command *command, CommandResult *ret, void *data,
                      GError **error)
{
    g_autofree char *path = find_program(command->argv[0]);
    Child child = {.command = command, .out = -1, .err = -1, .pid_fd = -1};

    if (!path)
        return error_set(error, ERROR_INTERNAL, ORIGIN_NONE,
                         "the program '%s' is needed here and not installed", command->argv[0]);
    if (!operation_check(op, error))
        return false;
    if (!spawn(path, command, &child, error)) {
        close_child(&child);
        return false;
    }
    child.until =
        command->time_limit ? g_get_monotonic_time() + command->time_limit : OPERATION_NO_DEADLINE;
    child.output = g_string_new(NULL);
    child.errors = g_string_new(NULL);
    serve_child(&child, op);
    int status = reap(&child);
    close_child(&child);
    return finish(&child, op, status, ret, error);
}

bool command_run(Operation *op, const Command *command, CommandResult *ret, GError **error)
{
    void *data;
    CommandRunner runner = operation_runner(op, &data);
    gint64 started = g_get_monotonic_time();
    bool ran = runner(op, command, ret, data, error);

    log_debug("ran '%s': %s in %" G_GINT64_FORMAT " ms", command->argv[0], ran ? "ended" : "failed",
              (g_get_monotonic_time() - started) / 1000);
    return ran;
}

bool command_run_ok(Operation *op, const Command *command, CommandResult *ret, GError **error)
{
    g_auto(CommandResult) result = {0};
    const char *program = command->argv[0];

    if (!command_run(op, command, &result, error))
        return false;
    if (result.signal)
        return error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE, "%s was ended by signal %d: %s",
                         program, result.signal, result.errors);
    if (result.exit_status != 0)
        return error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE, "%s failed with status %d: %s",
                         program, result.exit_status, result.errors);
    if (ret) {
        *ret = result;
        result = (CommandResult){0};
    }
    return true;
}
