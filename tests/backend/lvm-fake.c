/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lvm-fake.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define MIB        (G_GUINT64_CONSTANT(1) << 20)
#define EXTENT     (4 * MIB)
#define GROUP_SIZE (1020 * MIB)

/* ---- the group ---- */

static void fake_volume_free(FakeVolume *volume)
{
    g_free(volume->name);
    g_free(volume->tags);
    g_free(volume->pool);
    g_free(volume->origin);
    g_free(volume);
}

FakeVolume *fake_lvm_find(FakeLvm *fake, const char *name)
{
    for (guint i = 0; i < fake->volumes->len; i++) {
        FakeVolume *volume = fake->volumes->pdata[i];
        if (g_str_equal(volume->name, name))
            return volume;
    }
    return NULL;
}

FakeVolume *fake_lvm_add(FakeLvm *fake, const char *name, guint64 size, char kind)
{
    FakeVolume *volume = g_new0(FakeVolume, 1);
    g_autofree char *node = g_build_filename(fake->folder, name, NULL);

    *volume = (FakeVolume){
        .name = g_strdup(name),
        .tags = g_strdup(""),
        .size = (size + EXTENT - 1) / EXTENT * EXTENT,
        .kind = kind,
        .state = 'a',
        .open = '-',
        .health = '-',
    };
    g_assert_cmpint(symlink(fake->device.path, node), ==, 0);
    g_ptr_array_add(fake->volumes, volume);
    return volume;
}

static void drop(FakeLvm *fake, FakeVolume *volume)
{
    g_autofree char *node = g_build_filename(fake->folder, volume->name, NULL);

    g_unlink(node);
    g_ptr_array_remove(fake->volumes, volume);
}

char *fake_lvm_state(FakeLvm *fake)
{
    GString *text = g_string_new(fake->exists ? "" : "no group;");

    for (guint i = 0; i < fake->volumes->len; i++) {
        const FakeVolume *volume = fake->volumes->pdata[i];
        g_string_append_printf(text, "%s:%" G_GUINT64_FORMAT ":%s;", volume->name,
                               volume->size / MIB, volume->tags);
    }
    return g_string_free(text, FALSE);
}

/* ---- reports ---- */

static const char *layout_of(const FakeVolume *volume)
{
    if (volume->kind == 't')
        return "thin,pool";
    return volume->kind == 'V' ? "thin,sparse" : "linear";
}

static void add_group_columns(const FakeLvm *fake, GString *text)
{
    guint64 used = 0;

    for (guint i = 0; i < fake->volumes->len; i++) {
        const FakeVolume *volume = fake->volumes->pdata[i];
        used += volume->pool ? 0 : volume->size;
    }
    g_string_append_printf(text,
                           "\"vg_name\":\"vg0\", \"vg_size\":\"%" G_GUINT64_FORMAT
                           "\", \"vg_free\":\"%" G_GUINT64_FORMAT
                           "\", \"vg_extent_size\":\"4194304\", \"vg_missing_pv_count\":\"%" //
                           G_GUINT64_FORMAT "\", \"vg_exported\":\"%s\"",
                           GROUP_SIZE, GROUP_SIZE - used, fake->missing,
                           fake->exported ? "exported" : "");
}

static void add_volume_columns(const FakeVolume *volume, GString *text)
{
    bool thin = volume->kind == 'V' || volume->kind == 't';

    g_string_append_printf(text,
                           "\"lv_name\":\"%s\", \"lv_uuid\":\"uuid-%s%s\", "
                           "\"lv_attr\":\"%cwi-%c%c--%c-\", \"lv_size\":\"%" G_GUINT64_FORMAT
                           "\", \"lv_parent\":\"\", \"lv_tags\":\"%s\", \"origin\":\"%s\", "
                           "\"origin_size\":\"\", \"pool_lv\":\"%s\", \"data_percent\":\"%s\", "
                           "\"metadata_percent\":\"%s\", \"lv_layout\":\"%s\"",
                           volume->name, volume->name, volume->again ? "-again" : "", volume->kind,
                           volume->state, volume->open, volume->health, volume->size, volume->tags,
                           volume->origin ? volume->origin : "", volume->pool ? volume->pool : "",
                           thin ? "25.00" : "", volume->kind == 't' ? "10.94" : "",
                           layout_of(volume));
}

static void add_segment_columns(const FakeVolume *volume, GString *text)
{
    g_string_append(text, "\"seg_start\":\"0\", \"seg_le_ranges\":\"");
    if (!volume->pool)
        g_string_append_printf(text, "/dev/fake:0-%" G_GUINT64_FORMAT, volume->size / EXTENT - 1);
    g_string_append(text, "\"");
}

typedef void (*AddRow)(const FakeVolume *volume, GString *text);

static void add_section(FakeLvm *fake, GString *text, const char *name, AddRow add)
{
    g_string_append_printf(text, "          \"%s\": [\n", name);
    for (guint i = 0; i < fake->volumes->len; i++) {
        const FakeVolume *volume = fake->volumes->pdata[i];
        g_string_append_printf(text, "              %s{\"lv_uuid\":\"uuid-%s%s\", ", i ? "," : "",
                               volume->name, volume->again ? "-again" : "");
        add(volume, text);
        g_string_append(text, "}\n");
    }
    g_string_append(text, "          ]\n");
}

