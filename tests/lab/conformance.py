# SPDX-License-Identifier: LGPL-2.1-or-later
"""One list of cases over any pool type, run inside the lab machine against the real cisternd.

What a type can is said by its Storage (storage.py); each case names the abilities it needs, and
for each ability that is missing the refusal is a case of its own. Before a case the pool is
running and empty unless it says otherwise; after it the daemon's answers, the storage's own
truth and the neighbours are held against each other.
"""

import argparse
import concurrent.futures
import json
import os
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ElementTree

from storage import MIB
from world import NAME, UUID, World, enter_machine, refused, seconds

import libvirt
from tap import Tap, expect, wait_until

NO_SUPPORT = libvirt.VIR_ERR_NO_SUPPORT
INVALID = libvirt.VIR_ERR_OPERATION_INVALID
FAILED = libvirt.VIR_ERR_OPERATION_FAILED
VOLUME_EXISTS = libvirt.VIR_ERR_STORAGE_VOL_EXIST
NO_VOLUME = libvirt.VIR_ERR_NO_STORAGE_VOL
NO_OVERWRITE, OVERWRITE = 4, 8  # virStoragePoolBuildFlags
SHRINK = libvirt.VIR_STORAGE_VOL_RESIZE_SHRINK
SPARSE = 1  # virStorageVolUploadFlags and …DownloadFlags
PATTERN = bytes(range(251)) * 523  # some 128 KiB that no storage makes by itself
TIME_LIMIT = 120  # seconds that anything single may take in the machine
# Parts of a change's time: when the daemon is killed by the clock.
PARTS = (0.2, 0.4, 0.6, 0.8)
MIDDLE = (0.4, 0.6)

