/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * What the service manager that started us, if there is one, is told (systemd's
 * sd_notify). Failures are logged; nobody else can do anything about them.
 */

/* Notes where to send it, and takes that out of the environment: programs that we start are not to
 * speak for us. Before there are threads. */
void notify_start(void);

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);

/* Has the loop send a sign of life as often as the service manager asked for, if it did. */
void notify_watchdog(void);

void notify_end(void);
