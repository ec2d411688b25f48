# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt-dbus on a bus of its own, over our daemon, as TAP. It opens the URIs of hypervisors
alone, so libvirt's storage driver can't be asked the same.
usage: test-dbus.py BUILD_FOLDER (under `run`)"""

import os
import subprocess
import sys
import time

from gi.repository import Gio, GLib

from hosts import Hosts

NAME, ROOT = "org.libvirt", "/org/libvirt/QEMU"


def call(bus, path, interface, method, signature, *arguments):
    parameters = GLib.Variant(signature, arguments) if signature else None
    return bus.call_sync(NAME, path, f"org.libvirt.{interface}", method, parameters, None,
                         Gio.DBusCallFlags.NONE, 10000, None).unpack()


def wait_for_name(bus):
    for _ in range(200):
        owned = bus.call_sync("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "NameHasOwner",
                              GLib.Variant("(s)", (NAME,)), None, Gio.DBusCallFlags.NONE, 5000,
                              None).unpack()[0]
        if owned:
            return
        time.sleep(0.05)
    sys.exit("libvirt-dbus did not come up")


def checks(bus, folder):
    def pool_xml(name):
        return (f"<pool type='dir'><name>{name}</name>"
                f"<target><path>{folder}/{name}</path></target></pool>")

    volume_xml = "<volume><name>v</name><capacity>1048576</capacity></volume>"
    pool, = call(bus, ROOT, "Connect", "StoragePoolDefineXML", "(su)", pool_xml("p"), 0)
    yield "a pool is defined", pool.startswith(ROOT)
    yield "and listed", call(bus, ROOT, "Connect", "ListStoragePools", "(u)", 0)[0] == [pool]
    yield "and found", call(bus, ROOT, "Connect", "StoragePoolLookupByName", "(s)", "p")[0] == pool
    call(bus, pool, "StoragePool", "Build", "(u)", 0)
    call(bus, pool, "StoragePool", "Create", "(u)", 0)
    volume, = call(bus, pool, "StoragePool", "StorageVolCreateXML", "(su)", volume_xml, 0)
    yield "a volume is made", os.path.getsize(f"{folder}/p/v") == 1 << 20
    yield "and listed", call(bus, pool, "StoragePool", "ListStorageVolumes", "(u)", 0)[0] == [volume]
    yield "and found", call(bus, ROOT, "Connect", "StorageVolLookupByPath", "(s)",
                            f"{folder}/p/v")[0] == volume
    yield "its document", "<name>v</name>" in call(bus, volume, "StorageVol", "GetXMLDesc", "(u)",
                                                   0)[0]
    call(bus, volume, "StorageVol", "Resize", "(tu)", 2 << 20, 0)
    yield "it grows", os.path.getsize(f"{folder}/p/v") == 2 << 20
    call(bus, volume, "StorageVol", "Delete", "(u)", 0)
    yield "it goes", not os.path.exists(f"{folder}/p/v")
    try:
        call(bus, ROOT, "Connect", "StoragePoolLookupByName", "(s)", "nothing")
        yield "an error", False
    except GLib.Error as error:
        yield "an error", "no storage pool with matching name 'nothing'" in error.message
    try:
        call(bus, ROOT, "Connect", "DomainLookupByName", "(s)", "x")
        yield "a guest", False
    except GLib.Error as error:
        yield "a guest", "no domain with matching name 'x'" in error.message
    yield "no guests", call(bus, ROOT, "Connect", "ListDomains", "(u)", 0)[0] == []
    call(bus, pool, "StoragePool", "Destroy", "")
    call(bus, pool, "StoragePool", "Undefine", "")
    yield "the pool goes", call(bus, ROOT, "Connect", "ListStoragePools", "(u)", 0)[0] == []


def start_bus(folder):
    bus = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--print-address=1",
                            f"--address=unix:path={folder}/bus"], stdout=subprocess.PIPE,
                           text=True)
    return bus, bus.stdout.readline().strip()


def take_place(host):
    """The socket where the library looks for it, in this mount namespace alone."""
    os.makedirs("/run/libvirt", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/libvirt"], check=True)
    os.symlink(host.socket, "/run/libvirt/libvirt-sock")


def main():
    failed, number = False, 0
    with Hosts(sys.argv[1], ("cistern",)) as (host,):
        take_place(host)
        daemon, address = start_bus(host.folder)
        env = dict(os.environ, DBUS_SESSION_BUS_ADDRESS=address, LIBVIRT_AUTOSTART="0")
        service = subprocess.Popen(["libvirt-dbus", "--session"], env=env)
        try:
            bus = Gio.DBusConnection.new_for_address_sync(
                address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT |
                Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
            wait_for_name(bus)
            for number, (name, good) in enumerate(checks(bus, host.folder), 1):
                failed |= not good
                print(f"{'ok' if good else 'not ok'} {number} - {name}", flush=True)
        finally:
            for process in (service, daemon):
                process.terminate()
                process.wait()
    print(f"1..{number}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
