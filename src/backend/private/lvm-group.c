/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lvm-group.h"

#include "device-volume.h"
#include "errors.h"
#include "lvm-name.h"
#include "units.h"

#include <string.h>

/* How deep volumes are made of hidden ones: a cached volume, its RAID, their images. */
#define DEPTH_MAX 6

/* ---- extents ---- */

typedef struct Range {
    const char *device; /* borrowed, not terminated */
    gsize length;
    guint64 first, last; /* physical extents, both included */
} Range;

/* "/dev/vda:0-15"; the device's name may hold anything. False for hidden volumes ("[x_tdata]:0-3")
 * and for what can't be read. */
static bool parse_range(const char *text, gsize length, Range *ret)
{
    g_autofree char *copy = g_strndup(text, length);
    char *colon = strrchr(copy, ':'), *dash = colon ? strchr(colon, '-') : NULL;

    if (*copy != '/' || !dash)
        return false;
    *dash = '\0';
    *ret = (Range){.device = text, .length = (gsize)(colon - copy)};
    return number_parse(colon + 1, G_MAXINT64, &ret->first) &&
           number_parse(dash + 1, G_MAXINT64 - 1, &ret->last) && ret->first <= ret->last;
}

static void add_extent(GArray *extents, const Range *range, guint64 extent_size)
{
    VolumeExtent extent = {0};

    if (__builtin_mul_overflow(range->first, extent_size, &extent.start) ||
        __builtin_mul_overflow(range->last + 1, extent_size, &extent.end) ||
        extent.end > G_MAXINT64)
        return;
    extent.device = g_strndup(range->device, range->length);
    g_array_append_val(extents, extent);
}

/* ---- what a volume lies on ---- */

/* Hidden volumes stand in brackets. NULL for what isn't one. A volume that is being moved
 * lies on a part of "pvmove0", which others lie on too. */
static char *hidden_name(const char *text)
{
    const char *end = *text == '[' ? strchr(text, ']') : NULL;
    g_autofree char *name = end ? g_strndup(text + 1, (gsize)(end - text) - 1) : NULL;

    return name && lvm_name_is_valid(name) && !g_str_has_prefix(name, "pvmove")
               ? g_steal_pointer(&name)
               : NULL;
}

static void add_part(LvmVolume *volume, const char *text)
{
    g_autofree char *name = hidden_name(text);

    if (!name)
        return;
    if (!volume->parts)
        volume->parts = g_ptr_array_new_with_free_func(g_free);
    if (!g_ptr_array_find_with_equal_func(volume->parts, name, g_str_equal, NULL))
        g_ptr_array_add(volume->parts, g_steal_pointer(&name));
}

/* Ranges stand between commas, and a device's name may hold a comma too: then what stands before
 * it is no range by itself. */
static void add_ranges(LvmVolume *volume, GArray *extents, const char *text, guint64 extent_size)
{
    const char *start = text;

    for (const char *at = text;; at++) {
        Range range;
        if (*at && *at != ',')
            continue;
        if (parse_range(start, (gsize)(at - start), &range))
            add_extent(extents, &range, extent_size);
        else if (*start == '/' && *at)
            continue;
        else
            add_part(volume, start);
        if (!*at)
            return;
        start = at + 1;
    }
}

/* ---- rows ---- */

static void lvm_volume_free(LvmVolume *volume)
{
    for (guint i = 0; i < volume->n_extents; i++)
        g_free(volume->extents[i].device);
    g_free(volume->extents);
    g_free(volume->name);
    g_free(volume->uuid);
    g_free(volume->origin);
    g_free(volume->thin_pool);
    if (volume->parts)
        g_ptr_array_unref(volume->parts);
    g_free(volume);
}

void lvm_group_free(LvmGroup *group)
{
    if (!group)
        return;
    g_free(group->name);
    g_ptr_array_unref(group->devices);
    g_ptr_array_unref(group->volumes);
    g_hash_table_unref(group->by_name);
    g_free(group);
}

/* Hidden volumes stand in brackets. */
static char *bare_name(const char *name, bool *ret_hidden)
{
    gsize length = strlen(name);

    *ret_hidden = length >= 2 && *name == '[' && name[length - 1] == ']';
    return *ret_hidden ? g_strndup(name + 1, length - 2) : g_strdup(name);
}

