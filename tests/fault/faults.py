#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Systematic fault injection, as TAP.

Every changing command runs once untouched while strace counts its storage calls.
Then it runs again for the n-th call of every kind, for every n: once the call fails,
once the process is killed there. Each time a fresh start must find the state before
or the state after, with nothing half made, nothing lost, and nothing outside the
pool's folder touched.

usage: faults.py CISTERN [--only SCENARIO] [--jobs N]
"""

import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

# What changes or reads storage, with the error each fails with.
CALLS = {
    "openat2": "EIO", "mkdirat": "ENOSPC", "unlinkat": "EIO", "unlink": "EIO", "rmdir": "EIO",
    "renameat2": "EIO", "renameat": "EIO", "rename": "EIO", "linkat": "EIO", "symlinkat": "ENOSPC",
    "ftruncate": "EIO", "fallocate": "ENOSPC", "fsync": "EIO", "fdatasync": "EIO",
    "pwrite64": "ENOSPC", "copy_file_range": "EIO", "ioctl": "EIO", "fchmod": "EPERM",
    "fchown": "EPERM", "flock": "EIO", "pread64": "EIO", "getdents64": "EIO", "statx": "EIO",
    "fstatfs": "EIO", "mkdir": "ENOSPC", "fsetxattr": "ENOSPC", "lseek": "EIO",
}
# Killing where nothing was written yet shows nothing new.
NOT_KILLED = {"pread64", "getdents64", "statx", "fstatfs", "lseek"}
DRAFT = ".cistern-draft."
TIME_LIMIT = 60

# name: (arguments after the connection, a volume or folder that may be neither as before nor as
# after: what a wipe left of the data, a folder that was built for a pool that then didn't start)
SCENARIOS = {
    "pool-define": (["pool-define", "{home}/second.xml"], None),
    "pool-create": (["pool-create", "{home}/second.xml", "--build"], "second"),
    "pool-undefine": (["pool-undefine", "idle"], None),
    "pool-autostart": (["pool-autostart", "idle"], None),
    "pool-autostart-off": (["pool-autostart", "auto", "--disable"], None),
    "pool-build": (["pool-build", "unbuilt"], None),
    "pool-start": (["pool-start", "idle"], None),
    "pool-destroy": (["pool-destroy", "images"], None),
    "pool-delete": (["pool-delete", "empty"], None),
    "pool-refresh": (["pool-refresh", "images"], None),
    "create-raw": (["vol-create-as", "images", "new", "1M", "--allocation", "0"], None),
    "create-raw-full": (["vol-create-as", "images", "new", "1M"], None),
    "create-qcow2": (["vol-create-as", "images", "new", "1M", "--format", "qcow2"], None),
    "create-overlay": (["vol-create-as", "images", "new", "1M", "--format", "qcow2",
                        "--backing-vol", "image", "--backing-vol-format", "qcow2"], None),
    "create-by-tool": (["vol-create-as", "images", "new", "1M", "--format", "vmdk"], None),
    "create-folder": (["vol-create-as", "images", "new", "0", "--format", "dir"], None),
    "clone-raw": (["vol-clone", "keep", "new", "--pool", "images"], None),
    "clone-qcow2": (["vol-clone", "image", "new", "--pool", "images"], None),
    "convert": (["vol-create-from", "images", "{home}/converted.xml", "keep"], None),
    "resize-raw": (["vol-resize", "victim", "2M", "--pool", "images"], None),
    "resize-raw-allocate": (["vol-resize", "victim", "2M", "--pool", "images", "--allocate"], None),
    "resize-shrink": (["vol-resize", "victim", "512K", "--pool", "images", "--shrink"], None),
    "resize-qcow2": (["vol-resize", "image", "4M", "--pool", "images"], None),
    "wipe": (["vol-wipe", "victim", "--pool", "images"], "victim"),
    "delete": (["vol-delete", "victim", "--pool", "images"], None),
    "upload": (["vol-upload", "victim", "{home}/images/keep", "images"], "victim"),
    "download": (["vol-download", "keep", "{home}/idle/present", "images"], None),
}


def pool_xml(name, path):
    digest = hashlib.md5(name.encode()).hexdigest() # the same uuid in every run
    return (f"<pool type='dir'><name>{name}</name><uuid>{digest}</uuid>"
            f"<target><path>{path}</path></target></pool>")


class Place:
    """One worker's folder: a template, and the working copy every run starts from."""

    def __init__(self, program, base):
        self.program = program
        self.home = os.path.join(base, "home")
        self.template = os.path.join(base, "template")
        os.makedirs(os.path.join(self.home, "outside"))
        self.fill()
        shutil.copytree(self.home, self.template, symlinks=True)

    def run(self, *arguments, wrapper=(), check=False):
        argv = [*wrapper, self.program, "-q", "-c", f"embed://{self.home}/state", *arguments]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=TIME_LIMIT, check=check)

    def write(self, name, data):
        with open(os.path.join(self.home, name), "wb") as out:
            out.write(data)

    def fill(self):
        for name in ("images", "empty", "idle", "auto", "unbuilt", "second"):
            if name not in ("unbuilt", "second"):
                os.makedirs(os.path.join(self.home, name))
            self.write(f"{name}.xml", pool_xml(name, os.path.join(self.home, name)).encode())
            if name != "second":
                self.run("pool-define", os.path.join(self.home, f"{name}.xml"), check=True)
        self.run("pool-autostart", "auto", check=True)
        self.write("outside/secret", b"nobody may touch this")
        os.symlink("../outside/secret", os.path.join(self.home, "images/way-out"))
        data = hashlib.sha512(b"seed").digest() * 2048
        self.write("images/keep", data + bytes(256 * 1024) + data)
        self.write("images/victim", data * 4)
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", os.path.join(self.home, "images/keep"),
                        os.path.join(self.home, "images/image")], check=True)
        self.write("idle/present", b"from before")
        self.write("converted.xml", b"<volume><name>new</name><capacity>0</capacity>"
                                    b"<target><format type='qcow2'/></target></volume>")
        self.run("pool-start", "images", check=True)

    def restore(self):
        shutil.rmtree(self.home)
        shutil.copytree(self.template, self.home, symlinks=True)

    def contents(self, tolerated):
        """name → what a user would call the content of each entry of the pools' folders."""
        found = {}
        for pool in ("images", "empty", "idle", "auto", "unbuilt", "second"):
            folder = os.path.join(self.home, pool)
            exists = os.path.isdir(folder)
            if pool != tolerated:
                found[pool] = exists
            for name in sorted(os.listdir(folder)) if exists else ():
                if name == "present.part": # of a download; its name says that it isn't whole
                    continue
                path = os.path.join(folder, name)
                found[f"{pool}/{name}"] = self.content(path, name == tolerated)
        return found

    @staticmethod
    def content(path, tolerated):
        if os.path.islink(path):
            return os.readlink(path)
        if os.path.isdir(path):
            return "folder"
        with open(path, "rb") as file:
            data = file.read()
        if tolerated:
            return len(data)
        digest = hashlib.sha256(data).hexdigest()
        if data[:4] not in IMAGE_MAGICS:
            return digest
        if digest not in seen_images:
            seen_images[digest] = image_content(path)
        return seen_images[digest]

    def observe(self, tolerated=None):
        """What a fresh start sees; a broken state is an AssertionError."""
        pools = self.run("pool-list", "--all", "-o", "json")
        assert pools.returncode == 0, f"pool-list: {pools.stderr}"
        volumes = self.run("vol-list", "images", "-o", "json")
        seen = {f"pool {row['name']}": stable(row) for row in json.loads(pools.stdout)}
        seen.update(self.contents(tolerated))
        seen["listed"] = ([without_mark(stable(row), tolerated)
                           for row in json.loads(volumes.stdout)]
                          if volumes.returncode == 0 else volumes.stderr)
        left = [os.path.join(where, name) for where, folders, files in os.walk(self.home)
                for name in folders + files if name.startswith(DRAFT)]
        assert not left, f"half made and left behind: {left}"
        with open(os.path.join(self.home, "outside/secret"), "rb") as file:
            assert file.read() == b"nobody may touch this", "the file outside was touched"
        return seen


