/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "partition-gpt.h"

#include "errors.h"
#include "fd.h"
#include "reader.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Places in a header. Source: UEFI 2.10, table 5.5. */
#define SIGNATURE        "EFI PART"
#define HEADER_SIZE_AT   12u
#define HEADER_SUM_AT    16u
#define OWN_PLACE_AT     24u
#define OTHER_PLACE_AT   32u
#define BOUNDS_AT        40u /* first and last usable sector, the disk's GUID */
#define BOUNDS_SIZE      32u
#define ENTRIES_PLACE_AT 72u
#define ENTRY_COUNT_AT   80u
#define ENTRY_SIZE_AT    84u
#define ENTRIES_SUM_AT   88u
#define HEADER_SIZE_MIN  92u

typedef struct GptCopy {
    guint64 other_place; /* sector of the other copy's header */
    guint8 bounds[BOUNDS_SIZE];
    guint32 entries_sum; /* as the header has it */
    guint32 real_sum;    /* of the entries that are there */
} GptCopy;

/* CRC-32 of ISO 3309, which is GPT's. */
static guint32 checksum(const guint8 *bytes, gsize length)
{
    guint32 sum = G_MAXUINT32;

    for (gsize i = 0; i < length; i++) {
        sum ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            sum = (sum >> 1) ^ (sum & 1 ? 0xedb88320u : 0);
    }
    return ~sum;
}

/* The sum is made with zeros in its own place. */
static bool is_header_sound(Reader *reader, guint64 offset, guint64 sector)
{
    guint32 size = 0, sum = 0;

    if (!reader_matches(reader, offset, SIGNATURE, strlen(SIGNATURE)) ||
        !reader_le32(reader, offset + HEADER_SIZE_AT, &size) || size < HEADER_SIZE_MIN ||
        size > sector || !reader_le32(reader, offset + HEADER_SUM_AT, &sum))
        return false;
    const guint8 *bytes = reader_bytes(reader, offset, size);
    if (!bytes)
        return false;
    g_autofree guint8 *header = g_memdup2(bytes, size);
    memset(header + HEADER_SUM_AT, 0, sizeof sum);
    return checksum(header, size) == sum;
}

static bool sum_entries(Reader *reader, guint64 offset, guint64 sector, guint32 *ret)
{
    guint64 place = 0;
    guint32 count = 0, size = 0;

    if (!reader_le64(reader, offset + ENTRIES_PLACE_AT, &place) ||
        !reader_le32(reader, offset + ENTRY_COUNT_AT, &count) ||
        !reader_le32(reader, offset + ENTRY_SIZE_AT, &size) || place > reader->size / sector ||
        (guint64)count * size > READER_WINDOW_MAX)
        return false;
    gsize length = (gsize)count * size;
    const guint8 *entries = reader_bytes(reader, place * sector, length);
    if (!entries)
        return false;
    *ret = checksum(entries, length);
    return true;
}

/* False unless the header at that sector is sound. */
static bool read_copy(Reader *reader, guint64 place, guint64 sector, GptCopy *ret)
{
    guint64 own_place = 0;

    if (place > reader->size / sector)
        return false;
    guint64 offset = place * sector;
    if (!is_header_sound(reader, offset, sector) ||
        !reader_le64(reader, offset + OWN_PLACE_AT, &own_place) || own_place != place ||
        !reader_le64(reader, offset + OTHER_PLACE_AT, &ret->other_place) ||
        !reader_le32(reader, offset + ENTRIES_SUM_AT, &ret->entries_sum))
        return false;
    const guint8 *bounds = reader_bytes(reader, offset + BOUNDS_AT, BOUNDS_SIZE);
    if (!bounds)
        return false;
    memcpy(ret->bounds, bounds, BOUNDS_SIZE);
    return sum_entries(reader, offset, sector, &ret->real_sum);
}

static bool is_whole(const GptCopy *copy)
{
    return copy->real_sum == copy->entries_sum;
}

/* After which of the four places the writer ended. */
static bool is_half_written(const GptCopy *primary, const GptCopy *backup)
{
    if (is_whole(primary) && is_whole(backup)) /* the backup alone is new */
        return primary->entries_sum != backup->entries_sum;
    if (is_whole(primary)) /* only the backup's entries are */
        return primary->entries_sum == backup->entries_sum;
    /* only the primary's header is old */
    return is_whole(backup) && primary->real_sum == backup->real_sum;
}

/* The first sector, as of UEFI 2.10, table 5.4. */
#define MBR_ENTRIES_AT  446u
#define MBR_ENTRY_SIZE  16u
#define MBR_ENTRY_COUNT 4u
#define MBR_TYPE_AT     4u
#define MBR_UNUSED      0u
#define MBR_PROTECTIVE  0xeeu

static bool keeps_others_off(guint8 type)
{
    return type == MBR_UNUSED || type == MBR_PROTECTIVE;
}

char *partition_gpt_contradiction(const PartitionTable *table)
{
    guint8 sector[512] = {0};

    if (fd_read_at(table->fd, sector, sizeof sector, 0) != sizeof sector)
        return NULL;
    for (guint i = 0; i < MBR_ENTRY_COUNT; i++)
        if (!keeps_others_off(sector[MBR_ENTRIES_AT + i * MBR_ENTRY_SIZE + MBR_TYPE_AT]))
            return g_strdup_printf("its MBR is a hybrid one, whose partition %u a change of the "
                                   "gpt would not reach; make it a protective one first",
                                   i + 1);
    return NULL;
}

/* The last sector has it, however large sectors are. */
bool partition_gpt_backup_detect(int fd, const char *device, bool *ret, GError **error)
{
    static const guint16 sectors[] = {512, 4096};
    off_t size = lseek(fd, 0, SEEK_END);
    char found[sizeof SIGNATURE - 1];

    *ret = false;
    for (guint i = 0; i < G_N_ELEMENTS(sectors) && size > sectors[i] && !*ret; i++) {
        if (fd_read_at(fd, found, sizeof found, (guint64)size - sectors[i]) < 0)
            return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot read the end of '%s'",
                                   device);
        *ret = memcmp(found, SIGNATURE, sizeof found) == 0;
    }
    return size >= 0 || error_set_errno(error, ORIGIN_STORAGE, errno,
                                        "cannot find out the size of '%s'", device);
}

#define PRIMARY_PLACE 1u

bool partition_gpt_is_torn(const PartitionTable *table)
{
    g_auto(Reader) reader = {0};
    GptCopy primary = {0}, backup = {0};
    off_t size = lseek(table->fd, 0, SEEK_END);

    if (size <= 0)
        return false;
    reader_init_fd(&reader, table->fd, (guint64)size);
    return read_copy(&reader, PRIMARY_PLACE, table->sector, &primary) &&
           read_copy(&reader, primary.other_place, table->sector, &backup) &&
           backup.other_place == PRIMARY_PLACE &&
           memcmp(primary.bounds, backup.bounds, BOUNDS_SIZE) == 0 &&
           is_half_written(&primary, &backup);
}
