# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemons that are measured: ours, and Debian's libvirtd with nothing but
its storage driver, in a mount namespace where its folders are empty."""

import contextlib
import os
import shutil
import subprocess
import time

DRIVERS = "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver"


class Daemon:
    """A running daemon: `uri` for clients, `pid` for looking at its memory."""

    def __init__(self, name, argv, socket, states):
        self.name = name
        self.uri = f"storage+unix:///system?socket={socket}"
        self.argv = argv
        self.socket = socket
        self.states = states
        self.start()
        time.sleep(0.5)

    def start(self):
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        deadline = time.monotonic() + 60
        while not os.path.exists(self.socket):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{self.name} did not start")
            time.sleep(0.002)

    def forget_boot(self):
        """Stopped, it comes up next as after a boot: nothing runs, autostart is due."""
        shutil.rmtree(self.states, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket)

    def rss(self):
        """Resident memory in KiB."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def stop(self):
        self.process.terminate()
        self.process.wait()


def mount_memory(folder):
    """As /run is on a host, for both."""
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder], check=True)


def mount_disk(home, folder):
    """Definitions are on the disk, for both: each is flushed when it is saved."""
    own = os.path.join(home, folder.strip("/").replace("/", "-"))
    os.makedirs(own)
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["mount", "--bind", own, folder], check=True)


def start_cistern(build, scratch):
    root = os.path.join(scratch, "cistern")
    os.makedirs(os.path.join(root, "run"))
    mount_memory(os.path.join(root, "run"))
    return Daemon("cistern", [os.path.join(build, "src/daemon/cisternd"), "--root", root],
                  os.path.join(root, "run/cistern-sock"), os.path.join(root, "run"))


def start_libvirt(scratch):
    home = os.path.join(scratch, "libvirt")
    drivers = os.path.join(home, "drivers")
    sockets = os.path.join(home, "run")
    os.makedirs(drivers)
    os.makedirs(sockets)
    for name in ("storage", "secret"):
        shutil.copy(os.path.join(DRIVERS, f"libvirt_driver_{name}.so"), drivers)
    subprocess.run(["mount", "--bind", drivers, DRIVERS], check=True)
    mount_memory("/run/libvirt")
    for folder in ("/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt"):
        mount_disk(home, folder)
    config = os.path.join(home, "libvirtd.conf")
    with open(config, "w", encoding="ascii") as out:
        out.write(f'unix_sock_dir = "{sockets}"\nauth_unix_rw = "none"\nauth_unix_ro = "none"\n')
    return Daemon("libvirt", ["libvirtd", "-f", config, "-p", os.path.join(home, "pid")],
                  os.path.join(sockets, "libvirt-sock"), "/run/libvirt/storage")
