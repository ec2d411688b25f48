/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool-list.h"

#include "commands.h"
#include "print.h"
#include "report.h"
#include "size.h"
#include "table.h"
#include "terminal.h"
#include "text.h"

#define BAR_WIDTH 10
/* From these parts on a bar warns. */
#define NEARLY_FULL 0.80
#define FULL        0.95

const char *pool_state_word(CisternPoolState state)
{
    static const char *const words[] = {"inactive", "building", "running", "degraded",
                                        "inaccessible"};
    return (unsigned int)state < G_N_ELEMENTS(words) ? words[state] : "unknown";
}

bool pool_row_read(CisternPool *pool, PoolRow *ret_row)
{
    PoolRow row = {.pool = pool};
    int active = cistern_pool_is_active(pool);
    int persistent = active < 0 ? -1 : cistern_pool_is_persistent(pool);
    int autostart = persistent < 0 ? -1 : cistern_pool_autostart(pool);
    if (autostart < 0 || cistern_pool_info(pool, &row.info) < 0)
        return false;
    row.active = active;
    row.persistent = persistent;
    row.autostart = autostart;
    *ret_row = row;
    return true;
}

json_t *pool_row_json(const PoolRow *row)
{
    json_t *object = json_object();
    json_set_text(object, "name", cistern_pool_name(row->pool));
    json_set_text(object, "uuid", cistern_pool_uuid(row->pool));
    json_set_text(object, "state", pool_state_word(row->info.state));
    json_set_bool(object, "active", row->active);
    json_set_bool(object, "persistent", row->persistent);
    json_set_bool(object, "autostart", row->autostart);
    json_set_size(object, "capacity", row->info.capacity);
    json_set_size(object, "allocation", row->info.allocation);
    json_set_size(object, "available", row->info.available);
    return object;
}

/* ---- filters ---- */

static unsigned int type_bits(const char *words)
{
    unsigned int bits = 0;
    g_auto(GStrv) types = g_strsplit(words, ",", -1);
    for (char **type = types; *type; type++)
        bits |= (unsigned int)CISTERN_LIST_POOLS_DIR << word_index(pool_type_filter_words, *type);
    return bits;
}

static unsigned int list_flags(const Call *call)
{
    static const FlagBit bits[] = {
        {"inactive", CISTERN_LIST_POOLS_INACTIVE},
        {"all", CISTERN_LIST_POOLS_INACTIVE | CISTERN_LIST_POOLS_ACTIVE},
        {"transient", CISTERN_LIST_POOLS_TRANSIENT},
        {"persistent", CISTERN_LIST_POOLS_PERSISTENT},
        {"autostart", CISTERN_LIST_POOLS_AUTOSTART},
        {"no-autostart", CISTERN_LIST_POOLS_NO_AUTOSTART},
        {NULL},
    };
    unsigned int flags = call_flags(call, bits);
    if (!(flags & (CISTERN_LIST_POOLS_INACTIVE | CISTERN_LIST_POOLS_ACTIVE)))
        flags |= CISTERN_LIST_POOLS_ACTIVE;
    const char *types = call_text(call, "type");
    return types ? flags | type_bits(types) : flags;
}

/* ---- names and UUIDs only ---- */

static void print_identity(const Call *call, CisternPool *pool, JsonStream *stream)
{
    bool name = call_flag(call, "name");
    bool uuid = call_flag(call, "uuid");
    if (call->json) {
        json_t *object = json_object();
        if (name)
            json_set_text(object, "name", cistern_pool_name(pool));
        if (uuid)
            json_set_text(object, "uuid", cistern_pool_uuid(pool));
        json_stream_add(stream, object);
        return;
    }
    g_autofree char *shown = text_escape(cistern_pool_name(pool));
    printf("%s%s%s\n", uuid ? cistern_pool_uuid(pool) : "", uuid && name ? " " : "",
           name ? shown : "");
}

static int print_identities(const Call *call, CisternPool **pools, int count)
{
    JsonStream stream = {0};
    for (int i = 0; i < count; i++)
        print_identity(call, pools[i], &stream);
    if (call->json)
        json_stream_end(&stream);
    return STATUS_OK;
}

