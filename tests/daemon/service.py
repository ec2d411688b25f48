#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""cisternd as a service: readiness, socket activation, reload, stop, idleness, users' own daemons.

usage: service.py CISTERND
"""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

import libvirt

from scratch import Daemon, run_all, wait_until

POOL = ("<pool type='dir'><name>{0}</name><uuid>b1a1d3f0-1234-4000-8000-000000000000</uuid>"
        "<target><path>{1}</path></target></pool>")
NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]

libvirt.registerErrorHandler(lambda *_: None, None)


# ---- the service manager ----

class Manager:
    """The socket that a service manager listens on, and what it has heard."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(20)
        self.environment = {**os.environ, "NOTIFY_SOCKET": path}

    def next(self, skip=("WATCHDOG=1",)):
        while True:
            text = self.socket.recv(4096).decode()
            if text not in skip:
                return text


def readiness(scratch):
    """READY, RELOADING and STOPPING are told in their order"""
    manager = Manager(scratch.file("manager"))
    daemon = scratch.start(env=manager.environment)
    assert manager.next() == "READY=1"
    scratch.virsh("pool-list")
    for _ in range(2):
        daemon.signal(signal.SIGHUP)
        first, second = manager.next(), manager.next()
        assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", first), first
        assert second == "READY=1"
    daemon.signal(signal.SIGTERM)
    assert manager.next() == "STOPPING=1"
    assert daemon.wait() == 0
    assert not os.path.exists(scratch.socket)


def watchdog(scratch):
    """Signs of life come twice in the time that was asked for, from nobody else"""
    manager = Manager(scratch.file("manager"))
    environment = {**manager.environment, "WATCHDOG_USEC": "400000"}
    daemon = scratch.start(env=environment)
    assert manager.next() == "READY=1"
    begin = time.monotonic()
    for _ in range(5):
        assert manager.next(skip=()) == "WATCHDOG=1"
    assert time.monotonic() - begin < 2
    daemon.stop()
    other = Manager(scratch.file("other"))
    daemon = scratch.start(env={**other.environment, "WATCHDOG_USEC": "100000",
                                "WATCHDOG_PID": "1"})
    assert other.next() == "READY=1"
    other.socket.settimeout(1)
    try:
        raise AssertionError(other.next(skip=()))
    except socket.timeout:
        pass
    daemon.stop()


# ---- socket activation ----

def listen(path=None):
    """A listening socket of a file, or of the loopback network."""
    result = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
    result.bind(path if path else ("127.0.0.1", 0))
    result.listen()
    return result


def activate(scratch, sockets, names, *options):
    """Starts a daemon with these sockets as the service manager would."""
    numbers = [item.fileno() for item in sockets]

    def place():
        copies = [os.dup(number) for number in numbers]
        high = [os.dup2(copy, 100 + i) for i, copy in enumerate(copies)]
        for i, number in enumerate(high):
            os.dup2(number, 3 + i)
            os.set_inheritable(3 + i, True)
    environment = {**os.environ, "LISTEN_FDS": str(len(sockets))}
    if names:
        environment["LISTEN_FDNAMES"] = names
    scratch.count += 1
    return Daemon(["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", scratch.program, "--root",
                   scratch.root, *options], scratch.file(f"log.{scratch.count}"),
                  env=environment, preexec_fn=place, close_fds=False)


def activation(scratch):
    """Sockets of the service manager are served for what their names say, and stay"""
    paths = [scratch.file("first"), scratch.file("second")]
    sockets = [listen(path) for path in paths]
    daemon = activate(scratch, sockets, "cisternd-ro.socket:cisternd.socket")
    # Clients may come before it is there.
    scratch.virsh("pool-define", scratch.file("p.xml", POOL.format("p", scratch.path)),
                  uri=scratch.uri(paths[1]))
    assert scratch.virsh("pool-list", "--all", "--name", uri=scratch.uri(paths[0])) == "p"
    refused = scratch.virsh("pool-undefine", "p", uri=scratch.uri(paths[0]), check=False)
    assert "read only access prevents" in refused.stderr, refused.stderr
    assert not os.path.exists(scratch.socket), "it has made sockets of its own"
    assert daemon.stop() == 0
    assert all(os.path.exists(path) for path in paths)
    # The next one finds those that wait, and knows the sockets by their files.
    shutil.move(paths[0], paths[0] + "-sock-ro")
    client = subprocess.Popen(["virsh", "-q", "-c", scratch.uri(paths[1]), "pool-list", "--all",
                               "--name"], stdout=subprocess.PIPE, text=True)
    daemon = activate(scratch, sockets, None)
    assert client.communicate(timeout=30)[0].strip() == "p"
    daemon.stop()
    for item in sockets:
        item.close()


