/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "command-table.h"

#include "commands.h"

#include <string.h>

const char *const pool_type_words[] = {
    "dir",   "fs",  "netfs",   "logical",  "disk", "iscsi",    "iscsi-direct", "scsi",
    "mpath", "rbd", "gluster", "sheepdog", "zfs",  "vstorage", NULL,
};

const char *const pool_type_filter_words[] = {
    "dir", "fs",       "netfs",   "logical", "disk",     "iscsi",        "scsi", "mpath",
    "rbd", "sheepdog", "gluster", "zfs",     "vstorage", "iscsi-direct", NULL,
};

const char *const wipe_algorithm_words[] = {
    "zero",      "nnsa",       "dod",    "bsi",  "gutmann", "schneier",
    "pfitzner7", "pfitzner33", "random", "trim", NULL,
};

const char *const pool_event_words[] = {"lifecycle", "refresh", NULL};
const char *const shell_words[] = {"bash", "zsh", "fish", NULL};

/* How URIs begin; a host, a folder or a socket follows those that end in a sign. */
static const char *const uri_words[] = {
    "embed:///",          "cistern:///system",
    "cistern:///session", "cistern+unix:///system?socket=",
    "cistern+tls://",     "cistern+tcp://",
    "cistern+ssh://",     "storage:///system",
    "storage:///session", "storage+unix:///system?socket=",
    "storage+tls://",     "storage+tcp://",
    "storage+ssh://",     NULL,
};
static const char *const output_words[] = {"text", "json", NULL};
static const char *const volume_format_words[] = {"raw",  "qcow2", "qcow", "qed",
                                                  "vmdk", "vdi",   "vpc",  NULL};
static const char *const disk_device_words[] = {"disk", "cdrom", "floppy", NULL};
static const char *const disk_bus_words[] = {"virtio", "scsi", "sata", "usb", "ide",
                                             "fdc",    "xen",  "sd",   NULL};
static const char *const auth_type_words[] = {"chap", "ceph", NULL};

const Argument global_options[] = {
    {"connect", ARGUMENT_STRING, .letter = 'c', .values = uri_words, .placeholder = "uri",
     .help = "where to connect to: embed:///DIR, cistern:///system, cistern:///session or "
             "cistern+unix:///system?socket=PATH, or another host (cistern+tls, +tcp, +ssh); "
             "libvirt's spelling is storage in place of cistern"},
    {"readonly", ARGUMENT_FLAG, .letter = 'r', .help = "connect for reading only"},
    {"output", ARGUMENT_ENUM, .letter = 'o', .values = output_words, .placeholder = "text|json",
     .help = "how results are printed"},
    {"verbose", ARGUMENT_FLAG, .letter = 'v', .help = "say where the connection leads"},
    {"quiet", ARGUMENT_FLAG, .letter = 'q',
     .help = "no messages of success, no table headers, no progress"},
    {"no-color", ARGUMENT_FLAG, .help = "no colours on a terminal"},
    {"version", ARGUMENT_FLAG, .help = "print the version and exit"},
    {"help", ARGUMENT_FLAG, .letter = 'h', .help = "print help and exit"},
    {NULL},
};

/* Arguments that several commands share. */

#define POOL                                                                                       \
    {                                                                                              \
        "pool", ARGUMENT_STRING, .required = true, .completion = COMPLETE_POOL,                    \
                                 .help = "name or UUID of the pool"                                \
    }
#define POOL_OF_VOLUME                                                                             \
    {                                                                                              \
        "pool", ARGUMENT_STRING, .completion = COMPLETE_POOL, .placeholder = "pool",               \
                                 .help = "name or UUID of the pool the volume is in"               \
    }
#define VOLUME                                                                                     \
    {                                                                                              \
        "vol", ARGUMENT_STRING, .required = true, .completion = COMPLETE_VOLUME,                   \
                                .help = "the volume: its name (with --pool), key or path"          \
    }
#define POOL_FILE                                                                                  \
    {                                                                                              \
        "file", ARGUMENT_STRING,                                                                   \
            .required = true, .completion = COMPLETE_FILE,                                         \
            .help = "file with the pool's XML document; - reads standard input"                    \
    }
