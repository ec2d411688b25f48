/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tells the service manager that started us, if there is one, how we are: "READY=1",
 * "STOPPING=1". Failures are logged; nobody else can do anything about them. */
void notify_manager(const char *state);
