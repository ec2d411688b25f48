/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cisternd as a process: start, readiness, sockets, stop, and libvirt's own client on it. */
#include "scratch.h"

#include <cistern/cistern.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define IDLE_RSS_MAX 10240 /* KiB */

typedef struct Fixture {
    char *root;
    char *uri;
    GPid pid;
} Fixture;

/* Starts the daemon and waits until it tells its manager that it is ready. */
static GPid start_daemon(const char *root, GError **error)
{
    g_autofree char *notify = g_build_filename(root, "notify", NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *argv[] = {g_getenv("CISTERND"), "--root", root, NULL};
    g_auto(GStrv) env = g_environ_setenv(g_get_environ(), "NOTIFY_SOCKET", notify, TRUE);
    char text[64] = "";
    GPid pid;

    g_strlcpy(address.sun_path, notify, sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_true(g_spawn_async(NULL, (char **)argv, env, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                                &pid, error));
    g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 20},
                               sizeof(struct timeval)),
                    ==, 0);
    g_assert_cmpint(recv(fd, text, sizeof text - 1, 0), >, 0);
    g_assert_cmpstr(text, ==, "READY=1");
    close(fd);
    unlink(notify);
    return pid;
}

static int stop_daemon(GPid pid, int signum)
{
    int status;
    g_assert_cmpint(kill(pid, signum), ==, 0);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    return status;
}

static void set_up(Fixture *fixture, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    fixture->root = scratch_new();
    fixture->uri =
        g_strdup_printf("cistern+unix:///system?socket=%s/run/cistern-sock", fixture->root);
    fixture->pid = start_daemon(fixture->root, &error);
    g_assert_no_error(error);
}

static void tear_down(Fixture *fixture, gconstpointer unused)
{
    if (fixture->pid)
        g_assert_cmpint(stop_daemon(fixture->pid, SIGTERM), ==, 0);
    scratch_remove(fixture->root);
    g_free(fixture->uri);
}

/* Runs a program; returns its exit status and what it printed on both. */
static int run(const char *const *argv, char **ret_output)
{
    g_autofree char *out = NULL, *err = NULL;
    g_autoptr(GError) error = NULL;
    int status;
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err, &status,
                 &error);
    g_assert_no_error(error);
    *ret_output = g_strconcat(out, err, NULL);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- the daemon itself ---- */

static void test_arguments(void)
{
    static const struct {
        const char *argument;
        int status;
        const char *says;
    } rows[] = {
        {"--version", 0, "cisternd "},     {"--help", 0, "--root"}, {"--nonsense", 2, "--nonsense"},
        {"--log-level=loud", 2, "'loud'"}, {"stray", 2, "'stray'"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *argv[] = {g_getenv("CISTERND"), rows[i].argument, NULL};
        g_autofree char *output = NULL;
        g_assert_cmpint(run(argv, &output), ==, rows[i].status);
        if (!strstr(output, rows[i].says))
            g_error("%s: %s", rows[i].argument, output);
    }
}

static long resident_kib(GPid pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid), *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    const char *line = strstr(text, "VmRSS:");
    g_assert_nonnull(line);
    return strtol(line + strlen("VmRSS:"), NULL, 10);
}