# ability → (what is tried where it is missing, whether it needs a volume)
ABILITIES = {
    "discover": (lambda world: world.connection.findStoragePoolSources(
        world.storage.type, world.storage.source_hint(), 0), None),
    "build": (lambda world: world.pool.build(0), "stopped"),
    "erase": (lambda world: world.pool.delete(0), "stopped"),
    "create": (lambda world: world.create(1), "running"),
    "clone": (lambda world: clone(world), "volume"),
    "grow": (lambda world: world.volume().resize(2 * world.storage.capacity, 0), "volume"),
    "shrink": (lambda world: world.volume().resize(world.storage.capacity // 2, SHRINK), "volume"),
    "upload": (lambda world: upload(world, PATTERN), "volume"),
    "download": (lambda world: download(world, 0, 4096), "volume"),
    "wipe": (lambda world: world.volume().wipe(0), "volume"),
    "delete": (lambda world: world.volume().delete(0), "volume"),
    # Properties, not calls: nothing is refused without them.
    "overwrite": None,  # a build refuses what is on the source, unless told
    "duplicate": None,  # a second pool on the same source is refused
    "busy": None,  # a pool in use can't be stopped
    "foreign": None,  # things in it that are no plain volumes (put_foreign)
    "break": None,  # the storage can be made to fail (break_source)
    "bounded": None,  # writing can't make a volume larger
    "named": None,  # volumes take any name, in any order
    "cancel": None,  # a clone or a create that takes long can be called off
}

CASES = []


def case(title, *abilities, state="running"):
    """Registers a case that needs these abilities and finds the pool in that state: "none",
    "defined" on a blank source, "stopped" (built), "running" (empty)."""
    def add(function):
        CASES.append((title, function, abilities, state))
        return function
    return add


# ---- calls that take more than a line ----

def clone(world, number=2, of=1):
    storage = world.storage
    source = world.volume(of)
    xml = storage.volume_xml(storage.name(number), source.info()[1])
    return world.pool.createXMLFrom(xml, source, 0)


def upload(world, data, offset=0, number=1):
    stream = world.connection.newStream(0)
    world.volume(number).upload(stream, offset, len(data), 0)
    while data:
        data = data[stream.send(data[:65536]):]
    stream.finish()


def download(world, offset, length, number=1):
    stream = world.connection.newStream(0)
    world.volume(number).download(stream, offset, length, 0)
    parts = []
    while part := stream.recv(65536):
        parts.append(part)
    stream.finish()
    return b"".join(parts)


def download_sparse(world, number=1):
    """(bytes, how many of them came as holes)"""
    stream = world.connection.newStream(0)
    world.volume(number).download(stream, 0, 0, SPARSE)
    got, holes = bytearray(), []

    def hole(_stream, length, _opaque):
        holes.append(length)
        got.extend(bytes(length))

    stream.sparseRecvAll(lambda _stream, data, _opaque: got.extend(data), hole, None)
    stream.finish()
    return bytes(got), sum(holes)


# ---- the pool's life ----

@case("define: the definition is kept, nothing on the storage changes", state="none")
def defined(world):
    before = world.storage.witness()
    pool = world.define()
    expect(not pool.isActive() and pool.isPersistent(), "it runs, or is transient")
    root = ElementTree.fromstring(pool.XMLDesc(0))
    expect(root.get("type") == world.storage.type and root.findtext("name") == NAME
           and root.findtext("uuid") == UUID, pool.XMLDesc(0))
    expect(world.storage.is_up() in (None, False), "the definition alone has started it")
    expect(world.storage.witness() == before, "the neighbours have changed")


@case("define: another name or another uuid of the same is refused", state="stopped")
def define_conflicts(world):
    other = UUID[:-1] + "b"
    refused(FAILED, lambda: world.connection.storagePoolDefineXML(
        world.storage.pool_xml(NAME, other), 0), "uuid", NAME)
    refused(FAILED, lambda: world.connection.storagePoolDefineXML(
        world.storage.pool_xml("second", UUID), 0))
    expect(len(world.connection.listAllStoragePools()) == 1, "there is a second pool")


@case("define: the same source twice is refused", "duplicate", state="stopped")
def define_duplicate(world):
    refused(FAILED, lambda: world.connection.storagePoolDefineXML(
        world.storage.pool_xml("second", UUID[:-1] + "b"), 0), "source conflict", NAME)


@case("discover: the source is found", "discover", state="none")
def discovered(world):
    if not world.storage.discovers_blank:
        world.stopped()
    found = world.connection.findStoragePoolSources(world.storage.type,
                                                    world.storage.source_hint(), 0)
    ElementTree.fromstring(found)
    wanted = world.storage.discovered()
    expect(wanted in found, f"'{wanted}' is not in {found}")


@case("build: an empty source takes the pool", "build", state="defined")
def built(world):
    expect(not world.storage.is_built(), "it is built already")
    world.pool.build(world.storage.build_flags)
    expect(world.storage.is_built(), "it is not built")


@case("build: what is there is refused by its name, and overwritten when told", "overwrite",
      state="defined")
def build_overwrite(world):
    for flags in {world.storage.build_flags, NO_OVERWRITE}:
        world.storage.blank()
        word = world.storage.sign()
        refused(world.storage.overwrite_refusal, lambda flags=flags: world.pool.build(flags), word)
        expect(not world.storage.is_built(), "it was built nevertheless")
    world.pool.build(OVERWRITE)
    expect(world.storage.is_built(), "it was not built")
    refused(world.storage.overwrite_refusal, lambda: world.pool.build(NO_OVERWRITE))
    world.pool.create(0)


@case("start: the storage is up and the pool has its sizes", state="stopped")
def started(world):
    world.pool.create(0)
    expect(world.storage.is_up() in (None, True), "its storage is not up")
    state, capacity, allocation, available = world.pool.info()
    expect(state == libvirt.VIR_STORAGE_POOL_RUNNING, f"state {state}")
    expect(capacity > 0 and allocation + available <= capacity,
           f"capacity {capacity}, allocation {allocation}, available {available}")
    refused(INVALID, lambda: world.pool.create(0), "already active")


@case("start: storage that fails leaves the pool stopped, and starts when mended", "break",
      state="stopped")
def start_fails(world):
    world.storage.break_source()
    try:
        refused(None, lambda: world.pool.create(0))
        expect(not world.pool.isActive() and not world.storage.is_up(), "it runs")
    finally:
        world.storage.mend_source()
    world.pool.create(0)


@case("what needs a running pool is refused on a stopped one", state="stopped")
def stopped_refuses(world):
    refused(INVALID, lambda: world.pool.destroy(), "not active")
    refused(INVALID, lambda: world.pool.refresh(0), "not active")
    refused(INVALID, lambda: world.pool.listAllVolumes(), "not active")
    refused(INVALID, lambda: world.create(1), "not active")


@case("what needs a stopped pool is refused on a running one")
def running_refuses(world):
    refused(INVALID, lambda: world.pool.undefine(), "active")
    if world.can("erase"):
        refused(INVALID, lambda: world.pool.delete(0), "active")
    if world.can("build"):
        refused(INVALID, lambda: world.pool.build(OVERWRITE), "active")


@case("restart: a running pool still runs after an orderly end and after a kill", "create")
def restarts(world):
    world.create(1)
    if world.can("upload"):
        world.write(1, PATTERN)
    before = world.observe()
    world.restart()
    expect(world.observe() == before, "an orderly restart has changed something")
    world.daemon.kill()
    world.restart()
    expect(world.observe() == before, "a killed daemon's successor sees something else")
    if world.can("upload"):
        expect(world.read(1, len(PATTERN)) == PATTERN, "the data has changed")


@case("restart: a stopped pool stays stopped, with autostart it starts once after a boot", state="stopped")
def autostarts(world):
    world.restart()
    expect(not world.pool.isActive(), "it was started by the restart")
    world.pool.setAutostart(1)
    world.reboot()
    expect(world.pool.isActive() and world.storage.is_up() in (None, True), "it was not started")
    world.pool.setAutostart(0)


@case("scan: an empty pool has no volumes")
def scan_empty(world):
    expect(world.pool.numOfVolumes() == 0 and world.pool.listVolumes() == [], "there are some")
    refused(NO_VOLUME, lambda: world.pool.storageVolLookupByName("absent"))


@case("scan: many volumes, all listed after refresh and restart", "create")
def scan_many(world):
    for number in range(1, world.storage.many + 1):
        world.create(number, capacity=max(world.storage.capacity // 4, MIB))
    expect(len(world.storage.volumes()) == world.storage.many, "not all were made")
    world.observe()
    world.restart()
    world.observe()


@case("scan: foreign content neither fails the pool nor is taken for a volume", "foreign")
def scan_foreign(world):
    if world.can("create"):
        world.create(1)
    own = set(world.storage.volumes())
    content = world.storage.put_foreign()
    try:
        world.pool.refresh(0)
        expected = own | {name for name, listed in content.items() if listed}
        expect(set(world.pool.listVolumes()) == expected,
               f"listed: {world.pool.listVolumes()}, expected: {expected}")
        for volume in world.pool.listAllVolumes():
            volume.XMLDesc(0)
        world.restart()
        expect(set(world.pool.listVolumes()) == expected, "listed otherwise after a restart")
    finally:
        world.storage.remove_foreign()


# ---- volumes ----

@case("create: the volume is there, of the size asked for, and found by name, key and path",
      "create")
def created(world):
    volume = world.create(1)
    there = world.storage.volumes()
    expect(list(there) == [volume.name()] == [world.storage.name(1)], f"there: {there}")
    world.rounded(there[volume.name()], world.storage.capacity, "by its own tools")
    expect(volume.info()[1] == there[volume.name()], f"{volume.info()} is not {there}")
    path = world.storage.path(volume.name())
    expect(os.path.samefile(volume.path(), path), f"{volume.path()} is not {path}")
    for found in (world.connection.storageVolLookupByKey(volume.key()),
                  world.connection.storageVolLookupByPath(volume.path())):
        expect(found.name() == volume.name(), f"{found.name()} was found")
    root = ElementTree.fromstring(volume.XMLDesc(0))
    expect(root.findtext("name") == volume.name()
           and int(root.findtext("capacity")) == volume.info()[1]
           and root.findtext("target/path") == volume.path(), volume.XMLDesc(0))


@case("create: the same name twice is refused", "create")
def create_twice(world):
    world.create(1)
    before = world.observe()
    refused(VOLUME_EXISTS, lambda: world.create(1))
    expect(world.observe() == before, "the refusal has changed something")


@case("create: names that mean something else are refused", "create")
def create_bad_names(world):
    before = world.observe()
    for name in ("", "/", "..", "a/b", "--help"):
        xml = world.storage.volume_xml(name, world.storage.capacity)
        try:
            world.pool.createXML(xml, 0).delete(0)
        except libvirt.libvirtError:
            continue
        # An odd name may be taken where it is only a name: then exactly that was made and removed.
        expect(name.startswith("-"), f"the name '{name}' was accepted")
    expect(world.observe() == before, "something was made of them")


@case("create: more than there is room for is refused, and leaves nothing", "create")
def create_too_large(world):
    before = world.observe()
    size = 1 << 62
    xml = world.storage.volume_xml(world.storage.name(1), size, size)
    refused(None, lambda: world.pool.createXML(xml, 0))
    expect(world.observe() == before, "something was made nevertheless")


@case("delete: the volume is gone, the others are as before", "create", "delete")
def deleted(world):
    for number in (1, 2, 3):
        world.create(number)
    before = world.storage.volumes()
    last = world.volume(3)
    last.delete(0)
    refused(NO_VOLUME, lambda: world.volume(3))
    del before[world.storage.name(3)]
    expect(world.observe()["volumes"] == before, "not just that one is gone")
    refused(NO_VOLUME, lambda: last.delete(0))


@case("clone: has the content, and is independent of its source", "create", "clone")
def cloned(world):
    world.create(1)
    world.write(1, PATTERN, MIB)
    copy = clone(world)
    world.rounded(copy.info()[1], world.storage.capacity, "the clone")
    expect(world.read(2, len(PATTERN), MIB) == PATTERN, "its content differs")
    world.write(1, bytes(len(PATTERN)), MIB)
    expect(world.read(2, len(PATTERN), MIB) == PATTERN, "it changes with its source")
    world.observe()


@case("grow: larger, with its content", "create", "grow")
def grown(world):
    world.create(1)
    world.write(1, PATTERN)
    world.volume().resize(2 * world.storage.capacity, 0)
    size = world.observe()["volumes"][world.storage.name(1)]
    world.rounded(size, 2 * world.storage.capacity, "after the growth")
    expect(world.read(1, len(PATTERN)) == PATTERN, "its content differs")


@case("grow: by a difference", "create", "grow")
def grown_by(world):
    world.create(1)
    before = world.volume().info()[1]
    world.volume().resize(world.storage.capacity, libvirt.VIR_STORAGE_VOL_RESIZE_DELTA)
    world.rounded(world.observe()["volumes"][world.storage.name(1)],
                  before + world.storage.capacity, "after the growth")


@case("shrink: only when told to, and what stays has its content", "create", "shrink")
def shrunk(world):
    with_large_volume(world)
    world.write(1, PATTERN)
    before = world.observe()
    refused((libvirt.VIR_ERR_INVALID_ARG, INVALID, libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED),
            lambda: world.volume().resize(world.storage.capacity, 0))
    expect(world.observe() == before, "it was made smaller without being told")
    world.volume().resize(world.storage.capacity, SHRINK)
    world.rounded(world.observe()["volumes"][world.storage.name(1)], world.storage.capacity,
                  "made smaller")
    expect(world.read(1, len(PATTERN)) == PATTERN, "its content differs")


@case("upload: the bytes are on the storage, at the offset, and nothing beside them", "create",
      "upload")
def uploaded(world):
    world.create(1)
    world.write(1, bytes(MIB))
    upload(world, PATTERN, 4096)
    expect(world.read(1, len(PATTERN) + 8192) == bytes(4096) + PATTERN + bytes(4096),
           "what is on the storage differs")


@case("upload: beyond the end is refused", "create", "upload", "bounded")
def uploaded_beyond(world):
    volume = world.create(1)
    size = volume.info()[1]
    refused(None, lambda: upload(world, PATTERN, size))
    world.observe()


@case("upload: given up in the middle, the volume is free again", "create", "upload")
def upload_aborted(world):
    world.create(1)
    stream = world.connection.newStream(0)
    world.volume().upload(stream, 0, MIB, 0)
    stream.send(PATTERN[:65536])
    stream.abort()
    upload(world, PATTERN)
    expect(world.read(1, len(PATTERN)) == PATTERN, "what is on the storage differs")


@case("download: the bytes of the storage, from the offset", "create", "download")
def downloaded(world):
    world.create(1)
    world.write(1, PATTERN, 8192)
    expect(download(world, 8192, len(PATTERN)) == PATTERN, "other bytes")
    expect(len(download(world, 0, 0)) == world.volume().info()[1], "not all of it")


@case("download: sparse, the same bytes", "create", "download")
def downloaded_sparse(world):
    world.create(1)
    world.write(1, bytes(MIB))
    world.write(1, PATTERN, MIB // 2)
    size = world.volume().info()[1]
    got, holes = download_sparse(world)
    expect(got == world.read(1, size), f"{len(got)} of {size} bytes, or others")
    return f"{holes} of {size} bytes came as holes"


@case("wipe: nothing of the content is left, the size is the same", "create", "wipe")
def wiped(world):
    world.create(1)
    world.write(1, PATTERN, 4096)
    before = world.observe()
    world.volume().wipe(0)
    expect(world.observe() == before, "its size has changed")
    expect(not any(world.read(1, len(PATTERN), 4096)), "its content is still there")


@case("volumes from many connections at once", "create", "named")
def many_clients(world):
    def one(number):
        connection = libvirt.open(world.daemon.uri)
        try:
            xml = world.storage.volume_xml(world.storage.name(number),
                                           max(world.storage.capacity // 4, MIB))
            pool = connection.storagePoolLookupByName(NAME)
            made = pool.createXML(xml, 0)
            pool.refresh(0)
            if number % 2:
                made.delete(0)
        finally:
            connection.close()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(1, 9)))
    expect(len(world.observe()["volumes"]) == 4, "other volumes than those that were made")


# ---- stop and erase ----

@case("stop: a pool in use is not stopped, and the refusal says by whom", "busy")
def stop_busy(world):
    if world.can("create"):
        world.create(1)
    before = world.observe()
    word = world.storage.occupy()
    try:
        refused(None, lambda: world.pool.destroy(), word)
        expect(world.observe() == before, "the refused stop has changed something")
    finally:
        world.storage.release()
    world.pool.destroy()


@case("stop: the storage is down, the data is kept", "create")
def stopped(world):
    world.create(1)
    before = world.storage.volumes()
    world.pool.destroy()
    expect(not world.pool.isActive() and world.storage.is_up() in (None, False), "it is still up")
    world.pool.create(0)
    expect(world.observe()["volumes"] == before, "other volumes than before")


@case("erase: the source is free again", "erase", "build")
def erased(world):
    world.pool.destroy()
    world.pool.delete(0)
    expect(not world.storage.is_built(), "it is still there")
    again = world.storage.rebuild_flags
    world.pool.build(world.storage.build_flags if again is None else again)
    world.pool.create(0)


@case("virsh: the pool's life, as a transcript")
def transcript(world):
    storage, name = world.storage, world.storage.name(1)
    world.pool.destroy()
    xml = os.path.join(storage.scratch, "pool.xml")
    with open(xml, "w", encoding="utf-8") as file:
        file.write(storage.pool_xml(NAME, UUID))
    commands = [("pool-define", xml), ("pool-start", NAME), ("pool-autostart", NAME),
                ("pool-list", "--all", "--details"), ("pool-info", NAME)]
    size = str(storage.capacity)
    if world.can("create"):
        commands += [("vol-create-as", NAME, name, size), ("vol-list", NAME, "--details"),
                     ("vol-info", name, NAME), ("vol-dumpxml", name, NAME)]
    if world.can("clone"):
        commands += [("vol-clone", name, storage.name(2), "--pool", NAME),
                     ("vol-delete", storage.name(2), NAME)]
    if world.can("grow"):
        commands += [("vol-resize", name, str(2 * storage.capacity), "--pool", NAME)]
    if world.can("wipe"):
        commands += [("vol-wipe", name, NAME)]
    if world.can("delete"):
        commands += [("vol-delete", name, NAME)]
    commands += [("pool-refresh", NAME), ("pool-dumpxml", NAME),
                 ("pool-autostart", NAME, "--disable"), ("pool-destroy", NAME)]
    said = []
    for words in commands:
        said.append("$ virsh " + " ".join(words))
        said.append(world.virsh(*words).strip())
    return "\n".join(said)


# ---- cancel ----

def in_background(action):
    """Runs it in a thread; a future with its error or None."""
    def attempt():
        try:
            action()
        except libvirt.libvirtError as error:
            return error
        return None
    pool = concurrent.futures.ThreadPoolExecutor(1)
    future = pool.submit(attempt)
    pool.shutdown(wait=False)
    return future


def cancel_job(world, future):
    """Cancels the one job there is; whether there was one before the call ended."""
    while not future.done():
        jobs = json.loads(world.cistern("job-list", "-o", "json"))
        if jobs:
            try:
                world.cistern("job-cancel", str(jobs[0]["id"]))
            except Exception:  # pylint: disable=broad-except
                return False  # it ended meanwhile
            return True
    return False


@case("cancel: a program that takes for ever is ended, and the state is that before", "cancel",
      "create")
def cancel_held(world):
    world.tools.plan()
    world.create(1)
    calls = len(world.tools.calls())
    world.volume().delete(0)
    for number in range(1, calls + 1):
        before = world.observe()
        world.tools.plan("hold", number)
        future = in_background(lambda: world.create(1))
        wait_until(lambda number=number: future.done() or len(world.tools.calls()) >= number,
                   TIME_LIMIT, f"call {number}")
        expect(cancel_job(world, future), "there was no job")
        error = future.result(TIME_LIMIT)
        world.tools.plan()
        expect(error, "it was made nevertheless")
        expect(world.observe() == before, f"cancelled at program {number} of {calls}: not as before")
    return f"{calls} programs"


@case("cancel: a long clone leaves nothing", "cancel", "create", "clone")
def cancel_clone(world):
    size = world.storage.big
    for _ in range(4):
        world.create(1, size)
        block = os.urandom(MIB)
        with open(world.storage.path(world.storage.name(1)), "r+b") as file:
            for _ in range(size // MIB):
                file.write(block)
            os.fsync(file.fileno())
        before = world.observe()
        connection = libvirt.open(world.daemon.uri)
        xml = world.storage.volume_xml(world.storage.name(2), size)
        source = connection.storageVolLookupByPath(world.volume().path())
        pool = connection.storagePoolLookupByName(NAME)
        future = in_background(lambda: pool.createXMLFrom(xml, source, 0))
        cancelled = cancel_job(world, future)
        error = future.result(TIME_LIMIT)
        if cancelled and error:
            expect(error.get_error_code() == libvirt.VIR_ERR_OPERATION_ABORTED, str(error))
            expect(world.observe() == before, "not as before")
            return f"{size // MIB} MiB"
        world.running()  # too fast to be caught: a larger one
        size *= 2
    raise AssertionError("each clone had ended before it could be cancelled")


# ---- faults: programs that fail, daemons that are killed ----

class Change:
    """A changing call: the state it starts from, the call, whether half of it may be seen after a
    kill as long as the same call, repeated, succeeds, whether it copies or writes data."""

    def __init__(self, name, state, abilities, act, prepare=None, repeatable=False,
                 moves_data=False):
        self.name = name
        self.state = state
        self.abilities = abilities
        self.act = act
        self.prepare = prepare or (lambda world: None)
        self.repeatable = repeatable
        self.moves_data = moves_data

    def set_up(self, world):
        enter(world, self.state)
        return self.set_up_more(world)

    def set_up_again(self, world):
        """The same where the daemon's list has just been compared with the storage."""
        if self.state == "running" and world.pool.isActive():
            world.tools.plan()
            world.empty()
        else:
            enter(world, self.state)
        return self.set_up_more(world)

    def set_up_more(self, world):
        self.prepare(world)
        return world.observe(refresh=False)


class Trials:
    """A change that is tried again and again: the state it starts from, what it does undisturbed,
    the state that the last try has left."""

    def __init__(self, world, change):
        self.world = world
        self.change = change
        self.before = change.set_up(world)
        world.tools.plan()
        self.duration = seconds(lambda: change.act(world))
        self.calls = world.tools.calls()
        self.after = self.seen = world.observe()

    def again(self):
        """Where the last try has changed nothing, the next one starts from there. Half a build may
        look like none."""
        if self.change.repeatable or self.seen != self.before:
            self.before = self.change.set_up_again(self.world)

    def look(self):
        self.seen = self.world.observe()
        return self.seen


def trials_of(world, change):
    """What it does undisturbed is found out once for the cases that follow each other."""
    if not (world.trials and world.trials.change is change):
        world.trials = Trials(world, change)
    return world.trials


def with_volume(world):
    world.create(1)
    if world.can("upload"):
        world.write(1, PATTERN)


def with_large_volume(world):
    world.create(1, 2 * world.storage.capacity, world.storage.shrink_allocation)


CHANGES = (
    Change("build", "defined", ("build",),
           lambda world: world.pool.build(world.storage.build_flags), repeatable=True),
    Change("start", "stopped", (), lambda world: world.pool.create(0)),
    Change("create", "running", ("create",), lambda world: world.create(1)),
    Change("clone", "running", ("create", "clone"), clone, with_volume, moves_data=True),
    Change("grow", "running", ("create", "grow"),
           lambda world: world.volume().resize(2 * world.storage.capacity, 0), with_volume),
    Change("shrink", "running", ("create", "shrink"),
           lambda world: world.volume().resize(world.storage.capacity, SHRINK),
           with_large_volume),
    Change("wipe", "running", ("create", "wipe"), lambda world: world.volume().wipe(0),
           with_volume, moves_data=True),
    Change("delete", "running", ("create", "delete"), lambda world: world.volume().delete(0),
           with_volume),
    Change("refresh", "running", ("create",), lambda world: world.pool.refresh(0), with_volume),
    Change("stop", "running", (), lambda world: world.pool.destroy()),
    Change("erase", "running", ("erase", "build"), lambda world: world.pool.delete(0),
           lambda world: world.pool.destroy(), repeatable=True),
)


def program_fails(world, change):
    """Each program that the change runs fails once."""
    trials = trials_of(world, change)
    count = len(trials.calls)
    for number, line in enumerate(trials.calls, 1):
        trials.again()
        world.tools.plan("fail", number)
        error = None
        try:
            change.act(world)
        except libvirt.libvirtError as problem:
            error = problem
        world.tools.plan()
        expected = trials.before if error else trials.after
        expect(trials.look() == expected, f"program {number} of {count} failed ({line}); said: "
                                          f"{error or 'done'}; {trials.seen} instead of {expected}")
    return f"{count} programs: {', '.join(line.split()[0] for line in trials.calls)}"


def repeat_if_half(trials, how):
    """What was half done is done when it is done again."""
    world, change = trials.world, trials.change
    try:
        if trials.look() in (trials.before, trials.after):
            return
    except AssertionError:
        pass
    if change.name == "build" and world.can("overwrite"):
        world.pool.build(OVERWRITE)
    else:
        change.act(world)
    expect(trials.look() == trials.after,
           f"killed {how}, then repeated: {trials.seen} instead of {trials.after}")


def killed_once(trials, how, disturb):
    """One kill, brought about by disturb(), and the judgement of the daemon that follows."""
    world, change = trials.world, trials.change
    trials.again()
    disturb()
    try:
        change.act(world)
        acknowledged = True
    except libvirt.libvirtError:
        acknowledged = False
    try:
        world.daemon.process.wait(5)
    except Exception:  # pylint: disable=broad-except
        world.daemon.kill()  # the moment came too late
    world.restart()
    if acknowledged:
        expect(trials.look() == trials.after,
               f"killed {how}, after it said done: {trials.seen} instead of {trials.after}")
    elif change.repeatable:
        repeat_if_half(trials, how)
    else:
        expect(trials.look() in (trials.before, trials.after),
               f"killed {how}: {trials.seen}; before: {trials.before}; after: {trials.after}")


def kills_by_program(trials):
    """[(how, what brings it about)] around the programs that change something. A program that only
    reads leaves what the one before it has left, and so does the time before a later one."""
    world, found = trials.world, []
    for number, line in enumerate(trials.calls, 1):
        if line.startswith(world.storage.readers):
            continue
        for moment in ("during", "after") if found else ("before", "during", "after"):
            found.append((f"{moment} program {number} ({line})",
                          lambda moment=moment, number=number: world.tools.plan(
                              moment, number, world.daemon.process.pid)))
    return found


def kills_by_clock(trials, parts):
    def set_clock(part):
        timer = threading.Timer(part * trials.duration, trials.world.daemon.process.kill)
        timer.daemon = True
        timer.start()

    return [(f"after {part:.1f} of {trials.duration:.2f} s", lambda part=part: set_clock(part))
            for part in parts]


def daemon_killed(world, change):
    """The daemon is killed before, during and after each program; by the clock where none changes
    anything, and in the middle of data."""
    trials = trials_of(world, change)
    kills = kills_by_program(trials)
    if change.moves_data or not kills:
        kills += kills_by_clock(trials, MIDDLE if trials.calls else PARTS)
    for how, disturb in kills:
        killed_once(trials, how, disturb)
    return f"killed {len(kills)} times; undisturbed {trials.duration:.2f} s"


# ---- running them ----

def enter(world, state):
    """Brings the pool into the state that a case starts from."""
    world.tools.plan()
    if state == "running":
        world.running()
    elif state == "none":
        if world.is_defined():
            if world.pool.isActive():
                world.pool.destroy()
            world.pool.undefine()
        world.storage.blank()
    else:
        world.stopped(built=state == "stopped")


def refusal_case(ability, attempt, state):
    def check(world):
        enter(world, "stopped" if state in (None, "stopped") else "running")
        if state == "volume":
            if not world.can("create"):
                return "the type has no volumes of its making"
            world.create(1)
        before = world.observe()
        refused(world.storage.refusals.get(ability, NO_SUPPORT), lambda: attempt(world))
        expect(world.observe() == before, "the refusal has changed something")
        return None
    return check


def all_cases(storage):
    """(title, function of the World) of each case that this storage gets."""
    unknown = set(storage.abilities) - set(ABILITIES)
    expect(not unknown, f"no such abilities: {unknown}")
    able = set(storage.abilities).issuperset
    for title, function, abilities, state in CASES:
        if able(abilities):
            yield title, with_state(function, state)
    for ability, attempt in ABILITIES.items():
        if attempt and ability not in storage.abilities:
            if attempt[1] != "volume" or able({"create"}):
                yield f"{ability}: refused", refusal_case(ability, *attempt)
    for title, function in storage.own_cases():
        yield title, with_state(function, "running")
    for change in CHANGES:
        if able(change.abilities):
            if storage.tools:
                yield (f"{change.name}: each program fails once",
                       lambda world, change=change: program_fails(world, change))
            yield (f"{change.name}: the daemon is killed",
                   lambda world, change=change: daemon_killed(world, change))


def with_state(function, state):
    def check(world):
        enter(world, state)
        return function(world)
    return check


def checked(function, world, witness):
    """A case as the TAP runner wants it: its note, or an error; the neighbours compared after."""
    def check():
        if not world.healthy:
            world.rebuild()
        world.healthy = False
        note = function(world)
        seen = world.storage.witness()
        expect(seen == witness, f"a neighbour was touched: {seen} instead of {witness}")
        world.healthy = True
        return note
    return check


def run_inside(storage_class, build, only):
    # It vanishes with the machine, whatever is mounted below it.
    storage = storage_class(tempfile.mkdtemp(prefix="cistern.", dir="/run"))
    storage.make()
    storage.blank()
    world = World(storage, build)
    witness = storage.witness()
    print("TAP version 13", flush=True)
    tap = Tap()
    for title, function in all_cases(storage):
        if only in title:
            started = time.monotonic()
            tap.case(f"{storage.type}: {title}", checked(function, world, witness))
            print(f"# {time.monotonic() - started:.1f} s", flush=True)
    if tap.failed:
        for line in world.daemon.read_log().splitlines()[-60:]:
            print(f"# daemon: {line}")
    return tap.finish()


def main(storage_class):
    """Entry of each script: in the machine it runs the cases, elsewhere it starts the machine."""
    parser = argparse.ArgumentParser(description=f"Conformance of {storage_class.type} pools "
                                                 "over real storage, as TAP.")
    parser.add_argument("build", type=os.path.realpath, help="the build folder")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases with this in their title")
    parser.add_argument("--inside", action="store_true", help="this is the machine already")
    options = parser.parse_args()
    if options.inside:
        sys.exit(run_inside(storage_class, options.build, options.only))
    enter_machine(storage_class.machine, storage_class.time, options.build, options.only,
                  storage_class.tools)