#define VOLUME_FILE                                                                                \
    {                                                                                              \
        "file", ARGUMENT_STRING,                                                                   \
            .required = true, .completion = COMPLETE_FILE,                                         \
            .help = "file with the volume's XML document; - reads standard input"                  \
    }
#define FLAG(name_, help_)                                                                         \
    {                                                                                              \
        name_, ARGUMENT_FLAG, .help = help_                                                        \
    }
#define TEXT(name_, placeholder_, help_)                                                           \
    {                                                                                              \
        name_, ARGUMENT_STRING, .placeholder = placeholder_, .help = help_                         \
    }
#define OVERWRITE                                                                                  \
    {"no-overwrite", ARGUMENT_FLAG, .excludes = "overwrite",                                       \
     .help = "build only where no data would be lost"},                                            \
    {                                                                                              \
        "overwrite", ARGUMENT_FLAG, .help = "build over whatever data is there"                    \
    }
#define BUILD     FLAG("build", "build the pool's storage first"), OVERWRITE
#define VALIDATE  FLAG("validate", "check the document against the schema first")
#define PRINT_XML FLAG("print-xml", "print the XML document and change nothing")
#define PREALLOC                                                                                   \
    FLAG("prealloc-metadata", "allocate the image's metadata now (qcow2), not its data")
#define REFLINK FLAG("reflink", "share the data with the source; fail where the file system can't")
#define POOL_TYPE                                                                                  \
    {                                                                                              \
        "type", ARGUMENT_STRING, .required = true, .values = pool_type_words,                      \
                                 .help = "type of the pool"                                        \
    }
#define POOL_FROM_ARGUMENTS                                                                        \
    {"name", ARGUMENT_STRING, .required = true, .help = "name of the pool"}, POOL_TYPE, PRINT_XML, \
        TEXT("source-host", "host", "host that has the storage"),                                  \
        {"source-path", ARGUMENT_STRING, .completion = COMPLETE_FILE, .placeholder = "path",       \
         .help = "path or folder of the storage on its host"},                                     \
        {"source-dev", ARGUMENT_STRING, .completion = COMPLETE_FILE, .placeholder = "device",      \
         .help = "device with the storage"},                                                       \
        TEXT("source-name", "name", "name of the storage (volume group, pool, dataset)"),          \
        {"target", ARGUMENT_STRING, .completion = COMPLETE_FILE, .placeholder = "path",            \
         .help = "folder where the volumes appear"},                                               \
        TEXT("source-format", "format", "format of the storage"),                                  \
        {"auth-type",           ARGUMENT_STRING,          .values = auth_type_words,               \
         .placeholder = "type", .needs = "auth-username", .help = "how to authenticate"},          \
        {"auth-username", ARGUMENT_STRING, .placeholder = "user", .needs = "auth-type",            \
         .help = "user to authenticate as"},                                                       \
        {"secret-usage",                                                                           \
         ARGUMENT_STRING,                                                                          \
         .placeholder = "usage",                                                                   \
         .needs = "auth-type",                                                                     \
         .excludes = "secret-uuid",                                                                \
         .help = "usage of the secret to authenticate with"},                                      \
        {"secret-uuid", ARGUMENT_STRING, .placeholder = "uuid", .needs = "auth-type",              \
         .help = "UUID of the secret to authenticate with"},                                       \
        TEXT("adapter-name", "name", "name of the SCSI host adapter"),                             \
        {"adapter-wwnn",                                                                           \
         ARGUMENT_STRING,                                                                          \
         .placeholder = "wwnn",                                                                    \
         .needs = "adapter-wwpn",                                                                  \
         .excludes = "adapter-name",                                                               \
         .help = "WWNN of the fibre channel adapter"},                                             \
        {"adapter-wwpn", ARGUMENT_STRING, .placeholder = "wwpn", .needs = "adapter-wwnn",          \
         .help = "WWPN of the fibre channel adapter"},                                             \
        {"adapter-parent", ARGUMENT_STRING, .placeholder = "host", .needs = "adapter-wwnn",        \
         .help = "parent of the virtual adapter: a scsi_host name"},                               \
        {"adapter-parent-wwnn", ARGUMENT_STRING, .placeholder = "wwnn", .needs = "adapter-wwnn",   \
         .help = "WWNN of the virtual adapter's parent"},                                          \
        {"adapter-parent-wwpn", ARGUMENT_STRING, .placeholder = "wwpn", .needs = "adapter-wwnn",   \
         .help = "WWPN of the virtual adapter's parent"},                                          \
        {"adapter-parent-fabric-wwn", ARGUMENT_STRING, .placeholder = "wwn",                       \
         .needs = "adapter-wwnn", .help = "fabric WWN of the virtual adapter's parent"},           \
        TEXT("source-protocol-ver", "version", "NFS protocol version to mount with"),              \
        TEXT("source-initiator", "iqn", "IQN of the initiator")

