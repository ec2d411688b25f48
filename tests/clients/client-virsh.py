# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every command of virsh's groups "pool" and "volume", used well and badly."""

import os
import re
import signal
import subprocess
import time

from steps import FOLDER, MIB, URI, die, pool_xml, report, volume_xml, write

used = set()


def run(arguments, read_only=False):
    argv = ["virsh"] + (["-r"] if read_only else [])
    return subprocess.run(argv + ["-c", URI] + arguments, capture_output=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=60)


def virsh(line, *more, name=None, read_only=False):
    """A step: the words of `line` (@ is the folder), then arguments as they are."""
    arguments = [word.replace("@", FOLDER) for word in line.split()] + list(more)
    used.add(arguments[0])
    done = run(arguments, read_only)
    text = [stream.decode("utf-8", "backslashreplace") for stream in (done.stdout, done.stderr)]
    report(name or ("virsh " + ("-r " if read_only else "") +
                    " ".join([line] + [repr(argument) for argument in more])),
           [done.returncode] + text)


def file_is(name, path, expected=None):
    """What became of a file: its size, and whether its content is as expected."""
    path = path.replace("@", FOLDER)
    if not os.path.exists(path):
        return report(name, "none")
    with open(path, "rb") as source:
        content = source.read()
    return report(name, [len(content), content == expected if expected is not None else None])


def many(lines):
    for line in lines.strip().splitlines():
        virsh(line.strip())


# ---- pools ----

def define_pools():
    many("""
        pool-list --all
        pool-list --details
        pool-define-as p dir --target @/p
        pool-define-as p dir --target @/p --print-xml
        pool-define-as p dir --target @/other
        pool-define-as q dir --target @/p
        pool-define-as --name q --type dir --target @/q
        pool-define-as
        pool-define-as x
        pool-define-as x nonsense --target @/x
        pool-define-as x dir
        pool-define-as x netfs --target @/x
        pool-define-as x netfs --source-host h --source-path /e --target @/x --source-format nfs --print-xml
        pool-define-as x netfs --source-host h --source-path /e --target @/x --source-protocol-ver 4.1 --print-xml
        pool-define-as x fs --source-dev /dev/nothing --target @/x --source-format bogus
        pool-define-as x logical --source-name g --adapter-name a --print-xml
        pool-define-as x scsi --adapter-wwnn 20000000c9831b4b --adapter-wwpn 10000000c9831b4b --adapter-parent scsi_host3 --print-xml
        pool-define-as x rbd --source-host h --source-name n --auth-type ceph --auth-username u --secret-usage s --print-xml
        pool-define-as x iscsi-direct --source-host h --source-dev d --source-initiator i --print-xml
        pool-define-as x dir --target relative
        pool-define-as x dir --target @/x/../y/./z//
        pool-dumpxml x
        pool-undefine x
        pool-list --all
        pool-list --all --name
        pool-list --all --uuid
        pool-list --all --name --uuid
        pool-list --all --details
        pool-list --inactive
        pool-list --transient
        pool-list --all --persistent
        pool-list --all --autostart
        pool-list --all --no-autostart
        pool-list --all --type dir
        pool-list --all --type dir,fs
        pool-list --all --type bogus
        pool-uuid p
        pool-uuid nothing
        pool-info p
        pool-info p --bytes
        pool-info nothing
        pool-info
        pool-dumpxml p
        pool-dumpxml p --inactive
        pool-dumpxml nothing
        pool-name p
        pool-name 00000000-0000-0000-0000-000000000000
        pool-edit nothing
        pool-edit p
    """)
    uuid = run(["pool-uuid", "p"]).stdout.decode().strip()
    virsh("pool-name", uuid, name="pool-name UUID")
    virsh("pool-info", uuid, name="pool-info UUID")


