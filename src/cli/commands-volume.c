/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

#include "document.h"
#include "lookup.h"
#include "print.h"
#include "progress.h"
#include "report.h"
#include "size.h"
#include "volume-list.h"

/* ---- making ---- */

static const FlagBit create_bits[] = {
    {"prealloc-metadata", CISTERN_VOLUME_CREATE_PREALLOC_METADATA},
    {"validate", CISTERN_VOLUME_CREATE_VALIDATE},
    {NULL},
};

static int create_volume(Call *call, CisternPool *pool, const char *xml, const char *origin)
{
    progress_begin(call, "creating a volume");
    g_autoptr(CisternVolume) volume =
        cistern_volume_create(pool, xml, call_flags(call, create_bits));
    progress_end(call);
    if (!volume)
        return report_failure(call);
    return print_volume_done(call, volume, "created", "Vol %s created%s%s",
                             cistern_volume_name(volume), origin ? " from " : "",
                             origin ? origin : "");
}

int run_vol_create(Call *call)
{
    g_autoptr(CisternPool) pool = lookup_call_pool(call);
    if (!pool)
        return report_failure(call);
    g_autofree char *xml = document_read(call, "file");
    return xml ? create_volume(call, pool, xml, call_text(call, "file")) : STATUS_FAILED;
}

/* The path of the volume to be an overlay on. */
static char *backing_path(const Call *call, CisternPool *pool)
{
    g_autoptr(CisternVolume) volume = lookup_volume(call, pool, call_text(call, "backing-vol"));
    if (!volume && cistern_last_error()->code == CISTERN_ERROR_NO_VOLUME)
        volume = lookup_volume(call, NULL, call_text(call, "backing-vol"));
    return volume ? cistern_volume_path(volume) : NULL;
}

int run_vol_create_as(Call *call)
{
    if (!document_check_text(call))
        return STATUS_USAGE;
    g_autoptr(CisternPool) pool = lookup_call_pool(call);
    if (!pool)
        return report_failure(call);
    g_autofree char *path = NULL;
    if (call_flag(call, "backing-vol")) {
        path = backing_path(call, pool);
        if (!path)
            return report_failure(call);
    }
    g_autofree char *xml = document_volume(call, path);
    return call_flag(call, "print-xml") ? document_print(call, xml)
                                        : create_volume(call, pool, xml, NULL);
}

/* Copies `source` into a new volume; `done` stands between their names in the message. */
static int copy_volume(Call *call, CisternPool *pool, const char *xml, CisternVolume *source,
                       unsigned int flags, const char *done)
{
    progress_begin(call, "copying volume %s", cistern_volume_name(source));
    g_autoptr(CisternVolume) volume = cistern_volume_create_from(pool, xml, source, flags);
    progress_end(call);
    if (!volume)
        return report_failure(call);
    return print_volume_done(call, volume, "created", "Vol %s %s %s", cistern_volume_name(volume),
                             done, cistern_volume_name(source));
}

static const FlagBit clone_bits[] = {
    {"prealloc-metadata", CISTERN_VOLUME_CREATE_PREALLOC_METADATA},
    {"reflink", CISTERN_VOLUME_CREATE_REFLINK},
    {NULL},
};

int run_vol_create_from(Call *call)
{
    static const FlagBit validate_bit[] = {{"validate", CISTERN_VOLUME_CREATE_VALIDATE}, {NULL}};
    const char *input = call_text(call, "inputpool");
    g_autoptr(CisternPool) pool = lookup_call_pool(call);
    g_autoptr(CisternPool) input_pool = pool && input ? lookup_pool(call, input) : NULL;
    if (!pool || (input && !input_pool))
        return report_failure(call);
    g_autofree char *xml = document_read(call, "file");
    if (!xml)
        return STATUS_FAILED;
    g_autoptr(CisternVolume) source = lookup_volume(call, input_pool, call_text(call, "vol"));
    if (!source && !input) /* a name alone is looked for in the pool of the new volume */
        source = lookup_volume(call, pool, call_text(call, "vol"));
    if (!source)
        return report_failure(call);
    unsigned int flags = call_flags(call, clone_bits) | call_flags(call, validate_bit);
    return copy_volume(call, pool, xml, source, flags, "created from input vol");
}

int run_vol_clone(Call *call)
{
    if (!document_check_text(call))
        return STATUS_USAGE;
    g_autoptr(CisternVolume) source = lookup_call_volume(call);
    g_autoptr(CisternPool) pool = source ? cistern_find_pool_of_volume(source) : NULL;
    g_autofree char *source_xml = pool ? cistern_volume_xml(source, 0) : NULL;
    if (!source_xml)
        return report_failure(call);
    g_autofree char *xml = document_rename_volume(source_xml, call_text(call, "newname"));
    if (!xml)
        return report_trouble(call, "the document of volume '%s' has no name to replace",
                              cistern_volume_name(source));
    if (call_flag(call, "print-xml"))
        return document_print(call, xml);
    return copy_volume(call, pool, xml, source, call_flags(call, clone_bits), "cloned from");
}

/* ---- changing ---- */

int run_vol_delete(Call *call)
{
    static const FlagBit bits[] = {{"delete-snapshots", CISTERN_VOLUME_DELETE_WITH_SNAPSHOTS},
                                   {NULL}};
    g_autoptr(CisternVolume) volume = lookup_call_volume(call);
    if (!volume)
        return report_failure(call);
    progress_begin(call, "deleting volume %s", cistern_volume_name(volume));
    int result = cistern_volume_delete(volume, call_flags(call, bits));
    progress_end(call);
    if (result < 0)
        return report_failure(call);
    return print_volume_done(call, volume, "deleted", "Vol %s deleted",
                             cistern_volume_name(volume));
}

