/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lvm2 and the kernel tell, as the real ones told it, and what they might. */
#include "lvm-group.h"
#include "lvm-mapper.h"
#include "lvm-name.h"
#include "lvm-use.h"

#include "errors.h"

#include <glib/gstdio.h>
#include <string.h>

#define MIB    (G_GUINT64_CONSTANT(1) << 20)
#define EXTENT (4 * MIB)

static LvmReport *load(const char *name)
{
    g_autofree char *path = g_build_filename(LVM_DIR, name, NULL), *text = NULL;
    GError *error = NULL;
    gsize size;

    g_assert_true(g_file_get_contents(path, &text, &size, &error));
    LvmReport *report = lvm_report_parse(text, size, &error);
    g_assert_no_error(error);
    return report;
}

static LvmGroup *load_group(const char *name)
{
    g_autoptr(LvmReport) report = load(name);
    LvmGroup *group = lvm_group_from_report(report, "vg0");

    g_assert_nonnull(group);
    return group;
}

static VolumeDef *describe(const LvmGroup *group, const char *name)
{
    const LvmVolume *volume = lvm_group_find(group, name);

    g_assert_nonnull(volume);
    return lvm_volume_describe(group, volume, "/dev/vg0");
}

static void assert_extents(const VolumeDef *volume, const char *expected)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < volume->n_extents; i++)
        g_string_append_printf(text, "%s:%" G_GUINT64_FORMAT "+%" G_GUINT64_FORMAT " ",
                               volume->extents[i].device, volume->extents[i].start / EXTENT,
                               (volume->extents[i].end - volume->extents[i].start) / EXTENT);
    g_assert_cmpstr(text->str, ==, expected);
}

/* ---- a real group ---- */

static void test_listed(gconstpointer file)
{
    g_autoptr(LvmGroup) group = load_group(file);
    g_autoptr(GString) names = g_string_new(NULL);

    for (guint i = 0; i < group->volumes->len; i++) {
        const LvmVolume *volume = group->volumes->pdata[i];
        if (lvm_volume_is_listed(volume))
            g_string_append_printf(names, "%s ", volume->name);
    }
    g_assert_cmpstr(names->str, ==, "lin mir oldmir snap sparse str thin thinsnap thinsnap2 two ");
    g_assert_cmpuint(group->size, ==, 2139095040);
    g_assert_cmpuint(group->free, ==, 1728053248);
    g_assert_cmpuint(group->devices->len, ==, 2);
}

static void test_extents(void)
{
    static const struct {
        const char *name, *extents;
    } cases[] = {
        {"lin", "/dev/vda:0+16 "},
        {"two", "/dev/vda:74+2 /dev/vdb:20+2 "},
        {"str", "/dev/vda:16+8 /dev/vdb:0+8 "}, /* half of it on each */
        {"mir", "/dev/vda:25+8 /dev/vdb:9+8 /dev/vda:24+1 /dev/vdb:8+1 "},
        {"oldmir", "/dev/vda:33+2 /dev/vdb:17+2 "},
        {"thin", ""},
    };
    g_autoptr(LvmGroup) group = load_group("group.json");

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VolumeDef) volume = describe(group, cases[i].name);
        assert_extents(volume, cases[i].extents);
    }
}

/* Caches of both kinds, in use and not, and checksums. */
static void test_layers(void)
{
    static const struct {
        const char *name, *extents;
    } cases[] = {
        {"cached", "/dev/vda:10+4 /dev/vdb:10+2 "},
        {"pooled", "/dev/vda:18+4 /dev/vdb:24+3 /dev/vdb:22+2 "},
        {"ofcached", "/dev/vda:22+1 "},
        {"slow", "/dev/vda:16+2 /dev/vdb:14+1 "},
        {"sums", "/dev/vda:6+2 /dev/vda:8+2 /dev/vdb:6+2 /dev/vdb:8+2 /dev/vda:5+1 /dev/vdb:5+1 "},
    };
    g_autoptr(LvmGroup) group = load_group("cached-group.json");
    g_autoptr(GString) names = g_string_new(NULL);

    for (guint i = 0; i < group->volumes->len; i++) {
        const LvmVolume *volume = group->volumes->pdata[i];
        if (lvm_volume_is_listed(volume))
            g_string_append_printf(names, "%s ", volume->name);
    }
    g_assert_cmpstr(names->str, ==, "cached mirror ofcached pooled raid slow striped sums ");
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VolumeDef) volume = describe(group, cases[i].name);
        assert_extents(volume, cases[i].extents);
    }
    g_autofree char *dependents = lvm_group_dependents(group, lvm_group_find(group, "pooled"));
    g_assert_cmpstr(dependents, ==, "'ofcached'");
    g_assert_null(lvm_group_dependents(group, lvm_group_find(group, "cached")));
}

