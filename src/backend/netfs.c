/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends.h"

#include "errors.h"
#include "folder.h"
#include "gluster-volumes.h"
#include "log.h"
#include "mount.h"
#include "source-check.h"
#include "source-match.h"

#include <string.h>

/* A folder of a file server, mounted by the pool. */

#define MOUNT_LIMIT     (60 * G_USEC_PER_SEC)
#define UMOUNT_LIMIT    (10 * G_USEC_PER_SEC)
#define SHOWMOUNT_LIMIT (30 * G_USEC_PER_SEC)

enum { FORMAT_AUTO, FORMAT_NFS, FORMAT_GLUSTERFS, FORMAT_CIFS, FORMAT_COUNT };

static const char *const format_names[FORMAT_COUNT] = {
    [FORMAT_AUTO] = "auto",
    [FORMAT_NFS] = "nfs",
    [FORMAT_GLUSTERFS] = "glusterfs",
    [FORMAT_CIFS] = "cifs",
};

static const FormatTable formats = {
    .names = format_names,
    .count = G_N_ELEMENTS(format_names),
};

/* How each is mounted. `kernel` are its words in the kernel's table. */
static const struct {
    const char *type, *options;
    const char *kernel[6];
    bool slashes; /* //host/share, an address without brackets */
} rows[FORMAT_COUNT] = {
    [FORMAT_AUTO] = {.kernel = {"nfs", "nfs4", "fuse.glusterfs", "cifs", "smb3"}},
    [FORMAT_NFS] = {.type = "nfs", .kernel = {"nfs", "nfs4"}},
    [FORMAT_GLUSTERFS] = {.type = "glusterfs",
                          .options = "direct-io-mode=1",
                          .kernel = {"fuse.glusterfs"}},
    [FORMAT_CIFS] = {.type = "cifs",
                     .options = "guest",
                     .kernel = {"cifs", "smb3"},
                     .slashes = true},
};

/* ---- mounting ---- */

static char *source_text(const PoolSource *source)
{
    const char *host = source->hosts[0].name;
    const char *dir = source->dir;

    if (rows[source->format].slashes)
        return g_strdup_printf("//%s/%s", host, dir + strspn(dir, "/"));
    bool bare = strchr(host, ':') != NULL;
    return g_strdup_printf(bare ? "[%s]:%s" : "%s:%s", host, dir);
}

static bool plan(const PoolDef *pool, Operation *op, MountPlan *ret, GError **error)
{
    const PoolSource *source = &pool->source;
    const char *version = source->protocol_version;
    g_autofree char *own =
        version ? g_strconcat("nfsvers=", version, NULL) : g_strdup(rows[source->format].options);

    ret->source = source_text(source);
    ret->format = rows[source->format].type;
    ret->options = mount_options(pool, own);
    return true;
}

/* Mount programs write slashes in their own way: host:vol as host:/vol. */
static char *without_extra_slashes(const char *text)
{
    GString *result = g_string_new(NULL);

    for (; *text; text++) {
        char before = result->len > 0 ? result->str[result->len - 1] : '/';
        if (*text != '/' || (before != '/' && before != ':'))
            g_string_append_c(result, *text);
    }
    if (g_str_has_suffix(result->str, "/"))
        g_string_truncate(result, result->len - 1);
    return g_string_free(result, FALSE);
}

/* "/folder" of "//host/share/folder", which some kernels show as the part that is mounted. */
static const char *folder_in_share(const char *source)
{
    const char *share = strchr(source + strspn(source, "/"), '/');

    return share ? strchr(share + 1, '/') : NULL;
}

/* A folder bound there has the source of the mount it comes from, but on NFS. */
static bool is_whole(const PoolDef *pool, const char *source, const char *root)
{
    return g_strcmp0(root, "/") == 0 ||
           (rows[pool->source.format].slashes && g_strcmp0(root, folder_in_share(source)) == 0);
}

static bool is_source(const PoolDef *pool, const Mounted *mounted)
{
    g_autofree char *text = source_text(&pool->source);
    g_autofree char *wanted = without_extra_slashes(text);
    g_autofree char *shown = without_extra_slashes(mounted->source ? mounted->source : "");

    return g_strv_contains(rows[pool->source.format].kernel, mounted->format) &&
           g_str_equal(wanted, shown) && is_whole(pool, shown, mounted->root);
}

static const MountKind kind = {
    .plan = plan,
    .is_source = is_source,
    .mount_limit = MOUNT_LIMIT,
    .umount_limit = UMOUNT_LIMIT,
    .may_detach = true,
};

static bool netfs_check(const PoolDef *pool, GError **error)
{
    return source_check_one_host(pool, error) && host_name_check(pool->source.hosts[0].name, error);
}

static bool netfs_is_up(const PoolDef *pool, Operation *op, bool *ret_up, GError **error)
{
    return mount_is_up(&kind, pool, ret_up, error);
}

