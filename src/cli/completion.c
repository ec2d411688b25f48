/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

#include "completion-scripts.h"
#include "lookup.h"
#include "parse.h"
#include "print.h"
#include "report.h"
#include "volume-list.h"

#include <string.h>

/*
 * Completion. The shells know nothing about commands: they ask `cistern complete
 * -- WORD…` for what could stand in place of the last word. Each line of the
 * answer is a candidate, a tab and a description; a line ":files" says that file
 * names fit.
 */

#define MOST_CANDIDATES 1000

typedef struct Completer {
    Call line;          /* what the words before the last one say */
    const char *word;   /* what is there of the last word */
    const char *prefix; /* what stands before the value in that word: "--pool=" */
    int offered;
} Completer;

/* Control characters can't be typed on a command line, and would break the answer's lines. */
static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++)
        if (g_ascii_iscntrl(*text))
            return false;
    return true;
}

/* False when there are enough. */
static bool offer(Completer *completer, const char *candidate, const char *description)
{
    if (!g_str_has_prefix(candidate, completer->word) || !is_printable(candidate))
        return true;
    if (completer->offered++ == MOST_CANDIDATES)
        return false;
    printf("%s%s\t%s\n", completer->prefix, candidate, description);
    return true;
}

/* ---- names that only the other side knows ---- */

static bool connect_line(Completer *completer)
{
    Call *line = &completer->line;
    if (!line->connection)
        line->connection = cistern_open(call_option(line, "connect"), CISTERN_OPEN_READ_ONLY);
    return line->connection != NULL;
}

static void offer_pools(Completer *completer)
{
    CisternPool **pools = NULL;
    int count = cistern_list_pools(completer->line.connection, &pools, 0);
    for (int i = 0; i < count; i++) {
        offer(completer, cistern_pool_name(pools[i]), "pool");
        cistern_pool_free(pools[i]);
    }
    g_free(pools);
}

static bool offer_names(const CisternVolumeEntry *entries, int count, void *data)
{
    Completer *completer = data;
    for (int i = 0; i < count; i++)
        if (!g_str_has_prefix(entries[i].name, completer->word) ||
            !offer(completer, entries[i].name, "volume"))
            return false;
    return true;
}

static bool offer_paths(const CisternVolumeEntry *entries, int count, void *data)
{
    for (int i = 0; i < count; i++)
        if (!offer(data, entries[i].path, "volume"))
            return false;
    return true;
}

/* Names stand in order, so those with a prefix stand together, right behind the prefix itself. */
static void offer_volumes_of(Completer *completer, const char *pool_text)
{
    g_autoptr(CisternPool) pool = lookup_pool(&completer->line, pool_text);
    if (!pool)
        return;
    g_autoptr(CisternVolume) exact =
        *completer->word ? cistern_find_volume(pool, completer->word) : NULL;
    if (exact)
        offer(completer, completer->word, "volume");
    volume_pages_visit(pool, completer->word, offer_names, completer);
}

static void offer_volume_paths(Completer *completer)
{
    CisternPool **pools = NULL;
    int count = cistern_list_pools(completer->line.connection, &pools, CISTERN_LIST_POOLS_ACTIVE);
    for (int i = 0; i < count; i++) {
        volume_pages_visit(pools[i], NULL, offer_paths, completer);
        cistern_pool_free(pools[i]);
    }
    g_free(pools);
}

static const char *text_if_known(const Call *line, const char *argument)
{
    return argument_find(line->command->arguments, argument) ? call_text(line, argument) : NULL;
}

static void offer_volumes(Completer *completer)
{
    const char *pool = text_if_known(&completer->line, "inputpool");
    if (!pool)
        pool = text_if_known(&completer->line, "pool");
    if (pool)
        offer_volumes_of(completer, pool);
    else
        offer_volume_paths(completer);
}

static void offer_jobs(Completer *completer)
{
    CisternJob *jobs = NULL;
    int count = cistern_list_jobs(completer->line.connection, &jobs);
    for (int i = 0; i < count; i++) {
        g_autofree char *id = g_strdup_printf("%" G_GUINT64_FORMAT, (guint64)jobs[i].id);
        offer(completer, id, jobs[i].operation);
    }
    if (count >= 0)
        cistern_jobs_free(jobs, count);
}

