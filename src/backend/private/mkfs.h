/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "device-tag.h"

/* Making file systems by mkfs(8). */

/* mkfs of this format can make a file system that has the tag (NULL: any can).
 * Errors: ERROR_OPERATION_INVALID with the reason. */
bool mkfs_check_keeps(const char *format, const DeviceTag *tag, GError **error);

/* Writes over whatever is there. The tag, which mkfs_check_keeps() has let pass, is on the device
 * afterwards. Errors: "Failed to make filesystem of type 'F' on device 'D': " and mkfs's own. */
bool mkfs_run(const char *format, const char *device, const DeviceTag *tag, Operation *op,
              GError **error);
