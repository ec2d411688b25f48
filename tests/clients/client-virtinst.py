# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-manager's own classes: virtinst's pools and volumes, as its windows and virt-install use them."""

import os
import sys

sys.path.insert(0, "/usr/share/virt-manager")
from virtinst import DeviceDisk, StoragePool, StorageVolume, cli, pollhelpers  # noqa: E402

from steps import FOLDER, MIB, URI, report  # noqa: E402


def attempt(step, function, *arguments, **named):
    try:
        value = function(*arguments, **named)
    except Exception as error:  # virtinst wraps libvirt's errors in many of its own
        report(step, {"error": str(error).splitlines()[0]})
        return None
    report(step, value if isinstance(value, (str, int, list, bool, type(None)))
           else type(value).__name__)
    return value


conn = cli.getConnection(URI)
report("open", [conn.is_open(), conn.is_storage() if hasattr(conn, "is_storage") else None])
attempt("capabilities", lambda: conn.caps.get_xml().count("<pool>"))
attempt("pools", lambda: [pool.get_xml() for pool in conn.fetch_all_pools()])


def build_pool(name):
    pool = StoragePool(conn)
    pool.type = StoragePool.TYPE_DIR
    pool.name = name
    pool.target_path = f"{FOLDER}/{name}"
    pool.validate()
    return pool.install(create=True, build=True, autostart=True)


handle = attempt("install a pool", build_pool, "p")
attempt("install it again", build_pool, "p")
attempt("a free name", StoragePool.find_free_name, conn, "p")
pool_object = conn.storagePoolLookupByName("p")
report("what it is", [pool_object.isActive(), pool_object.autostart()])
attempt("pool by path", lambda: StoragePool.lookup_pool_by_path(conn, f"{FOLDER}/p").name())


def build_volume(name, capacity=MIB, form="raw", backing=None, source=None):
    volume = StorageVolume(conn)
    volume.pool = pool_object
    volume.name = name
    volume.capacity = capacity
    volume.allocation = 0
    if source:
        volume.set_input_vol(source)
    if volume.supports_format():
        volume.format = form
    if backing:
        volume.backing_store = backing
    volume.validate()
    return volume.install().name()


attempt("install a volume", build_volume, "v")
attempt("install the volume again", build_volume, "v")
attempt("a qcow2 volume", build_volume, "q", form="qcow2")
attempt("a volume over another", build_volume, "o", form="qcow2", backing=f"{FOLDER}/p/q")
attempt("a clone", lambda: build_volume("c", source=pool_object.storageVolLookupByName("v")))
attempt("a free volume name", StorageVolume.find_free_name, conn, pool_object, "v")
attempt("volumes", lambda: sorted(volume.get_xml().split("<name>")[1].split("<")[0]
                                  for volume in conn.fetch_all_vols()))


def disk(**wanted):
    """What virt-install --disk does."""
    device = DeviceDisk(conn)
    if "path" in wanted:
        device.set_source_path(wanted["path"])
    if "size" in wanted:
        device.set_vol_install(DeviceDisk.build_vol_install(
            conn, wanted["name"], pool_object, wanted["size"], True))
    device.validate()
    device.build_storage(None)
    return device.get_source_path()


attempt("disk from a volume", disk, path=f"{FOLDER}/p/v")
attempt("disk that is made", disk, name="made", size=0.001)
attempt("disk that can't be made", disk, name="huge", size=100000)
attempt("disk in an unknown folder", disk, path="/no/such/folder/v")
for what, fetch in (("pools", lambda: pollhelpers.fetch_pools(conn, {}, lambda one, key: key)),
                    ("volumes", lambda: pollhelpers.fetch_volumes(conn, pool_object, {},
                                                                  lambda one, key: key))):
    attempt(f"polls {what}", lambda: [len(part) for part in fetch()])
attempt("guests", lambda: len(conn.fetch_all_domains()))
attempt("node devices", lambda: len(conn.fetch_all_nodedevs()))
attempt("node information", lambda: conn.getInfo()[0])
conn.close()
