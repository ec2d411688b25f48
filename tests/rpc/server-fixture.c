/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server-fixture.h"
#include "hex.h"
#include "registry.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE 20000 /* milliseconds until a test that waits has failed */
#define QUIET    150   /* milliseconds without a message count as none */

/* ---- the gate ---- */

static struct {
    GMutex lock;
    GCond changed;
    bool is_shut;
    guint waiting;
} gate;

static void gate_set(bool is_shut)
{
    g_mutex_lock(&gate.lock);
    gate.is_shut = is_shut;
    g_cond_broadcast(&gate.changed);
    g_mutex_unlock(&gate.lock);
}

void gate_shut(void)
{
    gate_set(true);
}

void gate_open(void)
{
    gate_set(false);
}

void gate_wait(guint count)
{
    gint64 end = g_get_monotonic_time() + PATIENCE * G_GINT64_CONSTANT(1000);

    g_mutex_lock(&gate.lock);
    while (gate.waiting < count)
        g_assert_true(g_cond_wait_until(&gate.changed, &gate.lock, end));
    g_mutex_unlock(&gate.lock);
}

/* Progress counts the looks at the gate, so that there is some to see. */
static bool pass_gate(Operation *op, GError **error)
{
    bool ok = true;

    g_mutex_lock(&gate.lock);
    gate.waiting++;
    g_cond_broadcast(&gate.changed);
    for (guint64 i = 1; gate.is_shut && (ok = operation_check(op, error)); i++) {
        operation_set_progress(op, i, 1000000);
        g_cond_wait_until(&gate.changed, &gate.lock, g_get_monotonic_time() + 5000);
    }
    gate.waiting--;
    g_mutex_unlock(&gate.lock);
    return ok;
}

static const Backend *folder_backend(void)
{
    for (guint i = 0; i < n_backends; i++)
        if (strcmp(backends[i]->schema.type, "dir") == 0)
            return backends[i];
    g_assert_not_reached();
}

static bool gated_stat(const PoolDef *pool, Operation *op, const char *name, VolumeState *ret,
                       GError **error)
{
    return pass_gate(op, error) && folder_backend()->volume_stat(pool, op, name, ret, error);
}

static bool gated_create(const PoolDef *pool, Operation *op, const VolumeDef *spec, guint flags,
                         VolumeState *ret, GError **error)
{
    return pass_gate(op, error) &&
           folder_backend()->volume_create(pool, op, spec, flags, ret, error);
}

static const Backend *const *gated_backends(void)
{
    static Backend gated;
    static const Backend *list[] = {&gated};

    gated = *folder_backend();
    gated.volume_stat = gated_stat;
    gated.volume_create = gated_create;
    return list;
}

/* ---- the server ---- */

static Engine *open_engine(const char *folder)
{
    g_autofree char *config = g_build_filename(folder, "etc", NULL);
    g_autofree char *state = g_build_filename(folder, "run", NULL);
    g_autoptr(GError) error = NULL;
    EngineConfig engine = {
        .config_dir = config,
        .state_dir = state,
        .backends = gated_backends(),
        .n_backends = 1,
    };
    Engine *opened = engine_open(&engine, &error);

    g_assert_no_error(error);
    return opened;
}

static void *run_loop(void *data)
{
    ServerFixture *fixture = data;

    g_main_context_push_thread_default(fixture->context);
    g_main_loop_run(fixture->loop);
    g_main_context_pop_thread_default(fixture->context);
    return NULL;
}

ServerFixture *server_fixture_new(const ServerConfig *config)
{
    ServerFixture *fixture = g_new0(ServerFixture, 1);
    ServerConfig full = config ? *config : (ServerConfig){0};

    fixture->folder = g_dir_make_tmp("cistern-rpc-XXXXXX", NULL);
    g_assert_nonnull(fixture->folder);
    fixture->engine = open_engine(fixture->folder);
    fixture->context = full.context = g_main_context_new();
    fixture->loop = g_main_loop_new(fixture->context, FALSE);
    fixture->server = server_new(fixture->engine, &full);
    fixture->thread = g_thread_new("server", run_loop, fixture);
    return fixture;
}

static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        remove_tree(child);
    }
    g_remove(path);
}

void server_fixture_free(ServerFixture *fixture)
{
    g_main_loop_quit(fixture->loop);
    g_thread_join(fixture->thread);
    server_free(fixture->server);
    engine_close(fixture->engine);
    g_main_loop_unref(fixture->loop);
    g_main_context_unref(fixture->context);
    remove_tree(fixture->folder);
    g_free(fixture->folder);
    g_free(fixture);
    gate_open();
}

/* ---- the client ---- */

Peer *peer_new(ServerFixture *fixture, bool read_only)
{
    Peer *peer = g_new0(Peer, 1);
    int sockets[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), ==, 0);
    server_add_client(fixture->server, sockets[1], read_only, "test");
    peer->fd = sockets[0];
    return peer;
}

Peer *peer_open(ServerFixture *fixture)
{
    Peer *peer = peer_new(fixture, false);

    peer_call(peer, REMOTE_CONNECT_OPEN, &(RpcOpen){(char *)"storage:///system", 0}, NULL);
    return peer;
}

void peer_free(Peer *peer)
{
    fd_close(&peer->fd);
    frame_reader_clear(&peer->reader);
    if (peer->current)
        g_byte_array_unref(peer->current);
    g_free(peer);
}

