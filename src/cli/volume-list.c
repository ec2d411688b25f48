/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "volume-list.h"

#include "commands.h"
#include "json-output.h"
#include "lookup.h"
#include "progress.h"
#include "report.h"
#include "size.h"
#include "table.h"

/* The most that one call brings; a table up to this length is aligned exactly. */
#define PAGE_SIZE 4096

const char *volume_type_word(CisternVolumeType type)
{
    static const char *const words[] = {"file", "block", "dir", "network", "netdir", "ploop"};
    return (unsigned int)type < G_N_ELEMENTS(words) ? words[type] : "unknown";
}

bool volume_pages_visit(CisternPool *pool, const char *after, VolumePageVisit visit, void *data)
{
    g_autofree char *last = g_strdup(after);
    bool more = true;
    while (more) {
        CisternVolumeEntry *entries = NULL;
        int count = cistern_list_volumes_page(pool, last, PAGE_SIZE, &entries);
        if (count < 0 || progress_interrupted()) {
            cistern_volume_entries_free(entries, MAX(count, 0));
            return false;
        }
        more = count > 0 && visit(entries, count, data);
        if (more) {
            g_free(last);
            last = g_strdup(entries[count - 1].name);
        }
        cistern_volume_entries_free(entries, count);
    }
    return true;
}

int volume_pages_failure(const Call *call)
{
    return progress_interrupted() ? STATUS_INTERRUPTED : report_failure(call);
}

typedef struct Listing {
    const Call *call;
    Table *table; /* made when the first page is there */
    JsonStream stream;
    bool details;
    bool problems;  /* the table says what is wrong with volumes */
    guint64 broken; /* volumes that can't be read and are listed without saying so */
} Listing;

static Table *make_table(const Listing *listing)
{
    static const char *const plain[] = {"Name", "Path", NULL};
    static const char *const details[] = {"Name",       "Path",   "Type", "Capacity",
                                          "Allocation", "Format", NULL};
    static const char *const problems[] = {"Name",       "Path",   "Type",    "Capacity",
                                           "Allocation", "Format", "Problem", NULL};
    const char *const *titles = listing->problems ? problems : details;
    return table_new(listing->details ? titles : plain, !call_option(listing->call, "quiet"));
}

static json_t *entry_json(const CisternVolumeEntry *entry)
{
    json_t *object = json_object();
    json_set_text(object, "name", entry->name);
    json_set_text(object, "key", entry->key);
    json_set_text(object, "path", entry->path);
    json_set_text(object, "type", volume_type_word(entry->type));
    json_set_optional(object, "format", entry->format);
    json_set_size(object, "capacity", entry->capacity);
    json_set_size(object, "allocation", entry->allocation);
    json_set_size(object, "physical", entry->physical);
    json_set_optional(object, "backing", entry->backing);
    json_set_optional(object, "problem", entry->problem);
    return object;
}

static void add_details(const Listing *listing, const CisternVolumeEntry *entry)
{
    g_autofree char *capacity = size_for_people(entry->capacity);
    g_autofree char *allocation = size_for_people(entry->allocation);
    table_add(listing->table, volume_type_word(entry->type));
    table_add(listing->table, capacity);
    table_add(listing->table, allocation);
    table_add(listing->table, *entry->format ? entry->format : "-");
    if (listing->problems)
        table_add(listing->table, *entry->problem ? entry->problem : "-");
}

static bool any_problem(const CisternVolumeEntry *entries, int count)
{
    for (int i = 0; i < count; i++)
        if (*entries[i].problem)
            return true;
    return false;
}

static bool list_page_json(const CisternVolumeEntry *entries, int count, void *data)
{
    Listing *listing = data;
    for (int i = 0; i < count; i++)
        json_stream_add(&listing->stream, entry_json(&entries[i]));
    return true;
}

static bool list_page(const CisternVolumeEntry *entries, int count, void *data)
{
    Listing *listing = data;
    if (!listing->table) {
        listing->problems = listing->details && any_problem(entries, count);
        listing->table = make_table(listing);
    }
    for (int i = 0; i < count; i++) {
        listing->broken += *entries[i].problem && !listing->problems;
        table_add(listing->table, entries[i].name);
        table_add(listing->table, entries[i].path);
        if (listing->details)
            add_details(listing, &entries[i]);
    }
    table_print(listing->table);
    return true;
}

static int end_listing(Listing *listing)
{
    if (!listing->table)
        listing->table = make_table(listing);
    table_end(listing->table);
    fflush(stdout);
    if (listing->broken > 0)
        report_note(listing->call, "%" G_GUINT64_FORMAT " of these have a problem%s",
                    listing->broken, listing->details ? "" : "; --details says why");
    return STATUS_OK;
}

static int list_text(const Call *call, CisternPool *pool)
{
    Listing listing = {.call = call, .details = call_flag(call, "details")};
    bool whole = volume_pages_visit(pool, NULL, list_page, &listing);
    int status = whole ? end_listing(&listing) : volume_pages_failure(call);
    table_free(listing.table);
    return status;
}

static int list_json(const Call *call, CisternPool *pool)
{
    Listing listing = {.call = call};
    if (!volume_pages_visit(pool, NULL, list_page_json, &listing))
        return volume_pages_failure(call);
    json_stream_end(&listing.stream);
    return STATUS_OK;
}

int run_vol_list(Call *call)
{
    g_autoptr(CisternPool) pool = lookup_call_pool(call);
    if (!pool)
        return report_failure(call);
    return call->json ? list_json(call, pool) : list_text(call, pool);
}
