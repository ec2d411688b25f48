/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job.h"

#include "lease-private.h"
#include "pool-private.h"

void job_init(Job *job, const char *word, const char *pool, const char *volume,
              const Request *request)
{
    *job = (Job){
        .word = word,
        .pool = g_strdup(pool),
        .volume = g_strdup(volume),
        .client = g_strdup(request && request->client ? request->client : "cistern"),
        .op = request ? operation_ref(request->op) : operation_new(OPERATION_NO_DEADLINE),
    };
}

void job_clear(Job *job)
{
    g_free(job->pool);
    g_free(job->volume);
    g_free(job->client);
    operation_unref(job->op);
}

char *job_in_the_way(const Job *job, bool named)
{
    g_autofree char *of =
        named ? g_strdup_printf(" of '%s'", job->volume ? job->volume : job->pool) : g_strdup("");

    return g_strdup_printf("Job %" G_GUINT64_FORMAT
                           " (%s%s) is in the way: wait for it, or cancel it.",
                           job->id, job->word, of);
}

static JobInfo *job_info_new(const Job *job)
{
    JobInfo *info = g_new(JobInfo, 1);

    *info = (JobInfo){.id = job->id,
                      .operation = g_strdup(job->word),
                      .pool = g_strdup(job->pool),
                      .volume = g_strdup(job->volume),
                      .client = g_strdup(job->client),
                      .started = job->started};
    operation_get_progress(job->op, &info->done, &info->total);
    return info;
}

void job_info_free(JobInfo *info)
{
    if (!info)
        return;
    g_free(info->operation);
    g_free(info->pool);
    g_free(info->volume);
    g_free(info->client);
    g_free(info);
}

GPtrArray *engine_list_jobs(Engine *engine)
{
    GPtrArray *jobs = g_ptr_array_new_with_free_func((GDestroyNotify)job_info_free);
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&engine->lock);

    for (GList *l = engine->running.head; l; l = l->next)
        g_ptr_array_add(jobs, job_info_new(&((Lease *)l->data)->job));
    return jobs;
}

bool engine_cancel_job(Engine *engine, guint64 id, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&engine->lock);

    for (GList *l = engine->running.head; l; l = l->next) {
        Job *job = &((Lease *)l->data)->job;
        if (job->id != id)
            continue;
        operation_cancel(job->op);
        return true;
    }
    return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE,
                     "there is no job %" G_GUINT64_FORMAT, id);
}
