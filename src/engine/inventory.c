/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inventory.h"

#include <malloc.h>
#include <string.h>

/*
 * The tree. Nodes never change once made: an edit makes new ones on the way from the root to one
 * leaf and shares all others, so that a snapshot is its root. Leaves hold records, inner nodes
 * hold children; both hold for each item the first record below it, which is what searches
 * compare with. All leaves are at the same depth.
 */

enum {
    NODE_MAX = 64,  /* items in a node */
    NODE_FULL = 56, /* items in a node built in bulk: the next insertions need no split */
    NODE_MIN = 16,  /* below that a node joins a neighbour that has room */
};

typedef struct Node {
    gint refs;
    guint16 n;
    bool is_leaf;
    void *slots[]; /* n first records, owned in leaves; in inner nodes n owned children follow */
} Node;

/* How a tree orders its records. `key` is what is looked for; among records with the same key
 * `name` decides, NULL being behind all names. */
typedef int (*Compare)(const VolumeRecord *record, const char *key, const char *name);

struct Inventory {
    gint refs;
    guint64 count;
    char *target_path; /* or NULL */
    Node *by_name;     /* NULL: empty */
    Node *by_key;      /* records that hold a key of their own */
    Node *by_path;     /* likewise */
};

/* ---- order ---- */

static int compare_name(const VolumeRecord *record, const char *key, const char *name)
{
    return strcmp(volume_record_name(record), key);
}

static int compare_own(const VolumeRecord *record, const char *own, const char *key,
                       const char *name)
{
    int order = strcmp(own, key);

    if (order != 0)
        return order;
    return name ? strcmp(volume_record_name(record), name) : -1;
}

static int compare_key(const VolumeRecord *record, const char *key, const char *name)
{
    return compare_own(record, volume_record_own_key(record), key, name);
}

static int compare_path(const VolumeRecord *record, const char *key, const char *name)
{
    return compare_own(record, volume_record_own_path(record), key, name);
}

/* The trees of an inventory: which records are in one, by what, and in which order. */
typedef struct TreeKind {
    gsize offset;
    const char *(*key_of)(const VolumeRecord *record); /* NULL: not in this tree */
    Compare compare;
} TreeKind;

enum { TREE_NAME, TREE_KEY, TREE_PATH, TREE_COUNT };

static const TreeKind tree_kinds[TREE_COUNT] = {
    [TREE_NAME] = {offsetof(Inventory, by_name), volume_record_name, compare_name},
    [TREE_KEY] = {offsetof(Inventory, by_key), volume_record_own_key, compare_key},
    [TREE_PATH] = {offsetof(Inventory, by_path), volume_record_own_path, compare_path},
};

static Node **tree_root(const Inventory *inventory, const TreeKind *kind)
{
    return (void *)((char *)inventory + kind->offset);
}

/* ---- nodes ---- */

static VolumeRecord *node_first(const Node *node, guint i)
{
    return node->slots[i];
}

static Node *node_child(const Node *node, guint i)
{
    return node->slots[node->n + i];
}

static Node *node_ref(Node *node)
{
    g_atomic_int_inc(&node->refs);
    return node;
}

static void node_unref(Node *node)
{
    if (!node || !g_atomic_int_dec_and_test(&node->refs))
        return;
    for (guint i = 0; i < node->n; i++)
        if (node->is_leaf)
            volume_record_unref(node_first(node, i));
        else
            node_unref(node_child(node, i));
    g_free(node);
}

static Node *node_alloc(guint n, bool is_leaf)
{
    Node *node = g_malloc(sizeof *node + (is_leaf ? n : 2 * n) * sizeof node->slots[0]);

    node->refs = 1;
    node->n = (guint16)n;
    node->is_leaf = is_leaf;
    return node;
}

/* Takes over the items' references: records of a leaf, else children. */
static Node *node_new(void **items, guint n, bool is_leaf)
{
    Node *node = node_alloc(n, is_leaf);

    for (guint i = 0; i < n; i++) {
        node->slots[i] = is_leaf ? items[i] : node_first(items[i], 0);
        if (!is_leaf)
            node->slots[n + i] = items[i];
    }
    return node;
}