def activation_by_systemd(scratch):
    """systemd-socket-activate starts it with the first client"""
    path = scratch.file("sock")
    scratch.count += 1
    daemon = Daemon(["systemd-socket-activate", "-l", path, "--fdname=cisternd", scratch.program,
                     "--root", scratch.root], scratch.file("log.0"))
    wait_until(lambda: "Listening on" in daemon.log, "the socket")
    assert not os.path.exists(scratch.root)
    assert scratch.virsh("pool-list", uri=scratch.uri(path)) == ""
    assert daemon.stop() == 0


def bad_activation(scratch):
    """What is no listening socket of the right kind is refused"""
    pair = socket.socketpair()
    cases = [([pair[0]], "cisternd.socket", "not a listening stream socket"),
             ([listen()], "cisternd.socket", "not of the kind"),
             ([listen(scratch.file("tls"))], "cisternd-tls.socket", "not of the kind")]
    for sockets, names, message in cases:
        daemon = activate(scratch, sockets, names)
        assert daemon.wait() != 0
        assert message in daemon.log, daemon.log
        for item in sockets:
            item.close()
    pair[1].close()


# ---- configuration and reload ----

def configuration(scratch):
    """Modes, groups and limits of the configuration hold; faults keep it from starting"""
    config = scratch.file("c.conf", "unix_sock_ro_perms = \"0640\"\nunix_sock_rw_perms = '0777'\n"
                                    "max_clients = 2\nunix_sock_group = \"daemon\"\n")
    daemon = scratch.start("--config", config)
    ro, rw = os.stat(scratch.socket + "-ro"), os.stat(scratch.socket)
    assert (stat.S_IMODE(ro.st_mode), stat.S_IMODE(rw.st_mode)) == (0o640, 0o777)
    if os.geteuid() == 0:
        assert ro.st_gid == rw.st_gid == 1
    held = [libvirt.open(scratch.uri()) for _ in range(2)]
    assert scratch.virsh("pool-list", check=False).returncode != 0
    held.pop().close()
    wait_until(lambda: scratch.virsh("pool-list", check=False).returncode == 0, "a place")
    daemon.stop()
    scratch.file("c.conf", "# one\nmax_clients = 0\n")
    for option in (), ("--check-config",):
        broken = scratch.start_plain("--root", scratch.root, "-f", config, *option)
        assert broken.wait() == 2, broken.process.returncode
        assert f"{config}:2: 'max_clients' is a number from 1" in broken.log, broken.log
    scratch.file("root/etc/cisternd.conf", "nonsense = 1\n")
    broken = scratch.start_plain("--root", scratch.root)
    assert broken.wait() != 0 and "etc/cisternd.conf:1: unknown key 'nonsense'" in broken.log
    os.remove(scratch.file("root/etc/cisternd.conf"))
    for option in "--root", "--config":
        nothing = scratch.start_plain(option, "", cwd=scratch.path)
        assert nothing.wait() == 2 and f"{option} names nothing" in nothing.log, nothing.log
    missing = scratch.start_plain("--root", scratch.root, "-f", "/does/not/exist")
    assert missing.wait() != 0 and "/does/not/exist" in missing.log


UNUSABLE = (("unix_sock_group = 'no-such-group'", 2, "'unix_sock_group' can't be 'no-such-group'"),
            ("listen_addr = 'no such host'\nlisten_tcp = 1", 2, "'listen_addr' can't be 'no such"),
            ("listen_addr = '192.0.2.1'\nlisten_tcp = 1", 2, "'listen_addr' can't be '192.0.2.1'"),
            ("listen_tls = 1\ntls_priority = 'FOO'", 3, "'tls_priority': GnuTLS does not take"),
            ("listen_tls = 1\nca_file = '/no/ca'", 3, "'ca_file': can't read '/no/ca'"),
            ("ca_file = '/etc/passwd'\nlisten_tls = 1", 2, "'ca_file': /etc/passwd"),
            ("listen_tls = 1\ntls_port = 16509\nlisten_tcp = 1", 3,
             "'tls_port' and 'tcp_port' are both 16509"))


