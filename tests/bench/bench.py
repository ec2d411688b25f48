# SPDX-License-Identifier: LGPL-2.1-or-later
"""Benchmarks: each measures both daemons in turn with the same client
(python3-libvirt) and yields rows for the table. Nothing here passes or fails."""

import argparse
import contextlib
import itertools
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid

import libvirt

import reference

libvirt.registerErrorHandler(lambda data, error: None, None)

QCOW2_HEADER = (b"QFI\xfb" + (3).to_bytes(4, "big") + bytes(12) + (16).to_bytes(4, "big")
                + (1 << 30).to_bytes(8, "big") + bytes(64) + (4).to_bytes(4, "big")
                + (104).to_bytes(4, "big") + bytes(8))


def clock(action):
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def make_files(folder, count):
    """A mix: of ten files seven are sparse raw images, two qcow2, one small text."""
    os.makedirs(folder)
    handle = os.open(folder, os.O_DIRECTORY)
    for number in range(count):
        kind = number % 10
        fd = os.open(f"volume-{number:07d}", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=handle)
        if kind < 7:
            os.ftruncate(fd, 1 << 20)
        elif kind < 9:
            os.write(fd, QCOW2_HEADER + bytes(4096))
        else:
            os.write(fd, b"notes\n" * 50)
        os.close(fd)
    os.close(handle)


class Side:
    """One daemon with a connection to it."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.name = daemon.name
        self.connection = libvirt.open(daemon.uri)

    @contextlib.contextmanager
    def pool(self, folder):
        xml = (f"<pool type='dir'><name>p-{uuid.uuid4().hex[:8]}</name>"
               f"<target><path>{folder}</path></target></pool>")
        pool = self.connection.storagePoolCreateXML(xml, 0)
        try:
            yield pool
        finally:
            pool.destroy()


def volume_xml(name, capacity, form, allocation=None, backing=None, backing_form="qcow2"):
    allocation = f"<allocation>{allocation}</allocation>" if allocation is not None else ""
    backing = (f"<backingStore><path>{backing}</path><format type='{backing_form}'/></backingStore>"
               if backing else "")
    return (f"<volume><name>{name}</name><capacity>{capacity}</capacity>{allocation}"
            f"<target><format type='{form}'/></target>{backing}</volume>")


def milliseconds(seconds):
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def compare_fine(work, goal, times):
    """The same for short times: in microseconds, with the share of the other's time."""
    theirs, ours = times["libvirt"], times["cistern"]
    share = statistics.median(b / a for a, b in zip(theirs, ours))
    return (work, f"{statistics.median(theirs) * 1e6:.0f} µs",
            f"{statistics.median(ours) * 1e6:.0f} µs", f"{share:.2f} × the time", goal)


def compare(work, goal, theirs, ours):
    """A row: medians of both sides and the median of the pairwise ratios."""
    ratio = statistics.median(a / b for a, b in zip(theirs, ours))
    return (work, milliseconds(statistics.median(theirs)), milliseconds(statistics.median(ours)),
            f"{ratio:.1f} × faster", goal)


