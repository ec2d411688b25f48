/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Definitions as values: copies, state, files on disk, what a running pool shows. */
#include "golden.h"

#include "capabilities.h"
#include "errors.h"
#include "path.h"
#include "schema-validate.h"

#include <string.h>

static PoolDef *parse_pool(const char *xml)
{
    g_autoptr(GError) error = NULL;
    PoolDef *def = pool_def_parse(xml, backend_schemas(), 0, &error);

    g_assert_no_error(error);
    return def;
}

#define UUID "40bc5a98-7265-406e-a3df-da03289195e2"
#define POOL_NAMED(name)                                                                           \
    "<pool type='dir'><name>" name "</name><uuid>" UUID "</uuid><target><path>/t</path></target>"  \
    "</pool>"

static void assert_document(const char *text, const char *file)
{
    g_autofree char *expected = golden_read("described", file);

    g_assert_cmpstr(text, ==, expected);
}

/* ---- Pools ---- */

static void test_random_uuid(void)
{
    static const char xml[] =
        "<pool type='dir'><name>n</name><target><path>/t</path></target></pool>";
    g_autoptr(PoolDef) a = parse_pool(xml);
    g_autoptr(PoolDef) b = parse_pool(xml);

    g_assert_false(uuid_equal(&a->uuid, &b->uuid));
    g_assert_false(pool_def_equal(a, b));
}

/* Every golden pool differs from every other in what the documents differ in. */
typedef struct Known {
    GHashTable *texts; /* of outputs, seen before */
    GPtrArray *defs;
} Known;

static void compare_with_known(const char *folder, const char *name, gconstpointer data)
{
    const Known *known = data;
    g_autofree char *file = g_strconcat(name, ".in.xml", NULL);
    g_autofree char *xml = golden_read(folder, file);
    g_autoptr(PoolDef) parsed = parse_pool(xml);
    g_autoptr(PoolDef) def = pool_def_copy(parsed);

    uuid_parse(UUID, &def->uuid);
    g_autofree char *text = pool_def_format(def);
    PoolDef *twin = g_hash_table_lookup(known->texts, text);
    for (guint i = 0; i < known->defs->len; i++)
        g_assert_cmpint(pool_def_equal(def, known->defs->pdata[i]), ==,
                        known->defs->pdata[i] == twin);
    if (!twin) {
        g_ptr_array_add(known->defs, pool_def_ref(def));
        g_hash_table_insert(known->texts, g_steal_pointer(&text), def);
    }
}

static void test_difference(void)
{
    g_autoptr(GHashTable) texts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) defs = g_ptr_array_new_with_free_func((GDestroyNotify)pool_def_unref);
    Known known = {texts, defs};

    golden_for_each("pool", compare_with_known, &known);
    g_assert_cmpuint(defs->len, >, 50);
}

static void test_state(void)
{
    g_autoptr(PoolDef) def = parse_pool(POOL_NAMED("images"));
    PoolSpace space = {.capacity = 1000, .allocation = 400, .available = 600};
    Permissions real = {.mode = 0755, .uid = 0, .gid = 107, .label = (char *)"l"};
    g_autoptr(PoolDef) kept = pool_def_with_state(def, &space, NULL);
    g_autoptr(PoolDef) live = pool_def_with_state(def, &space, &real);
    g_autofree char *text = pool_def_format(live);

    assert_document(text, "dir-running.xml");
    g_assert_cmpuint(kept->space.available, ==, 600);
    g_assert_cmpuint(kept->permissions.mode, ==, MODE_UNSET);
    g_assert_true(pool_def_equal(def, kept)); /* sizes are no part of the definition */
    g_assert_false(pool_def_equal(def, live));
    g_assert_cmpuint(def->space.capacity, ==, 0);
}

