/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CISTERN_H
#define CISTERN_H

/*
 * libcistern: managing the storage of virtual machine hosts.
 *
 * A connection leads to a storage daemon or to an engine inside this process
 * ("embed:///DIR"); both are spoken to in the same protocol. Every call may wait
 * for its answer. A connection and everything got from it may be used by several
 * threads at once; calls run side by side.
 *
 * Results. Functions that return int give 0 (or a count) on success and -1 on
 * failure; functions that return a pointer give NULL on failure. After a failure
 * cistern_last_error() of the calling thread says what happened; a call that
 * succeeds leaves it as it was. Outputs are written on success only.
 *
 * Ownership. Strings that are returned as `char *` belong to the caller and are
 * freed with free(); `const char *` belongs to the object and lives as long as it.
 * Handles are freed with the function named at the call that gives them. Documents
 * and strings passed in are copied; the caller keeps them.
 *
 * Units. Sizes are bytes, times are said at the field. Text is UTF-8.
 *
 * Flags. A `flags` argument is the bits of the enum named at the call, or-ed; 0 asks for
 * nothing special. Where no enum is named it must be 0.
 *
 * Errors. Each call names the codes that are its own. Beside them every call that asks the
 * other side may fail with
 *   CISTERN_ERROR_INVALID_ARGUMENT       a handle or text is NULL that must not be; unknown flag
 *                                        bits; an output pointer is NULL
 *   CISTERN_ERROR_RPC                    the connection was lost or closed, or the other side
 *                                        broke the protocol
 *   CISTERN_ERROR_NO_SUPPORT             the other side does not know the call
 *   CISTERN_ERROR_ACCESS_DENIED          the other side's policy says no
 *   CISTERN_ERROR_TIMEOUT                the storage did not answer in time
 *   CISTERN_ERROR_SYSTEM                 a system call failed; `system_error` is its errno
 *   CISTERN_ERROR_INTERNAL               anything without a better code, failed helper programs
 * and every call that changes something with
 *   CISTERN_ERROR_OPERATION_DENIED       the connection is read-only
 *   CISTERN_ERROR_ABORTED                it was cancelled (see cistern_set_progress() and
 *                                        cistern_job_cancel())
 * These are not repeated below. A call on a pool that is gone fails with CISTERN_ERROR_NO_POOL,
 * one on a volume that is gone with CISTERN_ERROR_NO_VOLUME.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CISTERN_PUBLIC __attribute__((visibility("default")))

typedef struct CisternConnection CisternConnection;
typedef struct CisternPool CisternPool;     /* a handle; stays valid when the pool is gone */
typedef struct CisternVolume CisternVolume; /* likewise */

/* ---- errors ---- */

typedef struct CisternError {
    int code;            /* libvirt's error number (CisternErrorCode) */
    int origin;          /* libvirt's error domain number */
    int system_error;    /* errno of a failed system call, else 0 */
    const char *name;    /* a short stable word for the code: "no-pool" */
    const char *message; /* one or more sentences for people; never NULL */
    int exit_status;     /* what a command line program should exit with */
} CisternError;

/* Libvirt's numbers. A daemon may also send a number that is not listed here. */
typedef enum CisternErrorCode {
    CISTERN_ERROR_INTERNAL = 1,         /* no better code */
    CISTERN_ERROR_NO_SUPPORT = 3,       /* this pool type or this daemon can't do that at all */
    CISTERN_ERROR_NO_CONNECT = 5,       /* the URI names nothing that is known here */
    CISTERN_ERROR_INVALID_ARGUMENT = 8, /* unknown flags, flags or values that exclude each other */
    CISTERN_ERROR_OPERATION_FAILED = 9, /* name, UUID or source collides with another pool's */
    CISTERN_ERROR_XML = 27,             /* the document lacks or misstates something */
    CISTERN_ERROR_OPERATION_DENIED = 29,     /* the connection is read-only */
    CISTERN_ERROR_XML_DETAIL = 35,           /* the document is not well-formed XML */
    CISTERN_ERROR_SYSTEM = 38,               /* a system call failed */
    CISTERN_ERROR_RPC = 39,                  /* the connection or the protocol broke */
    CISTERN_ERROR_AUTH_FAILED = 45,          /* the daemon did not accept who we are */
    CISTERN_ERROR_NO_POOL = 49,              /* there is no such pool */
    CISTERN_ERROR_NO_VOLUME = 50,            /* there is no such volume */
    CISTERN_ERROR_OPERATION_INVALID = 55,    /* not in this state (active, inactive, in use) */
    CISTERN_ERROR_NO_SECRET = 66,            /* the secret that the document names is missing */
    CISTERN_ERROR_CONFIG_UNSUPPORTED = 67,   /* a valid document that this pool type can't honour */
    CISTERN_ERROR_TIMEOUT = 68,              /* the storage did not answer in time */
    CISTERN_ERROR_ARGUMENT_UNSUPPORTED = 74, /* a valid request, but not here */
    CISTERN_ERROR_PROBE_FAILED = 75,         /* what is on the device could not be told */
    CISTERN_ERROR_POOL_BUILT = 76,           /* the device already holds something */
    CISTERN_ERROR_ABORTED = 78,              /* cancelled */
    CISTERN_ERROR_OVERFLOW = 82,             /* a number is too large */
    CISTERN_ERROR_OPERATION_UNSUPPORTED = 84, /* not with this kind of volume */
    CISTERN_ERROR_BUSY = 87,                  /* something else holds it */
    CISTERN_ERROR_ACCESS_DENIED = 88,         /* policy says no */
    CISTERN_ERROR_VOLUME_EXISTS = 90,         /* the name is taken */
    CISTERN_ERROR_XML_INVALID_SCHEMA = 92,    /* the document does not match the schema */
    CISTERN_ERROR_AUTH_UNAVAILABLE = 94,      /* authentication needs an agent that is not there */
} CisternErrorCode;

/* What went wrong last in the calling thread.
 * Returns a pointer that is never NULL and belongs to the library; `code` is 0 and `message` empty
 * when nothing has failed yet. It and its strings are valid until the next call of this thread that
 * fails. Never fails itself. */
