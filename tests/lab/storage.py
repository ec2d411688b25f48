# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the script of a pool type tells the conformance suite.

A script of this folder (see `dir`, the smallest) makes a subclass of Storage and gives it to
conformance.main(), which starts it again inside the machine and runs the cases there. All
methods run in that machine, as root; what they do stays in it. They must not ask cistern
for anything: they are the truth that cistern is held against.
"""

import contextlib
import os
import subprocess
import time

MIB = 1 << 20


def run(*argv, check=True, data=None):
    """Runs a program; its stdout. A failure is an error with its stderr."""
    result = subprocess.run(argv, input=data, capture_output=True, text=True, check=False,
                            stdin=None if data is not None else subprocess.DEVNULL,
                            env={**os.environ, "LC_ALL": "C"})
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: status {result.returncode}: {result.stderr}")
    return result.stdout


def unmount(folder):
    """By hand, under a daemon that may be looking into it just now."""
    for _ in range(100):
        with contextlib.suppress(RuntimeError):
            return run("umount", folder)
        time.sleep(0.1)
    return run("umount", folder)


class Storage:
    """One real storage. Attributes first: what it is and can."""

    type = ""  # the pool's type, as in its XML
    machine = ()  # options of tests/lab/vm: ("--disk", "1G")
    time = 2400  # seconds the machine may run, several times what it needs

    # Words from conformance.ABILITIES. What isn't named here is expected to be refused.
    abilities = frozenset()
    # Ability it lacks → libvirt's code of the refusal, where that isn't 3 (no support).
    refusals = {}
    # Names of the programs that the daemon runs for this type: their n-th call is made to fail.
    tools = ()
    # How the command lines of those begin that only read: nothing comes of it when the daemon is
    # killed around one.
    readers = ()

    capacity = 8 * MIB  # of an ordinary volume, bytes
    rounding = 1  # sizes are rounded up to a multiple of this at most
    shrink_allocation = None  # <allocation> of a volume that can be made smaller
    big = 64 * MIB  # of a volume whose clone takes long enough to be cancelled
    many = 12  # volumes of the case "a scan of many"
    build_flags = 0  # that build a storage that is empty
    rebuild_flags = None  # that build one again after an erase, where those are others
    # Code of a build refused for what is on the source already.
    overwrite_refusal = 55  # operation is not valid

    def __init__(self, scratch):
        self.scratch = scratch  # a folder on the machine's layer in memory, for anything

    # ---- the storage itself ----

    def make(self):
        """Brings up what the pool's source names: modules, disks, a server. Called once."""

    def blank(self):
        """Makes the source as if never used by a pool (no signatures, nothing mounted, no group
        active), whatever state it is in. A pool is built on it next."""
        raise NotImplementedError

    def pool_xml(self, name, uuid):
        """The definition of the pool on this storage. Asked for again under another name and
        uuid, it must conflict if the type knows conflicts (ability "duplicate")."""
        raise NotImplementedError

    def source_hint(self):
        """For "discover": the srcSpec document, or None."""
        return None

    def discovered(self):
        """For "discover": a string that the list of sources must hold; called on a built, stopped
        pool unless `discovers_blank`."""
        raise NotImplementedError

    discovers_blank = False

    # ---- its truth ----

    def is_built(self):
        """Whether a pool's structure is on the source (ability "build")."""
        raise NotImplementedError

    def is_up(self):
        """Whether the storage is there for use: mounted, active. None: the type has no such state."""
        return None

    def volumes(self):
        """name → size in bytes of each volume there is, by the storage's own tools. Asked only
        while the pool is up. Anything half made must be in it, foreign content must not."""
        raise NotImplementedError

    def look(self, active):
        """(is_up(), volumes() of a pool that is active, is_built() if it can be), for a type whose
        tools tell them all at once."""
        built = self.is_built() if "build" in self.abilities else None
        return self.is_up(), self.volumes() if active else {}, built

    def path(self, name):
        """Where a volume's bytes can be read and written."""
        raise NotImplementedError

    def witness(self):
        """Anything comparable that no call of cistern may ever change: the neighbours. Asked while
        the pool is up and while it isn't."""
        return None

    # ---- names and documents ----

    def name(self, number):
        """Name of the number-th volume (from 1) that is made in an empty pool."""
        return f"volume-{number}"

    def volume_xml(self, name, capacity, allocation=None):
        allocation = "" if allocation is None else f"<allocation>{allocation}</allocation>"
        return (f"<volume><name>{name}</name><capacity>{capacity}</capacity>{allocation}"
                f"</volume>")

    def own_cases(self):
        """More cases, of this type alone: [(title, function of the World)]. They start and may
        leave the pool as others do: active and empty before, anything after."""
        return []

    # ---- mischief ----

    def sign(self):
        """For "overwrite": puts something foreign on the blank source; a word of it that the refusal
        must say ("ext4")."""
        raise NotImplementedError

    def put_foreign(self):
        """For "foreign": puts things into the running pool that are no plain volumes; name → whether
        it is listed. remove_foreign() takes them away."""
        raise NotImplementedError

    def remove_foreign(self):
        raise NotImplementedError

    def occupy(self):
        """For "busy": uses the running pool so that it can't be stopped. A word that the refusal must
        say, or "". release() ends it."""
        raise NotImplementedError

    def release(self):
        raise NotImplementedError

    def break_source(self):
        """For "break": makes the storage fail as it does in life, while the pool is stopped (a
        device gone, a server dead), so that a start fails. mend_source() undoes it."""
        raise NotImplementedError

    def mend_source(self):
        raise NotImplementedError