def unusable(scratch):
    """A value that this machine can't use is refused with its line, in use and only looked at"""
    config = scratch.file("root/etc/cisternd.conf")
    for text, line, words in UNUSABLE:
        scratch.file("root/etc/cisternd.conf", f"\n{text}\n")
        for option in (), ("--check-config",):
            broken = scratch.start_plain("--root", scratch.root, *option)
            assert broken.wait() == 2, (text, broken.process.returncode)
            assert f"{config}:{line}: {words}" in broken.log, broken.log
        assert not os.path.exists(os.path.join(scratch.root, "run")), "nothing was begun"
    # A default that doesn't hold is blamed on what makes it count.
    certificate = "/etc/pki/libvirt/servercert.pem"
    if not os.path.exists(certificate):
        scratch.file("root/etc/cisternd.conf", "\nlisten_tls = 1\n")
        broken = scratch.start_plain("--root", scratch.root, "--check-config")
        assert broken.wait() == 2 and f"{config}:2: '" in broken.log, broken.log
    # What nothing uses isn't looked at.
    scratch.file("root/etc/cisternd.conf", "ca_file = '/no/ca'\nlisten_addr = 'no such host'\n")
    assert scratch.start_plain("--root", scratch.root, "--check-config").wait() == 0


def bad_reload(scratch):
    """SIGHUP with a bad configuration reads nothing, and the log doesn't say otherwise"""
    daemon = scratch.start("--verbose")
    config = scratch.file("root/etc/cisternd.conf")
    scratch.file("root/etc/new.xml", POOL.format("new", scratch.path))
    for text, line in ("x = 1\n", 1), ("\nunix_sock_group = 'no-such-group'\n", 2):
        scratch.file("root/etc/cisternd.conf", text)
        daemon.signal(signal.SIGHUP)
        complaint = f"error: everything stays as it was: {config}:{line}: "
        wait_until(lambda words=complaint: words in daemon.log, "a complaint")
    assert scratch.virsh("pool-list", "--all", "--name") == ""
    assert "info: reloaded" not in daemon.log, daemon.log
    scratch.file("root/etc/cisternd.conf", "")
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: "info: reloaded" in daemon.log, "a reload")
    assert scratch.virsh("pool-list", "--all", "--name") == "new"
    assert daemon.stop() == 0


def reload(scratch):
    """SIGHUP brings new definitions, and of the configuration what can change"""
    config = scratch.file("root/etc/cisternd.conf", "log_level = \"warning\"\n")
    daemon = scratch.start()
    scratch.virsh("pool-define-as", "old", "dir", "--target", scratch.path)
    scratch.virsh("pool-start", "old")
    scratch.file("root/etc/new.xml", POOL.format("new", scratch.file("folder")))
    scratch.file("root/etc/other-name.xml", POOL.format("wrong", scratch.path))
    scratch.file("root/etc/cisternd.conf", "log_level = 'debug'\nmax_clients = 7\n")
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: "new" in scratch.virsh("pool-list", "--all", "--name").split(), "the pool")
    assert scratch.virsh("pool-list", "--name") == "old", "what ran goes on, nothing is started"
    assert "other-name.xml' does not match pool name 'wrong'" in daemon.log
    assert f"{config}: these count when the daemon starts again: max_clients" in daemon.log
    assert re.search(r"debug: request \d+ of \S+: CONNECT_OPEN: done, [\d.]+ ms", daemon.log)
    scratch.file("root/etc/cisternd.conf", "log_level = \"error\"\nlog_level = \"error\"\n")
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: "conf:2: 'log_level' is set in line 1 already" in daemon.log, "a complaint")
    size = len(daemon.log)
    scratch.virsh("pool-list")
    wait_until(lambda: len(daemon.log) > size, "the old level")
    for _ in range(20):
        daemon.signal(signal.SIGHUP)
    scratch.virsh("pool-list")
    assert daemon.stop() == 0


