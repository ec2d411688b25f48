/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "command.h"
#include "errors.h"
#include "fd.h"
#include "label-skip.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Partition tables on image files, as the libraries have them; the kernel has no part in it. */

#define MIB (G_GUINT64_CONSTANT(1) << 20)
#define TIB (G_GUINT64_CONSTANT(1) << 40)

typedef struct Image {
    char *path;
    int fd;
    const PartitionLabel *label;
} Image;

static void image_open(Image *image, const char *label, guint64 size)
{
    image->fd = g_file_open_tmp("table-XXXXXX", &image->path, NULL);
    g_assert_cmpint(image->fd, >=, 0);
    g_assert_cmpint(ftruncate(image->fd, (off_t)size), ==, 0);
    image->label = partition_label_find(label);
    g_assert_nonnull(image->label);
}

static void image_close(Image *image)
{
    fd_close(&image->fd);
    g_unlink(image->path);
    g_free(image->path);
}
#define autoimage __attribute__((cleanup(image_close)))

static void format(const Image *image)
{
    GError *error = NULL;

    partition_label_write(image->label, image->fd, image->path, &error);
    g_assert_no_error(error);
}

static PartitionTable *read_table(const Image *image)
{
    GError *error = NULL;
    PartitionTable *table = partition_table_read(image->label, image->fd, image->path, &error);

    g_assert_no_error(error);
    g_assert_nonnull(table);
    return table;
}

/* Adds one at the start of the best range. */
static Partition add(PartitionTable *table, PartitionKind kind, PartitionContent content,
                     guint64 size)
{
    const FreeRange *range = partition_table_best_fit(table, size, kind == PARTITION_LOGICAL);
    GError *error = NULL;

    g_assert_nonnull(range);
    Partition wanted = {
        .number = partition_table_next_number(table, kind),
        .kind = kind,
        .content = content,
        .start = range->start,
        .end = range->start + size,
    };
    partition_table_add(table, &wanted, &error);
    g_assert_no_error(error);
    return wanted;
}

static void write_table(PartitionTable *table)
{
    GError *error = NULL;

    partition_table_write(table, &error);
    g_assert_no_error(error);
}

static void assert_has(const PartitionTable *table, const Partition *wanted)
{
    const Partition *found = partition_table_find(table, wanted->number);

    g_assert_nonnull(found);
    g_assert_cmpuint(found->start, ==, wanted->start);
    g_assert_cmpuint(found->end, ==, wanted->end);
    g_assert_cmpint(found->kind, ==, wanted->kind);
}

static guint count_listed(const PartitionTable *table)
{
    guint count = 0;

    for (guint i = 0; i < table->partitions->len; i++)
        count += g_array_index(table->partitions, Partition, i).kind != PARTITION_RESERVED;
    return count;
}

static void assert_label(const Image *image)
{
    const PartitionLabel *found = NULL;
    GError *error = NULL;

    g_assert_true(partition_label_detect(image->fd, image->path, &found, &error));
    g_assert_true(found == image->label);
}

/* ---- every label ---- */