static void test_described(void)
{
    g_autoptr(LvmGroup) group = load_group("group.json");
    g_autoptr(VolumeDef) lin = describe(group, "lin");
    g_autoptr(VolumeDef) thin = describe(group, "thin");
    g_autoptr(VolumeDef) copy = describe(group, "thinsnap2");
    g_autoptr(VolumeDef) idle = describe(group, "thinsnap");
    g_autoptr(VolumeDef) str = describe(group, "str");

    g_assert_cmpstr(lin->key, ==, "UbXRAn-DRWG-S50t-Pozr-ctdM-Puq7-VvAzNg");
    g_assert_cmpstr(lin->target.path, ==, "/dev/vg0/lin");
    g_assert_cmpuint(lin->allocation, ==, 64 * MIB);
    g_assert_cmpuint(thin->capacity, ==, 512 * MIB);
    g_assert_cmpuint(thin->allocation, ==, 0);
    g_assert_cmpstr(thin->target.thin_pool, ==, "pool");
    g_assert_cmpstr(copy->backing.path, ==, "/dev/vg0/thin");
    g_assert_nonnull(strstr(idle->problem, "lvchange -ay -K vg0/thinsnap"));
    g_assert_nonnull(strstr(str->problem, "lvchange -ay vg0/str"));
}

static void test_empty(void)
{
    g_autoptr(LvmGroup) group = load_group("empty-group.json");

    g_assert_cmpuint(group->volumes->len, ==, 0);
    g_assert_cmpuint(group->free, ==, group->size);
}

/* ---- what else may come ---- */

static LvmReport *parse(const char *text)
{
    return lvm_report_parse(text, strlen(text), NULL);
}

static void test_refused(void)
{
    static const char *const texts[] = {"", "[]", "{", "lvm: command not found\n", "{\"report\":"};

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(lvm_report_parse(texts[i], strlen(texts[i]), &error));
        g_assert_error(error, CISTERN_ERROR, ERROR_INTERNAL);
    }
}

static void test_no_group(void)
{
    g_autoptr(LvmReport) report = parse("  {\n      \"report\": [\n  Volume group \"nosuch\" not "
                                        "found\n  Cannot process volume group nosuch\n      ]\n}");

    g_assert_nonnull(report);
    g_assert_null(lvm_group_from_report(report, "nosuch"));
}

static void test_backslash(void)
{
    g_autoptr(LvmReport) report = parse("{\"report\":[{\"pv\":[{\"pv_name\":\"/dev/a\\x20b\"}]}]}");
    g_autoptr(GPtrArray) rows = lvm_report_rows(report, "pv");

    g_assert_cmpuint(rows->len, ==, 1);
    g_assert_cmpstr(lvm_row_text(rows->pdata[0], "pv_name"), ==, "/dev/a\\x20b");
    g_assert_cmpstr(lvm_row_text(rows->pdata[0], "vg_name"), ==, "");
}

#define ONE_VOLUME(columns, segment)                                                               \
    "{\"report\":[{\"vg\":[{\"vg_name\":\"vg0\",\"vg_size\":\"8388608\",\"vg_free\":\"0\","        \
    "\"vg_extent_size\":\"4194304\"}],\"lv\":[{\"lv_uuid\":\"u\"," columns "}],"                   \
    "\"seg\":[{\"lv_uuid\":\"u\",\"seg_le_ranges\":\"" segment "\"}]}]}"

