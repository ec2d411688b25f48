/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fd.h"
#include "partition-gpt.h"

#include <sys/mman.h>
#include <unistd.h>

/* A disk's bytes: is its GPT half written? */

#define DISK_LIMIT (1024 * 1024)

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    static int disk = -1;

    if (size == 0 || size > DISK_LIMIT)
        return 0;
    if (disk < 0)
        disk = memfd_create("disk", MFD_CLOEXEC);
    if (ftruncate(disk, (off_t)size) < 0 || !fd_write_at(disk, data, size, 0))
        return 0;
    for (guint sector = 512; sector <= 4096; sector *= 8) {
        const PartitionTable table = {.fd = disk, .sector = sector};
        (void)partition_gpt_is_torn(&table);
    }
    return 0;
}
