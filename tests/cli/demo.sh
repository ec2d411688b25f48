#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The demo runs, quickly, and cleans up.
# usage: demo.sh PROGRAM DAEMON SOURCE-TREE
# shellcheck source=tests/cli/lib.sh
source "$(dirname "$0")/lib.sh"

for tool in mkfs.ext4 e2fsck resize2fs qemu-img; do
    command -v $tool >/dev/null || { echo "1..0 # SKIP $tool is not installed"; exit 0; }
done
mkdir tmp
started=$SECONDS
run env CISTERN="$program" TMPDIR="$scratch/tmp" "$tree/scripts/demo"
is 'it ends well' 0 "$status"
((SECONDS - started < 60))
report $? 'in under a minute'
[[ $out == *'Images are identical.'*'No errors were found on the image.'*'└─ web-test.qcow2'* ]]
report $? 'it shows what it should'
[[ $err == *'cistern: error: Storage volume not found'* && $out == *'(exit status 3)'* ]]
report $? 'and one error'
is 'nothing is left' '' "$(ls -A tmp)"
finish
