/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "folders.h"

#include <unistd.h>

#define CONFIG_FILE "cisternd.conf"

/* Clients look for these. */
#define SOCKET            "cistern-sock"
#define SOCKET_RO         "cistern-sock-ro"
#define LIBVIRT_SOCKET    "virtstoraged-sock"
#define LIBVIRT_SOCKET_RO "virtstoraged-sock-ro"

static Folders beneath_root(const char *root)
{
    return (Folders){
        .base = g_strdup(root),
        .definitions = g_build_filename(root, "etc", NULL),
        .states = g_build_filename(root, "run", NULL),
        .sockets = g_build_filename(root, "run", NULL),
        .sockets_mode = 0700,
        .socket = SOCKET,
        .socket_ro = SOCKET_RO,
        .config_file = g_build_filename(root, "etc", CONFIG_FILE, NULL),
        .site = CONFIG_SITE_PRIVATE,
    };
}

static Folders of_system(bool libvirt)
{
    return (Folders){
        .definitions = g_strdup(libvirt ? "/etc/libvirt/storage" : "/etc/cistern/storage"),
        .states = g_strdup(libvirt ? "/run/libvirt/storage" : "/run/cistern/storage"),
        .sockets = g_strdup(libvirt ? "/run/libvirt" : "/run/cistern"),
        .sockets_mode = 0755,
        .socket = libvirt ? LIBVIRT_SOCKET : SOCKET,
        .socket_ro = libvirt ? LIBVIRT_SOCKET_RO : SOCKET_RO,
        .config_file = g_strdup("/etc/cistern/" CONFIG_FILE),
        .site = CONFIG_SITE_SYSTEM,
        .uri_path = "/system",
    };
}

/* A session's daemon has one socket, for reading too. */
static Folders of_session(bool libvirt)
{
    const char *config = g_get_user_config_dir(), *runtime = g_get_user_runtime_dir();
    const char *owner = libvirt ? "libvirt" : "cistern";

    return (Folders){
        .definitions = g_build_filename(config, owner, "storage", NULL),
        .states = g_build_filename(runtime, owner, "storage", libvirt ? "run" : NULL, NULL),
        .sockets = g_build_filename(runtime, owner, NULL),
        .sockets_mode = 0700,
        .socket = libvirt ? LIBVIRT_SOCKET : SOCKET,
        .config_file = g_build_filename(config, "cistern", CONFIG_FILE, NULL),
        .site = CONFIG_SITE_PRIVATE,
        .uri_path = "/session",
    };
}

static Folders choose(const Options *options)
{
    if (options->root)
        return beneath_root(options->root);
    return geteuid() == 0 ? of_system(options->libvirt) : of_session(options->libvirt);
}

Folders folders_choose(const Options *options)
{
    Folders folders = choose(options);

    if (!options->config_file)
        return folders;
    g_free(folders.config_file);
    folders.config_file = g_strdup(options->config_file);
    folders.config_must_exist = true;
    return folders;
}

void folders_clear(Folders *folders)
{
    g_clear_pointer(&folders->base, g_free);
    g_clear_pointer(&folders->definitions, g_free);
    g_clear_pointer(&folders->states, g_free);
    g_clear_pointer(&folders->sockets, g_free);
    g_clear_pointer(&folders->config_file, g_free);
}
