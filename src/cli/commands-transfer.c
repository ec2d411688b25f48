/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

#include "download-target.h"
#include "lookup.h"
#include "print.h"
#include "progress.h"
#include "report.h"
#include "terminal.h"
#include "upload-source.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Uploads and downloads. */

/* Before one goes on, so much of what is there already is compared. */
#define TAIL_MAX ((guint64)1 << 20)
/* After a connection broke, the daemon may see it a little later. */
#define RESUME_PATIENCE (10 * G_TIME_SPAN_SECOND)
#define RESUME_PAUSE    (G_TIME_SPAN_SECOND / 10)

/* What the arguments ask for. */
typedef struct Range {
    guint64 offset; /* bytes from the start of the volume */
    guint64 length; /* 0: to the end */
    guint64 kept;   /* bytes of it that are there already */
    unsigned int flags;
} Range;

static Range asked_range(const Call *call)
{
    static const FlagBit bits[] = {{"sparse", CISTERN_STREAM_SPARSE}, {NULL}};
    Range range = {.flags = call_flags(call, bits)};
    call_size(call, "offset", &range.offset);
    call_size(call, "length", &range.length);
    return range;
}

static int print_moved(const Call *call, CisternVolume *volume, const char *result,
                       const Range *range, guint64 bytes)
{
    if (!call->json)
        return report_done(call, "Vol %s %s", cistern_volume_name(volume), result);
    json_t *object = volume_done_json(volume, result);
    json_set_size(object, "offset", range->offset);
    json_set_size(object, "bytes", bytes);
    json_set_size(object, "kept", range->kept);
    return json_print(object);
}

/* The bytes of a file or device, 0 where that can't be told. */
static guint64 physical_size(CisternVolume *volume, CisternVolumeInfo *ret)
{
    return cistern_volume_info(volume, ret, CISTERN_VOLUME_INFO_PHYSICAL) == 0 ? ret->allocation
                                                                               : 0;
}

/* ---- what is there already ---- */

typedef struct Comparison {
    const guint8 *expected;
    gsize size, at;
    bool differs;
} Comparison;

static int compare_piece(const void *bytes, size_t size, void *data)
{
    Comparison *comparison = data;
    if (size > comparison->size - comparison->at ||
        memcmp(comparison->expected + comparison->at, bytes, size) != 0) {
        comparison->differs = true;
        return -1;
    }
    comparison->at += size;
    return 0;
}

/* Whether the volume holds the same bytes up to `end`. Returns an exit status. */
static int check_tail(const Call *call, CisternVolume *volume, guint64 end, const guint8 *tail,
                      gsize size, const char *refusal)
{
    const CisternStreamSink sink = {compare_piece, NULL};
    Comparison comparison = {.expected = tail, .size = size};
    if (size == 0)
        return STATUS_OK;
    int result = cistern_volume_download(volume, end - size, size, 0, &sink, &comparison);
    if (progress_interrupted())
        return report_interrupted(call, NULL);
    if (comparison.differs || (result == 0 && comparison.at < size))
        return report_trouble(call, "%s", refusal);
    return result == 0 ? STATUS_OK : report_failure(call);
}

/* ---- upload: where to begin ---- */

static bool may_end_soon(void)
{
    return cistern_last_error()->code == CISTERN_ERROR_OPERATION_INVALID;
}

static int find_resume_point(const Call *call, CisternVolume *volume, CisternResumePoint *ret)
{
    gint64 end = g_get_monotonic_time() + RESUME_PATIENCE;
    while (cistern_volume_resume_point(volume, ret) < 0) {
        if (progress_interrupted())
            return report_interrupted(call, NULL);
        if (cistern_last_error()->code == CISTERN_ERROR_NO_SUPPORT)
            return report_failure_hint(
                call, "only cisternd knows how far an upload came: upload without --continue");
        if (!may_end_soon() || g_get_monotonic_time() >= end)
            return report_failure(call);
        g_usleep(RESUME_PAUSE);
    }
    return STATUS_OK;
}

static int skip_failure(const Call *call, const UploadSource *source)
{
    if (progress_interrupted())
        return report_interrupted(call, NULL);
    if (source->ended_soon)
        return report_trouble(call,
                              "'%s' has fewer bytes than came already: it is another source; "
                              "upload without --continue",
                              source->name);
    return report_trouble(call, "can't read '%s': %s", source->name, g_strerror(source->failure));
}

