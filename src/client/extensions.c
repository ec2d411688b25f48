/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libvirt has no calls for: pages of volumes, backing chains, jobs. */
#include "connection.h"

/* Takes a string that may be missing on the wire and never is in the public structures. */
static char *take_text(char **text)
{
    char *taken = *text ? *text : g_strdup("");
    *text = NULL;
    return taken;
}

/* ---- pages of volumes ---- */

static CisternVolumeEntry take_volume_entry(RpcVolumeEntry *entry)
{
    return (CisternVolumeEntry){
        .name = take_text(&entry->name),
        .key = take_text(&entry->key),
        .path = take_text(&entry->path),
        .type = (CisternVolumeType)entry->type,
        .format = take_text(&entry->format),
        .capacity = entry->capacity,
        .allocation = entry->allocation,
        .physical = entry->physical,
        .backing = take_text(&entry->backing),
        .problem = take_text(&entry->problem),
    };
}

int cistern_list_volumes_page(CisternPool *pool, const char *after, unsigned int max,
                              CisternVolumeEntry **ret_entries)
{
    RpcVolumeEntries page;
    if (!given(pool) || !given(ret_entries))
        return -1;
    RpcVolumePage args = {.pool = pool->id, .after = (char *)after, .max = max};
    if (after && !*after)
        args.after = NULL;
    if (!connection_call_own(pool->connection, CISTERN_VOLUME_LIST_PAGE, &args, &page))
        return -1;
    CisternVolumeEntry *entries = g_new0(CisternVolumeEntry, page.n_entries);
    for (guint32 i = 0; i < page.n_entries; i++)
        entries[i] = take_volume_entry(&page.entries[i]);
    g_free(page.entries);
    *ret_entries = entries;
    return (int)page.n_entries;
}

static void clear_volume_entry(CisternVolumeEntry *entry)
{
    g_free(entry->name);
    g_free(entry->key);
    g_free(entry->path);
    g_free(entry->format);
    g_free(entry->backing);
    g_free(entry->problem);
}

void cistern_volume_entries_free(CisternVolumeEntry *entries, int count)
{
    for (int i = 0; entries && i < count; i++)
        clear_volume_entry(&entries[i]);
    g_free(entries);
}

/* ---- backing chains ---- */

int cistern_volume_chain(CisternVolume *volume, CisternChainEntry **ret_entries)
{
    RpcChain chain;
    if (!given(volume) || !given(ret_entries) ||
        !connection_call_own(volume->connection, CISTERN_VOLUME_CHAIN, &volume->id, &chain))
        return -1;
    CisternChainEntry *entries = g_new0(CisternChainEntry, chain.n_entries);
    for (guint32 i = 0; i < chain.n_entries; i++)
        entries[i] = (CisternChainEntry){
            .path = take_text(&chain.entries[i].path),
            .format = take_text(&chain.entries[i].format),
            .capacity = chain.entries[i].capacity,
            .problem = take_text(&chain.entries[i].problem),
        };
    g_free(chain.entries);
    *ret_entries = entries;
    return (int)chain.n_entries;
}

void cistern_chain_free(CisternChainEntry *entries, int count)
{
    for (int i = 0; entries && i < count; i++) {
        g_free(entries[i].path);
        g_free(entries[i].format);
        g_free(entries[i].problem);
    }
    g_free(entries);
}

/* ---- jobs ---- */

int cistern_list_jobs(CisternConnection *connection, CisternJob **ret_jobs)
{
    RpcJobs list;
    if (!given(connection) || !given(ret_jobs) ||
        !connection_call_own(connection, CISTERN_JOB_LIST, NULL, &list))
        return -1;
    CisternJob *jobs = g_new0(CisternJob, list.n_jobs);
    for (guint32 i = 0; i < list.n_jobs; i++)
        jobs[i] = (CisternJob){
            .id = list.jobs[i].id,
            .operation = take_text(&list.jobs[i].operation),
            .pool = take_text(&list.jobs[i].pool),
            .volume = take_text(&list.jobs[i].volume),
            .client = take_text(&list.jobs[i].client),
            .started = list.jobs[i].started,
            .done = list.jobs[i].done,
            .total = list.jobs[i].total,
        };
    g_free(list.jobs);
    *ret_jobs = jobs;
    return (int)list.n_jobs;
}

void cistern_jobs_free(CisternJob *jobs, int count)
{
    for (int i = 0; jobs && i < count; i++) {
        g_free(jobs[i].operation);
        g_free(jobs[i].pool);
        g_free(jobs[i].volume);
        g_free(jobs[i].client);
    }
    g_free(jobs);
}

int cistern_job_cancel(CisternConnection *connection, uint64_t id)
{
    if (!given(connection) ||
        !connection_call_own(connection, CISTERN_JOB_CANCEL, &(RpcUint64){id}, NULL))
        return -1;
    return 0;
}
