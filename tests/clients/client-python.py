# SPDX-License-Identifier: LGPL-2.1-or-later
"""python3-libvirt: every method for storage, with events and stale handles."""

import os
import threading
import time

import libvirt

from steps import FOLDER, MIB, URI, die, pool_xml, report, volume_xml

libvirt.registerErrorHandler(lambda context, error: None, None)
libvirt.virEventRegisterDefaultImpl()
called = set()


def run_loop():
    while True:
        libvirt.virEventRunDefaultImpl()


threading.Thread(target=run_loop, daemon=True).start()


def plain(value):
    """An answer as JSON: handles by what they say of themselves."""
    if isinstance(value, libvirt.virStoragePool):
        return ["pool", value.name()]
    if isinstance(value, libvirt.virStorageVol):
        return ["volume", value.name(), value.key()]
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return value if isinstance(value, (str, int, type(None))) else type(value).__name__


def attempt(name, function, *arguments):
    """One step; its value, or None when it failed."""
    called.add(function.__name__)
    try:
        value = function(*arguments)
    except libvirt.libvirtError as error:
        report(name, {"code": error.get_error_code(), "domain": error.get_error_domain(),
                      "message": error.get_error_message(), "level": error.get_error_level()})
        return None
    report(name, plain(sorted(value, key=str) if isinstance(value, list) and value and
                       isinstance(value[0], str) else value))
    return value


class Steps:
    """Calls methods of one object: every call is a step named after it."""

    def __init__(self, label, target):
        self._label, self._target = label, target

    def __getattr__(self, method):
        def call(*arguments):
            shown = ", ".join(str(plain(argument))[:70] for argument in arguments)
            return attempt(f"{self._label}.{method}({shown})".replace("\n", " "),
                           getattr(self._target, method), *arguments)
        return call


connection = libvirt.open(URI)
conn = Steps("conn", connection)


def sorted_names(name, handles):
    report(name, sorted(handle.name() for handle in handles or []))


def pools():
    conn.numOfStoragePools()
    conn.listStoragePools()
    conn.storagePoolDefineXML(pool_xml("a"), 0)
    conn.storagePoolDefineXML(pool_xml("a"), 2)
    conn.storagePoolDefineXML("<pool", 0)
    conn.storagePoolDefineXML("", 0)
    conn.storagePoolCreateXML(pool_xml("b"), 0)
    conn.storagePoolCreateXML(pool_xml("b"), 1)
    report("uuid of b", connection.storagePoolLookupByName("b").UUIDString())
    conn.storagePoolCreateXML(pool_xml("b"), 64)
    conn.storagePoolCreateXML(pool_xml("b"), 6)
    conn.numOfStoragePools()
    conn.numOfDefinedStoragePools()
    conn.listStoragePools()
    conn.listDefinedStoragePools()
    for flags in (0, 1, 2, 3, 4, 8, 12, 16, 32, 64, 128, 192, 1 << 19, 1 << 20, 1 << 31):
        try:
            sorted_names(f"conn.listAllStoragePools({flags:#x})",
                         connection.listAllStoragePools(flags))
        except libvirt.libvirtError as error:
            report(f"conn.listAllStoragePools({flags:#x})", str(error))
    called.add("listAllStoragePools")
    conn.storagePoolLookupByName("a")
    conn.storagePoolLookupByName("nothing")
    conn.storagePoolLookupByName("")
    conn.storagePoolLookupByUUID(b"\0" * 16)
    conn.storagePoolLookupByUUIDString("nonsense")
    conn.storagePoolLookupByUUIDString("00000000-0000-0000-0000-000000000000")
    conn.storagePoolLookupByTargetPath(f"{FOLDER}/b")
    conn.storagePoolLookupByTargetPath(f"{FOLDER}//b/")
    conn.storagePoolLookupByTargetPath(f"{FOLDER}/a")
    conn.storagePoolLookupByTargetPath("nonsense")
    conn.getStoragePoolCapabilities(1)
    conn.findStoragePoolSources("dir", None, 0)
    conn.findStoragePoolSources("nonsense", None, 0)
    conn.findStoragePoolSources("dir", None, 1)


