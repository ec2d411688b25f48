/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"
#include "errors.h"

/*
 * What clients ask about guests, networks, interfaces, devices, filters and
 * secrets when they open a host. A storage host has none of them: lists are
 * empty, and nothing is found.
 */

/* ---- lists ---- */

/* Zero entries, or the number zero. No guest runs under this daemon, so no security model confines
 * any. */
static bool on_none(Turn *turn, const void *args, void *result, GError **error)
{
    return true;
}

/* ---- look-ups ---- */

static char *quoted(const char *text)
{
    return g_strdup_printf("'%s'", text);
}

static char *key_id(const void *args)
{
    return g_strdup_printf("%d", ((const RpcInt *)args)->value);
}

static char *key_text(const void *args)
{
    return quoted(((const RpcText *)args)->text);
}

static char *key_uuid(const void *args)
{
    char text[UUID_STRING_SIZE];

    return quoted(uuid_format(&((const RpcUuid *)args)->uuid, text));
}

static char *key_usage(const void *args)
{
    return quoted(((const RpcSecretUsage *)args)->usage);
}

static char *key_scsi_host(const void *args)
{
    const RpcScsiHost *host = args;

    return g_strdup_printf("'%s' and WWPN '%s'", host->wwnn, host->wwpn);
}

/* How libvirt's driver of that family says that there is no such thing. */
typedef struct Absence {
    ErrorCode code;
    ErrorOrigin origin;
    const char *words; /* before the key */
    char *(*key)(const void *args);
} Absence;

static bool on_lookup(Turn *turn, const void *args, void *result, GError **error)
{
    const Absence *absence = turn->call->row->facts;
    g_autofree char *key = absence->key(args);

    return error_set(error, absence->code, absence->origin, "%s %s", absence->words, key);
}

static bool on_scsi_host(Turn *turn, const void *args, void *result, GError **error)
{
    return error_check_flags(error, ((const RpcScsiHost *)args)->flags, 0,
                             "nodeDeviceLookupSCSIHostByWWN") &&
           on_lookup(turn, args, result, error);
}

/* clang-format off */
#define NONE_OF(name) {REMOTE_##name, on_none, ON_LOOP, DEADLINE_NONE}
#define NO_BY(run, family, origin, name, key, words)                                                \
    {                                                                                              \
        REMOTE_##name, run, ON_LOOP, DEADLINE_NONE,                                                \
        .facts = &(const Absence){ERROR_NO_##family, ORIGIN_##origin, words, key}                  \
    }
#define NO(family, ...) NO_BY(on_lookup, family, __VA_ARGS__)

static const HandlerRow absent_rows[] = {
    NONE_OF(NODE_GET_SECURITY_MODEL),
    NONE_OF(CONNECT_LIST_DEFINED_DOMAINS),
    NONE_OF(CONNECT_NUM_OF_DEFINED_DOMAINS),
    NONE_OF(CONNECT_LIST_DEFINED_NETWORKS),
    NONE_OF(CONNECT_LIST_DOMAINS),
    NONE_OF(CONNECT_LIST_NETWORKS),
    NONE_OF(CONNECT_NUM_OF_DEFINED_NETWORKS),
    NONE_OF(CONNECT_NUM_OF_DOMAINS),
    NONE_OF(CONNECT_NUM_OF_NETWORKS),
    NONE_OF(NODE_NUM_OF_DEVICES),
    NONE_OF(NODE_LIST_DEVICES),
    NONE_OF(CONNECT_NUM_OF_INTERFACES),
    NONE_OF(CONNECT_LIST_INTERFACES),
    NONE_OF(CONNECT_NUM_OF_DEFINED_INTERFACES),
    NONE_OF(CONNECT_LIST_DEFINED_INTERFACES),
    NONE_OF(CONNECT_NUM_OF_SECRETS),
    NONE_OF(CONNECT_LIST_SECRETS),
    NONE_OF(CONNECT_NUM_OF_NWFILTERS),
    NONE_OF(CONNECT_LIST_NWFILTERS),
    NONE_OF(CONNECT_LIST_ALL_DOMAINS),
    NONE_OF(CONNECT_LIST_ALL_NETWORKS),
    NONE_OF(CONNECT_LIST_ALL_INTERFACES),
    NONE_OF(CONNECT_LIST_ALL_NODE_DEVICES),
    NONE_OF(CONNECT_LIST_ALL_NWFILTERS),
    NONE_OF(CONNECT_LIST_ALL_SECRETS),
    NONE_OF(CONNECT_LIST_ALL_NWFILTER_BINDINGS),
    NONE_OF(CONNECT_GET_ALL_DOMAIN_STATS),
    NO(DOMAIN, DOMAIN, DOMAIN_LOOKUP_BY_ID, key_id, "no domain with matching id"),
    NO(DOMAIN, DOMAIN, DOMAIN_LOOKUP_BY_NAME, key_text, "no domain with matching name"),
    NO(DOMAIN, DOMAIN, DOMAIN_LOOKUP_BY_UUID, key_uuid, "no domain with matching uuid"),
    NO(NETWORK, NETWORK, NETWORK_LOOKUP_BY_NAME, key_text, "no network with matching name"),
    NO(NETWORK, NETWORK, NETWORK_LOOKUP_BY_UUID, key_uuid, "no network with matching uuid"),
    NO(INTERFACE, INTERFACE, INTERFACE_LOOKUP_BY_NAME, key_text, "couldn't find interface named"),
    NO(INTERFACE, INTERFACE, INTERFACE_LOOKUP_BY_MAC_STRING, key_text,
       "couldn't find interface with MAC address"),
    NO(NODE_DEVICE, NODEDEV, NODE_DEVICE_LOOKUP_BY_NAME, key_text,
       "no node device with matching name"),
    NO_BY(on_scsi_host, NODE_DEVICE, NODEDEV, NODE_DEVICE_LOOKUP_SCSI_HOST_BY_WWN, key_scsi_host,
          "no SCSI host with matching WWNN"),
    NO(SECRET, SECRET, SECRET_LOOKUP_BY_UUID, key_uuid, "no secret with matching uuid"),
    NO(SECRET, SECRET, SECRET_LOOKUP_BY_USAGE, key_usage, "no secret with matching usage"),
    NO(NWFILTER, NWFILTER, NWFILTER_LOOKUP_BY_NAME, key_text, "no nwfilter with matching name"),
    NO(NWFILTER, NWFILTER, NWFILTER_LOOKUP_BY_UUID, key_uuid, "no nwfilter with matching uuid"),
    NO(NWFILTER_BINDING, NWFILTER, NWFILTER_BINDING_LOOKUP_BY_PORT_DEV, key_text,
       "no nwfilter binding for port dev"),
};
/* clang-format on */

const HandlerTable absent_handlers = {absent_rows, G_N_ELEMENTS(absent_rows)};
