/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "errors.h"

/* Keeps the error as the calling thread's last one and frees it. Returns -1. */
int last_error_take(GError *error);

/* Keeps ERROR_INVALID_ARGUMENT for an argument that must not be NULL. Returns -1. */
int last_error_null(const char *argument);