CISTERN_PUBLIC const CisternError *cistern_last_error(void);

/* The version of the library that is linked at run time.
 * Returns major × 1000000 + minor × 1000 + release. Never fails. */
CISTERN_PUBLIC unsigned long cistern_version(void);

/* ---- connections ---- */

typedef enum CisternOpenFlags {
    CISTERN_OPEN_READ_ONLY = 1 << 0, /* calls that change something are refused */
} CisternOpenFlags;

/* Opens a connection.
 *   uri: "embed:///DIR"  the engine in this process on the folder /DIR: saved definitions in
 *                        /DIR/etc, the state of running pools in /DIR/run, both made when missing.
 *                        One process at a time holds it; the call waits up to ten seconds for
 *                        another one to let go;
 *        "cistern:///system", "cistern:///session"
 *                        the host's daemon, this user's: at cistern/cistern-sock beneath /run,
 *                        beneath $XDG_RUNTIME_DIR; where nobody answers there, at
 *                        libvirt/virtstoraged-sock, the place of cisternd --libvirt. To read only,
 *                        the host's sockets that end in -ro;
 *        "cistern+unix:///system?socket=PATH"
 *                        a daemon on another unix socket; so too without "+unix";
 *        "storage:///…", "storage+unix:///…"
 *                        other spellings of the same three, that look for libvirt's socket first;
 *        NULL or ""      the variable CISTERN_DEFAULT_URI if it is set; else this user's daemon
 *                        (for root: the host's) if one answers at either socket; else the embedded
 *                        engine on /var/lib/cistern/embed for root, on $XDG_DATA_HOME/cistern or
 *                        ~/.local/share/cistern for others.
 *        "cistern+tls://HOST[:PORT]/system", also without "+tls"
 *                        a daemon on another host by TLS (port 16514). Parameters: pkipath=DIR (all
 *                        certificates; else libvirt's places), no_verify=1, no_sanity=1,
 *                        tls_priority=TEXT;
 *        "cistern+tcp://HOST[:PORT]/system"
 *                        by TCP (port 16509), encrypted and authenticated by SASL;
 *        "cistern+ssh://[USER@]HOST[:PORT]/system"
 *                        by ssh, with `nc -U SOCKET` on the other host, which is that of the two
 *                        that exists there; "storage+ssh://…" with
 *                        virt-ssh-helper. Parameters: socket=PATH, proxy=netcat|native|auto,
 *                        netcat=PROGRAM, command=PROGRAM in place of ssh, keyfile=PATH,
 *                        known_hosts=PATH, known_hosts_verify=normal|auto|ignore, no_tty=1;
 *        Every daemon's URI may have auth=sasl, auth=sasl.MECHANISM or auth=polkit (what has to be
 *        used if anything is), authfile=PATH (credentials in the format of libvirt's auth.conf) and
 *        name=URI (what the daemon is told), and mode=auto|direct|legacy: with legacy the standard
 *        socket is libvirt/libvirt-sock alone, that of libvirtd or virtproxyd. What concerns
 *        another transport is taken and changes nothing, as in libvirt.
 *        Bytes of DIR and PATH may be written as %XX. Unknown parameters and a fragment are
 *        refused.
 *   flags: CisternOpenFlags.
 * Returns a connection, to be closed with cistern_close().
 * Errors:
 *   CISTERN_ERROR_NO_CONNECT         no such scheme or path
 *   CISTERN_ERROR_INVALID_ARGUMENT   a malformed URI, an unknown parameter
 *   CISTERN_ERROR_OPERATION_INVALID  another process holds the embedded folder; the text names it
 *   CISTERN_ERROR_SYSTEM             no daemon answers on the socket; the folder can't be used
 *   CISTERN_ERROR_AUTH_FAILED, CISTERN_ERROR_AUTH_UNAVAILABLE  the daemon wants authentication */
CISTERN_PUBLIC CisternConnection *cistern_open(const char *uri, unsigned int flags);

/* What a daemon may want to know before it lets somebody in. */
typedef enum CisternCredential {
    CISTERN_CREDENTIAL_USER_NAME,
    CISTERN_CREDENTIAL_PASSWORD, /* not to be shown while it is typed */
} CisternCredential;

/* Called while a connection is opened, in the thread that opens it, for what neither the URI nor a
 * file of credentials says. `prompt` is text for people. Returns a string from malloc(), which the
 * library wipes and frees, or NULL to give up. */
typedef char *(*CisternAsk)(CisternCredential wanted, const char *prompt, void *data);

/* Who is asked for credentials by the connections that the calling thread opens from now on;
 * `ask` NULL: nobody, and what would need an answer fails with CISTERN_ERROR_AUTH_FAILED.
 *   data: passed on to `ask`. It and what it points to stay the caller's.
 * Returns nothing and cannot fail. */
CISTERN_PUBLIC void cistern_set_ask(CisternAsk ask, void *data);

/* Ends the connection. Running calls of other threads fail with CISTERN_ERROR_RPC, and this waits
 * for them to return. An embedded engine stops, its jobs are cancelled and its folder is let go;
 * pools stay as they are.
 *   connection: may be NULL. It must not be used any more; handles got from it can only be freed
 *               from now on, their other calls fail with CISTERN_ERROR_RPC. Not to be called from
 *               within a callback.
 * Never fails. */
CISTERN_PUBLIC void cistern_close(CisternConnection *connection);

/* Where the connection leads, in full: "embed:///DIR", "cistern+unix:///system?socket=PATH".
 * Returns a string of the connection; NULL with CISTERN_ERROR_INVALID_ARGUMENT for a NULL
 * connection. */
CISTERN_PUBLIC const char *cistern_uri(CisternConnection *connection);

/* Whether the engine runs in this process.
 * Returns 1 when it does, 0 when a daemon answers, -1 with CISTERN_ERROR_INVALID_ARGUMENT for a
 * NULL connection. */
CISTERN_PUBLIC int cistern_is_embedded(CisternConnection *connection);

/* The <capabilities> document: the pool types that the other side can run.
 * Returns the document; free(). No errors of its own. */
