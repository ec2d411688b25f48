/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "uuid.h"
#include "xdr.h"

/*
 * The procedures and what travels in them. Numbers, shapes and limits are those
 * of libvirt's remote protocol (program 0x20008086) and of its keepalive; the
 * third program is our own, for what libvirt has no call for.
 */

#define PROGRAM_REMOTE    0x20008086u
#define PROGRAM_KEEPALIVE 0x6b656570u
#define PROGRAM_CISTERN   0x43495354u
#define PROGRAM_VERSION   1u /* of all three */

enum { KEEPALIVE_PING = 1, KEEPALIVE_PONG = 2 };

#define RPC_LIST_MAX       16384 /* entries of any list of the remote program */
#define RPC_PAGE_MAX       4096  /* entries of a page of volumes */
#define RPC_CHAIN_MAX      256
#define RPC_IDENTITY_MAX   20
#define RPC_AUTH_TYPES_MAX 20
#define RPC_SASL_MAX       65536
#define RPC_CELLS_MAX      1024
#define RPC_CPU_MODEL_SIZE 32
#define RPC_SECURITY_MAX   257

typedef enum RemoteProcedure {
    REMOTE_CONNECT_OPEN = 1,
    REMOTE_CONNECT_CLOSE = 2,
    REMOTE_CONNECT_GET_TYPE = 3,
    REMOTE_CONNECT_GET_VERSION = 4,
    REMOTE_CONNECT_GET_MAX_VCPUS = 5,
    REMOTE_NODE_GET_INFO = 6,
    REMOTE_CONNECT_GET_CAPABILITIES = 7,
    REMOTE_CONNECT_LIST_DEFINED_DOMAINS = 21,
    REMOTE_DOMAIN_LOOKUP_BY_ID = 22,
    REMOTE_DOMAIN_LOOKUP_BY_NAME = 23,
    REMOTE_DOMAIN_LOOKUP_BY_UUID = 24,
    REMOTE_CONNECT_NUM_OF_DEFINED_DOMAINS = 25,
    REMOTE_CONNECT_LIST_DEFINED_NETWORKS = 36,
    REMOTE_CONNECT_LIST_DOMAINS = 37,
    REMOTE_CONNECT_LIST_NETWORKS = 38,
    REMOTE_NETWORK_LOOKUP_BY_NAME = 46,
    REMOTE_NETWORK_LOOKUP_BY_UUID = 47,
    REMOTE_CONNECT_NUM_OF_DEFINED_NETWORKS = 50,
    REMOTE_CONNECT_NUM_OF_DOMAINS = 51,
    REMOTE_CONNECT_NUM_OF_NETWORKS = 52,
    REMOTE_CONNECT_GET_HOSTNAME = 59,
    REMOTE_CONNECT_SUPPORTS_FEATURE = 60,
    REMOTE_AUTH_LIST = 66,
    REMOTE_AUTH_SASL_INIT = 67,
    REMOTE_AUTH_SASL_START = 68,
    REMOTE_AUTH_SASL_STEP = 69,
    REMOTE_AUTH_POLKIT = 70,
    REMOTE_CONNECT_NUM_OF_STORAGE_POOLS = 71,
    REMOTE_CONNECT_LIST_STORAGE_POOLS = 72,
    REMOTE_CONNECT_NUM_OF_DEFINED_STORAGE_POOLS = 73,
    REMOTE_CONNECT_LIST_DEFINED_STORAGE_POOLS = 74,
    REMOTE_CONNECT_FIND_STORAGE_POOL_SOURCES = 75,
    REMOTE_STORAGE_POOL_CREATE_XML = 76,
    REMOTE_STORAGE_POOL_DEFINE_XML = 77,
    REMOTE_STORAGE_POOL_CREATE = 78,
    REMOTE_STORAGE_POOL_BUILD = 79,
    REMOTE_STORAGE_POOL_DESTROY = 80,
    REMOTE_STORAGE_POOL_DELETE = 81,
    REMOTE_STORAGE_POOL_UNDEFINE = 82,
    REMOTE_STORAGE_POOL_REFRESH = 83,
    REMOTE_STORAGE_POOL_LOOKUP_BY_NAME = 84,
    REMOTE_STORAGE_POOL_LOOKUP_BY_UUID = 85,
    REMOTE_STORAGE_POOL_LOOKUP_BY_VOLUME = 86,
    REMOTE_STORAGE_POOL_GET_INFO = 87,
    REMOTE_STORAGE_POOL_GET_XML_DESC = 88,
    REMOTE_STORAGE_POOL_GET_AUTOSTART = 89,
    REMOTE_STORAGE_POOL_SET_AUTOSTART = 90,
    REMOTE_STORAGE_POOL_NUM_OF_VOLUMES = 91,
    REMOTE_STORAGE_POOL_LIST_VOLUMES = 92,
    REMOTE_STORAGE_VOL_CREATE_XML = 93,
    REMOTE_STORAGE_VOL_DELETE = 94,
    REMOTE_STORAGE_VOL_LOOKUP_BY_NAME = 95,
    REMOTE_STORAGE_VOL_LOOKUP_BY_KEY = 96,
    REMOTE_STORAGE_VOL_LOOKUP_BY_PATH = 97,
    REMOTE_STORAGE_VOL_GET_INFO = 98,
    REMOTE_STORAGE_VOL_GET_XML_DESC = 99,
    REMOTE_STORAGE_VOL_GET_PATH = 100,
    REMOTE_NODE_GET_CELLS_FREE_MEMORY = 101,
    REMOTE_NODE_GET_FREE_MEMORY = 102,
    REMOTE_CONNECT_DOMAIN_EVENT_REGISTER = 105,
    REMOTE_CONNECT_DOMAIN_EVENT_DEREGISTER = 106,
    REMOTE_CONNECT_GET_URI = 110,
    REMOTE_NODE_NUM_OF_DEVICES = 111,
    REMOTE_NODE_LIST_DEVICES = 112,
    REMOTE_NODE_DEVICE_LOOKUP_BY_NAME = 113,
    REMOTE_NODE_GET_SECURITY_MODEL = 122,
    REMOTE_STORAGE_VOL_CREATE_XML_FROM = 125,
    REMOTE_CONNECT_NUM_OF_INTERFACES = 126,
    REMOTE_CONNECT_LIST_INTERFACES = 127,
    REMOTE_INTERFACE_LOOKUP_BY_NAME = 128,
    REMOTE_INTERFACE_LOOKUP_BY_MAC_STRING = 129,
    REMOTE_CONNECT_NUM_OF_DEFINED_INTERFACES = 137,
    REMOTE_CONNECT_LIST_DEFINED_INTERFACES = 138,
    REMOTE_CONNECT_NUM_OF_SECRETS = 139,
    REMOTE_CONNECT_LIST_SECRETS = 140,
    REMOTE_SECRET_LOOKUP_BY_UUID = 141,
    REMOTE_SECRET_LOOKUP_BY_USAGE = 147,
    REMOTE_CONNECT_IS_SECURE = 149,
    REMOTE_STORAGE_POOL_IS_ACTIVE = 154,
    REMOTE_STORAGE_POOL_IS_PERSISTENT = 155,
    REMOTE_CONNECT_GET_LIB_VERSION = 157,
    REMOTE_STORAGE_VOL_WIPE = 165,
    REMOTE_CONNECT_DOMAIN_EVENT_REGISTER_ANY = 167,
    REMOTE_CONNECT_DOMAIN_EVENT_DEREGISTER_ANY = 168,
    REMOTE_NWFILTER_LOOKUP_BY_NAME = 175,
    REMOTE_NWFILTER_LOOKUP_BY_UUID = 176,
    REMOTE_CONNECT_NUM_OF_NWFILTERS = 178,
    REMOTE_CONNECT_LIST_NWFILTERS = 179,
    REMOTE_CONNECT_GET_SYSINFO = 203,
    REMOTE_STORAGE_VOL_UPLOAD = 208,   /* opens a stream from the client */
    REMOTE_STORAGE_VOL_DOWNLOAD = 209, /* opens a stream to the client */
    REMOTE_STORAGE_VOL_WIPE_PATTERN = 259,
    REMOTE_STORAGE_VOL_RESIZE = 260,
    REMOTE_CONNECT_LIST_ALL_DOMAINS = 273,
    REMOTE_CONNECT_LIST_ALL_STORAGE_POOLS = 281,
    REMOTE_STORAGE_POOL_LIST_ALL_VOLUMES = 282,
    REMOTE_CONNECT_LIST_ALL_NETWORKS = 283,
    REMOTE_CONNECT_LIST_ALL_INTERFACES = 284,
    REMOTE_CONNECT_LIST_ALL_NODE_DEVICES = 285,
    REMOTE_CONNECT_LIST_ALL_NWFILTERS = 286,
    REMOTE_CONNECT_LIST_ALL_SECRETS = 287,
    REMOTE_NODE_DEVICE_LOOKUP_SCSI_HOST_BY_WWN = 297,
    REMOTE_CONNECT_NETWORK_EVENT_REGISTER_ANY = 313,
    REMOTE_CONNECT_NETWORK_EVENT_DEREGISTER_ANY = 314,
    REMOTE_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY = 316,
    REMOTE_CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY = 317,
    REMOTE_CONNECT_GET_ALL_DOMAIN_STATS = 344,
    REMOTE_CONNECT_REGISTER_CLOSE_CALLBACK = 360,
    REMOTE_CONNECT_UNREGISTER_CLOSE_CALLBACK = 361,
    REMOTE_CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY = 368,
    REMOTE_CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY = 369,
    REMOTE_STORAGE_POOL_EVENT_LIFECYCLE = 370,
    REMOTE_STORAGE_POOL_EVENT_REFRESH = 373,
    REMOTE_CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY = 374,
    REMOTE_CONNECT_NODE_DEVICE_EVENT_DEREGISTER_ANY = 375,
    REMOTE_STORAGE_VOL_GET_INFO_FLAGS = 378,
    REMOTE_CONNECT_SECRET_EVENT_REGISTER_ANY = 380,
    REMOTE_CONNECT_SECRET_EVENT_DEREGISTER_ANY = 381,
    REMOTE_STORAGE_POOL_LOOKUP_BY_TARGET_PATH = 391,
    REMOTE_NWFILTER_BINDING_LOOKUP_BY_PORT_DEV = 397,
    REMOTE_CONNECT_LIST_ALL_NWFILTER_BINDINGS = 401,
    REMOTE_CONNECT_GET_STORAGE_POOL_CAPABILITIES = 403,
    REMOTE_CONNECT_SET_IDENTITY = 419,
} RemoteProcedure;

