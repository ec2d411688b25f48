/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol.h"
#include <stdlib.h>

/* ---- shapes ---- */

#define FIELD(type, kind, member)                                                                  \
    {                                                                                              \
#member, kind, offsetof(type, member), 0, 0, NULL                                          \
    }
#define INT(type, member)             FIELD(type, XDR_INT, member)
#define UINT(type, member)            FIELD(type, XDR_UINT, member)
#define HYPER(type, member)           FIELD(type, XDR_HYPER, member)
#define UHYPER(type, member)          FIELD(type, XDR_UHYPER, member)
#define STRING(type, member)          FIELD(type, XDR_STRING, member)
#define OPTIONAL_STRING(type, member) FIELD(type, XDR_OPTIONAL_STRING, member)
#define UUID(type, member)                                                                         \
    {                                                                                              \
#member, XDR_FIXED, offsetof(type, member), 0, 16, NULL                                    \
    }
#define STRUCT(type, member, of)                                                                   \
    {                                                                                              \
#member, XDR_STRUCT, offsetof(type, member), 0, 0, &(of)                                   \
    }
#define OPTIONAL(type, member, of)                                                                 \
    {                                                                                              \
#member, XDR_OPTIONAL, offsetof(type, member), 0, 0, &(of)                                 \
    }
#define ARRAY(type, member, count, most, of)                                                       \
    {                                                                                              \
#member, XDR_ARRAY, offsetof(type, member), offsetof(type, count), most, &(of)             \
    }
#define CHARS(type, member, count, most)                                                           \
    {                                                                                              \
#member, XDR_CHARS, offsetof(type, member), offsetof(type, count), most, NULL              \
    }
#define CHOICE(type, member, selector, of)                                                         \
    {                                                                                              \
#member, XDR_UNION, offsetof(type, member), offsetof(type, selector), 0, &(of)             \
    }

