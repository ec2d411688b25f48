/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dir-fixture.h"
#include "errors.h"
#include "source-check.h"

#include <string.h>

/*
 * Command lines of network file systems, and what their tools answer, as
 * recorded from real ones. Real servers are in the lab.
 */

static const Backend *netfs(void)
{
    for (guint i = 0; i < n_backends; i++)
        if (g_str_equal(backends[i]->schema.type, "netfs"))
            return backends[i];
    g_assert_not_reached();
}

/* What programs answer; every command line is kept. */
typedef struct Answer {
    const char *program;
    int status;
    const char *output, *errors;
} Answer;

typedef struct World {
    Answer answers[3];
    GString *log;
    Operation *op;
} World;

static bool answer(Operation *op, const Command *command, CommandResult *ret, void *data,
                   GError **error)
{
    World *world = data;
    g_autofree char *line = g_strjoinv(" ", (char **)command->argv);

    g_string_append_printf(world->log, "%s\n", line);
    g_assert_cmpint(command->time_limit, >, 0);
    for (guint i = 0; i < G_N_ELEMENTS(world->answers); i++) {
        const Answer *row = &world->answers[i];
        if (g_strcmp0(row->program, command->argv[0]) != 0)
            continue;
        *ret = (CommandResult){.exit_status = row->status,
                               .output = g_strdup(row->output ? row->output : ""),
                               .errors = g_strdup(row->errors ? row->errors : "")};
        ret->output_size = strlen(ret->output);
        return true;
    }
    return error_set(error, ERROR_INTERNAL, ORIGIN_NONE,
                     "the program '%s' is needed here and not installed", command->argv[0]);
}

static void setup(World *world, gconstpointer data)
{
    *world = (World){.log = g_string_new(NULL), .op = operation_new(OPERATION_NO_DEADLINE)};
    operation_set_runner(world->op, answer, world);
}

static void teardown(World *world, gconstpointer data)
{
    g_string_free(world->log, TRUE);
    operation_unref(world->op);
}

static PoolDef *parse(const char *source, const char *more)
{
    g_autofree char *xml = g_strdup_printf(
        "<pool type='netfs' xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'>"
        "<name>n</name><source>%s</source><target><path>/nonexistent/t</path></target>%s</pool>",
        source, more);
    GError *error = NULL;
    PoolDef *pool = pool_def_parse(xml, backend_schemas(), 0, &error);

    g_assert_no_error(error);
    return pool;
}

static void assert_error(GError *error, int code, const char *pattern)
{
    g_assert_error(error, CISTERN_ERROR, code);
    if (!g_pattern_match_simple(pattern, error->message))
        g_error("not '%s': %s", pattern, error->message);
    g_error_free(error);
}

/* ---- mount ---- */

static void test_mount_words(World *world, gconstpointer data)
{
    static const struct {
        const char *source, *more, *line;
    } rows[] = {
        {"<host name='h'/><dir path='/d'/><format type='auto'/>", "",
         "mount -o nodev,nosuid,noexec -- h:/d /nonexistent/t\n"},
        {"<host name='h'/><dir path='/d'/><format type='nfs'/>", "",
         "mount -o nodev,nosuid,noexec -t nfs -- h:/d /nonexistent/t\n"},
        {"<host name='h'/><dir path='/d'/><format type='nfs'/><protocol ver='4.1'/>", "",
         "mount -o nodev,nosuid,noexec,nfsvers=4.1 -t nfs -- h:/d /nonexistent/t\n"},
        {"<host name='h'/><dir path='/d'/><format type='auto'/><protocol ver='3'/>", "",
         "mount -o nodev,nosuid,noexec,nfsvers=3 -- h:/d /nonexistent/t\n"},
        {"<host name='h' port='2050'/><dir path='/d e'/><format type='nfs'/>",
         "<fs:mount_opts><fs:option name='sync'/><fs:option name='lazytime'/></fs:mount_opts>",
         "mount -o nodev,nosuid,noexec,sync,lazytime -t nfs -- h:/d e /nonexistent/t\n"},
        {"<host name='::1'/><dir path='/d'/><format type='nfs'/>", "",
         "mount -o nodev,nosuid,noexec -t nfs -- [::1]:/d /nonexistent/t\n"},
        {"<host name='h'/><dir path='vol'/><format type='glusterfs'/>", "",
         "mount -o nodev,nosuid,noexec,direct-io-mode=1 -t glusterfs -- h:vol /nonexistent/t\n"},
        {"<host name='h'/><dir path='share'/><format type='cifs'/>", "",
         "mount -o nodev,nosuid,noexec,guest -t cifs -- //h/share /nonexistent/t\n"},
        {"<host name='h'/><dir path='/share'/><format type='cifs'/>", "",
         "mount -o nodev,nosuid,noexec,guest -t cifs -- //h/share /nonexistent/t\n"},
    };

    world->answers[0] = (Answer){.program = "mount"};
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(PoolDef) pool = parse(rows[i].source, rows[i].more);
        GError *error = NULL;
        g_assert_false(netfs()->start(pool, world->op, &error));
        assert_error(error, ERROR_OPERATION_FAILED,
                     "*was mounted on '/nonexistent/t', but there is now nothing");
        g_assert_cmpstr(world->log->str, ==, rows[i].line);
        g_string_truncate(world->log, 0);
    }
}