CISTERN_PUBLIC char *cistern_capabilities(CisternConnection *connection);

/* The <storagepoolCapabilities> document: every pool type, whether it is supported, and its pool
 * and volume formats with their defaults.
 *   flags: 0.
 * Returns the document; free(). No errors of its own. */
CISTERN_PUBLIC char *cistern_pool_capabilities(CisternConnection *connection, unsigned int flags);

/* How far a long call is.
 *   done, total: bytes or steps; total 0 = not known
 *   data:        as given to cistern_set_progress()
 * Returns 0 to go on; anything else cancels the call, which then fails with CISTERN_ERROR_ABORTED
 * unless it was quicker. Must not use the connection. */
typedef int (*CisternProgress)(uint64_t done, uint64_t total, void *data);

/* Reports how far the calling thread's calls on this connection are.
 *   callback: is called ten times a second from within each call of this thread that takes longer
 *             than a tenth of a second; NULL ends it.
 *   data:     handed to the callback; must stay valid until the callback is replaced.
 * A daemon that does not know about progress (libvirt's) leaves `done` and `total` at 0 and can't
 * be made to cancel. Never fails; does nothing on a NULL connection. */
CISTERN_PUBLIC void cistern_set_progress(CisternConnection *connection, CisternProgress callback,
                                         void *data);

/* ---- pools: finding ---- */

/* Bits of one group (state, persistence, autostart, type) are or-ed, groups are and-ed; a group
 * without a bit lets everything pass. */
typedef enum CisternListPoolsFlags {
    CISTERN_LIST_POOLS_INACTIVE = 1 << 0,
    CISTERN_LIST_POOLS_ACTIVE = 1 << 1,
    CISTERN_LIST_POOLS_PERSISTENT = 1 << 2,
    CISTERN_LIST_POOLS_TRANSIENT = 1 << 3,
    CISTERN_LIST_POOLS_AUTOSTART = 1 << 4,
    CISTERN_LIST_POOLS_NO_AUTOSTART = 1 << 5,
    CISTERN_LIST_POOLS_DIR = 1 << 6,
    CISTERN_LIST_POOLS_FS = 1 << 7,
    CISTERN_LIST_POOLS_NETFS = 1 << 8,
    CISTERN_LIST_POOLS_LOGICAL = 1 << 9,
    CISTERN_LIST_POOLS_DISK = 1 << 10,
    CISTERN_LIST_POOLS_ISCSI = 1 << 11,
    CISTERN_LIST_POOLS_SCSI = 1 << 12,
    CISTERN_LIST_POOLS_MPATH = 1 << 13,
    CISTERN_LIST_POOLS_RBD = 1 << 14,
    CISTERN_LIST_POOLS_SHEEPDOG = 1 << 15,
    CISTERN_LIST_POOLS_GLUSTER = 1 << 16,
    CISTERN_LIST_POOLS_ZFS = 1 << 17,
    CISTERN_LIST_POOLS_VSTORAGE = 1 << 18,
    CISTERN_LIST_POOLS_ISCSI_DIRECT = 1 << 19,
} CisternListPoolsFlags;

/* All pools that pass the filter, ordered by name.
 *   ret_pools: a new array of handles; free each with cistern_pool_free() and the array with
 *              free(). Never NULL on success, also when it holds none.
 *   flags:     CisternListPoolsFlags; 0 = every pool.
 * Returns their number.
 * Errors: CISTERN_ERROR_RPC for more than 16384 pools. */
CISTERN_PUBLIC int cistern_list_pools(CisternConnection *connection, CisternPool ***ret_pools,
                                      unsigned int flags);

/* The pool of that name.
 * Returns a handle; cistern_pool_free(). Errors: CISTERN_ERROR_NO_POOL. */
CISTERN_PUBLIC CisternPool *cistern_find_pool(CisternConnection *connection, const char *name);

/* The pool with that UUID.
 *   uuid: 32 hex digits, with or without dashes.
 * Returns a handle; cistern_pool_free().
 * Errors: CISTERN_ERROR_NO_POOL; CISTERN_ERROR_INVALID_ARGUMENT when it is no UUID. */
CISTERN_PUBLIC CisternPool *cistern_find_pool_by_uuid(CisternConnection *connection,
                                                      const char *uuid);

/* The active pool whose target path this is.
 *   path: absolute; a trailing slash does not matter.
 * Returns a handle; cistern_pool_free(). Errors: CISTERN_ERROR_NO_POOL. */
CISTERN_PUBLIC CisternPool *cistern_find_pool_by_target_path(CisternConnection *connection,
                                                             const char *path);

/* The pool that a volume lies in.
 * Returns a handle; cistern_pool_free(). Errors: CISTERN_ERROR_NO_POOL. */
CISTERN_PUBLIC CisternPool *cistern_find_pool_of_volume(CisternVolume *volume);

/* Frees a handle; the pool itself is not touched.
 *   pool: may be NULL.
 * Never fails. */
CISTERN_PUBLIC void cistern_pool_free(CisternPool *pool);

/* The pool's name.
 * Returns a string of the handle; NULL with CISTERN_ERROR_INVALID_ARGUMENT for a NULL handle. */
CISTERN_PUBLIC const char *cistern_pool_name(CisternPool *pool);

/* The pool's UUID in 36 characters, lower case with dashes.
 * Returns a string of the handle; NULL with CISTERN_ERROR_INVALID_ARGUMENT for a NULL handle. */
CISTERN_PUBLIC const char *cistern_pool_uuid(CisternPool *pool);

/* The <sources> document of the storage of a type that can be found, for use in pool documents.
 *   type:  the word of <pool type=''>
 *   spec:  a <source> document that says where to look (for "netfs" and "iscsi" it must name a
 *          host), or NULL
 *   flags: 0.
 * Returns the document; free().
 * Errors: CISTERN_ERROR_NO_SUPPORT when the type has nothing to discover, CISTERN_ERROR_INTERNAL
 * for an unknown type, CISTERN_ERROR_INVALID_ARGUMENT when the host is missing,
 * CISTERN_ERROR_XML and CISTERN_ERROR_XML_DETAIL for a bad `spec`,
 * CISTERN_ERROR_OPERATION_FAILED when nothing was found, CISTERN_ERROR_OPERATION_DENIED on a
 * read-only connection. */