/* The items of a node with a reference each, to make another from. Returns their number. */
static guint node_items(const Node *node, void **ret_items)
{
    for (guint i = 0; i < node->n; i++)
        ret_items[i] = node->is_leaf ? (void *)volume_record_ref(node_first(node, i))
                                     : (void *)node_ref(node_child(node, i));
    return node->n;
}

static void item_unref(void *item, bool is_leaf)
{
    if (is_leaf)
        volume_record_unref(item);
    else
        node_unref(item);
}

/* Index of the last item that isn't behind the key; -1 if all are. */
static int node_search(const Node *node, Compare compare, const char *key, const char *name)
{
    int low = 0, high = node->n;

    while (low < high) {
        int middle = (low + high) / 2;
        if (compare(node_first(node, (guint)middle), key, name) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

/* ---- edits: what becomes of one node ---- */

/* None, one, or two nodes that take the place of one. */
typedef struct Nodes {
    Node *nodes[2];
    guint n;
} Nodes;

static Nodes nodes_from_items(void **items, guint n, bool is_leaf)
{
    guint left = n > NODE_MAX ? n / 2 : n;
    Nodes result = {0};

    if (left > 0)
        result.nodes[result.n++] = node_new(items, left, is_leaf);
    if (n > left)
        result.nodes[result.n++] = node_new(items + left, n - left, is_leaf);
    return result;
}

/* Puts `added` in the place of `removed` items from index `at`; the removed are released. */
static guint exchange(void **items, guint n, guint at, guint removed, void *const *added,
                      guint n_added, bool is_leaf)
{
    for (guint i = at; i < at + removed; i++)
        item_unref(items[i], is_leaf);
    memmove(items + at + n_added, items + at + removed, (n - at - removed) * sizeof *items);
    for (guint i = 0; i < n_added; i++)
        items[at + i] = added[i];
    return n - removed + n_added;
}

static Node *node_join(Node *left, Node *right)
{
    void *items[NODE_MAX];
    guint n = node_items(left, items);

    n += node_items(right, items + n);
    return node_new(items, n, left->is_leaf);
}

/* Joins the child at this index with a neighbour if it has become small. */
static guint join_small(void **children, guint n, guint at)
{
    const Node *child = children[at];
    guint left = at + 1 < n ? at : at - 1;

    if (child->n >= NODE_MIN || n < 2)
        return n;
    Node *first = children[left], *second = children[left + 1];
    if (first->n + second->n > NODE_MAX)
        return n;
    void *joined = node_join(first, second);
    return exchange(children, n, left, 2, &joined, 1, false);
}

/* The inner node with these in the place of one child. */
static Nodes replace_child(const Node *node, guint at, const Nodes *with)
{
    void *children[NODE_MAX + 1];
    guint n = node_items(node, children);

    n = exchange(children, n, at, 1, (void *const *)with->nodes, with->n, false);
    if (with->n == 1)
        n = join_small(children, n, at);
    return nodes_from_items(children, n, false);
}

static Nodes leaf_put(const Node *leaf, Compare compare, VolumeRecord *record, const char *key)
{
    const char *name = volume_record_name(record);
    void *items[NODE_MAX + 1], *added = volume_record_ref(record);
    guint n = node_items(leaf, items);
    int at = node_search(leaf, compare, key, name);
    bool replaces = at >= 0 && compare(node_first(leaf, (guint)at), key, name) == 0;

    n = exchange(items, n, replaces ? (guint)at : (guint)(at + 1), replaces, &added, 1, true);
    return nodes_from_items(items, n, true);
}

static Nodes node_put(const Node *node, Compare compare, VolumeRecord *record, const char *key)
{
    if (node->is_leaf)
        return leaf_put(node, compare, record, key);

    int found = node_search(node, compare, key, volume_record_name(record));
    guint at = (guint)MAX(found, 0);
    Nodes child = node_put(node_child(node, at), compare, record, key);

    return replace_child(node, at, &child);
}

/* The record must be there. */
static Nodes node_drop(const Node *node, Compare compare, const char *key, const char *name)
{
    guint at = (guint)node_search(node, compare, key, name);

    if (!node->is_leaf) {
        Nodes child = node_drop(node_child(node, at), compare, key, name);
        return replace_child(node, at, &child);
    }
    void *items[NODE_MAX];
    guint n = node_items(node, items);
    n = exchange(items, n, at, 1, NULL, 0, true);
    return nodes_from_items(items, n, true);
}

/* ---- trees ---- */

/* The last record that isn't behind the key and name; NULL if all are. */
static VolumeRecord *tree_search(const Node *root, Compare compare, const char *key,
                                 const char *name)
{
    for (const Node *node = root; node;) {
        int at = node_search(node, compare, key, name);
        if (at < 0)
            return NULL;
        if (node->is_leaf)
            return node_first(node, (guint)at);
        node = node_child(node, (guint)at);
    }
    return NULL;
}

static VolumeRecord *tree_find(const Inventory *inventory, const TreeKind *kind, const char *key)
{
    VolumeRecord *record = tree_search(*tree_root(inventory, kind), kind->compare, key, NULL);

    return record && strcmp(kind->key_of(record), key) == 0 ? record : NULL;
}

static void set_root(Node **root, Node *node)
{
    node_unref(*root);
    *root = node;
}

static void tree_put(Inventory *inventory, const TreeKind *kind, VolumeRecord *record)
{
    Node **root = tree_root(inventory, kind);
    const char *key = kind->key_of(record);

    if (!key)
        return;
    if (!*root) {
        void *item = volume_record_ref(record);
        *root = node_new(&item, 1, true);
        return;
    }
    Nodes result = node_put(*root, kind->compare, record, key);
    set_root(root, result.n == 2 ? node_new((void **)result.nodes, 2, false) : result.nodes[0]);
}

static void tree_drop(Inventory *inventory, const TreeKind *kind, const VolumeRecord *record)
{
    Node **root = tree_root(inventory, kind);
    const char *key = kind->key_of(record);

    if (!key)
        return;
    Nodes result = node_drop(*root, kind->compare, key, volume_record_name(record));
    set_root(root, result.nodes[0]);
    while (*root && !(*root)->is_leaf && (*root)->n == 1)
        set_root(root, node_ref(node_child(*root, 0)));
}

static guint64 node_memory(const Node *node)
{
    guint64 bytes = malloc_usable_size((void *)node) + sizeof(gsize);

    for (guint i = 0; i < node->n; i++)
        bytes += node->is_leaf ? volume_record_memory(node_first(node, i))
                               : node_memory(node_child(node, i));
    return bytes;
}

/* ---- building in bulk ---- */

/* One level of nodes over n items, in place; the nodes are evenly full. Returns their number. */
static guint64 build_level(void **items, guint64 n, bool is_leaf)
{
    guint64 n_nodes = n <= NODE_MAX ? 1 : (n + NODE_FULL - 1) / NODE_FULL;

    for (guint64 i = 0, at = 0; i < n_nodes; i++) {
        guint64 end = n * (i + 1) / n_nodes;
        items[i] = node_new(items + at, (guint)(end - at), is_leaf);
        at = end;
    }
    return n_nodes;
}

/* Of records in order, whose references it takes over. The array is used up. */
static Node *tree_build(VolumeRecord **records, guint64 count)
{
    void **items = (void **)records;
    bool is_leaf = true;

    for (guint64 n = count; n > 1 || (n == 1 && is_leaf); is_leaf = false)
        n = build_level(items, n, is_leaf);
    return count > 0 ? items[0] : NULL;
}

/* What is sorted: the eight bytes behind what all texts begin with decide nearly always, so that
 * the texts themselves are seldom fetched from memory. */
typedef struct SortItem {
    guint64 prefix;
    const char *text; /* behind the common beginning */
    VolumeRecord *record;
} SortItem;

static guint64 prefix_of(const char *text)
{
    guint64 prefix = 0;
    gsize length = strnlen(text, sizeof prefix);

    for (gsize i = 0; i < sizeof prefix; i++)
        prefix = prefix << 8 | (i < length ? (guint8)text[i] : 0);
    return prefix;
}

static int compare_items(const void *a, const void *b, void *data)
{
    const SortItem *left = a, *right = b;

    if (left->prefix != right->prefix)
        return left->prefix < right->prefix ? -1 : 1;
    return strcmp(left->text, right->text);
}

static gsize common_length(VolumeRecord *const *records, guint64 count,
                           const char *(*key_of)(const VolumeRecord *))
{
    const char *first = key_of(records[0]);
    gsize common = strlen(first);

    for (guint64 i = 1; i < count && common > 0; i++) {
        const char *text = key_of(records[i]);
        gsize same = 0;
        while (same < common && text[same] == first[same])
            same++;
        common = same;
    }
    return common;
}

static bool is_sorted(VolumeRecord *const *records, guint64 count,
                      const char *(*key_of)(const VolumeRecord *))
{
    for (guint64 i = 1; i < count; i++)
        if (strcmp(key_of(records[i - 1]), key_of(records[i])) > 0)
            return false;
    return true;
}

/* Stable: records with the same text stay in the order they came. */
static void sort_records(VolumeRecord **records, guint64 count,
                         const char *(*key_of)(const VolumeRecord *))
{
    if (is_sorted(records, count, key_of))
        return;
    g_assert(count <= G_MAXINT);

    g_autofree SortItem *items = g_new(SortItem, count);
    gsize common = common_length(records, count, key_of);
    for (guint64 i = 0; i < count; i++) {
        const char *text = key_of(records[i]) + common;
        items[i] = (SortItem){prefix_of(text), text, records[i]};
    }
    g_qsort_with_data(items, (gint)count, sizeof items[0], compare_items, NULL);
    for (guint64 i = 0; i < count; i++)
        records[i] = items[i].record;
}

/* Of records with the same name the last is kept. Returns how many are left. */
static guint64 drop_doubles(VolumeRecord **records, guint64 count)
{
    guint64 kept = 0;

    for (guint64 i = 0; i < count; i++) {
        if (i + 1 < count &&
            strcmp(volume_record_name(records[i]), volume_record_name(records[i + 1])) == 0)
            volume_record_unref(records[i]);
        else
            records[kept++] = records[i];
    }
    return kept;
}

/* The tree of those records that have a key of this kind. They come in order of names. */
static Node *build_secondary(const TreeKind *kind, VolumeRecord *const *records, guint64 count)
{
    guint64 n = 0;

    for (guint64 i = 0; i < count; i++)
        n += kind->key_of(records[i]) != NULL;
    if (n == 0)
        return NULL;

    g_autofree VolumeRecord **own = g_new(VolumeRecord *, n);
    n = 0;
    for (guint64 i = 0; i < count; i++)
        if (kind->key_of(records[i]))
            own[n++] = volume_record_ref(records[i]);
    sort_records(own, n, kind->key_of);
    return tree_build(own, n);
}

/* ---- inventories ---- */

Inventory *inventory_new_empty(const char *target_path)
{
    Inventory *inventory = g_new0(Inventory, 1);

    inventory->refs = 1;
    inventory->target_path = g_strdup(target_path);
    return inventory;
}

Inventory *inventory_build(const char *target_path, VolumeRecord **records, guint64 count)
{
    Inventory *inventory = inventory_new_empty(target_path);

    sort_records(records, count, volume_record_name);
    inventory->count = drop_doubles(records, count);
    for (guint i = TREE_NAME + 1; i < TREE_COUNT; i++)
        *tree_root(inventory, &tree_kinds[i]) =
            build_secondary(&tree_kinds[i], records, inventory->count);
    inventory->by_name = tree_build(records, inventory->count);
    return inventory;
}

Inventory *inventory_ref(Inventory *inventory)
{
    g_atomic_int_inc(&inventory->refs);
    return inventory;
}

void inventory_unref(Inventory *inventory)
{
    if (!inventory || !g_atomic_int_dec_and_test(&inventory->refs))
        return;
    for (guint i = 0; i < TREE_COUNT; i++)
        node_unref(*tree_root(inventory, &tree_kinds[i]));
    g_free(inventory->target_path);
    g_free(inventory);
}

static Inventory *inventory_copy(const Inventory *inventory)
{
    Inventory *copy = inventory_new_empty(inventory->target_path);

    copy->count = inventory->count;
    for (guint i = 0; i < TREE_COUNT; i++) {
        Node *root = *tree_root(inventory, &tree_kinds[i]);
        if (root)
            *tree_root(copy, &tree_kinds[i]) = node_ref(root);
    }
    return copy;
}

/* ---- reading ---- */

guint64 inventory_count(const Inventory *inventory)
{
    return inventory->count;
}

const char *inventory_target_path(const Inventory *inventory)
{
    return inventory->target_path;
}

guint64 inventory_memory(const Inventory *inventory)
{
    guint64 bytes = malloc_usable_size((void *)inventory) + sizeof(gsize);

    return bytes + (inventory->by_name ? node_memory(inventory->by_name) : 0);
}

VolumeRecord *inventory_find(const Inventory *inventory, const char *name)
{
    VolumeRecord *record = tree_find(inventory, &tree_kinds[TREE_NAME], name);

    return record ? volume_record_ref(record) : NULL;
}

/* The name whose derived path this is; NULL if it can't be one. */
static const char *name_in_path(const Inventory *inventory, const char *path)
{
    const char *target = inventory->target_path;

    if (!target || !g_str_has_prefix(path, target))
        return NULL;
    path += strlen(target);
    if (g_str_has_suffix(target, "/"))
        return path;
    return *path == '/' ? path + 1 : NULL;
}

static VolumeRecord *find_derived_or_own(const Inventory *inventory, const TreeKind *kind,
                                         const char *key)
{
    const char *name = name_in_path(inventory, key);
    VolumeRecord *record = name ? tree_find(inventory, &tree_kinds[TREE_NAME], name) : NULL;

    if (!record || kind->key_of(record))
        record = tree_find(inventory, kind, key);
    return record ? volume_record_ref(record) : NULL;
}

VolumeRecord *inventory_find_key(const Inventory *inventory, const char *key)
{
    return find_derived_or_own(inventory, &tree_kinds[TREE_KEY], key);
}

VolumeRecord *inventory_find_path(const Inventory *inventory, const char *path)
{
    return find_derived_or_own(inventory, &tree_kinds[TREE_PATH], path);
}

/* False: the visitor has had enough. */
static bool node_visit(const Node *node, const char *after, InventoryVisitor func, void *data)
{
    int start = after ? node_search(node, compare_name, after, NULL) : 0;

    if (node->is_leaf) {
        for (guint i = (guint)(after ? start + 1 : 0); i < node->n; i++)
            if (!func(node_first(node, i), data))
                return false;
        return true;
    }
    for (guint i = (guint)MAX(start, 0); i < node->n; i++) {
        if (!node_visit(node_child(node, i), after, func, data))
            return false;
        after = NULL; /* all further ones are behind it */
    }
    return true;
}

void inventory_foreach(const Inventory *inventory, const char *after, InventoryVisitor func,
                       void *data)
{
    if (inventory->by_name)
        (void)node_visit(inventory->by_name, after, func, data);
}

/* ---- snapshots that differ in one volume ---- */

Inventory *inventory_with(const Inventory *inventory, VolumeRecord *record)
{
    const char *name = volume_record_name(record);
    const VolumeRecord *old = tree_find(inventory, &tree_kinds[TREE_NAME], name);
    Inventory *copy = inventory_copy(inventory);

    /* In the tree of names the new record replaces the old one; in the others they may differ. */
    for (guint i = TREE_NAME + 1; old && i < TREE_COUNT; i++)
        tree_drop(copy, &tree_kinds[i], old);
    for (guint i = 0; i < TREE_COUNT; i++)
        tree_put(copy, &tree_kinds[i], record);
    copy->count += old ? 0 : 1;
    return copy;
}

Inventory *inventory_without(const Inventory *inventory, const char *name)
{
    const VolumeRecord *old = tree_find(inventory, &tree_kinds[TREE_NAME], name);
    Inventory *copy = inventory_copy(inventory);

    for (guint i = 0; old && i < TREE_COUNT; i++)
        tree_drop(copy, &tree_kinds[i], old);
    copy->count -= old ? 1 : 0;
    return copy;
}
