/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "folder-make.h"

#include "acting.h"
#include "errors.h"
#include "file-attributes.h"

#include <errno.h>
#include <sys/stat.h>

#define MODE_DEFAULT 0600

static bool refuse(GError **error, ErrorCode code, const char *text)
{
    return error_set(error, code, ORIGIN_STORAGE, "%s", text);
}

static bool check_raw(const Making *making, GError **error)
{
    if (!making->source && making->spec->has_backing)
        return refuse(error, ERROR_NO_SUPPORT, "backing storage not supported for raw volumes");
    if (making->flags & VOLUME_CREATE_PREALLOC_METADATA)
        return refuse(error, ERROR_CONFIG_UNSUPPORTED,
                      "metadata preallocation is not supported for raw volumes");
    return true;
}

static bool check_other(const Making *making, GError **error)
{
    const VolumeTarget *target = &making->spec->target;

    if (target->format == IMAGE_FORMAT_DIR && making->spec->has_backing)
        return refuse(error, ERROR_NO_SUPPORT,
                      "backing storage not supported for directories volumes");
    if (making->flags & VOLUME_CREATE_PREALLOC_METADATA)
        return refuse(error, ERROR_CONFIG_UNSUPPORTED,
                      "metadata preallocation only available with qcow2");
    if (target->compat)
        return refuse(error, ERROR_CONFIG_UNSUPPORTED,
                      "compatibility option only available with qcow2");
    if (target->features)
        return refuse(error, ERROR_CONFIG_UNSUPPORTED, "format features only available with qcow2");
    return true;
}

static bool check_qcow2(const Making *making, GError **error)
{
    const VolumeTarget *target = &making->spec->target;
    bool old = g_strcmp0(target->compat, "0.10") == 0;

    if (target->compat && !old && !g_str_equal(target->compat, "1.1"))
        return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                         "compat '%s' is not known: qcow2 images have '0.10' or '1.1'",
                         target->compat);
    if (old && (target->features & FEATURE_LAZY_REFCOUNTS))
        return refuse(error, ERROR_CONFIG_UNSUPPORTED,
                      "lazy_refcounts not supported with compat level 0.10");
    if (old && (target->features & FEATURE_EXTENDED_L2))
        return refuse(error, ERROR_CONFIG_UNSUPPORTED,
                      "'extended_l2' not supported with compat level 0.10");
    if (!making->source && making->spec->has_backing &&
        (making->flags & VOLUME_CREATE_PREALLOC_METADATA))
        return refuse(error, ERROR_CONFIG_UNSUPPORTED,
                      "metadata preallocation conflicts with backing store");
    return true;
}

bool folder_check_spec(const Making *making, GError **error)
{
    const VolumeDef *spec = making->spec;
    int format = image_content_format(spec->target.format);

    if (spec->target.encryption.format != ENCRYPTION_NONE)
        return refuse(error, ERROR_CONFIG_UNSUPPORTED,
                      "encrypted volumes can't be made: their secrets are not available here");
    if (!folder_filler(format))
        return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                         "volumes of format '%s' can be listed but not made",
                         image_format_name(format));
    if (format == IMAGE_FORMAT_RAW)
        return check_raw(making, error);
    return format == IMAGE_FORMAT_QCOW2 ? check_qcow2(making, error) : check_other(making, error);
}

static bool exists_error(const char *path, GError **error)
{
    return error_set(error, ERROR_OPERATION_INVALID, ORIGIN_STORAGE,
                     "volume target path '%s' already exists", path);
}