CISTERN_PUBLIC char *cistern_discover_sources(CisternConnection *connection, const char *type,
                                              const char *spec, unsigned int flags);

/* ---- pools: reading ---- */

typedef enum CisternPoolState {
    CISTERN_POOL_INACTIVE = 0,
    CISTERN_POOL_BUILDING = 1,
    CISTERN_POOL_RUNNING = 2,
    CISTERN_POOL_DEGRADED = 3,     /* running, but not all of its storage can be used */
    CISTERN_POOL_INACCESSIBLE = 4, /* running, but its storage does not answer */
} CisternPoolState;

typedef struct CisternPoolInfo {
    CisternPoolState state;
    uint64_t capacity, allocation, available; /* bytes; 0 when inactive */
} CisternPoolInfo;

/* The pool's state and sizes, as last seen.
 *   ret_info: written on success.
 * Returns 0. Errors: CISTERN_ERROR_NO_POOL. */
CISTERN_PUBLIC int cistern_pool_info(CisternPool *pool, CisternPoolInfo *ret_info);

/* Whether the pool is started.
 * Returns 1 or 0. Errors: CISTERN_ERROR_NO_POOL. */
CISTERN_PUBLIC int cistern_pool_is_active(CisternPool *pool);

/* Whether the pool has a saved definition (else it is transient and gone when stopped).
 * Returns 1 or 0. Errors: CISTERN_ERROR_NO_POOL. */
CISTERN_PUBLIC int cistern_pool_is_persistent(CisternPool *pool);

/* Whether the pool starts with the host.
 * Returns 1 or 0. Errors: CISTERN_ERROR_NO_POOL. */
CISTERN_PUBLIC int cistern_pool_autostart(CisternPool *pool);

typedef enum CisternPoolXmlFlags {
    CISTERN_POOL_XML_INACTIVE = 1 << 0, /* the saved definition rather than the running one */
} CisternPoolXmlFlags;

/* The pool's document, as libvirt writes it.
 *   flags: CisternPoolXmlFlags.
 * Returns the document; free(). Errors: CISTERN_ERROR_NO_POOL. */
CISTERN_PUBLIC char *cistern_pool_xml(CisternPool *pool, unsigned int flags);

/* ---- pools: changing ---- */

typedef enum CisternPoolDefineFlags {
    CISTERN_POOL_DEFINE_VALIDATE = 1 << 0, /* check the document against the schema first */
} CisternPoolDefineFlags;

/* Saves a definition, new or in place of the one with the same name and UUID. A running pool goes
 * on with its old definition until it is stopped.
 *   xml:   a <pool> document; a missing UUID is made up.
 *   flags: CisternPoolDefineFlags.
 * Returns a handle; cistern_pool_free().
 * Errors: CISTERN_ERROR_XML, CISTERN_ERROR_XML_DETAIL, CISTERN_ERROR_XML_INVALID_SCHEMA (only with
 * VALIDATE), CISTERN_ERROR_CONFIG_UNSUPPORTED; CISTERN_ERROR_OPERATION_FAILED when name, UUID,
 * source or target belong to another pool. */
CISTERN_PUBLIC CisternPool *cistern_pool_define(CisternConnection *connection, const char *xml,
                                                unsigned int flags);

typedef enum CisternPoolCreateFlags {
    CISTERN_POOL_CREATE_BUILD = 1 << 0,              /* build it first */
    CISTERN_POOL_CREATE_BUILD_OVERWRITE = 1 << 1,    /* likewise, whatever is on the device */
    CISTERN_POOL_CREATE_BUILD_NO_OVERWRITE = 1 << 2, /* likewise, only if the device is empty */
} CisternPoolCreateFlags;

/* Starts a pool from a document without saving it: a transient pool, or the running side of a
 * defined one with the same name and UUID.
 *   xml:   a <pool> document.
 *   flags: CisternPoolCreateFlags; OVERWRITE and NO_OVERWRITE exclude each other.
 * Returns a handle; cistern_pool_free().
 * Errors: those of cistern_pool_define() but the schema's, and those of cistern_pool_start(). */
CISTERN_PUBLIC CisternPool *cistern_pool_create(CisternConnection *connection, const char *xml,
                                                unsigned int flags);

/* Starts a defined pool and finds its volumes.
 *   flags: CisternPoolCreateFlags; OVERWRITE and NO_OVERWRITE exclude each other.
 * Returns 0.
 * Errors: CISTERN_ERROR_OPERATION_INVALID when it is active already; CISTERN_ERROR_NO_SECRET; with
 * the build flags those of cistern_pool_build(). */
CISTERN_PUBLIC int cistern_pool_start(CisternPool *pool, unsigned int flags);

typedef enum CisternPoolBuildFlags {
    CISTERN_POOL_BUILD_REPAIR = 1 << 0,
    CISTERN_POOL_BUILD_RESIZE = 1 << 1,
    CISTERN_POOL_BUILD_NO_OVERWRITE = 1 << 2, /* only if the device is empty */
    CISTERN_POOL_BUILD_OVERWRITE = 1 << 3,    /* whatever is on the device */
} CisternPoolBuildFlags;

/* Makes the storage under an inactive pool: the folder, the file system, the volume group.
 *   flags: CisternPoolBuildFlags that the pool type has; OVERWRITE and NO_OVERWRITE exclude each
 *          other.
 * Returns 0.
 * Errors: CISTERN_ERROR_OPERATION_INVALID when it is active, or for overwrite flags on a pool
 * without source device; CISTERN_ERROR_INVALID_ARGUMENT for flags the type does not have;
 * CISTERN_ERROR_POOL_BUILT, CISTERN_ERROR_PROBE_FAILED with NO_OVERWRITE. */
CISTERN_PUBLIC int cistern_pool_build(CisternPool *pool, unsigned int flags);

/* Stops the pool; its storage keeps its data. A transient pool is gone afterwards.
 * Returns 0.
 * Errors: CISTERN_ERROR_OPERATION_INVALID when it is not active; CISTERN_ERROR_BUSY when its
 * storage is in use. */