static void test_hostile_names(void)
{
    static const char *const names[] = {"../../etc/passwd", "a b", "-n", "", "a\\nb", "x/y"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_auto(GStrv) parts =
            g_strsplit(ONE_VOLUME("\"lv_name\":\"@\",\"lv_size\":\"1\"", ""), "@", 2);
        g_autofree char *text = g_strjoin(names[i], parts[0], parts[1], NULL);
        g_autoptr(LvmReport) report = parse(text);
        g_autoptr(LvmGroup) group = lvm_group_from_report(report, "vg0");
        g_assert_cmpuint(group->volumes->len, ==, 0);
    }
}

static void test_hostile_ranges(void)
{
    static const struct {
        const char *text, *extents;
    } cases[] = {
        {ONE_VOLUME("\"lv_name\":\"a\",\"lv_size\":\"1\"", "/dev/a,b:0-1,/dev/c:d:2-2"),
         "/dev/a,b:0+2 /dev/c:d:2+1 "},
        {ONE_VOLUME("\"lv_name\":\"a\",\"lv_size\":\"1\"", "/dev/a:5-4"), ""},
        {ONE_VOLUME("\"lv_name\":\"a\",\"lv_size\":\"1\"", "/dev/a:0-9223372036854775806"), ""},
        {ONE_VOLUME("\"lv_name\":\"a\",\"lv_size\":\"1\"", "[unknown]:0-3,x_rimage_0(0)"), ""},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(LvmReport) report = parse(cases[i].text);
        g_autoptr(LvmGroup) group = lvm_group_from_report(report, "vg0");
        g_autoptr(VolumeDef) volume = describe(group, "a");
        assert_extents(volume, cases[i].extents);
    }
}

/* lvm.conf may leave out the brackets, and have numbers for yes and no. */
static void test_settings(void)
{
    g_autoptr(LvmReport) report =
        parse("{\"report\":[{\"vg\":[{\"vg_name\":\"vg0\",\"vg_size\":\"8388608\","
              "\"vg_free\":\"0\",\"vg_extent_size\":\"4194304\",\"vg_exported\":\"0\"}],"
              "\"pv\":[{\"pv_name\":\"/dev/a\",\"pv_missing\":\"0\"},"
              "{\"pv_name\":\"/dev/b\",\"pv_missing\":\"1\"}],"
              "\"lv\":[{\"lv_name\":\"tp_tmeta\",\"lv_uuid\":\"u\",\"lv_size\":\"1\"}]}]}");
    g_autoptr(LvmGroup) group = lvm_group_from_report(report, "vg0");

    g_assert_false(group->exported);
    g_assert_cmpuint(group->devices->len, ==, 1);
    g_assert_null(lvm_group_find(group, "tp_tmeta"));
    g_assert_false(lvm_volume_is_listed(group->volumes->pdata[0]));
}

static void test_percents(void)
{
    static const struct {
        const char *text;
        int hundredths;
    } cases[] = {{"0.00", 0}, {"12.34", 1234}, {"100.00", 10000}, {"100.50", 10000}, {"", -1},
                 {"x", -1},   {"1.2", -1},     {"-1.00", -1},     {"101.00", -1},    {"7", 700}};

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(GStrv) parts = g_strsplit("{\"report\":[{\"lv\":[{\"p\":\"@\"}]}]}", "@", 2);
        g_autofree char *text = g_strjoin(cases[i].text, parts[0], parts[1], NULL);
        g_autoptr(LvmReport) report = parse(text);
        g_autoptr(GPtrArray) rows = lvm_report_rows(report, "lv");
        g_assert_cmpint(lvm_row_percent(rows->pdata[0], "p"), ==, cases[i].hundredths);
    }
}

/* ---- names ---- */