void peer_send_bytes(Peer *peer, const void *bytes, gsize size)
{
    while (size > 0) {
        ssize_t count = send(peer->fd, bytes, size, MSG_NOSIGNAL);
        g_assert_cmpint(count, >, 0);
        bytes = (const guint8 *)bytes + count;
        size -= (gsize)count;
    }
}

void peer_send_hex(Peer *peer, const char *hex)
{
    g_autoptr(GByteArray) bytes = hex_bytes(hex);

    peer_send_bytes(peer, bytes->data, bytes->len);
}

guint32 peer_send(Peer *peer, const Program *program, gint32 number, const void *args)
{
    const Procedure *procedure = procedure_find(program, number);
    FrameHeader header = {program->number, 1, number, FRAME_CALL, peer->serial++, FRAME_OK};
    g_autoptr(GByteArray) frame = frame_new(&header, procedure->args, args, NULL);

    g_assert_nonnull(frame);
    peer_send_bytes(peer, frame->data, frame->len);
    return header.serial;
}

static bool peer_wait(Peer *peer, int milliseconds)
{
    struct pollfd fd = {peer->fd, POLLIN, 0};

    return poll(&fd, 1, milliseconds) > 0;
}

bool peer_receive(Peer *peer, Frame *ret)
{
    FrameResult result;

    while ((result = frame_reader_peek(&peer->reader, FRAME_LENGTH_MAX, ret, NULL)) ==
           FRAME_INCOMPLETE) {
        g_assert_true(peer_wait(peer, PATIENCE));
        ssize_t count = frame_reader_receive(&peer->reader, peer->fd);
        if (count == 0 || (count < 0 && errno == ECONNRESET))
            return false;
        g_assert_cmpint(count, >, 0);
    }
    g_assert_cmpint(result, ==, FRAME_READY);
    if (peer->current)
        g_byte_array_unref(peer->current);
    peer->current = g_byte_array_new();
    g_byte_array_append(peer->current, ret->payload, (guint)ret->size);
    frame_reader_consume(&peer->reader, ret);
    ret->payload = peer->current->data;
    return true;
}

void peer_assert_closed(Peer *peer)
{
    Frame frame;

    g_assert_false(peer_receive(peer, &frame));
}

void peer_assert_quiet(Peer *peer)
{
    Frame frame;

    g_assert_cmpint(frame_reader_peek(&peer->reader, FRAME_LENGTH_MAX, &frame, NULL), ==,
                    FRAME_INCOMPLETE);
    g_assert_false(peer_wait(peer, QUIET));
}

GError *peer_answer(Peer *peer, const Program *program, gint32 number, guint32 serial, void *result)
{
    const XdrType *type = procedure_find(program, number)->result;
    guint8 nothing;
    Frame frame;

    do
        g_assert_true(peer_receive(peer, &frame));
    while (frame.header.type != FRAME_REPLY || frame.header.serial != serial);
    g_assert_cmpuint(frame.header.program, ==, program->number);
    g_assert_cmpuint(frame.header.version, ==, 1);
    g_assert_cmpint(frame.header.procedure, ==, number);
    if (frame.header.status != FRAME_OK)
        return frame_parse_error(frame.payload, frame.size);
    g_assert_true(xdr_decode(type, frame.payload, frame.size, result ? result : &nothing, NULL));
    return NULL;
}

void peer_call(Peer *peer, gint32 procedure, const void *args, void *result)
{
    guint32 serial = peer_send(peer, &program_remote, procedure, args);
    g_autoptr(GError) error = peer_answer(peer, &program_remote, procedure, serial, result);

    g_assert_no_error(error);
}

void peer_fail(Peer *peer, gint32 procedure, const void *args, ErrorCode code, ErrorOrigin origin,
               const char *message)
{
    guint32 serial = peer_send(peer, &program_remote, procedure, args);
    g_autofree void *result = g_malloc0(procedure_find(&program_remote, procedure)->result->size);
    g_autoptr(GError) error = peer_answer(peer, &program_remote, procedure, serial, result);

    g_assert_error(error, CISTERN_ERROR, (int)code);
    g_assert_cmpint(error_origin(error), ==, origin);
    if (message)
        g_assert_cmpstr(error->message, ==, message);
}

RpcPool peer_define_pool(Peer *peer, ServerFixture *fixture, const char *name)
{
    g_autofree char *path = g_build_filename(fixture->folder, name, NULL);
    g_autofree char *xml =
        g_strdup_printf("<pool type='dir'><name>%s</name><target><path>%s</path></target></pool>",
                        name, path);
    RpcPool pool;

    g_assert_cmpint(g_mkdir_with_parents(path, 0755), ==, 0);
    peer_call(peer, REMOTE_STORAGE_POOL_DEFINE_XML, &(RpcTextFlags){xml, 0}, &pool);
    g_assert_cmpstr(pool.name, ==, name);
    return pool;
}

RpcPool peer_start_pool(Peer *peer, ServerFixture *fixture, const char *name)
{
    RpcPool pool = peer_define_pool(peer, fixture, name);

    peer_call(peer, REMOTE_STORAGE_POOL_CREATE, &(RpcPoolFlags){pool, 0}, NULL);
    return pool;
}

void rpc_pool_done(RpcPool *pool)
{
    xdr_clear(&rpc_pool_type, pool);
}

void put_file(ServerFixture *fixture, const char *pool, const char *name)
{
    g_autofree char *path = g_build_filename(fixture->folder, pool, name, NULL);

    g_assert_true(g_file_set_contents(path, "", 0, NULL));
}