typedef enum CisternProcedure {
    CISTERN_VOLUME_LIST_PAGE = 1,
    CISTERN_JOB_LIST = 2,
    CISTERN_JOB_CANCEL = 3,
    CISTERN_PROGRESS_SUBSCRIBE = 4,
    CISTERN_PROGRESS = 5, /* message from the server */
    CISTERN_CALL_CANCEL = 6,
    CISTERN_VOLUME_CHAIN = 7,
    CISTERN_VOLUME_RESUME_POINT = 8,
} CisternProcedure;

/* What an access driver is asked about: "storage_pool" and "getattr", for one. */
typedef enum AccessObject { ACCESS_NONE, ACCESS_CONNECT, ACCESS_POOL, ACCESS_VOLUME } AccessObject;

typedef struct AccessRight {
    AccessObject object;
    const char *permission; /* libvirt's word, with underscores */
} AccessRight;

/* "connect", "storage_pool", "storage_vol". */
const char *access_object_name(AccessObject object);

typedef enum ProcedureFlag {
    PROCEDURE_READ_ONLY = 1 << 0,   /* allowed on a read-only connection */
    PROCEDURE_BEFORE_OPEN = 1 << 1, /* allowed before CONNECT_OPEN */
    PROCEDURE_MESSAGE = 1 << 2,     /* sent by the server; `args` is its payload */
    PROCEDURE_BEFORE_AUTH = 1 << 8, /* allowed before authentication */
} ProcedureFlag;

