#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Uploads and downloads: whole, in part, sparse, through pipes; broken off, and gone on with.
# usage: transfer.sh PROGRAM DAEMON
# shellcheck source=tests/cli/lib.sh
source "$(dirname "$0")/lib.sh"
pids=()
trap '((${#pids[@]})) && kill "${pids[@]}" 2>/dev/null; rm -rf "$scratch"' EXIT
pool=$scratch/pool
MIB=$((1 << 20))

same() { # NAME FILE FILE
    cmp -s "$2" "$3"
    report $? "$1"
}

absent() { # NAME FILE...
    local name=$1
    shift
    ls -d -- "$@" >/dev/null 2>&1
    (($? != 0))
    report $? "$name"
}

"$program" -q pool-create-as p dir --target "$pool" --build
for name in v w empty; do
    "$program" -q vol-create-as p $name 0
done
dd if=/dev/urandom of=bytes bs=1M count=5 status=none
printf tail >>bytes
size=$(stat -c %s bytes)

# ---- there and back ----

works 'vol-upload' cistern vol-upload --vol v --file bytes --pool p
is 'its words' 'Vol v uploaded' "$out"
same 'the volume is the file' bytes "$pool/v"
works 'vol-download' cistern vol-download --vol v --file got --pool p
is 'its words' 'Vol v downloaded' "$out"
same 'the file is the volume' bytes got
absent 'no part is left' got.part
works 'vol-upload in JSON' cistern -o json vol-upload v bytes p
json 'its result' ".pool == \"p\" and .volume == \"v\" and .key == \"$pool/v\" and .result == \"uploaded\" and
    .offset == 0 and .bytes == $size and .kept == 0"
works 'vol-download in JSON' cistern -o json vol-download "$pool/v" got
json 'its result' ".result == \"downloaded\" and .offset == 0 and .bytes == $size and .kept == 0"
works 'quiet' cistern -q vol-download v got p
is 'says nothing' '' "$out"
works 'an empty volume' cistern vol-download empty nothing p
is 'makes an empty file' 0 "$(stat -c %s nothing)"
works 'an empty file' cistern vol-upload empty /dev/null p
is 'changes nothing' 0 "$(stat -c %s "$pool/empty")"

# ---- parts ----

works 'vol-upload --offset' cistern vol-upload w bytes p --offset 1MiB --length 2k
{ head -c $MIB /dev/zero && head -c 2048 bytes; } >expected
same 'only that much, there' expected "$pool/w"
works 'vol-download --offset --length' cistern -o json vol-download v got p --offset 1M --length 100
json 'its result' ".offset == $MIB and .bytes == 100"
tail -c +$((MIB + 1)) bytes | head -c 100 >expected
same 'only those' expected got
works 'a length of 0 is no limit' cistern vol-download v got p --length 0
same 'all came' bytes got
works 'more than there is' cistern vol-download v got p --offset $((size - 4)) --length 1G
is 'what there is' tail "$(<got)"
works 'beyond the end' cistern vol-download v got p --offset 1G
is 'nothing' '' "$(<got)"

# ---- pipes ----