def documents():
    cases = {
        "good": pool_xml("good"),
        "validated": pool_xml("validated"),
        "not-xml": "not xml at all",
        "empty": "",
        "cut": "<pool type='dir'><name>x</name>",
        "other-root": "<domain/>",
        "no-type": "<pool><name>x</name></pool>",
        "bad-type": "<pool type='nonsense'><name>x</name></pool>",
        "no-name": "<pool type='dir'><target><path>/x</path></target></pool>",
        "no-target": "<pool type='dir'><name>x</name></pool>",
        "empty-name": pool_xml("", target="/x"),
        "slash": pool_xml("a/b", target="/x"),
        "newline": pool_xml("a\nb", target="/x"),
        "spaces": pool_xml("a b", target=f"{FOLDER}/a b"),
        "bad-uuid": "<pool type='dir'><name>x</name><uuid>zz</uuid><target><path>/x</path>"
                    "</target></pool>",
        "bad-mode": "<pool type='dir'><name>x</name><target><path>/x</path><permissions>"
                    "<mode>9999</mode></permissions></target></pool>",
        "bad-owner": "<pool type='dir'><name>x</name><target><path>/x</path><permissions>"
                     "<owner>zz</owner></permissions></target></pool>",
        "unknown-element": "<pool type='dir'><name>x</name><bogus/><target><path>/x</path>"
                           "</target></pool>",
        "entity": "<!DOCTYPE pool [<!ENTITY e SYSTEM 'file:///etc/hostname'>]>"
                  + pool_xml("&e;", target="/x"),
    }
    for name, text in cases.items():
        path = write(name + ".xml", text)
        virsh("pool-define", path, name=f"pool-define {name}")
        virsh("pool-define --validate", path, name=f"pool-define --validate {name}")
        virsh("pool-create", path, name=f"pool-create {name}")
    many("""
        pool-define @/documents/nothing.xml
        pool-create @/documents/nothing.xml
        pool-create @/documents/good.xml --build
        pool-create @/documents/good.xml --build
        pool-create @/documents/good.xml --validate
        pool-create @/documents/good.xml --build --overwrite --no-overwrite
        pool-create @/documents/validated.xml --build --no-overwrite --validate
        pool-list --all
        pool-destroy validated
        pool-create @/documents/validated.xml --build --overwrite
        pool-destroy validated
        pool-destroy good
        pool-list --all --details
        pool-undefine good
        pool-undefine validated
        pool-undefine x
    """)
    virsh("pool-build", "a b")
    virsh("pool-start", "a b")
    virsh("vol-create-as --capacity 1M --pool", "a b", "--name", "v w")
    virsh("vol-list", "a b")
    virsh("vol-path --pool", "a b", "v w")
    virsh("vol-delete --pool", "a b", "v w")
    virsh("pool-delete", "a b", name="pool-delete of an active pool")
    virsh("pool-destroy", "a b")
    virsh("pool-delete", "a b")
    virsh("pool-undefine", "a b")


def run_pools():
    many("""
        pool-start p
        pool-start nothing
        pool-build p --overwrite
        pool-build p --no-overwrite
        pool-build p --overwrite --no-overwrite
        pool-build p
        pool-build p
        pool-build nothing
        pool-refresh p
        pool-start p
        pool-start p
        pool-build p
        pool-refresh p
        pool-refresh nothing
        pool-info p
        pool-info p --bytes
        pool-dumpxml p
        pool-dumpxml p --inactive
        pool-list
        pool-list --details
        pool-list --all --details
        pool-autostart p
        pool-autostart nothing
        pool-info p
        pool-list --all --autostart
        pool-autostart p --disable
        pool-autostart p --disable
        pool-undefine p
        pool-delete p
        pool-start q --build
        pool-destroy q
        pool-destroy q
        pool-destroy nothing
        pool-start q --build --overwrite
        pool-destroy q
        pool-start q --build --no-overwrite
        pool-destroy q
        pool-start q --build --no-overwrite --overwrite
        pool-delete q
        pool-delete q
        pool-delete nothing
        pool-undefine q
        pool-undefine q
        pool-create-as t dir --target @/t
        pool-create-as t dir --target @/t --build
        pool-create-as t dir --target @/t
        pool-create-as t2 dir --target @/t
        pool-create-as t3 dir --target @/t3 --print-xml
        pool-create-as t3 dir --target @/t3 --build --no-overwrite
        pool-info t
        pool-list --transient
        pool-autostart t
        pool-undefine t
        pool-define-as t dir --target @/t
        pool-info t
        pool-destroy t
        pool-undefine t
        pool-destroy t3
        pool-list --all
        pool-capabilities
    """)
    virsh("pool-list --all", name="pool-list read-only", read_only=True)
    for command in ("pool-start p", "pool-destroy p", "pool-refresh p", "pool-undefine p",
                    "pool-delete p", "pool-build p", "pool-autostart p", "vol-list p",
                    "pool-define-as x dir --target /x", "pool-create-as x dir --target /x",
                    "find-storage-pool-sources logical", "pool-dumpxml p"):
        virsh(command, read_only=True)