/* What an upload that broke off has brought is passed over in the source. */
static int go_on_uploading(const Call *call, CisternVolume *volume, UploadSource *source,
                           Range *range)
{
    CisternResumePoint point = {0};
    int status = find_resume_point(call, volume, &point);
    if (status != STATUS_OK)
        return status;
    if (point.done == 0) {
        report_note(call, "nothing is known of an upload that broke off: it begins anew");
        return STATUS_OK;
    }
    if (point.offset != range->offset)
        return report_trouble(call,
                              "the upload that broke off began at offset %" G_GUINT64_FORMAT
                              ": give the same --offset, or upload without --continue",
                              (guint64)point.offset);
    if (range->length > 0 && point.done > range->length)
        return report_trouble(call, "%" G_GUINT64_FORMAT " bytes came already, more than --length",
                              (guint64)point.done);
    gsize tail_size = (gsize)MIN(point.done, TAIL_MAX);
    g_autofree guint8 *tail = g_malloc(tail_size);
    if (!upload_source_skip(source, point.done, tail, tail_size))
        return skip_failure(call, source);
    range->kept = point.done;
    return check_tail(call, volume, point.offset + point.done, tail, tail_size,
                      "what came already is not what the source holds: it is another source; "
                      "upload without --continue");
}

/* ---- upload ---- */

/* A file or device must have what is asked for. */
static int check_source(const Call *call, const UploadSource *source, const Range *range)
{
    guint64 available = source->size - source->position;
    if (!source->seekable || range->length <= available)
        return STATUS_OK;
    return report_trouble(call, "'%s' has %" G_GUINT64_FORMAT " bytes, fewer than --length",
                          source->name, available);
}

/* What doesn't fit into a device is refused before anything of it is overwritten. */
static int check_room(const Call *call, CisternVolume *volume, const UploadSource *source,
                      const Range *range)
{
    CisternVolumeInfo info = {0};
    guint64 size = physical_size(volume, &info);
    guint64 wanted = range->length      ? range->length
                     : source->seekable ? source->size - source->position
                                        : 0;
    if (size == 0 || info.type == CISTERN_VOLUME_FILE ||
        (range->offset <= size && wanted <= size - range->offset))
        return STATUS_OK;
    return report_trouble(call,
                          "volume '%s' has %" G_GUINT64_FORMAT
                          " bytes, too few for %" G_GUINT64_FORMAT " at offset %" G_GUINT64_FORMAT,
                          cistern_volume_name(volume), size, wanted, range->offset);
}

static int upload_failure(const Call *call, const UploadSource *source, bool moved)
{
    const char *hint = moved ? "with --continue it goes on there" : NULL;
    if (progress_interrupted())
        return report_interrupted(call, hint);
    if (source->ended_soon)
        return report_trouble(call, "'%s' ended %" G_GUINT64_FORMAT " bytes too soon%s%s",
                              source->name, source->left, hint ? "; " : "", hint ? hint : "");
    if (source->failure)
        return report_trouble(call, "can't read '%s': %s%s%s", source->name,
                              g_strerror(source->failure), hint ? "; " : "", hint ? hint : "");
    return report_failure_hint(call, hint);
}

static int upload(const Call *call, CisternVolume *volume, UploadSource *source, const Range *range)
{
    guint64 begin = source->position;
    if (range->length > 0)
        source->left = range->length - range->kept;
    else if (source->seekable)
        source->left = source->size - source->position;
    guint64 length = source->left != G_MAXUINT64 ? source->left : 0;
    progress_begin(call, "uploading to volume %s", cistern_volume_name(volume));
    int result = cistern_volume_upload(volume, range->offset + range->kept, length, range->flags,
                                       &upload_source_calls, source);
    progress_end(call);
    guint64 moved = source->position - begin;
    if (result < 0)
        return upload_failure(call, source, range->kept + moved > 0);
    return print_moved(call, volume, "uploaded", range, moved);
}

int run_vol_upload(Call *call)
{
    Range range = asked_range(call);
    g_auto(UploadSource) source = {.fd = -1};
    if (!upload_source_open(&source, call_text(call, "file")))
        return report_trouble(call, "can't read '%s': %s", source.name, g_strerror(errno));
    g_autoptr(CisternVolume) volume = lookup_call_volume(call);
    if (!volume)
        return report_failure(call);
    int status = check_source(call, &source, &range);
    if (status == STATUS_OK)
        status = check_room(call, volume, &source, &range);
    if (status == STATUS_OK && call_flag(call, "continue"))
        status = go_on_uploading(call, volume, &source, &range);
    return status == STATUS_OK ? upload(call, volume, &source, &range) : status;
}

/* ---- download ---- */

