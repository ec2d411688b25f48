# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our command line over libvirt's own daemon: content and disk elements of volumes.

usage: run BUILD_FOLDER test-cli.py"""

import json
import os
import random
import subprocess
import sys

from hosts import Hosts
from tap import Tap, expect

MIB = 1 << 20


class Test:
    def __init__(self, build, host):
        self.program = os.path.join(build, "src", "cli", "cistern")
        self.uri = host.uri
        self.pool = os.path.join(host.folder, "pool")
        self.folder = os.path.join(host.folder, "files")
        os.mkdir(self.folder)
        self.bytes = random.Random(3).randbytes(5 * MIB + 7)
        self.source = self.file("source")
        with open(self.source, "wb") as out:
            out.write(self.bytes)

    def file(self, name):
        return os.path.join(self.folder, name)

    def cistern(self, *arguments, status=0, json_output=False):
        """Standard output, or of a failure standard error."""
        argv = [self.program, "-c", self.uri, *(["-o", "json"] if json_output else []), *arguments]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        expect(done.returncode == status, f"{argv}: {done.returncode} {done.stderr}")
        return done.stderr if status else json.loads(done.stdout) if json_output else done.stdout

    def content(self, path):
        with open(path, "rb") as file:
            return file.read()

    def pool_and_volume(self):
        self.cistern("pool-create-as", "p", "dir", "--target", self.pool, "--build")
        self.cistern("vol-create-as", "p", "v", "8M", "--allocation", "0")

    def upload(self):
        self.cistern("vol-upload", "v", self.source, "p")
        expect(self.content(os.path.join(self.pool, "v"))[:len(self.bytes)] == self.bytes, "content")

    def download(self):
        for options in ([], ["--sparse"]):
            self.cistern("vol-download", "v", self.file("got"), "p", *options)
            expect(self.content(self.file("got"))[:len(self.bytes)] == self.bytes, "content")
            expect(os.path.getsize(self.file("got")) == 8 * MIB, "size")

    def download_on(self):
        with open(self.file("got.part"), "wb") as out:
            out.write(self.bytes[:3 * MIB])
        done = self.cistern("vol-download", "v", self.file("got"), "p", "--continue",
                            json_output=True)
        expect(done["kept"] == 3 * MIB and done["bytes"] == 5 * MIB, done)
        expect(self.content(self.file("got"))[:len(self.bytes)] == self.bytes, "content")

    def upload_on(self):
        said = self.cistern("vol-upload", "v", self.source, "p", "--continue", status=8)
        expect("only cisternd knows how far an upload came: upload without --continue" in said, said)

    def disk(self):
        disk = self.cistern("vol-disk", "v", "p")
        expect(f"<source file='{self.pool}/v'/>" in disk and "type='raw'" in disk, disk)

    def run(self, tap):
        tap.case("a pool and a volume", self.pool_and_volume)
        tap.case("vol-upload", self.upload)
        tap.case("vol-download", self.download)
        tap.case("vol-download --continue", self.download_on)
        tap.case("vol-upload --continue says that this daemon can't tell", self.upload_on)
        tap.case("vol-disk", self.disk)


def main():
    tap = Tap()
    with Hosts(sys.argv[1], ("libvirt",)) as hosts:
        Test(sys.argv[1], hosts[0]).run(tap)
    return tap.finish()


sys.exit(main())