static void test_life(gconstpointer name)
{
    autoimage Image image = {.fd = -1};
    GError *error = NULL;

    if (!label_is_testable(name)) {
        image.path = g_strdup("");
        return;
    }
    image_open(&image, name, 64 * MIB);
    format(&image);
    assert_label(&image);

    g_autoptr(PartitionTable) made = read_table(&image);
    const guint64 unit = made->grain; /* 1 MiB but for the oldest */
    g_assert_null(made->damage);
    g_assert_cmpuint(count_listed(made), ==, 0);
    g_assert_cmpuint(made->free->len, ==, 1);
    Partition first = add(made, PARTITION_PLAIN, CONTENT_NONE, 4 * unit);
    Partition second = add(made, PARTITION_PLAIN, CONTENT_SWAP, 8 * unit);
    Partition third = add(made, PARTITION_PLAIN, CONTENT_LVM, 2 * unit);
    g_assert_cmpuint(first.start % unit, ==, 0);
    g_assert_cmpuint(second.start, ==, first.end);
    write_table(made);

    g_autoptr(PartitionTable) table = read_table(&image);
    g_assert_null(table->damage);
    g_assert_cmpuint(count_listed(table), ==, 3);
    assert_has(table, &first);
    assert_has(table, &second);
    assert_has(table, &third);
    /* libparted doesn't tell */
    if (partition_label_blkid_name(image.label) && !g_str_equal(name, "mac"))
        g_assert_cmpint(partition_table_find(table, second.number)->content, ==, CONTENT_SWAP);
    g_assert_cmpuint(partition_table_room_end(table, partition_table_find(table, first.number)), ==,
                     first.end);
    g_assert_true(partition_table_remove(table, second.number, &error));
    g_assert_cmpuint(table->free->len, ==, 2);
    g_assert_cmpuint(partition_table_room_end(table, partition_table_find(table, first.number)), ==,
                     second.end);
    first.end = second.end - unit;
    partition_table_resize(table, first.number, first.end, &error);
    g_assert_no_error(error);
    write_table(table);

    g_autoptr(PartitionTable) last = read_table(&image);
    g_assert_cmpuint(count_listed(last), ==, 2);
    assert_has(last, &first);
    assert_has(last, &third);
    g_assert_cmpuint(partition_table_next_number(last, PARTITION_PLAIN), ==, second.number);
    /* the gap that the removed one left is the better fit for what it holds */
    g_assert_cmpuint(partition_table_best_fit(last, unit, false)->start, ==, first.end);
    g_assert_cmpuint(partition_table_best_fit(last, 2 * unit, false)->start, ==, third.end);
    first.end -= 3 * unit;
    g_assert_true(partition_table_resize(last, first.number, first.end, &error));
    write_table(last);
    assert_has(last, &first);
}

static void test_content(gconstpointer name)
{
    autoimage Image image = {.fd = -1};

    image_open(&image, name, 64 * MIB);
    format(&image);
    g_autoptr(PartitionTable) made = read_table(&image);
    for (PartitionContent content = CONTENT_NONE; content < CONTENT_EXTENDED; content++) {
        if (!partition_table_next_number(made, PARTITION_PLAIN))
            g_assert_true(partition_table_remove(made, 1, NULL));
        Partition one = add(made, PARTITION_PLAIN, content, MIB);
        PartitionContent shown = partition_table_find(made, one.number)->content;
        bool is_plain =
            content == CONTENT_LINUX || (g_str_equal(name, "gpt") && content == CONTENT_FAT16);
        g_assert_cmpint(shown, ==,
                        !is_plain                  ? content
                        : content == CONTENT_FAT16 ? CONTENT_FAT32 /* they have one type in gpt */
                                                   : CONTENT_NONE);
    }
    write_table(made);
}

/* Until nothing is left: numbers or space. */
static void test_full(gconstpointer name)
{
    autoimage Image image = {.fd = -1};

    image_open(&image, name, 40 * MIB);
    format(&image);
    g_autoptr(PartitionTable) table = read_table(&image);
    guint count = 0;
    while (partition_table_next_number(table, PARTITION_PLAIN) &&
           partition_table_best_fit(table, MIB, false)) {
        add(table, PARTITION_PLAIN, CONTENT_NONE, MIB);
        count++;
    }
    write_table(table);
    g_assert_cmpuint(count, ==, g_str_equal(name, "dos") ? 4 : 38);
    g_autoptr(PartitionTable) again = read_table(&image);
    g_assert_cmpuint(count_listed(again), ==, count);
}

/* ---- gpt ---- */

