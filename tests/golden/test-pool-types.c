/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pool types as data: numbers that clients know, what makes two sources the same, and what a
 * source must hold before a pool can use it. */
#include "golden.h"

#include "errors.h"

/* Numbers and filter bits are libvirt's; they are compiled into its clients. */
static void test_numbers(void)
{
    static const struct {
        const char *type;
        guint list_flag;
    } types[] = {
        {"dir", 64},     {"fs", 128},          {"netfs", 256},           {"logical", 512},
        {"disk", 1024},  {"iscsi", 2048},      {"iscsi-direct", 524288}, {"scsi", 4096},
        {"mpath", 8192}, {"rbd", 16384},       {"sheepdog", 32768},      {"gluster", 65536},
        {"zfs", 131072}, {"vstorage", 262144},
    };
    const PoolSchemaList *list = backend_schemas();

    g_assert_cmpuint(list->count, ==, G_N_ELEMENTS(types));
    for (guint i = 0; i < list->count; i++) {
        g_assert_cmpstr(list->schemas[i]->type, ==, types[i].type);
        g_assert_cmpuint(list->schemas[i]->number, ==, i);
        g_assert_cmpuint(list->schemas[i]->list_flag, ==, types[i].list_flag);
        g_assert_true(pool_schema_find(list, types[i].type) == list->schemas[i]);
    }
    g_assert_null(pool_schema_find(list, "DIR"));
}

static void test_ranks(void)
{
    guint seen = 0;

    for (guint i = 0; i < n_backends; i++)
        seen |= 1u << backends[i]->schema.host_rank;
    g_assert_cmpuint(seen, ==, (1u << n_backends) - 1);
}

static void test_consistency(void)
{
    for (guint i = 0; i < n_backends; i++) {
        const Backend *backend = backends[i];
        const PoolSchema *schema = &backend->schema;

        g_assert_true((backend->unavailable == NULL) == backend_is_available(backend));
        /* What is required is taken. */
        g_assert_cmpuint(schema->requires & ~schema->takes, ==, 0);
        if (schema->target_prefix)
            g_assert_true(schema->flags & POOL_HAS_TARGET && schema->takes & SOURCE_NAME);
        if (schema->flags & POOL_TARGET_PATH_REQUIRED)
            g_assert_true(schema->flags & POOL_HAS_TARGET);
        g_assert_false(schema->flags & POOL_MOUNT_OPTIONS && schema->flags & POOL_RBD_OPTIONS);
    }
}

static void test_words(void)
{
    g_assert_cmpint(format_from_name(&image_formats, "qcow2"), ==, IMAGE_FORMAT_QCOW2);
    g_assert_cmpint(format_from_name(&image_formats, "vhdx"), ==, -1);
    g_assert_cmpint(format_from_name(&image_formats, "QCOW2"), ==, -1);
    g_assert_cmpstr(format_name(&image_formats, IMAGE_FORMAT_VMDK), ==, "vmdk");
    g_assert_cmpstr(image_format_name(IMAGE_FORMAT_VHDX), ==, "vhdx");
    g_assert_cmpstr(format_name(&image_formats, 99), ==, "none");
    g_assert_cmpstr(format_name(&image_formats, -1), ==, "none");
    g_assert_cmpstr(volume_type_name(VOLUME_PLOOP), ==, "ploop");
}

/* ---- Same sources ---- */

static PoolDef *parse(const char *xml)
{
    g_autoptr(GError) error = NULL;
    PoolDef *def = pool_def_parse(xml, backend_schemas(), 0, &error);

    g_assert_no_error(error);
    return def;
}

/* As the engine asks: only pairs whose types have the same rule. */
static bool conflict(const PoolDef *added, const PoolDef *existing)
{
    const Backend *a = backend_for_schema(added->schema);
    const Backend *b = backend_for_schema(existing->schema);

    return a->same_source && a->same_source == b->same_source && a->same_source(added, existing);
}

typedef struct Duplicate {
    const char *added, *existing;
    bool same, same_turned;
} Duplicate;

#define POOL(type, source)                                                                         \
    "<pool type='" type "'><name>n</name><source>" source "</source><target><path>/t</path>"       \
    "</target></pool>"
#define DIR(path)                "<pool type='dir'><name>n</name><target><path>" path "</path></target></pool>"
#define NETFS(host, dir)         POOL("netfs", host "<dir path='" dir "'/>")
#define GLUSTER(host, name, dir) POOL("gluster", host "<name>" name "</name><dir path='" dir "'/>")
#define HOST                     "<host name='h'/>"
#define HOST_PORT(port)          "<host name='h' port='" port "'/>"
#define DEVICE(path)             "<device path='" path "'/>"
#define INITIATOR(iqn)           "<initiator><iqn name='" iqn "'/></initiator>"
#define SCSI(name)               POOL("scsi", "<adapter name='" name "'/>")
#define BY_BUS(id, slot)                                                                           \
    POOL("scsi", "<adapter type='scsi_host'><parentaddr unique_id='" id "'><address slot='" slot   \
                 "'/></parentaddr></adapter>")
