# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon in a scratch folder, and TAP for the tests of it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

TIME_LIMIT = 30 # seconds


def wait_until(condition, what, limit=TIME_LIMIT):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {limit} s in vain for {what}")


def accepts(path):
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
        except OSError:
            return False
        return True


class Daemon:
    """A running cisternd; its log is a file."""

    started = []

    def __init__(self, argv, log, **options):
        self.log_path = log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            **options)
        Daemon.started.append(self)

    @property
    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, limit=TIME_LIMIT):
        return self.process.wait(limit)

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.wait()

    def wait_for_socket(self, path):
        def ready():
            assert self.process.poll() is None, f"it has ended: {self.log}"
            return accepts(path)
        wait_until(ready, f"the socket {path}")


class Scratch:
    """A folder with a daemon's root, which anybody may enter."""

    def __init__(self, program):
        self.path = tempfile.mkdtemp(prefix="cistern-daemon.")
        os.chmod(self.path, 0o755)
        self.program = program
        self.root = os.path.join(self.path, "root")
        self.count = 0

    def file(self, name, text=None, mode=0o644):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if text is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(path, mode)
        return path

    def start(self, *options, **keywords):
        """Starts one with the root and waits until it listens."""
        daemon = self.start_plain("--root", self.root, *options, **keywords)
        daemon.wait_for_socket(self.socket + "-ro") # it comes last
        return daemon

    def start_plain(self, *options, **keywords):
        self.count += 1
        return Daemon([self.program, *options], self.file(f"log.{self.count}"), **keywords)

    @property
    def socket(self):
        return os.path.join(self.root, "run/cistern-sock")

    def uri(self, socket=None):
        return f"storage:///system?socket={socket or self.socket}"

    def virsh(self, *arguments, uri=None, check=True, **options):
        result = subprocess.run(["virsh", "-q", "-c", uri or self.uri(), *arguments],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                timeout=TIME_LIMIT, check=False, **options)
        assert not check or result.returncode == 0, f"virsh {arguments}: {result.stderr}"
        return result if not check else result.stdout.strip()

    def remove(self):
        for daemon in Daemon.started:
            if daemon.process.poll() is None:
                daemon.process.kill()
                daemon.process.wait()
        Daemon.started.clear()
        shutil.rmtree(self.path, ignore_errors=True)


def run_all(tests, program):
    """Each test is a function that gets a fresh Scratch; its doc string is its name."""
    print(f"TAP version 13\n1..{len(tests)}", flush=True)
    good = True
    for number, test in enumerate(tests, 1):
        scratch = Scratch(program)
        try:
            test(scratch)
            print(f"ok {number} {test.__doc__}", flush=True)
        except Exception: # pylint: disable=broad-except
            good = False
            print(f"not ok {number} {test.__doc__}")
            logs = "".join(daemon.log for daemon in Daemon.started)
            for line in (traceback.format_exc() + logs).splitlines()[-60:]:
                print("# " + line, flush=True)
        finally:
            scratch.remove()
    sys.exit(0 if good else 1)
