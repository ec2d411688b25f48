# SPDX-License-Identifier: LGPL-2.1-or-later
"""For tests of access: a system bus of their own, a daemon that other users may reach, and actions
done by other users."""

import json
import multiprocessing
import os
import subprocess
import tempfile

import libvirt

from tap import Daemon, expect, wait_until

NOBODY = 65534
HERE = os.path.dirname(os.path.abspath(__file__))


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


class StandIn(Bus):
    """A bus with polkit's stand-in, which denies all until it is told otherwise."""

    def __init__(self, scratch):
        super().__init__(scratch)
        self.rules_file, self.log = os.path.join(scratch, "rules"), os.path.join(scratch, "asked")
        self.polkit = None
        self.start()

    def start(self):
        self.set_rules({"": "no"})
        self.polkit = subprocess.Popen([os.path.join(HERE, "polkit-standin"), self.rules_file,
                                        self.log], stdout=subprocess.PIPE)
        expect(self.polkit.stdout.readline() == b"ready\n", "the stand-in runs")

    def set_rules(self, rules):
        """Sets the answers; see polkit-standin."""
        with open(self.rules_file + ".new", "w", encoding="utf-8") as file:
            json.dump(rules, file)
        os.rename(self.rules_file + ".new", self.rules_file)
        with open(self.log, "w", encoding="utf-8"):
            pass

    def asked(self):
        with open(self.log, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def stop(self):
        self.polkit.kill()
        self.polkit.wait()

    def close(self):
        self.stop()
        super().close()


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
