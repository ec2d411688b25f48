# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt-glib through GObject introspection: pools and volumes as objects."""

import gi

gi.require_version("LibvirtGLib", "1.0")
gi.require_version("LibvirtGConfig", "1.0")
gi.require_version("LibvirtGObject", "1.0")
from gi.repository import GLib, LibvirtGConfig, LibvirtGLib, LibvirtGObject  # noqa: E402

from steps import URI, pool_xml, report, volume_xml  # noqa: E402

LibvirtGLib.init_check(None)
LibvirtGObject.init_object_check(None)
LibvirtGLib.event_register()
warnings = []
GLib.log_set_handler(None, GLib.LogLevelFlags.LEVEL_WARNING,
                     lambda domain, level, message, data: warnings.append(message), None)


def attempt(step, function, *arguments):
    try:
        value = function(*arguments)
    except GLib.Error as error:
        report(step, {"error": error.message})
        return None
    report(step, value if isinstance(value, (str, int, list, bool, type(None)))
           else type(value).__name__)
    return value


def pool_config(name):
    return LibvirtGConfig.StoragePool.new_from_xml(pool_xml(name))


def volume_config(name):
    return LibvirtGConfig.StorageVol.new_from_xml(volume_xml(name))


connection = LibvirtGObject.Connection.new(URI)
attempt("open", connection.open, None)
attempt("is open", connection.is_open)
attempt("fetch pools", connection.fetch_storage_pools, None)
pool = attempt("create pool", connection.create_storage_pool, pool_config("p"), 0)
attempt("build", pool.build, 0)
attempt("start", pool.start, 0)
attempt("start again", pool.start, 0)
attempt("active", pool.get_active)
attempt("persistent", pool.get_persistent)
attempt("autostart", pool.set_autostart, True)
attempt("refresh", pool.refresh, None)
info = pool.get_info()
report("info", [int(info.state), info.capacity, info.allocation, info.available])
attempt("document", lambda: pool.get_config(0).to_xml())
volume = attempt("create volume", pool.create_volume, volume_config("v"))
attempt("create volume again", pool.create_volume, volume_config("v"))
attempt("fetch volumes", pool.refresh, None)
attempt("volumes", lambda: sorted(one.get_name() for one in pool.get_volumes()))
attempt("volume by name", lambda: pool.get_volume("v").get_name())
attempt("path", volume.get_path)
attempt("volume document", lambda: volume.get_config(0).to_xml())
attempt("resize", volume.resize, 2097152, 0)
attempt("shrink", volume.resize, 1048576, 0)
attempt("delete", volume.delete, 0)
attempt("stop", pool.stop)
attempt("stop again", pool.stop)
attempt("undefine", pool.undefine)
attempt("find gone pool", lambda: connection.find_storage_pool_by_name("nothing"))
attempt("fetch domains", connection.fetch_domains, None)
attempt("node", lambda: connection.get_node_info().memory > 0)
attempt("fetch networks", connection.fetch_networks, None)
attempt("fetch interfaces", connection.fetch_interfaces, None)
# What it can't register for is no error to it.
report("warnings", warnings)
connection.close()