/* A word for yes and nothing for no, or as lvm.conf may have it, numbers. */
static bool is_set(const LvmRow *row, const char *column)
{
    const char *text = lvm_row_text(row, column);

    return *text && !g_str_equal(text, "0");
}

static char *name_or_null(const LvmRow *row, const char *column)
{
    const char *name = lvm_row_text(row, column);

    return lvm_volume_name_is_valid(name) ? g_strdup(name) : NULL;
}

static bool has_item(const LvmRow *row, const char *column, const char *item)
{
    g_auto(GStrv) items = g_strsplit(lvm_row_text(row, column), ",", -1);

    return g_strv_contains((const char *const *)items, item);
}

static bool is_simple(const LvmRow *row)
{
    static const char *const simple[] = {"linear", "striped", "thin", "sparse", NULL};
    g_auto(GStrv) layout = g_strsplit(lvm_row_text(row, "lv_layout"), ",", -1);

    for (char **item = layout; *item; item++)
        if (!g_strv_contains(simple, *item))
            return false;
    return *layout != NULL;
}

/* The letter at a place of lv_attr; '-' beyond its end. */
static char attribute(const LvmRow *row, gsize place)
{
    const char *text = lvm_row_text(row, "lv_attr");

    return strlen(text) > place ? text[place] : '-';
}

/* NULL for a row that isn't one of a volume. */
static LvmVolume *volume_from_row(const LvmRow *row)
{
    bool hidden = false;
    g_autofree char *name = bare_name(lvm_row_text(row, "lv_name"), &hidden);
    const char *uuid = lvm_row_text(row, "lv_uuid");
    guint64 size;

    if (!lvm_volume_name_is_valid(name)) /* lvm.conf may leave out the brackets */
        hidden = true;
    if (!lvm_name_is_valid(name) || !*uuid || !lvm_row_number(row, "lv_size", &size))
        return NULL;
    LvmVolume *volume = g_new0(LvmVolume, 1);
    *volume = (LvmVolume){
        .name = g_steal_pointer(&name),
        .uuid = g_strdup(uuid),
        .origin = name_or_null(row, "origin"),
        .thin_pool = name_or_null(row, "pool_lv"),
        .kind = attribute(row, 0),
        .state = attribute(row, 4),
        .open = attribute(row, 5) == 'o',
        .health = attribute(row, 8),
        .skipped = attribute(row, 9) == 'k',
        .hidden = hidden,
        .draft = has_item(row, "lv_tags", LVM_DRAFT_TAG),
        .pool = has_item(row, "lv_layout", "pool"),
        .simple = is_simple(row),
        .size = size,
        .data_percent = lvm_row_percent(row, "data_percent"),
        .meta_percent = lvm_row_percent(row, "metadata_percent"),
    };
    if (!lvm_row_number(row, "origin_size", &volume->origin_size))
        volume->origin_size = 0;
    add_part(volume, lvm_row_text(row, "origin")); /* of caches and of integrity */
    add_part(volume, lvm_row_text(row, "pool_lv"));
    return volume;
}

/* ---- the group ---- */

static LvmGroup *group_from_row(const LvmRow *row)
{
    LvmGroup group = {0};

    if (!lvm_row_number(row, "vg_size", &group.size) ||
        !lvm_row_number(row, "vg_free", &group.free) ||
        !lvm_row_number(row, "vg_extent_size", &group.extent_size) || group.free > group.size)
        return NULL;
    if (!lvm_row_number(row, "vg_missing_pv_count", &group.missing))
        group.missing = 0;
    group.name = g_strdup(lvm_row_text(row, "vg_name"));
    group.devices = g_ptr_array_new_with_free_func(g_free);
    group.by_name = g_hash_table_new(g_str_hash, g_str_equal);
    group.exported = is_set(row, "vg_exported");
    group.volumes = g_ptr_array_new_with_free_func((GDestroyNotify)lvm_volume_free);
    return g_memdup2(&group, sizeof group);
}

static const LvmRow *find_group_row(const LvmReport *report, const char *section, const char *name)
{
    g_autoptr(GPtrArray) rows = lvm_report_rows(report, section);

    for (guint i = 0; i < rows->len; i++)
        if (g_str_equal(lvm_row_text(rows->pdata[i], "vg_name"), name))
            return rows->pdata[i];
    return NULL;
}