static void test_names(void)
{
    static const char *const good[] = {"a", "A.b_c+d-e", "0", ".hidden", "x-"};
    static const char *const bad[] = {"",        "-a",       "a b",        "a/b",      ".",
                                      "..",      "a\n",      "\xc3\xa4",   "a:b",      "pvmove0",
                                      "x_tdata", "snapshot", "a_rimage_0", "x_pmspare"};
    g_autofree char *longest = g_strnfill(127, 'a'), *too_long = g_strnfill(128, 'a');
    g_autofree char *mapped = lvm_mapper_name("my-vg", "a--b", "-real");

    for (guint i = 0; i < G_N_ELEMENTS(good); i++)
        g_assert_true(lvm_volume_name_is_valid(good[i]));
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(lvm_volume_name_is_valid(bad[i]));
    g_assert_true(lvm_name_is_valid(longest));
    g_assert_false(lvm_name_is_valid(too_long));
    g_assert_true(lvm_name_is_valid("snapshot")); /* of a group */
    g_assert_cmpstr(mapped, ==, "my--vg-a----b-real");
}

/* ---- the kernel's words ---- */

static void test_thin_usage(void)
{
    static const char *const bad[] = {"Fail", "", "0 1/2", "0 3/2 0/1", "0 1/2 2/1"};
    ThinUsage usage;

    g_assert_true(lvm_thin_usage_parse("0 112/1024 64/2048 - rw discard_passdown", &usage));
    g_assert_cmpuint(usage.meta_used, ==, 112);
    g_assert_cmpuint(usage.meta_total, ==, 1024);
    g_assert_cmpuint(usage.data_used, ==, 64);
    g_assert_cmpuint(usage.data_total, ==, 2048);
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(lvm_thin_usage_parse(bad[i], &usage));
}

static void test_thin_zeroes(void)
{
    g_assert_true(lvm_thin_zeroes_parse("253:0 253:1 128 0 0 "));
    g_assert_true(lvm_thin_zeroes_parse("253:0 253:1 128 0 1 no_discard_passdown "));
    g_assert_false(lvm_thin_zeroes_parse("253:0 253:1 128 0 1 skip_block_zeroing "));
    g_assert_false(lvm_thin_zeroes_parse("253:0 253:1 128 0 2 ignore_discard skip_block_zeroing "));
    g_assert_false(lvm_thin_zeroes_parse(""));
}

static void check_told(guint64 data_used, guint64 meta_used, const char *data, const char *meta)
{
    const ThinUsage usage = {data_used, 100000, meta_used, 1024};
    ThinPool *thin = g_new0(ThinPool, 1);

    thin->data_percent = g_strdup("1.00");
    lvm_thin_usage_tell(&usage, thin);
    g_assert_cmpstr(thin->data_percent, ==, data);
    g_assert_cmpstr(thin->meta_percent, ==, meta);
    thin_pools_free(thin, 1);
}

/* As lvm2 rounds: only what is empty is 0, only what is full 100. */
static void test_thin_usage_told(void)
{
    check_told(0, 0, "0.00", "0.00");
    check_told(12500, 112, "12.50", "10.94");
    check_told(80000, 1, "80.00", "0.10");
    check_told(1, 1, "0.01", "0.10");
    check_told(99999, 1023, "99.99", "99.90");
    check_told(100000, 1024, "100.00", "100.00");
}

/* A root folder whose /proc and /sys tell of volumes and their use. */
typedef struct Root {
    char *path;
} Root;

static void put(const Root *root, const char *path, const char *text)
{
    g_autofree char *full = g_build_filename(root->path, path, NULL);
    g_autofree char *folder = g_path_get_dirname(full);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_assert_true(g_file_set_contents(full, text, -1, NULL));
}

static void root_setup(Root *root, gconstpointer data)
{
    root->path = g_dir_make_tmp("lvm-use-XXXXXX", NULL);
    put(root, "sys/class/block/dm-0/dm/name", "vg0-root\n");
    put(root, "sys/class/block/dm-0/dev", "254:0\n");
    put(root, "sys/class/block/dm-1/dm/name", "vg0-pool_tdata\n");
    put(root, "sys/class/block/dm-1/dev", "254:1\n");
    put(root, "sys/class/block/dm-1/holders/dm-2", "");
    put(root, "sys/class/block/dm-2/dm/name", "vg0-pool\n");
    put(root, "sys/class/block/dm-2/dev", "254:2\n");
    put(root, "sys/class/block/dm-3/dm/name", "vg0--a-root\n");
    put(root, "sys/class/block/dm-3/dev", "254:3\n");
    put(root, "sys/class/block/sda/dev", "8:0\n");
}