#define SHAPE_AS(scope, variable, type, ...)                                                       \
    static const XdrField variable##_fields[] = {__VA_ARGS__};                                     \
    scope const XdrType variable = {sizeof(type), variable##_fields,                               \
                                    G_N_ELEMENTS(variable##_fields)}
#define SHAPE(variable, type, ...)  SHAPE_AS(static, variable, type, __VA_ARGS__)
#define PUBLIC(variable, type, ...) SHAPE_AS(, variable, type, __VA_ARGS__)

SHAPE(int_type, RpcInt, INT(RpcInt, value));
SHAPE(flags_type, RpcFlags, UINT(RpcFlags, flags));
SHAPE(uint64_type, RpcUint64, UHYPER(RpcUint64, value));
SHAPE(text_type, RpcText, STRING(RpcText, text));
SHAPE(optional_text_type, RpcOptionalText, OPTIONAL_STRING(RpcOptionalText, text));
SHAPE(text_flags_type, RpcTextFlags, STRING(RpcTextFlags, text), UINT(RpcTextFlags, flags));
SHAPE(uuid_type, RpcUuid, UUID(RpcUuid, uuid));
SHAPE(open_type, RpcOpen, OPTIONAL_STRING(RpcOpen, name), UINT(RpcOpen, flags));
PUBLIC(rpc_pool_type, RpcPool, STRING(RpcPool, name), UUID(RpcPool, uuid));
PUBLIC(rpc_volume_type, RpcVolume, STRING(RpcVolume, pool), STRING(RpcVolume, name),
       STRING(RpcVolume, key));
SHAPE(pool_flags_type, RpcPoolFlags, STRUCT(RpcPoolFlags, pool, rpc_pool_type),
      UINT(RpcPoolFlags, flags));
SHAPE(pool_int_type, RpcPoolInt, STRUCT(RpcPoolInt, pool, rpc_pool_type), INT(RpcPoolInt, value));
SHAPE(pool_name_type, RpcPoolName, STRUCT(RpcPoolName, pool, rpc_pool_type),
      STRING(RpcPoolName, name));
SHAPE(pool_info_type, RpcPoolInfo, UINT(RpcPoolInfo, state), UHYPER(RpcPoolInfo, capacity),
      UHYPER(RpcPoolInfo, allocation), UHYPER(RpcPoolInfo, available));
SHAPE(names_type, RpcNames, ARRAY(RpcNames, names, n_names, RPC_LIST_MAX, text_type));
SHAPE(list_pools_type, RpcListPools, INT(RpcListPools, need_results), UINT(RpcListPools, flags));
SHAPE(pool_list_type, RpcPoolList, ARRAY(RpcPoolList, pools, n_pools, RPC_LIST_MAX, rpc_pool_type),
      UINT(RpcPoolList, count));
SHAPE(list_volumes_type, RpcListVolumes, STRUCT(RpcListVolumes, pool, rpc_pool_type),
      INT(RpcListVolumes, need_results), UINT(RpcListVolumes, flags));
SHAPE(volume_list_type, RpcVolumeList,
      ARRAY(RpcVolumeList, volumes, n_volumes, RPC_LIST_MAX, rpc_volume_type),
      UINT(RpcVolumeList, count));
SHAPE(find_sources_type, RpcFindSources, STRING(RpcFindSources, type),
      OPTIONAL_STRING(RpcFindSources, spec), UINT(RpcFindSources, flags));
SHAPE(volume_create_type, RpcVolumeCreate, STRUCT(RpcVolumeCreate, pool, rpc_pool_type),
      STRING(RpcVolumeCreate, xml), UINT(RpcVolumeCreate, flags));
SHAPE(volume_create_from_type, RpcVolumeCreateFrom,
      STRUCT(RpcVolumeCreateFrom, pool, rpc_pool_type), STRING(RpcVolumeCreateFrom, xml),
      STRUCT(RpcVolumeCreateFrom, source, rpc_volume_type), UINT(RpcVolumeCreateFrom, flags));
SHAPE(volume_flags_type, RpcVolumeFlags, STRUCT(RpcVolumeFlags, volume, rpc_volume_type),
      UINT(RpcVolumeFlags, flags));
SHAPE(volume_wipe_type, RpcVolumeWipe, STRUCT(RpcVolumeWipe, volume, rpc_volume_type),
      UINT(RpcVolumeWipe, algorithm), UINT(RpcVolumeWipe, flags));
SHAPE(volume_resize_type, RpcVolumeResize, STRUCT(RpcVolumeResize, volume, rpc_volume_type),
      UHYPER(RpcVolumeResize, capacity), UINT(RpcVolumeResize, flags));
SHAPE(volume_stream_type, RpcVolumeStream, STRUCT(RpcVolumeStream, volume, rpc_volume_type),
      UHYPER(RpcVolumeStream, offset), UHYPER(RpcVolumeStream, length),
      UINT(RpcVolumeStream, flags));
PUBLIC(rpc_hole_type, RpcHole, HYPER(RpcHole, length), UINT(RpcHole, flags));
SHAPE(volume_info_type, RpcVolumeInfo, INT(RpcVolumeInfo, type), UHYPER(RpcVolumeInfo, capacity),
      UHYPER(RpcVolumeInfo, allocation));
SHAPE(event_register_type, RpcEventRegister, INT(RpcEventRegister, event),
      OPTIONAL(RpcEventRegister, pool, rpc_pool_type));
PUBLIC(rpc_event_lifecycle_type, RpcEventLifecycle, INT(RpcEventLifecycle, callback_id),
       STRUCT(RpcEventLifecycle, pool, rpc_pool_type), INT(RpcEventLifecycle, event),
       INT(RpcEventLifecycle, detail));
PUBLIC(rpc_event_refresh_type, RpcEventRefresh, INT(RpcEventRefresh, callback_id),
       STRUCT(RpcEventRefresh, pool, rpc_pool_type));

/* In the order of RpcParamType. */
SHAPE(param_value_type, ((RpcParam *)NULL)->value, {"value", XDR_INT}, {"value", XDR_UINT},
      {"value", XDR_HYPER}, {"value", XDR_UHYPER}, {"value", XDR_DOUBLE}, {"value", XDR_INT},
      {"value", XDR_STRING});
SHAPE(param_type, RpcParam, STRING(RpcParam, field), INT(RpcParam, type),
      CHOICE(RpcParam, value, type, param_value_type));
SHAPE(identity_type, RpcIdentity,
      ARRAY(RpcIdentity, params, n_params, RPC_IDENTITY_MAX, param_type), UINT(RpcIdentity, flags));

SHAPE(auth_types_type, RpcAuthTypes,
      ARRAY(RpcAuthTypes, types, n_types, RPC_AUTH_TYPES_MAX, int_type));
SHAPE(sasl_start_type, RpcSaslStart, STRING(RpcSaslStart, mechanism), INT(RpcSaslStart, nil),
      CHARS(RpcSaslStart, data, n_data, RPC_SASL_MAX));
SHAPE(sasl_step_type, RpcSaslStep, INT(RpcSaslStep, nil),
      CHARS(RpcSaslStep, data, n_data, RPC_SASL_MAX));
SHAPE(sasl_result_type, RpcSaslResult, INT(RpcSaslResult, complete), INT(RpcSaslResult, nil),
      CHARS(RpcSaslResult, data, n_data, RPC_SASL_MAX));
SHAPE(cells_type, RpcCells, INT(RpcCells, start), INT(RpcCells, max));
SHAPE(cells_memory_type, RpcCellsMemory,
      ARRAY(RpcCellsMemory, cells, n_cells, RPC_CELLS_MAX, uint64_type));
SHAPE(node_info_type, RpcNodeInfo,
      {"model", XDR_FIXED_CHARS, offsetof(RpcNodeInfo, model), 0, RPC_CPU_MODEL_SIZE, NULL},
      UHYPER(RpcNodeInfo, memory), INT(RpcNodeInfo, cpus), INT(RpcNodeInfo, mhz),
      INT(RpcNodeInfo, nodes), INT(RpcNodeInfo, sockets), INT(RpcNodeInfo, cores),
      INT(RpcNodeInfo, threads));
SHAPE(security_model_type, RpcSecurityModel,
      CHARS(RpcSecurityModel, model, n_model, RPC_SECURITY_MAX),
      CHARS(RpcSecurityModel, doi, n_doi, RPC_SECURITY_MAX));
SHAPE(devices_type, RpcDevices, OPTIONAL_STRING(RpcDevices, capability), UINT(RpcDevices, flags));
SHAPE(device_names_type, RpcDeviceNames, OPTIONAL_STRING(RpcDeviceNames, capability),
      INT(RpcDeviceNames, max), UINT(RpcDeviceNames, flags));

SHAPE(domain_type, RpcDomain, STRING(RpcDomain, name), UUID(RpcDomain, uuid), INT(RpcDomain, id));
SHAPE(network_type, RpcNetwork, STRING(RpcNetwork, name), UUID(RpcNetwork, uuid));
SHAPE(secret_usage_type, RpcSecretUsage, INT(RpcSecretUsage, type), STRING(RpcSecretUsage, usage));
SHAPE(secret_type, RpcSecret, UUID(RpcSecret, uuid), STRUCT(RpcSecret, usage, secret_usage_type));
SHAPE(scsi_host_type, RpcScsiHost, STRING(RpcScsiHost, wwnn), STRING(RpcScsiHost, wwpn),
      UINT(RpcScsiHost, flags));
SHAPE(domain_stats_type, RpcDomainStats,
      ARRAY(RpcDomainStats, domains, n_domains, RPC_LIST_MAX, domain_type),
      UINT(RpcDomainStats, stats), UINT(RpcDomainStats, flags));

#define OTHER_REGISTER(variable, of)                                                               \
    SHAPE(variable, RpcOtherRegister, INT(RpcOtherRegister, event),                                \
          OPTIONAL(RpcOtherRegister, object, of))
OTHER_REGISTER(domain_register_type, domain_type);
OTHER_REGISTER(network_register_type, network_type);
OTHER_REGISTER(device_register_type, text_type);
OTHER_REGISTER(secret_register_type, secret_type);

SHAPE(volume_page_type, RpcVolumePage, STRUCT(RpcVolumePage, pool, rpc_pool_type),
      OPTIONAL_STRING(RpcVolumePage, after), UINT(RpcVolumePage, max));
SHAPE(volume_entry_type, RpcVolumeEntry, STRING(RpcVolumeEntry, name), STRING(RpcVolumeEntry, key),
      STRING(RpcVolumeEntry, path), INT(RpcVolumeEntry, type), STRING(RpcVolumeEntry, format),
      UHYPER(RpcVolumeEntry, capacity), UHYPER(RpcVolumeEntry, allocation),
      UHYPER(RpcVolumeEntry, physical), OPTIONAL_STRING(RpcVolumeEntry, backing),
      OPTIONAL_STRING(RpcVolumeEntry, problem));
SHAPE(volume_entries_type, RpcVolumeEntries,
      ARRAY(RpcVolumeEntries, entries, n_entries, RPC_PAGE_MAX, volume_entry_type),
      INT(RpcVolumeEntries, more));
SHAPE(job_type, RpcJob, UHYPER(RpcJob, id), STRING(RpcJob, operation), STRING(RpcJob, pool),
      OPTIONAL_STRING(RpcJob, volume), STRING(RpcJob, client), HYPER(RpcJob, started),
      UHYPER(RpcJob, done), UHYPER(RpcJob, total));
SHAPE(jobs_type, RpcJobs, ARRAY(RpcJobs, jobs, n_jobs, RPC_LIST_MAX, job_type));
PUBLIC(rpc_progress_type, RpcProgress, UINT(RpcProgress, serial), UHYPER(RpcProgress, done),
       UHYPER(RpcProgress, total));
SHAPE(serial_type, RpcSerial, UINT(RpcSerial, serial));
SHAPE(chain_entry_type, RpcChainEntry, STRING(RpcChainEntry, path), STRING(RpcChainEntry, format),
      UHYPER(RpcChainEntry, capacity), OPTIONAL_STRING(RpcChainEntry, problem));
SHAPE(chain_type, RpcChain, ARRAY(RpcChain, entries, n_entries, RPC_CHAIN_MAX, chain_entry_type));
SHAPE(resume_point_type, RpcResumePoint, UHYPER(RpcResumePoint, offset),
      UHYPER(RpcResumePoint, done));

PUBLIC(rpc_error_type, RpcError, INT(RpcError, code), INT(RpcError, origin),
       OPTIONAL_STRING(RpcError, message), INT(RpcError, level),
       OPTIONAL(RpcError, domain, domain_type), OPTIONAL_STRING(RpcError, str1),
       OPTIONAL_STRING(RpcError, str2), OPTIONAL_STRING(RpcError, str3), INT(RpcError, int1),
       INT(RpcError, int2), OPTIONAL(RpcError, network, network_type));

/* ---- procedures ---- */

#define NONE  &xdr_nothing
#define RO    PROCEDURE_READ_ONLY
#define EARLY (PROCEDURE_READ_ONLY | PROCEDURE_BEFORE_OPEN)
#define AUTH  (EARLY | PROCEDURE_BEFORE_AUTH)
#define EVENT PROCEDURE_MESSAGE
#define CONNECT(word)                                                                              \
    {                                                                                              \
        {                                                                                          \
            ACCESS_CONNECT, word                                                                   \
        }                                                                                          \
    }
#define POOL(word)                                                                                 \
    {                                                                                              \
        {                                                                                          \
            ACCESS_POOL, word                                                                      \
        }                                                                                          \
    }
#define VOLUME(word)                                                                               \
    {                                                                                              \
        {                                                                                          \
            ACCESS_VOLUME, word                                                                    \
        }                                                                                          \
    }
#define POOLS_SEEN                                                                                 \
    {                                                                                              \
        ACCESS_POOL, "getattr"                                                                     \
    }
#define VOLUMES_SEEN                                                                               \
    {                                                                                              \
        ACCESS_VOLUME, "getattr"                                                                   \
    }
/* clang-format off */
#define ROW(name, args, result, ...) {REMOTE_##name, #name, args, result, __VA_ARGS__}
/* Lists and events of what a storage host has none of: they are empty, so any type of entry will
 * do. */
#define NOWHERE(name, args, result, what) ROW(name, args, result, RO, CONNECT("search_" what))
/* Look-ups of such: never found, so nothing is asked of the access driver, and nothing returned. */
#define ABSENT(name, args) ROW(name, args, NONE, RO)
#define OUR(name, args, result, ...) {CISTERN_##name, #name, args, result, __VA_ARGS__}

static const Procedure remote_procedures[] = {
    ROW(CONNECT_OPEN, &open_type, NONE, EARLY, CONNECT("getattr")),
    ROW(CONNECT_CLOSE, NONE, NONE, EARLY),
    ROW(CONNECT_GET_TYPE, NONE, &text_type, RO, CONNECT("getattr")),
    ROW(CONNECT_GET_VERSION, NONE, &uint64_type, RO, CONNECT("getattr")),
    ROW(CONNECT_GET_MAX_VCPUS, &optional_text_type, &int_type, RO, CONNECT("read")),
    ROW(NODE_GET_INFO, NONE, &node_info_type, RO, CONNECT("read")),
    ROW(CONNECT_GET_CAPABILITIES, NONE, &text_type, RO, CONNECT("read")),
    NOWHERE(CONNECT_LIST_DEFINED_DOMAINS, &int_type, &names_type, "domains"),
    ABSENT(DOMAIN_LOOKUP_BY_ID, &int_type),
    ABSENT(DOMAIN_LOOKUP_BY_NAME, &text_type),
    ABSENT(DOMAIN_LOOKUP_BY_UUID, &uuid_type),
    NOWHERE(CONNECT_NUM_OF_DEFINED_DOMAINS, NONE, &int_type, "domains"),
    NOWHERE(CONNECT_LIST_DEFINED_NETWORKS, &int_type, &names_type, "networks"),
    NOWHERE(CONNECT_LIST_DOMAINS, &int_type, &names_type, "domains"),
    NOWHERE(CONNECT_LIST_NETWORKS, &int_type, &names_type, "networks"),
    ABSENT(NETWORK_LOOKUP_BY_NAME, &text_type),
    ABSENT(NETWORK_LOOKUP_BY_UUID, &uuid_type),
    NOWHERE(CONNECT_NUM_OF_DEFINED_NETWORKS, NONE, &int_type, "networks"),
    NOWHERE(CONNECT_NUM_OF_DOMAINS, NONE, &int_type, "domains"),
    NOWHERE(CONNECT_NUM_OF_NETWORKS, NONE, &int_type, "networks"),
    ROW(CONNECT_GET_HOSTNAME, NONE, &text_type, RO, CONNECT("getattr")),
    ROW(CONNECT_SUPPORTS_FEATURE, &int_type, &int_type, EARLY, CONNECT("getattr")),
    ROW(AUTH_LIST, NONE, &auth_types_type, AUTH),
    ROW(AUTH_SASL_INIT, NONE, &text_type, AUTH),
    ROW(AUTH_SASL_START, &sasl_start_type, &sasl_result_type, AUTH),
    ROW(AUTH_SASL_STEP, &sasl_step_type, &sasl_result_type, AUTH),
    ROW(AUTH_POLKIT, NONE, &int_type, AUTH),
    ROW(CONNECT_NUM_OF_STORAGE_POOLS, NONE, &int_type, RO,
        CONNECT("search_storage_pools"), POOLS_SEEN),
    ROW(CONNECT_LIST_STORAGE_POOLS, &int_type, &names_type, RO,
        CONNECT("search_storage_pools"), POOLS_SEEN),
    ROW(CONNECT_NUM_OF_DEFINED_STORAGE_POOLS, NONE, &int_type, RO,
        CONNECT("search_storage_pools"), POOLS_SEEN),
    ROW(CONNECT_LIST_DEFINED_STORAGE_POOLS, &int_type, &names_type, RO,
        CONNECT("search_storage_pools"), POOLS_SEEN),
    ROW(CONNECT_FIND_STORAGE_POOL_SOURCES, &find_sources_type, &text_type, 0,
        CONNECT("detect_storage_pools")),
    ROW(STORAGE_POOL_CREATE_XML, &text_flags_type, &rpc_pool_type, 0,
        {{ACCESS_POOL, "start"}, {ACCESS_POOL, "write"}}),
    ROW(STORAGE_POOL_DEFINE_XML, &text_flags_type, &rpc_pool_type, 0,
        {{ACCESS_POOL, "write"}, {ACCESS_POOL, "save"}}),
    ROW(STORAGE_POOL_CREATE, &pool_flags_type, NONE, 0, POOL("start")),
    ROW(STORAGE_POOL_BUILD, &pool_flags_type, NONE, 0, POOL("format")),
    ROW(STORAGE_POOL_DESTROY, &rpc_pool_type, NONE, 0, POOL("stop")),
    ROW(STORAGE_POOL_DELETE, &pool_flags_type, NONE, 0, POOL("format")),
    ROW(STORAGE_POOL_UNDEFINE, &rpc_pool_type, NONE, 0, POOL("delete")),
    ROW(STORAGE_POOL_REFRESH, &pool_flags_type, NONE, 0, POOL("refresh")),
    ROW(STORAGE_POOL_LOOKUP_BY_NAME, &text_type, &rpc_pool_type, RO, POOL("getattr")),
    ROW(STORAGE_POOL_LOOKUP_BY_UUID, &uuid_type, &rpc_pool_type, RO, POOL("getattr")),
    ROW(STORAGE_POOL_LOOKUP_BY_VOLUME, &rpc_volume_type, &rpc_pool_type, RO, POOL("getattr")),
    ROW(STORAGE_POOL_GET_INFO, &rpc_pool_type, &pool_info_type, RO, POOL("read")),
    ROW(STORAGE_POOL_GET_XML_DESC, &pool_flags_type, &text_type, RO, POOL("read")),
    ROW(STORAGE_POOL_GET_AUTOSTART, &rpc_pool_type, &int_type, RO, POOL("read")),
    ROW(STORAGE_POOL_SET_AUTOSTART, &pool_int_type, NONE, 0, POOL("write")),
    ROW(STORAGE_POOL_NUM_OF_VOLUMES, &rpc_pool_type, &int_type, RO,
        POOL("search_storage_vols"), VOLUMES_SEEN),
    ROW(STORAGE_POOL_LIST_VOLUMES, &pool_int_type, &names_type, RO,
        POOL("search_storage_vols"), VOLUMES_SEEN),
    ROW(STORAGE_VOL_CREATE_XML, &volume_create_type, &rpc_volume_type, 0, VOLUME("create")),
    ROW(STORAGE_VOL_DELETE, &volume_flags_type, NONE, 0, VOLUME("delete")),
    ROW(STORAGE_VOL_LOOKUP_BY_NAME, &pool_name_type, &rpc_volume_type, RO, VOLUME("getattr")),
    ROW(STORAGE_VOL_LOOKUP_BY_KEY, &text_type, &rpc_volume_type, RO, VOLUME("getattr")),
    ROW(STORAGE_VOL_LOOKUP_BY_PATH, &text_type, &rpc_volume_type, RO, VOLUME("getattr")),
    ROW(STORAGE_VOL_GET_INFO, &rpc_volume_type, &volume_info_type, RO, VOLUME("read")),
    ROW(STORAGE_VOL_GET_XML_DESC, &volume_flags_type, &text_type, RO, VOLUME("read")),
    ROW(STORAGE_VOL_GET_PATH, &rpc_volume_type, &text_type, RO, VOLUME("read")),
    ROW(NODE_GET_CELLS_FREE_MEMORY, &cells_type, &cells_memory_type, RO, CONNECT("read")),
    ROW(NODE_GET_FREE_MEMORY, NONE, &uint64_type, RO, CONNECT("read")),
    NOWHERE(CONNECT_DOMAIN_EVENT_REGISTER, NONE, &int_type, "domains"),
    ROW(CONNECT_DOMAIN_EVENT_DEREGISTER, NONE, &int_type, RO, CONNECT("read")),
    ROW(CONNECT_GET_URI, NONE, &text_type, RO, CONNECT("getattr")),
    NOWHERE(NODE_NUM_OF_DEVICES, &devices_type, &int_type, "node_devices"),
    NOWHERE(NODE_LIST_DEVICES, &device_names_type, &names_type, "node_devices"),
    ABSENT(NODE_DEVICE_LOOKUP_BY_NAME, &text_type),
    ROW(NODE_GET_SECURITY_MODEL, NONE, &security_model_type, RO, CONNECT("read")),
    ROW(STORAGE_VOL_CREATE_XML_FROM, &volume_create_from_type, &rpc_volume_type, 0,
        VOLUME("create"),
        .source_rights = {{ACCESS_VOLUME, "getattr"}, {ACCESS_VOLUME, "data_read"}}),
    NOWHERE(CONNECT_NUM_OF_INTERFACES, NONE, &int_type, "interfaces"),
    NOWHERE(CONNECT_LIST_INTERFACES, &int_type, &names_type, "interfaces"),
    ABSENT(INTERFACE_LOOKUP_BY_NAME, &text_type),
    ABSENT(INTERFACE_LOOKUP_BY_MAC_STRING, &text_type),
    NOWHERE(CONNECT_NUM_OF_DEFINED_INTERFACES, NONE, &int_type, "interfaces"),
    NOWHERE(CONNECT_LIST_DEFINED_INTERFACES, &int_type, &names_type, "interfaces"),
    NOWHERE(CONNECT_NUM_OF_SECRETS, NONE, &int_type, "secrets"),
    NOWHERE(CONNECT_LIST_SECRETS, &int_type, &names_type, "secrets"),
    ABSENT(SECRET_LOOKUP_BY_UUID, &uuid_type),
    ABSENT(SECRET_LOOKUP_BY_USAGE, &secret_usage_type),
    ROW(CONNECT_IS_SECURE, NONE, &int_type, RO),
    ROW(STORAGE_POOL_IS_ACTIVE, &rpc_pool_type, &int_type, RO, POOL("read")),
    ROW(STORAGE_POOL_IS_PERSISTENT, &rpc_pool_type, &int_type, RO, POOL("read")),
    ROW(CONNECT_GET_LIB_VERSION, NONE, &uint64_type, RO, CONNECT("getattr")),
    ROW(STORAGE_VOL_WIPE, &volume_flags_type, NONE, 0, VOLUME("format")),
    NOWHERE(CONNECT_DOMAIN_EVENT_REGISTER_ANY, &int_type, NONE, "domains"),
    ROW(CONNECT_DOMAIN_EVENT_DEREGISTER_ANY, &int_type, NONE, RO, CONNECT("read")),
    ABSENT(NWFILTER_LOOKUP_BY_NAME, &text_type),
    ABSENT(NWFILTER_LOOKUP_BY_UUID, &uuid_type),
    NOWHERE(CONNECT_NUM_OF_NWFILTERS, NONE, &int_type, "nwfilters"),
    NOWHERE(CONNECT_LIST_NWFILTERS, &int_type, &names_type, "nwfilters"),
    ROW(CONNECT_GET_SYSINFO, &flags_type, &text_type, RO, CONNECT("read")),
    ROW(STORAGE_VOL_UPLOAD, &volume_stream_type, NONE, 0, VOLUME("data_write")),
    ROW(STORAGE_VOL_DOWNLOAD, &volume_stream_type, NONE, 0, VOLUME("data_read")),
    ROW(STORAGE_VOL_WIPE_PATTERN, &volume_wipe_type, NONE, 0, VOLUME("format")),
    ROW(STORAGE_VOL_RESIZE, &volume_resize_type, NONE, 0, VOLUME("resize")),
    NOWHERE(CONNECT_LIST_ALL_DOMAINS, &list_pools_type, &pool_list_type, "domains"),
    ROW(CONNECT_LIST_ALL_STORAGE_POOLS, &list_pools_type, &pool_list_type, RO,
        CONNECT("search_storage_pools"), POOLS_SEEN),
    ROW(STORAGE_POOL_LIST_ALL_VOLUMES, &list_volumes_type, &volume_list_type, RO,
        POOL("search_storage_vols"), VOLUMES_SEEN),
    NOWHERE(CONNECT_LIST_ALL_NETWORKS, &list_pools_type, &pool_list_type, "networks"),
    NOWHERE(CONNECT_LIST_ALL_INTERFACES, &list_pools_type, &pool_list_type, "interfaces"),
    NOWHERE(CONNECT_LIST_ALL_NODE_DEVICES, &list_pools_type, &pool_list_type, "node_devices"),
    NOWHERE(CONNECT_LIST_ALL_NWFILTERS, &list_pools_type, &pool_list_type, "nwfilters"),
    NOWHERE(CONNECT_LIST_ALL_SECRETS, &list_pools_type, &pool_list_type, "secrets"),
    ABSENT(NODE_DEVICE_LOOKUP_SCSI_HOST_BY_WWN, &scsi_host_type),
    NOWHERE(CONNECT_NETWORK_EVENT_REGISTER_ANY, &network_register_type, &int_type, "networks"),
    ROW(CONNECT_NETWORK_EVENT_DEREGISTER_ANY, &int_type, NONE, RO, CONNECT("read")),
    NOWHERE(CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, &domain_register_type, &int_type, "domains"),
    ROW(CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY, &int_type, NONE, RO, CONNECT("read")),
    NOWHERE(CONNECT_GET_ALL_DOMAIN_STATS, &domain_stats_type, &names_type, "domains"),
    ROW(CONNECT_REGISTER_CLOSE_CALLBACK, NONE, NONE, RO, CONNECT("getattr")),
    ROW(CONNECT_UNREGISTER_CLOSE_CALLBACK, NONE, NONE, RO, CONNECT("getattr")),
    ROW(CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY, &event_register_type, &int_type, RO,
        CONNECT("search_storage_pools"), POOLS_SEEN),
    ROW(CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY, &int_type, NONE, RO, CONNECT("read")),
    ROW(STORAGE_POOL_EVENT_LIFECYCLE, &rpc_event_lifecycle_type, NONE, EVENT),
    ROW(STORAGE_POOL_EVENT_REFRESH, &rpc_event_refresh_type, NONE, EVENT),
    NOWHERE(CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY, &device_register_type, &int_type, "node_devices"),
    ROW(CONNECT_NODE_DEVICE_EVENT_DEREGISTER_ANY, &int_type, NONE, RO, CONNECT("read")),
    ROW(STORAGE_VOL_GET_INFO_FLAGS, &volume_flags_type, &volume_info_type, RO, VOLUME("read")),
    NOWHERE(CONNECT_SECRET_EVENT_REGISTER_ANY, &secret_register_type, &int_type, "secrets"),
    ROW(CONNECT_SECRET_EVENT_DEREGISTER_ANY, &int_type, NONE, RO, CONNECT("read")),
    ROW(STORAGE_POOL_LOOKUP_BY_TARGET_PATH, &text_type, &rpc_pool_type, RO, POOL("getattr")),
    ABSENT(NWFILTER_BINDING_LOOKUP_BY_PORT_DEV, &text_type),
    NOWHERE(CONNECT_LIST_ALL_NWFILTER_BINDINGS, &list_pools_type, &pool_list_type, "nwfilter_bindings"),
    ROW(CONNECT_GET_STORAGE_POOL_CAPABILITIES, &flags_type, &text_type, RO, CONNECT("read")),
    ROW(CONNECT_SET_IDENTITY, &identity_type, NONE, RO, CONNECT("write")),
};

static const Procedure cistern_procedures[] = {
    OUR(VOLUME_LIST_PAGE, &volume_page_type, &volume_entries_type, RO,
        POOL("search_storage_vols"), VOLUMES_SEEN),
    OUR(JOB_LIST, NONE, &jobs_type, RO, CONNECT("read")),
    OUR(JOB_CANCEL, &uint64_type, NONE, 0, CONNECT("write")),
    OUR(PROGRESS_SUBSCRIBE, &int_type, NONE, RO),
    OUR(PROGRESS, &rpc_progress_type, NONE, EVENT),
    OUR(CALL_CANCEL, &serial_type, NONE, RO),
    OUR(VOLUME_CHAIN, &rpc_volume_type, &chain_type, RO, VOLUME("read")),
    OUR(VOLUME_RESUME_POINT, &rpc_volume_type, &resume_point_type, 0, VOLUME("data_write")),
};
/* clang-format on */

const Program program_remote = {
    PROGRAM_REMOTE,
    "remote",
    remote_procedures,
    G_N_ELEMENTS(remote_procedures),
};

const Program program_cistern = {
    PROGRAM_CISTERN,
    "cistern",
    cistern_procedures,
    G_N_ELEMENTS(cistern_procedures),
};

const Program *program_find(guint32 number, guint32 version)
{
    if (version != PROGRAM_VERSION)
        return NULL;
    return number == PROGRAM_REMOTE    ? &program_remote
           : number == PROGRAM_CISTERN ? &program_cistern
                                       : NULL;
}

static int compare_number(const void *key, const void *row)
{
    gint32 wanted = *(const gint32 *)key, number = ((const Procedure *)row)->number;

    return (wanted > number) - (wanted < number);
}

const Procedure *procedure_find(const Program *program, gint32 number)
{
    return bsearch(&number, program->procedures, program->n_procedures, sizeof(Procedure),
                   compare_number);
}

static bool stays_upper(const char *word)
{
    static const char *const words[] = {"XML", "UUID", "URI", NULL};

    return g_strv_contains(words, word);
}

char *procedure_function(guint32 program, const Procedure *procedure)
{
    g_auto(GStrv) words = g_strsplit(procedure->name, "_", -1);
    GString *name = g_string_new(program == PROGRAM_REMOTE ? "vir" : "cistern");

    for (char **word = words; *word; word++) {
        g_autofree char *lower = g_ascii_strdown(*word, -1);
        lower[0] = **word;
        g_string_append(name, stays_upper(*word) ? *word : lower);
    }
    return g_string_free(name, FALSE);
}

const char *access_object_name(AccessObject object)
{
    static const char *const names[] = {"none", "connect", "storage_pool", "storage_vol"};

    return names[object];
}
