# SPDX-License-Identifier: LGPL-2.1-or-later
"""Benchmarks over real block storage, in the lab's machine (tests/lab/vm): both daemons in
turn with the same client, as bench.py does it on the host. Times are those of an emulated machine,
some ten times the host's, and forty for programs; only the ratios say something."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MACHINE = os.path.join(HERE, "..", "lab", "vm")
MIB = 1 << 20
BEGIN, END = "<!-- measured in the lab: begin -->", "<!-- measured in the lab: end -->"
TIME_LIMIT = 1500  # seconds
GROUP, DISKS = "bench", ("/dev/vdb", "/dev/vdc")
# Where the real lvm2 commands go while calls are counted.
LVM, ASIDE = "/usr/sbin/lvm", "/usr/local/lib/cistern-lab"


def run(*argv):
    subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


# ---- inside the machine ----

class Bench:
    def __init__(self, build, quick):
        import bench
        import reference
        self.bench = bench
        self.quick = quick
        self.build = build
        scratch = tempfile.mkdtemp(prefix="cistern-bench.", dir="/run")
        os.environ["PATH"] += ":" + ASIDE
        self.sides = (bench.Side(reference.start_libvirt(scratch)),
                      bench.Side(reference.start_cistern(build, scratch)))
        self.scratch = scratch

    def turns(self, number, action):
        """Both sides in turn: name → seconds of each turn. `action` gets a side and which one."""
        times = {side.name: [] for side in self.sides}
        for _ in range(2 if self.quick else number):
            for index, side in enumerate(self.sides):
                times[side.name].append(self.bench.clock(lambda: action(side, index)))
        return times

    def row(self, work, goal, times):
        """Like the others', with the share of the other's time, as the goals have it."""
        theirs, ours = times["libvirt"], times["cistern"]
        share = self.bench.statistics.median(b / a for a, b in zip(theirs, ours))
        median = self.bench.statistics.median
        return (work, self.bench.milliseconds(median(theirs)),
                self.bench.milliseconds(median(ours)), f"{share:.2f} × the time", goal)

    # A file system, mounted and unmounted.
    def fs(self):
        pools = []
        for index, side in enumerate(self.sides):
            run("mkfs.ext4", "-q", "-F", DISKS[index])
            folder = os.path.join(self.scratch, f"mount-{index}")
            os.makedirs(folder)
            pools.append(side.connection.storagePoolDefineXML(
                f"<pool type='fs'><name>fs</name><source><device path='{DISKS[index]}'/>"
                f"<format type='ext4'/></source><target><path>{folder}</path></target></pool>"))

        def start_and_stop(_, index):
            pools[index].create()
            pools[index].destroy()

        yield self.row("fs: start and stop of an ext4 pool", "≤ 1.0 ×",
                       self.turns(20, start_and_stop))
        for pool in pools:
            pool.undefine()
        run("wipefs", "-qa", *DISKS)

    # A partition made and removed, behind another: libvirt can't make the first one where parted
    # insists on alignment.
    def disk(self):
        pools = []
        for index, side in enumerate(self.sides):
            run("sh", "-c", f"printf 'label: gpt\\nsize=64M\\n' | sfdisk -q {DISKS[index]}")
            run("udevadm", "settle")
            pools.append(side.connection.storagePoolCreateXML(
                f"<pool type='disk'><name>disk</name><source><device path='{DISKS[index]}'/>"
                "<format type='gpt'/></source><target><path>/dev</path></target></pool>"))

        def create_and_delete(_, index):
            name = os.path.basename(DISKS[index]) + "2"
            pools[index].createXML(f"<volume><name>{name}</name><capacity>{64 * MIB}</capacity>"
                                   "</volume>").delete()

        yield self.row("disk: create and delete a volume, gpt", "≤ 0.7 ×",
                       self.turns(10, create_and_delete))
        for pool in pools:
            pool.destroy()
        run("wipefs", "-qa", *DISKS)

    # A group of many volumes, listed.
    def logical(self):
        count = 20 if self.quick else 500
        make_group(count)
        pools = [side.connection.storagePoolCreateXML(
            f"<pool type='logical'><name>{GROUP}</name><source><name>{GROUP}</name></source>"
            f"<target><path>/dev/{GROUP}</path></target></pool>") for side in self.sides]
        for pool in pools:
            if pool.numOfVolumes() != count:
                raise SystemExit(f"{pool.numOfVolumes()} volumes are listed instead of {count}")
        times = self.turns(7, lambda side, index: pools[index].refresh())
        calls = self.count_calls(lambda index: pools[index].refresh())
        yield self.row(f"logical: refresh of a group of {count} volumes", "≤ 1.0 ×", times)
        yield ("logical: lvm2 commands of that refresh", *calls, "", "1")

        def create_and_delete(side, index):
            pools[index].createXML(f"<volume><name>{side.name}</name><capacity>{4 * MIB}"
                                   "</capacity></volume>").delete()

        yield self.row("logical: create and delete a volume in it", "≤ 1.0 ×",
                       self.turns(5, create_and_delete))

    # A sparse file into a volume of a group, which was used before.
    def movers(self):
        if subprocess.run(["vgs", GROUP], check=False, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode != 0:
            run("pvcreate", "-q", "/dev/vda")
            run("vgcreate", "-q", GROUP, "/dev/vda")
        folder = os.path.join(self.scratch, "files")
        os.makedirs(folder)
        with open(os.path.join(folder, "source"), "wb") as file:
            file.write(os.urandom(64 * MIB))
            file.truncate(1024 * MIB)
        pools = []
        for side in self.sides:
            files = side.connection.storagePoolCreateXML(
                f"<pool type='dir'><name>files</name><target><path>{folder}</path></target></pool>")
            group = side.connection.storagePoolCreateXML(
                f"<pool type='logical'><name>movers</name><source><name>{GROUP}</name></source>"
                f"<target><path>/dev/{GROUP}</path></target></pool>")
            pools.append((group, files.storageVolLookupByName("source")))

        def clone_and_delete(side, index):
            group, source = pools[index]
            group.createXMLFrom(f"<volume><name>{side.name}</name><capacity>{1024 * MIB}</capacity>"
                                "</volume>", source).delete()

        yield self.row("clone of a 1 GiB file holding 64 MiB into a logical volume, and its end",
                       "stated", self.turns(3, clone_and_delete))
        for group, _ in pools:
            group.destroy()

    def count_calls(self, action):
        """How many lvm2 commands each side runs: in libvirt's their paths are fixed, so the one
        program behind all of them is replaced where it is."""
        os.makedirs(ASIDE)
        for name in os.listdir("/usr/sbin"):
            if os.path.realpath(f"/usr/sbin/{name}") == LVM and name != "lvm":
                os.symlink("lvm", f"{ASIDE}/{name}")
        os.rename(LVM, f"{ASIDE}/lvm")
        os.symlink(os.path.join(self.build, "tests/lab/lab-tool"), LVM)
        numbers = []
        for index in range(len(self.sides)):
            action(index)
            with open("/usr/sbin/log", encoding="ascii", errors="replace") as log:
                numbers.append(str(len(log.readlines())))
            os.unlink("/usr/sbin/log")
        os.rename(f"{ASIDE}/lvm", LVM)
        return numbers


def make_group(count):
    """A group of that many volumes at once: by lvcreate it would take minutes. The metadata of one
    volume is multiplied and restored."""
    path = "/run/group"
    run("pvcreate", "-q", "/dev/vda")
    run("vgcreate", "-q", GROUP, "/dev/vda")
    run("lvcreate", "-q", "-n", "volume0", "-l", "1", GROUP)
    run("vgchange", "-q", "-an", GROUP)
    run("vgcfgbackup", "-q", "-f", path, GROUP)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    one = re.search(r"^\t\tvolume0 \{.*?^\t\t\}\n", text, re.DOTALL | re.MULTILINE).group(0)
    copies = []
    for number in range(count):
        copy = one.replace("volume0 {", f"volume{number} {{")
        copy = re.sub(r'id = "(\S{6})-.{4}', rf'id = "\1-{number:04d}', copy, count=1)
        copies.append(copy.replace('"pv0", 0', f'"pv0", {number}'))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(one, "".join(copies)))
    run("vgcfgrestore", "-q", "-f", path, GROUP)
    # Five hundred devices keep udevd busy for minutes; lvm2 makes their nodes itself.
    run("udevadm", "control", "--exit")
    run("vgchange", "-q", "-ay", "--config", "activation { udev_sync = 0 udev_rules = 0 }", GROUP)
    subprocess.run(["/lib/systemd/systemd-udevd", "--daemon"], stderr=subprocess.DEVNULL,
                   check=True)


WORK = ("fs", "disk", "logical", "movers")


def run_inside(options):
    sys.path.insert(0, HERE)
    bench = Bench(options.build, options.quick)
    for name in options.only or WORK:
        for row in getattr(bench, name)():
            print(json.dumps(row), flush=True)
    for side in bench.sides:
        side.daemon.stop()


# ---- on the host ----

def measure(options):
    """The rows, from the machine."""
    argv = [MACHINE, "--cpus", "2", "--mem", "3072", "--disk", "4G", "--disk", "512M", "--disk",
            "512M", "--time", str(TIME_LIMIT), "--", sys.executable, os.path.abspath(__file__),
            "--inside", options.build]
    argv += ["--quick"] if options.quick else []
    argv += [word for name in options.only or () for word in ("--only", name)]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True) as machine:
        rows = []
        for line in machine.stdout:
            rows.append(json.loads(line))
            print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    if machine.returncode != 0:
        raise SystemExit(f"the machine ended with status {machine.returncode}")
    return rows


def main():
    parser = argparse.ArgumentParser(prog="run --lab", description=__doc__)
    parser.add_argument("build", type=os.path.realpath)
    parser.add_argument("--quick", action="store_true", help="small numbers, to try the benchmark")
    parser.add_argument("--write", metavar="FILE", help="put the table into this document")
    parser.add_argument("--only", action="append", metavar="NAME", choices=WORK,
                        help="run just this one")
    parser.add_argument("--inside", action="store_true", help="this is the machine already")
    options = parser.parse_args()
    if options.inside:
        run_inside(options)
        return
    import bench
    text = bench.table(("work", "libvirt 9.0", "cistern", "median of ratios", "goal"),
                       measure(options))
    print(text)
    if options.write:
        bench.write_into(options.write, text, BEGIN, END)


if __name__ == "__main__":
    main()