run bash -c "cat bytes | '$program' vol-upload w - p"
is 'vol-upload from a pipe' 'Vol w uploaded' "$out"
same 'all came' bytes "$pool/w"
"$program" vol-download w - p | cat >got
is 'vol-download into a pipe' '0 0' "${PIPESTATUS[*]}"
"$program" vol-download w - p >expected
"$program" vol-download w /dev/stdout p | cmp -s - expected
is 'it is one by another name too' '0 0' "${PIPESTATUS[*]}"
works 'a device takes data and messages' cistern vol-download w /dev/null p
output 'which are printed' '^Vol w downloaded$'
run bash -c "'$program' -o json vol-download w /dev/stdout p | cat; exit \${PIPESTATUS[0]}"
is 'JSON and data have no place together' 2 "$status"
same 'all came, and nothing else' bytes got
"$program" vol-download w - p --offset 4 --length 4 >got
same 'into a file of the shell' got <(tail -c +5 bytes | head -c 4)
{ head -c 10 >/dev/null && "$program" -q vol-upload w - p --length 4; } < <(cat bytes)
same 'a pipe from where it is' <(head -c 4 "$pool/w") <(tail -c +11 bytes | head -c 4)
exec 3<bytes
dd bs=8 count=1 status=none of=/dev/null <&3
"$program" -q vol-upload empty - p <&3
exec 3<&-
same 'a file of the shell from where it is' "$pool/empty" <(tail -c +9 bytes)
"$program" -q vol-upload empty - p --length 4 < <(printf abcdef)
is 'no more than --length' abcd "$(head -c 4 "$pool/empty")"
mkfifo fifo
cat fifo >got &
works 'vol-download into a named pipe' cistern vol-download v fifo p
wait $!
same 'all came' bytes got
run bash -c "'$program' vol-download v - p | head -c 10 >/dev/null; exit \${PIPESTATUS[1]}"
is 'a reader that stops early' 0 "$status"

# ---- holes ----

truncate -s 16M holes
printf one | dd of=holes bs=1M seek=4 conv=notrunc status=none
printf two | dd of=holes bs=1M seek=11 conv=notrunc status=none
taken() { # FILE: KiB on the disk
    echo $(($(stat -c %b "$1") / 2))
}
"$program" -q vol-create-as p s 16M
works 'vol-upload --sparse' cistern vol-upload s holes p --sparse
same 'the volume is the file' holes "$pool/s"
is 'with its holes' 1 $(($(taken "$pool/s") < 1024))
works 'vol-download --sparse' cistern vol-download s got p --sparse
same 'the file is the volume' holes got
is 'with its holes' 1 $(($(taken got) < 1024))
is 'at its end too' 16777216 "$(stat -c %s got)"
head -c 16M /dev/urandom | "$program" -q vol-upload s - p
# shellcheck disable=SC2002
cat holes | "$program" -q vol-upload s - p --sparse
same 'zeros of a pipe' holes "$pool/s"
is 'become holes' 1 $(($(taken "$pool/s") < 1024))
works 'vol-upload --sparse of a part' cistern vol-upload w holes p --sparse --length 5M
same 'that part' <(head -c 5M holes) <(head -c 5M "$pool/w")
head -c 70000 /dev/zero | "$program" -q vol-upload w - p --sparse --length 70000
same 'a pipe of zeros of an odd length' <(head -c 5M "$pool/w") <(head -c 70000 /dev/zero; head -c 5M holes | tail -c +70001)
"$program" vol-download s - p --sparse | cmp -s - holes
report $? 'holes are zeros in a pipe'
works 'without --sparse' cistern vol-download s got p
same 'the same bytes' holes got

# ---- what is refused, before anything changes ----

cp "$pool/v" before
mkdir folder
printf old >present
fails 'no such file' 1 "can't read 'none': No such file" cistern vol-upload v none p
fails 'a folder' 1 "can't read 'folder': Is a directory" cistern vol-upload v folder p
fails 'a file shorter than --length' 1 "'present' has 3 bytes, fewer than --length" cistern vol-upload v present p --length 4
fails 'a folder as the target' 1 "can't write 'folder': Is a directory" cistern vol-download v folder p
fails 'no such folder' 1 "can't write 'none/x': No such file" cistern vol-download v none/x p
fails 'no such volume' 3 'no storage vol' cistern vol-download none present p
fails 'a size that is none' 2 'is not a size for --offset' cistern vol-upload v bytes p --offset x
fails 'a length that is none' 2 'is not a size for --length' cistern vol-download v got p --length -1
run cistern -o json vol-download v - p
[[ $status == 2 && $err == *'download to a file'* ]]
report $? 'JSON where the data goes'
fails '--continue into a pipe' 1 '--continue needs a file' cistern vol-download v fifo p --continue
fails 'a connection for reading' 6 'read only' cistern -r vol-upload v bytes p
ln -s bytes link.part
fails 'a part that is a link' 1 "can't write 'link'" cistern vol-download v link p
same 'it is not followed' bytes before
is 'a file that was there stays' old "$(<present)"
same 'and the volume' before "$pool/v"
absent 'no part is left' got.part present.part

