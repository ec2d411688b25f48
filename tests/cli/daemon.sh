#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The program with a daemon behind it: events, jobs of others, default connections.
# usage: daemon.sh PROGRAM DAEMON
daemon=$(realpath "$2")
# shellcheck source=tests/cli/lib.sh
source "$(dirname "$0")/lib.sh"
pids=()
trap 'kill "${pids[@]}" 2>/dev/null; rm -rf "$scratch"' EXIT

# With job control processes in the background heed SIGINT.
set -m
"$daemon" --root "$scratch/root" >daemon.log 2>&1 </dev/null &
pids+=($!)
export CISTERN_DEFAULT_URI="cistern+unix:///system?socket=$scratch/root/run/cistern-sock"
until_works "$program" pool-list
report $? 'the daemon answers'
run cistern -v uri
is 'it is named' "$CISTERN_DEFAULT_URI" "$out"
is '-v says so' "cistern: connected to the daemon at $CISTERN_DEFAULT_URI" "$err"
works 'the socket for reading' cistern -c "cistern+unix:///system?socket=$scratch/root/run/cistern-sock-ro" pool-list
for scheme in storage storage+unix; do
    works "libvirt's spelling: $scheme" cistern -c "$scheme:///system?socket=$scratch/root/run/cistern-sock" pool-list
done
fails 'its folder is held' 5 '' cistern -c "embed://$scratch/root" pool-list

# ---- events ----

# Starts a watcher whose output is events.NAME, and waits until it is there.
watch() { # NAME OPTION...
    local name=$1
    shift
    "$program" pool-event "$@" >"events.$name" 2>&1 </dev/null &
    watcher=$!
    pids+=($watcher)
    sleep 1
}

watch one --event lifecycle --timestamp --timeout 30
works 'a pool' cistern pool-define-as p dir --target "$scratch/pool"
wait "$watcher"
is 'the watcher ends after one event' 0 $?
[[ $(<events.one) =~ ^20[0-9-]+\ [0-9:]{8}\.[0-9]{3}\+0000:\ event\ \'lifecycle\'\ for\ storage\ pool\ p:\ Defined$'\n'events\ received:\ 1$ ]]
report $? 'it has seen the definition'

watch loop --event lifecycle --loop --pool p
lifecycle=$watcher
watch json -o json --event lifecycle --loop --timeout 30
json_watcher=$watcher
watch refresh --event refresh --loop p
refresh=$watcher
watch both --loop p
"$program" -q pool-define-as q dir --target "$scratch/q"
for command in build start refresh destroy delete undefine; do
    works "pool-$command" cistern pool-$command p
done
sleep 1
kill -INT "$lifecycle" "$json_watcher" "$refresh" "$watcher"
wait "$lifecycle"
is 'Ctrl-C ends a loop' 0 $?
wait "$json_watcher" "$refresh" "$watcher"
is 'events of one pool' "event 'lifecycle' for storage pool p: Created
event 'lifecycle' for storage pool p: Started
event 'lifecycle' for storage pool p: Stopped
event 'lifecycle' for storage pool p: Deleted
event 'lifecycle' for storage pool p: Undefined
event loop interrupted
events received: 5" "$(<events.loop)"
[[ $(<events.refresh) == *"event 'refresh' for storage pool p"* ]]
report $? 'events of another kind'
[[ $(<events.both) == *"event 'refresh' for storage pool p"* && $(<events.both) == *"'lifecycle' for storage pool p: Undefined"* ]]
report $? 'without --event events of every kind'
out=$(<events.json)
json 'events of all pools in JSON, one per line' '.kind == "lifecycle" and (.pool == "p" or .pool == "q") and (.uuid | length) == 36'
is 'they are told apart' 'q defined' "$(jq -r 'select(.pool == "q") | .pool + " " + .event' <<<"$out")"

# ---- jobs ----

"$program" -q pool-create-as jobs dir --target "$scratch/jobs" --build
if command -v scrub >/dev/null; then
    "$program" -q vol-create-as jobs big 300M
    "$program" vol-wipe big jobs --algorithm gutmann >wipe.log 2>&1 &
    wiper=$!
    pids+=($wiper)
    until_works eval '[[ $("$program" job-list -q) == *wipe* ]]'
    report $? 'a job of somebody else is listed'
    works 'in JSON' cistern -o json job-list
    json 'its members' 'length == 1 and (.[0] | .id > 0 and .operation == "wipe" and .pool == "jobs" and .volume == "big" and
        (.started | startswith("20")) and .done >= 0 and .total >= 0 and (.client | length) > 0)'
    id=$(jq '.[0].id' <<<"$out")
    run cistern complete -- job-cancel ''
    is 'it is offered' "$id" "$(cut -f 1 <<<"$out")"
    works 'job-cancel' cistern -o json job-cancel "$id"
    json 'its result' ".job == $id and .result == \"cancelled\""
    wait $wiper
    is 'who waits for it is told' 130 $?
    [[ $(<wipe.log) == 'cistern: error: '* ]]
    report $? 'in words'
    until_works eval '[[ -z $("$program" job-list -q) ]]'
    report $? 'it is gone'
else
    skip 'jobs' 'scrub is not installed'
fi

# ---- the end ----

watch lost --event lifecycle --loop
kill -TERM "${pids[0]}"
wait "${pids[0]}"
is 'the daemon ends' 0 $?
wait "$watcher"
is 'a watcher whose connection is lost fails' 7 $?
fails 'nobody answers' 9 'no daemon answers' cistern pool-list
finish
