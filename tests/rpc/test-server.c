/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"
#include "hex.h"
#include "server-fixture.h"
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const RpcOpen open_system = {(char *)"storage:///system", 0};

#define autopool __attribute__((cleanup(rpc_pool_done)))

static void assert_feature(Peer *peer, gint32 feature, gint32 supported)
{
    RpcInt result;

    peer_call(peer, REMOTE_CONNECT_SUPPORTS_FEATURE, &(RpcInt){feature}, &result);
    g_assert_cmpint(result.value, ==, supported);
}

static void assert_text(Peer *peer, gint32 procedure, const char *expected)
{
    RpcText result;

    peer_call(peer, procedure, NULL, &result);
    g_assert_cmpstr(result.text, ==, expected);
    g_free(result.text);
}

/* ---- the connection ---- */

static void test_every_row_is_answered(void)
{
    const Program *const programs[] = {&program_remote, &program_cistern};

    for (guint p = 0; p < G_N_ELEMENTS(programs); p++)
        for (guint i = 0; i < programs[p]->n_procedures; i++) {
            const Procedure *procedure = &programs[p]->procedures[i];
            bool answered = handler_find(programs[p], procedure->number) != NULL;
            g_assert_cmpint(answered, ==, !(procedure->flags & PROCEDURE_MESSAGE));
        }
}

/* What libvirt's library sends when an application with an event loop connects, and its end. */
static void test_handshake(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_new(fixture, false);
    RpcAuthTypes types;
    RpcUint64 version;

    peer_call(peer, REMOTE_AUTH_LIST, NULL, &types);
    g_assert_cmpuint(types.n_types, ==, 1);
    g_assert_cmpint(types.types[0], ==, RPC_AUTH_NONE);
    g_free(types.types);
    assert_feature(peer, 10, 1);
    peer_call(peer, REMOTE_CONNECT_OPEN, &open_system, NULL);
    assert_feature(peer, 14, 1);
    assert_feature(peer, 15, 1);
    assert_feature(peer, 8, 1);
    assert_feature(peer, 1, 0);
    assert_feature(peer, 4711, 0);
    peer_call(peer, REMOTE_CONNECT_REGISTER_CLOSE_CALLBACK, NULL, NULL);
    assert_text(peer, REMOTE_CONNECT_GET_TYPE, "storage");
    assert_text(peer, REMOTE_CONNECT_GET_URI, "storage:///system");
    peer_call(peer, REMOTE_CONNECT_GET_LIB_VERSION, NULL, &version);
    g_assert_cmpuint(version.value, >=, 5002000);
    peer_call(peer, REMOTE_CONNECT_UNREGISTER_CLOSE_CALLBACK, NULL, NULL);
    peer_call(peer, REMOTE_CONNECT_CLOSE, NULL, NULL);
    peer_assert_closed(peer);
}

static void test_golden_handshake(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_new(fixture, false);
    guint8 reply[36];

    peer_send_hex(peer, "0000001c 20008086 00000001 00000042 00000000 00000000 00000000");
    g_assert_cmpint(recv(peer->fd, reply, sizeof reply, MSG_WAITALL), ==, sizeof reply);
    assert_bytes(reply, sizeof reply,
                 "00000024 20008086 00000001 00000042 00000001 00000000 00000000"
                 "00000001 00000000");
    /* go-libvirt's open, with its odd presence word and serial */
    peer_send_hex(peer, "0000003c 20008086 00000001 00000001 00000000 00000001 00000000"
                        "01000000 00000011 73746f72 6167653a 2f2f2f73 79737465 6d000000 00000000");
    g_assert_cmpint(recv(peer->fd, reply, 28, MSG_WAITALL), ==, 28);
    assert_bytes(reply, 28, "0000001c 20008086 00000001 00000001 00000001 00000001 00000000");
}

static void test_before_open(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_new(fixture, false);

    peer_fail(peer, REMOTE_CONNECT_NUM_OF_STORAGE_POOLS, NULL, ERROR_INTERNAL, ORIGIN_RPC,
              "internal error: connection not open");
    peer_fail(peer, REMOTE_CONNECT_SUPPORTS_FEATURE, &(RpcInt){14}, ERROR_INTERNAL, ORIGIN_RPC,
              NULL);
    peer_fail(peer, REMOTE_CONNECT_OPEN, &(RpcOpen){NULL, 0}, ERROR_INTERNAL, ORIGIN_RPC, NULL);
    peer_fail(peer, REMOTE_CONNECT_OPEN, &(RpcOpen){(char *)"xen:///system", 0}, ERROR_NO_CONNECT,
              ORIGIN_NONE, NULL);
    peer_fail(peer, REMOTE_CONNECT_OPEN, &(RpcOpen){(char *)"STORAGE:///system", 0},
              ERROR_NO_CONNECT, ORIGIN_NONE, NULL);
    peer_fail(peer, REMOTE_CONNECT_OPEN, &(RpcOpen){(char *)"storage://host/system", 0},
              ERROR_NO_CONNECT, ORIGIN_NONE, NULL);
    peer_call(peer, REMOTE_CONNECT_OPEN, &(RpcOpen){(char *)"", 0}, NULL);
    peer_fail(peer, REMOTE_CONNECT_OPEN, &open_system, ERROR_INTERNAL, ORIGIN_RPC, NULL);
    assert_text(peer, REMOTE_CONNECT_GET_URI, "storage:///system"); /* the first one stays */
}

static void test_uri_path(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(&(ServerConfig){.uri_path = "/session"});
    g_autoptr(Peer) peer = peer_new(fixture, false);

    peer_fail(peer, REMOTE_CONNECT_OPEN, &open_system, ERROR_INTERNAL, ORIGIN_NONE, NULL);
    peer_call(peer, REMOTE_CONNECT_OPEN, &(RpcOpen){(char *)"storage:///session?x=y", 0}, NULL);
    assert_text(peer, REMOTE_CONNECT_GET_URI, "storage:///session?x=y");
}

static void test_other_authentication(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_new(fixture, false);

    peer_fail(peer, REMOTE_AUTH_SASL_INIT, NULL, ERROR_AUTH_FAILED, ORIGIN_RPC, NULL);
    peer_fail(peer, REMOTE_AUTH_SASL_START, &(RpcSaslStart){.mechanism = (char *)"PLAIN"},
              ERROR_AUTH_FAILED, ORIGIN_RPC, NULL);
    peer_fail(peer, REMOTE_AUTH_POLKIT, NULL, ERROR_INTERNAL, ORIGIN_RPC, NULL);
}

static void test_identity(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture);
    RpcParam params[] = {
        {(char *)"user-name", RPC_PARAM_STRING, {.text = (char *)"joe"}},
        {(char *)"process-id", RPC_PARAM_LLONG, {.ll = 77}},
    };

    peer_call(peer, REMOTE_CONNECT_SET_IDENTITY, &(RpcIdentity){2, params, 0}, NULL);
    params[1].field = (char *)"shoe-size";
    peer_fail(peer, REMOTE_CONNECT_SET_IDENTITY, &(RpcIdentity){2, params, 0},
              ERROR_ARGUMENT_UNSUPPORTED, ORIGIN_RPC, NULL);
    params[1].field = (char *)"unix-user-id";
    peer_fail(peer, REMOTE_CONNECT_SET_IDENTITY, &(RpcIdentity){2, params, 0},
              ERROR_INVALID_ARGUMENT, ORIGIN_RPC, NULL);
    params[1] = params[0];
    peer_fail(peer, REMOTE_CONNECT_SET_IDENTITY, &(RpcIdentity){2, params, 0},
              ERROR_INVALID_ARGUMENT, ORIGIN_RPC, NULL);
    peer_fail(peer, REMOTE_CONNECT_SET_IDENTITY, &(RpcIdentity){1, params, 1},
              ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE, NULL);
}

