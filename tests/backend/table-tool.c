/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "errors.h"
#include "fd.h"
#include "partition-table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * One change of a partition table in an image file, as disk pools make it, in a
 * process that tables-killed.py kills at each write.
 *
 * usage: table-tool LABEL IMAGE format | show | add KIND SIZE | remove NUMBER | resize NUMBER SIZE
 * KIND: 0 plain, 1 extended, 2 logical; SIZE in the label's grains.
 */

typedef struct Call {
    const PartitionLabel *label;
    const char *image;
    int fd;
    guint64 number; /* the first argument, and the second */
    guint64 size;
} Call;

static PartitionTable *open_table(const Call *call, GError **error)
{
    g_autoptr(PartitionTable) table =
        partition_table_read(call->label, call->fd, call->image, error);

    if (!table || !partition_table_mend(table, error) || !partition_table_check_sound(table, error))
        return NULL;
    return g_steal_pointer(&table);
}

static bool do_format(const Call *call, GError **error)
{
    return partition_label_write(call->label, call->fd, call->image, error);
}

static bool do_show(const Call *call, GError **error)
{
    g_autoptr(PartitionTable) table = open_table(call, error);

    for (guint i = 0; table && i < table->partitions->len; i++) {
        const Partition *row = &g_array_index(table->partitions, Partition, i);
        printf("%u %d %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n", row->number, (int)row->kind,
               row->start, row->end);
    }
    return table != NULL;
}

static bool do_add(const Call *call, GError **error)
{
    g_autoptr(PartitionTable) table = open_table(call, error);
    PartitionKind kind = (PartitionKind)call->number;

    if (!table)
        return false;
    guint64 size = call->size * table->grain;
    const FreeRange *range = partition_table_best_fit(table, size, kind == PARTITION_LOGICAL);
    if (!range)
        return error_set(error, ERROR_INTERNAL, ORIGIN_STORAGE, "no room");
    Partition wanted = {
        .number = partition_table_next_number(table, kind),
        .kind = kind,
        .content = kind == PARTITION_EXTENDED ? CONTENT_EXTENDED : CONTENT_NONE,
        .start = range->start,
        .end = range->start + size,
    };
    return partition_table_add(table, &wanted, error) && partition_table_write(table, error);
}

static bool do_remove(const Call *call, GError **error)
{
    g_autoptr(PartitionTable) table = open_table(call, error);

    return table && partition_table_remove(table, (guint)call->number, error) &&
           partition_table_write(table, error);
}

static bool do_resize(const Call *call, GError **error)
{
    g_autoptr(PartitionTable) table = open_table(call, error);
    const Partition *partition = table ? partition_table_find(table, (guint)call->number) : NULL;

    return partition &&
           partition_table_resize(table, partition->number,
                                  partition->start + call->size * table->grain, error) &&
           partition_table_write(table, error);
}

static const struct {
    const char *name;
    bool (*act)(const Call *call, GError **error);
} commands[] = {
    {"format", do_format}, {"show", do_show},     {"add", do_add},
    {"remove", do_remove}, {"resize", do_resize},
};

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (argc < 4)
        return 2;
    Call call = {
        .label = partition_label_find(argv[1]),
        .image = argv[2],
        .fd = open(argv[2], O_RDWR | O_CLOEXEC),
        .number = argc > 4 ? strtoull(argv[4], NULL, 10) : 0,
        .size = argc > 5 ? strtoull(argv[5], NULL, 10) : 0,
    };
    for (guint i = 0; call.label && call.fd >= 0 && i < G_N_ELEMENTS(commands); i++) {
        if (!g_str_equal(commands[i].name, argv[3]))
            continue;
        if (commands[i].act(&call, &error))
            return 0;
        fprintf(stderr, "%s\n", error ? error->message : "no such partition");
        return 1;
    }
    return 2;
}