static void add_devices(LvmGroup *group, const LvmReport *report)
{
    g_autoptr(GPtrArray) rows = lvm_report_rows(report, "pv");

    for (guint i = 0; i < rows->len; i++) {
        const char *path = lvm_row_text(rows->pdata[i], "pv_name");
        if (*path == '/' && !is_set(rows->pdata[i], "pv_missing"))
            g_ptr_array_add(group->devices, g_strdup(path));
    }
}

static GHashTable *add_volumes(LvmGroup *group, const LvmReport *report, const char *section)
{
    g_autoptr(GPtrArray) rows = lvm_report_rows(report, section);
    GHashTable *by_uuid = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < rows->len; i++) {
        bool known = g_hash_table_contains(by_uuid, lvm_row_text(rows->pdata[i], "lv_uuid"));
        LvmVolume *volume = known ? NULL : volume_from_row(rows->pdata[i]);
        if (!volume)
            continue;
        g_ptr_array_add(group->volumes, volume);
        g_hash_table_insert(group->by_name, volume->name, volume);
        g_hash_table_insert(by_uuid, volume->uuid, volume);
    }
    return by_uuid;
}

static int compare_starts(gconstpointer a, gconstpointer b)
{
    guint64 start_a = 0, start_b = 0;

    lvm_row_number(*(const LvmRow *const *)a, "seg_start", &start_a);
    lvm_row_number(*(const LvmRow *const *)b, "seg_start", &start_b);
    return (start_a > start_b) - (start_a < start_b);
}

static void add_segment(LvmGroup *group, LvmVolume *volume, const LvmRow *row)
{
    GArray *extents = g_array_new(FALSE, FALSE, sizeof(VolumeExtent));

    if (volume->n_extents > 0)
        g_array_append_vals(extents, volume->extents, volume->n_extents);
    g_free(volume->extents);
    add_ranges(volume, extents, lvm_row_text(row, "seg_le_ranges"), group->extent_size);
    volume->n_extents = extents->len;
    volume->extents = (VolumeExtent *)(void *)g_array_free(extents, extents->len == 0);
}

static void add_segments(LvmGroup *group, const LvmReport *report, GHashTable *by_uuid)
{
    g_autoptr(GPtrArray) rows = lvm_report_rows(report, "seg");

    g_ptr_array_sort(rows, compare_starts);
    for (guint i = 0; i < rows->len; i++) {
        LvmVolume *volume = g_hash_table_lookup(by_uuid, lvm_row_text(rows->pdata[i], "lv_uuid"));
        if (volume)
            add_segment(group, volume, rows->pdata[i]);
    }
}

/* What holds the checksums of a volume says so by its name alone. */
#define CHECKSUMS "_imeta"

static char *owner_of(const LvmRow *row)
{
    bool hidden;
    const char *parent = lvm_row_text(row, "lv_parent");
    g_autofree char *name = bare_name(lvm_row_text(row, "lv_name"), &hidden);

    if (*parent)
        return bare_name(parent, &hidden);
    return g_str_has_suffix(name, CHECKSUMS) ? g_strndup(name, strlen(name) - strlen(CHECKSUMS))
                                             : NULL;
}

/* Metadata lies beside what the segments tell. */
static void add_owned(LvmGroup *group, const LvmReport *report)
{
    g_autoptr(GPtrArray) rows = lvm_report_rows(report, "lv");

    for (guint i = 0; i < rows->len; i++) {
        g_autofree char *name = owner_of(rows->pdata[i]);
        LvmVolume *owner = name ? g_hash_table_lookup(group->by_name, name) : NULL;
        if (owner)
            add_part(owner, lvm_row_text(rows->pdata[i], "lv_name"));
    }
}

LvmGroup *lvm_group_from_report(const LvmReport *report, const char *name)
{
    /* The report of a single volume has one section, with everything in each row. */
    const LvmRow *whole = find_group_row(report, "vg", name);
    const LvmRow *row = whole ? whole : find_group_row(report, "seg", name);
    LvmGroup *group = row ? group_from_row(row) : NULL;

    if (!group)
        return NULL;
    add_devices(group, report);
    g_autoptr(GHashTable) by_uuid = add_volumes(group, report, whole ? "lv" : "seg");
    add_segments(group, report, by_uuid);
    add_owned(group, report);
    return group;
}

