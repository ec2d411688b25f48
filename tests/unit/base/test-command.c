/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "errors.h"
#include "fd.h"

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_streams(void)
{
    g_auto(CommandResult) result = {0};
    g_autoptr(GError) error = NULL;
    Command command = {.argv = ARGV("sh", "-c", "cat; echo oops >&2; exit 3"),
                       .input = "hello",
                       .input_size = 5};

    g_assert_true(command_run(NULL, &command, &result, &error));
    g_assert_no_error(error);
    g_assert_cmpint(result.exit_status, ==, 3);
    g_assert_cmpstr(result.output, ==, "hello");
    g_assert_cmpstr(result.errors, ==, "oops");
}

static void test_failure_text(void)
{
    g_autoptr(GError) error = NULL;
    Command command = {.argv = ARGV("sh", "-c", "echo no such thing >&2; exit 5")};

    g_assert_false(command_run_ok(NULL, &command, NULL, &error));
    g_assert_cmpstr(error->message, ==, "internal error: sh failed with status 5: no such thing");
}

static void test_signal(void)
{
    g_auto(CommandResult) result = {0};
    Command command = {.argv = ARGV("sh", "-c", "kill -USR1 $$")};

    g_assert_true(command_run(NULL, &command, &result, NULL));
    g_assert_cmpint(result.signal, ==, SIGUSR1);
    g_assert_cmpint(result.exit_status, ==, -1);
}

static void test_missing(void)
{
    g_auto(CommandResult) result = {0};
    g_autoptr(GError) error = NULL;
    Command command = {.argv = ARGV("no-such-program-here")};

    g_assert_false(command_run(NULL, &command, &result, &error));
    g_assert_nonnull(strstr(error->message, "no-such-program-here"));
    g_assert_nonnull(strstr(error->message, "not installed"));
}

/* Words reach the program as they are: nothing interprets them. */
static void test_no_shell(void)
{
    g_auto(CommandResult) result = {0};
    Command command = {.argv = ARGV("printf", "%s|", "$(id)", "; ls", "a b", "*")};

    g_assert_true(command_run_ok(NULL, &command, &result, NULL));
    g_assert_cmpstr(result.output, ==, "$(id)|; ls|a b|*|");
}

static void test_locale(void)
{
    g_auto(CommandResult) result = {0};
    Command command = {.argv = ARGV("sh", "-c", "echo $LC_ALL")};

    g_assert_true(command_run_ok(NULL, &command, &result, NULL));
    g_assert_cmpstr(result.output, ==, "C\n");
}

static void test_too_much(void)
{
    g_auto(CommandResult) result = {0};
    g_autoptr(GError) error = NULL;
    Command command = {.argv = ARGV("yes"), .output_limit = 10000};

    g_assert_false(command_run(NULL, &command, &result, &error));
    g_assert_nonnull(strstr(error->message, "printed more"));
}

static void test_deadline(void)
{
    g_autoptr(Operation) op = operation_new(g_get_monotonic_time() + 100000);
    g_auto(CommandResult) result = {0};
    g_autoptr(GError) error = NULL;
    Command command = {.argv = ARGV("sleep", "60")};

    g_assert_false(command_run(op, &command, &result, &error));
    g_assert_cmpint(error_code(error), ==, ERROR_TIMEOUT);
}

/* The command's own time is up, that of the operation is not. */
static void test_time_limit(void)
{
    g_autoptr(Operation) op = operation_new(OPERATION_NO_DEADLINE);
    g_auto(CommandResult) result = {0};
    g_autoptr(GError) error = NULL;
    Command late = {.argv = ARGV("sleep", "60"), .time_limit = 100000};
    Command in_time = {.argv = ARGV("true"), .time_limit = 100 * G_USEC_PER_SEC};

    g_assert_false(command_run(op, &late, &result, &error));
    g_assert_cmpint(error_code(error), ==, ERROR_TIMEOUT);
    g_assert_true(command_run_ok(op, &in_time, NULL, NULL));
}

static gpointer cancel_soon(gpointer op)
{
    g_usleep(100000);
    operation_cancel(op);
    return NULL;
}

/* Ended, though perhaps not yet collected by whoever inherited it. */
static bool is_gone(int pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid);
    g_autofree char *text = NULL;

    return !g_file_get_contents(path, &text, NULL, NULL) || strstr(text, ") Z ");
}