# ---- what ends too soon ----

run bash -c "printf abc | '$program' vol-upload empty - p --length 10"
is 'a pipe shorter than --length: status' 1 "$status"
[[ $err == *"'standard input' ended 7 bytes too soon; with --continue it goes on there" ]]
report $? 'its words'
fails 'a full device' 1 "can't write '/dev/full': No space left on device" cistern vol-download v /dev/full p
full=$scratch/full
mkdir "$full"
# shellcheck disable=SC2016
run unshare --mount bash -c 'mount -t tmpfs -o size=2M none "$1" 2>/dev/null || exit 99
    printf old >"$1/f"
    "$2" vol-download v "$1/f" p
    echo "status=$? part=$(stat -c %s "$1/f.part") old=$(<"$1/f")"
    cmp -n "$(stat -c %s "$1/f.part")" "$1/f.part" "$3" && echo right' bash "$full" "$program" "$pool/v"
if [[ $status == 99 || $err == *unshare* ]]; then
    skip 'a full file system' 'nothing can be mounted here'
else
    [[ $err == *"can't write '$full/f': No space left on device; what came is in '$full/f.part', --continue goes on there" ]]
    report $? 'a full file system'
    [[ $out =~ ^status=1\ part=[12][0-9]{6}\ old=old$'\n'right$ ]]
    report $? 'the old file stays, the part is right'
fi

# ---- files in the end ----

printf 'something longer' >present
chmod 600 present
ln -s present way
works 'a link as the target' cistern vol-download v way p
same 'its file is replaced' present bytes
[[ -L way ]]
report $? 'it stays a link'
is 'the mode stays' 600 "$(stat -c %a present)"
umask 027
works 'a new file' cistern vol-download v fresh p
is 'has the usual mode' 640 "$(stat -c %a fresh)"

# ---- downloads that broke off ----

head -c 3000000 bytes >got.part
rm got
works 'vol-download --continue' cistern -o json vol-download v got p --continue
json 'it went on' ".bytes == $((size - 3000000)) and .kept == 3000000"
same 'the file is the volume' bytes got
absent 'no part is left' got.part
works 'with nothing to go on from' cistern -o json vol-download v got p --continue
json 'it is read anew' ".bytes == $size and .kept == 0"
head -c $size bytes >got.part
works 'with nothing left to come' cistern -o json vol-download v got p --continue
json 'nothing is read' ".bytes == 0 and .kept == $size"
same 'it has its name' bytes got
head -c $MIB bytes >got.part
works 'a part of the volume' cistern vol-download v got p --continue --length 1M
is 'it was whole' $MIB "$(stat -c %s got)"
tail -c +101 bytes | head -c 1000 >got.part
works 'behind an offset' cistern vol-download v got p --continue --offset 100
same 'the rest of the volume' <(tail -c +101 bytes) got
head -c 3M holes >got.part
works 'sparse' cistern vol-download s got p --continue --sparse
same 'the file is the volume' holes got
{ head -c 3000000 bytes && echo x; } >got.part
fails 'another content' 1 "'$PWD/got.part' does not hold what the volume has there|'got.part' does not hold" cistern vol-download v got p --continue
is 'it stays' 3000002 "$(stat -c %s got.part)"
{ cat bytes && echo x; } >got.part
fails 'more than the volume has' 1 'does not hold what the volume has there' cistern vol-download v got p --continue
fails 'more than --length' 1 'more than --length' cistern vol-download v got p --continue --length 5
works 'without --continue' cistern vol-download v got p
same 'it is read anew' bytes got
exec 3>busy.part
flock 3
fails 'two downloads into one file' 1 "another download is filling its .part file" cistern vol-download v busy p
exec 3>&-
rm busy.part

