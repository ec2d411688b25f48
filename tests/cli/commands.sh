#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every command with every option over an embedded engine, as text and as JSON.
# usage: commands.sh PROGRAM
# shellcheck source=tests/cli/lib.sh
source "$(dirname "$0")/lib.sh"

# What of the command table gets used, to be compared with the table at the end.
used=$scratch/used
cistern() {
    local word command=
    for word; do
        case $word in
        --) break ;;
        --*) echo "$command ${word%%=*}" ;;
        esac
        [[ -n $command || $word != *-* && ! $word =~ ^(uri|help|version|capabilities|complete|completion)$ || $word == -* ]] ||
            { command=$word && echo "$word"; }
    done >>"$used"
    "$program" "$@"
}

pool=$scratch/pool
uuid='[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'

# ---- the life of a pool ----

works 'pool-define-as --print-xml' cistern pool-define-as --name p --type dir --target "$pool" --print-xml
output 'its document' "<pool type='dir'>.*<name>p</name>.*<path>$pool</path>"
printf '%s\n' "$out" >pool.xml
works 'pool-define' cistern pool-define --file pool.xml --validate
is 'its words' 'Pool p defined from pool.xml' "$out"
works 'an inactive pool is not listed' cistern pool-list --name
is 'nothing is listed' '' "$out"
works 'pool-list --all' cistern pool-list --all
is "the table is virsh's" $' Name   State      Autostart\n------------------------------\n p      inactive   no' "$out"
works 'pool-list --inactive' cistern pool-list --inactive --name
is 'names only' p "$out"
works 'pool-build' cistern pool-build --pool p
[[ -d $pool ]]
report $? 'its folder is there'
fails 'pool-build --overwrite is refused by folders' 5 'formatting pool' cistern pool-build p --overwrite
fails 'pool-build --no-overwrite too' 5 'formatting pool' cistern pool-build p --no-overwrite
works 'pool-start' cistern -o json pool-start --pool p --build
json 'its result' '.pool == "p" and .result == "started" and (.uuid | length) == 36'
fails 'pool-start again' 5 "already active" cistern pool-start p
works 'pool-autostart' cistern pool-autostart --pool p
is 'its words' 'Pool p marked as autostarted' "$out"
works 'pool-list --autostart --persistent' cistern pool-list --autostart --persistent --name
is 'the pool is in it' p "$out"
works 'pool-list --no-autostart' cistern pool-list --no-autostart --name
is 'the pool is not in it' '' "$out"
works 'pool-autostart --disable' cistern -o json pool-autostart p --disable
json 'its result' '.result == "autostart-disabled"'
works 'pool-refresh' cistern pool-refresh --pool p
is 'its words' 'Pool p refreshed' "$out"
works 'pool-uuid' cistern pool-uuid --pool p
[[ $out =~ ^$uuid$ ]]
report $? 'it is a UUID'
id=$out
works 'pool-name' cistern pool-name --pool "$id"
is 'the name' p "$out"
works 'pool-uuid in JSON' cistern -o json pool-uuid p
json 'the same UUID' ".uuid == \"$id\""
works 'pool-info' cistern pool-info "$id"
output 'sizes for people' $'^Name:           p\nUUID: .*State:          running\nPersistent:     yes\nAutostart:      no\nCapacity:       [0-9.]+ [KMGTP]iB'
works 'pool-info --bytes' cistern pool-info --pool p --bytes
output 'exact sizes' 'Capacity:       [0-9]+ bytes'
works 'pool-info in JSON' cistern pool-info p -o json
json 'all members' '.name == "p" and .active and .persistent and (.autostart | not) and .state == "running" and
    .capacity > 0 and .available > 0 and .allocation >= 0'