def log_lines(scratch):
    """A failed call is logged once: number, caller, call, pool, reason"""
    daemon = scratch.start("--log-level", "info")
    scratch.virsh("pool-create-as", "p", "dir", "--target", scratch.path)
    scratch.virsh("pool-info", "nobody-there", check=False)
    scratch.virsh("vol-delete", "nothing", "--pool", "p", check=False)
    scratch.virsh("pool-delete", "p", check=False)
    daemon.stop()
    failed = [line for line in daemon.log.splitlines() if "failed" in line]
    patterns = [r"request \d+ of unix:\d+: STORAGE_POOL_LOOKUP_BY_NAME: failed, [\d.]+ ms: "
                r"Storage pool not found: no storage pool with matching name 'nobody-there'",
                r"request \d+ of unix:\d+: STORAGE_POOL_DELETE in pool 'p': failed, [\d.]+ ms: "]
    for pattern in patterns:
        assert sum(bool(re.search(pattern, line)) for line in failed) == 1, failed
    assert len({re.search(r"request (\d+)", line)[1] for line in failed}) == len(failed)


# ---- the end ----

def slow_tool(scratch, seconds):
    """An environment in which copies by qemu-img take that long."""
    real = shutil.which("qemu-img")
    scratch.file("bin/qemu-img", f"""#!/bin/sh
if test "$1" = convert; then touch {scratch.path}/converting; sleep {seconds}; fi
exec {real} "$@"
""", 0o755)
    return {**os.environ, "PATH": scratch.file("bin") + ":" + os.environ["PATH"]}