static void assert_name(const Image *image, guint number, const char *name)
{
    gunichar2 found[PARTITION_NAME_CHARACTERS + 1] = {0};
    const guint64 at = 1024 + (number - 1) * 128 + 56; /* UEFI 2.10, table 5.6 */

    g_assert_cmpint(fd_read_at(image->fd, found, PARTITION_NAME_CHARACTERS * 2, at), >, 0);
    g_autofree char *text = g_utf16_to_utf8(found, -1, NULL, NULL, NULL);
    g_assert_cmpstr(text, ==, name);
}

/* It stays with the partition when that is resized. */
static void test_name(void)
{
    static const char longest[] = "ééééééééééééééééééééééééééééééééééé1";
    autoimage Image image = {.fd = -1};
    GError *error = NULL;

    image_open(&image, "gpt", 64 * MIB);
    format(&image);
    g_autoptr(PartitionTable) table = read_table(&image);
    Partition wanted = {.number = 1, .start = MIB, .end = 2 * MIB};
    g_strlcpy(wanted.name, longest, sizeof wanted.name);
    partition_table_add(table, &wanted, &error);
    g_assert_no_error(error);
    add(table, PARTITION_PLAIN, CONTENT_NONE, MIB);
    write_table(table);
    g_autoptr(PartitionTable) again = read_table(&image);
    g_assert_true(partition_table_remove(again, 2, &error));
    g_assert_true(partition_table_resize(again, 1, 4 * MIB, &error));
    write_table(again);
    assert_name(&image, 1, longest);
}

/* ---- dos ---- */

static void test_logical(void)
{
    autoimage Image image = {.fd = -1};
    GError *error = NULL;
    Partition logical[4];

    image_open(&image, "dos", 128 * MIB);
    format(&image);
    g_autoptr(PartitionTable) table = read_table(&image);
    Partition primary = add(table, PARTITION_PLAIN, CONTENT_NONE, 8 * MIB);
    Partition extended = add(table, PARTITION_EXTENDED, CONTENT_EXTENDED, 64 * MIB);
    g_assert_nonnull(partition_table_extended(table));
    for (guint i = 0; i < 4; i++) {
        logical[i] = add(table, PARTITION_LOGICAL, CONTENT_NONE, 4 * MIB);
        g_assert_cmpuint(logical[i].number, ==, 5 + i);
        g_assert_cmpuint(logical[i].start % MIB, ==, 0);
    }
    write_table(table);

    g_autoptr(PartitionTable) again = read_table(&image);
    g_assert_null(again->damage);
    assert_has(again, &primary);
    assert_has(again, &extended);
    for (guint i = 0; i < 4; i++)
        assert_has(again, &logical[i]);

    /* the later ones move up, in number only */
    g_assert_true(partition_table_remove(again, 6, &error));
    logical[2].number = 6;
    logical[3].number = 7;
    assert_has(again, &logical[2]);
    assert_has(again, &logical[3]);
    /* and the first can have its space, but for the sector that leads to the next */
    guint64 room = partition_table_room_end(again, partition_table_find(again, 5));
    g_assert_cmpuint(room, ==, logical[2].start - MIB);
    logical[0].end = room;
    partition_table_resize(again, 5, room, &error);
    g_assert_no_error(error);
    write_table(again);

    g_autoptr(PartitionTable) last = read_table(&image);
    g_assert_null(last->damage);
    assert_has(last, &logical[0]);
    assert_has(last, &logical[2]);
    assert_has(last, &logical[3]);
}

/* What is beyond 2 TiB is out of a dos table's reach. */
static void test_huge(void)
{
    autoimage Image image = {.fd = -1};

    image_open(&image, "dos", 3 * TIB);
    format(&image);
    g_autoptr(PartitionTable) table = read_table(&image);
    g_assert_null(partition_table_best_fit(table, 2 * TIB, false));
    g_assert_nonnull(partition_table_best_fit(table, 2 * TIB - 2 * MIB, false));
    g_assert_true(partition_table_check_sound(table, NULL));
    Partition most = add(table, PARTITION_PLAIN, CONTENT_NONE, 2 * TIB - 2 * MIB);
    write_table(table);
    g_autoptr(PartitionTable) used = read_table(&image);
    assert_has(used, &most);

    autoimage Image other = {.fd = -1};
    image_open(&other, "gpt", 3 * TIB);
    format(&other);
    g_autoptr(PartitionTable) wide = read_table(&other);
    Partition made = add(wide, PARTITION_PLAIN, CONTENT_NONE, 2 * TIB + MIB);
    write_table(wide);
    g_autoptr(PartitionTable) again = read_table(&other);
    assert_has(again, &made);
}