works 'pool-list --details' cistern pool-list --details
output 'its columns' 'Name +State +Autostart +Persistent +Capacity +Allocation +Available'
works 'pool-list --type' cistern pool-list --type dir,fs --uuid --name
is 'UUID and name' "$id p" "$out"
works 'pool-list --type of others' cistern pool-list --type iscsi-direct,vstorage --name
is 'nothing' '' "$out"
works 'pool-list in JSON' cistern -o json pool-list --all
json 'an array of pools' 'length == 1 and .[0].name == "p" and .[0].uuid == "'"$id"'"'
works 'pool-list --name in JSON' cistern -o json pool-list --name
json 'only the names' '. == [{"name": "p"}]'
works 'pool-dumpxml' cistern pool-dumpxml --pool p
output 'with sizes' '<capacity unit=.bytes.>'
works 'pool-dumpxml --inactive' cistern pool-dumpxml p --inactive
output 'the saved one' "<path>$pool</path>"
works 'pool-dumpxml in JSON' cistern -o json pool-dumpxml p
json 'a text' '.xml | startswith("<pool")'

# ---- editing ----

cat >editor <<'EOF'
#!/bin/sh
[ "$1" = -x ] || exit 9
sed -i "s|<path>.*</path>|<path>$EDITED</path>|" "$2"
EOF
chmod +x editor
export VISUAL="'$scratch/editor' -x" EDITED=$scratch/elsewhere
works 'pool-edit' cistern pool-edit --pool p
is 'its words' 'Pool p XML configuration edited.' "$out"
works 'the saved definition' cistern pool-dumpxml p --inactive
output 'is edited' "<path>$EDITED</path>"
works 'pool-edit without a change' cistern -o json pool-edit p
json 'says so' '.result == "unchanged"'
fails 'an editor that fails' 1 'editor failed' env VISUAL="$scratch/editor" "$program" pool-edit p
fails 'no such editor' 1 'editor failed' env VISUAL=/nonexistent EDITOR=true "$program" pool-edit p
fails 'no shell reads VISUAL' 1 'editor failed' env VISUAL="true; touch $scratch/shell" "$program" pool-edit p
[[ ! -e $scratch/shell ]]
report $? 'nothing ran'
works 'EDITOR without VISUAL' env -u VISUAL EDITOR=true "$program" pool-edit p
export EDITED='<&broken'
fails 'a broken document is refused' 2 '' cistern pool-edit p
EDITED=$pool
works 'and back' cistern pool-edit p
[[ -z $(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'cistern-*.xml' -newer pool.xml 2>/dev/null) ]]
report $? 'no document is left behind'

# ---- transient pools and options of sources ----

works 'pool-create-as' cistern pool-create-as t dir - - - - "$scratch/t" --build
is 'its words' 'Pool t created' "$out"
works 'pool-list --transient' cistern pool-list --transient --name
is 'the pool' t "$out"
works 'pool-destroy' cistern -o json pool-destroy --pool t
json 'its result' '.result == "stopped"'
fails 'a transient pool is gone' 3 'no storage pool with matching name' cistern pool-info t
works 'its document' cistern pool-create-as --name t --type dir --target "$scratch/t" --print-xml
printf '%s\n' "$out" >t.xml
works 'pool-create' cistern pool-create --file t.xml --build
is 'its words' 'Pool t created from t.xml' "$out"
works 'it is stopped' cistern pool-destroy t
fails 'pool-create --overwrite' 5 'formatting pool' cistern pool-create t.xml --overwrite
fails 'pool-create --no-overwrite' 5 'formatting pool' cistern pool-create t.xml --no-overwrite
fails 'pool-create-as --overwrite' 5 'formatting pool' cistern pool-create-as t dir --target "$scratch/t" --overwrite
fails 'pool-create-as --no-overwrite' 5 'formatting pool' cistern pool-create-as t dir --target "$scratch/t" --no-overwrite
fails 'pool-start --overwrite' 5 '' cistern pool-start p --overwrite
fails 'pool-start --no-overwrite' 5 '' cistern pool-start p --no-overwrite

for command in pool-define-as pool-create-as; do
    works "$command: a remote source" cistern $command --print-xml --name n --type netfs \
        --source-host h --source-path /p --source-dev /d --source-name s --target /t \
        --source-format nfs --source-protocol-ver 4 --source-initiator iqn.1 \
        --auth-type chap --auth-username u --secret-usage w
    is "$command: its document" "<pool type='netfs'>
  <name>n</name>
  <source>
    <host name='h'/>
    <dir path='/p'/>
    <device path='/d'/>
    <initiator>
      <iqn name='iqn.1'/>
    </initiator>
    <auth type='chap' username='u'>
      <secret usage='w'/>
    </auth>
    <format type='nfs'/>
    <name>s</name>
    <protocol ver='4'/>
  </source>
  <target>
    <path>/t</path>
  </target>