static int open_failure(const Call *call, const DownloadTarget *target)
{
    const char *why = errno == EBUSY    ? "another download is filling its .part file"
                      : errno == ESPIPE ? "--continue needs a file"
                      : errno == EEXIST ? "its .part file is not one of ours"
                                        : g_strerror(errno);
    return report_trouble(call, "can't write '%s': %s", target->name, why);
}

static int go_on_downloading(const Call *call, CisternVolume *volume, DownloadTarget *target,
                             Range *range)
{
    gsize tail_size = (gsize)MIN(target->position, TAIL_MAX);
    g_autofree guint8 *tail = g_malloc(tail_size);
    range->kept = target->position;
    if (range->length > 0 && range->kept > range->length)
        return report_trouble(call, "'%s' has %" G_GUINT64_FORMAT " bytes, more than --length",
                              target->part, range->kept);
    if (!download_target_tail(target, tail, tail_size))
        return report_trouble(call, "can't read '%s': %s", target->part, g_strerror(errno));
    g_autofree char *refusal =
        g_strdup_printf("'%s' does not hold what the volume has there, which may have changed; "
                        "download without --continue",
                        target->part);
    return check_tail(call, volume, range->offset + range->kept, tail, tail_size, refusal);
}

static int download_failure(const Call *call, const DownloadTarget *target)
{
    g_autofree char *hint =
        target->part && target->position > 0
            ? g_strdup_printf("what came is in '%s', --continue goes on there", target->part)
            : NULL;
    if (progress_interrupted())
        return report_interrupted(call, hint);
    if (target->failure)
        return report_trouble(call, "can't write '%s': %s%s%s", target->name,
                              g_strerror(target->failure), hint ? "; " : "", hint ? hint : "");
    return report_failure_hint(call, hint);
}

/* 0 bytes can't be asked for, that would be all. */
static int move_down(const Call *call, CisternVolume *volume, DownloadTarget *target,
                     const Range *range)
{
    CisternVolumeInfo info = {0};
    guint64 size = physical_size(volume, &info);
    guint64 begin = range->offset + range->kept;
    guint64 length = range->length - (range->length > 0 ? range->kept : 0);
    if (range->length > 0 && length == 0)
        return 0;
    progress_begin(call, "downloading volume %s", cistern_volume_name(volume));
    progress_expect(size > begin ? size - begin : 0);
    int result = cistern_volume_download(volume, begin, length, range->flags,
                                         &download_target_calls, target);
    progress_end(call);
    return result;
}

static int download(const Call *call, CisternVolume *volume, DownloadTarget *target,
                    const Range *range, bool silent)
{
    guint64 begin = target->position;
    if (move_down(call, volume, target, range) < 0)
        return download_failure(call, target);
    guint64 moved = target->position - begin;
    if (!download_target_finish(target))
        return report_trouble(call, "can't write '%s': %s", target->name, g_strerror(errno));
    if (target->unsettled)
        report_note(call, "'%s' may be as before after a power failure: %s", target->name,
                    g_strerror(target->unsettled));
    return silent ? STATUS_OK : print_moved(call, volume, "downloaded", range, moved);
}

/* Whether the data goes where the messages go: "-", or another name of that file (/dev/stdout).
 * What a device like /dev/null takes is nobody's mixture. */
static bool goes_to_output(const char *file)
{
    struct stat output, target;
    if (strcmp(file, "-") == 0)
        return true;
    return fstat(STDOUT_FILENO, &output) == 0 && stat(file, &target) == 0 &&
           output.st_dev == target.st_dev && output.st_ino == target.st_ino &&
           (!S_ISCHR(output.st_mode) || terminal_on_output());
}

/* Why the data can't go to standard output, or NULL. */
static const char *output_problem(const Call *call)
{
    return call->json             ? "-o json prints where the data goes: download to a file"
           : terminal_on_output() ? "the data does not go to a terminal: redirect the output"
                                  : NULL;
}

int run_vol_download(Call *call)
{
    Range range = asked_range(call);
    bool go_on = call_flag(call, "continue");
    bool to_output = goes_to_output(call_text(call, "file"));
    if (to_output && output_problem(call))
        return report_usage(call, output_problem(call));
    g_autoptr(CisternVolume) volume = lookup_call_volume(call);
    if (!volume)
        return report_failure(call);
    g_auto(DownloadTarget) target = {.fd = -1};
    if (!download_target_open(&target, call_text(call, "file"), go_on))
        return open_failure(call, &target);
    int status = go_on ? go_on_downloading(call, volume, &target, &range) : STATUS_OK;
    return status == STATUS_OK ? download(call, volume, &target, &range, to_output) : status;
}