static void test_mount_fails(World *world, gconstpointer data)
{
    g_autoptr(PoolDef) pool = parse("<host name='127.0.0.1'/><dir path='/nosuch'/>", "");
    GError *error = NULL;

    world->answers[0] = (Answer){
        .program = "mount",
        .status = 32,
        .errors = "mount.nfs: access denied by server while mounting 127.0.0.1:/nosuch",
    };
    g_assert_false(netfs()->start(pool, world->op, &error));
    assert_error(error, ERROR_INTERNAL,
                 "*mount failed with status 32: mount.nfs: access denied by server*");
}

static void test_host_names(World *world, gconstpointer data)
{
    static const char *const good[] = {"h", "a-b.example.org", "127.0.0.1", "fe80::1%eth0", "a_b"};
    static const char *const bad[] = {"-h", "", "a b", "h/d", "a,b", "h\n", "\xc3\xa9", "$(id)"};
    g_autoptr(PoolDef) pool = parse("<host name='-oremount'/><dir path='/d'/>", "");
    GError *error = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(good); i++)
        g_assert_true(host_name_check(good[i], NULL));
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(host_name_check(bad[i], NULL));
    g_assert_false(netfs()->start(pool, world->op, &error));
    assert_error(error, ERROR_INVALID_ARGUMENT, "*'-oremount' is no host name or address*");
    g_assert_cmpstr(world->log->str, ==, "");
}

static void test_build_flags(World *world, gconstpointer data)
{
    g_autoptr(PoolDef) pool = parse("<host name='h'/><dir path='/d'/>", "");
    GError *error = NULL;

    g_assert_cmpuint(netfs()->build_flags, ==, 0);
    g_assert_false(netfs()->build(pool, world->op, BUILD_OVERWRITE, &error));
    assert_error(error, ERROR_OPERATION_INVALID,
                 "*No source device specified when formatting pool 'n'");
}

/* ---- discovery ---- */

#define VOLUMES(result, text, volumes)                                                             \
    "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<cliOutput><opRet>" result     \
    "</opRet><opErrno>0</opErrno><opErrstr>" text "</opErrstr><volInfo><volumes>" volumes          \
    "<count>1</count></volumes></volInfo></cliOutput>\n"
#define VOLUME(name)                                                                               \
    "<volume><name>" name "</name><bricks><brick uuid='u'>h:/b<name>h:/b</name></brick></bricks>"  \
    "<options><option><name>nfs.disable</name></option></options></volume>"

static bool discover(World *world, const char *host, GPtrArray **ret, GError **error)
{
    g_autofree char *spec = g_strdup_printf("<source><host name='%s'/></source>", host);
    g_autoptr(PoolSource) hint = pool_source_parse(spec, &netfs()->schema, NULL);

    *ret = g_ptr_array_new_with_free_func((GDestroyNotify)pool_source_free);
    g_assert_nonnull(hint);
    return netfs()->discover(hint, world->op, *ret, error);
}

