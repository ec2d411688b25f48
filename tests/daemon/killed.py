#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""kill -9 of the daemon during every changing call, as TAP.

What tests/fault does with every single storage call of the embedded engine is done here with a
daemon that serves clients: of each kind of storage call that a changing call makes, the daemon is
killed at the first, a middle one and the last. The daemon that is started then must find the
state before or the state after: definitions whole, no half volume, autostart as it was, pools that
ran running.

usage: killed.py CISTERN CISTERND [--only SCENARIO]
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../fault")]

import faults # pylint: disable=wrong-import-position
from scratch import Daemon, wait_until # pylint: disable=wrong-import-position

# These change; the others only read, or fail without any harm.
KILLED_AT = sorted(set(faults.CALLS) - faults.NOT_KILLED - {"flock", "mkdir", "rename", "unlink"})


class Place(faults.Place):
    """The same folder, with a daemon behind each command."""

    def __init__(self, program, daemon, base):
        self.daemon_program = daemon
        self.serving = None
        super().__init__(program, base)

    def serve(self):
        daemon = Daemon([self.daemon_program, "--root", os.path.join(self.home, "state")],
                        os.path.join(self.home, "..", "log"))
        daemon.wait_for_socket(os.path.join(self.home, "state/run/cistern-sock"))
        return daemon

    def ask(self, *arguments, check=False):
        uri = f"cistern+unix:///system?socket={self.home}/state/run/cistern-sock"
        return subprocess.run([self.program, "-q", "-c", uri, *arguments],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=faults.TIME_LIMIT, check=check)

    def run(self, *arguments, wrapper=(), check=False):
        """A daemon for this command, or the one that is there."""
        if self.serving:
            return self.ask(*arguments, check=check)
        daemon = self.serve()
        try:
            return self.ask(*arguments, check=check)
        finally:
            assert daemon.stop() == 0, daemon.log

    def observe(self, tolerated=None):
        self.serving = self.serve()
        try:
            seen = super().observe(tolerated)
            autostart = os.path.join(self.home, "state/etc/autostart")
            seen["autostart"] = sorted(os.listdir(autostart)) if os.path.isdir(autostart) else []
            return seen
        finally:
            assert self.serving.stop() == 0, self.serving.log
            self.serving = None

    def traced(self, arguments, *options):
        """Runs one command with strace on the daemon, which may be killed by it."""
        self.serving = self.serve()
        try:
            pid = str(self.serving.process.pid)
            trace = subprocess.Popen(["strace", "-f", "-p", pid, *options],
                                     stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            wait_until(lambda: "attached" in trace.stderr.readline(), "strace")
            result = self.ask(*arguments)
            if self.serving.process.poll() is None:
                self.serving.process.kill()
            self.serving.wait()
            trace.communicate(timeout=faults.TIME_LIMIT)
            return result
        finally:
            self.serving = None


def count_calls(place, arguments):
    """call → how often the busiest thread makes it."""
    with tempfile.NamedTemporaryFile("r") as log:
        place.traced(arguments, "-o", log.name, "-e", "trace=" + ",".join(KILLED_AT))
        lines = re.findall(r"^(\d+) +(\w+)\(", log.read(), re.MULTILINE)
    most = {}
    for thread, call in set(lines):
        most[call] = max(most.get(call, 0), lines.count((thread, call)))
    return most


def kill_once(place, arguments, inject, before, after, tolerated):
    """A complaint, or None."""
    place.restore()
    result = place.traced(arguments, "-o", "/dev/null", "-e", f"inject={inject}")
    done = True if result.returncode == 0 else None # a lost connection says nothing
    try:
        return faults.verdict(before, after, place.observe(tolerated), done)
    except AssertionError as problem:
        return str(problem)


def scenario(program, daemon, name):
    """(runs, complaints)"""
    with tempfile.TemporaryDirectory(prefix="cistern-killed.") as base:
        place = Place(program, daemon, base)
        arguments, before, after, tolerated = faults.prepare(place, name)
        runs, complaints = 0, []
        for call, number in sorted(count_calls(place, arguments).items()):
            for nth in sorted({1, (number + 1) // 2, number}):
                inject = f"{call}:signal=SIGKILL:when={nth}"
                complaint = kill_once(place, arguments, inject, before, after, tolerated)
                runs += 1
                if complaint:
                    complaints.append(f"{inject}: {complaint}")
        return runs, complaints if runs else ["no storage call was seen"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("daemon")
    parser.add_argument("--only", action="append", choices=faults.SCENARIOS)
    options = parser.parse_args()
    wanted = options.only or list(faults.SCENARIOS)
    program, daemon = os.path.realpath(options.program), os.path.realpath(options.daemon)
    status = faults.report(wanted, os.cpu_count(), lambda name: scenario(program, daemon, name))
    for daemon in Daemon.started:
        if daemon.process.poll() is None:
            daemon.process.kill()
    return status


if __name__ == "__main__":
    sys.exit(main())