/* ---- what does not fit ---- */

static void assert_error_echo(Peer *peer, guint32 program, guint32 version, gint32 procedure,
                              guint32 status, const char *prefix)
{
    FrameHeader header = {program, version, procedure, FRAME_CALL, 99, status};
    g_autoptr(GByteArray) call = frame_new_raw(&header, "", 0);
    Frame frame;

    peer_send_bytes(peer, call->data, call->len);
    g_assert_true(peer_receive(peer, &frame));
    g_assert_cmpuint(frame.header.program, ==, program);
    g_assert_cmpuint(frame.header.version, ==, version);
    g_assert_cmpint(frame.header.procedure, ==, procedure);
    g_assert_cmpuint(frame.header.type, ==, FRAME_REPLY);
    g_assert_cmpuint(frame.header.serial, ==, 99);
    g_assert_cmpuint(frame.header.status, ==, FRAME_ERROR);
    g_autoptr(GError) error = frame_parse_error(frame.payload, frame.size);
    g_assert_error(error, CISTERN_ERROR, ERROR_RPC);
    g_assert_cmpint(error_origin(error), ==, ORIGIN_RPC);
    g_assert_true(g_str_has_prefix(error->message, prefix));
}

static void test_unknown(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture);

    assert_error_echo(peer, 0x20008087, 1, 1, FRAME_OK, "unknown program");
    assert_error_echo(peer, PROGRAM_REMOTE, 2, 1, FRAME_OK, "unknown program");
    assert_error_echo(peer, PROGRAM_REMOTE, 1, 453, FRAME_OK, "unknown procedure: 453");
    assert_error_echo(peer, PROGRAM_REMOTE, 1, 207, FRAME_OK, "unknown procedure: 207");
    assert_error_echo(peer, PROGRAM_REMOTE, 1, 0, FRAME_OK, "unknown procedure");
    assert_error_echo(peer, PROGRAM_REMOTE, 1, -1, FRAME_OK, "unknown procedure");
    assert_error_echo(peer, PROGRAM_REMOTE, 1, REMOTE_STORAGE_POOL_EVENT_REFRESH, FRAME_OK,
                      "unknown procedure");
    assert_error_echo(peer, PROGRAM_REMOTE, 1, REMOTE_CONNECT_GET_TYPE, FRAME_ERROR, "a call");
    /* arguments that end too early; the connection stays */
    assert_error_echo(peer, PROGRAM_REMOTE, 1, REMOTE_STORAGE_POOL_LOOKUP_BY_NAME, FRAME_OK, "");
    assert_text(peer, REMOTE_CONNECT_GET_TYPE, "storage");
}

static void test_ignored(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture);
    static const guint32 types[] = {FRAME_REPLY, FRAME_MESSAGE,     FRAME_STREAM,
                                    FRAME_REPLY, FRAME_STREAM_HOLE, 7,
                                    0xffffffff};

    for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
        FrameHeader header = {PROGRAM_REMOTE, 1, 3, types[i], 5, FRAME_OK};
        g_autoptr(GByteArray) frame = frame_new_raw(&header, "abcd", 4);
        peer_send_bytes(peer, frame->data, frame->len);
    }
    /* a PONG and an unknown keepalive message */
    peer_send_hex(peer, "0000001c 6b656570 00000001 00000002 00000002 00000000 00000000"
                        "0000001c 6b656570 00000001 00000009 00000002 00000000 00000000");
    peer_assert_quiet(peer);
    assert_text(peer, REMOTE_CONNECT_GET_TYPE, "storage");
}

static void test_unsupported(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture);

    peer_fail(peer, REMOTE_CONNECT_GET_VERSION, NULL, ERROR_NO_SUPPORT, ORIGIN_DOMAIN,
              "this function is not supported by the connection driver: virConnectGetVersion");
    peer_fail(peer, REMOTE_CONNECT_GET_MAX_VCPUS, &(RpcOptionalText){NULL}, ERROR_NO_SUPPORT,
              ORIGIN_DOMAIN, NULL);
}

static void assert_length_closes(ServerFixture *fixture, const char *hex)
{
    g_autoptr(Peer) peer = peer_new(fixture, false);

    peer_send_hex(peer, hex);
    peer_assert_closed(peer);
}

static void test_broken_lengths(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(&(ServerConfig){.max_message = 100000});
    g_autoptr(Peer) peer = peer_open(fixture);

    assert_length_closes(fixture, "00000000");
    assert_length_closes(fixture, "0000001b");
    assert_length_closes(fixture, "000186a1");
    assert_length_closes(fixture, "ffffffff");
    assert_text(peer, REMOTE_CONNECT_GET_TYPE, "storage");
}

static void test_slow_frame(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) slow = peer_new(fixture, false), other = peer_open(fixture);
    g_autoptr(GByteArray) call =
        hex_bytes("0000001c 20008086 00000001 00000042 00000000 00000000 00000000");
    Frame frame;

    for (guint i = 0; i < call->len; i++) {
        peer_send_bytes(slow, call->data + i, 1);
        assert_text(other, REMOTE_CONNECT_GET_TYPE, "storage");
    }
    g_assert_true(peer_receive(slow, &frame));
    g_assert_cmpint(frame.header.procedure, ==, REMOTE_AUTH_LIST);
}

static void assert_pong(Peer *peer)
{
    Frame frame;

    peer_send_hex(peer, "0000001c 6b656570 00000001 00000001 00000002 00000000 00000000");
    g_assert_true(peer_receive(peer, &frame));
    g_assert_cmpuint(frame.header.program, ==, PROGRAM_KEEPALIVE);
    g_assert_cmpint(frame.header.procedure, ==, KEEPALIVE_PONG);
    g_assert_cmpuint(frame.header.type, ==, FRAME_MESSAGE);
    g_assert_cmpuint(frame.size, ==, 0);
}

static void test_ping(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_new(fixture, false);

    assert_pong(peer); /* before anything else */
}

/* Who asked for keepalive and does not answer is given up. */
static void test_dead_client(void)
{
    g_autoptr(ServerFixture) fixture =
        server_fixture_new(&(ServerConfig){.keepalive_interval = 1, .keepalive_count = 1});
    g_autoptr(Peer) peer = peer_open(fixture);
    Frame frame;

    assert_feature(peer, 10, 1);
    g_assert_true(peer_receive(peer, &frame));
    g_assert_cmpuint(frame.header.program, ==, PROGRAM_KEEPALIVE);
    g_assert_cmpint(frame.header.procedure, ==, KEEPALIVE_PING);
    peer_assert_closed(peer);
}

static void test_too_many_clients(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(&(ServerConfig){.max_clients = 2});
    g_autoptr(Peer) a = peer_open(fixture), b = peer_open(fixture);
    g_autoptr(Peer) c = peer_new(fixture, false);

    peer_assert_closed(c);
    assert_text(a, REMOTE_CONNECT_GET_TYPE, "storage");
    assert_text(b, REMOTE_CONNECT_GET_TYPE, "storage");
}

/* ---- listening ---- */

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpuint(g_strlcpy(address.sun_path, path, sizeof address.sun_path), <,
                     sizeof address.sun_path);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(fd, 10), ==, 0);
    return fd;
}

static Peer *connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    Peer *peer = g_new0(Peer, 1);

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    peer->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(peer->fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    peer_call(peer, REMOTE_CONNECT_OPEN, &open_system, NULL);
    return peer;
}

