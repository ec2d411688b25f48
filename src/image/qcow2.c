/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qcow2.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "errors.h"
#include "fd.h"

/*
 * A fresh image is: header, refcount table, refcount blocks, L1 table, and with
 * preallocation the L2 tables and the data, each at the next cluster. All
 * clusters are in use once, and everything is in order, so every table is an
 * arithmetic sequence. What is zero is left a hole.
 */

#define CLUSTER_DEFAULT      65536
#define CLUSTER_MIN          512
#define CLUSTER_MAX          (2 * 1024 * 1024)
#define EXTENDED_CLUSTER_MIN (16 * 1024)
#define L1_SIZE_MAX          (32 * 1024 * 1024) /* bytes; qemu opens nothing larger */
#define REFTABLE_SIZE_MAX    (8 * 1024 * 1024)
#define BACKING_MAX          1023
#define FORMAT_NAME_MAX      15
#define HEADER_V2            72
#define HEADER_V3            112
#define REFCOUNT_WIDTH       2 /* bytes: 16 bits */
#define COPIED               (1ULL << 63)
#define CHUNK                (256 * 1024) /* bytes per write of long tables */

#define EXTENSION_BACKING_FORMAT 0xe2792aca
#define EXTENSION_FEATURE_NAMES  0x6803f857

/* Bytes that all header extensions and the backing file's name may take at most. */
#define HEADER_ROOM 2048

typedef struct Layout {
    guint64 cluster;  /* bytes */
    gsize l2_width;   /* bytes of an L2 entry */
    guint64 capacity; /* bytes, whole sectors */
    guint64 l1_entries;
    guint64 data, l2_tables, l1, blocks, reftable;         /* clusters of each */
    guint64 total;                                         /* clusters of the file */
    guint64 reftable_at, blocks_at, l1_at, l2_at, data_at; /* bytes */
} Layout;

static guint64 divide_up(guint64 value, guint64 by)
{
    return value / by + (value % by != 0);
}

static guint64 cluster_of(const Qcow2Options *options)
{
    return options->cluster_size ? options->cluster_size : CLUSTER_DEFAULT;
}

static gsize l2_width(const Qcow2Options *options)
{
    return options->extended_l2 ? 16 : 8;
}

/* The refcount structures count themselves: grown until they hold all. */
static void size_refcounts(Layout *layout)
{
    guint64 others = 1 + layout->l1 + layout->l2_tables + layout->data, before;

    do {
        before = layout->total;
        layout->total = others + layout->blocks + layout->reftable;
        layout->blocks = divide_up(layout->total, layout->cluster / REFCOUNT_WIDTH);
        layout->reftable = divide_up(layout->blocks * 8, layout->cluster);
    } while (layout->total != before);
}

static void place(Layout *layout)
{
    layout->reftable_at = layout->cluster;
    layout->blocks_at = layout->reftable_at + layout->reftable * layout->cluster;
    layout->l1_at = layout->blocks_at + layout->blocks * layout->cluster;
    layout->l2_at = layout->l1_at + layout->l1 * layout->cluster;
    layout->data_at = layout->l2_at + layout->l2_tables * layout->cluster;
}

/* Expects a capacity and a cluster size that passed their checks. */
static Layout plan(const Qcow2Options *options)
{
    Layout layout = {.cluster = cluster_of(options), .l2_width = l2_width(options)};
    guint64 l2_entries = layout.cluster / layout.l2_width;

    layout.capacity = divide_up(options->capacity, 512) * 512;
    guint64 clusters = divide_up(layout.capacity, layout.cluster);
    layout.l1_entries = divide_up(clusters, l2_entries);
    layout.l1 = divide_up(layout.l1_entries * 8, layout.cluster);
    if (options->preallocation != QCOW2_PREALLOC_OFF) {
        layout.data = clusters;
        layout.l2_tables = layout.l1_entries;
    }
    size_refcounts(&layout);
    place(&layout);
    return layout;
}

static bool refuse(GError **error, const char *reason)
{
    return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE, "%s", reason);
}

static bool check_version(const Qcow2Options *options, GError **error)
{
    if (options->version != 2 && options->version != 3)
        return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                         "qcow2 version %u can't be written: it is 2 or 3", options->version);
    if (options->version == 2 && options->lazy_refcounts)
        return refuse(error, "lazy_refcounts not supported with compat level 0.10");
    if (options->version == 2 && options->extended_l2)
        return refuse(error, "'extended_l2' not supported with compat level 0.10");
    return true;
}

