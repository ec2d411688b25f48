/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The public calls on daemons that are not ours: without our program, wanting authentication, or
 * dying in the middle. Each is played by a thread here. */
#include "errors.h"
#include "fd.h"
#include "frame.h"
#include "protocol.h"
#include "scratch.h"

#include <cistern/cistern.h>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct Foreign {
    gint32 auth;       /* what AUTH_LIST says; -1: nothing */
    gint32 hang_up_at; /* the procedure at which it ends the connection */
    GString *calls;    /* the numbers of what was called */
    char *folder, *uri;
    int listener;
    GThread *thread;
} Foreign;

/* False at the end of the connection. */
static bool receive(int fd, FrameReader *reader, Frame *ret)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    while (frame_reader_peek(reader, FRAME_LENGTH_MAX, ret, NULL) != FRAME_READY)
        if (poll(&poller, 1, 10000) != 1 || frame_reader_receive(reader, fd) <= 0)
            return false;
    return true;
}

static GByteArray *refuse(const FrameHeader *call)
{
    g_autoptr(GError) error = NULL;
    if (call->program == PROGRAM_REMOTE)
        error_set(&error, ERROR_RPC, ORIGIN_RPC, "unknown procedure: %d", call->procedure);
    else
        error_set(&error, ERROR_RPC, ORIGIN_RPC, "Cannot find program %u version %u", call->program,
                  call->version);
    return frame_new_error(call, error);
}

static GByteArray *answer(const Foreign *foreign, const FrameHeader *call)
{
    gint32 type = foreign->auth;
    FrameHeader header = *call;
    header.type = FRAME_REPLY;
    if (call->program != PROGRAM_REMOTE)
        return refuse(call);
    if (call->procedure == REMOTE_AUTH_LIST)
        return frame_new(&header, procedure_find(&program_remote, REMOTE_AUTH_LIST)->result,
                         &(RpcAuthTypes){type >= 0, &type}, NULL);
    if (call->procedure == REMOTE_AUTH_POLKIT)
        return frame_new(&header, procedure_find(&program_remote, REMOTE_AUTH_POLKIT)->result,
                         &(RpcInt){1}, NULL);
    if (call->procedure == REMOTE_CONNECT_OPEN)
        return frame_new(&header, &xdr_nothing, NULL, NULL);
    return refuse(call);
}

static gpointer serve(gpointer data)
{
    Foreign *foreign = data;
    FrameReader reader = FRAME_READER_INIT;
    Frame frame;
    autofd int fd = accept(foreign->listener, NULL, NULL);
    while (receive(fd, &reader, &frame)) {
        FrameHeader call = frame.header;
        frame_reader_consume(&reader, &frame);
        g_string_append_printf(foreign->calls, "%d ", call.procedure);
        if (call.procedure == foreign->hang_up_at)
            break;
        g_autoptr(GByteArray) bytes = answer(foreign, &call);
        g_assert_cmpint(send(fd, bytes->data, bytes->len, MSG_NOSIGNAL), ==, bytes->len);
    }
    frame_reader_clear(&reader);
    return NULL;
}

static void start(Foreign *foreign)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    foreign->folder = scratch_new();
    foreign->uri = g_strdup_printf("storage:///system?socket=%s/sock", foreign->folder);
    foreign->calls = g_string_new(NULL);
    foreign->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_snprintf(address.sun_path, sizeof address.sun_path, "%s/sock", foreign->folder);
    g_assert_cmpint(bind(foreign->listener, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(foreign->listener, 1), ==, 0);
    foreign->thread = g_thread_new("foreign", serve, foreign);
}

static void finish(Foreign *foreign, const char *calls)
{
    g_thread_join(foreign->thread);
    g_assert_cmpstr(foreign->calls->str, ==, calls);
    g_string_free(foreign->calls, TRUE);
    close(foreign->listener);
    scratch_remove(foreign->folder);
    g_free(foreign->uri);
}

static void test_no_program(void)
{
    Foreign foreign = {.auth = RPC_AUTH_NONE};
    CisternJob *jobs;
    start(&foreign);
    CisternConnection *connection = cistern_open(foreign.uri, 0);
    g_assert_nonnull(connection);
    g_assert_cmpint(cistern_list_jobs(connection, &jobs), ==, -1);
    g_assert_cmpint(cistern_last_error()->code, ==, CISTERN_ERROR_NO_SUPPORT);
    g_assert_null(cistern_capabilities(connection));
    g_assert_cmpint(cistern_last_error()->code, ==, CISTERN_ERROR_NO_SUPPORT);
    cistern_close(connection);
    finish(&foreign, "66 1 2 7 ");
}

static void test_polkit(void)
{
    Foreign foreign = {.auth = RPC_AUTH_POLKIT};
    start(&foreign);
    CisternConnection *connection = cistern_open(foreign.uri, 0);
    g_assert_nonnull(connection);
    cistern_close(connection);
    finish(&foreign, "66 70 1 ");
}

static void test_no_auth_types(void)
{
    Foreign foreign = {.auth = -1};
    start(&foreign);
    CisternConnection *connection = cistern_open(foreign.uri, 0);
    g_assert_nonnull(connection);
    cistern_close(connection);
    finish(&foreign, "66 1 ");
}

static void test_unknown_auth(void)
{
    Foreign foreign = {.auth = 77};
    start(&foreign);
    g_assert_null(cistern_open(foreign.uri, 0));
    g_assert_cmpint(cistern_last_error()->code, ==, CISTERN_ERROR_AUTH_UNAVAILABLE);
    finish(&foreign, "66 ");
}

static void test_hang_up(void)
{
    Foreign early = {.auth = RPC_AUTH_NONE, .hang_up_at = REMOTE_CONNECT_OPEN};
    Foreign late = {.auth = RPC_AUTH_NONE, .hang_up_at = REMOTE_STORAGE_POOL_LOOKUP_BY_NAME};
    start(&early);
    g_assert_null(cistern_open(early.uri, 0));
    g_assert_cmpint(cistern_last_error()->code, ==, CISTERN_ERROR_RPC);
    finish(&early, "66 1 ");

    start(&late);
    CisternConnection *connection = cistern_open(late.uri, 0);
    g_assert_nonnull(connection);
    for (int i = 0; i < 2; i++) {
        g_assert_null(cistern_find_pool(connection, "p"));
        g_assert_cmpint(cistern_last_error()->code, ==, CISTERN_ERROR_RPC);
        g_assert_nonnull(strstr(cistern_last_error()->message, "was lost"));
    }
    cistern_close(connection);
    finish(&late, "66 1 84 ");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/foreign/no-program", test_no_program);
    g_test_add_func("/foreign/polkit", test_polkit);
    g_test_add_func("/foreign/no-auth-types", test_no_auth_types);
    g_test_add_func("/foreign/unknown-auth", test_unknown_auth);
    g_test_add_func("/foreign/hang-up", test_hang_up);
    return g_test_run();
}
