/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

#include "lookup.h"
#include "print.h"
#include "report.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The editor's argument vector with the file behind it; no shell reads it. */
static char **editor_command(const char *path, GError **error)
{
    const char *editor = g_getenv("VISUAL");
    if (!editor || *editor == '\0')
        editor = g_getenv("EDITOR");
    if (!editor || *editor == '\0')
        editor = "vi";
    g_auto(GStrv) words = NULL;
    int count = 0;
    if (!g_shell_parse_argv(editor, &count, &words, error))
        return NULL;
    words = g_renew(char *, words, count + 2);
    words[count] = g_strdup(path);
    words[count + 1] = NULL;
    return g_steal_pointer(&words);
}

static bool run_editor(const char *path, GError **error)
{
    g_auto(GStrv) command = editor_command(path, error);
    int status = 0;
    return command &&
           g_spawn_sync(NULL, command, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_CHILD_INHERITS_STDIN,
                        NULL, NULL, NULL, NULL, &status, error) &&
           g_spawn_check_wait_status(status, error);
}

/* The document after the editor has had it. NULL after a message. */
static char *edit(const Call *call, const char *path)
{
    g_autoptr(GError) error = NULL;
    char *edited = NULL;
    if (!run_editor(path, &error))
        report_trouble(call, "the editor failed: %s", error->message);
    else if (!g_file_get_contents(path, &edited, NULL, &error))
        report_trouble(call, "can't read what the editor wrote: %s", error->message);
    return edited;
}

static bool ask_again(void)
{
    if (isatty(STDIN_FILENO) != 1)
        return false;
    fputs("Edit it again? [y/n] ", stderr);
    char answer[16] = "";
    return fgets(answer, sizeof answer, stdin) && g_ascii_tolower(answer[0]) == 'y';
}

/* An edit must not take back what somebody else has changed meanwhile. */
static bool still_the_same(const Call *call, CisternPool *pool, const char *before)
{
    g_autofree char *now = cistern_pool_xml(pool, CISTERN_POOL_XML_INACTIVE);
    if (!now) {
        report_failure(call);
        return false;
    }
    if (strcmp(now, before) == 0)
        return true;
    report_trouble(call,
                   "the definition of pool '%s' was changed by somebody else during the "
                   "edit; nothing was saved",
                   cistern_pool_name(pool));
    return false;
}

static int edit_until_saved(const Call *call, CisternPool *pool, const char *before,
                            const char *path)
{
    for (;;) {
        g_autofree char *edited = edit(call, path);
        if (!edited)
            return STATUS_FAILED;
        const char *name = cistern_pool_name(pool);
        if (strcmp(edited, before) == 0)
            return print_pool_done(call, pool, "unchanged",
                                   "Pool %s XML configuration not changed.", name);
        if (!still_the_same(call, pool, before))
            return STATUS_FAILED;
        g_autoptr(CisternPool) saved = cistern_pool_define(call->connection, edited, 0);
        if (saved)
            return print_pool_done(call, saved, "defined", "Pool %s XML configuration edited.",
                                   cistern_pool_name(saved));
        int status = report_failure(call);
        if (!ask_again())
            return status;
    }
}

int run_pool_edit(Call *call)
{
    g_autoptr(CisternPool) pool = lookup_call_pool(call);
    g_autofree char *before = pool ? cistern_pool_xml(pool, CISTERN_POOL_XML_INACTIVE) : NULL;
    if (!before)
        return report_failure(call);
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("cistern-XXXXXX.xml", &path, &error);
    if (fd < 0)
        return report_trouble(call, "can't make a file to edit: %s", error->message);
    close(fd);
    int status = STATUS_FAILED;
    if (g_file_set_contents_full(path, before, -1, G_FILE_SET_CONTENTS_NONE, 0600, &error))
        status = edit_until_saved(call, pool, before, path);
    else
        report_trouble(call, "can't write the file to edit: %s", error->message);
    g_unlink(path);
    return status;
}
