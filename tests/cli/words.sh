#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the command line says about itself and about wrong words: parsing, help,
# exit statuses, connections.
# usage: words.sh PROGRAM
# shellcheck source=tests/cli/lib.sh
source "$(dirname "$0")/lib.sh"

json_fails() { # NAME STATUS FILTER COMMAND...
    local name=$1 expected=$2 filter=$3
    shift 3
    run "$@"
    [[ $status == "$expected" && -z $out ]] && jq -e "$filter" <<<"$err" >/dev/null
    report $? "$name"
}

# ---- wrong words: status 2 and one sentence ----

fails 'an unknown command' 2 "unknown command 'frobnicate'" cistern frobnicate
fails 'an unknown option' 2 "pool-list has no option '--bogus'" cistern pool-list --bogus
fails 'an unknown option with a value' 2 "no option '--bogus'" cistern pool-list --bogus=3
fails 'options are not abbreviated' 2 "no option '--det'" cistern pool-list --det
fails 'an unknown letter' 2 "no option '-z'" cistern pool-list -z
fails 'an unknown option before the command' 2 "unknown option '--bogus'" cistern --bogus pool-list
fails 'a missing argument' 2 'pool-info needs <pool>' cistern pool-info
fails 'the second missing argument' 2 'vol-create-as needs <capacity>' cistern vol-create-as p n
fails 'a surplus argument' 2 "pool-info has no use for 'b'" cistern pool-info a b
fails 'an argument for a command that takes none' 2 "uri has no use for 'x'" cistern uri x
fails 'an option without its value' 2 'option --pool needs a value' cistern vol-info v --pool
fails 'a flag with a value' 2 'option --all takes no value' cistern pool-list --all=3
fails 'an option twice' 2 'option --type is given twice' cistern pool-list --type dir --type fs
fails 'a type that is none' 2 "'dir,zip' is not a value for --type" cistern pool-list --type dir,zip
fails 'an algorithm that is none' 2 "'shred' is not a value for --algorithm" cistern vol-wipe v --algorithm shred
fails 'an output that is none' 2 "'xml' is not a value for --output" cistern -o xml pool-list
fails 'a number that is none' 2 "'1x' is not a number for --timeout" cistern pool-event --timeout 1x
fails 'a job that is none' 2 "'-' is not a number for --id" cistern job-cancel -
for size in 10Q 1.5G 0x10 '' G -1 9E 18446744073709551616 '1 G' 1GG 1Kb1; do
    fails "a size that is none: '$size'" 2 'is not a size for --capacity' cistern vol-create-as p n "--capacity=$size"
done
fails 'a change that is none' 2 'is not a size' cistern vol-resize v --capacity=-x1
fails 'a negative size' 2 'needs --delta and --shrink' cistern vol-resize v -1G
fails 'a negative size without --shrink' 2 'needs --delta and --shrink' cistern vol-resize v --delta -1G
fails 'options that exclude each other' 2 'exclude each other' cistern pool-build p --overwrite --no-overwrite
fails 'names with details' 2 'exclude each other' cistern pool-list --details --name
fails 'an option that needs another' 2 '--backing-vol-format needs --backing-vol' \
    cistern vol-create-as p n 1 --backing-vol-format raw
fails 'a user without a way to authenticate' 2 'needs --auth-type' cistern pool-define-as n rbd --auth-username u
fails 'not UTF-8' 2 'is not UTF-8' cistern pool-define-as $'bad\xff' dir
fails 'control characters are escaped' 2 '\\x1b\[2J\\n' cistern $'\e[2J\n'
json_fails 'a wrong word, in JSON' 2 '.error.name == "usage" and .error.exit_status == 2' cistern -o json pool-info

# ---- sizes ----

while read -r text bytes; do
    works "the size $text" cistern pool-define-as p dir --target "$scratch/p" --print-xml
    run cistern -c "embed://$scratch/sizes" vol-create-as p n "$text" --print-xml
    [[ $out == *"<capacity>$bytes</capacity>"* ]]
    report $? "$text is $bytes bytes"