CISTERN_PUBLIC int cistern_pool_stop(CisternPool *pool);

/* Removes the saved definition of an inactive pool. Its storage is not touched.
 * Returns 0. Errors: CISTERN_ERROR_OPERATION_INVALID when it is active. */
CISTERN_PUBLIC int cistern_pool_undefine(CisternPool *pool);

typedef enum CisternPoolEraseFlags {
    CISTERN_POOL_ERASE_ZEROED = 1 << 0, /* overwrite it with zeros, for types that can */
} CisternPoolEraseFlags;

/* Removes the storage under an inactive pool, for good; a folder must be empty.
 *   flags: CisternPoolEraseFlags.
 * Returns 0.
 * Errors: CISTERN_ERROR_OPERATION_INVALID when it is active; CISTERN_ERROR_INVALID_ARGUMENT for
 * flags the type does not have; CISTERN_ERROR_NO_SUPPORT when the type can't. */
CISTERN_PUBLIC int cistern_pool_erase(CisternPool *pool, unsigned int flags);

/* Looks again at what volumes an active pool holds and how large it is.
 *   flags: 0.
 * Returns 0.
 * Errors: CISTERN_ERROR_OPERATION_INVALID when it is not active. When the storage can't be read
 * the pool is stopped. */
CISTERN_PUBLIC int cistern_pool_refresh(CisternPool *pool, unsigned int flags);

/* Has the pool start with the host, or not.
 *   autostart: 0 = no, anything else = yes.
 * Returns 0. Errors: CISTERN_ERROR_INTERNAL for a transient pool. */
CISTERN_PUBLIC int cistern_pool_set_autostart(CisternPool *pool, int autostart);

/* ---- volumes: finding ---- */

/* All volumes of an active pool, ordered by name.
 *   ret_volumes: a new array of handles; free each with cistern_volume_free() and the array with
 *                free(). Never NULL on success, also when it holds none.
 *   flags:       0.
 * Returns their number.
 * Errors: CISTERN_ERROR_OPERATION_INVALID when the pool is not active; CISTERN_ERROR_RPC for more
 * than 16384 volumes: cistern_list_volumes_page() has no limit. */
CISTERN_PUBLIC int cistern_list_volumes(CisternPool *pool, CisternVolume ***ret_volumes,
                                        unsigned int flags);

/* How many volumes an active pool has.
 * Returns the number. Errors: CISTERN_ERROR_OPERATION_INVALID when the pool is not active. */
CISTERN_PUBLIC int cistern_pool_volume_count(CisternPool *pool);

typedef enum CisternVolumeType {
    CISTERN_VOLUME_FILE = 0,
    CISTERN_VOLUME_BLOCK = 1,
    CISTERN_VOLUME_DIR = 2,
    CISTERN_VOLUME_NETWORK = 3,
    CISTERN_VOLUME_NETDIR = 4,
    CISTERN_VOLUME_PLOOP = 5,
} CisternVolumeType;

/* One volume in a page. No string is NULL. */
typedef struct CisternVolumeEntry {
    char *name;
    char *key;
    char *path;
    CisternVolumeType type;
    char *format; /* "qcow2"; "" for types of pools without volume formats */
    uint64_t capacity, allocation, physical; /* bytes, as last seen */
    char *backing;                           /* path of the backing file, or "" */
    char *problem; /* why it can't be read, or that an upload to it broke off; or "" */
} CisternVolumeEntry;

/* Part of the volumes of an active pool, in order of names, with all that a table shows, in one
 * call. To read all, begin with NULL and go on with the last name got until 0 come.
 *   after:       only names that come after this one; NULL or "" = from the first
 *   max:         how many at most, 1–4096
 *   ret_entries: a new array; cistern_volume_entries_free(). NULL when there are none.
 * Returns their number; 0 at the end.
 * Errors: CISTERN_ERROR_OPERATION_INVALID when the pool is not active; CISTERN_ERROR_NO_SUPPORT
 * when the other side is libvirt. */
CISTERN_PUBLIC int cistern_list_volumes_page(CisternPool *pool, const char *after, unsigned int max,
                                             CisternVolumeEntry **ret_entries);

/* Frees what cistern_list_volumes_page() gave.
 *   entries: may be NULL
 *   count:   what it returned.
 * Never fails. */
CISTERN_PUBLIC void cistern_volume_entries_free(CisternVolumeEntry *entries, int count);

/* The volume of that name in an active pool; asks the storage when it is not known yet.
 * Returns a handle; cistern_volume_free().
 * Errors: CISTERN_ERROR_NO_VOLUME; CISTERN_ERROR_OPERATION_INVALID when the pool is not active. */
CISTERN_PUBLIC CisternVolume *cistern_find_volume(CisternPool *pool, const char *name);

/* The volume with that key in any active pool.
 * Returns a handle; cistern_volume_free(). Errors: CISTERN_ERROR_NO_VOLUME. */
CISTERN_PUBLIC CisternVolume *cistern_find_volume_by_key(CisternConnection *connection,
                                                         const char *key);

/* The volume with that path in any active pool.
 * Returns a handle; cistern_volume_free(). Errors: CISTERN_ERROR_NO_VOLUME. */
CISTERN_PUBLIC CisternVolume *cistern_find_volume_by_path(CisternConnection *connection,
                                                          const char *path);

/* Frees a handle; the volume itself is not touched.
 *   volume: may be NULL.
 * Never fails. */
CISTERN_PUBLIC void cistern_volume_free(CisternVolume *volume);

/* The volume's name, unique in its pool.
 * Returns a string of the handle; NULL with CISTERN_ERROR_INVALID_ARGUMENT for a NULL handle. */
CISTERN_PUBLIC const char *cistern_volume_name(CisternVolume *volume);

/* The volume's key, unique on the host; for a file its path.
 * Returns a string of the handle; NULL with CISTERN_ERROR_INVALID_ARGUMENT for a NULL handle. */
CISTERN_PUBLIC const char *cistern_volume_key(CisternVolume *volume);

