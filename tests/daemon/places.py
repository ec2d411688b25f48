#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""cisternd in the system's places and in libvirt's, in a mount namespace of its own.

Debian's libvirtd makes pools; cisternd --libvirt takes them over as they are, and gives them back.

usage: places.py CISTERND CISTERN    (as root)
"""

import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys

from scratch import Daemon, run_all, wait_until

FOLDERS = ("/etc/libvirt", "/etc/cistern", "/run", "/var/lib/libvirt", "/var/lib/cistern",
           "/var/cache/libvirt", "/var/log/libvirt")
LIBVIRTD = "/usr/sbin/libvirtd"
NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
ENVIRONMENT = {**os.environ, "LC_ALL": "C", "LIBVIRT_AUTOSTART": "0"}


def enter_namespace():
    """Starts this program again where the folders are empty and nobody else's."""
    if sys.argv[3:] == ["inside"]:
        return
    made = [folder for folder in FOLDERS if not os.path.isdir(folder)]
    for folder in made:
        os.makedirs(folder)
    mounts = " && ".join(f"mount -t tmpfs -o mode=755 none {folder}" for folder in FOLDERS)
    script = f'{mounts} && exec /usr/bin/python3 "$@"'
    result = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script,
                             "sh", *sys.argv, "inside"], check=False)
    for folder in made:
        try:
            os.rmdir(folder)
        except OSError:
            pass
    sys.exit(result.returncode)


def empty_places(scratch):
    for folder in FOLDERS:
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.remove(path)
    scratch.file("libvirtd.conf", 'auth_unix_rw = "none"\nauth_unix_ro = "none"\n')


def start_libvirtd(scratch):
    scratch.count += 1
    daemon = Daemon([LIBVIRTD, "--config", scratch.file("libvirtd.conf")],
                    scratch.file(f"log.{scratch.count}"), env=ENVIRONMENT)
    daemon.wait_for_socket("/run/libvirt/libvirt-sock")
    wait_until(lambda: virsh("pool-list", check=False).returncode == 0, "libvirtd's storage")
    return daemon


def start_cisternd(scratch, *options, sock="/run/libvirt/virtstoraged-sock"):
    daemon = scratch.start_plain(*options, env=ENVIRONMENT)
    daemon.wait_for_socket(sock + "-ro")
    return daemon


def virsh(*arguments, uri="storage:///system", check=True, wrapper=()):
    """As any user would: the client finds the socket by itself."""
    result = subprocess.run([*wrapper, "virsh", "-q", "-c", uri, *arguments],
                            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                            env=ENVIRONMENT, check=False)
    assert not check or result.returncode == 0, f"virsh {arguments}: {result.stderr}"
    return result.stdout.strip() if check else result


def pools():
    """name → state and autostart, as the list shows them."""
    rows = (line.split() for line in virsh("pool-list", "--all").splitlines())
    return {row[0]: tuple(row[1:]) for row in rows}


def files():
    """Each file of the definitions and states → what it holds."""
    found = {}
    for base in ("/etc/libvirt/storage", "/run/libvirt/storage"):
        for where, _, names in os.walk(base):
            for name in names:
                path = os.path.join(where, name)
                if os.path.islink(path):
                    found[path] = os.readlink(path)
                elif name.endswith(".xml"):
                    with open(path, "rb") as file:
                        found[path] = hashlib.sha256(file.read()).hexdigest()
    return found


def make_pools(scratch):
    for name in ("running", "waiting", "passing", "own words"):
        folder = scratch.file(f"pools/{name}")
        os.mkdir(folder)
        with open(os.path.join(folder, f"in {name}"), "wb") as volume:
            volume.write(b"x" * 4096)
        virsh("pool-create-as" if name == "passing" else "pool-define-as", name, "dir", "--target",
              folder)
    for name in ("running", "own words"):
        virsh("pool-autostart", name)
    virsh("pool-start", "running")


EXPECTED = {"running": ("active", "yes"), "waiting": ("inactive", "no"),
            "passing": ("active", "no")}


def seen():
    state = pools()
    state.pop("own", None) # the one with a blank in its name: looked at below
    return state


