# SPDX-License-Identifier: LGPL-2.1-or-later
"""The differences that are meant, by their ids in docs/differences.md: at which
step of which client, what libvirt answers and what we answer (both searched for
as regular expressions in the answer's JSON). `but`: apart from this (expressions that are cut out
of both, or given other words) the two must be equal."""

from collections import namedtuple

Row = namedtuple("Row", "difference client step theirs ours but", defaults=((),))

# Where and in whose words something failed.
NAMED = ((r"pool '[^']*': ", ""), (r"volume '[^']*': ", ""),
         (r"Child process \(\S*/([\w-]+) .*?\) unexpected exit status", r"\1 failed with status"),
         (r"(\\n)+", r"\\n"))
# How much space a file takes, and how much its pool then has.
SPACE = ((r"(Allocation|Physical|Available):( +)[\d.]+( \w+)?", r"\1"),
         (r"<(allocation|physical|available) unit='bytes'>\d+", r"<\1>"),
         (r"[\d.]+ [KMG]iB\\n", ""))
# What only the file itself tells.
READ = ((r"\\n *<compat>[\d.]+</compat>", ""), (r"\\n *<clusterSize unit='B'>\d+</clusterSize>", ""),
        (r"\\n *<features/>", ""),
        (r"(<backingStore>.*?<format type='\w+'/>).*?(\\n  </backingStore>)", r"\1\2"))

# What libvirt's storage driver answers to calls of other families.
NO_SUPPORT = r"not supported by the connection driver"

ROWS = [
    Row("schema-messages", "virsh", "* --validate *", r"against /usr/share", r"against (pool|volume)\.rng"),
    Row("volume-schema", "virsh", "vol-create --validate *", r"Expecting an element target",
        r"missing capacity|numerical overflow|exists already"),
    Row("empty-document", "virsh", "* empty", r"\(null\)", r"Document is empty"),
    Row("doctype", "virsh", "*entity", r".", r"Document type declarations are not accepted"),
    Row("newline", "virsh", "pool-create newline", r"cannot open directory", r"invalid char in name"),
    Row("pool-in-message", "virsh", "virsh *", r"error", r"error: (internal error: )?pool '", NAMED),
    Row("pool-in-message", "virsh", "virsh pool-delete q*", r"failed to remove pool 'FOLDER/q': No such",
        r"pool 'q': cannot open directory 'FOLDER/q': No such"),
    Row("pool-types", "virsh", "virsh pool-capabilities", r".", r"supported='no'"),
    Row("pool-types", "virsh", "*find-storage-pool-sources*", r".", r"missing backend for pool type"),
    Row("disk-discovery", "virsh", "*find-storage-pool-sources* disk*", r"does not support source discovery",
        r"<sources>"),
    Row("pool-types", "virsh", "host: capabilities", r"netfs", r"<value>dir</value>"),
    Row("volume-names", "virsh", "virsh vol-create-as *--name *", r".",
        r"is not the name of a file|control characters|longer than|name too long|volume name 'xxx"),
    Row("volume-names", "virsh", "virsh vol-* '*nb'", r".", r"no storage vol"),
    Row("volume-validate", "virsh", "* --validate*", r"unsupported flags", r"exists already|created"),
    Row("volume-validate", "virsh", "virsh vol-list r*", r".", r"validated"),
    Row("qcow2-writer", "virsh", "virsh vol-*", r"KiB|MiB|bytes", r"KiB|MiB|bytes", SPACE),
    Row("volume-as-read", "virsh", "virsh vol-dumpxml *", r"type='qcow2'", r"type='qcow2'", SPACE + READ),
    # The same bytes, taken for raw: their size is all there is.
    Row("qcow2-writer", "virsh", "virsh vol-* q2.qcow2 *", r"200704", r"262144",
        SPACE + ((r"Capacity:( +)\d+", ""), (r"<capacity unit='bytes'>\d+", ""))),
    Row("qcow2-writer", "virsh", "virsh pool-info p --bytes*", r"bytes|Allocation", r"Allocation", SPACE),
    Row("trim", "virsh", "virsh vol-wipe v --pool p --algorithm trim", r"not supported", r"wiped"),
    Row("upload-too-long", "virsh", "*vol-upload up*--length*", r"cannot send|false", r"cannot close|true"),
    Row("flag-function", "virsh", "virsh vol-delete*", r"in function virStorageBackend",
        r"in function storageVolDelete"),
    Row("watched", "virsh", "virsh vol-* w --pool p", r".", r"failed to get vol 'w'"),
    Row("host-calls", "virsh", "host: *", NO_SUPPORT, r"\[0, "),
    Row("host-calls", "virsh", "host: *event *", NO_SUPPORT, r"events received: 0"),
    Row("absent", "virsh", "host: *", NO_SUPPORT, r"not found: "),
    Row("unknown-procedure", "virsh", "host: *", NO_SUPPORT, r"unknown procedure: \d+"),

    Row("empty-document", "python", "*DefineXML(*", r"\(null\)", r"Document is empty"),
    Row("pool-in-message", "python", "*", r'"message": "', r'"message": "pool \'', NAMED),
    Row("exclusive-flags", "python", "conn.storagePoolCreateXML(*", r'"code": 9', r"mutually exclusive"),
    Row("flags-first", "python", "conn.findStoragePoolSources(dir, None, 1)", r'"code": 3', r'"code": 8'),
    Row("flag-function", "python", "*", r"in function virStorageBackend", r"in function storage"),
    Row("stale-volume", "python", "stale volume*", r"matching name 'c'", r"matching path"),
    Row("qcow2-writer", "python", "read-only a.info()", r".", r"."),
    Row("host-calls", "python", "*", NO_SUPPORT, r"^(?!.*message)|start cell 5"),
    Row("absent", "python", "conn.*ookup*", NO_SUPPORT, r"not found: "),

    Row("pool-in-message", "perl", "*", r'"message": "', r'"message": "pool \'', NAMED),
    Row("stale-volume", "perl", "stale volume", r"matching name", r"matching path"),
    Row("host-calls", "perl", "*", NO_SUPPORT, r"^(?!.*message)"),

    Row("pool-in-message", "ruby", "*", r'"message": "', r'"message": "pool \'', NAMED),
    Row("stale-volume", "ruby", "stale volume", r"matching name", r"matching path"),
    Row("host-calls", "ruby", "*", NO_SUPPORT, r"^(?!.*message)"),

    Row("host-calls", "glib", "*", NO_SUPPORT, r"^true"),
    Row("host-calls", "glib", "warnings", NO_SUPPORT, r"^\[\]"),

    Row("pool-in-message", "virtinst", "disk in an unknown folder", r"cannot open directory",
        r"pool 'folder': cannot open directory"),
    Row("host-calls", "virtinst", "node information", NO_SUPPORT, r"^\"\w+\"$"),
]
