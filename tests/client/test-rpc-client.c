/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The client's side of a connection against a peer whose every step is written down here. */
#include "client.h"
#include "errors.h"
#include "fd.h"
#include "frame.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct Fixture {
    RpcClient *client;
    int peer;
    FrameReader reader;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer unused)
{
    int ends[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    fixture->client = rpc_client_new(ends[0], "the peer");
    fixture->peer = ends[1];
}

static void tear_down(Fixture *fixture, gconstpointer unused)
{
    rpc_client_free(fixture->client);
    frame_reader_clear(&fixture->reader);
    fd_close(&fixture->peer);
}

/* ---- the peer's side ---- */

static FrameHeader peer_receive_value(Fixture *fixture, const XdrType *type, void *ret)
{
    Frame frame;
    while (frame_reader_peek(&fixture->reader, FRAME_LENGTH_MAX, &frame, NULL) != FRAME_READY) {
        struct pollfd fd = {.fd = fixture->peer, .events = POLLIN};
        g_assert_cmpint(poll(&fd, 1, 10000), ==, 1);
        g_assert_cmpint(frame_reader_receive(&fixture->reader, fixture->peer), >, 0);
    }
    if (type)
        g_assert_true(xdr_decode(type, frame.payload, frame.size, ret, NULL));
    frame_reader_consume(&fixture->reader, &frame);
    return frame.header;
}

static FrameHeader peer_receive(Fixture *fixture)
{
    return peer_receive_value(fixture, NULL, NULL);
}

static void peer_send_bytes(Fixture *fixture, const void *data, gsize size)
{
    g_assert_cmpint(send(fixture->peer, data, size, MSG_NOSIGNAL), ==, (ssize_t)size);
}

static void peer_send(Fixture *fixture, const FrameHeader *header, const XdrType *type,
                      const void *value)
{
    g_autoptr(GByteArray) bytes = frame_new(header, type, value, NULL);
    peer_send_bytes(fixture, bytes->data, bytes->len);
}

static void peer_reply(Fixture *fixture, FrameHeader call, const XdrType *type, const void *value)
{
    call.type = FRAME_REPLY;
    peer_send(fixture, &call, type, value);
}

static void peer_message(Fixture *fixture, guint32 program, gint32 procedure, const XdrType *type,
                         const void *value)
{
    FrameHeader header = {program, PROGRAM_VERSION, procedure, FRAME_MESSAGE, 0, FRAME_OK};
    peer_send(fixture, &header, type, value);
}

static const XdrType *result_type(gint32 procedure)
{
    return procedure_find(&program_remote, procedure)->result;
}

/* ---- the caller's side, in threads ---- */

typedef struct Caller {
    RpcClient *client;
    gint32 procedure;
    RpcInt result;
    bool ok;
    GError *error;
    RpcProgressFunc progress;
    void *data;
    GThread *thread;
} Caller;

static gpointer run_caller(gpointer data)
{
    Caller *caller = data;
    RpcPool pool = {.name = (char *)"p"};
    caller->ok = rpc_client_call(caller->client, &program_remote, caller->procedure, &pool,
                                 &caller->result, caller->progress, caller->data, &caller->error);
    return NULL;
}

static void start_caller(Fixture *fixture, Caller *caller, gint32 procedure)
{
    caller->client = fixture->client;
    caller->procedure = procedure;
    caller->thread = g_thread_new("caller", run_caller, caller);
}

static void finish_caller(Caller *caller)
{
    g_thread_join(caller->thread);
}

/* ---- the tests ---- */

static void test_result(Fixture *fixture, gconstpointer unused)
{
    Caller caller = {0};
    start_caller(fixture, &caller, REMOTE_STORAGE_POOL_IS_ACTIVE);
    FrameHeader call = peer_receive(fixture);
    g_assert_cmpuint(call.program, ==, PROGRAM_REMOTE);
    g_assert_cmpint(call.procedure, ==, REMOTE_STORAGE_POOL_IS_ACTIVE);
    peer_reply(fixture, call, result_type(REMOTE_STORAGE_POOL_IS_ACTIVE), &(RpcInt){7});
    finish_caller(&caller);
    g_assert_true(caller.ok);
    g_assert_cmpint(caller.result.value, ==, 7);
}

/* Many callers at once; each gets its own answer, though they come in reverse. */
static void test_threads(Fixture *fixture, gconstpointer unused)
{
    enum { COUNT = 16 };
    Caller callers[COUNT] = {0};
    FrameHeader calls[COUNT];
    for (int i = 0; i < COUNT; i++)
        start_caller(fixture, &callers[i],
                     i % 2 ? REMOTE_STORAGE_POOL_IS_ACTIVE : REMOTE_STORAGE_POOL_IS_PERSISTENT);
    for (int i = 0; i < COUNT; i++)
        calls[i] = peer_receive(fixture);
    for (int i = COUNT; i-- > 0;)
        peer_reply(fixture, calls[i], result_type(calls[i].procedure),
                   &(RpcInt){calls[i].procedure});
    for (int i = 0; i < COUNT; i++) {
        finish_caller(&callers[i]);
        g_assert_no_error(callers[i].error);
        g_assert_cmpint(callers[i].result.value, ==, callers[i].procedure);
    }
}

/* The first caller reads for the second and hands the reading over when it is served itself. */
static void test_hand_over(Fixture *fixture, gconstpointer unused)
{
    Caller first = {0}, second = {0};
    start_caller(fixture, &first, REMOTE_STORAGE_POOL_IS_ACTIVE);
    FrameHeader first_call = peer_receive(fixture);
    start_caller(fixture, &second, REMOTE_STORAGE_POOL_IS_ACTIVE);
    FrameHeader second_call = peer_receive(fixture);
    peer_reply(fixture, first_call, result_type(first_call.procedure), &(RpcInt){1});
    finish_caller(&first);
    peer_reply(fixture, second_call, result_type(second_call.procedure), &(RpcInt){2});
    finish_caller(&second);
    g_assert_cmpint(first.result.value + second.result.value, ==, 3);
}

static void test_error(Fixture *fixture, gconstpointer unused)
{
    Caller caller = {0};
    g_autoptr(GError) sent = NULL;
    error_set_errno(&sent, ORIGIN_STORAGE, ENOSPC, "can't write");
    start_caller(fixture, &caller, REMOTE_STORAGE_POOL_IS_ACTIVE);
    FrameHeader call = peer_receive(fixture);
    g_autoptr(GByteArray) bytes = frame_new_error(&call, sent);
    peer_send_bytes(fixture, bytes->data, bytes->len);
    finish_caller(&caller);
    g_assert_false(caller.ok);
    g_assert_cmpint(error_code(caller.error), ==, ERROR_SYSTEM);
    g_assert_cmpint(error_origin(caller.error), ==, ORIGIN_STORAGE);
    g_assert_cmpint(error_errno(caller.error), ==, ENOSPC);
    g_assert_cmpstr(caller.error->message, ==, sent->message);
    g_clear_error(&caller.error);
}

static void test_lost(Fixture *fixture, gconstpointer unused)
{
    Caller callers[2] = {0}, later = {0};
    for (int i = 0; i < 2; i++)
        start_caller(fixture, &callers[i], REMOTE_STORAGE_POOL_IS_ACTIVE);
    peer_receive(fixture);
    peer_receive(fixture);
    fd_close(&fixture->peer);
    for (int i = 0; i < 2; i++) {
        finish_caller(&callers[i]);
        g_assert_error(callers[i].error, CISTERN_ERROR, ERROR_RPC);
        g_assert_cmpstr(callers[i].error->message, ==,
                        "the connection to the peer was lost: it closed the connection");
        g_clear_error(&callers[i].error);
    }
    start_caller(fixture, &later, REMOTE_STORAGE_POOL_IS_ACTIVE);
    finish_caller(&later);
    g_assert_error(later.error, CISTERN_ERROR, ERROR_RPC);
    g_clear_error(&later.error);
}

static void test_shut(Fixture *fixture, gconstpointer unused)
{
    Caller callers[3] = {0};
    for (int i = 0; i < 3; i++)
        start_caller(fixture, &callers[i], REMOTE_STORAGE_POOL_IS_ACTIVE);
    for (int i = 0; i < 3; i++)
        peer_receive(fixture);
    rpc_client_shut(fixture->client);
    for (int i = 0; i < 3; i++) {
        finish_caller(&callers[i]);
        g_assert_cmpstr(callers[i].error->message, ==, "the connection to the peer was closed");
        g_clear_error(&callers[i].error);
    }
}

/* What a broken peer may send: each ends the connection, none hangs or crashes. */
static void test_broken(gconstpointer data)
{
    static const guint8 messages[][32] = {
        {0, 0, 0, 27},            /* shorter than a header */
        {0x02, 0, 0, 0x05},       /* longer than allowed */
        {0xff, 0xff, 0xff, 0xff}, /* much longer */
        {0, 0, 0, 28, 0x20, 0, 0x80, 0x86, 0, 0, 0, 1, 0, 0, 0, 154, 0, 0, 0, 5}, /* with fds */
        {0, 0, 0, 28, 0x20, 0, 0x80, 0x86, 0, 0, 0, 1, 0, 0, 0, 154, 0, 0, 0, 3}, /* a stream */
        {0, 0, 0, 28, 0x20, 0, 0x80, 0x86, 0, 0, 0, 1, 0, 0, 0, 154, 0xff, 0, 0, 3},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(messages); i++) {
        Fixture fixture = {0};
        Caller caller = {0};
        set_up(&fixture, NULL);
        start_caller(&fixture, &caller, REMOTE_STORAGE_POOL_IS_ACTIVE);
        peer_receive(&fixture);
        peer_send_bytes(&fixture, messages[i], sizeof messages[i]);
        finish_caller(&caller);
        g_assert_error(caller.error, CISTERN_ERROR, ERROR_RPC);
        g_clear_error(&caller.error);
        tear_down(&fixture, NULL);
    }
}

/* A reply that is too short for its type fails that call alone. */
static void test_short_reply(Fixture *fixture, gconstpointer unused)
{
    Caller caller = {0}, next = {0};
    start_caller(fixture, &caller, REMOTE_STORAGE_POOL_IS_ACTIVE);
    peer_reply(fixture, peer_receive(fixture), &xdr_nothing, NULL);
    finish_caller(&caller);
    g_assert_error(caller.error, CISTERN_ERROR, ERROR_RPC);
    g_clear_error(&caller.error);

    start_caller(fixture, &next, REMOTE_STORAGE_POOL_IS_ACTIVE);
    FrameHeader call = peer_receive(fixture);
    peer_reply(fixture, call, result_type(call.procedure), &(RpcInt){1});
    finish_caller(&next);
    g_assert_true(next.ok);
}

/* Replies that nobody asked for are left alone. */
static void test_stray_reply(Fixture *fixture, gconstpointer unused)
{
    Caller caller = {0};
    start_caller(fixture, &caller, REMOTE_STORAGE_POOL_IS_ACTIVE);
    FrameHeader call = peer_receive(fixture), stray = call;
    stray.serial += 1000;
    peer_reply(fixture, stray, result_type(call.procedure), &(RpcInt){1});
    stray = call;
    stray.program = PROGRAM_CISTERN;
    peer_reply(fixture, stray, result_type(call.procedure), &(RpcInt){2});
    peer_reply(fixture, call, result_type(call.procedure), &(RpcInt){3});
    finish_caller(&caller);
    g_assert_cmpint(caller.result.value, ==, 3);
}

static void test_ping(Fixture *fixture, gconstpointer unused)
{
    Caller caller = {0};
    start_caller(fixture, &caller, REMOTE_STORAGE_POOL_IS_ACTIVE);
    FrameHeader call = peer_receive(fixture);
    peer_message(fixture, PROGRAM_KEEPALIVE, KEEPALIVE_PING, &xdr_nothing, NULL);
    FrameHeader pong = peer_receive(fixture);
    g_assert_cmpuint(pong.program, ==, PROGRAM_KEEPALIVE);
    g_assert_cmpint(pong.procedure, ==, KEEPALIVE_PONG);
    g_assert_cmpuint(pong.type, ==, FRAME_MESSAGE);
    peer_reply(fixture, call, result_type(call.procedure), &(RpcInt){1});
    finish_caller(&caller);
}

typedef struct Seen {
    int calls, cancel_at;
    guint64 done, total;
} Seen;

static bool on_progress(guint64 done, guint64 total, void *data)
{
    Seen *seen = data;
    seen->done = done;
    seen->total = total;
    return ++seen->calls != seen->cancel_at;
}

static void test_progress(Fixture *fixture, gconstpointer unused)
{
    Seen seen = {0};
    Caller caller = {.progress = on_progress, .data = &seen}, reader = {0};
    /* The other one is there first and does the reading. */
    start_caller(fixture, &reader, REMOTE_STORAGE_POOL_IS_ACTIVE);
    FrameHeader reader_call = peer_receive(fixture);
    start_caller(fixture, &caller, REMOTE_STORAGE_POOL_IS_PERSISTENT);
    FrameHeader call = peer_receive(fixture);
    peer_message(fixture, PROGRAM_CISTERN, CISTERN_PROGRESS, &rpc_progress_type,
                 &(RpcProgress){call.serial, 5, 10});
    g_usleep(3 * RPC_CLIENT_TICK * 1000);
    peer_reply(fixture, call, result_type(call.procedure), &(RpcInt){1});
    finish_caller(&caller);
    g_assert_cmpint(seen.calls, >, 0);
    g_assert_cmpint(seen.calls, <=, 5);
    g_assert_cmpuint(seen.done, ==, 5);
    g_assert_cmpuint(seen.total, ==, 10);
    peer_reply(fixture, reader_call, result_type(call.procedure), &(RpcInt){1});
    finish_caller(&reader);
}

static void test_cancel(Fixture *fixture, gconstpointer unused)
{
    Seen seen = {.cancel_at = 1};
    Caller caller = {.progress = on_progress, .data = &seen};
    RpcSerial cancelled;
    start_caller(fixture, &caller, REMOTE_STORAGE_POOL_IS_ACTIVE);
    FrameHeader call = peer_receive(fixture);
    FrameHeader cancel =
        peer_receive_value(fixture, procedure_find(&program_cistern, CISTERN_CALL_CANCEL)->args,
                           &cancelled);
    g_assert_cmpuint(cancel.program, ==, PROGRAM_CISTERN);
    g_assert_cmpint(cancel.procedure, ==, CISTERN_CALL_CANCEL);
    g_assert_cmpuint(cancelled.serial, ==, call.serial);
    g_assert_cmpuint(cancel.serial, !=, call.serial);
    peer_reply(fixture, cancel, &xdr_nothing, NULL);
    g_autoptr(GError) aborted = NULL;
    error_set(&aborted, ERROR_ABORTED, ORIGIN_STORAGE, "cancelled");
    g_autoptr(GByteArray) bytes = frame_new_error(&call, aborted);
    peer_send_bytes(fixture, bytes->data, bytes->len);
    finish_caller(&caller);
    g_assert_error(caller.error, CISTERN_ERROR, ERROR_ABORTED);
    g_assert_cmpint(seen.calls, ==, 1);
    g_clear_error(&caller.error);
}

static void peer_event(Fixture *fixture, gint32 id, gint32 kind)
{
    RpcEventLifecycle event = {.callback_id = id, .pool = {.name = (char *)"p"}, .event = kind};
    peer_message(fixture, PROGRAM_REMOTE, REMOTE_STORAGE_POOL_EVENT_LIFECYCLE,
                 &rpc_event_lifecycle_type, &event);
}

static void test_events(Fixture *fixture, gconstpointer unused)
{
    Caller caller = {0};
    RpcEvent event;
    g_assert_cmpint(rpc_client_next_event(fixture->client, 0, &event, NULL), ==, RPC_WAIT_TIMEOUT);
    /* One that comes amid a call is kept. */
    start_caller(fixture, &caller, REMOTE_STORAGE_POOL_IS_ACTIVE);
    FrameHeader call = peer_receive(fixture);
    peer_event(fixture, 3, 2);
    peer_reply(fixture, call, result_type(call.procedure), &(RpcInt){1});
    finish_caller(&caller);
    peer_event(fixture, 4, 1);
    for (gint32 id = 3; id <= 4; id++) {
        g_assert_cmpint(rpc_client_next_event(fixture->client, 0, &event, NULL), ==,
                        RPC_WAIT_EVENT);
        g_assert_cmpint(event.callback_id, ==, id);
        g_assert_cmpint(event.kind, ==, 5 - id);
        g_assert_cmpstr(event.pool.name, ==, "p");
        rpc_event_clear(&event);
    }
    gint64 start = g_get_monotonic_time();
    g_assert_cmpint(rpc_client_next_event(fixture->client, start + 50000, &event, NULL), ==,
                    RPC_WAIT_TIMEOUT);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 50000);
}

