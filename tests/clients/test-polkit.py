# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real polkit: Debian's polkitd on a bus of its own, with rules like those in libvirt's manual
and the actions that libvirt's packages declare. Runs in a mount namespace of its own (`run`), where
polkit's folders of rules are empty.

usage: run BUILD test-polkit.py"""

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile

import libvirt

import callers
from callers import NOBODY
from tap import Tap, expect, wait_until

CISTERND = os.path.join(sys.argv[1], "src/daemon/cisternd")
POLKITD = "/usr/lib/polkit-1/polkitd"
RULES = ("/etc/polkit-1/rules.d", "/usr/share/polkit-1/rules.d")
DAEMON_USER = 1  # one that no rule speaks of
POOL = "<pool type='dir'><name>{0}</name><target><path>{1}/{0}</path></target></pool>"
VOLUME = "<volume><name>{}</name><capacity>4096</capacity></volume>"
libvirt.registerErrorHandler(lambda data, error: None, None)

DOOR = """
polkit.addRule(function(action, subject) {
    if (action.id == "org.libvirt.unix.manage" && subject.user == "nobody")
        return polkit.Result.YES;
});
"""

# The names of drivers, pools and volumes come as details of the question.
OBJECTS = """
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.libvirt.api.") != 0 || subject.user != "nobody")
        return polkit.Result.NOT_HANDLED;
    if (action.lookup("connect_driver") != "storage" || action.lookup("pool_name") == "secret")
        return polkit.Result.NO;
    if (/\\.(getattr|read|search-storage-pools|search-storage-vols)$/.test(action.id))
        return polkit.Result.YES;
    if (action.id == "org.libvirt.api.storage-vol.create" && action.lookup("pool_name") == "open")
        return polkit.Result.YES;
    if (action.id == "org.libvirt.api.storage-vol.delete" &&
        action.lookup("vol_name").indexOf("mine-") == 0)
        return polkit.Result.YES;
    return polkit.Result.NO;
});
"""


class Polkit(callers.Bus):
    def __init__(self, scratch):
        super().__init__(scratch)
        for folder in RULES:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder], check=True)
        self.log = open(os.path.join(scratch, "polkitd.log"), "wb")
        self.daemon = None

    def start(self, *rules):
        """With these rules: it reads them before it takes its name."""
        for index, rule in enumerate(rules):
            with open(os.path.join(RULES[0], f"{50 + index}-test.rules"), "w",
                      encoding="ascii") as file:
                file.write(rule)
        self.daemon = subprocess.Popen([POLKITD, "--no-debug"], stdout=self.log, stderr=self.log)
        wait_until(self.answers, 20, f"polkitd answers; see {self.log.name}")

    def answers(self):
        expect(self.daemon.poll() is None, "polkitd ended")
        asked = subprocess.run(["pkaction", "--action-id", "org.libvirt.unix.manage"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        return asked.returncode == 0

    def stop(self):
        self.daemon.terminate()
        self.daemon.wait()
        for name in os.listdir(RULES[0]):
            os.unlink(os.path.join(RULES[0], name))

    def close(self):
        self.log.close()
        super().close()


def names(uri, read_only=False):
    def action():
        connection = (libvirt.openReadOnly if read_only else libvirt.open)(uri)
        return sorted(pool.name() for pool in connection.listAllStoragePools())
    return action


def expect_error(result, code, domain, what):
    expect(not result[0] and result[1][:2] == (code, domain), f"{what}: {result}")


def door():
    """Rules decide who opens; without one, what the action's declaration says."""
    POLKIT.start(DOOR)
    try:
        with callers.Server(CISTERND, 'auth_unix_rw = "polkit"',
                            'auth_unix_ro = "polkit"') as server:
            expect(callers.as_user(NOBODY, names(server.uri)) == (True, []), "by the rule")
            expect_error(callers.as_user(DAEMON_USER, names(server.uri)), 94, 60, "no agent")
            expect(callers.as_user(DAEMON_USER, names(server.uri_ro, True)) == (True, []),
                   "everybody may look")
            expect(names(server.uri)() == [], "root needs nobody")
    finally:
        POLKIT.stop()


def prepare(server):
    """By root, to whom polkit allows all."""
    connection = libvirt.open(server.uri)
    for name in ("open", "other", "secret"):
        os.mkdir(f"{server.scratch}/{name}")
        pool = connection.storagePoolCreateXML(POOL.format(name, server.scratch))
        pool.createXML(VOLUME.format("theirs"))
    return connection


def objects():
    """The fine-grained permissions, by the names of pool and volume."""
    POLKIT.start(DOOR, OBJECTS)
    try:
        with callers.Server(CISTERND, 'access_drivers = [ "polkit" ]') as server:
            connection = prepare(server)
            ok, result = callers.as_user(NOBODY, lambda: use(server))
            expect(ok, result)
            expect(result == {"pools": ["open", "other"], "secret": 88, "create in other": 88,
                              "delete of theirs": 88, "stop": 88, "define": 88}, result)
            expect(connection.storagePoolLookupByName("open").listVolumes() == ["theirs"],
                   "made and deleted again")
            # As the actions are declared: everybody looks, an administrator changes.
            expect(callers.as_user(DAEMON_USER, names(server.uri)) ==
                   (True, ["open", "other", "secret"]), "look without a rule")
            expect_error(callers.as_user(DAEMON_USER, lambda: libvirt.open(
                server.uri).storagePoolLookupByName("open").destroy()), 88, 55, "stop without a rule")
            connection.close()
    finally:
        POLKIT.stop()


def use(server):
    """As nobody."""
    connection = libvirt.open(server.uri)
    pool = connection.storagePoolLookupByName("open")
    other = connection.storagePoolLookupByName("other")
    pool.createXML(VOLUME.format("mine-1")).delete()
    refused = {
        "secret": lambda: connection.storagePoolLookupByName("secret"),
        "create in other": lambda: other.createXML(VOLUME.format("mine-2")),
        "delete of theirs": lambda: pool.storageVolLookupByName("theirs").delete(),
        "stop": pool.destroy,
        "define": lambda: connection.storagePoolDefineXML(POOL.format("new", "/srv")),
    }
    result = {"pools": names(server.uri)()}
    for name, action in refused.items():
        try:
            action()
            result[name] = 0
        except libvirt.libvirtError as error:
            result[name] = error.get_error_code()
    return result


def without_polkitd():
    """What nobody answers is denied."""
    with callers.Server(CISTERND, 'auth_unix_rw = "polkit"') as server:
        result = callers.as_user(NOBODY, names(server.uri))
        expect_error(result, 1, 47, "nobody to ask")


SCRATCH = tempfile.mkdtemp(prefix="cistern-polkit.")
os.chmod(SCRATCH, 0o755)
POLKIT = Polkit(SCRATCH)


def main():
    tap = Tap()
    multiprocessing.set_start_method("fork")
    for case in (door, objects, without_polkitd):
        tap.case(case.__name__.replace("_", " "), case)
    if tap.failed:
        with open(POLKIT.log.name, encoding="utf-8", errors="replace") as log:
            print("".join(f"# {line}" for line in log))
    POLKIT.close()
    shutil.rmtree(SCRATCH)
    return tap.finish()


sys.exit(main())