static bool check_cluster(const Qcow2Options *options, GError **error)
{
    guint64 size = cluster_of(options);

    if (size < CLUSTER_MIN || size > CLUSTER_MAX || (size & (size - 1)) != 0)
        return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                         "a cluster size of %" G_GUINT64_FORMAT
                         " bytes is not possible: it is a power of two between 512 bytes and 2 MiB",
                         size);
    if (options->extended_l2 && size < EXTENDED_CLUSTER_MIN)
        return refuse(error, "extended L2 entries need a cluster size of at least 16 KiB");
    return true;
}

static bool check_capacity(const Qcow2Options *options, GError **error)
{
    guint64 cluster = cluster_of(options);
    guint64 most = (L1_SIZE_MAX / 8) * (cluster / l2_width(options)) * cluster;

    if (options->capacity <= most)
        return true;
    return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                     "a capacity of %" G_GUINT64_FORMAT " bytes is too large for clusters of "
                     "%" G_GUINT64_FORMAT " bytes, which allow %" G_GUINT64_FORMAT
                     ": give a larger cluster size",
                     options->capacity, cluster, most);
}

static bool check_preallocation(const Qcow2Options *options, GError **error)
{
    if (options->preallocation == QCOW2_PREALLOC_OFF)
        return true;
    if (options->backing)
        return refuse(error, "metadata preallocation conflicts with backing store");
    if (plan(options).blocks * 8 > REFTABLE_SIZE_MAX)
        return refuse(error, "the image is too large to be preallocated with this cluster size: "
                             "give a larger cluster size");
    return true;
}

/* The header as it is built up: all of it has to fit into the first cluster. */
typedef struct Header {
    guint8 bytes[HEADER_V3 + HEADER_ROOM];
    gsize length;
} Header;

static void put_be32(Header *header, gsize at, guint32 value)
{
    value = GUINT32_TO_BE(value);
    memcpy(header->bytes + at, &value, sizeof(value));
}

static void put_be64(Header *header, gsize at, guint64 value)
{
    value = GUINT64_TO_BE(value);
    memcpy(header->bytes + at, &value, sizeof(value));
}

/* The header is zeroed, so padding needs no writing. */
static void add_extension(Header *header, guint32 type, const void *data, gsize size)
{
    put_be32(header, header->length, type);
    put_be32(header, header->length + 4, size);
    memcpy(header->bytes + header->length + 8, data, size);
    header->length += 8 + (size + 7) / 8 * 8;
}

typedef struct FeatureName {
    guint8 kind; /* 0 incompatible, 1 compatible, 2 autoclear */
    guint8 bit;
    char name[46];
} FeatureName;

static const FeatureName feature_names[] = {
    {0, 0, "dirty bit"},        {0, 1, "corrupt bit"},         {0, 2, "external data file"},
    {0, 3, "compression type"}, {0, 4, "extended L2 entries"}, {1, 0, "lazy refcounts"},
    {2, 0, "bitmaps"},          {2, 1, "raw external data"},
};
G_STATIC_ASSERT(sizeof(feature_names) == 8 * 48);

/* As qemu does: the names, which are a courtesy, stay out of small clusters. */
static void add_extensions(Header *header, const Qcow2Options *options)
{
    header->length = options->version == 2 ? HEADER_V2 : HEADER_V3;
    if (options->backing)
        add_extension(header, EXTENSION_BACKING_FORMAT, options->backing_format,
                      strlen(options->backing_format));
    if (options->version == 3 && cluster_of(options) - header->length >= 4096)
        add_extension(header, EXTENSION_FEATURE_NAMES, feature_names, sizeof(feature_names));
    header->length += 8; /* the end mark: type 0, length 0 */
}

static bool check_backing(const Qcow2Options *options, GError **error)
{
    Header header = {0};

    if (!options->backing)
        return true;
    if (!options->backing_format || *options->backing_format == '\0')
        return refuse(error, "a backing store needs its format");
    if (strlen(options->backing_format) > FORMAT_NAME_MAX)
        return refuse(error, "the name of the backing store's format is too long");
    add_extensions(&header, options);
    gsize length = strlen(options->backing), room = cluster_of(options) - header.length;
    if (length > 0 && length <= MIN(room, BACKING_MAX))
        return true;
    return error_set(error, ERROR_CONFIG_UNSUPPORTED, ORIGIN_STORAGE,
                     "the backing store's path has %" G_GSIZE_FORMAT
                     " bytes: with this cluster size it may have 1 to %" G_GSIZE_FORMAT,
                     length, MIN(room, BACKING_MAX));
}