/* ---- what isn't sound ---- */

static void scribble(const Image *image, guint64 offset)
{
    g_assert_true(fd_write_at(image->fd, "\xff\xff\xff\xff", 4, offset));
}

static void make_gpt(Image *image, guint64 size)
{
    image_open(image, "gpt", size);
    format(image);
    g_autoptr(PartitionTable) table = read_table(image);
    add(table, PARTITION_PLAIN, CONTENT_NONE, 4 * MIB);
    write_table(table);
}

/* Read from the copy that is whole, but never written. */
static void assert_damaged(const Image *image)
{
    g_autoptr(PartitionTable) table = read_table(image);
    g_autoptr(GError) error = NULL, write_error = NULL;

    g_assert_nonnull(table->damage);
    g_assert_false(table->is_torn);
    g_assert_cmpuint(count_listed(table), ==, 1);
    g_assert_false(partition_table_check_sound(table, &error));
    g_assert_cmpint(error_code(error), ==, ERROR_OPERATION_INVALID);
    g_assert_nonnull(strstr(error->message, table->damage));
    add(table, PARTITION_PLAIN, CONTENT_NONE, MIB);
    g_assert_false(partition_table_write(table, &write_error));
    g_autoptr(PartitionTable) again = read_table(image);
    g_assert_cmpuint(count_listed(again), ==, 1);
}

static void test_damaged_primary(void)
{
    autoimage Image image = {.fd = -1};

    make_gpt(&image, 64 * MIB);
    scribble(&image, 512 + 56); /* the disk's GUID, so that the sum is wrong */
    assert_damaged(&image);
}

static void test_damaged_entries(void)
{
    autoimage Image image = {.fd = -1};

    make_gpt(&image, 64 * MIB);
    scribble(&image, 1024 + 40);
    assert_damaged(&image);
}

static void test_damaged_backup(void)
{
    autoimage Image image = {.fd = -1};

    make_gpt(&image, 64 * MIB);
    scribble(&image, 64 * MIB - 512 + 56);
    assert_damaged(&image);
}

static void test_damaged_both(void)
{
    autoimage Image image = {.fd = -1};
    g_autoptr(GError) error = NULL;

    make_gpt(&image, 64 * MIB);
    scribble(&image, 512 + 56);
    scribble(&image, 64 * MIB - 512 + 56);
    g_assert_null(partition_table_read(image.label, image.fd, image.path, &error));
    g_assert_cmpint(error_code(error), ==, ERROR_OPERATION_FAILED);
}

/* The four places that a writer of 64 MiB writes, in its order. */
static const TableArea gpt_places[] = {
    {64 * MIB - 512 - 16384, 16384},
    {64 * MIB - 512, 512},
    {1024, 16384},
    {512, 512},
};

static GBytes *read_area(const Image *image, const TableArea *area)
{
    guint8 *bytes = g_malloc(area->size);

    g_assert_cmpint(fd_read_at(image->fd, bytes, area->size, area->offset), ==, area->size);
    return g_bytes_new_take(bytes, area->size);
}

static void write_area(const Image *image, const TableArea *area, GBytes *bytes)
{
    g_assert_true(fd_write_at(image->fd, g_bytes_get_data(bytes, NULL), area->size, area->offset));
}

/* A writer that added a second partition ended after so many places: it counts from the moment
 * when its backup is the one that can be read. */
