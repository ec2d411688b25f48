#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every public prototype is documented and exported, and nothing else is exported."""

import re
import subprocess
import sys

header, library = sys.argv[1:3]


def report(results):
    """Prints (name, problem) pairs as TAP; returns the exit status."""
    print(f"1..{len(results)}")
    for number, (name, problem) in enumerate(results, 1):
        print(f"{'not ok' if problem else 'ok'} {number} {name}")
        if problem:
            print(f"# {problem}")
    return any(problem for _, problem in results)


def prototypes(text):
    """name → (arguments, the comment right above it or "")."""
    pattern = (r"(?:/\*((?:(?!\*/).)*)\*/\n)?"
               r"CISTERN_PUBLIC\s[^;(]*?\b(cistern_\w+)\(([^;]*)\);")
    return {name: (arguments, comment)
            for comment, name, arguments in re.findall(pattern, text, re.S)}


def exported():
    lines = subprocess.run(["nm", "-D", "--defined-only", library], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.splitlines()
    symbols = {line.split()[-1].split("@")[0] for line in lines if " A " not in line}
    return symbols


def undocumented(public):
    """Names of calls whose comment lacks what every comment has to say."""
    missing = []
    for name, (arguments, comment) in public.items():
        if not comment:
            missing.append(f"{name}: no comment")
        elif not re.search(r"Returns|Never fails", comment):
            missing.append(f"{name}: says neither what it returns nor that it never fails")
        elif not re.search(r"Errors|No errors|[Nn]ever fails|CISTERN_ERROR", comment):
            missing.append(f"{name}: says nothing of errors")
        elif arguments.endswith("flags") and "flags:" not in comment:
            missing.append(f"{name}: does not say which flags it takes")
    return missing


def main():
    with open(header, encoding="utf-8") as file:
        text = file.read()
    public = prototypes(text)
    symbols = exported()
    declared = set(re.findall(r"\b(cistern_\w+)\(", re.sub(r"/\*.*?\*/", "", text, flags=re.S)))
    return report([
        ("header has prototypes", "" if len(public) > 50 else f"only {len(public)} found"),
        ("every declaration is public", ", ".join(sorted(declared - set(public)))),
        ("every prototype is documented", "; ".join(undocumented(public))),
        ("every prototype is exported", ", ".join(sorted(set(public) - symbols))),
        ("nothing else is exported", ", ".join(sorted(symbols - set(public)))),
    ])


sys.exit(main())
