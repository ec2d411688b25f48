/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call.h"

/* The one line that the log has of a call once it has ended: at debug, when it failed at info, and
 * as a warning when that was no fault of its caller. A call that was answered late and ends later
 * still is logged the first time. `error`: NULL when it did what it should. Thread-safe. */
void call_log_end(Call *call, const GError *error);