static void test_torn(gconstpointer data)
{
    guint done = GPOINTER_TO_UINT(data);
    autoimage Image image = {.fd = -1};
    g_autoptr(GPtrArray) old = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    g_autoptr(GError) error = NULL;

    make_gpt(&image, 64 * MIB);
    for (guint i = 0; i < G_N_ELEMENTS(gpt_places); i++)
        g_ptr_array_add(old, read_area(&image, &gpt_places[i]));
    g_autoptr(PartitionTable) made = read_table(&image);
    add(made, PARTITION_PLAIN, CONTENT_NONE, 8 * MIB);
    write_table(made);
    for (guint i = done; i < G_N_ELEMENTS(gpt_places); i++)
        write_area(&image, &gpt_places[i], old->pdata[i]);

    g_autoptr(PartitionTable) torn = read_table(&image);
    guint count = done < 3 ? 1 : 2;
    g_assert_true(torn->is_torn);
    g_assert_cmpuint(count_listed(torn), ==, count);
    partition_table_mend(torn, &error);
    g_assert_no_error(error);
    g_assert_false(torn->is_torn);
    add(torn, PARTITION_PLAIN, CONTENT_NONE, MIB); /* and it can be used */

    g_autoptr(PartitionTable) whole = read_table(&image);
    g_assert_false(whole->is_torn);
    g_assert_null(whole->damage);
    g_assert_cmpuint(count_listed(whole), ==, count);
    write_table(torn);
    g_autoptr(PartitionTable) changed = read_table(&image);
    g_assert_cmpuint(count_listed(changed), ==, count + 1);
}

/* The MBR, which only keeps others off the disk, has a partition of its own too. */
static void test_hybrid(void)
{
    static const guint8 entry[16] = {[4] = 0x83, [9] = 0x08, [13] = 0x20};
    autoimage Image image = {.fd = -1};

    make_gpt(&image, 64 * MIB);
    g_assert_true(fd_write_at(image.fd, entry, sizeof entry, 446 + 16));
    assert_damaged(&image);
    g_autoptr(PartitionTable) table = read_table(&image);
    g_assert_nonnull(strstr(table->damage, "hybrid"));
}

/* All that is left when the beginning is gone. */
static void test_backup(void)
{
    autoimage Image image = {.fd = -1};
    g_autofree char *zeros = g_malloc0(MIB);
    bool found = true;

    image_open(&image, "gpt", 64 * MIB);
    g_assert_true(partition_gpt_backup_detect(image.fd, image.path, &found, NULL));
    g_assert_false(found);
    format(&image);
    g_assert_true(fd_write_at(image.fd, zeros, MIB, 0));
    g_assert_true(partition_gpt_backup_detect(image.fd, image.path, &found, NULL));
    g_assert_true(found);
}

