/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

#include "document.h"
#include "print.h"
#include "report.h"
#include "size.h"
#include "table.h"

int run_capabilities(Call *call)
{
    g_autofree char *xml = cistern_capabilities(call->connection);
    return xml ? document_print(call, xml) : report_failure(call);
}

int run_uri(Call *call)
{
    return print_value(call, "uri", cistern_uri(call->connection));
}

int run_version(Call *call)
{
    unsigned long number = cistern_version();
    g_autofree char *library =
        g_strdup_printf("%lu.%lu.%lu", number / 1000000, number / 1000 % 1000, number % 1000);
    if (call->json) {
        json_t *object = json_object();
        json_set_text(object, "program", CISTERN_PROGRAM_VERSION);
        json_set_text(object, "library", library);
        return json_print(object);
    }
    printf("cistern %s, libcistern %s\n", CISTERN_PROGRAM_VERSION, library);
    return STATUS_OK;
}

/* ---- jobs ---- */

static char *job_time(const CisternJob *job, const char *format)
{
    g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(job->started / G_USEC_PER_SEC);
    g_autoptr(GDateTime) local = utc ? g_date_time_to_local(utc) : NULL;
    return local ? g_date_time_format(local, format) : g_strdup("?");
}

static json_t *job_json(const CisternJob *job)
{
    json_t *object = json_object();
    g_autofree char *started = job_time(job, "%Y-%m-%dT%H:%M:%S%:z");
    json_set_size(object, "id", job->id);
    json_set_text(object, "operation", job->operation);
    json_set_text(object, "pool", job->pool);
    json_set_optional(object, "volume", job->volume);
    json_set_text(object, "client", job->client);
    json_set_text(object, "started", started);
    json_set_size(object, "done", job->done);
    json_set_size(object, "total", job->total);
    return object;
}

static char *job_progress(const CisternJob *job)
{
    g_autofree char *done = size_for_people(job->done);
    if (job->total == 0)
        return job->done > 0 ? g_steal_pointer(&done) : g_strdup("-");
    g_autofree char *total = size_for_people(job->total);
    double part = (double)job->done / (double)job->total;
    return g_strdup_printf("%.0f%% (%s of %s)", CLAMP(part, 0, 1) * 100, done, total);
}

static void add_job(Table *table, const CisternJob *job)
{
    g_autofree char *id = g_strdup_printf("%" G_GUINT64_FORMAT, (guint64)job->id);
    g_autofree char *started = job_time(job, "%Y-%m-%d %H:%M:%S");
    g_autofree char *progress = job_progress(job);
    table_add(table, id);
    table_add(table, job->operation);
    table_add(table, job->pool);
    table_add(table, *job->volume ? job->volume : "-");
    table_add(table, job->client);
    table_add(table, started);
    table_add(table, progress);
}

static void print_jobs_json(const CisternJob *jobs, int count)
{
    JsonStream stream = {0};
    for (int i = 0; i < count; i++)
        json_stream_add(&stream, job_json(&jobs[i]));
    json_stream_end(&stream);
}

static void print_jobs(const Call *call, const CisternJob *jobs, int count)
{
    static const char *const titles[] = {"Id",     "Operation", "Pool",     "Volume",
                                         "Client", "Started",   "Progress", NULL};
    g_autoptr(Table) table = table_new(titles, !call_option(call, "quiet"));
    for (int i = 0; i < count; i++)
        add_job(table, &jobs[i]);
    table_end(table);
}

int run_job_list(Call *call)
{
    CisternJob *jobs = NULL;
    int count = cistern_list_jobs(call->connection, &jobs);
    if (count < 0)
        return report_failure(call);
    if (call->json)
        print_jobs_json(jobs, count);
    else
        print_jobs(call, jobs, count);
    cistern_jobs_free(jobs, count);
    return STATUS_OK;
}

int run_job_cancel(Call *call)
{
    guint64 id = 0;
    call_size(call, "id", &id);
    if (cistern_job_cancel(call->connection, id) < 0)
        return report_failure(call);
    if (call->json) {
        json_t *object = json_object();
        json_set_size(object, "job", id);
        json_set_text(object, "result", "cancelled");
        return json_print(object);
    }
    return report_done(call, "Job %" G_GUINT64_FORMAT " cancelled", id);
}
