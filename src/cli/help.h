/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call.h"

/* Help, from the command table. Each returns STATUS_OK. */
int help_program(const Call *call);
int help_command(const Call *call, const Command *command);