/* ---- rows ---- */

/* Reads the rows of all pools that are still there. False: cistern_last_error() tells. */
static bool read_rows(CisternPool **pools, int count, GArray *rows)
{
    for (int i = 0; i < count; i++) {
        PoolRow row = {0};
        if (pool_row_read(pools[i], &row))
            g_array_append_val(rows, row);
        else if (cistern_last_error()->code != CISTERN_ERROR_NO_POOL)
            return false;
    }
    return true;
}

static void add_size(Table *table, const PoolRow *row, uint64_t bytes)
{
    g_autofree char *text = row->active ? size_for_people(bytes) : g_strdup("-");
    table_add(table, text);
}

static void add_bar(Table *table, const PoolRow *row)
{
    if (!row->active || row->info.capacity == 0) {
        table_add(table, "-");
        return;
    }
    double part = (double)row->info.allocation / (double)row->info.capacity;
    Color color = part >= FULL ? COLOR_RED : part >= NEARLY_FULL ? COLOR_YELLOW : COLOR_GREEN;
    g_autofree char *bar = text_bar(part, BAR_WIDTH);
    g_autofree char *drawn =
        g_strdup_printf("%s%s%s %3.0f%%", terminal_color_output(color), bar,
                        terminal_color_output(COLOR_NONE), CLAMP(part, 0, 1) * 100);
    table_add_drawn(table, drawn, BAR_WIDTH + 5);
}

static void add_row(Table *table, const Call *call, const PoolRow *row)
{
    bool details = call_flag(call, "details");
    const char *active = row->active ? "active" : "inactive";
    table_add(table, cistern_pool_name(row->pool));
    table_add(table, details ? pool_state_word(row->info.state) : active);
    table_add(table, yes_or_no(row->autostart));
    if (details) {
        table_add(table, yes_or_no(row->persistent));
        add_size(table, row, row->info.capacity);
        add_size(table, row, row->info.allocation);
        add_size(table, row, row->info.available);
    }
    if (terminal_on_output())
        add_bar(table, row);
}

static int print_table(const Call *call, const GArray *rows)
{
    static const char *const plain[] = {"Name", "State", "Autostart", NULL};
    static const char *const plain_bar[] = {"Name", "State", "Autostart", "Used", NULL};
    static const char *const details[] = {"Name",     "State",      "Autostart", "Persistent",
                                          "Capacity", "Allocation", "Available", NULL};
    static const char *const details_bar[] = {"Name",       "State",    "Autostart",
                                              "Persistent", "Capacity", "Allocation",
                                              "Available",  "Used",     NULL};
    static const char *const *const titles[2][2] = {{plain, plain_bar}, {details, details_bar}};
    g_autoptr(Table) table = table_new(titles[call_flag(call, "details")][terminal_on_output()],
                                       !call_option(call, "quiet"));
    for (guint i = 0; i < rows->len; i++)
        add_row(table, call, &g_array_index(rows, PoolRow, i));
    table_end(table);
    return STATUS_OK;
}

static int print_rows(const Call *call, CisternPool **pools, int count)
{
    g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(PoolRow));
    if (!read_rows(pools, count, rows))
        return report_failure(call);
    if (!call->json)
        return print_table(call, rows);
    JsonStream stream = {0};
    for (guint i = 0; i < rows->len; i++)
        json_stream_add(&stream, pool_row_json(&g_array_index(rows, PoolRow, i)));
    json_stream_end(&stream);
    return STATUS_OK;
}

int run_pool_list(Call *call)
{
    CisternPool **pools = NULL;
    int count = cistern_list_pools(call->connection, &pools, list_flags(call));
    if (count < 0)
        return report_failure(call);
    bool identities = call_flag(call, "name") || call_flag(call, "uuid");
    int status = identities ? print_identities(call, pools, count) : print_rows(call, pools, count);
    for (int i = 0; i < count; i++)
        cistern_pool_free(pools[i]);
    g_free(pools);
    return status;
}