/* The whole group ends, even a child of the child that ignores the polite signal. */
static void test_cancel_group(void)
{
    g_autoptr(Operation) op = operation_new(OPERATION_NO_DEADLINE);
    g_auto(CommandResult) result = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("command-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(folder, "pid", NULL);
    Command command = {
        .argv = ARGV("sh", "-c", "trap '' TERM; sleep 60 & echo $! >\"$0\"; wait; wait", file)};
    GThread *thread = g_thread_new("cancel", cancel_soon, op);

    g_assert_false(command_run(op, &command, &result, &error));
    g_thread_join(thread);
    g_assert_cmpint(error_code(error), ==, ERROR_ABORTED);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    while (!is_gone(atoi(text)))
        g_usleep(1000);
    unlink(file);
    rmdir(folder);
}

/* A process that runs `command` and is killed once the program has written its number into
 * `file`; that number. */
static int kill_runner(const Command *command, const char *file)
{
    g_autofree char *text = NULL;
    pid_t runner = fork();

    if (runner == 0) {
        g_auto(CommandResult) result = {0};
        command_run(NULL, command, &result, NULL);
        _exit(0);
    }
    while (!g_file_get_contents(file, &text, NULL, NULL) || !strchr(text, '\n')) {
        g_clear_pointer(&text, g_free);
        g_usleep(1000);
    }
    kill(runner, SIGKILL);
    waitpid(runner, NULL, 0);
    return atoi(text);
}

/* What it prints after the kill, and nobody reads, doesn't end it either. */
static void test_killed_runner(gconstpointer outlives)
{
    g_autofree char *folder = g_dir_make_tmp("command-XXXXXX", NULL);
    g_autofree char *pid = g_build_filename(folder, "pid", NULL);
    g_autofree char *go = g_build_filename(folder, "go", NULL);
    g_autofree char *end = g_build_filename(folder, "end", NULL);
    const Command command = {
        .argv = ARGV("sh", "-c",
                     "echo $$ >\"$0/pid\"; read line <\"$0/go\"; echo lost; echo lost >&2; "
                     "echo whole >\"$0/end\"",
                     folder),
        .outlives_us = outlives != NULL,
    };

    g_assert_cmpint(mkfifo(go, 0600), ==, 0);
    int number = kill_runner(&command, pid);
    if (outlives)
        close(open(go, O_WRONLY | O_CLOEXEC));
    while (!is_gone(number))
        g_usleep(1000);
    g_assert_cmpint(access(end, F_OK) == 0, ==, outlives != NULL);
    unlink(pid);
    unlink(go);
    unlink(end);
    rmdir(folder);
}

static void test_pass_fd(void)
{
    g_auto(CommandResult) result = {0};
    autofd int fd = open("/etc/hostname", O_RDONLY | O_CLOEXEC);
    autofd int hidden = open("/etc/hostname", O_RDONLY);
    int pass[] = {fd};
    g_autofree char *script =
        g_strdup_printf("test -e /proc/self/fd/%d && ! test -e /proc/self/fd/%d", fd, hidden);
    Command command = {.argv = ARGV("sh", "-c", script), .pass_fds = pass, .n_pass_fds = 1};

    g_assert_true(command_run_ok(NULL, &command, &result, NULL));
}

static bool fake_runner(Operation *op, const Command *command, CommandResult *ret, void *data,
                        GError **error)
{
    ret->output = g_strdup(command->argv[1]);
    ret->errors = g_strdup("");
    *(guint *)data += 1;
    return true;
}

static void test_replaced_runner(void)
{
    g_autoptr(Operation) op = operation_new(OPERATION_NO_DEADLINE);
    g_auto(CommandResult) result = {0};
    guint calls = 0;
    Command command = {.argv = ARGV("no-such-program", "word")};

    operation_set_runner(op, fake_runner, &calls);
    g_assert_true(command_run_ok(op, &command, &result, NULL));
    g_assert_cmpstr(result.output, ==, "word");
    g_assert_cmpuint(calls, ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/command/streams", test_streams);
    g_test_add_func("/command/failure-text", test_failure_text);
    g_test_add_func("/command/signal", test_signal);
    g_test_add_func("/command/missing", test_missing);
    g_test_add_func("/command/no-shell", test_no_shell);
    g_test_add_func("/command/locale", test_locale);
    g_test_add_func("/command/too-much", test_too_much);
    g_test_add_func("/command/deadline", test_deadline);
    g_test_add_func("/command/time-limit", test_time_limit);
    g_test_add_func("/command/cancel-group", test_cancel_group);
    g_test_add_data_func("/command/killed-runner/dies", NULL, test_killed_runner);
    g_test_add_data_func("/command/killed-runner/goes-on", "", test_killed_runner);
    g_test_add_func("/command/pass-fd", test_pass_fd);
    g_test_add_func("/command/replaced-runner", test_replaced_runner);
    return g_test_run();
}