/* The name of the pool that the volume lies in.
 * Returns a string of the handle; NULL with CISTERN_ERROR_INVALID_ARGUMENT for a NULL handle. */
CISTERN_PUBLIC const char *cistern_volume_pool_name(CisternVolume *volume);

/* ---- volumes: reading ---- */

typedef struct CisternVolumeInfo {
    CisternVolumeType type;
    uint64_t capacity, allocation; /* bytes */
} CisternVolumeInfo;

typedef enum CisternVolumeInfoFlags {
    CISTERN_VOLUME_INFO_PHYSICAL = 1 << 0, /* `allocation` is the physical size of the image */
} CisternVolumeInfoFlags;

/* The volume's type and sizes, read from the storage now.
 *   ret_info: written on success
 *   flags:    CisternVolumeInfoFlags.
 * Returns 0.
 * Errors: CISTERN_ERROR_NO_VOLUME; CISTERN_ERROR_OPERATION_INVALID when the pool is not active. */
CISTERN_PUBLIC int cistern_volume_info(CisternVolume *volume, CisternVolumeInfo *ret_info,
                                       unsigned int flags);

/* The volume's document, read from the storage now.
 *   flags: 0.
 * Returns the document; free().
 * Errors: CISTERN_ERROR_NO_VOLUME; CISTERN_ERROR_OPERATION_INVALID when the pool is not active. */
CISTERN_PUBLIC char *cistern_volume_xml(CisternVolume *volume, unsigned int flags);

/* Where a machine finds the volume: the path of the file or device, or a network name.
 * Returns the path; free().
 * Errors: CISTERN_ERROR_NO_VOLUME; CISTERN_ERROR_OPERATION_INVALID when the pool is not active. */
CISTERN_PUBLIC char *cistern_volume_path(CisternVolume *volume);

/* ---- volumes: changing ---- */

typedef enum CisternVolumeCreateFlags {
    CISTERN_VOLUME_CREATE_PREALLOC_METADATA = 1 << 0, /* write the image's tables beforehand */
    CISTERN_VOLUME_CREATE_REFLINK = 1 << 1,  /* share the blocks or fail; only create_from */
    CISTERN_VOLUME_CREATE_VALIDATE = 1 << 2, /* check the document against the schema first */
} CisternVolumeCreateFlags;

/* Makes a volume. It is there under its name only when it is whole.
 *   xml:   a <volume> document
 *   flags: CisternVolumeCreateFlags but REFLINK.
 * Returns a handle; cistern_volume_free().
 * Errors: CISTERN_ERROR_VOLUME_EXISTS; CISTERN_ERROR_XML, CISTERN_ERROR_XML_DETAIL,
 * CISTERN_ERROR_XML_INVALID_SCHEMA (only with VALIDATE); CISTERN_ERROR_OVERFLOW for sizes;
 * CISTERN_ERROR_CONFIG_UNSUPPORTED for what the format or pool type can't;
 * CISTERN_ERROR_OPERATION_INVALID when the pool is not active or the name can't be used. */
CISTERN_PUBLIC CisternVolume *cistern_volume_create(CisternPool *pool, const char *xml,
                                                    unsigned int flags);

/* Makes a volume with the content of another.
 *   pool:   where the new one goes
 *   xml:    a <volume> document; a capacity below the source's is raised to it
 *   source: may lie in another pool, which must be active
 *   flags:  CisternVolumeCreateFlags.
 * Returns a handle; cistern_volume_free().
 * Errors: those of cistern_volume_create() (an existing name is CISTERN_ERROR_INTERNAL here, as in
 * libvirt); CISTERN_ERROR_NO_VOLUME for the source; with REFLINK CISTERN_ERROR_SYSTEM when the
 * storage can't share blocks. */
CISTERN_PUBLIC CisternVolume *cistern_volume_create_from(CisternPool *pool, const char *xml,
                                                         CisternVolume *source, unsigned int flags);

typedef enum CisternVolumeDeleteFlags {
    CISTERN_VOLUME_DELETE_ZEROED = 1 << 0,         /* overwrite with zeros, for types that can */
    CISTERN_VOLUME_DELETE_WITH_SNAPSHOTS = 1 << 1, /* its snapshots too, for types that have them */
} CisternVolumeDeleteFlags;

/* Removes the volume and its data. The handle stays to be freed.
 *   flags: CisternVolumeDeleteFlags that the pool type has.
 * Returns 0.
 * Errors: CISTERN_ERROR_NO_VOLUME; CISTERN_ERROR_INVALID_ARGUMENT for flags the type does not have;
 * CISTERN_ERROR_OPERATION_INVALID when the pool is not active or the volume is in use. */
CISTERN_PUBLIC int cistern_volume_delete(CisternVolume *volume, unsigned int flags);

typedef enum CisternVolumeResizeFlags {
    CISTERN_VOLUME_RESIZE_ALLOCATE = 1 << 0, /* allocate the new part now */
    CISTERN_VOLUME_RESIZE_DELTA = 1 << 1,    /* `capacity` is added, with SHRINK taken away */
    CISTERN_VOLUME_RESIZE_SHRINK = 1 << 2,   /* smaller is allowed; what is cut off is lost */
} CisternVolumeResizeFlags;

/* Changes the capacity.
 *   capacity: bytes; the new capacity, with DELTA the difference
 *   flags:    CisternVolumeResizeFlags.
 * Returns 0.
 * Errors: CISTERN_ERROR_NO_VOLUME; CISTERN_ERROR_INVALID_ARGUMENT for a smaller capacity without
 * SHRINK and for 0 without DELTA or SHRINK; CISTERN_ERROR_OVERFLOW;
 * CISTERN_ERROR_OPERATION_INVALID when the pool is not active or the volume is in use;
 * CISTERN_ERROR_NO_SUPPORT when the type can't. */
CISTERN_PUBLIC int cistern_volume_resize(CisternVolume *volume, uint64_t capacity,
                                         unsigned int flags);

