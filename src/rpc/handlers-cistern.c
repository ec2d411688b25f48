/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chain.h"
#include "errors.h"
#include "session.h"

/* Our own program: what libvirt has no call for. */

#define PAGE_ON_LOOP 64 /* larger pages are made by a worker */

/* ---- the connection's calls ---- */

static bool on_progress_subscribe(Turn *turn, const void *data, void *result, GError **error)
{
    session_set_progress(turn->call->session, ((const RpcInt *)data)->value != 0);
    return true;
}

static bool on_call_cancel(Turn *turn, const void *data, void *result, GError **error)
{
    guint32 serial = ((const RpcSerial *)data)->serial;

    return session_cancel_call(turn->call->session, serial) ||
           error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_RPC,
                     "no call with serial %u is running on this connection", serial);
}

/* ---- jobs ---- */

/* Jobs are for those who may know of the pool and the volume. */
static bool check_job_seen(Turn *turn, const JobInfo *info, GError **error)
{
    if (!turn_filters(turn))
        return true;
    g_autoptr(Pool) pool = engine_find_pool_by_name(turn_engine(turn), info->pool, error);
    return pool && turn_check_seen(turn, pool, info->volume, error);
}

static bool fill_job(Turn *turn, const JobInfo *info, RpcJob *ret)
{
    if (!check_job_seen(turn, info, NULL))
        return false;
    *ret = (RpcJob){
        .id = info->id,
        .operation = g_strdup(info->operation),
        .pool = g_strdup(info->pool),
        .volume = g_strdup(info->volume),
        .client = g_strdup(info->client ? info->client : ""),
        .started = info->started,
        .done = info->done,
        .total = info->total,
    };
    return true;
}

static bool on_job_list(Turn *turn, const void *data, void *result, GError **error)
{
    g_autoptr(GPtrArray) jobs = engine_list_jobs(turn_engine(turn));
    RpcJobs *list = result;

    list->jobs = g_new0(RpcJob, jobs->len);
    for (guint i = 0; i < jobs->len; i++)
        if (fill_job(turn, jobs->pdata[i], &list->jobs[list->n_jobs]))
            list->n_jobs++;
    return true;
}

/* A number of no job passes: the engine says so. */
static bool check_cancel(Turn *turn, guint64 id, GError **error)
{
    g_autoptr(GPtrArray) jobs = engine_list_jobs(turn_engine(turn));

    for (guint i = 0; i < jobs->len; i++) {
        const JobInfo *info = jobs->pdata[i];
        if (info->id == id)
            return check_job_seen(turn, info, error);
    }
    return true;
}

static bool on_job_cancel(Turn *turn, const void *data, void *result, GError **error)
{
    guint64 id = ((const RpcUint64 *)data)->value;

    return check_cancel(turn, id, error) && engine_cancel_job(turn_engine(turn), id, error);
}

/* ---- volumes ---- */

typedef struct Page {
    Turn *turn;
    Pool *pool;
    PoolDef *def;
    RpcVolumeEntries *entries;
    guint32 max;
} Page;

static char *format_word(const PoolDef *def, const VolumeDef *volume)
{
    const FormatTable *formats = def->schema->volume_formats;

    return g_strdup(formats ? format_name(formats, volume->target.format) : "");
}

static void fill_entry(const Page *page, const VolumeDef *volume, RpcVolumeEntry *ret)
{
    *ret = (RpcVolumeEntry){
        .name = g_strdup(volume->name),
        .key = g_strdup(volume->key ? volume->key : ""),
        .path = g_strdup(volume->target.path ? volume->target.path : ""),
        .type = (gint32)volume->type,
        .format = format_word(page->def, volume),
        .capacity = volume->capacity,
        .allocation = volume->allocation,
        .physical = volume->physical,
        .backing = volume->has_backing ? g_strdup(volume->backing.path) : NULL,
        .problem = volume_problem(page->pool, volume),
    };
}

static bool add_entry(VolumeRecord *record, void *data)
{
    Page *page = data;
    RpcVolumeEntries *entries = page->entries;
    g_autoptr(VolumeDef) volume = volume_record_unpack(record, page->def->target_path);

    if (!turn_may_list(page->turn, page->pool, volume->name, volume->key))
        return true;
    if (entries->n_entries == page->max) {
        entries->more = 1;
        return false;
    }
    fill_entry(page, volume, &entries->entries[entries->n_entries++]);
    return true;
}