/* "-5G" says the same as "5G" where --delta --shrink says so already. */
static bool check_resize_sign(const Call *call)
{
    bool negative = call_text(call, "capacity")[0] == '-';
    return !negative || (call_flag(call, "delta") && call_flag(call, "shrink"));
}

int run_vol_resize(Call *call)
{
    static const FlagBit bits[] = {{"allocate", CISTERN_VOLUME_RESIZE_ALLOCATE},
                                   {"delta", CISTERN_VOLUME_RESIZE_DELTA},
                                   {"shrink", CISTERN_VOLUME_RESIZE_SHRINK},
                                   {NULL}};
    if (!check_resize_sign(call))
        return report_usage(call, "a negative size needs --delta and --shrink beside it");
    g_autoptr(CisternVolume) volume = lookup_call_volume(call);
    if (!volume)
        return report_failure(call);
    guint64 capacity = 0;
    call_size(call, "capacity", &capacity);
    progress_begin(call, "resizing volume %s", cistern_volume_name(volume));
    int result = cistern_volume_resize(volume, capacity, call_flags(call, bits));
    progress_end(call);
    if (result < 0)
        return report_failure(call);
    return print_volume_done(call, volume, "resized",
                             "Size of volume '%s' successfully changed %s %s",
                             cistern_volume_name(volume), call_flag(call, "delta") ? "by" : "to",
                             call_text(call, "capacity"));
}

int run_vol_wipe(Call *call)
{
    g_autoptr(CisternVolume) volume = lookup_call_volume(call);
    if (!volume)
        return report_failure(call);
    unsigned int algorithm = (unsigned int)call_word(call, "algorithm", CISTERN_WIPE_ZERO);
    progress_begin(call, "wiping volume %s", cistern_volume_name(volume));
    int result = cistern_volume_wipe(volume, algorithm, 0);
    progress_end(call);
    if (result < 0)
        return report_failure(call);
    return print_volume_done(call, volume, "wiped", "Vol %s wiped", cistern_volume_name(volume));
}

/* ---- reading ---- */

int run_vol_dumpxml(Call *call)
{
    g_autoptr(CisternVolume) volume = lookup_call_volume(call);
    g_autofree char *xml = volume ? cistern_volume_xml(volume, 0) : NULL;
    return xml ? document_print(call, xml) : report_failure(call);
}

int run_vol_disk(Call *call)
{
    static const FlagBit bits[] = {{"readonly", CISTERN_DISK_READ_ONLY}, {NULL}};
    g_autoptr(CisternVolume) volume = lookup_call_volume(call);
    g_autofree char *xml =
        volume ? cistern_volume_disk(volume, call_text(call, "device"), call_text(call, "bus"),
                                     call_text(call, "target"), call_flags(call, bits))
               : NULL;
    return xml ? document_print(call, xml) : report_failure(call);
}

static json_t *info_json(const Call *call, CisternVolume *volume, const CisternVolumeInfo *info)
{
    json_t *object = json_object();
    json_set_text(object, "name", cistern_volume_name(volume));
    json_set_text(object, "pool", cistern_volume_pool_name(volume));
    json_set_text(object, "type", volume_type_word(info->type));
    json_set_size(object, "capacity", info->capacity);
    json_set_size(object, call_flag(call, "physical") ? "physical" : "allocation",
                  info->allocation);
    return object;
}

int run_vol_info(Call *call)
{
    static const FlagBit bits[] = {{"physical", CISTERN_VOLUME_INFO_PHYSICAL}, {NULL}};
    g_autoptr(CisternVolume) volume = lookup_call_volume(call);
    CisternVolumeInfo info = {0};
    if (!volume || cistern_volume_info(volume, &info, call_flags(call, bits)) < 0)
        return report_failure(call);
    if (call->json)
        return json_print(info_json(call, volume, &info));
    bool bytes = call_flag(call, "bytes");
    g_autofree char *capacity = size_text(info.capacity, bytes);
    g_autofree char *allocation = size_text(info.allocation, bytes);
    print_field("Name", cistern_volume_name(volume));
    print_field("Type", volume_type_word(info.type));
    print_field("Capacity", capacity);
    print_field(call_flag(call, "physical") ? "Physical" : "Allocation", allocation);
    putchar('\n');
    return STATUS_OK;
}

int run_vol_key(Call *call)
{
    g_autoptr(CisternVolume) volume = lookup_call_volume(call);
    return volume ? print_value(call, "key", cistern_volume_key(volume)) : report_failure(call);
}

int run_vol_path(Call *call)
{
    g_autoptr(CisternVolume) volume = lookup_call_volume(call);
    g_autofree char *path = volume ? cistern_volume_path(volume) : NULL;
    return path ? print_value(call, "path", path) : report_failure(call);
}

int run_vol_name(Call *call)
{
    g_autoptr(CisternVolume) volume = lookup_volume(call, NULL, call_text(call, "vol"));
    return volume ? print_value(call, "name", cistern_volume_name(volume)) : report_failure(call);
}

int run_vol_pool(Call *call)
{
    g_autoptr(CisternVolume) volume = lookup_volume(call, NULL, call_text(call, "vol"));
    g_autoptr(CisternPool) pool = volume ? cistern_find_pool_of_volume(volume) : NULL;
    if (!pool)
        return report_failure(call);
    return call_flag(call, "uuid") ? print_value(call, "uuid", cistern_pool_uuid(pool))
                                   : print_value(call, "pool", cistern_pool_name(pool));
}
