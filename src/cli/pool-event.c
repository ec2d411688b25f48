/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

#include "json-output.h"
#include "lookup.h"
#include "progress.h"
#include "report.h"
#include "text.h"

#include <string.h>

/* How often the wait looks whether Ctrl-C was pressed, in milliseconds. */
#define ROUND 250

typedef enum EventKind { EVENT_LIFECYCLE, EVENT_REFRESH } EventKind; /* as in pool_event_words */

typedef struct EventName {
    EventKind kind;
    const char *text; /* what virsh calls it */
    const char *json;
} EventName;

static const EventName names[] = {
    [CISTERN_EVENT_DEFINED] = {EVENT_LIFECYCLE, "Defined", "defined"},
    [CISTERN_EVENT_UNDEFINED] = {EVENT_LIFECYCLE, "Undefined", "undefined"},
    [CISTERN_EVENT_STARTED] = {EVENT_LIFECYCLE, "Started", "started"},
    [CISTERN_EVENT_STOPPED] = {EVENT_LIFECYCLE, "Stopped", "stopped"},
    [CISTERN_EVENT_BUILT] = {EVENT_LIFECYCLE, "Created", "built"},
    [CISTERN_EVENT_ERASED] = {EVENT_LIFECYCLE, "Deleted", "deleted"},
    [CISTERN_EVENT_REFRESHED] = {EVENT_REFRESH, "Refreshed", "refreshed"},
};

typedef struct Watch {
    const Call *call;
    int kind; /* EventKind to show; -1: all */
    int count;
    bool once;
} Watch;

static char *time_text(void)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *seconds = g_date_time_format(now, "%Y-%m-%d %H:%M:%S");
    return g_strdup_printf("%s.%03d+0000", seconds, g_date_time_get_microsecond(now) / 1000);
}

static void print_event_json(const Watch *watch, CisternPool *pool, const EventName *name)
{
    g_autoptr(json_t) object = json_object();
    if (call_flag(watch->call, "timestamp")) {
        g_autofree char *time = time_text();
        json_set_text(object, "time", time);
    }
    json_set_text(object, "kind", pool_event_words[name->kind]);
    json_set_text(object, "event", name->json);
    json_set_text(object, "pool", cistern_pool_name(pool));
    json_set_text(object, "uuid", cistern_pool_uuid(pool));
    json_print_line(stdout, object);
}

static void print_event_text(const Watch *watch, CisternPool *pool, const EventName *name)
{
    g_autofree char *shown = text_escape(cistern_pool_name(pool));
    if (call_flag(watch->call, "timestamp")) {
        g_autofree char *time = time_text();
        printf("%s: ", time);
    }
    printf("event '%s' for storage pool %s", pool_event_words[name->kind], shown);
    if (name->kind == EVENT_LIFECYCLE)
        printf(": %s", name->text);
    putchar('\n');
}

static bool is_wanted(const Watch *watch, CisternPoolEvent event)
{
    return (unsigned int)event < G_N_ELEMENTS(names) &&
           (watch->kind < 0 || (int)names[event].kind == watch->kind) &&
           (!watch->once || watch->count == 0);
}

static void on_event(CisternPool *pool, CisternPoolEvent event, void *data)
{
    Watch *watch = data;
    if (!is_wanted(watch, event))
        return;
    watch->count++;
    (watch->call->json ? print_event_json : print_event_text)(watch, pool, &names[event]);
    fflush(stdout);
}

static int list_kinds(const Call *call)
{
    JsonStream stream = {0};
    for (int i = 0; pool_event_words[i]; i++) {
        if (call->json)
            json_stream_add(&stream, json_text(pool_event_words[i]));
        else
            puts(pool_event_words[i]);
    }
    if (call->json)
        json_stream_end(&stream);
    return STATUS_OK;
}

typedef enum WaitEnd { WAIT_DONE, WAIT_TIMEOUT, WAIT_INTERRUPTED, WAIT_LOST } WaitEnd;

/* Milliseconds of the next round; 0 when `deadline` (0: none) has come. */
static int next_round(gint64 deadline)
{
    if (deadline == 0)
        return ROUND;
    gint64 left = (deadline - g_get_monotonic_time() + 999) / 1000;
    return (int)CLAMP(left, 0, ROUND);
}

static WaitEnd wait_for_events(const Watch *watch, gint64 deadline)
{
    for (;;) {
        int round = next_round(deadline);
        if (progress_interrupted())
            return WAIT_INTERRUPTED;
        if (round == 0)
            return WAIT_TIMEOUT;
        if (cistern_dispatch_events(watch->call->connection, round) < 0)
            return progress_interrupted() ? WAIT_INTERRUPTED : WAIT_LOST;
        if (watch->once && watch->count > 0)
            return WAIT_DONE;
    }
}

static int watch_pool(const Call *call, CisternPool *pool)
{
    static const char *const endings[] = {
        [WAIT_DONE] = NULL,
        [WAIT_TIMEOUT] = "event loop timed out",
        [WAIT_INTERRUPTED] = "event loop interrupted",
    };
    Watch watch = {.call = call,
                   .kind = call_word(call, "event", -1),
                   .once = !call_flag(call, "loop")};
    guint64 seconds = 0;
    gint64 deadline = 0;
    if (call_size(call, "timeout", &seconds))
        deadline = g_get_monotonic_time() + (gint64)MIN(seconds, G_MAXINT32) * G_USEC_PER_SEC;
    int id = cistern_event_register(call->connection, pool, on_event, &watch);
    if (id < 0)
        return report_failure(call);
    WaitEnd end = wait_for_events(&watch, deadline);
    if (end == WAIT_LOST)
        return report_failure(call);
    cistern_event_unregister(call->connection, id);
    if (endings[end])
        report_done(call, "%s", endings[end]);
    report_done(call, "events received: %d", watch.count);
    return watch.count > 0 ? STATUS_OK : STATUS_FAILED;
}

int run_pool_event(Call *call)
{
    if (call_flag(call, "list"))
        return list_kinds(call);
    const char *text = call_text(call, "pool");
    g_autoptr(CisternPool) pool = text ? lookup_pool(call, text) : NULL;
    if (text && !pool)
        return report_failure(call);
    return watch_pool(call, pool);
}
