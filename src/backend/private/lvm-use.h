/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "operation.h"

/*
 * The kernel's devices of a volume group: what the host itself uses them for (guests don't mount:
 * their use isn't found here), and how they go when lvm2 can't find the group any more.
 */

/* "'/' (/dev/vg0/root)", "swap (…)" or "held by dm-7 (…)": the first use found of a volume of the
 * group; NULL when there is none. `root` is the root folder whose /proc, /sys and /dev are looked
 * at ("" for the real one). Freed by the caller. */
char *lvm_host_use(const char *root, const char *group);

/* Takes the devices of the group away that nobody has open. *ret_left: those that are, for a
 * message; NULL when there are none. Freed by the caller. Errors: those of dmsetup. */
bool lvm_remove_mapped(const char *group, Operation *op, char **ret_left, GError **error);
