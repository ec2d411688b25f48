/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * What the host itself uses a volume group for. Guests don't mount: their use
 * isn't found here.
 */

/* "'/' (/dev/vg0/root)", "swap (…)" or "held by dm-7 (…)": the first use found of a volume of the
 * group; NULL when there is none. `root` is the root folder whose /proc, /sys and /dev are looked
 * at ("" for the real one). Freed by the caller. */
char *lvm_host_use(const char *root, const char *group);
