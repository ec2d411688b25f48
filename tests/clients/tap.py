# SPDX-License-Identifier: LGPL-2.1-or-later
"""The test anything protocol, for tests in Python, and a daemon of their own."""

import os
import signal
import subprocess
import sys
import tempfile
import shutil
import time
import traceback


class Tap:
    """Runs cases in the order they are given; each is a function that raises on failure."""

    def __init__(self):
        self.number = 0
        self.failed = 0

    def case(self, name, action):
        self.number += 1
        try:
            note = action()
        except Exception:  # pylint: disable=broad-except
            self.failed += 1
            print(f"not ok {self.number} - {name}")
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
        else:
            print(f"ok {self.number} - {name}")
            for line in (note or "").splitlines():
                print(f"# {line}")
        sys.stdout.flush()

    def finish(self):
        print(f"1..{self.number}")
        return 1 if self.failed else 0


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def wait_until(condition, seconds, what):
    until = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < until, f"not within {seconds} s: {what}")
        time.sleep(0.02)


def sanitized():
    """The sanitizers' builds are slower and take more memory."""
    return bool(os.environ.get("CISTERN_TEST_SANITIZED"))


class Daemon:
    """A cisternd with a folder of its own."""

    def __init__(self, program, scratch=None):
        self.program = program
        self.scratch = scratch or tempfile.mkdtemp(prefix="cistern-test.")
        self.root = os.path.join(self.scratch, "root")
        os.makedirs(self.root, exist_ok=True)
        self.socket = os.path.join(self.root, "run", "cistern-sock")
        self.uri = f"storage+unix:///system?socket={self.socket}"
        self.log = os.path.join(self.scratch, "log")
        self.process = None
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "--root", self.root], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log)
        wait_until(lambda: os.path.exists(self.socket) or self.process.poll() is not None, 30,
                   "the daemon's socket")
        expect(self.process.poll() is None, f"the daemon ended: {self.read_log()}")

    def read_log(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def rss(self):
        """Resident memory in KiB."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def stop(self, seconds=30):
        """Asks it to stop; returns how long that took and its exit status."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(seconds)
        return time.monotonic() - started, status

    def close(self):
        if self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)
