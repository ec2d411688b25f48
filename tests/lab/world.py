# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon under test, its one pool, and the programs it runs, as the cases see them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "clients"))

import libvirt
import tap
from tap import expect, wait_until

NAME = "lab"
UUID = "5ca1ab1e-0000-4000-8000-00000000001a"
START_PATIENCE = 4  # seconds; the daemon's own is a little longer
CODE_NO_POOL = libvirt.VIR_ERR_NO_STORAGE_POOL

libvirt.registerErrorHandler(lambda context, error: None, None)


class Tools:
    """Stand-ins for the programs a type needs, first in the daemon's PATH (see tool.c)."""

    def __init__(self, folder, program, names):
        self.folder = folder
        os.makedirs(folder)
        for name in names:
            os.symlink(program, os.path.join(folder, name))
        self.outside = os.environ["PATH"]

    def path(self):
        return f"{self.folder}:{self.outside}"

    def file(self, name):
        return os.path.join(self.folder, name)

    def plan(self, *words):
        """From now on calls are counted from 1; the plan is of one line, or none."""
        for name in ("log", "plan"):
            if os.path.exists(self.file(name)):
                os.unlink(self.file(name))
        if words:
            with open(self.file("plan"), "w", encoding="ascii") as plan:
                plan.write(" ".join(map(str, words)))

    def calls(self):
        """The command lines since the last plan()."""
        try:
            with open(self.file("log"), encoding="utf-8", errors="replace") as log:
                return log.read().splitlines()
        except FileNotFoundError:
            return []


def accepts(path):
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
        except OSError:
            return False
        return True


class Daemon(tap.Daemon):
    """A cisternd whose programs come from Tools."""

    def __init__(self, program, scratch, tools):
        self.tools = tools
        super().__init__(program, scratch)

    def start(self):
        os.environ["PATH"] = self.tools.path()
        try:
            super().start()
            # A killed daemon's sockets are still there; the read-only one comes last.
            wait_until(lambda: accepts(self.socket + "-ro"), 60, f"an answer; {self.log}")
        finally:
            os.environ["PATH"] = self.tools.outside

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart(self):
        """Ends it, if it is not dead yet, and starts it anew."""
        if self.process.poll() is None:
            self.stop()
        self.start()