</pool>" "$out"
    works "$command: an fc_host" cistern $command n scsi --print-xml --adapter-wwnn 1 --adapter-wwpn 2 \
        --adapter-parent host3 --adapter-parent-wwnn 4 --adapter-parent-wwpn 5 --adapter-parent-fabric-wwn 6
    output "$command: its adapter" "<adapter type='fc_host' parent='host3' parent_wwnn='4' parent_wwpn='5' parent_fabric_wwn='6' wwnn='1' wwpn='2'/>"
    works "$command: a scsi_host, in JSON" cistern -o json $command n scsi --print-xml --adapter-name 'a"<&' \
        --auth-type ceph --auth-username u --secret-uuid 1
    json "$command: its adapter" '.xml | contains("<adapter type='"'scsi_host' name='a&quot;&lt;&amp;'"'/>") and
        contains("<secret uuid='"'1'"'/>")'
done
fails 'secret usage and UUID exclude each other' 2 'exclude' cistern pool-define-as n rbd --auth-type ceph \
    --auth-username u --secret-usage a --secret-uuid b

# ---- what there is ----

works 'pool-capabilities' cistern pool-capabilities
output 'all types' "<pool type='dir' supported='yes'>"
works 'capabilities' cistern -o json capabilities
json 'a document' '.xml | contains("<capabilities>")'
echo '<source><host name="localhost"/></source>' >source.xml
fails 'find-storage-pool-sources' 8 "does not support source discovery" \
    cistern find-storage-pool-sources --type dir --srcSpec source.xml
fails 'the type is named where there is no pool' 1 "pool type 'netfs': " \
    cistern find-storage-pool-sources-as --type netfs --host 127.0.0.1
fails 'find-storage-pool-sources-as' 8 "does not support source discovery" \
    cistern find-storage-pool-sources-as --type dir --host localhost --port 1 --initiator iqn.1
works 'pool-event --list' cistern pool-event --list
is 'its words' $'lifecycle\nrefresh' "$out"
works 'pool-event --list in JSON' cistern -o json pool-event --list
json 'an array' '. == ["lifecycle", "refresh"]'
run cistern pool-event --pool p --event refresh --loop --timeout 0 --timestamp
is 'pool-event that sees none: status' 1 "$status"
is 'pool-event that sees none: words' $'event loop timed out\nevents received: 0' "$out"
run cistern pool-event --loop --timestamp --timeout 0
is 'pool-event without a kind sees none either' $'1\nevent loop timed out\nevents received: 0' "$status"$'\n'"$out"

# ---- making volumes ----

works 'vol-create-as' cistern vol-create-as --pool p --name base.raw --capacity 8M --allocation 0 --format raw
is 'its words' 'Vol base.raw created' "$out"
is 'its size' $((8 << 20)) "$(stat -c %s "$pool/base.raw")"
works 'vol-create-as of a qcow2' cistern -o json vol-create-as p base 1GiB 0 qcow2 --prealloc-metadata --validate
json 'its result' '.pool == "p" and .volume == "base" and .result == "created"'
works 'vol-create-as --backing-vol' cistern vol-create-as p over 1G --format qcow2 --backing-vol base --backing-vol-format qcow2
is 'the backing file' "$pool/base" "$(qemu-img info --output=json "$pool/over" | jq -r '."full-backing-filename"')"
works 'a backing volume by path' cistern vol-create-as p over2 1G --format qcow2 --backing-vol "$pool/over" --backing-vol-format qcow2
fails 'a name that is taken' 4 "exists already" cistern vol-create-as p base 1M
works 'vol-create-as --print-xml' cistern vol-create-as p n 3k --allocation 1 --format qcow2 --backing-vol base \
    --backing-vol-format qcow2 --print-xml
is 'its document' "<volume>
  <name>n</name>
  <capacity>3072</capacity>
  <allocation>1</allocation>
  <target>
    <format type='qcow2'/>
  </target>
  <backingStore>
    <path>$pool/base</path>
    <format type='qcow2'/>
  </backingStore>