class Bench:
    def __init__(self, build, scratch, quick):
        self.scratch = scratch
        self.quick = quick
        self.ours = Side(reference.start_cistern(build, scratch))
        self.theirs = Side(reference.start_libvirt(scratch))
        self.sides = (self.theirs, self.ours)

    def folder(self, name):
        return os.path.join(self.scratch, name)

    def idle_memory(self):
        yield ("memory, idle", f"{self.theirs.daemon.rss() / 1024:.1f} MiB",
               f"{self.ours.daemon.rss() / 1024:.1f} MiB", "", "≤ 10 MB")

    def refresh_warm(self):
        count = 5000 if self.quick else 50000
        folder = self.folder("many")
        make_files(folder, count)
        first = {side.name: [] for side in self.sides}
        again = {side.name: [] for side in self.sides}
        before = {side.name: side.daemon.rss() for side in self.sides}
        for turn in range(2 if self.quick else 5):
            for side in self.sides:
                started = time.perf_counter()
                with side.pool(folder) as pool:
                    first[side.name].append(time.perf_counter() - started)
                    again[side.name].append(clock(pool.refresh))
                    if turn == 0:
                        grown = (side.daemon.rss() - before[side.name]) * 1024 / count
                        before[side.name] = grown
        yield compare(f"refresh, {count:,} mixed files, first time", "≥ 4 ×", first["libvirt"],
                      first["cistern"])
        yield compare(f"refresh, {count:,} mixed files, nothing changed", "≥ 15 ×",
                      again["libvirt"], again["cistern"])
        yield ("memory, per listed volume (growth of the process)", f"{before['libvirt']:.0f} B",
               f"{before['cistern']:.0f} B", "", "≤ 400 B")

    def refresh_cold(self):
        count = 5000 if self.quick else 50000
        folder = self.folder("many")
        if not os.path.exists(folder):
            make_files(folder, count)
        times = {side.name: [] for side in self.sides}
        for _ in range(1 if self.quick else 3):
            for side in self.sides:
                with side.pool(folder):
                    pass
                subprocess.run(["sync"], check=True)
                with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as out:
                    out.write("3\n")
                started = time.perf_counter()
                with side.pool(folder):
                    times[side.name].append(time.perf_counter() - started)
        yield compare(f"refresh, {count:,} mixed files, caches dropped", "≥ 20 ×",
                      times["libvirt"], times["cistern"])

    def lookup_under_load(self):
        worst = {side.name: [] for side in self.sides}
        for turn in range(1 if self.quick else 3):
            for side in self.sides:
                folder = self.folder(f"busy-{side.name}-{turn}")
                make_files(folder, 10000)
                with side.pool(folder) as pool:
                    pool.createXML(volume_xml("source", 256 << 20, "raw", 0), 0)
                    with open(os.path.join(folder, "source"), "r+b") as source:
                        source.write(os.urandom(64 << 20))
                    pool.refresh()
                    worst[side.name].append(self.worst_lookup(side, pool))
                shutil.rmtree(folder)
        yield compare("worst look-up in 6 s while a pool of 10,000 is refreshed and cloned into",
                      "≤ 5 ms", worst["libvirt"], worst["cistern"])

    def worst_lookup(self, side, pool):
        queue = multiprocessing.Queue()
        watcher = multiprocessing.Process(target=look_up, args=(
            side.daemon.uri, pool.name(), 2 if self.quick else 6, queue))
        stop = threading.Event()

        def load(action):
            connection = libvirt.open(side.daemon.uri)
            mine = connection.storagePoolLookupByName(pool.name())
            turn = 0
            while not stop.is_set():
                try:
                    action(mine, turn)
                except libvirt.libvirtError:
                    pass # the other side refuses a refresh while it clones
                turn += 1
            connection.close()

        def clone(mine, turn):
            source = mine.storageVolLookupByName("source")
            made = mine.createXMLFrom(volume_xml(f"clone-{turn}", 256 << 20, "raw"), source, 0)
            made.delete()

        threads = [threading.Thread(target=load, args=(lambda mine, turn: mine.refresh(),)),
                   threading.Thread(target=load, args=(clone,))]
        for thread in threads:
            thread.start()
        watcher.start()
        result = queue.get()
        watcher.join()
        stop.set()
        for thread in threads:
            thread.join()
        return result

    def create_qcow2(self):
        rounds = 10 if self.quick else 60
        for backed in (False, True):
            times = {side.name: [] for side in self.sides}
            with contextlib.ExitStack() as stack:
                pools = {}
                for side in self.sides:
                    folder = self.folder(f"create-{side.name}-{backed}")
                    os.makedirs(folder)
                    pools[side.name] = stack.enter_context(side.pool(folder))
                    pools[side.name].createXML(volume_xml("base", 1 << 30, "qcow2", 0), 0)
                for number in range(rounds):
                    for side in self.sides:
                        pool = pools[side.name]
                        backing = pool.storageVolLookupByName("base").path() if backed else None
                        xml = volume_xml(f"v{number}", 10 << 30, "qcow2", 0, backing)
                        times[side.name].append(clock(lambda: pool.createXML(xml, 0)))
            kind = "on a backing file" if backed else "plain"
            yield compare(f"create a qcow2 volume, {kind}", "≥ 10 ×", times["libvirt"],
                          times["cistern"])

    def clone(self):
        for filesystem, goal in (("ext4", "≥ 3 ×"), ("xfs", "≥ 100 ×"), ("btrfs", "≥ 100 ×")):
            with loop_mount(self.scratch, filesystem) as folder:
                yield from self.clone_on(filesystem, folder, goal)

    def clone_on(self, filesystem, folder, goal):
        times = {side.name: [] for side in self.sides}
        source = os.path.join(folder, "source")
        with open(source, "wb") as out:
            for piece in range(8):
                out.seek(piece * (256 << 20))
                out.write(os.urandom(64 << 20))
            out.truncate(2 << 30)
        subprocess.run(["sync"], check=True)
        with contextlib.ExitStack() as stack:
            pools = [(side, stack.enter_context(side.pool(folder))) for side in self.sides]
            for turn in range(1 if self.quick else 3):
                for side, pool in pools:
                    pool.refresh()
                    origin = pool.storageVolLookupByName("source")
                    xml = volume_xml(f"clone-{side.name}-{turn}", 2 << 30, "raw", 0)
                    times[side.name].append(
                        clock(lambda: pool.createXMLFrom(xml, origin, 0)))
                    pool.refresh()
                    pool.storageVolLookupByName(f"clone-{side.name}-{turn}").delete()
                    subprocess.run(["sync"], check=True)
        yield compare(f"clone 2 GiB raw holding 512 MiB, {filesystem}", goal, times["libvirt"],
                      times["cistern"])

    def round_trip(self):
        rounds = 500 if self.quick else 5000
        times = {side.name: [] for side in self.sides}
        with contextlib.ExitStack() as stack:
            pools = []
            for side in self.sides:
                folder = self.folder(f"trip-{side.name}")
                os.makedirs(folder)
                pools.append((side, stack.enter_context(side.pool(folder))))
            for _ in range(rounds):
                for side, pool in pools:
                    times[side.name].append(clock(pool.info))
        yield compare_fine("round trip (info of a pool)", "≤ 1.0 × the time", times)

    def connect(self):
        times = {side.name: [] for side in self.sides}
        for _ in range(50 if self.quick else 500):
            for side in self.sides:
                times[side.name].append(clock(lambda: libvirt.open(side.daemon.uri).close()))
        yield compare_fine("connect and close", "≤ 0.7 × the time", times)

    def pool_life(self):
        count = 30 if self.quick else 300
        times = {side.name: [] for side in self.sides}
        for turn in range(2 if self.quick else 5):
            for side in self.sides:
                folder = self.folder(f"life-{side.name}-{turn}")
                names = [f"l{number}-{turn}" for number in range(count)]
                for name in names:
                    os.makedirs(os.path.join(folder, name))
                times[side.name].append(clock(lambda: live(side.connection, folder, names)))
                shutil.rmtree(folder)
        yield compare(f"define, start, list, stop and undefine {count} pools", "≤ 0.7 × the time",
                      times["libvirt"], times["cistern"])

    def transfer(self):
        size = (64 if self.quick else 512) << 20
        source = self.folder("transfer")
        with open(source, "wb") as out:
            for _ in range(size >> 20):
                out.write(os.urandom(1 << 20))
        for name, arguments, xml in (
                ("upload", ("vol-upload", "v", source), volume_xml("v", size, "raw", 0)),
                ("download", ("vol-download", "v", self.folder("fetched")), None)):
            times = {side.name: [] for side in self.sides}
            for _ in range(1 if self.quick else 5):
                for side in self.sides:
                    times[side.name].append(self.move(side, arguments, xml, source))
            yield compare(f"{name} of {size >> 20} MiB through virsh", "≤ 0.8 × the time",
                          times["libvirt"], times["cistern"])
        os.unlink(source)

    def move(self, side, arguments, xml, source):
        """One transfer into, or out of, a fresh volume."""
        folder = self.folder(f"transfer-{side.name}")
        os.makedirs(folder)
        if not xml:
            shutil.copyfile(source, os.path.join(folder, "v"))
        with side.pool(folder) as pool:
            if xml:
                pool.createXML(xml, 0)
            subprocess.run(["sync"], check=True)
            seconds = virsh(side, *arguments[:2], pool.name(), *arguments[2:])
        shutil.rmtree(folder)
        return seconds

    def sparse_download(self):
        size = (1 if self.quick else 16) << 30
        target = self.folder("fetched")
        times = {side.name: [] for side in self.sides}
        own = {side.name: [] for side in self.sides}
        for _ in range(3 if self.quick else 20):
            for side in self.sides:
                folder = self.folder(f"sparse-{side.name}")
                os.makedirs(folder)
                with side.pool(folder) as pool:
                    volume = pool.createXML(volume_xml("v", size, "raw", 0), 0)
                    times[side.name].append(clock(lambda: fetch_sparse(
                        side.connection, volume, target)))
                    own[side.name].append(own_time_of_fetch(side.connection, volume, target))
                os.unlink(target)
                shutil.rmtree(folder)
        yield compare(f"sparse download of a hole of {size >> 30} GiB", "≤ 0.3 × the time",
                      times["libvirt"], times["cistern"])
        yield compare("the same, what the client does without the daemon", "stated",
                      own["libvirt"], own["cistern"])

    def many_clients(self):
        folder = self.folder("clients")
        make_files(folder, 10000)
        rounds = 5 if self.quick else 40
        results = {}
        for side in self.sides:
            with side.pool(folder) as pool:
                results[side.name] = mixed_clients(side.daemon.uri, pool.name(), 64, rounds)
        shutil.rmtree(folder)
        (rate, p99), (our_rate, our_p99) = results["libvirt"], results["cistern"]
        yield ("64 clients, mixed calls on 10,000 volumes: calls a second", f"{rate:,.0f}",
               f"{our_rate:,.0f}", f"{our_rate / rate:.1f} × as many", "stated")
        yield ("64 clients, mixed calls on 10,000 volumes: 99 of 100 within",
               milliseconds(p99), milliseconds(our_p99), f"{p99 / our_p99:.1f} × faster", "stated")

    def autostart(self):
        count = 100 if self.quick else 1000
        times = {side.name: [] for side in self.sides}
        for side in self.sides:
            for number in range(count):
                folder = self.folder(f"auto/{number}")
                os.makedirs(folder, exist_ok=True)
                side.connection.storagePoolDefineXML(
                    f"<pool type='dir'><name>auto-{number}</name>"
                    f"<target><path>{folder}</path></target></pool>").setAutostart(1)
        for _ in range(1 if self.quick else 3):
            for side in self.sides:
                times[side.name].append(restart(side, count))
        for side in self.sides:
            for pool in side.connection.listAllStoragePools():
                if pool.name().startswith("auto-"):
                    pool.destroy()
                    pool.undefine()
        shutil.rmtree(self.folder("auto"))
        yield compare(f"start of the daemon, until {count:,} autostart pools run", "stated",
                      times["libvirt"], times["cistern"])

    def memory_of_lists(self):
        seconds = 1 if self.quick else 20
        grown = []
        for side in self.sides:
            folder = self.folder(f"lists-{side.name}")
            make_files(folder, 100)
            with side.pool(folder) as pool:
                list_calls(side.connection, pool, 1000)
                before, calls = side.daemon.rss(), 0
                until = time.perf_counter() + seconds
                while time.perf_counter() < until:
                    calls += list_calls(side.connection, pool, 1000)
                grown.append(f"{side.daemon.rss() - before} KiB over {calls:,} calls")
            shutil.rmtree(folder)
        yield (f"memory, growth over the list calls of {seconds} s (pools; 100 volumes)", *grown,
               "", "flat")

    def scale(self):
        for count in (1000, 10000) if self.quick else (1000, 10000, 100000, 1000000):
            folder = self.folder(f"scale-{count}")
            make_files(folder, count)
            before = self.ours.daemon.rss()
            started = time.perf_counter()
            with self.ours.pool(folder) as pool:
                first = time.perf_counter() - started
                memory = (self.ours.daemon.rss() - before) * 1024 / count
                again = statistics.median(clock(pool.refresh) for _ in range(3))
                lookup = statistics.median(
                    clock(lambda: pool.storageVolLookupByName(f"volume-{count // 2:07d}"))
                    for _ in range(500))
            shutil.rmtree(folder)
            yield (f"{count:,}", milliseconds(first), milliseconds(again),
                   f"{first / count * 1e6:.1f} µs", f"{again / count * 1e6:.1f} µs",
                   f"{lookup * 1e6:.0f} µs", f"{memory:.0f} B")

    def close(self):
        for side in self.sides:
            side.connection.close()
            side.daemon.stop()