static void test_listeners(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autofree char *path = g_build_filename(fixture->folder, "sock", NULL);
    g_autofree char *path_ro = g_build_filename(fixture->folder, "sock-ro", NULL);
    RpcPool ghost = {.name = (char *)"ghost"};

    g_assert_true(server_listen(fixture->server, listen_at(path), &(ListenerConfig){0}, NULL));
    g_assert_true(server_listen(fixture->server, listen_at(path_ro),
                                &(ListenerConfig){.read_only = true}, NULL));
    g_autoptr(Peer) writer = connect_to(path), reader = connect_to(path_ro);
    peer_fail(writer, REMOTE_STORAGE_POOL_DESTROY, &ghost, ERROR_NO_POOL, ORIGIN_STORAGE, NULL);
    peer_fail(reader, REMOTE_STORAGE_POOL_DESTROY, &ghost, ERROR_OPERATION_DENIED, ORIGIN_STORAGE,
              "operation forbidden: read only access prevents virStoragePoolDestroy");
}

/* ---- pools and volumes ---- */

static RpcVolume volume_handle(const char *pool, const char *name)
{
    return (RpcVolume){(char *)pool, (char *)name, (char *)""};
}

static void create_volume(Peer *peer, RpcPool pool, const char *name)
{
    g_autofree char *xml = g_strdup_printf(
        "<volume><name>%s</name><capacity>65536</capacity><allocation>0</allocation></volume>",
        name);
    RpcVolume volume;

    peer_call(peer, REMOTE_STORAGE_VOL_CREATE_XML, &(RpcVolumeCreate){pool, xml, 0}, &volume);
    g_assert_cmpstr(volume.name, ==, name);
    xdr_clear(&rpc_volume_type, &volume);
}

static void test_pool_life(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture);
    autopool RpcPool pool = peer_define_pool(peer, fixture, "p");
    RpcPoolInfo info;
    RpcNames names;
    RpcInt number;

    peer_call(peer, REMOTE_STORAGE_POOL_GET_INFO, &pool, &info);
    g_assert_cmpuint(info.state, ==, POOL_STATE_INACTIVE);
    peer_call(peer, REMOTE_CONNECT_NUM_OF_DEFINED_STORAGE_POOLS, NULL, &number);
    g_assert_cmpint(number.value, ==, 1);
    peer_call(peer, REMOTE_CONNECT_LIST_DEFINED_STORAGE_POOLS, &(RpcInt){10}, &names);
    g_assert_cmpuint(names.n_names, ==, 1);
    g_assert_cmpstr(names.names[0], ==, "p");
    g_free(names.names[0]);
    g_free(names.names);
    peer_fail(peer, REMOTE_CONNECT_LIST_STORAGE_POOLS, &(RpcInt){-1}, ERROR_RPC, ORIGIN_RPC, NULL);
    peer_fail(peer, REMOTE_CONNECT_LIST_STORAGE_POOLS, &(RpcInt){16385}, ERROR_RPC, ORIGIN_RPC,
              NULL);
    peer_call(peer, REMOTE_STORAGE_POOL_CREATE, &(RpcPoolFlags){pool, 0}, NULL);
    peer_call(peer, REMOTE_STORAGE_POOL_IS_ACTIVE, &pool, &number);
    g_assert_cmpint(number.value, ==, 1);
    peer_call(peer, REMOTE_STORAGE_POOL_SET_AUTOSTART, &(RpcPoolInt){pool, 77}, NULL);
    peer_call(peer, REMOTE_STORAGE_POOL_GET_AUTOSTART, &pool, &number);
    g_assert_cmpint(number.value, ==, 1);
    peer_call(peer, REMOTE_STORAGE_POOL_DESTROY, &pool, NULL);
    peer_call(peer, REMOTE_STORAGE_POOL_UNDEFINE, &pool, NULL);
    peer_fail(peer, REMOTE_STORAGE_POOL_LOOKUP_BY_NAME, &(RpcText){(char *)"p"}, ERROR_NO_POOL,
              ORIGIN_STORAGE, "Storage pool not found: no storage pool with matching name 'p'");
}

/* A handle is found by its uuid, whatever name it carries. */
static void test_handles(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture);
    autopool RpcPool pool = peer_start_pool(peer, fixture, "p");
    autopool RpcPool found = {0};
    RpcPool renamed = {(char *)"other", pool.uuid};
    RpcVolume volume = volume_handle("p", "not there");
    RpcInt number;

    peer_call(peer, REMOTE_STORAGE_POOL_IS_ACTIVE, &renamed, &number);
    g_assert_cmpint(number.value, ==, 1);
    peer_call(peer, REMOTE_STORAGE_POOL_LOOKUP_BY_VOLUME, &volume, &found);
    g_assert_true(uuid_equal(&found.uuid, &pool.uuid));
    volume.pool = (char *)"q";
    peer_fail(peer, REMOTE_STORAGE_POOL_LOOKUP_BY_VOLUME, &volume, ERROR_NO_POOL, ORIGIN_STORAGE,
              NULL);
}

static void test_volume_life(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture);
    autopool RpcPool pool = peer_start_pool(peer, fixture, "p");
    RpcVolume volume = volume_handle("p", "v");
    RpcVolumeInfo info;
    RpcVolumeList list;
    RpcText text;

    create_volume(peer, pool, "v");
    peer_call(peer, REMOTE_STORAGE_VOL_GET_INFO, &volume, &info);
    g_assert_cmpuint(info.capacity, ==, 65536);
    peer_call(peer, REMOTE_STORAGE_VOL_GET_XML_DESC, &(RpcVolumeFlags){volume, 0}, &text);
    g_assert_nonnull(strstr(text.text, "<name>v</name>"));
    g_free(text.text);
    peer_fail(peer, REMOTE_STORAGE_VOL_GET_XML_DESC, &(RpcVolumeFlags){volume, 2},
              ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
              "unsupported flags (0x2) in function storageVolGetXMLDesc");
    peer_fail(peer, REMOTE_STORAGE_VOL_RESIZE, &(RpcVolumeResize){volume, 0, 0},
              ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE, NULL);
    peer_call(peer, REMOTE_STORAGE_VOL_RESIZE, &(RpcVolumeResize){volume, 131072, 0}, NULL);
    peer_call(peer, REMOTE_STORAGE_POOL_LIST_ALL_VOLUMES, &(RpcListVolumes){pool, 0, 0}, &list);
    g_assert_cmpuint(list.count, ==, 1);
    g_assert_cmpuint(list.n_volumes, ==, 0);
    peer_call(peer, REMOTE_STORAGE_POOL_LIST_ALL_VOLUMES, &(RpcListVolumes){pool, 1, 0}, &list);
    g_assert_cmpuint(list.n_volumes, ==, 1);
    g_assert_cmpstr(list.volumes[0].name, ==, "v");
    peer_call(peer, REMOTE_STORAGE_VOL_LOOKUP_BY_KEY, &(RpcText){list.volumes[0].key}, &volume);
    g_assert_cmpstr(volume.name, ==, "v");
    xdr_clear(procedure_find(&program_remote, REMOTE_STORAGE_POOL_LIST_ALL_VOLUMES)->result, &list);
    peer_call(peer, REMOTE_STORAGE_VOL_DELETE, &(RpcVolumeFlags){volume, 0}, NULL);
    peer_fail(peer, REMOTE_STORAGE_VOL_GET_PATH, &volume, ERROR_NO_VOLUME, ORIGIN_STORAGE, NULL);
    xdr_clear(&rpc_volume_type, &volume);
}

