/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

#include "document.h"
#include "lookup.h"
#include "pool-list.h"
#include "print.h"
#include "progress.h"
#include "report.h"
#include "size.h"

#define BUILD_ARGUMENTS                                                                            \
    {"build", CISTERN_POOL_CREATE_BUILD}, {"overwrite", CISTERN_POOL_CREATE_BUILD_OVERWRITE},      \
    {                                                                                              \
        "no-overwrite", CISTERN_POOL_CREATE_BUILD_NO_OVERWRITE                                     \
    }

static const FlagBit create_bits[] = {BUILD_ARGUMENTS, {NULL}};

/* ---- from documents and options ---- */

static int define_pool(Call *call, const char *xml, unsigned int flags, const char *origin)
{
    g_autoptr(CisternPool) pool = cistern_pool_define(call->connection, xml, flags);
    if (!pool)
        return report_failure(call);
    return print_pool_done(call, pool, "defined", "Pool %s defined%s%s", cistern_pool_name(pool),
                           origin ? " from " : "", origin ? origin : "");
}

int run_pool_define(Call *call)
{
    static const FlagBit bits[] = {{"validate", CISTERN_POOL_DEFINE_VALIDATE}, {NULL}};
    g_autofree char *xml = document_read(call, "file");
    if (!xml)
        return STATUS_FAILED;
    return define_pool(call, xml, call_flags(call, bits), call_text(call, "file"));
}

int run_pool_define_as(Call *call)
{
    if (!document_check_text(call))
        return STATUS_USAGE;
    g_autofree char *xml = document_pool(call);
    return call_flag(call, "print-xml") ? document_print(call, xml)
                                        : define_pool(call, xml, 0, NULL);
}

static int create_pool(Call *call, const char *xml, const char *origin)
{
    progress_begin(call, "starting the pool");
    g_autoptr(CisternPool) pool =
        cistern_pool_create(call->connection, xml, call_flags(call, create_bits));
    progress_end(call);
    if (!pool)
        return report_failure(call);
    return print_pool_done(call, pool, "created", "Pool %s created%s%s", cistern_pool_name(pool),
                           origin ? " from " : "", origin ? origin : "");
}

int run_pool_create(Call *call)
{
    g_autofree char *xml = document_read(call, "file");
    return xml ? create_pool(call, xml, call_text(call, "file")) : STATUS_FAILED;
}

int run_pool_create_as(Call *call)
{
    if (!document_check_text(call))
        return STATUS_USAGE;
    g_autofree char *xml = document_pool(call);
    return call_flag(call, "print-xml") ? document_print(call, xml) : create_pool(call, xml, NULL);
}

/* ---- life cycle: one call on one pool, then a word about it ---- */

typedef struct PoolAction {
    int (*act)(CisternPool *pool, unsigned int flags);
    const char *doing;  /* "building" */
    const char *result; /* JSON's word */
    const char *done;   /* what follows "Pool NAME " */
} PoolAction;

static int act_on_pool(Call *call, const PoolAction *action, unsigned int flags)
{
    g_autoptr(CisternPool) pool = lookup_call_pool(call);
    if (!pool)
        return report_failure(call);
    progress_begin(call, "%s pool %s", action->doing, cistern_pool_name(pool));
    int result = action->act(pool, flags);
    progress_end(call);
    if (result < 0)
        return report_failure(call);
    return print_pool_done(call, pool, action->result, "Pool %s %s", cistern_pool_name(pool),
                           action->done);
}

static int stop_pool(CisternPool *pool, unsigned int flags)
{
    return cistern_pool_stop(pool);
}

static int undefine_pool(CisternPool *pool, unsigned int flags)
{
    return cistern_pool_undefine(pool);
}

static int enable_autostart(CisternPool *pool, unsigned int flags)
{
    return cistern_pool_set_autostart(pool, 1);
}

static int disable_autostart(CisternPool *pool, unsigned int flags)
{
    return cistern_pool_set_autostart(pool, 0);
}

int run_pool_build(Call *call)
{
    static const FlagBit bits[] = {{"overwrite", CISTERN_POOL_BUILD_OVERWRITE},
                                   {"no-overwrite", CISTERN_POOL_BUILD_NO_OVERWRITE},
                                   {NULL}};
    static const PoolAction build = {cistern_pool_build, "building", "built", "built"};
    return act_on_pool(call, &build, call_flags(call, bits));
}