def look_up(uri, pool_name, seconds, queue):
    """Runs in a process of its own: looks one volume up again and again, reports the worst."""
    connection = libvirt.open(uri)
    pool = connection.storagePoolLookupByName(pool_name)
    until = time.perf_counter() + seconds
    worst = 0
    while time.perf_counter() < until:
        worst = max(worst, clock(lambda: pool.storageVolLookupByName("volume-0005000")))
        time.sleep(0.001)
    queue.put(worst)


def receive(stream, out):
    stream.sparseRecvAll(lambda stream, data, opaque: out.write(data),
                         lambda stream, length, opaque: out.seek(length, os.SEEK_CUR), None)


def fetch_sparse(connection, volume, path):
    """Downloads a volume into a file, holes as holes."""
    stream = connection.newStream()
    with open(path, "wb") as out:
        volume.download(stream, 0, 0, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
        receive(stream, out)
        stream.finish()
        out.truncate()


def own_time_of_fetch(connection, volume, path):
    """The time of the same without that of its two calls, and with all packets there before they
    are looked at: no daemon can be faster."""
    started = time.perf_counter()
    stream = connection.newStream()
    with open(path, "wb") as out:
        asked = time.perf_counter()
        volume.download(stream, 0, 0, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
        time.sleep(0.005)
        there = time.perf_counter()
        receive(stream, out)
        read = time.perf_counter()
        stream.finish()
        finished = time.perf_counter()
        out.truncate()
    return asked - started + read - there + time.perf_counter() - finished


def list_calls(connection, pool, count):
    for _ in range(count // 2):
        connection.listAllStoragePools()
        pool.listAllVolumes()
    return count


def live(connection, folder, names):
    """The whole life of many pools."""
    pools = [connection.storagePoolDefineXML(
        f"<pool type='dir'><name>{name}</name><target><path>{folder}/{name}</path></target></pool>")
        for name in names]
    for pool in pools:
        pool.create()
    connection.listAllStoragePools()
    for pool in pools:
        pool.destroy()
    for pool in pools:
        pool.undefine()


def virsh(side, command, volume, pool, *arguments):
    """How long virsh takes for it."""
    return clock(lambda: subprocess.run(
        ["virsh", "-q", "-c", side.daemon.uri, command, volume, *arguments, "--pool", pool],
        check=True, stdout=subprocess.DEVNULL))


def restart(side, count):
    """Seconds from the start of the daemon until so many pools run."""
    side.connection.close()
    side.daemon.stop()
    side.daemon.forget_boot()
    started = time.perf_counter()
    side.daemon.start()
    while True:
        try:
            side.connection = libvirt.open(side.daemon.uri)
            break
        except libvirt.libvirtError: # it listens before it serves
            time.sleep(0.002)
    while side.connection.numOfStoragePools() < count:
        time.sleep(0.002)
    return time.perf_counter() - started


def mixed_calls(uri, pool_name, number, rounds, queue):
    """Runs in a process of its own: what one client does, how long each call took."""
    connection = libvirt.open(uri)
    pool = connection.storagePoolLookupByName(pool_name)
    times = []
    for turn in range(rounds):
        def lookup():
            return pool.storageVolLookupByName(f"volume-{(number * 131 + turn * 17) % 10000:07d}")

        times.append(clock(lookup))
        volume = lookup()
        times.append(clock(volume.info))
        times.append(clock(volume.XMLDesc))
        times.append(clock(pool.info))
        times.append(clock(pool.numOfVolumes))
        if turn % 10 == number % 10:
            own = volume_xml(f"own-{number}-{turn}", 1 << 20, "raw", 0)
            times.append(clock(lambda: pool.createXML(own, 0)))
            made = pool.storageVolLookupByName(f"own-{number}-{turn}")
            times.append(clock(made.delete))
    connection.close()
    queue.put(times)


def mixed_clients(uri, pool_name, count, rounds):
    """Calls a second of all clients together, and the time that 99 of 100 calls keep."""
    queue = multiprocessing.Queue()
    clients = [multiprocessing.Process(target=mixed_calls,
                                       args=(uri, pool_name, number, rounds, queue))
               for number in range(count)]
    started = time.perf_counter()
    for client in clients:
        client.start()
    times = sorted(itertools.chain.from_iterable(queue.get() for _ in clients))
    seconds = time.perf_counter() - started
    for client in clients:
        client.join()
    return len(times) / seconds, times[len(times) * 99 // 100]


@contextlib.contextmanager
def loop_mount(scratch, filesystem):
    image = os.path.join(scratch, f"{filesystem}.img")
    target = os.path.join(scratch, f"on-{filesystem}")
    os.makedirs(target)
    with open(image, "wb") as out:
        out.truncate(8 << 30)
    subprocess.run([f"mkfs.{filesystem}", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, target], check=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", target], check=True)
        os.unlink(image)
        os.rmdir(target)


COMPARED = ("idle_memory", "round_trip", "connect", "pool_life", "refresh_warm", "refresh_cold",
            "lookup_under_load", "create_qcow2", "clone", "transfer", "sparse_download",
            "many_clients", "autostart", "memory_of_lists")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def write_into(path, text, begin=BEGIN, end=END):
    """Puts the text between two marks of a document."""
    with open(path, encoding="utf-8") as old:
        head, _, rest = old.read().partition(begin)
        tail = rest.partition(end)[2]
    with open(path, "w", encoding="utf-8") as out:
        out.write(f"{head}{begin}\n{text}{end}{tail}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--quick", action="store_true", help="small numbers, to try the benchmark")
    parser.add_argument("--write", metavar="FILE", help="put the tables into this document")
    parser.add_argument("--only", action="append", metavar="NAME",
                        choices=COMPARED + ("scale",), help="run just this one")
    options = parser.parse_args()
    wanted = options.only or COMPARED + ("scale",)
    scratch = tempfile.mkdtemp(prefix="cistern-bench.")
    bench = Bench(options.build, scratch, options.quick)
    rows, scale = [], []
    try:
        for name in wanted:
            for row in getattr(bench, name)():
                (scale if name == "scale" else rows).append(row)
                print(" | ".join(row), file=sys.stderr, flush=True)
    finally:
        bench.close()
        shutil.rmtree(scratch, ignore_errors=True)
    text = ""
    if rows:
        text += table(("work", "libvirt 9.0", "cistern", "median of ratios", "goal"), rows)
    if scale:
        text += "\n" + table(("files", "first refresh", "refresh, nothing changed",
                              "first, per file", "again, per file", "look-up",
                              "memory per volume"), scale)
    print(text)
    if options.write:
        write_into(options.write, text)


if __name__ == "__main__":
    main()