def sources():
    many("""
        find-storage-pool-sources dir
        find-storage-pool-sources nonsense
        find-storage-pool-sources disk
        find-storage-pool-sources scsi
        find-storage-pool-sources netfs
        find-storage-pool-sources iscsi
        find-storage-pool-sources-as dir
        find-storage-pool-sources-as netfs
        find-storage-pool-sources-as iscsi
        find-storage-pool-sources-as dir somewhere 12 initiator
        find-storage-pool-sources netfs @/documents/nothing.xml
    """)
    virsh("find-storage-pool-sources netfs", write("spec.xml", "<sources/>"),
          name="find-storage-pool-sources netfs with a wrong document")
    virsh("find-storage-pool-sources netfs", write("spec2.xml", "<source/>"),
          name="find-storage-pool-sources netfs with an empty document")


# ---- volumes ----

def make_volumes():
    many("""
        vol-list p
        vol-list nothing
        vol-list p --details
        vol-create-as p v 1M
        vol-create-as p v 1M
        vol-create-as p w 1048576 --allocation 0
        vol-create-as p x 10M --allocation 1M --format raw
        vol-create-as p q.qcow2 4M --format qcow2
        vol-create-as p over.qcow2 4M --format qcow2 --backing-vol v --backing-vol-format raw
        vol-create-as p over2.qcow2 4M --format qcow2 --backing-vol q.qcow2
        vol-create-as p over3.qcow2 4M --format qcow2 --backing-vol nothing
        vol-create-as p over4.qcow2 4M --format qcow2 --backing-vol v --backing-vol-format bogus
        vol-create-as p meta.qcow2 4M --format qcow2 --prealloc-metadata
        vol-create-as p meta.raw 4M --prealloc-metadata
        vol-create-as p bad 1M --format nonsense
        vol-create-as p bad
        vol-create-as p bad 1X
        vol-create-as p bad -1
        vol-create-as nothing bad 1M
        vol-create-as p bad 1M --print-xml
        vol-create-as p valid 1M --validate
        vol-create-as p d.vmdk 1M --format vmdk
        vol-create-as p d.vdi 1M --format vdi
        vol-create-as p d.vpc 1M --format vpc
        vol-create-as p d.iso 1M --format iso
        vol-create-as p folder 0 --format dir
        vol-delete folder --pool p
    """)
    for name in ("a/b", "..", ".", "", "../escape", "a\nb", "x" * 255, "x" * 300, "ümläut"):
        virsh("vol-create-as --capacity 1M --pool p --name", name)
        virsh("vol-path --pool p", name)
        virsh("vol-delete --pool p", name)
    cases = {
        "good": volume_xml("good"),
        "validated": volume_xml("validated"),
        "no-name": "<volume><capacity>1</capacity></volume>",
        "no-capacity": "<volume><name>nocap</name></volume>",
        "other-root": "<pool/>",
        "not-xml": "<volume",
        "bad-unit": "<volume><name>bu</name><capacity unit='parsec'>1</capacity></volume>",
        "bad-number": "<volume><name>bn</name><capacity>many</capacity></volume>",
        "negative": "<volume><name>neg</name><capacity>-5</capacity></volume>",
        "huge": "<volume><name>huge</name><capacity unit='EiB'>99</capacity></volume>",
        "units": "<volume><name>units</name><capacity unit='KB'>1</capacity></volume>",
        "unknown": "<volume><name>unk</name><bogus/><capacity>1</capacity></volume>",
        "perms": volume_xml("perms").replace(
            "</target>", "<permissions><mode>0640</mode><owner>1</owner><group>2</group>"
            "</permissions></target>"),
        "bad-perms": volume_xml("badperms").replace(
            "</target>", "<permissions><mode>bogus</mode></permissions></target>"),
        "backing": volume_xml("backing", "qcow2", MIB,
                              f"<backingStore><path>{FOLDER}/p/v</path>"
                              "<format type='raw'/></backingStore>"),
        "features": volume_xml("features", "qcow2").replace(
            "</target>", "<compat>1.1</compat><features><lazy_refcounts/></features></target>"),
        "compat": volume_xml("compat", "qcow2").replace("</target>",
                                                        "<compat>0.10</compat></target>"),
        "bad-compat": volume_xml("badcompat", "qcow2").replace("</target>",
                                                               "<compat>7</compat></target>"),
        "cluster": volume_xml("cluster", "qcow2").replace(
            "</target>", "<clusterSize unit='KiB'>128</clusterSize></target>"),
    }
    for name, text in cases.items():
        path = write("v-" + name + ".xml", text)
        virsh("vol-create p", path, name=f"vol-create {name}")
        virsh("vol-create p", path, "--validate", name=f"vol-create --validate {name}")
    many("""
        vol-create p @/documents/nothing.xml
        vol-create nothing @/documents/v-good.xml
        vol-create p @/documents/v-good.xml --prealloc-metadata
        vol-list p
        vol-list p --details
    """)
    for volume in ("v", "q.qcow2", "over.qcow2", "perms", "features", "compat", "cluster",
                   "meta.qcow2", "d.vmdk", "d.vdi", "units", "nothing"):
        virsh(f"vol-dumpxml {volume} p")
        virsh(f"vol-info {volume} p")
        virsh(f"vol-info {volume} --pool p --bytes")
        virsh(f"vol-info {volume} --pool p --physical --bytes")


