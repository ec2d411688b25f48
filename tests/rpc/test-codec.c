/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "errors.h"
#include "frame.h"
#include "hex.h"
#include "protocol.h"
#include "random-value.h"
#include <string.h>

static const Program *const programs[] = {&program_remote, &program_cistern};

static GByteArray *encode(const XdrType *type, const void *value)
{
    g_autoptr(GError) error = NULL;
    GByteArray *bytes = g_byte_array_new();
    bool ok = xdr_encode(type, value, bytes, FRAME_PAYLOAD_MAX, &error);

    g_assert_no_error(error);
    g_assert_true(ok);
    return bytes;
}

/* ---- every row, there and back ---- */

static void assert_all_zero(const guint8 *bytes, gsize size)
{
    for (gsize i = 0; i < size; i++)
        g_assert_cmpuint(bytes[i], ==, 0);
}

static void check_truncations(const XdrType *type, const GByteArray *bytes)
{
    g_autofree guint8 *value = g_malloc0(type->size + 1);

    for (gsize size = 0; size < bytes->len; size++) {
        g_autoptr(GError) error = NULL;
        /* An exact copy, so that a sanitizer sees any read beyond. */
        g_autofree guint8 *part = g_memdup2(bytes->data, size);
        memset(value, 0xa5, type->size);
        g_assert_false(xdr_decode(type, part, size, value, &error));
        g_assert_error(error, CISTERN_ERROR, ERROR_RPC);
        assert_all_zero(value, type->size);
    }
}

static void check_round_trip(const XdrType *type, GRand *rand)
{
    g_autofree void *value = g_malloc0(type->size + 1), *again = g_malloc0(type->size + 1);
    g_autoptr(GError) error = NULL;

    random_value(type, rand, value);
    g_autoptr(GByteArray) bytes = encode(type, value);
    g_assert_cmpuint(bytes->len % 4, ==, 0);
    g_assert_cmpuint(bytes->len, >=, xdr_min_size(type));
    g_assert_true(xdr_decode(type, bytes->data, bytes->len, again, &error));
    g_autoptr(GByteArray) bytes_again = encode(type, again);
    g_assert_cmpmem(bytes->data, bytes->len, bytes_again->data, bytes_again->len);
    check_truncations(type, bytes);
    xdr_clear(type, value);
    xdr_clear(type, again);
}

static void test_round_trips(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(4711);

    for (guint p = 0; p < G_N_ELEMENTS(programs); p++)
        for (guint i = 0; i < programs[p]->n_procedures * 20; i++) {
            const Procedure *procedure = &programs[p]->procedures[i / 20];
            check_round_trip(procedure->args, rand);
            check_round_trip(procedure->result, rand);
        }
    for (guint i = 0; i < 20; i++)
        check_round_trip(&rpc_error_type, rand);
}

/* Any word of a message replaced by a huge one: decoded or refused, never a crash. */
static void test_lying_words(void)
{
    static const guint32 lies[] = {1, 0x7fffffff, 0x80000000, 0xffffffff, 16385, 4194305};
    g_autoptr(GRand) rand = g_rand_new_with_seed(815);

    for (guint i = 0; i < program_remote.n_procedures; i++) {
        const XdrType *type = program_remote.procedures[i].args;
        g_autofree void *value = g_malloc0(type->size + 1);
        random_value(type, rand, value);
        g_autoptr(GByteArray) bytes = encode(type, value);
        xdr_clear(type, value);
        for (guint at = 0; at + 4 <= bytes->len; at += 4)
            for (guint lie = 0; lie < G_N_ELEMENTS(lies); lie++) {
                g_autofree guint8 *copy = g_memdup2(bytes->data, bytes->len);
                guint32 word = GUINT32_TO_BE(lies[lie]);
                memcpy(copy + at, &word, 4);
                if (xdr_decode(type, copy, bytes->len, value, NULL))
                    xdr_clear(type, value);
            }
    }
}

/* ---- limits ---- */

static const Procedure *remote(gint32 number)
{
    return procedure_find(&program_remote, number);
}