/* Entries: 128 in a table that libfdisk made; others may make fewer. */
static void test_few_entries(void)
{
    autoimage Image image = {.fd = -1};
    static const char script[] = "label: gpt\ntable-length: 4\n";
    GError *error = NULL;

    image_open(&image, "gpt", 64 * MIB);
    const char *argv[] = {"sfdisk", "-q", image.path, NULL};
    Command command = {.argv = argv, .input = script, .input_size = strlen(script)};
    command_run_ok(NULL, &command, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(PartitionTable) table = read_table(&image);
    for (guint number = 1; number <= 4; number++) {
        g_assert_cmpuint(partition_table_next_number(table, PARTITION_PLAIN), ==, number);
        add(table, PARTITION_PLAIN, CONTENT_NONE, MIB);
    }
    g_assert_cmpuint(partition_table_next_number(table, PARTITION_PLAIN), ==, 0);
}

/* A disk that has grown since its table was made. */
static void test_grown(void)
{
    autoimage Image image = {.fd = -1};

    make_gpt(&image, 64 * MIB);
    g_assert_cmpint(ftruncate(image.fd, (off_t)(96 * MIB)), ==, 0);
    assert_damaged(&image);
}

static void test_overlap(void)
{
    autoimage Image image = {.fd = -1};
    guint8 entries[32] = {0};

    image_open(&image, "dos", 64 * MIB);
    format(&image);
    entries[4] = entries[20] = 0x83;
    entries[9] = 0x08;  /* from sector 2048 */
    entries[13] = 0x20; /* 8192 of them */
    entries[25] = 0x10; /* from sector 4096 */
    entries[29] = 0x20;
    g_assert_true(fd_write_at(image.fd, entries, sizeof entries, 446));
    g_autoptr(PartitionTable) table = read_table(&image);
    g_assert_cmpstr(table->damage, ==, "partitions 1 and 2 overlap");
    g_assert_false(partition_table_check_sound(table, NULL));
}

static void test_beyond_end(void)
{
    autoimage Image image = {.fd = -1};

    image_open(&image, "dos", 64 * MIB);
    format(&image);
    g_autoptr(PartitionTable) made = read_table(&image);
    add(made, PARTITION_PLAIN, CONTENT_NONE, 32 * MIB);
    write_table(made);
    g_assert_cmpint(ftruncate(image.fd, (off_t)(16 * MIB)), ==, 0);
    g_autoptr(PartitionTable) table = read_table(&image);
    g_assert_nonnull(table->damage);
    g_assert_cmpuint(table->free->len, ==, 0);
}

/* Who wrote between our reading and our writing isn't overruled. */
static void test_changed(gconstpointer name)
{
    autoimage Image image = {.fd = -1};
    g_autoptr(GError) error = NULL;

    image_open(&image, name, 64 * MIB);
    format(&image);
    g_autoptr(PartitionTable) ours = read_table(&image);
    g_autoptr(PartitionTable) theirs = read_table(&image);
    Partition made = add(theirs, PARTITION_PLAIN, CONTENT_NONE, 8 * MIB);
    write_table(theirs);
    add(ours, PARTITION_PLAIN, CONTENT_NONE, 4 * MIB);
    g_assert_false(partition_table_write(ours, &error));
    g_assert_cmpint(error_code(error), ==, ERROR_OPERATION_INVALID);
    g_autoptr(PartitionTable) table = read_table(&image);
    assert_has(table, &made);
}

static guint flushes_to_fail; /* so many from now on, the library's own among them */

/* Takes the place of the C library's. */
int fsync(int fd)
{
    if (flushes_to_fail == 0)
        return (int)syscall(SYS_fsync, fd);
    flushes_to_fail--;
    errno = EIO;
    return -1;
}

/* A disk that doesn't take all of a table has the old one afterwards. */
static void test_put_back(gconstpointer name)
{
    autoimage Image image = {.fd = -1};
    g_autoptr(GError) error = NULL;

    image_open(&image, name, 64 * MIB);
    format(&image);
    g_autoptr(PartitionTable) first = read_table(&image);
    Partition kept = add(first, PARTITION_PLAIN, CONTENT_NONE, 8 * MIB);
    write_table(first);
    g_autoptr(PartitionTable) table = read_table(&image);
    add(table, PARTITION_PLAIN, CONTENT_NONE, 4 * MIB);
    flushes_to_fail = 2;
    g_assert_false(partition_table_write(table, &error));
    g_assert_nonnull(strstr(error->message, g_strerror(EIO)));
    g_assert_false(table->is_written);
    g_autoptr(PartitionTable) again = read_table(&image);
    g_assert_cmpuint(count_listed(again), ==, 1);
    assert_has(again, &kept);
    g_assert_true(partition_table_check_sound(again, NULL));
}

static void test_tiny(void)
{
    static const guint64 sizes[] = {512, 4096, 16384, 65536, MIB, 2 * MIB};

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        static const char *const names[] = {"gpt", "dos", "sun", "dvh"};
        for (guint n = 0; n < G_N_ELEMENTS(names); n++) {
            autoimage Image image = {.fd = -1};
            g_autoptr(GError) error = NULL;
            image_open(&image, names[n], sizes[i]);
            if (!partition_label_write(image.label, image.fd, image.path, &error))
                continue;
            g_autoptr(PartitionTable) table =
                partition_table_read(image.label, image.fd, image.path, NULL);
            if (table)
                g_assert_null(partition_table_best_fit(table, 2 * MIB, false));
        }
    }
}

