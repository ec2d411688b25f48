#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A power failure while definitions are being saved, as TAP.

The daemon's folders are on an ext4 of their own, which is cut off as a power failure does: what
is in memory and in its journal, but not on the disk yet, is gone (FS_IOC_SHUTDOWN). The
daemon that is started after that must have every definition that a client was told is saved.

usage: power.py CISTERND
"""

import fcntl
import os
import shutil
import struct
import subprocess
import sys
import threading
import time
import uuid
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import libvirt # pylint: disable=wrong-import-position
from scratch import run_all, wait_until # pylint: disable=wrong-import-position

SHUTDOWN = (2 << 30) | (4 << 16) | (ord("X") << 8) | 125
WITHOUT_LOG = struct.pack("I", 2)
SPACE = uuid.UUID(int=0)


class Disk:
    """What the scratch's root is on, and the daemon that works there."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.folder = scratch.root
        self.daemon = None

    def __enter__(self):
        image = self.scratch.file("image", "")
        os.truncate(image, 64 << 20)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        os.makedirs(self.folder, exist_ok=True)
        self.mount()
        self.start()
        return self

    def __exit__(self, *failure):
        self.kill()
        self.unmount()

    def mount(self):
        subprocess.run(["mount", "-o", "loop", os.path.join(self.scratch.path, "image"),
                        self.folder], check=True)

    def unmount(self):
        subprocess.run(["umount", self.folder], check=True)

    def start(self):
        self.daemon = self.scratch.start()

    def kill(self):
        self.daemon.process.kill()
        self.daemon.process.wait()

    def fail(self):
        """The power goes, and comes back; nothing of /run is left."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, SHUTDOWN, WITHOUT_LOG)
        finally:
            os.close(folder)
        self.kill()
        self.unmount()
        self.mount()
        shutil.rmtree(os.path.join(self.folder, "run"), ignore_errors=True)
        self.start()

    def settle(self):
        """Waits until the journal is empty, on the disk too."""
        with open(os.path.join(self.folder, "etc/.cistern-journal"), "rb") as journal:
            wait_until(lambda: not journal.seek(0) and not any(journal.read()), "an empty journal")
            os.fsync(journal.fileno())

    def connect(self):
        return libvirt.open(self.scratch.uri())

    def define(self, names, folder):
        connection = self.connect()
        for name in names:
            connection.storagePoolDefineXML(
                f"<pool type='dir'><name>{name}</name><uuid>{uuid.uuid5(SPACE, name)}</uuid>"
                f"<target><path>{folder}/{name}</path></target></pool>")
        connection.close()

    def undefine(self, names):
        connection = self.connect()
        for name in names:
            connection.storagePoolLookupByName(name).undefine()
        connection.close()

    def expect(self, expected):
        """name → path of the pools there must be, and nothing else in the folder."""
        connection = self.connect()
        found = {pool.name(): ElementTree.fromstring(pool.XMLDesc(0)).findtext("target/path")
                 for pool in connection.listAllStoragePools()}
        connection.close()
        assert found == expected, f"there is {found}"
        files = {name for name in os.listdir(os.path.join(self.folder, "etc"))
                 if name != "autostart"}
        assert files == {f"{name}.xml" for name in expected}, files


NAMES = [f"pool-{number}" for number in range(40)]
# Nothing is on the disk yet but the journal; it is about to be settled; all is.
PAUSES = (0, 0.99, 2)


def made(scratch):
    """what was defined is there"""
    for pause in PAUSES:
        with Disk(scratch) as disk:
            disk.define(NAMES, "/srv")
            time.sleep(pause)
            disk.fail()
            disk.expect({name: f"/srv/{name}" for name in NAMES})


def one(scratch):
    """one alone is there too"""
    with Disk(scratch) as disk:
        disk.define(NAMES[:1], "/srv")
        disk.fail()
        disk.expect({NAMES[0]: f"/srv/{NAMES[0]}"})


def replaced(scratch):
    """what was redefined is as it was redefined, and again after the next failure"""
    with Disk(scratch) as disk:
        disk.define(NAMES, "/srv")
        disk.define(NAMES[::2], "/mnt")
        for _ in range(2):
            disk.fail()
            disk.expect({name: f"/{'srv' if number % 2 else 'mnt'}/{name}"
                         for number, name in enumerate(NAMES)})


def removed(scratch):
    """what was undefined stays away, once that had its moment to get to the disk"""
    with Disk(scratch) as disk:
        disk.define(NAMES, "/srv")
        disk.undefine(NAMES[:20])
        disk.settle()
        disk.fail()
        disk.expect({name: f"/srv/{name}" for name in NAMES[20:]})


def killed(scratch):
    """kill -9 first: what was undefined stays away, what was defined outlasts the failure then"""
    with Disk(scratch) as disk:
        disk.define(NAMES, "/srv")
        disk.undefine(NAMES[:20])
        disk.kill()
        disk.start()
        disk.fail()
        disk.expect({name: f"/srv/{name}" for name in NAMES[20:]})


def more_than_fit(scratch):
    """more than the journal has room for, from several clients"""
    names = [f"pool-{number}" for number in range(600)]
    with Disk(scratch) as disk:
        clients = [threading.Thread(target=disk.define, args=(names[part::4], "/srv"))
                   for part in range(4)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        disk.fail()
        disk.expect({name: f"/srv/{name}" for name in names})


if __name__ == "__main__":
    run_all([made, one, replaced, removed, killed, more_than_fit], sys.argv[1])
