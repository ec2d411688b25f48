/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "operation.h"

#include <sys/types.h>

/*
 * Devices named by what they hold. The devices themselves are asked, by
 * libblkid: udev's links and libblkid's search lead to the newest device that
 * holds a tag, and a volume whose content a guest writes may hold any.
 */

typedef enum DeviceTagKind {
    DEVICE_TAG_UUID,
    DEVICE_TAG_LABEL,
    DEVICE_TAG_PARTUUID,
    DEVICE_TAG_PARTLABEL,
} DeviceTagKind;

typedef struct DeviceTag {
    DeviceTagKind kind;
    char *value;
} DeviceTag;

void device_tag_clear(DeviceTag *tag);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DeviceTag, device_tag_clear)

/* "UUID=…", "LABEL=…", "PARTUUID=…", "PARTLABEL=…", or the links that udev makes of these:
 * "/dev/disk/by-uuid/…". False: the text is nothing of the kind, and *ret is untouched. */
bool device_tag_parse(const char *text, DeviceTag *ret);

/* Whether the block device of that number holds it now. False when it can't be read too. */
bool device_tag_is_on(const DeviceTag *tag, dev_t device);

/* Adds the path of each device that holds it (g_free). Left out are what is part of a mapping, an
 * array or a group, whose own device counts, and of a file system over several devices all but one.
 * Errors: those of operation_check(). */
bool device_tag_find(const DeviceTag *tag, Operation *op, GPtrArray *ret_paths, GError **error);
