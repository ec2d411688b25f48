# SPDX-License-Identifier: LGPL-2.1-or-later
"""For the scripts in Python: steps and the documents they use."""

import json
import os
import sys

URI = os.environ["TEST_URI"]
FOLDER = os.environ["TEST_FOLDER"]
MIB = 1 << 20


def report(step, answer):
    print(json.dumps({"step": step, "answer": answer}, default=str), flush=True)


def pool_xml(name, kind="dir", source="", target=None):
    target = target if target is not None else f"{FOLDER}/{name}"
    return (f"<pool type='{kind}'><name>{name}</name>{source}"
            f"<target><path>{target}</path></target></pool>")


def volume_xml(name, form="raw", capacity=MIB, extra=""):
    return (f"<volume><name>{name}</name><capacity>{capacity}</capacity>{extra}"
            f"<target><format type='{form}'/></target></volume>")


def write(name, text):
    """A file in the folder for documents; its path."""
    folder = f"{FOLDER}/documents"
    os.makedirs(folder, exist_ok=True)
    path = f"{folder}/{name}"
    with open(path, "wb") as out:
        out.write(text if isinstance(text, bytes) else text.encode())
    return path


def die(text):
    sys.exit(text)
