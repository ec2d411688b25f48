/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* What a block device is used by, for messages: "mounted on '/srv'", "used as swap", "used by
 * 'dm-3'". NULL when nothing of the kind is known. */
char *device_use(dev_t device);