/* A name that only the folder knows is found by a look-up. */
static void test_lookup_asks_storage(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture);
    autopool RpcPool pool = peer_start_pool(peer, fixture, "p");
    RpcVolume volume;

    put_file(fixture, "p", "fresh");
    peer_call(peer, REMOTE_STORAGE_VOL_LOOKUP_BY_NAME, &(RpcPoolName){pool, (char *)"fresh"},
              &volume);
    g_assert_cmpstr(volume.name, ==, "fresh");
    xdr_clear(&rpc_volume_type, &volume);
    peer_fail(peer, REMOTE_STORAGE_VOL_LOOKUP_BY_NAME, &(RpcPoolName){pool, (char *)"stale"},
              ERROR_NO_VOLUME, ORIGIN_STORAGE, NULL);
}

/* ---- read-only ---- */

/* Arguments that are all empty, whatever the procedure. */
static void send_empty(Peer *peer, const Program *program, const Procedure *procedure)
{
    FrameHeader header = {program->number, 1,       procedure->number, FRAME_CALL,
                          ++peer->serial,  FRAME_OK};
    guint8 zeros[64] = {0};
    g_autoptr(GByteArray) frame = frame_new_raw(&header, zeros, sizeof zeros);

    peer_send_bytes(peer, frame->data, frame->len);
}

static bool is_refused_as_read_only(Peer *peer, const Program *program, const Procedure *procedure)
{
    Frame frame;

    send_empty(peer, program, procedure);
    g_assert_true(peer_receive(peer, &frame));
    g_assert_cmpint(frame.header.procedure, ==, procedure->number);
    if (frame.header.status == FRAME_OK)
        return false;
    g_autoptr(GError) error = frame_parse_error(frame.payload, frame.size);
    if (error_code(error) != ERROR_OPERATION_DENIED)
        return false;
    g_assert_cmpint(error_origin(error), ==, ORIGIN_STORAGE);
    return true;
}

static void check_read_only_rows(Peer *peer, const Program *program)
{
    for (guint i = 0; i < program->n_procedures; i++) {
        const Procedure *procedure = &program->procedures[i];
        if (procedure->flags & PROCEDURE_MESSAGE || procedure->number == REMOTE_CONNECT_CLOSE)
            continue;
        g_assert_cmpint(is_refused_as_read_only(peer, program, procedure), ==,
                        !(procedure->flags & PROCEDURE_READ_ONLY));
    }
}

static void test_read_only(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) by_socket = peer_new(fixture, true), by_flag = peer_new(fixture, false);

    peer_call(by_socket, REMOTE_CONNECT_OPEN, &open_system, NULL);
    check_read_only_rows(by_socket, &program_remote);
    check_read_only_rows(by_socket, &program_cistern);
    peer_call(by_flag, REMOTE_CONNECT_OPEN, &(RpcOpen){(char *)"storage:///system", 0xffffffff},
              NULL);
    check_read_only_rows(by_flag, &program_remote);
}

/* ---- many calls at once ---- */

static guint32 send_info(Peer *peer, const char *pool, const char *name)
{
    RpcVolume volume = volume_handle(pool, name);

    return peer_send(peer, &program_remote, REMOTE_STORAGE_VOL_GET_INFO, &volume);
}

static guint32 send_create(Peer *peer, RpcPool pool, const char *name)
{
    g_autofree char *xml = g_strdup_printf(
        "<volume><name>%s</name><capacity>65536</capacity><allocation>0</allocation></volume>",
        name);

    return peer_send(peer, &program_remote, REMOTE_STORAGE_VOL_CREATE_XML,
                     &(RpcVolumeCreate){pool, xml, 0});
}

static void take_create(Peer *peer, guint32 serial)
{
    RpcVolume volume;
    g_autoptr(GError) error =
        peer_answer(peer, &program_remote, REMOTE_STORAGE_VOL_CREATE_XML, serial, &volume);

    g_assert_no_error(error);
    xdr_clear(&rpc_volume_type, &volume);
}

static void test_out_of_order(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture);
    autopool RpcPool pool = peer_start_pool(peer, fixture, "p");
    RpcVolumeInfo info;

    create_volume(peer, pool, "v");
    gate_shut();
    guint32 slow = send_create(peer, pool, "w");
    gate_wait(1);
    assert_text(peer, REMOTE_CONNECT_GET_TYPE, "storage");
    assert_pong(peer);
    gate_open();
    take_create(peer, slow);
    guint32 serial = send_info(peer, "p", "v");
    g_assert_null(peer_answer(peer, &program_remote, REMOTE_STORAGE_VOL_GET_INFO, serial, &info));
}

/* Two calls may wait for storage; the third waits for them, and holds up nothing behind it that
 * needs none. */
static void test_requests_in_flight(void)
{
    g_autoptr(ServerFixture) fixture =
        server_fixture_new(&(ServerConfig){.max_client_requests = 2});
    g_autoptr(Peer) peer = peer_open(fixture), other = peer_open(fixture);
    autopool RpcPool pool = peer_start_pool(peer, fixture, "p");

    gate_shut();
    guint32 a = send_create(peer, pool, "a"), b = send_create(peer, pool, "b");
    gate_wait(2);
    guint32 c = send_create(peer, pool, "c");
    guint32 type = peer_send(peer, &program_remote, REMOTE_CONNECT_GET_TYPE, NULL);
    RpcText text;
    g_assert_null(peer_answer(peer, &program_remote, REMOTE_CONNECT_GET_TYPE, type, &text));
    g_free(text.text);
    autopool RpcPool beside = peer_define_pool(peer, fixture, "beside");
    peer_assert_quiet(peer);
    assert_text(other, REMOTE_CONNECT_GET_TYPE, "storage");
    gate_open();
    guint answers = 0;
    for (Frame frame; answers < 3 && peer_receive(peer, &frame); answers++) {
        g_assert_cmpuint(frame.header.status, ==, FRAME_OK);
        g_assert_true(frame.header.serial == a || frame.header.serial == b ||
                      frame.header.serial == c);
    }
    g_assert_cmpuint(answers, ==, 3);
    peer_call(peer, REMOTE_CONNECT_GET_TYPE, NULL, &text);
    g_free(text.text);
}

/* However many wait, each is answered once; the socket waits when the line is long. */
static void test_long_line(void)
{
    g_autoptr(ServerFixture) fixture =
        server_fixture_new(&(ServerConfig){.max_client_requests = 2});
    g_autoptr(Peer) peer = peer_open(fixture);
    autopool RpcPool pool = peer_start_pool(peer, fixture, "p");
    g_autoptr(GHashTable) asked = g_hash_table_new(NULL, NULL);
    Frame frame;

    gate_shut();
    for (guint i = 0; i < 100; i++) {
        g_autofree char *name = g_strdup_printf("v%u", i);
        g_hash_table_add(asked, GUINT_TO_POINTER(send_create(peer, pool, name)));
    }
    gate_wait(2);
    guint32 type = peer_send(peer, &program_remote, REMOTE_CONNECT_GET_TYPE, NULL);
    g_hash_table_add(asked, GUINT_TO_POINTER(type));
    peer_assert_quiet(peer);
    gate_open();
    while (g_hash_table_size(asked) > 0 && peer_receive(peer, &frame)) {
        g_assert_cmpuint(frame.header.status, ==, FRAME_OK);
        g_assert_true(g_hash_table_remove(asked, GUINT_TO_POINTER(frame.header.serial)));
    }
    g_assert_cmpuint(g_hash_table_size(asked), ==, 0);
}

