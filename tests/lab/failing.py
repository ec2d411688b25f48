# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk that can be told to fail, by the device mapper."""

from storage import run

SECTOR = 512


class FailingDisk:
    """/dev/mapper/NAME, which is the disk below it but for what fails() says."""

    def __init__(self, name, below):
        self.name, self.below = name, below
        self.path = f"/dev/mapper/{name}"
        self.sectors = int(run("blockdev", "--getsz", below))
        self.size = self.sectors * SECTOR
        run("dmsetup", "create", name, "--table", self.table([]))

    def row(self, start, end, how=None):
        """One line of the table, for sectors."""
        kinds = {None: f"linear {self.below} {start}",
                 "all": "error",
                 # Up for no second, down for an hour; reading goes on.
                 "writes": f"flakey {self.below} {start} 0 3600 1 error_writes"}
        return f"{start} {end - start} {kinds[how]}\n"

    def table(self, ranges):
        rows, at = [], 0
        for start, end, how in ranges:
            if at < start:
                rows.append(self.row(at, start))
            rows.append(self.row(start, end, how))
            at = end
        if at < self.sectors:
            rows.append(self.row(at, self.sectors))
        return "".join(rows)

    def load(self, ranges):
        """The new table takes effect at once: nothing is written first."""
        run("dmsetup", "reload", self.name, data=self.table(ranges))
        run("dmsetup", "suspend", "--nolockfs", "--noflush", self.name)
        run("dmsetup", "resume", self.name)

    def fails(self, how="all", start=0, end=None):
        """From now on, in these bytes: "all" or "writes"."""
        end = self.size if end is None else end
        self.load([(start // SECTOR, end // SECTOR, how)])

    def works(self):
        self.load([])

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.works()
        run("dmsetup", "remove", "--retry", self.name)