def find_volumes():
    many("""
        vol-path v p
        vol-path nothing p
        vol-path v nothing
        vol-path v
        vol-key v p
        vol-key @/p/v
        vol-key nothing
        vol-name @/p/v
        vol-name @/p/../p//v
        vol-name @/p/nothing
        vol-name v
        vol-pool @/p/v
        vol-pool @/p/v --uuid
        vol-pool @/nothing
        vol-info @/p/v
        vol-info @/p/v --pool p
        vol-dumpxml @/p/v
        vol-info
        vol-info v --pool
        vol-delete @/p/nothing
        vol-list p --bogus
    """)


def change_volumes():
    many("""
        vol-clone v v2 --pool p
        vol-clone v v2 --pool p
        vol-clone v v --pool p
        vol-clone nothing v3 --pool p
        vol-clone q.qcow2 q2.qcow2 --pool p
        vol-clone q.qcow2 q3.qcow2 --pool p --prealloc-metadata
        vol-clone v v4 --pool p --reflink
        vol-clone v v/5 --pool p
        vol-clone @/p/v v6
        vol-clone v v7 nothing
        vol-clone v v8 --pool p --print-xml
        vol-info v2 --pool p
        vol-info q2.qcow2 --pool p
        pool-create-as r dir --target @/r --build
        vol-create-from r @/documents/v-good.xml v --inputpool p
        vol-create-from r @/documents/v-good.xml v --inputpool p
        vol-create-from r @/documents/v-good.xml nothing --inputpool p
        vol-create-from nothing @/documents/v-good.xml v --inputpool p
        vol-create-from r @/documents/nothing.xml v --inputpool p
        vol-create-from r @/documents/v-features.xml q.qcow2 --inputpool p
        vol-create-from r @/documents/v-compat.xml q.qcow2 --inputpool p --prealloc-metadata
        vol-create-from r @/documents/v-no-name.xml q.qcow2 --inputpool p
        vol-create-from r @/documents/v-validated.xml v --inputpool p --validate
        vol-list r
        vol-resize v 2M --pool p
        vol-info v --pool p --bytes
        vol-resize v 1M --pool p
        vol-resize v 1M --pool p --shrink
        vol-resize w 3M --pool p
        vol-resize w 1M --pool p
        vol-resize w 1M --pool p --shrink
        vol-resize w 1M --pool p --delta
        vol-resize w 1M --pool p --delta --shrink
        vol-resize w -- -1M --pool p
        vol-resize w 5M --pool p --allocate
        vol-resize w 5000M --pool p --allocate
        vol-resize w 0 --pool p
        vol-resize w 0 --pool p --delta
        vol-resize w nonsense --pool p
        vol-resize nothing 5M --pool p
        vol-resize q.qcow2 8M --pool p
        vol-resize q.qcow2 1M --pool p --shrink
        vol-resize q.qcow2 8M --pool p --allocate
        vol-resize d.vmdk 8M --pool p
        vol-info w --pool p --bytes
        vol-info q.qcow2 --pool p --bytes
        vol-wipe v --pool p
        vol-wipe v --pool p --algorithm zero
        vol-wipe v --pool p --algorithm random
        vol-wipe v --pool p --algorithm nnsa
        vol-wipe v --pool p --algorithm trim
        vol-wipe v --pool p --algorithm bogus
        vol-wipe nothing --pool p
        vol-wipe q2.qcow2 --pool p
        vol-info q2.qcow2 --pool p --bytes
        vol-dumpxml q2.qcow2 --pool p
        pool-info p --bytes
    """)