static void assert_refused(const XdrType *type, const char *hex, const char *message)
{
    g_autoptr(GByteArray) bytes = hex_bytes(hex);
    g_autoptr(GError) error = NULL;
    g_autofree void *value = g_malloc0(type->size);

    g_assert_false(xdr_decode(type, bytes->data, bytes->len, value, &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_RPC);
    g_assert_cmpint(error_origin(error), ==, ORIGIN_RPC);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_refusals(void)
{
    const XdrType *text = remote(REMOTE_STORAGE_POOL_LOOKUP_BY_NAME)->args;

    assert_refused(text, "00400001",
                   "'text' is too large for a message: 4194305, at most 4194304 are allowed");
    assert_refused(text, "00400000", "the message ends within 'text'");
    assert_refused(text, "00000003 610062 00", "'text' has a NUL byte in it");
    assert_refused(remote(REMOTE_CONNECT_SET_IDENTITY)->args, "00000015",
                   "'params' is too large for a message: 21, at most 20 are allowed");
    assert_refused(remote(REMOTE_CONNECT_SET_IDENTITY)->args,
                   "00000001 00000001 61000000 00000008 00000000 00000000",
                   "'value' is of an unknown type");
    assert_refused(remote(REMOTE_AUTH_SASL_STEP)->args, "00000000 00010001",
                   "'data' is too large for a message: 65537, at most 65536 are allowed");
}

/* A count that the remaining bytes can't hold is refused before memory is taken for it. */
static void test_count_before_memory(void)
{
    assert_refused(remote(REMOTE_CONNECT_LIST_ALL_STORAGE_POOLS)->result,
                   "00004000 00000000 00000000 00000000 00000000 00000000",
                   "the message ends within 'pools'");
}

static void test_longest_string(void)
{
    const XdrType *type = remote(REMOTE_STORAGE_POOL_LOOKUP_BY_NAME)->args;
    g_autofree char *text = g_strnfill(XDR_STRING_MAX + 1, 'x');
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GError) error = NULL;

    g_assert_false(xdr_encode(type, &(RpcText){text}, bytes, FRAME_PAYLOAD_MAX, &error));
    g_assert_error(error, CISTERN_ERROR, ERROR_RPC);
    g_assert_cmpuint(bytes->len, ==, 0);
    text[XDR_STRING_MAX] = '\0';
    g_assert_true(xdr_encode(type, &(RpcText){text}, bytes, FRAME_PAYLOAD_MAX, NULL));
    RpcText again;
    g_assert_true(xdr_decode(type, bytes->data, bytes->len, &again, NULL));
    g_assert_cmpstr(again.text, ==, text);
    xdr_clear(type, &again);
}

static void test_encode_limits(void)
{
    const XdrType *text = remote(REMOTE_STORAGE_POOL_LOOKUP_BY_NAME)->args;
    const XdrType *names = remote(REMOTE_CONNECT_LIST_STORAGE_POOLS)->result;
    g_autoptr(GByteArray) bytes = hex_bytes("01020304");
    g_autoptr(GError) error = NULL;

    g_assert_false(xdr_encode(text, &(RpcText){(char *)"abcde"}, bytes, 15, NULL));
    assert_bytes(bytes->data, bytes->len, "01020304");
    g_assert_true(xdr_encode(text, &(RpcText){(char *)"abcde"}, bytes, 16, NULL));
    assert_bytes(bytes->data, bytes->len, "01020304 00000005 61626364 65000000");
    g_assert_false(xdr_encode(text, &(RpcText){NULL}, bytes, 1000, &error));
    g_assert_cmpstr(error->message, ==, "'text' is missing");
    g_assert_false(xdr_encode(names, &(RpcNames){.n_names = RPC_LIST_MAX + 1}, bytes, 1000, NULL));
}

static void test_presence(void)
{
    const XdrType *open = remote(REMOTE_CONNECT_OPEN)->args;
    g_autoptr(GByteArray) bytes = hex_bytes("01000000 00000001 78000000 00000001");
    RpcOpen value;

    g_assert_true(xdr_decode(open, bytes->data, bytes->len, &value, NULL));
    g_assert_cmpstr(value.name, ==, "x");
    g_assert_cmpuint(value.flags, ==, 1);
    xdr_clear(open, &value);
}

static void test_surplus(void)
{
    g_autoptr(GByteArray) bytes = hex_bytes("0000000a ffffffff ff");
    RpcInt value;

    g_assert_true(xdr_decode(remote(REMOTE_CONNECT_SUPPORTS_FEATURE)->args, bytes->data, bytes->len,
                             &value, NULL));
    g_assert_cmpint(value.value, ==, 10);
}

/* ---- bytes seen between libvirt's own programs ---- */

static void assert_encodes(const XdrType *type, const void *value, const char *hex)
{
    g_autoptr(GByteArray) bytes = encode(type, value);

    assert_bytes(bytes->data, bytes->len, hex);
}

static void test_golden_arguments(void)
{
    assert_encodes(remote(REMOTE_CONNECT_OPEN)->args, &(RpcOpen){(char *)"storage:///system", 0},
                   "00000001 00000011 73746f72 6167653a 2f2f2f73 79737465 6d000000 00000000");
    assert_encodes(remote(REMOTE_CONNECT_SUPPORTS_FEATURE)->args, &(RpcInt){10}, "0000000a");
    assert_encodes(remote(REMOTE_CONNECT_LIST_ALL_STORAGE_POOLS)->args, &(RpcListPools){1, 3},
                   "00000001 00000003");
    assert_encodes(remote(REMOTE_AUTH_SASL_START)->args,
                   &(RpcSaslStart){(char *)"A", 0, 1, (guint8 *)"a"},
                   "00000001 41000000 00000000 00000001 00000061");
}

static void test_golden_results(void)
{
    RpcPool pool = {.name = (char *)"p1"};

    g_assert_true(uuid_parse("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", &pool.uuid));
    assert_encodes(remote(REMOTE_CONNECT_LIST_ALL_STORAGE_POOLS)->result,
                   &(RpcPoolList){1, &pool, 1},
                   "00000001 00000002 70310000 aaaaaaaa bbbbcccc ddddeeee eeeeeeee 00000001");
    assert_encodes(remote(REMOTE_STORAGE_POOL_GET_INFO)->result, &(RpcPoolInfo){2, 1, 2, 3},
                   "00000002 00000000 00000001 00000000 00000002 00000000 00000003");
    assert_encodes(remote(REMOTE_STORAGE_VOL_GET_INFO)->result, &(RpcVolumeInfo){0, 1, 2},
                   "00000000 00000000 00000001 00000000 00000002");
    assert_encodes(&rpc_event_lifecycle_type, &(RpcEventLifecycle){7, pool, 2, 0},
                   "00000007 00000002 70310000 aaaaaaaa bbbbcccc ddddeeee eeeeeeee"
                   "00000002 00000000");
}

/* ---- the tables ---- */

static void test_tables(void)
{
    for (guint p = 0; p < G_N_ELEMENTS(programs); p++)
        for (guint i = 0; i < programs[p]->n_procedures; i++) {
            const Procedure *procedure = &programs[p]->procedures[i];
            g_assert_true(procedure_find(programs[p], procedure->number) == procedure);
            g_assert_true(i == 0 || procedure[-1].number < procedure->number);
            g_assert_true(procedure->args->n_fields == 0 || xdr_min_size(procedure->args) > 0);
        }
    g_assert_null(procedure_find(&program_remote, 0));
    g_assert_null(procedure_find(&program_remote, -1));
    g_assert_null(procedure_find(&program_remote, 207));
    g_assert_null(program_find(PROGRAM_REMOTE, 2));
    g_assert_null(program_find(PROGRAM_KEEPALIVE, 1));
}

static void test_read_only_rows(void)
{
    static const gint32 refused[] = {75, 76, 77, 78,  79,  80,  81,  82,  83,
                                     90, 93, 94, 125, 165, 208, 209, 259, 260};
    guint found = 0;

    for (guint i = 0; i < program_remote.n_procedures; i++) {
        const Procedure *procedure = &program_remote.procedures[i];
        if (procedure->flags & (PROCEDURE_READ_ONLY | PROCEDURE_MESSAGE))
            continue;
        g_assert_cmpuint(found, <, G_N_ELEMENTS(refused));
        g_assert_cmpint(procedure->number, ==, refused[found++]);
    }
    g_assert_cmpuint(found, ==, G_N_ELEMENTS(refused));
}

static void assert_function(gint32 number, const char *expected)
{
    g_autofree char *name = procedure_function(PROGRAM_REMOTE, remote(number));

    g_assert_cmpstr(name, ==, expected);
}

static void test_functions(void)
{
    assert_function(REMOTE_STORAGE_POOL_CREATE_XML, "virStoragePoolCreateXML");
    assert_function(REMOTE_STORAGE_VOL_CREATE_XML_FROM, "virStorageVolCreateXMLFrom");
    assert_function(REMOTE_CONNECT_GET_MAX_VCPUS, "virConnectGetMaxVcpus");
    assert_function(REMOTE_STORAGE_POOL_LOOKUP_BY_UUID, "virStoragePoolLookupByUUID");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rpc/codec/round-trips", test_round_trips);
    g_test_add_func("/rpc/codec/lying-words", test_lying_words);
    g_test_add_func("/rpc/codec/refusals", test_refusals);
    g_test_add_func("/rpc/codec/count-before-memory", test_count_before_memory);
    g_test_add_func("/rpc/codec/longest-string", test_longest_string);
    g_test_add_func("/rpc/codec/encode-limits", test_encode_limits);
    g_test_add_func("/rpc/codec/presence", test_presence);
    g_test_add_func("/rpc/codec/surplus", test_surplus);
    g_test_add_func("/rpc/codec/golden-arguments", test_golden_arguments);
    g_test_add_func("/rpc/codec/golden-results", test_golden_results);
    g_test_add_func("/rpc/protocol/tables", test_tables);
    g_test_add_func("/rpc/protocol/read-only", test_read_only_rows);
    g_test_add_func("/rpc/protocol/functions", test_functions);
    return g_test_run();
}