typedef struct Procedure {
    gint32 number;
    const char *name;
    const XdrType *args;
    const XdrType *result;
    guint flags;
    AccessRight rights[2];  /* all that are asked, in this order */
    AccessRight list_right; /* asked for each entry of a list or event; or none */
    AccessRight
        source_rights[2]; /* asked for the volume whose content goes into another; or none */
} Procedure;

typedef struct Program {
    guint32 number;
    const char *name;
    const Procedure *procedures; /* ordered by number */
    guint n_procedures;
} Program;

extern const Program program_remote, program_cistern;

/* NULL when unknown. */
const Program *program_find(guint32 number, guint32 version);
const Procedure *procedure_find(const Program *program, gint32 number);

/* The name of the library function behind a procedure, for messages: "virStoragePoolCreateXML".
 * Free with g_free(). */
char *procedure_function(guint32 program, const Procedure *procedure);

/* ---- what travels ---- */

typedef struct RpcInt {
    gint32 value;
} RpcInt;

typedef struct RpcFlags {
    guint32 flags;
} RpcFlags;

typedef struct RpcUint64 {
    guint64 value;
} RpcUint64;

typedef struct RpcText {
    char *text; /* a name, key, path or document */
} RpcText;

typedef struct RpcOptionalText {
    char *text; /* or NULL */
} RpcOptionalText;

