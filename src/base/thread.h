/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* Starts a thread that nobody joins. `stack` in bytes. Returns 0 or an errno. */
int thread_start_detached(size_t stack, void *(*run)(void *data), void *data);
