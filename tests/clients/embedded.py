# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host of machines without libvirt's daemons: libvirt's qemu driver in its embedded mode and
cisternd in virtstoraged's place; and guests that write what can be found again."""

import ctypes
import os
import secrets
import shutil
import subprocess
import sys
import tempfile

import libvirt

from tap import expect, wait_until

EMPTY = ("/run/libvirt", "/etc/libvirt", "/var/lib/libvirt")
URI = "storage+unix:///system?socket=/run/libvirt/virtstoraged-sock"
POOL = "images"

# What the BIOS loads and runs: it writes its own sector to the second disk's second sector by
# BIOS call 13h and switches the machine off.
CODE = bytes.fromhex(
    "31 c0"     # xor ax, ax
    "8e d8"     # mov ds, ax
    "8e c0"     # mov es, ax
    "8e d0"     # mov ss, ax
    "bc 00 7c"  # mov sp, 0x7c00
    "bb 00 7c"  # mov bx, 0x7c00    what to write: this sector
    "b8 01 03"  # mov ax, 0x0301    write, one sector
    "b9 02 00"  # mov cx, 0x0002    cylinder 0, sector 2
    "ba 81 00"  # mov dx, 0x0081    head 0, second disk
    "cd 13"     # int 0x13
    "72 fe"     # jc $              failed: never ends
    "ba 04 06"  # mov dx, 0x0604    ACPI's control register
    "b8 00 20"  # mov ax, 0x2000    soft off
    "ef"        # out dx, ax
    "f4"        # hlt
    "eb fd")    # jmp to hlt

CONFIGURATION = """user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
seccomp_sandbox = 0
stdio_handler = "file"
remember_owner = 0
"""

PR_SET_CHILD_SUBREAPER = 36


def boot_sector():
    """512 bytes with a word that no one can guess, to be found again."""
    sector = CODE + secrets.token_bytes(64)
    return sector + bytes(510 - len(sector)) + b"\x55\xaa"


def reap(argv):
    """Runs a program and takes the place of init for what it leaves behind: libvirt waits until
    nothing of its machine's process is left, and not every container has an init that reaps."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    main_pid = os.spawnvp(os.P_NOWAIT, argv[0], argv)
    while True:
        pid, status = os.wait()
        if pid == main_pid:
            return os.waitstatus_to_exitcode(status)


def enter_namespace():
    """Starts the program again, where what it mounts is seen by nobody else."""
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.argv[0],
                          "--inside", *sys.argv[1:]])


def mount_memory(folder, options):
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)


class Host:
    """`connection` to cisternd; `folder` for its pool; `uri` for whoever embeds the driver."""

    def __init__(self, cisternd, *arguments):
        for folder in EMPTY:
            os.makedirs(folder, exist_ok=True)
            mount_memory(folder, "mode=755")
        self.scratch = tempfile.mkdtemp(prefix="cistern-embedded.")
        os.chmod(self.scratch, 0o755)
        self.log = open(os.path.join(self.scratch, "log"), "ab")
        self.daemon = subprocess.Popen([cisternd, "--libvirt", *arguments],
                                       stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_until(lambda: os.path.exists("/run/libvirt/virtstoraged-sock"), 20, "the socket")
        self.connection = libvirt.open(URI)
        self.folder = os.path.join(self.scratch, POOL)
        os.mkdir(self.folder, 0o711)
        self.embedded = os.path.join(self.scratch, "embedded")
        self.uri = f"qemu:///embed?root={self.embedded}"
        os.makedirs(os.path.join(self.embedded, "etc"))
        with open(os.path.join(self.embedded, "etc", "qemu.conf"), "w", encoding="ascii") as out:
            out.write(CONFIGURATION)

    def make_pool(self):
        xml = (f"<pool type='dir'><name>{POOL}</name>"
               f"<target><path>{self.folder}</path></target></pool>")
        self.connection.storagePoolDefineXML(xml).create()
        expect(os.path.exists(f"/etc/libvirt/storage/{POOL}.xml"), "saved where libvirt looks")

    def pool(self):
        return self.connection.storagePoolLookupByName(POOL)

    def written(self, path, form):
        """The first two sectors that a guest sees."""
        raw = os.path.join(self.scratch, "read")
        subprocess.run(["qemu-img", "convert", "-f", form, "-O", "raw", path, raw], check=True,
                       timeout=30)
        with open(raw, "rb") as content:
            return content.read(512), content.read(512)

    def read_log(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as log:
            return log.read()

    def close(self):
        self.connection.close()
        self.daemon.terminate()
        self.daemon.wait()
        self.log.close()
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            points = [line.split()[1] for line in mounts]
        for point in reversed(points):
            if point.startswith(self.scratch):
                subprocess.run(["umount", "-l", point], check=True)
        shutil.rmtree(self.scratch, ignore_errors=True)