</volume>" "$out"
printf '%s\n' "$out" >n.xml
works 'vol-create' cistern vol-create --pool p --file n.xml --validate
is 'its words' 'Vol n created from n.xml' "$out"
sed 's/<name>n</<name>m</; /backingStore/,/backingStore/d' n.xml >m.xml
works 'vol-create --prealloc-metadata' cistern vol-create p m.xml --prealloc-metadata
sed 's/<name>m</<name>k</' m.xml | "$program" vol-create p - >/dev/null
is 'vol-create from standard input' 0 $?
fails 'no such document' 1 "can't read the document" cistern vol-create p nothing.xml
echo '<volume><name>x</name><bogus/></volume>' >bogus.xml
fails 'a document that is none' 2 '' cistern vol-create p bogus.xml --validate

dd if=/dev/urandom of="$pool/base.raw" bs=1M count=1 seek=3 conv=notrunc status=none
echo "<volume><name>from.qcow2</name><capacity>0</capacity><target><format type='qcow2'/></target></volume>" >from.xml
works 'vol-create-from' cistern vol-create-from --pool p --file from.xml --vol base.raw --inputpool p --validate
is 'its words' 'Vol from.qcow2 created from input vol base.raw' "$out"
qemu-img compare -q "$pool/base.raw" "$pool/from.qcow2"
report $? 'it has the same content'
sed 's/from.qcow2/from2.qcow2/' from.xml >from2.xml
works 'vol-create-from --prealloc-metadata' cistern -o json vol-create-from p from2.xml "$pool/base.raw" --prealloc-metadata
json 'its result' '.volume == "from2.qcow2"'
sed 's/from.qcow2/from3.qcow2/' from.xml >from3.xml
run cistern vol-create-from p from3.xml base.raw --reflink
[[ $status != 0 && $err == 'cistern: error: '* && ! -e $pool/from3.qcow2 ]]
report $? 'vol-create-from --reflink between formats fails, and leaves nothing'
works 'vol-clone' cistern vol-clone --vol base.raw --newname clone.raw --pool p
is 'its words' 'Vol clone.raw cloned from base.raw' "$out"
cmp -s "$pool/base.raw" "$pool/clone.raw"
report $? 'it has the same content'
works 'vol-clone --prealloc-metadata' cistern vol-clone from.qcow2 clone.qcow2 p --prealloc-metadata
works 'vol-clone --print-xml' cistern vol-clone "$pool/base.raw" 'a<b' --print-xml
output 'the new name' '<name>a&lt;b</name>'
run cistern vol-clone base.raw shared.raw p --reflink
if cp --reflink=always "$pool/base.raw" "$scratch/try" 2>/dev/null; then
    is 'vol-clone --reflink shares' 0 "$status"
else
    [[ $status != 0 && ! -e $pool/shared.raw ]]
    report $? 'vol-clone --reflink fails where nothing can be shared, and leaves nothing'
fi

# ---- reading volumes ----

works 'vol-list' cistern vol-list --pool p
output "virsh's columns" $'^ Name +Path\n-+\n base +'"$pool/base"
works 'vol-list --details' cistern vol-list p --details
output 'its columns' 'Name +Path +Type +Capacity +Allocation +Format'
works 'vol-list in JSON' cistern vol-list p -o json
json 'an overlay' 'map(select(.name == "over"))[0] | .path == "'"$pool/over"'" and .key == .path and .type == "file" and
    .format == "qcow2" and .capacity == 1073741824 and .allocation >= 0 and .physical > 0 and
    .backing == "'"$pool/base"'" and .problem == null'
