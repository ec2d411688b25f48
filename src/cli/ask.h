/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cistern/cistern.h>

/* A CisternAsk that asks whoever sits at the terminal; nobody, where there is none. */
char *ask_on_terminal(CisternCredential wanted, const char *prompt, void *unused);