bool qcow2_check_options(const Qcow2Options *options, GError **error)
{
    return check_version(options, error) && check_cluster(options, error) &&
           check_capacity(options, error) && check_preallocation(options, error) &&
           check_backing(options, error);
}

static void add_backing(Header *header, const char *backing)
{
    gsize length = strlen(backing);

    put_be64(header, 8, header->length);
    put_be32(header, 16, length);
    memcpy(header->bytes + header->length, backing, length);
    header->length += length;
}

static void build_header(Header *header, const Qcow2Options *options, const Layout *layout)
{
    add_extensions(header, options);
    put_be32(header, 0, 0x514649fb);
    put_be32(header, 4, options->version);
    if (options->backing)
        add_backing(header, options->backing);
    put_be32(header, 20, (guint32)g_bit_nth_lsf(layout->cluster, -1));
    put_be64(header, 24, layout->capacity);
    put_be32(header, 36, layout->l1_entries);
    put_be64(header, 40, layout->l1_entries ? layout->l1_at : 0);
    put_be64(header, 48, layout->reftable_at);
    put_be32(header, 56, layout->reftable);
    if (options->version == 2)
        return;
    put_be64(header, 72, options->extended_l2 ? 1u << 4 : 0);
    put_be64(header, 80, options->lazy_refcounts ? 1 : 0);
    put_be32(header, 96, 4); /* refcount bits: 1 << 4 */
    put_be32(header, 100, HEADER_V3);
}

/* A table whose entry i, `width` bytes wide, holds first + i * step (big-endian, in front). */
typedef struct Sequence {
    guint64 at, count; /* byte offset, entries */
    gsize width;       /* 2, 8 or 16 */
    guint64 first, step;
} Sequence;

static void fill(const Sequence *sequence, guint64 from, gsize count, guint8 *buffer)
{
    memset(buffer, 0, count * sequence->width);
    for (gsize i = 0; i < count; i++) {
        guint64 value = GUINT64_TO_BE(sequence->first + (from + i) * sequence->step);
        gsize size = MIN(sequence->width, sizeof(value));
        memcpy(buffer + i * sequence->width, (guint8 *)&value + sizeof(value) - size, size);
    }
}

static bool write_sequence(int fd, const Sequence *sequence)
{
    guint64 per_chunk = MIN(CHUNK / sequence->width, sequence->count);
    g_autofree guint8 *buffer = g_malloc(MAX(per_chunk * sequence->width, 1));

    for (guint64 done = 0; done < sequence->count; done += per_chunk) {
        gsize count = MIN(per_chunk, sequence->count - done);
        fill(sequence, done, count, buffer);
        if (!fd_write_at(fd, buffer, count * sequence->width,
                         sequence->at + done * sequence->width))
            return false;
    }
    return true;
}

/* Tables of an image without preallocation are refcounts only; the L1 table is a hole. */
static bool write_tables(int fd, const Layout *layout)
{
    guint64 cluster = layout->cluster;
    const Sequence sequences[] = {
        {layout->reftable_at, layout->blocks, 8, layout->blocks_at, cluster},
        {layout->blocks_at, layout->total, REFCOUNT_WIDTH, 1, 0},
        {layout->l1_at, layout->l2_tables, 8, layout->l2_at | COPIED, cluster},
        {layout->l2_at, layout->data, layout->l2_width, layout->data_at | COPIED, cluster},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(sequences); i++) {
        if (sequences[i].count && !write_sequence(fd, &sequences[i]))
            return false;
    }
    return true;
}

static bool reserve(int fd, const Qcow2Options *options, guint64 size)
{
    if (ftruncate(fd, (off_t)size) < 0)
        return false;
    if (options->preallocation != QCOW2_PREALLOC_FALLOC)
        return true;
    errno = posix_fallocate(fd, 0, (off_t)size);
    return errno == 0;
}

bool qcow2_write(int fd, const Qcow2Options *options, GError **error)
{
    Header header = {0};

    if (!qcow2_check_options(options, error))
        return false;
    Layout layout = plan(options);
    build_header(&header, options, &layout);
    if (!reserve(fd, options, layout.total * layout.cluster) || !write_tables(fd, &layout) ||
        !fd_write_at(fd, header.bytes, header.length, 0))
        return error_set_errno(error, ORIGIN_STORAGE, errno, "cannot write the qcow2 image");
    return true;
}