def begin_clone(scratch, seconds, config=""):
    """A daemon in which a clone is going on, and the clone's client."""
    scratch.file("root/etc/cisternd.conf", config)
    os.mkdir(scratch.file("pool"))
    daemon = scratch.start(env=slow_tool(scratch, seconds))
    scratch.virsh("pool-create-as", "p", "dir", "--target", scratch.file("pool"))
    scratch.virsh("vol-create-as", "p", "a", "4M", "--format", "vmdk")
    clone = subprocess.Popen(["virsh", "-q", "-c", scratch.uri(), "vol-clone", "a", "b", "--pool",
                              "p"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: os.path.exists(scratch.file("converting")), "the clone")
    return daemon, clone


def left_in_pool(scratch):
    return sorted(os.listdir(scratch.file("pool")))


def graceful_stop(scratch):
    """A clone that runs when it is to stop is finished; nothing new is begun"""
    daemon, clone = begin_clone(scratch, 3)
    early = libvirt.open(scratch.uri())
    daemon.signal(signal.SIGTERM)
    wait_until(lambda: not os.path.exists(scratch.socket), "the socket's end")
    assert scratch.virsh("pool-list", check=False).returncode != 0
    try:
        early.listAllStoragePools()
        raise AssertionError("a call was taken")
    except libvirt.libvirtError as error:
        assert "the daemon is stopping" in str(error), error
    assert daemon.process.poll() is None and clone.poll() is None
    _, problem = clone.communicate(timeout=30)
    assert clone.returncode == 0, (clone.returncode, problem)
    assert daemon.wait() == 0
    assert left_in_pool(scratch) == ["a", "b"]
    scratch.start()
    assert scratch.virsh("vol-list", "p").split()[0::2] == ["a", "b"]
    report = subprocess.run(["qemu-img", "compare", scratch.file("pool/a"),
                             scratch.file("pool/b")], check=False, capture_output=True)
    assert report.returncode == 0, report.stdout


def stop_with_limit(scratch):
    """What takes longer than stop_timeout is called off, and leaves nothing"""
    daemon, clone = begin_clone(scratch, 60, "stop_timeout = 1\n")
    begin = time.monotonic()
    assert daemon.stop() == 0
    assert 1 <= time.monotonic() - begin < 15
    assert clone.wait(30) != 0
    assert left_in_pool(scratch) == ["a"]
    assert re.search(r"job \d+ \(clone, pool 'p', volume b\) for unix:\d+ is called off", daemon.log)


def stop_at_once(scratch):
    """A second signal doesn't wait"""
    daemon, clone = begin_clone(scratch, 60)
    daemon.signal(signal.SIGTERM)
    time.sleep(0.5)
    assert daemon.process.poll() is None
    begin = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - begin < 12
    assert clone.wait(30) != 0
    assert left_in_pool(scratch) == ["a"]


# ---- the end, with streams ----

MIB = 1024 * 1024
BLOCK = bytes(range(256)) * (MIB // 256)


def open_volume(scratch, size, config=""):
    """A daemon with a pool and a volume in it, and a connection that holds the volume."""
    scratch.file("root/etc/cisternd.conf", config)
    os.makedirs(scratch.file("pool"), exist_ok=True)
    daemon = scratch.start()
    scratch.virsh("pool-create-as", "p", "dir", "--target", scratch.file("pool"))
    scratch.virsh("vol-create-as", "p", "v", str(size), "--format", "raw")
    connection = libvirt.open(scratch.uri())
    return daemon, connection, connection.storagePoolLookupByName("p").storageVolLookupByName("v")


def begin_upload(connection, volume):
    """An upload whose client pauses when it has sent a part."""
    stream = connection.newStream()
    volume.upload(stream, 0, 0)
    for _ in range(4):
        send(stream, BLOCK)
    path = volume.path()
    wait_until(lambda: read(path).startswith(BLOCK * 4), "what was sent")
    return stream


def send(stream, data):
    while data:
        data = data[stream.send(data):]


def read(path):
    with open(path, "rb") as file:
        return file.read()


def receive(stream):
    """What is left of it, to its end."""
    parts = []
    while not parts or parts[-1]:
        parts.append(stream.recv(MIB))
    return b"".join(parts)


def ask_to_stop(scratch, daemon):
    """Looks a while whether it goes on after the signal, as it should."""
    daemon.signal(signal.SIGTERM)
    wait_until(lambda: not os.path.exists(scratch.socket), "the socket's end")
    time.sleep(0.5)
    assert daemon.process.poll() is None, daemon.log


def paused_upload(scratch):
    """An upload that pauses when it is to stop is finished"""
    daemon, connection, volume = open_volume(scratch, 6 * MIB)
    stream = begin_upload(connection, volume)
    ask_to_stop(scratch, daemon)
    send(stream, BLOCK * 2)
    stream.finish()
    assert daemon.wait() == 0
    assert read(scratch.file("pool/v")) == BLOCK * 6
    assert "called off" not in daemon.log, daemon.log


def upload_from_pipe(scratch):
    """The same by virsh, whose input comes in two parts"""
    daemon, connection, _ = open_volume(scratch, 6 * MIB)
    connection.close()
    pipe, path = scratch.file("fifo"), scratch.file("pool/v")
    os.mkfifo(pipe)
    with subprocess.Popen(["virsh", "-q", "-c", scratch.uri(), "vol-upload", "v", pipe, "--pool",
                           "p"], stderr=subprocess.PIPE, text=True) as client:
        with open(pipe, "wb") as source:
            source.write(BLOCK * 4)
            source.flush()
            wait_until(lambda: BLOCK * 3 in read(path), "what was sent")
            ask_to_stop(scratch, daemon)
            source.write(BLOCK * 2)
        _, problem = client.communicate(timeout=30)
        assert client.returncode == 0, problem
    assert daemon.wait() == 0
    assert read(path) == BLOCK * 6


def paused_download(scratch):
    """A download whose reader pauses when it is to stop goes on to its end"""
    daemon, connection, volume = open_volume(scratch, 8 * MIB)
    with open(volume.path(), "r+b") as file:
        file.write(BLOCK * 8)
    stream = connection.newStream()
    volume.download(stream, 0, 0)
    begin = stream.recv(MIB)
    ask_to_stop(scratch, daemon)
    assert begin + receive(stream) == BLOCK * 8
    finished = time.monotonic()
    stream.finish()
    assert daemon.wait() == 0
    assert time.monotonic() - finished > 0.9, "there was no time to hang up in"
    connection.close()
    assert "called off" not in daemon.log, daemon.log


def endless_streams(scratch):
    """Streams that never end are called off after stop_timeout, and the log says why"""
    daemon, connection, volume = open_volume(scratch, 8 * MIB, "stop_timeout = 1\n")
    scratch.virsh("vol-create-as", "p", "w", str(8 * MIB), "--format", "raw")
    other = connection.storagePoolLookupByName("p").storageVolLookupByName("w")
    upload, download = begin_upload(connection, volume), connection.newStream()
    other.download(download, 0, 0)
    begin = time.monotonic()
    assert daemon.stop() == 0
    assert 1 <= time.monotonic() - begin < 15
    for word, name in ("upload", "v"), ("download", "w"):
        assert re.search(rf"job \d+ \({word}, pool 'p', volume {name}\) for unix:\d+ is called "
                         "off: it did not end within 1 seconds", daemon.log), daemon.log
    for stream in upload, download:
        try:
            stream.finish()
            raise AssertionError("its end was confirmed")
        except libvirt.libvirtError:
            pass


def stop_streams_at_once(scratch):
    """A second signal doesn't wait for streams, and the log says why"""
    daemon, connection, volume = open_volume(scratch, 8 * MIB)
    stream = begin_upload(connection, volume)
    ask_to_stop(scratch, daemon)
    assert daemon.stop() == 0
    assert "is called off: the daemon was asked for a second time to stop" in daemon.log
    del stream


def idle(scratch):
    """--timeout: it ends when nobody is there, not before"""
    daemon = scratch.start("--timeout", "1")
    connection = libvirt.open(scratch.uri())
    time.sleep(2.5)
    assert daemon.process.poll() is None and connection.isAlive()
    connection.close()
    begin = time.monotonic()
    assert daemon.wait() == 0
    assert 0.8 < time.monotonic() - begin < 5
    wrong = scratch.start_plain("--root", scratch.root, "--timeout", "-1")
    assert wrong.wait() != 0 and "--timeout" in wrong.log


def second(scratch):
    """A second daemon for the same folder is told who is there"""
    first = scratch.start()
    other = scratch.start_plain("--root", scratch.root)
    assert other.wait() == 5
    assert f"in use by process {first.process.pid} (cisternd)" in other.log, other.log
    scratch.virsh("pool-list")
    both = scratch.start_plain("--root", scratch.root, "--libvirt")
    assert both.wait() == 2 and "--libvirt" in both.log
    assert first.stop() == 0


# ---- a user's own ----

def session(scratch):
    """A user without privileges has a daemon of his own, in his folders"""
    home = scratch.file("home")
    runtime = scratch.file("runtime")
    program = scratch.file("cisternd")
    shutil.copy(scratch.program, program)
    for folder in (home, runtime):
        os.mkdir(folder, 0o700)
    as_user = []
    if os.geteuid() == 0:
        as_user = NOBODY
        for folder in (home, runtime):
            shutil.chown(folder, "nobody", "nogroup")
    environment = {"PATH": os.environ["PATH"], "HOME": home, "XDG_RUNTIME_DIR": runtime}
    for option, folder, name in ([], "cistern", "cistern-sock"), \
                                (["--libvirt"], "libvirt", "virtstoraged-sock"):
        sockets = os.path.join(runtime, folder)
        daemon = Daemon([*as_user, program, *option], scratch.file("log." + folder),
                        env=environment)
        daemon.wait_for_socket(os.path.join(sockets, name))
        assert stat.S_IMODE(os.stat(sockets).st_mode) == 0o700
        assert stat.S_IMODE(os.stat(os.path.join(sockets, name)).st_mode) & 0o077 == 0
        assert not os.path.exists(os.path.join(sockets, name + "-ro"))

        def virsh(path, *arguments, socket_name=os.path.join(sockets, name)):
            return subprocess.run([*as_user, "virsh", "-q", "-c",
                                   f"storage://{path}?socket={socket_name}", *arguments],
                                  env=environment, capture_output=True, text=True, check=False)
        pool = os.path.join(home, "pool-" + folder)
        made = virsh("/session", "pool-define-as", "mine", "dir", "--target", pool)
        assert made.returncode == 0, made.stderr
        for call in ("pool-build", "pool-autostart", "pool-start"):
            assert virsh("/session", call, "mine").returncode == 0
        assert virsh("/session", "vol-create-as", "mine", "v", "1M").returncode == 0
        assert virsh("/session", "-r", "pool-list", "--name").stdout.strip() == "mine"
        assert virsh("/system", "pool-list").returncode != 0
        assert os.path.exists(os.path.join(home, ".config", folder, "storage/mine.xml"))
        states = "storage/run" if option else "storage"
        assert os.path.exists(os.path.join(sockets, states, "mine.xml"))
        assert daemon.stop() == 0


if __name__ == "__main__":
    run_all([readiness, watchdog, activation, activation_by_systemd, bad_activation, configuration,
             unusable, reload, bad_reload, log_lines, graceful_stop, stop_with_limit, stop_at_once,
             paused_upload, upload_from_pipe, paused_download, endless_streams,
             stop_streams_at_once, idle, second,
             session], os.path.realpath(sys.argv[1]))
