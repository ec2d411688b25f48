/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gluster-volumes.h"

#include "errors.h"
#include "xml-read.h"

#define ANSWER_LIMIT (30 * G_USEC_PER_SEC)

static char *text_at(const XmlNode *node, const char *path)
{
    const XmlNode *found = xml_node_find(node, NULL, path);

    return found ? xml_node_text(found) : NULL;
}

static bool check_status(const XmlNode *root, GError **error)
{
    g_autofree char *status = text_at(root, "opRet");
    g_autofree char *reason = text_at(root, "opErrstr");

    return g_strcmp0(status, "0") == 0 ||
           error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE, "gluster: %s",
                     reason && *reason ? reason : "the server's answer has no result");
}

static bool take_names(const char *xml, GPtrArray *ret_names, GError **error)
{
    g_autoptr(XmlDocument) document =
        xml_document_parse(xml, "(gluster_volumes)", "cliOutput", error);
    const XmlNode *root = document ? xml_document_root(document) : NULL;

    if (!document || !check_status(root, error))
        return false;
    g_autoptr(GPtrArray) nodes = xml_node_find_all(root, NULL, "volInfo/volumes/volume");
    for (guint i = 0; i < nodes->len; i++) {
        g_autofree char *name = text_at(nodes->pdata[i], "name");
        if (name && *name)
            g_ptr_array_add(ret_names, g_steal_pointer(&name));
    }
    return true;
}

bool gluster_list_volumes(const char *host, Operation *op, GPtrArray *ret_names, GError **error)
{
    g_autofree char *remote = g_strconcat("--remote-host=", host, NULL);
    const char *argv[] = {"gluster", "--xml", "--log-file=/dev/null", "volume", "info", "all",
                          remote,    NULL};
    Command command = {.argv = argv, .time_limit = ANSWER_LIMIT};
    g_auto(CommandResult) result = {0};

    return command_run_ok(op, &command, &result, error) &&
           take_names(result.output, ret_names, error);
}
