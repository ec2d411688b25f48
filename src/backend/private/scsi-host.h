/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The number of a SCSI host adapter in its name: "scsi_host5", "fc_host5" and "host5" are 5.
 * False for any other text. */
bool scsi_host_number(const char *name, guint *ret);
