#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What people see: tables, hostile names, terminals, bars, progress, Ctrl-C.
# usage: display.sh PROGRAM
# shellcheck source=tests/cli/lib.sh
source "$(dirname "$0")/lib.sh"

pool=$scratch/pool
"$program" -q pool-create-as p dir --target "$pool" --build

# Runs shell commands on a terminal of their own; what it shows is in $out. Once it shows $until,
# Ctrl-C is pressed. `script` runs them in $SHELL, which need not be set or bash.
on_terminal() {
    local commands=$1
    shift
    (($# == 0)) || commands+="; $1"
    : >"$scratch/.tty"
    if [[ -n ${until-} ]]; then
        for ((tries = 0; tries < 600; tries++)); do
            if grep -q -- "$until" "$scratch/.tty"; then break; fi
            sleep 0.1
        done
        printf '\003'
        sleep 2
    fi | SHELL=$BASH TERM=xterm script -qefc "$commands" /dev/null >"$scratch/.tty" 2>&1
    status=$?
    out=$(tr -d '\0\r' <"$scratch/.tty")
    err=
}

# ---- names from the disk ----

cd "$pool" || exit 1
touch -- 日本語 é 'a b' -dash $'bidi\u202etxt' '<x>&"' ordinary $'esc\e[2Jape' $'c1\xc2\x9bx' $'a\nb' $'bad\xff'
cd "$scratch" || exit 1
works 'a pool with hostile names' cistern pool-refresh p
works 'the list' cistern vol-list p
! LC_ALL=C grep -q $'[\001-\011\013-\037\177]' <<<"$out" && [[ $out != *$'\u9b'* && $out != *$'\u202e'* ]]
report $? 'nothing in it acts on a terminal'
for name in 'bidi\u202etxt' 日本語 -dash '<x>&"'; do
    [[ $out == *" $name "* ]]
    report $? "it shows $name"
done
wide=$(grep -- 日本語 <<<"$out" | head -n 1)
narrow=$(grep -- ' ordinary ' <<<"$out")
before_wide=${wide%%/*} before_narrow=${narrow%%/*}
is 'columns are aligned by display width' $((${#before_narrow} - 3)) "${#before_wide}"
works 'details of it' cistern vol-list p --details
works 'JSON of it' cistern -o json vol-list p
json 'names are whole' 'map(.name) | contains(["日本語", "bidi\u202etxt", "-dash", "a b"])'
is 'one volume per line' "$(jq length <<<"$out")" "$(grep -c '^  {' <<<"$out")"
works 'a path for scripts is raw' cistern vol-path $'bidi\u202etxt' p
is 'the path' "$pool/"$'bidi\u202etxt' "$out"
on_terminal "$program vol-path --pool p $'bidi\\u202etxt'"
output 'on a terminal it is escaped' 'bidi\\u202etxt'
on_terminal "$program vol-dumpxml --pool p $'bidi\\u202etxt'"
[[ $out != *$'\u202e'* && $out == *'<name>bidi\u202etxt</name>'* ]]
report $? 'so is a document'
fails 'messages are escaped' 3 'x1b\[2Jx' cistern vol-info $'\e[2Jx' p
works 'a volume with a dash' cistern vol-delete --pool p -- -dash
[[ ! -e $pool/-dash ]]
report $? 'is gone'
works 'markup in a name' cistern vol-clone '<x>&"' '"<y>&' p
[[ -e $pool/'"<y>&' ]]
report $? 'the clone is there'
for name in ../x a/b . .. '' $'a\nb' "$(printf '%300s' x)"; do
    run cistern vol-create-as p -- "$name" 1M
    [[ $status != 0 && $err == 'cistern: error: '* && $err != *$'\n'* ]]
    report $? "no volume is called $(printf %q "${name:0:20}")"
done
[[ ! -e $scratch/x ]]
report $? 'nothing outside the pool was touched'

# ---- what can't be read, and what goes in circles ----

printf 'QFI\xfb\0\0\0\x03' >"$pool/broken.qcow2"
for pair in '1 2' '2 3' '3 1' '4 4'; do
    image=$pool/circle${pair% *}
    qemu-img create -q -f qcow2 "$image" 1M
    qemu-img rebase -u -b "$pool/circle${pair#* }" -F qcow2 "$image"
done
qemu-img create -q -f qcow2 -u -b "$scratch/else$(printf '\e')where" -F raw "$pool/outside" 1M
run cistern vol-list p
[[ $err == 'cistern: '[1-9]*" of these have a problem; --details says why" ]]
report $? 'a list tells that there are broken volumes'
works '--details' cistern vol-list p --details
output 'says why' 'broken.qcow2 .*qcow2 +[a-z]'
works 'a tree with circles ends' cistern vol-tree p
output 'it says so' 'in a circle: circle1'
output 'a circle of one' 'in a circle: circle4'
output 'an image elsewhere' 'else\\x1bwhere \(not in this pool\)'
works 'a chain in a circle ends' cistern vol-tree p --vol circle1
works 'the tree in JSON' cistern -o json vol-tree p
json 'the circle' 'map(select(.name == "circle1"))[0] | .backing == "'"$pool/circle2"'" and .overlays == ["'"$pool/circle3"'"]'
json 'the image elsewhere' 'map(select(.in_pool | not)) | length == 1'

# ---- a long list ----

mkdir "$scratch/many"
(cd "$scratch/many" && seq -f 'volume-%06.0f' 10000 | xargs touch && touch "zz-$(printf '%0100d' 0)")
"$program" -q pool-create-as many dir --target "$scratch/many"
works 'a list of several pages' cistern vol-list many
is 'it is whole' 10003 "$(grep -c . <<<"$out")"
works 'in JSON' cistern -o json vol-list many
json 'it is whole and in order' 'length == 10001 and (map(.name) == (map(.name) | sort))'
run bash -c "'$program' vol-list many | head -n 3 >/dev/null"
is 'a reader that stops early' 0 "$status"

# ---- terminals ----

works 'no terminal, no bar' cistern pool-list
[[ $out != *█* && $out != *░* && $out != *Used* && $out != *$'\e'* ]]
report $? 'plain text'
on_terminal "$program pool-list"
output 'a bar on a terminal' $'Used\n.*\e\\[3[123]m[█▏▎▍▌▋▊▉░]{10}\e\\[0m +[0-9]+%'
on_terminal "$program --no-color pool-list --details"
[[ $out =~ [█▏▎▍▌▋▊▉░]{10} && $out != *$'\e'* ]]
report $? '--no-color'
on_terminal "export NO_COLOR=1; $program pool-list"
[[ $out =~ [█▏▎▍▌▋▊▉░]{10} && $out != *$'\e'* ]]
report $? 'NO_COLOR'
on_terminal "export LC_ALL=C; $program --no-color pool-list"
output 'letters where there are no blocks' ' [#-]{10} +[0-9]+%'
on_terminal "export LC_ALL=C; $program vol-tree p"
output 'lines of letters' '`- circle3'
on_terminal "$program -o json pool-list"
[[ $out != *$'\e'* && $out != *Used* ]]
report $? 'JSON is the same on a terminal'

# ---- progress ----

# Each MiB of the wipe takes a tenth of a second, or $delay microseconds.
slowly() {
    ASAN_OPTIONS=detect_leaks=0 on_terminal "$1" "strace -f -qq -o /dev/null -e trace=pwrite64 \
        -e inject=pwrite64:delay_enter=${delay:-100000} $program vol-wipe slow.raw p; echo status=\$?"
}

"$program" -q vol-create-as p slow.raw 20M
if strace -qq -o /dev/null true 2>/dev/null; then
    slowly 'stty cols 80'
    output 'a bar after half a second' $'wiping volume slow.raw +[█▏▎▍▌▋▊▉░]+ +[0-9]+%  [0-9.]+ MiB'
    output 'with a rate and the time left' '  [0-9.]+ MiB/s  ETA 0:0[0-9]'
    output 'it is taken away in the end' $'\e\\[KVol slow.raw wiped\nstatus=0'
    longest=$(tr '\r' '\n' <"$scratch/.tty" | sed 's/\x1b\[K//g' | wc -L)
    ((longest > 60 && longest < 80))
    report $? 'it fits the line'
    slowly 'stty cols 40'
    longest=$(tr '\r' '\n' <"$scratch/.tty" | sed 's/\x1b\[K//g' | wc -L)
    ((longest > 20 && longest < 40))
    report $? 'it fits a short line'
    delay=2000000 until='wiping volume' slowly 'stty cols 80'
    output 'Ctrl-C cancels the call' $'error:.* operation aborted: .*\nstatus=130'
    [[ $out != *wiped* ]]
    report $? 'in the middle'
else
    skip 'progress' 'strace does not work here'
fi
run cistern vol-wipe slow.raw p
is 'no terminal, no progress' '' "$err"

# ---- data ----

on_terminal "$program vol-download slow.raw - p; echo status=\$?"
[[ $out == *'does not go to a terminal'*status=2* ]]
report $? 'data does not go to a terminal'
slow_data='for i in 1 2 3 4 5 6 7 8 9 10; do head -c 1M /dev/zero; sleep 0.2; done'
on_terminal "stty cols 80; { $slow_data; } | $program vol-upload slow.raw - p --length 10M; echo status=\$?"
output 'a bar while uploading' $'uploading to volume slow.raw +[█▏▎▍▌▋▊▉░]+ +[0-9]+%  [0-9.]+ MiB'
output 'it is taken away in the end' $'\e\\[KVol slow.raw uploaded\nstatus=0'
on_terminal "stty cols 80; mkfifo fifo; (while head -c 1M >/dev/null && sleep 0.1; do :; done <fifo) & $program vol-download slow.raw fifo p; echo status=\$?"
output 'a bar while downloading' $'downloading volume slow.raw +[█▏▎▍▌▋▊▉░]+ +[0-9]+%'
until='%' on_terminal "stty cols 80; { $slow_data; $slow_data; } | $program vol-upload slow.raw - p --length 20M; echo status=\$?"
output 'Ctrl-C ends an upload' $'error:.* interrupted; with --continue it goes on there\nstatus=130'
finish
