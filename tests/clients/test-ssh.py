# SPDX-License-Identifier: LGPL-2.1-or-later
"""ssh as it is: Debian's sshd and ssh with keys of their own, on the loopback of a network namespace.
By it come our command line and stock virsh, through nc or libvirt's helper on the far side.

usage: run BUILD test-ssh.py"""

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from tap import Tap, expect, wait_until

BUILD = sys.argv[1]
CISTERND = os.path.join(BUILD, "src/daemon/cisternd")
CISTERN = os.path.join(BUILD, "src/cli/cistern")
# Empty in this mount namespace: sshd's own folder, and those of libvirt, whose place is taken.
EMPTY = ("/run", "/etc/libvirt", "/var/lib/libvirt")
SOCKET = "/run/libvirt/virtstoraged-sock"
PORT = 2222
CLONE_NEWNET, SIOCSIFFLAGS, IFF_UP = 0x40000000, 0x8914, 1
NULL = subprocess.DEVNULL


def own_network():
    """With nothing in it but a loopback."""
    libc = ctypes.CDLL(None, use_errno=True)
    expect(libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno()))
    with socket.socket() as probe:
        fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


def run(*argv, status=0, data=None):
    """What a program says that has to end with this status (None: with any but 0)."""
    done = subprocess.run(argv, env=dict(os.environ, LC_ALL="C"), timeout=60, check=False,
                          input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = done.stdout.decode(errors="replace")
    right = done.returncode != 0 if status is None else done.returncode == status
    expect(right, f"{' '.join(argv)}: status {done.returncode}: {said}")
    return said


def new_key(path):
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path)
    with open(path + ".pub", encoding="ascii") as file:
        return file.read()


