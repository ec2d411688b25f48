/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/* The kernel's names of block devices, "sda1" or "cciss!c0d0", and what else they are known by. */

/* NULL when there is no such device (any more). */
char *block_name(dev_t device);
bool block_number(const char *name, dev_t *ret);

/* An attribute in its folder of sysfs: "size", "dm/name". NULL when it has none. */
char *block_attribute(const char *name, const char *attribute);

/* Its node: "/dev/sda1", "/dev/mapper/group-volume"; NULL when there is none. */
char *block_node(dev_t device);