static gpointer wait_for_event(gpointer data)
{
    Fixture *fixture = data;
    RpcEvent event;
    g_assert_cmpint(rpc_client_next_event(fixture->client, G_MAXINT64, &event, NULL), ==,
                    RPC_WAIT_EVENT);
    rpc_event_clear(&event);
    return NULL;
}

/* A caller reads what another thread waits for, and the other way round. */
static void test_event_and_call(Fixture *fixture, gconstpointer unused)
{
    for (int event_first = 0; event_first < 2; event_first++) {
        Caller caller = {0};
        GThread *waiter = g_thread_new("waiter", wait_for_event, fixture);
        start_caller(fixture, &caller, REMOTE_STORAGE_POOL_IS_ACTIVE);
        FrameHeader call = peer_receive(fixture);
        if (event_first)
            peer_event(fixture, 1, 1);
        peer_reply(fixture, call, result_type(call.procedure), &(RpcInt){1});
        finish_caller(&caller);
        if (!event_first)
            peer_event(fixture, 1, 1);
        g_thread_join(waiter);
    }
}

static void test_event_lost(Fixture *fixture, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    RpcEvent event;
    peer_event(fixture, 1, 1);
    fd_close(&fixture->peer);
    g_assert_cmpint(rpc_client_next_event(fixture->client, G_MAXINT64, &event, &error), ==,
                    RPC_WAIT_EVENT);
    rpc_event_clear(&event);
    g_assert_cmpint(rpc_client_next_event(fixture->client, G_MAXINT64, &event, &error), ==,
                    RPC_WAIT_LOST);
    g_assert_error(error, CISTERN_ERROR, ERROR_RPC);
}

