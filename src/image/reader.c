/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader.h"

#include <errno.h>
#include <string.h>

#include "fd.h"

/* The block arrays are left as they are: a scan makes one reader per file. */
static void init(Reader *reader, int fd, guint64 size)
{
    reader->fd = fd;
    reader->size = size;
    reader->head = reader->head_block;
    reader->head_length = 0;
    reader->far_offset = 0;
    reader->far_length = 0;
    reader->far = reader->far_block;
    reader->errnum = 0;
}

/* Bytes read, which may be fewer; 0 after a failure. */
static gsize fetch(Reader *reader, guint8 *buffer, gsize length, guint64 offset)
{
    if (reader->fd < 0)
        return 0;
    ssize_t got = fd_read_at(reader->fd, buffer, length, offset);
    if (got >= 0)
        return (gsize)got;
    reader->errnum = errno;
    return 0;
}

void reader_init_fd(Reader *reader, int fd, guint64 size)
{
    init(reader, fd, size);
    reader->head_length = fetch(reader, reader->head_block, MIN(size, READER_HEAD), 0);
}

void reader_init_buffer(Reader *reader, const guint8 *bytes, gsize length, guint64 size)
{
    init(reader, -1, size);
    reader->head = bytes;
    reader->head_length = MIN(length, size);
}

static void drop_far(Reader *reader)
{
    if (reader->far != reader->far_block)
        g_free(reader->far);
    reader->far = reader->far_block;
    reader->far_length = 0;
}

void reader_clear(Reader *reader)
{
    drop_far(reader);
}

static bool within(guint64 start, gsize size, guint64 offset, gsize length)
{
    return offset >= start && offset - start <= size && length <= size - (offset - start);
}

/* Moves the second window so that it holds what is asked for. */
static bool load_far(Reader *reader, guint64 offset, gsize length)
{
    gsize want = MAX(length, sizeof(reader->far_block));

    drop_far(reader);
    if (length > READER_WINDOW_MAX)
        return false;
    want = MIN(want, reader->size - offset);
    if (want > sizeof(reader->far_block))
        reader->far = g_malloc(want);
    reader->far_offset = offset;
    reader->far_length = fetch(reader, reader->far, want, offset);
    return length <= reader->far_length;
}

const guint8 *reader_bytes(Reader *reader, guint64 offset, gsize length)
{
    if (!within(0, reader->size, offset, length))
        return NULL;
    if (within(0, reader->head_length, offset, length))
        return reader->head + offset;
    if (within(reader->far_offset, reader->far_length, offset, length) ||
        load_far(reader, offset, length))
        return reader->far + (offset - reader->far_offset);
    return NULL;
}

const guint8 *reader_upto(Reader *reader, guint64 offset, gsize length, gsize *ret_length)
{
    guint64 end = reader->fd < 0 ? reader->head_length : reader->size;

    *ret_length = offset < end ? MIN(length, end - offset) : 0;
    const guint8 *bytes = reader_bytes(reader, offset, *ret_length);
    if (!bytes)
        *ret_length = 0;
    return bytes;
}

bool reader_matches(Reader *reader, guint64 offset, const char *bytes, gsize length)
{
    const guint8 *found = reader_bytes(reader, offset, length);
    return found && memcmp(found, bytes, length) == 0;
}

/* Images keep numbers at any address, so they are copied out before they are swapped. */
#define DEFINE_LOAD(name, type, from)                                                              \
    bool reader_##name(Reader *reader, guint64 offset, type *ret)                                  \
    {                                                                                              \
        const guint8 *bytes = reader_bytes(reader, offset, sizeof(*ret));                          \
        type value;                                                                                \
        if (!bytes)                                                                                \
            return false;                                                                          \
        memcpy(&value, bytes, sizeof(value));                                                      \
        *ret = from(value);                                                                        \
        return true;                                                                               \
    }

DEFINE_LOAD(u8, guint8, )
DEFINE_LOAD(be16, guint16, GUINT16_FROM_BE)
DEFINE_LOAD(be32, guint32, GUINT32_FROM_BE)
DEFINE_LOAD(be64, guint64, GUINT64_FROM_BE)
DEFINE_LOAD(le16, guint16, GUINT16_FROM_LE)
DEFINE_LOAD(le32, guint32, GUINT32_FROM_LE)
DEFINE_LOAD(le64, guint64, GUINT64_FROM_LE)

bool reader_string(Reader *reader, guint64 offset, gsize length, char **ret)
{
    const guint8 *bytes = reader_bytes(reader, offset, length);
    if (!bytes)
        return false;
    *ret = g_strndup((const char *)bytes, length);
    return true;
}