typedef struct RpcTextFlags {
    char *text;
    guint32 flags;
} RpcTextFlags;

typedef struct RpcUuid {
    Uuid uuid;
} RpcUuid;

typedef struct RpcOpen {
    char *name; /* or NULL */
    guint32 flags;
} RpcOpen;

typedef enum RpcOpenFlag { RPC_OPEN_READ_ONLY = 1 << 0 } RpcOpenFlag;

typedef struct RpcPool { /* found by uuid */
    char *name;
    Uuid uuid;
} RpcPool;

typedef struct RpcVolume { /* found by the names of pool and volume */
    char *pool;
    char *name;
    char *key;
} RpcVolume;

typedef struct RpcPoolFlags {
    RpcPool pool;
    guint32 flags;
} RpcPoolFlags;

typedef struct RpcPoolInt {
    RpcPool pool;
    gint32 value; /* autostart, or the most names wanted */
} RpcPoolInt;

typedef struct RpcPoolName {
    RpcPool pool;
    char *name;
} RpcPoolName;

typedef struct RpcPoolInfo {
    guint32 state;
    guint64 capacity, allocation, available; /* bytes */
} RpcPoolInfo;

typedef struct RpcNames {
    guint32 n_names;
    char **names;
} RpcNames;

typedef struct RpcListPools {
    gint32 need_results;
    guint32 flags;
} RpcListPools;

typedef struct RpcPoolList {
    guint32 n_pools;
    RpcPool *pools;
    guint32 count; /* the true number, also when no results were wanted */
} RpcPoolList;

typedef struct RpcListVolumes {
    RpcPool pool;
    gint32 need_results;
    guint32 flags;
} RpcListVolumes;

typedef struct RpcVolumeList {
    guint32 n_volumes;
    RpcVolume *volumes;
    guint32 count;
} RpcVolumeList;

typedef struct RpcFindSources {
    char *type;
    char *spec; /* or NULL */
    guint32 flags;
} RpcFindSources;

typedef struct RpcVolumeCreate {
    RpcPool pool;
    char *xml;
    guint32 flags;
} RpcVolumeCreate;