def without_mark(row, tolerated):
    """What may be half written may say so."""
    marked = (row["problem"] or "").startswith("an upload to it broke off")
    return {**row, "problem": None} if marked and row["name"] == tolerated else row


def stable(row):
    """A row of a list without what may differ from run to run."""
    changing = ("allocation", "physical", "available")
    return {key: value for key, value in row.items() if key not in changing}


IMAGE_MAGICS = (b"QFI\xfb", b"KDMV")
seen_images = {} # digest of the file → its content; the same bytes are judged once


def image_content(path):
    """What a guest would find. Bytes may differ from run to run (identifiers, times)."""
    check = subprocess.run(["qemu-img", "check", "--output=json", path], capture_output=True,
                           text=True, check=False)
    assert check.stdout, f"{path} can't be checked: {check.stderr}"
    report = json.loads(check.stdout)
    broken = report.get("corruptions", 0) + report.get("check-errors", 0)
    assert not broken, f"{path} is corrupt: {check.stdout}"
    info = json.loads(subprocess.run(["qemu-img", "info", "--output=json", path],
                                     capture_output=True, text=True, check=True).stdout)
    with tempfile.NamedTemporaryFile() as view:
        raw = subprocess.run(["qemu-img", "convert", "-O", "raw", path, view.name],
                             capture_output=True, check=False)
        assert raw.returncode == 0, raw.stderr
        digest = hashlib.sha256(view.read()).hexdigest()
    return [info["format"], info["virtual-size"], info.get("backing-filename"), digest]