#define GROUP_COLUMNS "vg_name,vg_size,vg_free,vg_extent_size,vg_missing_pv_count,vg_exported"
#define VOLUME_COLUMNS                                                                             \
    "lv_name,lv_uuid,lv_attr,lv_size,lv_parent,lv_tags,origin,origin_size,pool_lv,"                \
    "data_percent,metadata_percent,lv_layout"
#define SEGMENT_COLUMNS "seg_start,seg_le_ranges"

static LvmGroup *no_group(const char *name, int status, const char *messages, GError **error)
{
    if (status == 0 || strstr(messages, "not found"))
        error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                  "cannot find logical volume group name '%s'", name);
    else if (strstr(messages, "Multiple VGs found with the same name"))
        error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                  "several volume groups have the name '%s': give all but one another one "
                  "('vgs -o vg_name,vg_uuid' and 'vgrename UUID NAME')",
                  name);
    else
        error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE,
                  "lvm2 can't report on volume group '%s' (status %d): %s", name, status, messages);
    return NULL;
}

/* One command for everything; it insists on some column for each of its parts. */
LvmGroup *lvm_group_read(const char *name, Operation *op, GError **error)
{
    const char *argv[] = {
        "lvm",
        "fullreport",
        "--reportformat",
        "json",
        "--units",
        "b",
        "--nosuffix",
        "--configreport",
        "vg",
        "--options",
        GROUP_COLUMNS,
        "--configreport",
        "pv",
        "--options",
        "pv_name,pv_missing",
        "--configreport",
        "lv",
        "--all",
        "--options",
        VOLUME_COLUMNS,
        "--configreport",
        "seg",
        "--options",
        "lv_uuid," SEGMENT_COLUMNS,
        "--configreport",
        "pvseg",
        "--options",
        "pv_name",
        "--",
        name,
        NULL,
    };
    g_autofree char *messages = NULL;
    int status = 0;
    g_autoptr(LvmReport) report = lvm_report_run(op, argv, &status, &messages, error);

    if (!report)
        return NULL;
    LvmGroup *group = lvm_group_from_report(report, name);
    return group ? group : no_group(name, status, messages, error);
}

/* Rows of a volume's segments that hold all columns. */
static LvmReport *read_one(const char *where, int *ret_status, char **ret_messages, Operation *op,
                           GError **error)
{
    const char *argv[] = {
        "lvs",        "--segments", "--reportformat",
        "json",       "--units",    "b",
        "--nosuffix", "--options",  GROUP_COLUMNS "," VOLUME_COLUMNS "," SEGMENT_COLUMNS,
        "--",         where,        NULL,
    };

    return lvm_report_run(op, argv, ret_status, ret_messages, error);
}

LvmGroup *lvm_group_read_volume(const char *name, const char *volume, Operation *op, GError **error)
{
    g_autofree char *where = g_strconcat(name, "/", volume, NULL), *messages = NULL;
    int status = 0;
    g_autoptr(LvmReport) report = read_one(where, &status, &messages, op, error);

    if (!report)
        return NULL;
    g_autoptr(LvmGroup) group = lvm_group_from_report(report, name);
    const LvmVolume *found = group ? lvm_group_find(group, volume) : NULL;
    if (found && found->simple)
        return g_steal_pointer(&group);
    if (!found && strstr(messages, "Failed to find logical volume")) {
        error_set(error, ERROR_NO_VOLUME, ORIGIN_STORAGE, "no storage vol with matching name '%s'",
                  volume);
        return NULL;
    }
    return lvm_group_read(name, op, error);
}

bool lvm_group_check_imported(const LvmGroup *group, GError **error)
{
    return !group->exported ||
           error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "volume group '%s' is exported: 'vgimport %s' makes it usable again",
                     group->name, group->name);
}

const LvmVolume *lvm_group_find(const LvmGroup *group, const char *name)
{
    for (guint i = 0; i < group->volumes->len; i++) {
        const LvmVolume *volume = group->volumes->pdata[i];
        if (!volume->hidden && g_str_equal(volume->name, name))
            return volume;
    }
    return NULL;
}

static bool depends_on(const LvmVolume *volume, const LvmVolume *origin)
{
    return !volume->hidden && g_strcmp0(volume->origin, origin->name) == 0 &&
           (!volume->thin_pool || g_strcmp0(volume->thin_pool, origin->thin_pool) != 0);
}

