/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * An engine with a protocol server of its own in a thread of this process, on a
 * state folder that one process at a time holds: saved definitions in etc/, the
 * state of running pools in run/. All connections of a process to one folder
 * share one of these.
 */
typedef struct Embedded Embedded;

/* How long a folder that another process holds is waited for. */
#define EMBEDDED_LOCK_SECONDS 10

/* Starts it, or takes another reference to the one that serves this folder already.
 * Errors: ERROR_OPERATION_INVALID naming the process that holds the folder; ERROR_SYSTEM. */
Embedded *embedded_ref_or_start(const char *folder, GError **error);

/* A socket connected to its server; -1 on failure. */
int embedded_connect(Embedded *embedded, bool read_only, GError **error);

/* The last one stops it and lets the folder go. Its client sockets are closed then. */
void embedded_unref(Embedded *embedded);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Embedded, embedded_unref)