if strace -qq -o /dev/null true 2>/dev/null; then
    set -m # so that the program heeds SIGINT
    ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null -e trace=pwrite64 \
        -e inject=pwrite64:delay_enter=1000000 "$program" vol-download v slow p 2>slow.err &
    slow=$!
    until_works test -s slow.part
    kill -INT -- -$slow
    wait $slow
    is 'Ctrl-C ends a download: status' 130 $?
    [[ $(<slow.err) == "cistern: error: interrupted; what came is in "*"slow.part', --continue goes on there" ]]
    report $? 'its words'
    absent 'there is no file' slow
    works 'it goes on' cistern vol-download v slow p --continue
    same 'the file is the volume' bytes slow
    set +m
else
    skip 'Ctrl-C of a download' 'strace does not work here'
fi

# ---- uploads that broke off ----

run bash -c "cat bytes | '$program' vol-upload empty - p --length 6M"
is 'a source that ends too soon' 1 "$status"
run bash -c "cat bytes bytes | '$program' -o json vol-upload empty - p --length 6M --continue"
json 'another process knows how far it came' '.kept > 1000000 and .kept + .bytes == 6291456'
same 'the volume is the source' <(cat bytes bytes | head -c 6M) <(head -c 6M "$pool/empty")

set -m
"$daemon" --root "$scratch/root" >daemon.log 2>&1 </dev/null &
server=$!
pids+=($server)
export CISTERN_DEFAULT_URI="cistern+unix:///system?socket=$scratch/root/run/cistern-sock"
until_works "$program" pool-list
report $? 'the daemon answers'
"$program" -q pool-define-as d dir --target "$scratch/d"
"$program" -q pool-start d --build
d=$scratch/d

# An upload that waits for more than it gets, in the background: $client. The last of what it got may
# still be on its way.
begin_upload() { # VOLUME FROM TO OPTION...
    local volume=$1 from=$2 to=$3
    shift 3
    mkfifo feed
    "$program" vol-upload "$volume" - d "$@" <feed 2>upload.err >upload.out &
    client=$!
    pids+=($client)
    exec 4>feed
    tail -c +$((from + 1)) bytes | head -c $((to - from)) >&4
    until_reached "$d/$volume" $((to - 500000))
}

# What came is written a little later.
until_reached() { # FILE SIZE
    local try
    for ((try = 0; try < 200; try++)); do
        (($(stat -c %s "$1") >= $2)) && return
        sleep 0.1
    done
}

restart_daemon() { # SIGNAL
    kill "-$1" $server
    wait $server 2>/dev/null
    "$daemon" --root "$scratch/root" >>daemon.log 2>&1 </dev/null 4>&- &
    server=$!
    pids+=($server)
    until_works "$program" pool-list
}

end_upload() { # SIGNAL: $status
    kill "-$1" "$client"
    wait "$client" 2>/dev/null
    status=$?
    exec 4>&-
    rm feed
}

"$program" -q vol-create-as d u 0
begin_upload u 0 2000000
end_upload KILL
works 'vol-upload --continue after the connection broke' cistern -o json vol-upload u bytes d --continue
json 'it went on' ".kept >= 1500000 and .kept <= 2000000 and .kept + .bytes == $size"
same 'the volume is the file' bytes "$d/u"