static bool on_volume_list_page(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcVolumePage *args = data;
    RpcVolumeEntries *entries = result;

    if (args->max < 1 || args->max > RPC_PAGE_MAX)
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_RPC,
                         "a page has 1 to %d volumes; %u were asked for", RPC_PAGE_MAX, args->max);
    if (args->max > PAGE_ON_LOOP && turn->stage == TURN_ON_LOOP)
        return turn_defer(turn);
    g_autoptr(Pool) pool = turn_find_pool(turn, &args->pool, error);
    g_autoptr(Inventory) inventory = pool ? pool_inventory(pool, error) : NULL;
    if (!inventory)
        return false;
    g_autoptr(PoolDef) def = pool_definition(pool);
    Page page = {turn, pool, def, entries, args->max};
    entries->entries = g_new0(RpcVolumeEntry, MIN(args->max, inventory_count(inventory)));
    const char *after = args->after && args->after[0] ? args->after : NULL;
    inventory_foreach(inventory, after, add_entry, &page);
    return true;
}

static void fill_link(const ImageLink *link, RpcChainEntry *ret)
{
    *ret = (RpcChainEntry){
        .path = g_strdup(link->path),
        .format = g_strdup(image_format_name((int)link->info.format)),
        .capacity = link->info.capacity ? link->info.capacity : link->size,
        .problem = g_strdup(link->problem),
    };
}

/* A volume that is kept from the caller. */
static bool check_link_seen(Turn *turn, const ImageLink *link, GError **error)
{
    g_autoptr(Pool) pool = NULL;
    g_autoptr(VolumeRecord) record =
        turn_filters(turn) ? engine_peek_volume_by_path(turn_engine(turn), link->path, &pool, NULL)
                           : NULL;

    return !record || turn_check_seen(turn, pool, volume_record_name(record), error);
}

/* The chain ends where the caller may not look: the path is told by the image above, all else by
 * the hidden one. */
static void fill_chain(Turn *turn, GPtrArray *links, RpcChain *ret)
{
    g_autoptr(GError) error = NULL;

    ret->entries = g_new0(RpcChainEntry, links->len);
    for (guint i = 0; i < links->len && !error; i++) {
        const ImageLink *link = links->pdata[i];
        RpcChainEntry *entry = &ret->entries[ret->n_entries++];
        if (i == 0 || check_link_seen(turn, link, &error))
            fill_link(link, entry);
        else
            *entry = (RpcChainEntry){.path = g_strdup(link->path),
                                     .format = g_strdup(""),
                                     .problem = g_strdup(error->message)};
    }
}

static void free_link(void *link)
{
    image_link_free(link);
}

static bool on_volume_chain(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcVolume *args = data;
    Request request = turn_request(turn);
    g_autoptr(Pool) pool = turn_find_volume_pool(turn, args, error);
    GPtrArray *links = pool ? volume_chain(pool, args->name, &request, error) : NULL;

    if (!links)
        return false;
    fill_chain(turn, links, result);
    g_ptr_array_set_free_func(links, free_link);
    g_ptr_array_unref(links);
    return true;
}

static bool on_volume_resume_point(Turn *turn, const void *data, void *result, GError **error)
{
    const RpcVolume *args = data;
    Request request = turn_request(turn);
    g_autoptr(Pool) pool = turn_find_volume_pool(turn, args, error);
    ResumePoint point;

    if (!pool || !volume_resume_point(pool, args->name, &request, &point, error))
        return false;
    *(RpcResumePoint *)result = (RpcResumePoint){point.offset, point.done};
    return true;
}

static const HandlerRow cistern_rows[] = {
    {CISTERN_VOLUME_LIST_PAGE, on_volume_list_page, LOOP_THEN_MEMORY, DEADLINE_NONE},
    {CISTERN_JOB_LIST, on_job_list, ON_LOOP, DEADLINE_NONE},
    {CISTERN_JOB_CANCEL, on_job_cancel, ON_LOOP, DEADLINE_NONE},
    {CISTERN_PROGRESS_SUBSCRIBE, on_progress_subscribe, ON_SESSION, DEADLINE_NONE},
    {CISTERN_CALL_CANCEL, on_call_cancel, ON_SESSION, DEADLINE_NONE},
    {CISTERN_VOLUME_CHAIN, on_volume_chain, ON_WORKER, DEADLINE_LOOKUP},
    {CISTERN_VOLUME_RESUME_POINT, on_volume_resume_point, ON_WORKER, DEADLINE_LOOKUP},
};

const HandlerTable cistern_handlers = {cistern_rows, G_N_ELEMENTS(cistern_rows)};