char *lvm_group_dependents(const LvmGroup *group, const LvmVolume *volume)
{
    GString *names = g_string_new(NULL);

    for (guint i = 0; i < group->volumes->len; i++) {
        const LvmVolume *other = group->volumes->pdata[i];
        if (depends_on(other, volume))
            g_string_append_printf(names, "%s'%s'", names->len ? ", " : "", other->name);
    }
    return g_string_free(names, names->len == 0);
}

/* ---- as documents have it ---- */

/* Pools of other volumes are no volumes: thin, cache and VDO pools. */
bool lvm_volume_is_listed(const LvmVolume *volume)
{
    return !volume->hidden && !volume->draft && !volume->pool;
}

guint64 lvm_volume_allocation(const LvmVolume *volume)
{
    if (!volume->thin_pool || volume->data_percent < 0)
        return volume->thin_pool ? 0 : volume->size;
    /* Never more than the whole, and sizes are below 2^63: split, as the product may not be. */
    guint64 percent = (guint64)volume->data_percent;
    return volume->size / 10000 * percent + volume->size % 10000 * percent / 10000;
}

static void collect_extents(const LvmGroup *group, const LvmVolume *volume, guint depth,
                            GHashTable *seen, GArray *extents)
{
    for (guint i = 0; i < volume->n_extents; i++) {
        VolumeExtent extent = volume->extents[i];
        extent.device = g_strdup(extent.device);
        g_array_append_val(extents, extent);
    }
    for (guint i = 0; depth < DEPTH_MAX && volume->parts && i < volume->parts->len; i++) {
        LvmVolume *part = g_hash_table_lookup(group->by_name, volume->parts->pdata[i]);
        if (part && part->hidden && g_hash_table_add(seen, part))
            collect_extents(group, part, depth + 1, seen, extents);
    }
}

static char *describe_inactive(const LvmGroup *group, const LvmVolume *volume)
{
    if (volume->health == 'p')
        return g_strdup_printf("a device of volume group '%s' is missing", group->name);
    return g_strdup_printf("it is not active: 'lvchange -ay%s %s/%s' activates it",
                           volume->skipped ? " -K" : "", group->name, volume->name);
}

/* Why it can't be used, or NULL. Mirrors go on with what is left of them. */
static char *find_problem(const LvmGroup *group, const LvmVolume *volume)
{
    if (volume->state == 'I' || volume->state == 'S')
        return g_strdup("its snapshot store ran full, and its content is lost");
    if (volume->state != 'a' && volume->state != 's')
        return describe_inactive(group, volume);
    if (volume->health == 'p' && !strchr("rRmM", volume->kind))
        return describe_inactive(group, volume);
    if (volume->health == 'F')
        return g_strdup("it has failed: see 'lvs' and the kernel's log");
    return NULL;
}

static void add_node(VolumeDef *def)
{
    g_autoptr(GError) error = NULL;
    guint64 capacity = def->capacity, allocation = def->allocation;

    if (!device_volume_describe(def, &error) && !def->problem)
        def->problem = g_strdup(error_detail(error));
    def->capacity = capacity;
    def->allocation = allocation;
    def->physical = capacity;
}

VolumeDef *lvm_volume_describe(const LvmGroup *group, const LvmVolume *volume, const char *folder)
{
    VolumeDef *def = volume_def_new();
    GArray *extents = g_array_new(FALSE, FALSE, sizeof(VolumeExtent));
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

    def->type = VOLUME_BLOCK;
    def->name = g_strdup(volume->name);
    def->key = g_strdup(volume->uuid);
    def->capacity = volume->origin_size ? volume->origin_size : volume->size;
    def->allocation = lvm_volume_allocation(volume);
    def->target.path = g_build_filename(folder, volume->name, NULL);
    def->target.format = -1;
    def->target.thin_pool = g_strdup(volume->thin_pool);
    def->problem = find_problem(group, volume);
    if (volume->origin) {
        def->has_backing = true;
        def->backing.path = g_build_filename(folder, volume->origin, NULL);
        def->backing.format = -1;
    }
    collect_extents(group, volume, 0, seen, extents);
    def->n_extents = extents->len;
    def->extents = (VolumeExtent *)(void *)g_array_free(extents, extents->len == 0);
    add_node(def);
    return def;
}

char *lvm_percent_text(int hundredths)
{
    return hundredths < 0 ? NULL : g_strdup_printf("%d.%02d", hundredths / 100, hundredths % 100);
}