done < <(
    "$program" -c "embed://$scratch/sizes" -q pool-create-as p dir --target "$scratch" >/dev/null
    echo '512 512
1b 1
2bytes 2
1k 1024
1K 1024
1KiB 1024
1kb 1000
3MiB 3145728
1GB 1000000000
2T 2199023255552
1P 1125899906842624
7E 8070450532247928832'
)

# ---- where options stand ----

works 'options before the command' cistern -o json -q pool-list
works 'options after the command' cistern pool-list -o json
is 'the same' '[]' "$out"
works 'an option joined to its value' cistern pool-list --output=json
is 'the same' '[]' "$out"
works 'letters together' cistern -qojson pool-list
is 'the same' '[]' "$out"
fails 'everything after -- is a value' 3 "matching name '--all'" cistern pool-info -- --all
fails 'a name with a dash' 3 "matching name '-x'" cistern pool-info --pool -x
fails 'the order of options and values is free' 3 "matching name 'p'" cistern vol-info --pool p v

# ---- help ----

works '--version' cistern --version
output 'the version' '^cistern [0-9]'
works '--help' cistern --help
output 'options of every command' '-c, --connect <uri>'
run cistern
is 'no command: status 2' 2 "$status"
works 'help of every command' true
commands=$("$program" help -o json | jq -r '.commands[].name')
for command in $commands; do
    run cistern "$command" --help
    [[ $status == 0 && $out == "Usage: cistern $command"* && -z $err ]] || { report 1 "help of $command"; continue; }
    while read -r argument; do
        [[ $out == *"--$argument"* ]] || report 1 "help of $command tells about --$argument"
    done < <("$program" help "$command" -o json | jq -r '.arguments[].name')
done
works '-h after a command' cistern vol-wipe -h
[[ $(cistern help | awk 'length > 100' | wc -l) == 0 ]]
report $? 'help fits a screen'
[[ $("$program" help) != *complete\ * ]]
report $? 'what only shells use is not in help'

# ---- statuses by kind of error ----

fails 'no such pool' 3 "Storage pool not found: no storage pool with matching name 'x'" cistern pool-info x
fails 'no such pool, by UUID' 3 'Storage pool not found' cistern pool-info 00000000-0000-0000-0000-000000000001
json_fails 'no such pool, in JSON' 3 '.error | .name == "no-pool" and .code == 49 and .origin == 18 and .errno == 0 and
    (.message | contains("matching name"))' cistern -o json pool-info x
works 'a pool' cistern pool-create-as p dir --target "$scratch"
fails 'no such volume' 3 "Storage volume not found: no storage vol with matching" cistern vol-info x p
fails 'no such volume anywhere' 3 'Storage volume not found' cistern vol-info /x
fails 'a volume of another pool' 3 'Storage pool not found' cistern vol-info x q
fails 'reading only' 6 'read only' cistern -r pool-destroy p
works 'reading only can read' cistern --readonly pool-info p
works 'quiet' cistern -q pool-refresh p
is 'no words' '' "$out"
works 'quiet tables' cistern --quiet pool-list
is 'no head' ' p   active   no' "$out"
fails 'no such scheme' 7 "unknown scheme 'foo'" cistern -c foo:///x pool-list
fails 'no daemon there' '9' 'no daemon answers' cistern -c "cistern+unix:///system?socket=$scratch/none" pool-list
fails 'not a folder' 9 '' cistern --connect embed:///dev/null/x pool-list
fails 'no folder at all' 2 'names no folder' cistern -c embed:/// pool-list
run cistern -v pool-list
[[ $status == 0 && $err == "cistern: the embedded engine in this process serves embed://$state" ]]
report $? '-v says who serves'
if [[ -w /dev/full ]]; then
    "$program" pool-list >/dev/full 2>full.err
    [[ $? == 1 && $(<full.err) == 'cistern: error: can'\''t write the output: '* ]]
    report $? 'output that can not be written is an error'
fi
finish