works 'vol-info' cistern vol-info --vol base.raw --pool p
output 'sizes for people' $'^Name:           base.raw\nType:           file\nCapacity:       8.00 MiB\nAllocation:     1.00 MiB'
works 'vol-info --bytes' cistern vol-info base.raw p --bytes
output 'exact sizes' 'Capacity:       8388608 bytes'
works 'vol-info --physical' cistern vol-info base.raw p --physical
output 'its size as a file' 'Physical:       8.00 MiB'
works 'vol-info in JSON' cistern -o json vol-info "$pool/base.raw"
json 'its members' '.name == "base.raw" and .pool == "p" and .type == "file" and .capacity == 8388608 and .allocation == 1048576'
works 'vol-info --physical in JSON' cistern -o json vol-info base.raw p --physical
json 'its member' '.physical == 8388608 and (has("allocation") | not)'
works 'vol-dumpxml' cistern vol-dumpxml --vol over --pool p
output 'its backing store' "<backingStore>.*<path>$pool/base</path>"
works 'vol-dumpxml in JSON' cistern -o json vol-dumpxml over p
json 'a text' '.xml | startswith("<volume")'
works 'vol-disk' cistern vol-disk --vol over --pool p
is 'its element' "<disk type='file' device='disk'>
  <driver name='qemu' type='qcow2'/>
  <source file='$pool/over'/>
  <target dev='vda' bus='virtio'/>
</disk>" "$out"
works 'vol-disk with a target' cistern vol-disk over p --target sdb --bus sata --device disk --readonly
output 'its element' "<target dev='sdb' bus='sata'/>"$'\n  <readonly/>\n'
works 'vol-disk in JSON' cistern -o json vol-disk "$pool/base.raw" --device cdrom
json 'a text' '.xml | contains("device='"'cdrom'"'") and contains("type='"'raw'"'")'
fails 'vol-disk with no name of a disk' 2 "'vd1' is no target" cistern vol-disk over p --target vd1
fails 'vol-disk with what does not go together' 2 "a cdrom can't be on the bus" cistern vol-disk over p --device cdrom --bus virtio
mkdir "$pool/folder"
fails 'vol-disk of a folder' 8 'it is a folder' cistern vol-disk folder p
rmdir "$pool/folder"
printf 'vhdxfile' >"$pool/x.vhdx"
fails 'vol-disk of a format that libvirt does not know' 8 "volume 'x.vhdx' can't be a machine's disk: unknown volume format type" \
    cistern vol-disk x.vhdx p
rm "$pool/x.vhdx"
works 'vol-path' cistern vol-path --vol base --pool p
is 'the path' "$pool/base" "$out"
works 'vol-key' cistern vol-key --vol base --pool p
is 'the key' "$pool/base" "$out"
works 'vol-name' cistern vol-name --vol "$pool/base"
is 'the name' base "$out"
works 'vol-pool' cistern vol-pool --vol "$pool/base"
is 'the pool' p "$out"
works 'vol-pool --uuid' cistern vol-pool "$pool/base" --uuid
is 'its UUID' "$id" "$out"
for command in path key name; do
    works "vol-$command in JSON" cistern -o json vol-$command "$pool/base"
    json "its member" ".$command | length > 0"
done
works 'vol-pool in JSON' cistern -o json vol-pool "$pool/base"
json 'its member' '.pool == "p"'
works 'vol-tree' cistern vol-tree --pool p
output 'chains' $'^base \\(qcow2, 1.00 GiB\\)\n├─ n \\(qcow2, 3.00 KiB\\)\n└─ over \\(qcow2, 1.00 GiB\\)\n   └─ over2 '
works 'vol-tree --vol' cistern vol-tree p --vol over2
is 'one chain' "$pool/base (qcow2, 1.00 GiB)
└─ $pool/over (qcow2, 1.00 GiB)
   └─ $pool/over2 (qcow2, 1.00 GiB)" "$out"
works 'vol-tree in JSON' cistern -o json vol-tree p
json 'overlays' 'map(select(.name == "base"))[0].overlays == ["'"$pool/n"'", "'"$pool/over"'"]'
works 'vol-tree --vol in JSON' cistern -o json vol-tree p --vol over2
json 'three images' 'map(.format) == ["qcow2", "qcow2", "qcow2"] and .[2].path == "'"$pool/base"'"'

# ---- content (transfer.sh has the rest) ----

works 'vol-download' cistern vol-download --vol base --file base.copy --pool p
cmp -s base.copy "$pool/base"
report $? 'the file is the volume'
head -c 1M base.copy >part.part
works 'vol-download with all options' cistern vol-download base part p --offset 0 --length 2M --sparse --continue
works 'vol-upload' cistern vol-upload --vol m --file base.copy --pool p
cmp -s base.copy "$pool/m"
report $? 'the volume is the file'
run cistern vol-upload m base.copy p --offset 64k --length 4096 --sparse --continue
is 'vol-upload with all options: status' 0 "$status"
cmp -s -i 65536:0 -n 4096 "$pool/m" base.copy
report $? 'only that part, there'
rm "$pool/m"

