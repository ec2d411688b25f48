/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"
#include "errors.h"
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/*
 * What clients ask of the machine itself when they open a host. All of it is
 * answered from procfs and sysfs, which no storage can hold up.
 */

/* ---- processors ---- */

/* Distinct values of a topology file over all processors, or 1 where there are none. */
static gint32 count_distinct(guint cpus, const char *file)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < cpus; i++) {
        g_autofree char *path =
            g_strdup_printf("/sys/devices/system/cpu/cpu%u/topology/%s", i, file);
        char *text = NULL;

        if (g_file_get_contents(path, &text, NULL, NULL))
            g_hash_table_add(seen, text);
    }
    return (gint32)MAX(g_hash_table_size(seen), 1);
}

/* The value of the first such line of /proc/cpuinfo, or NULL. */
static char *cpuinfo_value(const char *key)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL))
        return NULL;
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        char *colon = strchr(*line, ':');

        if (colon && g_str_has_prefix(*line, key))
            return g_strdup(g_strstrip(colon + 1));
    }
    return NULL;
}

static bool on_node_info(Turn *turn, const void *args, void *result, GError **error)
{
    RpcNodeInfo *info = result;
    struct utsname names;
    guint cpus = g_get_num_processors();
    g_autofree char *mhz = cpuinfo_value("cpu MHz");
    gint32 sockets = count_distinct(cpus, "physical_package_id");
    gint32 cores = MAX(count_distinct(cpus, "core_cpus_list") / sockets, 1);

    uname(&names);
    g_strlcpy((char *)info->model, names.machine, sizeof info->model);
    info->memory = (guint64)sysconf(_SC_PHYS_PAGES) * (guint64)sysconf(_SC_PAGESIZE) / 1024;
    info->cpus = (gint32)cpus;
    info->mhz = mhz ? (gint32)g_ascii_strtod(mhz, NULL) : 0;
    info->nodes = 1;
    info->sockets = sockets;
    info->cores = cores;
    info->threads = MAX((gint32)cpus / (sockets * cores), 1);
    return true;
}

/* ---- memory ---- */

static guint64 free_memory(void)
{
    return (guint64)sysconf(_SC_AVPHYS_PAGES) * (guint64)sysconf(_SC_PAGESIZE);
}

static bool on_free_memory(Turn *turn, const void *args, void *result, GError **error)
{
    ((RpcUint64 *)result)->value = free_memory();
    return true;
}

/* One cell, as the node information says. */
static bool on_cells_free_memory(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcCells *args = data;
    RpcCellsMemory *memory = result;

    if (args->max <= 0 || args->max > RPC_CELLS_MAX)
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_DOMAIN,
                         "maximum number of cells %d is not in the range 1 to %d", args->max,
                         RPC_CELLS_MAX);
    if (args->start != 0)
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_DOMAIN,
                         "start cell %d out of range (0-0)", args->start);
    memory->n_cells = 1;
    memory->cells = g_new(RpcUint64, 1);
    memory->cells[0].value = free_memory();
    return true;
}

/* ---- firmware's tables ---- */

typedef struct SysinfoEntry {
    const char *block, *name; /* element, and its entry's name */
    const char *file;         /* in /sys/class/dmi/id */
} SysinfoEntry;

/* Entries of a block are neighbours. */
static const SysinfoEntry sysinfo_entries[] = {
    {"bios", "vendor", "bios_vendor"},
    {"bios", "version", "bios_version"},
    {"bios", "date", "bios_date"},
    {"bios", "release", "bios_release"},
    {"system", "manufacturer", "sys_vendor"},
    {"system", "product", "product_name"},
    {"system", "version", "product_version"},
    {"system", "serial", "product_serial"},
    {"system", "uuid", "product_uuid"},
    {"system", "sku", "product_sku"},
    {"system", "family", "product_family"},
    {"baseBoard", "manufacturer", "board_vendor"},
    {"baseBoard", "product", "board_name"},
    {"baseBoard", "version", "board_version"},
    {"baseBoard", "serial", "board_serial"},
    {"baseBoard", "asset", "board_asset_tag"},
    {"chassis", "manufacturer", "chassis_vendor"},
    {"chassis", "version", "chassis_version"},
    {"chassis", "serial", "chassis_serial"},
    {"chassis", "asset", "chassis_asset_tag"},
};

static char *read_dmi(const char *file)
{
    g_autofree char *path = g_build_filename("/sys/class/dmi/id", file, NULL);
    char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL) || !g_utf8_validate(text, -1, NULL))
        g_clear_pointer(&text, g_free);
    return text ? g_strstrip(text) : NULL;
}

static void change_block(GString *xml, const char *from, const char *to)
{
    if (from == to || (from && to && strcmp(from, to) == 0))
        return;
    if (from)
        g_string_append_printf(xml, "  </%s>\n", from);
    if (to)
        g_string_append_printf(xml, "  <%s>\n", to);
}

static bool on_sysinfo(Turn *turn, const void *data, void *result, GError **error)
{
    GString *xml;
    const char *block = NULL;

    if (!error_check_flags(error, ((const RpcFlags *)data)->flags, 0, "virConnectGetSysinfo"))
        return false;
    xml = g_string_new("<sysinfo type='smbios'>\n");
    for (guint i = 0; i < G_N_ELEMENTS(sysinfo_entries); i++) {
        const SysinfoEntry *entry = &sysinfo_entries[i];
        g_autofree char *text = read_dmi(entry->file);
        g_autofree char *escaped = text && *text ? g_markup_escape_text(text, -1) : NULL;

        if (!escaped)
            continue;
        change_block(xml, block, entry->block);
        block = entry->block;
        g_string_append_printf(xml, "    <entry name='%s'>%s</entry>\n", entry->name, escaped);
    }
    change_block(xml, block, NULL);
    g_string_append(xml, "</sysinfo>\n");
    ((RpcText *)result)->text = g_string_free(xml, FALSE);
    return true;
}

static const HandlerRow host_rows[] = {
    {REMOTE_NODE_GET_INFO, on_node_info, ON_LOOP, DEADLINE_NONE},
    {REMOTE_NODE_GET_CELLS_FREE_MEMORY, on_cells_free_memory, ON_LOOP, DEADLINE_NONE},
    {REMOTE_NODE_GET_FREE_MEMORY, on_free_memory, ON_LOOP, DEADLINE_NONE},
    {REMOTE_CONNECT_GET_SYSINFO, on_sysinfo, ON_LOOP, DEADLINE_NONE},
};

const HandlerTable host_handlers = {host_rows, G_N_ELEMENTS(host_rows)};
