/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "log.h"
#include "server.h"

#include <glib.h>
#include <stdbool.h>

/*
 * The configuration file: lines of `key = value`. A value is a number, a word in
 * quotes, or a list of such words in brackets, which may go over several lines;
 * `#` begins a comment. The names are those of libvirt's daemons where the two
 * have the same thing. See cisternd.conf(5).
 */
typedef struct Config {
    char *file;   /* it was read from */
    guint *lines; /* of the keys, 0 for those that it hasn't; see config_fail() */

    LogLevel log_level;

    char *unix_sock_group; /* NULL: the group of this process */
    guint unix_sock_rw_perms, unix_sock_ro_perms;
    guint auth_unix_rw, auth_unix_ro; /* ListenerAuth */
    char **access_drivers;            /* NULL or empty: none */

    bool listen_tls, listen_tcp;
    char *listen_addr; /* NULL: all addresses */
    guint tls_port, tcp_port;
    guint auth_tls, auth_tcp; /* ListenerAuth */
    char *ca_file, *crl_file, *cert_file, *key_file;
    char *tls_priority; /* NULL: GnuTLS's own */
    char **tls_allowed_dn_list;
    bool tls_no_verify_certificate, tls_no_sanity_certificate;
    guint tcp_min_ssf;
    char **sasl_allowed_username_list;

    guint max_clients, max_anonymous_clients, max_client_requests;
    guint max_client_buffer; /* MiB */
    guint keepalive_interval, keepalive_count;
    guint auth_timeout;       /* seconds */
    guint read_deadline;      /* milliseconds */
    guint stop_timeout;       /* seconds */
    guint thin_pool_interval; /* seconds; 0: never */
} Config;

/* What holds where nothing else is said. */
typedef enum ConfigSite {
    CONFIG_SITE_SYSTEM,  /* everybody may connect, polkit decides who may change something */
    CONFIG_SITE_PRIVATE, /* the daemon's own user alone may connect, and is in */
} ConfigSite;

/* Reads the file; one that isn't there has nothing but defaults, unless it `must_exist`.
 * Errors name file and line: keys that aren't known, that are given twice, values that aren't of
 * the key's kind or range, that contradict each other; ERROR_SYSTEM for a file that can't be read.
 */
bool config_load(const char *path, ConfigSite site, bool must_exist, Config *ret, GError **error);

/* The same with the text itself; `path` is for the errors. */
bool config_parse(const char *text, const char *path, ConfigSite site, Config *ret, GError **error);

void config_clear(Config *config);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Config, config_clear)

/* Sets an error "<file>:<line>: …" about a value that turns out to be bad when it is used, with the
 * line of `key`, or where the file hasn't got that, of `reason`: the key that made its default
 * count (may be NULL). Always false. */
bool config_fail(const Config *config, const char *key, const char *reason, GError **error,
                 const char *format, ...) G_GNUC_PRINTF(5, 6);

/* All keys, ended by NULL. Free with g_free(). */
const char **config_keys(void);

/* Those that differ between the two and that only count when the daemon starts, separated by
 * commas; NULL when there are none. */
char *config_fixed_changes(const Config *before, const Config *after);
