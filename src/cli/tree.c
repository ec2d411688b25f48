/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

#include "json-output.h"
#include "lookup.h"
#include "report.h"
#include "size.h"
#include "text.h"
#include "volume-list.h"

#include <string.h>

/*
 * The backing chains of a pool: each image below the one it is an overlay on.
 * Names come from the disk, so chains may be endless or go in circles.
 */

/* Levels that are drawn with their own indentation; deeper ones stay at the last. */
#define DEEPEST 48

typedef struct Node {
    char *name; /* of the volume; the path of an image outside the pool */
    char *path;
    char *backing; /* path, or "" */
    char *format;
    char *problem;
    guint64 capacity;
    bool outside; /* not a volume of the pool */
    bool printed;
    GPtrArray *overlays; /* of borrowed Node, in the order of names */
} Node;

typedef struct Forest {
    GPtrArray *nodes;    /* owns them */
    GHashTable *by_path; /* path → Node */
} Forest;

static void node_free(gpointer data)
{
    Node *node = data;
    g_free(node->name);
    g_free(node->path);
    g_free(node->backing);
    g_free(node->format);
    g_free(node->problem);
    g_ptr_array_unref(node->overlays);
    g_free(node);
}

static Node *forest_add(Forest *forest, const CisternVolumeEntry *entry, bool outside)
{
    Node *node = g_new0(Node, 1);
    node->name = g_strdup(entry->name);
    node->path = g_strdup(entry->path);
    node->backing = g_strdup(entry->backing);
    node->format = g_strdup(entry->format);
    node->problem = g_strdup(entry->problem);
    node->capacity = entry->capacity;
    node->outside = outside;
    node->overlays = g_ptr_array_new();
    g_ptr_array_add(forest->nodes, node);
    g_hash_table_insert(forest->by_path, node->path, node);
    return node;
}

static bool collect_page(const CisternVolumeEntry *entries, int count, void *data)
{
    for (int i = 0; i < count; i++)
        forest_add(data, &entries[i], false);
    return true;
}

static Node *outside_image(Forest *forest, char *path)
{
    char nothing[] = "";
    CisternVolumeEntry entry = {
        .name = path, .path = path, .backing = nothing, .format = nothing, .problem = nothing};
    return forest_add(forest, &entry, true);
}

/* Hangs each overlay below its backing image, making nodes for images outside the pool. */
static void connect_chains(Forest *forest)
{
    guint volumes = forest->nodes->len;
    for (guint i = 0; i < volumes; i++) {
        Node *node = g_ptr_array_index(forest->nodes, i);
        if (*node->backing == '\0')
            continue;
        Node *backing = g_hash_table_lookup(forest->by_path, node->backing);
        if (!backing)
            backing = outside_image(forest, node->backing);
        g_ptr_array_add(backing->overlays, node);
    }
}

/* "name (qcow2, 10.00 GiB)", with what is special about it. */
static void print_label(const char *name, const char *format, guint64 capacity, bool outside,
                        const char *problem)
{
    g_autofree char *shown = text_escape(name);
    g_autofree char *size = size_for_people(capacity);
    g_autofree char *shown_format = text_escape(*format ? format : "unknown format");
    g_autofree char *shown_problem = text_escape(problem);
    if (outside)
        printf("%s (not in this pool)", shown);
    else
        printf("%s (%s, %s)", shown, shown_format, size);
    if (*problem)
        printf(": %s", shown_problem);
}

/* One step of the walk: a node, and which of the levels above it have more to come. */
typedef struct Step {
    Node *node;
    guint depth;
    bool last;
} Step;

/* What tree lines are drawn with; letters where the terminal's character set has no lines. */
typedef struct Strokes {
    const char *fork, *end, *pass, *gap;
} Strokes;

static const Strokes *strokes(void)
{
    static const Strokes lines = {"├─ ", "└─ ", "│  ", "   "};
    static const Strokes letters = {"|- ", "`- ", "|  ", "   "};
    return g_get_charset(NULL) ? &lines : &letters;
}

static void print_step(const Step *step, const bool *more)
{
    guint depth = MIN(step->depth, DEEPEST);
    for (guint level = 1; level < depth; level++)
        fputs(more[level] ? strokes()->pass : strokes()->gap, stdout);
    if (depth > 0)
        fputs(step->last ? strokes()->end : strokes()->fork, stdout);
    const Node *node = step->node;
    print_label(node->name, node->format, node->capacity, node->outside, node->problem);
    putchar('\n');
}