def one_pool():
    handle = connection.storagePoolLookupByName("a")
    pool = Steps("a", handle)
    for method in ("name", "UUIDString", "isActive", "isPersistent", "autostart", "info",
                   "numOfVolumes", "listVolumes", "destroy", "connect"):
        getattr(pool, method)()
    report("a.UUID", len(handle.UUID()))
    called.add("UUID")
    attempt("look up by bytes of a uuid", connection.storagePoolLookupByUUID, handle.UUID())
    conn.storagePoolLookupByUUIDString(handle.UUIDString())
    pool.listAllVolumes(0)
    pool.XMLDesc(0)
    pool.XMLDesc(1)
    pool.XMLDesc(2)
    pool.refresh(0)
    pool.build(16)
    pool.build(0)
    pool.create(32)
    pool.create(0)
    pool.create(0)
    pool.refresh(1)
    pool.refresh(0)
    pool.info()
    pool.setAutostart(1)
    pool.setAutostart(7)
    pool.autostart()
    pool.setAutostart(0)
    pool.isActive()
    pool.undefine()
    pool.delete(0)
    pool.listAllVolumes(1)
    transient = Steps("b", connection.storagePoolLookupByName("b"))
    transient.isPersistent()
    transient.setAutostart(1)
    transient.undefine()
    transient.info()


def volumes():
    handle = connection.storagePoolLookupByName("a")
    pool = Steps("a", handle)
    made = pool.createXML(volume_xml("v"), 0)
    pool.createXML(volume_xml("v"), 0)
    pool.createXML(volume_xml("w"), 8)
    pool.createXML(volume_xml("w"), 2)
    pool.createXML(volume_xml("q", "qcow2"), 0)
    pool.createXML("nonsense", 0)
    pool.createXMLFrom(volume_xml("c"), made, 0)
    pool.createXMLFrom(volume_xml("c"), made, 0)
    pool.createXMLFrom(volume_xml("c2"), made, 16)
    pool.numOfVolumes()
    pool.listVolumes()
    sorted_names("a.listAllVolumes", handle.listAllVolumes(0))
    pool.storageVolLookupByName("v")
    pool.storageVolLookupByName("nothing")
    conn.storageVolLookupByKey(f"{FOLDER}/a/v")
    conn.storageVolLookupByKey("nothing")
    conn.storageVolLookupByPath(f"{FOLDER}/a/v")
    conn.storageVolLookupByPath(f"{FOLDER}/a/../a/v")
    conn.storageVolLookupByPath("nothing")
    volume = Steps("v", made)
    for method in ("name", "key", "path", "info", "storagePoolLookupByVolume", "connect"):
        getattr(volume, method)()
    volume.infoFlags(0)
    volume.infoFlags(1)
    volume.infoFlags(2)
    volume.XMLDesc(0)
    volume.XMLDesc(1)
    volume.resize(2 * MIB, 0)
    volume.resize(MIB, 0)
    volume.resize(MIB, 8)
    volume.resize(MIB, 4)
    volume.resize(0, 0)
    volume.wipe(0)
    volume.wipe(1)
    volume.wipePattern(0, 0)
    volume.wipePattern(99, 0)
    volume.wipePattern(0, 1)
    volume.delete(4)


def transfers():
    volume = connection.storageVolLookupByPath(f"{FOLDER}/a/v")
    sent = bytes(range(256)) * 4096

    def through(name, open_flags, start, run):
        stream = connection.newStream(open_flags)
        try:
            start(stream)
            answer = run(stream)
            stream.finish()
        except libvirt.libvirtError as error:
            answer = [error.get_error_code(), error.get_error_domain(),
                      error.get_error_message()]
        report(name, answer)

    def send(stream):
        at = 0
        while at < len(sent):
            at += stream.send(sent[at:at + 100000])
        return at

    def receive(stream):
        got = b""
        while True:
            part = stream.recv(262120)
            if not part:
                return [len(got), got == sent[:len(got)]]
            got += part

    called.update(("upload", "download"))
    through("upload", 0, lambda stream: volume.upload(stream, 0, len(sent), 0), send)
    through("download", 0, lambda stream: volume.download(stream, 0, 0, 0), receive)
    through("download of a part", 0, lambda stream: volume.download(stream, 0, 1000, 0), receive)
    through("download with unknown flags", 0, lambda stream: volume.download(stream, 0, 0, 8),
            receive)
    through("upload with unknown flags", 0, lambda stream: volume.upload(stream, 0, 0, 8), send)
    through("upload given up", 0, lambda stream: volume.upload(stream, 0, 0, 0),
            lambda stream: stream.abort())
    volume.info()