static void test_detect(void)
{
    autoimage Image image = {.fd = -1};
    const PartitionLabel *found = NULL;

    image_open(&image, "dos", MIB);
    g_assert_true(partition_label_detect(image.fd, image.path, &found, NULL));
    g_assert_null(found);
    scribble(&image, 0);
    g_assert_true(fd_write_at(image.fd, "\x55\xaa", 2, 510));
    g_assert_true(partition_label_detect(image.fd, image.path, &found, NULL));
    g_assert_true(found == image.label);
    /* a volume group's first sectors may hold anything */
    g_assert_true(fd_write_at(image.fd, "LVM2 001", 8, 0x218));
    g_assert_true(partition_label_detect(image.fd, image.path, &found, NULL));
    g_assert_null(found);
    g_assert_null(partition_label_find("lvm2"));
    g_assert_null(partition_label_find("unknown"));
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"gpt", "dos", "sun", "dvh", "bsd", "mac", "pc98"};

    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_strdup_printf("/partition-table/life/%s", names[i]);
        if (label_has_tests(names[i]))
            g_test_add_data_func(path, names[i], test_life);
    }
    g_test_add_data_func("/partition-table/content/gpt", "gpt", test_content);
    g_test_add_data_func("/partition-table/content/dos", "dos", test_content);
    g_test_add_data_func("/partition-table/full/gpt", "gpt", test_full);
    g_test_add_data_func("/partition-table/full/dos", "dos", test_full);
    g_test_add_func("/partition-table/name", test_name);
    g_test_add_func("/partition-table/logical", test_logical);
    g_test_add_func("/partition-table/huge", test_huge);
    g_test_add_func("/partition-table/damaged-primary", test_damaged_primary);
    g_test_add_func("/partition-table/damaged-entries", test_damaged_entries);
    g_test_add_func("/partition-table/damaged-backup", test_damaged_backup);
    g_test_add_func("/partition-table/damaged-both", test_damaged_both);
    g_test_add_data_func("/partition-table/torn/1", GUINT_TO_POINTER(1), test_torn);
    g_test_add_data_func("/partition-table/torn/2", GUINT_TO_POINTER(2), test_torn);
    g_test_add_data_func("/partition-table/torn/3", GUINT_TO_POINTER(3), test_torn);
    g_test_add_func("/partition-table/hybrid", test_hybrid);
    g_test_add_func("/partition-table/backup", test_backup);
    g_test_add_func("/partition-table/few-entries", test_few_entries);
    g_test_add_func("/partition-table/grown", test_grown);
    g_test_add_func("/partition-table/overlap", test_overlap);
    g_test_add_func("/partition-table/beyond-end", test_beyond_end);
    g_test_add_data_func("/partition-table/changed/gpt", "gpt", test_changed);
    g_test_add_data_func("/partition-table/changed/dos", "dos", test_changed);
    g_test_add_data_func("/partition-table/changed/sun", "sun", test_changed);
    g_test_add_data_func("/partition-table/put-back/gpt", "gpt", test_put_back);
    g_test_add_data_func("/partition-table/put-back/dos", "dos", test_put_back);
    g_test_add_data_func("/partition-table/put-back/sun", "sun", test_put_back);
    g_test_add_func("/partition-table/tiny", test_tiny);
    g_test_add_func("/partition-table/detect", test_detect);
    return g_test_run();
}