static void test_state_without_target(void)
{
    g_autoptr(PoolDef) def =
        parse_pool("<pool type='gluster'><name>n</name><source><host name='h'/></source></pool>");
    Permissions real = {.mode = 0755, .uid = 0, .gid = 0};
    g_autoptr(PoolDef) live = pool_def_with_state(def, &(PoolSpace){}, &real);

    g_assert_true(pool_def_equal(def, live));
}

static void test_free_extents(void)
{
    g_autoptr(PoolDef) def = parse_pool(
        "<pool type='disk'><name>dk</name><uuid>" UUID "</uuid><source><device path='/dev/sdx'/>"
        "<format type='gpt'/></source><target><path>/dev</path></target></pool>");
    PoolSpace space = {314555904, 65011712, 249526784};
    g_autoptr(PoolDef) live = pool_def_with_state(def, &space, NULL);
    FreeExtent extents[] = {{65029120, 314555904}};

    live->source.devices[0].free_extents = g_memdup2(extents, sizeof(extents));
    live->source.devices[0].n_free_extents = 1;
    g_autofree char *text = pool_def_format(live);
    assert_document(text, "disk-running.xml");
    g_assert_true(pool_def_equal(def, live));
    g_autoptr(PoolDef) copy = pool_def_copy(live);
    g_autofree char *copied = pool_def_format(copy);
    g_assert_cmpstr(copied, ==, text);
    g_assert_true(schema_validate(SCHEMA_POOL, text, NULL));
}

/* ---- Files ---- */

static void test_config_file(void)
{
    g_autoptr(PoolDef) def = parse_pool(POOL_NAMED("images"));
    g_autofree char *text = pool_def_format_config(def);
    g_autoptr(GError) error = NULL;
    g_autoptr(PoolDef) again = pool_def_parse_file(text, backend_schemas(), &error);

    g_assert_no_error(error);
    assert_document(text, "config-file.xml");
    g_assert_true(pool_def_equal(def, again));
}

static void test_state_file(void)
{
    g_autoptr(PoolDef) def = parse_pool(POOL_NAMED("images"));
    g_autofree char *text = pool_def_format_state(def);
    g_autoptr(GError) error = NULL;
    g_autoptr(PoolDef) again = pool_def_parse_file(text, backend_schemas(), &error);

    g_assert_no_error(error);
    assert_document(text, "state-file.xml");
    g_assert_true(pool_def_equal(def, again));
}

/* A name that a shell or an XML comment would trip over gives way to the UUID. */
static void test_comment(void)
{
    static const struct {
        const char *name;
        bool plain;
    } names[] = {
        {"images", true}, {"a:b@c%d,e=f+g", true}, {"-x", true},   {"x-", true},
        {"\u00fc", true}, {"a b", false},          {"a$b", false}, {"a--b", false},
        {"a'b", false},   {"a;b", false},          {"a~", false},  {"a^b", false},
        {"a`b", false},   {"a\tb", false},         {"-->", false},
    };

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *escaped = g_markup_escape_text(names[i].name, -1);
        g_autofree char *xml = g_strdup_printf("<pool type='dir'><name>%s</name><uuid>" UUID
                                               "</uuid><target><path>/t</path></target>"
                                               "</pool>",
                                               escaped);
        g_autoptr(PoolDef) def = parse_pool(xml);
        g_autofree char *text = pool_def_format_config(def);
        g_autofree char *line =
            g_strdup_printf("\n  virsh pool-edit %s\n", names[i].plain ? names[i].name : UUID);
        g_autoptr(GError) error = NULL;
        g_autoptr(PoolDef) again = pool_def_parse_file(text, backend_schemas(), &error);

        g_assert_nonnull(strstr(text, line));
        g_assert_no_error(error);
        g_assert_true(pool_def_equal(def, again));
    }
}

