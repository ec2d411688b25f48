# SPDX-License-Identifier: LGPL-2.1-or-later
"""The two hosts that clients are pointed at: ours and Debian's libvirtd with
its storage driver alone. Each has a folder of its own, a small tmpfs, so that
sizes and free space are the same on both and nobody else changes them."""

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "bench"))
import reference  # noqa: E402

FOLDER_SIZE = "96m"


class Host:
    """`uri` for clients; `folder` for its pools; `socket` and `socket_ro`."""

    def __init__(self, daemon, folder):
        self.daemon = daemon
        self.name = daemon.name
        self.uri = daemon.uri
        self.folder = folder
        self.socket = daemon.uri.split("socket=")[1]
        self.socket_ro = self.socket + "-ro"


class Hosts:
    """Both hosts, or ours alone; gone at the end of a `with` block."""

    def __init__(self, build, names=("libvirt", "cistern")):
        self.scratch = tempfile.mkdtemp(prefix="cistern-clients.", dir="/tmp")
        self.build = build
        self.names = names
        self.hosts = []

    def _folder(self, name):
        # Names of one length: columns of tables are as wide on both.
        folder = os.path.join(self.scratch, name[0])
        os.makedirs(folder)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={FOLDER_SIZE},mode=0755",
                        "tmpfs", folder], check=True)
        return folder

    def _daemon(self, name):
        if name == "cistern":
            return reference.start_cistern(self.build, self.scratch)
        return reference.start_libvirt(self.scratch)

    def __enter__(self):
        for name in self.names:
            folder = self._folder(name)
            self.hosts.append(Host(self._daemon(name), folder))
        return self.hosts

    def __exit__(self, *failure):
        statuses = {}
        for host in self.hosts:
            host.daemon.stop()
            statuses[host.name] = host.daemon.process.returncode
            subprocess.run(["umount", "-l", host.folder], check=True)
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            left = [line.split()[1] for line in mounts if line.split()[1].startswith(self.scratch)]
        for point in reversed(left):
            subprocess.run(["umount", "-l", point], check=True)
        subprocess.run(["rm", "-rf", self.scratch], check=True)
        if statuses.get("cistern", 0) != 0:
            raise SystemExit(f"cisternd ended with status {statuses['cistern']}")