def adoption(scratch):
    """Pools, states and autostart links of libvirtd are taken over as they are"""
    empty_places(scratch)
    libvirtd = start_libvirtd(scratch)
    make_pools(scratch)
    assert seen() == EXPECTED, seen()
    documents = {name: virsh("pool-dumpxml", name) for name in (*EXPECTED, "own words")}
    before = files()
    assert len(before) == 7, before
    libvirtd.signal(signal.SIGTERM)
    assert libvirtd.wait() == 0
    for leftover in ("/run/libvirt/libvirt-sock", "/run/libvirt/libvirt-sock-ro"):
        if os.path.exists(leftover):
            os.remove(leftover)
    daemon = start_cisternd(scratch, "--libvirt")
    assert files() == before
    assert seen() == EXPECTED, seen()
    assert virsh("pool-info", "own words").count("no") + virsh("pool-info", "own words").count(
        "inactive") > 0
    assert "Autostart:      yes" in virsh("pool-info", "own words")
    assert "Persistent:     no" in virsh("pool-info", "passing")
    for name, document in documents.items():
        assert steady(virsh("pool-dumpxml", name)) == steady(document), name
    assert "in running" in virsh("vol-list", "running")
    virsh("vol-create-as", "running", "new", "1M")
    virsh("pool-autostart", "running", "--disable")
    virsh("pool-autostart", "waiting")
    virsh("pool-start", "waiting")
    assert os.readlink("/etc/libvirt/storage/autostart/waiting.xml") == \
        "/etc/libvirt/storage/waiting.xml"
    assert not os.path.lexists("/etc/libvirt/storage/autostart/running.xml")
    assert daemon.stop() == 0
    assert not os.path.exists("/run/libvirt/virtstoraged-sock")
    libvirtd = start_libvirtd(scratch)
    state = seen()
    assert state["waiting"] == ("active", "yes") and state["running"] == ("active", "no"), state
    assert state["passing"] == ("active", "no"), state
    assert "new" in virsh("vol-list", "running")
    libvirtd.signal(signal.SIGTERM)
    libvirtd.wait()


def steady(document):
    """Without what another's writing to the file system changes."""
    return [line for line in document.splitlines()
            if not line.strip().startswith(("<allocation", "<available"))]


def one_at_a_time(scratch):
    """libvirtd and cisternd --libvirt refuse to work beside each other"""
    empty_places(scratch)
    libvirtd = start_libvirtd(scratch)
    other = scratch.start_plain("--libvirt", env=ENVIRONMENT)
    assert other.wait() == 5
    assert f"process {libvirtd.process.pid} works with the state folder '/run/libvirt/storage'; " \
           "stop it first" in other.log, other.log
    assert virsh("pool-list") == ""
    libvirtd.signal(signal.SIGTERM)
    libvirtd.wait()
    daemon = start_cisternd(scratch, "--libvirt")
    second = scratch.start_plain("--libvirt", env=ENVIRONMENT)
    assert second.wait() == 5 and f"process {daemon.process.pid} works with" in second.log
    assert virsh("pool-list") == "", "the first one's sockets are untouched"
    assert daemon.stop() == 0


def crash(scratch):
    """After kill -9 what ran still runs, and nothing is started a second time in one boot"""
    empty_places(scratch)
    daemon = start_cisternd(scratch, "--libvirt")
    make_pools(scratch)
    virsh("pool-autostart", "waiting")
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    daemon = start_cisternd(scratch, "--libvirt")
    assert seen() == {**EXPECTED, "waiting": ("inactive", "yes")}, seen()
    assert daemon.stop() == 0
    # As after the next boot.
    for name in os.listdir("/run/libvirt/storage"):
        os.remove(os.path.join("/run/libvirt/storage", name))
    daemon = start_cisternd(scratch, "--libvirt")
    assert seen() == {"running": ("active", "yes"), "waiting": ("active", "yes")}, seen()
    assert daemon.stop() == 0


