/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Names of groups and volumes, by the rules of lvm2 (lvm(8), "VALID NAMES"): what
 * passes can't be taken for an option or a path either.
 */

/* Letters, digits, + _ . - and no hyphen first; neither "." nor "..", at most 127 bytes. */
bool lvm_name_is_valid(const char *name);

/* A volume's name: beside that none that lvm2 keeps for its hidden volumes. */
bool lvm_volume_name_is_valid(const char *name);

/* Errors: ERROR_INVALID_ARGUMENT, with the rule. */
bool lvm_check_group_name(const char *name, GError **error);
bool lvm_check_volume_name(const char *name, GError **error);

/* The device mapper's name of a volume, with a suffix ("", "-real", "-tpool"): hyphens inside a
 * name are doubled. */
char *lvm_mapper_name(const char *group, const char *volume, const char *suffix);
