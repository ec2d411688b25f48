/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "operation.h"

/*
 * What is on a device already, by libblkid: asked before anything is written
 * over it. `format` is libblkid's word: "ext4", "LVM2_member", "gpt", "dos", …
 */

/* The first signature found: of a file system or the like, else of a partition table; NULL when
 * the device is blank. Owned by the caller.
 * Errors: ERROR_PROBE_FAILED when it can't be opened or is ambiguous. */
bool signature_find(const char *device, char **ret_found, GError **error);

/* The device may be formatted without asking: it is blank.
 * Errors: ERROR_POOL_BUILT with libvirt's texts, which say what was found and that an
 * overwrite has to be asked for; those of signature_find(). */
bool signature_check_blank(const char *device, const char *format, GError **error);

/* The device holds this format. Errors: ERROR_PROBE_FAILED "Device 'D' is unrecognized,
 * requires build", ERROR_OPERATION_INVALID "Format of device 'D' does not match the expected
 * format 'F'". */
bool signature_require(const char *device, const char *format, GError **error);

/* Nothing on this host uses the device. Errors: ERROR_SYSTEM/EBUSY when something does, or what
 * keeps it from being opened for writing. */
bool signature_check_unused(const char *device, GError **error);

/* Removes every signature libblkid knows from the device, then zeroes its first and last MiB (all
 * of it when it is shorter) and flushes. Opened exclusively, so that a device in use is refused. */
bool signature_clear(const char *device, Operation *op, GError **error);