"$program" -q vol-delete u d
"$program" -q vol-create-as d u 0
begin_upload u 0 2000000
end_upload INT
is 'Ctrl-C ends an upload: status' 130 "$status"
is 'its words' 'cistern: error: interrupted; with --continue it goes on there' "$(<upload.err)"
restart_daemon TERM
begin_upload u 0 3500000 --continue
kill $server # while it runs
wait $server
exec 4>&-
wait $client
[[ $? != 0 && $(<upload.err) == 'cistern: error: '*'; with --continue it goes on there' ]]
report $? 'the daemon ends while it uploads'
rm feed
"$daemon" --root "$scratch/root" >>daemon.log 2>&1 </dev/null &
server=$!
pids+=($server)
until_works "$program" pool-list
cat bytes >copy
dd if=/dev/zero of=copy bs=1 seek=2700000 count=16 conv=notrunc status=none
fails 'another source' 1 'it is another source; upload without --continue' cistern vol-upload u copy d --continue
fails 'a source that is too short' 1 'has fewer bytes than came already' cistern vol-upload u <(head -c 100 bytes) d --continue
fails 'another offset' 1 'began at offset 0: give the same --offset' cistern vol-upload u bytes d --continue --offset 5
fails 'less than came already' 1 'bytes came already, more than --length' cistern vol-upload u bytes d --continue --length 5
run bash -c "cat bytes | '$program' -o json vol-upload u - d --continue"
json 'two restarts later it goes on, from a pipe' '.kept >= 2900000 and .kept <= 3500000'
same 'the volume is the file' bytes "$d/u"

# The daemon killed while it uploads: what it has noted, once a second, is there.
notes() {
    find "$scratch/root" -name '*.upload' -size +0
}

until_noted() {
    local try
    for ((try = 0; try < 200; try++)); do
        [[ $(notes) ]] && return
        sleep 0.1
    done
}

# Of what comes after a second a note is made.
break_upload() { # OPTION...
    begin_upload u 0 1500000 "$@"
    sleep 1.1
    tail -c +1500001 bytes | head -c 1500000 >&4
    until_noted
    restart_daemon KILL
    exec 4>&-
    wait $client
    rm feed
}

is 'no note is left of an upload that is whole' '' "$(notes)"
break_upload
[[ $(<upload.err) == 'cistern: error: '*'; with --continue it goes on there' ]]
report $? 'the daemon is killed while it uploads'
fails 'another source then' 1 'it is another source; upload without --continue' cistern vol-upload u <(tac bytes) d --continue
begin_upload u 0 3500000 --continue # killed at once: what was known still is
restart_daemon KILL
exec 4>&-
wait $client
rm feed
works 'vol-upload --continue after kill -9' cistern -o json vol-upload u bytes d --continue
json 'it went on' ".kept >= 1000000 and .kept <= 3000000 and .kept + .bytes == $size"
same 'the volume is the file' bytes "$d/u"
is 'no note is left' '' "$(notes)"

break_upload
printf x | dd of="$d/u" conv=notrunc status=none # by somebody else, and nobody knows
run cistern vol-upload u bytes d --continue
is 'a volume changed since the kill' 'cistern: nothing is known of an upload that broke off: it begins anew' "$err"
same 'the volume is the file' bytes "$d/u"
run cistern vol-upload u bytes d --continue
is 'nothing is known: status' 0 "$status"
is 'it begins anew' 'cistern: nothing is known of an upload that broke off: it begins anew' "$err"

begin_upload u 0 2000000
run cistern vol-upload u bytes d
[[ $status == 5 && $err == *'upload'* ]]
report $? 'a volume that is being uploaded is in use'
disown $client # so that nothing is said about its end
(sleep 1 && kill -KILL $client) &
killer=$!
works '--continue waits for the daemon to see that the connection broke' cistern vol-upload u bytes d --continue
wait $killer
exec 4>&-
rm feed
same 'the volume is the file' bytes "$d/u"

begin_upload u 0 2000000
end_upload KILL
until_works "$program" vol-wipe u d
report $? 'a change of the volume'
run cistern -o json vol-upload u bytes d --continue
json 'it begins anew' '.kept == 0'
same 'the volume is the file' bytes "$d/u"

begin_upload u 0 2000000
end_upload KILL
until_works "$program" pool-destroy d
works 'the pool was stopped' cistern pool-start d
run cistern -o json vol-upload u bytes d --continue
json 'it begins anew' '.kept == 0'
[[ -z $(find "$scratch/root" "$state" -name '*.upload') ]]
report $? 'nothing of it is left'
finish