static void check_mode(const char *root, const char *name, mode_t mode)
{
    g_autofree char *path = g_build_filename(root, "run", name, NULL);
    struct stat st;
    g_assert_cmpint(lstat(path, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, mode);
}

static void test_life(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *socket = g_build_filename(fixture->root, "run", "cistern-sock", NULL);
    check_mode(fixture->root, "", 0700);
    check_mode(fixture->root, "cistern-sock", 0600);
    check_mode(fixture->root, "cistern-sock-ro", 0600);
    CisternConnection *connection = cistern_open(fixture->uri, 0);
    g_assert_nonnull(connection);
    g_assert_cmpint(cistern_is_embedded(connection), ==, 0);
    g_assert_cmpstr(cistern_uri(connection), ==, fixture->uri);
    cistern_close(connection);
    if (!*g_getenv("CISTERN_TEST_SANITIZED"))
        g_assert_cmpint(resident_kib(fixture->pid), <=, IDLE_RSS_MAX);
    g_assert_cmpint(stop_daemon(fixture->pid, SIGINT), ==, 0);
    fixture->pid = 0;
    g_assert_false(g_file_test(socket, G_FILE_TEST_EXISTS));
}

/* A second one on the same folder says who is there already and touches nothing. */
static void test_second(Fixture *fixture, gconstpointer unused)
{
    const char *argv[] = {g_getenv("CISTERND"), "--root", fixture->root, NULL};
    g_autofree char *output = NULL;
    g_autofree char *holder = g_strdup_printf("process %d (cisternd)", (int)fixture->pid);
    g_assert_cmpint(run(argv, &output), >, 0);
    if (!strstr(output, holder))
        g_error("%s", output);
    CisternConnection *connection = cistern_open(fixture->uri, 0);
    g_assert_nonnull(connection);
    cistern_close(connection);
}

/* A killed one leaves its sockets; the next replaces them. */
static void test_killed(Fixture *fixture, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    CisternConnection *connection = cistern_open(fixture->uri, 0);
    g_assert_nonnull(connection);
    stop_daemon(fixture->pid, SIGKILL);
    g_assert_null(cistern_find_pool(connection, "p"));
    g_assert_cmpint(cistern_last_error()->code, ==, CISTERN_ERROR_RPC);
    g_assert_cmpint(cistern_dispatch_events(connection, -1), ==, -1);
    g_assert_cmpint(cistern_last_error()->code, ==, CISTERN_ERROR_RPC);
    cistern_close(connection);
    g_assert_null(cistern_open(fixture->uri, 0));
    g_assert_cmpint(cistern_last_error()->system_error, ==, ECONNREFUSED);

    fixture->pid = start_daemon(fixture->root, &error);
    connection = cistern_open(fixture->uri, 0);
    g_assert_nonnull(connection);
    cistern_close(connection);
}

static void test_read_only_socket(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *uri = g_strconcat(fixture->uri, "-ro", NULL);
    CisternConnection *connection = cistern_open(uri, 0);
    g_assert_nonnull(connection);
    g_assert_null(cistern_pool_define(connection, "<pool/>", 0));
    g_assert_cmpint(cistern_last_error()->code, ==, CISTERN_ERROR_OPERATION_DENIED);
    cistern_close(connection);
}

/* What is not a socket of ours, or a folder that others can write, is not used. */
static void test_refusals(void)
{
    static const struct {
        const char *prepare, *says;
    } rows[] = {
        {"mkdir -p run/cistern-sock", "cistern-sock"},
        {"mkdir run; chmod 777 run", "writable by nobody else"},
        {"mkdir real; ln -s real run", "run"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        char *root = scratch_new();
        g_autofree char *output = NULL;
        g_autofree char *script = g_strdup_printf("cd '%s' && %s", root, rows[i].prepare);
        const char *shell[] = {"sh", "-c", script, NULL};
        const char *argv[] = {g_getenv("CISTERND"), "--root", root, NULL};
        g_assert_cmpint(run(shell, &output), ==, 0);
        g_clear_pointer(&output, g_free);
        g_assert_cmpint(run(argv, &output), >, 0);
        if (!strstr(output, rows[i].says))
            g_error("%s: %s", rows[i].prepare, output);
        scratch_remove(root);
    }
}

static void test_long_path(void)
{
    char *root = scratch_new();
    g_autofree char *name = g_strnfill(100, 'x'), *output = NULL;
    g_autofree char *deep = g_build_filename(root, name, NULL);
    const char *argv[] = {g_getenv("CISTERND"), "--root", deep, NULL};
    g_assert_cmpint(run(argv, &output), >, 0);
    g_assert_nonnull(strstr(output, "at most 107 bytes"));
    scratch_remove(root);
}

/* ---- libvirt's client ---- */

/* One command of virsh. */
static char *virsh(Fixture *fixture, int wanted, const char *command)
{
    g_autofree char *uri =
        g_strdup_printf("storage+unix:///system?socket=%s/run/cistern-sock", fixture->root);
    const char *argv[] = {"virsh", "-c", uri, command, NULL};
    char *output = NULL;
    int status = run(argv, &output);
    if (status != wanted)
        g_error("virsh '%s' ended with %d: %s", command, status, output);
    return output;
}

static void test_virsh(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *program = g_find_program_in_path("virsh");
    if (!program) {
        g_test_skip("virsh is not installed");
        return;
    }
    g_autofree char *define =
        g_strdup_printf("pool-define-as p dir --target %s/pool", fixture->root);
    const struct {
        const char *command;
        int status;
        const char *says;
    } rows[] = {
        {"pool-list --all", 0, "Autostart"},
        {define, 0, "Pool p defined"},
        {"pool-list --all", 0, "inactive"},
        {"pool-build p", 0, "Pool p built"},
        {"pool-start p", 0, "Pool p started"},
        {"pool-start p", 1, "already active"},
        {"pool-autostart p", 0, "marked as autostarted"},
        {"pool-info p", 0, "running"},
        {"pool-dumpxml p", 0, "<name>p</name>"},
        {"vol-create-as p v 4M --format qcow2", 0, "Vol v created"},
        {"vol-create-as p v 4M", 1, "exists already"},
        {"vol-list p --details", 0, "4.00 MiB"},
        {"vol-info v --pool p", 0, "4.00 MiB"},
        {"vol-dumpxml v --pool p", 0, "<format type='qcow2'/>"},
        {"vol-resize v 8M --pool p", 0, "changed to 8M"},
        {"vol-clone v w --pool p", 0, "Vol w cloned from v"},
        {"vol-path w --pool p", 0, "/pool/w"},
        {"pool-refresh p", 0, "refreshed"},
        {"vol-delete v --pool p", 0, "Vol v deleted"},
        {"vol-delete w --pool p", 0, "Vol w deleted"},
        {"vol-delete w --pool p", 1, "w"},
        {"pool-undefine p", 1, "active"},
        {"pool-destroy p", 0, "Pool p destroyed"},
        {"pool-delete p", 0, "Pool p deleted"},
        {"pool-undefine p", 0, "has been undefined"},
        {"pool-info p", 1, "not found"},
        {"pool-capabilities", 0, "<pool type='dir' supported='yes'>"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *output = virsh(fixture, rows[i].status, rows[i].command);
        if (!strstr(output, rows[i].says))
            g_error("virsh '%s' says: %s", rows[i].command, output);
    }
}

#define ADD(path, func) g_test_add("/daemon" path, Fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/daemon/arguments", test_arguments);
    g_test_add_func("/daemon/refusals", test_refusals);
    g_test_add_func("/daemon/long-path", test_long_path);
    ADD("/life", test_life);
    ADD("/second", test_second);
    ADD("/killed", test_killed);
    ADD("/read-only-socket", test_read_only_socket);
    ADD("/virsh", test_virsh);
    return g_test_run();
}