static void add_lv(const FakeVolume *volume, GString *text)
{
    GString *columns = g_string_new(NULL);

    add_volume_columns(volume, columns);
    g_string_append(text, columns->str);
    g_string_free(columns, TRUE);
}

static int full_report(FakeLvm *fake, GString *text, GString *errors)
{
    g_string_append(text, "  WARNING: a message in between\n{\n  \"report\": [\n");
    if (!fake->exists) {
        g_string_append(text, "  ]\n}\n");
        g_string_append(errors, "  Volume group \"vg0\" not found\n");
        return 5;
    }
    g_string_append(text, "{ \"vg\": [\n{");
    add_group_columns(fake, text);
    g_string_append_printf(text,
                           "}\n]\n, \"pv\": [\n{\"pv_name\":\"%s\", \"pv_missing\":\"\"}\n],\n",
                           fake->device.path);
    add_section(fake, text, "lv", add_lv);
    g_string_append(text, ",\n");
    add_section(fake, text, "seg", add_segment_columns);
    g_string_append(text, "}\n]\n}\n");
    return 0;
}

static int one_report(FakeLvm *fake, const char *name, GString *text, GString *errors)
{
    const FakeVolume *volume = fake_lvm_find(fake, name);

    g_string_append(text, "{\n\"report\": [\n{\n\"seg\": [\n");
    if (volume) {
        g_string_append(text, "{");
        add_group_columns(fake, text);
        g_string_append(text, ", ");
        add_volume_columns(volume, text);
        g_string_append(text, ", ");
        add_segment_columns(volume, text);
        g_string_append(text, "}\n");
    }
    g_string_append(text, "]\n}\n]\n}\n");
    if (!volume)
        g_string_append_printf(errors, "  Failed to find logical volume \"vg0/%s\"\n", name);
    return volume ? 0 : 5;
}

/* ---- changes ---- */

static const char *option(const char *const *argv, const char *name)
{
    for (; *argv; argv++)
        if (g_str_equal(*argv, name))
            return argv[1];
    return NULL;
}

static guint64 size_option(const char *const *argv, const char *name)
{
    const char *text = option(argv, name);

    g_assert_true(!text || g_str_has_suffix(text, "b"));
    return text ? g_ascii_strtoull(text, NULL, 10) : 0;
}

static const char *last(const char *const *argv)
{
    while (argv[1])
        argv++;
    return *argv;
}

/* The volume that the last word names. */
static const char *target(const char *const *argv)
{
    const char *where = last(argv);

    return g_str_has_prefix(where, "vg0/") ? where + 4 : where;
}

static int lvcreate(FakeLvm *fake, const char *const *argv)
{
    const char *name = option(argv, "--name"), *tag = option(argv, "--addtag");
    const char *thin_pool = option(argv, "--thinpool");
    FakeVolume *origin = fake_lvm_find(fake, target(argv)), *volume;
    guint64 size = size_option(argv, thin_pool ? "--virtualsize" : "--size");

    if (fake_lvm_find(fake, name) || (thin_pool && !fake_lvm_find(fake, thin_pool)))
        return 5;
    if (origin && origin->pool)
        size = origin->size;
    volume = fake_lvm_add(fake, name, size, thin_pool || (origin && origin->pool) ? 'V' : '-');
    g_free(volume->tags);
    volume->tags = g_strdup(tag ? tag : "");
    volume->pool = g_strdup(thin_pool ? thin_pool : origin ? origin->pool : NULL);
    volume->origin = g_strdup(origin ? origin->name : NULL);
    return 0;
}

/* Thick snapshots, and thin volumes that read from one outside of their pool. */
static bool has_dependents(FakeLvm *fake, const FakeVolume *origin)
{
    for (guint i = 0; i < fake->volumes->len; i++) {
        const FakeVolume *volume = fake->volumes->pdata[i];
        if (g_strcmp0(volume->origin, origin->name) == 0 &&
            (!volume->pool || g_strcmp0(volume->pool, origin->pool) != 0))
            return true;
    }
    return false;
}

static bool condition_holds(FakeLvm *fake, const FakeVolume *volume, const char *condition)
{
    g_autofree char *uuid =
        g_strdup_printf("lv_uuid=\"uuid-%s%s\"", volume->name, volume->again ? "-again" : "");

    if (g_str_equal(condition, "lv_layout!={pool}"))
        return volume->kind != 't';
    if (g_str_has_prefix(condition, "lv_role!="))
        return !has_dependents(fake, volume);
    if (g_str_has_prefix(condition, "lv_tags="))
        return strstr(volume->tags, "cistern-draft");
    return g_str_equal(condition, uuid);
}

static bool is_selected(FakeLvm *fake, const FakeVolume *volume, const char *selection)
{
    g_auto(GStrv) conditions = g_strsplit(selection, " && ", -1);

    for (char **condition = conditions; *condition; condition++)
        if (!condition_holds(fake, volume, *condition))
            return false;
    return true;
}

