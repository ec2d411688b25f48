/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"

/* Adds a PoolSource, with a gpt label, for each whole disk that nothing uses and nothing is
 * on: no partitions, no signature that libblkid knows, not read-only, not empty. */
bool disk_discover(const PoolSource *hint, Operation *op, GPtrArray *ret_sources, GError **error);