class World:
    """What a case gets."""

    def __init__(self, storage, build):
        self.storage = storage
        self.build = build
        self.healthy = True  # the last case left a state that the next may start from
        self.trials = None  # of conformance.py: what the last case has tried
        self.tools = Tools(os.path.join(storage.scratch, "tools"),
                           os.path.join(build, "tests/lab/lab-tool"), storage.tools)
        self.daemon = Daemon(os.path.join(build, "src/daemon/cisternd"),
                             os.path.join(storage.scratch, "daemon"), self.tools)
        self.connection = libvirt.open(self.daemon.uri)

    # ---- the daemon ----

    def restart(self, patient=True):
        """The daemon ends, however it may, and a new one is asked from now on. Not patient: at
        once, whatever it still waits for."""
        self.disconnect()
        self.tools.plan()
        self.begin(self.daemon.restart, patient)

    def reboot(self):
        """As after a start of the host: what is not started by itself is down."""
        self.disconnect()
        self.daemon.stop()
        for folder, _, names in os.walk(os.path.join(self.daemon.root, "run")):
            if "autostarted" in names:  # the mark of this boot
                os.unlink(os.path.join(folder, "autostarted"))
        self.begin(self.daemon.start)

    def begin(self, start, patient=True):
        """A daemon that has waited for slow storage for some seconds answers, and goes on with its
        pools meanwhile."""
        duration = seconds(start)
        self.connection = libvirt.open(self.daemon.uri)
        if patient and duration > START_PATIENCE:
            wait_until(lambda: not json.loads(self.cistern("job-list", "-o", "json")), 120,
                       "the end of what the daemon has begun with")

    def disconnect(self):
        try:
            self.connection.close()
        except libvirt.libvirtError:
            pass

    def cistern_argv(self, *arguments):
        return [os.path.join(self.build, "src/cli/cistern"), "-q", "-c",
                f"cistern+unix:///system?socket={self.daemon.socket}", *arguments]

    def cistern(self, *arguments):
        """cistern's own command line; its stdout."""
        return subprocess.run(self.cistern_argv(*arguments), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=True).stdout

    def cistern_beside(self, *arguments, stdout):
        """The same, going on; its process."""
        return subprocess.Popen(self.cistern_argv(*arguments), stdin=subprocess.DEVNULL,
                                stdout=stdout)

    def virsh(self, *arguments, check=True):
        """Stock virsh; what it prints, its errors too."""
        result = subprocess.run(["virsh", "-c", self.daemon.uri, *arguments],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, check=False)
        expect(not check or result.returncode == 0, f"virsh {arguments}: {result.stdout}")
        return result.stdout

    # ---- the pool ----

    @property
    def pool(self):
        """A handle that any daemon knows."""
        return self.connection.storagePoolLookupByName(NAME)

    def can(self, ability):
        return ability in self.storage.abilities

    def define(self):
        return self.connection.storagePoolDefineXML(self.storage.pool_xml(NAME, UUID), 0)

    def is_defined(self):
        try:
            return bool(self.pool)
        except libvirt.libvirtError as error:
            if error.get_error_code() != CODE_NO_POOL:
                raise
            return False

    def stopped(self, built=True):
        """Brings about a defined pool that is not running, on a source that is built or blank."""
        if self.is_defined():
            if self.pool.isActive():
                self.pool.destroy()
        else:
            self.define()
        if not built or not self.can("build") or not self.storage.is_built():
            self.storage.blank()
            if built:
                self.pool.build(self.storage.build_flags)

    def running(self):
        """Brings about a running pool without volumes, checked against the storage's truth."""
        if not (self.is_defined() and self.pool.isActive()):
            self.stopped()
            self.pool.create(0)
        self.pool.refresh(0)
        self.empty()
        expect(not self.storage.volumes(), f"left after all was deleted: {self.storage.volumes()}")

    def empty(self):
        """Deletes all that a running pool lists."""
        for volume in self.pool.listAllVolumes():
            volume.delete(0)

    def rebuild(self):
        """After a case failed: everything from nothing."""
        self.trials = None
        self.daemon.kill()
        self.restart()
        if self.is_defined():
            if self.pool.isActive():
                self.pool.destroy()
            self.pool.undefine()
        self.storage.blank()

    # ---- volumes ----

    def create(self, number=1, capacity=None, allocation=None):
        """An ordinary volume, the number-th; a handle."""
        xml = self.storage.volume_xml(self.storage.name(number),
                                      capacity or self.storage.capacity, allocation)
        return self.pool.createXML(xml, 0)

    def volume(self, number=1):
        return self.pool.storageVolLookupByName(self.storage.name(number))

    def write(self, number, data, offset=0):
        with open(self.storage.path(self.storage.name(number)), "r+b") as file:
            file.seek(offset)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def read(self, number, size, offset=0):
        with open(self.storage.path(self.storage.name(number)), "rb") as file:
            file.seek(offset)
            return file.read(size)

    def rounded(self, size, asked, what):
        """Complains unless `size` is `asked`, rounded up as the storage does."""
        expect(asked <= size < asked + self.storage.rounding,
               f"{what}: {size} bytes, asked for {asked}")

    # ---- what all hold against each other ----

    def observe(self, refresh=True):
        """The storage's state by its own tools, which the daemon's answers must agree with; without
        a refresh too, where the daemon alone has changed something."""
        active = bool(self.is_defined() and self.pool.isActive())
        up, volumes, built = self.storage.look(active)
        expect(up is None or up == active,
               f"active according to cistern: {active}, up by its own tools: {up}")
        if active:
            if refresh:
                self.pool.refresh(0)
            listed = {volume.name(): volume.info()[1] for volume in self.pool.listAllVolumes()}
            expect(listed == volumes, f"listed: {listed}, there: {volumes}")
        return {"active": active, "volumes": volumes, "built": built}


def enter_machine(options, time_limit, build, only, tools):
    """Becomes the machine with these options, in which the same script runs again. `tools` are
    started there often."""
    machine = os.path.join(HERE, "vm")
    often = [os.path.join(build, "src/daemon/cisternd"), os.path.join(build, "src/cli/cistern"),
             os.path.join(build, "tests/lab/lab-tool"), "virsh", *tools]
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    os.execv(machine, [machine, *options, "--time", str(time_limit),
                       *(word for name in often for word in ("--program", name)), "--",
                       os.path.realpath(sys.argv[0]), "--inside", "--only", only, build])


def refused(code, action, *words):
    """Expects an error with that code, one of those codes, or (None) any, whose message has the
    words."""
    codes = code if isinstance(code, (tuple, type(None))) else (code,)
    error = None
    try:
        action()
    except libvirt.libvirtError as refusal:
        error = refusal
    if error:
        expect(codes is None or error.get_error_code() in codes,
               f"code {error.get_error_code()} instead of {codes}: {error}")
        for word in words:
            expect(word in str(error), f"'{word}' is not said by: {error}")
        return str(error)
    raise AssertionError("it was done, though it should be refused")


def seconds(action):
    """How long it takes."""
    started = time.monotonic()
    action()
    return time.monotonic() - started