def streams():
    content = bytes(range(256)) * 4096
    source = write("content", content)
    write("long", content * 2)
    for line in ("vol-upload up @/documents/content --pool p",
                 "vol-upload up @/documents/nothing --pool p",
                 "vol-upload nothing @/documents/content --pool p",
                 "vol-upload up @/documents/content --pool p --offset 4096 --length 100",
                 "vol-upload up @/documents/content --pool p --offset 99999999",
                 "vol-upload up @/documents/long --pool p --length 1048576",
                 "vol-upload up @/documents/content --pool p --sparse",
                 "vol-upload up @/documents/content --pool p --offset -1",
                 "vol-upload up @/documents/content --pool p --offset x"):
        if "--offset 4096" not in line:
            run(["vol-delete", "up", "--pool", "p"])
            run(["vol-create-as", "p", "up", "1M"])
        virsh(line)
        file_is("after " + line, "@/p/up", content)
    run(["vol-upload", "up", source, "--pool", "p"])
    for line in ("vol-download up @/down --pool p",
                 "vol-download up @/down --pool p --offset 4096 --length 100",
                 "vol-download up @/down --pool p --offset 99999999",
                 "vol-download up @/down --pool p --sparse",
                 "vol-download up @/no/such/folder --pool p",
                 "vol-download nothing @/down --pool p",
                 "vol-download up @/down --pool p --length -1"):
        if os.path.exists(f"{FOLDER}/down"):
            os.unlink(f"{FOLDER}/down")
        virsh(line)
        file_is("after " + line, "@/down", content)
    virsh("vol-upload up @/documents/content --pool p", read_only=True)
    virsh("vol-download up @/down --pool p", read_only=True)