/* A call that waits behind one that hangs has its deadline all the same. */
static void test_late_in_line(void)
{
    g_autoptr(ServerFixture) fixture =
        server_fixture_new(&(ServerConfig){.max_client_requests = 1, .read_deadline = 200});
    g_autoptr(Peer) peer = peer_open(fixture);
    autopool RpcPool pool = peer_start_pool(peer, fixture, "p");
    RpcVolumeInfo info;

    create_volume(peer, pool, "v");
    gate_shut();
    guint32 slow = send_create(peer, pool, "w");
    gate_wait(1);
    guint32 serial = send_info(peer, "p", "v");
    g_assert_null(peer_answer(peer, &program_remote, REMOTE_STORAGE_VOL_GET_INFO, serial, &info));
    g_assert_cmpuint(info.capacity, ==, 65536);
    gate_open();
    take_create(peer, slow);
}

/* Storage that hangs: information is what was last known, in time. */
static void test_late_answer(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(&(ServerConfig){.read_deadline = 200});
    g_autoptr(Peer) peer = peer_open(fixture);
    autopool RpcPool pool = peer_start_pool(peer, fixture, "p");
    RpcVolume volume = volume_handle("p", "v");
    RpcVolumeInfo info;
    RpcText text;

    create_volume(peer, pool, "v");
    gate_shut();
    gint64 start = g_get_monotonic_time();
    peer_call(peer, REMOTE_STORAGE_VOL_GET_INFO, &volume, &info);
    g_assert_cmpuint(info.capacity, ==, 65536);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 190000);
    peer_call(peer, REMOTE_STORAGE_VOL_GET_XML_DESC, &(RpcVolumeFlags){volume, 0}, &text);
    g_assert_nonnull(strstr(text.text, "<name>v</name>"));
    g_free(text.text);
    /* what needs no storage isn't held up */
    peer_call(peer, REMOTE_STORAGE_VOL_GET_PATH, &volume, &text);
    g_free(text.text);
    gate_open();
}

static void test_client_leaves(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture), other = peer_open(fixture);
    autopool RpcPool pool = peer_start_pool(peer, fixture, "p");
    RpcVolume volume;

    gate_shut();
    send_create(peer, pool, "v");
    gate_wait(1);
    fd_close(&peer->fd);
    assert_text(other, REMOTE_CONNECT_GET_TYPE, "storage");
    gate_open();
    /* the work was finished nevertheless */
    for (guint i = 0; i < 200; i++) {
        guint32 serial = peer_send(other, &program_remote, REMOTE_STORAGE_VOL_LOOKUP_BY_NAME,
                                   &(RpcPoolName){pool, (char *)"v"});
        g_autoptr(GError) error =
            peer_answer(other, &program_remote, REMOTE_STORAGE_VOL_LOOKUP_BY_NAME, serial, &volume);
        if (!error) {
            xdr_clear(&rpc_volume_type, &volume);
            return;
        }
        g_usleep(20000);
    }
    g_assert_not_reached();
}

static void test_server_ends_meanwhile(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture);
    autopool RpcPool pool = peer_start_pool(peer, fixture, "p");

    gate_shut();
    send_create(peer, pool, "v");
    gate_wait(1);
}

/* ---- readers that don't read ---- */

#define ASKED 20000

/* False when the server takes no more, for a while. */
static bool send_unless_stuck(Peer *peer, const GByteArray *call)
{
    struct pollfd fd = {peer->fd, POLLOUT, 0};

    if (poll(&fd, 1, 500) == 0)
        return false;
    peer_send_bytes(peer, call->data, call->len);
    return true;
}

/* It asks and doesn't read: its requests wait, its answers stay bounded, nothing is lost. */
static void test_slow_reader(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture), other = peer_open(fixture);
    FrameHeader header = {PROGRAM_REMOTE, 1, REMOTE_CONNECT_GET_CAPABILITIES, FRAME_CALL, 0, 0};
    guint32 received = 0;

    for (bool sent = true; sent && header.serial < ASKED; header.serial += sent) {
        g_autoptr(GByteArray) call = frame_new_raw(&header, "", 0);
        sent = send_unless_stuck(peer, call);
    }
    g_assert_cmpuint(header.serial, >, 100);
    g_assert_cmpuint(header.serial, <, ASKED);
    assert_text(other, REMOTE_CONNECT_GET_TYPE, "storage");
    for (Frame frame; received < header.serial; received++) {
        g_assert_true(peer_receive(peer, &frame));
        g_assert_cmpuint(frame.header.serial, ==, received);
    }
}

/* Events for one who never reads: it is disconnected, the others are served. */
static void test_no_reader(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(&(ServerConfig){.max_queued = 4096});
    g_autoptr(Peer) deaf = peer_open(fixture), peer = peer_open(fixture);
    autopool RpcPool pool = peer_start_pool(peer, fixture, "p");
    RpcInt id;

    for (guint i = 0; i < 1000; i++)
        peer_call(deaf, REMOTE_CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY,
                  &(RpcEventRegister){RPC_EVENT_REFRESH, NULL}, &id);
    for (guint i = 0; i < 20; i++)
        peer_call(peer, REMOTE_STORAGE_POOL_REFRESH, &(RpcPoolFlags){pool, 0}, NULL);
    for (Frame frame; peer_receive(deaf, &frame);)
        g_assert_cmpint(frame.header.procedure, ==, REMOTE_STORAGE_POOL_EVENT_REFRESH);
    assert_text(peer, REMOTE_CONNECT_GET_TYPE, "storage");
}

/* ---- events ---- */

static gint32 register_events(Peer *peer, RpcEventId event, RpcPool *pool)
{
    RpcInt id;

    peer_call(peer, REMOTE_CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY,
              &(RpcEventRegister){(gint32)event, pool}, &id);
    return id.value;
}

static void expect_lifecycle(Peer *peer, gint32 id, const char *pool, EventKind kind)
{
    RpcEventLifecycle event;
    Frame frame;

    g_assert_true(peer_receive(peer, &frame));
    g_assert_cmpint(frame.header.procedure, ==, REMOTE_STORAGE_POOL_EVENT_LIFECYCLE);
    g_assert_cmpuint(frame.header.type, ==, FRAME_MESSAGE);
    g_assert_true(xdr_decode(&rpc_event_lifecycle_type, frame.payload, frame.size, &event, NULL));
    g_assert_cmpint(event.callback_id, ==, id);
    g_assert_cmpstr(event.pool.name, ==, pool);
    g_assert_cmpint(event.event, ==, (int)kind);
    g_assert_cmpint(event.detail, ==, 0);
    xdr_clear(&rpc_event_lifecycle_type, &event);
}

static void expect_refresh(Peer *peer, gint32 id)
{
    RpcEventRefresh event;
    Frame frame;

    g_assert_true(peer_receive(peer, &frame));
    g_assert_cmpint(frame.header.procedure, ==, REMOTE_STORAGE_POOL_EVENT_REFRESH);
    g_assert_true(xdr_decode(&rpc_event_refresh_type, frame.payload, frame.size, &event, NULL));
    g_assert_cmpint(event.callback_id, ==, id);
    xdr_clear(&rpc_event_refresh_type, &event);
}

