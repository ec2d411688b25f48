/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "folder.h"

#include "draft.h"
#include "errors.h"
#include "file-attributes.h"
#include "folder-entry.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE_DEFAULT 0711

bool folder_is_up(const PoolDef *pool, Operation *op, bool *ret_up, GError **error)
{
    autofd int fd = fd_open_folder(pool->target_path);

    *ret_up = fd >= 0;
    return true;
}

bool folder_start(const PoolDef *pool, Operation *op, GError **error)
{
    autofolder Folder folder = {.fd = -1};

    return folder_open(pool, &folder, error);
}

bool folder_space(const PoolDef *pool, Operation *op, PoolSpace *ret, GError **error)
{
    autofolder Folder folder = {.fd = -1};

    return folder_open(pool, &folder, error) && folder_read_space(&folder, ret, NULL, error);
}

bool folder_sweep(const PoolDef *pool, Operation *op, GError **error)
{
    autofolder Folder folder = {.fd = -1};

    if (!folder_open(pool, &folder, error))
        return false;
    draft_sweep(folder.fd);
    return true;
}

/* Folders that a build has made, outermost first; taken back when it fails. */

void folder_take_back(GPtrArray *made)
{
    for (guint i = made->len; i > 0; i--)
        (void)rmdir(made->pdata[i - 1]);
}

static bool make_folder(const char *path, mode_t mode, GPtrArray *made, GError **error)
{
    if (mkdir(path, mode) == 0)
        g_ptr_array_add(made, g_strdup(path));
    else if (errno != EEXIST)
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot create path '%s'", path);
    return true;
}

static bool make_folders(const char *path, GPtrArray *made, GError **error)
{
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        g_autofree char *parent = g_strndup(path, (gsize)(slash - path));
        if (!make_folder(parent, 0777, made, error))
            return false;
    }
    return make_folder(path, 0700, made, error);
}

static bool set_cow(int fd, const PoolDef *pool, GError **error)
{
    if (pool->cow == TRI_UNSET) {
        /* Images are better off written in place; where that can't be, nothing was asked for. */
        if (file_has_cow_control(fd))
            (void)file_set_nocow(fd, pool->target_path, true, NULL);
        return true;
    }
    return file_set_nocow(fd, pool->target_path, pool->cow == TRI_NO, error);
}

static bool set_up_folder(const PoolDef *pool, bool is_new, GError **error)
{
    autofolder Folder folder = {.fd = -1};
    Permissions permissions = pool->permissions;

    if (is_new && permissions.mode == MODE_UNSET)
        permissions.mode = MODE_DEFAULT;
    return folder_open_any(pool, &folder, error) &&
           file_set_permissions(folder.fd, folder.path, &permissions, error) &&
           set_cow(folder.fd, pool, error);
}

bool folder_lay_out(const PoolDef *pool, GPtrArray *ret_made, GError **error)
{
    const char *path = pool->target_path;

    if (!g_path_is_absolute(path))
        return error_set(error, ERROR_INVALID_ARGUMENT, ORIGIN_STORAGE, "path '%s' is not absolute",
                         path);
    if (make_folders(path, ret_made, error)) {
        guint count = ret_made->len;
        bool is_new = count > 0 && g_str_equal(ret_made->pdata[count - 1], path);
        if (set_up_folder(pool, is_new, error))
            return true;
    }
    folder_take_back(ret_made);
    return false;
}

bool folder_build(const PoolDef *pool, Operation *op, guint flags, GError **error)
{
    g_autoptr(GPtrArray) made = g_ptr_array_new_with_free_func(g_free);

    if (flags)
        return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                         "No source device specified when formatting pool '%s'", pool->name);
    return folder_lay_out(pool, made, error);
}

bool folder_erase(const PoolDef *pool, Operation *op, guint flags, GError **error)
{
    if (!error_check_flags(error, flags, 0, "virStorageBackendDeleteLocal"))
        return false;
    /* What dead makers left is no reason to keep the folder. */
    if (!folder_sweep(pool, op, error))
        return false;
    if (rmdir(pool->target_path) == 0)
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno, "failed to remove pool '%s'",
                           pool->target_path);
}

bool folder_volume_stat(const PoolDef *pool, Operation *op, const char *name, VolumeState *ret,
                        GError **error)
{
    autofolder Folder folder = {.fd = -1};
    bool lasting;
    Entry entry;

    if (!folder_open(pool, &folder, error))
        return false;
    g_autofree char *path = folder_entry_path(&folder, name);
    g_autoptr(VolumeDef) volume = volume_def_new();
    if (!entry_name_check(name, NULL))
        entry.kind = ENTRY_ABSENT;
    else
        entry_look(&folder, name, entry_clock(), &entry);
    if (entry.kind == ENTRY_FOREIGN)
        return error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE, "unexpected storage mode for '%s'",
                         path);
    if (entry.kind == ENTRY_ABSENT || !entry_describe(&folder, &entry, volume, &lasting))
        return error_set(error, ERROR_NO_VOLUME, ORIGIN_STORAGE,
                         "no storage vol with matching path '%s'", path);
    *ret = (VolumeState){
        .volume = g_steal_pointer(&volume),
        .has_identity = lasting && entry.is_settled,
        .identity = entry.identity,
    };
    return true;
}