typedef struct RpcVolumeCreateFrom {
    RpcPool pool;
    char *xml;
    RpcVolume source;
    guint32 flags;
} RpcVolumeCreateFrom;

typedef struct RpcVolumeFlags {
    RpcVolume volume;
    guint32 flags;
} RpcVolumeFlags;

typedef struct RpcVolumeWipe {
    RpcVolume volume;
    guint32 algorithm;
    guint32 flags;
} RpcVolumeWipe;

typedef struct RpcVolumeResize {
    RpcVolume volume;
    guint64 capacity;
    guint32 flags;
} RpcVolumeResize;

typedef struct RpcVolumeStream {
    RpcVolume volume;
    guint64 offset, length; /* bytes; length 0: no limit */
    guint32 flags;
} RpcVolumeStream;

/* The payload of a hole in a stream. */
typedef struct RpcHole {
    gint64 length;
    guint32 flags; /* 0 */
} RpcHole;

typedef struct RpcVolumeInfo {
    gint32 type;
    guint64 capacity, allocation; /* bytes */
} RpcVolumeInfo;

typedef struct RpcEventRegister {
    gint32 event;  /* RpcEventId */
    RpcPool *pool; /* or NULL: all */
} RpcEventRegister;

/* Of what a storage host has none of. */
typedef struct RpcOtherRegister {
    gint32 event;
    void *object; /* a domain, network, device or secret; or NULL: all */
} RpcOtherRegister;

typedef enum RpcEventId { RPC_EVENT_LIFECYCLE, RPC_EVENT_REFRESH, RPC_EVENT_COUNT } RpcEventId;

typedef struct RpcEventLifecycle {
    gint32 callback_id;
    RpcPool pool;
    gint32 event;
    gint32 detail; /* always 0 */
} RpcEventLifecycle;

typedef struct RpcEventRefresh {
    gint32 callback_id;
    RpcPool pool;
} RpcEventRefresh;

typedef enum RpcParamType {
    RPC_PARAM_INT = 1,
    RPC_PARAM_UINT,
    RPC_PARAM_LLONG,
    RPC_PARAM_ULLONG,
    RPC_PARAM_DOUBLE,
    RPC_PARAM_BOOLEAN,
    RPC_PARAM_STRING,
} RpcParamType;

typedef struct RpcParam {
    char *field;
    gint32 type; /* RpcParamType */
    union {
        gint32 i;
        guint32 u;
        gint64 ll;
        guint64 ull;
        double d;
        char *text;
    } value;
} RpcParam;

typedef struct RpcIdentity {
    guint32 n_params;
    RpcParam *params;
    guint32 flags;
} RpcIdentity;

typedef enum RpcAuthType { RPC_AUTH_NONE, RPC_AUTH_SASL, RPC_AUTH_POLKIT } RpcAuthType;

typedef struct RpcAuthTypes {
    guint32 n_types;
    gint32 *types;
} RpcAuthTypes;

typedef struct RpcSaslStart {
    char *mechanism;
    gint32 nil;
    guint32 n_data;
    guint8 *data;
} RpcSaslStart;

typedef struct RpcSaslStep {
    gint32 nil;
    guint32 n_data;
    guint8 *data;
} RpcSaslStep;

typedef struct RpcSaslResult {
    gint32 complete;
    gint32 nil;
    guint32 n_data;
    guint8 *data;
} RpcSaslResult;

typedef struct RpcCells {
    gint32 start, max;
} RpcCells;

typedef struct RpcCellsMemory {
    guint32 n_cells;
    RpcUint64 *cells; /* bytes free */
} RpcCellsMemory;

typedef struct RpcNodeInfo {
    guint8 model[RPC_CPU_MODEL_SIZE]; /* NUL-terminated */
    guint64 memory;                   /* KiB */
    gint32 cpus, mhz, nodes, sockets, cores, threads;
} RpcNodeInfo;