static void test_events(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture), watcher = peer_open(fixture);
    autopool RpcPool other = peer_define_pool(peer, fixture, "other");
    gint32 all = register_events(watcher, RPC_EVENT_LIFECYCLE, NULL);
    gint32 one = register_events(watcher, RPC_EVENT_LIFECYCLE, &other);
    gint32 refresh = register_events(watcher, RPC_EVENT_REFRESH, NULL);

    g_assert_cmpint(all, >=, 0);
    autopool RpcPool pool = peer_start_pool(peer, fixture, "p");
    expect_lifecycle(watcher, all, "p", EVENT_DEFINED);
    expect_lifecycle(watcher, all, "p", EVENT_STARTED);
    peer_call(peer, REMOTE_STORAGE_POOL_REFRESH, &(RpcPoolFlags){pool, 0}, NULL);
    expect_refresh(watcher, refresh);
    peer_call(peer, REMOTE_STORAGE_POOL_DESTROY, &pool, NULL);
    expect_lifecycle(watcher, all, "p", EVENT_STOPPED);
    peer_call(peer, REMOTE_STORAGE_POOL_UNDEFINE, &other, NULL);
    expect_lifecycle(watcher, all, "other", EVENT_UNDEFINED);
    expect_lifecycle(watcher, one, "other", EVENT_UNDEFINED);
    peer_call(watcher, REMOTE_CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY, &(RpcInt){all}, NULL);
    peer_call(peer, REMOTE_STORAGE_POOL_CREATE, &(RpcPoolFlags){pool, 0}, NULL);
    peer_assert_quiet(watcher);
    peer_fail(watcher, REMOTE_CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY, &(RpcInt){all},
              ERROR_INTERNAL, ORIGIN_RPC, NULL);
    peer_fail(watcher, REMOTE_CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY,
              &(RpcEventRegister){-1, NULL}, ERROR_INTERNAL, ORIGIN_RPC, NULL);
    peer_fail(watcher, REMOTE_CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY, &(RpcEventRegister){2, NULL},
              ERROR_INTERNAL, ORIGIN_RPC, NULL);
}

/* ---- what a storage host has none of ---- */

typedef struct OtherEvents {
    RemoteProcedure enrol, leave;
    gint32 first_unknown;
} OtherEvents;

static void check_other_events(Peer *peer, const OtherEvents *other)
{
    RpcOtherRegister args = {0, NULL}, unknown = {other->first_unknown, NULL};
    RpcInt id, again;

    peer_call(peer, other->enrol, &args, &id);
    peer_call(peer, other->enrol, &args, &again);
    g_assert_cmpint(id.value, !=, again.value);
    peer_fail(peer, other->enrol, &unknown, ERROR_INTERNAL, ORIGIN_RPC, NULL);
    peer_fail(peer, REMOTE_CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY, &id, ERROR_INTERNAL,
              ORIGIN_RPC, NULL);
    peer_call(peer, other->leave, &id, NULL);
    peer_fail(peer, other->leave, &id, ERROR_INTERNAL, ORIGIN_RPC, NULL);
}

static void test_other_events(void)
{
    static const OtherEvents others[] = {
        {REMOTE_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY,
         REMOTE_CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY, 27},
        {REMOTE_CONNECT_NETWORK_EVENT_REGISTER_ANY, REMOTE_CONNECT_NETWORK_EVENT_DEREGISTER_ANY, 1},
        {REMOTE_CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY,
         REMOTE_CONNECT_NODE_DEVICE_EVENT_DEREGISTER_ANY, 2},
        {REMOTE_CONNECT_SECRET_EVENT_REGISTER_ANY, REMOTE_CONNECT_SECRET_EVENT_DEREGISTER_ANY, 2},
    };
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture), watcher = peer_open(fixture);

    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        check_other_events(watcher, &others[i]);
    /* Each has one left; what happens to pools is none of theirs. */
    autopool RpcPool pool = peer_start_pool(peer, fixture, "p");
    peer_call(peer, REMOTE_STORAGE_POOL_REFRESH, &(RpcPoolFlags){pool, 0}, NULL);
    peer_assert_quiet(watcher);
}

/* Events that are registered by their number: once each. */
static void test_legacy_events(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture);
    RpcInt reboot = {1}, lifecycle = {0}, unknown = {27}, answer = {1};

    peer_call(peer, REMOTE_CONNECT_DOMAIN_EVENT_REGISTER_ANY, &reboot, NULL);
    peer_fail(peer, REMOTE_CONNECT_DOMAIN_EVENT_REGISTER_ANY, &reboot, ERROR_INVALID_ARGUMENT,
              ORIGIN_NONE, NULL);
    peer_call(peer, REMOTE_CONNECT_DOMAIN_EVENT_REGISTER, NULL, &answer);
    g_assert_cmpint(answer.value, ==, 0);
    peer_fail(peer, REMOTE_CONNECT_DOMAIN_EVENT_REGISTER_ANY, &lifecycle, ERROR_INVALID_ARGUMENT,
              ORIGIN_NONE, NULL);
    peer_call(peer, REMOTE_CONNECT_DOMAIN_EVENT_DEREGISTER_ANY, &lifecycle, NULL);
    peer_fail(peer, REMOTE_CONNECT_DOMAIN_EVENT_DEREGISTER, NULL, ERROR_INTERNAL, ORIGIN_RPC, NULL);
    peer_fail(peer, REMOTE_CONNECT_DOMAIN_EVENT_REGISTER_ANY, &unknown, ERROR_INTERNAL, ORIGIN_RPC,
              NULL);
    peer_fail(peer, REMOTE_CONNECT_DOMAIN_EVENT_DEREGISTER_ANY, &unknown, ERROR_INTERNAL,
              ORIGIN_RPC, NULL);
    peer_call(peer, REMOTE_CONNECT_DOMAIN_EVENT_DEREGISTER_ANY, &reboot, NULL);
}

static void test_absent(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture);
    RpcText name = {(char *)"x"};
    RpcUuid uuid = {0};
    RpcScsiHost host = {(char *)"2001001b32a9da4e", (char *)"2101001b32a9da4e", 0};

    peer_fail(peer, REMOTE_DOMAIN_LOOKUP_BY_ID, &(RpcInt){3}, ERROR_NO_DOMAIN, ORIGIN_DOMAIN,
              "Domain not found: no domain with matching id 3");
    peer_fail(peer, REMOTE_DOMAIN_LOOKUP_BY_UUID, &uuid, ERROR_NO_DOMAIN, ORIGIN_DOMAIN, NULL);
    peer_fail(peer, REMOTE_NETWORK_LOOKUP_BY_NAME, &name, ERROR_NO_NETWORK, ORIGIN_NETWORK,
              "Network not found: no network with matching name 'x'");
    peer_fail(peer, REMOTE_INTERFACE_LOOKUP_BY_NAME, &name, ERROR_NO_INTERFACE, ORIGIN_INTERFACE,
              "Interface not found: couldn't find interface named 'x'");
    peer_fail(peer, REMOTE_NODE_DEVICE_LOOKUP_BY_NAME, &name, ERROR_NO_NODE_DEVICE, ORIGIN_NODEDEV,
              NULL);
    peer_fail(peer, REMOTE_NODE_DEVICE_LOOKUP_SCSI_HOST_BY_WWN, &host, ERROR_NO_NODE_DEVICE,
              ORIGIN_NODEDEV, NULL);
    host.flags = 1;
    peer_fail(peer, REMOTE_NODE_DEVICE_LOOKUP_SCSI_HOST_BY_WWN, &host, ERROR_INVALID_ARGUMENT,
              ORIGIN_STORAGE, NULL);
    peer_fail(peer, REMOTE_SECRET_LOOKUP_BY_USAGE, &(RpcSecretUsage){1, name.text}, ERROR_NO_SECRET,
              ORIGIN_SECRET, "Secret not found: no secret with matching usage 'x'");
    peer_fail(peer, REMOTE_NWFILTER_LOOKUP_BY_NAME, &name, ERROR_NO_NWFILTER, ORIGIN_NWFILTER,
              NULL);
    peer_fail(peer, REMOTE_NWFILTER_BINDING_LOOKUP_BY_PORT_DEV, &name, ERROR_NO_NWFILTER_BINDING,
              ORIGIN_NWFILTER, NULL);
}

