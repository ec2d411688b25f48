/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call.h"

/* XML documents: read from files, or written from options. */

/* The content of the file an argument names ("-": standard input), at most 16 MiB. NULL after a
 * message on standard error. */
char *document_read(const Call *call, const char *argument);

/* True when all values of the call are UTF-8, as XML has to be; else false after a message. */
bool document_check_text(const Call *call);

/* <pool> from the arguments of pool-define-as and pool-create-as. */
char *document_pool(const Call *call);
/* <volume> from the arguments of vol-create-as; `backing_path` NULL: no backing store. */
char *document_volume(const Call *call, const char *backing_path);
/* <source> from the arguments of find-storage-pool-sources-as, or NULL without a host. */
char *document_source(const Call *call);

/* A volume's document with another name. */
char *document_rename_volume(const char *xml, const char *name);

/* Prints a document, or {"xml": …} in JSON. Returns STATUS_OK. */
int document_print(const Call *call, const char *xml);