def count_calls(place, arguments):
    """call → how often the busiest thread makes it."""
    with tempfile.NamedTemporaryFile("r") as log:
        place.run(*arguments, wrapper=("strace", "-f", "-qq", "-o", log.name, "-e",
                                       "trace=" + ",".join(CALLS)))
        counts = collections.Counter(re.findall(r"^(\d+) +(\w+)\(", log.read(), re.MULTILINE))
    most = {}
    for (_, call), number in counts.items():
        most[call] = max(most.get(call, 0), number)
    return {call: number for call, number in most.items() if call in CALLS}


def one_fault(place, arguments, inject, before, after, tolerated):
    """Runs one injected command; returns a complaint or None."""
    place.restore()
    killed = "signal" in inject
    try:
        result = place.run(*arguments, wrapper=("strace", "-f", "-qq", "-o", "/dev/null", "-e",
                                                f"inject={inject}"))
    except subprocess.TimeoutExpired:
        return "hangs"
    if not killed and result.returncode < 0:
        return f"died of signal {-result.returncode}"
    done = None if killed else result.returncode == 0
    try:
        seen = place.observe(tolerated)
        complaint = verdict(before, after, seen, done)
    except AssertionError as problem:
        return str(problem)
    if not complaint:
        return "fails without a word" if done is False and not result.stderr else None
    if seen == after and "qemu-img: " in result.stderr:
        return None # the tool did its work, then failed to flush it, and said so
    return f"{complaint} (exit {result.returncode}: {result.stderr.strip()})"


def verdict(before, after, seen, done):
    """A complaint, or None. `done`: what was reported, True, False or None for nothing."""
    if seen not in (before, after):
        return f"neither before nor after: {difference(before, after, seen)}"
    if before == after or (seen == after and done is not False) or (
            seen == before and done is not True):
        return None
    return "it was reported as done, and is not" if done else "it was reported as failed, and is done"


def difference(before, after, seen):
    parts = []
    for key in {**before, **after, **seen}:
        values = [json.dumps(state.get(key, "absent")) for state in (before, after, seen)]
        if values[2] not in values[:2]:
            parts.append(f"{key}: {values[2]}; before: {values[0]}; after: {values[1]}")
    return " / ".join(parts) or "a mixture of both"


def prepare(place, name):
    """(arguments, state before, state after, what may be neither)"""
    words, tolerated = SCENARIOS[name]
    arguments = [word.format(home=place.home) for word in words]
    before = place.observe(tolerated)
    place.restore()
    plain = place.run(*arguments)
    assert plain.returncode == 0, f"fails even when nothing is wrong: {plain.stderr}"
    after = place.observe(tolerated)
    place.restore()
    return arguments, before, after, tolerated


def scenario(program, name):
    """All faults of one command, in a folder of its own: (runs, complaints)."""
    with tempfile.TemporaryDirectory(prefix="cistern-fault.") as base:
        place = Place(program, base)
        arguments, before, after, tolerated = prepare(place, name)
        runs, complaints = 0, []
        for call, number in sorted(count_calls(place, arguments).items()):
            kinds = [f"error={CALLS[call]}"] + ([] if call in NOT_KILLED else ["signal=SIGKILL"])
            for kind in kinds:
                for nth in range(1, number + 1):
                    inject = f"{call}:{kind}:when={nth}"
                    complaint = one_fault(place, arguments, inject, before, after, tolerated)
                    runs += 1
                    if complaint:
                        complaints.append(f"{inject}: {complaint}")
        return runs, complaints


def attempt(run, name):
    try:
        return run(name)
    except Exception as problem: # pylint: disable=broad-except
        return 0, [repr(problem)]


def report(wanted, jobs, run):
    """Runs the scenarios, each (name) → (runs, complaints), as TAP. The exit status."""
    print(f"TAP version 13\n1..{len(wanted)}", flush=True)
    good = True
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = pool.map(lambda name: attempt(run, name), wanted)
        for number, (name, (runs, complaints)) in enumerate(zip(wanted, results), 1):
            good = good and not complaints
            print(f"{'not ' if complaints else ''}ok {number} {name}: {runs} faults")
            for complaint in complaints[:20]:
                print("# " + complaint[:600].replace("\n", " "))
            sys.stdout.flush()
    return 0 if good else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--only", action="append", choices=SCENARIOS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    return report(options.only or list(SCENARIOS), options.jobs,
                  lambda name: scenario(options.program, name))


if __name__ == "__main__":
    sys.exit(main())
