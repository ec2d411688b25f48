#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The systemd units are well-formed, and as hardened as the manual says.
# usage: units.sh CISTERND MANUAL UNIT...
set -u
program=$(realpath "$1") manual=$(realpath "$2")
shift 2
scratch=$(mktemp -d "${TMPDIR:-/tmp}/cistern-units.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
# With the program where it is now.
for unit; do
    sed -e "s,^ExecStart=[^ ]*,ExecStart=$program," -e '/^Documentation=/d' "$unit" >"$scratch/$(basename "$unit")"
done
cd "$scratch" || exit 1
number=0

check() { # NAME, then a command that prints what is wrong
    local name=$1 found
    shift
    number=$((number + 1))
    if found=$("$@" 2>&1) && [[ -z $found ]]; then
        echo "ok $number $name"
    else
        echo "not ok $number $name"
        sed 's/^/# /' <<<"$found"
    fi
}

# Only what is said of these units: others of the machine may have faults of their own.
verify() { systemd-analyze verify --man=no "./$1" 2>&1 | grep -F cisternd; true; }

stated=$(sed -n 's/.*exposure level of \([0-9.]*\).*/\1/p' "$manual")
score() {
    local found
    found=$(systemd-analyze security --offline=true --no-pager "./$1" | sed -n 's/.*exposure level for [^:]*: \([0-9.]*\) .*/\1/p')
    [[ -n $found && $found == "$stated" ]] || echo "it is '$found', the manual says '$stated'"
}

# Each step that systemd takes in these names its own way to the program.
starts() {
    local options
    options=$(sed -n 's/^ExecStart=[^ ]*//p' "$1")
    # shellcheck disable=SC2086
    "$program" --check-config $options --config /dev/null
}

echo "1..$(($# + 2 * $(ls -- *.service | wc -l)))"
for unit in *.service *.socket; do
    check "$unit is well-formed" verify "$unit"
done
for unit in *.service; do
    check "$unit has the stated exposure level" score "$unit"
    check "$unit's command line is understood" starts "$unit"
done