#define FC(wwnn, parent)                                                                           \
    POOL("scsi", "<adapter type='fc_host' wwnn='200000000000000" wwnn "' wwpn='2000000000000009'"  \
                 " " parent "/>")

static const Duplicate duplicates[] = {
    {DIR("/a"), DIR("/a/"), true, true},
    {DIR("/a"), DIR("/b"), false, false},
    {DIR("/t"), POOL("fs", DEVICE("/d")), false, false},
    {NETFS(HOST, "/d"), NETFS(HOST, "/d"), true, true},
    {NETFS(HOST, "/d"), NETFS(HOST "<format type='cifs'/>", "/d"), true, true},
    {NETFS(HOST, "/d"), NETFS(HOST, "/e"), false, false},
    {NETFS(HOST, "/d"), NETFS("<host name='other'/>", "/d"), false, false},
    {NETFS(HOST_PORT("1"), "/d"), NETFS(HOST_PORT("1"), "/d"), true, true},
    {NETFS(HOST_PORT("1"), "/d"), NETFS(HOST_PORT("2"), "/d"), false, false},
    /* Only a port that the new one gives counts. */
    {NETFS(HOST, "/d"), NETFS(HOST_PORT("2"), "/d"), true, false},
    /* Only the first host counts. */
    {NETFS(HOST "<host name='x'/>", "/d"), NETFS(HOST "<host name='y'/>", "/d"), true, true},
    {GLUSTER(HOST, "v", "/"), GLUSTER(HOST, "v", "/"), true, true},
    {GLUSTER(HOST, "v", "/"), GLUSTER(HOST, "w", "/"), false, false},
    {GLUSTER(HOST, "v", "/"), GLUSTER(HOST, "v", "/a"), false, false},
    {GLUSTER(HOST, "v", "/"), NETFS(HOST, "/"), false, false},
    {POOL("fs", DEVICE("/d")), POOL("fs", DEVICE("/d")), true, true},
    {POOL("fs", DEVICE("/d")), POOL("fs", DEVICE("/e")), false, false},
    {POOL("fs", DEVICE("/d")), POOL("logical", DEVICE("/c") DEVICE("/d")), true, true},
    {POOL("disk", DEVICE("/d")), POOL("zfs", DEVICE("/d")), true, true},
    /* A group needs no devices in its document. */
    {POOL("logical", "<name>vg</name>"), POOL("logical", "<name>vg</name>"), true, true},
    {POOL("logical", "<name>vg</name>"), POOL("logical", DEVICE("/d") "<name>vg</name>"), true,
     true},
    {POOL("logical", "<name>vg</name>"), POOL("logical", "<name>vh</name>"), false, false},
    {POOL("logical", "<name>vg</name>"), POOL("zfs", "<name>vg</name>"), false, false},
    {POOL("zfs", "<name>tank</name>"), POOL("zfs", "<name>tank</name>"), true, true},
    {POOL("iscsi", HOST DEVICE("i")), POOL("iscsi", "<host name='x'/>" DEVICE("i")), true, true},
    {POOL("iscsi", HOST DEVICE("i")), POOL("iscsi", HOST DEVICE("j")), false, false},
    {POOL("iscsi", HOST DEVICE("i")), POOL("iscsi", HOST DEVICE("i") INITIATOR("a")), false, false},
    {POOL("iscsi", HOST DEVICE("i") INITIATOR("a")), POOL("iscsi", HOST DEVICE("i") INITIATOR("a")),
     true, true},
    {POOL("iscsi", HOST DEVICE("/d")), POOL("fs", DEVICE("/d")), false, false},
    {POOL("iscsi-direct", HOST DEVICE("i") INITIATOR("a")),
     POOL("iscsi-direct", HOST DEVICE("i") INITIATOR("a")), false, false},
    {POOL("rbd", HOST "<name>p</name>"), POOL("rbd", HOST "<name>p</name>"), false, false},
    {SCSI("host5"), SCSI("scsi_host5"), true, true},
    {SCSI("fc_host5"), SCSI("scsi_host5"), true, true},
    {SCSI("host5"), SCSI("host6"), false, false},
    {SCSI("hostess"), SCSI("hostess"), false, false},
    {BY_BUS("1", "2"), BY_BUS("1", "0x02"), true, true},
    {BY_BUS("1", "2"), BY_BUS("2", "2"), false, false},
    {BY_BUS("1", "2"), BY_BUS("1", "3"), false, false},
    {BY_BUS("1", "2"), SCSI("host5"), false, false},
    {FC("1", ""), FC("1", "parent='scsi_host3'"), true, true},
    {FC("1", ""), FC("2", ""), false, false},
    {FC("1", "parent='scsi_host5'"), SCSI("host5"), true, true},
    {FC("1", "parent='scsi_host5'"), SCSI("host6"), false, false},
    {FC("1", ""), SCSI("host5"), false, false},
    {POOL("mpath", ""), POOL("mpath", ""), true, true},
    {POOL("sheepdog", HOST), POOL("sheepdog", HOST "<name>x</name>"), true, true},
    {POOL("sheepdog", HOST_PORT("1")), POOL("sheepdog", HOST_PORT("2")), false, false},
    {POOL("vstorage", "<name>c</name>"), POOL("vstorage", "<name>c</name>"), true, true},
    {POOL("vstorage", "<name>c</name>"), POOL("vstorage", "<name>d</name>"), false, false},
};

