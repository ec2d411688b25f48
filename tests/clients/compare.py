# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs one client's script against both hosts and compares every answer, as TAP.

A script is a program that prints one line of JSON for each step: its name and
the answer. A difference must be in expected.py, whose rows are those of
docs/differences.md; what is expected there must really occur.
usage: compare.py BUILD_FOLDER CLIENT [--show]"""

import fnmatch
import json
import os
import re
import subprocess
import sys

import expected
from hosts import HERE, Hosts

INTERPRETERS = {".py": "/usr/bin/python3", ".pl": "/usr/bin/perl", ".rb": "/usr/bin/ruby"}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"<(atime|mtime|ctime|btime)>[0-9.]+</")


class Normal:
    """Texts without what is different on every run."""

    def __init__(self, host):
        self.host = host
        self.uuids = {}

    def _uuid(self, match):
        if not match.group().strip("0-"):
            return match.group()
        return self.uuids.setdefault(match.group(), f"uuid-{len(self.uuids) + 1}")

    def text(self, text):
        text = text.replace(self.host.socket, "SOCKET").replace(self.host.folder, "FOLDER")
        return TIME.sub(r"<\1>TIME</", UUID.sub(self._uuid, text))

    def value(self, value):
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(entry) for entry in value]
        if isinstance(value, dict):
            return {self.text(key): self.value(entry) for key, entry in value.items()}
        return value


def script_path(client):
    return next(os.path.join(HERE, f"client-{client}{ending}") for ending in INTERPRETERS
                if os.path.exists(os.path.join(HERE, f"client-{client}{ending}")))


def run_script(client, host):
    path = script_path(client)
    env = dict(os.environ, TEST_URI=host.uri, TEST_FOLDER=host.folder, TEST_SOCKET=host.socket,
               HOME=host.folder, XDG_RUNTIME_DIR=host.folder, XDG_CACHE_HOME=host.folder,
               EDITOR="/bin/true", LIBVIRT_AUTOSTART="0")
    done = subprocess.run([INTERPRETERS[os.path.splitext(path)[1]], path], env=env, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    normal = Normal(host)
    steps = {}
    for line in done.stdout.splitlines():
        step = json.loads(line)
        name = normal.text(step["step"])
        while name in steps:
            name += "'"
        steps[name] = json.dumps(normal.value(step["answer"]), sort_keys=True, ensure_ascii=False)
    return steps, done.returncode


class Tap:
    def __init__(self):
        self.number = 0
        self.failed = False

    def result(self, good, name, *details):
        self.number += 1
        self.failed |= not good
        print(f"{'ok' if good else 'not ok'} {self.number} - {name.replace('#', '')}")
        for detail in details if not good else ():
            for line in str(detail).splitlines():
                print(f"# {line}")

    def finish(self):
        print(f"1..{self.number}")
        sys.exit(self.failed)


def equal_but(but, theirs, ours):
    for expression, words in but:
        theirs, ours = re.sub(expression, words, theirs), re.sub(expression, words, ours)
    return not but or theirs == ours


def find_row(rows, step, theirs, ours):
    for row in rows:
        if (fnmatch.fnmatchcase(step, row.step) and re.search(row.theirs, theirs, re.S) and
                re.search(row.ours, ours, re.S) and equal_but(row.but, theirs, ours)):
            return row
    return None


def compare_steps(tap, rows, theirs, ours):
    seen = set()
    for step in list(theirs) + [step for step in ours if step not in theirs]:
        left, right = theirs.get(step, "no such step"), ours.get(step, "no such step")
        row = find_row(rows, step, left, right) if left != right else None
        seen.add(row)
        tap.result(left == right or row is not None,
                   f"{step} ({row.difference})" if row else step,
                   f"libvirt: {left}", f"cistern: {right}")
    for row in rows:
        tap.result(row in seen, f"occurs: {row.difference} at {row.step}")


def show(theirs, ours):
    for step, answer in theirs.items():
        print(f"{step}\n   {answer}")
        if ours.get(step) != answer:
            print(f" ! {ours.get(step)}")


def main():
    build, client = sys.argv[1], sys.argv[2]
    with Hosts(build) as hosts:
        results = {host.name: run_script(client, host) for host in hosts}
    theirs, ours = results["libvirt"][0], results["cistern"][0]
    if "--show" in sys.argv:
        return show(theirs, ours)
    tap = Tap()
    for name, (steps, status) in results.items():
        tap.result(status == 0 and len(steps) > 0, f"the script ran to its end on {name}",
                   f"exit status {status}")
    compare_steps(tap, [row for row in expected.ROWS if row.client == client], theirs, ours)
    return tap.finish()


if __name__ == "__main__":
    main()