static void remove_all(const char *path)
{
    const char *argv[] = {"rm", "-rf", "--", path, NULL};

    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
                               NULL, NULL, NULL));
}

static void root_teardown(Root *root, gconstpointer data)
{
    remove_all(root->path);
    g_free(root->path);
}

static void assert_use(const Root *root, const char *group, const char *expected)
{
    g_autofree char *use = lvm_host_use(root->path, group);

    g_assert_cmpstr(use, ==, expected);
}

static void test_unused(Root *root, gconstpointer data)
{
    put(root, "proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\nrubbish\n\n");
    put(root, "proc/swaps", "Filename Type Size\n/dev/sda2 partition 1\n");
    assert_use(root, "vg0", NULL);
    assert_use(root, "none", NULL);
}

static void test_mounted(Root *root, gconstpointer data)
{
    put(root, "proc/self/mountinfo", "22 1 254:0 / /srv rw - ext4 /dev/root rw\n");
    assert_use(root, "vg0", "mounted on '/srv' (vg0-root)");
    put(root, "proc/self/mountinfo", "22 1 0:31 / /b rw - btrfs /dev/mapper/vg0-root rw\n");
    assert_use(root, "vg0", "mounted on '/b' (vg0-root)");
    /* The group whose name goes on isn't this one. */
    put(root, "proc/self/mountinfo", "22 1 254:3 / /srv rw - ext4 /dev/vg0-a/root rw\n");
    assert_use(root, "vg0", NULL);
    assert_use(root, "vg0-a", "mounted on '/srv' (vg0--a-root)");
}

static void test_swap(Root *root, gconstpointer data)
{
    put(root, "proc/swaps", "Filename Type Size\n/dev/dm-0 partition 1\n");
    assert_use(root, "vg0", "swap (vg0-root)");
    put(root, "proc/swaps", "Filename Type Size\n/dev/vg0/root partition 1\n");
    assert_use(root, "vg0", "swap (vg0-root)");
}

static void test_holder(Root *root, gconstpointer data)
{
    put(root, "sys/class/block/dm-0/holders/dm-9", "");
    assert_use(root, "vg0", "held by dm-9 (vg0-root)");
}

#define ROOT_TEST(path, function)                                                                  \
    g_test_add("/lvm/use/" path, Root, NULL, root_setup, function, root_teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/lvm/listed", "group.json", test_listed);
    g_test_add_data_func("/lvm/listed-with-messages", "group-with-messages.json", test_listed);
    g_test_add_func("/lvm/extents", test_extents);
    g_test_add_func("/lvm/layers", test_layers);
    g_test_add_func("/lvm/described", test_described);
    g_test_add_func("/lvm/empty", test_empty);
    g_test_add_func("/lvm/refused", test_refused);
    g_test_add_func("/lvm/no-group", test_no_group);
    g_test_add_func("/lvm/backslash", test_backslash);
    g_test_add_func("/lvm/hostile-names", test_hostile_names);
    g_test_add_func("/lvm/hostile-ranges", test_hostile_ranges);
    g_test_add_func("/lvm/settings", test_settings);
    g_test_add_func("/lvm/percents", test_percents);
    g_test_add_func("/lvm/names", test_names);
    g_test_add_func("/lvm/thin-usage", test_thin_usage);
    g_test_add_func("/lvm/thin-zeroes", test_thin_zeroes);
    g_test_add_func("/lvm/thin-usage-told", test_thin_usage_told);
    ROOT_TEST("unused", test_unused);
    ROOT_TEST("mounted", test_mounted);
    ROOT_TEST("swap", test_swap);
    ROOT_TEST("holder", test_holder);
    return g_test_run();
}