static void print_tree(Node *root)
{
    g_autoptr(GArray) stack = g_array_new(FALSE, FALSE, sizeof(Step));
    bool more[DEEPEST + 1] = {false};
    Step first = {root, 0, true};
    g_array_append_val(stack, first);
    while (stack->len > 0) {
        Step step = g_array_index(stack, Step, stack->len - 1);
        g_array_set_size(stack, stack->len - 1);
        if (step.node->printed)
            continue;
        step.node->printed = true;
        print_step(&step, more);
        more[MIN(step.depth, DEEPEST)] = !step.last;
        GPtrArray *overlays = step.node->overlays;
        for (guint i = overlays->len; i > 0; i--) {
            Step next = {g_ptr_array_index(overlays, i - 1), step.depth + 1, i == overlays->len};
            g_array_append_val(stack, next);
        }
    }
}

static void print_forest(const Forest *forest)
{
    for (guint i = 0; i < forest->nodes->len; i++) {
        Node *node = g_ptr_array_index(forest->nodes, i);
        if (*node->backing == '\0')
            print_tree(node);
    }
    for (guint i = 0; i < forest->nodes->len; i++) {
        Node *node = g_ptr_array_index(forest->nodes, i);
        if (node->printed)
            continue;
        fputs("in a circle: ", stdout);
        print_tree(node);
    }
}

/* Flat, since JSON readers have limits of depth and circles have no top. */
static void print_forest_json(const Forest *forest)
{
    JsonStream stream = {0};
    for (guint i = 0; i < forest->nodes->len; i++) {
        const Node *node = g_ptr_array_index(forest->nodes, i);
        json_t *object = json_object();
        json_set_text(object, "name", node->name);
        json_set_text(object, "path", node->path);
        json_set_bool(object, "in_pool", !node->outside);
        json_set_optional(object, "format", node->format);
        json_set_size(object, "capacity", node->capacity);
        json_set_optional(object, "backing", node->backing);
        json_set_optional(object, "problem", node->problem);
        json_t *overlays = json_array();
        for (guint child = 0; child < node->overlays->len; child++) {
            const Node *overlay = g_ptr_array_index(node->overlays, child);
            json_array_append_new(overlays, json_text(overlay->path));
        }
        json_object_set_new(object, "overlays", overlays);
        json_stream_add(&stream, object);
    }
    json_stream_end(&stream);
}

static int draw_pool(const Call *call, CisternPool *pool)
{
    g_autoptr(GPtrArray) nodes = g_ptr_array_new_with_free_func(node_free);
    g_autoptr(GHashTable) by_path = g_hash_table_new(g_str_hash, g_str_equal);
    Forest forest = {nodes, by_path};
    if (!volume_pages_visit(pool, NULL, collect_page, &forest))
        return volume_pages_failure(call);
    connect_chains(&forest);
    (call->json ? print_forest_json : print_forest)(&forest);
    return STATUS_OK;
}

static void print_chain_json(const CisternChainEntry *entries, int count)
{
    JsonStream stream = {0};
    for (int i = 0; i < count; i++) {
        json_t *object = json_object();
        json_set_text(object, "path", entries[i].path);
        json_set_optional(object, "format", entries[i].format);
        json_set_size(object, "capacity", entries[i].capacity);
        json_set_optional(object, "problem", entries[i].problem);
        json_stream_add(&stream, object);
    }
    json_stream_end(&stream);
}

/* The last image comes first, as in the tree of a pool. */
static void print_chain(const CisternChainEntry *entries, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        int depth = MIN(count - 1 - i, DEEPEST);
        for (int level = 1; level < depth; level++)
            fputs(strokes()->gap, stdout);
        if (depth > 0)
            fputs(strokes()->end, stdout);
        print_label(entries[i].path, entries[i].format, entries[i].capacity, false,
                    entries[i].problem);
        putchar('\n');
    }
}

static int draw_volume(const Call *call, CisternPool *pool)
{
    g_autoptr(CisternVolume) volume = lookup_volume(call, pool, call_text(call, "vol"));
    CisternChainEntry *entries = NULL;
    int count = volume ? cistern_volume_chain(volume, &entries) : -1;
    if (count < 0)
        return report_failure(call);
    (call->json ? print_chain_json : print_chain)(entries, count);
    cistern_chain_free(entries, count);
    return STATUS_OK;
}

int run_vol_tree(Call *call)
{
    g_autoptr(CisternPool) pool = lookup_call_pool(call);
    if (!pool)
        return report_failure(call);
    return call_flag(call, "vol") ? draw_volume(call, pool) : draw_pool(call, pool);
}