def stale():
    pool = connection.storagePoolLookupByName("a")
    volume = pool.storageVolLookupByName("c")
    volume.delete(0)
    gone = Steps("stale volume", volume)
    gone.info()
    gone.XMLDesc(0)
    gone.path()
    gone.delete(0)
    gone.resize(MIB, 0)
    gone.wipe(0)
    gone.storagePoolLookupByVolume()
    other = connection.storagePoolLookupByName("b")
    other.destroy()
    gone = Steps("stale pool", other)
    for method in ("info", "isActive", "isPersistent", "autostart", "numOfVolumes", "listVolumes",
                   "destroy", "undefine"):
        getattr(gone, method)()
    gone.XMLDesc(0)
    gone.create(0)
    gone.build(0)
    gone.refresh(0)
    gone.delete(0)
    gone.setAutostart(1)
    gone.createXML(volume_xml("v"), 0)
    gone.storageVolLookupByName("v")
    gone.listAllVolumes(0)


# ---- events ----

def wait(until, seconds=20):
    end = time.monotonic() + seconds
    while not until() and time.monotonic() < end:
        time.sleep(0.02)


def events():
    listener, seen, refreshed, one = libvirt.open(URI), [], [], []
    watched = listener.storagePoolDefineXML(pool_xml("e1"), 0)
    ids = [listener.storagePoolEventRegisterAny(
        None, 0, lambda c, pool, event, detail, data: seen.append([pool.name(), event, detail]),
        None),
           listener.storagePoolEventRegisterAny(
               None, 1, lambda c, pool, data: refreshed.append(pool.name()), None),
           listener.storagePoolEventRegisterAny(
               watched, 0, lambda c, pool, event, detail, data: one.append([pool.name(), event]),
               None)]
    for name in ("e1", "e2"):
        pool = connection.storagePoolDefineXML(watched.XMLDesc(0) if name == "e1"
                                               else pool_xml(name), 0)
        pool.build(0)
        pool.create(0)
        pool.refresh(0)
        pool.createXML(volume_xml("v"), 0).delete(0)
        pool.setAutostart(1)
        pool.destroy()
        pool.delete(0)
        pool.undefine()
    wait(lambda: len(seen) >= 12 and len(refreshed) >= 2 and len(one) >= 6)
    report("lifecycle events", seen)
    report("refresh events", refreshed)
    report("lifecycle events of one pool", one)
    for number in ids:
        listener.storagePoolEventDeregisterAny(number)
    called.update(("storagePoolEventRegisterAny", "storagePoolEventDeregisterAny"))
    attempt("deregister twice", listener.storagePoolEventDeregisterAny, ids[0])
    attempt("register for nothing known", listener.storagePoolEventRegisterAny, None, 7,
            lambda *arguments: None, None)
    report("close", listener.close())


def concurrent():
    """Connections side by side: each makes, finds and removes its own volumes."""
    failures = []

    def work(number):
        try:
            own = libvirt.open(URI)
            pool = own.storagePoolLookupByName("a")
            for turn in range(5):
                volume = pool.createXML(volume_xml(f"t{number}-{turn}"), 0)
                if own.storageVolLookupByPath(volume.path()).name() != volume.name():
                    failures.append(volume.name())
                pool.listAllVolumes(0)
                volume.delete(0)
            own.close()
        except libvirt.libvirtError as error:
            failures.append(str(error))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report("eight connections at once", failures)


def read_only():
    connection_ro = libvirt.openReadOnly(URI)
    ro = Steps("read-only", connection_ro)
    pool = Steps("read-only a", connection_ro.storagePoolLookupByName("a"))
    volume = Steps("read-only v", connection_ro.storageVolLookupByPath(f"{FOLDER}/a/v"))
    ro.storagePoolDefineXML(pool_xml("x"), 0)
    ro.storagePoolCreateXML(pool_xml("x"), 0)
    ro.findStoragePoolSources("dir", None, 0)
    for method, arguments in (("create", (0,)), ("build", (0,)), ("destroy", ()), ("delete", (0,)),
                              ("undefine", ()), ("refresh", (0,)), ("setAutostart", (1,)),
                              ("createXML", (volume_xml("x"), 0)), ("info", ()),
                              ("isActive", ()), ("numOfVolumes", ()), ("listVolumes", ())):
        getattr(pool, method)(*arguments)
    for method, arguments in (("delete", (0,)), ("wipe", (0,)), ("wipePattern", (0, 0)),
                              ("resize", (MIB, 0)), ("info", ()), ("path", ())):
        getattr(volume, method)(*arguments)