/* Asked early, so that nothing long is done in vain; publishing decides. */
static bool check_is_new(const Making *making, GError **error)
{
    struct stat st;

    if (fstatat(making->folder->fd, making->spec->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return exists_error(making->path, error);
    if (errno == ENOENT)
        return true;
    return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot look for '%s'", making->path);
}

/* Only a raw file insists; other images may be written in any way. */
static bool set_nocow(const Making *making, GError **error)
{
    bool strict = image_content_format(making->spec->target.format) == IMAGE_FORMAT_RAW;

    if (!making->spec->target.nocow)
        return true;
    return file_set_nocow(making->fd, making->path, true, strict ? error : NULL) || !strict;
}

static bool set_permissions(const Making *making, GError **error)
{
    Permissions permissions = making->spec->target.permissions;

    if (permissions.mode == MODE_UNSET)
        permissions.mode = MODE_DEFAULT;
    return file_set_permissions(making->fd, making->path, &permissions, error);
}

/* What the volume will be under its name; read before it has it, so that nothing can fail later. */
static bool describe_draft(const Making *making, const Draft *draft, VolumeState *ret,
                           GError **error)
{
    g_autoptr(VolumeDef) volume = volume_def_new();
    bool lasting;
    Entry entry;

    entry_look(making->folder, draft->name, entry_clock(), &entry);
    if (!entry_is_listed(&entry) || !entry_describe(making->folder, &entry, volume, &lasting))
        return error_set(error, ERROR_OPERATION_FAILED, ORIGIN_STORAGE,
                         "the new file for '%s' was removed by someone else", making->path);
    g_free(volume->name);
    g_free(volume->key);
    g_free(volume->target.path);
    volume->name = g_strdup(making->spec->name);
    volume->key = g_strdup(making->path);
    volume->target.path = g_strdup(making->path);
    *ret = (VolumeState){.volume = g_steal_pointer(&volume)};
    return true;
}

static bool publish(const Making *making, Draft *draft, GError **error)
{
    g_autoptr(GError) reason = NULL;

    if (draft_publish(draft, making->spec->name, false, &reason))
        return true;
    if (error_errno(reason) == EEXIST)
        return exists_error(making->path, error);
    g_propagate_error(error, g_steal_pointer(&reason));
    return false;
}

/* The owner comes first, lest all is filled in vain; again at the end, with the rest. */
static bool make_draft(Making *making, Draft *draft, GError **error)
{
    bool is_folder = making->spec->target.format == IMAGE_FORMAT_DIR;
    bool ok = is_folder ? draft_create_folder(making->folder->fd, MODE_DEFAULT, draft, error)
                        : draft_create(making->folder->fd, MODE_DEFAULT, draft, error);

    making->fd = draft->fd;
    return ok && set_nocow(making, error) &&
           file_set_owner(making->fd, making->path, &making->spec->target.permissions, error) &&
           making->fill(making, error) && set_permissions(making, error);
}

static bool make_once(Making *making, VolumeState *ret, GError **error)
{
    const Permissions *owner = &making->spec->target.permissions;
    autoacting Acting acting = {false};
    autodraft Draft draft = DRAFT_INIT;
    g_auto(VolumeState) state = {0};

    if (making->as_owner)
        acting_begin(owner->uid, owner->gid, &acting);
    if (!make_draft(making, &draft, error) || !describe_draft(making, &draft, &state, error) ||
        !operation_check(making->op, error) || !publish(making, &draft, error))
        return false;
    *ret = state;
    state = (VolumeState){0};
    return true;
}

static bool make(Making *making, VolumeState *ret, GError **error)
{
    g_autoptr(GError) refusal = NULL;

    if (make_once(making, ret, &refusal))
        return true;
    making->as_owner = acting_may_help(error_errno(refusal), making->spec->target.permissions.uid);
    if (making->as_owner)
        return make_once(making, ret, error);
    g_propagate_error(error, g_steal_pointer(&refusal));
    return false;
}

bool folder_make(Making *making, VolumeState *ret, GError **error)
{
    autofolder Folder folder = {.fd = -1};

    if (!folder_check_spec(making, error) || !entry_name_check(making->spec->name, error) ||
        !folder_open(making->pool, &folder, error))
        return false;
    g_autofree char *path = folder_entry_path(&folder, making->spec->name);
    making->folder = &folder;
    making->path = path;
    return check_is_new(making, error) && make(making, ret, error);
}