#define ARGUMENTS(...)                                                                             \
    .arguments = (const Argument[])                                                                \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            NULL                                                                                   \
        }                                                                                          \
    }
#define NO_ARGUMENTS                                                                               \
    .arguments = (const Argument[])                                                                \
    {                                                                                              \
        {                                                                                          \
            NULL                                                                                   \
        }                                                                                          \
    }

const CommandGroup command_groups[] = {
    {"pool", "Pools"}, {"volume", "Volumes"}, {"job", "Jobs"}, {"host", "Host and program"}, {NULL},
};

const Command command_table[] = {
    {"find-storage-pool-sources", "pool", "find storage that a pool could be made of",
     "Prints a <sources> document. Not every type of pool can search.", .run = run_find_sources,
     ARGUMENTS(POOL_TYPE,
               {"srcSpec", ARGUMENT_STRING, .completion = COMPLETE_FILE, .placeholder = "file",
                .help = "file with a <source> document that narrows the search"})},
    {"find-storage-pool-sources-as", "pool", "the same, with the place to search as options",
     "Prints a <sources> document. Not every type of pool can search.", .run = run_find_sources_as,
     ARGUMENTS(POOL_TYPE, TEXT("host", "host", "host to ask"),
               {"port", ARGUMENT_STRING, .placeholder = "port", .needs = "host",
                .help = "port of that host"},
               {"initiator", ARGUMENT_STRING, .placeholder = "iqn", .needs = "host",
                .help = "IQN of the initiator to ask as"})},
    {"pool-autostart", "pool", "start a pool with the host, or no longer",
     .run = run_pool_autostart, ARGUMENTS(POOL, FLAG("disable", "no longer start it"))},
    {"pool-build", "pool", "make the storage under a pool", .run = run_pool_build,
     ARGUMENTS(POOL, OVERWRITE)},
    {"pool-capabilities", "pool", "the types of pools and their formats, as XML",
     .run = run_pool_capabilities, NO_ARGUMENTS},
    {"pool-create", "pool", "start a transient pool from an XML file",
     "A transient pool is forgotten when it is stopped.", .run = run_pool_create,
     ARGUMENTS(POOL_FILE, BUILD)},
    {"pool-create-as", "pool", "start a transient pool from options",
     "A transient pool is forgotten when it is stopped. A source option of \"-\" counts as not "
     "given.",
     .run = run_pool_create_as, ARGUMENTS(POOL_FROM_ARGUMENTS, BUILD)},
    {"pool-define", "pool", "save the definition of a pool from an XML file",
     "A pool of the same name and UUID gets the new definition.", .run = run_pool_define,
     ARGUMENTS(POOL_FILE, VALIDATE)},
    {"pool-define-as", "pool", "save the definition of a pool from options",
     "A source option of \"-\" counts as not given.", .run = run_pool_define_as,
     ARGUMENTS(POOL_FROM_ARGUMENTS)},
    {"pool-delete", "pool", "remove the storage under an inactive pool",
     "The definition stays. What is in the storage is lost; a folder of files has to be empty.",
     .run = run_pool_delete, ARGUMENTS(POOL)},
    {"pool-destroy", "pool", "stop a pool; its volumes keep their data", .run = run_pool_destroy,
     ARGUMENTS(POOL)},
    {"pool-dumpxml", "pool", "the definition of a pool as XML", .run = run_pool_dumpxml,
     ARGUMENTS(POOL, FLAG("inactive", "the saved definition, not the one in use"))},
    {"pool-edit", "pool", "edit the saved definition of a pool",
     "The editor is the one named by VISUAL, else EDITOR, else vi; its name may be followed by "
     "arguments.",
     .run = run_pool_edit, ARGUMENTS(POOL)},
    {"pool-event", "pool", "wait for events of pools and print them",
     "Ends after the first event, with --loop at the time-out or at Ctrl-C. The exit status is 0 "
     "when there was an event.",
     .run = run_pool_event,
     ARGUMENTS({"pool", ARGUMENT_STRING, .completion = COMPLETE_POOL, .placeholder = "pool",
                .help = "only events of this pool"},
               {"event", ARGUMENT_ENUM, .values = pool_event_words, .placeholder = "kind",
                .help = "only events of this kind: lifecycle or refresh"},
               FLAG("loop", "go on after the first event"),
               {"timeout", ARGUMENT_NUMBER, .placeholder = "seconds",
                .help = "end after so many seconds"},
               FLAG("list", "list the kinds of events"),
               FLAG("timestamp", "print the time before each event"))},
    {"pool-info", "pool", "state and sizes of a pool", .run = run_pool_info,
     ARGUMENTS(POOL, FLAG("bytes", "sizes in bytes"))},
    {"pool-list", "pool", "list pools",
     "Lists active pools. On a terminal a bar shows how full each pool is.", .run = run_pool_list,
     ARGUMENTS(FLAG("inactive", "list inactive pools"),
               FLAG("all", "list inactive and active pools"),
               FLAG("transient", "only transient pools"),
               FLAG("persistent", "only persistent pools"),
               FLAG("autostart", "only pools that start with the host"),
               FLAG("no-autostart", "only pools that don't start with the host"),
               {"type", ARGUMENT_ENUM_LIST, .values = pool_type_filter_words,
                .placeholder = "type,…", .help = "only pools of these types"},
               FLAG("details", "with sizes"),
               {"uuid", ARGUMENT_FLAG, .excludes = "details", .help = "only the UUIDs"},
               {"name", ARGUMENT_FLAG, .excludes = "details", .help = "only the names"})},
    {"pool-name", "pool", "the name of a pool given by UUID", .run = run_pool_name,
     ARGUMENTS(POOL)},
    {"pool-refresh", "pool", "look again at what is in a pool", .run = run_pool_refresh,
     ARGUMENTS(POOL)},
    {"pool-start", "pool", "start a defined pool", .run = run_pool_start, ARGUMENTS(POOL, BUILD)},
    {"pool-undefine", "pool", "forget the definition of an inactive pool", .run = run_pool_undefine,
     ARGUMENTS(POOL)},
    {"pool-uuid", "pool", "the UUID of a pool", .run = run_pool_uuid, ARGUMENTS(POOL)},

    {"vol-clone", "volume", "copy a volume within its pool",
     "Data is shared where the file system can, else copied without its holes.",
     .run = run_vol_clone,
     ARGUMENTS(VOLUME,
               {"newname", ARGUMENT_STRING, .required = true, .help = "name of the new volume"},
               POOL_OF_VOLUME, PREALLOC, REFLINK, PRINT_XML)},
    {"vol-create", "volume", "make a volume from an XML file", .run = run_vol_create,
     ARGUMENTS(POOL, VOLUME_FILE, PREALLOC, VALIDATE)},
    {"vol-create-as", "volume", "make a volume from options",
     "A size is a number of bytes, or a number with a unit: K, M, G, T, P, E or KiB, MiB, … are "
     "powers of 1024, KB, MB, … powers of 1000.",
     .run = run_vol_create_as,
     ARGUMENTS(POOL, {"name", ARGUMENT_STRING, .required = true, .help = "name of the volume"},
               {"capacity", ARGUMENT_SIZE, .required = true, .help = "size of the volume"},
               {"allocation", ARGUMENT_SIZE, .help = "how much of it to allocate now"},
               {"format", ARGUMENT_STRING, .values = volume_format_words, .placeholder = "format",
                .help = "format of the image"},
               {"backing-vol", ARGUMENT_STRING, .completion = COMPLETE_VOLUME, .placeholder = "vol",
                .help = "the volume (name, key or path) to be an overlay on"},
               {"backing-vol-format", ARGUMENT_STRING, .values = volume_format_words,
                .placeholder = "format", .needs = "backing-vol", .help = "format of that volume"},
               PREALLOC, PRINT_XML, VALIDATE)},
    {"vol-create-from", "volume", "make a volume with the content of another one",
     "The XML document says what the new volume is; its format may differ from the source's.",
     .run = run_vol_create_from,
     ARGUMENTS(POOL, VOLUME_FILE, VOLUME,
               {"inputpool", ARGUMENT_STRING, .completion = COMPLETE_POOL, .placeholder = "pool",
                .help = "name or UUID of the pool the source is in"},
               PREALLOC, REFLINK, VALIDATE)},
    {"vol-delete", "volume", "remove a volume and its data", .run = run_vol_delete,
     ARGUMENTS(VOLUME, POOL_OF_VOLUME,
               FLAG("delete-snapshots", "with the snapshots that hang on it (logical)"))},
    {"vol-disk", "volume", "the <disk> element that attaches a volume to a machine",
     "It is right for the pool's type: a file, a device, or a network source with hosts and the "
     "secret to authenticate with. 'virsh attach-device' takes it.",
     .run = run_vol_disk,
     ARGUMENTS(VOLUME, POOL_OF_VOLUME,
               TEXT("target", "name", "name of the disk in the machine (vda)"),
               {"bus", ARGUMENT_ENUM, .values = disk_bus_words, .placeholder = "bus",
                .help = "virtio (default), scsi, sata, usb, ide, fdc, xen or sd"},
               {"device", ARGUMENT_ENUM, .values = disk_device_words, .placeholder = "device",
                .help = "disk (default), cdrom (default of ISO images) or floppy"},
               FLAG("readonly", "the machine may only read"))},
    {"vol-download", "volume", "read a volume's bytes into a file",
     "The file gets its name when it is whole; until then it is called FILE.part, and what a "
     "download that broke off has brought stays there. Nothing is converted: the bytes are those "
     "of "
     "the image.",
     .run = run_vol_download,
     ARGUMENTS(VOLUME,
               {"file", ARGUMENT_STRING, .required = true, .completion = COMPLETE_FILE,
                .help = "file or device to write; - writes standard output"},
               POOL_OF_VOLUME, {"offset", ARGUMENT_SIZE, .help = "where in the volume to begin"},
               {"length", ARGUMENT_SIZE, .help = "how much to read; 0, the default, to the end"},
               FLAG("sparse", "leave out holes, and keep them in the file"),
               FLAG("continue", "go on where a download that broke off has left FILE.part"))},
    {"vol-dumpxml", "volume", "a volume as XML", .run = run_vol_dumpxml,
     ARGUMENTS(VOLUME, POOL_OF_VOLUME)},
    {"vol-info", "volume", "type and sizes of a volume", .run = run_vol_info,
     ARGUMENTS(VOLUME, POOL_OF_VOLUME, FLAG("bytes", "sizes in bytes"),
               FLAG("physical", "the size of the image itself instead of what is allocated"))},
    {"vol-key", "volume", "the key of a volume", .run = run_vol_key,
     ARGUMENTS(VOLUME, POOL_OF_VOLUME)},
    {"vol-list", "volume", "list the volumes of a pool", .run = run_vol_list,
     ARGUMENTS(POOL, FLAG("details", "with types, sizes and formats"))},
    {"vol-name", "volume", "the name of a volume given by key or path", .run = run_vol_name,
     ARGUMENTS(VOLUME)},
    {"vol-path", "volume", "the path of a volume", .run = run_vol_path,
     ARGUMENTS(VOLUME, POOL_OF_VOLUME)},
    {"vol-pool", "volume", "the pool of a volume given by key or path", .run = run_vol_pool,
     ARGUMENTS(VOLUME, FLAG("uuid", "the pool's UUID, not its name"))},
    {"vol-resize", "volume", "change the capacity of a volume",
     "No running machine may be using it.", .run = run_vol_resize,
     ARGUMENTS(VOLUME,
               {"capacity", ARGUMENT_SIZE_CHANGE, .required = true,
                .help = "the new capacity; with --delta what to add; with --delta --shrink what "
                        "to take away"},
               POOL_OF_VOLUME, FLAG("allocate", "allocate what is added"),
               FLAG("delta", "change by that much instead of to that much"),
               FLAG("shrink", "allow it to become smaller"))},
    {"vol-tree", "volume", "the backing chains of a pool's volumes, drawn as a tree",
     .run = run_vol_tree,
     ARGUMENTS(POOL, {"vol", ARGUMENT_STRING, .completion = COMPLETE_VOLUME, .placeholder = "vol",
                      .help = "only the chain of this volume, down to its last image"})},
    {"vol-upload", "volume", "write the bytes of a file into a volume",
     "Ends when all is on stable storage. Nothing is converted: the file holds an image as the "
     "volume is to hold it.",
     .run = run_vol_upload,
     ARGUMENTS(VOLUME,
               {"file", ARGUMENT_STRING, .required = true, .completion = COMPLETE_FILE,
                .help = "file or device to read; - reads standard input"},
               POOL_OF_VOLUME, {"offset", ARGUMENT_SIZE, .help = "where in the volume to begin"},
               {"length", ARGUMENT_SIZE, .help = "how much to write; 0, the default, all there is"},
               FLAG("sparse", "leave out holes; in a pipe, blocks of zeros"),
               FLAG("continue", "go on where an upload from the same source broke off"))},
    {"vol-wipe", "volume", "overwrite the data of a volume", .run = run_vol_wipe,
     ARGUMENTS(VOLUME, POOL_OF_VOLUME,
               {"algorithm", ARGUMENT_ENUM, .values = wipe_algorithm_words,
                .placeholder = "algorithm",
                .help = "zero (default), nnsa, dod, bsi, gutmann, schneier, pfitzner7, "
                        "pfitzner33, random or trim"})},

    {"job-cancel", "job", "cancel a running job", .run = run_job_cancel,
     ARGUMENTS({"id", ARGUMENT_NUMBER, .required = true, .completion = COMPLETE_JOB,
                .help = "number of the job, as job-list shows it"})},
    {"job-list", "job", "list running jobs", .run = run_job_list, NO_ARGUMENTS},

    {"capabilities", "host", "what the other side can do, as XML", .run = run_capabilities,
     NO_ARGUMENTS},
    {"complete", "host", "candidates for the last word of a command line",
     .flags = COMMAND_OFFLINE | COMMAND_HIDDEN | COMMAND_REST, .run = run_complete, NO_ARGUMENTS},
    {"completion", "host", "print the completion script of a shell", .flags = COMMAND_OFFLINE,
     .run = run_completion,
     ARGUMENTS({"shell", ARGUMENT_ENUM, .required = true, .values = shell_words,
                .help = "bash, zsh or fish"})},
    {"help", "host", "help on the program, a group of commands or a command",
     .flags = COMMAND_OFFLINE, .run = run_help,
     ARGUMENTS({"command", ARGUMENT_STRING, .completion = COMPLETE_COMMAND,
                .placeholder = "command", .help = "a command or a group"})},
    {"uri", "host", "where the connection leads", .run = run_uri, NO_ARGUMENTS},
    {"version", "host", "versions of program and library", .flags = COMMAND_OFFLINE,
     .run = run_version, NO_ARGUMENTS},
    {NULL},
};

const Command *command_find(const char *name)
{
    for (const Command *command = command_table; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

const Argument *argument_find(const Argument *arguments, const char *name)
{
    for (const Argument *argument = arguments; argument->name; argument++)
        if (strcmp(argument->name, name) == 0)
            return argument;
    return NULL;
}

const char *argument_placeholder(const Argument *argument)
{
    static const char *const by_kind[] = {
        [ARGUMENT_STRING] = "text",   [ARGUMENT_SIZE] = "size", [ARGUMENT_SIZE_CHANGE] = "size",
        [ARGUMENT_NUMBER] = "number", [ARGUMENT_ENUM] = "word", [ARGUMENT_ENUM_LIST] = "words",
    };
    if (argument->placeholder)
        return argument->placeholder;
    return argument->required ? argument->name : by_kind[argument->kind];
}

bool argument_takes_value(const Argument *argument)
{
    return argument->kind != ARGUMENT_FLAG;
}

int argument_count(const Argument *arguments)
{
    int count = 0;
    while (arguments[count].name)
        count++;
    return count;
}

int word_index(const char *const *values, const char *word)
{
    for (int i = 0; values[i]; i++)
        if (strcmp(values[i], word) == 0)
            return i;
    return -1;
}