static void test_discover(World *world, gconstpointer data)
{
    g_autoptr(GPtrArray) found = NULL;
    GError *error = NULL;

    world->answers[0] = (Answer){
        .program = "showmount",
        .output = "/run/export/b *\n/run/export   127.0.0.0/8\n/a folder\t@group,h2\n"
                  "no path *\n/without-clients\n\n/bad\xff *\n",
    };
    world->answers[1] = (Answer){
        .program = "gluster",
        .output = VOLUMES("0", "", VOLUME("vol0") VOLUME("dist2") "<volume/>"),
    };
    discover(world, "127.0.0.1", &found, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(world->log->str, ==,
                    "showmount --no-headers --exports 127.0.0.1\n"
                    "gluster --xml --log-file=/dev/null volume info all --remote-host=127.0.0.1\n");
    g_autofree char *xml =
        pool_sources_format(&netfs()->schema, (PoolSource *const *)found->pdata, found->len);
    g_assert_cmpstr(xml, ==,
                    "<sources>\n"
                    "  <source>\n    <host name='127.0.0.1'/>\n    <dir path='/run/export/b'/>\n"
                    "    <format type='nfs'/>\n  </source>\n"
                    "  <source>\n    <host name='127.0.0.1'/>\n    <dir path='/run/export'/>\n"
                    "    <format type='nfs'/>\n  </source>\n"
                    "  <source>\n    <host name='127.0.0.1'/>\n    <dir path='/a folder'/>\n"
                    "    <format type='nfs'/>\n  </source>\n"
                    "  <source>\n    <host name='127.0.0.1'/>\n    <dir path='vol0'/>\n"
                    "    <format type='glusterfs'/>\n  </source>\n"
                    "  <source>\n    <host name='127.0.0.1'/>\n    <dir path='dist2'/>\n"
                    "    <format type='glusterfs'/>\n  </source>\n"
                    "</sources>\n");
}

static void test_discover_none(World *world, gconstpointer data)
{
    static const Answer refusals[] = {
        {"showmount", 1, NULL, "clnt_create: RPC: Unable to receive"},
        {"gluster", 1, "Connection failed. Please check if gluster daemon is operational.\n", NULL},
    };
    static const Answer rubbish[] = {
        {"showmount", 0, "\n", NULL},
        {"gluster", 0, VOLUMES("-1", "it broke", VOLUME("hidden")), NULL},
    };
    static const Answer broken[] = {
        {"showmount", 0, NULL, NULL},
        {"gluster", 0, "Warning: something<cliOutput>", NULL},
    };
    static const Answer *const all[] = {refusals, rubbish, broken};

    for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
        g_autoptr(GPtrArray) found = NULL;
        GError *error = NULL;
        memcpy(world->answers, all[i], 2 * sizeof(Answer));
        g_assert_false(discover(world, "h", &found, &error));
        assert_error(error, ERROR_OPERATION_FAILED,
                     i == 0 ? "*no storage pools were found on host 'h': showmount failed with "
                              "status 1: clnt_create: RPC: Unable to receive"
                            : "*no storage pools were found on host 'h'");
        g_assert_cmpuint(found->len, ==, 0);
    }
}

static void test_discover_option(World *world, gconstpointer data)
{
    g_autoptr(GPtrArray) found = NULL;
    GError *error = NULL;

    g_assert_false(discover(world, "--help", &found, &error));
    assert_error(error, ERROR_INVALID_ARGUMENT, "*'--help' is no host name*");
    g_assert_cmpstr(world->log->str, ==, "");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(World *world, gconstpointer data);
    } tests[] = {
        {"/netfs/mount-words", test_mount_words},
        {"/netfs/mount-fails", test_mount_fails},
        {"/netfs/host-names", test_host_names},
        {"/netfs/build-flags", test_build_flags},
        {"/netfs/discover", test_discover},
        {"/netfs/discover-none", test_discover_none},
        {"/netfs/discover-option", test_discover_option},
    };

    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, World, NULL, setup, tests[i].run, teardown);
    return g_test_run();
}