typedef struct RpcSecurityModel {
    guint32 n_model, n_doi;
    guint8 *model, *doi;
} RpcSecurityModel;

typedef struct RpcDevices {
    char *capability; /* or NULL: any */
    guint32 flags;
} RpcDevices;

typedef struct RpcDeviceNames {
    char *capability; /* or NULL: any */
    gint32 max;
    guint32 flags;
} RpcDeviceNames;

/* ---- guests, networks, devices, secrets: named by clients, never by us ---- */

typedef struct RpcNetwork {
    char *name;
    Uuid uuid;
} RpcNetwork;

typedef struct RpcDomain {
    char *name;
    Uuid uuid;
    gint32 id;
} RpcDomain;

typedef struct RpcDomainStats {
    guint32 n_domains;
    RpcDomain *domains;
    guint32 stats, flags;
} RpcDomainStats;

typedef struct RpcSecretUsage {
    gint32 type;
    char *usage;
} RpcSecretUsage;

typedef struct RpcSecret {
    Uuid uuid;
    RpcSecretUsage usage;
} RpcSecret;

typedef struct RpcScsiHost {
    char *wwnn, *wwpn;
    guint32 flags;
} RpcScsiHost;

/* Features asked for with CONNECT_SUPPORTS_FEATURE that are of interest here. */
typedef enum RpcFeature {
    RPC_FEATURE_FD_PASSING = 8,
    RPC_FEATURE_KEEPALIVE = 10,
    RPC_FEATURE_EVENT_CALLBACK = 14,
    RPC_FEATURE_CLOSE_CALLBACK = 15,
} RpcFeature;

/* ---- of our own program ---- */

typedef struct RpcVolumePage {
    RpcPool pool;
    char *after; /* entries after this name; NULL: from the first */
    guint32 max; /* 1 to RPC_PAGE_MAX */
} RpcVolumePage;

typedef struct RpcVolumeEntry {
    char *name, *key, *path;
    gint32 type;
    char *format;                           /* "" for pool types without volume formats */
    guint64 capacity, allocation, physical; /* bytes, as last seen */
    char *backing;                          /* path of the backing file, or NULL */
    char *problem;                          /* what is wrong with it, or NULL */
} RpcVolumeEntry;

typedef struct RpcVolumeEntries {
    guint32 n_entries;
    RpcVolumeEntry *entries; /* ordered by name */
    gint32 more;             /* non-zero: there are names after the last entry */
} RpcVolumeEntries;

typedef struct RpcJob {
    guint64 id;
    char *operation, *pool;
    char *volume; /* or NULL */
    char *client;
    gint64 started;      /* microseconds since the epoch */
    guint64 done, total; /* total 0 = not known */
} RpcJob;

typedef struct RpcJobs {
    guint32 n_jobs;
    RpcJob *jobs;
} RpcJobs;

typedef struct RpcProgress {
    guint32 serial; /* of the running call */
    guint64 done, total;
} RpcProgress;

typedef struct RpcSerial {
    guint32 serial;
} RpcSerial;

typedef struct RpcChainEntry {
    char *path, *format;
    guint64 capacity; /* bytes; 0 = not known */
    char *problem;    /* why the chain ends here, or NULL */
} RpcChainEntry;

typedef struct RpcChain {
    guint32 n_entries;
    RpcChainEntry *entries;
} RpcChain;

typedef struct RpcResumePoint {
    guint64 offset, done; /* bytes; done 0: nothing is known */
} RpcResumePoint;

/* ---- errors ---- */

typedef struct RpcError {
    gint32 code, origin;
    char *message; /* or NULL */
    gint32 level;  /* 2 */
    RpcDomain *domain;
    char *str1, *str2, *str3; /* or NULL */
    gint32 int1, int2;
    RpcNetwork *network;
} RpcError;

extern const XdrType rpc_error_type, rpc_pool_type, rpc_volume_type, rpc_progress_type,
    rpc_event_lifecycle_type, rpc_event_refresh_type, rpc_hole_type;
