# SPDX-License-Identifier: LGPL-2.1-or-later
# Tests of the command line as TAP. Sourced by the test scripts with the paths of the built program
# ($1), of the daemon ($2) and of the source tree ($3); it makes a scratch folder and points the
# program at an engine in it.
# shellcheck shell=bash
set -u
program=$(realpath "$1")
# shellcheck disable=SC2034
daemon=$(realpath "${2:-.}") tree=$(realpath "${3:-.}")
scratch=$(mktemp -d "${TMPDIR:-/tmp}/cistern-cli.XXXXXX")
state=$scratch/state
export CISTERN_DEFAULT_URI=embed://$state
export LC_ALL=C.UTF-8 PATH=$PATH:/usr/sbin:/sbin
unset NO_COLOR VISUAL EDITOR
tests=0
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1

# The last run: its standard output, standard error and status.
out='' err='' status=0

run() {
    "$@" >"$scratch/.out" 2>"$scratch/.err" </dev/null
    status=$?
    out=$(tr -d '\0' <"$scratch/.out")
    err=$(tr -d '\0' <"$scratch/.err")
}

cistern() { "$program" "$@"; }

report() { # RESULT NAME: RESULT 0 is a pass
    tests=$((tests + 1))
    if (($1 == 0)); then
        echo "ok $tests - $2"
    else
        echo "not ok $tests - $2"
        printf '%s\n' "status $status" "stdout: $out" "stderr: $err" | sed 's/^/#   /'
    fi
}

skip() { # NAME WHY
    tests=$((tests + 1))
    echo "ok $tests - $1 # SKIP $2"
}

# The command ends with status 0 and says nothing on standard error.
works() { # NAME COMMAND...
    local name=$1
    shift
    run "$@"
    [[ $status == 0 && -z $err ]]
    report $? "$name"
}

# The command ends with STATUS and one line on standard error that matches PATTERN.
fails() { # NAME STATUS PATTERN COMMAND...
    local name=$1 expected=$2 pattern=$3
    shift 3
    run "$@"
    [[ $status == "$expected" && $err =~ $pattern && $err != *$'\n'* && $err == 'cistern: error: '* ]]
    report $? "$name"
}

is() { # NAME EXPECTED GOT
    [[ $2 == "$3" ]] && { report 0 "$1"; return; }
    out="expected '$2', got '$3'"
    report 1 "$1"
}

# The output of the last run matches PATTERN.
output() { # NAME PATTERN
    [[ $out =~ $2 ]]
    report $? "$1"
}

# The output of the last run is a JSON document of which FILTER is true.
json() { # NAME FILTER
    printf '%s' "$out" | jq -e "$2" >/dev/null 2>"$scratch/.jq"
    local result=$?
    err+=$(cat "$scratch/.jq")
    report $result "$1"
}

finish() { echo "1..$tests"; exit 0; }

# Waits up to 20 s until a command works.
until_works() {
    local try
    for ((try = 0; try < 200; try++)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    return 1
}