/* ---- our own program ---- */

static GError *call_own(Peer *peer, CisternProcedure procedure, const void *args, void *result)
{
    guint32 serial = peer_send(peer, &program_cistern, (gint32)procedure, args);

    return peer_answer(peer, &program_cistern, (gint32)procedure, serial, result);
}

static void test_progress_and_cancel(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture);
    autopool RpcPool pool = peer_start_pool(peer, fixture, "p");
    RpcProgress progress;
    RpcVolume volume;
    RpcJobs jobs;
    Frame frame;

    g_assert_no_error(call_own(peer, CISTERN_PROGRESS_SUBSCRIBE, &(RpcInt){1}, NULL));
    gate_shut();
    guint32 serial = send_create(peer, pool, "v");
    for (guint i = 0; i < 2; i++) {
        g_assert_true(peer_receive(peer, &frame));
        g_assert_cmpuint(frame.header.program, ==, PROGRAM_CISTERN);
        g_assert_cmpint(frame.header.procedure, ==, CISTERN_PROGRESS);
        g_assert_cmpuint(frame.header.type, ==, FRAME_MESSAGE);
        g_assert_true(xdr_decode(&rpc_progress_type, frame.payload, frame.size, &progress, NULL));
        g_assert_cmpuint(progress.serial, ==, serial);
        g_assert_cmpuint(progress.total, ==, 1000000);
    }
    g_assert_no_error(call_own(peer, CISTERN_JOB_LIST, NULL, &jobs));
    g_assert_cmpuint(jobs.n_jobs, ==, 1);
    g_assert_cmpstr(jobs.jobs[0].pool, ==, "p");
    g_assert_cmpstr(jobs.jobs[0].client, ==, "test");
    xdr_clear(procedure_find(&program_cistern, CISTERN_JOB_LIST)->result, &jobs);
    g_autoptr(GError) unknown =
        call_own(peer, CISTERN_CALL_CANCEL, &(RpcSerial){serial + 1000}, NULL);
    g_assert_error(unknown, CISTERN_ERROR, ERROR_INVALID_ARGUMENT);
    g_assert_no_error(call_own(peer, CISTERN_CALL_CANCEL, &(RpcSerial){serial}, NULL));
    g_autoptr(GError) error =
        peer_answer(peer, &program_remote, REMOTE_STORAGE_VOL_CREATE_XML, serial, &volume);
    g_assert_error(error, CISTERN_ERROR, ERROR_ABORTED);
}

static void test_cancel_job(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture);
    autopool RpcPool pool = peer_start_pool(peer, fixture, "p");
    RpcVolume volume;
    RpcJobs jobs;

    gate_shut();
    guint32 serial = send_create(peer, pool, "v");
    gate_wait(1);
    g_assert_no_error(call_own(peer, CISTERN_JOB_LIST, NULL, &jobs));
    g_assert_cmpuint(jobs.n_jobs, ==, 1);
    g_assert_no_error(call_own(peer, CISTERN_JOB_CANCEL, &(RpcUint64){jobs.jobs[0].id}, NULL));
    xdr_clear(procedure_find(&program_cistern, CISTERN_JOB_LIST)->result, &jobs);
    g_autoptr(GError) error =
        peer_answer(peer, &program_remote, REMOTE_STORAGE_VOL_CREATE_XML, serial, &volume);
    g_assert_error(error, CISTERN_ERROR, ERROR_ABORTED);
}

static RpcVolumeEntries get_page(Peer *peer, RpcPool pool, const char *after, guint32 max)
{
    RpcVolumeEntries page;

    g_assert_no_error(call_own(peer, CISTERN_VOLUME_LIST_PAGE,
                               &(RpcVolumePage){pool, (char *)after, max}, &page));
    return page;
}

static void page_done(RpcVolumeEntries *page)
{
    xdr_clear(procedure_find(&program_cistern, CISTERN_VOLUME_LIST_PAGE)->result, page);
}

static void put_files(ServerFixture *fixture, const char *pool, guint count)
{
    for (guint i = 0; i < count; i++) {
        g_autofree char *name = g_strdup_printf("v%05u", i);
        put_file(fixture, pool, name);
    }
}

static void test_pages(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture);
    autopool RpcPool pool = peer_define_pool(peer, fixture, "p");

    put_files(fixture, "p", 101);
    peer_call(peer, REMOTE_STORAGE_POOL_CREATE, &(RpcPoolFlags){pool, 0}, NULL);
    RpcVolumeEntries first = get_page(peer, pool, NULL, 60);
    g_assert_cmpuint(first.n_entries, ==, 60);
    g_assert_cmpint(first.more, ==, 1);
    g_assert_cmpstr(first.entries[0].name, ==, "v00000");
    g_assert_cmpstr(first.entries[0].format, ==, "raw");
    g_assert_true(g_str_has_suffix(first.entries[0].path, "/p/v00000"));
    RpcVolumeEntries second = get_page(peer, pool, first.entries[59].name, 1000);
    g_assert_cmpuint(second.n_entries, ==, 41);
    g_assert_cmpint(second.more, ==, 0);
    g_assert_cmpstr(second.entries[0].name, ==, "v00060");
    RpcVolumeEntries none = get_page(peer, pool, "w", 10);
    g_assert_cmpuint(none.n_entries, ==, 0);
    g_assert_cmpint(none.more, ==, 0);
    page_done(&first);
    page_done(&second);
    page_done(&none);
    static const guint32 wrong[] = {0, RPC_PAGE_MAX + 1};
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = call_own(peer, CISTERN_VOLUME_LIST_PAGE,
                                           &(RpcVolumePage){pool, NULL, wrong[i]}, &first);
        g_assert_error(error, CISTERN_ERROR, ERROR_INVALID_ARGUMENT);
    }
}

/* One more than libvirt's lists can carry. */
static void test_too_many_volumes(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture);
    autopool RpcPool pool = peer_define_pool(peer, fixture, "p");
    RpcVolumeList list;
    RpcInt number;

    put_files(fixture, "p", RPC_LIST_MAX + 1);
    peer_call(peer, REMOTE_STORAGE_POOL_CREATE, &(RpcPoolFlags){pool, 0}, NULL);
    peer_call(peer, REMOTE_STORAGE_POOL_NUM_OF_VOLUMES, &pool, &number);
    g_assert_cmpint(number.value, ==, RPC_LIST_MAX + 1);
    peer_call(peer, REMOTE_STORAGE_POOL_LIST_ALL_VOLUMES, &(RpcListVolumes){pool, 0, 0}, &list);
    g_assert_cmpuint(list.count, ==, RPC_LIST_MAX + 1);
    peer_fail(peer, REMOTE_STORAGE_POOL_LIST_ALL_VOLUMES, &(RpcListVolumes){pool, 1, 0}, ERROR_RPC,
              ORIGIN_RPC,
              "pool 'p' has 16385 volumes, and one list holds 16384 at most: list them in pages, "
              "with `cistern vol-list` or the call VOLUME_LIST_PAGE");
    peer_fail(peer, REMOTE_STORAGE_POOL_LIST_VOLUMES, &(RpcPoolInt){pool, RPC_LIST_MAX}, ERROR_RPC,
              ORIGIN_RPC, NULL);
    RpcVolumeEntries page = get_page(peer, pool, NULL, RPC_PAGE_MAX);
    g_assert_cmpuint(page.n_entries, ==, RPC_PAGE_MAX);
    page_done(&page);
    RpcVolume volume = volume_handle("p", "v00000");
    peer_call(peer, REMOTE_STORAGE_VOL_DELETE, &(RpcVolumeFlags){volume, 0}, NULL);
    peer_call(peer, REMOTE_STORAGE_POOL_LIST_ALL_VOLUMES, &(RpcListVolumes){pool, 1, 0}, &list);
    g_assert_cmpuint(list.n_volumes, ==, RPC_LIST_MAX);
    xdr_clear(procedure_find(&program_remote, REMOTE_STORAGE_POOL_LIST_ALL_VOLUMES)->result, &list);
}