# ---- changing volumes ----

works 'vol-resize' cistern vol-resize --vol clone.raw --capacity 10M --pool p
is 'its words' "Size of volume 'clone.raw' successfully changed to 10M" "$out"
works 'vol-resize --delta' cistern vol-resize clone.raw 2M p --delta
works 'vol-resize --delta --shrink' cistern vol-resize clone.raw -1M p --delta --shrink
is 'the size' $((11 << 20)) "$(stat -c %s "$pool/clone.raw")"
works 'vol-resize --allocate' cistern -o json vol-resize clone.raw 16M p --allocate
json 'its result' '.result == "resized"'
(($(stat -c %b "$pool/clone.raw") * 512 >= 5 << 20))
report $? 'it is allocated'
fails 'vol-resize to less' 2 '' cistern vol-resize clone.raw 1M p
works 'vol-wipe' cistern vol-wipe --vol clone.raw --pool p
is 'its words' 'Vol clone.raw wiped' "$out"
cmp -s -n $((16 << 20)) "$pool/clone.raw" /dev/zero
report $? 'it is zero'
works 'vol-wipe --algorithm' cistern -o json vol-wipe clone.raw p --algorithm trim
json 'its result' '.result == "wiped"'
fails 'vol-delete --delete-snapshots is refused by folders' 2 'flags' cistern vol-delete clone.raw p --delete-snapshots
works 'vol-delete' cistern vol-delete --vol clone.raw --pool p
is 'its words' 'Vol clone.raw deleted' "$out"
works 'vol-delete by path' cistern -o json vol-delete "$pool/n"
json 'its result' '.volume == "n" and .result == "deleted"'
fails 'vol-delete again' 3 "no storage vol with matching" cistern vol-delete "$pool/n"

# ---- jobs and the program ----

works 'job-list' cistern job-list
output 'its columns' '^ Id +Operation +Pool +Volume +Client +Started +Progress'
works 'job-list in JSON' cistern -o json job-list
is 'no job' '[]' "$out"
fails 'job-cancel of nothing' 2 'no job 99' cistern job-cancel --id 99
works 'uri' cistern uri
is 'the embedded engine' "embed://$state" "$out"
works 'uri in JSON' cistern -o json uri
json 'the same' '.uri == "embed://'"$state"'"'
works 'version' cistern version
output 'two versions' '^cistern [0-9.]+, libcistern [0-9.]+$'
works 'version in JSON' cistern -o json version
json 'two versions' '.program and .library'
works 'help' cistern help
output 'groups' 'Pools \(cistern help pool\).*Volumes'
works 'help on a group' cistern help volume
output 'its commands' 'vol-create-as'
works 'help on a command' cistern help --command vol-resize
output 'its options' '--shrink'
works 'completion' cistern completion --shell bash
fails 'help on nothing' 2 'no command or group' cistern help nothing
json_help=$("$program" help -o json)

# ---- the end of a pool ----

works 'pool-destroy' cistern pool-destroy p
is 'its words' 'Pool p destroyed' "$out"
fails 'an inactive pool has no list' 5 'not active' cistern vol-list p
works 'pool-undefine' cistern pool-undefine --pool p
is 'its words' 'Pool p has been undefined' "$out"
mkdir "$scratch/empty"
works 'another pool' cistern pool-define-as e dir --target "$scratch/empty"
works 'pool-delete' cistern pool-delete --pool e
is 'its words' 'Pool e deleted' "$out"
[[ ! -e $scratch/empty ]]
report $? 'its folder is gone'

# ---- nothing in the table was left out ----

jq -r '.commands[] | .name as $c | $c, ($c + " --" + .arguments[].name)' <<<"$json_help" | sort -u >all
sort -u "$used" >was
out=$(comm -23 all was)
[[ -z $out ]]
report $? 'every command and option of the table was used'
finish
