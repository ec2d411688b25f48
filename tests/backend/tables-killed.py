#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Changes of partition tables that are killed at each of their writes, as TAP.

What is there then must be the table before or the table after, and one that can be changed
again. The disk isn't blank: whatever a change uses anew held something else before.

usage: tables-killed.py TABLE-TOOL SCRATCH
"""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../clients"))
from tap import Tap, expect  # pylint: disable=wrong-import-position

TOOL, SCRATCH = sys.argv[1:]
SIZE = 64 << 20
WRITES = "write,pwrite64,pwritev,ftruncate"
PLAIN, EXTENDED, LOGICAL = "0", "1", "2"

# label: (how it is made, the changes)
PRIMARIES = [("add", PLAIN, "4"), ("add", PLAIN, "4"), ("add", PLAIN, "4"), ("remove", "2")]
CHANGES = {
    "add": ("add", PLAIN, "2"),
    "remove": ("remove", "1"),
    "grow": ("resize", "1", "6"),
    "shrink": ("resize", "1", "2"),
}
CHAIN = PRIMARIES + [("add", EXTENDED, "40")] + [("add", LOGICAL, "2")] * 4
TABLES = {
    "gpt": (PRIMARIES, CHANGES),
    "dos": (PRIMARIES, {**CHANGES, "extended": ("add", EXTENDED, "20")}),
    "dos with logical ones": (CHAIN, {
        **CHANGES,
        "add a logical one": ("add", LOGICAL, "2"),
        "remove the first logical one": ("remove", "5"),
        "remove one amid them": ("remove", "6"),
        "remove the last of them": ("remove", "8"),
        "grow a logical one": ("resize", "8", "4"),
        "shrink a logical one": ("resize", "6", "1"),
    }),
    "sun": (PRIMARIES, CHANGES),
    "dvh": (PRIMARIES, CHANGES),
}


def tool(label, image, *arguments, killed_at=None):
    """(exit status, stdout and stderr); negative status: the signal."""
    trace = [] if killed_at is None else [
        "strace", "-qqq", "-e", f"trace={WRITES}", "-e", "signal=none", "-o", "/dev/null",
        "-P", image, "-e", f"inject={WRITES}:signal=KILL:when={killed_at}"]
    result = subprocess.run([*trace, TOOL, label, image, *arguments], capture_output=True,
                            text=True, timeout=60, check=False)
    return result.returncode, result.stdout + result.stderr


def done(label, image, *arguments):
    status, output = tool(label, image, *arguments)
    expect(status == 0, f"{' '.join(arguments)}: {output}")
    return output


def make(label, image, steps):
    with open(image, "wb") as file:
        file.truncate(SIZE)
    done(label, image, "format")
    for step in steps:
        done(label, image, *step)
    # 0xf6 wherever no table is: in all that partitions have or may get.
    bounds = [line.split() for line in done(label, image, "show").splitlines()]
    taken = {int(row[2]) for row in bounds if row[1] == EXTENDED}
    leads = {int(row[2]) - (1 << 20) for row in bounds if row[1] == LOGICAL}
    with open(image, "r+b") as file:
        for place in range(1 << 20, SIZE - (1 << 20), 1 << 20):
            if place not in taken | leads:
                file.seek(place)
                file.write(b"\xf6" * 4096)


def killed_everywhere(label, steps, change):
    blank, image = (os.path.join(SCRATCH, name) for name in ("blank.img", "image.img"))
    make(label, blank, steps)
    before = done(label, blank, "show")
    shutil.copyfile(blank, image)
    done(label, image, *change)
    after = done(label, image, "show")
    expect(before != after, "the change changes nothing")
    for number in range(1, 100):
        shutil.copyfile(blank, image)
        status, _ = tool(label, image, *change, killed_at=number)
        seen = done(label, image, "show")
        expect(seen in (before, after), f"killed at write {number}:\n{seen}; before:\n{before}")
        if status == 0:
            expect(number > 1, "it was never killed")
            return f"killed {number - 1} times"
        expect(status == -9 or status == 137, f"it failed by itself: {status}")
        done(label, image, *(change if seen == before else ("add", PLAIN, "1")))
    raise AssertionError("no end of writes")


def main():
    os.makedirs(SCRATCH, exist_ok=True)
    tap = Tap()
    for name, (steps, changes) in TABLES.items():
        for title, change in changes.items():
            tap.case(f"{name}: {title}",
                     lambda name=name, steps=steps, change=change: killed_everywhere(
                         name.split()[0], steps, change))
    shutil.rmtree(SCRATCH)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