static void test_chain(void)
{
    g_autoptr(ServerFixture) fixture = server_fixture_new(NULL);
    g_autoptr(Peer) peer = peer_open(fixture);
    autopool RpcPool pool = peer_start_pool(peer, fixture, "p");
    RpcVolume volume = volume_handle("p", "v");
    RpcChain chain;

    create_volume(peer, pool, "v");
    g_assert_no_error(call_own(peer, CISTERN_VOLUME_CHAIN, &volume, &chain));
    g_assert_cmpuint(chain.n_entries, ==, 1);
    g_assert_cmpstr(chain.entries[0].format, ==, "raw");
    g_assert_cmpuint(chain.entries[0].capacity, ==, 65536);
    xdr_clear(procedure_find(&program_cistern, CISTERN_VOLUME_CHAIN)->result, &chain);
}

/* ---- access ---- */

static bool only_reading(const AccessQuery *query, void *data, GError **error)
{
    static const char *const words[] = {"getattr", "read", "search_storage_pools",
                                        "search_storage_vols", NULL};

    if (!g_atomic_int_get((gint *)data))
        return true;
    if (g_strcmp0(query->pool_name, "secret") == 0)
        return error_set(error, ERROR_ACCESS_DENIED, ORIGIN_ACCESS, "secret");
    return g_strv_contains(words, query->right.permission) ||
           error_set(error, ERROR_ACCESS_DENIED, ORIGIN_ACCESS, "%s.%s",
                     access_object_name(query->right.object), query->right.permission);
}

static void test_access(void)
{
    static gint strict;
    g_autoptr(ServerFixture) fixture =
        server_fixture_new(&(ServerConfig){.access = only_reading, .access_data = &strict});
    g_autoptr(Peer) peer = peer_open(fixture);
    autopool RpcPool pool = peer_start_pool(peer, fixture, "p");
    autopool G_GNUC_UNUSED RpcPool secret = peer_define_pool(peer, fixture, "secret");
    RpcVolume volume = volume_handle("p", "v");
    RpcPool ghost = {.name = (char *)"ghost"};
    RpcPoolList list;
    RpcText text;

    create_volume(peer, pool, "v");
    g_atomic_int_set(&strict, 1);
    peer_call(peer, REMOTE_STORAGE_VOL_GET_PATH, &volume, &text);
    g_free(text.text);
    peer_fail(peer, REMOTE_STORAGE_VOL_DELETE, &(RpcVolumeFlags){volume, 0}, ERROR_ACCESS_DENIED,
              ORIGIN_ACCESS, "access denied: storage_vol.delete");
    volume.name = (char *)"ghost";
    peer_fail(peer, REMOTE_STORAGE_VOL_DELETE, &(RpcVolumeFlags){volume, 0}, ERROR_NO_VOLUME,
              ORIGIN_STORAGE, NULL);
    peer_fail(peer, REMOTE_STORAGE_POOL_DESTROY, &pool, ERROR_ACCESS_DENIED, ORIGIN_ACCESS, NULL);
    peer_fail(peer, REMOTE_STORAGE_POOL_DESTROY, &ghost, ERROR_NO_POOL, ORIGIN_STORAGE, NULL);
    peer_fail(peer, REMOTE_STORAGE_POOL_LOOKUP_BY_NAME, &(RpcText){(char *)"secret"},
              ERROR_ACCESS_DENIED, ORIGIN_ACCESS, NULL);
    peer_call(peer, REMOTE_CONNECT_LIST_ALL_STORAGE_POOLS, &(RpcListPools){1, 0}, &list);
    g_assert_cmpuint(list.n_pools, ==, 1);
    g_assert_cmpstr(list.pools[0].name, ==, "p");
    xdr_clear(procedure_find(&program_remote, REMOTE_CONNECT_LIST_ALL_STORAGE_POOLS)->result,
              &list);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rpc/server/every-row-is-answered", test_every_row_is_answered);
    g_test_add_func("/rpc/server/handshake", test_handshake);
    g_test_add_func("/rpc/server/golden-handshake", test_golden_handshake);
    g_test_add_func("/rpc/server/before-open", test_before_open);
    g_test_add_func("/rpc/server/uri-path", test_uri_path);
    g_test_add_func("/rpc/server/other-authentication", test_other_authentication);
    g_test_add_func("/rpc/server/identity", test_identity);
    g_test_add_func("/rpc/server/unknown", test_unknown);
    g_test_add_func("/rpc/server/ignored", test_ignored);
    g_test_add_func("/rpc/server/unsupported", test_unsupported);
    g_test_add_func("/rpc/server/broken-lengths", test_broken_lengths);
    g_test_add_func("/rpc/server/slow-frame", test_slow_frame);
    g_test_add_func("/rpc/server/ping", test_ping);
    g_test_add_func("/rpc/server/dead-client", test_dead_client);
    g_test_add_func("/rpc/server/too-many-clients", test_too_many_clients);
    g_test_add_func("/rpc/server/listeners", test_listeners);
    g_test_add_func("/rpc/server/pool-life", test_pool_life);
    g_test_add_func("/rpc/server/handles", test_handles);
    g_test_add_func("/rpc/server/volume-life", test_volume_life);
    g_test_add_func("/rpc/server/lookup-asks-storage", test_lookup_asks_storage);
    g_test_add_func("/rpc/server/read-only", test_read_only);
    g_test_add_func("/rpc/server/out-of-order", test_out_of_order);
    g_test_add_func("/rpc/server/requests-in-flight", test_requests_in_flight);
    g_test_add_func("/rpc/server/long-line", test_long_line);
    g_test_add_func("/rpc/server/late-in-line", test_late_in_line);
    g_test_add_func("/rpc/server/late-answer", test_late_answer);
    g_test_add_func("/rpc/server/client-leaves", test_client_leaves);
    g_test_add_func("/rpc/server/server-ends-meanwhile", test_server_ends_meanwhile);
    g_test_add_func("/rpc/server/slow-reader", test_slow_reader);
    g_test_add_func("/rpc/server/no-reader", test_no_reader);
    g_test_add_func("/rpc/server/events", test_events);
    g_test_add_func("/rpc/server/events-of-others", test_other_events);
    g_test_add_func("/rpc/server/events-without-ids", test_legacy_events);
    g_test_add_func("/rpc/server/absent", test_absent);
    g_test_add_func("/rpc/server/progress-and-cancel", test_progress_and_cancel);
    g_test_add_func("/rpc/server/cancel-job", test_cancel_job);
    g_test_add_func("/rpc/server/pages", test_pages);
    g_test_add_func("/rpc/server/too-many-volumes", test_too_many_volumes);
    g_test_add_func("/rpc/server/chain", test_chain);
    g_test_add_func("/rpc/server/access", test_access);
    return g_test_run();
}
