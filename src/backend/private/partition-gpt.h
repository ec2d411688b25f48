/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "partition-table.h"

/*
 * A GPT is on the disk twice, and who writes it writes four places one after the
 * other: the backup's entries, its header, the primary's entries, its header
 * (UEFI 2.10, section 5.3.2). Whoever ends between two of them leaves a table
 * that is whole in one copy, with both headers sound: a torn write, other than
 * damage that came from elsewhere.
 */

/* The table is as a writer leaves it that ended half way. False also where it can't be read. */
bool partition_gpt_is_torn(const PartitionTable *table);

/* A hybrid MBR: the sector that only keeps others off the disk has partitions of its own, which
 * would be wrong after the gpt's next change. NULL: it has none, or can't be read. */
char *partition_gpt_contradiction(const PartitionTable *table);