def host():
    for method in ("getType", "getLibVersion", "getURI", "isAlive", "isEncrypted", "isSecure",
                   "numOfDomains", "listDomainsID", "numOfDefinedDomains", "listDefinedDomains",
                   "listAllDomains", "listAllNetworks", "listAllInterfaces", "listAllDevices",
                   "listAllNWFilters", "listAllSecrets", "listAllNWFilterBindings",
                   "numOfNetworks", "numOfInterfaces", "numOfNWFilters", "numOfSecrets",
                   "getVersion", "getSecurityModel"):
        getattr(conn, method)()
    conn.getMaxVcpus(None)
    conn.numOfDevices(None, 0)
    conn.getCellsFreeMemory(0, 1)
    conn.getCellsFreeMemory(5, 1)
    conn.setKeepAlive(5, 3)
    conn.getAllDomainStats(0, 0)


def absent():
    """Look-ups of what a storage host has none of."""
    nobody = "00000000-0000-0000-0000-000000000001"
    conn.lookupByName("x")
    conn.lookupByID(3)
    conn.lookupByUUIDString(nobody)
    conn.networkLookupByName("x")
    conn.networkLookupByUUIDString(nobody)
    conn.interfaceLookupByName("x")
    conn.interfaceLookupByMACString("00:11:22:33:44:55")
    conn.nodeDeviceLookupByName("x")
    conn.nodeDeviceLookupSCSIHostByWWN("2001001b32a9da4e", "2101001b32a9da4e", 0)
    conn.secretLookupByUUIDString(nobody)
    conn.secretLookupByUsage(1, "x")
    conn.nwfilterLookupByName("x")
    conn.nwfilterLookupByUUIDString(nobody)
    conn.nwfilterBindingLookupByPortDev("x")


def other_events():
    """Registered for; none comes; and gone again."""
    def there_and_back(family, event):
        seen = []
        number = getattr(connection, f"{family}EventRegisterAny")(
            None, event, lambda *arguments: seen.append(arguments), None)
        connection.numOfStoragePools()
        getattr(connection, f"{family}EventDeregisterAny")(number)
        return seen

    def lifecycle():
        connection.domainEventRegister(print, None)
        return connection.domainEventDeregister(print)

    for family, event in (("domain", 0), ("domain", 26), ("network", 0), ("nodeDevice", 0),
                          ("nodeDevice", 1), ("secret", 0), ("secret", 1)):
        attempt(f"events: {family} {event}", there_and_back, family, event)
    attempt("events: domain lifecycle", lifecycle)


def host_says_the_truth():
    """Of ours only what the machine says too; libvirt's storage driver does not know it."""
    try:
        info = connection.getInfo()
        with open("/proc/meminfo", encoding="ascii") as source:
            total = int(source.readline().split()[1])
        with open("/proc/cpuinfo", encoding="ascii") as source:
            cpus = source.read().count("processor\t:")
        free = connection.getFreeMemory()
        report("node information", [info[0] == os.uname().machine,
                                    abs(info[1] * 1024 - total) < 65536, info[2] == cpus,
                                    info[4] * info[5] * info[6] * info[7] >= cpus])
        report("free memory", 0 < free < total * 1024)
        report("sysinfo", connection.getSysinfo(0).startswith("<sysinfo type='smbios'>"))
        report("cells", len(connection.getCellsFreeMemory(0, 1)))
    except libvirt.libvirtError as error:
        for name in ("node information", "free memory", "sysinfo", "cells"):
            report(name, str(error))


def everything_was_called():
    own = {name for kind in (libvirt.virStoragePool, libvirt.virStorageVol)
           for name in vars(kind) if not name.startswith(("_", "c_")) and name != "streamBufSize"}
    own |= {name for name in vars(libvirt.virConnect) if "torage" in name
            and not name.startswith("_")}
    if len(own) < 40 or own - called:
        die(f"never called: {own - called}")


pools()
one_pool()
volumes()
transfers()
read_only()
stale()
events()
concurrent()
host()
absent()
other_events()
host_says_the_truth()
everything_was_called()
report("close", connection.close())