/* What isn't selected is passed over in silence. */
static int lvremove(FakeLvm *fake, const char *const *argv, GString *text)
{
    FakeVolume *volume = fake_lvm_find(fake, target(argv));

    if (!volume)
        return 5;
    if (!is_selected(fake, volume, option(argv, "--select")))
        return 0;
    if (!fake->silent)
        g_string_append_printf(text, "  Logical volume \"%s\" successfully removed.\n",
                               volume->name);
    drop(fake, volume);
    return 0;
}

static int change(FakeLvm *fake, const char *const *argv)
{
    FakeVolume *volume = fake_lvm_find(fake, target(argv));

    if (!volume)
        return 5;
    if (option(argv, "--deltag"))
        *volume->tags = '\0';
    if (g_str_equal(argv[0], "lvextend") || g_str_equal(argv[0], "lvreduce"))
        volume->size = size_option(argv, "--size");
    return 0;
}

static int change_group(FakeLvm *fake, const char *const *argv)
{
    if (g_str_equal(argv[0], "vgcreate"))
        fake->exists = true;
    if (g_str_equal(argv[0], "vgremove"))
        fake->exists = false;
    return 0;
}

/* ---- the runner ---- */

static int answer(FakeLvm *fake, const char *const *argv, GString *text, GString *errors)
{
    if (g_str_equal(argv[0], "lvm"))
        return full_report(fake, text, errors);
    if (g_str_equal(argv[0], "lvs"))
        return one_report(fake, target(argv), text, errors);
    if (g_str_equal(argv[0], "lvcreate"))
        return lvcreate(fake, argv);
    if (g_str_equal(argv[0], "lvremove"))
        return lvremove(fake, argv, text);
    if (g_str_has_prefix(argv[0], "lv"))
        return change(fake, argv);
    return change_group(fake, argv);
}

static bool reads(const char *program)
{
    return g_str_equal(program, "lvm") || g_str_equal(program, "lvs") ||
           g_str_equal(program, "pvs");
}

static bool runner(Operation *op, const Command *command, CommandResult *ret, void *data,
                   GError **error)
{
    FakeLvm *fake = data;
    g_autofree char *line = g_strjoinv(" ", (char **)command->argv);
    GString *text = g_string_new(NULL), *errors = g_string_new(NULL);
    bool fails = fake->fail && --fake->fail == 0;

    g_assert_true(operation_check(op, NULL));
    g_assert_true(command->outlives_us == !reads(command->argv[0]));
    g_string_append_printf(fake->log, "%s\n", line);
    int status = fails ? 5 : answer(fake, command->argv, text, errors);
    if (fails)
        g_string_append(errors, fake->says ? fake->says : "broken");
    *ret = (CommandResult){.exit_status = status, .output_size = text->len};
    ret->output = g_string_free(text, FALSE);
    ret->errors = g_string_free(errors, FALSE);
    return true;
}

/* ---- set-up ---- */

static const char document[] = "<pool type='logical'><name>p</name><source><device path='%s'/>"
                               "<name>vg0</name></source></pool>";

static PoolDef *make_pool(const FakeLvm *fake)
{
    g_auto(GStrv) parts = g_strsplit(document, "%s", 2);
    g_autofree char *xml = g_strconcat(parts[0], fake->device.path, parts[1], NULL);
    GError *error = NULL;
    PoolDef *pool = pool_def_parse(xml, backend_schemas(), 0, &error);

    g_assert_no_error(error);
    g_free(pool->target_path);
    pool->target_path = g_strdup(fake->folder);
    return pool;
}

void fake_lvm_setup(FakeLvm *fake, gconstpointer data)
{
    const LoopOptions options = {.size = 8 * MIB};

    *fake = (FakeLvm){.exists = true};
    if (!loop_attach(&fake->device, &options))
        return;
    fake->folder = g_dir_make_tmp("fake-lvm-XXXXXX", NULL);
    fake->pool = make_pool(fake);
    for (guint i = 0; i < n_backends; i++)
        if (&backends[i]->schema == fake->pool->schema)
            fake->backend = backends[i];
    fake->op = operation_new(g_get_monotonic_time() + 60 * G_USEC_PER_SEC);
    operation_set_runner(fake->op, runner, fake);
    fake->volumes = g_ptr_array_new_with_free_func((GDestroyNotify)fake_volume_free);
    fake->log = g_string_new(NULL);
}

void fake_lvm_teardown(FakeLvm *fake, gconstpointer data)
{
    if (!fake->op)
        return;
    while (fake->volumes->len > 0)
        drop(fake, fake->volumes->pdata[0]);
    g_assert_cmpint(g_rmdir(fake->folder), ==, 0);
    g_ptr_array_unref(fake->volumes);
    g_string_free(fake->log, TRUE);
    operation_unref(fake->op);
    pool_def_unref(fake->pool);
    loop_detach(&fake->device);
    g_free(fake->folder);
}