static void test_duplicate(gconstpointer data)
{
    const Duplicate *duplicate = data;
    g_autoptr(PoolDef) added = parse(duplicate->added);
    g_autoptr(PoolDef) existing = parse(duplicate->existing);

    if (conflict(added, existing) != duplicate->same ||
        conflict(existing, added) != duplicate->same_turned)
        g_test_message("%s %s", duplicate->added, duplicate->existing);
    g_assert_cmpint(conflict(added, existing), ==, duplicate->same);
    g_assert_cmpint(conflict(existing, added), ==, duplicate->same_turned);
}

/* ---- Usable sources ---- */

typedef struct Check {
    const char *xml;
    ErrorCode code; /* 0: it is fine */
    const char *message;
} Check;

#define AUTH(type) "<auth type='" type "' username='u'><secret usage='s'/></auth>"

static const Check checks[] = {
    {POOL("fs", DEVICE("/d")), 0, NULL},
    {POOL("fs", DEVICE("/d") DEVICE("/e")), ERROR_CONFIG_UNSUPPORTED,
     "unsupported configuration: expected exactly 1 device for the storage pool"},
    {NETFS(HOST, "/d"), 0, NULL},
    {NETFS(HOST HOST, "/d"), ERROR_CONFIG_UNSUPPORTED,
     "unsupported configuration: Expected exactly 1 host for the storage pool"},
    {POOL("iscsi", HOST DEVICE("i") AUTH("chap")), 0, NULL},
    {POOL("iscsi", HOST HOST DEVICE("i")), ERROR_CONFIG_UNSUPPORTED,
     "unsupported configuration: Expected exactly 1 host for the storage pool"},
    {POOL("iscsi", HOST), ERROR_INTERNAL, "internal error: missing source device"},
    {POOL("iscsi", HOST DEVICE("i") AUTH("ceph")), ERROR_XML,
     "XML error: iscsi pool only supports 'chap' auth type"},
    {POOL("iscsi-direct", HOST INITIATOR("a")), ERROR_INTERNAL,
     "internal error: missing source device"},
    {POOL("iscsi-direct", HOST DEVICE("i") INITIATOR("a") AUTH("ceph")), ERROR_XML,
     "XML error: iscsi-direct pool only supports 'chap' auth type"},
    {POOL("rbd", HOST "<name>p</name>" AUTH("ceph")), 0, NULL},
    {POOL("rbd", HOST "<name>p</name>" AUTH("chap")), ERROR_XML,
     "XML error: rbd pool only supports 'ceph' auth type"},
    {SCSI("scsi_host0"), 0, NULL},
    {SCSI("foo"), ERROR_INTERNAL, "internal error: Invalid adapter name 'foo' for SCSI pool"},
    {SCSI("host"), ERROR_INTERNAL, "internal error: Invalid adapter name 'host' for SCSI pool"},
    {SCSI("host4294967296"), ERROR_INTERNAL,
     "internal error: Invalid adapter name 'host4294967296' for SCSI pool"},
    {BY_BUS("1", "2"), 0, NULL},
    {GLUSTER(HOST, "v", "/"), 0, NULL},
    {GLUSTER(HOST, "v/x", "/"), ERROR_XML, "XML error: gluster pool name 'v/x' must not contain /"},
    {GLUSTER(HOST, "v", "x"), ERROR_XML, "XML error: gluster pool path 'x' must start with /"},
};

static void test_check(gconstpointer data)
{
    const Check *check = data;
    g_autoptr(PoolDef) def = parse(check->xml);
    g_autoptr(GError) error = NULL;

    if (backend_for_schema(def->schema)->check(def, &error) != (check->code == 0))
        g_test_fail_printf("%s", check->xml);
    if (check->code == 0) {
        g_assert_no_error(error);
        return;
    }
    g_assert_cmpstr(error->message, ==, check->message);
    g_assert_cmpint(error_code(error), ==, check->code);
    g_assert_cmpint(error_origin(error), ==, ORIGIN_STORAGE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/types/numbers", test_numbers);
    g_test_add_func("/types/ranks", test_ranks);
    g_test_add_func("/types/consistency", test_consistency);
    g_test_add_func("/types/words", test_words);
    for (guint i = 0; i < G_N_ELEMENTS(duplicates); i++) {
        g_autofree char *path = g_strdup_printf("/same-source/%02u", i);

        g_test_add_data_func(path, &duplicates[i], test_duplicate);
    }
    for (guint i = 0; i < G_N_ELEMENTS(checks); i++) {
        g_autofree char *path = g_strdup_printf("/check/%02u", i);

        g_test_add_data_func(path, &checks[i], test_check);
    }
    return g_test_run();
}