/* How to wipe; the number of passes in brackets. */
typedef enum CisternWipe {
    CISTERN_WIPE_ZERO = 0,       /* zeros (1) */
    CISTERN_WIPE_NNSA = 1,       /* NNSA policy letter NAP-14.1-C (4) */
    CISTERN_WIPE_DOD = 2,        /* DoD 5220.22-M (4) */
    CISTERN_WIPE_BSI = 3,        /* German BSI (9) */
    CISTERN_WIPE_GUTMANN = 4,    /* Gutmann (35) */
    CISTERN_WIPE_SCHNEIER = 5,   /* Schneier (7) */
    CISTERN_WIPE_PFITZNER7 = 6,  /* Pfitzner, random (7) */
    CISTERN_WIPE_PFITZNER33 = 7, /* Pfitzner, random (33) */
    CISTERN_WIPE_RANDOM = 8,     /* random (1) */
    CISTERN_WIPE_TRIM = 9,       /* discard the blocks */
} CisternWipe;

/* Overwrites the volume's data so that it can't be read any more. The volume stays.
 *   algorithm: CisternWipe
 *   flags:     0.
 * Returns 0.
 * Errors: CISTERN_ERROR_NO_VOLUME; CISTERN_ERROR_INVALID_ARGUMENT for an unknown algorithm;
 * CISTERN_ERROR_ARGUMENT_UNSUPPORTED when this storage does not have the algorithm;
 * CISTERN_ERROR_OPERATION_INVALID when the pool is not active or the volume is in use. */
CISTERN_PUBLIC int cistern_volume_wipe(CisternVolume *volume, unsigned int algorithm,
                                       unsigned int flags);

/* ---- volumes: content ---- */

typedef enum CisternStreamFlags {
    CISTERN_STREAM_SPARSE = 1 << 0, /* holes travel as such, not as zeros */
} CisternStreamFlags;

/* Where an upload's bytes come from. The functions are called in the thread of the upload and may
 * take their time; they must not use the connection. */
typedef struct CisternStreamSource {
    /* Asked before each read with CISTERN_STREAM_SPARSE, else never and may be NULL: how many bytes
     * of hole begin here. They count as read. 0: data or the end comes next; below 0: gives up. */
    int64_t (*hole)(void *data);
    /* Puts the next bytes into the buffer: at most `size`, which is not below 65536, and none of
     * the next hole. Returns their number; 0 at the end; below 0: gives up. */
    int64_t (*read)(void *buffer, size_t size, void *data);
} CisternStreamSource;

/* Where a download's bytes go, in order. Same rules; anything but 0 gives up. */
typedef struct CisternStreamSink {
    /* Takes all `size` bytes. */
    int (*write)(const void *bytes, size_t size, void *data);
    /* With CISTERN_STREAM_SPARSE: the next `length` bytes are a hole; also at the very end, so that
     * the target must get its size from it. Else never called and may be NULL. */
    int (*hole)(uint64_t length, void *data);
} CisternStreamSink;

/* Writes into a volume. What a guest would read is not looked at: these are the bytes of the file
 * or device. Returns when everything is on stable storage and the volume was read again.
 *   offset: bytes from the start of the volume to where the first byte goes
 *   length: how many bytes may come; more is an error. 0 = any number; a file grows as needed,
 *           a device has its end
 *   flags:  CisternStreamFlags. A hole reads as zeros afterwards, whatever was there
 *   source: where the bytes come from
 *   data:   handed to the source's functions.
 * A progress callback (cistern_set_progress()) hears of the bytes sent, holes included, and of
 * `length`; it can cancel.
 * Returns 0. When it fails, what came before it remains in the volume; see
 * cistern_volume_resume_point().
 * Errors: CISTERN_ERROR_NO_VOLUME; CISTERN_ERROR_OPERATION_INVALID when the pool is not active or
 * the volume is in use; CISTERN_ERROR_SYSTEM with ENOSPC beyond `length` or the end of a device;
 * CISTERN_ERROR_ABORTED when the source gave up; CISTERN_ERROR_NO_SUPPORT when the type can't. */
CISTERN_PUBLIC int cistern_volume_upload(CisternVolume *volume, uint64_t offset, uint64_t length,
                                         unsigned int flags, const CisternStreamSource *source,
                                         void *data);

/* Reads a volume's bytes.
 *   offset: bytes from the start of the volume to the first byte wanted; beyond the end nothing
 *           comes
 *   length: how many bytes at most; 0 = to the end
 *   flags:  CisternStreamFlags
 *   sink:   where the bytes go
 *   data:   handed to the sink's functions.
 * A progress callback (cistern_set_progress()) hears of the bytes that came, holes included, and of
 * `length`; it can cancel.
 * Returns 0 when all came. When it fails, all that the sink was given is right.
 * Errors: CISTERN_ERROR_NO_VOLUME; CISTERN_ERROR_OPERATION_INVALID when the pool is not active or
 * the volume is being written; CISTERN_ERROR_ABORTED when the sink gave up;
 * CISTERN_ERROR_NO_SUPPORT when the type can't. */
CISTERN_PUBLIC int cistern_volume_download(CisternVolume *volume, uint64_t offset, uint64_t length,
                                           unsigned int flags, const CisternStreamSink *sink,
                                           void *data);

/* What is known of the last upload to a volume, when that broke off. One that begins where a broken
 * one ended is the same upload. The other side keeps this over a restart, until it is used, the
 * pool is stopped or the volume changes; it is lost when the daemon is killed during the upload. */
typedef struct CisternResumePoint {
    uint64_t offset; /* where it began, bytes from the start of the volume */
    uint64_t done;   /* bytes behind it that came and are on stable storage, holes included; 0 when
                        nothing is known */
} CisternResumePoint;

/* How far an upload came that broke off. It goes on with cistern_volume_upload() at
 * `offset` + `done`, from the source's byte number `done`.
 *   ret_point: written on success.
 * Returns 0.
 * Errors: CISTERN_ERROR_NO_VOLUME; CISTERN_ERROR_OPERATION_INVALID when the pool is not active or
 * the volume is in use, for one by the upload itself, whose end the daemon hasn't seen yet;
 * CISTERN_ERROR_NO_SUPPORT when the other side is libvirt. */
CISTERN_PUBLIC int cistern_volume_resume_point(CisternVolume *volume,
                                               CisternResumePoint *ret_point);