def own_place(scratch):
    """The system's own daemon: anybody may read, and nobody is let in without being asked"""
    empty_places(scratch)
    daemon = start_cisternd(scratch, sock="/run/cistern/cistern-sock")
    uri = "storage:///system?socket=/run/cistern/cistern-sock"
    for path, mode in ("/run/cistern", 0o755), ("/run/cistern/cistern-sock", 0o666), \
                      ("/run/cistern/cistern-sock-ro", 0o666), ("/run/cistern/storage", 0o700), \
                      ("/etc/cistern/storage", 0o700):
        assert stat.S_IMODE(os.stat(path).st_mode) == mode, (path, oct(os.stat(path).st_mode))
    virsh("pool-define-as", "p", "dir", "--target", scratch.path, uri=uri)
    assert os.path.exists("/etc/cistern/storage/p.xml")
    assert virsh("pool-list", "--all", "--name", uri=uri + "-ro", wrapper=NOBODY) == "p"
    denied = virsh("pool-undefine", "p", uri=uri + "-ro", wrapper=NOBODY, check=False)
    assert "read only access prevents" in denied.stderr
    # There is no polkit to ask here.
    denied = virsh("pool-list", uri=uri, wrapper=NOBODY, check=False)
    assert denied.returncode != 0, denied
    assert virsh("pool-list", uri=uri.replace("/system", "/session"), check=False).returncode != 0
    assert daemon.stop() == 0
    scratch.file("/etc/cistern/cisternd.conf", "auth_unix_rw = 'none'\nnonsense = 1\n")
    broken = scratch.start_plain(env=ENVIRONMENT)
    assert broken.wait() != 0 and "/etc/cistern/cisternd.conf:2: unknown key" in broken.log
    scratch.file("/etc/cistern/cisternd.conf", "auth_unix_rw = 'none'\n")
    daemon = start_cisternd(scratch, sock="/run/cistern/cistern-sock")
    assert virsh("pool-list", "--all", "--name", uri=uri, wrapper=NOBODY) == "p"
    assert daemon.stop() == 0


URIS = {"system": ("storage:///system", "cistern:///system", "storage+unix:///system?mode=direct"),
        "session": ("storage:///session", "cistern+unix:///session?no_verify=1")}


def cistern(*arguments, wrapper=(), **environment):
    """Returns its status and all it says."""
    result = subprocess.run([*wrapper, os.path.realpath(sys.argv[2]), *arguments], text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=60, check=False,
                            env={**ENVIRONMENT, **environment, "CISTERN_DEFAULT_URI": ""})
    return result.returncode, result.stdout


def assert_found(socket, kind, **where):
    """By every URI, and without one; the text says which daemon it is."""
    for uri in ("", *URIS[kind]):
        for readonly in ("", "-ro") if kind == "system" else ("",):
            options = [*(["--connect", uri] if uri else []), *(["--readonly"] if readonly else [])]
            said = cistern(*options, "uri", **where)
            assert said == (0, f"cistern+unix:///{kind}?socket={socket}{readonly}\n"), (uri, said)


def found(scratch):
    """Our client finds the system's daemon in either place, and serves itself only without any"""
    empty_places(scratch)
    for options, sock in ((["--libvirt"], "/run/libvirt/virtstoraged-sock"),
                          ([], "/run/cistern/cistern-sock")):
        daemon = start_cisternd(scratch, *options, sock=sock)
        assert_found(sock, "system")
        assert daemon.stop() == 0
    assert not os.path.exists("/var/lib/cistern/embed")
    for uri in URIS["system"]:
        status, said = cistern("-c", uri, "pool-list")
        assert status == 9 and "no daemon answers" in said and "start cisternd" in said, said
        assert "'/run/libvirt/virtstoraged-sock'" in said and "'/run/cistern/cistern-sock'" in said
    assert cistern("uri") == (0, "embed:///var/lib/cistern/embed\n")
    # A daemon that can't be asked is no reason to serve beside it.
    os.makedirs("/run/cistern", exist_ok=True)
    os.symlink("cistern-sock", "/run/cistern/cistern-sock")
    assert cistern("uri")[0] == 9


def found_in_session(scratch):
    """So does that of a user"""
    home = scratch.file("home/x")[:-2]
    where = {"HOME": home, "XDG_RUNTIME_DIR": home, "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home}
    shutil.chown(home, "nobody", "nogroup")
    for options, sock in ((["--libvirt"], "libvirt/virtstoraged-sock"), ([], "cistern/cistern-sock")):
        log = scratch.file(f"log{len(options)}", "")
        daemon = Daemon([*NOBODY, scratch.program, *options], log, env={**ENVIRONMENT, **where})
        daemon.wait_for_socket(os.path.join(home, sock))
        assert_found(os.path.join(home, sock), "session", wrapper=NOBODY, **where)
        assert daemon.stop() == 0


if __name__ == "__main__":
    enter_namespace()
    run_all([adoption, one_at_a_time, crash, own_place, found, found_in_session], os.path.realpath(sys.argv[1]))
