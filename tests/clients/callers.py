# SPDX-License-Identifier: LGPL-2.1-or-later
"""For tests of access: a system bus of their own, a daemon that other users may reach, and actions
done by other users."""

import multiprocessing
import os
import subprocess
import tempfile

import libvirt

from tap import Daemon, expect, wait_until

NOBODY = 65534


class Bus:
    """A bus in the place of the system's, for this process and what it starts."""

    def __init__(self, scratch):
        address = f"unix:path={scratch}/bus"
        config = os.path.join(scratch, "bus.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(f"<busconfig><type>system</type><listen>{address}</listen>"
                       "<auth>EXTERNAL</auth><policy context='default'><allow send_destination='*'/>"
                       "<allow receive_sender='*'/><allow own='*'/><allow user='*'/></policy>"
                       "</busconfig>")
        self.bus = subprocess.Popen(["dbus-daemon", f"--config-file={config}", "--nofork",
                                     "--nopidfile", "--nosyslog", "--print-address"],
                                    stdout=subprocess.PIPE)
        expect(self.bus.stdout.readline(), "the bus runs")
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = address

    def close(self):
        self.bus.kill()
        self.bus.wait()


class Server(Daemon):
    def __init__(self, cisternd, *lines):
        scratch = tempfile.mkdtemp(prefix="cistern-test.")
        os.makedirs(os.path.join(scratch, "root", "etc"))
        with open(os.path.join(scratch, "root", "etc", "cisternd.conf"), "w",
                  encoding="ascii") as file:
            file.write("\n".join(['log_level = "info"', 'unix_sock_rw_perms = "0777"',
                                  'unix_sock_ro_perms = "0777"', *lines]) + "\n")
        super().__init__(cisternd, scratch)
        wait_until(lambda: "cistern-sock-ro" in self.read_log(), 20, "both sockets")
        for folder in (scratch, self.root, os.path.dirname(self.socket)):
            os.chmod(folder, 0o755)
        self.uri_ro = f"{self.uri}-ro"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def in_child(uid, action, pipe):
    try:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(uid)
        pipe.send((True, action()))
    except libvirt.libvirtError as error:
        pipe.send((False, (error.get_error_code(), error.get_error_domain(),
                           error.get_error_message())))
    except BaseException as error:  # pylint: disable=broad-except
        pipe.send((False, repr(error)))


def as_user(uid, action):
    """What the action returns when this user does it, or the error's code, domain and text."""
    here, there = multiprocessing.Pipe()
    child = multiprocessing.Process(target=in_child, args=(uid, action, there))
    child.start()
    expect(here.poll(30), "an answer within 30 s")
    result = here.recv()
    child.join(30)
    return result
