# SPDX-License-Identifier: LGPL-2.1-or-later
"""The weaknesses that libvirt's storage code had, by their numbers, tried on ours, as TAP.
usage: test-cves.py BUILD_FOLDER (under `run`)"""

import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading

import libvirt

from callers import Server, StandIn
from hosts import Hosts

PROGRAM = 0x20008086
OPEN, DEFINE_XML, SOURCES, SET_AUTOSTART, LIST_ALL, LOOKUP_TARGET = 1, 77, 75, 90, 281, 391
LIST_VOLUMES, UPLOAD = 282, 208
DENIED, NO_POOL, RPC, ACCESS_DENIED = 29, 49, 39, 88
API = "org.libvirt.api."
MIB = 1 << 20

cases = []
libvirt.registerErrorHandler(lambda context, error: None, None)


def case(number):
    def add(function):
        cases.append((number, function))
        return function
    return add


class Raw:
    """The protocol by hand: what no client library would send."""

    def __init__(self, path, flags=0):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.serial = 0
        status, _ = self.call(OPEN, struct.pack(">I", 1) + text("storage:///system") +
                              struct.pack(">I", flags))
        assert status == 0

    def call(self, procedure, arguments=b""):
        """Status and payload of the reply; None when the daemon hung up."""
        self.serial += 1
        self.socket.sendall(struct.pack(">IIIiIII", 28 + len(arguments), PROGRAM, 1, procedure, 0,
                                        self.serial, 0) + arguments)
        reply = self.exactly(4)
        if reply is None:
            return None
        body = self.exactly(struct.unpack(">I", reply)[0] - 4)
        return struct.unpack(">I", body[20:24])[0], body[24:]

    def exactly(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                return None
            data += part
        return data

    def code(self, procedure, arguments=b""):
        status, payload = self.call(procedure, arguments)
        return struct.unpack(">i", payload[:4])[0] if status else 0


def text(value):
    data = value.encode()
    return struct.pack(">I", len(data)) + data + b"\0" * (-len(data) % 4)


def pool_xml(folder, name, target=None):
    return (f"<pool type='dir'><name>{name}</name>"
            f"<target><path>{target or folder + '/' + name}</path></target></pool>")


def volume_xml(name, extra="", form="raw"):
    return (f"<volume><name>{name}</name><capacity>{MIB}</capacity>{extra}"
            f"<target><format type='{form}'/></target></volume>")


def refused(function, *arguments):
    """The code of the error, or 0."""
    try:
        function(*arguments)
    except libvirt.libvirtError as error:
        return error.get_error_code()
    return 0


def resident(host):
    return host.daemon.rss()


@case("CVE-2008-5086: read-only callers change nothing")
def read_only(host, conn, pool):
    handle = text("p") + pool.UUID()
    for raw in (Raw(host.socket, 1), Raw(host.socket_ro)):
        assert raw.code(SOURCES, text("dir") + struct.pack(">II", 0, 0)) == DENIED
        assert raw.code(SET_AUTOSTART, handle + struct.pack(">i", 1)) == DENIED
        assert raw.code(DEFINE_XML, text(pool_xml(host.folder, "x")) + bytes(4)) == DENIED
    assert pool.autostart() == 0


@case("CVE-2010-2239: the backing file's format is always recorded")
def backing_format(host, conn, pool):
    pool.createXML(volume_xml("base", form="qcow2"), 0)
    extra = f"<backingStore><path>{host.folder}/p/base</path></backingStore>"
    pool.createXML(volume_xml("overlay", extra, "qcow2"), 0)
    shown = subprocess.run(["qemu-img", "info", "-U", f"{host.folder}/p/overlay"],
                           capture_output=True, text=True, check=True).stdout
    assert "backing file format: " in shown, shown


def check_growth(host, before, most):
    """What the address sanitizer holds back counts for nothing."""
    grown = resident(host) - before
    assert os.environ.get("CISTERN_TEST_SANITIZED") or grown < most, f"{grown} KiB more"


def grows_little(host, turn, rounds=3000):
    for _ in range(rounds):
        turn()
    before = resident(host)
    for _ in range(rounds):
        turn()
    check_growth(host, before, 1024)


@case("CVE-2013-1962: listing volumes keeps no memory and no descriptor")
def list_volumes(host, conn, pool):
    raw = Raw(host.socket)
    arguments = text("p") + pool.UUID() + struct.pack(">iI", 1, 0)
    descriptors = len(os.listdir(f"/proc/{host.daemon.pid}/fd"))
    grows_little(host, lambda: raw.call(LIST_VOLUMES, arguments))
    assert len(os.listdir(f"/proc/{host.daemon.pid}/fd")) <= descriptors


@case("LSN-2015-0002: listing pools keeps no memory")
def list_pools(host, conn, pool):
    raw = Raw(host.socket)
    grows_little(host, lambda: raw.call(LIST_ALL, struct.pack(">iI", 1, 0)))


@case("CVE-2014-0179: no entity reads a file or eats memory")
def entities(host, conn, pool):
    secret = f"{host.folder}/secret"
    with open(secret, "w", encoding="ascii") as out:
        out.write("hush")
    read = f"<!DOCTYPE p [<!ENTITY e SYSTEM 'file://{secret}'>]>"
    laughs = "<!DOCTYPE p [<!ENTITY a 'ha'>" + "".join(
        f"<!ENTITY {after} '{('&' + before + ';') * 50}'>"
        for before, after in zip("abcdefg", "bcdefgh")) + "]>"
    before = resident(host)
    for head, entity in ((read, "&e;"), (laughs, "&h;")):
        for function, document in (
                (conn.storagePoolDefineXML, pool_xml(host.folder, entity)),
                (pool.createXML, volume_xml(entity))):
            try:
                function(head + document, 0)
                raise AssertionError("taken")
            except libvirt.libvirtError as error:
                assert "hush" not in str(error)
    check_growth(host, before, 65536)


@case("CVE-2014-8135: an upload that starts outside is refused or within")
def upload_offset(host, conn, pool):
    volume = pool.createXML(volume_xml("offset"), 0)
    raw = Raw(host.socket)
    handle = text("p") + text("offset") + text(volume.key())
    for offset in (1 << 63, (1 << 64) - 1, (1 << 63) - 1):
        raw.code(UPLOAD, handle + struct.pack(">QQI", offset, 0, 0))
        raw = Raw(host.socket)
    assert conn.isAlive() and volume.info()[1] == MIB


@case("CVE-2015-5247: a volume whose file can't be removed stays, the daemon too")
def failed_unlink(host, conn, pool):
    os.makedirs(f"{host.folder}/p/full/inside")
    pool.refresh(0)
    assert refused(pool.storageVolLookupByName("full").delete, 0) != 0
    assert os.path.isdir(f"{host.folder}/p/full/inside")
    assert refused(pool.createXML, volume_xml("full"), 0) != 0
    assert "full" in pool.listVolumes()


@case("CVE-2015-5313: names with / or .. stay within the pool")
def names(host, conn, pool):
    for name in ("../escaped", "a/b", "..", ".", "/etc/escaped", "x/../../escaped"):
        assert refused(pool.createXML, volume_xml(name), 0) != 0, name
        assert refused(pool.storageVolLookupByName, name) == 50, name
    for name in ("../escaped", "a/b"):
        assert refused(conn.storagePoolDefineXML, pool_xml(host.folder, name, "/x"), 0) != 0, name
    assert not os.path.exists(f"{host.folder}/escaped")


# Running pools without any target need a server: tests/unit/engine/test-definitions.c has them.
@case("CVE-2020-10703: looking up a target path that no pool has")
def target_path(host, conn, pool):
    for raw in (Raw(host.socket), Raw(host.socket_ro)):
        for path in ("", "/", "nothing", "/nothing", "x" * 5000):
            assert raw.code(LOOKUP_TARGET, text(path)) == NO_POOL, path
    assert conn.storagePoolLookupByTargetPath(f"{host.folder}/p").name() == "p"


def while_looked_up(host, path, act):
    """Calls act() 40 times while four clients ask for the pool with that target path."""
    failures, over = [], threading.Event()

    def look():
        own = libvirt.openReadOnly(host.uri)
        while not over.is_set():
            code = refused(own.storagePoolLookupByTargetPath, path)
            if code not in (0, NO_POOL):
                failures.append(code)
        own.close()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(40):
        act()
    over.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not failures, failures


@case("CVE-2021-3667 and CVE-2023-3750: look-ups by target path leave no lock and bear races")
def target_path_races(host, conn, pool):
    while_looked_up(host, f"{host.folder}/race", lambda: conn.storagePoolCreateXML(
        pool_xml(host.folder, "race"), 1).destroy())


@case("CVE-2021-3667 and CVE-2023-3750: pools that come, go and are unmade while they are looked up")
def target_path_undefined(host, conn, pool):
    def come_and_go():
        brief = conn.storagePoolDefineXML(pool_xml(host.folder, "brief"), 0)
        brief.create(1)
        brief.destroy()
        brief.undefine()

    while_looked_up(host, f"{host.folder}/brief", come_and_go)
    assert refused(conn.storagePoolLookupByTargetPath, f"{host.folder}/brief") == NO_POOL


class Judged:
    """A daemon that asks polkit's stand-in about each call; `rules` are its answers from then on."""

    def __init__(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="cistern-bus.")
        self.bus = StandIn(self.scratch.name)
        self.server = Server(os.path.join(sys.argv[1], "src/daemon/cisternd"),
                             'access_drivers = [ "polkit" ]')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()
        self.bus.close()
        self.scratch.cleanup()


@case("CVE-2021-3667: a look-up by target path that is denied leaves the pool free")
def target_path_denied(host, conn, pool):
    with Judged() as judged:
        judged.bus.set_rules({"": "yes"})
        folder = judged.server.scratch
        own = libvirt.open(judged.server.uri)
        kept = own.storagePoolDefineXML(pool_xml(folder, "kept"), 0)
        kept.create(1)
        judged.bus.set_rules({"": "yes", API + "storage-pool.getattr pool_name=kept": "no"})
        for _ in range(20):
            assert refused(own.storagePoolLookupByTargetPath, f"{folder}/kept") == ACCESS_DENIED
        # Whoever still held it would keep these from their turn.
        kept.refresh(0)
        kept.createXML(volume_xml("v"), 0).delete(0)
        kept.destroy()
        kept.undefine()
        assert refused(own.storagePoolLookupByTargetPath, f"{folder}/kept") == NO_POOL


@case("CVE-2024-2494 and CVE-2026-18917: no length from the wire reaches an allocator")
def lengths(host, conn, pool):
    before = resident(host)
    for word in (0xffffffff, 0x80000000, 0x7fffffff, 0x40000000, 4194305):
        raw = Raw(host.socket)
        assert raw.code(DEFINE_XML, struct.pack(">I", word) + b"abcd") == RPC
        assert raw.code(72, struct.pack(">I", word)) == RPC
        assert raw.code(92, text("p") + pool.UUID() + struct.pack(">I", word)) == RPC
        assert raw.code(101, struct.pack(">II", 0, word)) != 0
    check_growth(host, before, 16384)


@case("CVE-2025-12748: documents are read after the caller was judged")
def parse_after_check(host, conn, pool):
    raw = Raw(host.socket_ro)
    for procedure, arguments in (
            (DEFINE_XML, text("<not xml") + bytes(4)), (76, text("<not xml") + bytes(4)),
            (93, text("p") + pool.UUID() + text("<not xml") + bytes(4)),
            (SOURCES, text("dir") + struct.pack(">I", 1) + text("<not xml") + bytes(4))):
        assert raw.code(procedure, arguments) == DENIED, procedure


@case("CVE-2025-12748: nothing is parsed for a writer whom the access driver denies")
def parse_after_driver(host, conn, pool):
    with Judged() as judged:
        judged.bus.set_rules({"": "yes"})
        folder = judged.server.scratch
        own = libvirt.open(judged.server.uri)
        open_pool = own.storagePoolDefineXML(pool_xml(folder, "open"), 0)
        open_pool.create(1)
        source = open_pool.createXML(volume_xml("v"), 0)
        deep = "<pool>" + "<a>" * 500000
        laughs = "<!DOCTYPE p [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><pool type='dir'>&b;</pool>"
        judged.bus.set_rules({"": "yes"} | {API + right: "no" for right in (
            "storage-pool.write", "storage-pool.start", "storage-vol.create",
            "connect.detect-storage-pools")})
        before = judged.server.rss()
        for document in ("<not xml", laughs, deep):
            for function, arguments in (
                    (own.storagePoolDefineXML, (document, 0)),
                    (own.storagePoolCreateXML, (document, 0)),
                    (open_pool.createXML, (document, 0)),
                    (open_pool.createXMLFrom, (document, source, 0)),
                    (own.findStoragePoolSources, ("netfs", document, 0))):
                assert refused(function, *arguments) == ACCESS_DENIED, function
        grown = judged.server.rss() - before
        assert os.environ.get("CISTERN_TEST_SANITIZED") or grown < 65536, f"{grown} KiB more"
        judged.bus.set_rules({"": "yes"})
        assert refused(own.storagePoolDefineXML, "<not xml", 0) not in (0, ACCESS_DENIED)
        assert os.listdir(f"{folder}/open") == ["v"]


def main():
    print(f"1..{len(cases)}")
    failed = False
    with Hosts(sys.argv[1], ("cistern",)) as (host,):
        conn = libvirt.open(host.uri)
        pool = conn.storagePoolDefineXML(pool_xml(host.folder, "p"), 0)
        pool.create(1)
        for number, (name, function) in enumerate(cases, 1):
            problem = None
            try:
                function(host, conn, pool)
            except (AssertionError, libvirt.libvirtError, OSError, TypeError) as error:
                problem, failed = error, True
            print(f"{'not ok' if problem is not None else 'ok'} {number} - {name}")
            if problem is not None:
                print(f"# line {problem.__traceback__.tb_next.tb_lineno}: {problem!r}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