static gpointer run_large_caller(gpointer data)
{
    g_autofree char *name = g_strnfill(3000000, 'x');
    Caller *caller = data;
    caller->ok =
        rpc_client_call(caller->client, &program_remote, REMOTE_STORAGE_POOL_IS_ACTIVE,
                        &(RpcPool){.name = name}, &caller->result, NULL, NULL, &caller->error);
    return NULL;
}

/* A call larger than the socket's buffer, while the peer has things to say before it reads. */
static void test_large(Fixture *fixture, gconstpointer unused)
{
    Caller other = {0}, large = {.client = fixture->client};
    start_caller(fixture, &other, REMOTE_STORAGE_POOL_IS_ACTIVE);
    FrameHeader call = peer_receive(fixture);
    large.thread = g_thread_new("large", run_large_caller, &large);
    g_usleep(20000);
    for (int i = 0; i < 5000; i++) /* more than fits, if nobody reads */
        peer_event(fixture, 1, 1);
    peer_reply(fixture, call, result_type(call.procedure), &(RpcInt){1});
    finish_caller(&other);
    call = peer_receive(fixture);
    peer_reply(fixture, call, result_type(call.procedure), &(RpcInt){9});
    finish_caller(&large);
    g_assert_no_error(large.error);
    g_assert_cmpint(large.result.value, ==, 9);
}

#define ADD(path, func) g_test_add(path, Fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/rpc-client/result", test_result);
    ADD("/rpc-client/threads", test_threads);
    ADD("/rpc-client/hand-over", test_hand_over);
    ADD("/rpc-client/error", test_error);
    ADD("/rpc-client/lost", test_lost);
    ADD("/rpc-client/shut", test_shut);
    g_test_add_data_func("/rpc-client/broken", NULL, test_broken);
    ADD("/rpc-client/short-reply", test_short_reply);
    ADD("/rpc-client/stray-reply", test_stray_reply);
    ADD("/rpc-client/ping", test_ping);
    ADD("/rpc-client/progress", test_progress);
    ADD("/rpc-client/cancel", test_cancel);
    ADD("/rpc-client/events", test_events);
    ADD("/rpc-client/event-and-call", test_event_and_call);
    ADD("/rpc-client/event-lost", test_event_lost);
    ADD("/rpc-client/large", test_large);
    return g_test_run();
}