int run_pool_start(Call *call)
{
    static const PoolAction start = {cistern_pool_start, "starting", "started", "started"};
    return act_on_pool(call, &start, call_flags(call, create_bits));
}

int run_pool_destroy(Call *call)
{
    static const PoolAction stop = {stop_pool, "stopping", "stopped", "destroyed"};
    return act_on_pool(call, &stop, 0);
}

int run_pool_undefine(Call *call)
{
    static const PoolAction undefine = {undefine_pool, "forgetting", "undefined",
                                        "has been undefined"};
    return act_on_pool(call, &undefine, 0);
}

int run_pool_delete(Call *call)
{
    static const PoolAction erase = {cistern_pool_erase, "deleting", "deleted", "deleted"};
    return act_on_pool(call, &erase, 0);
}

int run_pool_refresh(Call *call)
{
    static const PoolAction refresh = {cistern_pool_refresh, "refreshing", "refreshed",
                                       "refreshed"};
    return act_on_pool(call, &refresh, 0);
}

int run_pool_autostart(Call *call)
{
    static const PoolAction enable = {enable_autostart, "marking", "autostart-enabled",
                                      "marked as autostarted"};
    static const PoolAction disable = {disable_autostart, "unmarking", "autostart-disabled",
                                       "unmarked as autostarted"};
    return act_on_pool(call, call_flag(call, "disable") ? &disable : &enable, 0);
}

/* ---- reading one pool ---- */

int run_pool_dumpxml(Call *call)
{
    static const FlagBit bits[] = {{"inactive", CISTERN_POOL_XML_INACTIVE}, {NULL}};
    g_autoptr(CisternPool) pool = lookup_call_pool(call);
    g_autofree char *xml = pool ? cistern_pool_xml(pool, call_flags(call, bits)) : NULL;
    return xml ? document_print(call, xml) : report_failure(call);
}

int run_pool_name(Call *call)
{
    g_autoptr(CisternPool) pool = lookup_call_pool(call);
    return pool ? print_value(call, "name", cistern_pool_name(pool)) : report_failure(call);
}

int run_pool_uuid(Call *call)
{
    g_autoptr(CisternPool) pool = lookup_call_pool(call);
    return pool ? print_value(call, "uuid", cistern_pool_uuid(pool)) : report_failure(call);
}

static void print_pool_fields(const Call *call, const PoolRow *row)
{
    bool bytes = call_flag(call, "bytes");
    print_field("Name", cistern_pool_name(row->pool));
    print_field("UUID", cistern_pool_uuid(row->pool));
    print_field("State", pool_state_word(row->info.state));
    print_field("Persistent", yes_or_no(row->persistent));
    print_field("Autostart", yes_or_no(row->autostart));
    if (!row->active)
        return;
    g_autofree char *capacity = size_text(row->info.capacity, bytes);
    g_autofree char *allocation = size_text(row->info.allocation, bytes);
    g_autofree char *available = size_text(row->info.available, bytes);
    print_field("Capacity", capacity);
    print_field("Allocation", allocation);
    print_field("Available", available);
}

int run_pool_info(Call *call)
{
    g_autoptr(CisternPool) pool = lookup_call_pool(call);
    PoolRow row = {0};
    if (!pool || !pool_row_read(pool, &row))
        return report_failure(call);
    if (call->json)
        return json_print(pool_row_json(&row));
    print_pool_fields(call, &row);
    putchar('\n');
    return STATUS_OK;
}

/* ---- what could be a pool ---- */

int run_pool_capabilities(Call *call)
{
    g_autofree char *xml = cistern_pool_capabilities(call->connection, 0);
    return xml ? document_print(call, xml) : report_failure(call);
}

static int discover(Call *call, const char *spec)
{
    progress_begin(call, "looking for storage");
    g_autofree char *xml =
        cistern_discover_sources(call->connection, call_text(call, "type"), spec, 0);
    progress_end(call);
    return xml ? document_print(call, xml) : report_failure(call);
}

int run_find_sources(Call *call)
{
    if (!call_flag(call, "srcSpec"))
        return discover(call, NULL);
    g_autofree char *spec = document_read(call, "srcSpec");
    return spec ? discover(call, spec) : STATUS_FAILED;
}

int run_find_sources_as(Call *call)
{
    if (!document_check_text(call))
        return STATUS_USAGE;
    g_autofree char *spec = document_source(call);
    return discover(call, spec);
}