/* ---- what the table knows ---- */

static void offer_commands(Completer *completer)
{
    for (const Command *command = command_table; command->name; command++)
        if (!(command->flags & COMMAND_HIDDEN))
            offer(completer, command->name, command->summary);
}

static void offer_topics(Completer *completer)
{
    offer_commands(completer);
    for (const CommandGroup *group = command_groups; group->name; group++)
        offer(completer, group->name, group->title);
}

static void offer_options(Completer *completer, const Argument *arguments, const char **values)
{
    for (int i = 0; arguments[i].name; i++) {
        g_autofree char *option = g_strdup_printf("--%s", arguments[i].name);
        if (!values[i])
            offer(completer, option, arguments[i].help);
    }
}

static void offer_all_options(Completer *completer)
{
    Call *line = &completer->line;
    if (line->command)
        offer_options(completer, line->command->arguments, line->values);
    offer_options(completer, global_options, line->options);
}

static void offer_value(Completer *completer, const Argument *argument)
{
    static void (*const remote[])(Completer *) = {[COMPLETE_POOL] = offer_pools,
                                                  [COMPLETE_VOLUME] = offer_volumes,
                                                  [COMPLETE_JOB] = offer_jobs,
                                                  [COMPLETE_COMMAND] = NULL};
    for (int i = 0; argument->values && argument->values[i]; i++)
        offer(completer, argument->values[i], argument->name);
    if (argument->completion == COMPLETE_FILE)
        puts(":files");
    else if (argument->completion == COMPLETE_COMMAND)
        offer_topics(completer);
    else if (remote[argument->completion] && connect_line(completer))
        remote[argument->completion](completer);
}

/* "--pool=de": the value behind the sign. False when the word is none such. */
static bool complete_attached(Completer *completer, char *word)
{
    char *equals = strchr(word, '=');
    if (!g_str_has_prefix(word, "--") || !equals)
        return false;
    g_autofree char *name = g_strndup(word + 2, (gsize)(equals - word - 2));
    g_autofree char *prefix = g_strndup(word, (gsize)(equals + 1 - word));
    const Command *command = completer->line.command;
    const Argument *argument = command ? argument_find(command->arguments, name) : NULL;
    if (!argument)
        argument = argument_find(global_options, name);
    completer->prefix = prefix;
    completer->word = equals + 1;
    if (argument && argument_takes_value(argument))
        offer_value(completer, argument);
    return true;
}

static void complete_word(Completer *completer, const Argument *pending, bool ended, char *word)
{
    const Argument *next = call_next_positional(&completer->line);
    if (pending)
        offer_value(completer, pending);
    else if (!ended && complete_attached(completer, word))
        return;
    else if (!ended && word[0] == '-')
        offer_all_options(completer);
    else if (!completer->line.command)
        offer_commands(completer);
    else if (next && (next->required || next->completion != COMPLETE_NOTHING || next->values))
        offer_value(completer, next);
    else if (!ended)
        offer_all_options(completer);
}

int run_complete(Call *call)
{
    if (call->rest->len == 0)
        return STATUS_OK;
    int before = (int)call->rest->len - 1;
    const char *const *words = (const char *const *)call->rest->pdata;
    g_autofree char *word = g_strdup(words[before]);
    Completer completer = {.word = word, .prefix = ""};
    const Argument *pending = NULL;
    bool ended = false;
    call_init(&completer.line);
    if (call_parse_partial(&completer.line, words, before, &pending, &ended))
        complete_word(&completer, pending, ended, word);
    cistern_close(completer.line.connection);
    call_clear(&completer.line);
    return STATUS_OK;
}

/* ---- the scripts ---- */

int run_completion(Call *call)
{
    const char *script = completion_scripts[call_word(call, "shell", 0)];
    if (call->json)
        return print_value(call, "script", script);
    fputs(script, stdout);
    return STATUS_OK;
}
