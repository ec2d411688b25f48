/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prober.h"

/*
 * Hyper-V VHDX. The capacity is an item of the metadata region, whose place
 * is in one of two copies of the region table.
 * Source of the layout: Microsoft's [MS-VHDX].
 */

#define REGION_TABLE_1  (192 * 1024)
#define REGION_TABLE_2  (256 * 1024)
#define REGION_SIZE_MIN (1024 * 1024) /* regions are aligned to this too */
#define METADATA_TABLE  (64 * 1024)   /* items lie behind the table */
#define ENTRY_COUNT_MAX 2047
#define ENTRY_SIZE      32
#define GUID_SIZE       16

/* GUIDs as they are stored: the first three fields little-endian. */
static const char metadata_region[] =
    "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e";
static const char virtual_disk_size[] =
    "\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8";

/* Finds the entry of a table that has this GUID; *ret is where what follows the GUID lies. */
static bool find_entry(Reader *reader, guint64 first, guint32 count, const char *guid, guint64 *ret)
{
    if (count > ENTRY_COUNT_MAX)
        return false;
    for (guint32 i = 0; i < count; i++) {
        guint64 entry = first + (guint64)i * ENTRY_SIZE;
        if (reader_matches(reader, entry, guid, GUID_SIZE)) {
            *ret = entry + GUID_SIZE;
            return true;
        }
    }
    return false;
}

static bool find_metadata(Reader *reader, guint64 table, guint64 *ret_start, guint32 *ret_size)
{
    guint32 count;
    guint64 entry;

    return reader_matches(reader, table, "regi", 4) && reader_le32(reader, table + 8, &count) &&
           find_entry(reader, table + 16, count, metadata_region, &entry) &&
           reader_le64(reader, entry, ret_start) && reader_le32(reader, entry + 8, ret_size) &&
           *ret_start >= REGION_SIZE_MIN && *ret_size >= METADATA_TABLE &&
           *ret_start <= reader->size && *ret_size <= reader->size - *ret_start;
}

static bool find_capacity(Reader *reader, guint64 start, guint32 size, guint64 *ret)
{
    guint16 count;
    guint64 entry;
    guint32 offset, length;

    return reader_matches(reader, start, "metadata", 8) &&
           reader_le16(reader, start + 10, &count) &&
           find_entry(reader, start + 32, count, virtual_disk_size, &entry) &&
           reader_le32(reader, entry, &offset) && reader_le32(reader, entry + 4, &length) &&
           offset >= METADATA_TABLE && length == sizeof(*ret) && offset <= size - length &&
           reader_le64(reader, start + offset, ret);
}

static void read_vhdx(Reader *reader, ImageInfo *info)
{
    guint64 start, capacity;
    guint32 size;

    if (!find_metadata(reader, REGION_TABLE_1, &start, &size) &&
        !find_metadata(reader, REGION_TABLE_2, &start, &size))
        image_info_problem(info, "the vhdx region tables name no metadata inside the file");
    else if (!find_capacity(reader, start, size, &capacity))
        image_info_problem(info, "the vhdx metadata holds no valid disk size");
    else
        image_info_set_capacity(info, capacity, 1);
}

const ImageProber vhdx_prober = {
    .format = IMAGE_FORMAT_VHDX,
    IMAGE_MAGIC("vhdxfile"),
    .read = read_vhdx,
};
