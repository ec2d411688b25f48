#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Uploads that broke off: the volume is marked until its content is whole again.

usage: uploads.py CISTERN CISTERND
"""

import glob
import json
import os
import re
import signal
import subprocess
import sys

from scratch import TIME_LIMIT, run_all, wait_until

MIB = 1024 * 1024
BLOCK = bytes(range(256)) * (MIB // 256)
BLOCKS = 8 # of a whole upload
GOES_ON = r"an upload to it broke off after \d+\.\d\d MiB; repeat it or go on with --continue"
KILLED = (r"an upload to it broke off after \d+\.\d\d MiB or more; repeat it or go on with "
          "--continue")
LOST = r"an upload to it broke off(; repeat it| after \d+\.\d\d MiB; repeat it)"


class Place:
    """A daemon with a pool "p" of two volumes, and the client."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.daemon = scratch.start()
        os.mkdir(scratch.file("pool"))
        scratch.file("whole", "")
        with open(scratch.file("whole"), "wb") as file:
            file.write(BLOCK * BLOCKS)
        self.cistern("pool-create-as", "p", "dir", "--target", scratch.file("pool"))
        for name in "v", "other":
            self.cistern("vol-create-as", "p", name, f"{BLOCKS}M", "--format", "raw")

    def argv(self, *arguments):
        return [CISTERN, "-q", "-c", self.scratch.uri(), *arguments]

    def cistern(self, *arguments):
        result = subprocess.run(self.argv(*arguments), stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=TIME_LIMIT, check=False)
        assert result.returncode == 0, (arguments, result.stderr)
        return result.stdout

    def problem(self, name="v"):
        """What the list says of it."""
        volumes = json.loads(self.cistern("-o", "json", "vol-list", "p"))
        return {volume["name"]: volume["problem"] for volume in volumes}[name]

    def wait_for(self, pattern):
        wait_until(lambda: re.fullmatch(pattern, self.problem() or ""), f"'{pattern}'")

    def read(self, name="v"):
        with open(self.scratch.file("pool/" + name), "rb") as file:
            return file.read()

    def done(self):
        """Bytes of the upload that goes on."""
        return sum(job["done"] for job in self.jobs())

    def jobs(self):
        return json.loads(self.cistern("-o", "json", "job-list"))

    def begin_upload(self, *options, blocks=4):
        """A client that waits for more after some blocks, and what feeds it."""
        pipe = self.scratch.file("fifo")
        if not os.path.exists(pipe):
            os.mkfifo(pipe)
        client = subprocess.Popen(self.argv("vol-upload", "v", pipe, "p", *options),
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        feed = open(pipe, "wb", buffering=0)
        for _ in range(blocks):
            feed.write(BLOCK)
        wait_until(lambda: self.done() >= (blocks - 1) * MIB, "what was sent")
        return client, feed

    def break_off(self, *options):
        client, feed = self.begin_upload(*options)
        client.kill()
        client.wait()
        feed.close()
        self.wait_for(GOES_ON)
        wait_until(lambda: not self.jobs(), "the upload's end")

    def restart(self, number=signal.SIGTERM):
        self.daemon.signal(number)
        self.daemon.wait()
        self.daemon = self.scratch.start()

    def notes(self):
        return glob.glob(self.scratch.file("root/run/storage/*.upload")) + \
            glob.glob(self.scratch.file("root/run/*.upload"))


def client_killed(scratch):
    """A client killed during its upload leaves a volume that lists mark, and nothing held"""
    place = Place(scratch)
    assert place.problem() is None
    place.break_off()
    assert place.problem("other") is None
    assert re.search(f"warning: pool 'p': volume 'v': {GOES_ON}", place.daemon.log)
    assert re.search(GOES_ON, place.cistern("vol-list", "p", "--details"))
    place.cistern("pool-refresh", "p")
    assert re.fullmatch(GOES_ON, place.problem())
    for number in signal.SIGTERM, signal.SIGKILL:
        place.restart(number)
        assert re.fullmatch(GOES_ON, place.problem()), number
    place.cistern("vol-upload", "v", scratch.file("whole"), "p", "--continue")
    assert place.problem() is None
    assert place.read() == BLOCK * BLOCKS
    assert place.notes() == []
    place.restart()
    assert place.problem() is None


def marks_end(scratch):
    """The mark goes with a whole upload, a wipe, a deletion, the pool's stop; with nothing else"""
    place = Place(scratch)
    place.break_off()
    place.cistern("vol-resize", "v", f"{BLOCKS + 1}M", "p")
    assert re.fullmatch(LOST, place.problem()), place.problem()
    place.restart()
    assert re.fullmatch(LOST, place.problem()), place.problem()
    place.cistern("vol-upload", "v", scratch.file("whole"), "p")
    assert place.problem() is None
    place.break_off()
    place.cistern("vol-wipe", "v", "p")
    assert place.problem() is None
    place.break_off()
    place.cistern("vol-delete", "v", "p")
    place.cistern("vol-create-as", "p", "v", f"{BLOCKS}M", "--format", "raw")
    assert place.problem() is None
    place.break_off()
    xml = scratch.file("p.xml", place.cistern("pool-dumpxml", "p"))
    place.cistern("pool-destroy", "p")
    assert place.notes() == []
    place.cistern("pool-create", xml)
    assert place.problem() is None


def changed_by_others(scratch):
    """What others write keeps the mark; what they remove and make again has none"""
    place = Place(scratch)
    place.break_off()
    with open(scratch.file("pool/v"), "r+b") as file:
        file.write(b"x")
    place.wait_for(LOST)
    os.unlink(scratch.file("pool/v"))
    wait_until(lambda: "v" not in place.cistern("vol-list", "p").split(), "the volume's end")
    with open(scratch.file("pool/v"), "wb") as file:
        file.write(BLOCK)
    wait_until(lambda: "v" in place.cistern("vol-list", "p").split(), "the volume")
    assert place.problem() is None


def daemon_killed(scratch):
    """A daemon killed during an upload finds the mark when it starts again, at any moment"""
    place = Place(scratch)
    client, feed = place.begin_upload(blocks=2)
    place.restart(signal.SIGKILL)
    feed.close()
    client.wait(TIME_LIMIT)
    assert re.fullmatch(f"{LOST}|{KILLED}", place.problem()), place.problem()
    assert re.search("warning: pool 'p': volume 'v': an upload to it broke off", place.daemon.log)
    client, feed = place.begin_upload()

    def noted():
        feed.write(BLOCK[:4096])
        with open(place.notes()[0], encoding="utf-8") as file:
            return int(file.read().split()[1]) >= 3 * MIB
    wait_until(noted, "a note")
    place.restart(signal.SIGKILL)
    feed.close()
    client.wait(TIME_LIMIT)
    assert "an upload to it broke off after" in place.problem(), place.problem()
    assert "or more; repeat it or go on with --continue" in place.problem(), place.problem()
    place.restart()
    assert "or go on with --continue" in place.problem(), place.problem()
    place.cistern("vol-upload", "v", scratch.file("whole"), "p")
    assert place.problem() is None


def stopped(scratch):
    """An upload that a stop calls off is marked"""
    scratch.file("root/etc/cisternd.conf", "stop_timeout = 1\n")
    place = Place(scratch)
    client, feed = place.begin_upload()
    place.restart()
    feed.close()
    client.wait(TIME_LIMIT)
    assert re.fullmatch(GOES_ON, place.problem()), place.problem()
    place.cistern("vol-upload", "v", scratch.file("whole"), "p", "--continue")
    assert place.problem() is None
    assert place.read() == BLOCK * BLOCKS


if __name__ == "__main__":
    CISTERN = os.path.realpath(sys.argv[1])
    run_all([client_killed, marks_end, changed_by_others, daemon_killed, stopped],
            os.path.realpath(sys.argv[2]))