class Far:
    """sshd and cisternd in libvirt's place."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.known = self.path("known_hosts")
        self.host_key = new_key(self.path("host"))
        self.write("authorized", new_key(self.path("good")))
        new_key(self.path("stranger"))
        self.write("sshd_config", f"Port {PORT}\nListenAddress 127.0.0.1\nHostKey {self.path('host')}\n"
                   f"AuthorizedKeysFile {self.path('authorized')}\nPidFile none\nUsePAM no\n"
                   "StrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\n"
                   "KbdInteractiveAuthentication no\n")
        # In place of the system's: ssh asks nobody, and leaves root's home alone.
        self.write("ssh_config", f"Host far\n  HostName 127.0.0.1\n  Port {PORT}\nHost *\n"
                   f"  BatchMode yes\n  IdentitiesOnly yes\n  IdentityFile {self.path('good')}\n"
                   f"  UserKnownHostsFile {self.known}\n  LogLevel ERROR\n")
        subprocess.run(["mount", "--bind", self.path("ssh_config"), "/etc/ssh/ssh_config"],
                       check=True)
        self.trust(self.host_key)
        os.mkdir("/run/sshd", 0o755)
        self.sshd = self.start("/usr/sbin/sshd", "-D", "-e", "-f", self.path("sshd_config"))
        self.daemon = self.start(CISTERND, "--libvirt")
        wait_until(lambda: os.path.exists(SOCKET), 20, "the daemon's socket")
        wait_until(lambda: self.is_heard() or self.sshd.poll() is not None, 20, "sshd listens")

    def path(self, name):
        return os.path.join(self.scratch, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(text)

    def start(self, *argv):
        with open(self.path("log"), "ab") as log:
            return subprocess.Popen(argv, stdin=NULL, stdout=log, stderr=log)

    def trust(self, key):
        self.write("known_hosts", f"[127.0.0.1]:{PORT} {key}")

    @staticmethod
    def is_heard():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", PORT)) == 0

    def close(self):
        for process in (self.sshd, self.daemon):
            process.terminate()
            process.wait(30)


def cistern(more, *arguments, status=0, data=None):
    return run(CISTERN, "-c", f"cistern+ssh://far/system?{more}", *arguments, status=status,
               data=data)


def virsh(more, *arguments, status=0):
    return run("virsh", "-q", "-c", f"storage+ssh://far/system?{more}", *arguments, status=status)


# By nc, with the socket named or found, and by libvirt's helper, which finds it.
WAYS = ((cistern, f"socket={SOCKET}"), (cistern, "mode=direct"), (cistern, "proxy=native"),
        (virsh, f"proxy=netcat&socket={SOCKET}"), (virsh, "proxy=native"), (virsh, "proxy=auto"))


def every_way():
    for index, (client, more) in enumerate(WAYS):
        folder = FAR.path(f"pool{index}")
        client(more, "pool-define-as", f"p{index}", "dir", "--target", folder)
        client(more, "pool-build", f"p{index}")
        client(more, "pool-start", f"p{index}")
        listed = client(more, "pool-list")
        expect(all(f"p{number}" in listed for number in range(index + 1)), listed)


def libvirts_spelling():
    """The same URI for both."""
    for more in (f"proxy=netcat&socket={SOCKET}", "proxy=native"):
        said = run(CISTERN, "-c", f"storage+ssh://far/system?{more}", "pool-list")
        expect("p0" in said, said)


def read_only():
    """The helper takes the other socket; what changes something is refused."""
    for program in (("virsh", "-r", "-q"), (CISTERN, "--readonly")):
        uri = "storage+ssh://far/system?proxy=native"
        expect("p0" in run(*program, "-c", uri, "pool-list"), "it looks")
        said = run(*program, "-c", uri, "pool-destroy", "p0", status=None)
        expect("read only access prevents" in said, said)


def data_goes_through():
    data = os.urandom(3_000_001)
    source = FAR.path("data")
    with open(source, "wb") as file:
        file.write(data)
    for client, more in WAYS[2:4]:
        client(more, "vol-create-as", "p0", "v", str(len(data)))
        client(more, "vol-upload", "v", source, "--pool", "p0")
        client(more, "vol-download", "v", source + ".back", "--pool", "p0")
        run("cmp", source, FAR.path("pool0/v"))
        run("cmp", source, source + ".back")
        client(more, "vol-delete", "v", "--pool", "p0")


def strangers_stay_outside():
    for client in (cistern, virsh):
        said = client(f"proxy=native&keyfile={FAR.path('none')}", "pool-list")
        expect("p0" in said, "the key of the configuration serves")
    FAR.write("authorized", "")
    try:
        for client in (cistern, virsh):
            said = client("proxy=native", "pool-list", status=None)
            expect("Permission denied" in said, said)
    finally:
        with open(FAR.path("good.pub"), encoding="ascii") as key:
            FAR.write("authorized", key.read())


def false_hosts_are_left():
    """One whose key is another's, and one whose key isn't known."""
    with open(FAR.path("stranger.pub"), encoding="ascii") as key:
        FAR.trust(key.read())
    try:
        for client in (cistern, virsh):
            expect("verification failed" in client("proxy=native", "pool-list", status=None), "false")
        os.unlink(FAR.known)
        for client in (cistern, virsh):
            expect("verification failed" in client("proxy=native", "pool-list", status=None), "new")
        cistern("proxy=native&known_hosts_verify=auto", "pool-list")
        with open(FAR.known, encoding="ascii") as known:
            expect(FAR.host_key.split()[1] in known.read(), "it is known from now on")
    finally:
        FAR.trust(FAR.host_key)


def nothing_on_the_far_side():
    said = cistern(f"socket={FAR.path('nobody')}", "pool-list", status=None)
    expect("nc:" in said, said)
    said = cistern("netcat=/no/such/program", "pool-list", status=None)
    expect("/no/such/program" in said, said)


def names_are_no_commands():
    """What the far side's shell sees is quoted."""
    mark = FAR.path("mark")
    for name in (f"/nowhere;touch%20{mark}", f"/$(touch%20{mark})", f"/'`touch%20{mark}`'"):
        cistern(f"socket={name}", "pool-list", status=None)
    expect(not os.path.exists(mark), "nothing of it ran")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def the_way_breaks():
    """A client that waits when its way dies ends with an error, at once."""
    client = subprocess.Popen([CISTERN, "-c", f"cistern+ssh://far/system?socket={SOCKET}",
                               "pool-event", "--loop"], stdin=NULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
    wait_until(lambda: children(FAR.sshd.pid), 20, "sshd serves it")
    time.sleep(1)  # it registers; when it doesn't in time, the end is the same
    for pid in children(FAR.sshd.pid):
        os.kill(pid, signal.SIGKILL)
    said = client.communicate(timeout=30)[0]
    expect(client.returncode != 0, f"{client.returncode}: {said}")


own_network()
for empty in EMPTY:
    os.makedirs(empty, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", empty], check=True)
SCRATCH = tempfile.mkdtemp(prefix="cistern-ssh.")
FAR = Far(SCRATCH)


def main():
    tap = Tap()
    for case in (every_way, libvirts_spelling, read_only, data_goes_through,
                 strangers_stay_outside, false_hosts_are_left, nothing_on_the_far_side,
                 names_are_no_commands, the_way_breaks):
        tap.case(case.__name__.replace("_", " "), case)
    if tap.failed:
        with open(FAR.path("log"), encoding="utf-8", errors="replace") as log:
            print("".join(f"# {line}" for line in log))
    FAR.close()
    shutil.rmtree(SCRATCH)
    return tap.finish()


sys.exit(main())