/* What libvirt's form of large ids says is understood in files, though in no request. */
static void test_large_ids(void)
{
    g_autoptr(PoolDef) def = parse_pool(
        "<pool type='dir'><name>n</name><target><path>/t</path><permissions>"
        "<owner>4294967294</owner><group>2147483648</group></permissions></target></pool>");
    g_autofree char *text = pool_def_format_config(def);
    g_autoptr(GError) error = NULL;
    g_autoptr(PoolDef) again = pool_def_parse_file(text, backend_schemas(), &error);

    g_assert_no_error(error);
    g_assert_nonnull(strstr(text, "<owner>-2</owner>"));
    g_assert_true(pool_def_equal(def, again));
}

static void test_carriage_return(void)
{
    g_autoptr(PoolDef) def = parse_pool(POOL_NAMED("a&#13;b"));
    g_autofree char *text = pool_def_format_config(def);
    g_autoptr(PoolDef) again = pool_def_parse_file(text, backend_schemas(), NULL);

    g_assert_cmpstr(def->name, ==, "a\rb");
    g_assert_true(pool_def_equal(def, again));
}

static void test_foreign_file(void)
{
    static const char *const foreign[] = {"<volume/>", "<poolstate/>",
                                          "<poolstate><x/></poolstate>",
                                          "<x><pool type='dir'/></x>"};

    for (guint i = 0; i < G_N_ELEMENTS(foreign); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(pool_def_parse_file(foreign[i], backend_schemas(), &error));
        g_assert_error(error, CISTERN_ERROR, ERROR_XML);
    }
}

/* ---- Names and paths ---- */

static void test_names(void)
{
    g_autofree char *longest = g_strnfill(251, 'a'), *longer = g_strnfill(252, 'a');
    static const char *const good[] = {"images", ".", "..", " ", "a\tb", "\u00fc", "-x", "a'b"};
    const struct {
        const char *name;
        ErrorCode code;
        ErrorOrigin origin;
        const char *message;
    } bad[] = {
        {"", ERROR_XML, ORIGIN_STORAGE, "XML error: missing pool source name element"},
        {"a/b", ERROR_XML, ORIGIN_STORAGE, "XML error: name a/b cannot contain '/'"},
        {"a\nb", ERROR_XML_DETAIL, ORIGIN_XML, "invalid char in name: \n"},
        {"\xff", ERROR_XML, ORIGIN_STORAGE, "XML error: the pool's name is not UTF-8"},
        {longer, ERROR_SYSTEM, ORIGIN_NONE, NULL},
    };
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(good); i++)
        g_assert_true(pool_name_check(good[i], NULL));
    g_assert_true(pool_name_check(longest, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(pool_name_check(bad[i].name, &error));
        g_assert_cmpint(error_code(error), ==, bad[i].code);
        g_assert_cmpint(error_origin(error), ==, bad[i].origin);
        if (bad[i].message)
            g_assert_cmpstr(error->message, ==, bad[i].message);
        else
            g_assert_true(g_str_has_suffix(error->message, ".xml': File name too long"));
        g_clear_error(&error);
    }
}

