/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pool-def.h"

/*
 * When two definitions stand for the same storage (Backend.same_source). Types
 * whose pools can be each other's duplicate share one of these functions, for
 * it is asked only for pairs that have the same one. All compare the texts of
 * the definitions, nothing on the host. `added` is the new definition.
 */

/* Any device path in common. */
bool source_same_device(const PoolDef *added, const PoolDef *existing);

/* Any device path in common; or, of types whose sources have names, both of one type and name. */
bool source_same_device_or_name(const PoolDef *added, const PoolDef *existing);

/* The first host's name is the same, and so is its port if the new one gives a port. */
bool source_same_host(const PoolDef *added, const PoolDef *existing);

/* The same folder of the same host. */
bool source_same_host_dir(const PoolDef *added, const PoolDef *existing);

/* The same folder of the same-named source on the same host. */
bool source_same_host_name_dir(const PoolDef *added, const PoolDef *existing);

/* The same target reached as the same initiator; the host is not looked at. */
bool source_same_target(const PoolDef *added, const PoolDef *existing);

/* The same source name. */
bool source_same_name(const PoolDef *added, const PoolDef *existing);

/* The same SCSI host adapter: by host number, by PCI address and unique id, by world wide names, or
 * one the parent of the other. */
bool source_same_adapter(const PoolDef *added, const PoolDef *existing);

/* Always: there is one source for the whole machine. */
bool source_same_always(const PoolDef *added, const PoolDef *existing);