def delete_volumes():
    many("""
        vol-delete v --pool p
        vol-delete v --pool p
        vol-delete nothing --pool p
        vol-delete @/p/x
        vol-delete q2.qcow2 --pool p --delete-snapshots
        vol-delete q3.qcow2
        vol-list r
    """)
    virsh("vol-delete w --pool p", read_only=True)
    virsh("vol-create-as p ro 1M", read_only=True)
    os.unlink(f"{FOLDER}/p/w")
    many("""
        vol-info w --pool p
        vol-dumpxml w --pool p
        vol-path w --pool p
        vol-delete w --pool p
        pool-refresh p
        vol-list p
        pool-destroy r
        pool-destroy p
        vol-list p
        vol-create-as p late 1M
        vol-info v --pool p
        vol-info @/p/v
        pool-info p
        pool-delete p
        pool-info p
    """)


# ---- events ----

def wait_for_line(process):
    """Refreshes until the listener has told of it: then it is registered."""
    os.set_blocking(process.stdout.fileno(), False)
    seen = b""
    for _ in range(200):
        run(["pool-refresh", "e"])
        time.sleep(0.05)
        seen += process.stdout.read() or b""
        if b"\n" in seen:
            return
    die("pool-event told of nothing")


def watch(name, arguments, *commands):
    run(["pool-create-as", "e", "dir", "--target", f"{FOLDER}/e", "--build"])
    run(["pool-define-as", "e", "dir", "--target", f"{FOLDER}/e"])
    used.add("pool-event")
    with subprocess.Popen(["stdbuf", "-oL", "virsh", "-c", URI, "pool-event", "--loop",
                           *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL) as process:
        wait_for_line(process)
        for command in commands:
            run(command.replace("@", FOLDER).split())
        run(["pool-refresh", "e"])
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        os.set_blocking(process.stdout.fileno(), True)
        lines = process.stdout.read().decode().splitlines()
    while lines and "'refresh' for" in lines[0]:
        lines.pop(0)
    report(name, [re.sub(r"^\d{4}-\S+ \S+: ", "DATE ", line) for line in lines
                  if "events received" not in line])


def events():
    virsh("pool-event --list")
    virsh("pool-event --event nonsense")
    virsh("pool-event --pool nothing --event lifecycle --timeout 1")
    virsh("pool-event --event lifecycle --timeout 1")
    virsh("pool-event")
    changes = ("pool-define-as f dir --target @/f", "pool-build f", "pool-start f",
               "pool-refresh f", "vol-create-as f v 1M", "vol-delete v --pool f", "pool-autostart f",
               "pool-destroy f", "pool-delete f", "pool-undefine f",
               "pool-create-as f dir --target @/f --build", "pool-destroy f")
    watch("all events", ["--all"], *changes)
    watch("all events with times", ["--all", "--timestamp"], *changes)
    watch("refresh events of one pool", ["--event", "refresh", "--pool", "e"], *changes,
          "pool-refresh e")


# ---- the rest ----

def commands_are_covered():
    for group in ("pool", "volume"):
        listed = subprocess.run(["virsh", "help", group], capture_output=True, text=True,
                                check=True).stdout
        names = set(re.findall(r"^ {4}([a-z-]+)", listed, re.M))
        if not names or names - used:
            die(f"never used: {names - used}")


def host():
    for command in ("uri", "hostname", "version", "capabilities", "nodeinfo", "freecell",
                    "sysinfo", "list --all", "net-list --all", "iface-list --all", "nodedev-list",
                    "nwfilter-list", "nwfilter-binding-list", "secret-list", "maxvcpus",
                    "nodecpumap", "nodememstats", "nodecpustats", "domcapabilities", "start x",
                    "net-info x", "cpu-models x86_64", "node-memory-tune", "freepages --all",
                    "allocpages 2M 1", "nodesuspend mem 60", "pool-list bogus",
                    "event --all --timeout 1", "net-event --event lifecycle --timeout 1",
                    "nodedev-event --event lifecycle --timeout 1",
                    "secret-event --event lifecycle --timeout 1"):
        virsh(command, name="host: " + command)


define_pools()
documents()
run_pools()
sources()
make_volumes()
find_volumes()
change_volumes()
streams()
delete_volumes()
events()
commands_are_covered()
host()