/* ---- volumes: disks of machines ---- */

typedef enum CisternDiskFlags {
    CISTERN_DISK_READ_ONLY = 1 << 0, /* the machine may only read; a cdrom never does more */
} CisternDiskFlags;

/* The <disk> element of a libvirt domain that attaches this volume, whatever the type of its pool:
 * by file, by device, or over the network with hosts and the secret to authenticate with. It is
 * made in this process from the documents of pool and volume, so every daemon will do.
 *   device: "disk", "cdrom" or "floppy"; NULL = cdrom for an ISO image, else as bus and target say
 *   bus:    libvirt's word: "virtio", "scsi", "sata", "usb", "ide", "fdc", "xen", "sd"; NULL = as
 *           the target's name says, else the device's usual one
 *   target: the name of the disk in the machine, "vda"; NULL = the first of its bus
 *   flags:  CisternDiskFlags.
 * Returns the element; free(). Of an encrypted volume whose document does not name its secret the
 * <encryption> element has none either, and wants one.
 * Errors: CISTERN_ERROR_OPERATION_UNSUPPORTED for what can't be a disk, such as folders;
 * CISTERN_ERROR_INVALID_ARGUMENT for words that libvirt does not know or that don't go together. */
CISTERN_PUBLIC char *cistern_volume_disk(CisternVolume *volume, const char *device, const char *bus,
                                         const char *target, unsigned int flags);

/* ---- volumes: backing chains ---- */

/* One image of a backing chain; element 0 is the volume itself. No string is NULL. */
typedef struct CisternChainEntry {
    char *path;
    char *format;
    uint64_t capacity; /* bytes; 0 = not known */
    char *problem;     /* why the chain ends here, or "" */
} CisternChainEntry;

/* The images that a volume stands on, itself first, each read now.
 *   ret_entries: a new array; cistern_chain_free().
 * Returns their number. A chain that can't be followed (a file is missing, a loop) is no error:
 * its last element has a `problem`.
 * Errors: CISTERN_ERROR_NO_VOLUME; CISTERN_ERROR_OPERATION_INVALID when the pool is not active;
 * CISTERN_ERROR_NO_SUPPORT when the other side is libvirt. */
CISTERN_PUBLIC int cistern_volume_chain(CisternVolume *volume, CisternChainEntry **ret_entries);

/* Frees what cistern_volume_chain() gave.
 *   entries: may be NULL
 *   count:   what it returned.
 * Never fails. */
CISTERN_PUBLIC void cistern_chain_free(CisternChainEntry *entries, int count);

/* ---- jobs ---- */

/* A long operation that runs on the other side. No string is NULL. */
typedef struct CisternJob {
    uint64_t id;
    char *operation; /* "clone", "wipe", … */
    char *pool;
    char *volume;         /* or "" */
    char *client;         /* who started it */
    int64_t started;      /* microseconds since the epoch */
    uint64_t done, total; /* bytes or steps; total 0 = not known */
} CisternJob;

/* The running jobs of all clients, oldest first.
 *   ret_jobs: a new array; cistern_jobs_free(). NULL when there are none.
 * Returns their number. Errors: CISTERN_ERROR_NO_SUPPORT when the other side is libvirt. */
CISTERN_PUBLIC int cistern_list_jobs(CisternConnection *connection, CisternJob **ret_jobs);

/* Frees what cistern_list_jobs() gave.
 *   jobs:  may be NULL
 *   count: what it returned.
 * Never fails. */
CISTERN_PUBLIC void cistern_jobs_free(CisternJob *jobs, int count);

/* Has a job stop as soon as it can; the call that started it fails with CISTERN_ERROR_ABORTED.
 *   id: from cistern_list_jobs().
 * Returns 0 once it is told, which is before it has stopped.
 * Errors: CISTERN_ERROR_INVALID_ARGUMENT when there is no such job;
 * CISTERN_ERROR_NO_SUPPORT when the other side is libvirt. */
CISTERN_PUBLIC int cistern_job_cancel(CisternConnection *connection, uint64_t id);

/* ---- events ---- */

typedef enum CisternPoolEvent {
    CISTERN_EVENT_DEFINED = 0,
    CISTERN_EVENT_UNDEFINED = 1,
    CISTERN_EVENT_STARTED = 2,
    CISTERN_EVENT_STOPPED = 3,
    CISTERN_EVENT_BUILT = 4,
    CISTERN_EVENT_ERASED = 5,
    CISTERN_EVENT_REFRESHED = 6,
} CisternPoolEvent;

/* Told of one event, from within cistern_dispatch_events(). It may make calls on the connection.
 *   pool:  valid during the call only
 *   event: what happened to it
 *   data:  as given to cistern_event_register(). */
typedef void (*CisternEventCallback)(CisternPool *pool, CisternPoolEvent event, void *data);

/* Asks for the events of one pool or of all. Events that come from then on are kept until
 * cistern_dispatch_events() hands them out.
 *   pool:     whose events; NULL = those of all pools
 *   callback: called for each; must not be NULL
 *   data:     handed to the callback; must stay valid until it is unregistered.
 * Returns an id ≥ 0 for cistern_event_unregister(). No errors of its own. */
CISTERN_PUBLIC int cistern_event_register(CisternConnection *connection, CisternPool *pool,
                                          CisternEventCallback callback, void *data);

/* Ends a registration. The callback is not called any more once this returns, unless another thread
 * is within it at this moment.
 *   id: from cistern_event_register().
 * Returns 0. Errors: CISTERN_ERROR_INVALID_ARGUMENT when there is no such registration. */
CISTERN_PUBLIC int cistern_event_unregister(CisternConnection *connection, int id);

/* Waits for events and calls their callbacks in the calling thread.
 *   timeout: milliseconds to wait for the first one; 0 = don't wait, -1 = for ever.
 * Returns how many were handed out, 0 when none came in time.
 * Errors: CISTERN_ERROR_RPC when the connection is lost and nothing is left to hand out. */
CISTERN_PUBLIC int cistern_dispatch_events(CisternConnection *connection, int timeout);

#ifdef __cplusplus
}
#endif
#endif