static void test_paths(void)
{
    static const char *const pairs[][2] = {
        {"/", "/"},
        {"//", "//"},
        {"///", "/"},
        {"", ""},
        {"a", "a"},
        {"a/", "a"},
        {"a/b//c/", "a/b/c"},
        {"//x//y/", "//x/y"},
        {"////a///", "/a"},
        {"///a/../b/.//", "/a/../b/."},
        {"gluster://a//b/", "gluster://a//b/"},
        {":///a//b", ":///a//b"},
        {"/a://b//c/", "/a:/b/c"},
        {"a:/b//c", "a:/b/c"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_autofree char *cleaned = path_clean(pairs[i][0]);

        g_assert_cmpstr(cleaned, ==, pairs[i][1]);
    }
}

/* ---- Volumes as they are found ---- */

static void test_qcow2(void)
{
    VolumeDef def;

    volume_def_init(&def);
    def.name = (char *)"q2";
    def.key = (char *)"/srv/images/q2";
    def.capacity = 1073741824;
    def.allocation = 397312;
    def.physical = 393224;
    def.target.path = (char *)"/srv/images/q2";
    def.target.format = IMAGE_FORMAT_QCOW2;
    def.target.permissions = (Permissions){.mode = 0600};
    def.target.has_timestamps = true;
    def.target.timestamps = (Timestamps){.atime = 1795369161255481462,
                                         .mtime = 1795369161251983997,
                                         .ctime = 1795369161255447806};
    def.target.compat = (char *)"1.1";
    def.target.cluster_size = 131072;
    def.target.has_features = true;
    def.target.features = FEATURE_LAZY_REFCOUNTS;
    g_autofree char *text = volume_def_format(&def, golden_schema("dir"));
    assert_document(text, "qcow2.xml");
    g_assert_true(schema_validate(SCHEMA_VOLUME, text, NULL));

    g_autoptr(VolumeDef) copy = volume_def_copy(&def);
    g_assert_true(volume_def_equal(&def, copy));
    copy->target.features |= FEATURE_EXTENDED_L2;
    g_assert_false(volume_def_equal(&def, copy));
}

static void test_extents(void)
{
    VolumeExtent extents[] = {
        {(char *)"/dev/sda1", 41943040, 75497472},
        {(char *)"/dev/sda1", 80000000, 80000512},
        {(char *)"/dev/sdb1", 83886080, 117440512},
        {(char *)"/dev/sda1", 0, 512},
    };
    VolumeDef def;

    volume_def_init(&def);
    def.type = VOLUME_BLOCK;
    def.name = (char *)"str";
    def.key = (char *)"fSLSZH-zAS2";
    def.extents = extents;
    def.n_extents = G_N_ELEMENTS(extents);
    def.capacity = def.allocation = def.physical = 33554432;
    def.target.path = (char *)"/dev/vg/str";
    def.target.permissions = (Permissions){.mode = 0660, .uid = 0, .gid = 6};
    def.has_backing = true;
    def.backing.path = (char *)"/dev/vg/origin";
    g_autofree char *text = volume_def_format(&def, golden_schema("logical"));
    assert_document(text, "logical-volume.xml");
    g_assert_true(schema_validate(SCHEMA_VOLUME, text, NULL));

    g_autoptr(VolumeDef) copy = volume_def_copy(&def);
    g_autofree char *copied = volume_def_format(copy, golden_schema("logical"));
    g_assert_cmpstr(copied, ==, text);
}

static void test_dir_volume(void)
{
    VolumeDef def;

    volume_def_init(&def);
    def.type = VOLUME_DIR;
    def.name = (char *)"sub";
    def.key = def.target.path = (char *)"/srv/images/sub";
    def.target.format = IMAGE_FORMAT_DIR;
    def.target.permissions = (Permissions){.mode = 0755, .uid = 4294967294, .gid = 0};
    def.target.has_timestamps = true;
    def.target.timestamps = (Timestamps){.atime = 5000000000, .mtime = 1, .ctime = -1};
    g_autofree char *text = volume_def_format(&def, golden_schema("dir"));
    assert_document(text, "dir-volume.xml");
    g_assert_true(schema_validate(SCHEMA_VOLUME, text, NULL));
}

static void test_overlay(void)
{
    SecretRef secret = {.type = (char *)"passphrase", .usage = (char *)"/srv/images/top"};
    VolumeDef def;

    volume_def_init(&def);
    def.name = (char *)"top";
    def.key = def.target.path = (char *)"/srv/images/top";
    def.capacity = 1;
    def.target.format = IMAGE_FORMAT_QCOW2;
    def.target.encryption = (Encryption){.format = ENCRYPTION_LUKS,
                                         .secrets = &secret,
                                         .n_secrets = 1,
                                         .cipher_size = 0};
    def.has_backing = true;
    def.backing.path = (char *)"/srv/images/base";
    def.backing.format = -1;
    g_autofree char *text = volume_def_format(&def, golden_schema("dir"));
    assert_document(text, "overlay.xml");
    def.backing.format = IMAGE_FORMAT_VHDX;
    g_autofree char *known = volume_def_format(&def, golden_schema("dir"));
    g_assert_nonnull(strstr(known, "<format type='vhdx'/>"));
}

/* "Given in the document" is told from "zero". */
static void test_given(void)
{
    g_autoptr(VolumeDef) clone =
        volume_def_parse("<volume><name>n</name></volume>", golden_schema("logical"),
                         VOLUME_PARSE_CAPACITY_OPTIONAL, NULL);
    g_autoptr(VolumeDef) both = volume_def_parse(
        "<volume><name>n</name><key>k</key><capacity>0</capacity><allocation>0</allocation>"
        "<target><path>/p</path><nocow/></target></volume>",
        golden_schema("dir"), 0, NULL);

    g_assert_false(clone->has_capacity);
    g_assert_false(clone->has_allocation);
    g_assert_true(both->has_capacity);
    g_assert_true(both->has_allocation);
    g_assert_true(both->target.nocow);
    g_assert_cmpstr(both->key, ==, "k");
    g_assert_cmpstr(both->target.path, ==, "/p");
    g_assert_cmpint(both->target.format, ==, IMAGE_FORMAT_RAW);
    g_assert_cmpuint(both->target.permissions.mode, ==, MODE_UNSET);
}

static void test_problem(void)
{
    g_autoptr(VolumeDef) def = volume_def_new();

    def->name = g_strdup("n");
    def->problem = g_strdup("header cut off");
    g_autoptr(VolumeDef) copy = volume_def_copy(def);
    g_assert_cmpstr(copy->problem, ==, "header cut off");
    g_assert_true(copy->problem != def->problem);
    g_autofree char *text = volume_def_format(def, golden_schema("dir"));
    g_assert_null(strstr(text, "header"));
}

/* ---- Capabilities ---- */

static void test_pool_capabilities(void)
{
    static const bool supported[14] = {[0] = true, [2] = true};
    g_autofree char *text = pool_capabilities_format(backend_schemas(), supported);

    assert_document(text, "pool-capabilities.xml");
    g_assert_true(schema_validate(SCHEMA_POOL_CAPABILITIES, text, NULL));
}

static void test_host_capabilities(void)
{
    static const bool all[14] = {true, true, true, true, true, true, true,
                                 true, true, true, true, true, true, true};
    static const bool none[14] = {};
    g_autofree char *everything = host_capabilities_format(backend_schemas(), all);
    g_autofree char *nothing = host_capabilities_format(backend_schemas(), none);

    assert_document(everything, "host-capabilities.xml");
    g_assert_cmpstr(nothing, ==,
                    "<capabilities>\n\n  <pool>\n    <enum name='type'>\n    </enum>\n  </pool>\n"
                    "\n</capabilities>\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pool/random-uuid", test_random_uuid);
    g_test_add_func("/pool/difference", test_difference);
    g_test_add_func("/pool/state", test_state);
    g_test_add_func("/pool/state-without-target", test_state_without_target);
    g_test_add_func("/pool/free-extents", test_free_extents);
    g_test_add_func("/file/config", test_config_file);
    g_test_add_func("/file/state", test_state_file);
    g_test_add_func("/file/comment", test_comment);
    g_test_add_func("/file/large-ids", test_large_ids);
    g_test_add_func("/file/carriage-return", test_carriage_return);
    g_test_add_func("/file/foreign", test_foreign_file);
    g_test_add_func("/name", test_names);
    g_test_add_func("/path", test_paths);
    g_test_add_func("/volume/qcow2", test_qcow2);
    g_test_add_func("/volume/extents", test_extents);
    g_test_add_func("/volume/dir", test_dir_volume);
    g_test_add_func("/volume/overlay", test_overlay);
    g_test_add_func("/volume/given", test_given);
    g_test_add_func("/volume/problem", test_problem);
    g_test_add_func("/capabilities/pools", test_pool_capabilities);
    g_test_add_func("/capabilities/host", test_host_capabilities);
    return g_test_run();
}