static bool netfs_start(const PoolDef *pool, Operation *op, GError **error)
{
    return netfs_check(pool, error) && mount_start(&kind, pool, op, error);
}

static bool netfs_stop(const PoolDef *pool, Operation *op, GError **error)
{
    return mount_stop(&kind, pool, op, error);
}

static bool netfs_erase(const PoolDef *pool, Operation *op, guint flags, GError **error)
{
    return mount_erase(pool, flags, error);
}

static bool netfs_owns_folder(const PoolDef *pool, int folder, GError **error)
{
    return mount_owns_folder(&kind, pool, folder, error);
}

/* ---- discovery ---- */

static void add_source(GPtrArray *sources, const char *host, int format, const char *dir)
{
    PoolSource *source = g_new0(PoolSource, 1);

    source->hosts = g_new0(PoolHost, 1);
    source->n_hosts = 1;
    source->hosts[0].name = g_strdup(host);
    source->dir = g_strdup(dir);
    source->format = format;
    source->adapter.unique_id = -1;
    g_ptr_array_add(sources, source);
}

/* "/a folder  192.168.0.0/24,host": the list of clients has no blanks, the folder may. */
static char *export_of_line(const char *line)
{
    const char *clients = line + strlen(line);

    while (clients > line && !g_ascii_isspace(clients[-1]))
        clients--;
    if (*line != '/' || clients == line || *clients == '\0')
        return NULL;
    return g_strchomp(g_strndup(line, (gsize)(clients - line)));
}

static bool find_exports(const char *host, Operation *op, GPtrArray *ret_sources, GError **error)
{
    const char *argv[] = {"showmount", "--no-headers", "--exports", host, NULL};
    Command command = {.argv = argv, .time_limit = SHOWMOUNT_LIMIT};
    g_auto(CommandResult) result = {0};

    if (!command_run_ok(op, &command, &result, error))
        return false;
    g_auto(GStrv) lines = g_strsplit(result.output, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_autofree char *dir = export_of_line(g_strchomp(*line));
        if (dir && g_utf8_validate(dir, -1, NULL))
            add_source(ret_sources, host, FORMAT_NFS, dir);
    }
    return true;
}

static void find_gluster(const char *host, Operation *op, GPtrArray *ret_sources)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;

    if (!gluster_list_volumes(host, op, names, &error))
        log_debug("no Gluster volumes of '%s': %s", host, error->message);
    for (guint i = 0; i < names->len; i++)
        add_source(ret_sources, host, FORMAT_GLUSTERFS, names->pdata[i]);
}

static bool netfs_discover(const PoolSource *hint, Operation *op, GPtrArray *ret_sources,
                           GError **error)
{
    const char *host = hint->hosts[0].name;
    g_autoptr(GError) reason = NULL;

    if (!host_name_check(host, error))
        return false;
    find_exports(host, op, ret_sources, &reason);
    find_gluster(host, op, ret_sources);
    if (!operation_check(op, error))
        return false;
    if (ret_sources->len > 0)
        return true;
    return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                     "no storage pools were found on host '%s'%s%s", host, reason ? ": " : "",
                     reason ? error_detail(reason) : "");
}

static const BackendTool tools[] = {{"mount", NULL}, {"umount", NULL}, {NULL, NULL}};

const Backend backend_netfs = {
    .schema =
        {
            .type = "netfs",
            .number = 2,
            .list_flag = 1 << 8,
            .host_rank = 2,
            .takes = SOURCE_HOST | SOURCE_DIR,
            .requires = SOURCE_HOST | SOURCE_DIR,
            .flags = POOL_HAS_TARGET | POOL_TARGET_PATH_REQUIRED | POOL_MOUNT_OPTIONS |
                     POOL_VOLUME_NAME_NO_SLASH,
            .source_formats = &formats,
            .volume_formats = &image_formats,
            .discover_host_word = "netfs",
        },
    .concurrency = BACKEND_PARALLEL,
    .flags = BACKEND_FOLDER | BACKEND_NO_FORMAT,
    .tools = tools,
    .same_source = source_same_host_dir,
    .check = netfs_check,
    .owns_folder = netfs_owns_folder,
    .discover = netfs_discover,
    .is_up = netfs_is_up,
    .build = folder_build,
    .start = netfs_start,
    .stop = netfs_stop,
    .erase = netfs_erase,
    .scan = folder_scan,
    .space = folder_space,
    .sweep = folder_sweep,
    .volume_stat = folder_volume_stat,
    .volume_create = folder_volume_create,
    .volume_clone = folder_volume_clone,
    .volume_resize = folder_volume_resize,
    .volume_wipe = folder_volume_wipe,
    .volume_delete = folder_volume_delete,
    .volume_open = folder_volume_open,
};
